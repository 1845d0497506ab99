"""Tell what helps against a fault of one attempt.

retry    429, 408, 409, 5xx, a cut or refused connection, a time-out, a body that is no answer
row      this question is not answered, whatever we do: 400, 413, 422, a filter's refusal of it
account  no question is answered: 401, 402, 403, 404, a used-up quota, a wait over `PATIENCE_S`
"""

import json
import re
from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

from stages.core.asking.waits import asked

PATIENCE_S = 300.0
FILTERED = "content_filter"
MOST_WORDS = 500  # characters of what a server says
ACCOUNT = {
    401: "the key was not accepted",
    402: "payment is required",
    403: "access was refused",
    404: "there is no such model or address",
}
USED_UP = {"insufficient_quota", "billing_hard_limit_reached", "billing_not_active"}
# Anthropic says it at status 400, others at 403.
NO_FUNDS = re.compile(r"credit balance is too low|insufficient (?:balance|credit|funds)", re.I)
# A filter took offence at this one question (Azure, OpenAI, OpenRouter, DashScope): by the error's
# codes, or by words that speak of the text, not of the account.
OFFENCE = re.compile(
    r"content_?(?:filter|policy)|moderation|responsibleaipolicy|data_inspection_failed", re.I
)
OFFENDED = re.compile(
    r"\b(?:input|prompt|content|message|text)s?\b[^.]{0,60}\b(?:flagged|moderation)"
    r"|content management policy",
    re.I,
)
# Larger than a minute's allowance: no wait makes it fit.
TOO_LARGE = re.compile(r"request too large", re.I)
CODE = re.compile(r"[a-z][a-z_]{2,50}")  # a code that is the same for the next row


class NoAnswerError(Exception):
    """A 200 whose body is no chat completion."""


class RefusedError(Exception):
    """A 200 whose body is an error with a status of its own (OpenRouter).

    Source: https://openrouter.ai/docs/api-reference/errors
    """

    def __init__(self, status: int, body: Any) -> None:
        super().__init__(status)
        self.status = status
        self.body = body


class Verdict(NamedTuple):
    """What a fault is, and what helps.

    kind:      for the counts, and for `Reply.error`: the same whatever the timing and the row
    wait_s:    how long the server asked us to stay away, or None
    detail:    the server's words, for the eye, on one line; not redacted
    throttled: the server asks all of us to slow down
    """

    remedy: Literal["retry", "row", "account"]
    kind: str
    wait_s: float | None = None
    detail: str = ""
    throttled: bool = False


def judge(error: Exception) -> Verdict:
    """Tell what helps against a fault of one attempt.

    Raises: the error itself when it is not one of the transport or of the server.
    """
    import aiohttp
    import httpx2
    import openai

    if isinstance(error, NoAnswerError):
        return Verdict("retry", "no_answer", detail=str(error))
    if isinstance(error, RefusedError):
        return judge_status(error.status, {}, error.body)
    if isinstance(error, TimeoutError | openai.APIConnectionError):
        # The transport names some refused connections a time-out: the first cause tells.
        cause: BaseException = error
        while cause.__cause__ is not None:
            cause = cause.__cause__
        kind = "timeout" if isinstance(cause, TimeoutError) else "connection"
        return Verdict("retry", kind, detail=one_line(str(cause)))
    if isinstance(error, UnicodeEncodeError):
        return Verdict("row", "not_text", detail="the question holds a lone surrogate")
    if isinstance(error, aiohttp.ClientError | httpx2.HTTPError):  # what the package lets through
        return Verdict("retry", "connection", detail=one_line(str(error)))
    if not isinstance(error, openai.APIStatusError):
        raise error
    body = error.body if error.body is not None else error.message
    return judge_status(error.status_code, error.response.headers, body)


def judge_status(status: int, headers: Mapping[str, str], body: Any) -> Verdict:
    """Tell what helps against a response that is an error.

    headers: found in lower case; body: the error object as parsed, or a text
    """
    if isinstance(body, list) and body:  # Google wraps it in a list
        body = body[0]
    if isinstance(body, dict):
        body = body.get("error") or body
    said = body if isinstance(body, dict) else {}
    whole = body if isinstance(body, str) else json.dumps(body, ensure_ascii=False, default=str)
    wait_s = asked(headers, whole)
    inner = said.get("innererror")
    found = (said.get("code"), said.get("type"), isinstance(inner, dict) and inner.get("code"))
    codes = [each for each in found if isinstance(each, str)]
    kind = f"http_{status}"
    detail = one_line(str(said.get("message") or whole))
    if USED_UP.intersection(codes) or (status in (400, 403) and NO_FUNDS.search(detail)):
        return Verdict("account", kind, detail=f"the quota is used up ({detail})")
    if status in (400, 403) and (any(map(OFFENCE.search, codes)) or OFFENDED.search(detail)):
        return Verdict("row", FILTERED, detail=detail)
    if status in ACCOUNT:
        return Verdict("account", kind, detail=f"{ACCOUNT[status]} ({detail})")
    if wait_s is not None and wait_s > PATIENCE_S:
        return Verdict(
            "account", kind, detail=f"it asks to be left alone for {wait_s:.0f} s ({detail})"
        )
    if status == 429 and TOO_LARGE.search(detail):
        return Verdict("row", f"{kind} too_large", detail=detail)
    if status in (408, 409, 429) or status >= 500:
        throttled = status == 429 or (status == 503 and wait_s is not None)
        return Verdict("retry", kind, wait_s, detail, throttled)
    if codes and CODE.fullmatch(codes[0]):
        kind = f"{kind} {codes[0]}"
    return Verdict("row", kind, detail=detail)


def one_line(text: str) -> str:
    """Put a server's words on one line, not too many of them."""
    return " ".join(text[: 4 * MOST_WORDS].split())[:MOST_WORDS]
