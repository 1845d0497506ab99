"""The prompts whose layers are looked at: a set that has test rows, and enough of them."""

from collections.abc import Iterator

from stages.check.meaning import Params, located, samples, section, unknown
from stages.core.errors import Fault

LEAST = 2  # how alike prompts are takes two; CKA, which takes four, is left out below that


def of_layers(params: Params) -> Iterator[Fault]:
    """Hold that the prompts are there; a part that is switched off may name what is not."""
    settings, sets = section(params, "layers"), section(params, "sets")
    rows, name = settings.get("rows", 0), settings.get("set")
    if not rows:
        return
    if rows < LEAST:
        what = "one prompt is too few: how alike a model sees prompts takes two"
        yield Fault("layers.rows", what, f"{LEAST} or more, 4 for CKA; 0 switches it off")
    if not sets:
        return  # which was told already
    yield from unknown("layers.set", name, {*sets, *samples(params)}, "set")
    entry = sets.get(name, {})
    ids = entry.get("ids")  # empty where what it held was told already
    if name in sets and not (ids.get("test") if ids else entry.get("test", 1)):
        yield Fault("layers.set", f"the set {name!r} has no test rows", "a set with some")


def check_layers(params: Params, file: str = "params.yaml") -> list[Fault]:
    """Return what is wrong with `layers`."""
    return located(file, of_layers(params))
