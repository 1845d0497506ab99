"""Give a table's rows the shape of a seed or of examples (`stages.core.records`)."""

from collections.abc import Iterable
from typing import Any

from stages.core import templates
from stages.core.digest import digest
from stages.core.errors import ConfigError, Fault, InputError
from stages.core.given import misshapen
from stages.core.holdout import position
from stages.core.nulls import ABSENT, column_of, said, value_at
from stages.core.tables import Table

# The variable of a row's columns that say something, beside the columns themselves.
RECORD = "record"


def shaped(table: Table, source: dict[str, Any], where: str, seed: int) -> list[dict[str, Any]]:
    """Return the seeds or examples of a source's table.

    where: the source's key, for messages
    Raises: ConfigError naming every column that the table lacks; InputError naming every row
    (the first ten) that is neither a seed nor an example, or lacks a key that others have.
    """
    if "fields" not in source and "examples" not in source:
        return as_they_are(table)
    columns = {*table[0][1], RECORD}
    if faults := list(_unknown_columns(source, columns, where)):
        raise ConfigError(*faults)
    if "fields" in source:
        asked = sorted({*source["fields"].values()} - {RECORD})
        then = f"write it into every row, or settle it: {where}.nulls"
        faults = [
            Fault(place, f"has no key `{key}`", "the keys of the first row", then)
            for place, row in table
            for key in asked
            if key not in row
        ]
        if faults:
            raise InputError(*faults[:10])
        return as_seeds(table, source["fields"], source.get("group"))
    return as_examples(table, source["examples"], source.get("group"), where, seed)


def variables(row: dict[str, Any]) -> dict[str, Any]:
    """Return what templates may say of a row: its columns, and `record`, what they say in all.

    A column of that name stays what it is.
    """
    return {RECORD: said(row)} | row


def group_of(row: dict[str, Any], group: str | None, alone: str) -> str:
    """Return what a row's group is called; without a column, or a cell in it, it is alone."""
    return alone if group is None or row.get(group) is None else str(row[group])


def _wordings(instruction: str | list[str]) -> list[str]:
    return [instruction] if isinstance(instruction, str) else instruction


def _unknown_columns(source: dict[str, Any], columns: set[str], where: str) -> Iterable[Fault]:
    """Yield a fault for each place that names a column which the table lacks."""
    known = f"columns: {', '.join(sorted(columns))}"
    named = {f"fields.{name}": {column} for name, column in source.get("fields", {}).items()}
    if source.get("group") is not None:
        named["group"] = {source["group"]}
    for number, entry in enumerate(source.get("examples", [])):
        for key in ("instruction", "answer", "system"):
            for text in _wordings(entry.get(key, [])):
                place = f"examples[{number}].{key}"
                templates.parse(text, f"{where}.{place}")
                named[place] = named.get(place, set()) | templates.variables(text)
        for key, of in entry.get("keywords", {}).items():
            named[f"examples[{number}].keywords.{key}"] = {column_of(name, columns) for name in of}
    for place, wanted in named.items():
        for column in sorted(wanted - columns):
            yield Fault(f"{where}.{place}", f"no column `{column}`", known)


def as_seeds(table: Table, fields: dict[str, str], group: str | None) -> list[dict[str, Any]]:
    """Make a seed of each row.

    fields: variable of the templates -> column, or `record`
    group:  column, or None: each seed is a group of its own
    """
    seeds = []
    for _, row in table:
        known = variables(row)
        values = {name: known[column] for name, column in fields.items()}
        made = digest(values)
        seeds.append({"id": made, "group": group_of(row, group, made), "fields": values})
    return seeds


def as_examples(
    table: Table, entries: list[dict[str, Any]], group: str | None, where: str, seed: int
) -> list[dict[str, Any]]:
    """Make an example of each row and entry, unless its instruction or answer renders to nothing.

    entries: skill, instruction (a template, or several wordings), answer; system, and keywords: key
             of the answer -> columns whose words it must hold (both optional)
    group:   column, or None: all the examples of one row are a group
    """
    compiled = [
        {
            key: [templates.parse(text, f"{where}.examples[{number}].{key}") for text in texts]
            for key in ("system", "instruction", "answer")
            if (texts := _wordings(entry.get(key, [])))
        }
        for number, entry in enumerate(entries)
    ]
    roles = {"system": "system", "instruction": "user", "answer": "assistant"}
    examples = []
    for place, row in table:
        identity, known = digest(row), variables(row)
        for entry, parts in zip(entries, compiled, strict=True):
            at = position(f"{identity} {entry['skill']}", seed)
            spoken = {
                key: templates.render(wordings[int(at * len(wordings))], place, **known)
                for key, wordings in parts.items()
            }
            if not (spoken["instruction"].strip() and spoken["answer"].strip()):
                continue
            messages = [{"role": roles[key], "content": text} for key, text in spoken.items()]
            example = {
                "id": digest(messages),
                "skill": entry["skill"],
                "group": group_of(row, group, identity),
                "messages": messages,
            }
            if words := keywords(entry.get("keywords", {}), row):
                example["keywords"] = words
            examples.append(example)
    return examples


def keywords(asked: dict[str, list[str]], row: dict[str, Any]) -> dict[str, list[str]]:
    """Return the words of a row's columns, by key of the answer; nothing of what says nothing.

    asked: key -> columns, or keys of the objects in one (`address.city`)
    A column of a list gives all its entries.
    """
    found: dict[str, list[str]] = {}
    for key, names in asked.items():
        cells = [
            value_at(row, (name,) if name in row else tuple(name.split("."))) for name in names
        ]
        entries = [each for cell in cells for each in (cell if isinstance(cell, list) else [cell])]
        if words := [str(each) for each in entries if each not in (None, "", ABSENT)]:
            found[key] = words
    return found


def as_they_are(table: Table) -> list[dict[str, Any]]:
    """Check rows that are seeds or examples already, and fill in id and group where absent.

    Raises: InputError naming every row (the first ten) of another shape.
    """
    if faults := misshapen(table):
        raise InputError(*faults[:10])
    made = ((digest(row["messages" if "messages" in row else "fields"]), row) for _, row in table)
    return [{"id": own, "group": own} | row for own, row in made]
