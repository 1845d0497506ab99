"""The limit is never exceeded, nothing paid is lost, and what is missing is told."""

import json
import re

import pytest

from stages.core.asking.budget import Budget
from stages.core.asking.dialogue import Question
from stages.core.asking.entries import Entry
from stages.core.errors import ConfigError, TeacherError

PRICE = {"prompt": 1.0, "completion": 2.0}


def question(text="12345678", schema=None, teacher="t"):
    messages = [{"role": "user", "content": text}]
    return Question("0" * 16, "1" * 16, teacher, "m", messages, {}, schema)


def budget(limit=None, price=PRICE):
    return Budget(limit, {"t": price}, max_tokens=100)


def test_a_question_is_reserved_with_the_most_that_it_can_cost():
    least = (8 + 100 * 2.0) / 1e6
    assert least < budget().most_usd(question()) < least + 20e-6
    longer = budget().most_usd(question("é" * 8)) - budget().most_usd(question())
    assert longer == pytest.approx(8e-6)  # bytes, not characters
    assert budget().most_usd(question("\ud800")) > 0  # a reply that is sent back may hold one
    schema = {"type": "object", "description": "x" * 1000}
    assert budget().most_usd(question(schema=schema)) > budget().most_usd(question()) + 1000e-6
    assert budget(price=None).most_usd(question()) == 0.0


def test_what_is_held_and_what_is_spent_stay_below_the_limit():
    most = budget().most_usd(question())
    held = budget(limit=2.5 * most)
    assert held.reserve(question()) == held.reserve(question()) == most
    assert held.reserve(question()) is None
    held.settle(most, most / 4)
    assert held.reserve(question()) == most
    held.settle(most, 0.0)  # not answered
    held.settle(most, None)  # answered, without a count of tokens: the most
    assert held.held_usd == 0.0
    assert held.spent_usd == pytest.approx(1.25 * most)
    assert held.unknown == 1


def test_what_is_held_returns_to_nothing():
    one = budget(limit=1.0)
    for k in range(1, 200):
        held = [one.reserve(question("x" * (k * j))) for j in range(3)]
        for each in held:
            one.settle(each, 0.0)
        assert one.held_usd == 0.0


def test_without_a_price_nothing_is_held_and_nothing_unknown():
    free = budget(limit=0.0, price=None)
    held = free.reserve(question())
    assert held == 0.0
    free.settle(held, None)
    assert (free.spent_usd, free.unknown) == (0.0, 0)


@pytest.mark.parametrize(
    ("reply", "price", "usd"),
    [
        ({"cost_usd": 0.5, "prompt_tokens": 10, "completion_tokens": 5}, PRICE, 0.5),
        ({"cost_usd": 0.5, "prompt_tokens": 10, "completion_tokens": 5}, None, 0.5),
        ({"cost_usd": None, "prompt_tokens": 10, "completion_tokens": 5}, PRICE, 20e-6),
        ({"cost_usd": None, "prompt_tokens": 10, "completion_tokens": 5}, None, 0.0),
        ({"cost_usd": None, "prompt_tokens": None, "completion_tokens": None}, None, 0.0),
    ],
)
def test_what_a_reply_of_the_journal_did_cost(reply, price, usd):
    entry = Entry("0" * 16, 100, reply, None, False)
    assert budget(price=price).cost_usd(question(), entry) == pytest.approx(usd)


def test_a_reply_without_a_count_of_tokens_did_cost_the_most():
    unknown = {"cost_usd": None, "prompt_tokens": None, "completion_tokens": 5}
    entry = Entry("0" * 16, 700, unknown, None, False)
    cost = budget().cost_usd(question(), entry)
    assert cost == budget().most_usd(question(), 700) > budget().most_usd(question())


@pytest.fixture
def paid(project, serve, answer):
    """A project whose teacher has a price: each reply costs 10 + 2 * 5 tokens, 20e-6 usd."""

    async def respond(request, number):
        from aiohttp import web

        return web.json_response(answer())

    project.server = serve(respond)
    project.teacher = project.params["teachers"][0]
    project.teacher |= {"base_url": project.server.url, "price": dict(PRICE)}
    project.settings = project.params["generate"]
    project.settings |= {"max_tokens": 5, "max_in_flight": 2}
    project.write(20)
    return project


def test_at_the_limit_it_stops_keeps_what_was_paid_and_goes_on_when_it_is_raised(paid, capsys):
    paid.settings["budget_usd"] = 200e-6  # ten replies, but for the reserve
    with pytest.raises(TeacherError) as raised:
        paid.generate()
    told = str(raised.value)
    arrived = len(paid.server.bodies)
    assert 7 <= arrived <= 10
    assert paid.journal.read_text().count("\n") == arrived
    assert "params.yaml: generate.budget_usd: used up" in told
    assert f"${arrived * 20e-6:.5f} of $0.00020 are spent" in told
    assert f"{arrived} of 20 requests are answered" in told
    assert re.search(r"the rest costs about \$0\.000[23]", told)
    assert "raise it, or set generate.on_budget: continue" in told
    assert f"{arrived} replies arrived in this run and are kept" in capsys.readouterr().out
    assert not (paid.folder / "replies.jsonl").exists()
    with pytest.raises(TeacherError, match="used up"):  # running again does not slip past it
        paid.generate()
    assert len(paid.server.bodies) - arrived <= 10 - arrived
    paid.settings["budget_usd"] = 1.0
    paid.generate()
    assert sorted(paid.server.asked()) == sorted(f"q{k}" for k in range(20))
    costs = paid.costs()
    assert costs["paid"] + costs["found"] == 20
    assert costs["usd"] + costs["found_usd"] == pytest.approx(400e-6)
    assert costs["failed"] == 0


def test_the_part_that_was_paid_is_accepted_on_request(paid, capsys):
    paid.settings |= {"budget_usd": 200e-6, "on_budget": "continue"}
    paid.generate()
    arrived = len(paid.server.bodies)
    assert 7 <= arrived <= 10
    errors = [reply["error"] for reply in paid.replies()]
    assert errors.count("over_budget") == 20 - arrived
    assert errors.count(None) == arrived
    assert f"{20 - arrived} left out: generate.budget_usd is used up" in capsys.readouterr().out
    assert paid.costs()["failed"] == 20 - arrived


def test_a_budget_of_nothing_asks_nothing(paid):
    paid.settings["budget_usd"] = 0
    with pytest.raises(TeacherError, match=r"\$0\.00 of \$0\.00 are spent; 0 of 20 requests"):
        paid.generate()
    assert paid.server.bodies == []


def test_a_budget_without_a_price_is_refused_before_anything_is_sent(paid):
    paid.settings["budget_usd"] = 1.0
    paid.teacher["price"] = None
    others = {"base_url": "http://127.0.0.1:9/v1", "weight": 1.0, "model": "x"}
    paid.params["teachers"] += [{"name": "u", **others}, {"name": "v", "price": PRICE, **others}]
    idle = {"name": "x", "base_url": "http://127.0.0.1:9/v1", "weight": 0, "model": "x"}
    paid.params["teachers"].append(idle)  # asked nothing: `check` lets it pass, too
    paid.params["teachers"].append({"name": "w", "base_url": "offline", "weight": 1, "model": "y"})
    with pytest.raises(ConfigError) as raised:
        paid.generate()
    where = [fault.where for fault in raised.value.faults]
    assert where == ["params.yaml: teachers.t.price", "params.yaml: teachers.u.price"]
    assert "{prompt: ..., completion: ...}" in str(raised.value)
    assert paid.server.bodies == []
    assert not paid.journal.exists()


def test_a_teacher_of_weight_0_that_old_requests_name_needs_its_price(paid):
    paid.settings["budget_usd"] = 1.0
    paid.teacher |= {"price": None, "weight": 0}
    with pytest.raises(ConfigError, match=r"teachers\.t\.price: is missing"):
        paid.generate()
    assert paid.server.bodies == []


def test_a_part_that_was_accepted_is_completed_when_the_budget_is_raised(paid):
    paid.settings |= {"budget_usd": 200e-6, "on_budget": "continue"}
    paid.generate()
    part = paid.replies()
    paid.generate()  # nothing more fits, or as much as the limit has room for
    assert len(paid.server.bodies) <= 10
    assert sum(reply["error"] is None for reply in paid.replies()) <= 10
    paid.settings["budget_usd"] = 1.0
    paid.generate()
    assert [reply["error"] for reply in paid.replies()] == [None] * 20
    assert len(paid.server.bodies) == 20
    kept = [reply for reply in part if reply["error"] is None]
    assert [reply for reply in paid.replies() if reply in kept] == kept
    assert paid.costs()["usd"] + paid.costs()["found_usd"] == pytest.approx(400e-6)


def test_replies_that_a_lower_limit_cut_were_paid_too(paid, serve, answer):
    async def respond(request, number):
        from aiohttp import web

        reason = "length" if (await request.json())["max_tokens"] < 6 else "stop"
        return web.json_response(answer(finish_reason=reason))

    paid.teacher["base_url"] = serve(respond).url
    paid.write(3)
    paid.settings["budget_usd"] = 500e-6
    paid.generate()
    assert paid.costs()["usd"] == pytest.approx(60e-6)
    paid.settings["max_tokens"] = 6
    paid.generate()
    costs = paid.costs()
    assert (costs["paid"], costs["found"]) == (3, 0)
    assert costs["usd"] == costs["found_usd"] == pytest.approx(60e-6)
    for reply in paid.replies():  # the same is counted where the data are
        assert (reply["attempts"], reply["prompt_tokens"]) == (1, 20)
        assert reply["cost_usd"] == pytest.approx(40e-6)
    paid.write(4)
    paid.settings["budget_usd"] = 121e-6
    with pytest.raises(TeacherError, match=r"\$0\.00012 of \$0\.00012 are spent; 3 of 4"):
        paid.generate()


def test_replies_without_a_count_of_tokens_are_taken_for_the_dearest(paid, serve, answer, capsys):
    asked = []

    async def respond(request, number):
        from aiohttp import web

        asked.append(number)
        return web.json_response(answer() | {"usage": None})

    paid.teacher["base_url"] = serve(respond).url
    most = (2 + 16 + 5 * 2.0) / 1e6
    paid.settings["budget_usd"] = 4.5 * most
    for _ in range(2):
        with pytest.raises(TeacherError, match="4 of 20 requests are answered"):
            paid.generate()
    assert len(asked) == 4
    said = capsys.readouterr().out
    assert said.count("4 replies came without a count of tokens") == 1
    assert {json.loads(line)["entry"]["reply"]["cost_usd"]
            for line in paid.journal.read_text().splitlines()} == {None}  # fmt: skip


def test_what_each_teacher_has_cost_is_told_apart(paid, answer, serve):
    async def respond(request, number):
        from aiohttp import web

        return web.json_response(answer())

    other = dict(paid.teacher, name="u", base_url=serve(respond).url)
    other["price"] = {"prompt": 10.0, "completion": 20.0}
    paid.params["teachers"].append(other)
    requests = paid.folder / "requests.jsonl"
    lines = requests.read_text().splitlines(True)
    lines[5:] = [line.replace('"teacher": "t"', '"teacher": "u"') for line in lines[5:]]
    requests.write_text("".join(lines))
    paid.generate()
    costs = paid.costs()
    assert costs["teachers"]["t"]["usd"] == pytest.approx(100e-6)
    assert costs["teachers"]["u"]["usd"] == pytest.approx(3000e-6)
    assert costs["usd"] == pytest.approx(3100e-6)
    assert {name: each["paid"] for name, each in costs["teachers"].items()} == {"t": 5, "u": 15}
