"""What is still to be asked for a request: its question, and its re-asks.

A reply that cannot be used may be sent back with the reason (`generate.reask` times). Every turn is
a question of its own with a name of its own in the journal, so that every attempt is kept and none
is paid twice. A re-ask is named by the question before it and the text that was sent back, not by
the wording of the objection: a better wording costs nothing.

Sent back is only what another answer can mend: not a reply that was cut (a larger `max_tokens` asks
it again), that the provider's filter took away, that is empty, or that refuses at temperature 0.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from stages.core.asking.journal import Journal
from stages.core.digest import digest

Name = Callable[[dict[str, Any]], str]  # a request -> what the journal calls its reply
Objection = Callable[[dict[str, Any]], str | None]  # a reply -> why it is to be given again

WORDING = (
    "This answer cannot be used: {objection}\n"
    "Answer the same question again, with the whole JSON object and nothing else."
)


@dataclass(frozen=True, slots=True)
class Question:
    """One thing to ask one teacher.

    name:    what the journal calls its reply, 16 hex digits
    request: the id of the request that it belongs to
    sample:  which of a request's samples it is; only the offline teacher is told
    """

    name: str
    request: str
    teacher: str
    model: str
    messages: list[dict[str, str]]
    parameters: dict[str, Any]
    schema: dict[str, Any] | None
    sample: int = 0


def whole(text: str | None) -> str | None:
    """Put U+FFFD for what is no text: a lone surrogate cannot be written, or sent, as UTF-8.

    validate rejects what holds one, as it does anything undecodable. The journal keeps the text.
    """
    return text and text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def final(question: Question, reply: dict[str, Any]) -> bool:
    """Tell whether the same teacher would give no better reply to the question and an objection."""
    ended = reply["finish_reason"]
    if ended == "refusal":
        return question.parameters.get("temperature") == 0
    return ended in ("length", "content_filter") or not (reply["text"] or "").strip()


class Dialogue:
    """The turns of each request, as far as the journal knows them.

    max_tokens: a reply that a lower limit cut is asked for again
    reask:      how often a reply may be sent back
    objection:  tells why a reply is to be given again, or None
    """

    def __init__(
        self,
        journal: Journal,
        name: Name,
        max_tokens: int,
        reask: int = 0,
        objection: Objection = lambda reply: None,
    ) -> None:
        self.journal = journal
        self.name = name
        self.max_tokens = max_tokens
        self.reask = reask
        self.objection = objection

    def turns(
        self, request: dict[str, Any]
    ) -> Iterator[tuple[Question, dict[str, Any] | None, str | None]]:
        """Yield each question with its reply and the objection to that, None where there is none.

        The last one is the only one that can lack its reply.
        """
        question = Question(
            self.name(request),
            request["id"],
            request["teacher"],
            request["model"],
            request["messages"],
            request["parameters"],
            request["schema"],
            request["sample"],
        )
        for turn in range(self.reask + 1):
            reply = self.journal.reply(question.name)
            if reply is None or turn == self.reask or final(question, reply):
                yield question, reply, None
                return
            objection = self.objection(reply)
            yield question, reply, objection
            if objection is None:
                return
            text = whole(reply["text"])
            messages = [
                *question.messages,
                {"role": "assistant", "content": text},
                {"role": "user", "content": WORDING.format(objection=whole(objection))},
            ]
            # The request's own name, too: the offline teacher's says what it will answer.
            name = digest([question.name, text, self.name(request | {"messages": messages})])
            question = replace(question, name=name, messages=messages)

    def pending(self, request: dict[str, Any]) -> Question | None:
        """Return what has to be asked next, or None when a request is settled."""
        if not self.reask:  # the reply itself does not matter: do not read it
            first = self.name(request)
            if self.journal.has(first, self.max_tokens):
                return None
        for question, _, _ in self.turns(request):
            if not self.journal.has(question.name, self.max_tokens):
                return question
        return None
