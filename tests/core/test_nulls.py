"""Cells that say nothing: each policy, what counts as null, and what always holds."""

from copy import deepcopy
from random import Random
from typing import Any

import pytest

from stages.core.errors import ConfigError, InputError
from stages.core.nulls import said, settled
from stages.core.tables import Table

WHERE = "params.yaml: sources.people"


def table(*rows: dict[str, Any]) -> Table:
    """Return a table of rows, each at its place."""
    return [(f"people.json: entry {number}", row) for number, row in enumerate(rows, 1)]


def rows(found: Table) -> list[dict[str, Any]]:
    """Return the rows of a table."""
    return [row for _, row in found]


def test_each_policy_and_its_count() -> None:
    people = table(
        {"name": "Zoë", "age": 31, "city": "Łódź", "degree": "BA"},
        {"name": None, "age": 44, "city": "Bergen", "degree": "MA"},
        {"name": "Ines", "age": None, "city": "", "degree": " N/A "},
        {"name": "Omar", "city": "Porto", "degree": "n/a"},
    )
    policy = {"name": "drop", "city": "unknown", "default": "omit"}
    found, told = settled(people, {"policy": policy, "said": ["", "N/A"]}, WHERE)
    assert rows(found) == [
        {"name": "Zoë", "age": 31, "city": "Łódź", "degree": "BA"},
        {"name": "Ines", "age": None, "city": "unknown", "degree": None},
        {"name": "Omar", "age": None, "city": "Porto", "degree": "n/a"},
    ]
    assert [place for place, _ in found] == [people[at][0] for at in (0, 2, 3)]
    assert told == {
        "rows": 4,
        "dropped": 1,
        "columns": {
            "name": {"drop": 1},
            "age": {"omit": 2},
            "city": {"unknown": 1},
            "degree": {"omit": 1},
        },
    }
    assert [said(row) for row in rows(found)][1] == {"name": "Ines", "city": "unknown"}


def test_a_column_without_a_policy_is_left_and_counted() -> None:
    people = table({"a": "N/A", "b": 1, "c": 2}, {"a": "x", "b": None})
    found, told = settled(people, {"policy": {"a": "omit"}, "said": ["N/A"]}, WHERE)
    assert rows(found) == [{"a": None, "b": 1, "c": 2}, {"a": "x", "b": None, "c": None}]
    assert told["columns"] == {"a": {"omit": 1}, "b": {"left": 1}, "c": {"left": 1}}


@pytest.mark.parametrize("cell", [None, float("nan"), "-", " - "])
def test_what_counts_as_null(cell: Any) -> None:
    found, _ = settled(
        table({"a": cell}, {"a": 1}),
        {"policy": {"a": "unknown"}, "said": ["- "], "unknown": "not said"},
        WHERE,
    )
    assert rows(found) == [{"a": "not said"}, {"a": 1}]


@pytest.mark.parametrize("cell", [0, False, "", "None", [], {}])
def test_what_does_not_count_as_null_unless_it_is_said_to(cell: Any) -> None:
    found, told = settled(table({"a": cell}), {"policy": {"default": "drop"}}, WHERE)
    assert rows(found) == [{"a": cell}]
    assert told == {"rows": 1, "dropped": 0, "columns": {"a": {"drop": 0}}}
    assert said({"a": cell}) == {"a": cell}


def test_a_key_of_the_objects_in_a_column() -> None:
    people = table(
        {"name": "Ana", "home": {"city": "Faro", "zip": None}},
        {"name": "Ben", "home": {"city": "?", "zip": "1"}},
        {"name": "Cem", "home": None},
        {"name": "Dor"},
    )
    before = deepcopy(people)
    spec = {"policy": {"home.city": "unknown", "home.zip": "omit"}, "said": ["?"]}
    found, told = settled(people, spec, WHERE)
    assert [row["home"] for row in rows(found)] == [
        {"city": "Faro", "zip": None},
        {"city": "unknown", "zip": "1"},
        {"city": "unknown", "zip": None},
        {"city": "unknown", "zip": None},
    ]
    assert told["columns"] == {"home.city": {"unknown": 3}, "home.zip": {"omit": 3}}
    assert said(rows(found)[0]) == {"name": "Ana", "home": {"city": "Faro"}}
    assert people == before, "the table that was read is not changed"
    spec = {"policy": {"home.city": "omit", "home.zip": "omit"}, "said": ["?"]}
    assert said(rows(settled(people, spec, WHERE)[0])[2]) == {"name": "Cem"}


def test_a_column_with_a_policy_of_its_own_and_of_its_keys() -> None:
    people = table({"home": {"city": None}}, {"home": None}, {"home": {"city": "Faro"}})
    found, told = settled(people, {"policy": {"home": "drop", "home.city": "unknown"}}, WHERE)
    assert rows(found) == [{"home": {"city": "unknown"}}, {"home": {"city": "Faro"}}]
    assert told["columns"] == {"home": {"drop": 1}, "home.city": {"unknown": 1}}


def test_a_column_whose_name_has_a_dot_is_that_column() -> None:
    found, _ = settled(table({"a.b": None}, {"a.b": 1}), {"policy": {"a.b": "drop"}}, WHERE)
    assert rows(found) == [{"a.b": 1}]


def test_columns_that_no_row_has_are_told_at_once_each_with_its_neighbour() -> None:
    people = table({"city": "Faro", "home": {"street": "x"}})
    policy = {"citty": "drop", "zzz": "omit", "home.streat": "unknown"}
    with pytest.raises(ConfigError) as raised:
        settled(people, {"policy": policy}, WHERE)
    told = {fault.where.rpartition("policy.")[2]: fault.then for fault in raised.value.faults}
    assert told == {"citty": "write city", "zzz": "", "home.streat": "write home.street"}


def test_a_value_that_is_no_object_is_told_with_its_row() -> None:
    people = table({"home": {"city": "Faro"}}, {"home": "Faro"}, {"home": "N/A"})
    with pytest.raises(InputError, match="`home` is 'Faro'") as raised:
        settled(people, {"policy": {"home.city": "omit"}, "said": ["N/A"]}, WHERE)
    assert [fault.where for fault in raised.value.faults] == ["people.json: entry 2"]


def test_all_rows_dropped() -> None:
    with pytest.raises(ConfigError, match="drops all 2 rows: age, city"):
        settled(
            table({"age": None, "city": "x"}, {"age": 1, "city": None}),
            {"policy": {"default": "drop"}},
            WHERE,
        )


@pytest.mark.parametrize("seed", range(60))
def test_what_holds_for_any_table_and_any_policy(seed: int) -> None:
    rng = Random(seed)
    names = [f"c{at}" for at in range(rng.randint(1, 5))]
    cells = [None, "", " ", "N/A", "n/a", "x", 0, 1.5, float("nan"), False, [], "é"]
    people = table(
        *(
            {name: rng.choice(cells) for name in names if rng.random() < 0.9} | {"id": at}
            for at in range(rng.randint(1, 20))
        )
    )
    present = sorted({name for _, row in people for name in row})
    policy = {
        name: rng.choice(["drop", "unknown", "omit"])
        for name in present
        if rng.random() < 0.6 and name != "id"
    }
    policy["default"] = rng.choice(["drop", "unknown", "omit"])
    spec = {"policy": policy, "said": ["", "N/A"], "unknown": "nobody said"}
    try:
        found, told = settled(people, spec, WHERE)
    except ConfigError:
        droppers = {name for name in present if policy.get(name, policy["default"]) == "drop"}
        assert droppers, "only a policy that drops can leave no row"
        return
    ids = [row["id"] for row in rows(found)]
    assert ids == sorted(ids), "rows keep their order"
    assert told["rows"] == len(people) == len(found) + told["dropped"]
    by_id = {row["id"]: row for _, row in people}
    met = dict.fromkeys(("unknown", "omit"), 0)
    for row in rows(found):
        assert sorted(row) == present, "each row has each column"
        for name in present:
            before, now = by_id[row["id"]].get(name), row[name]
            null = before is None or before != before or before in ("", " ", "N/A")
            rule = policy.get(name, policy["default"])
            assert not (null and rule == "drop")
            if null:
                assert now == ("nobody said" if rule == "unknown" else None)
                met[rule] += 1
            else:
                assert now is before
        assert None not in said(row).values()
    for rule, count in met.items():
        assert count == sum(of.get(rule, 0) for of in told["columns"].values())
    again, told_again = settled(found, spec, WHERE)
    assert again == found, "settling twice changes nothing"
    assert told_again["dropped"] == 0
