"""Read a record that has no braces: a line a key, a tag a key, or a table.

Every line is accounted for, and has one reading; what YAML, Markdown or XML would read in another
way is refused. The schema must know every key, and all must be there.
"""
# ruff: noqa: RUF001

import re
from typing import Any

from stages.core.proof import Refused
from stages.core.proof.strict import strict
from stages.core.proof.tokens import NAME

# - **key:** value
LABEL = re.compile(
    rf"""(?:[-*•+]\s+|\d{{1,2}}[.)]\s+)?(?:\#{{1,6}}\s+)?(?P<mark>\*\*|__|`|["'])?(?P<key>{NAME})"""
    r"""(?:(?P=mark)\s*[:：]|[:：](?P=mark)|(?P<no>)\s*[:：])\s+(?P<value>\S.*)"""
)
TAG = re.compile(rf"\s*<({NAME})>((?:[^<>&]|&(?!\w+;|\#))*)</\1>\s*")
ROOT = re.compile(rf"\s*(?:<\?xml[^<>]*\?>\s*)?<({NAME})>\s*(<[\s\S]*>)\s*</\1>\s*\Z")
RULE = re.compile(r"\|?\s*:?-{2,}:?\s*(?:\|\s*:?-{2,}:?\s*)*\|?")
HEADS = (["key", "value"], ["field", "value"], ["name", "value"], ["property", "value"])
# A text that stands for itself: none of what YAML or Markdown would read in another way.
STARTS = re.compile(r"""[^\s'„«‘`\[\]{}|>&!%@*_#?,-]""")
ENDS = re.compile(r"""[^\s'„«‘`\[{\\,:;*_(–—-]\Z""")
QUOTES = "\"'“”„«»‘’`"
AFTER_QUOTES = re.compile(r"\"[^\"]*\"\s*(?:[,;#}]|//|\Z)")
MEANS = re.compile(r"[\"'”]\s*,\s*[\"'“]|\s#|\\[nrt\"'\\]|<br|&\w+;")


def scalar(said: str) -> Any:
    """Return what one value says.

    Raises: Refused when it has more than one reading.
    """
    try:
        return strict(said)
    except ValueError:
        pass
    quotes = said[:1] + said[-1:]
    if quotes in ("''", "“”", "«»") and len(said) > 2 and not re.search(r"[\"'“”«»\\]", said[1:-1]):
        return said[1:-1]
    own = said[0] in QUOTES and said[-1] in QUOTES
    if own or not STARTS.match(said) or not ENDS.search(said) or MEANS.search(said):
        raise Refused("unproven", f"{said[:60]!r} has more than one reading")
    return said


def labelled(text: str, ended: bool) -> dict[str, Any]:
    """Read lines of a key and its value; nothing when the text is something else.

    ended: the last line has an end; one without may have been cut
    """
    record: dict[str, Any] = {}
    quoted: set[bool] = set()
    said = ""
    for line in text.split("\n"):
        if not line.strip():
            continue
        found = LABEL.fullmatch(line.strip())
        if not found or found["key"] in record or (found["mark"] and found["no"] is not None):
            return {}
        said = found["value"]
        quoted.add(said[0] == '"')
        record[found["key"]] = scalar(said)
        if said[0] == '"' == str(record[found["key"]])[:1] and AFTER_QUOTES.match(said):
            raise Refused("unproven", f"{said[:60]!r} has more than one reading")
        if found["mark"] in ('"', "'") and record[found["key"]] == said:
            raise Refused("unproven", f"{said[:60]!r} without quotes behind a key with them")
    last = next(reversed(record.values()), None)
    number = isinstance(last, (int, float)) and not isinstance(last, bool)
    if not ended and (last == said or number):
        raise Refused("truncated", f"{said[-60:]!r} ends the text, and may have been cut")
    if len(quoted) > 1 and any(isinstance(said, str) for said in record.values()):
        raise Refused("unproven", "some values in quotes, which may be their own")
    return record


def tagged(text: str) -> dict[str, Any]:
    """Read tags of the keys, in one of any name or in none; nothing when it is something else."""
    if (root := ROOT.match(text)) and TAG.match(root[2]):
        text = root[2]
    record: dict[str, Any] = {}
    at = 0
    while at < len(text):
        found = TAG.match(text, at)
        if not found or found[1] in record:
            return {}
        said = found[2].strip("\n") if "\n" in found[2] else found[2]
        if said != said.strip() or not said:
            return {}
        if said[0] in QUOTES and said[-1] in QUOTES:
            raise Refused("unproven", f"{said[:60]!r}, in quotes that may be its own")
        record[found[1]] = scalar(said) if re.fullmatch(r"[\w.+-]+", said) else said
        at = found.end()
    return record


def table(text: str) -> dict[str, Any]:
    """Read a Markdown table: the keys above their values, or a row a key; or nothing."""
    rows = []
    for line in text.strip().split("\n"):
        if not line.strip().startswith("|") or not line.strip().endswith("|") or "\\" in line:
            return {}
        if not RULE.fullmatch(line.strip()):
            rows.append([cell.strip(" *`") for cell in line.strip()[1:-1].split("|")])
    if len(rows) < 2 or len({len(row) for row in rows}) > 1:
        return {}
    if len(rows[0]) == 2 and [cell.lower() for cell in rows[0]] in HEADS:
        pairs = rows[1:]
    elif len(rows) == 2:
        pairs = list(zip(*rows, strict=True))
    else:
        return {}
    if len({key for key, _ in pairs}) < len(pairs):
        return {}
    for _, said in pairs:
        if said[:1] in QUOTES and said[-1:] in QUOTES:
            raise Refused("unproven", f"{said[:60]!r}, in quotes that may be its own")
    return {key: scalar(said) for key, said in pairs}


def read_lines(text: str, ended: bool) -> tuple[dict[str, Any], str]:
    """Return the record of a text without braces and the operation, or nothing."""
    if record := tagged(text):
        return record, "markup"
    if record := table(text):
        return record, "table"
    return labelled(text, ended), "lines"
