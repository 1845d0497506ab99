"""The pool: several teachers, a budget, and what is found out about a teacher while asking."""

import asyncio
import json
import time

import pytest

from stages.core.asking.dialect import Dialect, is_closed
from stages.core.asking.dialogue import Question
from stages.core.asking.verdict import judge_status
from stages.core.errors import TeacherError

CLOSED = {
    "type": "object",
    "properties": {"agree": {"type": "string"}},
    "required": ["agree"],
    "additionalProperties": False,
}


@pytest.mark.parametrize(
    ("schema", "closed"),
    [
        (CLOSED, True),
        ({"type": "object"}, False),
        (CLOSED | {"required": []}, False),
        (CLOSED | {"additionalProperties": True}, False),
        (CLOSED | {"properties": {"agree": {"type": "array", "items": CLOSED}}}, True),
        (CLOSED | {"properties": {"agree": {"type": "array", "items": {"type": "object"}}}}, False),
        (CLOSED | {"$defs": {"part": {"properties": {"x": {}}}}}, False),
        (CLOSED | {"properties": {"agree": {"anyOf": [CLOSED, {"type": "null"}]}}}, True),
    ],
)
def test_what_may_be_sent_as_strict(schema, closed):
    assert is_closed(schema) is closed


def with_schema(project, count, schema=CLOSED):
    project.write(count)
    path = project.folder / "requests.jsonl"
    path.write_text(path.read_text().replace('"schema": null', f'"schema": {json.dumps(schema)}'))


def forms(server):
    """How the schema was sent, request after request: strict, plain or off."""
    sent = [body.get("response_format") for body in server.bodies]
    return ["strict" if each and each["json_schema"].get("strict") else "plain" if each else "off"
            for each in sent]  # fmt: skip


@pytest.mark.parametrize(
    ("status", "message", "declined", "sent"),
    [
        # Named: as strict, as plain, then never again.
        (400, "response_format is not supported", ("strict", "plain"), ["strict", "plain", "off"]),
        (400, "Invalid schema: strict is not for me", ("strict",), ["strict", "plain"]),
        # Not named, but answered without.
        (400, "bad request", ("strict", "plain"), ["strict", "off"]),
        (404, "no endpoint", ("strict", "plain"), ["strict", "off"]),
        # A 5xx is believed when it was seen twice.
        (500, "cannot parse grammar", ("strict", "plain"), ["strict", "off", "strict", "off"]),
    ],
)
def test_without_the_schema_where_it_is_declined(
    project, serve, answer, capsys, status, message, declined, sent
):
    async def respond(request, number):
        from aiohttp import web

        form = (await request.json()).get("response_format")
        form = "off" if not form else "strict" if form["json_schema"].get("strict") else "plain"
        if form in declined:
            return web.json_response({"error": {"message": message}}, status=status)
        return web.json_response(answer('{"agree": "x"}'))

    server = serve(respond)
    with_schema(project, 30)
    project.params["teachers"][0] |= {"base_url": server.url}
    project.generate()
    assert forms(server)[: len(sent)] == sent
    assert set(forms(server)[len(sent) :]) == {sent[-1]}
    answered = sum(form not in declined for form in sent)
    assert len(server.bodies) == 30 + len(sent) - answered
    said = capsys.readouterr().out
    assert said.count("teacher t declines") == 1
    assert {reply["error"] for reply in project.replies()} == {None}


def test_a_passing_fault_does_not_switch_the_schema_off(project, serve, answer, capsys):
    async def respond(request, number):
        from aiohttp import web

        if number == 1:
            return web.json_response({"error": {"message": "oops"}}, status=500)
        return web.json_response(answer('{"agree": "x"}'))

    server = serve(respond)
    with_schema(project, 20)
    project.params["teachers"][0] |= {"base_url": server.url}
    project.generate()
    assert forms(server) == ["strict", "off"] + 19 * ["strict"]
    assert "declines" not in capsys.readouterr().out


def test_a_server_that_ignores_the_schema_is_told_of_once(project, serve, answer, capsys):
    async def respond(request, number):
        from aiohttp import web

        return web.json_response(answer("Sure! Here it is: {}"))

    server = serve(respond)
    with_schema(project, 20)
    project.params["teachers"][0] |= {"base_url": server.url}
    project.generate()
    assert forms(server) == 20 * ["strict"]
    assert capsys.readouterr().out.count("seems to ignore the schema") == 1


def test_a_fault_of_the_row_is_not_taken_for_one_of_the_schema(project, serve, answer, capsys):
    async def respond(request, number):
        from aiohttp import web

        if (await request.json())["messages"][0]["content"] in ("q0", "q5"):
            return web.json_response({"error": {"message": "too long"}}, status=400)
        return web.json_response(answer('{"agree": "x"}'))

    server = serve(respond)
    with_schema(project, 20)
    project.params["teachers"][0] |= {"base_url": server.url}
    project.generate()
    assert forms(server) == ["strict", "off"] + 19 * ["strict"]
    assert [reply["error"] for reply in project.replies()].count("http_400") == 2
    assert "declines" not in capsys.readouterr().out


@pytest.mark.parametrize("known", ["max_tokens", "max_completion_tokens"])
def test_the_other_key_of_the_limit_where_one_is_declined(project, serve, answer, capsys, known):
    async def respond(request, number):
        from aiohttp import web

        body = await request.json()
        if known not in body:
            message = "Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead."
            error = {"message": message, "code": "unsupported_parameter"}
            return web.json_response({"error": error}, status=400)
        assert body[known] == 256
        return web.json_response(answer())

    server = serve(respond)
    project.write(30)
    project.params["teachers"][0] |= {"base_url": server.url}
    project.generate()
    declined = sum(known not in body for body in server.bodies)
    assert len(server.bodies) == 30 + declined
    assert declined <= (8 if known == "max_completion_tokens" else 0)
    said = capsys.readouterr().out.count("max_completion_tokens is sent instead")
    assert said == (known == "max_completion_tokens")


def test_the_key_of_the_limit_is_changed_once_and_not_for_its_size():
    dialect = Dialect("http://127.0.0.1:1/v1")
    question = Question("n", "r", "t", "m", [], {}, None)
    body = dialect.spell(question, 9)
    large = judge_status(400, {}, {"message": "max_tokens is too large: 9"})
    unknown = judge_status(400, {}, {"message": "Unsupported parameter: max_tokens"})
    assert dialect.other_limit(body, large) is None
    assert dialect.other_limit(body, unknown)
    assert dialect.other_limit(body, unknown) == ""
    back = judge_status(422, {}, {"message": "max_completion_tokens: extra inputs"})
    assert dialect.other_limit(dialect.spell(question, 9), back) is None
    assert Dialect(None).limit == "max_completion_tokens"
    assert Dialect("https://api.openai.com/v1").limit == "max_completion_tokens"
    assert Dialect("https://api.openai.com.example.org/v1").limit == "max_tokens"


def two_teachers(project, first, second, rows):
    """Make every second request another teacher's."""
    project.write(rows)
    path = project.folder / "requests.jsonl"
    requests = [json.loads(line) for line in path.read_text().splitlines()]
    for request in requests[1::2]:
        request["teacher"] = "other"
    path.write_text("".join(json.dumps(request) + "\n" for request in requests))
    entry = project.params["teachers"][0]
    project.params["teachers"] = [
        entry | {"base_url": first.url, "max_in_flight": 2},
        entry | {"name": "other", "base_url": second.url, "max_in_flight": 4},
    ]


def test_a_teacher_who_is_kept_waiting_does_not_hold_the_other(project, serve, answer):
    begun, done = time.monotonic(), []

    async def throttled(request, number):
        from aiohttp import web

        if number == 1:
            return web.json_response({}, status=429, headers={"retry-after": "3"})
        return web.json_response(answer())

    async def free(request, number):
        from aiohttp import web

        done.append(time.monotonic() - begun)
        return web.json_response(answer())

    two_teachers(project, serve(throttled), serve(free), 60)
    project.generate()
    assert len(done) == 30
    assert done[-1] < 3
    assert {reply["error"] for reply in project.replies()} == {None}


def test_a_teacher_has_as_many_in_flight_as_it_may(project, serve, answer):
    most = {"t": 0, "other": 0}

    def counting(name):
        now = 0

        async def respond(request, number):
            from aiohttp import web

            nonlocal now
            now += 1
            most[name] = max(most[name], now)
            await asyncio.sleep(0.1)
            now -= 1
            return web.json_response(answer())

        return respond

    two_teachers(project, serve(counting("t")), serve(counting("other")), 40)
    project.generate()
    assert most == {"t": 2, "other": 4}


def test_a_refused_teacher_stops_the_other_too_and_keeps_what_arrived(project, serve, answer):
    async def respond(request, number):
        from aiohttp import web

        await asyncio.sleep(0.02)
        return web.json_response(answer())

    async def refuse(request, number):
        from aiohttp import web

        return web.json_response({}, status=401 if number > 3 else 500)

    server = serve(respond)
    two_teachers(project, server, serve(refuse), 400)
    with pytest.raises(TeacherError, match=r"teacher other .*http_401"):
        project.generate()
    arrived = len(project.journal.read_bytes().splitlines())
    assert 0 < arrived == len(server.bodies) < 200


def test_the_budget_is_waited_for_then_ends_the_asking(project, serve, answer):
    async def respond(request, number):
        from aiohttp import web

        await asyncio.sleep(0.02)
        return web.json_response(answer())

    server = serve(respond)
    project.write(40)
    # A reply costs 5 usd; at most it can cost 256. So few are on their way at once, and all of the
    # budget but less than one question's most is spent.
    price = {"prompt": 0, "completion": 1_000_000}
    project.params["teachers"][0] |= {"base_url": server.url, "price": price}
    project.params["generate"] |= {"budget_usd": 300, "on_budget": "continue"}
    project.generate()
    errors = [reply["error"] for reply in project.replies()]
    assert len(server.bodies) == errors.count(None) == 9
    assert errors.count("over_budget") == 31
