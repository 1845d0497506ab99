"""Read the body of a chat completion into a reply, and tell what it cost.

Source: https://platform.openai.com/docs/api-reference/chat/object
"""

import json
import re
from collections.abc import Mapping
from typing import Any

from stages.core.asking.verdict import FILTERED, NoAnswerError, RefusedError

ABSURD = 2**53  # tokens: beyond what a float counts


def public_model(reported: str) -> str:
    """Return a model's name without a machine's path: some servers report the folder they serve."""
    if re.match(r"[/~.]|[A-Za-z]:[\\/]|file:", reported):
        return re.split(r"[\\/]", reported.rstrip("\\/"))[-1]
    return reported


def read(body: bytes, model: str) -> dict[str, Any]:
    """Read a response's body into a reply, without its cost.

    model: what was asked for, where the server does not say
    Raises: NoAnswerError when it is no chat completion; RefusedError when it is an error.
    """
    try:
        answer = json.loads(body)
        if not answer.get("choices") and isinstance(error := answer.get("error"), dict):
            status = error.get("code")
            if isinstance(status, int) and 400 <= status < 600:
                raise RefusedError(status, error)
        choice = answer["choices"][0]
        message = choice["message"]
        text, refusal = message.get("content"), message.get("refusal")
    except (ValueError, RecursionError, LookupError, TypeError, AttributeError):
        raise NoAnswerError(f"{len(body)} bytes that are no chat completion") from None
    if text is not None and not isinstance(text, str):
        raise NoAnswerError("the content is not a text")
    finish_reason = choice.get("finish_reason") or "unknown"
    if finish_reason == "error":  # OpenRouter: the model broke off
        raise NoAnswerError("the model broke off")
    refused = text is None and isinstance(refusal, str)
    usage = answer.get("usage")
    return {
        "attempts": 1,
        "text": refusal if refused else text,
        "finish_reason": "refusal" if refused else str(finish_reason),
        "model": public_model(str(answer.get("model") or model)),
        "prompt_tokens": _count(usage, "prompt_tokens"),
        "completion_tokens": _count(usage, "completion_tokens"),
        "error": None,
    }


def filtered(model: str) -> dict[str, Any]:
    """Return the reply that stands for a question which a provider's filter refused: unpaid.

    It is a reply, not an error, because asking again would not change it.
    """
    return {
        "attempts": 1,
        "text": None,
        "finish_reason": FILTERED,
        "model": model,
        "prompt_tokens": None,
        "completion_tokens": None,
        "error": None,
        "cost_usd": 0.0,
    }


def cost_usd(reply: dict[str, Any], prices: Mapping[str, float] | None) -> float | None:
    """Return what a reply cost, or None where the price or the token counts are not known.

    prices: usd per 1,000,000 tokens, {prompt, completion}
    """
    counts = reply["prompt_tokens"], reply["completion_tokens"]
    if not prices or None in counts:
        return None
    return (counts[0] * prices["prompt"] + counts[1] * prices["completion"]) / 1e6


def _count(usage: Any, key: str) -> int | None:
    count = usage.get(key) if isinstance(usage, dict) else None
    return count if type(count) is int and 0 <= count < ABSURD else None
