"""Distinct n-grams, likeness by meaning, one figure a source; nothing of nothing."""

import json
import sys

import pytest

from stages.core.jsonl import read_json, write_rows
from stages.core.params import read_yaml
from stages.diversity import distinct, likeness, main, sample


def row(at, text, source="a"):
    messages = [{"role": "user", "content": "q"}, {"role": "assistant", "content": text}]
    return {"id": f"{at:02}", "skill": "s", "group": "g", "source": source, "messages": messages}


@pytest.fixture
def run(project, monkeypatch):
    def diversity(rows, **tables):
        write_rows(project / "rows.jsonl", rows)
        for name, imported in tables.items():
            write_rows(project / f"sources/{name}.jsonl", imported)
        words = ["--rows", "rows.jsonl", "--sources", "sources", "--metrics", "d.json"]
        monkeypatch.setattr(sys, "argv", ["diversity", *words])
        main()
        return read_json(project / "d.json")

    return diversity


def test_distinct():
    assert distinct(["a b a b"], 1) == 0.5
    assert distinct(["a b a b"], 2) == pytest.approx(2 / 3)
    assert distinct(["A b", "a, B!"], 2) == 0.5
    assert distinct(["a"], 2) == 0
    assert distinct([], 1) == 0


def test_the_sample_is_the_same_whatever_the_order():
    rows = [row(at, "x") for at in range(9)]
    assert sample(rows, 3) == sample(rows[::-1], 3) == rows[:3]
    assert sample(rows, 20) == rows


def test_no_rows_are_said(run, capsys):
    assert run([]) == {"n": 0}
    assert "no rows" in capsys.readouterr().out


def test_alike_and_unlike_rows_by_source(run):
    alike = [row(at, "The plot is gripping.", "a") for at in range(4)]
    texts = ("The plot is gripping.", "Boil the rice first", "Tax law of 1920", "🙂")
    unlike = [row(10 + at, text, "b") for at, text in enumerate(texts)]
    found = run(alike + unlike)
    assert found["n"] == 8
    assert found["near_duplicate_share"] == 0.625
    first, second = found["sources"]["a"], found["sources"]["b"]
    assert (first["n"], second["n"]) == (4, 4)
    assert first["self_similarity"] == pytest.approx(1, abs=1e-3)
    assert second["self_similarity"] < 0.4
    assert (first["near_duplicate_share"], second["near_duplicate_share"]) == (1, 0)
    assert first["distinct_1"] == 0.25
    assert run(alike + unlike) == found
    assert "sources" not in run(alike)
    assert "distinct_over" not in run(alike)
    assert run(alike[:1]).keys() == {"n", "distinct_1", "distinct_2", "alarms"}
    assert run(alike[:1])["alarms"] == []


def test_sources_are_compared_by_equal_numbers(run):
    """Distinct-n falls as the texts grow in number: the one who gave more is no less diverse."""
    said = ("Boil the rice first", "Tax law of 1920", "Twelve horses ran home")
    many = [row(at, f"{said[at % 3]}", "a") for at in range(9)]
    few = [row(20 + at, f"{said[at]}", "b") for at in range(3)]
    found = run(many + few)
    sources = found["sources"]
    assert [sources[name]["n"] for name in "ab"] == [9, 3]
    assert [sources[name]["distinct_over"] for name in "ab"] == [3, 3]
    assert sources["a"]["distinct_1"] == sources["b"]["distinct_1"] == 1
    assert (found["distinct_over"], found["distinct_1"]) == (12, 0.25)


def test_rows_that_cluster_raise_an_alarm_that_names_the_source_and_two_rows(run, capsys):
    alike = [row(10 + at, "The plot is gripping.", "a") for at in range(3)]
    texts = ("Boil the rice first", "Tax law of 1920", "🙂", "Twelve horses", "def f(): pass")
    unlike = [row(at, text, "b") for at, text in enumerate(texts)]
    found = run(unlike + alike)
    assert (found["sampled"], found["clusters"]) == (8, 6)
    assert (found["near_duplicate_share"], found["largest_cluster"]) == (0.375, 0.375)
    assert found["sources"]["b"]["clusters"] == 5
    assert [alarm["source"] for alarm in found["alarms"]] == ["all sources", "a"]
    assert [alarm["examples"] for alarm in found["alarms"]] == [["10", "11"]] * 2
    assert "WARNING: rows cluster (all sources, a)" in capsys.readouterr().out
    only = run(alike)
    assert [alarm["source"] for alarm in only["alarms"]] == ["a"]
    assert only["alarms"][0]["near_duplicate_share"] == 1
    assert run(unlike)["alarms"] == []
    assert "WARNING" not in capsys.readouterr().out.splitlines()[-1]


def test_a_cluster_hangs_together_by_pairs():
    import torch

    turns = torch.tensor([0.0, 0.1, 0.2, 1.5, 1.6, 3.0])  # a chain of three, a pair, one alone
    embedded = torch.stack([turns.cos(), turns.sin()], dim=1)
    found, pair = likeness(embedded, 0.99)  # cos 0.1 = .995, cos 0.2 = .980
    assert found["clusters"] == 3
    assert found["largest_cluster"] == 0.5
    assert found["near_duplicate_share"] == pytest.approx(5 / 6, abs=1e-4)
    assert pair == [0, 1]
    alone, nobody = likeness(embedded, 0.9999)
    assert (alone["clusters"], alone["near_duplicate_share"], nobody) == (6, 0, [])


def test_a_table_that_is_mixed_with_the_rows_is_told_by_itself_and_with_them(run, project, capsys):
    """Seed 000's warning, for what another tool synthesised: one sentence, again and again."""
    texts = ("Boil the rice first", "Tax law of 1920", "Twelve horses", "def f(): pass")
    asked = [row(at, text, "teacher") for at, text in enumerate(texts)]
    alike = [row(20 + at, "A red barn in the snow.", "synthetic") for at in range(4)]
    params = read_yaml(project / "params.yaml")
    params["sets"]["own"]["from"] = ["rows", "synthetic"]
    params["sets"]["apart"] = params["sets"]["own"] | {"from": ["other", "another"]}
    (project / "params.yaml").write_text(json.dumps(params))
    found = run(asked, synthetic=alike)
    assert (found["n"], found["near_duplicate_share"]) == (8, 0.5)
    assert {name: each["n"] for name, each in found["sources"].items()} == {
        "teacher": 4, "synthetic": 4,
    }  # fmt: skip
    assert [alarm["source"] for alarm in found["alarms"]] == ["all sources", "synthetic"]
    assert "WARNING: rows cluster (all sources, synthetic)" in capsys.readouterr().out
    assert run([], synthetic=alike)["alarms"][0]["source"] == "synthetic"
