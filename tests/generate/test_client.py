import json
from email.utils import formatdate
from time import time

import pytest

from stages.generate.client import Teacher, cost_usd, public_model, read
from stages.generate.verdict import NoAnswerError, wait_asked


@pytest.mark.parametrize(
    ("headers", "least", "most"),
    [
        ({"retry-after": "2"}, 2, 2),
        ({"retry-after": "0.5"}, 0.5, 0.5),
        ({"retry-after-ms": "250", "retry-after": "9"}, 0.25, 0.25),
        ({"retry-after": "-3"}, 0, 0),
    ],
)
def test_a_wait_in_seconds_or_milliseconds(headers, least, most):
    assert least <= wait_asked(headers) <= most


@pytest.mark.parametrize(("ahead_s", "least", "most"), [(30, 25, 30), (-30, 0, 0)])
def test_a_wait_until_a_date(ahead_s, least, most):
    headers = {"retry-after": formatdate(time() + ahead_s, usegmt=True)}
    assert least <= wait_asked(headers) <= most


@pytest.mark.parametrize("headers", [{}, {"retry-after": "soon"}, {"retry-after": "nan"}])
def test_no_wait_that_can_be_read(headers):
    assert wait_asked(headers) is None


@pytest.mark.parametrize(
    ("reported", "public"),
    [
        ("gpt-4o-2024-08-06", "gpt-4o-2024-08-06"),
        ("meta-llama/Llama-3-8B", "meta-llama/Llama-3-8B"),
        ("/home/anna/models/base@main", "base@main"),
        ("../models/x.gguf", "x.gguf"),
        ("C:\\models\\x.gguf", "x.gguf"),
    ],
)
def test_a_machines_path_is_no_model(reported, public):
    assert public_model(reported) == public


def body(**choice):
    return json.dumps({"choices": [{"message": {"content": "x"}, **choice}]}).encode()


@pytest.mark.parametrize(
    "wrong",
    [b"", b"<html>", b"[]", b"null", b'{"choices": []}', b'{"choices": null}', b'{"error": {}}',
     b'{"choices": [{"message": null}]}', b"[" * 100_000,
     b'{"choices":[{"message":{"content":[1]}}]}'],
)  # fmt: skip
def test_a_body_that_is_no_answer(wrong):
    with pytest.raises(NoAnswerError):
        read(wrong, "m")


def test_what_servers_leave_out():
    reply = read(body(), "asked")
    assert reply["model"] == "asked"
    assert reply["finish_reason"] == "unknown"
    assert reply["prompt_tokens"] is None
    refused = read(body(message={"content": None, "refusal": "no"}, finish_reason="stop"), "m")
    assert (refused["text"], refused["finish_reason"]) == ("no", "refusal")
    filtered = read(body(message={"content": None}, finish_reason="content_filter"), "m")
    assert (filtered["text"], filtered["finish_reason"]) == (None, "content_filter")


def test_cost():
    reply = {"prompt_tokens": 2_000_000, "completion_tokens": 500_000}
    assert cost_usd(reply, {"prompt": 0.15, "completion": 0.6}) == pytest.approx(0.6)
    assert cost_usd(reply, None) is None
    assert cost_usd(reply | {"prompt_tokens": None}, {"prompt": 1, "completion": 1}) is None


def test_the_back_off_doubles_to_a_limit_and_is_half_random():
    teacher = Teacher({"name": "t"}, {}, None, None)
    waits = [[teacher.pause_s(retry, None) for _ in range(50)] for retry in range(12)]
    for retry, drawn in enumerate(waits):
        full = min(20.0, 0.5 * 2**retry)
        assert full / 2 <= min(drawn) < max(drawn) <= full
    assert teacher.pause_s(9, 0.1) == 0.1
