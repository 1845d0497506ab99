import json
import sys
from pathlib import Path

import pytest

from stages.core.jsonl import read_json, read_rows, write_rows

TEMPLATE = Path(__file__).resolve().parents[2] / "recipes/reviews/prompts/judge.md"
PARAMS = {
    "judge": {
        "teachers": [
            {"name": "j", "weight": 1.0, "model": "m", "base_url": "offline", "price": None}
        ],
        "template": "prompts/judge.md",
        "pairs": [["old", "new"]],
        "set": "own",
        "rows": 20,
        "sampling": {"temperature": 0.0},
        "max_tokens": 100,
        "budget_usd": None,
        "on_budget": "stop",
        "reask": 1,
        "offline": {"position_bias": 0.0},
    },
    "generate": {
        "max_in_flight": 4, "requests_per_minute": None, "tokens_per_minute": None,
        "max_retries": 2, "timeout_s": 5,
    },
    "offline": {
        "malformed": 0.0, "rate_limited": 0.0, "failing": 0.0, "slow": 0.0, "cut": 0.0,
        "slow_s": 0.05,
    },
    "evaluate": {
        "sections": {
            "own": {"set": "own", "primary": "exact", "metrics": ["rouge_l", "exact", "loss"]},
            "other": {"set": "other", "metrics": ["empty"]},
        }
    },
    "compare": {"confidence": 0.95, "resamples": 500},
    "seed": {"data": 13},
}  # fmt: skip


class Judging:
    """A folder with two models' answers to the same rows, in which they are judged."""

    def __init__(self, folder, monkeypatch):
        self.folder = folder
        self.params = json.loads(json.dumps(PARAMS))
        self.judge = self.params["judge"]
        self.journal = folder / "journal.jsonl"
        self._monkeypatch = monkeypatch
        monkeypatch.setenv("TUNEGRAPH_JOURNAL", str(self.journal))
        monkeypatch.chdir(folder)
        self.write(old=["no"] * 6, new=["yes"] * 6)

    def write(self, groups=None, **models):
        """Write each model's answers, row by row (None: not answered); `yes...` is right."""
        for model, texts in models.items():
            answers, scores = [], []
            for k, text in enumerate(texts):
                if text is None:
                    continue
                about = {"model": model, "set": "own", "skill": "own", "row": f"{k:016x}"}
                answers.append(about | {"prompt": f"q{k}", "reference": "yes", "text": text,
                                        "finish_reason": "stop"})  # fmt: skip
                right = float(text.startswith("yes"))
                values = {"exact": right, "rouge_l": right / 2, "loss": 1.0, "empty": 0.0}
                group = groups[k] if groups else f"g{k}"
                scores.append(about | {"group": group, "values": values})
            elsewhere = {"model": model, "set": "other", "row": "f" * 16, "skill": "x"}
            write_rows(Path(f"data/answers/{model}.jsonl"), [*answers, elsewhere])
            write_rows(Path(f"data/scores/{model}.jsonl"), [*scores, elsewhere])

    def command(self):
        """Write params.yaml and return the stage's flags."""
        (self.folder / "params.yaml").write_text(json.dumps(self.params))
        return ["--answers", "data/answers", "--scores", "data/scores", "--template",
                str(TEMPLATE), "--judgements", "data/judgements", "--judge", "judge.json",
                "--costs", "costs.json"]  # fmt: skip

    def run(self):
        """Run the stage in this process; return metrics/judge.json."""
        from stages.judge.__main__ import main

        self._monkeypatch.setattr(sys, "argv", ["judge", *self.command()])
        main()
        return read_json(Path("judge.json"))

    def figures(self, judge="j", pair="old and new"):
        """Run the stage; return one judge's figures of one pair."""
        return self.run()["judges"][judge][pair]

    def verdicts(self):
        return read_rows(Path("data/judgements/verdicts.jsonl"))

    def costs(self):
        return read_json(Path("costs.json"))


def shown(question):
    """Return the two answers that a question shows, as its JSON strings say them."""
    lines = question.split("\n")
    return [json.loads(lines[lines.index(f'Answer "{at}":') + 1]) for at in ("first", "second")]


@pytest.fixture
def judging(tmp_path, monkeypatch):
    return Judging(tmp_path, monkeypatch)


@pytest.fixture
def judged(judging, serve, answer):
    """Return a function that lets a server judge: `says(first, second)` is its whole text."""

    def by(says, **entry):
        async def respond(request, number):
            from aiohttp import web

            said = says(*shown((await request.json())["messages"][0]["content"]))
            return web.json_response(answer(said))

        server = serve(respond)
        judging.judge["teachers"][0] |= {"base_url": server.url} | entry
        return server

    return by


def says(winner, reason="So it is."):
    return json.dumps({"reason": reason, "winner": winner})


@pytest.fixture
def verdict():
    return says


@pytest.fixture
def answers_of():
    return shown
