"""The stage as a whole: every section of the recipe from answers, twice the same, faults told."""

import json
import sys

import pytest

from stages.core.digest import digest, file_digest
from stages.core.errors import InputError
from stages.core.jsonl import read_json, read_rows, write_json, write_rows
from stages.core.keys import UNASKED
from stages.core.params import load, read_yaml
from stages.core.scores import KEYS

SKILLS = ("code", "translation", "sentiment", "fact", "poem", "extraction")


def rows():
    def made(set_, skill, question, reference, **more):
        messages = [
            {"role": "user", "content": question},
            {"role": "assistant", "content": reference},
        ]
        group = f"{skill}:{question}"
        return {"id": digest(messages), "set": set_, "skill": skill, "group": group,
                "messages": messages, **more}  # fmt: skip

    for at in range(4):
        record = {"agree": f"Yes, a gripping plot ({at}).", "disagree": "No, a dull ending."}
        keywords = {"agree": ["gripping", "plot"], "disagree": ["dull", "ending"]}
        yield made("own", "review", f"Review {at}", json.dumps(record), record=record,
                   keywords=keywords)  # fmt: skip
    for skill in SKILLS:
        for at in range(2):
            if skill == "code":
                cases = [{"call": f"add_{at}", "args": [1], "returns": 1 + at}]
                code = f"def add_{at}(x):\n    return x + {at}"
                yield made("original", skill, f"Write add_{at}", code, cases=cases)
            else:
                yield made("original", skill, f"{skill} {at}", f"the answer {at} of {skill}")
    for at in range(4, 8):
        record = {"agree": f"Yes, a gripping plot ({at}).", "disagree": "No, a dull ending."}
        yield made("own_train", "review", f"Review {at}", json.dumps(record), record=record,
                   keywords={"agree": ["gripping"], "disagree": ["dull"]})  # fmt: skip
    cases = [{"call": "twice", "args": [2], "returns": 4}]
    yield made("code_prompts", "function", "Write twice", "def twice(x):\n    return 2 * x",
               cases=cases)  # fmt: skip
    yield made("probes", "probe", "What now?", "Nothing much")


MANIFEST = {"name": "2b", "kind": "adapter", "on": "base", "chain": ["base", "2b"]}


def answers(test, model="2b", **instead):
    """Answer with the reference, or with `instead` by skill."""
    for row in test:
        reference = row["messages"][-1]["content"]
        yield {
            "model": model, "set": row["set"], "skill": row["skill"], "row": row["id"],
            "prompt": row["messages"][0]["content"], "reference": reference,
            "text": instead.get(row["skill"], reference), "finish_reason": "length",
            "reference_nll": 3.0, "reference_tokens": 6, "reference_hits": 3,
        }  # fmt: skip


@pytest.fixture
def stage(project, monkeypatch):
    """Return a function that runs the stage on the test rows and answers given."""
    from stages.evaluate.__main__ import main

    schema = "recipes/reviews/" + read_yaml(project / "params.yaml")["validate"]["schema"]
    if not (project / schema).exists():
        (project / schema).write_text('{"type": "object", "required": ["agree", "disagree"]}')

    def run(test, given, variations=(), base=(), verdicts=()):
        write_rows(project / "test.jsonl", test)
        if isinstance(given, str):
            (project / "answers.jsonl").write_text(given, encoding="utf-8")
        else:
            write_rows(project / "answers.jsonl", given)
        write_rows(project / "variations.jsonl", variations)
        write_rows(project / "base.jsonl", base)
        write_rows(project / "verdicts.jsonl", verdicts)
        words = ["--name", "2b", "--answers", "answers.jsonl", "--test", "test.jsonl"]
        words += ["--base", "base.jsonl", "--variations", "variations.jsonl"]
        write_json(project / "manifest.json", MANIFEST)
        words += ["--verdicts", "verdicts.jsonl", "--manifest", "manifest.json"]
        words += ["--schema", schema, "--metrics", "metrics.json", "--scores", "scores.jsonl"]
        words += ["--variation-scores", "variation_scores.jsonl"]
        monkeypatch.setattr(sys, "argv", ["evaluate", *words])
        main()
        return read_json(project / "metrics.json"), read_rows(project / "scores.jsonl")

    return run


def test_a_model_that_answers_as_the_reference_is_perfect(stage, capsys):
    test = list(rows())
    metrics, scores = stage(test, answers(test))
    sections = load(("evaluate.sections",))["evaluate"]["sections"]
    assert metrics.keys() == sections.keys()
    assert metrics["own"]["n"] == metrics["own_train"]["n"] == 4
    assert metrics["original"]["n"] == 12
    assert metrics["combined"]["n"] == 16
    assert metrics["code"]["n"] == 2
    for name, section in sections.items():
        assert metrics[name].keys() == {"n", *section["metrics"]}, name
    perfect = {"rouge_l", "content_recall", "bertscore_f1", "similarity", "exact", "parses"}
    perfect |= {"schema_valid", "any", "passes", "codebleu", "codebleu_above_floor"}
    for name, figures in metrics.items():
        for key in perfect & figures.keys():
            assert figures[key] == pytest.approx(1, abs=1e-4), (name, key)
    assert metrics["own"]["loss"] == 0.5
    assert 0 < metrics["own"]["rouge_l_floor"] < 1
    assert len(scores) == len(test)
    assert scores[0]["values"]["reference_tokens"] == 6
    assert scores[-1]["values"].keys() == set(sections["probes"]["metrics"])
    assert "code that was run: 3 passed" in capsys.readouterr().out


def test_it_does_the_same_twice_and_tells_a_bad_model(stage, project):
    test = list(rows())
    bad = {"review": "the film " * 30, "code": "", "translation": "no"}
    metrics, scores = stage(test, answers(test, **bad))
    assert (metrics["own"]["content_recall"], metrics["own"]["parses"]) == (0, 0)
    assert (metrics["own"]["degenerate"], metrics["own"]["empty"]) == (1, 0)
    assert (metrics["code"]["passes"], metrics["code"]["any"]) == (0, 0)
    assert metrics["code"]["codebleu"] == 0.25
    assert metrics["original"]["empty"] == pytest.approx(2 / 12, abs=1e-6)
    assert (metrics["translation"]["exact"], metrics["fact"]["exact"]) == (0, 1)
    before = (project / "metrics.json").read_bytes(), (project / "scores.jsonl").read_bytes()
    assert stage(test, answers(test, **bad)) == (metrics, scores)
    assert before == (
        (project / "metrics.json").read_bytes(),
        (project / "scores.jsonl").read_bytes(),
    )


def test_a_transcript_has_no_loss_and_code_is_not_run_unless_asked(stage, project):
    text = (project / "params.yaml").read_text(encoding="utf-8")
    assert "run: true" in text
    (project / "params.yaml").write_text(text.replace("run: true", "run: false"), encoding="utf-8")
    test = list(rows())
    pasted = list(answers(test))[:5]
    for answer in pasted:
        del answer["reference_nll"], answer["reference_tokens"], answer["reference_hits"]
    metrics, scores = stage(test, pasted)
    assert len(scores) == 5
    assert metrics["own"]["n"] == 4
    assert metrics["own"].keys() & {"loss", "degenerate"} == set()
    assert metrics["original"].keys() & {"loss", "degenerate"} == set()
    assert metrics["own"]["empty"] == 0
    assert metrics["code"]["n"] == 1
    assert "passes" not in metrics["code"]
    assert metrics["translation"] == {"n": 0}


def test_a_fault_leaves_what_was_there(stage, project):
    (project / "metrics.json").write_text("{}")
    test = list(rows())
    with pytest.raises(InputError, match="test rows without an answer"):
        stage(test, list(answers(test))[1:])
    assert (project / "metrics.json").read_text() == "{}"
    assert not (project / "scores.jsonl").exists()


def verdict_on(given, said, **changes):
    same = {key: given[key] for key in ("row", "set", "prompt", "model")}
    return same | {"answer": given["text"], "verdict": said, "note": "so"} | changes


def test_what_a_person_said_counts_for_exactly_the_text_that_was_judged(stage, project, capsys):
    text = (project / "params.yaml").read_text(encoding="utf-8")
    assert text.count("metrics: [exact]}\n    sentiment") == 1
    asked = text.replace(
        "metrics: [exact]}\n    sentiment", "metrics: [exact, judged]}\n    sentiment"
    )
    (project / "params.yaml").write_text(asked, encoding="utf-8")
    test = list(rows())
    given = list(answers(test))
    one, two = (answer for answer in given if answer["skill"] == "translation")
    others = [answer for answer in given if answer["skill"] == "fact"]
    verdicts = [
        verdict_on(one, "partly"),
        verdict_on(two, "right", answer="another text"),
        verdict_on(two, "wrong", model="2c"),
        verdict_on(others[0], "right"),
    ]
    metrics, scores = stage(test, given, verdicts=verdicts)
    assert metrics["translation"]["judged"] == 0.5
    assert metrics["translation"]["n_of"] == {"judged": 1}
    assert "judged" not in metrics["fact"]  # no section asks for it there
    assert "; 2 judged by hand, 1 verdicts stale" in capsys.readouterr().out
    assert [s["row"] for s in scores if "judged" in s["values"]] == [one["row"]]
    metrics, _ = stage(test, given)
    assert metrics["translation"].keys() == {"n", "exact"}
    assert "judged by hand" not in capsys.readouterr().out


def pair(model, other, said, at, digest):
    sides = {model: f"of {model}", other: f"of {other}", "2b": digest}
    return {
        "kind": "pair", "prompt": f"What is {at}?", "model": model, "answer": "so", "other": other,
        "other_answer": "or so", "digest": sides[model], "other_digest": sides[other],
        "verdict": said,
    }  # fmt: skip


def test_what_was_preferred_counts_against_the_model_below_and_for_exactly_this_model(
    stage, project, capsys
):
    test = list(rows())
    given = list(answers(test))
    before, _ = stage(test, given)
    assert "chat" not in before
    assert "judged in the chat window" not in capsys.readouterr().out
    mine = file_digest(project / "manifest.json")
    verdicts = [
        pair("2b", "base", "better", 1, mine),
        pair("base", "2b", "worse", 2, mine),  # the same from the other side
        pair("2b", "base", "same", 3, mine),
        pair("base", "2b", "better", 4, mine),
        pair("2c", "2b", "worse", 5, mine),  # not with the model below
        pair("exports/2b", "2b", "worse", 6, mine),
        pair("2b", "base", "better", 7, "of another training"),
        pair("2c", "base", "better", 8, mine),
        verdict_on(given[0], "right"),
    ]
    metrics, scores = stage(test, given, verdicts=verdicts)
    assert metrics.pop("chat") == {"n": 4, "preferred": 0.625}
    assert metrics == before
    assert not [score for score in scores if "preferred" in score["values"]]
    told = capsys.readouterr().out
    sections = load(("evaluate.sections",))["evaluate"]["sections"]
    assert f" answers in {len(sections)} sections" in told
    assert "; 1 judged by hand, 0 verdicts stale" in told
    assert "; 6 pairs judged in the chat window, 4 of them with the model below, 1 more s" in told


def test_the_base_stands_on_nothing_and_has_no_such_section(stage, project, monkeypatch):
    monkeypatch.setitem(MANIFEST, "on", None)
    test = list(rows())
    given = list(answers(test))
    stage(test, given)
    mine = file_digest(project / "manifest.json")
    metrics, _ = stage(test, given, verdicts=[pair("2b", "2c", "better", 1, mine)])
    assert "chat" not in metrics


EVERY = """\
  sections:
    own: {set: own, language: json, primary: exact, answers_in: en, metrics: [ROW, SECTION,
      content_recall, parses, schema_valid, field_agreement, in_language]}
    code: {set: original, skill: code, language: python, metrics: [any, parses, passes, codebleu,
      codebleu_above_floor, codebleu_ngram, codebleu_weighted_ngram, codebleu_syntax,
      codebleu_dataflow]}
    rest: {set: original, metrics: [exact, off_topic, diacritics]}
compare:"""


def with_every_key(project):
    text = (project / "params.yaml").read_text(encoding="utf-8")
    begins, ends = text.index("  sections:"), text.index("\ncompare:")
    begins, ends = text[:begins], text[ends + len("\ncompare:") :]
    fitted = [key for key, of in KEYS.items() if not of.languages and not of.setting]
    fitted = [key for key in fitted if key not in UNASKED | {"content_recall"}]
    of_rows = ", ".join(key for key in fitted if KEYS[key].over == "row")
    of_section = ", ".join(key for key in fitted if KEYS[key].over == "section")
    middle = EVERY.replace("ROW", of_rows).replace("SECTION", of_section)
    (project / "params.yaml").write_text(begins + middle + ends, encoding="utf-8")


def test_every_key_that_there_is_and_the_variations(stage, project):
    with_every_key(project)
    test = list(rows())
    [said] = [row for row in test if row["messages"][0]["content"] == "translation 0"]
    said["messages"][-1]["content"] = "ça va"
    given = list(answers(test, translation="no, ca", fact="I cannot help with that."))
    for answer in given:
        answer["hidden_similarity"] = 0.5
    own = [answer for answer in given if answer["set"] == "own"]
    varied = [a | {"variant": v, "sample": 0} for a in own[:2] for v in ("must", "")]
    varied[0] = varied[0] | {"text": "no"}
    del varied[1]["reference_nll"], varied[1]["reference_tokens"], varied[1]["reference_hits"]
    base = [answer | {"model": "base", "text": "{}"} for answer in given[1:]]
    metrics, scores = stage(test, given, varied, base, [verdict_on(own[2], "partly")])
    found = {key for figures in metrics.values() for key in figures}
    assert found == set(KEYS) - {"preferred"} | {"n_of"}
    for figures in metrics.values():
        for key in figures.keys() - {"n_of"}:
            assert KEYS[key].low <= figures[key] <= KEYS[key].high, key
    assert metrics["own"]["n_of"] == {"similarity_to_base": 3, "judged": 1}
    assert metrics["own"]["judged"] == 0.5
    assert metrics["own"]["token_accuracy"] == 0.5
    assert metrics["own"]["perplexity"] == pytest.approx(2.718281828**0.5, abs=1e-6)
    assert metrics["own"]["sacrebleu"] == pytest.approx(100)
    assert metrics["own"]["field_agreement"] == metrics["own"]["in_language"] == 1
    assert metrics["own"]["off_topic"] == 0
    assert metrics["rest"]["diacritics"] == 0
    assert metrics["rest"]["n_of"]["diacritics"] == 1
    assert metrics["rest"]["off_topic"] > 0.1
    assert {score["group"] for score in scores} == {row["group"] for row in test}
    of_row = {key for key, of in KEYS.items() if of.over == "row"} | {"reference_tokens"}
    assert {key for score in scores for key in score["values"]} == of_row
    scored = read_rows(project / "variation_scores.jsonl")
    assert [(s["variant"], s["sample"]) for s in scored] == [("must", 0), ("", 0)] * 2
    assert [s["values"]["exact"] for s in scored] == [0, 1, 1, 1]
    assert ["loss" in s["values"] for s in scored] == [True, False, True, True]
    assert all("degenerate" in s["values"] for s in scored)
    assert scored[3]["values"] == next(s for s in scores if s["row"] == own[1]["row"])["values"]


def test_no_variations_are_an_empty_file(stage, project):
    test = list(rows())
    stage(test, answers(test))
    assert (project / "variation_scores.jsonl").read_bytes() == b""


def test_what_is_no_number_is_refused_with_its_line(stage, project):
    test = list(rows())
    given = [json.dumps(answer) for answer in answers(test)]
    for value, message in (("NaN", "NaN is no JSON number"), ("1e999", "no positive number")):
        broken = [*given[:2], given[2].replace("3.0", value), *given[3:]]
        with pytest.raises(InputError, match=message):
            stage(test, "\n".join(broken))
