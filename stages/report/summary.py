"""metrics/summary.json: what was lost, won back and learned by heart, and the alarms.

Few enough figures for `dvc metrics show`; all of them stand in metrics/comparison and report.md.
"""

from typing import Any

from stages.report.overfitting import Rise

MOST = 15
ALARMS = "alarms"


def summarise(
    comparisons: dict[str, Any],
    headline: list[str],
    sections: dict[str, Any],
    transfers: dict[str, Any],
) -> dict[str, Any]:
    """Return, per adapter, forgetting and recovery in all and for the headline sections, and more:
    backward transfer and gaps.

    comparisons: adapter's name -> what metrics/comparison holds
    headline:    names of sections
    sections:    `evaluate.sections`: a gap is of the section's primary metric
    transfers:   as `stages.report.transfer` has them
    At most MOST figures: with more adapters only those in all, and of these the first; backward
    transfer, and then the gaps, only where all of them fit.
    """
    figures, gaps = [], []
    for name, comparison in comparisons.items():
        of_sections = {"all": comparison.get("all", {})}
        of_sections |= {part: comparison["sections"].get(part, {}) for part in headline}
        figures += [
            (name, what, part, found[what]["value"])
            for part, found in of_sections.items()
            for what in ("forgetting", "recovery")
            if what in found
        ]
        gaps += [
            (name, "gap", part, found["keys"][primary]["gap"])
            for part, found in comparison.get("gap", {}).items()
            if (primary := sections[part].get("primary")) in found["keys"]
        ]
    if len(figures) > MOST:
        figures = [figure for figure in figures if figure[2] == "all"][:MOST]
    transferred = [
        (name, "backward_transfer", "all", found["value"]) for name, found in transfers.items()
    ]
    for more in (transferred, gaps):
        if len(figures) + len(more) <= MOST:
            figures += more
    summary: dict[str, Any] = {}
    for name, what, part, value in figures:
        summary.setdefault(name, {}).setdefault(what, {})[part] = value
    return summary


def alarms(diversity: dict[str, Any], rises: list[Rise]) -> dict[str, dict[str, int]]:
    """Return what is wrong, 0 or 1, as numbers that `dvc metrics diff` shows.

    clustered: too many of the sampled answers are near-duplicates (`diversity.cluster_alarm`)
    overfit:   the validation loss of an adapter ended above its lowest (`compare.overfit_alarm`)
    """
    overfit = any(not each.kept for each in rises)
    return {ALARMS: {"clustered": int(bool(diversity.get("alarms"))), "overfit": int(overfit)}}
