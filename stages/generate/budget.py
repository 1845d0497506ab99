"""What the replies may cost: reserved before a question is sent, settled when it is answered."""

from typing import Any

from stages.generate.dialogue import Question


class Budget:
    """The money of one data set.

    limit_usd: for all replies of these requests, whenever they were paid; None: no limit
    prices:    teacher -> {prompt, completion} in usd per 1,000,000 tokens, or None
    spent_usd: what they cost so far, by the journal
    exhausted: whether a question was turned away
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

    def reserve(self, question: Question) -> float | None:
        """Hold back the most that a question can cost, in usd; None when it does not fit any more.

        With others on their way the answer may change: they may cost less than what is held for
        them. Without any (`held_usd` is 0) it is final.
        """
        most = self.most_usd(question)
        if (
            self.limit_usd is not None
            and self.spent_usd + self.held_usd + most > self.limit_usd + 1e-12
        ):
            return None
        self.held_usd += most
        return most

    def settle(self, held_usd: float, cost_usd: float | None) -> None:
        """Give back what was held for a question and count what it did cost (0: not answered)."""
        self.held_usd = max(0.0, self.held_usd - held_usd)
        self.spent_usd += cost_usd or 0.0

    def most_usd(self, question: Question) -> float:
        """Return the most that a question can cost."""
        price: dict[str, Any] | None = self.prices.get(question.teacher)
        if not price:
            return 0.0
        # A token is a byte at least.
        prompt = sum(len(each["content"].encode()) for each in question.messages)
        return (prompt * price["prompt"] + self.max_tokens * price["completion"]) / 1e6
