"""What the report says of the judge: only what was shown is bold, a fake is called one."""

from stages.report.judge import section

RATE = {"value": 0.9, "low": 0.7, "high": 0.98, "n": 20, "groups": 8, "p": 0.001, "p_holm": 0.002}
PAIR = {
    "models": ["base", "2b"], "rows": 20, "identical": 1, "judged": 18, "failed": 1,
    "wins": {"base": 1, "2b": 16}, "ties": 2, "flipped": 1, "win_rate": RATE,
    "position": {"n": 18, "consistency": 0.944, "first": 0.53, "first_n": 34, "both_first": 1,
                 "both_second": 0, "p": 1.0},
    "length": {"n": 17, "judge": 0.8, "metric": 0.6, "metric_n": 15},
    "metrics": {"rouge_l": {"n": 16, "rows": 18, "agree": 0.75, "kappa": 0.31},
                "loss": {"n": 16, "rows": 18, "agree": 0.5}},
}  # fmt: skip


def told(pair=PAIR, **changes):
    judges = {"gpt|x": {"base and 2b": pair}}
    return "\n".join(section({"set": "own", "confidence": 0.95, "judges": judges} | changes))


def test_switched_off_it_says_nothing():
    assert section({}) == []


def test_wins_biases_and_agreement_have_their_tables():
    text = told()
    assert (
        "| 2b against base | gpt\\|x | 20 | 16 | 1 | 2 (1 same, 1 flipped) "
        "| **0.90** [0.70, 0.98] | 0.002 |"
    ) in text
    assert (
        "| base and 2b | gpt\\|x | 1 | 0.94 of 18 | 0.53 of 34 | 1 | 0.80 of 17 | 0.60 of 15 |"
        in text
    )
    assert "| `rouge_l` ↑ | 0.75 of 16, κ 0.31 |" in text
    assert "| `loss` ↓ | 0.50 of 16 |" in text
    assert "arXiv:2306.05685" in text
    assert "What this does not show" in text
    assert "offline" not in text


def test_what_is_not_shown_is_not_bold():
    for change in ({"low": 0.49}, {"p_holm": 0.2}):
        text = told(PAIR | {"win_rate": RATE | change})
        assert "**0.90**" not in text
        assert "| 0.90 [" in text


def test_the_fake_is_called_one():
    assert "`gpt` (offline) is a fake" in told(offline=["gpt"])


def test_without_a_verdict_there_are_gaps_and_no_fault():
    bare = PAIR | {"win_rate": {"n": 0}, "position": {"n": 0}, "length": {"n": 0}, "metrics": {}}
    assert "| 2b against base | gpt\\|x | 0 | 16 | 1 | 2 (1 same, 1 flipped) |  |  |" in told(bare)


def test_several_judges_stand_beside_each_other():
    between = {"base and 2b": {"a and b": {"n": 9, "rows": 12, "agree": 0.889, "kappa": 0.5}}}
    assert "| base and 2b | a and b | 0.89 of 9 | 0.5 |" in told(between=between)
