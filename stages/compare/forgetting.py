"""What an adapter lost of the base's skill, and what came back of what the model below had lost.

forgetting = base - self; recovery = (self - on) / (base - on).
Source: forgetting as the loss against an earlier model on the same rows is that of Chaudhry et al.
2018, https://arxiv.org/abs/1801.10112, section 3, with the base alone as the earlier model.
"""

from typing import Any, NamedTuple

from stages.core.estimates import Estimate, average, correlation, share
from stages.core.pairing import Scores, differences, having, span
from stages.core.significance import Rows, Sampling, paired


class Lost(NamedTuple):
    """A section's primary key in the three models, higher is better, over the rows of all three.

    own, below: base - self and base - on, row by row
    regained:   self - on
    """

    own: Rows
    below: Rows
    regained: Rows
    key: str
    section: str


def lost(key: str, models: dict[str, Scores], rows: list[str], section: str) -> Lost | None:
    """Return what was lost of a primary key, or None where a model lacks it."""
    own, on, base = (models[side] for side in ("self", "on", "base"))
    found = having(key, rows, own, on, base)
    if not found:
        return None
    pairs = (base, own), (base, on), (own, on)
    return Lost(*(differences(key, *pair, found) for pair in pairs), key, section)


def forgetting_and_recovery(sections: list[Lost], settings: dict[str, Any]) -> dict[str, Any]:
    """Return forgetting and recovery, with intervals: of one section, or of the mean of several.

    Recovery is absent where base - on < eps: the model below had lost nothing to speak of (one that
    stands on the base itself, a skill that the base never had). Its interval is absent where that
    may be so: where that of base - on holds 0. Forgetting: higher is worse.
    """

    def mean(which: str) -> Estimate:
        settled = settings["confidence"], settings["resamples"]
        rows = [getattr(of, which) for of in sections]
        return average(
            [
                paired(its, Sampling(*settled, of.section), span(of.key))
                for of, its in zip(sections, rows, strict=True)
            ],
            rows,
        )

    own, below = mean("own"), mean("below")
    found: dict[str, Any] = {"forgetting": {"value": own.value, **own.told()}}
    if below.value >= settings["eps"]:
        recovery = {"value": 1 - own.value / below.value, "n": own.n, "groups": own.groups}
        below_rows = [of.below for of in sections]
        # Of the part that is lost still and the part that came back, the smaller one: it hangs
        # less together with the whole, and its interval tells what rows not seen may do.
        if recovery["value"] >= 0.5:
            of_lost = share(own, below, correlation([of.own for of in sections], below_rows))
            ends = of_lost and (1 - of_lost[1], 1 - of_lost[0])
        else:
            hangs = correlation([of.regained for of in sections], below_rows)
            ends = share(mean("regained"), below, hangs)
        if ends:
            recovery |= {"low": ends[0], "high": ends[1]}
        found["recovery"] = recovery
    return found
