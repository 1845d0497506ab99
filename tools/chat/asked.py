"""Hold that what is asked can be answered; tell what went wrong where it could not."""

import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from stages.core.errors import Fault, InputError, UserError
from stages.core.records import Message
from tools.chat.streaming import Sampling

HOTTEST = 100.0  # beyond it all tokens are as likely as each other; below 1 / HOTTEST, it is 0


def hold_sampling(sampling: Sampling) -> None:
    """Hold that an answer can be decoded so.

    Raises: InputError with every value that is out of its range.
    """
    heat = sampling.temperature
    ranges = {
        "max_new_tokens": (sampling.max_new_tokens >= 1, "1 or more"),
        "temperature": (
            heat == 0 or 1 / HOTTEST <= heat <= HOTTEST,
            f"0, or from {1 / HOTTEST:g} to {HOTTEST:g}",
        ),
        "top_p": (0 < sampling.top_p <= 1, "above 0, to 1"),
        "top_k": (sampling.top_k >= 0, "0 (off) or more"),
        "repetition_penalty": (0 < sampling.repetition_penalty <= HOTTEST, "above 0; 1 is off"),
    }
    faults = [
        Fault(name, str(getattr(sampling, name)), expected)
        for name, (within, expected) in ranges.items()
        if not within
    ]
    if faults:
        raise InputError(*faults)


def hold_messages(messages: Sequence[Message]) -> None:
    """Hold that a conversation ends with what the user says.

    Raises: InputError.
    """
    last = messages[-1]["role"] if messages else "nothing"
    if last != "user":
        fault = Fault("the conversation", f"its last turn is of {last}", "one of the user")
        raise InputError(fault)


def hold_room(model: str, length: int, window: int) -> int:
    """Return how many tokens an answer may have.

    length: of the conversation, in tokens; window: of the model
    Raises: InputError where it leaves no room.
    """
    if length < window:
        return window - length
    raise InputError(
        Fault(
            f"the conversation with {model}",
            f"it has {length} tokens, which leaves no room for an answer",
            f"at most {window - 1}: the model was made for {window} (max_position_embeddings)",
            "begin a new conversation, or say less",
        )
    )


@contextmanager
def template_told() -> Iterator[None]:
    """Tell that a chat template refuses a conversation: a second system prompt, for one.

    Raises: InputError.
    """
    from jinja2 import TemplateError

    try:
        yield
    except TemplateError as error:
        fault = Fault("the conversation", f"the model's chat template refuses it: {error}")
        raise InputError(fault) from error


def told(model: str, error: Exception) -> UserError:
    """Return what any other error is told as: the window stays.

    Its traceback is a note, not the cause: that would keep all the model's tensors of the moment.
    """
    then = "ask again; say less, or choose fewer tokens, where memory ran out"
    what = f"{type(error).__name__}: {error}"
    made = UserError(Fault(f"the answer of {model}", what, then=then))
    made.add_note("".join(traceback.format_exception(error)))
    return made
