"""The page's part on verdicts: what was said stands there, and what was written stays text."""

import re
from types import SimpleNamespace

import pytest

from stages.report.page import by_hand
from stages.report.preferences import gather

NAMES = ["base", "2b", "2c"]
STACK = {"a": {"name": "2b", "on": "base"}, "b": {"name": "2c", "on": "2b"}}
HOSTILE = '<script>alert(1)</script> <b onclick="x">[x](javascript:y)</b> \x1b[31m\u202e &amp;'


def answer(model, row, text):
    return {"model": model, "set": "probes", "skill": "s", "row": row, "prompt": f"Row {row}?",
            "reference": "panda", "text": text, "finish_reason": "stop"}  # fmt: skip


def verdict(model, row, text, said, note=""):
    return {"row": row, "prompt": f"Row {row}?", "model": model, "answer": text, "verdict": said,
            "note": note}  # fmt: skip


def pair(said, model, other, at=0, **changes):
    told = {"kind": "pair", "prompt": f"Case {at}?", "model": model, "answer": f"{model} {at}",
            "other": other, "other_answer": f"{other} {at}", "digest": f"of {model}",
            "other_digest": f"of {other}", "verdict": said, "note": ""}  # fmt: skip
    return told | changes


def page(verdicts=(), pairs=()):
    digests = {name: f"of {name}" for name in NAMES}
    build = SimpleNamespace(
        params={"recipe": "mine", "adapters": STACK},
        names=NAMES,
        verdicts=list(verdicts),
        answers={name: [answer(name, "r1", f"{name} says"), answer(name, "r2", HOSTILE)]
                 for name in NAMES},
        preferences=gather(pairs, digests, {"confidence": 0.95, "resamples": 999}),
    )  # fmt: skip
    return str(by_hand.part(build))


def words(html):
    return " ".join(re.sub(r"<[^>]*>", " ", html).split())


def test_where_nobody_judged_anything_there_is_no_part():
    assert page() == ""


def test_answers_that_were_judged_stand_there_with_their_verdicts():
    html = page([
        verdict("2b", "r1", "2b says", "wrong", "no <i>panda</i>"),
        verdict("2c", "r1", "2c says", "right"),
        verdict("2c", "r2", "said once", "right"),
        verdict("gone", "r1", "x", "partly"),
    ])  # fmt: skip
    told = words(html)
    assert "model right partly wrong judged ↑ , higher is better stale" in told
    assert "2b 0 0 1 0.00 0 2c 1 0 0 1.00 1" in told
    assert "2b → 2c 1 1 0 0" in told
    assert html.count('<details class="sample">') == 1
    assert "no &lt;i&gt;panda&lt;/i&gt;" in html
    assert "Stale verdicts: 2" in told
    assert "Two answers side by side" not in told
    assert re.search(r'<span class="mark better">\s*<span aria-hidden="true">▲</span> right', html)


def test_pairs_stand_there_with_a_matrix_and_what_does_not_hold():
    pairs = [pair("better", "2b", "base", at) for at in range(9)]
    pairs += [pair("better", "2b", "2c", 1), pair("same", "2c", "base", 2, digest="earlier")]
    pairs += [pair("same", "2c", "base", 3, system="Be brief.")]
    told = words(html := page(pairs=pairs))
    assert "2b against base 9 9 0 0 1.00 [" in told
    assert "2c against base 1 0 1 0 0.50 [" in told
    assert "2c against 2b 1 0 0 1 0.00 [" in told
    assert told.count("not shown") == 2
    assert "How often the model of the row was preferred to that of the column" in told
    assert "2b 1.00 of 9 1.00 of 1" in told
    assert html.count('<details class="sample">') == 11
    assert "▼ worse than 2b" in told
    assert "as good as base" in told
    assert "Before it system: Be brief." in told
    assert "Pairs that do not hold: 1" in told
    assert "2c as good as base Case 2? 2c: another model by now" in told


@pytest.mark.parametrize("where", ["answer", "other_answer", "prompt", "note", "system", "history"])
def test_what_was_written_stays_text(where):
    value = [{"role": "user", "content": HOSTILE}] if where == "history" else HOSTILE
    html = page(pairs=[pair("better", "2b", "base", **{where: value})])
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in html
    assert not re.search(r"<(script|b|a)\b", html)
    assert "\x1b" not in html
    assert "\u202e" not in html
    assert "&amp;amp;" in html


def test_what_was_judged_stays_text_and_names_do_too():
    given = verdict("2c", "r2", HOSTILE, "wrong", HOSTILE)
    html = page([given, given | {"model": HOSTILE}], [pair("same", HOSTILE, "base")])
    assert html.count("&lt;script&gt;") >= 6
    assert not re.search(r"<(script|b|a)\b", html)


def test_long_texts_and_many_pairs_are_cut_and_that_is_told():
    many = by_hand.MOST + 2
    long = "x" * (by_hand.LONGEST + 7)
    html = page(pairs=[pair("better", "2b", "base", at, answer=long) for at in range(many)])
    assert html.count('<details class="sample">') == by_hand.MOST
    assert "And 2 pairs more, in metrics/report.md." in html
    assert html.count("… and 7 characters more, in metrics/report.md.") == by_hand.MOST


def test_an_answer_keeps_the_line_it_begins_with():
    html = page([], [pair("better", "2c", "2b", answer="\n\nx")])
    assert '<pre class="text">\n\n\nx</pre>' in html  # HTML drops the first
