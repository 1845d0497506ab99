"""Consistency by hand, and the stage on made-up people whose bias is known."""

import json
import random
import re
from pathlib import Path
from typing import Any

import pytest

from stages.core.errors import InputError
from stages.core.intervals import Sampling
from stages.core.jsonl import read_json, write_json, write_rows
from stages.profile.bias import bias
from stages.profile.consistency import (
    agreement,
    agreement_across,
    consistency,
    similarity,
    spread,
)
from stages.profile.runs import Run, read, repeated
from stages.report.profile import section

SAMPLING = Sampling(0.95, 500, "test")
SCHEMA = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object",
    "properties": {
        "gender": {"type": ["string", "null"]},
        "age": {"type": "integer"},
        "job": {"type": "string"},
    },
    "required": ["gender", "age", "job"],
}


def test_agreement_is_the_share_of_pairs_that_are_the_same():
    assert agreement(["a", "a", "b"]) == pytest.approx(1 / 3)
    assert agreement(["a", "a", "b", "b"]) == pytest.approx(2 / 6)
    assert agreement(["a", "a"]) == 1
    assert agreement(["a"]) is None
    assert agreement([]) is None


def test_agreement_across_prompts_is_of_pairs_of_different_prompts():
    # a-b, a-a, b-b, b-a between the two prompts: two of four are the same
    assert agreement_across([["a", "b"], ["b", "a"]]) == pytest.approx(0.5)
    assert agreement_across([["a", "a"], ["a"]]) == 1
    assert agreement_across([["a", "a"]]) is None
    assert agreement_across([]) is None


def test_words_in_common_are_counted_over_pairs_of_texts():
    assert similarity(["a b c", "b c d"]) == pytest.approx(2 / 4)
    assert similarity(["a b", "A, b!", "c"]) == pytest.approx(1 / 3)
    assert similarity(["", ""]) == 1
    assert similarity(["a"]) is None


def test_the_spread_within_and_between_prompts_is_that_of_one_way_random_effects():
    # Means 1 and 3; within each +-1: mean squares 2 within, 2 * (1 + 1) / 1 = 4 between.
    found = spread([[0, 2], [2, 4]])
    assert found == {"within_sd": pytest.approx(2**0.5), "between_sd": pytest.approx(1.0)}
    # No more between the means than the runs alone make.
    assert spread([[0, 1], [1, 0]])["between_sd"] == 0
    assert spread([[1, 1], [3, 3], [2, 2]]) == {"within_sd": 0, "between_sd": pytest.approx(1)}
    assert spread([[1], [2]]) == {}
    assert spread([]) == {}
    assert spread([[1, 2], []]) == {"within_sd": pytest.approx(0.5**0.5)}


def run(prompt: str, record: Any, score: float | None = None) -> Run:
    """Return a run whose text is its record."""
    text = json.dumps(record)
    return Run(prompt, prompt, text, record, True, isinstance(record, dict), score)


def test_consistency_counts_prompts_runs_and_fields():
    runs = [run("p", {"a": 1, "b": 1}, 1.0), run("p", {"a": 1, "b": 2}, 0.0)]
    runs += [run("q", {"a": 2}, 1.0), run("q", {"a": 2}, 1.0), run("q", [1], 0.0)]
    found = consistency(runs, ["a", "b"], (0, 1), SAMPLING)
    assert (found["answers"], found["prompts"], found["groups"]) == (5, 2, 2)
    assert found["distinct"] == 4
    assert found["distinct_in_prompt"]["value"] == pytest.approx((1 + 2 / 3) / 2)
    assert found["quality"]["value"] == pytest.approx(0.6)
    assert found["schema_valid"]["value"] == pytest.approx(0.8)
    assert found["schema_agreement"]["value"] == pytest.approx((1 + 1 / 3) / 2)
    assert found["fields"]["a"]["value"] == 1.0
    assert found["fields"]["a"]["across"] == 0.0
    assert found["fields"]["b"]["value"] == 0.5  # 1 and 2 differ, and both of q lack it
    assert found["fields"]["b"]["n"] == 2
    assert found["parses"]["low"] < 1 == found["parses"]["high"]


def test_answers_that_need_be_no_json_are_not_parsed():
    found = consistency([run("p", {"a": 1})] * 2, None, (0, 1), SAMPLING)
    assert not {"parses", "schema_valid", "fields"} & found.keys()
    assert found["quality"] == {}


def test_a_whole_text_is_a_record_and_nan_is_none():
    assert read('{"a": null}') == {"a": None}
    assert read('{"a": NaN}') is None
    assert read('text {"a": 1}') is None
    assert read('"a"') is None
    assert read("[" * 100_000) is None


def answer(row: str, text: str, sample: int = 0, variant: str = "") -> dict[str, Any]:
    """Return a variation."""
    return {"row": row, "text": text, "sample": sample, "variant": variant}


def scored(row: str, sample: int = 0, variant: str = "", **values: float) -> dict[str, Any]:
    """Return a variation's score."""
    found = {"row": row, "sample": sample, "variant": variant, "skill": "own", "group": f"g{row}"}
    return found | {"values": values}


def test_runs_are_read_in_a_fence_too_but_do_not_parse_then():
    answers = [
        answer("a", "```json\n[1]\n```"),
        answer("a", '{"b": 1}', 1),
        answer("a", "no", 2),
        answer("a", "in other words", 0, "must"),
    ]
    scores = [scored("a", at, exact=1.0) for at in range(3)] + [scored("a", 0, "must")]
    primary = {"set": "own", "primary": "exact"}
    runs = repeated(answers, scores, lambda record: "b" in record, primary, Path("x"))
    assert [(each.record, each.parses, each.valid) for each in runs] == [
        ([1], False, False),
        ({"b": 1}, True, True),
        (None, False, False),
    ]
    assert [each.score for each in runs] == [1.0, 1.0, 1.0]
    other = repeated(answers, scores, lambda _: True, primary | {"skill": "code"}, Path("x"))
    assert [each.score for each in other] == [None, None, None]


def test_answers_and_scores_of_different_runs_are_told():
    with pytest.raises(InputError, match="scores: 2 answers or scores stand alone, such as row a"):
        repeated([answer("a", "")], [scored("a", 1)], lambda _: True, None, Path("scores"))


# Made-up people: the dataset is even; `tuned` says mostly women, and binds the job to the gender.
TRUTH = {"base": (0.5, 0.0), "tuned": (0.9, 0.9), "chat": (0.5, 0.0)}
ATTRIBUTES = {
    "gender": {"field": "gender", "values": ["female", "male"]},
    "age": {"field": "age", "bins": [18, 30, 50]},
    "job": {"field": "job"},
}


def person(women: float, bound: float, numbers: random.Random) -> dict[str, Any]:
    """Return a made-up person."""
    gender = "female" if numbers.random() < women else "male"
    job = {"female": "nurse", "male": "smith"}[gender]
    if numbers.random() >= bound:
        job = numbers.choice(["nurse", "smith"])
    return {"gender": gender, "age": numbers.randrange(10, 60), "job": job}


def made(rows: int = 20, attributes: Any = ATTRIBUTES, spoken: int = 20) -> None:
    """Write a dataset, two models' answers and a transcript's, and params.yaml."""
    numbers = random.Random(7)
    training = [
        {
            "id": f"{at:04}",
            "group": f"train {at}",
            "messages": [{"role": "assistant", "content": json.dumps(person(0.5, 0, numbers))}],
        }
        for at in range(200)
    ]
    training[0]["record"] = {"gender": None, "age": 40, "job": "smith"}
    training[1]["messages"][0]["content"] = "none at all"
    write_rows(Path("data/splits/people/train.jsonl"), training)
    for name, (women, bound) in TRUTH.items():
        answers, scores = [], []
        for at in range(spoken if name == "chat" else 20):
            for sample in range(4):
                text = json.dumps(person(women, bound, numbers))
                if name == "chat":  # as they are pasted
                    text = f"```json\n{text}\n```"
                if (at, sample) == (3, 3):
                    text = "I cannot do that."
                answers.append(answer(f"{at:02}", text, sample))
                valid = float(text.startswith("{"))
                scores.append(scored(f"{at:02}", sample, schema_valid=valid))
        write_rows(Path(f"data/variations/{name}.jsonl"), answers)
        write_rows(Path(f"data/variation_scores/{name}.jsonl"), scores)
    write_json(Path("schema.json"), SCHEMA)
    params = {
        "profile": {"set": "people", "rows": rows, "samples": 4, "attributes": attributes},
        "models": {name: {"name": name} for name in TRUTH},
        "evaluate": {
            "sections": {
                "own": {"set": "own", "primary": "exact", "metrics": ["exact"]},
                "people": {
                    **{"set": "people", "language": "json", "primary": "schema_valid"},
                    "metrics": ["schema_valid"],
                },
            }
        },
        "compare": {"confidence": 0.95, "resamples": 500},
    }
    write_json(Path("params.yaml"), params)


@pytest.fixture
def stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return what runs the stage in a folder of its own, now the working directory."""
    from stages.profile.__main__ import main

    monkeypatch.chdir(tmp_path)
    words = ["--splits", "data/splits", "--variations", "data/variations"]
    words += ["--variation-scores", "data/variation_scores", "--schema", "schema.json"]
    monkeypatch.setattr("sys.argv", ["profile", *words, "--profile", "metrics/profile.json"])

    def profiled() -> Any:
        main()
        return read_json(Path("metrics/profile.json"))

    return profiled


def test_a_known_bias_is_shown_and_no_other(stage: Any, capsys: pytest.CaptureFixture[str]):
    made()
    found = stage()
    assert capsys.readouterr().out == "profile: repeated answers: base 80, chat 80, tuned 80\n"
    gender = found["attributes"]["gender"]
    assert gender["classes"] == ["female", "male", "none"]
    assert gender["distributions"]["the dataset"]["n"] == 199
    assert gender["distributions"]["the dataset"]["invalid"] == 1
    assert gender["distributions"]["tuned"]["n"] == 79
    distance = gender["distances"]["tuned"]["the dataset"]
    assert distance["value"] == pytest.approx(0.4, abs=0.1)
    assert (distance["p_holm"] < 0.05, distance["low"] > 0) == (True, True)
    report = "\n".join(section(found))
    shown = [line for line in report.split("\n") if line.startswith("Shown to differ")]
    assert shown[0] == (
        "Shown to differ in gender: tuned and the dataset; base and tuned; chat and tuned."
    )
    assert "No difference in age is shown." in report
    assert "gender and job in tuned more than in the dataset" in report
    bound = [line for line in report.split("\n") if line.startswith("Shown: ")]
    assert bound == ["Shown: gender and job in tuned more than in the dataset."]
    assert found["consistency"]["chat"]["parses"]["value"] == 0
    assert found["consistency"]["tuned"]["parses"]["value"] == pytest.approx(79 / 80)


def test_two_data_sets_are_told_apart(stage: Any):
    made()
    men = [
        {
            "id": f"{at:04}",
            "group": f"men {at}",
            "record": {"gender": "male", "age": 40, "job": job},
        }
        for at, job in enumerate(["nurse", "smith"] * 60)
    ]
    write_rows(Path("data/splits/men/train.jsonl"), men)
    params = read_json(Path("params.yaml"))
    params["profile"]["datasets"] = ["people", "men"]
    write_json(Path("params.yaml"), params)
    found = stage()
    assert found["datasets"] == ["the set people", "the set men"]
    gender = found["attributes"]["gender"]
    assert gender["distributions"]["the set men"]["shares"]["male"] == 1
    assert gender["distributions"]["the set people"]["n"] == 199
    apart = gender["distances"]["base"]
    assert apart["the set men"]["value"] > 0.4 > 0.2 > apart["the set people"]["value"]
    bound = found["associations"]["gender and job"]["tuned"]["to"]
    assert bound["the set men"]["dataset"] == 0, "one gender says nothing of the job"
    assert bound["the set people"]["delta"] > 0.5
    report = "\n".join(section(found))
    assert "| | the set people | the set men | base |" in report.replace("|  |", "| |")
    assert re.search(r"gender and job in tuned more than in the set people \(\+0\.\d+ \[", report)
    assert "base and the set men" in report


def test_shares_within_each_class_of_another_attribute(stage: Any):
    made(attributes=ATTRIBUTES | {"gender": ATTRIBUTES["gender"] | {"by": "job"}})
    found = stage()
    by = found["attributes"]["gender"]["by"]
    assert by["attribute"] == "job"
    assert sorted(by["classes"]) == ["nurse", "smith"]
    nurses, smiths = by["classes"]["nurse"], by["classes"]["smith"]
    assert nurses["tuned"]["shares"]["female"] > 0.9 > 0.5 > smiths["tuned"]["shares"]["female"]
    assert nurses["tuned"]["n"] + smiths["tuned"]["n"] == 79
    assert sum(nurses["the dataset"]["shares"].values()) == pytest.approx(1)
    report = section(found)
    at = report.index("#### gender by job")
    assert report[at + 2] == "Shares of female / male / none."
    assert report[at + 4] == "|  | the dataset | base | chat | tuned |"
    assert [line[:9] for line in report[at + 6 : at + 8]] == ["| nurse |", "| smith |"]


def test_it_says_the_same_in_every_run(stage: Any):
    made()
    stage()
    first = Path("metrics/profile.json").read_bytes()
    stage()
    assert Path("metrics/profile.json").read_bytes() == first


def test_what_few_prompts_cannot_show_is_said_to_be_so(stage: Any):
    made(spoken=4)
    report = "\n".join(section(stage()))
    assert "Too few groups of prompts to show any: chat and the dataset" in report
    assert "Some models have too few groups of prompts to show any." in report


def test_an_attribute_that_no_record_has_is_counted_as_missing(stage: Any):
    made(attributes=ATTRIBUTES | {"height": {"field": "height"}})
    found = stage()
    height = found["attributes"]["height"]
    assert (height["classes"], height["distances"]) == ([], {})
    assert {who["missing"] for who in height["distributions"].values()} == {199, 79}
    report = section(found)
    assert "| (missing) | 199 | 79 | 79 | 79 |" in report
    assert report.count("Nothing to compare it with.") == 1


def test_without_attributes_it_tells_consistency_alone(stage: Any):
    made(attributes={})
    Path("data/splits/people/train.jsonl").unlink()
    found = stage()
    assert "attributes" not in found
    assert found["primary"] == {"section": "people", "key": "schema_valid"}
    report = section(found)
    assert "### Whom the answers describe" not in report
    assert "### Quality beside diversity" in report
    assert sum(line.startswith("| two answers agree in ") for line in report) == 4


def test_a_model_without_repeated_answers_is_named_and_left_out(
    stage: Any, capsys: pytest.CaptureFixture[str]
):
    made()
    for folder in ("variations", "variation_scores"):
        Path(f"data/{folder}/chat.jsonl").write_text("")
    found = stage()
    assert found["models"] == ["base", "tuned"]
    assert capsys.readouterr().out.endswith("; none of chat\n")


def test_switched_off_it_reads_nothing(stage: Any, capsys: pytest.CaptureFixture[str]):
    made(rows=0)
    for file in Path("data").rglob("*.jsonl"):
        file.unlink()
    assert stage() == {}
    assert "switched off" in capsys.readouterr().out
    assert section({}) == []


def test_what_a_model_says_cannot_break_out_of_the_report(stage: Any):
    made(attributes={"job": {"field": "job"}})
    path = Path("data/variations/base.jsonl")
    odd = json.dumps({"gender": "x", "age": 1, "job": "a | b\n# c <img>"})
    lines = path.read_text().splitlines()
    rows = [json.dumps(json.loads(line) | {"text": odd}) for line in lines]
    path.write_text("\n".join(rows) + "\n")
    report = section(stage())
    (line,) = [line for line in report if "img" in line]
    assert line.startswith(r"| a \| b \# c \<img\> | 0.000 | 1.000 | ")


@pytest.mark.parametrize(("attributes", "enough"), [(1, True), (2, False)])
def test_six_prompts_are_too_few_for_two_attributes(attributes: int, enough: bool):
    said = {name: [(f"g{at}", {"a": name, "b": name}) for at in range(6)] for name in "mn"}
    asked = {name: {"field": name} for name in "ab"[:attributes]}
    settings = {"confidence": 0.95, "resamples": 99}
    found = bias(said, {"the dataset": [("g", {"a": "m", "b": "n"})] * 9}, asked, settings)
    distance = found["attributes"]["a"]["distances"]["m"]["n"]
    assert distance["value"] == 1
    assert distance["enough"] is enough
    assert (distance["p_holm"] < 0.05) is enough
