"""A project whose requests are there: some of a teacher with a key, some of the offline teacher."""

import json
import sys
from contextlib import closing
from pathlib import Path

import pytest

from stages.core.asking.journal import Journal
from stages.core.digest import digest
from stages.core.jsonl import read_json, write_rows


class Asked:
    """Six requests; `fill` puts replies to the first of the paid teacher's into the journal."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch):
        self.folder = folder
        self._monkeypatch = monkeypatch
        self.journal = folder / "first" / "journal.jsonl"
        self.use(self.journal)
        monkeypatch.delenv("SOME_KEY", raising=False)
        text = Path("params.yaml").read_text(encoding="utf-8")
        before = "teachers:\n"
        assert text.count(before) == 1
        paid = (
            "  - {name: paid, weight: 1.0, model: gpt-x, base_url: 'http://127.0.0.1:9/v1',\n"
            "     api_key_env: SOME_KEY, price: {prompt: 1.0, completion: 2.0}}\n"
        )
        Path("params.yaml").write_text(text.replace(before, before + paid), encoding="utf-8")
        self.requests = [
            {"id": digest(k), "teacher": teacher, "model": model, "sample": 0, "schema": None,
             "messages": [{"role": "user", "content": f"What about {k}?"}], "parameters": {},
             "seed": {"id": digest(k), "group": "g", "fields": {}}}
            for k, (teacher, model) in enumerate([("paid", "gpt-x"), ("offline", "o")] * 3)
        ]  # fmt: skip
        write_rows(Path("data/requests.jsonl"), self.requests)
        truth = [{"request": one["id"], "record": {"agree": "a", "disagree": "b"}}
                 for one in self.requests if one["teacher"] == "offline"]  # fmt: skip
        write_rows(Path("data/truth.jsonl"), truth)

    def use(self, journal: Path) -> None:
        """Let a journal be the one in use."""
        self._monkeypatch.setenv("TUNEGRAPH_JOURNAL", str(journal))

    def reply(self, text: str) -> dict[str, object]:
        """Return a reply of the paid teacher."""
        return {"attempts": 1, "completion_tokens": 5, "cost_usd": 20e-6, "error": None,
                "finish_reason": "stop", "model": "gpt-x-1", "prompt_tokens": 10,
                "text": text}  # fmt: skip

    def fill(self, *texts: str) -> None:
        """Put replies to the paid teacher's questions into the journal."""
        with closing(Journal(self.journal)) as journal, journal.locked(print):
            for request, text in zip(self.requests[::2], texts, strict=False):
                journal.append(request["id"], 256, self.reply(text), seconds=2.0)

    def generate(self) -> bytes:
        """Run the stage; return what it wrote."""
        from stages.generate.__main__ import main

        flags = {"requests": "data/requests.jsonl", "truth": "data/truth.jsonl",
                 "schema": "recipes/reviews/schema.json",
                 "shipped": "recipes/reviews/replies.jsonl", "replies": "data/replies.jsonl",
                 "costs": "costs.json"}  # fmt: skip
        words = [word for flag, path in flags.items() for word in (f"--{flag}", path)]
        self._monkeypatch.setattr(sys, "argv", ["generate", *words])
        main()
        return Path("data/replies.jsonl").read_bytes()

    def attempts(self) -> int:
        """Return how many requests the stage sent."""
        return read_json(Path("costs.json"))["attempts"]

    def lines(self, file: Path) -> list[dict]:
        """Read a file of JSON Lines."""
        return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]


@pytest.fixture
def asked(project: Path, monkeypatch: pytest.MonkeyPatch) -> Asked:
    """Return a project whose requests are there."""
    return Asked(project, monkeypatch)
