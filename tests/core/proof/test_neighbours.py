"""Whole texts that were changed line by line, colours, brackets; what speaks of escapes and marks.

Each change has neighbours: other signs, other places. What they say comes back, or is refused.
"""
# ruff: noqa: RUF001

import json
from contextlib import suppress
from time import process_time

import pytest

from stages.core.proof import Refused
from stages.core.proof.parse import mend

X = {"agree": 'It\'s "fine", ok.', "disagree": "No: 1, 2."}
LIST = {
    "type": "object",
    "properties": {
        "items": {"type": "array", "items": {"type": "string"}},
        "n": {"type": "number"},
    },
    "required": ["items", "n"],
    "additionalProperties": False,
}  # fmt: skip
PLAIN, PRETTY = json.dumps(X), json.dumps(X, indent=2)
LINES = PRETTY.split("\n")


def with_numbers(form):
    return "\n".join(form % (number, line) for number, line in enumerate(LINES, 1))


@pytest.mark.parametrize(
    ("text", "operation"),
    [
        ("+" + PRETTY.replace("\n", "\n+"), "diff"),
        ("```diff\n+ " + PRETTY.replace("\n", "\n+ ") + "\n```", "diff"),
        ("--- a\n+++ b\n@@ -0,0 +1 @@\n+" + PRETTY.replace("\n", "\n+"), "diff"),
        ("| " + PRETTY.replace("\n", "\n| "), "quoted_lines"),
        (with_numbers("%2d  %s"), "numbered"),
        (with_numbers("%d: %s"), "numbered"),
        (with_numbers("%d. %s"), "numbered"),
        (with_numbers("%3d | %s"), "numbered"),
        ("```\n" + with_numbers("%d\t%s") + "\n```", "numbered"),
        (PRETTY.replace('  "', '- "'), "bullets"),
        (PRETTY.replace('  "', '  * "').replace(",\n", "\n"), "bullets"),
        ("\x1b[1m" + PRETTY.replace('"agree"', '\x1b[34;1m"agree"\x1b[0m'), "colours"),
        ("[" + PLAIN[1:-1] + "]", "square_brackets"),
        ("So:\n```php\n[" + PLAIN[1:-1].replace('": ', '" => ') + "]\n```", "square_brackets"),
        (PLAIN.replace('\\"', '""'), "doubled_inner_quotes"),
        (PLAIN.replace(" 1", " \\\n1"), "line_continuation"),
        (PLAIN.replace("'", "\\x27"), "code_escape"),
        (PLAIN[:20] + "\n\nSorry, again:\n\n" + PRETTY, "begun_again"),
        ("```json\n" + PRETTY[:30] + "\n```\nOops:\n```json\n" + PLAIN + "\n```", "begun_again"),
        ("Of {a, b, c} and {1, 2}:\n" + PLAIN, "prose"),
        ("{'agree': ('It\\'s \"fine\",'\n ' ok.'),\n'disagree': (\"No: \" + '1, 2.')}",
         "parentheses"),
    ],
)  # fmt: skip
def test_what_was_done_to_every_line_is_undone(checked, text, operation):
    record, operations = checked(text)
    assert record == X
    assert operation in operations


@pytest.mark.parametrize(
    ("text", "operation"),
    [
        ('{"items": ["a b", "c"]], "n": 1}', "extra_bracket"),
        ('{"items": "a b", "c"], "n": 1}', "missing_open_bracket"),
        ('{\n"n": 1\n"items": [\n"a b"\n"c"\n]\n}', "missing_comma"),
    ],
)
def test_a_list_is_proved_by_its_schema(checked, text, operation):
    record, operations = checked(text, schema=LIST)
    assert record == {"items": ["a b", "c"], "n": 1}
    assert operation in operations


def test_an_item_whose_brace_is_lost_ends_before_the_next(checked):
    each = {"type": "object", "properties": {"q": {"type": "string"}}, "required": ["q"]}
    each["additionalProperties"] = False
    schema = LIST | {"properties": {"items": {"type": "array", "items": each}}, "required": []}
    record, operations = checked('{"items": [{"q": "a", {"q": "b"}]}', schema=schema)
    assert record == {"items": [{"q": "a"}, {"q": "b"}]}
    assert operations == ["missing_inner_brace"]


@pytest.mark.parametrize(
    "text",
    [
        '{"items": ["a", // ... and more\n], "n": 1}',
        '{"items": ["a", /* rest omitted */], "n": 1}',
        '{"items": ["a", # "b",\n "c"], "n": 1}',
        '{"items": ["a", // `b`\n "c"], "n": 1}',
        '{"items": ["a", "... (3 more)"], "n": 1}',
        '{"items": ["a"], "n": 1}\n\n(The list is truncated.)',
        '{"items": ["a" "b"], "n": 1}',
        '{"items": [["a", "b"], "n": 1}',
        '{"items": ["a"], "N": 2, "n": 1}',
        "{\"items\": ('a' 'b'), \"n\": 1}",
    ],
)
def test_what_may_be_left_out_of_a_list_is_refused(checked, text):
    with pytest.raises(Refused):
        checked(text, schema=LIST)


# As they stand within a JSON string.
MEANT_OTHERWISE = [
    r"C:\temp", r"Open C:\temp now", r"D:\new\table", r".\src\test\names", r"E:\tools\x",
    r"C:\\Users\temp", r"\nabla f", r"a \times b", r"\text{x}", r"$a \to b$", r"\rho", r"\tan x",
    r"caf\\u00e9", r"\\u0218tefan", r"VIP \\u2b50, ok", r"A \\U0001f600 b", r"Hi.\\n\\nThere",
    r"It was slow\\nIt was long", r"one\\n- two", r"He said \\\"no\\\" to it", r"27\\\" (matte)",
    r"It\\'s fine", r"the actors\\' work", r"Liam O\\'Connor", "p?rere, a?tept", "?nceput de?i",
    "[...]", "(...)", "[…]", "TBD", "(TODO)", "TBA", "To be added", "... and more", "placeholder",
    "Sample text", "Answer here", "undefined", "<agree>", "{{agree}}", "[agree]",
    "---", "???", "Not%20that%20bad%2C", "Zoë is zoÃ«", "11 â‚¬", "â\x80\x9chere",
    r'{\"agree\": \"x\", \"disagree\": \"y\"}',
]  # fmt: skip


@pytest.mark.parametrize("said", MEANT_OTHERWISE)
def test_a_text_that_is_certainly_not_meant_is_refused(checked, said):
    with pytest.raises(Refused) as refused:
        checked(f'{{"agree": "{said}", "disagree": "y"}}')
    assert refused.value.reason in ("broken_text", "placeholder", "unproven")


GOOD = [
    "https://a.b/c?x=1&y=2, http://z?q=r", "see example.org/find?name=x or foo?bar=baz",
    "C:\\temp\\new.txt", "C:\\Users\\bob\\notes", 'print("a\\nb")', "print('x\\n')",
    "What? no. Why?because", ":-? and ;-?", "^\\d+\\s?\\w*$", "colou?r, favou?rite", "a ? b : c",
    "x?.y?.z", "Who?what?where?", "Is it 5?or 6", "N/A", "n/a", "(see above)", "(...and so on)",
    "a\tb\tc", "Name:\tAnn\nAge:\t9", "A:\tyes\nB:\tno", "Plan B:\nbuy", "\\frac{a}{b}",
    "$\\theta$", "The escape \\u00e9 stands for é in Unicode", "[\\u00e0-\\u00ff]", "`\\u00e9`",
    "Line one\\nline two", "sed 's/\\\"//g'", "string", "undefined behaviour is bad",
    "Text me here", "The rest is omitted.", "Sample answer, not mine", "1. one\n   more\n2. two",
    "to be or not to be", "https://a.b/x%20y%20z", "100%", "-1", "- one\n- two", '{"a": 1}',
    "```python\nprint(\"x\\n\")\n```", "r\\'esum\\'e",
]  # fmt: skip


@pytest.mark.parametrize("text", GOOD)
def test_a_text_that_only_looks_so_is_kept(checked, text):
    said = {"agree": text, "disagree": "y"}
    assert checked(json.dumps(said)) == (said, [])


def test_an_enum_may_hold_what_elsewhere_is_none(checked, schema):
    some = {"agree": {"enum": ["N/A", "TBD", "string", "..."]}, "disagree": {"type": "string"}}
    for said in some["agree"]["enum"]:
        record = {"agree": said, "disagree": "y"}
        assert checked(json.dumps(record), schema=schema | {"properties": some}) == (record, [])


def test_a_key_of_another_spelling_is_the_same_key(checked, schema):
    free = schema | {"additionalProperties": True}
    for other in ("AGREE", "Agree ", "a_gree"):
        with pytest.raises(Refused, match="one key"):
            checked(json.dumps({other: "z", "agree": "x", "disagree": "y"}), schema=free)
    counts = {"agree": "x", "disagree": "y", "counts": {"The": 1, "the": 2}}
    assert checked(json.dumps(counts), schema=free) == (counts, [])


@pytest.mark.parametrize(
    "text",
    [
        '{"agree": "I paid\n      $5 for it.", "disagree": "y"}',
        '{"agree": "I paid\n\t$5 for it.", "disagree": "y"}',
        '{"agree": `I paid\n      $5 for it.`, "disagree": "y"}',
        '{"agree": """I paid\n      $5 for it.""", "disagree": "y"}',
        '{"agree": "I paid\\\n$5 for it.", "disagree": "y"}',
        "'{\"agree\": \"a\\\\nb\", \"disagree\": \"y\"}'",
        "json.loads('{\"agree\": \"a\\\\nb\", \"disagree\": \"y\"}')",
        '{"agree": "a ""b" c", "disagree": "y"}',
        '{"agree": "x"\n\nAgain:\n\n{"agree": "z", "disagree": "y"}',
        "| agree | disagree |\n|---|---|\n| \"x\" | y |",
    ],
)  # fmt: skip
def test_what_has_two_readings_is_refused(checked, text):
    with pytest.raises(Refused):
        checked(text)


@pytest.mark.parametrize(
    "text",
    [
        '{"a": [\n' + '"x"\n' * 40_000,
        "{\n" + "- a: b\n" * 25_000,
        '{"a": ' + '"x", ' * 35_000 + "]",
        '+{\n' + "+\n" * 60_000,
        "{" + "\n" * 90_000 + "x\n{" + "\n" * 90_000 + "}",
        "{\n" * 60_000,
        "\n".join(f"{k} {{" for k in range(20_000)),
        '{"a": ' + "('x'\n" * 30_000,
        '{"a": ("x"' + " " * 180_000 + "}",
        '{"a": "x""' + ' ""y' * 40_000,
        "'{" + "\\" * 180_000 + "}",
        '{"a": [[' + '"a": ' * 30_000,
        "\x1b[" * 90_000,
        '{"a": "' + "x\\\n " * 40_000 + '"}',
    ],
    ids=lambda text: text[:16],
)  # fmt: skip
def test_a_hostile_text_takes_no_longer_than_its_length(text):
    begun = process_time()
    with suppress(Refused):
        mend(text)
    assert process_time() - begun < 1
