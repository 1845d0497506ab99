"""The models that can be asked: those of params.yaml, and what `tunegraph export` wrote."""

from pathlib import Path
from typing import Any, Literal, NamedTuple


class Model(NamedTuple):
    """One that can be asked.

    name:   as the window names it: a model of params.yaml, or `exports/<folder>`
    kind:   base, adapter or export (a merged one)
    folder: where it lies
    digest: of its manifest (of an export: of its files), which a verdict is kept with
    system: the system prompt that most of its training rows had; None: none
    """

    name: str
    kind: Literal["base", "adapter", "export"]
    folder: Path
    digest: str
    system: str | None


def models(params: dict[str, Any], root: Path = Path()) -> tuple[list[Model], list[str]]:
    """Return the models that can be asked, params.yaml's first; and why others cannot, a line each.

    params: the sections `models`, `transcripts`, `adapters`; root: the project's folder
    """
    raise NotImplementedError(params, root)
