"""Settle cells that say nothing: drop the row, say unknown, or leave the field out.

Null is a cell that is null (or not a number), a key that is absent in this row and present in
another, and what `said` lists. Every one of them is None afterwards, unless its policy is a word:

    drop      the row goes
    unknown   the cell is the word `unknown`
    omit      the variable is None, and the variable `record` (see `said`) does not have the key
    (none)    as omit: a column that the policy does not name, where there is no `default`

`address.city` names a key of the objects in a column. An address that is null has no city, and the
city's policy holds, unless the address has one of its own; the policy `default` is for whole
columns of which no key is named.
"""

from collections import Counter
from collections.abc import Collection
from difflib import get_close_matches
from typing import Any, NamedTuple

from stages.core.errors import ConfigError, Fault, InputError
from stages.core.tables import Table

DEFAULT, DROP, UNKNOWN, OMIT, LEFT = "default", "drop", "unknown", "omit", "left"
MOST_TOLD = 10
ABSENT = object()


class Column(NamedTuple):
    """A column, or a key of the objects in one."""

    name: str
    path: tuple[str, ...]
    policy: str


def settled(table: Table, spec: dict[str, Any], where: str) -> tuple[Table, dict[str, Any]]:
    """Return the table with its nulls settled, and how many each policy met, by column.

    spec:  policy, said, unknown (see `sources.<name>.nulls`)
    where: the source's key, for messages
    Returns: rows that all have the same columns; rows (before), dropped (rows), columns (column ->
    policy -> cells; `left` where there is none). Of a row that is dropped, the cells that drop it
    are counted and no others.
    Raises: ConfigError naming each column of the policy that no row has, or when no row is left;
    InputError naming the rows (the first ten) in which `address` of `address.city` is no object.
    """
    names = list(dict.fromkeys(name for _, row in table for name in row))
    said_to_be = {word.strip() for word in spec.get("said", ())}
    found = columns(table, names, spec["policy"], said_to_be, f"{where}.nulls.policy")
    counts: dict[str, Counter[str]] = {
        each.name: Counter() for each in found if each.policy != LEFT
    }
    kept: Table = []
    for place, row in table:
        null = [each for each in found if is_null(value_at(row, each.path), said_to_be)]
        whole = {each.name for each in null}  # a column with a policy of its own, and of its keys
        null = [each for each in null if not (each.path[1:] and each.path[0] in whole)]
        if dropping := [each for each in null if each.policy == DROP]:
            null = dropping
        else:
            kept.append((place, filled(row, names, null, spec.get("unknown", UNKNOWN))))
        for each in null:
            counts.setdefault(each.name, Counter())[each.policy] += 1
    if not kept:
        droppers = sorted(name for name, of in counts.items() if of[DROP])
        what = f"drops all {len(table)} rows: {', '.join(droppers)}"
        then = "say unknown or omit for a column that is mostly empty"
        raise ConfigError(Fault(f"{where}.nulls.policy", what, "one row at least", then))
    policies = {each.name: each.policy for each in found}
    told = {name: {policies[name]: of[policies[name]]} for name, of in counts.items()}
    return kept, {"rows": len(table), "dropped": len(table) - len(kept), "columns": told}


def columns(
    table: Table, names: list[str], policy: dict[str, str], said_to_be: set[str], where: str
) -> list[Column]:
    """Return every column with its policy, and the keys within columns that the policy names.

    Raises: ConfigError or InputError, as `settled`.
    """
    paths = {
        name: tuple(name.split("."))
        for name in policy
        if name not in names and "." in name and name.split(".")[0] in names
    }
    faults: list[Fault] = []
    for name in policy.keys() - {DEFAULT} - set(names) - paths.keys():
        faults.append(lacking(f"{where}.{name}", name, names))
    for name, path in paths.items():
        if all(value_at(row, path) is ABSENT for _, row in table):
            objects = [row for _, row in table if isinstance(value_at(row, path[:-1]), dict)]
            keys = [key for row in objects for key in value_at(row, path[:-1])]
            known = [".".join((*path[:-1], key)) for key in dict.fromkeys(keys)]
            faults.append(lacking(f"{where}.{name}", name, known or names))
    if faults:
        raise ConfigError(*sorted(faults, key=str))
    parents = {path[:at]: name for name, path in paths.items() for at in range(1, len(path))}
    wrong = [
        Fault(place, f"`{'.'.join(parent)}` is {of!r:.60}", f"an object, or null: {where}.{name}")
        for place, row in table
        for parent, name in parents.items()
        if not (isinstance(of := value_at(row, parent), dict) or is_null(of, said_to_be))
    ]
    if wrong:
        raise InputError(*wrong[:MOST_TOLD])
    looked_into = {path[0] for path in paths.values()}
    whole = [
        Column(name, (name,), policy.get(name) or policy.get(DEFAULT, LEFT))
        for name in names
        if name in policy or name not in looked_into
    ]
    return [*whole, *(Column(name, path, policy[name]) for name, path in paths.items())]


def lacking(where: str, name: str, known: list[str]) -> Fault:
    """Return the fault of a column that no row has."""
    near = "".join(f"write {each}" for each in get_close_matches(name, known, 1))
    expected = f"one of: {', '.join(known)}, {DEFAULT}"
    return Fault(where, f"no row has a column `{name}`", expected, near)


def column_of(name: str, names: Collection[str]) -> str:
    """Return the column that a name is, or that it looks into (`address.city`)."""
    return name if name in names else name.split(".")[0]


def value_at(row: Any, path: tuple[str, ...]) -> Any:
    """Return what stands at a path of a row, or ABSENT."""
    for key in path:
        if not isinstance(row, dict) or key not in row:
            return ABSENT
        row = row[key]
    return row


def is_null(value: Any, said_to_be: set[str]) -> bool:
    """Tell whether a cell says nothing; texts are compared without the spaces around them."""
    if isinstance(value, str):
        return value.strip() in said_to_be
    return value is None or value is ABSENT or (isinstance(value, float) and value != value)


def filled(row: dict[str, Any], names: list[str], null: list[Column], word: str) -> dict[str, Any]:
    """Return a row with all columns, and in its null ones the word, or None."""
    made = {name: row.get(name) for name in names}
    for each in null:
        inside = made
        for key in each.path[:-1]:
            of = inside.get(key)  # the table's own object stays as it is
            inside[key] = dict(of) if isinstance(of, dict) else {}
            inside = inside[key]
        inside[each.path[-1]] = word if each.policy == UNKNOWN else None
    return made


def said(row: dict[str, Any]) -> dict[str, Any]:
    """Return what of a row says something: no None, and no object that holds nothing else.

    This is the variable `record` of the templates in `examples`.
    """
    kept = {key: said(value) if isinstance(value, dict) else value for key, value in row.items()}
    return {
        key: value
        for key, value in kept.items()
        if value is not None and not (value == {} and row[key])
    }
