"""What may be wrong with the base that is chosen among several (`base.choices`)."""

from collections.abc import Iterator

from stages.check.meaning import Params, located, section, unknown
from stages.core.choices import named
from stages.core.errors import Fault


def check_choices(params: Params, file: str = "params.yaml") -> list[Fault]:
    """Return what is wrong with `base.choices`, `base.id` and `base.revision` beside each other."""
    base = section(params, "base")
    return located(file, among(base)) if base.get("choices") else []


def among(base: Params) -> Iterator[Fault]:
    """Hold that the id is a choice, and has one revision; an id of the hub has its own."""
    choices, source, name = base["choices"], base.get("source"), base.get("id")
    if source not in (None, "hub"):
        what = f"are of the hub, but base.source is {source}"
        then = "write source: hub; a folder is named by id itself, without choices"
        yield Fault("base.choices", what, "source: hub", then)
        return
    if source is None or "id" not in base:
        return
    revision = base.get("revision")
    if name is None:
        yield Fault("base.id", "null names no base", f"one of: {', '.join(sorted(choices))}")
    elif named(base):
        if revision is not None:
            what = f"{revision!r}, but {name!r} is a choice, which has a revision of its own"
            yield Fault("base.revision", what, "none beside a choice", "leave it out")
    elif "/" not in name:
        then = "or an id of the hub (user/name) with base.revision"
        yield from unknown("base.id", name, choices, "choice", then)
    elif revision is None:
        what = f"is missing: {name!r} is none of base.choices ({', '.join(sorted(choices))})"
        yield Fault("base.revision", what, "a commit's hash, or base.id: one of the choices")
