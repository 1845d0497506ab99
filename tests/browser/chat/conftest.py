"""The chat window over an engine that says what it is told to, and over a tiny stack of models."""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from stages.core.jsonl import write_rows
from stages.core.params import read_yaml

RECORD = '{"agree": "I agree, the plot was moving.", "disagree": "I do not, the plot was dull."}'
NAMES = ("base", "2b", "2c")
ASKED = ("Is the plot moving?", "How many legs has a cat?", "Name a colour.")


class Scripted:
    """An engine whose answers stand in its `says`, by prompt; else a model's name and the prompt.

    says: prompt -> text, or model -> text; waits_s: between two tokens; asked: what came, in order
    """

    def __init__(self) -> None:
        self.says: dict[str, str | dict[str, str]] = {}
        self.waits_s = 0.0
        self.asked: list[tuple[str, list[dict[str, str]], Any]] = []

    def answer(
        self,
        model: str,
        messages: Sequence[dict[str, str]],
        sampling: Any,
        stop: threading.Event,
    ) -> Iterator[Any]:
        """Yield the answer word by word."""
        from tools.chat.engine import Piece

        self.asked.append((model, list(messages), sampling))
        asked = messages[-1]["content"]
        said = self.says.get(asked, f"{model} says: {asked}")
        text = said[model] if isinstance(said, dict) else said
        words = [word + " " for word in text.split(" ")]
        words[-1] = words[-1][:-1]
        begun, so_far = time.monotonic(), ""
        for at, word in enumerate(words):
            if stop.is_set():
                yield Piece(so_far, "stopped", at, 0.01, time.monotonic() - begun)
                return
            time.sleep(self.waits_s)
            so_far += word
            yield Piece(so_far, "", at + 1, 0.01, time.monotonic() - begun)
        yield Piece(text, "stop", len(words), 0.01, time.monotonic() - begun)

    def prompt(self, model: str, messages: Sequence[dict[str, str]]) -> str:
        """Return a prompt as a template may spell it."""
        told = "".join(f"<|{each['role']}|>{each['content']}\n" for each in messages)
        return f"{told}<|assistant|>"

    def close(self) -> None:
        """Let go of nothing."""


@pytest.fixture
def engine() -> Scripted:
    """Return an engine to be told what to say."""
    return Scripted()


@pytest.fixture
def opened_with(project: Path) -> Iterator[Callable[..., str]]:
    """Return a function that opens the window over an engine, and returns its address."""
    from tools.chat.page import build, opened

    windows = []

    def begin(engine: Any, models: list[Any], lacking: Sequence[str] = (), **sections: Any) -> str:
        params = {**read_yaml(project / "params.yaml"), **sections}
        windows.append(build(engine, models, list(lacking), params, root=project))
        return opened(windows[-1], 0)

    yield begin
    for window in windows:
        window.close()


@pytest.fixture
def tried(project: Path, opened_with: Callable[..., str], engine: Scripted) -> str:
    """Return the address of a window with three models, the recipe's probes among the test rows."""
    from tools.chat.models import Model

    params = read_yaml(project / "params.yaml")
    rows = [
        {
            "id": f"row-{at}", "set": params["evaluate"]["probes"], "skill": "probe", "group": "g",
            "messages": [{"role": "user", "content": asked},
                         {"role": "assistant", "content": "a reference"}],
        }
        for at, asked in enumerate(ASKED)
    ]  # fmt: skip
    write_rows(project / "data/test.jsonl", rows)
    kinds = ("base", "adapter", "adapter")
    models = [
        Model(name, kind, project / "models" / name, f"digest-of-{name}", None)
        for name, kind in zip(NAMES, kinds, strict=True)
    ]
    return opened_with(engine, models, ["exports/old: there is no manifest.json"])
