"""What LLMs do to JSON, over seven schemas, and blind edits of it: exact or refused, never wrong.

Records hold what breaks readers: quotes, code, paths, LaTeX, markup, URLs, emoji, line breaks.
"""
# ruff: noqa: RUF001

import html
import json
import re
from collections import Counter
from random import Random

import pytest

from stages.core.proof import Refused
from stages.core.spelling import normalised

TEXT = {"type": "string"}


def an_object(required=None, closed=True, **properties):
    schema = {"type": "object", "properties": properties, "required": required or list(properties)}
    return schema | ({"additionalProperties": False} if closed else {})


SCHEMAS = {
    "pair": an_object(agree=TEXT, disagree=TEXT),
    "open": an_object(["title"], closed=False, title=TEXT, note=TEXT),
    "optional": an_object(["title"], title=TEXT, note=TEXT, why=TEXT, n={"type": "integer"}),
    "nested": an_object(
        name=TEXT, address=an_object(street=TEXT, city=TEXT),
        tags={"type": "array", "items": TEXT}, age={"type": "integer"}, ok={"type": "boolean"},
        score={"type": "number"}, nick={"type": ["string", "null"]},
    ),
    "list": an_object(items={"type": "array", "items": an_object(question=TEXT, answer=TEXT)}),
    "choice": an_object(label={"enum": ["good", "bad"]}, sure={"type": "number"}, reason=TEXT),
    "code": an_object(language=TEXT, code=TEXT),
}  # fmt: skip
TEXTS = [
    "The plot was dull.", "It's fine; the actors' work shows.", 'He said "no" and left.',
    '"Gripping" is the word.', 'She called it "a triumph".', "Știu că țara e frumoasă.",
    "Loved it 😀🎬!", "See https://example.org/a?b=1&c=2 // no comment.",
    "$5 (or 3.50 EUR), 20% off.",
    "Released on 2024-05-01T10:00:00Z.", "First line.\nSecond line.", "- one\n- two\n- three",
    "**Bold** and `code`.", "C:\\Users\\ana\\file.txt", "\\frac{a}{b} + \\alpha",
    "<p>Hello <b>x</b></p>",
    'He asked: "Why?" "Because," she said.', 'A "B", C "D", E.', "5\" tall and 6' wide", "yes",
    "42",
    "Use {braces} and [brackets].", "key: value, other: thing", "a = b; c => d", "O'Neil's", "true",
    "rock 'n' roll", "“Smart” quotes – and dashes…", "l'été à Paris", "10:30", "Tom & Jerry",
    "The end",
    "<3 it [sic]", "#1 hit", "// TODO later", "one, two, and three", "No way... ok",
]  # fmt: skip
CODE = [
    'print("hi")',
    'def f(x):\n    return {"a": x}',
    "const s = `a ${b}`;",
    "WHERE a = 'x';",
    "x = 1",
]


def a_record(name, rng):
    def text():
        return " ".join(rng.sample(TEXTS, rng.choice([1, 1, 2])))

    def some(**members):
        return {key: said for key, said in members.items() if rng.random() < 0.6}

    if name == "pair":
        return {"agree": text(), "disagree": text()}
    if name == "open":
        return {"title": text(), **some(note=text(), extra=text())}
    if name == "optional":
        return {"title": text(), **some(note=text(), why=text(), n=rng.randrange(100))}
    if name == "nested":
        return {"name": text(), "address": {"street": text(), "city": text()},
                "tags": [text() for _ in range(rng.randrange(4))], "age": rng.randrange(99),
                "ok": rng.random() < 0.5, "score": round(rng.random() * 10, 2),
                "nick": rng.choice([None, text()])}  # fmt: skip
    if name == "list":
        return {
            "items": [{"question": text(), "answer": text()} for _ in range(rng.randrange(1, 4))]
        }
    if name == "choice":
        return {
            "label": rng.choice(["good", "bad"]),
            "sure": round(rng.random(), 2),
            "reason": text(),
        }
    return {"language": rng.choice(["python", "js"]), "code": rng.choice(CODE)}


def dumps(value, indent=None):
    return json.dumps(value, ensure_ascii=False, indent=indent)


def spell(
    value, text=dumps, key=dumps, sign=": ", comma=", ", braces="{}", brackets="[]", other=dumps
):
    """Spell a JSON value with another spelling of its parts; braces may hold more than one sign."""

    def part(each):
        return spell(each, text, key, sign, comma, braces, brackets, other)

    middle = len(braces) // 2 if len(braces) < 3 else 1
    if isinstance(value, str):
        return text(value)
    if isinstance(value, dict):
        members = comma.join(key(name) + sign + part(each) for name, each in value.items())
        return braces[:middle] + members + braces[middle:]
    if isinstance(value, list):
        return brackets[0] + ", ".join(map(part, value)) + brackets[1:]
    return other(value)


def bare(opens, closes):
    return lambda said: opens + said + closes


def python(said):
    return "'" + said.replace("\\", "\\\\").replace("'", "\\'").replace("\n", "\\n") + "'"


def cut_at(said, at, joint):
    return dumps(said[:at]) + joint + dumps(said[at:]) if 0 < at < len(said) else dumps(said)


# Around a record: everything here must come back whole, whatever the schema.
AROUND = {
    "fence": "```json\n%s\n```", "fence_json5": "```json5\n%s\n```", "tildes": "~~~\n%s\n~~~",
    "fence_open": "```json\n%s", "fence_closed": "%s\n```", "inline_code": "`%s`",
    "before": "Here is the JSON:\n\n%s", "before_quoted": 'Here\'s the "JSON" for you:\n%s',
    "before_template": "I filled in the {format}:\n\n%s", "heading": "## Result\n\n%s",
    "link": "See [the docs](http://x.y):\n%s", "numbered": "1. Read.\n2. Answer.\n\n%s",
    "json_word": "json\n%s", "bold": "**Answer:**\n%s", "after": "%s\n\nI hope this helps!",
    "after_quotes": '%s\n\nIt uses "plain" words, as asked.',
    "both": "Sure!\n```json\n%s\n```\nDone.",
    "think": '<think>\nkeys? {"draft": 1}\n</think>\n%s',
    "think_no_open": "So {x}.\n</think>\n\n%s",
    "final_answer": "Thought: I should.\nFinal Answer: %s",
    "harmony": "<|channel|>analysis<|message|>Hm {a}<|end|><|channel|>final<|message|>%s<|return|>",
    "im_end": "%s<|im_end|>", "eos": "%s</s>", "eot": "%s<|eot_id|>", "inst": "[/INST] %s",
    "json_tag": "<json>\n%s\n</json>", "answer_tag": "Let me: {a}.\n<answer>%s</answer>",
    "cdata": "<output><![CDATA[%s]]></output>", "tool_tag": "<tool_call>\n%s\n</tool_call>",
    "assigned": "const result = %s;", "returned": "return %s;", "printed": "print(%s)",
    "byte_order": "\ufeff%s", "no_break": "\xa0%s\xa0", "zero_width": "\u200b%s\u200b",
    "extra_brace": "%s}", "extra_bracket": "%s]", "two_braces": "{%s}", "in_list": "[%s]",
    "twice": "%s\n%s", "list_of_two": "[%s, %s]", "under_key": '{"result": %s}',
    "message": '{"role": "assistant", "content": %s}', "rule": "---\n%s\n---",
    "blank_first": '{"x": "..."}\n%s', "remark_first": "// the answer\n%s",
}  # fmt: skip
WHOLE = {
    "call": lambda r: dumps({"name": "f", "arguments": r}),
    "call_string": lambda r: dumps({"type": "function", "function": {"name": "f",
    "arguments": dumps(r)}}),
    "encoded_twice": lambda r: dumps(dumps(r)),
    "encoded_thrice": lambda r: dumps(dumps(dumps(r))),
    "backslashed": lambda r: dumps(dumps(r))[1:-1],
    "html": lambda r: html.escape(dumps(r)),
    "csv": lambda r: '"' + dumps(r).replace('"', '""') + '"',
    "quoted_lines": lambda r: "\n".join("> " + line for line in dumps(r, 2).split("\n")),
    "trailing_comma": lambda r: spell(r, braces="{,}"),
    "line_for_comma": lambda r: spell(r, comma="\n"),
    "space_for_comma": lambda r: spell(r, comma=" "),
    "semicolons": lambda r: spell(r, comma="; "),
    "equals": lambda r: spell(r, sign=" = "),
    "arrows": lambda r: spell(r, sign=" => "),
    "unquoted_keys": lambda r: spell(r, key=str),
    "repr": repr,
    "javascript": lambda r: spell(r, python, str, braces="{,}"),
    "tuples": lambda r: spell(r, python, python, brackets="()", other=repr),
    "shouted_words": lambda r: spell(r, other=lambda said: dumps(said).upper()),
    "escaped_apostrophes": lambda r: dumps(r).replace("'", "\\'"),
    "comments": lambda r: spell(r, comma=', // the "next" one\n'),
    "remarks": lambda r: spell(r, comma=",  # it's next\n"),
    "full_width": lambda r: spell(r, sign="：", comma="，", braces="｛｝"),
    "bold_keys": lambda r: spell(r, key=bare("**", "**")),
    "backtick_keys": lambda r: spell(r, key=bare("`", "`")),
    "plus": lambda r: spell(r, other=lambda n: "+" + dumps(n) if type(n) is int else dumps(n)),
    "hexadecimal": lambda r: spell(r, other=lambda n: hex(n) if type(n) is int else dumps(n)),
}  # fmt: skip
# Of these a part has more than one reading, by its text or by its schema; the share must come back.
PARTS = {
    "sums": (lambda r: spell(r, lambda said: cut_at(said, len(said) // 2, " + ")), 0.9),
    "neighbours": (lambda r: spell(r, lambda said: cut_at(said, said.find(" ") + 1, "\n  ")), 0.7),
    "apostrophes": (lambda r: spell(r, bare("'", "'"), bare("'", "'")), 0.8),
    "no_escapes": (lambda r: spell(r, bare('"', '"')), 0.8),
    "raw_lines": (lambda r: dumps(r).replace("\\n", "\n"), 0.8),
    "three_quotes": (lambda r: spell(r, bare('"""', '"""')), 0.8),
    "bare_backslashes": (lambda r: dumps(r).replace("\\\\", "\\"), 0.8),
    "curly": (lambda r: spell(r, bare("“", "”"), bare("“", "”")), 0.8),
    "low": (lambda r: spell(r, bare("„", "“"), bare("„", "“")), 0.8),
    "guillemets": (lambda r: spell(r, bare("«", "»"), bare("«", "»")), 0.8),
    "curly_single": (lambda r: spell(r, bare("‘", "’"), bare("‘", "’")), 0.8),
    "backticks": (lambda r: spell(r, bare("`", "`"), str), 0.8),
    "curly_close": (lambda r: spell(r, bare('"', "”"), bare('"', "”")), 0.7),
    "spelled_lines": (lambda r: dumps(r, 2).replace("\n", "\\n"), 0.7),
    "no_colons": (lambda r: spell(r, sign=" "), 0.6),
    "two_commas": (lambda r: spell(r, comma=",, "), 0.6),
    "comma_first": (lambda r: "{," + dumps(r)[1:], 0.6),
    "ellipsis": (lambda r: dumps(r)[:-1] + ", ...}", 0.6),
    "no_close": (lambda r: dumps(r, 2)[:-1].rstrip(), 0.5),
    "no_open": (lambda r: dumps(r)[1:], 0.6),
    "bracket_closes": (lambda r: dumps(r)[:-1] + "]", 0.6),
    "key_lost_open": (lambda r: spell(r, key=lambda name: name + '"'), 0.7),
    "key_lost_close": (lambda r: spell(r, key=lambda name: '"' + name), 0.7),
    "value_lost_open": (lambda r: dumps(r).replace(': "', ": ", 1), 0.4),
    "value_lost_close": (lambda r: dumps(r).replace('", "', ', "', 1), 0.7),
    "no_quotes": (lambda r: spell(r, str, str), 0.03),
    "a_line_a_key": (lambda r: "\n".join(dumps({k: said}) for k, said in r.items()), 0.6),
    "pairs": (lambda r: dumps([list(each) for each in r.items()]), 0.8),
    "call": (lambda r: "dict(" + ", ".join(f"{k}={said!r}" for k, said in r.items()) + ")", 0.6),
    "yaml": (lambda r: "\n".join(f"{k}: {dumps(said)}" for k, said in r.items()), 0.5),
    "xml": (lambda r: "".join(f"<{k}>{spell(said, str)}</{k}>" for k, said in r.items()), 0.2),
    "begun_again": (lambda r: dumps(r)[: len(dumps(r)) // 2] + "\n" + dumps(r), 0.8),
    "lost_a_quote_at_the_end": (lambda r: dumps(r)[::-1].replace('"', "", 1)[::-1], 0),
    "side_by_side": (lambda r: spell(r, lambda said: cut_at(said, len(said) // 2, " ")), 0),
    "quoted_twice": (lambda r: spell(r, bare('""', '""')), 0),
    "closed_early": (lambda r: dumps(r).replace('", "', '"}, "', 1), 0),
    "taken_back": (lambda r: dumps(r) + "\n\nWait, it should be other.", 0),
    "entities": (lambda r: spell(r, lambda said: dumps(html.escape(said))), 0),
    "two_escaped": (lambda r: dumps(r).replace('"', '\\"', 2), 0),
}  # fmt: skip
KINDS = {
    **{name: lambda r, form=form: form.replace("%s", dumps(r)) for name, form in AROUND.items()},
    **WHOLE, **{f"{name}?": kind for name, (kind, _) in PARTS.items()},
}  # fmt: skip


def result(checked, text, schema, truth):
    """Return exact, wrong or rejected, and the record."""
    try:
        record, _ = checked(text, schema=SCHEMAS[schema])
    except Refused:
        return "rejected", None
    same = dumps(record) == dumps(normalised(truth, str.strip))
    return ("exact" if same else "wrong"), record


def test_the_list_is_long_enough():
    assert len(AROUND) + len(WHOLE) + len(PARTS) >= 100


@pytest.mark.parametrize("name", KINDS)
def test_a_kind_over_all_schemas(checked, name):
    met = Counter()
    rng = Random(name)
    for schema in SCHEMAS:
        for _ in range(12):
            truth = a_record(schema, rng)
            met[result(checked, KINDS[name](truth), schema, truth)[0]] += 1
    assert met["wrong"] == 0
    share = PARTS[name[:-1]][1] if name.endswith("?") else 0.96
    assert met["exact"] >= share * met.total()


SIGNS = '"""\'\'{}[],::\\\n `a.“”/#-=+;5'


def edited(text, rng):
    """Do one edit, half of the time beside a sign of JSON; return the text and the edit's size."""
    at = rng.randrange(len(text))
    if rng.random() < 0.5 and (places := [m.start() for m in re.finditer(r'["{}\[\],:\']', text)]):
        at = min(len(text) - 1, max(0, rng.choice(places) + rng.choice([-1, 0, 0, 1])))
    size, sign = rng.choice([1, 1, 2, 3, 6]), rng.choice(SIGNS)
    how = rng.choice(["delete", "insert", "change", "double", "swap", "cut", "take", "put"])
    if how == "double":
        return text[: at + size] + text[at:], size
    if how == "swap":
        return text[:at] + text[at + 1 : at + 2] + text[at : at + 1] + text[at + 2 :], 2
    if how == "cut":
        return text[: max(at, 1)], 0
    if how == "take":
        return text[:at] + text[at + size :], size
    if how == "put":
        other = rng.randrange(len(text))
        return text[:at] + text[other : other + size] + text[at:], size
    return text[:at] + sign * (how != "delete") + text[at + (how != "insert") :], 1


def distance(one, other):
    """Return the Levenshtein distance."""
    row = list(range(len(other) + 1))
    for i, a in enumerate(one, 1):
        left = [i]
        for j, b in enumerate(other, 1):
            left.append(min(row[j] + 1, left[-1] + 1, row[j - 1] + (a != b)))
        row = left
    return row[-1]


def apart(said, meant):
    """Return how far two values are apart; infinitely, where they are of another shape."""
    if isinstance(said, dict) and isinstance(meant, dict) and len(said) == len(meant):
        pairs = zip(said.items(), meant.items(), strict=True)
        return sum(distance(a, b) + apart(x, y) for (a, x), (b, y) in pairs)
    if isinstance(said, list) and isinstance(meant, list) and len(said) == len(meant):
        return sum(map(apart, said, meant))
    if isinstance(said, (dict, list)) or isinstance(meant, (dict, list)):
        return float("inf")
    return distance(dumps(said), dumps(meant))


def blind_edits(checked, count, seed):
    """Edit texts up to three times; return how often each thing came out, and what is wrong.

    A record other than the truth is the edits' own where the text is JSON that says it, where they
    are of a size with the difference, or where the text is as near to what that record looks like
    in this kind as to what the truth does: no reader could tell.
    """
    rng, met, wrong = Random(seed), Counter(), []
    kinds = ["plain", *KINDS]
    for _ in range(count):
        schema, name = rng.choice(list(SCHEMAS)), rng.choice(kinds)
        kind = KINDS.get(name, lambda r: dumps(r, rng.choice([None, 2])))
        truth = a_record(schema, rng)
        text, sizes = kind(truth), []
        for _ in range(rng.randrange(1, 4)):
            text, size = edited(text, rng) if text else (text, 0)
            sizes.append(size + 8)
        what, record = result(checked, text, schema, truth)
        if what == "wrong":
            try:
                json.loads(text)
                what = "well-formed"
            except ValueError:
                near = apart(record, normalised(truth, str.strip)) <= sum(sizes)
                likely = near or distance(text, kind(record)) <= distance(text, kind(truth))
                what = "the edits" if likely else "wrong"
        met[what] += 1
        if what == "wrong":
            wrong.append((schema, name, truth, text, record))
    return met, wrong


def test_after_blind_edits_nothing_else_is_wrong(checked):
    met, wrong = blind_edits(checked, 6000, seed=1)
    assert wrong == []
    assert met["exact"] > 300
    assert met["rejected"] > 3000


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(2, 6))
def test_after_many_blind_edits_nothing_else_is_wrong(checked, seed):
    met, wrong = blind_edits(checked, 30_000, seed)
    assert wrong == []
    assert met["exact"] > 1500
