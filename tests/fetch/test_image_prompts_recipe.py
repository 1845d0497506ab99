"""The recipe `image_prompts` builds with neither key nor network: all its replies are shipped."""

import shutil
import sys
from collections import Counter
from contextlib import closing
from pathlib import Path

from stages.core.asking.exported import entries
from stages.core.asking.journal import Journal
from stages.core.jsonl import read_json, read_rows, write_json

RECIPE = Path("recipes/image_prompts")


def run(monkeypatch, name, **flags):
    """Run a stage in this process."""
    from importlib import import_module

    module = import_module(f"stages.{name}" if name == "prompt" else f"stages.{name}.__main__")
    words = [word for flag, path in flags.items() for word in (f"--{flag}", str(path))]
    monkeypatch.setattr(sys, "argv", [name, *words])
    module.main()


def test_all_replies_are_shipped_and_the_three_sources_are_mixed(project: Path, monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    monkeypatch.setenv("TUNEGRAPH_JOURNAL", str(project / "journal.jsonl"))
    shutil.copyfile(RECIPE / "params.yaml", "params.yaml")
    write_json(Path("checked.json"), {})
    data, schema = project / "data", RECIPE / "schema.json"
    run(monkeypatch, "fetch", checked="checked.json", files=RECIPE / "sources",
        sources=data / "sources", metrics="sources.json")  # fmt: skip
    run(monkeypatch, "prompt", sources=data / "sources", template=RECIPE / "prompts/generate.md",
        schema=schema, requests=data / "requests.jsonl", truth=data / "truth.jsonl")  # fmt: skip
    asked = {request["id"] for request in read_rows(data / "requests.jsonl")}
    shipped = {body["request"]: body["reply"] for body in entries(RECIPE / "replies.jsonl")}
    assert shipped.keys() == asked
    assert {reply["model"] for reply in shipped.values()} == {"tunegraph-samples"}
    run(monkeypatch, "generate", requests=data / "requests.jsonl", truth=data / "truth.jsonl",
        schema=schema, shipped=RECIPE / "replies.jsonl", replies=data / "replies.jsonl",
        costs="costs.json")  # fmt: skip
    costs = read_json(Path("costs.json"))
    assert (costs["attempts"], costs["paid"], costs["found"]) == (0, 0, 300)
    with closing(Journal(project / "journal.jsonl")) as journal:
        journal.refresh()
        assert len(journal) == 300
    run(monkeypatch, "validate", requests=data / "requests.jsonl", replies=data / "replies.jsonl",
        truth=data / "truth.jsonl", schema=schema, overrides=RECIPE / "overrides.jsonl",
        instruction=RECIPE / "prompts/instruction.md", answer=RECIPE / "prompts/answer.md",
        rows=data / "rows.jsonl", rejects=data / "rejects.jsonl", metrics="data.json")  # fmt: skip
    metrics = read_json(Path("data.json"))
    assert metrics["repaired"] > 20
    assert metrics["rejected"] > 0
    run(monkeypatch, "split", rows=data / "rows.jsonl", sources=data / "sources",
        splits=data / "splits", test=data / "test.jsonl", metrics="splits.json")  # fmt: skip
    own = read_json(Path("splits.json"))["own"]["sources"]
    assert own["requested"].keys() == {"samples"}
    assert own["imported"].keys() == {"synthetic", "gallery"}
    for sides in (*own["requested"].values(), *own["imported"].values()):
        whole = sum(sides.values())
        assert abs(sides["test"] / whole - 0.15) < 0.1  # each source has its share
        assert sides["val"] > 0
    test = [row for row in read_rows(data / "test.jsonl") if row["set"] == "own"]
    assert Counter(row["source"] for row in test).keys() == {"samples", "synthetic", "gallery"}
