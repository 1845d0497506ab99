"""Tell what helps against a fault of one attempt.

retry    429, 408, 409, 5xx, a cut or refused connection, a time-out, a body that is no answer
row      this question is not answered, whatever we do: 400, 413, 422
account  no question is answered: 401, 402, 403, 404, a used-up quota, a wait over `PATIENCE_S`
"""

import math
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from time import time
from typing import Literal, NamedTuple

PATIENCE_S = 300.0
ACCOUNT = {
    401: "the key was not accepted",
    402: "payment is required",
    403: "access was refused",
    404: "there is no such model or address",
}
USED_UP = {"insufficient_quota", "billing_hard_limit_reached", "billing_not_active"}


class NoAnswerError(Exception):
    """A 200 whose body is no chat completion."""


class Verdict(NamedTuple):
    """What a fault is, and what helps.

    kind:    for the counts, and for `Reply.error`: the same whatever the timing
    wait_s:  how long the server asked us to stay away, or None
    """

    remedy: Literal["retry", "row", "account"]
    kind: str
    wait_s: float | None = None
    detail: str = ""


def wait_asked(headers: Mapping[str, str]) -> float | None:
    """Return the seconds that a response asks to wait: retry-after-ms, or seconds, or a date.

    Source: https://www.rfc-editor.org/rfc/rfc9110#field.retry-after
    """
    for header, unit in (("retry-after-ms", 1e-3), ("retry-after", 1.0)):
        try:
            wait = float(headers.get(header, "")) * unit
        except ValueError:
            continue
        if math.isfinite(wait):
            return max(0.0, wait)
    try:
        return max(0.0, parsedate_to_datetime(headers.get("retry-after", "")).timestamp() - time())
    except (TypeError, ValueError, OverflowError):
        return None


def judge(error: Exception) -> Verdict:
    """Tell what helps against a fault of one attempt.

    Raises: the error itself when it is not one of the transport or of the server.
    """
    import openai

    if isinstance(error, NoAnswerError):
        return Verdict("retry", "no_answer", detail=str(error))
    if isinstance(error, TimeoutError | openai.APIConnectionError):
        # The transport names some refused connections a time-out: the first cause tells.
        cause: BaseException = error
        while cause.__cause__ is not None:
            cause = cause.__cause__
        kind = "timeout" if isinstance(cause, TimeoutError) else "connection"
        return Verdict("retry", kind, detail=str(cause))
    if not isinstance(error, openai.APIStatusError):
        raise error
    status, wait = error.status_code, wait_asked(error.response.headers)
    said = error.body.get("message") if isinstance(error.body, dict) else None
    kind, detail = f"http_{status}", str(said or error.message)[:500]
    if {error.code, error.type} & USED_UP:
        return Verdict("account", kind, detail="the quota is used up")
    if status in ACCOUNT:
        return Verdict("account", kind, detail=ACCOUNT[status])
    if wait is not None and wait > PATIENCE_S:
        return Verdict("account", kind, detail=f"it asks to be left alone for {wait:.0f} s")
    if status in (408, 409, 429) or status >= 500:
        return Verdict("retry", kind, wait, detail)
    return Verdict("row", kind, detail=detail)
