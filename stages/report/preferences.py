"""Which answers were preferred in the chat window, model against model: a part of report.md."""

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Any, NamedTuple

from stages.core.digest import canonical
from stages.core.preferences import Side, seen_from, why_not
from stages.core.significance import Rows, Sampling, correct, paired, shown
from stages.core.verdicts import PREFERENCES, Pair
from stages.report.markdown import escape, fenced, number, table
from stages.report.verdicts import excerpt

HOW_TO_READ = """\
Two answers to one prompt, side by side in the chat window (`tunegraph ui`), and which was better
(`recipes/{recipe}/verdicts.jsonl`). `preferred` is the share of the pairs that a model won, as good
as each other half a win; 0.5 is no preference. Its interval and its p (the sign test, where each
prompt was asked once) are over prompts, `p_holm` is p corrected for the number of model pairs here;
in bold what is shown by both. This is what somebody tried, maybe knowing whose answer was whose,
and no sample of anything.
"""
STALE = """\
These count for nothing: a verdict holds for exactly the two models that answered.
"""
WORDS = {1.0: "better than", 0.5: "as good as", 0.0: "worse than"}


class Tally(NamedTuple):
    """What was said of the pairs of two models, seen from `model`, the later one of params.yaml.

    better, same, worse: pairs; n: all of them; prompts: different ones
    preferred: 0 to 1, half a win for `same`; low, high: its interval, None where there is none
    p, p_holm: two-sided, of no preference; p_holm corrected for the number of model pairs
    shown:     whether interval and p_holm agree that there is a preference
    """

    model: str
    other: str
    better: int
    same: int
    worse: int
    n: int
    prompts: int
    preferred: float
    low: float | None
    high: float | None
    p: float
    p_holm: float
    shown: bool


class Held(NamedTuple):
    """One pair that holds, the later model's side first."""

    own: Side
    other: Side
    pair: Pair


class Preferences(NamedTuple):
    """All that was said of pairs: the tallies, what they are made of, what counts for nothing."""

    tallies: list[Tally]
    held: list[Held]
    stale: list[tuple[Pair, str]]


def asked(pair: Pair) -> str:
    """Return what names a prompt: the same words under the same conversation."""
    return canonical([pair.get("system", ""), pair.get("history", []), pair["prompt"]])


def gather(pairs: Sequence[Pair], digests: Mapping[str, str], compare: Any) -> Preferences:
    """Return what the pairs come to.

    digests: model's name -> that of its manifest.json, in the order of params.yaml
    compare: the section of params.yaml
    """
    held: dict[tuple[str, str], list[Held]] = {both: [] for both in combinations(digests, 2)}
    stale = []
    for pair in pairs:
        if why := why_not(pair, digests):
            stale.append((pair, why))
            continue
        earlier, later = sorted((pair["model"], pair["other"]), key=list(digests).index)
        sides = seen_from(pair, later)
        assert sides is not None, "why_not() knows both models"
        held[earlier, later].append(Held(*sides, pair))
    told, tested = [], []
    for (other, model), found in held.items():
        if found:
            values = [2 * each.own.value - 1 for each in found]
            sampling = Sampling(compare["confidence"], compare["resamples"], f"{other} {model}")
            rows = Rows(values, [asked(each.pair) for each in found])
            estimate = paired(rows, sampling, (0, 1))
            tested.append(estimate.told())
            told.append(((model, other), values, estimate))
    correct(tested)
    tallies = [
        Tally(
            *names,
            better=values.count(1),
            same=values.count(0),
            worse=values.count(-1),
            n=estimate.n,
            prompts=estimate.groups,
            preferred=(1 + estimate.value) / 2,
            low=None if estimate.low is None else (1 + estimate.low) / 2,
            high=None if estimate.high is None else (1 + estimate.high) / 2,
            p=figures["p"],
            p_holm=figures["p_holm"],
            shown=shown(figures, compare["confidence"]),
        )
        for (names, values, estimate), figures in zip(told, tested, strict=True)
    ]
    return Preferences(tallies, [each for found in held.values() for each in found], stale)


def matrix(tallies: Sequence[Tally]) -> dict[tuple[str, str], tuple[float, int, bool]]:
    """Return, per two models, how often the first was preferred to the second: share, n, shown."""
    told = {}
    for each in tallies:
        told[each.model, each.other] = each.preferred, each.n, each.shown
        told[each.other, each.model] = 1 - each.preferred, each.n, each.shown
    return told


def compared(tallies: Sequence[Tally], names: Sequence[str]) -> list[str]:
    """Return the models that stand in the matrix, in the order of params.yaml."""
    there = {name for each in tallies for name in (each.model, each.other)}
    return [name for name in names if name in there]


def turns(pair: Pair) -> str:
    """Return what came before the prompt, a turn a paragraph; nothing where it was the first."""
    before = [{"role": "system", "content": pair["system"]}] if pair.get("system") else []
    before += pair.get("history", [])  # type: ignore[arg-type]
    return "\n\n".join(f"{turn['role']}: {turn['content']}" for turn in before)


def said(pair: Pair) -> str:
    """Return a verdict in words, as it stands between the two models' names."""
    return WORDS[PREFERENCES[pair["verdict"]]]


def tally_table(tallies: Sequence[Tally]) -> list[str]:
    """Return the table of the tallies, two models a row."""
    rows = []
    for each in tallies:
        share = f"**{each.preferred:.2f}**" if each.shown else f"{each.preferred:.2f}"
        if each.low is not None and each.high is not None:
            share += f" [{each.low:.2f}, {each.high:.2f}]"
        pairs = f"{each.n} of {each.prompts} prompts" if each.prompts < each.n else str(each.n)
        figures = [number(n) for n in (each.better, each.same, each.worse)]
        rows.append(
            [f"{escape(each.model)} against {escape(each.other)}", pairs, *figures, share,
             f"{each.p:.2g}", f"{each.p_holm:.2g}"]
        )  # fmt: skip
    head = ["model", "pairs", "better", "same", "worse", "`preferred` ↑", "p", "p_holm"]
    return table(head, rows)


def matrix_table(tallies: Sequence[Tally], names: Sequence[str]) -> list[str]:
    """Return the matrix of three models and more: how often the row was preferred to the column."""
    models, cells = compared(tallies, names), matrix(tallies)
    if len(models) < 3:
        return []
    rows = []
    for model in models:
        told = [cells.get((model, other)) for other in models]
        spelled = [f"{each[0]:.2f} of {each[1]}" if each else "" for each in told]
        rows.append([escape(model), *spelled])
    return table(["preferred to", *map(escape, models)], rows)


def told(each: Held) -> list[str]:
    """Return one pair: the prompt, what was said, both answers."""
    own, other, pair = each
    note = f": {escape(pair['note'])}" if pair["note"].strip() else ""
    lines = [f"### {excerpt(pair['prompt'])}", ""]
    if before := turns(pair):
        lines += ["**Before**", "", *fenced(before)]
    lines += ["**Prompt**", "", *fenced(pair["prompt"])]
    lines += [f"**{escape(own.model)}** · {WORDS[own.value]} {escape(other.model)}{note}", ""]
    return [*lines, *fenced(own.answer), f"**{escape(other.model)}**", "", *fenced(other.answer)]


def section(found: Preferences, names: Sequence[str], recipe: str) -> list[str]:
    """Return the part's lines of Markdown; none where no pair was ever kept.

    names: of all models, in the order of params.yaml
    """
    if not found.held and not found.stale:
        return []
    lines = ["## Preferred in the chat window", ""]
    lines += HOW_TO_READ.format(recipe=escape(recipe)).split("\n")
    if found.tallies:
        lines += tally_table(found.tallies) + matrix_table(found.tallies, names)
        for each in found.held:
            lines += told(each)
    if found.stale:
        rows = [
            [f"{escape(pair['model'])} {said(pair)} {escape(pair['other'])}",
             excerpt(pair["prompt"]), escape(why)]
            for pair, why in found.stale
        ]  # fmt: skip
        lines += [f"### Pairs that do not hold: {len(rows)}", "", *STALE.split("\n")]
        lines += table(["verdict", "prompt", "now"], rows, left=3)
    return lines
