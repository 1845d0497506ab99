"""metrics/data.json: the counts add up, for every teacher and in all."""

from collections import Counter

import pytest

GOOD = '{"agree": "x", "disagree": "y"}'
TEXTS = [GOOD, f"```\n{GOOD}\n```", "Sorry.", None, '{"agree": "x", "disagree": "z"}', GOOD, GOOD]
COUNTS = ("requested", "replied", "parsed", "repaired", "overridden", "rejected", "duplicates",
          "near_duplicates", "rows", "exact", "silently_wrong")  # fmt: skip


def adds_up(metrics):
    admitted = metrics["parsed"] + metrics["repaired"] + metrics["overridden"]
    assert metrics["requested"] == admitted + metrics["rejected"]
    assert metrics["rows"] == admitted - metrics["duplicates"] - metrics["near_duplicates"]


@pytest.fixture
def mixed(project):
    """Seven replies, of which one is mended by hand and some repeat another one's row."""
    (project.folder / "instruction.md").write_text("Agree.")
    project.settings(near_duplicate_similarity=0.5)
    long = '{"agree": "a b c d e f", "disagree": "g h i j k"}'
    project.texts([*TEXTS, long, long.replace("k", "l")])
    mended = {"agree": "by hand", "disagree": "q"}
    project.write("overrides", [{"request": "r3", "raw": None, "record": mended}])
    return project


def test_the_counts_add_up(mixed):
    mixed.validate()
    metrics = mixed.metrics()
    adds_up(metrics)
    assert {key: metrics[key] for key in COUNTS} == {
        "requested": 9, "replied": 8, "parsed": 6, "repaired": 1, "overridden": 1, "rejected": 1,
        "duplicates": 3, "near_duplicates": 1, "rows": 4, "exact": 4, "silently_wrong": 3,
    }  # fmt: skip
    assert len(mixed.rows()) == metrics["rows"]
    reasons = Counter(reject["reason"] for reject in mixed.rows("rejects"))
    assert reasons == {"duplicate": 3, "near_duplicate": 1, "no_object": 1}
    assert "teachers" not in metrics


def test_several_teachers_have_a_section_each(mixed):
    mixed.teachers("b", "a")
    mixed.validate()
    metrics = mixed.metrics()
    teachers = metrics["teachers"]
    assert list(teachers) == ["a", "b"]
    assert [teachers[name]["requested"] for name in teachers] == [4, 5]
    for each in teachers.values():
        adds_up(each)
    for key in COUNTS:
        assert metrics[key] == sum(each[key] for each in teachers.values())


def test_costs_are_those_that_are_known(project):
    costs = [0.001, 0.002, 0.003, None, None]
    texts = [GOOD, GOOD, "Sorry.", GOOD, None]
    project.texts(texts, cost_usd=costs, prompt_tokens=[10, 20, 30, None, None],
                  completion_tokens=[1, 2, 3, 4, None], attempts=[1, 2, 1, 1, 0])  # fmt: skip
    project.validate()
    metrics = project.metrics()
    assert (metrics["usd"], metrics["unpriced"]) == (0.006, 1)
    assert "usd_per_row" not in metrics  # the rows that cost nobody knows what would make it small
    assert (metrics["prompt_tokens"], metrics["completion_tokens"]) == (60, 10)
    project.texts(texts, cost_usd=[0.001, 0.002, 0.003, 0.006, None], attempts=[1, 2, 1, 1, 0])
    project.validate()
    metrics = project.metrics()
    assert (metrics["usd"], metrics["usd_per_row"], metrics["unpriced"]) == (0.012, 0.004, 0)


def test_what_a_person_mends_was_not_recovered(project):
    project.texts([GOOD, f"```\n{GOOD}\n```", "Sorry.", "No."])
    project.validate()
    assert project.metrics()["recovered"] == pytest.approx(1 / 3, abs=1e-4)
    raw = project.rows("rejects")[0]["raw"]
    entry = {"request": "r2", "raw": raw, "record": {"agree": "x", "disagree": "z"}}
    project.write("overrides", [entry])
    project.validate()
    metrics = project.metrics()
    assert (metrics["overridden"], metrics["rejected"]) == (1, 1)
    assert metrics["recovered"] == pytest.approx(1 / 3, abs=1e-4)


def test_nothing_is_said_where_nothing_is_known(project):
    project.texts([GOOD])
    project.validate()
    absent = {"usd", "usd_per_row", "unpriced", "prompt_tokens", "completion_tokens", "reasked"}
    assert not absent & project.metrics().keys()
    assert "exact" in project.metrics()


def test_reasked_replies_are_counted_and_those_that_came_right(project):
    project.texts([GOOD, GOOD, "Sorry."])
    replies = project.rows("replies")
    for reply in replies[1:]:
        reply["earlier"] = [{"text": "broken", "objection": "no JSON"}]
    project.write("replies", replies)
    project.validate()
    assert (project.metrics()["reasked"], project.metrics()["reask_recovered"]) == (2, 1)
