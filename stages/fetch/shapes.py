"""Give a table's rows the shape of a seed or of examples (`stages.core.records`)."""

from collections.abc import Iterable
from typing import Any

from stages.core import templates
from stages.core.digest import digest
from stages.core.errors import ConfigError, Fault, InputError
from stages.core.holdout import position
from stages.core.tables import Table
from stages.fetch.conversations import as_conversations

TEXT = {"type": "string", "minLength": 1}
KEYWORDS = {
    "type": "object",
    "additionalProperties": {"type": "array", "items": TEXT, "minItems": 1},
}
SEED = {
    "type": "object",
    "required": ["fields"],
    "properties": {
        "id": TEXT,
        "group": TEXT,
        "fields": {"type": "object", "minProperties": 1},
        "keywords": KEYWORDS,
        "truth": {"type": "object"},
    },
    "additionalProperties": False,
}
EXAMPLE = {
    "type": "object",
    "required": ["skill", "messages"],
    "properties": {
        "id": TEXT,
        "skill": TEXT,
        "group": TEXT,
        "messages": {
            "type": "array",
            "minItems": 2,
            "items": {
                "type": "object",
                "required": ["role", "content"],
                "properties": {
                    "role": {"enum": ["system", "user", "assistant"]},
                    "content": {"type": "string"},
                },
                "additionalProperties": False,
            },
        },
        "cases": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["call", "args", "returns"],
                "properties": {"call": TEXT, "args": {"type": "array"}, "returns": {}},
                "additionalProperties": False,
            },
        },
        "keywords": KEYWORDS,
    },
    "additionalProperties": False,
}


def shaped(table: Table, source: dict[str, Any], where: str, seed: int) -> list[dict[str, Any]]:
    """Return the seeds or examples of a source's table.

    where: the source's key, for messages
    Raises: ConfigError naming every column that the table lacks; InputError naming every row
    (the first ten) that is neither a seed nor an example.
    """
    if "conversations" in source:
        return as_conversations(table, source["conversations"], source.get("group"), where)
    if "fields" not in source and "examples" not in source:
        return as_they_are(table)
    columns = set(table[0][1])
    if faults := list(_unknown_columns(source, columns, where)):
        raise ConfigError(*faults)
    if "fields" in source:
        return as_seeds(table, source["fields"], source.get("group"))
    return as_examples(table, source["examples"], source.get("group"), where, seed)


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
    for place, wanted in named.items():
        for column in sorted(wanted - columns):
            yield Fault(f"{where}.{place}", f"no column `{column}`", known)


def as_seeds(table: Table, fields: dict[str, str], group: str | None) -> list[dict[str, Any]]:
    """Make a seed of each row.

    fields: variable of the templates -> column
    group:  column, or None: each seed is a group of its own
    """
    seeds = []
    for _, row in table:
        values = {name: row[column] for name, column in fields.items()}
        made = digest(values)
        seeds.append({"id": made, "group": str(row[group]) if group else made, "fields": values})
    return seeds


def as_examples(
    table: Table, entries: list[dict[str, Any]], group: str | None, where: str, seed: int
) -> list[dict[str, Any]]:
    """Make an example of each row and entry, unless its instruction or answer renders to nothing.

    entries: skill, instruction (a template, or several wordings), answer, system (optional)
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
        identity = digest(row)
        for entry, parts in zip(entries, compiled, strict=True):
            at = position(f"{identity} {entry['skill']}", seed)
            said = {
                key: templates.render(wordings[int(at * len(wordings))], place, **row)
                for key, wordings in parts.items()
            }
            if not (said["instruction"].strip() and said["answer"].strip()):
                continue
            messages = [{"role": roles[key], "content": text} for key, text in said.items()]
            examples.append(
                {
                    "id": digest(messages),
                    "skill": entry["skill"],
                    "group": str(row[group]) if group else identity,
                    "messages": messages,
                }
            )
    return examples


def as_they_are(table: Table) -> list[dict[str, Any]]:
    """Check rows that are seeds or examples already, and fill in id and group where absent.

    Raises: InputError naming every row (the first ten) of another shape, or with an id that is not
    the digest of its content.
    """
    from jsonschema import Draft202012Validator
    from jsonschema.exceptions import best_match

    example = "messages" in table[0][1]
    validator = Draft202012Validator(EXAMPLE if example else SEED)
    kind, content = ("an example", "messages") if example else ("a seed", "fields")
    rows, faults = [], []
    for where, row in table:
        if error := best_match(validator.iter_errors(row)):
            what = f"not {kind}: at {error.json_path}: {error.message}"
            faults.append(Fault(where, what, "the shape in stages/core/records.py"))
            continue
        made = digest(row[content])
        if row.get("id", made) != made:
            faults.append(Fault(where, f"id {row['id']!r}", f"{made!r}, or no id"))
        if example and [m["role"] for m in row["messages"]][-2:] != ["user", "assistant"]:
            faults.append(Fault(where, "the messages do not end with user, assistant"))
        rows.append({"id": made, "group": made} | row)
    if faults:
        raise InputError(*faults[:10])
    return rows
