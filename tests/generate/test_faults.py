"""Every single fault of a teacher: each row is a row or has its reason, none is lost or swapped."""

import asyncio
import json
import socket
import struct
import time

import pytest

from stages.core.asking.verdict import FILTERED
from stages.core.errors import TeacherError

ROWS = 12
BAD = {3, 7}  # the questions that get the fault
SAID = {"length": '{"agree": "a3', "refusal": "I cannot", "empty": "", "filter": None}


@pytest.fixture(autouse=True)
def soon(monkeypatch):
    """Wait less after a failure."""
    monkeypatch.setattr("stages.core.asking.pace.BACKOFF_S", 0.05)


def reset(request):
    """Reset the connection (RST) instead of a reply."""
    raw = request.transport.get_extra_info("socket")
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    request.transport.abort()


async def faulty(request, fault, answer):
    """Answer a request with a fault."""
    from aiohttp import web

    match fault:
        case "429":
            headers = {"retry-after-ms": "30"}
            return web.json_response({"error": {"message": "slow"}}, status=429, headers=headers)
        case "500" | "503":
            return web.json_response({"error": {"message": "oops"}}, status=int(fault))
        case "400":
            error = {"message": f"too long: {id(request)}", "code": "context_length_exceeded"}
            return web.json_response({"error": error}, status=400)
        case "azure filter":
            error = {"message": "The response was filtered", "code": "content_filter"}
            return web.json_response({"error": error}, status=400)
        case "moderation":
            error = {"message": "Your input was flagged", "code": 403, "metadata": {"reasons": []}}
            return web.json_response({"error": error}, status=403)
        case "hang":
            await asyncio.sleep(3600)
        case "reset":
            reset(request)
        case "cut":
            response = web.StreamResponse(headers={"content-length": "1000"})
            await response.prepare(request)
            await response.write(b'{"choices": [{"mess')
            request.transport.close()
            return response
        case "html":
            return web.Response(text="<html>502 Bad Gateway</html>", content_type="text/html")
        case "choices":
            return web.json_response(answer() | {"choices": []})
        case "error at 200":
            return web.json_response({"error": {"message": "overloaded", "code": 502}})
        case "length":
            return web.json_response(answer(SAID[fault], finish_reason="length"))
        case "refusal":
            message = {"content": None, "refusal": SAID[fault]}
            return web.json_response(answer(message=message))
        case "empty":
            return web.json_response(answer(SAID[fault]))
        case "filter":
            return web.json_response(answer(None, finish_reason="content_filter"))
    return web.Response()


def teacher(fault, answer, times=None):
    """Return what responds: some questions get the fault, so many times or for ever."""
    faults = {}

    async def respond(request, number):
        from aiohttp import web

        k = int((await request.json())["messages"][0]["content"][1:])
        faults[k] = faults.get(k, 0) + 1
        if k in BAD and (times is None or faults[k] <= times):
            return await faulty(request, fault, answer)
        await asyncio.sleep(0.02)
        return web.json_response(answer(json.dumps({"agree": f"a{k}"})))

    return respond


def generate(project, server, **settings):
    project.write(ROWS)
    project.params["teachers"][0] |= {"base_url": server.url}
    project.params["generate"] |= {"max_retries": 2, "timeout_s": 1, "max_in_flight": 32} | settings
    project.generate()
    replies = project.replies()
    assert [reply["request"] for reply in replies] == [f"{k:016x}" for k in range(ROWS)]
    for k, reply in enumerate(replies):
        if k not in BAD:
            assert json.loads(reply["text"]) == {"agree": f"a{k}"}, k
            assert reply["error"] is None
    return [replies[k] for k in sorted(BAD)]


PASSING = ["429", "500", "503", "hang", "reset", "cut", "html", "choices", "error at 200"]


@pytest.mark.parametrize("fault", PASSING)
def test_what_passes_is_asked_again(project, serve, answer, fault):
    server = serve(teacher(fault, answer, times=1))
    for k, reply in zip(sorted(BAD), generate(project, server, timeout_s=0.2), strict=True):
        assert json.loads(reply["text"]) == {"agree": f"a{k}"}
    assert len(server.bodies) == ROWS + len(BAD)
    assert len(project.journal.read_bytes().splitlines()) == ROWS


@pytest.mark.parametrize(
    ("fault", "error", "asked"),
    [
        ("500", "http_500", 3),
        ("503", "http_503", 3),
        ("reset", "connection", 3),
        ("cut", "connection", 3),
        ("html", "no_answer", 3),
        ("choices", "no_answer", 3),
        ("error at 200", "http_502", 3),
        ("400", "http_400 context_length_exceeded", 1),
    ],
)
def test_what_does_not_pass_is_an_error_of_its_row(project, serve, answer, fault, error, asked):
    server = serve(teacher(fault, answer))
    for reply in generate(project, server):
        assert (reply["text"], reply["error"], reply["cost_usd"]) == (None, error, None)
    for k in BAD:
        assert server.asked().count(f"q{k}") == asked
    assert project.journal.read_bytes().count(b'"reply":') == ROWS - len(BAD)


@pytest.mark.parametrize(
    ("fault", "finish_reason"),
    [
        ("length", "length"),
        ("refusal", "refusal"),
        ("empty", "stop"),
        ("filter", FILTERED),
        ("azure filter", FILTERED),
        ("moderation", FILTERED),
    ],
)
def test_what_asking_again_would_not_change_is_a_reply(
    project, serve, answer, fault, finish_reason
):
    server = serve(teacher(fault, answer))
    for reply in generate(project, server):
        assert (reply["finish_reason"], reply["error"]) == (finish_reason, None)
        assert reply["text"] == SAID.get(fault)
    assert len(server.bodies) == ROWS
    project.generate()
    assert len(server.bodies) == ROWS


@pytest.mark.parametrize(
    ("status", "error", "told"),
    [
        (401, {"message": "bad key"}, "http_401: the key was not accepted"),
        (402, {"message": "pay first"}, "http_402: payment is required .*pay first"),
        (429, {"code": "insufficient_quota", "message": "all gone"}, "the quota is used up"),
    ],
)
def test_a_fault_of_the_account_stops_all_and_keeps_what_arrived(
    project, serve, answer, status, error, told
):
    async def respond(request, number):
        from aiohttp import web

        if number > 4:
            return web.json_response({"error": error}, status=status)
        return web.json_response(answer('{"agree": "x"}'))

    server = serve(respond)
    with pytest.raises(TeacherError, match=told):
        generate(project, server, max_in_flight=2)
    assert len(server.bodies) <= 6
    assert len(project.journal.read_bytes().splitlines()) == 4


def test_when_the_first_several_are_refused_alike_all_is_stopped(project, serve, answer):
    async def respond(request, number):
        from aiohttp import web

        error = {"message": "Unsupported value: temperature", "code": "unsupported_value"}
        return web.json_response({"error": error}, status=400)

    server = serve(respond)
    project.write(300)
    project.params["teachers"][0] |= {"base_url": server.url}
    project.params["generate"]["max_in_flight"] = 4
    with pytest.raises(TeacherError, match=r"not answered once.*Unsupported value: temperature"):
        project.generate()
    assert 8 <= len(server.bodies) <= 12


def test_when_the_first_several_are_refused_but_others_are_on_their_way_they_are_awaited(
    project, serve, answer
):
    async def respond(request, number):
        from aiohttp import web

        k = int((await request.json())["messages"][0]["content"][1:])
        await asyncio.sleep(0.8 if k >= 9 else 0.4)
        if k < 9:
            return web.json_response({"error": {"message": "too long"}}, status=400)
        return web.json_response(answer())

    server = serve(respond)
    project.write(40)
    project.params["teachers"][0] |= {"base_url": server.url}
    project.params["generate"]["max_in_flight"] = 12
    project.generate()
    errors = [reply["error"] for reply in project.replies()]
    assert errors == ["http_400"] * 9 + [None] * 31


def test_a_server_that_goes_away_stops_all_before_every_row_was_tried(project, serve, answer):
    async def respond(request, number):
        from aiohttp import web

        if number > 5:
            return web.json_response({"error": {"message": "down"}}, status=502)
        return web.json_response(answer())

    server = serve(respond)
    project.write(300)
    project.params["teachers"][0] |= {"base_url": server.url}
    project.params["generate"] |= {"max_in_flight": 4, "max_retries": 0}
    with pytest.raises(TeacherError, match=r"has not answered the last 8 questions.*http_502 down"):
        project.generate()
    assert len(server.bodies) <= 5 + 8 + 4
    assert len(project.journal.read_bytes().splitlines()) == 5


def test_nothing_but_429_ends(project, serve, answer):
    async def respond(request, number):
        from aiohttp import web

        if number > 5:
            error = {"message": "Daily limit reached"}
            headers = {"retry-after-ms": "20"}
            return web.json_response({"error": error}, status=429, headers=headers)
        return web.json_response(answer())

    server = serve(respond)
    project.write(300)
    project.params["teachers"][0] |= {"base_url": server.url}
    project.params["generate"] |= {"max_in_flight": 4, "max_retries": 3}
    with pytest.raises(TeacherError, match=r"nothing but http_429.*Daily limit reached"):
        project.generate()
    assert len(server.bodies) <= 5 + 12


@pytest.mark.slow
def test_a_storm_against_a_real_server(project, serve, answer):
    """40 requests a second, 10 at once; Retry-After in whole seconds."""
    level, at = 10.0, time.monotonic()

    async def respond(request, number):
        from aiohttp import web

        nonlocal level, at
        now = time.monotonic()
        level, at = min(10.0, level + (now - at) * 40), now
        if level < 1:
            return web.json_response({}, status=429, headers={"retry-after": "1"})
        level -= 1
        k = int((await request.json())["messages"][0]["content"][1:])
        await asyncio.sleep(0.05 + k % 6 * 0.05)
        return web.json_response(answer(json.dumps({"agree": f"a{k}"})))

    server = serve(respond)
    project.write(200)
    project.params["teachers"][0] |= {"base_url": server.url}
    project.params["generate"]["max_in_flight"] = 64
    begun = time.monotonic()
    project.generate()
    seconds = time.monotonic() - begun
    texts = [json.loads(reply["text"])["agree"] for reply in project.replies()]
    assert texts == [f"a{k}" for k in range(200)]
    assert 201 <= len(server.bodies) <= 210  # 5 %
    assert seconds < 11  # 4.75 at best; two pauses of a second are asked for


def test_a_teacher_who_answered_in_an_earlier_run_is_not_doubted(project, serve, answer):
    async def respond(request, number):
        from aiohttp import web

        if int((await request.json())["messages"][0]["content"][1:]) >= 20:
            return web.json_response({"error": {"message": "too long"}}, status=400)
        return web.json_response(answer())

    server = serve(respond)
    project.write(31)
    project.params["teachers"][0] |= {"base_url": server.url}
    for asked in (31, 31 + 11):
        project.generate()
        errors = [reply["error"] for reply in project.replies()]
        assert errors == [None] * 20 + ["http_400"] * 11
        assert len(server.bodies) == asked
