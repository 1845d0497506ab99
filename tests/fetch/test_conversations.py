"""ShareGPT's conversations as chat rows: what stays, what is mended, left out or refused."""

from pathlib import Path
from typing import Any

import pytest

from stages.core.errors import ConfigError, InputError
from stages.core.jsonl import read_json, read_rows, write_json, write_rows
from stages.core.tables import Table
from stages.fetch.__main__ import rows_of
from stages.fetch.conversations import as_conversations

WHERE = "params.yaml: sources.chats"
SPEC = {"skill": "chat", "column": "conversations"}
FROM = {"s": "system", "h": "human", "g": "gpt"}


def said(*turns: str) -> list[dict[str, str]]:
    """Return turns in ShareGPT's form of `h: Hi` and `g: Hello`."""
    return [{"from": FROM[turn[0]], "value": turn[3:]} for turn in turns]


def table(*conversations: Any) -> Table:
    return [
        (f"chats.jsonl:{number}", {"conversations": each, "source": f"origin {number % 2}"})
        for number, each in enumerate(conversations, 1)
    ]


def made(*conversations: Any, group: str | None = None, **spec: Any):
    return as_conversations(table(*conversations), SPEC | spec, group, WHERE)


def texts(row: dict[str, Any]) -> list[str]:
    letters = {"system": "s", "user": "h", "assistant": "g"}
    return [f"{letters[turn['role']]}: {turn['content']}" for turn in row["messages"]]


LONG = ("s: Be short.", "h: Hi", "g: Hello", "h: And now?", "g: Bye")


def test_a_conversation_is_one_row_with_all_its_turns():
    [row], told = made(said(*LONG))
    assert texts(row) == list(LONG)
    assert row["skill"] == "chat"
    assert told == {"read": 1, "answers": 2, "several": 1, "mended": {}, "left_out": {}}


def test_each_answer_is_a_row_and_all_of_one_group():
    rows, told = made(said(*LONG), turns="each")
    assert [texts(row) for row in rows] == [list(LONG[:3]), list(LONG)]
    assert len({row["group"] for row in rows}) == 1
    assert len({row["id"] for row in rows}) == 2
    assert told["answers"] == 2


def test_conversations_that_open_alike_are_one_group():
    rows, _ = made(
        said("h: Hi", "g: Hello"),
        said("h: Hi", "g: Good day", "h: And now?", "g: Bye"),
        said("h: Ho", "g: Hello"),
        said("s: Be short.", "h: Hi", "g: Hello"),
    )
    groups = [row["group"] for row in rows]
    assert groups[0] == groups[1]
    assert len(set(groups)) == 3


def test_a_column_may_name_the_group():
    rows, _ = made(*[said("h: Hi", "g: Hello")] * 3, group="source")
    assert [row["group"] for row in rows] == ["origin 1", "origin 0", "origin 1"]


def test_the_skill_is_a_template_of_columns_and_of_the_number_of_answers():
    skill = "{{ source }}{% if turns > 1 %}, later{% endif %}"
    rows, _ = made(said("h: Hi", "g: Hello"), said(*LONG), skill=skill, turns="each")
    assert [row["skill"] for row in rows] == ["origin 1", "origin 0", "origin 0, later"]


def test_openai_names_need_two_keys():
    turns = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}]
    [row], _ = made(turns, role="role", content="content")
    assert row["messages"] == turns


GOOD = ["h: Hi", "g: Hello"]


@pytest.mark.parametrize(
    ("turns", "kept", "mended"),
    [
        ([*GOOD, "h: And now?"], GOOD, ["trailing_question"]),
        (["g: Welcome", *GOOD], GOOD, ["leading_answer"]),
        (["s: Be short.", "g: Welcome", *GOOD], ["s: Be short.", *GOOD], ["leading_answer"]),
        (["s: ", *GOOD], GOOD, ["empty_system"]),
        ([*GOOD, "h:  ", "g: What?"], GOOD, ["cut_empty_turn"]),
        ([*GOOD, "h: And now?", "g: "], GOOD, ["cut_empty_turn"]),
        ([*GOOD, "g: I said so."], GOOD, ["cut_same_speaker"]),
        ([*GOOD, "h: One.", "h: Two.", "g: Yes"], GOOD, ["cut_same_speaker"]),
        ([*GOOD, "s: Be rude.", "h: Ho", "g: What?"], GOOD, ["cut_late_system"]),
        (["g: Welcome", *GOOD, "h: Bye"], GOOD, ["leading_answer", "trailing_question"]),
    ],
)
def test_what_is_mended_is_counted(turns, kept, mended):
    [row], told = made(said(*turns))
    assert texts(row) == kept
    assert told["mended"] == dict.fromkeys(mended, 1)
    assert told["left_out"] == {}


@pytest.mark.parametrize(
    ("cell", "why"),
    [
        (None, "no_turns"),
        ([], "no_turns"),
        (said("h: Hi"), "no_answer"),
        (said("s: Be short."), "no_answer"),
        (said("g: Welcome"), "no_answer"),
        (said("h: Hi", "g: "), "empty_turn"),
        ([{"from": "human", "value": "Hi"}, {"from": "gpt", "value": None}], "empty_turn"),
        (said("h: Hi", "h: You there?", "g: Yes"), "same_speaker"),
        (said("h: Hi", "s: Be short.", "g: Yes"), "late_system"),
    ],
)
def test_what_is_left_out_is_counted_by_its_reason(cell, why):
    rows, told = made(cell, said(*GOOD))
    assert [texts(row) for row in rows] == [GOOD]
    assert told["left_out"] == {why: 1}
    assert told["mended"] == {}
    assert (told["read"], told["answers"]) == (2, 1)


def test_speakers_that_roles_do_not_name_are_all_named():
    strange = [{"from": name, "value": "x"} for name in ("human", "tool", "bing", "tool")]
    with pytest.raises(ConfigError) as error:
        made(said(*GOOD), strange)
    [fault] = error.value.faults
    assert fault.where == f"{WHERE}.conversations.roles"
    assert fault.what == "does not name these speakers: bing (1 turns), tool (2 turns)"
    rows, _ = made(strange[:2], roles={"human": "user", "tool": "assistant"})
    assert len(rows) == 1
    with pytest.raises(ConfigError, match=r"speakers: gpt \(1 turns\)"):
        made(said(*GOOD), roles={"human": "user", "chatgpt": "assistant"})


def test_cells_that_hold_no_turns_are_refused_the_first_ten_by_their_place():
    bad = ["a text", {"from": "human"}, [1], [{"role": "user"}], [{"from": "human", "value": 1}]]
    with pytest.raises(InputError) as error:
        made(said(*GOOD), *bad, *["again"] * 10)
    faults = error.value.faults
    assert len(faults) == 10
    assert [fault.where for fault in faults] == [f"chats.jsonl:{at}" for at in range(2, 12)]
    assert [fault.what for fault in faults[:5]] == [
        "`conversations` holds 'a text'",
        "`conversations` holds {'from': 'human'}",
        "turn 1 of `conversations` is 1",
        "turn 1 of `conversations` has the keys role",
        "turn 1 of `conversations` says 1",
    ]


def test_columns_that_are_not_there_are_named_at_once():
    with pytest.raises(ConfigError) as error:
        made(said(*GOOD), column="chats", group="topic", skill="{{ score }} {{ turns }}")
    assert [(fault.where, fault.what) for fault in error.value.faults] == [
        (f"{WHERE}.conversations.column", "no column `chats`"),
        (f"{WHERE}.group", "no column `topic`"),
        (f"{WHERE}.conversations.skill", "no column `score`"),
    ]


def test_the_shipped_conversations_are_broken_where_the_readme_says(root: Path):
    source = {
        **{"kind": "file", "file": "conversations.jsonl"},
        "conversations": SPEC,
    }
    rows, told = rows_of("chats", source, {}, root / "recipes/finetome/sources", 13)
    counts = told["conversations"]
    assert counts["left_out"] == {"empty_turn": 1, "no_answer": 1, "same_speaker": 1}
    assert sum(counts["mended"].values()) == 9
    assert told["rows"] == len(rows) == counts["read"] - 3
    assert counts["several"] > counts["read"] / 3
    assert {row["source"] for row in rows} == {"chats"}


def test_the_counts_reach_the_metrics(project: Path, monkeypatch: pytest.MonkeyPatch):
    from stages.fetch.__main__ import main

    files = project / "sources"
    chats = [said(*GOOD), said("h: Hi"), said("h: Ho", "g: Yes", "h: So?")]
    write_rows(files / "chats.jsonl", [row for _, row in table(*chats)])
    params = {
        "sources": {"chats": {"kind": "file", "file": "chats.jsonl", "conversations": SPEC}},
        "sets": {},
        "seed": {"data": 13, "base": 13, "train": 13},
    }
    write_json(project / "params.yaml", params)
    words = ["--checked", "checked.json", "--files", "sources", "--sources", "out"]
    monkeypatch.setattr("sys.argv", ["fetch", *words, "--metrics", "sources.json"])
    main()
    assert len(read_rows(Path("out/chats.jsonl"))) == 2
    assert read_json(Path("sources.json"))["chats"] == {
        "rows": 2,
        "conversations": {
            **{"read": 3, "answers": 2, "several": 0},
            **{"mended": {"trailing_question": 1}, "left_out": {"no_answer": 1}},
        },
    }


def test_check_names_columns_that_the_file_lacks_before_anything_is_fetched():
    from stages.check.files import check_columns

    source = {
        "kind": "file",
        "conversations": SPEC | {"column": "chat", "skill": "{{ topic }} {{ turns }}"},
    }
    faults = list(check_columns(source, {"conversations", "source"}, WHERE))
    assert [(fault.where, fault.what) for fault in faults] == [
        (f"{WHERE}.conversations.column", "there is no column 'chat'"),
        (f"{WHERE}.conversations.skill", "there is no column 'topic'"),
    ]
    broken = {"kind": "hub", "conversations": SPEC | {"skill": "{{ turns"}}
    [fault] = check_columns(broken, None, WHERE)
    assert fault.where == f"{WHERE}.conversations.skill:1"


def test_no_split_parts_a_conversation_from_its_beginning(root: Path):
    source = {
        **{"kind": "file", "file": "conversations.jsonl"},
        "conversations": SPEC | {"turns": "each"},
    }
    rows, _ = rows_of("chats", source, {}, root / "recipes/finetome/sources", 13)
    group_of = {str(row["messages"]): row["group"] for row in rows}
    begun = 0
    for row in rows:
        for end in range(1, len(row["messages"])):
            if group := group_of.get(str(row["messages"][:end])):
                assert group == row["group"]
                begun += 1
    assert begun > 200
