"""The chat window over an engine that says what it is told to, and over a tiny stack of models."""

import importlib.util
import shutil
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from stages.core.jsonl import write_rows
from stages.core.params import read_yaml

ROOT = Path(__file__).resolve().parents[3]
NAMES = ("base", "2b", "2c")
HOSTILE = "<img src=x onerror=alert(1)> ![x](http://127.0.0.1:9/x.png) [l](javascript:alert(2))"
ASKED = ("Is the plot moving?", "How many legs has a cat?", "Name a colour.", HOSTILE)


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

    def begin(engine: Any, found: list[Any], lacking: Sequence[str] = (), **sections: Any) -> str:
        params = {**read_yaml(project / "params.yaml"), **sections}
        windows.append(build(engine, found, list(lacking), params, root=project))
        return opened(windows[-1], None)

    yield begin
    for window in windows:
        window.close(verbose=False)


@pytest.fixture
def tried_with(
    project: Path, opened_with: Callable[..., str], engine: Scripted
) -> Callable[..., str]:
    """Return a function that opens a window with three models, under other sections if given."""
    from tools.chat.models import Model

    params = read_yaml(project / "params.yaml")
    rows = [
        {
            "id": f"row-{at}", "set": params["evaluate"]["probes"], "skill": "probe", "group": "g",
            "messages": [{"role": "user", "content": asked},
                         {"role": "assistant", "content": f"{HOSTILE} is the reference"}],
        }
        for at, asked in enumerate(ASKED)
    ]  # fmt: skip
    write_rows(project / "data/test.jsonl", rows)
    kinds = ("base", "adapter", "adapter")
    models = [
        Model(name, kind, project / "models" / name, f"digest-of-{name}", None)
        for name, kind in zip(NAMES, kinds, strict=True)
    ]
    lacking = ["exports/old: there is no manifest.json"]
    return lambda **sections: opened_with(engine, models, lacking, **sections)


@pytest.fixture
def tried(tried_with: Callable[..., str]) -> str:
    """Return the address of such a window."""
    return tried_with()


@pytest.fixture
def stacked(project: Path, built: Any, opened_with: Callable[..., str]) -> Iterator[str]:
    """Return the address of a window over the tiny stack: base, 2b, 2c on it, 3b on the base."""
    from tools.chat.engine import Engine
    from tools.chat.models import models

    shutil.copytree(built.folder / "models", project / "models")
    write_rows(project / "data/test.jsonl", [])
    named = {"models": {f"m{name}": {"name": name} for name in ("base", "2b", "2c", "3b")}}
    named |= {"adapters": built.params["adapters"], "transcripts": {}}
    found, lacking = models(named, project)
    assert lacking == []
    engine = Engine(project / "models/base", found, built.params["compute"])
    yield opened_with(engine, found, **named, answer={"max_new_tokens": 8})
    engine.close()


def imported(path: Path) -> Any:
    """Return a module of another folder of tests, where pytest knows no packages."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def speech() -> Any:
    """Return what the tests of speech make recordings with."""
    return imported(ROOT / "tests/tools/chat/test_speech.py")


whisper = imported(ROOT / "tests/tools/chat/test_speech.py").whisper


@pytest.fixture
def show(opened_with: Callable[..., str], show: Callable[..., Any]) -> Callable[..., Any]:
    """Return `show`, whose windows close before their server does."""
    return show
