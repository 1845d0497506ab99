"""Rows and answers are matched, sections refused or averaged, as the keys say."""

from pathlib import Path

import pytest

from stages.core.errors import ConfigError, InputError
from stages.evaluate.matching import match, match_variations
from stages.evaluate.scoring import check_sections, other_references
from stages.evaluate.summary import summarise, to_scores, to_variation_scores

PATH = Path("data/answers/2b.jsonl")


def row(name, reference, skill="s", **more):
    messages = [{"role": "user", "content": "q"}, {"role": "assistant", "content": reference}]
    return {"id": name, "set": "own", "skill": skill, "group": "g", "messages": messages, **more}


def answer(name, reference, skill="s", **more):
    return {
        "model": "2b", "set": "own", "skill": skill, "row": name, "prompt": "q",
        "reference": reference, "text": reference, "finish_reason": "stop",
        "reference_nll": 2.0, "reference_tokens": 4, **more,
    }  # fmt: skip


def no_tokens(*words, **more):
    given = answer(*words, **more)
    return {key: given[key] for key in given if key not in ("reference_nll", "reference_tokens")}


ROWS = [row("a", "one"), row("b", "two"), row("c", "one", keywords={"k": ["one"]})]
ANSWERS = [answer("a", "one"), answer("b", "two"), answer("c", "one")]


def scoring(rows=ROWS, answers=ANSWERS):
    return match(answers, rows, PATH)


def test_rows_are_matched_by_id():
    assert list(scoring().answers) == ["a", "b", "c"]


@pytest.mark.parametrize(
    ("answers", "message"),
    [
        ([*ANSWERS, answer("z", "one")], r"1 rows answered that are not in the test rows: z"),
        ([*ANSWERS, ANSWERS[0]], r"more than once: a"),
        (ANSWERS[:2], r"1 test rows without an answer: c"),
        ([answer("a", "other"), *ANSWERS[1:]], r"reference is not the test row's: a"),
        ([answer("a", "one", reference_nll=float("nan")), *ANSWERS[1:]], r"no positive number: a"),
        ([answer("a", "one", reference_nll=float("inf")), *ANSWERS[1:]], r"no positive number: a"),
        ([answer("a", "one", reference_tokens=0), *ANSWERS[1:]], r"no positive number: a"),
        ([answer("a", "one", reference_hits=5), *ANSWERS[1:]], r"0 to reference_tokens: a"),
        ([answer("a", "one", reference_hits=float("nan")), *ANSWERS[1:]], r"reference_hits .*: a"),
        ([no_tokens("a", "one", reference_hits=1), *ANSWERS[1:]], r"reference_hits .*: a"),
        ([answer("a", "one", hidden_similarity=1.5), *ANSWERS[1:]], r"that is no cosine: a"),
        ([answer("a", None), *ANSWERS[1:]], r"1 answers without a reference: a"),
        ([answer("a", "one", text=None), *ANSWERS[1:]], r"1 answers without a text: a"),
        ([answer("a", "one") | {"set": "other"}, *ANSWERS[1:]], r"set is not the test row's: a"),
        ([{}, *ANSWERS[1:]], r"1 answers without a row: line 1"),
        (["a", *ANSWERS[1:]], r"1 answers without a row: 1"),
        ([], r"holds no answers"),
    ],
)
def test_answers_of_another_run_are_refused(answers, message):
    with pytest.raises(InputError, match=message):
        scoring(answers=answers)


def test_a_reference_that_is_missing_is_named():
    gone = {key: value for key, value in answer("a", "one").items() if key != "reference"}
    with pytest.raises(InputError, match=r"without a reference: a\n.*dvc repro --force"):
        scoring(answers=[gone, *ANSWERS[1:]])


def test_a_blank_reference_has_no_key_that_compares_with_it():
    rows = [row("a", " "), *ROWS[1:]]
    found = scoring(rows, [answer("a", " "), *ANSWERS[1:]])
    found.sections = {"own": {"set": "own", "metrics": ["exact", "empty"]}}
    assert found.asking("exact") == ["b", "c"]
    found.take(["b", "c"], {"exact": [1.0, 0.0]})
    found.take(["a", "b", "c"], {"empty": [1.0, 0.0, 0.0]})
    own = {"n": 3, "exact": 0.5, "empty": 0.333333, "n_of": {"exact": 2}}
    assert summarise(found) == {"own": own}


def test_the_base_answers_are_beside_those_of_others():
    base = [answer("a", "one", text="uno"), answer("b", "two", text="dos"), answer("z", "?")]
    found = match(ANSWERS, ROWS, PATH, base)
    found.sections = {"own": {"set": "own", "metrics": ["similarity_to_base"]}}
    assert found.base == {"a": "uno", "b": "dos"}
    assert found.asking("similarity_to_base") == ["a", "b"]
    alone = scoring()
    alone.sections = found.sections
    assert alone.asking("similarity_to_base") == []


def test_a_value_that_is_none_of_the_range_is_refused():
    for value in (float("nan"), float("inf"), -0.1, 1.1):
        with pytest.raises(InputError, match=rf"row b: exact: comes out as {value}\n.*0 to 1"):
            scoring().take(["a", "b"], {"exact": [1.0, value]})
    found = scoring()
    found.take(["a", "b"], {"similarity": [1.000001, None]})
    assert found.values == {"a": {"similarity": 1.000001}}


def variation(name, reference, variant="", sample=0, **more):
    return answer(name, reference, **more) | {"variant": variant, "sample": sample}


def test_variations_are_scored_by_the_sections_of_their_rows():
    found = scoring()
    given = [variation("a", "one", "must"), variation("a", "one", "must", 1, text="x")]
    more = match_variations([*given, variation("c", "one")], found, PATH)
    sections = {"own": {"set": "own", "metrics": ["exact"]}}
    found.sections = more.sections = sections
    both = found.with_more(more)
    assert len(both.asking("exact")) == 6
    values = [both.answers[at]["text"] == both.answers[at]["reference"] for at in both.answers]
    both.take(both.asking("exact"), {"exact": list(map(float, values))})
    assert summarise(found) == {"own": {"n": 3, "exact": 1.0}}
    scores = to_variation_scores(more)
    assert [(s["row"], s["variant"], s["sample"], s["values"]) for s in scores] == [
        ("a", "must", 0, {"exact": 1.0}),
        ("a", "must", 1, {"exact": 0.0}),
        ("c", "", 0, {"exact": 1.0}),
    ]
    assert [score["group"] for score in to_scores(found)] == ["g"] * 3
    assert to_variation_scores(match_variations([], found, PATH)) == []


@pytest.mark.parametrize(
    ("variations", "message"),
    [
        ([variation("z", "one")], r"not in the test rows: z"),
        ([variation("a", "two")], r"reference is not the test row's: a"),
        ([variation("a", "one", "x")] * 2, r"more than once: a x 0"),
        ([variation("a", "one", None)], r"without a variant or a sample: a"),
        ([answer("a", "one")], r"without a variant or a sample: a"),
    ],
)
def test_variations_of_another_run_are_refused(variations, message):
    with pytest.raises(InputError, match=message):
        match_variations(variations, scoring(), PATH)


def test_all_faults_are_told_at_once():
    with pytest.raises(InputError) as caught:
        scoring(answers=[answer("z", "one"), answer("a", "two")])
    assert len(caught.value.faults) == 3


def test_a_transcript_may_lack_rows_and_has_no_loss():
    pasted = answer("a", "one")
    del pasted["reference_nll"], pasted["reference_tokens"]
    found = scoring(answers=[pasted])
    metrics = ["loss", "perplexity", "token_accuracy", "degenerate", "exact"]
    found.sections = {"own": {"set": "own", "metrics": metrics}}
    found.take(["a"], {"exact": [1.0]})
    assert [key for key in metrics if found.asking(key)] == ["exact"]
    assert summarise(found) == {"own": {"n": 1, "exact": 1.0}}


@pytest.mark.parametrize(
    ("section", "message"),
    [
        ({"metrics": ["rouge_9"]}, r"sections\.own\.metrics: unknown metric 'rouge_9'"),
        ({"metrics": ["n"]}, r"unknown metric 'n'"),
        ({"metrics": ["parses"]}, r"parses does not fit language None"),
        ({"metrics": ["schema_valid"], "language": "python"}, r"language: json"),
        ({"metrics": ["passes"], "language": "python"}, r"no row has the cases that passes needs"),
        ({"metrics": ["codebleu_syntax"], "language": "json"}, r"language: python"),
        ({"metrics": ["field_agreement"]}, r"field_agreement does not fit language None"),
        ({"metrics": ["in_language"]}, r"in_language needs `answers_in` in its section"),
    ],
)
def test_a_metric_that_does_not_fit_is_refused(section, message):
    with pytest.raises(ConfigError, match=message):
        check_sections({"own": {"set": "own", **section}}, ROWS)


def test_what_no_row_can_have_is_refused_whatever_was_answered():
    section = {"own": {"set": "own", "metrics": ["content_recall"]}}
    check_sections(section, ROWS)
    with pytest.raises(ConfigError, match="no row has the keywords that content_recall needs"):
        check_sections(section, ROWS[:2])
    blank = [row("a", ""), row("b", "\n")]
    with pytest.raises(ConfigError, match="no row has the reference that rouge_1 needs"):
        check_sections({"own": {"set": "own", "metrics": ["rouge_1"]}}, blank)
    check_sections({"own": {"set": "own", "metrics": ["rouge_1"]}}, [])


def test_two_languages_over_the_same_rows_are_refused():
    sections = {
        "own": {"set": "own", "metrics": ["parses"], "language": "json"},
        "s": {"set": "own", "skill": "s", "metrics": ["parses"], "language": "python"},
    }
    with pytest.raises(ConfigError, match="asked of the same rows as json and as python"):
        check_sections(sections, ROWS)
    for section in sections.values():
        section |= {"metrics": ["in_language"], "answers_in": section["language"][:2]}
    with pytest.raises(ConfigError, match="asked of the same rows as js and as py"):
        check_sections(sections, ROWS)


def test_what_fits_is_taken_and_a_section_without_rows_counts_none():
    found = scoring()
    sections = {
        "own": {"set": "own", "metrics": ["content_recall", "loss", "exact"]},
        "none": {"set": "own", "skill": "unknown", "metrics": ["content_recall"]},
    }
    check_sections(sections, ROWS)
    found.sections = sections
    assert found.asking("content_recall") == ["c"]
    assert found.asking("exact") == ["a", "b", "c"]
    found.take(["a", "b", "c"], {"exact": [1.0, 0.0, None]})
    found.take(["a", "b"], {"loss": [1.0, 3.0], "reference_tokens": [3.0, 1.0]})
    own = {"n": 3, "exact": 0.5, "loss": 1.5}  # (3 * 1 + 1 * 3) / 4 tokens
    own["n_of"] = {"exact": 2, "loss": 2}
    assert summarise(found) == {"own": own, "none": {"n": 0}}


def test_a_section_over_several_sets_has_the_rows_of_all():
    rows = [*ROWS, row("d", "else") | {"set": "original"}, row("e", "x") | {"set": "probes"}]
    given = [answer(each["id"], each["messages"][-1]["content"]) | {"set": each["set"]}
             for each in rows]  # fmt: skip
    found = scoring(rows, given)
    combined = {"set": ["original", "own"], "metrics": ["exact", "content_recall"]}
    found.sections = {"combined": combined, "original": {"set": "original", "metrics": ["loss"]}}
    check_sections(found.sections, rows)
    assert found.section_rows(combined) == ["a", "b", "c", "d"]
    assert found.asking("exact") == ["a", "b", "c", "d"]
    found.take(["a", "b", "c", "d"], {"exact": [1.0, 1.0, 0.0, 0.0]})
    found.take(["d"], {"loss": [0.5], "reference_tokens": [4.0]})
    assert summarise(found)["combined"] == {"n": 4, "exact": 0.5}
    kept = {score["row"]: score["values"].keys() for score in to_scores(found)}
    assert kept["d"] == {"exact", "loss", "reference_tokens"}
    assert (kept["a"], kept["e"]) == ({"exact"}, set())
    with pytest.raises(ConfigError, match="no row has the keywords"):
        check_sections({"both": combined | {"set": ["original", "probes"]}}, rows)


def test_the_floor_is_another_row_of_the_same_skill_whatever_the_order():
    rows = [*ROWS, row("d", "else", skill="t")]
    answers = [*ANSWERS, answer("d", "else", skill="t")]
    names = ["a", "b", "c", "d"]
    expected = ["two", "one", "two", None]
    assert other_references(scoring(rows, answers), names) == expected
    assert other_references(scoring(rows[::-1], answers[::-1]), names) == expected
