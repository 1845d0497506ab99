"""How a teacher wants its requests spelled, found out while asking: schema, and limit of tokens.

Servers differ in how they decline structured outputs: 400 that names `response_format`, 404 or 415,
500 with a validation text (llama.cpp), or 200 and no regard (`transformers serve`). So the first
question that carries a schema goes alone. Where it is declined, and answered without, the schema is
left out from then on; a 5xx must be seen so twice, for it may have been a passing one.

schema: strict (closed schemas alone) → plain → off; limit: max_tokens ⇄ max_completion_tokens.
Source: https://platform.openai.com/docs/guides/structured-outputs
"""

import json
import re
from typing import Any

from stages.core.asking.dialogue import Question
from stages.core.asking.verdict import Verdict

LIMITS = ("max_tokens", "max_completion_tokens")
NAMED = re.compile(r"response_?format|json_?schema|schema|structured|grammar", re.I)
UNKNOWN = re.compile(
    r"unsupported|unrecogni[sz]ed|unknown|unexpected|extra (?:fields|inputs)|instead"
    r"|not (?:supported|permitted|allowed)",
    re.I,
)
DECLINED = {400, 404, 405, 415, 422, 500, 501}
FIRST = 5  # replies by which it is told whether a schema is regarded
OPENAI = re.compile(r"https?://api\.openai\.com(?:[/:]|$)")


def is_closed(schema: Any) -> bool:
    """Tell whether every object of a schema names all its keys and requires each.

    Only those may be sent as strict.
    """
    if isinstance(schema, list):
        return all(map(is_closed, schema))
    if not isinstance(schema, dict):
        return True
    keys = schema.get("properties")
    if isinstance(keys, dict) or schema.get("type") == "object":
        closed = schema.get("additionalProperties") is False
        if not closed or set(keys or ()) != set(schema.get("required", ())):
            return False
    inner = [*(keys or {}).values(), *schema.get("$defs", {}).values()]
    inner += [schema.get(key) for key in ("items", "prefixItems", "anyOf", "oneOf", "allOf")]
    return all(map(is_closed, inner))


class Dialect:
    """What is known about one teacher.

    limit:   the key of the limit of tokens
    schema:  strict, plain or off: how a schema is sent
    settled: whether a schema was accepted once, or is off
    """

    def __init__(self, base_url: str | None) -> None:
        # OpenAI's newer models refuse the older key, all of its own take the newer.
        self.limit = LIMITS[base_url is None or bool(OPENAI.match(base_url))]
        self.schema = "strict"
        self.settled = False
        self._flipped = False
        self._doubts = 0
        self._regarded: list[bool] = []

    def spell(self, question: Question, max_tokens: int, bare: bool = False) -> dict[str, Any]:
        """Return the body of the request that asks a question.

        bare: without its schema
        """
        body = {
            **question.parameters,
            "model": question.model,
            "messages": question.messages,
            self.limit: max_tokens,
        }
        if question.schema is not None and self.schema != "off" and not bare:
            form: dict[str, Any] = {"name": "record", "schema": question.schema}
            if self.schema == "strict" and is_closed(question.schema):
                form["strict"] = True
            body["response_format"] = {"type": "json_schema", "json_schema": form}
        return body

    def other_limit(self, body: dict[str, Any], verdict: Verdict) -> str | None:
        """Take in that the key of the limit was declined; return what to say, once.

        Returns: None when that was not the fault; empty when it was said before
        """
        sent = LIMITS[LIMITS[1] in body]
        if not _is_status(verdict, {400, 422}) or not re.search(rf"\b{sent}\b", verdict.detail):
            return None
        if not UNKNOWN.search(verdict.detail):
            return None
        if sent != self.limit:  # others have found out in the meantime
            return ""
        if self._flipped:
            return None
        self._flipped = True
        self.limit = LIMITS[sent == LIMITS[0]]
        return f"takes no {sent}; {self.limit} is sent instead"

    def accepted(self, text: str | None) -> str | None:
        """Take in a reply to a request with a schema; return what to say, where there is something.

        text: of a reply that ended by itself
        """
        first, self.settled = not self.settled, True
        if first and self.schema == "plain":
            return "declines the schema as strict; it is sent as not strict"
        if len(self._regarded) >= FIRST or text is None:
            return None
        try:
            self._regarded.append(isinstance(json.loads(text), dict))
        except (ValueError, RecursionError):
            self._regarded.append(False)
        if len(self._regarded) < FIRST or sum(self._regarded) > FIRST // 2:
            return None
        ignored = FIRST - sum(self._regarded)
        return (
            f"takes response_format, but {ignored} of its first {FIRST} replies are no JSON "
            "object: it seems to ignore the schema; validate checks every reply all the same"
        )

    def named(self, question: Question, verdict: Verdict) -> str | None:
        """Take in that a schema was declined by name; return what to say, maybe nothing.

        Returns: None when that was not the fault
        """
        if not _is_status(verdict, {400, 422}) or not NAMED.search(verdict.detail):
            return None
        if self.schema == "strict" and is_closed(question.schema):
            self.schema = "plain"
            return ""  # what there is to say is known when that is accepted, or not
        return self._off(verdict)

    def declined(self, verdict: Verdict) -> bool:
        """Tell whether a fault may have come from the schema."""
        return _is_status(verdict, DECLINED)

    def doubted(self, verdict: Verdict) -> str | None:
        """Take in that a question was declined with its schema and answered without.

        Returns: what to say, or None while it may have been a passing fault
        """
        self._doubts += 1
        if verdict.kind.startswith("http_5") and self._doubts < 2:
            return None
        return self._off(verdict)

    def _off(self, verdict: Verdict) -> str:
        self.schema, self.settled = "off", True
        return (
            f"declines response_format ({verdict.kind}); it is asked without from now on, and "
            "validate checks every reply all the same"
        )


def _is_status(verdict: Verdict, statuses: set[int]) -> bool:
    status = re.match(r"http_(\d+)", verdict.kind)
    return status is not None and int(status[1]) in statuses
