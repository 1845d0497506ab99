"""The rows as a table: nothing is lost on the way out, and a source of kind file reads it back."""

import csv
import sys
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from stages.core.digest import digest
from stages.core.errors import ConfigError, InputError
from stages.core.jsonl import read_json, read_rows, write_rows
from stages.core.tables import read_table
from stages.fetch.shapes import shaped
from tools import cli, rows

# What a table may lose: quotes, commas, every kind of line end, blanks, other scripts, formulas.
TEXTS = [
    'He said "no", twice.', "one\ntwo\r\nthree\rfour", "  blanks around \t", "ți-am zis 👩‍🚀 ﷺ",
    "=1+1", "-3", "@here", "+", "'quoted'", "", "null", "1", '["a"]', "a;b,c", "\ufeffmark",
    "line\u2028separator", "ends with a newline\n",
]  # fmt: skip


def made(ask: str, answer: str, **more) -> dict:
    messages = [{"role": "user", "content": ask}, {"role": "assistant", "content": answer}]
    row = {"id": digest(messages), "skill": "own", "group": f"film:{len(ask)}", "source": "paid"}
    return row | {"messages": messages, "operations": [], "request": digest(ask)} | more


ROWS = [
    made(f"Ask {at}: {text}", f"{text} - said", record={"agree": text, "disagree": [text, at]})
    for at, text in enumerate(TEXTS)
]


@pytest.fixture
def built(project: Path) -> Path:
    """Return a project whose rows are split: the first two to test."""
    write_rows(Path("data/rows.jsonl"), ROWS)
    for side, part in {"train": ROWS[2:], "val": [], "test": ROWS[:2]}.items():
        told = [row | {"set": "own"} for row in part]
        write_rows(Path(f"data/splits/own/{side}.jsonl"), told)
    reject = {"request": "r1", "reason": "schema", "detail": "no `agree`", "raw": None}
    write_rows(Path("data/rejects.jsonl"), [reject | {"text": None, "best": {"disagree": "x"}}])
    return project


def lines(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, strict=True))


def test_a_csv_has_a_column_for_each_field_of_the_record(built: Path, capsys):
    rows.main(built / "my.csv")
    told = lines(built / "my.csv")
    assert list(told[0]) == [
        "id", "source", "skill", "group", "request", "instruction", "answer", "operations", "agree",
        "disagree",
    ]  # fmt: skip
    assert [line["agree"] for line in told] == TEXTS
    assert told[0]["disagree"] == '["He said \\"no\\", twice.", 0]'
    assert told[3]["instruction"] == f"Ask 3: {TEXTS[3]}"
    assert not (built / "my.csv").read_bytes().startswith(b"\xef\xbb\xbf")
    said = f"rows: {len(TEXTS)} of rows in {built / 'my.csv'}: 10 columns\n"
    assert capsys.readouterr().out == said


@pytest.mark.parametrize("name", ["my.csv", "my.json", "my.jsonl"])
def test_a_source_of_kind_file_reads_the_same_rows_back(built: Path, root: Path, name: str):
    rows.main(Path(name))
    text = (root / "recipes/reviews/README.md").read_text(encoding="utf-8")
    block = text.split("\n## Rows as CSV\n")[1].split("```yaml\n")[1].split("```")[0]
    source = YAML(typ="safe", pure=True).load(block)["sources"]["mine"]
    assert source.pop("file") == "mycsvdata.csv"
    back = shaped(read_table(Path(name)), source, "sources.mine", 13)
    assert [each["id"] for each in back] == [row["id"] for row in ROWS]
    assert [each["messages"] for each in back] == [row["messages"] for row in ROWS]
    assert [each["group"] for each in back] == [row["group"] for row in ROWS]


def test_json_keeps_types(built: Path):
    rows.main(built / "my.json")
    told = read_json(built / "my.json")
    assert told[1]["disagree"] == [TEXTS[1], 1]
    assert told[0]["operations"] == []
    rows.main(built / "my.jsonl")
    assert read_rows(built / "my.jsonl") == told


def test_a_set_says_its_sides_and_a_side_can_be_asked_for(built: Path):
    rows.main(built / "own.csv", "own")
    sides = [line["side"] for line in lines(built / "own.csv")]
    assert sides == ["train"] * (len(TEXTS) - 2) + ["test"] * 2
    rows.main(built / "test.csv", "own/test")
    assert [line["agree"] for line in lines(built / "test.csv")] == TEXTS[:2]


def test_rejects_are_a_table_too(built: Path):
    rows.main(built / "rejects.csv", "rejects")
    [told] = lines(built / "rejects.csv")
    assert told == {
        "request": "r1", "reason": "schema", "detail": "no `agree`", "raw": "null", "text": "null",
        "best": '{"disagree": "x"}',
    }  # fmt: skip


def test_another_conversation_keeps_its_messages_and_a_field_its_own_name(built: Path):
    system = [{"role": "system", "content": "Be brief."}]
    twice = made("a", "b")["messages"] * 2
    write_rows(
        Path("data/rows.jsonl"),
        [
            made("q", "a", record={"answer": "a", "id": 7, "note": None}),
            made("q2", "a2") | {"messages": system + made("q2", "a2")["messages"]},
            made("q3", "a3") | {"messages": twice, "cases": [{"call": "f", "args": [1]}]},
        ],
    )
    rows.main(built / "my.csv")
    first, second, third = lines(built / "my.csv")
    assert (first["answer"], first["record.answer"], first["record.id"]) == ("a", "a", "7")
    assert (first["note"], second["note"]) == ("null", "")
    assert (first["system"], second["system"]) == ("", "Be brief.")
    assert (second["instruction"], third["instruction"]) == ("q2", "")
    assert third["messages"].count('"role": "user"') == 2
    assert third["cases"] == '[{"args": [1], "call": "f"}]'


def test_a_spreadsheet_runs_nothing_and_knows_the_encoding(built: Path, capsys):
    long = made("long", "x" * 40_000, record={"agree": "=x", "disagree": "y"})
    write_rows(Path("data/rows.jsonl"), [*ROWS, long])
    rows.main(built / "my.csv", spreadsheet=True)
    assert (built / "my.csv").read_bytes().startswith(b"\xef\xbb\xbf")
    table = [row for _, row in read_table(built / "my.csv")]
    told = {text: row["agree"] for text, row in zip([*TEXTS, "=x"], table, strict=True)}
    changed = {text for text in told if told[text] != text}
    assert changed == {"=1+1", "-3", "@here", "+", "=x"}
    assert told["=1+1"] == "'=1+1"
    said = capsys.readouterr().out
    assert "9 cells begin with ' now" in said  # four answers are formulas as well
    assert "1 are longer than 32,767 characters" in said


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["my.txt"], r"my\.txt: `\.txt` is not the ending of a table\n +expected: \.csv, \.json"),
        (["data/rows.jsonl", "--force"], r"data/rows\.jsonl: is where the graph keeps its own"),
        (["."], r"\.: `` is not the ending of a table"),
        (["sub/../metrics/scores.csv"], r"scores\.csv: is where the graph keeps its own files"),
        (["there.csv"], r"there\.csv: is there already\n +to do: --force to replace it"),
        (["my.json", "--spreadsheet"], r"--spreadsheet: my\.json is no CSV file"),
        (["my.csv", "--of", "owm"], r"--of owm: there is no set 'owm'; did you mean 'own'\?"),
        (["my.csv", "--of", "own/tset"], r"no side of a split 'tset'; did you mean 'test'\?"),
        (["my.csv", "--of", "own/val"], r"--of own/val: holds no row"),
        (["my.csv", "--of", "original"], r"original/train\.jsonl: there is no such file(.|\n)*dvc"),
    ],
)
def test_what_cannot_be_is_told_and_nothing_is_written(built, monkeypatch, words, message):
    Path("there.csv").write_text("mine")
    before = Path("data/rows.jsonl").read_bytes()
    monkeypatch.setattr(sys, "argv", ["tunegraph", "rows", *words])
    with pytest.raises((InputError, ConfigError), match=message):
        cli.command()
    assert Path("there.csv").read_text() == "mine"
    assert Path("data/rows.jsonl").read_bytes() == before
    assert not [*Path().glob("my.*")]


def test_force_replaces_a_file_of_one_s_own(built: Path, monkeypatch):
    Path("there.csv").write_text("mine")
    monkeypatch.setattr(sys, "argv", ["tunegraph", "rows", "there.csv", "--force"])
    cli.command()
    assert len(lines(Path("there.csv"))) == len(TEXTS)
