import json

import pytest

from stages.core.asking.client import Teacher
from stages.core.asking.completion import cost_usd, filtered, public_model, read
from stages.core.asking.verdict import PATIENCE_S, NoAnswerError, RefusedError, judge_status


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


@pytest.mark.parametrize("usage", [None, [], "12", {"prompt_tokens": "12"}, {"prompt_tokens": -1}])
def test_a_count_of_tokens_that_is_none(usage):
    said = {"choices": [{"message": {"content": "x"}}], "usage": usage}
    reply = read(json.dumps(said).encode(), "m")
    assert (reply["prompt_tokens"], reply["completion_tokens"]) == (None, None)


def test_an_error_at_200_is_judged_by_its_own_status():
    with pytest.raises(RefusedError) as raised:
        read(b'{"error": {"code": 402, "message": "no credits"}}', "m")
    assert raised.value.status == 402
    with pytest.raises(NoAnswerError, match="broke off"):
        read(b'{"choices": [{"message": {"content": "x"}, "finish_reason": "error"}]}', "m")


ERROR = {"message": "words", "type": "invalid_request_error"}


@pytest.mark.parametrize(
    ("status", "headers", "body", "remedy", "kind"),
    [
        (429, {}, {}, "retry", "http_429"),
        (429, {}, {"code": "insufficient_quota"}, "account", "http_429"),
        (429, {"retry-after": str(PATIENCE_S + 1)}, {}, "account", "http_429"),
        (429, {"retry-after": str(PATIENCE_S - 1)}, {}, "retry", "http_429"),
        (429, {}, {"message": "Request too large for m on tokens"}, "row", "http_429 too_large"),
        (500, {}, "<html>oops</html>", "retry", "http_500"),
        (503, {}, None, "retry", "http_503"),
        (401, {}, ERROR, "account", "http_401"),
        (402, {}, ERROR, "account", "http_402"),
        (403, {}, ERROR, "account", "http_403"),
        (403, {}, {"message": "your account has been flagged"}, "account", "http_403"),
        (403, {}, {"message": "Your input was flagged for violence"}, "row", "content_filter"),
        (403, {}, {"code": "moderation_blocked"}, "row", "content_filter"),
        (400, {}, {"code": "content_filter", "param": "prompt"}, "row", "content_filter"),
        (400, {}, {"innererror": {"code": "ResponsibleAIPolicyViolation"}}, "row",
         "content_filter"),
        (400, {}, {"code": "content_policy_violation"}, "row", "content_filter"),
        (400, {}, {"message": "Your credit balance is too low"}, "account", "http_400"),
        (400, {}, ERROR, "row", "http_400 invalid_request_error"),
        (400, {}, {"code": "context_length_exceeded"}, "row", "http_400 context_length_exceeded"),
        (400, {}, {"code": "req_8f2a1"}, "row", "http_400"),
        (413, {}, "too long", "row", "http_413"),
        (422, {}, {"detail": [{"msg": "no"}]}, "row", "http_422"),
    ],
)  # fmt: skip
def test_what_helps(status, headers, body, remedy, kind):
    verdict = judge_status(status, headers, body)
    assert (verdict.remedy, verdict.kind) == (remedy, kind)
    assert verdict.throttled == (remedy == "retry" and status == 429)


def test_the_servers_words_are_kept_on_one_line_and_not_too_many():
    verdict = judge_status(400, {}, {"message": "a\n  b" + "c" * 10_000})
    assert verdict.detail.startswith("a bc")
    assert len(verdict.detail) == 500


def test_googles_list_and_its_delay_are_read():
    body = [{"error": {"code": 429, "message": "slow", "details": [{"retryDelay": "34s"}]}}]
    verdict = judge_status(429, {}, body)
    assert (verdict.remedy, verdict.wait_s, verdict.detail) == ("retry", 34.0, "slow")


def test_what_a_filter_refused_is_a_reply_that_costs_nothing():
    reply = filtered("m")
    assert (reply["finish_reason"], reply["cost_usd"], reply["text"]) == ("content_filter", 0, None)
    assert reply.keys() == {*read(body(), "m"), "cost_usd"}


def teacher(key=None, base_url="http://127.0.0.1:1/v1", **entry):
    entry = {"name": "t", "model": "m", "base_url": base_url} | entry
    settings = {"max_tokens": 9, "max_in_flight": 3, "timeout_s": 1, "max_retries": 0}
    return Teacher(entry, settings, key, base_url)


def test_no_password_and_no_key_in_what_is_told(capsys):
    asked = teacher("abcdef-12345", "https://anna:hunter2@example.org/v1")
    told = str(asked.error("cannot reach https://anna:hunter2@example.org/v1 with abcdef-12345"))
    asked.say("at https://bob:pw@example.org")
    told += capsys.readouterr().out
    for secret in ("hunter2", "anna", "12345", "bob", "pw@"):
        assert secret not in told
    assert "https://***@example.org/v1" in told


def test_a_teachers_own_limits_go_before_the_common_ones():
    assert teacher().limits.max_in_flight == 3
    assert teacher(max_in_flight=7).limits.max_in_flight == 7
