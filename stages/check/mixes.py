"""What the parameters of mixes and of samples of training rows mean (stages/mix, stages/split)."""

from collections.abc import Iterator

from stages.check.meaning import Params, located, samples, scored_sets, section
from stages.core.errors import Fault

# How an entry of a mix says how many rows it wants.
WAYS = ("share", "rows", "ratio")


def check_samples(params: Params) -> Iterator[Fault]:
    """Hold that training rows that are to be scored are there, and are no headline."""
    sets, taken = section(params, "sets"), samples(params)
    for sample, name in taken.items():
        where, entry = f"sets.{name}.train_sample", sets[name]
        if sample in sets:
            what = f"the sample would be called {sample!r}, as the set sets.{sample} is"
            yield Fault(where, what, "another name for that set")
        if "ids" not in entry and abs(entry.get("val", 0) + entry.get("test", 0) - 1) < 1e-9:
            yield Fault(where, "val and test leave no training rows", "0, or leave it out")
    sections = section(params, "evaluate.sections")
    for name, entry in sections.items():
        asked = scored_sets(entry)
        if (trained := taken.keys() & {*asked}) and trained != {*asked}:
            what = f"holds training rows ({', '.join(sorted(trained))}) and test rows together"
            where, then = f"evaluate.sections.{name}.set", "write a section for each of the two"
            yield Fault(where, what, "rows that were trained on, or rows that were not", then)
    for at, name in enumerate(section(params, "evaluate").get("headline", [])):
        if taken.keys() & {*scored_sets(sections.get(name, {}))}:
            what = f"the section {name!r} is of training rows"
            expected = "a section of test rows: forgetting and recovery are theirs"
            yield Fault(f"evaluate.headline[{at}]", what, expected)


def check_mixes(params: Params) -> Iterator[Fault]:
    """Hold that each entry of a mix says how much in one way, and that ratios leave a rest."""
    for key, adapter in section(params, "adapters").items():
        mix = adapter.get("mix", {})
        ratios = {}
        for name, entry in mix.items():
            where = f"adapters.{key}.mix.{name}"
            ways = [way for way in WAYS if isinstance(entry, dict) and way in entry]
            if isinstance(entry, dict) and len(ways) != 1:
                what = f"says {' and '.join(ways)}" if ways else "does not say how many rows"
                yield Fault(where, what, "one of share, rows and ratio")
            if ways == ["ratio"]:
                ratios[name] = entry["ratio"]
        where, whole = f"adapters.{key}.mix", sum(ratios.values())
        if ratios and len(ratios) == len(mix):
            expected = "a set with a share or with rows: it says how many rows a ratio is"
            yield Fault(where, "every set has a ratio", expected)
        elif whole > 1 - 1e-9:
            what = f"the ratios of {', '.join(ratios)} leave nothing for the other sets ({whole:g})"
            yield Fault(where, what, "below 1 together")


def check_rows(params: Params, file: str = "params.yaml") -> list[Fault]:
    """Return what is wrong with the choice of rows, for parameters of a sound shape."""
    checks = (check_samples, check_mixes)
    return located(file, (fault for check in checks for fault in check(params)))
