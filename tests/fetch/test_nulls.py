"""From a table with nulls to rows: what is left out of a record is not in its answer either."""

import json
from pathlib import Path
from typing import Any

import pytest

from stages.core.errors import ConfigError
from stages.core.jsonl import read_json, read_rows
from stages.fetch.__main__ import main, rows_of

PEOPLE = [
    {"id": 1, "name": "Zoë Dvořák", "age": 31, "city": "Łódź <b>"},
    {"id": 1, "name": "Omar Weiss", "city": "N/A"},
    {"id": None, "name": "Ines Tamm", "age": None, "city": "Faro"},
    {"id": None, "age": 50, "city": "Faro"},
]
SOURCE: dict[str, Any] = {
    "kind": "file",
    "file": "people.json",
    "group": "id",
    "nulls": {"said": ["N/A"], "policy": {"name": "drop", "city": "unknown", "age": "omit"}},
    "examples": [
        {
            "skill": "profile",
            "instruction": "Who is {{ name }}{% if age %}, {{ age }}{% endif %}?",
            "answer": "{{ record | tojson }}",
            "keywords": {"city": ["city"], "age": ["age"]},
        }
    ],
}


def made(folder: Path, source: dict[str, Any], rows: Any = PEOPLE) -> tuple[Any, Any]:
    """Return the rows of a source, and what metrics/sources.json would say of it."""
    (folder / "people.json").write_text(json.dumps(rows), encoding="utf-8")
    return rows_of("people", source, {}, folder, 13)


def test_what_is_left_out_is_none_for_a_template_and_no_key_of_the_record(tmp_path: Path):
    rows, told = made(tmp_path, SOURCE)
    assert [[turn["content"] for turn in row["messages"]] for row in rows] == [
        [
            "Who is Zoë Dvořák, 31?",
            '{"id": 1, "name": "Zoë Dvořák", "age": 31, "city": "Łódź <b>"}',
        ],
        ["Who is Omar Weiss?", '{"id": 1, "name": "Omar Weiss", "city": "unknown"}'],
        ["Who is Ines Tamm?", '{"name": "Ines Tamm", "city": "Faro"}'],
    ]
    assert [row["keywords"] for row in rows] == [
        {"city": ["Łódź <b>"], "age": ["31"]},
        {"city": ["unknown"]},
        {"city": ["Faro"]},
    ]
    assert [row["group"] for row in rows[:2]] == ["1", "1"]
    assert rows[2]["group"] not in ("1", "None"), "a null names no group: the row is alone"
    columns = {"name": {"drop": 1}, "city": {"unknown": 1}, "age": {"omit": 2}, "id": {"left": 1}}
    assert told["nulls"] == {"rows": 4, "dropped": 1, "columns": columns}
    assert told["rows"] == 3


def test_a_key_of_an_object_may_be_a_keyword(tmp_path: Path):
    people = [{"at": {"city": "Faro", "zip": ""}}, {"at": None}]
    entry = {"skill": "s", "instruction": "{{ at.city }}", "answer": "{{ record | tojson }}"}
    source = {
        "kind": "file",
        "file": "people.json",
        "nulls": {"said": [""], "policy": {"at.city": "unknown", "at.zip": "omit"}},
        "examples": [entry | {"keywords": {"city": ["at.city"], "zip": ["at.zip"]}}],
    }
    rows, _ = made(tmp_path, source, people)
    assert [row["messages"][1]["content"] for row in rows] == [
        '{"at": {"city": "Faro"}}',
        '{"at": {"city": "unknown"}}',
    ]
    assert [row["keywords"] for row in rows] == [{"city": ["Faro"]}, {"city": ["unknown"]}]
    source["examples"][0]["keywords"]["town"] = ["att.city"]
    with pytest.raises(ConfigError, match="no column `att`"):
        made(tmp_path, source, people)


def test_the_counts_are_written_for_each_source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "people.json").write_text(json.dumps(PEOPLE), encoding="utf-8")
    params = {"sources": {"people": SOURCE, "none": None}, "sets": {}, "seed": {"data": 13}}
    (tmp_path / "params.yaml").write_text(json.dumps(params), encoding="utf-8")
    words = ["--checked", "checked.json", "--files", ".", "--sources", "out"]
    monkeypatch.setattr("sys.argv", ["fetch", *words, "--metrics", "sources.json"])
    main()
    found = read_json(tmp_path / "sources.json")
    assert found["people"]["nulls"]["dropped"] == 1
    assert found["none"] == {"rows": 0}
    assert len(read_rows(tmp_path / "out/people.jsonl")) == 3
