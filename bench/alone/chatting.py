"""Chat with the models of a folder as the window does, and print what it took, as JSON.

python chatting.py '{"what": "times", "names": [...], "turns": 5}'
                                  first ever, warm, switching and loading anew, in seconds
python chatting.py '{"what": "memory", "names": [...], "apart": false}'
                                  peak resident MiB when these were asked, one after the other;
                                  apart: each on a base of its own, as without the engine

Wall time is how long a person waits, and what else the machine does adds to it; CPU time is what
it would be without. A single thread; the lowest of the turns counts.
"""

import json
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

CPU = {"device": "cpu", "threads": 1}
BASE = Path("models/base")
WORDS = ("ash", "bee", "cat", "dog", "elm", "fir", "gnu", "hen", "ivy", "jay", "kit", "lark", "oak")
PROMPT = [{"role": "user", "content": "Say it again: " + " ".join(WORDS * 2)}]


def peak_mib() -> float:
    """Return the highest resident set of this process."""
    lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM"))


def found(names: list[str]) -> dict[str, Any]:
    """Return the models of these names."""
    from tools.chat.models import models

    every, told = models({"models": {name: {"name": name} for name in names}})
    assert not told, told
    return {model.name: model for model in every if model.name in names}


def ask(engine: Any, name: str, tokens: int = 4) -> Any:
    """Ask one model; return the last piece of its answer."""
    from tools.chat.engine import Sampling

    *_, last = engine.answer(name, PROMPT, Sampling(tokens), threading.Event())
    assert last.tokens, name
    return last


def seconds(run: Callable[[], Any]) -> float:
    """Return the CPU time of a call."""
    began = time.process_time()
    run()
    return time.process_time() - began


def times(names: list[str], turns: int) -> dict[str, Any]:
    """Return seconds: each time a list, one a turn; the models are asked in turn, as side by side.

    first, warm: wall time to the first token: of the first model ever asked, with imports and
                 loading; of each model, another one having been asked before
    warm_cpu:    CPU time of an answer of one token, likewise
    switch, load: CPU time until the next adapter is there; by the engine, and anew
    """
    from stages.core import stack
    from tools.chat.engine import Engine
    from tools.chat.weights import Weights

    models = found(names)
    engine = Engine(BASE, list(models.values()), CPU)
    began = time.process_time()
    told: dict[str, Any] = {"first": ask(engine, names[-1], 1).first_s}
    told["first_cpu"] = time.process_time() - began
    for name in names:
        ask(engine, name)
    warm: dict[str, list[float]] = {name: [] for name in names}
    warm_cpu: dict[str, list[float]] = {name: [] for name in names}
    for _ in range(turns):
        for name in names:
            warm[name].append(ask(engine, name, 1).first_s)
        for name in names:
            warm_cpu[name].append(seconds(lambda name=name: ask(engine, name, 1)))
    told |= {"warm": warm, "warm_cpu": warm_cpu}
    told["tokens_per_s"] = {}
    for name in names:
        made = ask(engine, name, 32)
        told["tokens_per_s"][name] = (made.tokens - 1) / (made.seconds - made.first_s)
    engine.close()
    held = Weights(BASE, CPU)
    for model in models.values():
        held.switch(model)
    told["switch"], told["load"] = [], []
    for _ in range(turns):
        for name in names[1:]:  # between adapters: the base has none to switch on
            told["switch"].append(seconds(lambda model=models[name]: held.switch(model)))
            folder = models[name].folder
            told["load"].append(seconds(lambda at=folder: stack.load(BASE, at, CPU)))
    parameters = list(held.switch(models["base"]).named_parameters())
    told["base_mib"] = sum(each.nbytes for key, each in parameters if "lora_" not in key) / 2**20
    told["adapters_mib"] = sum(each.nbytes for key, each in parameters if "lora_" in key) / 2**20
    return told


def memory(names: list[str], apart: bool) -> dict[str, Any]:
    """Return the peak, all of these models asked once.

    A base whose file is mapped twice counts twice, although its pages may be the same.
    """
    from tools.chat.engine import Engine

    models = found(names)
    engines = [Engine(BASE, list(models.values()), CPU) for _ in (names if apart else [""])]
    for at, name in enumerate(names):
        ask(engines[at if apart else 0], name)
    return {"peak_mib": peak_mib()}


def main(what: str, **how: Any) -> None:
    """Measure, print."""
    print(json.dumps({"times": times, "memory": memory}[what](**how)))


if __name__ == "__main__":
    main(**json.loads(sys.argv[1]))
