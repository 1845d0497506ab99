"""The stage as a whole."""

import json
import subprocess
import sys

import pytest

from stages.core.digest import digest
from stages.core.errors import ConfigError, InputError
from stages.core.proof import REASONS

GOOD = '{"agree": "x", "disagree": "y"}'


def test_rows_rejects_and_metrics(project):
    project.texts(
        [
            GOOD,
            f"```\n{GOOD}\n```",
            '{"agree": "x"}',
            None,
            "Sorry.",
            '{"agree": "z", "disagree": "y"}',
        ]
    )
    project.validate()
    first, second, wrong = project.rows()
    assert first["messages"] == [
        {"role": "user", "content": "Agree with review 0."},
        {"role": "assistant", "content": GOOD},
    ]
    assert (first["skill"], first["group"], first["request"]) == ("own", "g0", "r0")
    assert first["source"] == "offline"
    assert first["keywords"] == {"agree": ["a"]}
    assert (first["operations"], second["operations"]) == ([], ["fence"])
    assert wrong["record"]["agree"] == "z"
    rejects = {reject["request"]: reject for reject in project.rows("rejects")}
    assert [reject["reason"] for reject in rejects.values()] == ["schema", "no_reply", "no_object"]
    assert rejects["r2"]["best"] == {"agree": "x"}
    assert rejects["r4"]["text"] == "Sorry."
    assert rejects["r4"]["raw"] == digest("Sorry.")
    assert rejects["r3"]["raw"] is None
    metrics = project.metrics()
    by_reason = metrics.pop("rejected_by_reason")
    assert by_reason.keys() == REASONS.keys()
    assert sum(by_reason.values()) == 3
    assert metrics == {
        "requested": 6, "replied": 5, "parsed": 2, "repaired": 1, "overridden": 0, "rejected": 3,
        "duplicates": 0, "near_duplicates": 0, "rows": 3, "exact": 2, "silently_wrong": 1,
        "recovered": 0.25,
    }  # fmt: skip


def test_no_truth_no_score(project):
    project.texts([GOOD], truth=False)
    project.validate()
    assert not {"exact", "silently_wrong", "recovered"} & project.metrics().keys()


def test_no_row_at_all_is_an_error_and_leaves_what_was(project):
    project.texts([GOOD])
    project.validate()
    before = {path: path.read_bytes() for path in project.folder.glob("r*s.jsonl")}
    project.texts(["Sorry.", None])
    replies = (project.folder / "replies.jsonl").read_bytes()
    with pytest.raises(InputError, match="none of 2 replies makes a row: 1 no_"):
        project.validate()
    assert (project.folder / "rows.jsonl").read_bytes() == before[project.folder / "rows.jsonl"]
    assert (project.folder / "replies.jsonl").read_bytes() == replies


def test_a_schema_that_no_reply_fits_is_named_with_the_commonest_misfit(project):
    texts = [f'{{"agree": "", "disagree": "{k}"}}' for k in range(5)]
    project.texts([*texts, '{"agree": "x"}'])
    with pytest.raises(InputError) as raised:
        project.validate()
    [fault] = raised.value.faults
    assert fault.what == (
        "none of 6 replies makes a row: 6 schema; every record failed the schema schema.json, "
        "5 of them at $.agree: minLength"
    )
    assert "look at the prompt and at schema.json" in fault.then
    assert "'' should be non-empty" in fault.then


def test_nothing_requested_writes_empty_files_and_says_so(project, capsys):
    project.validate()
    assert project.rows() == project.rows("rejects") == []
    assert project.metrics()["requested"] == 0
    assert "asks no teacher" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("order", "what"),
    [
        ([], "lacks 2 of 2 requests"),
        ([0], "lacks 1 of 2 requests"),
        ([1, 0], "its 2 replies are not in the order"),
        ([0, 1, 2], "holds 1 replies that no request asked for"),
    ],
)
def test_replies_to_other_requests_are_refused(project, order, what):
    project.texts([GOOD, GOOD, GOOD])
    replies = project.rows("replies")
    project.texts([GOOD, GOOD])
    project.write("replies", [replies[k] for k in order])
    with pytest.raises(InputError, match=what):
        project.validate()
    assert not (project.folder / "rows.jsonl").exists()


@pytest.mark.parametrize("order", [[1, 0], [7]])
def test_truth_that_would_judge_nothing_is_refused(project, order):
    project.texts([GOOD, GOOD])
    project.write("truth", [{"request": f"r{k}", "record": {}} for k in order])
    with pytest.raises(InputError, match="is unknown, or out of order"):
        project.validate()


def test_an_alias_is_applied_and_listed(project):
    project.settings(aliases={"against": "disagree"})
    both = {"agree": "x", "disagree": "y", "against": "y"}
    project.texts(['{"agree": "x", "against": "y"}', GOOD, json.dumps(both)])
    project.validate()
    assert [row["operations"] for row in project.rows()] == [["alias"], []]
    assert [row["record"] for row in project.rows()] == [{"agree": "x", "disagree": "y"}] * 2
    [reject] = project.rows("rejects")
    assert reject["reason"] == "duplicate_keys"
    assert reject["detail"] == "'disagree' and 'against' are one key"
    metrics = project.metrics()
    assert (metrics["parsed"], metrics["repaired"], metrics["exact"]) == (2, 0, 2)


def test_an_alias_that_cannot_be_is_refused_before_anything(project):
    project.settings(aliases={"against": "dissent", "agree": "disagree"})
    project.texts([GOOD])
    with pytest.raises(ConfigError, match="has no key 'dissent'") as raised:
        project.validate()
    assert [fault.where for fault in raised.value.faults] == [
        "params.yaml: validate.aliases.against",
        "params.yaml: validate.aliases.agree",
    ]


def test_the_recipes_faults_are_told(project):
    project.texts([GOOD])
    (project.folder / "answer.md").write_text("{{ recrod }}")
    with pytest.raises(ConfigError, match="'recrod' is undefined"):
        project.validate()
    for schema, what in (
        ('{"type": "objekt"}', "not a JSON Schema"),
        ("false", "schema.json: no record can fit this schema"),
        ('{"not": {}}', "schema.json: no record can fit this schema"),
        ('{"type": "object", "required": ["a"], "properties": {"a": false}}', "no record can fit"),
    ):
        (project.folder / "schema.json").write_text(schema)
        with pytest.raises(ConfigError, match=what):
            project.validate()


def test_it_is_light(project):
    """The whole stage, on as many replies as the default recipe has, a quarter malformed."""
    from random import Random

    from stages.core.asking.offline.malform import malform

    rng, record = Random(1), json.loads(GOOD)
    texts = [malform(record, rng)[0] if k % 4 == 0 else GOOD for k in range(440)]
    project.texts(texts)
    code = (
        "import resource, sys; from stages.validate.__main__ import main; main();"
        "used = resource.getrusage(resource.RUSAGE_SELF);"
        "heavy = {'pandas', 'numpy', 'torch', 'transformers', 'openai', 'aiohttp'};"
        "heavy &= set(sys.modules);"
        "print(used.ru_utime + used.ru_stime, sorted(heavy))"
    )
    command = [sys.executable, "-c", code, *project.command()]
    said = subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()
    seconds, heavy = said[-1].split(" ", 1)
    assert float(seconds) < 1.0
    assert heavy == "[]"
    assert project.metrics()["silently_wrong"] == 0
    assert project.metrics()["rows"] > 380
