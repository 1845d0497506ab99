"""Tables, and the shape of a seed or an example that their rows get."""

import json

import pytest

from stages.core.digest import digest
from stages.core.errors import ConfigError, InputError, UserError
from stages.core.tables import read_table
from stages.fetch.__main__ import held_out_by, main, rows_of
from stages.fetch.shapes import as_they_are, shaped
from stages.fetch.tables import chosen, read_emoji

WHERE = "params.yaml: sources.cards"
TABLE = [
    ("cards.csv:2", {"front": "sun", "back": "soleil", "deck": "sky"}),
    ("cards.csv:3", {"front": "moon", "back": "lune", "deck": "sky"}),
    ("cards.csv:4", {"front": "fog", "back": "", "deck": "air"}),
]


def example(prompt, answer="yes", **more):
    messages = [{"role": "user", "content": prompt}, {"role": "assistant", "content": answer}]
    return {"skill": "talk", "messages": messages, **more}


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("cards.csv", '\ufefffront,back\nsun,"so\nleil"\n\nmoon,lune\n'),
        (
            "cards.json",
            '[{"front": "sun", "back": "so\\nleil"}, {"front": "moon", "back": "lune"}]',
        ),
        ("cards.jsonl", '{"front":"sun","back":"so\\nleil"}\n\n{"front":"moon","back":"lune"}\n'),
    ],
)
def test_a_table_reads_the_same_from_each_format(tmp_path, name, text):
    (tmp_path / name).write_text(text, encoding="utf-8")
    table = read_table(tmp_path / name)
    assert [row for _, row in table] == [
        {"front": "sun", "back": "so\nleil"},
        {"front": "moon", "back": "lune"},
    ]
    place = table[1][0].removeprefix(str(tmp_path))
    assert place == {"cards.csv": "/cards.csv:5", "cards.json": "/cards.json: entry 2"}.get(
        name, "/cards.jsonl:3"
    )


@pytest.mark.parametrize(
    ("name", "raw", "said"),
    [
        ("a.csv", b"front,back\nsun,soleil\nmo\xffn,lune\n", r"a\.csv:3: not UTF-8"),
        ("a.csv", b"front,back\nsun\n", r"a\.csv:2: 1 cells under 2 columns"),
        ("a.csv", b"front,front\nsun,moon\n", r"a\.csv:1: columns named twice: front"),
        ("a.csv", b'front,back\nsun,"soleil\n', r"a\.csv:2: not CSV"),
        ("a.csv", b"front,back\n", r"a\.csv: holds no rows"),
        ("a.jsonl", b"", r"a\.jsonl: holds no rows"),
        ("a.jsonl", b'{"a": 1}\n{"a": \n', r"a\.jsonl:2: not JSON at column"),
        ("a.jsonl", b'{"a": 1}\n{"a": "\xff"}\n', r"a\.jsonl:2: not UTF-8"),
        ("a.jsonl", b'{"a": 1}\n\n[2]\n', r"a\.jsonl:3: holds \[2\]"),
        ("a.jsonl", b'{"a": 1}\n{"a": 1, "a": 2}\n', r"a\.jsonl:2: keys named twice: a"),
        ("a.json", b'[{"a": 1, "a": 2}]', r"a\.json: keys named twice: a"),
        ("a.json", b'{"a": 1}', r"a\.json: holds one dict"),
        ("a.json", b"[", r"a\.json:1:2: not JSON"),
        ("a.json", b"[" * 9999, r"a\.json: beyond what can be read"),
        ("a.json", b'[{"a": ' + b"9" * 9999 + b"}]", r"a\.json: beyond what can be read"),
        ("a.csv", b"a\x1b[2J,a\x1b[2J\nsun,moon\n", r"columns named twice: a\\u001b\[2J"),
        ("a.txt", b"a", r"a\.txt: cannot read `\.txt`"),
    ],
)
def test_a_broken_table_is_named_by_file_and_line(tmp_path, name, raw, said):
    (tmp_path / name).write_bytes(raw)
    with pytest.raises(InputError, match=said):
        read_table(tmp_path / name)


def test_a_missing_table_is_named(tmp_path):
    with pytest.raises(InputError, match="there is no such file"):
        read_table(tmp_path / "cards.csv")


def test_rows_are_drawn_by_hash_and_stay_when_the_table_grows():
    assert chosen(5, None, 1) == chosen(5, 9, 1) == [0, 1, 2, 3, 4]
    few, more = chosen(1000, 50, 1), chosen(1000, 80, 1)
    assert len(few) == 50
    assert few == sorted(few)
    assert set(few) < set(more)
    assert len(set(few) & set(chosen(1100, 50, 1))) >= 40
    assert few != chosen(1000, 50, 2)


def test_every_emoji_is_there_with_its_name_and_its_base():
    rows = {row["emoji"]: row for _, row in read_emoji()}
    assert len(rows) == 5244
    assert rows["👋🏿"] == {
        "emoji": "👋🏿",
        "name": "waving hand dark skin tone",
        "base": "👋",
        "status": "fully_qualified",
    }
    # The variation selector and both tones are taken off; a tone by itself stays what it is.
    assert rows["☺️"]["base"] == rows["☺"]["base"] == "☺"
    assert rows["🧑🏻‍🤝‍🧑🏿"]["base"] == "🧑‍🤝‍🧑"
    assert rows["🏻"]["base"] == "🏻"
    assert {row["status"] for row in rows.values()} == {
        "component",
        "fully_qualified",
        "minimally_qualified",
        "unqualified",
    }


def test_a_row_becomes_a_seed():
    seeds = shaped(TABLE, {"fields": {"word": "front"}, "group": "deck"}, WHERE, seed=1)
    assert seeds[0] == {"id": digest({"word": "sun"}), "group": "sky", "fields": {"word": "sun"}}
    alone = shaped(TABLE, {"fields": {"word": "front"}}, WHERE, seed=1)
    assert [seed["group"] for seed in alone] == [seed["id"] for seed in alone]


def test_a_row_becomes_an_example_of_each_entry_that_renders_to_something():
    entries = [
        {"skill": "french", "instruction": "French for {{ front }}?", "answer": "{{ back }}"},
        {
            "skill": "deck",
            "system": "Be brief.",
            "instruction": "{{ front }}",
            "answer": "{{ deck }}",
        },
    ]
    made = shaped(TABLE, {"examples": entries}, WHERE, seed=1)
    assert [row["skill"] for row in made] == ["french", "deck", "french", "deck", "deck"]
    assert made[0]["messages"] == [
        {"role": "user", "content": "French for sun?"},
        {"role": "assistant", "content": "soleil"},
    ]
    assert [message["role"] for message in made[1]["messages"]] == ["system", "user", "assistant"]
    assert made[0]["id"] == digest(made[0]["messages"])
    assert made[0]["group"] == made[1]["group"] != made[2]["group"]


def test_wordings_are_drawn_by_hash_of_the_row():
    entry = {"skill": "s", "instruction": ["A {{ n }}", "B {{ n }}"], "answer": "x"}
    table = [(f"n:{n}", {"n": n}) for n in range(200)]
    made = shaped(table, {"examples": [entry]}, WHERE, seed=1)
    first = [row["messages"][0]["content"][0] for row in made]
    assert 70 <= first.count("A") <= 130
    again = shaped(table[100:], {"examples": [entry]}, WHERE, seed=1)
    assert again == made[100:]


def test_an_example_says_the_whole_record_without_what_is_not_said():
    entry = {"skill": "s", "instruction": "{{ front }}", "answer": "{{ record | json }}"}
    table = [("f:1", {"front": "sun", "back": None, "deck": "sky"})]
    (made,) = shaped(table, {"examples": [entry]}, WHERE, seed=1)
    assert json.loads(made["messages"][-1]["content"]) == {"front": "sun", "deck": "sky"}
    (seed,) = shaped(table, {"fields": {"card": "record"}}, WHERE, seed=1)
    assert seed["fields"] == {"card": {"front": "sun", "deck": "sky"}}


def test_a_column_that_is_called_record_stays_what_it_is():
    entry = {"skill": "s", "instruction": "Which?", "answer": "{{ record }}"}
    (made,) = shaped([("f:1", {"record": "gold"})], {"examples": [entry]}, WHERE, seed=1)
    assert made["messages"][-1]["content"] == "gold"


def test_an_example_has_the_words_that_its_answer_must_hold():
    entry = {"skill": "s", "instruction": "{{ front }}?", "answer": "{{ back }}!"}
    entry["keywords"] = {"said": ["back", "also"], "deck": ["deck"]}
    table = [
        ("f:1", {"front": "sun", "back": "soleil", "also": ["a", None, 2], "deck": None}),
        ("f:2", {"front": "fog", "back": "", "also": [], "deck": ""}),
    ]
    first, second = shaped(table, {"examples": [entry]}, WHERE, seed=1)
    assert first["keywords"] == {"said": ["soleil", "a", "2"]}
    assert "keywords" not in second
    entry["keywords"] = {"said": ["bakc"]}
    with pytest.raises(ConfigError, match=r"examples\[0\]\.keywords\.said: no column `bakc`"):
        shaped(table, {"examples": [entry]}, WHERE, seed=1)


def test_every_missing_column_is_named_at_once():
    source = {
        "examples": [{"skill": "s", "instruction": "{{ fornt }}", "answer": "{{ bakc }}"}],
        "group": "dekc",
    }
    with pytest.raises(ConfigError) as caught:
        shaped(TABLE, source, WHERE, seed=1)
    told = [(fault.where.removeprefix(WHERE + "."), fault.what) for fault in caught.value.faults]
    assert told == [
        ("group", "no column `dekc`"),
        ("examples[0].instruction", "no column `fornt`"),
        ("examples[0].answer", "no column `bakc`"),
    ]


def test_rows_in_shape_pass_and_get_id_and_group():
    seed = {"fields": {"review": "good"}, "truth": {"a": 1}}
    made = digest(seed["fields"])
    assert as_they_are([("f:1", seed)]) == [{"id": made, "group": made, **seed}]
    row = example("Hi", group="g")
    assert as_they_are([("f:1", row)]) == [{"id": digest(row["messages"]), **row}]


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ({"fields": {}}, r"f:1: not a seed: at \$\.fields"),
        ({"fields": {"a": 1}, "more": 1}, "more"),
        ({"fields": {"a": 1}, "id": "other"}, "f:1: id 'other'"),
        ({"review": "x"}, "'fields' is a required property"),
        (example("Hi", id="other"), "f:1: id 'other'"),
        ({"skill": "s", "messages": [{"role": "user", "content": "x"}] * 2}, "do not end with"),
        ({"skill": "s", "messages": [{"role": "bot", "content": "x"}] * 2}, "'bot' is not one of"),
        ({"messages": example("Hi")["messages"]}, "'skill' is a required property"),
    ],
)
def test_rows_out_of_shape_are_named(row, said):
    with pytest.raises(InputError, match=said):
        as_they_are([("f:1", row)])


def test_a_row_that_comes_twice_stays_once(tmp_path):
    rows = [example("one"), example("two"), example("one")]
    (tmp_path / "a.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    source = {"kind": "file", "file": "a.jsonl"}
    made, told = rows_of("cards", source, {}, tmp_path, 1)
    assert told == {"rows": 2}
    assert {row["source"] for row in made} == {"cards"}
    assert [row["messages"][0]["content"] for row in made] == ["one", "two"]


def test_a_held_out_group_is_told_by_the_set():
    sets = {"own": {"val": 0.2, "test": 0.3}, "fixed": {"ids": {"test": ["a"]}}}
    held = held_out_by(sets, "own", 13, WHERE)
    assert 30 <= sum(held(f"g{n}") for n in range(100)) <= 70
    assert not any(held_out_by(sets, None, 13, WHERE)(f"g{n}") for n in range(100))
    with pytest.raises(ConfigError, match="no set `owm`"):
        held_out_by(sets, "owm", 13, WHERE)
    with pytest.raises(ConfigError, match="not split by hash alone"):
        held_out_by(sets, "fixed", 13, WHERE)


@pytest.fixture
def fetch(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "files").mkdir()

    def run(sources):
        params = {"sources": sources, "sets": {}, "seed": {"data": 13}}
        (tmp_path / "params.yaml").write_text(json.dumps(params))
        flags = ["--checked", "checked.json", "--files", "files", "--sources", "out"]
        monkeypatch.setattr("sys.argv", ["fetch", *flags, "--metrics", "sources.json"])
        main()
        return {file.stem: file.read_text() for file in (tmp_path / "out").glob("*.jsonl")}

    return run


def test_a_source_that_is_switched_off_is_an_empty_file(fetch, tmp_path, capsys):
    (tmp_path / "files/a.jsonl").write_text(json.dumps(example("one")) + "\n")
    assert fetch({"old": None, "a": {"kind": "file", "file": "a.jsonl"}})["old"] == ""
    assert capsys.readouterr().out == "fetch: old switched off, a 1\n"
    assert json.loads((tmp_path / "sources.json").read_text()) == {
        "old": {"rows": 0},
        "a": {"rows": 1},
    }
    assert set(fetch({"a": {"kind": "file", "file": "a.jsonl"}})) == {"a"}


def test_all_faults_are_told_and_what_was_there_stays(fetch, tmp_path):
    (tmp_path / "files/a.jsonl").write_text(json.dumps(example("one")) + "\n")
    (tmp_path / "files/empty.jsonl").write_text("")
    before = fetch({"a": {"kind": "file", "file": "a.jsonl"}})
    with pytest.raises(UserError) as caught:
        fetch(
            {
                "a": {"kind": "file", "file": "empty.jsonl"},
                "b": {"kind": "file", "file": "missing.jsonl"},
                "c": {"kind": "skills", "rows": {"juggling": 1}, "bank": None, "apart_from": None},
            }
        )
    assert len(caught.value.faults) == 3
    told = str(caught.value)
    assert "empty.jsonl: holds no rows" in told
    assert "juggling" in told
    assert {"a": (tmp_path / "out/a.jsonl").read_text()} == before


def hub(path, **more):
    return {"kind": "hub", "path": str(path), "revision": "0" * 40, "split": "train"} | more


@pytest.fixture
def offline_hub(tmp_path, monkeypatch):
    """A folder that `datasets` reads as it reads one of the hub; nothing is looked up outside."""
    import datasets.config
    import huggingface_hub.constants

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)
    (tmp_path / "set").mkdir()
    rows = [{"text": f"review {n}", "label": n % 2} for n in range(30)]
    (tmp_path / "set/train.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return tmp_path / "set"


def test_a_hub_data_set_becomes_seeds(offline_hub, tmp_path):
    source = hub(offline_hub, rows=10, fields={"review": "text"}, group="label")
    made, told = rows_of("cards", source, {}, tmp_path, 13)
    assert len(made) == told["rows"] == 10
    assert {seed["group"] for seed in made} <= {"0", "1"}
    assert (made, told) == rows_of("cards", source, {}, tmp_path, 13)
    with pytest.raises(ConfigError, match="no column `txet`"):
        rows_of("cards", hub(offline_hub, fields={"review": "txet"}), {}, tmp_path, 13)


def test_a_hub_data_set_that_cannot_be_had_is_named(offline_hub, tmp_path):
    with pytest.raises(ConfigError, match="no revision"):
        rows_of("cards", hub(offline_hub, revision=None), {}, tmp_path, 13)
    with pytest.raises(ConfigError, match="the hub did not give somebody/nothing"):
        rows_of("cards", hub("somebody/nothing"), {}, tmp_path, 13)
    with pytest.raises(ConfigError, match=r"the hub did not give .*trian"):
        rows_of("cards", hub(offline_hub, split="trian"), {}, tmp_path, 13)
