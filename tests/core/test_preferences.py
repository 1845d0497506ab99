"""Which of two models was preferred: seen from either side, and for exactly these models."""

from stages.core.preferences import of_model, seen_from, why_not


def pair(said, model="2c", other="2b", **changes):
    told = {"kind": "pair", "prompt": "?", "model": model, "answer": f"by {model}", "other": other,
            "other_answer": f"by {other}", "digest": f"of {model}", "other_digest": f"of {other}",
            "verdict": said, "note": ""}  # fmt: skip
    return told | changes


def test_better_of_the_one_is_worse_of_the_other():
    seen = {}
    for said in ("better", "same", "worse"):
        own, other = seen_from(pair(said), "2c")
        assert (own.model, own.answer, other.model, other.answer) == ("2c", "by 2c", "2b", "by 2b")
        assert seen_from(pair(said), "2b") == (other, own)
        assert seen_from(pair(said), "base") is None
        seen[said] = own.value, other.value
    assert seen == {"better": (1.0, 0.0), "same": (0.5, 0.5), "worse": (0.0, 1.0)}


def test_a_model_has_the_pairs_of_exactly_what_it_is_now():
    pairs = [
        pair("better"),
        pair("worse", "2b", "2c"),
        pair("better", digest="of an earlier 2c"),
        pair("same", "2b", "2c", other_digest="of an earlier 2c"),
        pair("better", "2b", "base"),
    ]
    held, stale = of_model(pairs, "2c", "of 2c")
    assert [(own.value, other.model) for own, other in held] == [(1.0, "2b"), (1.0, "2b")]
    assert stale == pairs[2:4]


def test_why_a_pair_counts_for_nothing_is_told():
    digests = {name: f"of {name}" for name in ("base", "2b", "2c")}
    assert why_not(pair("same"), digests) == ""
    assert why_not(pair("same", other="2d"), digests) == "2d: no such model"
    assert why_not(pair("same", "exports/2c", "2b"), digests) == "exports/2c: an export"
    changed = pair("same", other_digest="of an earlier 2b")
    assert why_not(changed, digests) == "2b: another model by now"
