"""Records mended by hand."""

import pytest

from stages.core.digest import digest
from stages.core.errors import InputError

GOOD = '{"agree": "x", "disagree": "y"}'
MENDED = {"agree": "x", "disagree": "by hand"}


def test_a_record_mended_by_hand_is_admitted_by_what_the_reject_says(project):
    project.texts([GOOD, "broken", None])
    project.validate()
    rejects = project.rows("rejects")
    assert [reject["reason"] for reject in rejects] == ["no_object", "no_reply"]
    project.write(
        "overrides",
        [
            {"request": each["request"], "raw": each["raw"], "record": MENDED, "note": "typed"}
            for each in rejects
        ],
    )
    project.validate()
    first, *mended = project.rows()
    assert first["operations"] == []
    assert [row["operations"] for row in mended] == [["override"]] * 2
    assert [row["record"] for row in mended] == [MENDED] * 2
    assert project.rows("rejects") == []
    metrics = project.metrics()
    counts = [metrics[key] for key in ("parsed", "overridden", "rejected", "silently_wrong")]
    assert counts == [1, 2, 0, 0]
    assert sum(metrics["rejected_by_reason"].values()) == 0


def test_a_proved_reply_can_be_overridden_too(project):
    project.texts([GOOD, GOOD])
    entry = {"request": "r1", "raw": digest(GOOD), "record": MENDED}
    project.write("overrides", [entry])
    project.validate()
    assert project.rows()[1]["record"] == MENDED
    assert (project.metrics()["parsed"], project.metrics()["overridden"]) == (1, 1)


OF_R0 = {"request": "r0", "raw": digest(GOOD)}


@pytest.mark.parametrize(
    ("override", "what"),
    [
        ({"request": "r9", "raw": None, "record": MENDED}, "no request has the id 'r9'"),
        (OF_R0 | {"record": {"agree": "x"}}, "the record of r0 does not fit: .*'disagree' is a"),
        (OF_R0 | {"record": "x"}, "the record of r0 is not an object"),
        (OF_R0, "the record of r0 is not an object"),
        ({"record": MENDED}, "no override: it names no request"),
        (["r0"], "no override: it names no request"),
        ({"request": 3, "record": MENDED}, "no override: it names no request"),
        ({"request": "r0", "record": MENDED}, f"does not say which text; .* '{digest(GOOD)}' now"),
        (OF_R0 | {"raw": "0" * 16, "record": MENDED}, f"'0{{16}}'; .* is '{digest(GOOD)}' now"),
        (OF_R0 | {"raw": None, "record": MENDED}, f"None; the reply's is '{digest(GOOD)}' now"),
    ],
)
def test_an_override_that_cannot_be_is_named(project, override, what):
    project.texts([GOOD])
    project.write("overrides", [override, override])
    with pytest.raises(InputError, match=what) as raised:
        project.validate()
    assert [fault.where for fault in raised.value.faults] == [
        "overrides.jsonl: entry 1",
        "overrides.jsonl: entry 2",
    ]


def test_a_text_that_is_gone_is_another_text(project):
    project.texts([GOOD, None])
    entry = {"request": "r1", "raw": digest("broken"), "record": MENDED}
    project.write("overrides", [entry])
    with pytest.raises(InputError, match=r'the reply has no text now\n.*\n.*"raw": null'):
        project.validate()


def test_all_that_is_wrong_is_told_at_once(project):
    project.texts([GOOD, GOOD])
    good = {"request": "r1", "raw": digest(GOOD), "record": MENDED}
    stale = {"request": "r0", "raw": "0" * 16, "record": {"agree": 1}}
    project.write("overrides", [good, stale, good, {}])
    with pytest.raises(InputError) as raised:
        project.validate()
    told = [(fault.where.split()[-1], fault.what) for fault in raised.value.faults]
    assert [number for number, _ in told] == ["2", "2", "3", "4"]
    assert "mends the raw text" in told[0][1]
    assert "does not fit" in told[1][1]
    assert "a second override of r1" in told[2][1]


def test_a_record_nested_too_deeply_is_no_crash(project):
    project.texts([GOOD])
    deep = "[" * 500 + "]" * 500
    line = f'{{"request": "r0", "raw": "{digest(GOOD)}", "record": {{"agree": {deep}}}}}\n'
    (project.folder / "overrides.jsonl").write_text(line)
    with pytest.raises(InputError, match="nested too deeply"):
        project.validate()
