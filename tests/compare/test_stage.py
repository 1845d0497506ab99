"""Deltas are positive when better, forgetting and recovery as defined, in well under a second."""

import sys
import time

import numpy as np
import pytest

from stages.compare.__main__ import compare, main
from stages.compare.gap import gaps, pairs, train_sections
from stages.core.errors import InputError
from stages.core.jsonl import read_json, write_json, write_rows

SETTINGS = {"eps": 0.02, "resamples": 500, "confidence": 0.95}
SECTIONS = {
    "own": {"set": "own", "primary": "rouge_l", "metrics": ["rouge_l", "rouge_l_floor", "loss"]},
    "code": {"set": "original", "skill": "code", "primary": "exact", "metrics": ["exact"]},
    "fact": {"set": "original", "skill": "fact", "primary": "exact", "metrics": ["exact"]},
}
NAMES = {"self": "2c", "on": "2b", "base": "base"}


def scores(own, code, fact, loss=1.0):
    """Return 20 rows a section; `own` is every row's ROUGE-L, the others how many are exact."""
    made = {}
    for at in range(20):
        values = {
            "rouge_l": own + at / 100, "rouge_l_floor": 0.5, "loss": loss, "reference_tokens": 2.0
        }  # fmt: skip
        made[f"own{at}"] = {"set": "own", "skill": "review", "row": f"own{at}", "values": values}
        for skill, right in (("code", code), ("fact", fact)):
            made[f"{skill}{at}"] = {
                "set": "original", "skill": skill, "row": f"{skill}{at}",
                "values": {"exact": float(at < right)},
            }  # fmt: skip
    return made


def metrics(of_scores):
    def mean(key, start):
        values = [s["values"][key] for row, s in of_scores.items() if row.startswith(start)]
        return sum(values) / len(values)

    own = {key: mean(key, "own") for key in ("rouge_l", "rouge_l_floor", "loss")}
    whole = {"own": {"n": 20, **own}}
    return whole | {skill: {"n": 20, "exact": mean("exact", skill)} for skill in ("code", "fact")}


BASE, LOST, BACK = scores(0.1, 20, 18), scores(0.8, 4, 18, 0.5), scores(0.7, 16, 18, 0.6)


def compared(own=BACK, on=LOST, base=BASE, names=NAMES):
    models = {"self": own, "on": on, "base": base}
    of_models = {side: metrics(of) for side, of in models.items()}
    return compare(names, of_models, models, SECTIONS, "original", SETTINGS)


def test_deltas_are_positive_when_better():
    keys = compared()["sections"]["own"]["keys"]
    assert keys["rouge_l"]["on"]["delta"] == pytest.approx(-0.1)
    assert keys["rouge_l"]["base"]["delta"] == pytest.approx(0.6)
    assert keys["loss"]["on"]["delta"] == pytest.approx(-0.1)  # lower is better, and it rose
    assert keys["loss"]["base"]["delta"] == pytest.approx(0.4)
    assert keys["rouge_l"]["value"] == pytest.approx(0.795)
    assert keys["rouge_l"]["base"]["value"] == pytest.approx(0.195)
    assert "rouge_l_floor" not in keys


def test_every_delta_has_n_interval_and_p():
    told = compared()
    counted, loss = 0, told["sections"]["own"]["keys"]["loss"]
    for section in told["sections"].values():
        for found in section["keys"].values():
            for side in ("on", "base"):
                of = found[side]
                assert (of["n"], of["groups"]) == (20, 20)
                assert 0 < of["p"] <= of["p_holm"] <= 1
                # The rows differ all alike: of scores with a range something can be said.
                assert ("low" in of) == (found is not loss)
                if "low" in of:
                    assert of["low"] <= of["delta"] + 1e-9
                    assert of["delta"] <= of["high"] + 1e-9
                counted += 1
    assert counted == 8
    code = told["sections"]["code"]["keys"]["exact"]["on"]
    assert code["p"] == pytest.approx(2 / 2**12, rel=0.05)
    assert code["low"] > 0


def test_forgetting_and_recovery():
    told = compared()
    code = told["sections"]["code"]
    assert code["primary"] == "exact"
    assert code["forgetting"]["value"] == pytest.approx(0.2)
    assert code["recovery"]["value"] == pytest.approx(12 / 16)
    assert code["recovery"]["low"] < 0.75 < code["recovery"]["high"]
    # The model below had not lost this one: there is nothing to recover.
    assert told["sections"]["fact"]["forgetting"]["value"] == 0
    assert "recovery" not in told["sections"]["fact"]
    # The base never had this one.
    assert told["sections"]["own"]["forgetting"]["value"] == pytest.approx(-0.6)
    assert "recovery" not in told["sections"]["own"]
    assert told["all"]["sections"] == ["code", "fact"]
    assert told["all"]["forgetting"]["value"] == pytest.approx(0.1)
    assert told["all"]["recovery"]["value"] == pytest.approx(12 / 16)


def grouped(model, size):
    """Return the same scores, so many rows of a section being of one group."""
    return {
        row: {**score, "group": f"{score['skill']}{list(model).index(row) // 3 // size}"}
        for row, score in model.items()
    }


def test_rows_of_one_group_count_for_less():
    alone = compared()["sections"]["code"]
    together = compared(*(grouped(model, 4) for model in (BACK, LOST, BASE)))["sections"]["code"]
    assert (alone["n"], alone["groups"]) == (20, 20)
    assert (together["n"], together["groups"]) == (20, 5)
    for what in ("forgetting", "recovery"):
        assert together[what]["value"] == alone[what]["value"]
        assert together[what]["groups"] == 5
    one, other = (of["keys"]["exact"]["on"] for of in (alone, together))
    assert other["high"] - other["low"] > one["high"] - one["low"]
    assert other["p"] > 10 * one["p"]


def test_p_is_corrected_among_the_primary_metrics_and_among_the_others():
    told = compared()["sections"]
    for side in ("on", "base"):
        tests = {
            (name, key): found[side]
            for name, of in told.items()
            for key, found in of["keys"].items()
        }
        assert len(tests) == 4
        other = tests.pop(("own", "loss"))
        assert other["p_holm"] == other["p"]  # it is alone
        smallest, largest = (
            pick(tests.values(), key=lambda test: test["p"]) for pick in (min, max)
        )
        assert smallest["p_holm"] == pytest.approx(3 * smallest["p"], rel=0.05)
        assert largest["p_holm"] >= largest["p"]


def test_what_did_not_change_is_no_certainty():
    fact = compared()["sections"]["fact"]
    for of in (fact["keys"]["exact"]["on"], fact["forgetting"]):
        assert of["low"] < -0.1
        assert of["high"] > 0.1
    code = compared(own=BASE)["sections"]["code"]
    assert code["recovery"]["value"] == 1
    assert code["recovery"]["low"] < 0.95
    assert code["recovery"]["high"] > 1.05
    none = compared(own=LOST)["sections"]["code"]["recovery"]
    assert none["value"] == 0
    assert none["low"] < -0.05
    assert none["high"] > 0.05


def test_an_adapter_on_the_base_has_nothing_to_recover():
    told = compared(LOST, BASE, BASE, {"self": "2b", "on": "base", "base": "base"})
    assert told["sections"]["code"]["forgetting"]["value"] == pytest.approx(0.8)
    assert "recovery" not in told["sections"]["code"]
    assert "recovery" not in told["all"]
    keys = told["sections"]["own"]["keys"]["rouge_l"]
    assert keys["on"] == keys["base"]


def with_train(model, shift, n=10):
    """Add training rows to a model's scores: better than its test rows by `shift`."""
    sample = dict(model)
    for at in range(n):
        values = {
            key: value - shift if key == "loss" else value + shift
            for key, value in model[f"own{at}"]["values"].items()
        } | {"reference_tokens": 2.0}
        score = {"set": "own_train", "skill": "review", "row": f"train{at}", "values": values}
        sample[f"train{at}"] = score
    return sample


def gap_of(shift, sections=None):
    sections = sections or SECTIONS | {
        "own_train": {
            "set": "own_train",
            "metrics": ["exact", "rouge_l", "loss"],
            "primary": "loss",
        }
    }
    models = {side: with_train(of, shift) for side, of in (("self", BACK), ("on", LOST))}
    models["base"] = with_train(BASE, 0.0)
    of_models = {side: metrics(of) for side, of in models.items()}
    for side, of in models.items():
        values = [of[f"train{at}"]["values"] for at in range(10)]
        mean = {key: sum(each[key] for each in values) / 10 for key in ("rouge_l", "loss")}
        of_models[side]["own_train"] = {"n": 10, **mean}
    return compare(NAMES, of_models, models, sections, "original", SETTINGS)


def test_the_gap_is_positive_where_the_model_is_better_on_what_it_was_trained_on():
    told = gap_of(0.4)
    assert told["gap"].keys() == {"own"}
    assert told["gap"]["own"]["train"] == "own_train"
    keys = told["gap"]["own"]["keys"]
    assert keys.keys() == {"rouge_l", "loss"}
    # BACK's rows differ by 0.01: the first ten are 0.05 below the mean of twenty.
    assert keys["rouge_l"]["gap"] == pytest.approx(0.4 - 0.05)
    assert keys["loss"]["gap"] == pytest.approx(0.4)  # lower by that much
    for found in keys.values():
        assert (found["n_train"], found["n_test"]) == (10, 20)
        assert 0 < found["p"] <= found["p_holm"] <= 1
    assert 0 < keys["rouge_l"]["low"] < keys["rouge_l"]["gap"] < keys["rouge_l"]["high"]
    assert "low" not in keys["loss"]  # all rows alike, and nothing bounds a loss
    none = gap_of(0.05)["gap"]["own"]["keys"]["rouge_l"]
    assert none["low"] < 0 < none["high"]
    assert none["gap"] == 0


def test_the_interval_of_a_gap_is_that_of_two_samples():
    stream = np.random.default_rng(5)
    rows = {"train": stream.normal(0.6, 0.1, 60), "test": stream.normal(0.5, 0.2, 90)}
    sets = {"train": "own_train", "test": "own"}
    sections = {side: {"set": sets[side], "metrics": ["rouge_l"]} for side in rows}
    scores = {
        f"{side}{at}": {
            "set": sets[side], "skill": "review", "row": f"{side}{at}", "values": {"rouge_l": value}
        }
        for side, of in rows.items()
        for at, value in enumerate(of)
    }  # fmt: skip
    means = {side: {"rouge_l": of.mean()} for side, of in rows.items()}
    found = gaps(means, scores, sections, SETTINGS | {"resamples": 4000})["test"]["keys"]["rouge_l"]
    half = 1.96 * sum(of.var() / len(of) for of in rows.values()) ** 0.5
    gap = rows["train"].mean() - rows["test"].mean()
    assert found["gap"] == pytest.approx(gap)
    assert found["low"] == pytest.approx(gap - half, abs=0.004)
    assert found["high"] == pytest.approx(gap + half, abs=0.004)


def test_training_rows_count_neither_as_forgotten_nor_in_all():
    of_code = {"set": "original_train", "skill": "code", "primary": "exact", "metrics": ["exact"]}
    told = gap_of(0.4, SECTIONS | {"code_train": of_code})
    assert told["all"] == compared()["all"]
    assert told["sections"].keys() == SECTIONS.keys()


def test_a_section_over_several_sets_is_compared_and_counted_once():
    """Its rows are in the sections of the single sets already: the mean over these is theirs."""
    both = {"set": ["own", "original"], "primary": "exact", "metrics": ["exact", "rouge_l"]}
    sections = SECTIONS | {"combined": both}
    models = {"self": BACK, "on": LOST, "base": BASE}
    of_models = {}
    for side, of in models.items():
        exact = [score["values"]["exact"] for score in of.values() if "exact" in score["values"]]
        mean = sum(exact) / len(exact)
        of_models[side] = metrics(of) | {"combined": {"n": 60, "exact": mean}}
    told = compare(NAMES, of_models, models, sections, "original", SETTINGS)
    assert told["all"] == compared()["all"]
    combined = told["sections"]["combined"]
    assert (combined["n"], combined["groups"]) == (60, 60)
    assert combined["keys"].keys() == {"exact"}  # metrics has no rouge_l of it
    against = combined["keys"]["exact"]["on"]
    assert against["delta"] == pytest.approx(0.3)  # 12 more of the 40 that have the key
    assert against["n"] == 40
    assert against["low"] < 0.3 < against["high"]
    assert against["p_holm"] < 0.05
    assert combined["recovery"]["value"] == pytest.approx(12 / 16)


def test_sections_over_several_sets_are_paired_whatever_their_order():
    sections = {
        "both": {"set": ["own", "original"], "metrics": []},
        "own": {"set": "own", "metrics": []},
        "both_train": {"set": ["original_train", "own_train"], "metrics": []},
        "own_train": {"set": ["own_train"], "metrics": []},
    }
    assert list(pairs(sections)) == [("both", "both_train"), ("own", "own_train")]
    assert train_sections(sections) == {"both_train", "own_train"}


def test_sections_are_paired_by_set_skill_and_language():
    def section(of_set, **more):
        return {"set": of_set, "metrics": []} | more

    sections = {
        "own": section("own", language="json"),
        "code": section("original", skill="code"),
        "fact": section("original", skill="fact"),
        "code_train": section("original_train", skill="code"),
        "own_train": section("own_train", language="json"),
        "own_bare": section("own_train"),
    }
    assert list(pairs(sections)) == [("own", "own_train"), ("code", "code_train")]
    assert train_sections(sections) == {"code_train", "own_train", "own_bare"}


def test_a_key_that_one_model_lacks_is_left_out():
    without = {row: {**score, "values": dict(score["values"])} for row, score in LOST.items()}
    for score in without.values():
        score["values"].pop("loss", None)
    models = {"self": BACK, "on": without, "base": BASE}
    of_models = {side: metrics(of) for side, of in (("self", BACK), ("on", LOST), ("base", BASE))}
    del of_models["on"]["own"]["loss"]
    told = compare(NAMES, of_models, models, SECTIONS, "original", SETTINGS)
    assert told["sections"]["own"]["keys"]["loss"].keys() == {"value", "base"}


def run(monkeypatch, project, own=BACK, on=LOST):
    for name, of in (("2c", own), ("2b", on), ("base", BASE)):
        write_rows(project / f"scores/{name}.jsonl", of.values())
        write_json(project / f"models/{name}.json", metrics(of))
    words = ["--name", "2c", "--on", "2b", "--base", "base", "--metrics", "models"]
    words += ["--scores", "scores", "--comparison", "2c.json"]
    monkeypatch.setattr(sys, "argv", ["compare", *words])
    main()
    return read_json(project / "2c.json")


def test_the_stage_writes_the_same_twice(monkeypatch, project):
    first = run(monkeypatch, project)
    assert first["on"] == "2b"
    before = (project / "2c.json").read_bytes()
    assert run(monkeypatch, project) == first
    assert (project / "2c.json").read_bytes() == before


def test_scores_of_other_rows_are_refused(monkeypatch, project):
    fewer = dict(list(LOST.items())[1:])
    with pytest.raises(InputError, match=r"2b\.jsonl: scores other rows than 2c\.jsonl"):
        run(monkeypatch, project, on=fewer)


def test_it_is_light():
    begun = time.process_time()
    compared()
    assert time.process_time() - begun < 0.5
