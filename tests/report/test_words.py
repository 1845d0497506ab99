"""The report says in words what changed, and what these rows cannot show."""

from stages.report.tables import changes_table
from stages.report.words import changes, in_words, tell

SECTIONS = {
    "own": {"primary": "exact", "metrics": ["exact"]},
    "code": {"primary": "passes", "metrics": ["passes"]},
    "all": {"metrics": ["exact"]},
}


def found(delta, low, high, p_holm):
    return {"delta": delta, "low": low, "high": high, "p": p_holm / 4, "p_holm": p_holm, "n": 9}


def comparison(on, **keys):
    sections = {name: {"n": 9, "keys": of_section} for name, of_section in keys.items()}
    return {"model": "2*c", "on": on, "base": "base", "sections": sections}


def test_worse_better_and_not_shown_are_apart():
    told = comparison(
        "2b",
        own={"exact": {"on": found(0.5, 0.2, 0.8, 0.01), "base": found(0.1, -0.2, 0.4, 0.9)}},
        code={"passes": {"on": found(-0.5, -0.8, -0.2, 0.01)}},
        all={"exact": {"on": found(0.5, 0.2, 0.8, 0.01)}},
    )
    lines = in_words(SECTIONS, {"2*c": told}, 0.95)
    assert lines[0] == "## In words"
    assert "(95 %)" in lines[2]
    assert lines[4:-1] == [
        "- 2\\*c against 2b, **better**: own exact +0.500 \\[+0.200, +0.800\\], n = 9",
        "- 2\\*c against 2b, **worse**: code passes -0.500 \\[-0.800, -0.200\\], n = 9",
        "- 2\\*c against base, **not shown**: own exact +0.100 \\[-0.200, +0.400\\], n = 9",
    ]


def test_an_interval_without_0_is_not_enough():
    told = comparison("base", own={"exact": {"on": found(0.5, 0.2, 0.8, 0.06)}})
    assert [change.verdict for change in changes(SECTIONS, told, "on", 0.95)] == ["not shown"]
    assert [change.verdict for change in changes(SECTIONS, told, "on", 0.9)] == ["better"]


def test_groups_are_told_where_they_are_fewer_than_rows():
    told = comparison("base", own={"exact": {"on": found(0.5, -0.2, 1, 0.6) | {"groups": 4}}})
    assert in_words(SECTIONS, {"2c": told}, 0.95)[4].endswith(", n = 9 in 4 groups")


def test_what_came_back_is_told_as_a_share_of_what_was_lost():
    of_own = {"exact": {"on": found(0.5, 0.2, 0.8, 0.01)}}
    told = comparison("2b", own=of_own, code={"passes": {"on": found(0.5, 0.2, 0.8, 0.2)}})
    back = {"value": 0.9, "low": 0.7, "high": 1.1, "n": 9}
    told["sections"]["own"] |= {"primary": "exact", "recovery": back}
    told["sections"]["code"] |= {"primary": "passes", "recovery": back | {"n": 8}}
    told["all"] = {"recovery": {"value": 0.4, "n": 17, "groups": 3}}
    assert in_words(SECTIONS, {"2c": told}, 0.95)[-3:-1] == [
        "- 2c, the share of what 2b had lost, **won back**: own 0.900 \\[0.700, 1.100\\], n = 9",
        "- 2c, the share of what 2b had lost, **not shown**: all 0.400, n = 17 in 3 groups; "
        "code 0.900 \\[0.700, 1.100\\], n = 8",
    ]


def test_without_adapters_there_is_nothing_to_say():
    assert in_words(SECTIONS, {}, 0.95) == []


def test_a_figure_of_all_rows_together_is_not_said_to_be_tested():
    told = {"value": 2.0, "on": {"value": 9.0, "delta": 7.0, "n": 0}}
    section = {"n": 9, "groups": 9, "keys": {"perplexity": told}}
    found = {"on": "base", "base": "base", "sections": {"own": section}}
    rows = changes_table({"own": {"metrics": ["perplexity"]}}, found, 0.95)
    assert rows[2].endswith("| 2.000 | +7.000 (not tested: a figure of all rows together) |")


def test_the_page_is_told_the_same_as_the_report():
    found_ = {"exact": {"on": found(0.5, 0.2, 0.8, 0.01), "base": found(-0.1, -0.2, 0.4, 0.9)}}
    told = {"2*c": comparison("2b", own=found_)}
    better, not_shown = tell(SECTIONS, told, 0.95)
    assert (better.pair, better.verdict) == ("2*c against 2b", "better")
    assert better.items == [("own exact", "+0.500 [+0.200, +0.800], n = 9")]
    assert (not_shown.pair, not_shown.verdict) == ("2*c against base", "not shown")
    assert len(in_words(SECTIONS, told, 0.95)) == 4 + 2 + 1


def test_what_was_lost_on_top_is_told_apart():
    of_own = {"exact": {"on": found(-0.5, -0.8, -0.2, 0.01)}}
    told = comparison("2b", own=of_own)
    told["sections"]["own"] |= {"primary": "exact", "recovery": {"value": -18.0, "n": 21}}
    told["all"] = {"recovery": {"value": -0.8, "low": -1.3, "high": -0.4, "n": 30}}
    assert in_words(SECTIONS, {"2c": told}, 0.95)[-2] == (
        "- 2c, the share of what 2b had lost, **lost more**: all -0.800 \\[-1.300, -0.400\\], "
        "n = 30; own -18.000, n = 21"
    )
