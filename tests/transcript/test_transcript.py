"""Transcripts: pasted answers become a model's folder, or every fault is told."""

import json

import pytest

from stages.core.errors import ConfigError, InputError
from stages.core.jsonl import read_rows
from stages.core.pasting import answers_of
from stages.transcript import main


@pytest.fixture
def stage(tmp_path, monkeypatch):
    """Return a function that runs the stage over a file, with its entry of params.yaml."""
    monkeypatch.chdir(tmp_path)

    def run(name, content, **entry):
        told = {"transcripts": {"chat": {"name": "chat", "file": name, **entry}}}
        (tmp_path / "params.yaml").write_text(json.dumps(told))
        (tmp_path / name).write_bytes(content if isinstance(content, bytes) else content.encode())
        flags = ["--transcript", "chat", "--name", "chat", "--file", name, "--model", "models/chat"]
        monkeypatch.setattr("sys.argv", ["transcript", *flags])
        main()
        return read_rows(tmp_path / "models/chat/answers.jsonl")

    return run


def faults(table, **more):
    with pytest.raises(InputError) as caught:
        answers_of(table, **more)
    return [(fault.where, fault.what) for fault in caught.value.faults]


def test_the_stage_writes_a_models_folder(stage, tmp_path, capsys):
    answers = stage(
        "chat.csv",
        "row,prompt,text,model,date\n"
        'a1,,"Hello,\nyou",chat-9,2026-01-02\n'
        ',"What is  up?",,chat-9,\n'
        "a2,,,,\n",
    )
    assert json.loads((tmp_path / "models/chat/manifest.json").read_text()) == {
        "name": "chat",
        "kind": "transcript",
        "on": None,
        "chain": ["chat"],
    }
    first = {"row": "a1", "text": "Hello,\nyou", "date": "2026-01-02", "at": "chat.csv:2"}
    second = {"prompt": "What is  up?", "text": "", "at": "chat.csv:4"}
    assert answers == [one | {"model": "chat-9", "sample": 0} for one in (first, second)]
    said = "transcript: chat: 2 answers of chat-9; 1 prompts without one\n"
    assert capsys.readouterr().out == said


def test_every_fault_is_told_with_its_line():
    table = [
        ("chat.csv:2", {"row": "a1", "text": "x", "model": "m"}),
        ("chat.csv:3", {"text": "x", "model": "m"}),
        ("chat.csv:4", {"row": "a2", "model": "m"}),
        ("chat.csv:5", {"row": "a3", "text": "x"}),
        ("chat.csv:7", {"row": "a4", "text": "x", "model": "m", "modle": "m"}),
        ("chat.csv:8", {"row": "a5", "text": 7, "model": "m"}),
        ("chat.csv:9", {"row": "a6", "text": float("nan"), "model": "m"}),
        ("chat.csv:10", {"row": "a7", "text": "x", "model": "m", "date": "1/2/26"}),
        ("chat.csv:11", {"row": "a8", "text": "x", "model": "m", "sample": "-1"}),
        ("chat.csv:12", {"row": "a8", "text": "x", "model": "m", "sample": "two"}),
    ]
    assert faults(table) == [
        ("chat.csv:3", "neither `row` nor `prompt`"),
        ("chat.csv:4", "no `text`"),
        ("chat.csv:5", "no `model`"),
        ("chat.csv:7", "unknown key `modle`"),
        ("chat.csv:8", "`text` is 7"),
        ("chat.csv:9", "`text` is nan"),
        ("chat.csv:10", "`date` is '1/2/26'"),
        ("chat.csv:11", "`sample` is '-1'"),
        ("chat.csv:12", "`sample` is 'two'"),
    ]


def test_what_is_answered_twice_is_told():
    rows = [
        {"row": "a1"}, {"row": "a1", "sample": "0"}, {"row": "a1", "sample": 1},
        {"prompt": "What  is “up”?"}, {"prompt": 'What is\r\n"up"?'},
        {"row": "a2", "sample": "2"},
    ]  # fmt: skip
    table = [(f"f:{n}", row | {"text": "x", "model": "m"}) for n, row in enumerate(rows)]
    assert faults(table) == [
        ("f:1", "answers 'a1' again"),
        ("f:4", "answers 'What is \"up\"?' again"),
        ("f:5", "'a2' has sample 2, and none is 0"),
    ]


def test_several_answers_to_a_prompt_are_kept(stage):
    answers = stage("a.csv", "row,sample,text,model\na1,1,b,m\na1,0,a,m\na2,,c,m\n")
    assert [(one["row"], one["sample"], one["text"]) for one in answers] == [
        ("a1", 1, "b"), ("a1", 0, "a"), ("a2", 0, "c"),
    ]  # fmt: skip


def test_line_ends_of_the_file_are_not_the_answer_s(stage):
    [one] = stage("a.csv", b'row,text,model\r\na1,"def f():\r\n    return 1\r",m\r\n')
    assert one["text"] == "def f():\n    return 1\n"


def test_one_assistant_is_taken_from_a_file_of_several(stage):
    file = [
        {"row": "a1", "text": "x", "model": "Claude"},
        {"row": "a1", "text": "y", "model": "Gemini"},
        {"row": "a2", "text": "z", "model": "Gemini"},
    ]
    for name, content in (
        ("a.json", json.dumps(file)),
        ("a.jsonl", "\ufeff" + "".join(json.dumps(row) + "\r\n" for row in file)),
    ):
        assert [one["text"] for one in stage(name, content, model="Gemini")] == ["y", "z"]
        with pytest.raises(InputError, match=r"params.yaml: transcripts.chat: its file holds answers of 2 models: 'Claude' \(1\), 'Gemini' \(2\)"):  # fmt: skip # noqa: E501
            stage(name, content)
        with pytest.raises(InputError, match=r"transcripts.chat.model: no answer is of 'GPT'"):
            stage(name, content, model="GPT")


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.csv", "row,text,model\n\n", "holds no rows"),
        ("a.csv", "row,text,model,date\na1,,,\n", "no answer is filled in"),
        ("a.csv", "row;text;model\na1;x;m\n", "a.csv:1: semicolons between the columns"),
        ("a.json", '{"row": ["a1"], "text": ["x"]}', r"holds an object of lists \(row, text\)"),
        ("a.json", '[{"row": "a1", "text": NaN, "model": "m"}]', "NaN is no JSON number"),
        ("a.jsonl", '{"row": "a1", "text": NaN, "model": "m"}\n', "a.jsonl:1: not JSON .* NaN"),
        ("a.json", '[{"row": "a1", "row": "a2"}]', "keys named twice: row"),
        ("a.json", '[{"row": "a1", "text": "\\ud83d", "model": "m"}]', "half of a surrogate"),
        ("a.csv", "row,text,model\na1,x,m\n".encode("utf-16"), "it is UTF-16"),
        ("a.csv", "row,text,model\na1,x,m\n".encode("utf-16-le"), "a.csv:1: byte 2 .* zero"),
        ("a.csv", "row,text,model\na1,café,m\n".encode("cp1252"), "a.csv:2: .* byte 7 .* 0xe9"),
    ],
)  # fmt: skip
def test_a_file_that_cannot_be_read_is_named(stage, name, content, said):
    with pytest.raises(InputError, match=said):
        stage(name, content)


def test_mixed_encodings_are_named_line_by_line_and_never_guessed(stage):
    lines = ["row,text,model", "a1,café,m", "a2,naïve,m", "a3,plain,m", "a4,“so”,m"]
    raw = [line.encode("utf-8" if n != 2 else "latin-1") for n, line in enumerate(lines)]
    raw[4] = lines[4].encode("cp1252")
    with pytest.raises(InputError) as caught:
        stage("a.csv", b"\r\n".join(raw))
    assert [str(fault).splitlines()[0] for fault in caught.value.faults] == [
        "error: a.csv: it mixes encodings: 2 lines are not UTF-8, 1 others are",
        "error: a.csv:3: not UTF-8 at byte 6 of the line: 0xef, as in Windows-1252 or Latin-1",
        "error: a.csv:5: not UTF-8 at byte 4 of the line: 0x93, as in Windows-1252 or Latin-1",
    ]


def test_an_entry_that_params_lacks_is_told(stage, monkeypatch):
    stage("a.csv", "row,text,model\na1,x,m\n")
    flags = ["--transcript", "other", "--name", "x", "--file", "a.csv", "--model", "models/x"]
    monkeypatch.setattr("sys.argv", ["transcript", *flags])
    with pytest.raises(ConfigError, match=r"transcripts\.other"):
        main()
