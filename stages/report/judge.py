"""What the judge preferred: a part of metrics/report.md."""

from typing import Any

from stages.core.scores import arrow
from stages.core.significance import shown
from stages.report.markdown import escape, number, table

HOW_TO_READ = """\
A judge is an LLM that reads the task, the reference and two answers, and prefers one. Every pair is
asked in both orders; a model wins a row when it is preferred in both, anything else is a tie (after
Zheng et al. 2023, arXiv:2306.05685). The win rate is the second model's, a tie as half a win, in
brackets its interval; **bold** where a preference is shown: the interval leaves out 0.5, and so
does its p, corrected for the number of pairs and judges (Holm). What is not bold is not shown.
"""
LIMITS = """\
What this does not show: that an answer is right. LLMs favour a position, longer answers, and their
own style; asking in both orders takes the first of these out of the win rate, and nothing more.
`first` is the share of verdicts for the answer that stood first (0.5 without a bias), with the p of
the rows where one position won in both orders. `longer wins` stands beside how often the longer
answer has the higher primary score on these rows: well above that, the judge may like length for
itself. Read some reasons in data/judgements/verdicts.jsonl before believing a rate.
"""
OFFLINE = """\
{} (offline) is a fake, for trying it out: it prefers the answer with the higher primary score, so
that its verdicts say nothing about the models that the scores do not say.
"""
AGREEMENT = """\
How often metric and judge prefer the same model, where both prefer one; κ is Cohen's, over all rows
that were asked, ties as a third answer: 0 is what chance gives, also where one model wins nearly
every row. `loss` is of the references, not of the answers.
"""


def share(value: float | None, n: float | None) -> str:
    """Spell a share and of how many."""
    return "" if value is None else f"{value:.2f} of {n}"


def rates(pairs: list[tuple[str, str, dict[str, Any]]], confidence: float) -> list[str]:
    """Return the table of wins: a row a pair and judge."""
    head = ["second against first", "judge", "rows", "wins", "losses", "ties", "win rate", "p"]
    rows = []
    for judge, _, found in pairs:
        first, second = found["models"]
        rate = found["win_rate"]
        spelled = ""
        if "value" in rate:
            spelled = f"{rate['value']:.2f}"
            around = {end: 2 * rate[end] - 1 for end in ("low", "high") if end in rate}
            spelled = f"**{spelled}**" if shown(rate | around, confidence) else spelled
            spelled += f" [{rate['low']:.2f}, {rate['high']:.2f}]" if "low" in rate else ""
        wins = found["wins"]
        ties = f"{found['ties']} ({found['identical']} same, {found['flipped']} flipped)"
        rows.append(
            [
                f"{escape(second)} against {escape(first)}", escape(judge), number(rate["n"]),
                number(wins[second]), number(wins[first]), ties, spelled,
                f"{rate['p_holm']:.2g}" if "p_holm" in rate else "",
            ]
        )  # fmt: skip
    return table(head, rows, left=2)


def biases(pairs: list[tuple[str, str, dict[str, Any]]]) -> list[str]:
    """Return the table of what decides beside the answers."""
    head = ["pair", "judge", "no verdict", "consistent", "first", "p", "longer wins", "scores"]
    rows = []
    for judge, pair, found in pairs:
        at, long = found["position"], found["length"]
        rows.append(
            [
                escape(pair), escape(judge), number(found["failed"]),
                share(at.get("consistency"), at["n"]), share(at.get("first"), at.get("first_n")),
                f"{at['p']:.2g}" if "p" in at else "", share(long.get("judge"), long["n"]),
                share(long.get("metric"), long.get("metric_n")),
            ]
        )  # fmt: skip
    return table(head, rows, left=2)


def agreement(pairs: list[tuple[str, str, dict[str, Any]]]) -> list[str]:
    """Return the table of how often judge and metric prefer the same model, ties apart."""
    keys = dict.fromkeys(key for _, _, found in pairs for key in found["metrics"])
    if not keys:
        return []
    rows = []
    for key in keys:
        cells = [f"`{key}` {arrow(key)}"]
        for _, _, found in pairs:
            of = found["metrics"].get(key, {})
            kappa = f", κ {of['kappa']:.2f}" if "kappa" in of else ""
            cells.append(share(of.get("agree"), of.get("n")) + kappa)
        rows.append(cells)
    head = ["metric", *(f"{escape(pair)}: {escape(judge)}" for judge, pair, _ in pairs)]
    return [*AGREEMENT.split("\n"), *table(head, rows)]


def section(found: dict[str, Any]) -> list[str]:
    """Return the part's lines of Markdown; none where it is switched off.

    found: what metrics/judge.json holds
    """
    pairs = [
        (judge, pair, figures)
        for judge, of in found.get("judges", {}).items()
        for pair, figures in of.items()
    ]
    if not pairs:
        return []
    lines = [f"## What the judge preferred ({escape(found['set'])})", "", *HOW_TO_READ.split("\n")]
    if offline := found.get("offline"):
        lines += OFFLINE.format(", ".join(f"`{escape(name)}`" for name in offline)).split("\n")
    lines += rates(pairs, found["confidence"]) + biases(pairs) + LIMITS.split("\n")
    lines += agreement(pairs)
    between = [
        [escape(pair), escape(both), share(of.get("agree"), of["n"]), number(of.get("kappa"))]
        for pair, of_pair in found.get("between", {}).items()
        for both, of in of_pair.items()
    ]
    if between:
        lines += table(["pair", "judges", "agree", "κ"], between, left=2)
    return lines
