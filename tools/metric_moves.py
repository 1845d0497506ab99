"""How far each figure moved between two builds, and how surely on the rows that both scored."""

from collections.abc import Iterator
from math import sqrt
from typing import Any

from stages.core.pairing import Scores, differences, having, section_rows, span
from stages.core.scores import KEYS, better
from stages.core.significance import Sampling, correct, paired, shown
from stages.report import noise
from tools.snapshot import Snapshot

Models = dict[str, dict[str, dict[str, float]]]
DIGITS = 5
# Of metrics/*.json: what repeats the models' figures, and what is told by itself elsewhere.
LEFT_OUT = {"selected"}


def flat(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Yield the leaves of a nested value by dotted path; lists of mappings by place."""
    if isinstance(value, dict) and value:
        for key, inner in value.items():
            yield from flat(inner, f"{path}.{key}" if path else str(key))
    elif isinstance(value, list) and any(isinstance(each, dict) for each in value):
        for at, inner in enumerate(value):
            yield from flat(inner, f"{path}[{at}]")
    else:
        yield path, value


def moves(before: Models, after: Models) -> Iterator[dict[str, Any]]:
    """Yield each figure of each model: before, after, and delta, positive when better.

    before, after: absent where there is none; delta: absent unless both are there and the key has
    a better direction (`change` then is after - before)
    """
    for model in dict.fromkeys([*after, *before]):
        old, new = before.get(model, {}), after.get(model, {})
        for section in dict.fromkeys([*new, *old]):
            ones, others = old.get(section, {}), new.get(section, {})
            for key in dict.fromkeys([*others, *ones]):
                told = {"model": model, "section": section, "key": key}
                told |= {"before": ones[key]} if key in ones else {}
                told |= {"after": others[key]} if key in others else {}
                if {"before", "after"} <= told.keys():
                    told["change"] = round(others[key] - ones[key], DIGITS) + 0.0
                    if key in KEYS and KEYS[key].higher_is_better is not None:
                        told["delta"] = round(better(key, others[key], ones[key]), DIGITS) + 0.0
                yield told


def figures(before: Snapshot, after: Snapshot) -> list[dict[str, Any]]:
    """Return the numbers of metrics/*.json that moved: of data, splits, diversity, the summary."""
    old, new = ({n: told for n, told in each.folder("metrics").items() if n not in LEFT_OUT}
                for each in (before, after))  # fmt: skip
    ones, others = dict(flat(old)), dict(flat(new))
    told = []
    for path in dict.fromkeys([*others, *ones]):
        one, other = ones.get(path), others.get(path)
        if one != other and any(isinstance(each, int | float) for each in (one, other)):
            told.append({"figure": path, "before": one, "after": other})
    return told


def surely(
    told: list[dict[str, Any]],
    before: Scores,
    after: Scores,
    sections: dict[str, Any],
    compare: dict[str, Any],
) -> None:
    """Add to one model's moves what the rows say that both builds scored.

    sections: `evaluate.sections`; compare: the section of this name, how intervals are made
    Adds: common: n rows (0: none); with some: groups, delta, low, high, p, p_holm (corrected for
    this model's moves), shown, same (each row as it was: other rows moved the figure)
    """
    tested = []
    for move in told:
        section, key = sections.get(move["section"]), move["key"]
        if not (section and move.get("delta")):
            continue
        rows = [row for row in section_rows(after, section) if row in before]
        rows = having(key, rows, after, before)
        move["common"] = {"n": len(rows)}
        if not rows or another_unit(key, before, after, rows):
            continue
        sampling = Sampling(compare["confidence"], compare["resamples"], move["section"])
        of_rows = differences(key, after, before, rows)
        estimate = paired(of_rows, sampling, span(key))
        move["common"] |= {"delta": estimate.value} | estimate.told()
        move["common"]["same"] = not of_rows.values.any()
        tested.append(move["common"])
    correct(tested)
    for common in tested:
        common["shown"] = shown(common, compare["confidence"])
        common |= {
            name: round(value, DIGITS) + 0.0
            for name, value in common.items()
            if isinstance(value, float) and name not in ("p", "p_holm")
        }


def beside_seeds(told: list[dict[str, Any]], before: Snapshot, after: Snapshot) -> None:
    """Add to the moves how far another training seed alone would move the figure.

    Nothing is added where no seeds were gathered, or under the parameters of neither build.
    Adds: seeds: n, sd, bound = t x sd x sqrt(2) (two builds are apart, each with a spread), larger:
    whether the difference is beyond that
    """
    digests = {noise.decided_by(each.params) for each in (before, after)}
    for snapshot in (after, before):
        found = snapshot.json(f"recipes/{snapshot.params.get('recipe')}/noise.json")
        noise.hold(found or {})
        if found and found["digest"] in digests:
            break
    else:
        return
    for move in told:
        of_seeds = noise.figures(found, move["model"], move["section"], move["key"])
        spread = noise.spread(of_seeds, found["confidence"]) if of_seeds else {}
        if "delta" in move and "sd" in spread:
            bound = sqrt(2) * spread["build_bound"]
            move["seeds"] = {"n": spread["n"], "sd": round(spread["sd"], DIGITS)}
            move["seeds"] |= {"bound": round(bound, DIGITS), "larger": abs(move["delta"]) > bound}


def another_unit(key: str, before: Scores, after: Scores, rows: list[str]) -> bool:
    """Tell whether rows weigh differently: tokens of another tokenizer, nothing to subtract."""
    weight = KEYS[key].weight
    return bool(weight) and any(
        before[row]["values"].get(weight) != after[row]["values"].get(weight) for row in rows
    )
