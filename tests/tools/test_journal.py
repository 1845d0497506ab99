"""`tunegraph journal`: a clone without a key replays, and no damaged line comes in."""

import json
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from stages.core.errors import InputError
from stages.generate.journal import Journal, encode
from tools import journal

FILE = Path("replies/paid.jsonl")
TEXTS = ('{"agree": "é\u2028 \ud800"}', '{"agree": "2"}', "malformed, kept as it came")


@pytest.fixture
def exported(asked, capsys):
    """Generate, and export all of it."""
    asked.fill(*TEXTS)
    asked.built = asked.generate()
    journal.export(FILE, everything=False)
    assert "6 replies in replies/paid.jsonl" in capsys.readouterr().out
    return asked


def test_a_clone_without_a_key_replays(exported, capsys):
    exported.use(Path("clone") / "journal.jsonl")
    journal.bring(FILE)
    assert "6 replies in replies/paid.jsonl: 6 new, 0 held already" in capsys.readouterr().out
    Path("data/replies.jsonl").unlink()
    assert exported.generate() == exported.built
    assert exported.attempts() == 0
    journal.bring(FILE)
    assert ": 0 new, 6 held already" in capsys.readouterr().out


def test_the_file_is_sorted_readable_and_the_same_whoever_exports(exported):
    first = FILE.read_bytes()
    assert "é".encode() in first or b"\\ud800" in first
    rows = [line["entry"] for line in map(json.loads, first.split(b"\n")[:-1])]
    names = [row["request"] for row in rows]
    assert names == sorted(names)
    assert all("seconds" not in row for row in rows)
    assert str(exported.folder) not in first.decode()
    exported.use(Path("clone") / "journal.jsonl")
    journal.bring(FILE)
    journal.export(Path("again.jsonl"), everything=True)
    assert Path("again.jsonl").read_bytes() == first


def test_only_what_the_recipe_asks_is_exported_re_asks_included(asked):
    asked.fill('{"agree": 1}')
    text = Path("params.yaml").read_text(encoding="utf-8")
    assert text.count("reask: 0") == 1
    journal_file = Journal(asked.journal)
    with closing(journal_file), journal_file.locked(print):
        journal_file.append("f" * 16, 256, asked.reply("of another recipe"))
        journal_file.refresh()
        _, dialogue, _ = journal.project(journal_file, reask=1)
        second = list(dialogue.turns(asked.requests[0]))[-1][0].name
        journal_file.append(second, 256, asked.reply('{"agree": "a", "disagree": "b"}'))
    journal.export(FILE, everything=False)
    names = {line["entry"]["request"] for line in asked.lines(FILE)}
    assert names == {asked.requests[0]["id"], second}
    journal.export(FILE, everything=True)
    assert len(asked.lines(FILE)) == 3


def test_a_reply_that_a_limit_cut_gives_way_to_a_whole_one_and_not_the_other_way(asked, capsys):
    name = asked.requests[0]["id"]
    cut = asked.reply("cu") | {"finish_reason": "length"}
    for limit, reply, told in (
        (100, cut, "1 new"),
        (50, cut, "0 new"),
        (200, cut, "1 new"),
        (10, asked.reply("whole"), "1 new"),
        (300, cut, "0 new"),
        (10, asked.reply("another"), "0 new"),
    ):
        body = {"v": 1, "request": name, "max_tokens": limit, "reply": reply}
        FILE.parent.mkdir(exist_ok=True)
        FILE.write_bytes(encode(body))  # a journal's own line is as good
        journal.bring(FILE)
        assert told in capsys.readouterr().out
    with closing(Journal(asked.journal)) as held:
        held.refresh()
        assert held.reply(name)["text"] == "whole"


def test_a_journal_of_another_machine_comes_in_but_for_its_notes(exported, capsys):
    with closing(Journal(exported.journal)) as held, held.locked(print):
        held.note({"batch": "b1"})
    exported.use(Path("clone") / "journal.jsonl")
    journal.bring(exported.journal)
    assert "6 new" in capsys.readouterr().out
    with closing(Journal(Path("clone") / "journal.jsonl")) as clone:
        clone.refresh()
        assert len(clone) == 6
        assert list(clone.notes()) == []


def test_every_line_at_fault_is_named_and_nothing_comes_in(exported):
    lines = FILE.read_bytes().split(b"\n")
    lines[0] = lines[0].replace(b'"max_tokens": ', b'"max_tokens": 1', 1)
    lines[1] = lines[1][:-5]
    lines[2] = b'["no line"]'
    lines[3] = encode({"v": 2, "request": "a" * 16})[:-1]
    lines[4] = encode({"v": 1, "request": "../x", "max_tokens": 1, "reply": {}})[:-1]
    short = {"text": 1, "finish_reason": "stop"}
    lines[5] = encode({"v": 1, "request": "a" * 16, "max_tokens": 1, "reply": short})[:-1]
    lines.insert(6, b"\xff")
    FILE.write_bytes(b"\n".join(lines))
    clone = Path("clone") / "journal.jsonl"
    exported.use(clone)
    with pytest.raises(InputError) as raised:
        journal.bring(FILE)
    told = str(raised.value)
    for words in (
        "paid.jsonl:1: its checksum does not fit",
        "paid.jsonl:2: not JSON",
        "paid.jsonl:3: no line of a journal",
        "paid.jsonl:4: an entry of version 2",
        "paid.jsonl:5: an entry that is no reply",
        "paid.jsonl:6: a reply without a proper text, model, prompt_tokens",
        "paid.jsonl:7: not JSON in UTF-8",
    ):
        assert words in told
    assert "nothing was imported" in told
    assert not clone.exists()


def test_what_is_not_there_is_told(asked):
    with pytest.raises(InputError, match=r"nowhere\.jsonl: there is no such file"):
        journal.bring(Path("nowhere.jsonl"))
    with pytest.raises(InputError, match=r"holds no reply to the questions .*\n.*dvc repro"):
        journal.export(FILE, everything=False)
    Path("data/requests.jsonl").unlink()
    with pytest.raises(InputError, match="dvc repro prompt"):
        journal.export(FILE, everything=False)
    assert not FILE.exists()


def test_the_commands_are_spelled_as_documented(exported):
    run = [sys.executable, "-c", "from tools.cli import main; main()", "journal"]
    for words, told in (
        (["export", "one.jsonl"], "6 replies in one.jsonl"),
        (["export", "two.jsonl", "--all"], "6 replies in two.jsonl"),
        (["import", "one.jsonl"], "0 new"),
    ):
        done = subprocess.run([*run, *words], capture_output=True, text=True, check=True)
        assert told in done.stdout
