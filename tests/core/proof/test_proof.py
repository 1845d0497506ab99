"""The proof, attacked: kinds it was made with, kinds it was not, and blind edits.

Silently wrong is a record that the teacher did not mean. What no reader can see is left out by
name: texts that are well-formed JSON and say something else, and edits within a value.
"""
# ruff: noqa: RUF001

import html
import json
import textwrap
from collections import Counter, defaultdict
from random import Random

import pytest

from stages.core.asking.offline.malform import KINDS, members, plain, quoted
from stages.core.proof import Refused

KEYS = ("agree", "disagree")
PROSE = ["the plot", "was", "dull", "and", "bold", '"gripping"', "it's", "fine.", "Really,", "É"]
NASTY = [
    "the plot", '"gripping"', "it's", "the actors' work", 'He said "no", ok', "{curly}", "[x]",
    "a: b",
    '"agree": "x"', '", "disagree": "', '"disagree"', "disagree:", "', 'disagree': '", "}", "{",
    "\n",
    "\n\n", "é", "“so”", "’s", "…", "\\", "// no", "# tag", "/* c */", "```", "```json", "x,", '"',
    "'",
    'said: "well"', "1,000", "<br />", "R&B", "😀", "null", '5" tall', "(“quoted”)", "- item", '"}',
    '",', '": "', "\t", "'agree': 'y'", "+", '" + "', 'he is "x"', '"x" is', "&amp;", "```json\n{",
]  # fmt: skip


def records(words, count, seed):
    rng = Random(seed)
    for _ in range(count):
        said = (" ".join(rng.choices(words, k=rng.randrange(1, 9))) for _ in KEYS)
        yield dict(zip(KEYS, said, strict=True)), rng


def outcome(checked, text, truth, finish_reason="stop"):
    """Return exact, wrong or rejected."""
    try:
        record, _ = checked(text, finish_reason)
    except Refused:
        return "rejected"
    return "exact" if record == {key: truth[key].strip() for key in KEYS} else "wrong"


# What must come back whole when the text is prose; what cannot be told, must not.
MENDED = {
    "fence", "fence_json", "fence_open", "prose_before", "prose_after", "prose_and_fence",
    "thinking",
    "trailing_comma", "missing_comma", "missing_open_brace", "single_quotes", "bare_apostrophes",
    "javascript", "raw_newlines", "smart_quotes", "comments", "html_escaped", "double_encoded",
    "backslashed", "in_list", "under_key", "repeated", "two_objects", "backticks",
}  # fmt: skip
PARTLY = {"missing_brace", "unescaped_quotes", "cut", "lost_quote", "concatenated"}
LOST = {
    "truncated", "wrong_keys", "key_case", "extra_keys", "wrong_types", "placeholder", "refusal",
    "filtered", "empty",
}  # fmt: skip


def test_every_kind_has_its_expectation():
    assert {kind.__name__ for kind in KINDS} == MENDED | PARTLY | LOST
    assert len(MENDED) + len(PARTLY) + len(LOST) == len(KINDS)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
@pytest.mark.parametrize("words", [PROSE, NASTY], ids=["prose", "nasty"])
def test_a_kind_is_recovered_or_rejected_never_wrong(checked, kind, words):
    met = Counter()
    for truth, rng in records(words, 60, seed=5):
        said = kind(truth, rng)
        text, finish_reason = (said, "stop") if isinstance(said, str) else said
        met[outcome(checked, text, truth, finish_reason)] += 1
    assert met["wrong"] == 0
    if kind.__name__ in LOST:
        assert met["exact"] == 0
    elif words is PROSE and kind.__name__ in MENDED:
        assert met["exact"] == 60
    elif kind.__name__ in MENDED:
        assert met["exact"] >= 5
    elif words is PROSE and kind.__name__ != "cut":
        assert met["exact"] >= 25


def spelled(key="{}", value="{}", sign=": ", joint=", ", around="{{{}}}"):
    """Make a speller of records from a template for each part."""

    def spell(record, rng):
        each = (key.format(k) + sign + value.format(said) for k, said in record.items())
        return around.format(joint.join(each))

    return spell


def dumps(record, rng=None):
    return json.dumps(record, ensure_ascii=False)


def signed(record, sign):
    return "{" + ", ".join(quoted(key) + sign + quoted(said) for key, said in record.items()) + "}"


def halves(record, rng, between):
    each = (f"{quoted(k)}: {quoted(s[: len(s) // 2])}{between}{quoted(s[len(s) // 2 :])}"
            for k, s in record.items())  # fmt: skip
    return "{" + ", ".join(each) + "}"


# Kinds that the reader was not made with. Left as they are: a kind that fails is a finding.
UNFORESEEN = {
    "wrapped": lambda r, g: textwrap.fill(dumps(r), 40, break_on_hyphens=False),
    "equals": lambda r, g: signed(r, " = "),
    "arrow": lambda r, g: signed(r, " => "),
    "yaml": spelled(joint="\n", around="{}"),
    "yaml_quoted": lambda r, g: "\n".join(f"{k}: {quoted(v)}" for k, v in r.items()),
    "bold": spelled("**{}**", joint="\n", around="{}"),
    "xml": lambda r, g: "".join(f"<{k}>{v}</{k}>" for k, v in r.items()),
    "csv": lambda r, g: ",".join('"' + v.replace('"', '""') + '"' for v in r.values()),
    "parentheses": lambda r, g: f"({members(r)})",
    "semicolons": lambda r, g: "{" + members(r, joint="; ") + "}",
    "an_object_a_key": lambda r, g: "\n".join(dumps({k: v}) for k, v in r.items()),
    "a_list_of_keys": lambda r, g: "[" + ", ".join(dumps({k: v}) for k, v in r.items()) + "]",
    "a_fence_a_key": lambda r, g: "\n".join(f"```\n{dumps({k: v})}\n```" for k, v in r.items()),
    "ellipsis": lambda r, g: "{" + members(r) + ", ...}",
    "prose_inside": lambda r, g: "{ Here it is: " + members(r) + "}",
    "prose_at_the_end": lambda r, g: "{" + members(r) + " as you asked}",
    "triple_quotes": spelled('"{}"', '"""{}"""'),
    "no_escapes": spelled('"{}"', '"{}"'),
    "no_escapes_no_comma": spelled('"{}"', '"{}"', joint="\n"),
    "no_escapes_no_brace": spelled('"{}"', '"{}"', around="{{{}"),
    "double_in_single": spelled("'{}'", '"{}"'),
    "single_in_double": spelled('"{}"', "'{}'"),
    "bare_keys": spelled("{}", "'{}'"),
    "guillemets": spelled("«{}»", "«{}»"),
    "low_quotes": spelled("„{}“", "„{}“"),
    "smart_single": spelled("‘{}’", "‘{}’"),
    "smart_wrong_way": spelled("”{}”", "”{}”"),
    "smart_close": spelled('"{}”', '"{}”'),
    "backtick_keys": spelled("`{}`", '"{}"'),
    "no_quotes": spelled(),
    "no_colon": lambda r, g: dumps(r).replace('": ', '" ', 1),
    "two_commas": lambda r, g: "{" + members(r, joint=",, ") + "}",
    "leading_comma": lambda r, g: "{," + members(r) + "}",
    "two_braces": lambda r, g: "{" + dumps(r) + "}",
    "closed_twice": lambda r, g: dumps(r) + "}",
    "closed_early": lambda r, g: dumps(r).replace('", "disagree', '"}, "disagree'),
    "corrected": lambda r, g: '{"agree": "wrong", ' + members(r) + "}",
    "begun_again": lambda r, g: dumps(r)[: len(dumps(r)) // 2] + "\n" + dumps(r),
    "end_token": lambda r, g: dumps(r) + "<|im_end|>",
    "end_token_for_brace": lambda r, g: dumps(r)[:-1] + "<|im_end|>",
    "halves_side_by_side": lambda r, g: halves(r, g, " "),
    "halves_on_two_lines": lambda r, g: halves(r, g, "\n"),
    "halves_added": lambda r, g: halves(r, g, " +\n "),
    "halves_with_a_dot": lambda r, g: halves(r, g, " . "),
    "no_close_of_the_last": lambda r, g: dumps(r).replace('"}', "}"),
    "no_open_of_a_value": lambda r, g: dumps(r).replace(': "', ": ", 1),
    "no_open_of_a_key": lambda r, g: dumps(r).replace(', "disagree', ", disagree", 1),
    "no_close_of_a_key": lambda r, g: dumps(r).replace('disagree":', "disagree:", 1),
    "a_value_in_a_comment": lambda r, g: "{" + members(r) + ' // "agree": "old"\n}',
    "assigned": lambda r, g: "result = " + repr(r),
    "returned": lambda r, g: "return " + dumps(r) + ";",
    "called": lambda r, g: "dict(" + ", ".join(f"{k}={v!r}" for k, v in r.items()) + ")",
    "pairs": lambda r, g: repr(list(r.items())),
    "an_example_first": lambda r, g: 'For example {"agree": "x"}, so:\n' + dumps(r),
    "as_a_schema": lambda r, g: '{"type": "object", "properties": ' + dumps(r) + "}",
    "windows": lambda r, g: json.dumps(r, indent=2, ensure_ascii=False).replace("\n", "\r\n"),
    "no_break_spaces": lambda r, g: json.dumps(r, indent=2, ensure_ascii=False).replace(
        "  ", "\xa0"
    ),
    "entities_in_values": lambda r, g: dumps({k: html.escape(v) for k, v in r.items()}),
    "entities_for_quotes": lambda r, g: dumps(r).replace('\\"', "&quot;"),
    "two_escaped_quotes": lambda r, g: dumps(r).replace('"', '\\"', 2),
    "quotes_doubled": lambda r, g: dumps(r).replace('"', '""'),
    "cut_and_closed": lambda r, g: dumps(r)[: g.randrange(15, len(dumps(r)))] + "}",
    "a_line_lost": lambda r, g: "\n".join(json.dumps(r, indent=0).split("\n")[::2]),
    "shouted": lambda r, g: dumps(r).upper(),
    "turned_round": lambda r, g: dumps({said: key for key, said in r.items()}),
}


@pytest.mark.parametrize("words", [PROSE, NASTY], ids=["prose", "nasty"])
def test_kinds_that_nobody_foresaw_are_never_wrong(checked, words):
    met = defaultdict(Counter)
    for truth, rng in records(words, 40, seed=77):
        for name, spell in UNFORESEEN.items():
            text = spell(truth, rng)
            try:
                json.loads(text)
            except ValueError:
                met[name][outcome(checked, text, truth)] += 1
    assert len(UNFORESEEN) == 65
    assert len(met) >= 55  # the others are well-formed JSON
    assert {name: count["wrong"] for name, count in met.items() if count["wrong"]} == {}
    if words is PROSE:
        assert sum(count["exact"] > 0 for count in met.values()) >= 40


def edited(text, rng):
    """Delete, insert or change one character, of those that matter most."""
    at, how = rng.randrange(len(text)), rng.choice(["delete", "insert", "change"])
    char = "" if how == "delete" else rng.choice("\"'{}[],:\\\n `a.“”/#-")
    return text[:at] + char + text[at + (how != "insert") :]


def apart(said, meant):
    """Tell whether two values differ beyond what one edit within the value explains.

    An edit can undo an escape, of up to six characters (&quot;), and what it leaves at the edge of
    the value comes to be trimmed.
    """
    ahead = next((k for k, (a, b) in enumerate(zip(said, meant)) if a != b), None)  # noqa: B905
    if ahead is None:
        ahead = min(len(said), len(meant))
    rest = min(len(said), len(meant)) - ahead
    behind = 0
    while behind < rest and said[-1 - behind] == meant[-1 - behind]:
        behind += 1
    return max(len(said), len(meant)) - ahead - behind > 8


@pytest.mark.parametrize("words", [PROSE, NASTY], ids=["prose", "nasty"])
@pytest.mark.parametrize("malformed", [False, True], ids=["well-formed", "malformed"])
def test_after_a_blind_edit_nothing_but_the_edit_can_be_wrong(checked, words, malformed):
    met = Counter()
    kinds = [kind for kind in KINDS if kind.__name__ in MENDED | PARTLY - {"cut"}]
    for truth, rng in records(words, 2500, seed=3):
        text = rng.choice(kinds)(truth, rng) if malformed else plain(truth, rng)
        text = edited(text, rng)
        result = outcome(checked, text, truth)
        if result == "wrong":
            record, _ = checked(text)
            if not any(apart(record[key], truth[key].strip()) for key in KEYS):
                result = "the edit"
        met[result] += 1
        assert result != "wrong", (truth, text)
    assert met["rejected"] > 250
    assert met["exact"] > 50
