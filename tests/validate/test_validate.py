"""The stage as a whole."""

import json
import subprocess
import sys

import pytest

from stages.core.errors import ConfigError, InputError
from stages.core.proof import REASONS
from stages.validate.__main__ import main


def lines(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


class Project:
    """A folder in which validate runs."""

    def __init__(self, folder, monkeypatch, schema):
        self.folder = folder
        self._monkeypatch = monkeypatch
        monkeypatch.chdir(folder)
        params = {"validate": {"repair": True, "normalise": ["trim"], "skill": "own"}}
        (folder / "params.yaml").write_text(json.dumps(params))
        (folder / "schema.json").write_text(json.dumps(schema))
        (folder / "overrides.jsonl").write_text("")
        (folder / "instruction.md").write_text("Agree with {{ review }}.\n")
        (folder / "answer.md").write_text("{{ record | json }}\n")
        self.texts([])

    def texts(self, texts, truth=True):
        """Write a request, a reply and the truth for each text."""
        requests, replies, truths = [], [], []
        for k, text in enumerate(texts):
            seed = {"id": f"s{k}", "group": f"g{k % 2}", "fields": {"review": f"review {k}"},
                    "keywords": {"agree": ["a"]}}  # fmt: skip
            requests.append({"id": f"r{k}", "seed": seed})
            error = None if text is not None else "http_500"
            replies.append(
                {"request": f"r{k}", "text": text, "finish_reason": "stop", "error": error}
            )
            truths.append({"request": f"r{k}", "record": {"agree": "x", "disagree": "y"}})
        lines(self.folder / "requests.jsonl", requests)
        lines(self.folder / "replies.jsonl", replies)
        lines(self.folder / "truth.jsonl", truths if truth else [])

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
def project(tmp_path, monkeypatch, schema):
    return Project(tmp_path, monkeypatch, schema)


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
    assert first["keywords"] == {"agree": ["a"]}
    assert (first["operations"], second["operations"]) == ([], ["fence"])
    assert wrong["record"]["agree"] == "z"
    rejects = {reject["request"]: reject for reject in project.rows("rejects")}
    assert [reject["reason"] for reject in rejects.values()] == ["schema", "no_reply", "no_object"]
    assert rejects["r2"]["best"] == {"agree": "x"}
    assert rejects["r4"]["text"] == "Sorry."
    metrics = project.metrics()
    by_reason = metrics.pop("rejected_by_reason")
    assert by_reason.keys() == REASONS.keys()
    assert sum(by_reason.values()) == 3
    assert metrics == {
        "requested": 6, "replied": 5, "parsed": 2, "repaired": 1, "overridden": 0, "rejected": 3,
        "duplicates": 0, "rows": 3, "exact": 2, "silently_wrong": 1, "recovered": 0.25,
    }  # fmt: skip


def test_no_truth_no_score(project):
    project.texts([GOOD], truth=False)
    project.validate()
    assert not {"exact", "silently_wrong", "recovered"} & project.metrics().keys()


def test_rows_that_are_the_same_are_kept_once(project):
    (project.folder / "instruction.md").write_text("Agree.")
    project.texts([GOOD, GOOD, GOOD])
    project.validate()
    assert len(project.rows()) == 1
    assert project.metrics()["duplicates"] == 2


def test_a_record_mended_by_hand_is_admitted(project):
    project.texts([GOOD, "broken"])
    mended = {"request": "r1", "record": {"agree": "x", "disagree": "by hand"}, "note": "typed"}
    lines(project.folder / "overrides.jsonl", [mended])
    project.validate()
    assert project.rows()[1]["record"]["disagree"] == "by hand"
    assert project.rows()[1]["operations"] == ["override"]
    assert project.metrics()["overridden"] == 1
    assert project.metrics()["silently_wrong"] == 0
    assert project.rows("rejects") == []


@pytest.mark.parametrize(
    ("override", "what"),
    [
        ({"request": "r9", "record": {}}, "no request has the id 'r9'"),
        ({"request": "r0", "record": {"agree": "x"}}, "does not fit the schema"),
        ({"request": "r0", "record": "x"}, "not an object"),
        ({"record": {}}, "no override"),
        (["r0"], "no override"),
    ],
)
def test_an_override_that_cannot_be_is_named(project, override, what):
    project.texts([GOOD])
    lines(project.folder / "overrides.jsonl", [override, override])
    with pytest.raises(InputError, match=what) as raised:
        project.validate()
    assert len(raised.value.faults) == 2


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


def test_nothing_requested_writes_empty_files_and_says_so(project, capsys):
    project.validate()
    assert project.rows() == project.rows("rejects") == []
    assert project.metrics()["requested"] == 0
    assert "asks no teacher" in capsys.readouterr().out


def test_a_request_without_a_reply_is_another_runs(project):
    project.texts([GOOD, GOOD])
    lines(project.folder / "replies.jsonl", [])
    with pytest.raises(InputError, match="lacks 2 of 2"):
        project.validate()


def test_the_recipes_faults_are_told(project):
    project.texts([GOOD])
    (project.folder / "answer.md").write_text("{{ recrod }}")
    with pytest.raises(ConfigError, match="'recrod' is undefined"):
        project.validate()
    (project.folder / "schema.json").write_text('{"type": "objekt"}')
    with pytest.raises(ConfigError, match="not a JSON Schema"):
        project.validate()


def test_it_is_light(project):
    """The whole stage, on as many replies as the default recipe has, a quarter malformed."""
    from random import Random

    from stages.generate.malform import malform

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
