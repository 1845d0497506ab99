"""Draw the words of one text by the rules of a bank (`stages.fetch.bank` describes them)."""

from random import Random
from typing import Any

from stages.core.grammar import SLOT, Bank

# Draws without anything new before what is drawn from is called exhausted.
PATIENCE = 1000
# What is left out of a truth's lists and mappings.
EMPTY: tuple[Any, ...] = ("", [], {})


class Draft:
    """A text in the making: what it may draw, and what it has drawn.

    slots: the words that stand already; each slot of `once` joins them as it is drawn
    """

    def __init__(
        self,
        bank: Bank,
        rng: Random,
        *,
        elsewhere: bool = False,
        slots: dict[str, Any] | None = None,
    ) -> None:
        self.rules = bank.get("rules", {}) | (bank.get("elsewhere", {}) if elsewhere else {})
        self.once = set(bank.get("once", ()))
        self.distinct = bank.get("distinct", ())
        self.rng = rng
        self.slots = {} if slots is None else slots

    def word(self, slot: str) -> Any:
        """Return what fills a slot: a text whose own slots are filled, or a number.

        Raises: ValueError naming a slot that has no rule, or no words that are not taken.
        """
        if slot in self.slots:
            return self.slots[slot]
        if slot not in self.once:
            return self._draw(slot)
        taken = [
            self.slots[other]
            for together in self.distinct
            if slot in together
            for other in together
            if other in self.slots
        ]
        for _ in range(PATIENCE):
            if (words := self._draw(slot)) not in taken:
                self.slots[slot] = words
                return words
        raise ValueError(f"all that {{{slot}}} can be is taken: {', '.join(map(str, taken))}")

    def _draw(self, slot: str) -> Any:
        if slot not in self.rules:
            raise ValueError(f"no rule for the slot {{{slot}}}")
        alternatives = self.rules[slot]
        if isinstance(alternatives, dict):  # {other: {words: alternatives}}
            ((other, by_words),) = alternatives.items()
            if (of := str(self.word(other))) not in by_words:
                raise ValueError(f"no rule for the slot {{{slot}}} where {{{other}}} is {of!r}")
            alternatives = by_words[of]
        chosen = self.rng.choice(alternatives)
        return self.expand(chosen) if isinstance(chosen, str) else chosen

    def expand(self, template: str) -> str:
        """Fill a template's slots, and the slots of what fills them."""
        return SLOT.sub(lambda match: str(self.word(match[1])), template)

    def answer(self, said: Any) -> Any:
        """Fill an alternative of a truth: a text, a list or mapping of such, or a plain value."""
        if isinstance(said, list):
            filled = [self.answer(item) for item in said]
            return [item for item in filled if item not in EMPTY]
        if isinstance(said, dict):
            named = {key: self.answer(item) for key, item in said.items()}
            return {key: item for key, item in named.items() if item not in EMPTY}
        if not isinstance(said, str):
            return said
        alone = SLOT.fullmatch(said)
        return self.word(alone[1]) if alone else self.expand(said)
