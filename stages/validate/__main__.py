"""Check every reply: a proved record becomes a row; anything else goes to quarantine, with why.

Reads:   data/requests.jsonl, data/replies.jsonl, data/truth.jsonl; the recipe's schema, its
         overrides.jsonl and the templates of what the student is asked and answers
Writes:  data/rows.jsonl, data/rejects.jsonl, metrics/data.json
Network: none
"""

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stages.core import entry, templates
from stages.core.digest import digest
from stages.core.errors import Fault, InputError
from stages.core.jsonl import read_json, read_rows, write_json, write_rows
from stages.core.params import load
from stages.core.proof import REASONS, Refused
from stages.core.proof.check import NORMALISE, check, compiled, mismatch, normalise

if TYPE_CHECKING:
    from jinja2 import Template
    from jsonschema import Draft202012Validator

PARAMS = ("validate",)
HARMLESS = {*NORMALISE, "key_case"}  # operations that the recipe allows by name: no repair


def read_overrides(
    path: Path, requests: set[str], validator: "Draft202012Validator"
) -> dict[str, dict[str, Any]]:
    """Read the records mended by hand, by request id.

    Raises: InputError with file and line for every one that is not as it should be.
    """
    overrides: dict[str, dict[str, Any]] = {}
    faults = []
    for number, line in enumerate(read_rows(path), 1):
        request = line.get("request") if isinstance(line, dict) else None
        if request is None or "record" not in line:
            what, expected = "no override", '{"request": id, "record": {...}, "note": "..."}'
        elif request not in requests:
            what, expected = f"no request has the id {request!r}", "an id of data/requests.jsonl"
        elif request in overrides:
            what, expected = f"a second override of {request}", "one"
        elif not isinstance(line["record"], dict):
            what, expected = "the record is not an object", "a JSON object"
        elif wrong := mismatch(validator, line["record"]):
            what, expected = f"the record does not fit the schema: {wrong}", "the recipe's schema"
        else:
            overrides[request] = line["record"]
            continue
        faults.append(Fault(f"{path}: entry {number}", what, expected))
    if faults:
        raise InputError(*faults)
    return overrides


class Student:
    """What the tuned model is asked and answers: the recipe's two templates."""

    def __init__(self, instruction: Path, answer: Path, skill: str) -> None:
        self.skill = skill
        self._asks = self._template(instruction)
        self._answers = self._template(answer)

    @staticmethod
    def _template(path: Path) -> "tuple[Template, str]":
        return templates.parse(templates.read(path), str(path)), str(path)

    def row(
        self, request: dict[str, Any], record: dict[str, Any], operations: list[str]
    ) -> dict[str, Any]:
        """Make the row of a checked record."""
        seed = request["seed"]
        values = {**seed["fields"], "record": record}
        messages = [
            {"role": "user", "content": templates.render(*self._asks, **values)},
            {"role": "assistant", "content": templates.render(*self._answers, **values)},
        ]
        row = {
            "id": digest(messages),
            "skill": self.skill,
            "group": seed["group"],
            "request": request["id"],
            "record": record,
            "operations": operations,
            "messages": messages,
        }
        if "keywords" in seed:
            row["keywords"] = seed["keywords"]
        return row


def scores(
    rows: list[dict[str, Any]], asked: Counter[str], truth: dict[str, Any], allowed: list[str]
) -> dict[str, float]:
    """Score the repair against what the offline teacher knows; nothing where there is no truth.

    exact, silently_wrong: rows whose record is, or is not, the truth (both normalised); rows that
                           were mended by hand are not judged
    recovered:             share of the replies that were malformed and are now exact rows, 0 to 1
    """
    if not truth:
        return {}
    judged = [row for row in rows if row["operations"] != ["override"] and row["request"] in truth]
    exact = [row for row in judged if row["record"] == normalise(truth[row["request"]], allowed)[0]]
    mended = sum(1 for row in exact if set(row["operations"]) - HARMLESS)
    malformed = asked["repaired"] + asked["rejected"]
    return {
        "exact": len(exact),
        "silently_wrong": len(judged) - len(exact),
        "recovered": round(mended / malformed, 4) if malformed else 1.0,
    }


def main() -> None:
    """Validate."""
    args = entry.flags(
        __doc__, "--requests", "--replies", "--truth", "--schema", "--overrides", "--instruction",
        "--answer", "--rows", "--rejects", "--metrics",
    )  # fmt: skip
    settings = load(PARAMS)["validate"]
    validator = compiled(read_json(args.schema), str(args.schema))
    requests = {request["id"]: request for request in read_rows(args.requests)}
    replies = {reply["request"]: reply for reply in read_rows(args.replies)}
    truth = {line["request"]: line["record"] for line in read_rows(args.truth)}
    overrides = read_overrides(args.overrides, set(requests), validator)
    student = Student(args.instruction, args.answer, settings["skill"])
    if missing := requests.keys() - replies.keys():
        what = f"lacks {len(missing)} of {len(requests)} requests"
        raise InputError(Fault(str(args.replies), what, then="dvc repro generate"))

    count: Counter[str] = Counter()
    reasons: Counter[str] = Counter(dict.fromkeys(REASONS, 0))
    rows: dict[str, dict[str, Any]] = {}
    rejects = []
    for request in requests.values():
        reply = replies[request["id"]]
        count["replied"] += reply["error"] is None
        try:
            if request["id"] in overrides:
                record, operations = overrides[request["id"]], ["override"]
            else:
                record, operations = check(reply, validator, settings)
        except Refused as refused:
            reasons[refused.reason] += 1
            rejects.append(
                {
                    "request": request["id"],
                    "reason": refused.reason,
                    "detail": refused.detail,
                    "text": reply["text"],
                    "best": refused.best,
                }
            )
            continue
        if operations == ["override"]:
            count["overridden"] += 1
        else:
            count["repaired" if set(operations) - HARMLESS else "parsed"] += 1
        row = student.row(request, record, operations)
        if row["id"] in rows:
            count["duplicates"] += 1
        else:
            rows[row["id"]] = row

    count["rejected"] = len(rejects)
    if requests and not rows:
        worst = ", ".join(f"{n} {reason}" for reason, n in reasons.most_common(3) if n)
        what = f"none of {len(requests)} replies makes a row: {worst}"
        example = f"the first: {rejects[0]['detail']} in {(rejects[0]['text'] or '')[:200]!r}"
        then = f"look at the prompt and at {args.schema}; {example}"
        raise InputError(Fault(str(args.replies), what, "one row at least", then))
    write_rows(args.rows, rows.values())
    write_rows(args.rejects, rejects)
    keys = ("replied", "parsed", "repaired", "overridden", "rejected", "duplicates")
    metrics = {"requested": len(requests), **{key: count[key] for key in keys}, "rows": len(rows)}
    metrics |= scores(list(rows.values()), count, truth, settings["normalise"])
    write_json(args.metrics, metrics | {"rejected_by_reason": dict(reasons)})
    if not requests:
        entry.say("validate", "the recipe asks no teacher; nothing to check")
        return
    said = f"{count['parsed']} as they came, {count['repaired']} repaired, {len(rejects)} rejected"
    entry.say("validate", f"{len(requests)} requests, {len(rows)} rows: {said}")


if __name__ == "__main__":
    entry.run(main)
