"""What tests share: a copy of what people write, and a tiny stack of models, to break at will."""

import asyncio
import importlib
import shutil
import signal
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from stages.core.jsonl import write_json, write_rows

ROOT = Path(__file__).resolve().parents[1]


def pytest_configure() -> None:
    """Let an interrupt arrive: a shell's background job ignores it, and its children with it."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture
def root() -> Path:
    """Return the project's folder."""
    return ROOT


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder, now the working directory, with params.yaml, dvc.yaml and the recipes."""
    for name in ("params.yaml", "dvc.yaml"):
        shutil.copyfile(ROOT / name, tmp_path / name)
    shutil.copytree(ROOT / "recipes", tmp_path / "recipes")
    monkeypatch.chdir(tmp_path)
    return tmp_path


ROWS = [
    (f"{ask} {word}", answer)
    for word in ("cat", "dog", "sun", "sea", "ash", "oak", "elm", "fir", "bee", "fox")
    for ask, answer in (("twice", f"{word} {word}"), ("shout", f"{word.upper()}!"))
]


def tiny_rows(count: int, shift: int = 0) -> list[dict[str, Any]]:
    """Return rows as data/mix holds them."""
    return [
        {
            "id": f"{shift + at:016x}",
            "set": "original",
            "skill": ask.split()[0],
            "group": ask,
            "messages": [
                {"role": "user", "content": ask},
                {"role": "assistant", "content": answer},
            ],
        }
        for at, (ask, answer) in enumerate((ROWS * 4)[shift : shift + count])
    ]


def tiny_params() -> dict[str, Any]:
    """Return the parameters of a base of a few thousand weights and four adapters: a tree."""
    sft = {"learning_rate": 0.01, "max_steps": 4, "per_device_train_batch_size": 4, "eval_steps": 3}
    lora = {"r": 4, "lora_alpha": 8, "lora_dropout": 0.0, "target_modules": "all-linear"}
    stack = {"m2b": ("2b", "base"), "m2c": ("2c", "2b"), "m2d": ("2d", "2c"), "m3b": ("3b", "base")}
    sizes = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2}
    return {
        "seed": {"data": 13, "base": 13, "train": 13},
        "compute": {"device": "cpu", "threads": 1},
        "launch": {"launcher": "python", "processes": 1, "nodes": 1, "fsdp": False},
        "answer": {"max_new_tokens": 8, "batch_tokens": 512},
        "base": {
            "source": "scratch",
            "set": "original",
            "dtype": "float32",
            "quantize": "none",
            "attn_implementation": "sdpa",
            "scratch": {
                "vocab_size": 300,
                "architecture": {
                    **sizes,
                    "num_attention_heads": 2,
                    "num_key_value_heads": 2,
                    "max_position_embeddings": 128,
                },
                "batch_tokens": 128,
                "sft": {"learning_rate": 0.01, "max_steps": 60, "eval_steps": 3},
            },
        },
        "adapters": {
            key: {"name": name, "on": on, "mode": "stack", "lora": lora, "sft": sft}
            for key, (name, on) in stack.items()
        },
    }


class Tiny:
    """A folder with a tiny model stack in it, and the stages that make it, run in this process."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.params = tiny_params()

    def write(self) -> None:
        """Write params.yaml and the data: each adapter has rows of its own."""
        self.write_params()
        mixes = [f"mix/{each['name']}" for each in self.params["adapters"].values()]
        for at, name in enumerate(["splits/original", *mixes]):
            write_rows(self.folder / "data" / name / "train.jsonl", tiny_rows(20, 5 * at))
            write_rows(self.folder / "data" / name / "val.jsonl", tiny_rows(4, 5 * at))
        write_rows(self.folder / "data" / "test.jsonl", tiny_rows(10))

    def write_params(self) -> None:
        """Write params.yaml alone."""
        write_json(self.folder / "params.yaml", self.params)  # JSON is YAML

    def run(self, stage: str, *words: str) -> None:
        """Run a stage's `main` in the folder."""
        main = importlib.import_module(stage).main
        with pytest.MonkeyPatch.context() as patch:
            patch.chdir(self.folder)
            patch.setattr(sys, "argv", [stage, *words])
            main()

    def base(self, model: str = "models/base") -> None:
        """Run the stage base."""
        costs, curve = "metrics/costs/base.json", "metrics/curves/base.csv"
        words = ("--model", model, "--curve", curve, "--costs", costs)
        self.run("stages.base.__main__", "--corpus", "data/splits/original", *words)

    def train(self, key: str, base: str = "models/base", models: str = "models") -> None:
        """Run the stage train for one adapter."""
        adapter = self.params["adapters"][key]
        name, on = adapter["name"], adapter["on"]
        self.run(
            "stages.train.__main__",
            *("--adapter", key, "--base", base, "--on", base if on == "base" else f"{models}/{on}"),
            *("--mix", f"data/mix/{name}", "--model", f"{models}/{name}"),
            *("--curve", f"metrics/curves/{name}.csv"),
            *("--costs", f"metrics/costs/train.{name}.json"),
        )

    def answer(self, name: str) -> None:
        """Run the stage answer for one model."""
        self.run(
            "stages.answer",
            *("--name", name, "--base", "models/base", "--model", f"models/{name}"),
            *("--test", "data/test.jsonl", "--answers", f"data/answers/{name}.jsonl"),
            *("--costs", f"metrics/costs/answer.{name}.json"),
        )


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Tiny:
    """Return a tiny stack: base, 2b, 2c on it, 2d on that, and 3b on the base. Do not change it."""
    made = Tiny(tmp_path_factory.mktemp("tiny"))
    made.write()
    made.base()
    for key in made.params["adapters"]:
        made.train(key)
    return made


@pytest.fixture
def tiny(built: Tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Tiny:
    """Return a copy of the tiny stack, to break at will, in what is now the working directory."""
    made = Tiny(tmp_path / "tiny")
    shutil.copytree(built.folder, made.folder)
    monkeypatch.chdir(made.folder)
    return made


class Server:
    """An HTTP server in a thread of its own: whatever `respond` answers, and what was asked."""

    def __init__(self, respond):
        from aiohttp import web

        self.bodies, self.keys = [], []

        async def record(request):
            self.bodies.append(await request.json())
            self.keys.append(request.headers.get("authorization"))
            return await respond(request, len(self.bodies))

        async def serve():
            app = web.Application()
            app.router.add_post("/v1/chat/completions", record)
            runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
            await runner.setup()
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            self.url = f"http://127.0.0.1:{runner.addresses[0][1]}/v1"
            self._stop = asyncio.Event()
            self._loop = asyncio.get_running_loop()
            ready.set()
            await self._stop.wait()
            await runner.cleanup()

        ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(serve()))
        self._thread.start()
        assert ready.wait(10)

    def asked(self):
        """The questions, in the order of their arrival."""
        return [body["messages"][0]["content"] for body in self.bodies]

    def stop(self):
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(10)


@pytest.fixture
def serve():
    """Start servers that are stopped at the end."""
    servers = []

    def start(respond):
        servers.append(Server(respond))
        return servers[-1]

    yield start
    for server in servers:
        server.stop()


def completion(text="{}", **changes):
    """The body of an answer."""
    choice = {"index": 0, "message": {"content": text}, "finish_reason": "stop"} | changes
    usage = {"prompt_tokens": 10, "completion_tokens": 5}
    return {"model": "m-1", "choices": [choice], "usage": usage}


@pytest.fixture
def answer():
    return completion
