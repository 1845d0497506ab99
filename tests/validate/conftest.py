import json
import sys

import pytest

from stages.validate.__main__ import main

SCHEMA = {
    "type": "object",
    "properties": {key: {"type": "string", "minLength": 1} for key in ("agree", "disagree")},
    "required": ["agree", "disagree"],
    "additionalProperties": False,
}


class Project:
    """A folder in which validate runs."""

    def __init__(self, folder, monkeypatch, schema):
        self.folder = folder
        self._monkeypatch = monkeypatch
        monkeypatch.chdir(folder)
        self.settings()
        (folder / "schema.json").write_text(json.dumps(schema))
        (folder / "overrides.jsonl").write_text("")
        (folder / "instruction.md").write_text("Agree with {{ review }}.\n")
        (folder / "answer.md").write_text("{{ record | json }}\n")
        self.texts([])

    def settings(self, **changes):
        """Write params.yaml."""
        settings = {"repair": True, "normalise": ["trim"], "aliases": {}, "skill": "own"}
        settings |= {"near_duplicate_similarity": None} | changes
        (self.folder / "params.yaml").write_text(json.dumps({"validate": settings}))

    def texts(self, texts, truth=True, **more):
        """Write a request, a reply and the truth for each text.

        more: what the replies say besides, by key
        """
        requests, replies, truths = [], [], []
        for k, text in enumerate(texts):
            seed = {"id": f"s{k}", "group": f"g{k % 2}", "fields": {"review": f"review {k}"},
                    "keywords": {"agree": ["a"]}}  # fmt: skip
            requests.append({"id": f"r{k}", "seed": seed, "teacher": "offline"})
            reply = {"request": f"r{k}", "text": text, "finish_reason": "stop", "error": None}
            reply |= {"attempts": 1, "prompt_tokens": None, "completion_tokens": None}
            reply |= {"cost_usd": None} | {key: each[k] for key, each in more.items()}
            replies.append(reply if text is not None else reply | {"error": "http_500"})
            truths.append({"request": f"r{k}", "record": {"agree": "x", "disagree": "y"}})
        self.write("requests", requests)
        self.write("replies", replies)
        self.write("truth", truths if truth else [])

    def write(self, name, rows):
        """Write a file of JSON Lines."""
        lines = "".join(json.dumps(row) + "\n" for row in rows)
        (self.folder / f"{name}.jsonl").write_text(lines)

    def teachers(self, *names):
        """Give the requests these teachers, in turn."""
        requests = self.rows("requests")
        for k, request in enumerate(requests):
            request["teacher"] = names[k % len(names)]
        self.write("requests", requests)

    def command(self):
        paths = {name: f"{name}.jsonl" for name in
                 ("requests", "replies", "truth", "overrides", "rows", "rejects")}  # fmt: skip
        paths |= {"schema": "schema.json", "instruction": "instruction.md", "answer": "answer.md",
                  "metrics": "data.json"}  # fmt: skip
        return [part for name, path in paths.items() for part in (f"--{name}", path)]

    def validate(self):
        self._monkeypatch.setattr(sys, "argv", ["validate", *self.command()])
        main()

    def rows(self, name="rows"):
        return [
            json.loads(line) for line in (self.folder / f"{name}.jsonl").read_text().splitlines()
        ]

    def metrics(self):
        return json.loads((self.folder / "data.json").read_text())


@pytest.fixture
def schema():
    return SCHEMA


@pytest.fixture
def project(tmp_path, monkeypatch, schema):
    return Project(tmp_path, monkeypatch, schema)
