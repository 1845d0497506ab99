"""Replies that a recipe ships: no key is needed, nothing is paid, a faulty file changes nothing."""

import json
from contextlib import closing
from pathlib import Path

import pytest

from stages.check.replies import check_replies
from stages.core.asking import exported
from stages.core.asking.exported import entries, line
from stages.core.asking.journal import Journal
from stages.core.errors import InputError, TeacherError

SHIPPED = Path("shipped.jsonl")


def reply(text, **more):
    told = {"attempts": 1, "text": text, "finish_reason": "stop", "model": "m", "error": None}
    return told | {"prompt_tokens": 9, "completion_tokens": 3, "cost_usd": 0.001} | more


def body(at, text, max_tokens=256, **more):
    return {"v": 1, "request": f"{at:016x}", "max_tokens": max_tokens, "reply": reply(text, **more)}


def ship(*bodies):
    SHIPPED.write_text("".join(line(each) + "\n" for each in bodies))


@pytest.fixture
def keyless(project, monkeypatch):
    """Return a project whose teacher is a real API, of which no key is here."""
    monkeypatch.delenv("SOME_KEY", raising=False)
    project.params["teachers"][0] |= {
        "base_url": "https://api.example.com/v1", "api_key_env": "SOME_KEY",
    }  # fmt: skip
    return project


def held(project):
    with closing(Journal(project.journal)) as journal:
        journal.refresh()
        return {name: journal.reply(name)["text"] for name in sorted(journal.names())}


def test_no_key_is_needed_where_all_is_shipped(keyless, capsys):
    ship(*(body(at, f"shipped {at}") for at in range(3)))
    keyless.generate()
    assert [each["text"] for each in keyless.replies()] == [f"shipped {at}" for at in range(3)]
    told = capsys.readouterr().out
    assert "generate: 3 of 3 replies of shipped.jsonl taken in\n" in told
    assert "3 requests: 0 asked now, 3 from the journal" in told
    costs = keyless.costs()
    assert (costs["paid"], costs["found"], costs["attempts"], costs["usd"]) == (0, 3, 0, 0)
    assert costs["found_usd"] == 0.003
    before, size = keyless.replies(), keyless.journal.stat().st_size
    keyless.generate()
    assert "taken in" not in capsys.readouterr().out
    assert (keyless.replies(), keyless.journal.stat().st_size) == (before, size)


def test_what_is_not_shipped_still_needs_the_key(keyless):
    ship(body(0, "shipped 0"))
    with pytest.raises(TeacherError, match=r"SOME_KEY is not set\n(.*\n)*.*nothing was spent"):
        keyless.generate()
    assert held(keyless) == {f"{0:016x}": "shipped 0"}


def test_what_was_paid_stays_and_what_is_shipped_is_not_asked_again(project):
    """The journal's reply to q0 stays, q1 comes from the file, q2 alone is asked."""
    with closing(Journal(project.journal)) as journal, journal.locked(print):
        journal.append(f"{0:016x}", 256, reply("paid before"))
    ship(body(0, "shipped 0"), body(1, "shipped 1"), body(7, "of another recipe"))
    project.params["teachers"][0] |= {"base_url": "http://127.0.0.1:9/v1"}  # where nobody listens
    project.params["generate"]["max_retries"] = 0
    project.generate()
    texts = [each["text"] for each in project.replies()]
    assert texts == ["paid before", "shipped 1", None]
    assert project.costs()["attempts"] == 1
    assert held(project) == {
        f"{0:016x}": "paid before", f"{1:016x}": "shipped 1", f"{7:016x}": "of another recipe",
    }  # fmt: skip


def test_a_shipped_reply_that_a_limit_cut_gives_way_to_a_whole_one(keyless):
    keyless.write(1)
    cut = {"finish_reason": "length"}
    ship(body(0, "cu", 10, **cut), body(0, "whole", 20))
    keyless.generate()
    assert [each["text"] for each in keyless.replies()] == ["whole"]
    ship(body(0, "cut again", 400, **cut))
    keyless.generate()
    assert [each["text"] for each in keyless.replies()] == ["whole"]


@pytest.mark.parametrize("rest", [b"", b'{"sha":"0123', b'{"sha":"0123456789abcdef","entry":{"ma'])
def test_killed_in_between_the_rest_comes_in_the_next_time(keyless, monkeypatch, rest):
    ship(*(body(at, f"shipped {at}") for at in range(3)))
    append = Journal.append

    def killed(journal, name, *about):
        if name == f"{1:016x}":
            raise KeyboardInterrupt
        append(journal, name, *about)

    monkeypatch.setattr(Journal, "append", killed)
    with pytest.raises(KeyboardInterrupt):
        keyless.generate()
    monkeypatch.undo()
    monkeypatch.setenv("TUNEGRAPH_JOURNAL", str(keyless.journal))
    monkeypatch.chdir(keyless.folder)
    with keyless.journal.open("ab") as file:
        file.write(rest)
    keyless.generate()
    assert [each["text"] for each in keyless.replies()] == [f"shipped {at}" for at in range(3)]
    assert keyless.journal.read_bytes().count(b"\n") == 3


def test_every_faulty_line_is_named_and_nothing_comes_in(keyless):
    """One sound line, and twelve at fault: all of them by check, the first ten when it is read."""
    lines = [line(body(at, f"shipped {at}")) for at in range(13)]
    lines[1] = lines[1].replace("shipped 1", "mended by hand")
    lines[2] = lines[2][:-3]
    lines[3] = "[]"
    lines[4:] = [json.dumps({"entry": {"v": 2}, "sha": ""})] * 9
    SHIPPED.write_text("\n".join(lines))
    faults = check_replies(SHIPPED)
    assert [fault.where for fault in faults] == [f"shipped.jsonl:{at}" for at in range(2, 14)]
    assert "its checksum does not fit: it was changed by hand" in faults[0].what
    assert "not JSON" in faults[1].what
    assert all("nothing is read from it" in fault.then for fault in faults)
    with pytest.raises(InputError, match="2 more lines are at fault"):
        keyless.generate()
    assert not keyless.journal.exists()
    assert not Path("replies.jsonl").exists()


def test_a_missing_file_is_a_fault_and_an_empty_line_is_none(keyless):
    SHIPPED.write_text("\n")
    assert check_replies(SHIPPED) == []
    assert list(entries(SHIPPED)) == []
    SHIPPED.unlink()
    assert [str(fault) for fault in check_replies(SHIPPED)] == [
        "error: shipped.jsonl: there is no such file\n"
        "  expected: replies to ship (tunegraph journal export), or an empty line\n"
        "  to do: echo > shipped.jsonl"
    ]


def test_nothing_shipped_costs_nothing(keyless, monkeypatch):
    """Neither a lock nor a second look at the journal, however large that is."""
    monkeypatch.setattr(exported, "Journal", None)
    with closing(Journal(keyless.journal)) as journal:
        assert exported.take(SHIPPED, journal, print) == (0, 0)
    assert not keyless.journal.exists()


def test_why_questions_had_no_answer_is_shipped_too(keyless):
    """A clone builds the same data set: with the errors of the run that was exported."""
    notes = [{"v": 1, "note": {"unanswered": {"question": f"{2:016x}", "error": "timeout"}}}]
    ship(body(0, "shipped 0"), body(1, "shipped 1"), *notes)
    keyless.generate()
    assert [each["error"] for each in keyless.replies()] == [None, None, "timeout"]
