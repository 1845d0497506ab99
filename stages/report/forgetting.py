"""What each adapter lost of the base, and what it won back: the figures, and what they say."""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from stages.core.significance import shown


class Loss(NamedTuple):
    """What a model lost in a section, or over all of them.

    section: its name, or `all`; of: its primary metric, or the sections that `all` is the mean of
    lost:    value (base - self), low, high, n, groups, p where it was tested
    says:    lost, gained or not shown: where the primary metric's difference from the base is
             shown; in all, a single test, where the interval does not hold 0
    back:    value (the share of what the model below had lost), low, high, n; None where that had
             lost nothing to speak of
    """

    model: str
    section: str
    of: str | list[str]
    lost: Mapping[str, float]
    says: str
    back: Mapping[str, float] | None

    @property
    def word(self) -> str:
        """Return how it is judged: better, worse or not shown."""
        return {"lost": "worse", "gained": "better"}.get(self.says, self.says)


def losses(
    sections: Mapping[str, Any], comparisons: Mapping[str, Any], confidence: float
) -> Iterator[Loss]:
    """Yield what each adapter lost: in all, then by section.

    sections: `evaluate.sections`; comparisons: adapter's name -> what metrics/comparison holds
    """
    for name, comparison in comparisons.items():
        parts = {"all": comparison["all"]} if "all" in comparison else {}
        of_sections = {part: comparison["sections"].get(part, {}) for part in sections}
        parts |= {part: found for part, found in of_sections.items() if "forgetting" in found}
        for part, found in parts.items():
            lost = found["forgetting"]
            if part == "all":
                of = found["sections"]
                sure = "low" in lost and not lost["low"] <= 0 <= lost["high"]
                lost = {key: value for key, value in lost.items() if key not in ("p", "p_holm")}
            else:
                of = found["primary"]
                against = found["keys"].get(of, {}).get("base", {})
                lost = lost | {key: against[key] for key in ("p", "p_holm") if key in against}
                sure = shown(lost, confidence)
            says = ("lost", "gained")[lost["value"] < 0] if sure else "not shown"
            yield Loss(name, part, of, lost, says, found.get("recovery"))
