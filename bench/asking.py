"""Whether a model says the same wherever it is asked: the chat window's engine, and the server.

What `answer` wrote to data/answers is asked again with the same limit: of the engine every test row
of every model, greedily; of `tunegraph serve`, by the openai client, every sixth of one model, with
`temperature: 0` and without a temperature. A text that differs in one character counts as another.
"""

import argparse
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from figures import Figure, report
from fresh import ROOT

from stages.core.jsonl import read_rows
from stages.core.params import PATH, read_yaml

EVERY = 6
KEY = "none"  # the server asks for no key


def of_engine(params: dict[str, Any], prompts: dict[str, Any]) -> Iterator[Figure]:
    """Yield a figure for each model: the share of answers that the engine repeats."""
    from tools.chat.engine import Engine, Sampling
    from tools.chat.models import models

    found, _ = models(params)
    engine = Engine(Path("models/base"), found, params["compute"])
    sampling = Sampling(params["answer"]["max_new_tokens"])
    for model in found:
        if model.kind == "export":
            continue
        answers, same = read_rows(Path(f"data/answers/{model.name}.jsonl")), 0
        for answer in answers:
            asked = engine.answer(model.name, prompts[answer["row"]], sampling, threading.Event())
            *_, last = asked
            same += (last.text, last.finish_reason) == (answer["text"], answer["finish_reason"])
        what = f"of {len(answers)} answers of {model.name}, equal by the engine"
        yield Figure(what, same, at_least=len(answers))
    engine.close()


@contextmanager
def served(name: str, port: int) -> Iterator[None]:
    """Serve a model while the block runs."""
    code = "import sys; from tools.cli import main; sys.argv[0] = 'tunegraph'; main()"
    words = [sys.executable, "-c", code, "serve", name, "--port", str(port)]
    quiet = subprocess.DEVNULL
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=quiet, text=True) as run:
        try:
            assert run.stdout is not None
            if not any(" at http" in line for line in run.stdout):
                raise SystemExit(f"tunegraph serve {name} ended")
            yield
        finally:
            run.terminate()


def of_server(name: str, port: int, limit: int, prompts: dict[str, Any]) -> Iterator[Figure]:
    """Yield the shares of answers that the server repeats, with temperature 0 and without one."""
    from openai import OpenAI

    client = OpenAI(base_url=f"http://127.0.0.1:{port}/v1", api_key=KEY)
    answers = read_rows(Path(f"data/answers/{name}.jsonl"))[::EVERY]
    with served(name, port):
        for told, more in (("temperature: 0", {"temperature": 0}), ("no temperature", {})):
            same = 0
            for answer in answers:
                done = client.chat.completions.create(
                    model=name, messages=prompts[answer["row"]], max_tokens=limit, **more
                )
                same += done.choices[0].message.content == answer["text"]
            what = f"of {len(answers)} answers of {name}, equal by the server, {told}"
            yield Figure(what, same, at_least=len(answers))


def main() -> None:
    """Ask, print, exit 1 when an answer differs."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--project", type=Path, default=ROOT, help="with a build (this checkout)")
    parser.add_argument("--serve", help="the model that is served (select of params.yaml)")
    parser.add_argument("--port", type=int, default=8137)
    parser.add_argument("--json", type=Path, help="write the figures there, too")
    args = parser.parse_args()
    keep = args.json and args.json.absolute()
    os.chdir(args.project)
    params = read_yaml(PATH)
    prompts = {row["id"]: row["messages"][:-1] for row in read_rows(Path("data/test.jsonl"))}
    name, limit = args.serve or params["select"], params["answer"]["max_new_tokens"]
    figures = [*of_engine(params, prompts), *of_server(name, args.port, limit, prompts)]
    report(figures, keep)


if __name__ == "__main__":
    main()
