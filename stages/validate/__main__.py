"""Check every reply: a proved record becomes a row; anything else goes to quarantine, with why.

Reads:   data/requests.jsonl, data/replies.jsonl, data/truth.jsonl; the recipe's schema, its
         overrides.jsonl and the templates of what the student is asked and answers
Writes:  data/rows.jsonl, data/rejects.jsonl, metrics/data.json
Network: none
"""

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from stages.core import entry, templates
from stages.core.digest import digest
from stages.core.errors import ConfigError, Fault, InputError
from stages.core.jsonl import encode, read_json, replacing, write_json
from stages.core.params import load
from stages.core.proof import Refused
from stages.core.proof.check import ALLOWED, alias_faults, check, normalise
from stages.core.proof.schema import compiled
from stages.validate.duplicates import Duplicates
from stages.validate.ledger import Ledger
from stages.validate.overrides import raw_digest, read_overrides
from stages.validate.replies import Truths, in_step

if TYPE_CHECKING:
    from argparse import Namespace

    from jinja2 import Template

PARAMS = ("validate",)


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
            "source": request["teacher"],
            "request": request["id"],
            "record": record,
            "operations": operations,
            "messages": messages,
        }
        if "keywords" in seed:
            row["keywords"] = seed["keywords"]
        return row


def rejected(
    reply: dict[str, Any], reason: str, detail: str, best: Any, kept: str | None = None
) -> dict[str, Any]:
    """Make the row of data/rejects.jsonl; `raw` is what an override must repeat."""
    reject = {
        "request": reply["request"],
        "reason": reason,
        "detail": detail,
        "raw": raw_digest(reply["text"]),
        "text": reply["text"],
        "best": best,
    }
    return reject | {"kept": kept} if kept else reject


def verdict(operations: list[str]) -> str:
    """Name what became of a reply that was proved."""
    if operations == ["override"]:
        return "overridden"
    return "parsed" if ALLOWED.issuperset(operations) else "repaired"


def judged(
    record: dict[str, Any], truth: dict[str, Any], kind: str, allowed: list[str]
) -> tuple[str, ...]:
    """Say how a proved record compares with what the offline teacher knows."""
    if record != truth and record != normalise(truth, allowed)[0]:
        return ("judged",)
    return ("judged", "exact", "mended") if kind == "repaired" else ("judged", "exact")


def none_left(
    ledger: Ledger, first: dict[str, Any], misfits: Counter[str], replies: Path, schema: Path
) -> InputError:
    """Say why no reply makes a row.

    misfits: how often what part of the schema was not met
    """
    worst = ", ".join(f"{n} {reason}" for reason, n in ledger.reasons.most_common(3) if n)
    total = ledger.whole().counts["requested"]
    what = f"none of {total} replies makes a row: {worst}"
    if misfits:
        [(commonest, times)] = misfits.most_common(1)
        every = "every record" if ledger.reasons["schema"] == total else "records"
        what += f"; {every} failed the schema {schema}, {times} of them at {commonest}"
    then = f"look at the prompt and at {schema}; the first: {first['detail']}"
    then += f" in {(first['text'] or '')[:200]!r}"
    return InputError(Fault(str(replies), what, "one row at least", then))


def sort_out(
    args: "Namespace", settings: dict[str, Any], ledger: Ledger, rows: TextIO, rejects: TextIO
) -> None:
    """Write each reply to where it belongs, and count it.

    Raises: InputError when none makes a row.
    """
    schema = compiled(read_json(args.schema), str(args.schema))
    if wrong := alias_faults(settings["aliases"], schema, "params.yaml: validate.aliases"):
        raise ConfigError(*wrong)
    student = Student(args.instruction, args.answer, settings["skill"])
    overrides = read_overrides(args.overrides, args.replies, schema)
    duplicates = Duplicates(settings["near_duplicate_similarity"])
    truths = Truths(args.truth)
    made = False
    first: dict[str, Any] | None = None
    misfits: Counter[str] = Counter()
    for request, reply in in_step(args.requests, args.replies):
        teacher = request["teacher"]
        ledger.open(teacher, reply)
        truth = truths.of(request["id"])
        try:
            if request["id"] in overrides:
                record, operations = overrides[request["id"]], ["override"]
            else:
                record, operations = check(reply, schema, settings)
        except Refused as refused:
            ledger.reject(teacher, refused.reason)
            reject = rejected(reply, refused.reason, refused.detail, refused.best)
            rejects.write(encode(reject) + "\n")
            first = first or reject
            if refused.reason == "schema" and not made:
                misfits[schema.misfit(refused.best)] += 1
            continue
        kind = verdict(operations)
        noted = [kind]
        if kind != "overridden":
            if truth is not None:
                noted += judged(record, truth, kind, settings["normalise"])
            if "earlier" in reply:
                noted.append("reask_recovered")
        row = student.row(request, record, operations)
        if found := duplicates.add(row):
            noted.append(f"{found.reason}s")
            reject = rejected(reply, found.reason, str(found), record, found.row)
            rejects.write(encode(reject) + "\n")
        else:
            made = True
            noted.append("rows")
            rows.write(encode(row) + "\n")
        ledger.note(teacher, noted)
    truths.close()
    if first and not made:
        raise none_left(ledger, first, misfits, args.replies, args.schema)


def main() -> None:
    """Validate."""
    args = entry.flags(
        __doc__, "--requests", "--replies", "--truth", "--schema", "--overrides", "--instruction",
        "--answer", "--rows", "--rejects", "--metrics",
    )  # fmt: skip
    settings = load(PARAMS)["validate"]
    ledger = Ledger()
    with replacing(args.rows) as rows, replacing(args.rejects) as rejects:
        sort_out(args, settings, ledger, rows, rejects)
    write_json(args.metrics, ledger.metrics())
    entry.say("validate", ledger.told())


if __name__ == "__main__":
    entry.run(main)
