"""What changed, in words: the parts of the page that `tunegraph changed` prints."""

import json
from collections import Counter
from collections.abc import Iterator
from typing import Any

from stages.core.scores import KEYS, arrow
from tools.pages import Part
from tools.row_changes import Change, Changes, Line, name

EXAMPLES = 3  # of each kind of change
MOST = 25  # lines of a list; --json has all
WIDE = 60  # characters of an example's text
BEFORE = 20  # of them, ahead of what differs
GRAPH = {
    "added": "new stage",
    "removed": "stage that is gone",
    "commands": "another command",
    "recipe": "recipe file that differs",
}


def spelled(value: Any) -> str:
    """Spell a parameter's value, or a figure."""
    if isinstance(value, float):
        return f"{value:.5g}"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def states(told: dict[str, Any]) -> str:
    """Spell `before -> after`; what is not there is said so."""
    one, other = (spelled(told[side]) if side in told else "absent" for side in ("before", "after"))
    return f"{one} -> {other}"


def window(text: str, at: int = 0) -> str:
    """Return the part of a text around a place."""
    begin = max(0, at - BEFORE)
    cut = text[begin : begin + WIDE]
    return f"{'…' if begin else ''}{cut}{'…' if begin + WIDE < len(text) else ''}"


def says(line: Line) -> tuple[str, str]:
    """Return what a line asks and what it answers; a reject answers with its raw text."""
    value = line.value
    if "reason" in value:
        return f"{value['reason']}: {value['detail']}", value["text"] or ""
    messages = value.get("messages", [])
    if "seed" in value:  # a request
        return "\n".join(each["content"] for each in messages), ""
    asked = "\n".join(each["content"] for each in messages[:-1])
    return asked, messages[-1]["content"] if messages else ""


def one(sign: str, line: Line) -> str:
    """Spell a line that came or went."""
    asked, answer = says(line)
    # What is asked of a teacher begins with the same words for each seed.
    at = len(asked) - WIDE + BEFORE if "seed" in line.value else 0
    texts = [window(asked, max(0, at)), window(answer)]
    said = " => ".join(f'"{each}"' for each in texts if each)
    return f"{sign} {' '.join(filter(None, [line.place, name(line)]))} {said}"


def two(change: Change) -> Iterator[str]:
    """Spell a change: what it was, what it is, from where the two differ."""
    place, names = change.after.place, (name(change.before), name(change.after))
    told = names[1] if names[0] == names[1] else f"{names[0]} -> {names[1]}"
    yield f"~ {f'{place} ' if place else ''}{told} ({', '.join(change.fields)})"
    texts = list(zip(says(change.before), says(change.after), strict=True))
    if all(old == new for old, new in texts):
        for field in change.fields:
            old, new = (json.dumps(each.value.get(field), ensure_ascii=False, sort_keys=True)
                        for each in (change.before, change.after))  # fmt: skip
            texts.append((old, new))
    for old, new in texts:
        if old != new:
            ends = enumerate(zip(old, new, strict=False))
            at = next((at for at, (a, b) in ends if a != b), min(len(old), len(new)))
            yield f'    "{window(old, at)}"'
            yield f'    "{window(new, at)}"'


def examples(found: dict[str, Changes]) -> Iterator[str]:
    """Yield a few lines of each kind: added, removed, moved, changed.

    Sets and mixes repeat what rows tell; of them only what else happened is shown.
    """
    told: set[str] = set()
    for kind, changes in found.items():
        lines = [one("+", each) for each in changes.added if name(each) not in told][:EXAMPLES]
        lines += [one("-", each) for each in changes.removed if name(each) not in told][:EXAMPLES]
        if not kind.startswith("mix "):
            moved = [each for each in changes.moved if each.before.place][:EXAMPLES]
            lines += [one(f"> {each.before.place} ->", each.after) for each in moved]
        for each in [each for each in changes.changed if name(each.after) not in told][:EXAMPLES]:
            lines += two(each)
        yield from [f"{kind}:", *(f"  {line}" for line in lines)] if lines else []
        if kind == "rows":
            told |= {name(each) for each in [*changes.added, *changes.removed]}
            told |= {name(each.after) for each in changes.changed}


def of_rows(told: dict[str, Any], found: dict[str, Changes]) -> Iterator[Part]:
    """Yield the rows: counts by kind and side, moves, rejects by reason, examples."""
    cells, moved = [], []
    for kind, changes in found.items():
        for place in dict.fromkeys([*changes.after, *changes.before]):
            if not changes.before[place] and not changes.after[place] and place:
                continue
            lines = changes.added, changes.removed
            counts = [sum(line.place == place for line in each) for each in lines]
            counts.append(sum(each.after.place == place for each in changes.changed))
            label = f"{kind}, {place}" if place else kind
            fields = Counter(
                field for each in changes.changed if each.after.place == place
                for field in each.fields
            )  # fmt: skip
            what = ", ".join(f"{field} {n}" for field, n in sorted(fields.items()))
            cells.append([label, *map(str, (changes.before[place], changes.after[place])),
                          *map(str, counts), what])  # fmt: skip
        ways = Counter((each.before.place, each.after.place) for each in changes.moved)
        moved += [f"{kind}, from {a} to {b}: {n}" for (a, b), n in sorted(ways.items())]
    crossed = told["rejects"]
    for way, said in (("to_rejects", "from rows to rejects"), ("to_rows", "from rejects to rows")):
        if crossed.get(way):
            by = ", ".join(f"{reason} {n}" for reason, n in sorted(crossed[way].items()))
            moved.append(f"{said}: {sum(crossed[way].values())} ({by})")
    head = ["", "before", "now", "added", "removed", "changed", "in what"]
    shows = list(examples(found))
    yield Part("Rows", [], head, cells, 1, moved)
    different = [
        [reason, str(n["before"]), str(n["after"])]
        for reason, n in crossed.get("reasons", {}).items()
    ]
    if different:
        yield Part("Rejects by reason", [], ["", "before", "now"], different)
    if shows:
        yield Part("Examples", shows, [], [])


def of_metrics(told: dict[str, Any]) -> Iterator[Part]:
    """Yield the figures: of the models, then all others."""
    cells = []
    for move in told["moves"]:
        key = move["key"]
        row = [move["model"], f"{move['section']}.{key}", arrow(key) if key in KEYS else ""]
        row += [spelled(move[side]) if side in move else "-" for side in ("before", "after")]
        signed = "delta" if "delta" in move else "change"
        row.append(f"{move[signed]:+.5g}" if signed in move else "")
        common = move.get("common", {})
        row.append(str(common["n"]) if common else "")
        span = ""
        if "delta" in common:
            span = f"{common['delta']:+.4f}"
            if "low" in common:
                span += f" [{common['low']:+.4f}, {common['high']:+.4f}]"
            span += ", shown" if common["shown"] else ", not shown"
            span = "each the same" if common["same"] else span
        of_seeds = move.get("seeds", {})
        cells.append([*row, span, seeds_said(of_seeds) if of_seeds else ""])
    said = [
        f"{len(told['moves'])} moved, {told['unchanged']} did not; a difference is positive when "
        "better (↑ higher is, ↓ lower is)",
        "over the rows that both scored: the mean difference with its interval; shown where "
        "interval and p, corrected for the number of the model's figures, both say so",
    ]
    head = ["model", "figure", "", "before", "now", "difference", "common rows", "over these"]
    if any(row[-1] for row in cells):
        head.append("over seeds")
        said.append(
            "over seeds (recipes/*/noise.json): beyond, where |difference| > t x sd x sqrt(2)"
        )
    cells = [row[: len(head)] for row in cells]
    if cells:
        yield Part("Figures of the models", said, head, cells, 3)
    else:
        yield Part("Figures of the models", [f"none of {told['unchanged']} moved"], [], [])
    if others := told["figures"]:
        rows = [[each["figure"], spelled(each["before"]), spelled(each["after"])]
                for each in others[:MOST]]  # fmt: skip
        rest = [f"and {len(others) - MOST} more: --json"] if len(others) > MOST else []
        yield Part("Other figures", [], ["", "before", "now"], rows, 1, rest)


def seeds_said(told: dict[str, Any]) -> str:
    """Spell how far a training seed alone would move a figure."""
    return f"sd {told['sd']:.4f}, {'beyond' if told['larger'] else 'within'}"


def limited(lines: list[str]) -> list[str]:
    """Return the first lines of a list, and how many there are beyond."""
    return lines[:MOST] + ([f"and {len(lines) - MOST} more: --json"] if len(lines) > MOST else [])


def title(told: dict[str, Any]) -> str:
    """Name the two states."""

    def state(about: dict[str, Any]) -> str:
        if not about["commit"]:
            return "the workspace"
        subject = "experiment" if about["experiment"] else window(about["subject"])
        return f"{about['revision']} ({about['commit'][:7]}, {subject})"

    return f"{state(told['before'])} -> {state(told['after'])}"


def parts(told: dict[str, Any], found: dict[str, Changes]) -> Iterator[Part]:
    """Yield what `tools.changed.compare` found: why it may have moved, what did, and how far."""
    yield Part(f"What changed: {title(told)}", told["notes"], [], [])
    params = [f"{each['key']}: {states(each)}" for each in told["params"]]
    yield Part("Parameters", limited(params) or ["none changed"], [], [])
    changed = [
        f"{each['what']}: {each['path']}"
        + (f" ({', '.join(each['files'])})" if each["files"] else "")
        for each in told["code"]["changed"]
    ]
    unbuilt = [
        f"edited, but no stage was built with it: {name}" for name in told["code"]["unbuilt"]
    ]
    graph = told["graph"]
    lines = limited(changed) + limited(unbuilt)
    for kind, said in GRAPH.items():
        lines += [f"{said}: {', '.join(graph[kind])}"] if graph[kind] else []
    yield Part("Code and recipe", lines or ["none changed"], [], [])
    yield from of_rows(told, found)
    yield from of_metrics(told["metrics"])
    if told["lacking"]:
        files = [
            f"{each['path']} of {each['revision']}: {each['then']}" for each in told["lacking"]
        ]
        yield Part("Not in the cache, so not compared", limited(files), [], [])
