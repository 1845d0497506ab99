"""Mappings that stand in several places of params.yaml by a YAML alias (`lora: *lora`)."""

from collections.abc import Iterator
from typing import Any

from stages.core.errors import Fault


def shared(params: Any, path: str = "", first: dict[int, str] | None = None) -> Iterator[Fault]:
    """Yield each mapping that is another one under a second name.

    DVC edits params.yaml as one object: of `-S adapters.m2b.lora.r=8` nothing is left where
    `adapters.m2c.lora` is the same mapping, because that place sets it back to 16 afterwards. A
    sweep over it would build the same model again and again.

    params: as `read_yaml` gave them: an alias is the same object
    first:  id of each mapping met before -> where it stands
    """
    first = {} if first is None else first
    again = isinstance(params, dict) and params and first.setdefault(id(params), path) != path
    if again:
        what = f"is {first[id(params)]} itself, by an alias"
        then = "write {<<: *name}: a mapping of its own, with the same keys"
        yield Fault(path, f"{what}: `dvc exp run -S` cannot change one of the two", "", then)
        return
    items = enumerate(params) if isinstance(params, list) else getattr(params, "items", tuple)()
    for key, item in items:
        yield from shared(item, f"{path}.{key}" if path else str(key), first)
