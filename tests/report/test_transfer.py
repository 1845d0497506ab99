"""Backward transfer is that of Lopez-Paz and Ranzato, along any chain, with its interval."""

import pytest

from stages.report.transfer import backward_transfer, chain, learned, transfer_lines

SETTINGS = {"confidence": 0.95, "resamples": 999, "eps": 0.02}
SECTIONS = {
    "own": {"set": "own", "primary": "exact", "metrics": ["exact"]},
    "own_train": {"set": "own_train", "primary": "exact", "metrics": ["exact"]},
    "whole": {"set": "original", "metrics": ["exact"]},
    "code": {"set": "original", "skill": "code", "primary": "exact", "metrics": ["exact"]},
    "fact": {"set": "original", "skill": "fact", "primary": "exact", "metrics": ["exact"]},
    "emoji": {"set": "emoji", "primary": "loss", "metrics": ["loss"]},
}


def adapter(on, **mix):
    return {"on": on, "mode": "stack", "mix": mix}


# A tree: 2c and 2d both stand on 2b; 2e stands on 2c and replays what came before.
ADAPTERS = {
    "2b": adapter("base", own=1.0),
    "2c": adapter("2b", emoji=1.0, original=0.1, own=0.0),
    "2d": adapter("2b", original=1.0) | {"mode": "merge"},
    "2e": adapter("2c", own=1.0, emoji=1.0) | {"mode": "continue"},
}


def scores(own, code, fact, loss):
    """Return 40 rows a task: so many pass; every row of emoji has this loss."""
    made = {}
    for task, skill, passed in (
        ("own", "own", own), ("own_train", "own", 40),
        ("original", "code", code), ("original", "fact", fact),
    ):  # fmt: skip
        for at in range(40):
            row = f"{task}{skill}{at}"
            values = {"exact": float(at < passed)}
            made[row] = {"set": task, "skill": skill, "row": row, "values": values}
            if skill == "own":
                made[row]["group"] = f"pair{at // 2}"
    for at in range(40):
        values = {"loss": loss + at / 100, "reference_tokens": 3.0}
        made[f"e{at}"] = {"set": "emoji", "skill": "e", "row": f"e{at}", "values": values}
    return made


SCORES = {
    "base": scores(0, 40, 36, 4.0),
    "2b": scores(36, 20, 16, 4.0),
    "2c": scores(28, 30, 26, 1.0),
    "2d": scores(20, 40, 40, 4.0),
    "2e": scores(32, 10, 6, 1.5),
}


def transfers(of=SCORES, adapters=ADAPTERS, sections=SECTIONS):
    return backward_transfer(adapters, "original", sections, of, SETTINGS)


def test_a_chain_runs_from_the_base_and_a_task_is_learned_where_it_is_first():
    assert chain("2e", ADAPTERS) == ["base", "2b", "2c", "2e"]
    assert chain("2d", ADAPTERS) == ["base", "2b", "2d"]
    assert learned(chain("2e", ADAPTERS), ADAPTERS, "original") == {
        "original": "base", "own": "2b", "emoji": "2c"
    }  # fmt: skip


def test_it_is_the_mean_over_the_tasks_learned_before():
    told = transfers()
    assert told.keys() == {"2b", "2c", "2d", "2e"}
    # original is the mean of code and fact: -20/40 both.
    assert told["2b"]["value"] == pytest.approx(-0.5)
    assert told["2b"]["tasks"].keys() == {"original"}
    # original -10/40 against the base, own -8/40 against 2b; emoji it learned itself.
    assert told["2c"]["value"] == pytest.approx((-0.25 - 0.2) / 2)
    assert {task: of["after"] for task, of in told["2c"]["tasks"].items()} == {
        "original": "base", "own": "2b"
    }  # fmt: skip
    # The other branch: original 0 and +4/40, own -16/40.
    assert told["2d"]["value"] == pytest.approx((0.05 - 0.4) / 2)
    # Own is replayed, but was learned by 2b; a loss that rises by 0.5 is 0.5 worse.
    assert told["2e"]["tasks"]["own"]["value"] == pytest.approx(-0.1)
    assert told["2e"]["tasks"]["emoji"]["value"] == pytest.approx(-0.5)
    assert told["2e"]["value"] == pytest.approx((-0.75 - 0.1 - 0.5) / 3)
    assert told["2e"]["n"] == 80 + 40 + 40


def test_a_section_over_several_sets_is_of_no_task():
    both = {"set": ["own", "original"], "primary": "exact", "metrics": ["exact"]}
    assert transfers(sections=SECTIONS | {"combined": both}) == transfers()
    named = SECTIONS | {"own": SECTIONS["own"] | {"set": ["own"]}}  # a list of one is one set
    assert transfers(sections=named) == transfers()


def test_it_has_an_interval_where_the_rows_can_tell():
    told = transfers()
    for name in ("2b", "2c", "2d"):
        assert told[name]["low"] < told[name]["value"] < told[name]["high"]
    assert told["2b"]["high"] < 0 < told["2d"]["tasks"]["original"]["high"]
    # All 40 losses rise by the same: nothing bounds what another row may do.
    assert "low" not in told["2e"]
    assert "low" in told["2e"]["tasks"]["own"]


def test_a_model_that_was_not_scored_leaves_its_task_out():
    of = {name: found for name, found in SCORES.items() if name != "2b"}
    told = transfers(of)
    assert told.keys() == {"2c", "2d", "2e"}
    assert told["2c"]["tasks"].keys() == {"original"}
    assert transfers(sections={"whole": SECTIONS["whole"]}) == {}


def test_the_report_says_what_is_shown():
    lines = transfer_lines(transfers())
    assert lines[0] == "## Backward transfer"
    told = "\n".join(lines)
    assert "| 2b | all | mean of 1 task | 80 | **-0.500** [" in told
    assert "| 2b | original | after base | 80 | **-0.500** [" in told
    assert "| worse |" in told
    assert "| 2c | own | after 2b | 40 in 20 groups |" in told
    (line,) = (line for line in lines if line.startswith("| 2d | original |"))
    assert line.endswith("| not shown |")
    (line,) = (line for line in lines if line.startswith("| 2e | all |"))
    assert line.endswith("| -0.450 | not shown |")
    assert transfer_lines({}) == []
