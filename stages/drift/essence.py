"""What metrics/layers.json keeps of metrics/layers.csv, so that it can be read, and compared."""

from typing import Any

from stages.core.rounding import rounded

Line = dict[str, Any]  # of metrics/layers.csv


def of_two(lines: list[Line]) -> dict[str, Any]:
    """Return what metrics/layers.json says of a pair: of the mean over tokens, if not said.

    cosine: at the `first` layer and at the `last` one, with its interval; the smallest of all
            (`least`) and where (`at`); of the last token's state at the last layer (`last_token`)
    cka, norm: at the last layer; entropy: the mean over layers
    """
    of = by_measure(lines)
    # Of layers that are as far for the eye the first one, whatever the last digits say.
    least = min(of["cosine"], key=lambda line: rounded(line["value"]))
    last = of["cosine"][-1]
    cosines = {
        "first": of["cosine"][0]["value"],
        "last": last["value"],
        **{end: last[end] for end in ("low", "high") if last.get(end) is not None},
        "least": least["value"],
        "at": least["layer"],
        "last_token": of["cosine_last"][-1]["value"],
    }
    ends = {key: of[key][-1]["value"] for key in ("cka", "norm") if key in of}
    return {"cosine": cosines, **ends, **spread(of)}


def by_measure(lines: list[Line]) -> dict[str, list[Line]]:
    """Return the lines of each measure, by layer."""
    found: dict[str, list[Line]] = {}
    for line in lines:
        found.setdefault(line["measure"], []).append(line)
    return found


def spread(of: dict[str, list[Line]]) -> dict[str, float]:
    """Return the entropy, the mean over layers, where there is attention."""
    values = [line["value"] for line in of.get("entropy", [])]
    return {"entropy": sum(values) / len(values)} if values else {}


def of_one(lines: list[Line]) -> dict[str, Any]:
    """Return what metrics/layers.json says of one model.

    alike: its states of different prompts, at the `first` and the `last` layer; of the last
           token's at the last layer (`last_token`); entropy: the mean over layers
    """
    of = by_measure(lines)
    told = {}
    if "alike" in of:
        ends = {"first": of["alike"][0], "last": of["alike"][-1]}
        ends["last_token"] = of["alike_last"][-1]
        told["alike"] = {key: line["value"] for key, line in ends.items()}
    return told | spread(of)
