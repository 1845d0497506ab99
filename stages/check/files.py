"""The recipe's files: that they are there, can be read, and fit one another."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from jinja2 import TemplateError

from stages.check.banks import check_bank
from stages.check.given import MADE, check_given, check_truths
from stages.check.judging import check_template as check_judge_template
from stages.check.meaning import Params, section, unknown
from stages.check.nulls import check_nulls
from stages.check.replies import check_replies
from stages.check.variations import check_fields
from stages.check.verdicts import check_verdicts
from stages.core import grammar, templates
from stages.core.errors import Fault, UserError
from stages.core.jsonl import read_json, read_rows
from stages.core.nulls import column_of
from stages.core.params import read_yaml
from stages.core.pasting import read_pasted
from stages.core.proof import Refused
from stages.core.proof.check import alias_faults
from stages.core.proof.schema import Schema, compiled
from stages.core.tables import Table, read_table

# What the `emoji` source's table holds (stages/fetch/tables.py).
EMOJI_COLUMNS = {"emoji", "name", "base", "status"}
RECORD = "record"
OVERRIDE = '{"request": "<id>", "raw": "<digest>", "record": {...}, "note": "..."}'


def told(read: Callable[[], Any], faults: list[Fault]) -> Any:
    """Return what `read` returns; or None, with what it raised put to the faults."""
    try:
        return read()
    except UserError as error:
        faults += error.faults
        return None


def missing(path: Path, key: str) -> list[Fault]:
    """Return a fault when a file that a key names is not there."""
    if path.is_file():
        return []
    return [Fault(str(path), "there is no such file", f"the file that {key} names")]


def check_sources(
    params: Params, recipe: Path
) -> tuple[list[Fault], dict[str, set[str] | None], dict[str, Table]]:
    """Read what the recipe ships of each source.

    Returns: the faults, the variables that each source's seeds have (None: not known here), and the
    rows of those that are seeds or examples as they stand
    """
    faults: list[Fault] = []
    given: dict[str, Table] = {}
    fields: dict[str, set[str] | None] = {}
    for name, source in section(params, "sources").items():
        fields[name] = None
        source = source or {}
        kind, where = source.get("kind"), f"params.yaml: sources.{name}"
        columns = EMOJI_COLUMNS if kind == "emoji" else None
        shipped = source.get("bank" if kind == "skills" else "file")
        if shipped is not None:
            path = recipe / "sources" / shipped
            if lacking := missing(path, f"{where}.{'bank' if kind == 'skills' else 'file'}"):
                faults += lacking
                continue
            if kind in ("bank", "skills"):
                asked = {"judged": kind == "skills", "table": "examples" in source}
                bank = told(lambda path=path: read_yaml(path), wrong := [])
                if not wrong:
                    wrong, bank = check_bank(bank, path, **asked)
                faults += [fault for fault in wrong if fault not in faults]  # one bank for several
                if bank is None:
                    continue
                if kind == "bank":
                    fields[name] = {bank["field"]}
                    columns = grammar.columns(bank)
            elif kind == "file":
                table = told(lambda path=path: read_table(path), faults)
                if table is None:
                    continue
                faults += check_given(source, table)
                faults += check_nulls(source, table, where)
                columns = {
                    name for _, row in (table if "nulls" in source else table[:1]) for name in row
                }
                if not MADE & source.keys():
                    given[name] = table
                    if isinstance(own := table[0][1].get("fields"), dict):
                        fields[name] = set(own)
        if "fields" in source:
            fields[name] = set(source["fields"])
        faults += check_columns(source, columns, where)
    return faults, fields, given


def check_columns(source: Params, columns: set[str] | None, where: str) -> Iterator[Fault]:
    """Hold that what a source makes of a table's columns asks for columns that there are."""
    faults: list[Fault] = []
    columns = columns and {*columns, RECORD}
    asked = [
        (f"{where}.fields.{name}", column) for name, column in source.get("fields", {}).items()
    ]
    asked += [(f"{where}.group", source["group"])] if source.get("group") else []
    if chat := source.get("conversations"):
        place = f"{where}.conversations"
        asked += [(f"{place}.column", chat["column"])] if "column" in chat else []
        text = chat.get("skill", "")
        if told(lambda: templates.parse(text, f"{place}.skill"), faults):
            names = templates.variables(text) - {"turns"}
            asked += [(f"{place}.skill", name) for name in sorted(names)]
    for at, entry in enumerate(source.get("examples", [])):
        for key in ("system", "instruction", "answer"):
            texts = entry.get(key, [])
            place = f"{where}.examples[{at}].{key}"
            for text in [texts] if isinstance(texts, str) else texts:
                if told(lambda text=text, place=place: templates.parse(text, place), faults):
                    asked += [(place, name) for name in sorted(templates.variables(text))]
        for key, named in entry.get("keywords", {}).items():
            place = f"{where}.examples[{at}].keywords.{key}"
            asked += [(place, column_of(name, columns or ())) for name in named]
    yield from faults
    if columns is not None:
        for place, column in asked:
            yield from unknown(place, column, columns, "column")


def check_template(path: Path, key: str, known: set[str] | None) -> list[Fault]:
    """Hold that a template is there, can be parsed, and takes only variables that there are."""
    if lacking := missing(path, key):
        return lacking
    faults: list[Fault] = []
    text = told(lambda: templates.read(path), faults)
    if text is None or told(lambda: templates.parse(text, str(path)), faults) is None:
        return faults
    if not text.strip():
        return [Fault(str(path), "is empty", f"the template that {key} names")]
    for name in sorted(templates.variables(text)) if known is not None else ():
        where = f"{path}:{templates.line_of(name, text)}"
        faults += unknown(where, name, known, "variable", "use a field of prompt.source")
    return faults


def check_record(recipe: Path, name: str | None, schema: Schema) -> list[Fault]:
    """Hold that the answer takes only keys of the record that the schema has."""
    if name is None or not schema.closed or not (path := recipe / name).is_file():
        return []
    try:
        named = templates.keys_of(RECORD, templates.read(path))
    except (UserError, TemplateError):
        return []  # told already
    return [
        fault
        for line, key in named
        for fault in unknown(f"{path}:{line}", key, schema.names, "key of the record")
    ]


def check_schema(path: Path) -> tuple[list[Fault], Schema | None]:
    """Hold that the response schema is a JSON Schema that a record can fit; return it compiled."""
    key = "params.yaml: validate.schema"
    if lacking := missing(path, key):
        return lacking, None
    try:
        schema = json.loads(path.read_bytes().decode("utf-8"))
    except UnicodeDecodeError as error:
        return [Fault(str(path), f"not UTF-8 at byte {error.start + 1}", "UTF-8")], None
    except json.JSONDecodeError as error:
        what = f"not JSON at column {error.colno}: {error.msg}"
        return [Fault(f"{path}:{error.lineno}", what, "one JSON value")], None
    faults: list[Fault] = []
    return faults, told(lambda: compiled(schema, str(path)), faults)


def fault_of(row: Any, schema: Schema | None, seen: set[str]) -> tuple[str, str] | None:
    """Return what is wrong with an entry of overrides.jsonl, and what was expected; or None.

    Whether it names a request, and the text that the teacher said, only validate can tell.
    """
    if not isinstance(row, dict) or not isinstance(row.get("request"), str):
        return "names no request", OVERRIDE
    if row["request"] in seen:
        return f"is a second one for the request {row['request']}", "one for each request"
    seen.add(row["request"])
    if "raw" not in row or not isinstance(row["raw"], str | None):
        what = f"({row['request']}) does not say which text it mends: no `raw`"
        return what, f"{OVERRIDE}: tunegraph explain {row['request']} prints the line"
    if not isinstance(row.get(RECORD), dict):
        return f"({row['request']}) holds no record", OVERRIDE
    try:
        wrong = schema and schema.mismatch(row[RECORD])
    except Refused as refused:
        wrong = refused.detail
    if wrong:
        return (
            f"({row['request']}): the record does not fit the schema: {wrong}",
            "the recipe's schema",
        )
    return None


def check_overrides(path: Path, schema: Schema | None) -> list[Fault]:
    """Hold that every mended record says what it mends, and fits the schema (where that is one)."""
    if not path.is_file():
        what = "there is no such file"
        return [Fault(str(path), what, "a file, empty when nothing is mended", f"touch {path}")]
    faults: list[Fault] = []
    seen: set[str] = set()
    for number, row in enumerate(told(lambda: read_rows(path), faults) or [], 1):
        if wrong := fault_of(row, schema, seen):
            faults.append(Fault(str(path), f"entry {number} {wrong[0]}", wrong[1]))
    return faults


def check_noise(path: Path) -> list[Fault]:
    """Hold that the figures over training seeds are there, or `{}`; the report reads what is in."""
    if not path.is_file():
        what, expected = "there is no such file", "{} until seeds are gathered (tunegraph noise)"
        return [Fault(str(path), what, expected, f"echo '{{}}' > {path}")]
    faults: list[Fault] = []
    told(lambda: read_json(path), faults)
    return faults


def check_files(params: Params, recipe: Path) -> list[Fault]:
    """Return what is wrong with a recipe's files, for parameters of a sound shape."""
    if not recipe.is_dir():
        return [Fault(str(recipe), "there is no such recipe", then="tunegraph recipe list")]
    faults, fields, given = check_sources(params, recipe)
    prompt, validate = section(params, "prompt"), section(params, "validate")
    known = fields.get(prompt.get("source"))
    templates_of = (
        ("prompt.template", prompt.get("template"), known),
        ("validate.instruction", validate.get("instruction"), known),
        ("validate.answer", validate.get("answer"), known and known | {RECORD}),
    )
    for key, name, variables in templates_of:
        if name is not None:
            faults += check_template(recipe / name, f"params.yaml: {key}", variables)
    faults += check_judge_template(params, recipe)
    schema = None
    if "schema" in validate:
        wrong, schema = check_schema(recipe / validate["schema"])
        faults += wrong
    faults += check_truths(params, given, schema)
    if schema:
        faults += check_record(recipe, validate.get("answer"), schema)
        aliases = validate.get("aliases", {})
        faults += alias_faults(aliases, schema, "params.yaml: validate.aliases")
        faults += check_fields(params, schema)
    faults += check_overrides(recipe / "overrides.jsonl", schema)
    faults += check_noise(recipe / "noise.json")
    faults += check_replies(recipe / "replies.jsonl")
    faults += check_verdicts(recipe / "verdicts.jsonl")
    for key, entry in section(params, "transcripts").items():
        if "file" in entry:
            path = recipe / entry["file"]
            lacking = missing(path, f"params.yaml: transcripts.{key}.file")
            faults += lacking
            if not lacking:
                of = path, entry.get("model"), f"params.yaml: transcripts.{key}"
                found: list[Fault] = []
                told(lambda of=of: read_pasted(*of), found)
                faults += [fault for fault in found if fault not in faults]  # one file for several
    return faults
