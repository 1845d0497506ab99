"""What shows that an adapter has learned its rows by heart: its curve, and train beside test."""

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

from stages.core.significance import shown
from stages.report.markdown import counted, escape, table

Curve = list[dict[str, Any]]  # the rows of metrics/curves/<name>.csv


class Rise(NamedTuple):
    """A validation loss that ended above its lowest while the training loss went on falling.

    step:   where the validation loss was lowest
    lowest, last: the validation loss there and at the end, in nats a token
    kept:   whether the run ended with the checkpoint of its lowest validation loss
    """

    model: str
    step: int
    lowest: float
    last: float
    kept: bool


def rise(model: str, curve: Curve, allowed: float, kept: bool) -> Rise | None:
    """Return an adapter's rise, or None where its curve shows none.

    allowed: the share of the lowest validation loss by which the last may be above it
    A loss that is no finite number is no point of a curve.
    Of the training loss the last value is set beside the one at the lowest step: each is the mean
    since the evaluation before it.
    """
    losses: dict[str, dict[int, float]] = {"train": {}, "val": {}}
    for row in curve:
        if math.isfinite(loss := float(row["loss"])):
            losses[row["split"]][int(row["step"])] = loss
    train, val = losses["train"], losses["val"]
    if kept:
        val.pop(0, None)  # what `eval_on_start` measures is no checkpoint
    if not val:
        return None
    step = min(val, key=lambda at: (val[at], at))
    after = [train[at] for at in sorted(train) if at > step]
    before = [train[at] for at in sorted(train) if at <= step] or after[:1]  # with eval_on_start
    last = val[max(val)]
    if last <= val[step] * (1 + allowed) or not before or not after or after[-1] >= before[-1]:
        return None
    return Rise(model, step, val[step], last, kept)


def keeps_best(sft: dict[str, Any]) -> bool:
    """Tell whether a run ends with the weights of its lowest validation loss.

    They are kept where that is asked for, or because it stops early (`stages.core.fitting.fit`);
    by another metric, those of the lowest loss are not.
    """
    stops = sft.get("early_stopping_patience") is not None
    by_loss = (sft.get("metric_for_best_model") or "loss").removeprefix("eval_") == "loss"
    return bool(sft.get("load_best_model_at_end", stops)) and by_loss


def rises(adapters: dict[str, Any], curves: dict[str, Curve], allowed: float) -> list[Rise]:
    """Return the rises of all adapters, in the order of params.yaml.

    adapters: the section `adapters`; curves: by the adapter's name
    """
    found = (
        rise(each["name"], curves[each["name"]], allowed, keeps_best(each["sft"]))
        for each in adapters.values()
    )
    return [each for each in found if each]


def rise_lines(found: list[Rise]) -> list[str]:
    """Return a line of Markdown for each rise: whose, from where, by how much, what helps."""
    lines = []
    for each in found:
        told = (
            f"{escape(each.model)}: the validation loss rose by {each.last - each.lowest:.3f} nats "
            f"a token, from {each.lowest:.3f} at step {each.step} to {each.last:.3f} at the end, "
            "while the training loss went on falling"
        )
        if each.kept:
            lines.append(f"- {told}. No alarm: the checkpoint of step {each.step} was kept.")
        else:
            lines.append(
                f"- {told}: it overfits. Fewer epochs help, more rows, or an "
                "`early_stopping_patience` under its `sft`, which keeps the best weights."
            )
    return lines


def gap_lines(comparisons: Mapping[str, Any], confidence: float) -> list[str]:
    """Return the table of train beside test, or nothing where no section is of training rows."""
    rows = []
    for name, comparison in comparisons.items():
        model = escape(name)
        for section, found in comparison.get("gap", {}).items():
            where = ""
            for key, of in found["keys"].items():
                counts = [
                    counted({"n": of[f"n_{side}"], "groups": of.get(f"groups_{side}")})
                    for side in ("train", "test")
                ]
                told = f"{escape(section)} (n = {', '.join(counts)})"
                sure = shown(of, confidence)
                span = f"**{of['gap']:+.3f}**" if sure else f"not shown {of['gap']:+.3f}"
                if "low" in of:
                    span += f" [{of['low']:+.3f}, {of['high']:+.3f}]"
                span += f", p {of['p_holm']:.2g}" if "p_holm" in of else ""
                sides = f"{of['train']:.3f}", f"{of['test']:.3f}"
                rows.append([model, "" if told == where else told, f"`{key}`", *sides, span])
                model, where = "", told
    if not rows:
        return []
    head = ["model", "section (n of train, of test)", "metric", "train", "test", "gap [interval]"]
    return table(head, rows, left=3)


def overfitting(comparisons: Mapping[str, Any], found: list[Rise], confidence: float) -> list[str]:
    """Return the report's part on overfitting, or nothing where there is nothing to tell."""
    lines = [
        *rise_lines([each for each in found if each.kept]),
        *gap_lines(comparisons, confidence),
    ]
    return ["## Training rows beside test rows", "", *lines] if lines else []
