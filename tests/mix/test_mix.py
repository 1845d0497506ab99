"""Mixes: shares, rows, ratios and caps; rows by hash, repeated ones; what cannot be given."""

import json

import pytest

from stages.core.draw import draw
from stages.core.errors import ConfigError
from stages.mix import counts_of, main, mixed, shuffle

ROWS = [{"id": f"r{n}"} for n in range(200)]


def ids(rows):
    return [row["id"] for row in rows]


def test_a_larger_draw_only_adds_rows():
    small, large = draw(ROWS, 20, 13), draw(ROWS, 50, 13)
    assert (len(small), len(large)) == (20, 50)
    assert set(ids(small)) < set(ids(large))
    assert ids(small) != ids(draw(ROWS, 20, 14))


def test_the_draw_does_not_depend_on_the_order():
    assert ids(draw(ROWS, 20, 13)) == ids(draw(ROWS[::-1], 20, 13))


def test_more_rows_than_there_are_repeat_them():
    drawn = ids(draw(ROWS, 500, 13))
    assert len(drawn) == 500
    assert sorted({drawn.count(name) for name in ids(ROWS)}) == [2, 3]
    assert set(ids(draw(ROWS, 100, 13))) == {name for name in drawn if drawn.count(name) == 3}
    assert draw([], 5, 13) == []


def test_the_order_follows_from_the_ids_alone():
    twice = ROWS * 2
    shuffled = shuffle(twice, 13)
    assert shuffled == shuffle(twice[::-1], 13)
    assert sorted(ids(shuffled)) == sorted(ids(twice))
    assert ids(shuffled) != ids(twice)
    together = sum(a == b for a, b in zip(ids(shuffled), ids(shuffled)[1:], strict=False))
    assert together <= 10


AVAILABLE = {"own": 300, "code": 200, "original": 10_000, "few": 3, "none": 0}


@pytest.mark.parametrize(
    ("mix", "counts"),
    [
        ({"own": 1.0, "original": 0.14}, {"own": 300, "original": 1400}),
        ({"own": 2.5, "few": 0.1}, {"own": 750, "few": 1}),
        ({"own": {"share": 0.5, "cap": 100}, "code": {"rows": 7}}, {"own": 100, "code": 7}),
        # 75 of 375; 100 and 200 of 500; 5 of 10, of a set of 3: some come twice.
        ({"original": {"ratio": 0.2}, "own": 1}, {"original": 75, "own": 300}),
        (
            {"own": {"rows": 200}, "code": {"ratio": 0.2}, "original": {"ratio": 0.4}},
            {"own": 200, "code": 100, "original": 200},
        ),
        ({"code": {"rows": 5}, "few": {"ratio": 0.5}}, {"code": 5, "few": 5}),
        # A cap on what fixes the whole makes all of it smaller; one on a ratio leaves the others.
        ({"own": {"share": 1, "cap": 80}, "original": {"ratio": 0.2}}, {"own": 80, "original": 20}),
        ({"own": 1, "original": {"ratio": 0.5, "cap": 90}}, {"own": 300, "original": 90}),
        ({"few": {"rows": 1}, "original": {"ratio": 0.01}}, {"few": 1, "original": 1}),
    ],
)
def test_how_many_rows_each_set_gives(mix, counts):
    assert counts_of(mix, AVAILABLE, "mix") == counts
    assert list(counts_of(mix, AVAILABLE, "mix")) == list(mix)


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (0, "a share of 0"),
        ({"share": -1.0}, r"a share of -1\.0"),
        ({"rows": 301}, r"rows: 301\s+expected: 1 to 300"),
        ({"ratio": 1.5}, r"a ratio of 1\.5\s+expected: above 0 and below 1"),
        ({"rows": 3, "cap": 0}, "cap: 0"),
        ({"cap": 9}, "says neither share nor rows nor ratio"),
        ({"share": 1, "ratio": 0.1}, r"share and ratio\s+expected: one of share, rows and ratio"),
    ],
)
def test_what_cannot_be_given_is_told(asked, said):
    with pytest.raises(ConfigError, match=rf"mix\.own: {said}"):
        counts_of({"code": 1.0, "own": asked}, AVAILABLE, "mix")


def test_ratios_need_a_set_that_fixes_the_whole_and_leave_it_some():
    with pytest.raises(ConfigError, match="mix: every set has a ratio"):
        counts_of({"own": {"ratio": 0.5}, "code": {"ratio": 0.2}}, AVAILABLE, "mix")
    mix = {"own": {"ratio": 0.5}, "code": {"ratio": 0.5}, "original": 1}
    with pytest.raises(ConfigError, match="the ratios of own, code make 1"):
        counts_of(mix, AVAILABLE, "mix")


@pytest.fixture
def splits(tmp_path):
    for name, counts in {"own": (40, 8), "original": (1000, 60), "probes": (0, 0)}.items():
        (tmp_path / name).mkdir()
        for side, count in zip(("train", "val"), counts, strict=True):
            rows = (json.dumps({"id": f"{name} {side} {n}", "set": name}) for n in range(count))
            (tmp_path / name / f"{side}.jsonl").write_text("\n".join(rows))
    return tmp_path


def test_validation_rows_come_in_the_same_share_and_never_twice(splits):
    mix = {"own": 3, "original": {"rows": 100}}
    train, val = mixed(splits, mix, 13, "params.yaml: adapters.m2c.mix")
    assert {name: len(rows) for name, rows in train.items()} == {"own": 120, "original": 100}
    assert {name: len(rows) for name, rows in val.items()} == {"own": 8, "original": 6}


def test_everything_that_cannot_be_mixed_is_told(splits):
    mix = {"own": {"rows": 41, "cap": -1}, "probes": 1.0, "orignal": {"ratio": 0.1}}
    with pytest.raises(ConfigError) as caught:
        mixed(splits, mix, 13, "mix")
    assert [(fault.where, fault.what) for fault in caught.value.faults] == [
        ("mix.own", "rows: 41"),
        ("mix.own", "cap: -1"),
        ("mix.probes", "the set has no training rows"),
        ("mix.orignal", "no such set"),
    ]


def test_a_ratio_only_adds_rows_and_none_of_the_validation_rows(splits):
    train, val = {}, {}
    for ratio in (0.1, 0.3, 0.6):
        mix = {"own": 1.0, "original": {"ratio": ratio}}
        train[ratio], val[ratio] = mixed(splits, mix, 13, "mix")
        drawn = train[ratio]["original"]
        assert len(drawn) / (len(drawn) + 40) == pytest.approx(ratio, abs=0.01)
        assert all("train" in name for name in ids(drawn))
    added = [set(ids(of["original"])) for of in train.values()]
    assert added[0] < added[1] < added[2]
    assert [len(of["original"]) for of in val.values()] == [1, 1, 4]


def test_the_stage_writes_one_adapters_rows(splits, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    adapters = {"m2b": {"mix": {"own": 1.0}}, "m2c": {"mix": {"own": 1.0, "original": 0.1}}}
    (tmp_path / "params.yaml").write_text(json.dumps({"adapters": adapters, "seed": {"data": 13}}))
    monkeypatch.setattr(
        "sys.argv", ["mix", "--adapter", "m2c", "--splits", str(splits), "--mix", "mix/2c"]
    )
    main()
    rows = [json.loads(line) for line in (tmp_path / "mix/2c/train.jsonl").read_text().splitlines()]
    assert len(rows) == 140
    assert len({row["set"] for row in rows[:20]}) == 2
    assert len((tmp_path / "mix/2c/val.jsonl").read_text().splitlines()) == 14
    assert capsys.readouterr().out == (
        "mix: m2c: own 40 (+8 val, 29%), original 100 (+6 val, 71%)\n"
    )
