"""`tunegraph check recipes/mine`: a recipe that is not in use, each fault with its line."""

from pathlib import Path

import pytest

from stages.core.errors import ConfigError, Fault
from tools import check, recipe
from tools.lines import with_lines


def edit(path: Path, before: str, after: str) -> None:
    """Replace a text that stands in a file exactly once."""
    text = path.read_text(encoding="utf-8")
    assert text.count(before) == 1
    path.write_text(text.replace(before, after), encoding="utf-8")


def line(path: Path, text: str) -> int:
    """Return the line on which a text stands."""
    lines = path.read_text(encoding="utf-8").split("\n")
    return next(number for number, each in enumerate(lines, 1) if text in each)


def told(asked: str, **more: bool) -> list[str]:
    """Return what is told of a recipe with faults."""
    with pytest.raises(ConfigError) as error:
        check.main(asked, **more)
    return [f"{fault.where}: {fault.what}" for fault in error.value.faults]


def test_a_recipe_without_fault_is_told_by_folder_and_by_name(
    project: Path, capsys: pytest.CaptureFixture[str]
):
    before = Path("params.yaml").read_bytes()
    for asked in ("recipes/emoji", "emoji", "recipes/emoji/", str(project / "recipes/emoji")):
        check.main(asked)
    check.main("emoji", full=True)
    printed = capsys.readouterr().out.splitlines()
    assert len(printed) == 5
    assert printed[0] == "check: recipes/emoji/params.yaml and what it names hold no fault"
    assert printed[4] == "check: recipes/emoji/params.full.yaml and what it names hold no fault"
    assert Path("params.yaml").read_bytes() == before


def test_every_fault_of_all_files_is_told_with_its_line(project: Path):
    recipe.new("mine")
    file = Path("recipes/mine/params.yaml")
    edit(file, "select: tuned", "select: tunde")
    edit(file, "num_train_epochs: 20", "num_train_epochs: twelve")
    edit(file, "near_duplicate_similarity: 0.9}", "near_duplicates: 0.9}")
    edit(file, "{skill: who, ", "{skil: who, ")
    words = Path("recipes/mine/sources/words.yaml")
    edit(words, "{who} {brings} {what} on", "{who} {bring} {what} on")
    edit(Path("recipes/mine/prompts/answer.md"), "record.who", "record.how")
    Path("recipes/mine/overrides.jsonl").unlink()
    found = told("recipes/mine")
    expected = [
        (f"{file}:{line(file, 'tunde')}: select", "there is no model 'tunde'; did you mean"),
        (
            f"{file}:{line(file, 'twelve')}: adapters.tuned.sft.num_train_epochs",
            "'twelve' is text",
        ),
        (f"{file}:{line(file, 'split: {')}: split.near_duplicates", "unknown key"),
        (f"{file}:{line(file, 'split: {')}: split.near_duplicate_similarity", "is missing"),
        (f"{file}:{line(file, 'skil:')}: sources.corpus.examples[0].skil", "unknown key 'skil'"),
        (f"{file}:{line(file, 'skil:')}: sources.corpus.examples[0].skill", "is missing"),
        (
            f"{words}:{line(words, '{bring} ')}: kinds.plain.text[0]: {{bring}}",
            "there is no slot 'bring'; did you mean 'brings'?",
        ),
        ("recipes/mine/prompts/answer.md:1", "there is no key of the record 'how'"),
        ("recipes/mine/overrides.jsonl", "there is no such file"),
    ]
    assert len(found) == len(expected), "\n".join(found)
    for where, what in expected:
        assert any(each.startswith(f"{where}: {what}") for each in found), (where, what, found)


def test_a_folder_that_names_another_recipe_is_told(project: Path):
    recipe.new("mine")
    file = Path("recipes/mine/params.yaml")
    edit(file, "recipe: mine", "recipe: reviews")
    assert told("mine") == [
        f"{file}:{line(file, 'recipe: reviews')}: recipe: 'reviews' is another recipe than this "
        "folder's"
    ]


def test_what_is_no_recipe_is_told(project: Path):
    assert told("recipes/emojis") == [
        "recipes/emojis: there is no recipe 'emojis'; did you mean 'emoji'?"
    ]
    (project / "recipes/begun").mkdir()
    assert told("recipes/begun") == ["recipes/begun: is no recipe: it has no params.yaml"]
    recipe.new("mine")
    assert told("mine", full=True) == ["recipes/mine/params.full.yaml: there is no such file"]
    Path("recipes/mine/params.yaml").write_text("recipe: [", encoding="utf-8")
    (found,) = told("mine")
    assert found.startswith("recipes/mine/params.yaml:1:10: not YAML")


YAML = """\
one: &first
  two: [a, b,
        c]
three:
  <<: *first
  four:
    - {five: 5}
    - six.seven: 7
"""


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        ("one", 1),
        ("one.two", 2),
        ("one.two[1]", 2),
        ("one.two[2]", 3),
        ("one.two[9]", 2),
        ("one.missing", 1),
        ("missing", 1),
        ("three.two", 2),  # merged: where it was written
        ("three.four[0].five", 7),
        ("three.four[1].six.seven", 8),
        ("three.four[0].five: {slot}", 7),
    ],
)
def test_a_key_has_a_line(tmp_path: Path, key: str, expected: int):
    file = tmp_path / f"{abs(hash(key))}.yaml"
    file.write_text(YAML, encoding="utf-8")
    (found,) = with_lines([Fault(f"{file}: {key}", "what")])
    assert found.where == f"{file}:{expected}: {key}"


def test_a_place_without_a_key_stays():
    faults = [Fault("recipes/mine/schema.json:2", "what"), Fault("none.yaml: key", "what")]
    assert with_lines(faults) == faults
