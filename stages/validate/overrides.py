"""Records mended by hand: each admits one reply, as long as that is the one that was mended."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from stages.core.digest import digest
from stages.core.errors import Fault, InputError
from stages.core.jsonl import read_rows, stream_rows
from stages.core.proof import Refused
from stages.core.proof.schema import Schema

SHAPE = '{"request": id, "raw": digest or null, "record": {...}, "note": "..."}'


def raw_digest(text: str | None) -> str | None:
    """Name the raw text of a reply: 16 hex digits, or None where there is no text.

    It stands in data/rejects.jsonl as `raw`; an override repeats it.
    """
    return None if text is None else digest(text)


def faults_of(
    line: Any, raws: dict[str, str | None], schema: Schema
) -> Iterator[tuple[str, str, str]]:
    """Yield what is wrong with one entry, what was expected, and what to do.

    raws: the raw digest of each reply that is named, by request id
    """
    if not isinstance(line, dict) or not isinstance(line.get("request"), str):
        yield "no override: it names no request", SHAPE, ""
        return
    request = line["request"]
    if request not in raws:
        then = "delete the entry, or give it the id of the same question as it is asked now"
        yield f"no request has the id {request!r}", "an id of data/requests.jsonl", then
    elif "raw" not in line or line["raw"] != raws[request]:
        now = raws[request]
        said = f"mends the raw text {line['raw']!r}" if "raw" in line else "does not say which text"
        said += f"; the reply's is {now!r} now" if now else "; the reply has no text now"
        spelled = f'"{now}"' if now else "null"
        then = "look at the reply in data/replies.jsonl; where the record is right for it, too, "
        then += f'write "raw": {spelled}, else delete the entry'
        yield f"the override of {request} {said}", "the raw text that was mended", then
    if not isinstance(record := line.get("record"), dict):
        yield f"the record of {request} is not an object", SHAPE, ""
        return
    try:
        wrong = schema.mismatch(record)
    except Refused as refused:
        wrong = refused.detail
    if wrong:
        yield f"the record of {request} does not fit: {wrong}", "a record that fits the schema", ""


def raws_of(replies: Iterable[dict[str, Any]], named: set[str]) -> dict[str, str | None]:
    """Return the digest of the raw text of the replies that are named, by request id."""
    return {
        each["request"]: raw_digest(each["text"]) for each in replies if each["request"] in named
    }


def read_overrides(path: Path, replies: Path, schema: Schema) -> dict[str, dict[str, Any]]:
    """Read the records mended by hand, by request id.

    Raises: InputError with file and entry for every one that is not as it should be.
    """
    lines = read_rows(path)
    if not lines:
        return {}
    named = {str(line.get("request")) for line in lines if isinstance(line, dict)}
    raws = raws_of(stream_rows(replies), named)
    overrides: dict[str, dict[str, Any]] = {}
    faults = []
    for number, line in enumerate(lines, 1):
        wrong = list(faults_of(line, raws, schema))
        if not wrong and line["request"] in overrides:
            wrong = [(f"a second override of {line['request']}", "one", "delete one")]
        faults += [Fault(f"{path}: entry {number}", *each) for each in wrong]
        if not wrong:
            overrides[line["request"]] = line["record"]
    if faults:
        raise InputError(*faults)
    return overrides
