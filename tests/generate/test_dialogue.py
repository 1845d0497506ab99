"""Re-asking: bounded, every attempt kept, none paid twice."""

import json

import pytest

from stages.core.asking import dialogue
from stages.core.asking.dialogue import Question, final


def test_a_rejected_reply_is_sent_back_with_the_reason(project, serve, answer):
    async def respond(request, number):
        from aiohttp import web

        messages = (await request.json())["messages"]
        text = '{"agree": "better"}' if len(messages) > 3 else f"no {len(messages)}"
        return web.json_response(answer(text))

    server = serve(respond)
    project.params["teachers"][0] |= {"base_url": server.url}
    project.params["teachers"][0]["price"] = {"prompt": 1.0, "completion": 2.0}
    paid = {}
    for reask in (0, 1, 2, 3, 2, 0):
        project.params["generate"]["reask"] = reask
        project.generate()
        paid[reask] = project.costs()["paid"]
    assert len(server.bodies) == 9
    assert paid == {0: 0, 1: 3, 2: 0, 3: 0}
    assert {reply["text"] for reply in project.replies()} == {"no 1"}
    project.params["generate"]["reask"] = 3
    project.generate()
    assert project.costs()["paid"] == 0
    for reply in project.replies():
        assert reply["text"] == '{"agree": "better"}'
        assert reply["attempts"] == 3
        assert reply["cost_usd"] == 6e-05
        assert [each["text"] for each in reply["earlier"]] == ["no 1", "no 3"]
        assert "no brace" in reply["earlier"][0]["objection"]
        assert (reply["prompt_tokens"], reply["completion_tokens"]) == (30, 15)  # of all three
        for each in reply["earlier"]:
            assert (each["prompt_tokens"], each["completion_tokens"]) == (10, 5)
            assert each["finish_reason"] == "stop"
    last = server.bodies[-1]["messages"]
    assert [each["role"] for each in last] == ["user", "assistant", "user", "assistant", "user"]
    assert "cannot be used: there is no JSON object" in last[2]["content"]


def test_what_asking_again_will_not_change_is_left(project, serve, answer):
    async def respond(request, number):
        from aiohttp import web

        return web.json_response(answer('{"agree', finish_reason="length"))

    server = serve(respond)
    project.params["teachers"][0] |= {"base_url": server.url}
    project.params["generate"]["reask"] = 2
    project.generate()
    assert len(server.bodies) == 3
    assert json.loads(project.journal.read_text().splitlines()[0])["entry"]["max_tokens"] == 256


def question(**parameters):
    return Question("0" * 16, "r", "t", "m", [], parameters, None)


@pytest.mark.parametrize(
    ("reason", "text", "parameters", "expected"),
    [
        ("length", '{"a', {}, True),
        ("content_filter", "a", {}, True),
        ("stop", None, {}, True),
        ("stop", " \n", {}, True),
        ("refusal", "no", {"temperature": 0}, True),
        ("refusal", "no", {"temperature": 0.7}, False),
        ("refusal", "no", {}, False),
        ("stop", "no", {"temperature": 0}, False),
        ("unknown", "no", {}, False),
    ],
)
def test_what_another_answer_can_mend(reason, text, parameters, expected):
    assert final(question(**parameters), {"finish_reason": reason, "text": text}) is expected


def asking(project, serve, respond, reask=1, **settings):
    """Ask a server that gets the messages, once for each request of the project."""

    async def answer(request, number):
        from aiohttp import web

        said = respond((await request.json())["messages"])
        return web.Response(status=said) if isinstance(said, int) else web.json_response(said)

    server = serve(answer)
    project.params["teachers"][0] |= {"base_url": server.url}
    project.params["generate"] |= {"reask": reask, "max_retries": 0, **settings}
    return server


def test_another_wording_costs_nothing(project, serve, answer, monkeypatch):
    server = asking(project, serve, lambda messages: answer("{}" if messages[1:] else "no"))
    project.generate()
    monkeypatch.setattr(dialogue, "WORDING", "Better: {objection}")
    project.generate()
    assert len(server.bodies) == 6
    assert project.costs()["paid"] == 0
    assert {reply["text"] for reply in project.replies()} == {"{}"}


def test_another_schema_sends_back_what_does_not_fit_it(project, serve, answer):
    said = ['{"a": 1}', '{"b": 1}']
    server = asking(project, serve, lambda messages: answer(said[len(messages) > 1]))
    project.generate()
    assert len(server.bodies) == 3
    (project.folder / "schema.json").write_text('{"type": "object", "required": ["b"]}')
    project.generate()
    assert len(server.bodies) == 6
    assert "schema" in server.bodies[-1]["messages"][2]["content"]
    assert {reply["text"] for reply in project.replies()} == {'{"b": 1}'}
    (project.folder / "schema.json").write_text('{"type": "object"}')
    project.generate()
    assert len(server.bodies) == 6
    assert [reply["attempts"] for reply in project.replies()] == [1] * 3


@pytest.mark.parametrize("status", [400, 500])
def test_a_reask_without_an_answer_keeps_the_earlier_text(project, serve, answer, status):
    healed = False

    def respond(messages):
        if not messages[1:]:
            return answer("no")
        return answer("{}") if healed else status

    server = asking(project, serve, respond)
    project.generate()
    assert len(server.bodies) == 6
    for reply in project.replies():
        assert (reply["text"], reply["error"], reply["attempts"]) == ("no", None, 1)
    healed = True
    project.generate()  # the question is not asked again, the re-ask is
    assert [len(body["messages"]) for body in server.bodies[6:]] == [3] * 3
    assert {reply["text"] for reply in project.replies()} == {"{}"}


def test_the_budget_may_end_between_a_reply_and_its_reask(project, serve, answer):
    project.params["teachers"][0]["price"] = {"prompt": 0.0, "completion": 1.0}
    # After three replies of five tokens, one more of at most 256 does not fit for certain.
    server = asking(project, serve, lambda messages: answer("{}" if messages[1:] else "no"),
                    budget_usd=270e-6, on_budget="continue", max_in_flight=1)  # fmt: skip
    project.generate()
    assert [reply["text"] for reply in project.replies()] == ["{}", "no", None]
    assert [reply["error"] for reply in project.replies()] == [None, None, "over_budget"]
    project.params["generate"]["budget_usd"] = 1.0
    project.generate()
    assert [reply["text"] for reply in project.replies()] == ["{}"] * 3
    assert len(server.bodies) == 6


def test_a_reask_that_is_cut_is_asked_again_under_a_larger_limit(project, serve, answer):
    limit = 256

    def respond(messages):
        if not messages[1:]:
            return answer("no")
        return answer("{}") if limit > 256 else answer("{", finish_reason="length")

    server = asking(project, serve, respond)
    for _ in range(2):
        project.generate()
        assert {reply["finish_reason"] for reply in project.replies()} == {"length"}
    assert len(server.bodies) == 6
    project.params["generate"]["max_tokens"] = limit = 512
    project.generate()
    assert len(server.bodies) == 9
    assert [reply["text"] for reply in project.replies()] == ["{}"] * 3
    assert [reply["attempts"] for reply in project.replies()] == [2] * 3
    # What the lower limit had cut was paid, too.
    assert [reply["prompt_tokens"] for reply in project.replies()] == [30] * 3


def test_half_a_character_is_sent_back_as_one_that_says_so(project, serve, answer):
    server = asking(project, serve, lambda messages: answer("{}" if messages[1:] else "\ud83d!"))
    project.generate()
    assert [body["messages"][1]["content"] for body in server.bodies[3:]] == ["\ufffd!"] * 3
    assert len({reply["earlier"][0]["text"] for reply in project.replies()}) == 1
    assert "\\ud83d!" in project.journal.read_text()
