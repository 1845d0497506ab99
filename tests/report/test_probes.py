"""Probes: all models side by side and marked; each in its own part; nothing breaks out."""

import difflib
import re

import pytest

from stages.report.probes import marks, probes

SECTIONS = {
    "own": {"set": "own", "metrics": ["exact"]},
    "both": {"set": ["probes", "own"], "metrics": ["loss"]},
    "probes": {"set": "probes", "primary": "similarity", "metrics": ["rouge_l", "similarity"]},
}
HOSTILE = "```\n# A heading\n</details><script>alert(1)</script>\n`````\n| cell |\x1b[31m\u2028"
HOSTILE += "\u202e\x9b"


def answer(model, text, set_="probes", row="r1", **more):
    return {
        "model": model, "set": set_, "skill": "code", "row": row, "prompt": f"Write {row}.",
        "reference": "def f():\n    return 1", "text": text, "finish_reason": "stop",
    } | more  # fmt: skip


def score(row, **values):
    return {"row": row, "set": "probes", "values": values}


def told(answers, name="probes", scores=None):
    return probes(answers, name, scores or {}, SECTIONS)


@pytest.mark.parametrize(
    ("text", "more", "values", "expected"),
    [
        ("", {}, {}, ["empty", "no code where code was asked"]),
        ("so it is " * 9, {"finish_reason": "length", "reference": "x"}, {},
         ["loops until its limit"]),
        ("def f():\n    return", {"finish_reason": "length"}, {}, ["cut at its limit"]),
        ("def f():\n    return 1", {}, {"refusal": 0.0}, ["as the reference"]),
        ("I cannot", {"reference": "x"}, {"refusal": 1.0}, ["refuses"]),
        ("prose", {"reference": "prose too"}, {}, []),
    ],
)  # fmt: skip
def test_marks(text, more, values, expected):
    assert marks(answer("2b", text, **more), score("r1", **values)) == expected


def test_models_stand_side_by_side_with_marks_and_values():
    answers = {
        "base": [answer("base", "def f():\n    return 1"), answer("base", "x", set_="own")],
        "2b": [answer("2b", "prose " * 9)],
        "chat": [answer("chat", "", pasted={"model": "chat|9", "date": "2026-01-02"})],
        "none": [],
    }
    scores = {
        "base": [score("r1", similarity=1.0, rouge_l=1.0, empty=0.0)],
        "2b": [score("r1", similarity=0.25, rouge_l=0.125) | {"verdict": "out of time"}],
    }
    lines = told(answers, scores=scores).split("\n")
    assert "| probe | prompt | base | 2b | chat | none |" in lines
    assert (
        "| code `r1` | Write r1. | 1 `=` | 0.25 `no code` out of time | `empty` `no code` | none |"
        in lines
    )
    assert "**base** · as the reference · `rouge_l` 1 · `similarity` 1" in lines
    shown = "**2b** · no code where code was asked · its code: out of time · `rouge_l` 0.125"
    assert f"{shown} · `similarity` 0.25" in lines
    assert r"**chat** (chat\|9, 2026-01-02) · empty · no code where code was asked" in lines
    assert "**none**: no answer" in lines
    assert sum(line.startswith("## ") for line in lines) == 1


@pytest.mark.parametrize("change", ["another answer", "gone", "new"])
def test_one_probe_s_change_touches_its_part_alone(change):
    rows = ["r1", "r2", "r3"]
    before = {name: [answer(name, "x" * 50, row=row) for row in rows] for name in ("base", "2b")}
    after = {name: list(of) for name, of in before.items()}
    for name in after:
        changed = [answer(name, "something else", row="r2")]
        after[name][1:2] = {"gone": [], "another answer": changed}.get(change, after[name][1:2])
        after[name] += [answer(name, "more", row="r4")] if change == "new" else []
    moved = [
        line[2:]
        for line in difflib.ndiff(told(before).split("\n"), told(after).split("\n"))
        if line[:2] in ("- ", "+ ")
    ]
    assert len(moved) >= 4
    named = [line for line in moved if "`r" in line]
    assert all(("`r4`" if change == "new" else "`r2`") in line for line in named)
    assert len([line for line in moved if line.startswith("|")]) == (change != "another answer")


def test_an_answer_is_shown_whole():
    assert "word " * 5000 in told({"base": [answer("base", "word " * 5000)]})


def test_what_a_model_wrote_cannot_break_out():
    text = told({"base": [answer("base", HOSTILE)], "2b": [answer("2b", "x" * 10)]})
    fences = [line for line in text.split("\n") if re.fullmatch(r"`{3,}(text)?", line)]
    assert "``````text" in fences
    opened = text.index("``````text")
    closed = text.index("\n``````\n", opened + 1)
    assert opened < text.index("<script>") < closed
    assert not set(text) & set("\x1b\u2028\u202e\x9b")
    assert "\\u202e" in text
    assert "**2b** · no code where code was asked" in text
    of_prompt = told({"base": [answer("base", "x", prompt=HOSTILE)]})
    assert r"\<script\>" in of_prompt[: of_prompt.index("## ")]


def test_where_no_probes_are_it_says_so():
    answers = {"base": [answer("base", "x", set_="own")]}
    assert "No model answered a row of the set `probes`." in told(answers)
    assert "names no set" in told(answers, name=None)
    assert "## code `r1`" in told(answers, name="own")
