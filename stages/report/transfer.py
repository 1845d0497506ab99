"""Backward transfer: what learning later tasks did to the tasks that were learned before.

BWT = the mean over the tasks learned before a model of (its score - the score of the model that had
just learned the task); below 0: forgetting. The last model of each chain is every adapter in turn.
Source: Lopez-Paz & Ranzato 2017, Gradient episodic memory, equation 3,
https://arxiv.org/abs/1706.08840. They have one task a model and no replay: here a task is a set
that a model of the chain was trained on, learned where it was trained on first. Chaudhry et al.
2018, https://arxiv.org/abs/1801.10112, section 3, take the best earlier model instead of the first;
`forgetting` in metrics/comparison takes the base.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from stages.core.estimates import Estimate, average, total
from stages.core.pairing import Scores, differences, having, section_rows, span
from stages.core.rounding import rounded
from stages.core.sections import alone, is_trained
from stages.core.significance import Rows, Sampling, paired
from stages.report.markdown import counted, escape, table


def chain(name: str, adapters: Mapping[str, Any]) -> list[str]:
    """Return the models from the base to this one, each trained on top of those before it.

    adapters: by name; `mode` does not matter, since each model of a chain was scored by itself
    """
    found = [name]
    while found[-1] in adapters:
        found.append(adapters[found[-1]]["on"])
    return found[::-1]


def learned(models: list[str], adapters: Mapping[str, Any], base_set: str) -> dict[str, str]:
    """Return the tasks of a chain in the order of learning: set -> the model that first had it."""
    first: dict[str, str] = {}
    for model in models:
        mix = adapters[model]["mix"] if model in adapters else {base_set: 1.0}
        for task in (task for task, share in mix.items() if share):
            first.setdefault(task, model)
    return first


def sections_of(task: str, sections: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield the sections of a set's test rows that have a primary metric, with the metric.

    One that spans several sets is of no one task.
    """
    for name, section in sections.items():
        trained = is_trained(section, sections)
        if alone(section, task) and not trained and section.get("primary"):
            yield name, section["primary"]


def backward_transfer(
    adapters: Mapping[str, Any],
    base_set: str,
    sections: Mapping[str, Any],
    scores: Mapping[str, Scores],
    settings: Mapping[str, Any],
) -> dict[str, dict[str, Any]]:
    """Return each adapter's backward transfer; one that nothing was learned before has none.

    adapters: the section of params.yaml, by name
    base_set: what the base is good at, its task
    sections: `evaluate.sections`: a task's score is the mean over its sections' primary metrics
    scores:   every model's, by name; a task whose models were not scored on it is left out
    settings: `compare`
    Returns: name -> value, low, high, n, groups, tasks: set -> after (the model), value, low, high,
             n, groups. Positive when better, whatever the metric's direction.
    """
    told: dict[str, dict[str, Any]] = {}
    for name in adapters:
        models = chain(name, adapters)
        tasks: dict[str, Estimate] = {}
        first = learned(models, adapters, base_set)
        for task, model in first.items():
            if model == name or not {name, model} <= scores.keys():
                continue
            own, then = scores[name], scores[model]
            parts: list[Estimate] = []
            of_rows: list[Rows] = []
            for section, key in sections_of(task, sections):
                both = [row for row in section_rows(own, sections[section]) if row in then]
                if rows := having(key, both, own, then):
                    sampling = Sampling(settings["confidence"], settings["resamples"], section)
                    found = differences(key, own, then, rows)
                    parts.append(paired(found, sampling, span(key)))
                    of_rows.append(found)
            if parts:
                tasks[task] = average(parts, of_rows)
        if tasks:
            whole = total(list(tasks.values()))
            of_tasks = {task: {"after": first[task]} | figures(of) for task, of in tasks.items()}
            told[name] = figures(whole) | {"tasks": of_tasks}
    return told


def figures(estimate: Estimate) -> dict[str, float]:
    """Return an estimate's figures as metrics/ has them."""
    found: dict[str, float] = rounded({"value": estimate.value} | estimate.told())
    return found


def transfer_lines(transfers: Mapping[str, Any]) -> list[str]:
    """Return the report's table of backward transfer, or nothing where no model has one."""
    rows = []
    for name, found in transfers.items():
        tasks = len(found["tasks"])
        parts = [("all", f"mean of {tasks} task{'s' * (tasks > 1)}", found)]
        parts += [(task, f"after {escape(of['after'])}", of) for task, of in found["tasks"].items()]
        for part, since, of in parts:
            ends = f" [{of['low']:+.3f}, {of['high']:+.3f}]" if "low" in of else ""
            value = f"{of['value']:+.3f}"
            if "low" not in of or of["low"] <= 0 <= of["high"]:
                says = "not shown"
            else:
                value, says = f"**{value}**", "better" if of["value"] > 0 else "worse"
            rows.append(
                [
                    escape(name),
                    escape(part),
                    since,
                    counted(of),
                    value + ends,
                    says,
                ]
            )
    if not rows:
        return []
    head = ["model", "task", "against", "n", "backward transfer [interval]", "which says"]
    return ["## Backward transfer", "", *table(head, rows, left=3)]
