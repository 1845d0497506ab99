"""One chat: what was asked, what each model answered, and in which order the columns stand."""

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from random import Random

from stages.core.records import Message
from tools.chat.engine import Piece, Sampling
from tools.chat.validated import Found

LETTERS = "ABCDEFGH"


@dataclass
class Turn:
    """One question to one model, and its answer as far as it has come.

    number:   which of the chat's questions, from 0
    messages: what was sent, the question last
    row:      id of the test row that asks exactly this; None: none does
    piece:    the answer; None before its first token
    fault:    why there is no answer, or ""
    found:    what is to be said of the record in it, once it has ended; None: nothing
    first:    the model had not answered before: its seconds hold the loading
    """

    number: int
    messages: list[Message]
    sampling: Sampling
    row: str | None = None
    piece: Piece | None = None
    fault: str = ""
    found: Found | None = None
    first: bool = False

    @property
    def text(self) -> str:
        """Return the answer so far."""
        return self.piece.text if self.piece else ""

    @property
    def ended(self) -> bool:
        """Tell whether there is an answer and it has come to its end, by itself or at the limit."""
        return self.piece is not None and self.piece.finish_reason in ("stop", "length")


@dataclass
class Talk:
    """One chat with one to four models, each going on with its own answers.

    before: turns that a test row begins with: given, not answered by anybody
    turns:  a model's name -> its turns; it may have joined later than others
    order:  the names of the columns, first to last
    asked:  how many questions were asked
    blind:  the columns bear letters in place of names, until a verdict is kept
    against: the column that the others are compared with; None: the first
    told:   it was: the names stand there for the rest of the chat
    stop:   set to end the answer that is being written; None: none is
    """

    before: list[Message] = field(default_factory=list)
    turns: dict[str, list[Turn]] = field(default_factory=dict)
    order: list[str] = field(default_factory=list)
    asked: int = 0
    blind: bool = False
    against: str | None = None
    told: bool = False
    stop: threading.Event | None = None

    @property
    def hidden(self) -> bool:
        """Tell whether names are not to be told."""
        return self.hides(self.order)

    @property
    def measure(self) -> str:
        """Return the column that the others are compared with; "" without a column."""
        if self.against in self.order and self.against is not None:
            return self.against
        return self.order[0] if self.order else ""

    @property
    def others(self) -> list[str]:
        """Return the columns that are compared with it."""
        return [name for name in self.order if name != self.measure]

    def label(self, name: str) -> str:
        """Return what a column is called: the model's name, or a letter."""
        return LETTERS[self.order.index(name)] if self.hidden and name in self.order else name

    def arrange(self, chosen: Sequence[str], seed: int | None = None) -> None:
        """Set the columns, as chosen, or drawn where names are hidden.

        The draw is kept as long as the same models are chosen: columns do not jump.
        """
        if self.hides(chosen):
            if {*self.order} != {*chosen}:
                self.order = Random(seed).sample(list(chosen), len(chosen))
        else:
            self.order = list(chosen)

    def hides(self, chosen: Sequence[str]) -> bool:
        """Tell whether these models' names are to be hidden."""
        return self.blind and not self.told and len(chosen) > 1

    def clear(self, blind: bool, before: Sequence[Message] = ()) -> None:
        """Begin a new chat in place of this one: what a stop button holds on to stays the same."""
        chosen = self.order
        self.__dict__.update(Talk(before=list(before), blind=blind).__dict__)
        self.arrange(chosen)

    def messages(self, name: str, prompt: str, system: str | None) -> list[Message]:
        """Return what a model is sent: system prompt, given turns, its own turns, the question.

        A turn without an answer (a fault, or stopped before its first token) is not repeated.
        system: None or white space alone: none
        """
        sent: list[Message] = []
        if system is not None and system.strip():
            sent.append({"role": "system", "content": system})
        sent += self.before
        for turn in self.turns.get(name, []):
            if turn.text:
                sent += [turn.messages[-1], {"role": "assistant", "content": turn.text}]
        return [*sent, {"role": "user", "content": prompt}]

    def last(self, name: str) -> Turn | None:
        """Return a model's answer to the last question, or None where it has none."""
        turns = self.turns.get(name, [])
        return turns[-1] if turns and turns[-1].number == self.asked - 1 else None

    def ready(self) -> list[str]:
        """Return the columns whose last answer can be judged: it is there and came to its end."""
        found = ((name, self.last(name)) for name in self.order)
        return [name for name, turn in found if turn and turn.ended]

    def failed(self) -> list[str]:
        """Return why nobody answered the last question, or nothing where somebody did."""
        turns = [turn for name in self.order if (turn := self.last(name))]
        if not turns or any(turn.piece for turn in turns):
            return []
        return list(dict.fromkeys(turn.fault for turn in turns))

    def take_back(self) -> None:
        """Take the last question out of the chat."""
        self.asked -= 1
        for name in self.order:
            self.turns[name].pop()
