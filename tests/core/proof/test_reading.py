"""What may be mended, what is refused: one line a case."""

import html
import json
from contextlib import suppress
from time import process_time

import pytest

from stages.core.proof import Refused
from stages.core.proof.parse import check_characters, mend, strict

X = {"agree": "x", "disagree": "y"}


@pytest.mark.parametrize(
    ("text", "record", "operations"),
    [
        ('{"agree": "x", "disagree": "y"}', X, []),
        ('{"agree": " x\\n", "disagree": "y"}', X, ["trim"]),
        ('```json\n{"agree": "x", "disagree": "y"}\n```', X, ["fence"]),
        ('```\n{"agree": "x", "disagree": "y"}', X, ["fence"]),
        ('Here is the "JSON":\n{"agree": "x", "disagree": "y"}', X, ["prose"]),
        ('{"agree": "x", "disagree": "y"} Done!', X, ["prose"]),
        ('<think>{"a"}</think> {"agree": "x", "disagree": "y"}', X, ["thinking"]),
        ('\ufeff{"agree": "x", "disagree": "y",}', X, ["trailing_comma"]),
        ('{"agree": "x"\n "disagree": "y"}', X, ["missing_comma"]),
        ('{"agree": "x", "disagree": "y"', X, ["missing_brace"]),
        ('"agree": "x", "disagree": "y"}', X, ["missing_open_brace"]),
        ("{'agree': 'x', 'disagree': 'y'}", X, ["single_quotes"]),
        ("{agree: 'x', disagree: \"y\"}", X, ["single_quotes", "unquoted_key"]),
        ("{“agree”: “x”, “disagree”: “y”}", X, ["smart_quotes"]),
        ('{"agree": "x", // one\n"disagree": "y" /* two */}', X, ["comment"]),
        ('[{"agree": "x", "disagree": "y"}]', X, ["in_list"]),
        ('{"out": {"agree": "x", "disagree": "y"}}', X, ["under_key"]),
        ('{"agree": "x", "disagree": "y"}\n{"agree": "x", "disagree": "y"}', X, ["repeated"]),
        (json.dumps(json.dumps(X)), X, ["double_encoded"]),
        ('{\\"agree\\": \\"x\\", \\"disagree\\": \\"y\\"}', X, ["backslashed"]),
        (html.escape(json.dumps(X)), X, ["html_escaped"]),
        (
            "{'agree': 'It's the actors' day', 'disagree': 'y'}",
            X | {"agree": "It's the actors' day"},
            ["bare_apostrophe", "single_quotes"],
        ),
        ('{"agree": "so "x" it", "disagree": "y"}', X | {"agree": 'so "x" it'},
         ["unescaped_quotes"]),
        ('{"agree": "so "x", it", "disagree": "y"}', X | {"agree": 'so "x", it'},
         ["unescaped_quotes"]),
        ('{"agree": "One.\n\nTwo.", "disagree": "y"}', X | {"agree": "One.\n\nTwo."},
         ["raw_newline"]),
        ('{"agree": "It\\\'s", "disagree": "y"}', X | {"agree": "It's"}, ["invalid_escape"]),
        ("{'agree': '\\u00e9\\ud83d\\ude00', 'disagree': 'y'}", X | {"agree": "é😀"},
         ["single_quotes"]),
    ],
)  # fmt: skip
def test_what_is_proved(checked, text, record, operations):
    assert checked(text) == (record, operations)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "empty"),
        (" \n", "empty"),
        ("I'm sorry, but I can't.", "no_object"),
        ('{"agree": "x", "disagree": "y', "truncated"),
        ('{"agree": "x", "disagree": "he said "', "truncated"),
        ('{"agree": "x",', "truncated"),
        ('{"agree": "x"', "schema"),
        ('{"agree": "x", "disagree": "y"} {"agree": "x", "disagree": "z"}', "several"),
        ('[{"agree": "x", "disagree": "y"}, {"agree": "x", "disagree": "y"}]', "schema"),
        ('{"agree": "x", "agree": "x", "disagree": "y"}', "duplicate_keys"),
        ('{"agree": "x", "agree": "z", "disagree": "y",}', "duplicate_keys"),
        ('{"agree": NaN, "disagree": "y"}', "not_finite"),
        ('{"agree": 1e999, "disagree": "y"}', "not_finite"),
        ('{"agree": "\\u0000x", "disagree": "y"}', "broken_text"),
        ('{"agree": "\\frac", "disagree": "y"}', "broken_text"),
        ('{"agree": "\\ud800", "disagree": "y"}', "broken_text"),
        ('{"agree": "\ufffd", "disagree": "y"}', "broken_text"),
        ('{"agree": "a &amp; b", "disagree": "y"}', "entities"),
        ('{"agree": "...", "disagree": "y"}', "placeholder"),
        ('{"agree": "", "disagree": "y"}', "schema"),
        ('{"agrees": "x", "disagree": "y"}', "schema"),
        ('{"agree": "x", "disagree": "y", "why": "z"}', "schema"),
        ('{"agree": ["x"], "disagree": "y"}', "schema"),
        ("[" * 100_000, "too_long"),
        ('{"agree": ' * 100_000, "too_long"),
        ('{"agree": ' + "[" * 900 + "]" * 900 + ', "disagree": "y"}', "too_long"),
        ('{"agree": "x",, "disagree": "y"}', "unproven"),
        ('{"agree" "x", "disagree": "y"}', "unproven"),
        ('{"agree": "x", ..., "disagree": "y"}', "unproven"),
        ('{"agree": "x", "disagree": "y", ...}', "truncated"),
        ('{{"agree": "x", "disagree": "y"}}', "unproven"),
        ('{"agree": "x" + "z", "disagree": "y"}', "unproven"),
        ('{"agree": "x" "z", "disagree": "y"}', "unproven"),
        ('{"agree": """x""", "disagree": "y"}', "unproven"),
        ('{"agree": `x`, "disagree": "y"}', "unproven"),
        ('{"agree": x, "disagree": "y"}', "unproven"),
        ('{"agree": "x, "disagree": "y"}', "unproven"),
        ('{"agree": x", "disagree": "y"}', "unproven"),
        ('{"agree": "x", disagree": "y"}', "unproven"),
        ('{"agree": "x", "disagree: "y"}', "unproven"),
        ('{"agree": "x"}, "disagree": "y"}', "unproven"),
        ('{"agree": "5" tall", "disagree": "y"}', "unproven"),
        ("{'agree': 'so 'x' it', 'disagree': 'y'}", "unproven"),
        ('{“agree”: “"so" \\"”, “disagree”: “y”}', "unproven"),
        ("{'agree': 'C:\\new', 'disagree': 'y'}", "unproven"),
        ('{"agree": "the \nplot", "disagree": "y"}', "unproven"),
        ('{"agree": "\\d", "disagree": "y"}', "unproven"),
        ('{"agree": "x", // was: "z"\n"disagree": "y"}', "unproven"),
        ('"disagree": "y", {"agree": "x"}', "unproven"),
    ],
)
def test_what_is_refused(checked, text, reason):
    with pytest.raises(Refused) as refused:
        checked(text)
    assert refused.value.reason == reason


@pytest.mark.parametrize("finish_reason", ["length", "content_filter", "refusal"])
def test_the_finish_reason_comes_first(checked, finish_reason):
    with pytest.raises(Refused) as refused:
        checked(json.dumps(X), finish_reason)
    assert refused.value.reason == finish_reason
    assert refused.value.best == X


def test_without_repair_what_is_not_json_is_refused(checked):
    with pytest.raises(Refused, match="not JSON"):
        checked('{"agree": "x", "disagree": "y",}', repair=False)


def test_a_missing_brace_needs_a_closed_schema(checked, schema):
    """Where more keys are allowed, one may be lost with the brace."""
    more = {"properties": {**schema["properties"], "z": {}}}
    for change in ({"additionalProperties": True}, more):
        with pytest.raises(Refused) as refused:
            checked('{"agree": "x", "disagree": "y"', schema=schema | change)
        assert refused.value.reason == "truncated"


@pytest.mark.parametrize(
    ("allowed", "text", "record"),
    [
        ("key_case", '{"Agree": "x", "DIS-AGREE": "y"}', X),
        ("entities", '{"agree": "a &amp; b", "disagree": "y"}', X | {"agree": "a & b"}),
        ("breaks", '{"agree": "a<br /><br/>b", "disagree": "y"}', X | {"agree": "a\n\nb"}),
    ],
)
def test_a_normalisation_is_applied_only_where_a_recipe_allows_it(checked, allowed, text, record):
    assert checked(text, normalise=[allowed]) == (record, [allowed])
    if allowed == "breaks":
        assert checked(text, normalise=[])[0]["agree"] == "a<br /><br/>b"
    else:
        with pytest.raises(Refused) as refused:
            checked(text, normalise=[])
        assert refused.value.reason in ("schema", "entities")


def test_a_long_text_is_parsed_but_not_mended():
    long = json.dumps(X | {"agree": "x" * 10_000_000})
    assert len(strict(long)["agree"]) == 10_000_000
    with pytest.raises(Refused, match="characters"):
        mend(long[:-1])


@pytest.mark.parametrize(
    "text",
    [
        '{"agree": "' + 'a "b" ' * 30_000 + '", "disagree": "y",}',
        "{'agree': '" + '"x ' * 60_000 + "',}",
        '{"agree": "x' + " " * 190_000 + '\n", "disagree": "y",}',
        "[" + "{}," * 60_000 + "]",
        "{} " * 60_000,
        '{"agree": 1, ' + "/* x */ " * 20_000 + "}",
        '{"agree": "x" ' + "#" * 190_000,
        '{"agree": "' + '" ' * 90_000,
    ],
    ids=lambda text: text[:30],
)
def test_a_hostile_text_takes_no_longer_than_its_length(text):
    begun = process_time()
    with suppress(Refused):
        mend(text)
    assert process_time() - begun < 2


def test_numbers_lists_and_words_are_read_too():
    text = "{'n': -1.5e3, 'i': 12, 'l': [1, 'a', None, [],], 'o': {}, 't': True}"
    read, operations = mend(text)
    assert read == {"n": -1500.0, "i": 12, "l": [1, "a", None, []], "o": {}, "t": True}
    assert operations == ["python_literal", "single_quotes", "trailing_comma"]
    with pytest.raises(Refused, match="ends in a number"):
        mend('{"n": 12')


def test_text_is_looked_at_in_every_corner():
    for value in ({"\x00": 1}, [{"a": ["\x01"]}]):
        with pytest.raises(Refused):
            check_characters(value)
    check_characters({"a": ["tab\t, line\n", 1, None, True]})
