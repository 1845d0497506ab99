"""The offline judge: what it thinks. A fake, as the offline teacher whose server says it."""

from typing import Any

from stages.core.holdout import position


def thought(
    row: str,
    texts: tuple[str, str],
    models: tuple[str, str],
    best: str | None,
    params: dict[str, Any],
) -> dict[str, str]:
    """Return its verdict: it prefers the model whose answer has the higher primary score.

    For the share `judge.offline.position_bias` of the rows, drawn by their hash, it prefers
    whichever stands first, in both orders.

    texts:  the two answers, in any order; models: in the order in which they are shown
    best:   the model with the higher score, or None
    """
    seed, share = params["seed"]["data"], params["judge"]["offline"]["position_bias"]
    if position(f"position bias {row} {sorted(texts)}", seed) < share:
        return {"reason": "What stands first reads better.", "winner": "first"}
    if best is None:
        return {"reason": "Neither scores higher.", "winner": "tie"}
    winner = "first" if best == models[0] else "second"
    return {"reason": "It has the higher primary score.", "winner": winner}
