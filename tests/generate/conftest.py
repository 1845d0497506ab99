import json
import sys

import pytest

PARAMS = {
    "teachers": [
        {"name": "t", "weight": 1.0, "model": "m", "base_url": "offline", "api_key_env": None,
         "price": None}
    ],
    "generate": {
        "mode": "live", "sampling": {}, "max_tokens": 256, "max_in_flight": 8,
        "requests_per_minute": None, "tokens_per_minute": None, "budget_usd": None,
        "on_budget": "stop", "reask": 0, "max_retries": 4, "timeout_s": 5,
    },
    "validate": {"repair": True, "normalise": ["trim"], "aliases": {}},
    "offline": {
        "malformed": 0.0, "rate_limited": 0.0, "failing": 0.0, "slow": 0.0, "cut": 0.0,
        "slow_s": 0.05,
    },
    "seed": {"data": 13},
}  # fmt: skip


class Project:
    """A folder with requests, in which generate runs."""

    def __init__(self, folder, monkeypatch):
        self.folder = folder
        self.journal = folder / "journal.jsonl"
        self.params = json.loads(json.dumps(PARAMS))
        self._monkeypatch = monkeypatch
        monkeypatch.setenv("TUNEGRAPH_JOURNAL", str(self.journal))
        monkeypatch.chdir(folder)
        (folder / "schema.json").write_text('{"type": "object"}')
        (folder / "shipped.jsonl").write_text("\n")
        self.write(3)

    def write(self, count):
        """Write requests q0, q1, ... with the truth of each."""
        requests, truth = [], []
        for k in range(count):
            messages = [{"role": "user", "content": f"q{k}"}]
            request = {"id": f"{k:016x}", "teacher": "t", "model": "m", "messages": messages,
                       "parameters": {"temperature": 0.5}, "schema": None, "sample": 0,
                       "seed": {"id": str(k), "group": "g", "fields": {}}}  # fmt: skip
            requests.append(request)
            truth.append({"request": request["id"], "record": {"agree": f"a{k}", "disagree": "b"}})
        for name, rows in (("requests", requests), ("truth", truth)):
            lines = "".join(json.dumps(row) + "\n" for row in rows)
            (self.folder / f"{name}.jsonl").write_text(lines)

    def command(self):
        """Write params.yaml and return the stage's flags."""
        (self.folder / "params.yaml").write_text(json.dumps(self.params))
        return ["--requests", "requests.jsonl", "--truth", "truth.jsonl", "--schema", "schema.json",
                "--shipped", "shipped.jsonl", "--replies", "replies.jsonl", "--costs",
                "costs.json"]  # fmt: skip

    def generate(self):
        """Run the stage in this process."""
        from stages.generate.__main__ import main

        self._monkeypatch.setattr(sys, "argv", ["generate", *self.command()])
        main()

    def replies(self):
        return [
            json.loads(line) for line in (self.folder / "replies.jsonl").read_text().splitlines()
        ]

    def costs(self):
        return json.loads((self.folder / "costs.json").read_text())


@pytest.fixture
def project(tmp_path, monkeypatch):
    return Project(tmp_path, monkeypatch)
