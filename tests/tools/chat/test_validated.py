"""Whether an answer is the record that was asked for: valid, repaired, or where its fault is."""

from pathlib import Path
from typing import Any

import pytest

from stages.core.jsonl import write_json
from tools.chat.validated import Records, place, records, wants_records

SCHEMA = {
    "type": "object",
    "properties": {"agree": {"type": "string", "minLength": 3}, "points": {"type": "integer"}},
    "required": ["agree"],
    "additionalProperties": False,
}
SETTINGS = {
    "schema": "schema.json", "repair": True, "normalise": ["trim"], "aliases": {},
    "instruction": "instruction.md", "answer": "answer.md",
}  # fmt: skip
ASKED = "Agree with the review: a good film"


def made(folder: Path, **changes: Any) -> Records | None:
    """Return what checks the answers of a recipe, with some of its files or parameters changed."""
    recipe = folder / "recipes" / "mine"
    write_json(recipe / "schema.json", SCHEMA)
    (recipe / "instruction.md").write_text("Agree with the review: {{ review }}")
    (recipe / "answer.md").write_text(changes.pop("answer", "{{ record | tojson }}"))
    params = {"recipe": "mine", "validate": SETTINGS | changes}
    rows = [
        {"id": "own", "messages": [{"role": "assistant", "content": '{"agree": "yes"}'}]},
        {"id": "fact", "messages": [{"role": "assistant", "content": "Paris"}]},
        {"id": "other", "messages": [{"role": "assistant", "content": '{"restated": "yes"}'}]},
    ]
    return records(params, folder, rows)


@pytest.fixture
def found(tmp_path: Path) -> Records:
    """Return what checks the answers."""
    made_of = made(tmp_path)
    assert made_of is not None
    return made_of


def test_a_record_that_fits(found: Records) -> None:
    said = found.found('{"agree": "yes", "points": 3}', ASKED, None)
    assert said is not None
    assert (said.state, said.title) == ("valid", "Valid")
    assert said.record == '{\n  "agree": "yes",\n  "points": 3\n}'
    assert len(said.lines) == 1


@pytest.mark.parametrize(
    ("text", "operation"),
    [
        ("{'agree': 'yes'}", "single_quotes"),
        ('{"agree": "yes",}', "trailing_comma"),
        ('Here you are: {"agree": "yes"}', "prose"),
        ('```json\n{"agree": "yes"}\n```', "fence"),
        ('[{"agree": "yes"}]', "in_list"),
    ],
)
def test_one_that_can_be_repaired_says_how(found: Records, text: str, operation: str) -> None:
    said = found.found(text, ASKED, None)
    assert said is not None
    assert said.state == "repaired"
    assert any(line.startswith(f"{operation}: ") for line in said.lines), said.lines
    assert '"agree": "yes"' in said.record


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ('{"agree": "yes", "points": "3"}', "does not fit the schema at $.points: '3' is not"),
        ('{"points": 3}', "does not fit the schema at $: 'agree' is a required property"),
        ('{"agree": "yes",\n "points": }', "not JSON at line 2, column 12: Expecting value"),
        ('{"agree": "a", "agree": "b"}', "not JSON as it should be: the key 'agree' stands twice"),
        ('{"agree": "yes", "points": NaN}', "NaN is no JSON number"),
        ("I cannot say.", "not JSON at line 1, column 1: Expecting value"),
        ("", "not JSON at line 1, column 1: Expecting value"),
    ],
)
def test_a_fault_says_its_place(found: Records, text: str, line: str) -> None:
    said = found.found(text, ASKED, None)
    assert said is not None
    assert (said.state, said.record) == ("fault", "")
    assert any(line in each for each in said.lines), said.lines


@pytest.mark.parametrize(
    ("ended", "line"), [("length", "cut at max. new tokens"), ("stopped", "it was stopped")]
)
def test_an_answer_that_was_cut_says_so(found: Records, ended: str, line: str) -> None:
    said = found.found('{"agree": "yes and', ASKED, None, ended)
    assert said is not None
    assert said.state == "fault"
    assert line in " ".join(said.lines)
    whole = found.found('{"agree": "yes and"}', ASKED, None, ended)
    assert whole is not None
    assert whole.state == "valid"


def test_what_validate_would_refuse_all_the_same_is_told(found: Records) -> None:
    said = found.found('{"agree": "..."}', ASKED, None)
    assert said is not None
    assert said.state == "valid"
    assert "validate would refuse it all the same (placeholder" in said.lines[1]


@pytest.mark.parametrize(
    ("text", "prompt", "row", "asked"),
    [
        ("Paris", "Which city?", None, False),
        ("Paris", "Which city?", "fact", False),
        ("Paris", ASKED, None, True),
        ("Paris", "other words", "own", True),
        (' {"a": 1}', "Which city?", "fact", True),
        ('{"restated": "yes"}', "Restate it as JSON", "other", False),
        ("```python\nx = 1\n```", "Write code", None, True),
    ],
)
def test_only_where_a_record_was_asked_for_or_begins(
    found: Records, text: str, prompt: str, row: str | None, asked: bool
) -> None:
    assert (found.found(text, prompt, row) is not None) is asked


@pytest.mark.parametrize(
    ("answer", "sections", "wanted"),
    [
        ("{{ record | tojson }}\n", {}, True),
        ("{{record|json}}", {}, True),
        ('{"agree": {{ record.agree | json }}}', {}, True),
        ("{{ record.plan }}", {}, False),
        ("{{ record.prompt }}\nAvoid: {{ record.avoid }}", {}, False),
        ("{{ record.plan }}", {"own": {"metrics": ["exact", "schema_valid"]}}, True),
        ("{{ record.plan }}", {"own": {"metrics": ["parses"]}}, False),
    ],
)
def test_recipes_whose_answers_are_json(
    answer: str, sections: dict[str, Any], wanted: bool
) -> None:
    assert wants_records({"evaluate": {"sections": sections}}, answer) is wanted


def test_a_recipe_of_free_text_has_none(tmp_path: Path) -> None:
    assert made(tmp_path, answer="{{ record.plan }}") is None
    assert records({"recipe": "mine"}, tmp_path, []) is None


def test_without_repair_nothing_is_mended(tmp_path: Path) -> None:
    found = made(tmp_path, repair=False)
    assert found is not None
    said = found.found("{'agree': 'yes'}", ASKED, None)
    assert said is not None
    assert said.state == "fault"


def test_the_recipes_of_this_project(root: Path) -> None:
    from stages.core.params import read_yaml

    named = {}
    for path in sorted((root / "recipes").glob("*/params.yaml")):
        params = read_yaml(path)
        named[path.parent.name] = records(params, root, []) is not None
    assert named == {
        "dev_plans": False, "emoji": False, "finetome": False, "image_prompts": False,
        "profiles": True, "reviews": True,
    }  # fmt: skip


def test_where_json_breaks() -> None:
    assert place('{"a": 1}') is None
    assert place("{") == (
        "not JSON at line 1, column 2: Expecting property name enclosed in double quotes"
    )
    assert place("[" * 100_000) is not None
