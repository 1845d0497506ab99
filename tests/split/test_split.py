"""Splits: stable sides, strata, ids, joins, caps; what crosses leaves training and is counted."""

import json

import pytest

from stages.core.draw import draw
from stages.core.errors import ConfigError, InputError, UserError
from stages.core.holdout import side
from stages.split.__main__ import main, read_set, split
from stages.split.leakage import leaks
from stages.split.sampling import train_samples
from stages.split.sides import beyond_cap, heads, sides_of

SEED = 13
WHERE = "params.yaml: sets.own"
RULES = {"leakage": "remove", "near_duplicate_similarity": 0.9}


def row(name, group=None, prompt=None, skill="talk", **more):
    messages = [
        {"role": "user", "content": prompt or f"prompt {name}"},
        {"role": "assistant", "content": "answer"},
    ]
    made = {"id": name, "skill": skill, "group": group or name, "source": "table"}
    return made | {"messages": messages} | more


def rows_of(count, **more):
    return [row(f"r{n}", **more) for n in range(count)]


def spec(**more):
    return {"from": "rows", "val": 0.1, "test": 0.2, "near_duplicates": "keep", "cap": {}} | more


def sided(rows, joined=(), **more):
    sides = sides_of(rows, spec(**more), list(joined), SEED, WHERE)
    return {each["id"]: its_side for each, its_side in zip(rows, sides, strict=True)}


def ids(rows):
    return [each["id"] for each in rows]


def test_shares_hold_and_a_row_keeps_its_side_when_the_data_grows():
    few, many = sided(rows_of(500)), sided(rows_of(1000))
    counts = [list(many.values()).count(name) for name in ("train", "val", "test")]
    assert counts == pytest.approx([700, 100, 200], abs=40)
    assert all(many[name] == its_side for name, its_side in few.items())
    assert len(few) == 500


def test_a_group_goes_to_one_side():
    rows = [row(f"r{n}", group=f"g{n % 20}") for n in range(200)]
    sides = sided(rows)
    by_group = {(each["group"], sides[each["id"]]) for each in rows}
    assert len(by_group) == 20
    assert len({its_side for _, its_side in by_group}) >= 2


def test_joined_groups_go_together_and_none_leaves_test():
    alone = sided(rows_of(200))
    test = next(name for name, its_side in alone.items() if its_side == "test")
    train = [name for name, its_side in alone.items() if its_side == "train"][:3]
    joined = sided(rows_of(200), [{test, *train}])
    assert {joined[name] for name in (test, *train)} == {"test"}
    changed = {name for name in alone if alone[name] != joined[name]}
    assert changed == set(train)
    head = heads({"a", "b", "c"}, [{"a", "b"}], SEED)
    assert head["a"] == head["b"] != head["c"]


def test_strata_get_their_shares_each():
    rows = rows_of(30, skill="rare") + [row(f"c{n}", skill="common") for n in range(300)]
    sides = sided(rows, stratify="skill")
    for skill, counts in {"rare": (21, 3, 6), "common": (210, 30, 60)}.items():
        found = [sides[each["id"]] for each in rows if each["skill"] == skill]
        assert tuple(found.count(name) for name in ("train", "val", "test")) == counts
    grown = sided([*rows, *(row(f"new{n}", skill="common") for n in range(30))], stratify="skill")
    moved = [name for name in sides if sides[name] != grown[name]]
    assert len(moved) <= 20
    assert not any(name.startswith("r") for name in moved)


def test_a_stratum_can_be_a_value_of_the_record():
    rows = [row(f"r{n}", record={"mood": "good" if n % 2 else "bad"}) for n in range(100)]
    sides = sided(rows, stratify="mood")
    assert sum(sides[f"r{n}"] == "test" for n in range(0, 100, 2)) == 10
    with pytest.raises(ConfigError, match="has no `moon`"):
        sided(rows, stratify="moon")


def test_a_stratum_can_be_whom_rows_come_from():
    rows = rows_of(200, source="teacher") + [row(f"t{n}", source="table") for n in range(20)]
    sides = sided(rows, stratify="source")
    assert [sides[f"t{n}"] for n in range(20)].count("test") == 4
    assert [sides[f"r{n}"] for n in range(200)].count("test") == 40


def test_it_is_told_whom_the_rows_of_each_side_come_from():
    asked = [row(f"a{n}", source="teacher", request="q") for n in range(100)]
    rows = {"own": asked + [row(f"t{n}") for n in range(10)], "probes": rows_of(3)}
    sets = {"own": spec(stratify="source"), "probes": spec(val=0.0, test=1.0)}
    _, counts = split(rows, sets, RULES, SEED)
    assert counts["own"]["sources"] == {
        "requested": {"teacher": {"train": 70, "val": 10, "test": 20}},
        "imported": {"table": {"train": 7, "val": 1, "test": 2}},
    }
    all_test = {"train": 0, "val": 0, "test": 3}
    assert counts["probes"]["sources"] == {"requested": {}, "imported": {"table": all_test}}


def test_ids_decide_where_they_are_given():
    sides = sided(rows_of(10), ids={"val": ["r1"], "test": ["r2", "r3"]})
    assert [sides[f"r{n}"] for n in range(4)] == ["train", "val", "test", "test"]
    assert list(sides.values()).count("train") == 7
    with pytest.raises(ConfigError) as caught:
        sided(rows_of(3), ids={"val": ["r1", "r9"], "test": ["r1"]})
    assert [fault.what for fault in caught.value.faults] == [
        "no row and no group has the id 'r9'",
        "'r1' is under val and under test",
    ]


def test_ids_may_be_those_of_groups_which_a_person_can_write():
    rows = [row(f"r{n}", group=f"plan-{n // 2}") for n in range(10)]
    sides = sided(rows, ids={"val": ["r9"], "test": ["plan-1", "r0"]})
    held = {name: side for name, side in sides.items() if side != "train"}
    assert held == {"r0": "test", "r2": "test", "r3": "test", "r9": "val"}
    with pytest.raises(ConfigError) as caught:
        sided(rows, ids={"val": ["r2", "plan-7"], "test": ["plan-1"]})
    assert [fault.what for fault in caught.value.faults] == [
        "no row and no group has the id 'plan-7'",
        "'plan-1' or 'r2' is under val and under test",
    ]


def test_what_crosses_leaves_the_training_side():
    rows = {
        "own": [row("a"), row("b"), row("c", group="shared"), row("d")],
        "original": [
            row("a"),
            row("x", prompt="prompt b"),
            row("y", group="shared"),
            row("z"),
            row("v", prompt="prompt d"),
        ],
    }
    sides = {
        "own": ["test", "val", "test", "train"],
        "original": ["train", "train", "val", "train", "train"],
    }
    head = {each["group"]: each["group"] for its_rows in rows.values() for each in its_rows}
    found = {(leak.set, leak.place, leak.side, leak.reason) for leak in leaks(rows, sides, head)}
    assert found == {
        ("original", 0, "train", "row"),
        ("original", 1, "train", "prompt"),
        ("original", 2, "val", "group"),
    }


def test_leaking_rows_are_counted_or_refused():
    own = rows_of(100)
    twins = [row(f"t{n}", prompt=f"prompt r{n}") for n in range(100)]
    sets = {"own": spec(), "more": spec(val=0.0, test=0.1)}
    parts, counts = split({"own": own, "more": twins}, sets, RULES, SEED)
    held = {f"prompt {name}" for name in ids(parts["own"]["val"] + parts["own"]["test"])}
    trained = parts["own"]["train"] + parts["more"]["train"]
    assert not held & {each["messages"][0]["content"] for each in trained}
    removed = counts["more"]["leaking"]
    assert removed["prompt"] >= 20
    assert (removed["row"], removed["group"]) == (0, 0)
    assert sum(counts["more"][name] for name in ("train", "val", "test")) == 100 - removed["prompt"]
    with pytest.raises(InputError, match="its prompt is held out too") as caught:
        split({"own": own, "more": twins}, sets, RULES | {"leakage": "error"}, SEED)
    assert len(caught.value.faults) == 5


def test_near_duplicates_are_joined_where_the_set_asks_for_it():
    words = " ".join(f"word{n}" for n in range(60))
    rows = [row(f"r{n}", prompt=f"{words} {n}") for n in range(40)] + rows_of(200)[40:]
    parts, counts = split({"own": rows}, {"own": spec(near_duplicates="group")}, RULES, SEED)
    assert counts["own"]["joined"] == 39
    assert {f"r{n}" for n in range(40)} <= set(ids(parts["own"]["test"]))
    _, counts = split({"own": rows}, {"own": spec()}, RULES, SEED)
    assert counts["own"]["joined"] == 0


def test_near_duplicates_that_ids_set_apart_leave_the_training_side():
    words = " ".join(f"word{n}" for n in range(60))
    rows = [row("a", prompt=f"{words} a"), row("b", prompt=f"{words} b"), row("c"), row("d")]
    more = {"ids": {"test": ["a", "d"]}, "near_duplicates": "group"}
    parts, counts = split({"own": rows}, {"own": spec(**more)}, RULES, SEED)
    assert (ids(parts["own"]["test"]), ids(parts["own"]["train"])) == (["a", "d"], ["c"])
    assert counts["own"]["leaking"]["group"] == 1


def test_near_duplicates_of_another_set_that_asks_for_it_leave_the_training_side():
    words = " ".join(f"word{n}" for n in range(60))
    rows = {
        "own": [row("a", prompt=f"{words} a"), row("b")],
        "more": [row("x", prompt=f"{words} x"), row("y")],
    }
    sets = {
        "own": spec(ids={"test": ["a"]}, near_duplicates="group"),
        "more": spec(ids={"test": []}, near_duplicates="group"),
    }
    parts, counts = split(rows, sets, RULES, SEED)
    assert (ids(parts["own"]["test"]), ids(parts["more"]["train"])) == (["a"], ["y"])
    assert counts["more"]["leaking"]["group"] == 1
    sets["more"]["near_duplicates"] = "keep"
    parts, _ = split(rows, sets, RULES, SEED)
    assert ids(parts["more"]["train"]) == ["x", "y"]


def test_caps_hold_by_skill_and_what_is_beyond_is_not_trained_on():
    rows = rows_of(200) + [row(f"c{n}", skill="code") for n in range(200)]
    sides = ["test"] * 400
    beyond = beyond_cap(rows, sides, {"test": {"code": 80, "default": 30}}, SEED)
    kept = [each["skill"] for place, each in enumerate(rows) if place not in beyond]
    assert (kept.count("talk"), kept.count("code")) == (30, 80)
    wider = beyond_cap(rows, sides, {"test": {"code": 90}}, SEED)
    assert {place for place in wider if place >= 200} < beyond
    assert len(wider) == 110
    sets = {"own": spec(cap={"test": {"default": 5}})}
    parts, counts = split({"own": rows}, sets, RULES, SEED)
    assert len(parts["own"]["test"]) == 10
    left_out = counts["own"]["capped"]
    assert left_out >= 50
    assert counts["own"]["train"] + counts["own"]["val"] == 400 - 10 - left_out
    expected = {name for name, its_side in sided(rows).items() if its_side == "train"}
    assert set(ids(parts["own"]["train"])) == expected


@pytest.mark.parametrize(
    ("rows", "more", "said"),
    [
        ([row(f"r{n}", group="one") for n in range(9)], {}, "no row on the (train|test) side"),
        (rows_of(9), {"val": 0.5, "test": 0.5}, "no row on the train side"),
        (rows_of(50), {"cap": {"test": {"default": 0}}}, "no row on the test side"),
        (rows_of(3), {"ids": {"test": ["r0", "r1", "r2"]}}, "no row on the train side"),
    ],
)
def test_an_impossible_split_is_told(rows, more, said):
    with pytest.raises(ConfigError, match=f"impossible split: {said}"):
        split({"own": rows}, {"own": spec(**more)}, RULES, SEED)


def test_a_set_that_is_all_test_needs_no_training_rows():
    parts, counts = split({"own": rows_of(5)}, {"own": spec(val=0.0, test=1.0)}, RULES, SEED)
    assert ids(parts["own"]["test"]) == ids(rows_of(5))
    assert counts["own"]["train"] == 0


def sampled(rows, seed=SEED, **of_sets):
    """Split sets of the same kind and return the ids of the training rows sampled of each."""
    sets = {name: spec(test=0.1, train_sample=count) for name, count in of_sets.items()}
    parts, _ = split({name: rows[name] for name in sets}, sets, RULES, seed)
    return parts, {name: ids(of) for name, of in train_samples(parts, sets, seed).items()}


def test_a_sample_of_the_training_rows_is_what_every_mix_draws_first():
    rows = {"own": rows_of(300)}
    parts, found = sampled(rows, own=40)
    assert len(found["own"]) == 40
    assert set(found["own"]) < set(ids(parts["own"]["train"]))
    for count in (40, 90):
        assert set(found["own"]) <= set(ids(draw(parts["own"]["train"], count, SEED)))
    assert set(found["own"]) < set(sampled(rows, own=60)[1]["own"])
    grown = sampled({"own": rows_of(330)}, own=40)[1]["own"]
    assert 30 <= len(set(grown) & set(found["own"])) < 40
    assert sampled(rows, own=0)[1] == {}
    _, few = sampled({"own": rows_of(20)}, own=40)
    assert 10 < len(few["own"]) < 20


def test_no_row_is_sampled_twice():
    """Answers are known by their rows' ids, whatever sets the rows stand in."""
    rows = {"own": rows_of(50), "more": rows_of(80), "twice": rows_of(30) * 2}
    parts, found = sampled(rows, own=20, more=40, twice=60)
    every = [name for of_set in found.values() for name in of_set]
    assert len(every) == len(set(every)) >= 60
    assert not set(every) & set(ids([each for part in parts.values() for each in part["test"]]))


def test_what_cannot_be_sampled_is_told():
    sets = {"own": spec(train_sample=5), "own_train": spec(), "all": spec(test=1.0, train_sample=9)}
    parts = {name: {"train": rows_of(5), "val": [], "test": []} for name in sets}
    parts["all"] = {"train": [], "val": [], "test": rows_of(5)}
    with pytest.raises(ConfigError) as caught:
        train_samples(parts, sets, SEED)
    assert [(fault.where, fault.what) for fault in caught.value.faults] == [
        ("params.yaml: sets.own_train", "is what the training sample of 'own' is called"),
        ("params.yaml: sets.all.train_sample", "there are no training rows to sample"),
    ]


def test_a_set_is_read_from_several_sources(tmp_path):
    for name in ("a", "b"):
        (tmp_path / f"{name}.jsonl").write_text(json.dumps(row(name)) + "\n")
    (tmp_path / "s.jsonl").write_text('{"id": "s", "fields": {}}\n')
    found = read_set(spec(**{"from": ["a", "b"]}), tmp_path / "rows.jsonl", tmp_path, WHERE)
    assert ids(found) == ["a", "b"]
    with pytest.raises(ConfigError, match="no source `c`"):
        read_set(spec(**{"from": "c"}), tmp_path / "rows.jsonl", tmp_path, WHERE)
    with pytest.raises(ConfigError, match="s holds seeds"):
        read_set(spec(**{"from": "s"}), tmp_path / "rows.jsonl", tmp_path, WHERE)


@pytest.fixture
def stage(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "sources").mkdir()
    rows = "".join(json.dumps(each) + "\n" for each in rows_of(100))
    (tmp_path / "rows.jsonl").write_text(rows)
    (tmp_path / "sources/off.jsonl").write_text("")

    def run(sets):
        params = {"sets": sets, "split": RULES, "seed": {"data": SEED}}
        (tmp_path / "params.yaml").write_text(json.dumps(params))
        flags = ["--rows", "rows.jsonl", "--sources", "sources", "--splits", "splits"]
        flags += ["--test", "test.jsonl", "--metrics", "splits.json"]
        monkeypatch.setattr("sys.argv", ["split", *flags])
        main()

    return run


def lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_the_stage_writes_every_set_and_all_test_rows(stage, tmp_path, capsys):
    (tmp_path / "splits/old").mkdir(parents=True)
    stage({"own": spec(), "spare": spec(**{"from": "off"})})
    counts = json.loads((tmp_path / "splits.json").read_text())
    parts = {
        name: lines(tmp_path / f"splits/own/{name}.jsonl") for name in ("train", "val", "test")
    }
    assert {name: len(part) for name, part in parts.items()} == {
        name: counts["own"][name] for name in parts
    }
    assert sum(len(part) for part in parts.values()) == 100
    assert [(each["id"], each["set"]) for each in lines(tmp_path / "test.jsonl")] == [
        (each["id"], "own")
        for each in rows_of(100)
        if side(each["id"], SEED, val=0.1, test=0.2) == "test"
    ]
    assert not (tmp_path / "splits/old").exists()
    assert lines(tmp_path / "splits/spare/train.jsonl") == []
    told = "/".join(str(len(part)) for part in parts.values())
    said = f"split: own {told}, spare empty (switched off) (train/val/test)\n"
    assert capsys.readouterr().out == said


def test_the_stage_puts_sampled_training_rows_behind_the_test_rows(stage, tmp_path, capsys):
    stage({"own": spec(train_sample=12), "spare": spec(**{"from": "off"}, train_sample=3)})
    answered = lines(tmp_path / "test.jsonl")
    sets = [each["set"] for each in answered]
    test = sets.index("own_train")
    assert (set(sets[:test]), sets[test:]) == ({"own"}, ["own_train"] * 12)
    trained = {each["id"]: each for each in lines(tmp_path / "splits/own/train.jsonl")}
    assert len(trained) > 12
    for each in answered[test:]:
        assert trained[each["id"]] == {**each, "set": "own"}
    assert json.loads((tmp_path / "splits.json").read_text())["own"]["train_sample"] == 12
    assert f"/{test} (+12 of train), spare empty" in capsys.readouterr().out


def test_a_test_row_of_two_sets_is_told_before_anything_is_trained(stage, tmp_path):
    """It would be answered twice, and evaluate would refuse the answers after all the training."""
    again = next(n for n in range(100) if side(f"r{n}", SEED, val=0.1, test=0.2) == "test")
    row = rows_of(100)[again]
    (tmp_path / "sources/asked.jsonl").write_text(json.dumps(row) + "\n")
    asked = spec(**{"from": "asked"}, val=0.0, test=1.0)
    with pytest.raises(InputError) as caught:
        stage({"asked": asked, "more": asked})
    [fault] = caught.value.faults
    assert fault.where == "params.yaml: sets.more"
    assert fault.what == f"test row r{again} (prompt r{again}) is a test row of asked too"
    assert not (tmp_path / "test.jsonl").exists()


def test_a_test_row_that_is_a_probe_too_is_answered_as_the_probe(stage, tmp_path):
    held = [n for n in range(100) if side(f"r{n}", SEED, val=0.1, test=0.2) == "test"]
    row = rows_of(100)[held[3]]
    (tmp_path / "sources/probes.jsonl").write_text(json.dumps(row) + "\n")
    stage({"own": spec(), "probes": spec(**{"from": "probes"}, val=0.0, test=1.0)})
    answered = [(each["set"], each["id"]) for each in lines(tmp_path / "test.jsonl")]
    assert answered.count(("probes", f"r{held[3]}")) == 1
    assert len(answered) == len(held) == len({row for _, row in answered})
    counts = json.loads((tmp_path / "splits.json").read_text())
    assert counts["own"]["leaking"]["row"] == 1
    assert counts["own"]["test"] == len(held) - 1


def test_a_fault_leaves_what_was_there(stage, tmp_path):
    stage({"own": spec()})
    before = (tmp_path / "splits/own/test.jsonl").read_text()
    with pytest.raises(UserError) as caught:
        stage({"own": spec(val=0.6, test=0.6), "more": spec(**{"from": "nowhere"})})
    assert [fault.what for fault in caught.value.faults] == [
        "impossible split: val 0.6 and test 0.6",
        "no source `nowhere`",
    ]
    with pytest.raises(ConfigError, match="impossible split"):
        stage({"own": spec(val=0.5, test=0.5)})
    assert (tmp_path / "splits/own/test.jsonl").read_text() == before
