"""Distinct n-grams, likeness by meaning, one figure a teacher; nothing of nothing."""

import sys

import pytest

from stages.core.jsonl import read_json, write_rows
from stages.diversity import distinct, likeness, main, sample


def row(at, text, request=None):
    messages = [{"role": "user", "content": "q"}, {"role": "assistant", "content": text}]
    made = {"id": f"{at:02}", "skill": "s", "group": "g", "messages": messages}
    return made | ({"request": request} if request else {})


@pytest.fixture
def run(project, monkeypatch):
    def diversity(rows, requests=()):
        write_rows(project / "rows.jsonl", rows)
        write_rows(project / "requests.jsonl", requests)
        words = ["--requests", "requests.jsonl", "--rows", "rows.jsonl", "--metrics", "d.json"]
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


def test_alike_and_unlike_rows_by_teacher(run):
    alike = [row(at, "The plot is gripping.", "one") for at in range(4)]
    texts = ("The plot is gripping.", "Boil the rice first", "Tax law of 1920", "🙂")
    unlike = [row(10 + at, text, "two") for at, text in enumerate(texts)]
    requests = [{"id": "one", "teacher": "a"}, {"id": "two", "teacher": "b"}]
    found = run(alike + unlike, requests)
    assert found["n"] == 8
    assert found["near_duplicate_share"] == 0.625
    first, second = found["teachers"]["a"], found["teachers"]["b"]
    assert (first["n"], second["n"]) == (4, 4)
    assert first["self_similarity"] == pytest.approx(1, abs=1e-3)
    assert second["self_similarity"] < 0.4
    assert (first["near_duplicate_share"], second["near_duplicate_share"]) == (1, 0)
    assert first["distinct_1"] == 0.25
    assert run(alike + unlike, requests) == found
    assert "teachers" not in run(alike, requests)
    assert "distinct_over" not in run(alike, requests)
    assert run(alike[:1]).keys() == {"n", "distinct_1", "distinct_2", "alarms"}
    assert run(alike[:1])["alarms"] == []


def test_teachers_are_compared_by_equal_numbers(run):
    """Distinct-n falls as the texts grow in number: the one who gave more is no less diverse."""
    said = ("Boil the rice first", "Tax law of 1920", "Twelve horses ran home")
    many = [row(at, f"{said[at % 3]}", "one") for at in range(9)]
    few = [row(20 + at, f"{said[at]}", "two") for at in range(3)]
    requests = [{"id": "one", "teacher": "a"}, {"id": "two", "teacher": "b"}]
    found = run(many + few, requests)
    teachers = found["teachers"]
    assert [teachers[name]["n"] for name in "ab"] == [9, 3]
    assert [teachers[name]["distinct_over"] for name in "ab"] == [3, 3]
    assert teachers["a"]["distinct_1"] == teachers["b"]["distinct_1"] == 1
    assert (found["distinct_over"], found["distinct_1"]) == (12, 0.25)


def test_rows_that_cluster_raise_an_alarm_that_names_the_teacher_and_two_rows(run, capsys):
    alike = [row(10 + at, "The plot is gripping.", "one") for at in range(3)]
    texts = ("Boil the rice first", "Tax law of 1920", "🙂", "Twelve horses", "def f(): pass")
    unlike = [row(at, text, "two") for at, text in enumerate(texts)]
    requests = [{"id": "one", "teacher": "a"}, {"id": "two", "teacher": "b"}]
    found = run(unlike + alike, requests)
    assert (found["sampled"], found["clusters"]) == (8, 6)
    assert (found["near_duplicate_share"], found["largest_cluster"]) == (0.375, 0.375)
    assert found["teachers"]["b"]["clusters"] == 5
    assert [alarm["teacher"] for alarm in found["alarms"]] == ["all teachers", "a"]
    assert [alarm["examples"] for alarm in found["alarms"]] == [["10", "11"]] * 2
    assert "WARNING: rows cluster (all teachers, a)" in capsys.readouterr().out
    only = run(alike, requests)
    assert [alarm["teacher"] for alarm in only["alarms"]] == ["a"]
    assert only["alarms"][0]["near_duplicate_share"] == 1
    assert run(unlike, requests)["alarms"] == []
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
