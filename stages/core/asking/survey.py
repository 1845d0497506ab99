"""What asking would take, before the first request: tokens, usd and time, by teacher.

What the journal holds of the same requests teaches how many characters a teacher takes for a token,
how long its answers are and how long it takes for one. Where it holds none of them, the answers of
the same model to other requests do, and failing that four characters are a token and an answer is
as long as `max_tokens`.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from stages.core.asking.budget import Budget
from stages.core.asking.dialogue import Dialogue, Question
from stages.core.asking.entries import Entry
from stages.core.asking.journal import Journal

CHARACTERS_PER_TOKEN = 4.0


@dataclass
class Mean:
    """A running mean."""

    count: int = 0
    total: float = 0.0

    def add(self, value: float | None) -> None:
        """Take in a value, where there is one."""
        if value is not None:
            self.count += 1
            self.total += value

    @property
    def value(self) -> float | None:
        """The mean, or None of nothing."""
        return self.total / self.count if self.count else None


class Outlook:
    """One teacher: what is there, and what the rest would take.

    found, pending: questions; found_usd: what those that are there have cost
    characters:     of the prompts that are pending
    most_usd:       more than the pending ones can cost; re-asks that they lead to apart
    completion, seconds: means of the answers that are known; None: no answer is
    """

    def __init__(self, entry: dict[str, Any], settings: dict[str, Any]) -> None:
        self.name: str = entry["name"]
        self.model: str = entry["model"]
        self.price: dict[str, float] | None = entry.get("price")
        self.priced = bool(self.price) or entry["base_url"] == "offline"  # which costs nothing
        limits = ("max_in_flight", "requests_per_minute", "tokens_per_minute")
        self.limits = {key: entry.get(key) or settings[key] for key in limits}
        self.batch = settings["mode"] == "batch"
        self.max_tokens: int = settings["max_tokens"]
        self.found = self.pending = self.characters = 0
        self.found_usd = self.most_usd = 0.0
        self.completion, self.seconds = Mean(), Mean()
        self._told = [0, 0]  # characters and tokens of prompts that were answered

    def learn(self, entry: Entry, question: Question | None = None) -> None:
        """Take in an answer of this teacher's model, and its question where that is known."""
        self.completion.add(entry.reply.get("completion_tokens"))
        self.seconds.add(entry.seconds)
        if question is not None and (tokens := entry.reply.get("prompt_tokens")):
            self._told[0] += length(question)
            self._told[1] += tokens

    @property
    def prompt_tokens(self) -> int:
        """About how many tokens would be sent."""
        characters, tokens = self._told
        return round(self.characters / (characters / tokens if tokens else CHARACTERS_PER_TOKEN))

    @property
    def most_completion_tokens(self) -> int:
        """How many tokens would be answered at most."""
        return self.pending * self.max_tokens

    @property
    def completion_tokens(self) -> int | None:
        """About how many tokens would be answered; None when no answer is known."""
        mean = self.completion.value
        return None if mean is None else round(self.pending * min(mean, self.max_tokens))

    @property
    def usd(self) -> float | None:
        """About what it would cost; None where the length of answers is not known, or the price."""
        if not self.price:
            return 0.0 if self.priced else None
        if self.completion_tokens is None:
            return None
        prompt, completion = self.prompt_tokens, self.completion_tokens
        return (prompt * self.price["prompt"] + completion * self.price["completion"]) / 1e6

    @property
    def time_s(self) -> float | None:
        """About how long it would take at least, in seconds; None when nothing tells."""
        if self.batch or not self.pending:
            return None if self.pending else 0.0
        times = []
        if (mean := self.seconds.value) is not None:
            waves = max(1.0, self.pending / self.limits["max_in_flight"])
            times.append(waves * mean)
        if rate := self.limits["requests_per_minute"]:
            times.append(60 * self.pending / rate)
        if rate := self.limits["tokens_per_minute"]:
            tokens = self.prompt_tokens + (self.completion_tokens or self.most_completion_tokens)
            times.append(60 * tokens / rate)
        return max(times, default=None)


def length(question: Question) -> int:
    """Return the characters of a question, its schema apart."""
    return sum(len(each["content"]) for each in question.messages)


def survey(
    requests: Iterable[dict[str, Any]],
    dialogue: Dialogue,
    budget: Budget,
    teachers: list[dict[str, Any]],
    settings: dict[str, Any],
) -> list[Outlook]:
    """Return what is there and what is pending, by teacher, in the order of params.yaml.

    One walk over the requests and what the journal holds of them. A teacher that the requests name
    and params.yaml does not comes last (`keys` refuses to ask it).
    """
    outlooks = {each["name"]: Outlook(each, settings) for each in teachers}
    for request in requests:
        if (outlook := outlooks.get(name := request["teacher"])) is None:
            stranger = {"name": name, "model": request["model"], "base_url": None}
            outlook = outlooks[name] = Outlook(stranger, settings)
        for question, reply, _ in dialogue.turns(request):
            if reply is not None:
                outlook.found += 1
                for entry in dialogue.journal.entries(question.name):
                    outlook.learn(entry, question)
                    outlook.found_usd += budget.cost_usd(question, entry)
            if not dialogue.journal.has(question.name, dialogue.max_tokens):
                outlook.pending += 1
                outlook.characters += length(question)
                outlook.most_usd += budget.most_usd(question)
                break
    strangers = [one for one in outlooks.values() if one.pending and not one.completion.count]
    if strangers:
        _learn_from_others(strangers, dialogue.journal)
    return list(outlooks.values())


def _learn_from_others(outlooks: list[Outlook], journal: Journal) -> None:
    """Let the answers of the same models to other requests tell what to expect."""
    for name in journal.names():
        entry = next(journal.entries(name))
        reported = entry.reply.get("model") or ""
        for outlook in outlooks:
            # Servers report the snapshot (`gpt-4o-mini-2024-07-18`) of what was asked for.
            if reported.startswith(outlook.model.split("/")[-1]):
                outlook.learn(entry)
