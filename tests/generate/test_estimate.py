"""What is told before the first request is sent."""

from contextlib import closing

import pytest

from stages.core.asking.budget import Budget
from stages.core.asking.dialogue import Dialogue
from stages.core.asking.estimate import dollars, duration, summary, table
from stages.core.asking.journal import Journal
from stages.core.asking.survey import survey

TEACHER = {"name": "t", "weight": 1.0, "model": "gpt-x", "base_url": None,
           "price": {"prompt": 1.0, "completion": 2.0}}  # fmt: skip
SETTINGS = {"mode": "live", "max_tokens": 100, "max_in_flight": 4, "requests_per_minute": None,
            "tokens_per_minute": None, "budget_usd": None}  # fmt: skip


def request(number, teacher="t"):
    messages = [{"role": "user", "content": "x" * 400}]
    return {"id": f"{number:016x}", "teacher": teacher, "model": "gpt-x", "messages": messages,
            "parameters": {}, "schema": None, "sample": 0}  # fmt: skip


def reply(**changes):
    return {"text": "{}", "finish_reason": "stop", "model": "gpt-x-2026", "prompt_tokens": 200,
            "completion_tokens": 30, "cost_usd": 260e-6} | changes  # fmt: skip


@pytest.fixture
def journal(tmp_path):
    with closing(Journal(tmp_path / "j.jsonl")) as journal, journal.locked(print):
        yield journal


def look(journal, requests, teachers=(TEACHER,), **settings):
    teachers, settings = list(teachers), SETTINGS | settings
    dialogue = Dialogue(journal, lambda request: request["id"], settings["max_tokens"])
    budget = Budget.of({"teachers": teachers, "generate": settings})
    return survey(requests, dialogue, budget, teachers, settings)


def test_with_nothing_known_four_characters_are_a_token_and_answers_have_no_length(journal):
    [one] = look(journal, map(request, range(10)))
    assert (one.found, one.pending) == (0, 10)
    assert one.prompt_tokens == 1000
    assert one.completion_tokens is None
    assert one.most_completion_tokens == 1000
    assert one.usd is None
    assert 10 * 600e-6 < one.most_usd < 10 * 620e-6
    assert one.time_s is None
    told = summary([one])
    assert told == (
        "10 to ask: about 1,000 tokens in and at most 1,000 out; at most $0.0062; "
        "nothing is known yet of how long it takes"
    )


def test_the_journal_teaches_what_to_expect(journal):
    for number, seconds in ((0, 1.0), (1, 3.0)):
        journal.append(f"{number:016x}", 100, reply(), seconds)
    [one] = look(journal, map(request, range(22)))
    assert (one.found, one.pending) == (2, 20)
    assert one.prompt_tokens == 20 * 200
    assert one.completion_tokens == 20 * 30
    assert one.usd == pytest.approx(20 * 260e-6)
    assert one.found_usd == pytest.approx(520e-6)
    assert one.time_s == 20 / 4 * 2.0
    assert summary([one]) == (
        "20 to ask: about 4,000 tokens in and 600 out; about $0.0052, at most $0.012; about 10 s; "
        "2 are in the journal ($0.00052 paid)"
    )


def test_answers_to_other_requests_of_the_same_model_teach_the_length(journal):
    journal.append("f" * 16, 100, reply(), 2.0)
    journal.append("e" * 16, 100, reply(model="other", completion_tokens=1000))
    [one] = look(journal, map(request, range(8)))
    assert one.found == 0
    assert one.prompt_tokens == 800  # its prompt is not known
    assert one.completion_tokens == 8 * 30
    assert one.time_s == 4.0


def test_a_cut_reply_is_found_paid_and_pending(journal):
    journal.append(f"{0:016x}", 50, reply(finish_reason="length", completion_tokens=50))
    [one] = look(journal, [request(0)])
    assert (one.found, one.pending) == (1, 1)
    assert one.found_usd == pytest.approx(260e-6)


@pytest.mark.parametrize(
    ("limits", "seconds"),
    [
        ({"requests_per_minute": 40}, 30.0),
        ({"tokens_per_minute": 1000}, 60 * 20 * 230 / 1000),
        ({"requests_per_minute": 40, "max_in_flight": 1}, 40.0),
        ({"max_in_flight": 100}, 2.0),
    ],
)
@pytest.mark.parametrize("own", [False, True])
def test_the_time_follows_from_the_limits(journal, limits, seconds, own):
    journal.append(f"{0:016x}", 100, reply(), 2.0)
    teacher = TEACHER | limits if own else TEACHER
    settings = {} if own else limits
    [one] = look(journal, map(request, range(21)), [teacher], **settings)
    assert one.time_s == pytest.approx(seconds)


def test_several_teachers_are_told_apart_and_summed(journal):
    free = TEACHER | {"name": "o", "base_url": "offline", "price": None}
    unpriced = TEACHER | {"name": "u", "price": None}
    requests = [request(0), request(1, "o"), request(2, "u"), request(3, "u")]
    found = look(journal, requests, [TEACHER, free, unpriced])
    assert [one.pending for one in found] == [1, 1, 2]
    assert "4 to ask" in summary(found)
    assert "cost unknown (no price: u)" in summary(found)
    assert "free" in summary(found[1:2])
    rows = table(found)
    assert [row[0] for row in rows] == ["", "t", "o", "u", "in all"]
    assert [row[3] for row in rows[1:]] == ["1", "1", "2", "4"]
    assert rows[3][7:9] == rows[4][7:9] == ("?", "?")
    assert rows[2][7:9] == ("$0.00", "$0.00")


def test_a_batch_takes_its_time(journal):
    journal.append(f"{0:016x}", 100, reply(), 2.0)
    [one] = look(journal, map(request, range(3)), mode="batch")
    assert one.time_s is None
    assert "a batch takes up to a day" in summary([one])


@pytest.mark.parametrize(
    ("usd", "told"),
    [(0, "$0.00"), (1234.5, "$1,234.50"), (0.1, "$0.10"), (0.0123, "$0.012"), (None, "?"),
     (0.00001234, "$0.000012")],
)  # fmt: skip
def test_amounts_are_spelled_for_the_eye(usd, told):
    assert dollars(usd) == told


@pytest.mark.parametrize(
    ("seconds", "told"),
    [(0, "0 s"), (0.2, "1 s"), (75, "75 s"), (90, "1.5 min"), (3000, "50 min"), (9000, "2.5 h"),
     (360000, "100 h"), (None, "?")],
)  # fmt: skip
def test_times_are_spelled_for_the_eye(seconds, told):
    assert duration(seconds) == told


def test_it_is_said_before_the_first_request_and_only_then(project, serve, answer, capsys):
    said_before = []

    async def respond(request, number):
        from aiohttp import web

        said_before.append(capsys.readouterr().out)
        return web.json_response(answer())

    server = serve(respond)
    project.params["teachers"][0] |= {"base_url": server.url}
    project.params["generate"]["max_in_flight"] = 1
    project.generate()
    assert said_before[0].startswith("generate: 3 to ask: about ")
    project.generate()
    assert "to ask" not in capsys.readouterr().out
