"""Pairs by model and model: counted from either side, tested over prompts, the stale ones told."""

import pytest

from stages.core.significance import mcnemar
from stages.report.preferences import compared, gather, matrix, section

DIGESTS = {name: f"of {name}" for name in ("base", "2b", "2c")}
COMPARE = {"confidence": 0.95, "resamples": 999}


def pair(said, model, other, at=0, **changes):
    told = {"kind": "pair", "prompt": f"Case {at}?", "model": model, "answer": f"{model} {at}",
            "other": other, "other_answer": f"{other} {at}", "digest": f"of {model}",
            "other_digest": f"of {other}", "verdict": said, "note": ""}  # fmt: skip
    return told | changes


MANY = [pair("better", "2b", "base", at) for at in range(10)]
PAIRS = [
    *MANY,
    pair("worse", "base", "2b", 10),  # better, from 2b's side
    pair("same", "2b", "base", 11),
    pair("worse", "2c", "2b", 0, note="| too *short*"),
    pair("better", "2c", "2b", 0, answer="another"),
    pair("same", "2c", "2b", 1, system="Be brief.",
         history=[{"role": "user", "content": "Hi\n## there"}]),
    pair("better", "2c", "2b", 2, digest="of an earlier 2c"),
    pair("better", "exports/2c", "2b", 3),
    pair("better", "2d", "2b", 4),
]  # fmt: skip


@pytest.fixture(scope="module")
def found():
    return gather(PAIRS, DIGESTS, COMPARE)


def test_pairs_are_counted_from_the_later_models_side(found):
    one, two = found.tallies
    assert (one.model, one.other, one.better, one.same, one.worse) == ("2b", "base", 11, 1, 0)
    assert (one.n, one.prompts) == (12, 12)
    assert one.preferred == pytest.approx(11.5 / 12)
    assert 0.5 < one.low < one.preferred < one.high <= 1
    assert one.p == mcnemar(11, 0)
    assert one.p_holm == 2 * one.p
    assert one.shown
    assert (two.model, two.other, two.better, two.same, two.worse) == ("2c", "2b", 1, 1, 1)
    assert (two.n, two.prompts, two.preferred) == (3, 2, 0.5)  # one prompt was asked twice
    assert not two.shown
    assert two.low < 0.5 < two.high
    assert len(found.held) == 15


def test_who_was_preferred_to_whom_is_told_of_both(found):
    cells = matrix(found.tallies)
    assert cells.keys() == {("2b", "base"), ("base", "2b"), ("2c", "2b"), ("2b", "2c")}
    assert cells["base", "2b"] == (pytest.approx(0.5 / 12), 12, True)
    assert cells["2b", "2c"] == (0.5, 3, False)
    assert compared(found.tallies, list(DIGESTS)) == ["base", "2b", "2c"]
    assert compared(found.tallies[:1], list(DIGESTS)) == ["base", "2b"]


def test_the_report_has_the_tables_the_pairs_and_what_does_not_hold(found):
    told = section(found, list(DIGESTS), "emoji")
    assert told[0] == "## Preferred in the chat window"
    assert "(`recipes/emoji/verdicts.jsonl`)" in "\n".join(told)
    assert "| 2b against base | 12 | 11 | 1 | 0 | **0.96** [0." in "\n".join(told)
    assert "| 2c against 2b | 3 of 2 prompts | 1 | 1 | 1 | 0.50 [0." in "\n".join(told)
    assert "| 2b | 0.96 of 12 |  | 0.50 of 3 |" in told
    assert r"**2c** · worse than 2b: \| too \*short\*" in told
    before = told[told.index("**Before**") :]
    assert before[2:7] == ["```text", "system: Be brief.\n\nuser: Hi\n## there", "```", "", "**Prom"
                           "pt**"]  # fmt: skip
    at = told.index("### Pairs that do not hold: 3")
    assert [line for line in told[at:] if line.startswith("| ")][2:] == [
        "| 2c better than 2b | Case 2? | 2c: another model by now |",
        "| exports/2c better than 2b | Case 3? | exports/2c: an export |",
        "| 2d better than 2b | Case 4? | 2d: no such model |",
    ]


def test_two_models_have_no_matrix_and_nothing_kept_no_part():
    told = section(gather(MANY, DIGESTS, COMPARE), list(DIGESTS), "emoji")
    assert len([line for line in told if line.startswith("| ")]) == 3
    assert section(gather([], DIGESTS, COMPARE), list(DIGESTS), "emoji") == []
    only = section(gather(PAIRS[-1:], DIGESTS, COMPARE), list(DIGESTS), "emoji")
    assert "### Pairs that do not hold: 1" in only
    assert not [line for line in only if line.startswith("### Case")]
