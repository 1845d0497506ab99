"""What dvc.lock says of a build: with what code, with which parameters, to which outputs."""

import hashlib
from collections.abc import Iterator, Mapping
from io import BytesIO
from typing import Any, BinaryIO

from stages.core.errors import ConfigError, Fault
from stages.core.params import PATH

Stages = dict[str, dict[str, Any]]  # by name; every scalar is text, as it is spelled there
FIGURES = "metrics/models/"
NOTHING = {"", "null", "~"}


def parse(content: bytes, where: str) -> Stages:
    """Return the stages of a dvc.lock.

    where: what messages call it
    Raises: ConfigError when it is not YAML: conflicts that a merge left, for one.
    """
    import yaml

    loader = getattr(yaml, "CBaseLoader", yaml.BaseLoader)  # in C: a lock is long
    try:
        found = yaml.load(content, Loader=loader)  # noqa: S506 (makes texts, lists, mappings alone)
        return {name: told for name, told in found["stages"].items() if isinstance(told, dict)}
    except (yaml.YAMLError, KeyError, TypeError, AttributeError, UnicodeDecodeError) as error:
        what = f"not what DVC writes: {str(error).splitlines()[0]}"
        raise ConfigError(Fault(where, what, then="dvc repro")) from None


def md5_of(opened: BinaryIO) -> str:
    """Return the MD5 that DVC knows a content by."""
    return hashlib.file_digest(opened, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()


def outputs(stages: Stages, *under: str) -> Iterator[tuple[str, str]]:
    """Yield path and MD5 of the outputs whose paths begin so."""
    for stage in stages.values():
        for out in stage.get("outs", ()):
            if out["path"].startswith(under) and "md5" in out:
                yield out["path"], out["md5"]


def deps(stages: Stages, under: str) -> dict[str, set[str]]:
    """Return all deps below a path: path -> MD5s, several where a part was built later."""
    found: dict[str, set[str]] = {}
    for stage in stages.values():
        for dep in stage.get("deps", ()):
            if dep["path"].startswith(under) and "md5" in dep:
                found.setdefault(dep["path"], set()).add(dep["md5"])
    return found


def stale(stages: Stages, params: Any) -> list[str]:
    """Return the stages that were run with other parameters than these.

    check apart: it reads all of params.yaml, and writes the same whatever it says.
    """
    return [
        name
        for name, stage in stages.items()
        for told in [stage.get("params", {}).get(str(PATH), {})]
        if name != "check"
        and isinstance(told, dict)
        and any(not same(value, _at(params, key)) for key, value in told.items())
    ]


def altered(stages: Stages, files: Mapping[str, bytes]) -> list[str]:
    """Return the figures of models that are not what dvc.lock says. files: path -> content."""
    return [
        path
        for path, md5 in outputs(stages, FIGURES)
        if path not in files or md5_of(BytesIO(files[path])) != md5
    ]


def _at(params: Any, dotted: str) -> Any:
    """Return what stands at a dotted path of the parameters, or None."""
    for key in dotted.split("."):
        params = params.get(key) if isinstance(params, dict) else None
    return params


def same(spelled: Any, value: Any) -> bool:
    """Tell whether a value of dvc.lock, its scalars as text, is one of params.yaml."""
    if isinstance(value, dict):
        return (
            isinstance(spelled, dict)
            and spelled.keys() == {str(key) for key in value}
            and all(same(spelled[str(key)], inner) for key, inner in value.items())
        )
    if isinstance(value, list):
        return (
            isinstance(spelled, list)
            and len(spelled) == len(value)
            and all(map(same, spelled, value))
        )
    if not isinstance(spelled, str):
        return False
    if value is None or isinstance(value, bool):
        return spelled.casefold() in ({str(value).casefold()} if value is not None else NOTHING)
    if isinstance(value, int | float):
        try:
            return float(spelled) == value
        except ValueError:
            return False
    return spelled == str(value)
