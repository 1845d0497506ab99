"""Tell whether an answer is the record that the recipe's schema wants, or what its fault is.

valid      it parses as the metric `parses` asks and fits the schema as `schema_valid` asks
repaired   it does not parse; validate's proof (`stages.core.proof`) mends it to a record that fits
fault      where it breaks, or where it does not fit

Only where the recipe's answers are JSON (a section of `evaluate.sections` asks `schema_valid`, or
the template of the answers is one object), and of those only where a record was asked for: by a row
that has one, by the words of the recipe's instruction, or because the answer begins as JSON does.
"""

import json
import re
from collections.abc import Collection
from pathlib import Path
from typing import Any, Literal, NamedTuple

from stages.core.jsonl import read_json
from stages.core.proof import OPERATIONS, REASONS, Refused
from stages.core.proof.check import check
from stages.core.proof.schema import Schema, compiled
from stages.core.proof.strict import strict

SHORTEST_INSTRUCTION = 12  # characters of the template before its first variable
OPENINGS = ("{", "[", "```")
# The whole record, or an object that is written out with its keys.
ONE_OBJECT = re.compile(r'\{\{\s*record\s*\|\s*(to)?json\s*\}\}|\{\s*".*\}', re.DOTALL)
CUT = {
    "length": "it was cut at max. new tokens, before its end",
    "stopped": "it was stopped before its end",
}


class Found(NamedTuple):
    """What is said of an answer.

    state:  valid, repaired or fault
    title:  in two or three words
    lines:  how it was repaired, or what is wrong and where
    record: the record, written anew and indented; "" where there is none
    """

    state: Literal["valid", "repaired", "fault"]
    title: str
    lines: list[str]
    record: str = ""


class Records:
    """The schema of a recipe whose answers are JSON.

    instruction: how its questions begin; "": that says nothing
    rows:        ids of the test rows whose reference is a record
    others:      of those whose reference is other JSON
    """

    def __init__(
        self,
        schema: Schema,
        settings: dict[str, Any],
        instruction: str,
        rows: Collection[str],
        others: Collection[str],
    ) -> None:
        self._schema = schema
        self._settings = settings
        self._instruction = instruction
        self._rows = rows
        self._others = others

    def found(self, text: str, prompt: str, row: str | None, ended: str = "stop") -> Found | None:
        """Return what an answer is; None where no record was asked for and none begins.

        A test row whose reference is another JSON was asked for that, not for a record.
        row: id of the test row that was asked, or None
        ended: its finish_reason: stop, length or stopped
        """
        asked = row in self._rows if row else self._begins(prompt)
        if row in self._others or not (asked or text.lstrip().startswith(OPENINGS)):
            return None
        where = place(text)
        if where is None and (found := self._parsed(text)):
            return found
        reply = {"text": text, "finish_reason": "stop", "error": None}
        try:
            record, operations = check(reply, self._schema, self._settings)
        except Refused as refused:
            return Found("fault", "Not valid", faults_of(refused, where, CUT.get(ended)))
        done = [f"{name}: {OPERATIONS[name]}" for name in operations]
        return Found(
            "repaired", "Valid when repaired", [*filter(None, [where]), *done], spelled(record)
        )

    def _begins(self, prompt: str) -> bool:
        return bool(self._instruction) and prompt.startswith(self._instruction)

    def _parsed(self, text: str) -> Found | None:
        """Judge a text that is JSON; None: it does not fit as it stands, and may be unwrapped."""
        record = json.loads(text)
        if not isinstance(record, dict) or self._schema.mismatch(record):
            return None
        reply = {"text": text, "finish_reason": "stop", "error": None}
        lines = ["it fits the recipe's schema"]
        try:
            check(reply, self._schema, self._settings)
        except Refused as refused:
            said = f"{refused.reason}: {refused.detail}" if refused.detail else refused.reason
            lines.append(f"as a teacher's reply validate would refuse it all the same ({said})")
        return Found("valid", "Valid", lines, spelled(record))


def place(text: str) -> str | None:
    """Return where a text stops being JSON, or None where it is JSON, each key said once."""
    try:
        strict(text)
    except json.JSONDecodeError as error:
        return f"not JSON at line {error.lineno}, column {error.colno}: {error.msg}"
    except ValueError as error:  # a number of too many digits
        return f"not JSON: {error}"
    except Refused as refused:
        return f"not JSON as it should be: {refused.detail or REASONS[refused.reason]}"
    return None


def faults_of(refused: Refused, where: str | None, cut: str | None) -> list[str]:
    """Return what is wrong, first where, then why no repair was found."""
    if refused.reason == "schema" and refused.detail:
        return [*filter(None, [where]), f"does not fit the schema at {refused.detail}"]
    reason = f"{refused.reason}: {REASONS[refused.reason]}"
    if refused.detail and not refused.detail.startswith("not JSON"):
        reason += f" ({refused.detail})"
    return [*filter(None, [where, cut]), reason]


def spelled(record: Any) -> str:
    """Write a record for the eye."""
    return json.dumps(record, ensure_ascii=False, indent=2)


def wants_records(params: dict[str, Any], answer: str) -> bool:
    """Tell whether a recipe's answers are JSON.

    answer: the template of its answers
    """
    sections = (params.get("evaluate") or {}).get("sections") or {}
    if any("schema_valid" in section["metrics"] for section in sections.values()):
        return True
    return ONE_OBJECT.fullmatch(answer.strip()) is not None


def records(params: dict[str, Any], root: Path, rows: Collection[dict[str, Any]]) -> Records | None:
    """Return what checks the answers of the recipe that params.yaml names; None: they are no JSON.

    rows: the test rows
    Raises: ConfigError, InputError for a schema that is no JSON Schema.
    """
    settings = params.get("validate")
    if not settings:
        return None
    recipe = root / "recipes" / str(params["recipe"])

    def template(key: str) -> str:
        path = recipe / str(settings[key])
        return path.read_text(encoding="utf-8") if path.is_file() else ""

    path = recipe / str(settings["schema"])
    if not path.is_file() or not wants_records(params, template("answer")):
        return None
    begun = template("instruction").split("{{")[0].split("{%")[0].lstrip()
    schema = compiled(read_json(path), str(path))
    references = {row["id"]: row["messages"][-1]["content"] for row in rows}
    begin = {row for row, text in references.items() if text.lstrip().startswith("{")}
    kept = {row for row in begin if is_record(references[row], schema)}
    begun = begun if len(begun) >= SHORTEST_INSTRUCTION else ""
    return Records(schema, settings, begun, kept, begin - kept)


def is_record(text: str, schema: Schema) -> bool:
    """Tell whether a text is a record that fits the schema."""
    return place(text) is None and not schema.mismatch(json.loads(text))
