"""The corpus holds what it says, and the judge of edits tells an edit from a lost tail."""

from random import Random

import pytest

SAID = {"agree": "Yes, the plot drags.", "tags": ["slow", "long"], "rating": 4.5}


def test_every_kind_says_what_is_due_and_spells_something(bench):
    repair, corpus = bench("repair"), bench("corpus")
    files = sorted(repair.HERE.glob("kinds_*.py"))
    assert files
    for file in files:
        kinds = repair.load(file)
        assert len(kinds) >= 60
        due = {kind.due for kind in kinds}
        assert {"recoverable", "lost"} <= due <= {"recoverable", "foreign", "lost"}
        drawn = list(repair.cases(kinds, 6))
        assert {case.kind for case in drawn} == set(kinds)
        assert {case.shape for case in drawn} == set(corpus.SCHEMAS)
        assert {case.finish_reason for case in drawn} <= {"stop", "length", "content_filter"}


def test_every_record_fits_its_schema(bench):
    from jsonschema import Draft202012Validator

    corpus = bench("corpus")
    for shape, draw in corpus.DRAW.items():
        judge = Draft202012Validator(corpus.SCHEMAS[shape])
        for seed in range(30):
            record = draw(Random(seed))
            judge.validate(record)
            assert corpus.shape_of(record) == shape
            assert corpus.changed(record, str.strip) == record  # trimming is not part of the truth


@pytest.mark.parametrize(
    ("one", "other", "found"),
    [(True, 1, False), (5.0, 5, True), ({"a": 1, "b": 2}, {"b": 2, "a": 1}, True),
     ([1, 2], [2, 1], False), ({"a": None}, {}, False)],
)  # fmt: skip
def test_records_are_compared_as_json(bench, one, other, found):
    assert bench("repair").same(one, other) == found


@pytest.mark.parametrize(
    ("change", "limit", "edit"),
    [
        ({"agree": "Yes, the plot drag."}, 1, True),
        ({"agree": "Yes; the plot drags!"}, 2, True),
        ({"agree": "Yes; the plot drags!"}, 1, False),
        ({"agree": "Yes"}, 9, False),  # a lost tail
        ({"tags": ["slow"]}, 3, False),  # a lost item
        ({"tags": ["slow, long"]}, 4, True),
        ({"agree": "slow", "tags": ["Yes, the plot drags.", "long"]}, 9, False),
        ({"rating": 4.55}, 1, True),
        ({"rating": None}, 3, False),
    ],
)
def test_an_edit_is_told_from_a_loss(bench, change, limit, edit):
    repair = bench("repair")
    read = SAID | change
    found = repair.within(repair.signs(read, SAID), repair.signs(SAID, read), limit)
    assert found == edit


def test_a_lost_key_is_no_edit(bench):
    repair = bench("repair")
    read = {key: SAID[key] for key in ("agree", "tags")}
    assert not repair.within(repair.signs(read, SAID), repair.signs(SAID, read), 9)
