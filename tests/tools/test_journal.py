"""`tunegraph journal`: a clone without a key replays, and no damaged line comes in."""

import json
import os
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from stages.core.asking.journal import Journal, encode
from stages.core.errors import InputError, TeacherError
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
        "paid.jsonl:6: a reply without a proper attempts, text, model",
        "paid.jsonl:7: not UTF-8 at byte 1",
    ):
        assert words in told
    assert "nothing was imported" in told
    assert not clone.exists()


@pytest.mark.parametrize(
    ("key", "value"),
    [
        *(("cost_usd", each) for each in (-1, float("inf"), 1e300, "1", True, [])),
        *(("prompt_tokens", each) for each in (-1, 2**60, 1.5, True)),
        ("completion_tokens", -5),
        ("error", "boom"),
        ("text", 7),
        ("finish_reason", None),
        ("model", {}),
        ("attempts", True),
    ],
)
def test_a_reply_that_would_spoil_the_sums_does_not_come_in(asked, key, value):
    """Its checksum is right: whoever made it computed it."""
    body = {"v": 1, "request": "a" * 16, "max_tokens": 9, "reply": asked.reply("{}") | {key: value}}
    FILE.parent.mkdir(exist_ok=True)
    FILE.write_bytes(encode(body))
    what = f"paid.jsonl:1: (a reply without a proper {key}|not JSON)"
    with pytest.raises(InputError, match=what):
        journal.bring(FILE)
    assert not asked.journal.exists()


def test_a_reply_with_keys_of_its_own_does_not_come_in(asked):
    """They would take the place of the request's id, and of what the stage counts."""
    FILE.parent.mkdir(exist_ok=True)
    for strange in ({"request": "other"}, {"earlier": []}):
        reply = asked.reply("{}") | strange
        FILE.write_bytes(encode({"v": 1, "request": "a" * 16, "max_tokens": 9, "reply": reply}))
        with pytest.raises(InputError, match="a reply with 1 more keys"):
            journal.bring(FILE)


@pytest.mark.parametrize("version", ["x" * 10**6, ["\x1b[2J"] * 10**5, None, {"a": 1}])
def test_a_strange_version_is_told_briefly(asked, version):
    FILE.parent.mkdir(exist_ok=True)
    FILE.write_bytes(encode({"v": version}))
    with pytest.raises(InputError, match="an entry of version") as raised:
        journal.bring(FILE)
    assert len(str(raised.value)) < 300
    assert "\x1b" not in str(raised.value)


def test_lines_of_any_depth_are_told_without_a_traceback(asked):
    FILE.parent.mkdir(exist_ok=True)
    depths = [*range(900, 1000), 100_000]
    FILE.write_text(
        "".join(f'{{"sha": "", "entry": {{"v": 1, "x": {"[" * n}{"]" * n}}}}}\n' for n in depths)
    )
    with pytest.raises(InputError, match="91 more lines are at fault"):
        journal.bring(FILE)


def test_a_pipe_is_refused_for_it_can_be_read_once(asked):
    os.mkfifo("pipe")
    with pytest.raises(InputError, match=r"pipe: is no file\n  expected: a file that export wrote"):
        journal.bring(Path("pipe"))


def test_the_journal_itself_is_not_written_over(exported):
    held = exported.journal.read_bytes()
    (exported.folder / "link").symlink_to(exported.journal)
    for file in (exported.journal, exported.folder / "link"):
        with pytest.raises(InputError, match="is the journal itself"):
            journal.export(file, everything=True)
    assert exported.journal.read_bytes() == held


def test_what_a_limit_cut_was_paid_and_goes_along(asked, capsys):
    """Else a clone would say that less was paid, and would build other bytes."""
    asked.fill('{"agree": "1"}', '{"agree": "2"}', '{"agree": "3"}')
    name, cut = "0" * 16, {"finish_reason": "length"}
    with closing(Journal(asked.journal)) as held, held.locked(print):
        held.append(name, 50, asked.reply("c") | cut)
        held.append(name, 100, asked.reply("cu") | cut)
        held.append(name, 200, asked.reply("cut"))
        before = list(held.entries(name))
    journal.export(FILE, everything=True)
    assert "6 replies in" in capsys.readouterr().out
    asked.use(Path("clone") / "journal.jsonl")
    journal.bring(FILE)
    journal.bring(FILE)
    assert "0 new, 6 held already" in capsys.readouterr().out
    with closing(Journal(Path("clone") / "journal.jsonl")) as clone:
        clone.refresh()
        told = [(entry.max_tokens, entry.reply) for entry in clone.entries(name)]
    assert told == [(entry.max_tokens, entry.reply) for entry in before]
    assert len(told) == 3


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


def test_a_clone_without_a_key_has_the_same_rows_without_an_answer(asked, capsys):
    asked.fill(*TEXTS[:2])
    name = asked.requests[4]["id"]
    with closing(Journal(asked.journal)) as held, held.locked(print):
        held.note({"unanswered": {"question": name, "error": "http_400"}})
        held.note({"unanswered": {"question": "f" * 16, "error": "http_413"}})
    with pytest.raises(TeacherError, match="SOME_KEY is not set"):
        asked.generate()  # the offline teacher's are to be asked for, too
    asked._monkeypatch.setenv("SOME_KEY", "k")
    with closing(Journal(asked.journal)) as held, held.locked(print):
        held.refresh()
        _, dialogue, _ = journal.project(held, reask=0)
        for request in asked.requests[1::2]:
            held.append(dialogue.pending(request).name, 256, asked.reply('{"agree": "a"}'))
    asked._monkeypatch.delenv("SOME_KEY")
    built = asked.generate()
    assert [row["error"] for row in map(json.loads, built.splitlines())].count("http_400") == 1
    journal.export(FILE, everything=False)
    assert len(asked.lines(FILE)) == 6
    journal.export(Path("all.jsonl"), everything=True)
    assert len(asked.lines(Path("all.jsonl"))) == 7
    asked.use(Path("clone") / "journal.jsonl")
    journal.bring(FILE)
    assert "5 replies in replies/paid.jsonl: 5 new" in capsys.readouterr().out
    assert asked.generate() == built
    assert asked.attempts() == 0
    assert "no key, and nothing is lacking but" in capsys.readouterr().out
    journal.bring(FILE)
    with closing(Journal(Path("clone") / "journal.jsonl")) as clone:
        clone.refresh()
        assert list(clone.notes()) == [{"unanswered": {"question": name, "error": "http_400"}}]


@pytest.mark.parametrize(
    "told", ["x", {"question": "f" * 16}, {"question": "../x", "error": "e"},
             {"question": "f" * 16, "error": "e" * 500}]
)  # fmt: skip
def test_a_note_that_is_none_does_not_come_in(asked, told):
    FILE.parent.mkdir(exist_ok=True)
    FILE.write_bytes(encode({"v": 1, "note": {"unanswered": told}}))
    with pytest.raises(InputError, match="a note that is none"):
        journal.bring(FILE)
