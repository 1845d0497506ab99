"""A bank without judgements: a plain grammar, of which seeds and corpora are composed."""

import json
from itertools import product

import pytest

from stages.check.banks import check_bank
from stages.core.digest import digest
from stages.core.errors import ConfigError
from stages.core.grammar import columns
from stages.core.holdout import side
from stages.fetch.__main__ import rows_of
from stages.fetch.bank import seeds, table

SEED = 13
BANK = {
    "name": "plan",
    "field": "wish",
    "once": ["app", "platform", "days", "extra"],
    "group_by": ["app", "platform"],
    "rules": {
        "app": ["shop", "diary", "map", "quiz"],
        "platform": ["web", "phone", "tablet", "watch", "desk"],
        "days": [5, 9],
        "extra": ["with a {colour} logo"],
        "colour": ["red", "blue", "green"],
        "opening": ["I want", "We need", "Please build"],
        "test": ["", "Test it"],
    },
    "kinds": {
        "short": {
            "share": 3,
            "text": ["{opening} a {app} for {platform}.", "{opening} a {app} on the {platform}."],
            "truth": {"steps": [["Draw the {app}", "{test}"], ["Build for {platform}"]]},
        },
        "long": {
            "share": 1,
            "text": ["{opening} a {app} {extra} for {platform} in {days} days."],
            "truth": {
                "steps": [["Draw the {app} {extra}"]],
                "plan": [{"days": "{days}", "note": "{test}"}],
                "paid": [True],
            },
        },
    },
    "keywords": {"steps": ["app", "platform", "extra"]},
}
PLACES = set(product(BANK["rules"]["app"], BANK["rules"]["platform"]))


@pytest.fixture(scope="module")
def rows():
    return list(seeds(BANK, 100, SEED))


def test_the_bank_has_no_fault(tmp_path):
    found, sound = check_bank(BANK, tmp_path / "bank.yaml", table=True)
    assert found == []
    assert sound is BANK


def test_no_two_texts_are_alike_and_all_slots_are_filled(rows):
    texts = [row["fields"]["wish"] for row in rows]
    assert len(set(texts)) == len({row["id"] for row in rows}) == 100
    assert not set("{}") & set("".join(texts) + json.dumps([row["truth"]["steps"] for row in rows]))
    assert list(seeds(BANK, 30, SEED)) == rows[:30]
    assert sum("days" in text for text in texts) in range(15, 50)


def test_a_slot_that_is_drawn_once_says_the_same_in_text_and_truth(rows):
    for row in rows:
        app, platform = row["group"].removeprefix("plan:").split(", ")
        assert (app, platform) in PLACES
        assert app in row["fields"]["wish"]
        assert platform in row["fields"]["wish"]
        (*_, last) = row["keywords"]["steps"]
        assert row["keywords"]["steps"][:2] == [app, platform]
        if "days" in row["fields"]["wish"]:
            assert last in row["fields"]["wish"]
            assert row["truth"]["steps"] == [f"Draw the {app} {last}"]


def test_a_truth_keeps_numbers_and_values_and_leaves_out_what_is_empty(rows):
    long = [row["truth"] for row in rows if "plan" in row["truth"]]
    assert {truth["plan"]["days"] for truth in long} == {5, 9}
    assert {truth["paid"] for truth in long} == {True}
    assert {truth["plan"].get("note") for truth in long} == {None, "Test it"}
    short = [row["truth"]["steps"] for row in rows if "plan" not in row["truth"]]
    assert {len(steps) for steps in short} == {1, 2}
    assert not [steps for steps in short if "" in steps]


def test_a_split_by_group_holds_combinations_out_and_no_word():
    made = list(seeds(BANK, 300, SEED))
    sides = {"train": set(), "val": set(), "test": set()}
    for row in made:
        sides[side(row["group"], SEED, val=0.1, test=0.4)].add(row["group"])
    assert not sides["train"] & sides["test"]
    assert 3 <= len(sides["test"]) <= 12
    seen = {word for group in sides["train"] for word in group[5:].split(", ")}
    assert {word for group in sides["test"] for word in group[5:].split(", ")} <= seen


def test_without_group_by_a_text_is_its_own_group():
    plain = {key: value for key, value in BANK.items() if key != "group_by"}
    assert all(row["group"] == row["id"] for row in seeds(plain, 50, SEED))


def test_a_table_has_a_column_for_each_slot_and_each_key_of_the_truth():
    made = table(BANK, 100, SEED)
    assert len(made) == 100
    assert made[0][0] == "plan text 1"
    assert all(row.keys() == columns(BANK) for _, row in made)
    for _, row in made:
        assert row["group"] == f"plan:{row['app']}, {row['platform']}"
        assert (row["days"] is None) == (row["kind"] == "short") == (row["paid"] is None)
        said = {key: row[key] for key in ("steps", "plan", "paid") if row[key] is not None}
        assert row["truth"] == said


def test_a_corpus_is_of_another_stream_and_of_the_rules_for_elsewhere():
    own = {row["fields"]["wish"] for row in seeds(BANK, 60, SEED)}
    other = BANK | {"elsewhere": {"opening": ["Somebody wants"]}}
    texts = {row["wish"] for _, row in table(other, 40, SEED)}
    assert len(texts) == 40
    assert all(text.startswith("Somebody wants") for text in texts)
    assert not texts & own
    assert [row["wish"] for _, row in table(BANK, 60, SEED)] != sorted(own)


def test_slots_can_be_distinct_and_hang_on_others():
    steps = {"chat": ["Set up the server"], "map": ["Get the tiles", "Draw the map"], 3: ["Count"]}
    bank = {
        "name": "f",
        "field": "wish",
        "once": ["first", "second", "step"],
        "distinct": [["first", "second"]],
        "rules": {
            "first": ["chat", "map", 3],
            "second": ["chat", "map", 3],
            "step": {"first": {str(word): said for word, said in steps.items()}},
            "opening": ["Now", "Then", "And", "So", "But"],
        },
        "kinds": {"only": {"share": 1, "text": ["{opening} {first}, {second}"]}},
    }
    bank["kinds"]["only"]["truth"] = {"step": ["{step}!"], "first": ["{first}"]}
    found, _ = check_bank(bank, "bank.yaml")
    assert found == []
    made = table(bank, 30, SEED)
    assert len({row["wish"] for _, row in made}) == 30  # all that there are
    for _, row in made:
        assert row["first"] != row["second"]
        assert row["truth"]["step"].removesuffix("!") in steps[row["truth"]["first"]]
    few = bank | {"rules": bank["rules"] | {"first": ["chat"], "second": ["chat"]}}
    with pytest.raises(ValueError, match=r"all that \{second\} can be is taken: chat"):
        table(few, 1, SEED)


def source(**more):
    example = {"skill": "plan", "instruction": "Plan: {{ wish }}", "answer": "{{ truth | json }}"}
    return {"kind": "bank", "file": "bank.yaml", "rows": 80, "examples": [example | more]}


@pytest.fixture
def files(tmp_path):
    (tmp_path / "bank.yaml").write_text(json.dumps(BANK), encoding="utf-8")
    return tmp_path


def test_a_bank_with_examples_makes_rows_of_the_groups_of_its_seeds(files):
    made, told = rows_of("plans", source(keywords={"steps": ["app", "extra"]}), {}, files, SEED)
    assert len(made) == told["rows"] == 80
    assert {row["source"] for row in made} == {"plans"}
    groups = {row["group"] for row in made}
    own, _ = rows_of("seeds", {"kind": "bank", "file": "bank.yaml", "rows": 80}, {}, files, SEED)
    assert len(groups & {row["group"] for row in own}) > 15
    for row in made:
        assert row["messages"][0]["content"].startswith("Plan: ")
        assert row["id"] == digest(row["messages"])
        assert row["group"].startswith(f"plan:{row['keywords']['steps'][0]}, ")
        assert json.loads(row["messages"][1]["content"])["steps"]


def test_a_bank_that_is_too_small_for_a_corpus_says_so(files):
    asked = source() | {"rows": 9999}
    with pytest.raises(ConfigError, match=r"sources.plans: the bank holds \d+ different texts"):
        rows_of("plans", asked, {}, files, SEED)
    with pytest.raises(ConfigError, match=r"examples\[0\]\.answer: no column `truht`"):
        rows_of("plans", source(answer="{{ truht }}"), {}, files, SEED)


FAULTS = {
    "unknown key": ({"kind": {}}, r"bank.yaml: kind: unknown key 'kind'; did you mean 'kinds'"),
    "no alternative": ({"rules": {"app": []}}, r"bank.yaml: rules.app: is empty"),
    "no list": ({"rules": {"app": "shop"}}, r"bank.yaml: rules.app: 'shop' is text"),
    "truth value": ({"rules": {"app": [True]}}, r"rules.app\[0\]: True is true or false"),
    "unknown slot": (
        {"rules": BANK["rules"] | {"opening": ["{plattform} now"]}},
        r"rules.opening\[0\]: \{plattform\}: there is no slot 'plattform'; did you mean 'platform'",
    ),
    "holds itself": (
        {"rules": BANK["rules"] | {"colour": ["{test}"], "test": ["so {colour}"]}},
        r"rules.colour: \{colour\} holds itself(.|\n)*rules.test: \{test\} holds itself",
    ),
    "group_by not once": (
        {"group_by": ["app", "colour"]},
        r"group_by\[1\]: 'colour' is not drawn once a text.*\n.*\n  to do: add it to `once`",
    ),
    "group_by unknown": ({"group_by": ["ap"]}, r"group_by\[0\]: .*'ap'; did you mean 'app'"),
    "once unknown": ({"once": ["app", "platform", "xx"]}, r"once\[2\]: there is no rule 'xx'"),
    "keywords": ({"keywords": {"steps": ["colour"]}}, r"keywords.steps\[0\]: .* 'colour'"),
    "elsewhere": ({"elsewhere": {"ap": ["x"]}}, r"elsewhere.ap: there is no rule 'ap'; did you"),
    "half a judgement": ({"aspects": ["plot"]}, r"judgements: is missing"),
    "a column twice": ({"field": "app"}, r"once: 'app' is a column of the table already"),
    "distinct": ({"distinct": [["app", "colour"]]}, r"distinct\[0\]: .* 'colour'"),
    "hangs on words that are not there": (
        {"rules": BANK["rules"] | {"test": {"app": {"shop": ["x"], "diari": ["y"]}}}},
        r"rules.test.app: says nothing of 'diary', 'map', 'quiz'(.|\n)*'diari'; did you mean 'dia",
    ),
    "hangs on what is drawn again": (
        {"rules": BANK["rules"] | {"test": {"colour": {"red": ["x"]}}}},
        r"rules.test.colour: there is no slot of `once` 'colour'",
    ),
    "kind of wrong shape": (
        {"kinds": {"a": {"share": 0, "text": ["x"], "turth": {}}}},
        r"kinds.a.share: 0 is out of range(.|\n)*kinds.a.turth: unknown key",
    ),
    "poles": (
        {"kinds": {"a": {"share": 1, "text": ["x"], "poles": [[0, 1]]}}},
        r"kinds.a.poles: stands without",
    ),
    "no mapping": (None, r"bank.yaml: holds null"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_of_a_bank_is_told_with_its_place(tmp_path, name):
    change, said = FAULTS[name]
    found, sound = check_bank(change and BANK | change, tmp_path / "bank.yaml", table=True)
    assert sound is None
    with pytest.raises(ConfigError, match=said):
        raise ConfigError(*found)
