"""Who has no key builds what the run with the key has built, rows without an answer included."""

import pytest

from stages.core.errors import TeacherError


def test_without_a_key_the_errors_are_those_of_the_run_before(project, serve, answer, monkeypatch):
    async def respond(request, number):
        from aiohttp import web

        asked = (await request.json())["messages"][0]["content"]
        if asked == "q1":
            return web.json_response({"error": {"message": "no"}}, status=400)
        return web.json_response(answer())

    server = serve(respond)
    project.params["teachers"][0] |= {"base_url": server.url, "api_key_env": "SOME_KEY"}
    monkeypatch.setenv("SOME_KEY", "k")
    for _ in range(2):  # with a key it is asked again, and noted once
        project.generate()
    built = (project.folder / "replies.jsonl").read_bytes()
    assert [reply["error"] for reply in project.replies()] == [None, "http_400", None]
    assert len(server.bodies) == 4
    assert project.journal.read_text().count("unanswered") == 1
    monkeypatch.delenv("SOME_KEY")
    project.generate()
    assert (project.folder / "replies.jsonl").read_bytes() == built
    assert len(server.bodies) == 4
    project.write(4)
    with pytest.raises(TeacherError, match="SOME_KEY is not set"):
        project.generate()


def test_a_part_that_was_accepted_is_accepted_without_a_key(project, serve, answer, monkeypatch):
    async def respond(request, number):
        from aiohttp import web

        return web.json_response(answer())

    server = serve(respond)
    price = {"prompt": 1000.0, "completion": 1000.0}
    entry = {"base_url": server.url, "api_key_env": "SOME_KEY", "price": price}
    project.params["teachers"][0] |= entry
    project.params["generate"] |= {"budget_usd": 0.33, "on_budget": "continue", "max_in_flight": 1}
    project.write(30)
    monkeypatch.setenv("SOME_KEY", "k")
    project.generate()
    built = (project.folder / "replies.jsonl").read_bytes()
    left_out = [reply["error"] for reply in project.replies()].count("over_budget")
    assert 0 < left_out < 30
    monkeypatch.delenv("SOME_KEY")
    project.generate()
    assert (project.folder / "replies.jsonl").read_bytes() == built
    project.params["generate"]["on_budget"] = "stop"
    with pytest.raises(TeacherError, match="SOME_KEY is not set"):
        project.generate()
