"""From replies to verdicts: what each order said, and what both say together.

A model wins a row when the judge prefers it in both orders. One that prefers another answer, or
calls it a tie, once the order is turned has told a tie (the conservative way of Zheng et al. 2023,
https://arxiv.org/abs/2306.05685, section 3.4).
"""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from stages.core.jsonl import read_json
from stages.core.proof import REASONS, Refused
from stages.core.proof.check import check
from stages.core.proof.schema import Schema, compiled
from stages.judge.comparisons import PROOF, SCHEMA, Comparison, questions

TIE = "tie"


def read(reply: dict[str, Any], schema: Schema) -> dict[str, Any]:
    """Return what a reply says: winner and reason, or the error that there is in place of them."""
    try:
        record, _ = check(reply, schema, PROOF)
    except Refused as refused:
        return {"error": f"{refused.reason}: {refused.detail or REASONS[refused.reason]}"}
    return {"winner": record["winner"], "reason": record["reason"]}


def together(orders: list[dict[str, Any]]) -> tuple[str | None, str]:
    """Return the winner of both orders (a model, `tie`, or None) and how it came about.

    how: agreed; flipped (the orders differ: a tie); failed (an order has no verdict)
    """
    winners = [each.get("winner") for each in orders]
    if None in winners:
        return None, "failed"
    return (winners[0], "agreed") if winners[0] == winners[1] else (TIE, "flipped")


def verdict(judge: str, about: Comparison, orders: list[dict[str, Any]]) -> dict[str, Any]:
    """Return a line of data/judgements/verdicts.jsonl; without orders, nobody was asked."""
    winner, how = together(orders) if orders else (TIE, "identical")
    return {
        "judge": judge,
        "models": list(about.models),
        "skill": about.skill,
        "row": about.row,
        "group": about.group,
        "winner": winner,
        "how": how,
        "orders": orders,
    }


def verdicts(
    found: list[Comparison],
    replies: Iterable[dict[str, Any]],
    template: Path,
    params: dict[str, Any],
) -> Iterator[tuple[Comparison, dict[str, Any]]]:
    """Yield each comparison with each judge's verdict, judge by judge in the order of params.yaml.

    An order says who stood first, who won (a model, or `tie`) and why, or the error.
    """
    schema = compiled(read_json(SCHEMA), SCHEMA.name)
    said = {reply["request"]: read(reply, schema) for reply in replies}
    orders: dict[tuple[str, tuple[str, str], str], list[dict[str, Any]]] = {}
    for about, judge, models, request in questions(found, template, params):
        told = dict(said[request["id"]])
        if (winner := told.get("winner")) in ("first", "second"):
            told["winner"] = models[winner == "second"]
        told |= {"first": models[0], "request": request["id"]}
        orders.setdefault((judge, about.models, about.row), []).append(told)
    for judge in params["judge"]["teachers"]:
        if judge["weight"] > 0:
            for about in found:
                at = judge["name"], about.models, about.row
                yield about, verdict(judge["name"], about, orders.get(at, []))
