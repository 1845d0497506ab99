"""The server of the measurements answers, limits and misbehaves as it says."""

import http.client
import json
import time
import urllib.request
from urllib.parse import urlsplit

import pytest


class Client:
    """Asks questions as plain HTTP."""

    def __init__(self, server):
        self.server = server
        self.host = urlsplit(server.base_url).netloc

    def ask(self, number, timeout=5):
        body = {"model": "m", "messages": [{"role": "user", "content": f"Review {number}. Say."}]}
        connection = http.client.HTTPConnection(self.host, timeout=timeout)
        try:
            connection.request(
                "POST", "/v1/chat/completions", json.dumps(body),
                {"content-type": "application/json"},
            )  # fmt: skip
            reply = connection.getresponse()
            return reply.status, dict(reply.getheaders()), reply.read()
        finally:
            connection.close()


@pytest.fixture(scope="module")
def server(bench):
    with bench("generating").serving() as server:
        yield server


@pytest.fixture
def client(server):
    server.behave()
    return Client(server)


def choice(reply):
    status, _, body = reply
    assert status == 200
    return json.loads(body)["choices"][0]


def test_the_answer_is_that_of_the_question(bench, client, server):
    record = bench("server").record
    texts = [choice(client.ask(number))["message"]["content"] for number in (7, 8, 7)]
    assert [json.loads(text) for text in texts] == [record(7), record(8), record(7)]
    assert texts[0] != texts[1]
    assert server.questions() == {"asked": {7: [0, 0], 8: [0]}, "answered": {7: [0, 0], 8: [0]}}
    stats = server.stats()
    assert (stats["requests"], stats["answered"], stats["limited"]) == (3, 3, 0)
    assert stats["first_s"] <= stats["last_s"] <= time.time()


def test_a_change_keeps_the_counts_and_begins_an_epoch(client, server):
    client.ask(7)
    server.change(latency_s=0.0)
    client.ask(7)
    assert server.questions()["answered"] == {7: [0, 1]}
    server.behave()
    assert server.questions()["answered"] == {}


def test_the_bucket_lets_through_what_it_holds_and_then_its_rate(bench):
    now = 100.0
    bucket = bench("server").Bucket(40, 10, lambda: now)
    assert [bucket.take() for _ in range(10)] == [0.0] * 10
    assert bucket.take() == pytest.approx(1 / 40)
    now += 1 / 40
    assert bucket.take() == 0.0
    assert bucket.take() > 0
    now += 60
    assert sum(bucket.take() == 0.0 for _ in range(20)) == 10


@pytest.mark.parametrize(
    ("wait", "header"),
    [
        ("none", None), ("seconds", "retry-after"), ("ms", "retry-after-ms"),
        ("date", "retry-after"), ("reset", "x-ratelimit-reset-requests"),
        ("reset-always", "x-ratelimit-reset-requests"),
    ],
)  # fmt: skip
def test_a_429_says_how_long_to_wait_in_the_style_that_was_asked_for(client, server, wait, header):
    server.behave(rate=0.5, burst=1, wait=wait)
    first, second = client.ask(1), client.ask(2)
    assert (first[0], second[0]) == (200, 429)
    told = {key.lower(): value for key, value in second[1].items()}
    waits = {key: value for key, value in told.items() if "retry" in key or "ratelimit" in key}
    assert (header in waits) if header else not waits
    assert ("x-ratelimit-reset-requests" in first[1]) == (wait == "reset-always")
    assert server.stats()["limited"] == 1
    spelled = {
        "seconds": lambda text: int(text) == 2,
        "ms": lambda text: 1000 < int(text) <= 2000,
        "date": lambda text: text.endswith("GMT"),
        "reset": lambda text: text.endswith("s") and 1 < float(text[:-1]) <= 2,
    }
    if header:
        assert spelled[wait.removesuffix("-always")](told[header])


@pytest.mark.parametrize(
    ("fault", "status", "code"),
    [
        ("429", 429, "rate_limit_exceeded"), ("500", 500, None), ("401", 401, "invalid_api_key"),
        ("402", 402, None), ("403", 403, None), ("quota", 429, "insufficient_quota"),
    ],
)  # fmt: skip
def test_a_refusal_hits_the_chosen_questions_so_many_times(client, server, fault, status, code):
    server.behave(fault=fault, every=10, times=1)
    statuses = [client.ask(number)[0] for number in (3, 3, 4, 13)]
    assert statuses == [status, 200, 200, status]
    assert json.loads(client.ask(23)[2])["error"]["code"] == code
    assert server.questions()["answered"] == {3: [0], 4: [0]}


@pytest.mark.parametrize(
    ("fault", "finish", "content"),
    [
        ("length", "length", '{"number": 3'), ("refusal", "stop", None), ("empty", "stop", ""),
        ("filter", "content_filter", None),
    ],
)  # fmt: skip
def test_an_unusable_answer_is_whole_and_counts_as_paid(client, server, fault, finish, content):
    server.behave(fault=fault)
    found = choice(client.ask(3))
    said = found["message"]["content"]
    assert found["finish_reason"] == finish
    assert said == content or (content and said.startswith(content))
    assert bool(found["message"]["refusal"]) == (fault == "refusal")
    assert server.stats()["answered"] == 1


def test_what_is_no_answer_is_not_paid(client, server):
    broken = {
        "reset": ConnectionResetError, "cut": http.client.IncompleteRead, "hang": TimeoutError,
    }  # fmt: skip
    for fault, error in broken.items():
        server.behave(fault=fault)
        with pytest.raises(error):
            client.ask(3, timeout=0.3)
        assert server.stats()["answered"] == 0
    server.behave(fault="html")
    assert client.ask(3)[2].startswith(b"<html>")
    server.behave(fault="choices")
    assert json.loads(client.ask(3)[2])["choices"] == []
    assert server.stats()["answered"] == 0


def test_a_fault_of_the_account_comes_after_so_many_answers(client, server):
    server.behave(fault="401", after=3)
    assert [client.ask(number)[0] for number in range(5)] == [200, 200, 200, 401, 401]


def test_a_latency_that_is_spread_is_the_same_for_the_same_question(bench):
    module = bench("server")
    behaviour = module.Behaviour(latency_s=1.0, spread=0.5)
    found = [module.latency_s(behaviour, number) for number in range(200)]
    assert found == [module.latency_s(behaviour, number) for number in range(200)]
    assert 0.5 <= min(found) < 0.6
    assert 1.4 < max(found) <= 1.5


def test_an_unknown_behaviour_is_not_taken(server):
    with pytest.raises(urllib.error.HTTPError, match="500"):
        server.behave(latency=1.0)
