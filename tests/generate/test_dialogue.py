"""Re-asking: bounded, every attempt kept, none paid twice."""

import json


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
