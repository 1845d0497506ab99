"""What the replies may cost: reserved before a question is sent, settled when it is answered."""

import json
from collections.abc import Collection
from typing import Any

from stages.core.asking.asker import GENERATE, Asker
from stages.core.asking.dialogue import Question
from stages.core.asking.entries import Entry
from stages.core.errors import ConfigError, Fault

# Tokens that a provider may count beside the text: around a message, and around a schema.
AROUND_MESSAGE, AROUND_SCHEMA = 16, 256
LEAST_USD = 1e-10  # no question costs so little


class Budget:
    """The money of one data set.

    limit_usd: for all replies of these requests, whenever they were paid; None: no limit
    prices:    teacher -> {prompt, completion} in usd per 1,000,000 tokens as they are paid (a
               provider's discount is a lower price), or None
    spent_usd: what they cost so far, by the journal
    exhausted: whether a question was turned away
    unknown:   how many replies came without a count of tokens; they are taken for the dearest
    """

    def __init__(
        self,
        limit_usd: float | None,
        prices: dict[str, dict[str, float] | None],
        max_tokens: int,
        spent_usd: float = 0.0,
    ) -> None:
        self.limit_usd = limit_usd
        self.prices = prices
        self.max_tokens = max_tokens
        self.spent_usd = spent_usd
        self.held_usd = 0.0
        self.exhausted = False
        self.unknown = 0

    @classmethod
    def of(cls, params: dict[str, Any]) -> "Budget":
        """Return the budget of params.yaml, of which nothing is spent yet."""
        prices = {each["name"]: each.get("price") for each in params["teachers"]}
        settings = params["generate"]
        return cls(settings["budget_usd"], prices, settings["max_tokens"])

    def reserve(self, question: Question) -> float | None:
        """Hold back the most that a question can cost, in usd; None when it does not fit any more.

        With others on their way the answer may change: they may cost less than what is held for
        them. Without any (`held_usd` is 0) it is final.
        """
        most = self.most_usd(question)
        if (
            most
            and self.limit_usd is not None
            and self.spent_usd + self.held_usd + most > self.limit_usd + LEAST_USD
        ):
            return None
        self.held_usd += most
        return most

    def settle(self, held_usd: float, cost_usd: float | None) -> None:
        """Give back what was held for a question and count what it did cost (0: not answered).

        A reply without a count of tokens costs what was held: too much rather than nothing.
        """
        rest = self.held_usd - held_usd
        self.held_usd = rest if rest > LEAST_USD else 0.0  # sums of floats leave crumbs
        self.unknown += cost_usd is None and held_usd > 0
        self.spent_usd += held_usd if cost_usd is None else cost_usd

    def most_usd(self, question: Question, max_tokens: int | None = None) -> float:
        """Return the most that a question can cost.

        max_tokens: the limit it was asked with, where it is not the present one
        """
        price: dict[str, Any] | None = self.prices.get(question.teacher)
        if not price:
            return 0.0
        # No tokenizer in use makes more tokens than bytes.
        prompt = sum(
            len(each["content"].encode("utf-8", "surrogatepass")) + AROUND_MESSAGE
            for each in question.messages
        )
        if question.schema is not None:
            prompt += len(json.dumps(question.schema)) + AROUND_SCHEMA
        completion = max_tokens or self.max_tokens
        return (prompt * price["prompt"] + completion * price["completion"]) / 1e6

    def cost_usd(self, question: Question, entry: Entry) -> float:
        """Return what a reply of the journal did cost, by the price of its day where there was one.

        Without: by the present price and its tokens, or the most, where they were not counted.
        """
        reply, price = entry.reply, self.prices.get(question.teacher)
        if reply.get("cost_usd") is not None:
            return reply["cost_usd"]
        if not price:
            return 0.0
        counts = reply.get("prompt_tokens"), reply.get("completion_tokens")
        if None in counts:
            return self.most_usd(question, entry.max_tokens)
        return (counts[0] * price["prompt"] + counts[1] * price["completion"]) / 1e6


def check_prices(
    settings: dict[str, Any],
    teachers: list[dict[str, Any]],
    wanted: Collection[str],
    asker: Asker = GENERATE,
) -> None:
    """Refuse a budget that cannot be kept.

    wanted: the names of the teachers who have something to answer
    Raises: ConfigError naming every teacher without a price, where there is a budget.
    """
    if settings["budget_usd"] is None:
        return
    faults = [
        Fault(
            f"params.yaml: {asker.teachers}.{each['name']}.price",
            f"is missing, and {asker.settings}.budget_usd is {settings['budget_usd']}",
            "usd per 1,000,000 tokens: {prompt: ..., completion: ...}",
            "write down the price of the model (zeros, where it costs nothing), or set "
            f"{asker.settings}.budget_usd: null; nothing was sent",
        )
        for each in teachers
        if each["base_url"] != "offline"
        and not each.get("price")
        # One of weight 0 is asked nothing, unless the requests are from before.
        and (each["weight"] > 0 or each["name"] in wanted)
    ]
    if faults:
        raise ConfigError(*faults)
