"""What dvc.yaml says of the stages: what each does, reads and writes, and which feeds which."""

import re
from dataclasses import dataclass
from typing import Any

from stages.report.page.dag import Edge

WRITES = ("outs", "metrics", "plots")
VARIABLE = re.compile(r"\$\{([^}]*)\}")


@dataclass
class Stage:
    """A stage of dvc.yaml: one box.

    items: the names of what a `foreach` goes through; None for a stage that stands once
    reads, writes: paths, each as it stands there, without what all stages have (stages/)
    of: the paths, a pair (reads, writes) for each item, filled in as far as params.yaml says
    """

    name: str
    says: str
    items: list[str] | None
    reads: list[str]
    writes: list[str]
    of: list[tuple[list[str], list[str]]]


def paths(entries: Any) -> list[str]:
    """Return the paths of deps, outs, metrics or plots, options apart."""
    if not isinstance(entries, list):
        return []
    return [str(next(iter(each))) if isinstance(each, dict) else str(each) for each in entries]


def filled(path: str, values: dict[str, Any]) -> str:
    """Fill in the variables of a path; what is not known stays as it is written."""

    def known(match: re.Match[str]) -> str:
        found: Any = values
        for key in match.group(1).split("."):
            found = found.get(key) if isinstance(found, dict) else None
        return match.group(0) if found is None else str(found)

    return VARIABLE.sub(known, path)


def stages(graph: dict[str, Any], params: dict[str, Any]) -> list[Stage]:
    """Return the stages of dvc.yaml, in its order."""
    found = []
    for name, entry in graph.get("stages", {}).items():
        what = entry.get("do", entry)
        reads = [path for path in paths(what.get("deps")) if not path.startswith("stages/")]
        writes = [path for kind in WRITES for path in paths(what.get(kind))]
        items: list[str] | None = None
        of = [dict(params)]
        if "foreach" in entry:
            section = VARIABLE.fullmatch(str(entry["foreach"]))
            of_items = params.get(section.group(1), {}) if section else entry["foreach"]
            pairs = of_items.items() if isinstance(of_items, dict) else enumerate(of_items)
            of = [params | {"key": key, "item": item} for key, item in pairs]
            items = [
                str(each["item"].get("name", each["key"])) if isinstance(each["item"], dict)
                else str(each["item"])
                for each in of
            ]  # fmt: skip
        both = [
            ([filled(path, values) for path in reads], [filled(path, values) for path in writes])
            for values in of
        ]
        says = " ".join(str(what.get("desc", "")).split())
        found.append(Stage(str(name), says, items, reads, writes, both))
    return found


def meets(read: str, written: str) -> bool:
    """Tell whether a stage that reads this depends on one that writes that.

    They are one path, or one is a folder that the other lies in. A variable that nobody filled in
    stands for anything within a folder's name.
    """
    parts = [
        [VARIABLE.sub("\0", part) for part in path.strip("/").split("/")]
        for path in (read, written)
    ]
    for one, other in zip(*parts, strict=False):
        if "\0" in one + other:
            patterns = ["[^/]*".join(map(re.escape, part.split("\0"))) for part in (one, other)]
            if re.fullmatch(patterns[0], other) or re.fullmatch(patterns[1], one):
                continue
        if one != other:
            return False
    return True


def edges(found: list[Stage]) -> set[Edge]:
    """Return which stage feeds which: (from, to), by the paths that one writes and one reads."""
    return {
        (source.name, target.name)
        for source in found
        for target in found
        if source.name != target.name
        for _, written in source.of
        for read, _ in target.of
        if any(meets(one, other) for one in read for other in written)
    }
