"""What stands in for the engine in the window's tests: it says what it is told to, word by word."""

import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from stages.core.errors import Fault, InputError
from stages.core.jsonl import write_json, write_rows
from stages.core.records import Message
from tools.chat.engine import Piece, Sampling
from tools.chat.models import Model

HOSTILE = (
    "<script>alert(1)</script> <img src=x onerror=alert(1)> ![a](http://192.0.2.1/a.png) "
    "[b](javascript:alert(1)) ${alert(1)} {{7*7}} \x1b[31mred\x1b[0m \u202egpj.exe $x^2$ **bold**"
)
SCHEMA = {
    "type": "object",
    "properties": {"agree": {"type": "string", "minLength": 3}, "points": {"type": "integer"}},
    "required": ["agree"],
    "additionalProperties": False,
}
PARAMS: dict[str, Any] = {
    "recipe": "mine",
    "answer": {"max_new_tokens": 24},
    "compute": {"device": "cpu", "threads": 1},
    "evaluate": {
        "probes": "probes",
        "sections": {"own": {"set": "own", "metrics": ["schema_valid"], "language": "json"}},
    },
    "validate": {
        "schema": "schema.json", "repair": True, "normalise": ["trim"], "aliases": {},
        "instruction": "instruction.md", "answer": "answer.md",
    },
}  # fmt: skip
ROWS = [
    {"id": "a" * 16, "set": "probes", "skill": "fact", "group": "a", "source": "s",
     "messages": [{"role": "user", "content": "Which city?"},
                  {"role": "assistant", "content": "Paris"}]},
    {"id": "b" * 16, "set": "probes", "skill": "fact", "group": "b", "source": "s",
     "messages": [{"role": "system", "content": "Be short."},
                  {"role": "user", "content": "Hello"},
                  {"role": "assistant", "content": "Hi"},
                  {"role": "user", "content": "And now?"},
                  {"role": "assistant", "content": "Bye"}]},
    {"id": "c" * 16, "set": "own", "skill": "own", "group": "c", "source": "s",
     "messages": [{"role": "user", "content": "Agree with the review: good"},
                  {"role": "assistant", "content": '{"agree": "yes"}'}]},
]  # fmt: skip
MODELS = [
    Model("base", "base", Path("models/base"), "0" * 64, None),
    Model("2b", "adapter", Path("models/2b"), "b" * 64, "You are 2b."),
    Model("2c", "adapter", Path("models/2c"), "c" * 64, None),
    Model("exports/2c", "export", Path("exports/2c"), "e" * 64, None),
]


class StandIn:
    """An engine that answers from a table: model -> its text, or an exception.

    asked:  what it was asked, in order
    before: called before each piece but the first
    """

    def __init__(self, texts: dict[str, str | Exception] | None = None) -> None:
        self.texts: dict[str, str | Exception] = texts or {}
        self.asked: list[tuple[str, list[Message], Sampling]] = []
        self.before = lambda: None
        self.closed = False

    def answer(
        self, model: str, messages: Sequence[Message], sampling: Sampling, stop: threading.Event
    ) -> Iterator[Piece]:
        """Yield the text, a word a token."""
        self.asked.append((model, list(messages), sampling))
        text = self.texts.get(model, f"{model} says: {messages[-1]['content']}")
        if isinstance(text, Exception):
            raise text
        words = text.split(" ")
        said = ""
        for at, word in enumerate(words, 1):
            if stop.is_set():
                yield Piece(said, "stopped", at - 1, 0.5, 0.5 + 0.1 * at)
                return
            said += word if at == 1 else f" {word}"
            if at == sampling.max_new_tokens:
                yield Piece(said, "length", at, 0.5, 0.5 + 0.1 * at)
                return
            yield Piece(said, "stop" if at == len(words) else "", at, 0.5, 0.5 + 0.1 * at)
            self.before()

    def prompt(self, model: str, messages: Sequence[Message]) -> str:
        """Apply a template that shows the turns."""
        if model == "exports/2c":
            raise InputError(Fault("exports/2c", "has no chat template"))
        return "".join(f"<{turn['role']}>{turn['content']}" for turn in messages) + "<assistant>"

    def close(self) -> None:
        """Note it."""
        self.closed = True


def write_project(folder: Path) -> Path:
    """Write what the window reads of a project: the recipe, test rows, the answers of 2b."""
    recipe = folder / "recipes" / "mine"
    write_json(recipe / "schema.json", SCHEMA)
    (recipe / "instruction.md").write_text("Agree with the review: {{ review }}\n")
    (recipe / "answer.md").write_text('{"agree": {{ record.agree | json }}}\n')
    (recipe / "verdicts.jsonl").write_text("\n")
    write_rows(folder / "data" / "test.jsonl", ROWS)
    answers = [{"row": "a" * 16, "model": "2b", "text": "Rome"}]
    write_rows(folder / "data" / "answers" / "2b.jsonl", answers)
    return folder
