"""Answer prompts by any of the models with one base in memory: adapters are switched."""

import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

from stages.core.records import Message
from tools.chat.models import Model


class Sampling(NamedTuple):
    """How an answer is decoded.

    max_new_tokens:     at most so many
    temperature:        0: the likeliest token each time, as `answer` decodes; else above 0
    top_p, top_k:       1.0 and 0: off
    repetition_penalty: 1.0: off
    seed:               of the draws; the same seed, the same answer
    """

    max_new_tokens: int
    temperature: float = 0.0
    top_p: float = 1.0
    top_k: int = 0
    repetition_penalty: float = 1.0
    seed: int = 0


class Piece(NamedTuple):
    """An answer as far as it has come.

    text:          all of it so far
    finish_reason: "" while it goes on; stop, length (max_new_tokens), stopped (by the user)
    tokens:        how many so far
    first_s, seconds: until the first token (None before it), and until now
    """

    text: str
    finish_reason: Literal["", "stop", "length", "stopped"]
    tokens: int
    first_s: float | None
    seconds: float


class Engine:
    """One base with all adapters that its models need. One answer at a time; others wait."""

    def __init__(self, base: Path, models: Sequence[Model], compute: dict[str, Any]) -> None:
        """Load nothing yet: the first answer does."""
        raise NotImplementedError

    def answer(
        self,
        model: str,
        messages: Sequence[Message],
        sampling: Sampling,
        stop: threading.Event,
    ) -> Iterator[Piece]:
        """Yield an answer as it comes; the last piece has its finish_reason.

        messages: the conversation, the user's turn last; a system prompt first, or none
        stop:     set: it ends after the present token, the text so far stays
        Raises: UserError where the model cannot be loaded, or the conversation is too long for it.
        """
        raise NotImplementedError

    def prompt(self, model: str, messages: Sequence[Message]) -> str:
        """Return what the model is given, to the letter: the template applied."""
        raise NotImplementedError

    def close(self) -> None:
        """Let go of all models, and of the accelerator's memory."""
        raise NotImplementedError
