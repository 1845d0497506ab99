import errno
import fcntl
import os
import subprocess
import sys
import tracemalloc
from contextlib import closing
from pathlib import Path
from random import Random

import pytest

from stages.core.asking.entries import decode, encode, glance, spell
from stages.core.asking.index import Index
from stages.core.asking.journal import Journal, location
from stages.core.errors import InputError

A, B, C, ODD = "00000000000000aa", "b" * 16, "0123456789abcdef", "f" * 16


def reply(text="x", finish_reason="stop"):
    return {
        "attempts": 1, "completion_tokens": 5, "cost_usd": None, "error": None,
        "finish_reason": finish_reason, "model": "m", "prompt_tokens": 10, "text": text,
    }  # fmt: skip


def never():
    raise AssertionError("nobody else holds the journal")


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "deep" / "journal.jsonl"
    with closing(Journal(path)) as journal, journal.locked(never):
        journal.append(A, 100, reply())
        journal.append(B, 100, reply(finish_reason="length"))
    return path


def reopened(path):
    journal = Journal(path)
    journal.refresh()
    return closing(journal)


def test_what_was_appended_is_found_again(path):
    with reopened(path) as journal:
        assert journal.reply(A) == reply()
        assert journal.reply(C) is None
        assert journal.damaged == 0


@pytest.mark.parametrize(
    ("request_id", "max_tokens", "has"),
    [(A, 1000, True), (B, 100, True), (B, 50, True), (B, 101, False), (C, 1, False)],
)
def test_only_a_reply_that_was_cut_depends_on_the_limit(path, request_id, max_tokens, has):
    with reopened(path) as journal:
        assert journal.has(request_id, max_tokens) is has


def test_a_later_entry_takes_the_place_of_an_earlier_one(path):
    with reopened(path) as journal:
        with journal.locked(never):
            journal.append(B, 500, reply("longer"))
        assert journal.reply(B)["text"] == "longer"
        assert journal.has(B, 1000)


@pytest.mark.parametrize("keep", range(1, 60, 7))
def test_a_torn_last_line_is_cut_and_nothing_else(path, keep):
    whole = path.read_bytes()
    path.write_bytes(whole + whole.splitlines(True)[0][:keep])
    with reopened(path) as journal:
        assert journal.has(A, 100)
        with journal.locked(never):
            journal.append(C, 100, reply())
    assert path.read_bytes().startswith(whole)
    with reopened(path) as journal:
        assert journal.has(C, 100)
        assert journal.damaged == 0


def test_a_last_line_that_lacks_but_its_newline_is_kept(path):
    path.write_bytes(path.read_bytes()[:-1])
    with reopened(path) as journal, journal.locked(never):
        assert journal.has(B, 100)
    assert path.read_bytes().endswith(b"}\n")


def test_what_follows_a_torn_line_in_the_same_run_is_read_as_written(path):
    path.write_bytes(path.read_bytes() + b'{"sha":"0123456789abcdef","entry":{"max')
    with reopened(path) as journal, journal.locked(never):
        journal.append(C, 100, reply("after the torn line"))
        assert journal.reply(C)["text"] == "after the torn line"


def test_damage_in_the_middle_loses_that_line_alone(path):
    first, second = path.read_bytes().splitlines(True)
    path.write_bytes(first.replace(b'"text":"x"', b'"text":"y"') + b"\x00\xffforeign\n" + second)
    with reopened(path) as journal:
        assert not journal.has(A, 100)
        assert journal.has(B, 100)
        assert journal.damaged == 2


def test_another_version_is_refused_not_paid_for_again(path):
    with path.open("ab") as file:
        file.write(encode({"v": 2, "request": C, "max_tokens": 1, "reply": reply()}))
    with closing(Journal(path)) as journal, pytest.raises(InputError) as raised:
        journal.refresh()
    told = str(raised.value)
    assert f"{path}, the journal of replies: holds an entry of version 2" in told
    assert "use the TuneGraph that wrote it, or move the journal away" in told


def test_text_that_is_none_is_kept_as_it_came(path):
    odd = "\ud800 \x00 \u2028 é"
    with reopened(path) as journal, journal.locked(never):
        journal.append(ODD, 1, reply(odd))
    with reopened(path) as journal:
        assert journal.reply(ODD)["text"] == odd
    assert decode(encode({"v": 1, "text": odd})) == {"v": 1, "text": odd}


def test_a_run_that_waited_sees_what_the_other_one_wrote(path):
    with reopened(path) as mine, reopened(path) as other:
        with other.locked(never):
            other.append(C, 100, reply())
        assert not mine.has(C, 100)
        with mine.locked(never):
            assert mine.has(C, 100)


def test_a_full_disk_leaves_whole_lines(path, monkeypatch):
    whole, write = path.read_bytes(), os.write
    with reopened(path) as journal, journal.locked(never):
        monkeypatch.setattr(os, "write", lambda file, data: write(file, data[:30]))
        with pytest.raises(OSError, match="No space left on device") as raised:
            journal.append(C, 100, reply())
    assert raised.value.filename == str(path)
    assert path.read_bytes() == whole


def test_where_it_is(monkeypatch):
    monkeypatch.setenv("TUNEGRAPH_JOURNAL", "/elsewhere/j.jsonl")
    assert location() == Path("/elsewhere/j.jsonl")
    monkeypatch.delenv("TUNEGRAPH_JOURNAL")
    monkeypatch.setenv("DVC_ROOT", "/main")
    assert location() == Path("/main/.cache/tunegraph/journal.jsonl")
    monkeypatch.setenv("TUNEGRAPH_JOURNAL", "paid/j.jsonl")
    assert location() == Path("/main/paid/j.jsonl")
    monkeypatch.delenv("TUNEGRAPH_JOURNAL")
    monkeypatch.delenv("DVC_ROOT")
    assert location() == Path(".cache/tunegraph/journal.jsonl")


def test_a_file_that_is_no_journal_loses_nothing(tmp_path):
    path = tmp_path / "notes.txt"
    path.write_bytes(b"first\nlast, without a newline")
    with closing(Journal(path)) as journal:
        with journal.locked(never):
            journal.append(C, 9, reply())
        assert journal.damaged == 2
        assert journal.reply(C) == reply()
    assert path.read_bytes().startswith(b"first\nlast, without a newline\n{")


def test_all_that_was_paid_for_a_question_stays_readable(path):
    with reopened(path) as journal:
        assert [entry.fresh for entry in journal.entries(B)] == [False]
        with journal.locked(never):
            journal.append(B, 500, reply("longer", "length"), seconds=1.23456)
            journal.append(B, 900, reply("whole"))
        found = list(journal.entries(B))
    assert [entry.max_tokens for entry in found] == [900, 500, 100]
    assert [entry.reply["text"] for entry in found] == ["whole", "longer", "x"]
    assert [entry.seconds for entry in found] == [None, 1.235, None]
    assert [entry.fresh for entry in found] == [True, True, False]
    with reopened(path) as journal:
        assert [entry.fresh for entry in journal.entries(B)] == [False] * 3
        assert list(journal.entries(C)) == []
        assert sorted(journal.names()) == [A, B]
        assert len(journal) == 2


def test_a_line_that_is_there_twice_was_paid_for_once(path):
    with reopened(path) as journal, journal.locked(never):
        journal.append(B, 200, reply("later", "length"))
    path.write_bytes(path.read_bytes() * 2)
    with reopened(path) as journal:
        assert len(list(journal.entries(A))) == 1
        assert [entry.max_tokens for entry in journal.entries(B)] == [200, 100]
        assert journal.damaged == 0


def test_notes_are_kept_apart_from_replies(path):
    with reopened(path) as journal, journal.locked(never):
        journal.note({"batch": "b1", "request": A})
        journal.append(C, 100, reply())
        journal.note({"batch": "b2"})
        assert journal.appended == 1
    with reopened(path) as journal:
        assert list(journal.notes()) == [{"batch": "b1", "request": A}, {"batch": "b2"}]
        assert len(journal) == 3
        assert journal.damaged == 0


def test_a_write_that_fails_on_the_way_does_not_join_the_next_line(path, monkeypatch):
    write = os.write

    def failing(file, data):
        write(file, data[:30])
        raise OSError(errno.EIO, "Input/output error")

    with reopened(path) as journal, journal.locked(never):
        with monkeypatch.context() as patched:
            patched.setattr(os, "write", failing)
            with pytest.raises(OSError, match="Input/output error"):
                journal.append(C, 100, reply("lost"))
        journal.append(ODD, 100, reply("paid, too"))  # another worker's, at the same time
    with reopened(path) as journal:
        assert journal.damaged == 0
        assert journal.reply(ODD)["text"] == "paid, too"
        assert not journal.has(C, 100)


@pytest.mark.parametrize("kind", ["folder", "device"])
def test_what_can_hold_no_replies_is_refused_before_one_is_paid(tmp_path, kind):
    path = tmp_path if kind == "folder" else Path("/dev/null")
    for use in (Journal.refresh, lambda journal: journal.locked(never).__enter__()):
        with closing(Journal(path)) as journal, pytest.raises(InputError, match="is no file"):
            use(journal)


def replaced(path):
    other = path.with_name("other")
    other.write_bytes(path.read_bytes())
    other.replace(path)


@pytest.mark.parametrize("change", [Path.unlink, replaced, lambda path: path.write_bytes(b"")])
def test_a_journal_that_is_not_the_one_that_was_read_is_not_written(path, change):
    with reopened(path) as journal:
        change(path)
        with (
            pytest.raises(InputError, match=r"replaced, cut or deleted after it was read\n.*again"),
            journal.locked(never),
        ):
            raise AssertionError("held")


@pytest.mark.parametrize("away", [Path.unlink, lambda path: path.rename(f"{path}.old"), replaced])
def test_what_was_moved_away_while_we_waited_is_not_written(path, away):
    """Else the replies would go into a file that nobody finds."""
    with (
        closing(Journal(path)) as other,
        closing(Journal(path)) as mine,
        other.locked(never),
    ):
        holder = other._file._writer
        with (
            pytest.raises(InputError, match="replaced, cut or deleted"),
            mine.locked(lambda: (away(path), fcntl.flock(holder, fcntl.LOCK_UN))),
        ):
            raise AssertionError("held")


def test_a_disk_that_locks_nothing_is_told(path, monkeypatch):
    def refuse(file, how):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", refuse)
    with (
        closing(Journal(path)) as journal,
        pytest.raises(InputError, match=r"no lock: No locks available\n.*\n.*TUNEGRAPH_JOURNAL"),
        journal.locked(never),
    ):
        raise AssertionError("held")


def test_a_journal_that_is_deleted_while_it_is_written_stops_the_run(path):
    with reopened(path) as journal, journal.locked(never):
        journal.append(C, 100, reply())
        path.unlink()
        with pytest.raises(InputError, match="was deleted while it was written"):
            journal.append(ODD, 100, reply())


def test_an_exported_file_in_its_place_is_not_passed_over(path):
    path.write_bytes(b'{"entry": {"max_tokens": 1}, "sha": "0123456789abcdef"}\n')
    with closing(Journal(path)) as journal, pytest.raises(InputError) as raised:
        journal.refresh()
    assert "holds lines that `tunegraph journal export` wrote" in str(raised.value)
    assert "`tunegraph journal import` that" in str(raised.value)


def test_a_line_whose_last_byte_was_changed_is_damaged(path):
    whole = path.read_bytes()
    path.write_bytes(whole[:-2] + b"]\n")
    with reopened(path) as journal:
        assert journal.damaged == 1
        assert not journal.has(B, 1)


@pytest.mark.parametrize(
    "entry",
    [
        {"v": 1, "request": "not hex", "max_tokens": 1, "reply": {"text": "", "finish_reason": ""}},
        {"v": 1, "request": A},
        {"v": 1, "request": A, "max_tokens": 1, "reply": {}},
        {"v": 1},
        ["v", 1],
    ],
)
def test_a_whole_line_that_is_no_entry_is_counted(path, entry):
    with path.open("ab") as file:
        file.write(encode(entry))
    with reopened(path) as journal:
        assert journal.damaged == 1
        assert len(journal) == 2


def test_words_of_a_reply_are_not_taken_for_keys():
    mean = '","finish_reason":"length","request":"ffffffffffffffff","v":1}'
    for text in (mean, mean * 3, mean[2:], "\\" + mean, '\\"' + mean):
        for seconds in ({}, {"seconds": 1.5}, {"seconds": 1e-05}):
            body = {"v": 1, "request": C, "max_tokens": 7, "reply": reply(text)} | seconds
            assert glance(spell(body)) == (C, False)
    body = {"v": 1, "request": C, "max_tokens": 7, "reply": reply(mean, "length")}
    assert glance(spell(body)) == (C, True)
    assert glance(spell(body | {"v": 2})) is None
    assert glance(spell(body | {"reply": {"a": {}, **reply()}})) is None


def test_a_reply_of_many_megabytes_comes_back_whole(path):
    long = "x\u20ac" * 2_000_000
    with reopened(path) as journal, journal.locked(never):
        journal.append(C, 100, reply(long))
        journal.append(ODD, 100, reply("short"))
        assert journal.reply(C)["text"] == long
        assert journal.reply(ODD)["text"] == "short"


FILLING = """
import resource, signal, sys
from pathlib import Path
from stages.core import entry
from stages.core.asking.journal import Journal

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
reply = {"finish_reason": "stop", "text": "x" * 900}

def main():
    journal = Journal(Path(sys.argv[1]))
    with journal.locked(print):
        for number in range(1000):
            journal.append(f"{number:016x}", 9, reply)

entry.run(main)
"""


def test_a_limit_of_the_system_is_a_full_disk(tmp_path):
    path = tmp_path / "j.jsonl"
    done = subprocess.run(
        [sys.executable, "-c", FILLING, path], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert f"error: {path}: no room left on the disk" in done.stderr
    assert "what was paid for is kept" in done.stderr
    with reopened(path) as journal:
        assert len(journal) == path.read_bytes().count(b"\n") > 90
        assert journal.damaged == 0


def test_the_index_is_a_map():
    rng, index, truth = Random(1), Index(), {}
    keys = [rng.getrandbits(64) for _ in range(3000)] + list(range(3000)) + [2**64 - 1]
    for _ in range(20000):
        key, value = rng.choice(keys), rng.getrandbits(60)
        assert index.put(key, value) == truth.get(key)
        truth[key] = value
    assert len(index) == len(truth) > 5000
    assert sorted(index) == sorted(truth)
    assert {key: index.get(key) for key in keys} == {key: truth.get(key) for key in keys}


def test_twenty_thousand_replies_take_little_memory(tmp_path):
    path = tmp_path / "j.jsonl"
    rng = Random(1)
    with path.open("wb") as file:
        for _ in range(20_000):
            body = {"v": 1, "request": f"{rng.getrandbits(64):016x}", "max_tokens": 9}
            file.write(encode(body | {"reply": {"finish_reason": "stop", "text": "{}"}}))
    tracemalloc.start()
    with reopened(path) as journal:
        held, peak = tracemalloc.get_traced_memory()
        assert len(journal) == 20_000
    tracemalloc.stop()
    assert held < 20_000 * 60
    assert peak < 20_000 * 90
