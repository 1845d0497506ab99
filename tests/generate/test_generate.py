"""The stage as a whole, against servers of its own and against the offline teacher."""

import asyncio
import errno
import json
import os
import signal
import subprocess
import sys
import time

import pytest

from stages.core.asking.entries import encode
from stages.core.errors import InputError, TeacherError


def test_it_asks_once_and_then_never_again(project, serve, answer):
    async def respond(request, number):
        from aiohttp import web

        return web.json_response(answer())

    server = serve(respond)
    project.params["teachers"][0] |= {"base_url": server.url}
    project.generate()
    first = (project.folder / "replies.jsonl").read_bytes()
    assert sorted(server.asked()) == ["q0", "q1", "q2"]
    assert server.bodies[0]["temperature"] == 0.5
    assert server.bodies[0]["max_tokens"] == 256
    assert [reply["request"][-1] for reply in project.replies()] == ["0", "1", "2"]
    assert project.replies()[0]["model"] == "m-1"
    project.write(5)
    project.params["generate"] |= {"max_tokens": 1024, "max_in_flight": 2, "timeout_s": 9}
    project.generate()
    assert sorted(server.asked()) == ["q0", "q1", "q2", "q3", "q4"]
    assert project.costs()["paid"] == 2
    assert project.costs()["found"] == 3
    assert (project.folder / "replies.jsonl").read_bytes().startswith(first)


def test_a_cut_reply_is_asked_again_under_a_larger_limit_only(project, serve, answer):
    async def respond(request, number):
        from aiohttp import web

        reason = "length" if (await request.json())["max_tokens"] < 500 else "stop"
        return web.json_response(answer(finish_reason=reason))

    server = serve(respond)
    project.params["teachers"][0] |= {"base_url": server.url}
    for limit, asked in ((256, 3), (256, 3), (100, 3), (600, 6), (900, 6), (100, 6)):
        project.params["generate"]["max_tokens"] = limit
        project.generate()
        assert len(server.bodies) == asked, limit
    assert {reply["finish_reason"] for reply in project.replies()} == {"stop"}


@pytest.mark.slow
def test_the_offline_teacher_says_the_same_in_every_build(project, monkeypatch):
    project.write(150)
    project.params["offline"] |= {
        "malformed": 0.5, "rate_limited": 0.02, "failing": 0.1, "slow": 0.05, "cut": 0.1,
    }  # fmt: skip
    builds = []
    for in_flight in (32, 16):
        project.params["generate"] |= {"max_in_flight": in_flight}
        monkeypatch.setenv("TUNEGRAPH_JOURNAL", str(project.folder / f"j{in_flight}.jsonl"))
        project.generate()
        builds.append((project.folder / "replies.jsonl").read_bytes())
        costs = project.costs()
        assert costs["paid"] == 150
        assert costs["attempts"] == 150 + sum(v for k, v in costs.items() if "retried" in k)
        assert {"retried_http_500", "retried_connection"} <= set(costs)
    assert builds[0] == builds[1]
    texts = [reply["text"] for reply in project.replies()]
    plain = [{"agree": f"a{k}", "disagree": "b"} for k in range(150)]
    fits = sum(text in (json.dumps(p), json.dumps(p, indent=2))
               for text, p in zip(texts, plain, strict=True))  # fmt: skip
    assert 50 < fits < 100


@pytest.mark.slow
def test_the_offline_teacher_is_asked_again_for_what_it_would_say_no_more(project):
    project.write(50)
    project.generate()
    project.params["offline"] |= {"rate_limited": 0.1, "slow_s": 0.01}  # changes no text
    project.generate()
    assert project.costs()["paid"] == 0
    project.params["offline"] |= {"malformed": 0.5}
    project.generate()
    changed = [reply["text"] for reply in project.replies()]
    assert 10 < project.costs()["paid"] < 40
    project.journal.unlink()
    project.generate()
    assert [reply["text"] for reply in project.replies()] == changed
    truth = project.folder / "truth.jsonl"
    truth.write_text(truth.read_text().replace('"a7"', '"seven"'))
    project.generate()
    assert project.costs()["paid"] == 1


def test_the_response_schema_is_sent_where_there_is_one(project, serve, answer):
    async def respond(request, number):
        from aiohttp import web

        return web.json_response(answer())

    server = serve(respond)
    project.params["teachers"][0] |= {"base_url": server.url}
    requests = project.folder / "requests.jsonl"
    text = requests.read_text().replace('"schema": null', '"schema": {"type": "object"}', 1)
    requests.write_text(text)
    project.generate()
    sent = {body["messages"][0]["content"]: body.get("response_format") for body in server.bodies}
    asked = {"name": "record", "schema": {"type": "object"}}
    assert sent == {"q0": {"type": "json_schema", "json_schema": asked}, "q1": None, "q2": None}


def test_an_empty_list_of_requests_is_said(project, capsys):
    project.write(0)
    project.generate()
    assert project.replies() == []
    assert "asks no teacher" in capsys.readouterr().out


def test_without_a_truth_the_offline_teacher_is_refused(project):
    (project.folder / "truth.jsonl").write_text("")
    with pytest.raises(InputError, match="nothing to answer from"):
        project.generate()


def test_broken_requests_are_named_with_their_line(project):
    with (project.folder / "requests.jsonl").open("ab") as file:
        file.write(b'{"id": \xff}\n')
    with pytest.raises(InputError, match=r"requests\.jsonl:4: not UTF-8 at byte 8"):
        project.generate()


def test_a_truth_that_is_none_is_named(project):
    lines = ['{"request": "0000000000000000"}', "[]", '{"request": [], "record": {}}', "{"]
    (project.folder / "truth.jsonl").write_text("\n".join(lines))
    with pytest.raises(InputError) as raised:
        project.generate()
    assert [fault.where[-7:] for fault in raised.value.faults] == [
        f"jsonl:{number}" for number in (1, 2, 3, 4)
    ]


@pytest.mark.parametrize("base_url", ["offline", "http://127.0.0.1:9/v1"])
def test_every_line_that_is_no_request_is_named(project, base_url):
    requests = project.folder / "requests.jsonl"
    first, second, third = requests.read_text().splitlines()
    lines = [
        first,
        second.replace('"0000000000000001"', '"review-1"'),
        third.replace('"schema": null, ', ""),
        "[]",
        first,
        second.replace('"0000000000000001"', "1"),
        third.replace("0002", "000A"),
        '{"id": [' + "1," * 1000 + "1]}",
    ]
    requests.write_text("\n".join(lines) + "\n\n")
    project.params["teachers"][0] |= {"base_url": base_url}
    with pytest.raises(InputError) as raised:
        project.generate()
    assert [fault.where for fault in raised.value.faults] == [
        f"requests.jsonl:{number}" for number in (2, 3, 4, 5, 6, 7, 8)
    ]
    told = str(raised.value)
    assert "requests.jsonl:2: the id is 'review-1'\n  expected: 16 hex digits" in told
    assert "requests.jsonl:3: lacks schema" in told
    assert "requests.jsonl:5: the id 0000000000000000 is that of line 1, too" in told
    assert "to do: dvc repro prompt" in told
    assert "requests.jsonl:8: the id is a list" in told
    assert not project.journal.exists()


@pytest.mark.parametrize(
    ("key", "value", "told"),
    [
        ("teacher", 1, "is at fault in teacher"),
        ("messages", "hello", "is at fault in messages"),
        ("messages", ["hello"], "is at fault in messages"),
        ("messages", [{"role": "user", "content": None}], "is at fault in messages"),
        ("parameters", [], "is at fault in parameters"),
        ("schema", "object", "is at fault in schema"),
        ("sample", None, "is at fault in sample"),
    ],
)
def test_a_request_of_a_wrong_shape_is_named(project, key, value, told):
    requests = project.folder / "requests.jsonl"
    first, *others = requests.read_text().splitlines()
    lines = [json.dumps(json.loads(first) | {key: value}), *others]
    requests.write_text("\n".join(lines))
    project.params["teachers"][0] |= {"base_url": "http://127.0.0.1:9/v1"}
    with pytest.raises(InputError, match=rf"requests\.jsonl:1: {told}"):
        project.generate()
    assert not project.journal.exists()


def test_odd_words_and_numbers_of_a_server_spoil_nothing_that_is_paid(project, serve, answer):
    """A model's name that cannot be written would be in the journal for good."""

    async def respond(request, number):
        from aiohttp import web

        said = answer(finish_reason="\ud800") | {"model": "m\udfff"}
        said["usage"] = {"prompt_tokens": 10**400, "completion_tokens": 5}
        return web.json_response(said)

    server = serve(respond)
    prices = {"prompt": 1.0, "completion": 1.0}
    project.params["teachers"][0] |= {"base_url": server.url, "price": prices}
    for _ in range(2):
        project.generate()
    assert len(server.bodies) == 3
    for reply in project.replies():
        assert (reply["model"], reply["finish_reason"]) == ("m\ufffd", "\ufffd")
        assert (reply["prompt_tokens"], reply["completion_tokens"]) == (None, 5)
        assert reply["cost_usd"] is None


def test_of_many_faulty_lines_ten_are_told_and_the_rest_counted(project):
    requests = project.folder / "requests.jsonl"
    requests.write_text('{"id": "x"}\n' * 25)
    project.params["teachers"][0] |= {"base_url": "http://127.0.0.1:9/v1"}
    with pytest.raises(InputError) as raised:
        project.generate()
    assert len(raised.value.faults) == 11
    assert "15 more lines are at fault" in str(raised.value)


def test_a_journal_with_foreign_and_torn_lines_is_read_and_the_damage_said(
    project, serve, answer, capsys
):
    async def respond(request, number):
        from aiohttp import web

        return web.json_response(answer())

    server = serve(respond)
    project.params["teachers"][0] |= {"base_url": server.url}
    project.generate()
    first, second, third = project.journal.read_bytes().splitlines(True)
    project.journal.write_bytes(first + b"foreign\n" + second[:40] + b"\n" + third + third[:50])
    project.generate()
    assert sorted(server.asked()) == ["q0", "q1", "q1", "q2"]
    assert "2 damaged lines in" in capsys.readouterr().out
    assert project.costs()["paid"] == 1


def test_a_journal_of_another_version_is_neither_read_nor_written(project):
    other = encode({"v": 2, "request": "0" * 16, "max_tokens": 1, "reply": {}})
    project.journal.write_bytes(other)
    with pytest.raises(InputError, match="an entry of version 2\n  expected: version 1"):
        project.generate()
    assert project.journal.read_bytes() == other


@pytest.mark.parametrize(("bad", "stops"), [(10, False), (11, True), (20, True)])
def test_most_without_an_answer_stop_the_build_and_few_do_not(
    project, serve, answer, capsys, bad, stops
):
    async def respond(request, number):
        from aiohttp import web

        asked = (await request.json())["messages"][0]["content"]
        if int(asked[1:]) >= 21 - bad:
            return web.json_response({"error": {"message": "not for me"}}, status=400)
        return web.json_response(answer())

    server = serve(respond)
    project.write(21)
    project.params["teachers"][0] |= {"base_url": server.url}
    if not stops:
        project.generate()
        assert f"{bad} without an answer" in capsys.readouterr().out
        assert project.costs()["failed"] == bad
        return
    with pytest.raises(TeacherError) as raised:
        project.generate()
    told = str(raised.value)
    assert f"{bad} of 21 requests have no answer: {bad} times http_400" in told
    assert "every reply that arrived is kept" in told
    assert len(journalled(project)) == 21 - bad
    assert [reply["error"] is None for reply in project.replies()].count(False) == bad


def test_a_missing_key_is_named_before_anything_is_sent(project, serve, answer, monkeypatch):
    async def respond(request, number):
        from aiohttp import web

        return web.json_response(answer())

    server = serve(respond)
    monkeypatch.delenv("SOME_KEY", raising=False)
    project.params["teachers"][0] |= {"base_url": server.url, "api_key_env": "SOME_KEY"}
    with pytest.raises(TeacherError, match="environment variable SOME_KEY is not set"):
        project.generate()
    assert server.bodies == []
    assert not project.journal.exists()
    monkeypatch.setenv("SOME_KEY", "sk-secret-1")
    project.generate()
    assert set(server.keys) == {"Bearer sk-secret-1"}
    monkeypatch.delenv("SOME_KEY")
    project.generate()  # all is in the journal: no key is needed
    for path in project.folder.iterdir():
        assert b"sk-secret-1" not in path.read_bytes(), path


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (401, {"message": "Incorrect API key provided: sk-secret-1", "code": "invalid_api_key"}),
        (402, {"message": "pay"}),
        (403, {"message": "no"}),
        (404, {"message": "no such model"}),
        (429, {"message": "quota", "code": "insufficient_quota"}),
    ],
)
def test_a_refused_account_stops_and_keeps_what_arrived(
    project, serve, answer, monkeypatch, status, error
):
    async def respond(request, number):
        from aiohttp import web

        if number > 5:
            return web.json_response({"error": error}, status=status)
        return web.json_response(answer())

    server = serve(respond)
    project.write(40)
    monkeypatch.setenv("SOME_KEY", "sk-secret-1")
    project.params["teachers"][0] |= {"base_url": server.url, "api_key_env": "SOME_KEY"}
    project.params["generate"]["max_in_flight"] = 2
    with pytest.raises(TeacherError, match="every reply that arrived is kept") as raised:
        project.generate()
    assert "sk-secret-1" not in str(raised.value)
    assert len(server.bodies) <= 7
    assert project.journal.read_text().count("\n") == 5
    assert not (project.folder / "replies.jsonl").exists()


def test_a_stop_does_not_wait_for_those_who_wait(project, serve, answer):
    async def respond(request, number):
        from aiohttp import web

        await asyncio.sleep(0.3)  # until all are on their way
        if (await request.json())["messages"][0]["content"] == "q0":
            return web.json_response({}, status=429, headers={"retry-after": "60"})
        return web.json_response({}, status=401)

    server = serve(respond)
    project.params["teachers"][0] |= {"base_url": server.url}
    begun = time.monotonic()
    with pytest.raises(TeacherError, match="http_401: the key was not accepted"):
        project.generate()
    assert time.monotonic() - begun < 5
    assert len(server.bodies) == 3


def test_interrupted_it_ends_without_a_traceback_and_keeps_what_arrived(project, serve, answer):
    async def respond(request, number):
        from aiohttp import web

        await asyncio.sleep(0.03)
        return web.json_response(answer())

    server = serve(respond)
    process = subprocess.Popen(
        slow(server.url, project), cwd=project.folder, stderr=subprocess.PIPE, text=True
    )
    while len(journalled(project)) < 5:
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate()
    assert process.returncode == 130
    assert "Traceback" not in said
    assert 5 <= len(journalled(project)) < 60


@pytest.mark.parametrize(
    ("headers", "least"),
    [({"retry-after": "0.4"}, 0.4), ({"retry-after-ms": "300"}, 0.3), ({}, 0.25)],
)
def test_a_wait_that_is_asked_for_is_kept(project, serve, answer, headers, least):
    at = []

    async def respond(request, number):
        from aiohttp import web

        at.append(time.monotonic())
        if number == 1:
            return web.json_response({"error": {}}, status=429, headers=headers)
        return web.json_response(answer())

    server = serve(respond)
    project.write(1)
    project.params["teachers"][0] |= {"base_url": server.url}
    project.generate()
    assert len(at) == 2
    assert least <= at[1] - at[0] < least + 2
    assert project.costs()["retried_http_429"] == 1


def test_rows_that_stay_without_an_answer_are_errors_and_asked_again(project, serve, answer):
    healed = False

    async def respond(request, number):
        from aiohttp import web

        asked = (await request.json())["messages"][0]["content"]
        if asked == "q1" and not healed:
            return web.json_response({"error": {"message": "too long for me"}}, status=400)
        if asked == "q2" and not healed:
            return web.Response(text="<html>busy</html>")
        return web.json_response(answer())

    server = serve(respond)
    project.params["generate"]["max_retries"] = 1
    project.params["teachers"][0] |= {"base_url": server.url}
    project.generate()
    errors = [reply["error"] for reply in project.replies()]
    assert errors == [None, "http_400", "no_answer"]
    assert server.asked().count("q1") == 1
    assert server.asked().count("q2") == 2
    healed = True
    project.generate()
    assert [reply["error"] for reply in project.replies()] == [None, None, None]
    assert server.asked().count("q0") == 1


@pytest.mark.parametrize(
    ("key", "quoted"),
    [("gsk-abcdef123", "gsk-abcdef123"), ("abcdef-12345", "abcdef-***"), ("xyz", "sk-pro***k45")],
)
def test_a_key_that_a_server_quotes_is_nowhere(project, serve, monkeypatch, capsys, key, quoted):
    async def respond(request, number):
        from aiohttp import web

        return web.json_response({"error": {"message": f"no: {quoted} !"}}, status=400)

    server = serve(respond)
    monkeypatch.setenv("SOME_KEY", key)
    project.params["teachers"][0] |= {"base_url": server.url, "api_key_env": "SOME_KEY"}
    project.generate()
    assert {reply["error"] for reply in project.replies()} == {"http_400"}
    said = capsys.readouterr().out
    assert "no: *** !" in said or "no: abcdef-*** !" in said
    for part in (quoted, quoted[:6]):
        assert part not in said
        assert part not in (project.folder / "replies.jsonl").read_text()


def test_a_server_that_never_answers_ends_the_run(project):
    project.params["teachers"][0] |= {"base_url": "http://127.0.0.1:9/v1"}
    project.params["generate"]["max_retries"] = 0
    with pytest.raises(TeacherError, match=r"has not answered once.*last: connection"):
        project.generate()


def test_a_server_that_hangs_is_given_up(project, serve, answer):
    async def respond(request, number):
        from aiohttp import web

        if number == 1:
            await asyncio.sleep(3)
        return web.json_response(answer())

    server = serve(respond)
    project.write(1)
    project.params["teachers"][0] |= {"base_url": server.url}
    project.params["generate"] |= {"timeout_s": 0.2}
    project.generate()
    assert project.costs()["retried_timeout"] == 1


def test_a_full_disk_ends_the_run_and_keeps_the_earlier_replies(project, monkeypatch):
    written, write = [], os.write

    def filling(file, data):
        if not data.startswith(b'{"sha"'):
            return write(file, data)
        written.append(data)
        if len(written) > 2:
            write(file, data[:20])
            return 20
        return write(file, data)

    project.write(50)
    monkeypatch.setattr(os, "write", filling)
    with pytest.raises(OSError, match="No space left") as raised:
        project.generate()
    assert raised.value.errno == errno.ENOSPC
    assert raised.value.filename == str(project.journal)
    assert 3 <= len(written) <= 2 + 8  # those that were in flight
    monkeypatch.undo()
    assert project.journal.read_bytes() == b"".join(written[:2])


def slow(server_url, project, seconds=0.03):
    project.write(60)
    project.params["teachers"][0] |= {"base_url": server_url}
    project.params["generate"]["max_in_flight"] = 4
    return [sys.executable, "-m", "stages.generate", *project.command()]


def journalled(project):
    if not project.journal.exists():
        return []
    lines = project.journal.read_bytes().split(b"\n")[:-1]
    entries = [json.loads(line)["entry"] for line in lines]
    return [f"q{int(entry['request'], 16)}" for entry in entries if "note" not in entry]


def test_killed_in_the_middle_it_asks_for_no_reply_again(project, serve, answer):
    async def respond(request, number):
        from aiohttp import web

        await asyncio.sleep(0.03)
        return web.json_response(answer())

    server = serve(respond)
    command = slow(server.url, project)
    process = subprocess.Popen(command, cwd=project.folder)
    while len(journalled(project)) < 10:
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    arrived = journalled(project)
    assert 10 <= len(arrived) < 60
    with project.journal.open("ab") as file:  # and a line that the kill tore
        file.write(b'{"sha":"0123456789abcdef","entry":{"max_to')
    subprocess.run(command, cwd=project.folder, check=True)
    asked = server.asked()
    assert [asked.count(question) for question in arrived] == [1] * len(arrived)
    assert len(asked) <= 60 + 4  # what was in flight
    assert len(project.replies()) == 60
    assert len(journalled(project)) == 60


def test_two_runs_at_once_pay_once(project, serve, answer):
    async def respond(request, number):
        from aiohttp import web

        await asyncio.sleep(0.02)
        return web.json_response(answer())

    server = serve(respond)
    command = slow(server.url, project)
    other = [*command[:-3], "others.jsonl", *command[-2:]]
    runs = [
        subprocess.Popen(each, cwd=project.folder, stdout=subprocess.PIPE, text=True)
        for each in (command, other)
    ]
    said = [run.communicate()[0] for run in runs]
    assert [run.returncode for run in runs] == [0, 0]
    assert sorted(server.asked()) == sorted(f"q{k}" for k in range(60))
    assert sum("waiting for it to end" in each for each in said) == 1
    first, second = (project.folder / name for name in ("replies.jsonl", "others.jsonl"))
    assert first.read_bytes() == second.read_bytes()
