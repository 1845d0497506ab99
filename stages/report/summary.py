"""metrics/summary.json: forgetting, recovery and alarms, few enough for `dvc metrics show`."""

from typing import Any

MOST = 15
ALARMS = "alarms"


def summarise(comparisons: dict[str, Any], headline: list[str]) -> dict[str, Any]:
    """Return, per adapter, forgetting and recovery in all and for the headline sections.

    comparisons: adapter's name -> what metrics/comparison holds
    headline:    names of sections
    At most MOST figures: with more adapters only those in all, and of these the first.
    """
    figures = []
    for name, comparison in comparisons.items():
        of_sections = {"all": comparison.get("all", {})}
        of_sections |= {part: comparison["sections"].get(part, {}) for part in headline}
        figures += [
            (name, what, part, found[what]["value"])
            for part, found in of_sections.items()
            for what in ("forgetting", "recovery")
            if what in found
        ]
    if len(figures) > MOST:
        figures = [figure for figure in figures if figure[2] == "all"][:MOST]
    summary: dict[str, Any] = {}
    for name, what, part, value in figures:
        summary.setdefault(name, {}).setdefault(what, {})[part] = value
    return summary


def alarms(diversity: dict[str, Any]) -> dict[str, dict[str, int]]:
    """Return what is wrong with the data, 0 or 1, as numbers that `dvc metrics diff` shows.

    clustered: too many of the sampled answers are near-duplicates (`diversity.cluster_alarm`)
    """
    return {ALARMS: {"clustered": int(bool(diversity.get("alarms")))}}
