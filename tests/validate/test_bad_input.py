"""What no teacher should say: each is a reject with its reason, at once, and never a traceback."""

import json
import time
from random import Random

import pytest

from stages.core.proof import REASONS

GOOD = '{"agree": "x", "disagree": "y"}'
LONG = 10_000_000
DEEP = 100_000

BAD = {
    "a long text": ("x" * LONG, "too_long"),
    "a long record": (json.dumps({"agree": "x" * LONG, "disagree": "y"}), "too_long"),
    "a long record, malformed": ('{"agree": "' + "x" * LONG, "too_long"),
    "long white space": (" " * LONG + "x", "too_long"),
    "spaces in a value": (json.dumps({"agree": " " * 900_000, "disagree": "y"}), "schema"),
    "spaces before breaks": (json.dumps({"agree": " " * 900_000 + "x", "d": ""}), "schema"),
    "brackets": ("[" * DEEP, None),
    "closed brackets": ("[" * DEEP + "]" * DEEP, None),
    "braces": ("{" * DEEP, None),
    "nested objects": ('{"agree": ' * DEEP + "1" + "}" * DEEP, None),
    "nested in a fence": ("```\n" + '{"agree": ' * 9_000 + "1" + "}" * 9_000, None),
    "a nested value": (json.dumps({"agree": "x", "disagree": "y"})[:-2] + "[" * 300, None),
    "a list 300 deep": ('{"agree": ' + "[" * 300 + "]" * 300 + ', "disagree": "y"}', "too_long"),
    "control characters": ('{"agree": "x\x00", "disagree": "y"}', "broken_text"),
    "escaped control characters": (r'{"agree": "x\u0007", "disagree": "y"}', "broken_text"),
    "what was a lone surrogate": ('{"agree": "x\ufffd", "disagree": "y"}', "broken_text"),
    "an escaped lone surrogate": (r'{"agree": "x\ud800", "disagree": "y"}', "broken_text"),
    "in a key": (r'{"agree\ud800": "x", "disagree": "y"}', "broken_text"),
    "a long number": ('{"agree": ' + "9" * 5_000 + ', "disagree": "y"}', None),
    "a long number, malformed": ("{'agree': " + "9" * 5_000 + "}", None),
    "quotes": ('"' * 100_000, None),
    "an open string of quotes": ('{"agree": "' + 'a"' * 50_000, None),
    "backslashes": ('{"agree": "' + "\\" * 99_999, None),
    "fences": ("```" * 50_000, None),
}


@pytest.mark.parametrize("name", BAD)
def test_it_is_a_reject_with_a_reason_within_a_second(project, name):
    text, reason = BAD[name]
    project.settings(normalise=["trim", "entities", "breaks", "key_case"])
    project.texts([GOOD, text], truth=False)
    started = time.process_time()
    project.validate()
    seconds = time.process_time() - started
    [reject] = project.rows("rejects")
    assert reject["text"] == text
    assert reject["reason"] in REASONS
    assert reason in (None, reject["reason"])
    assert len(reject["detail"]) < 500
    assert seconds < 1


@pytest.mark.parametrize(
    "inner", ["&#" + "9" * 5_000 + ";", " " * 100_000 + "<br", "<br> <br>" * 20_000, "&" * 100_000]
)
def test_normalisations_take_any_text(project, inner):
    project.settings(normalise=["trim", "entities", "breaks", "key_case"])
    project.texts([json.dumps({"agree": f"x{inner}x", "disagree": "y"}), GOOD], truth=False)
    started = time.process_time()
    project.validate()
    assert time.process_time() - started < 1
    assert len(project.rows()) + len(project.rows("rejects")) == 2


def test_random_noise_is_never_a_traceback(project):
    rng = Random(3)
    pieces = ["{", "}", "[", "]", '"', "'", ":", ",", "\\", "agree", "disagree", "x", " ", "\n",
              "```", "&quot;", "<br>", "\ufffd", "\x07", "1e999", "NaN", "-", "//", "“", "null",
              r"\ud800", "😀"]  # fmt: skip
    texts = ["".join(rng.choices(pieces, k=rng.randint(1, 40))) for _ in range(2000)]
    project.settings(normalise=["trim", "entities", "breaks", "key_case"])
    project.texts([GOOD, *texts], truth=False)
    project.validate()
    assert len(project.rows()) + len(project.rows("rejects")) == 2001
