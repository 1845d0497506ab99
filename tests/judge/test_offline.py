"""The offline judge: prefers the higher primary score, with a declared bias, the same always."""

from pathlib import Path

import pytest

from stages.core.jsonl import read_rows

VERDICTS = Path("data/judgements/verdicts.jsonl")


def test_it_prefers_the_higher_primary_score(judging):
    judging.write(old=["no", "yes!", "no", "no"], new=["yes", "no", "nope", "yes."])
    told = judging.figures()
    assert told["wins"] == {"old": 1, "new": 2}
    assert (told["ties"], told["flipped"]) == (1, 0)
    assert told["metrics"]["exact"] == {"agree": 1.0, "kappa": 1.0, "n": 3, "rows": 4}
    assert told["position"]["consistency"] == 1.0
    assert told["position"]["first"] == 0.5
    assert judging.run()["offline"] == ["j"]


def test_a_position_bias_is_found_out(judging):
    judging.write(old=["no"] * 80, new=["yes"] * 80)
    judging.judge |= {"rows": 80, "offline": {"position_bias": 0.3}}
    told = judging.figures()
    biased = told["position"]["both_first"]
    assert 12 <= biased <= 36  # 24 are expected, 4.1 the standard deviation
    assert told["flipped"] == told["ties"] == biased
    assert told["position"]["both_second"] == 0
    assert told["position"]["consistency"] == pytest.approx(1 - biased / 80, abs=1e-5)
    assert told["position"]["first"] == pytest.approx(0.5 + biased / 160, abs=1e-5)
    assert told["position"]["p"] < 1e-3
    assert told["wins"] == {"old": 0, "new": 80 - biased}  # the bias makes ties, no winner
    judging.judge |= {"rows": 20, "offline": {"position_bias": 1.0}}
    told = judging.figures()
    assert (told["flipped"], told["win_rate"]["value"]) == (20, 0.5)
    assert told["position"]["first"] == 1.0


def test_it_misbehaves_as_the_offline_teacher_does_and_says_the_same_in_every_build(
    judging, monkeypatch
):
    judging.write(old=["no"] * 50, new=["yes"] * 50)
    judging.judge |= {"rows": 50, "reask": 0}
    judging.params["offline"] |= {"malformed": 0.5, "failing": 0.1}
    built = []
    for name in ("a", "b"):
        monkeypatch.setenv("TUNEGRAPH_JOURNAL", f"{name}.jsonl")
        told = judging.figures()
        built.append((Path("judge.json").read_bytes(), read_rows(VERDICTS)))
    assert built[0] == built[1]
    failed = told["failed"]
    assert 3 < failed < 45  # some malformed ones are mended
    judging.judge["reask"] = 3
    assert judging.figures()["failed"] < failed
