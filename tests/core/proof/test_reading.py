"""What may be mended, what is refused: one line a case."""
# ruff: noqa: RUF001

import html
import json
from contextlib import suppress
from pathlib import Path
from time import process_time

import pytest

from stages.core import proof
from stages.core.proof import OPERATIONS, Refused
from stages.core.proof.characters import check_characters
from stages.core.proof.parse import mend
from stages.core.proof.reading import NEEDS_KNOWN, NEEDS_WHOLE
from stages.core.proof.strict import strict

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
        ('\ufeff{"agree": "x", "disagree": "y",}', X, ["trailing_comma", "white_space"]),
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
        ('[{"agree": "x", "disagree": "y"}, {"agree": "x", "disagree": "y"}]', X,
         ["in_list", "repeated"]),
        ('{"agree": "x",, "disagree": "y"}', X, ["extra_comma"]),
        ('{, "agree": "x", "disagree": "y"}', X, ["extra_comma"]),
        ('{"agree" "x", "disagree": "y"}', X, ["missing_colon"]),
        ('{"agree": "x", "disagree": "y", ...}', X, ["ellipsis"]),
        ('{{"agree": "x", "disagree": "y"}}', X, ["doubled_braces"]),
        ('{"agree": "x", "disagree": "y"}}', X, ["extra_brace"]),
        ('{"agree": "x", "disagree": "y"]', X, ["wrong_bracket"]),
        ('{"agree": "x""disagree": "y"}', X, ["joined_members", "missing_comma"]),
        ('{"agree" = "x", "disagree" = "y"}', X, ["other_sign"]),
        ('{"agree": "x"; "disagree": "y"};', X, ["semicolon"]),
        ('｛"agree"："x"，"disagree"："y"｝', X, ["full_width"]),
        ('{\xa0"agree": "x",\u200b "disagree": "y"}', X, ["white_space"]),
        ('{\\n "agree": "x",\\n "disagree": "y"\\n}', X, ["escaped_space"]),
        ('{**agree**: "x", **disagree**: "y"}', X, ["bold_key", "unquoted_key"]),
        ('{"agree": "x" + "z", "disagree": "y"}', X | {"agree": "xz"}, ["concatenated"]),
        ('{"agree": "x "\n "z", "disagree": "y"}', X | {"agree": "x z"}, ["adjacent_strings"]),
        ('{"agree": """x "z" x""", "disagree": "y"}', X | {"agree": 'x "z" x'}, ["triple_quotes"]),
        ('{"agree": `x`, "disagree": "y"}', X, ["backticks"]),
        ("{«agree»: «x», «disagree»: «y»}", X, ["smart_quotes"]),
        ('{"agree": xy, "disagree": "y"}', X | {"agree": "xy"}, ["bare_text"]),
        ('{"agree": "x, "disagree": "y"}', X, ["missing_quote"]),
        ('{"agree": x", "disagree": "y"}', X, ["missing_quote"]),
        ('{"agree": "x", disagree": "y"}', X, ["missing_quote"]),
        ('{"agree": "x", "disagree: "y"}', X, ["missing_quote"]),
        ('agree": "x", "disagree": "y"}', X, ["missing_open_brace", "missing_quote"]),
        ('{"agree": "5" tall", "disagree": "y"}', X | {"agree": '5" tall'}, ["unescaped_quotes"]),
        ("{'agree': 'so 'x' it', 'disagree': 'y'}", X | {"agree": "so 'x' it"},
         ["bare_apostrophe", "single_quotes"]),
        ('{"agree": "\\d \\frac", "disagree": "y"}', X | {"agree": "\\d \\frac"},
         ["bare_backslash"]),
        ('{"agree": "x", // the "agree" side\n"disagree": "y"}', X, ["comment"]),
        ('{"agree": "x", "disagree": "y"}<|im_end|>', X, ["end_token"]),
        ('<answer>{"agree": "x", "disagree": "y"}</answer>', X, ["tags"]),
        ("%7B%22agree%22%3A%22x%22%2C%22disagree%22%3A%22y%22%7D", X, ["percent_encoded"]),
        ("{&quot;agree&quot;: &quot;It's&quot;, &quot;disagree&quot;: &quot;y&quot;}",
         X | {"agree": "It's"}, ["html_escaped"]),
        ('{"agree": "x", "disagree": "y"}\n\nLet me know if I should change it!', X, ["prose"]),
        ('> {"agree": "x",\n> "disagree": "y"}', X, ["quoted_lines"]),
        ('{""agree"": ""x"", ""disagree"": ""y""}', X, ["doubled_quotes"]),
        ('{"agree": "x", "disagree": "y"}\n\nThe "x" is short.', X,
         ["prose", "prose_with_quotes"]),
        ('```\n{"agree": "x", "disagree": "y"\n```\nDone.', X,
         ["fence", "missing_brace", "prose"]),
        ('{"agree": "...", "disagree": "..."}\n{"agree": "x", "disagree": "y"}', X,
         ["blank_form"]),
        ('{"plan": "think"}\n{"agree": "x", "disagree": "y"}', X, ["other_object"]),
        ('{"agree": "x", "di\n{"agree": "x", "disagree": "y"}', X, ["begun_again"]),
        ('{"agree": "x"}\n{"disagree": "y"}', X, ["merged"]),
        ('[["agree", "x"], ["disagree", "y"]]', X, ["pairs"]),
        ('{"name": "f", "arguments": "{\\"agree\\": \\"x\\", \\"disagree\\": \\"y\\"}"}', X,
         ["double_encoded", "envelope"]),
        ("dict(agree='x', disagree='y')", X,
         ["other_sign", "parentheses", "single_quotes", "unquoted_key"]),
        ("agree: x\ndisagree: y\n", X, ["lines"]),
        ("<agree>x</agree>\n<disagree>y</disagree>", X, ["markup"]),
        ("| key | value |\n|---|---|\n| agree | x |\n| disagree | y |", X, ["table"]),
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
        ('{"agree": "x", ..., "disagree": "y"}', "unproven"),
        ('{"agree": "x"}, "disagree": "y"}', "unproven"),
        ('{“agree”: “"so" \\"”, “disagree”: “y”}', "unproven"),
        ("{'agree': 'C:\\new', 'disagree': 'y'}", "unproven"),
        ('{"agree": "the \nplot", "disagree": "y"}', "unproven"),
        ('{"agree": "x", // was: "z"\n"disagree": "y"}', "unproven"),
        ('{"agree": "use " + " to", "disagree": "y"}', "unproven"),
        ('{"agree": "x" "z", "disagree": "y"}', "unproven"),
        ('{"agree": ""x"", "disagree": "y"}', "unproven"),
        ('{"agree": nul, "disagree": "y"}', "unproven"),
        ('{"agree": "x", "disagree": "y}', "truncated"),
        ('{"agree": `${x}`, "disagree": "y"}', "unproven"),
        ("{'agree': 'x', disagree 'y'}", "unproven"),
        ('{"agree": "\\alpha\\n", "disagree": "y",}', "unproven"),
        ('{"agree": "x", "disagree": "y"}\n\nWait, it should be "z".', "unproven"),
        ('{"agree": "x", "disagree": "y"}\n\nUpdate: disagree is z.', "unproven"),
        ('{"agree": "x", "disagree": "y"}\n"why": "z"', "unproven"),
        ('{"agree": "x"; "disagree" = "y"}', "unproven"),
        ('<think>{"agree": "x", "disagree": "y"}', "unproven"),
        ("agree: x\ndisagree: y", "unproven"),
        ('{"agree": "[insert text]", "disagree": "y"}', "placeholder"),
        ('{"agree": "{{agree}}", "disagree": "y"}', "placeholder"),
        ('{"agree": "string", "disagree": "string"}', "placeholder"),
        ('{"agree": "CafÃ©", "disagree": "y"}', "broken_text"),
        ('{"agree": "caf\\\\u00e9", "disagree": "y"}', "broken_text"),
        ('{"agree": "x \\theta", "disagree": "y"}', "broken_text"),
        ('{"type": "object", "properties": {"agree": {"type": "string"}}}', "schema"),
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
        '{"agree": "x"' + "\n" * 190_000,
        '{"agree": "x"' + '//"a"' * 40_000,
        '{"agree": x' + "y " * 90_000 + "}",
        '{"a":' * 40_000,
        '"' * 200_000,
        "\\" * 200_000,
        '{"agree": "' + "\\" * 190_000,
        "agree: x" + " " * 190_000 + "y",
        "<json>" * 30_000,
        "<think>" * 25_000,
        '{"agree": "x"} ' + '"a" : b' * 25_000,
        '"a": ' + '"b": c' * 30_000,
        "|" * 200_000,
        "{'agree': '" + "a\nB " * 40_000 + "'}",
        "[" * 100_000,
        '{"agree": "x", "disagree": "' + "{" * 190_000,
        "\ud800" * 100_000,
    ],
    ids=lambda text: text[:30],
)
def test_a_hostile_text_takes_no_longer_than_its_length(text):
    begun = process_time()
    with suppress(Refused):
        mend(text)
    assert process_time() - begun < 1


def test_numbers_lists_and_words_are_read_too():
    text = "{'n': -1.5e3, 'i': 12, 'l': [1, 'a', None, [],], 'o': {}, 't': True}"
    read, operations = mend(text)
    assert read == {"n": -1500.0, "i": 12, "l": [1, "a", None, []], "o": {}, "t": True}
    assert operations == ["python_literal", "single_quotes", "trailing_comma"]
    text = "{a: +1, b: .5, c: 0x1F, d: 1_000, e: 5., f: (1, 2), g: [{}{}], h: NULL,}"
    read, operations = mend(text)
    assert read == {"a": 1, "b": 0.5, "c": 31, "d": 1000, "e": 5.0, "f": [1, 2], "g": [{}, {}],
                    "h": None}  # fmt: skip
    assert operations == ["loose_number", "missing_comma", "parentheses", "python_literal",
                          "trailing_comma", "unquoted_key"]  # fmt: skip
    for text in ('{"n": 12', '{"n": 1,000}', '{"n": 007}', '{"n": 5 %}', '{"n": ["a" "b"]}'):
        with pytest.raises(Refused):
            mend(text)


def test_text_is_looked_at_in_every_corner():
    for value in ({"\x00": 1}, [{"a": ["\x01"]}]):
        with pytest.raises(Refused):
            check_characters(value)
    check_characters({"a": ["tab\t, line\n", 1, None, True]})


GOOD = [
    "a & b", "AT&T", "int *p = &x;", "<3", "[sic]", "<div>", "[1, 2]", "N/A", "and so on...",
    "It is 5 < 6",
    "«CAFÉ»", "“CAFÉ”", "Schr\\\"odinger", "print(\"Hi.\\nBye\")", "[\\u2018]", "\\d+\\n",
    "The film is set here",
    "Enter the room here", "a\\nabla", "Plan B:\nbuy", "Use {x} and ${y}",
    "TODO lists are great", "string",
    "she wrote \"agree\": yes",
]  # fmt: skip


@pytest.mark.parametrize("text", GOOD)
def test_a_good_text_is_not_refused(checked, text):
    assert checked(json.dumps({"agree": text, "disagree": "y"})) == (X | {"agree": text}, [])


def test_what_the_schema_says_is_no_value(checked, schema):
    told = {
        "agree": {"type": "string", "description": "A reply that agrees"},
        "kind": {"enum": ["...", "a"]},
    }
    changed = schema | {"properties": told, "required": ["agree"]}
    with pytest.raises(Refused, match="description"):
        checked('{"agree": "A reply that agrees", "kind": "a"}', schema=changed)
    assert checked('{"agree": "x", "kind": "..."}', schema=changed)[0]["kind"] == "..."


@pytest.mark.parametrize(
    "text",
    ['{"agree": "x", disagree": "y"}', '{"agree": "x", "odd": y}',
     '{"agree": "x", "disagree": "y", ...}', '{"agree": "x"}\n{"why": "z"}',
     '{"agree": "x\\", \\"why\\": \\"z"}'],
)  # fmt: skip
def test_what_an_open_schema_cannot_prove_is_refused(checked, schema, text):
    """Any key may be there, so that a lost sign may be a lost member."""
    free = {"agree": {"type": "string"}, "why": {}}
    with pytest.raises(Refused):
        checked(text, schema=schema | {"properties": free, "required": ["agree"],
                                       "additionalProperties": True})  # fmt: skip


def test_every_operation_has_its_name(checked):
    source = "".join(path.read_text() for path in sorted(Path(proof.__file__).parent.glob("*.py")))
    for name in NEEDS_WHOLE | NEEDS_KNOWN:
        assert name in OPERATIONS
    assert all(f'"{name}"' in source for name in OPERATIONS)
