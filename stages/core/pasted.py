"""Match answers pasted from elsewhere to test rows: what `transcript` kept, for who reads it."""

import unicodedata
from typing import Any, NamedTuple

from stages.core.errors import Fault, InputError
from stages.core.records import Message, Row

# What word processors and chat windows put in the place of what was typed.
RETYPED = str.maketrans(
    {
        **dict.fromkeys("\u2018\u2019\u201a\u201b\u2032", "'"),
        **dict.fromkeys("\u201c\u201d\u201e\u201f\u2033", '"'),
        **dict.fromkeys("\u2010\u2011\u2012\u2013\u2014\u2212", "-"),
        **dict.fromkeys("\u200b\u200c\u2060\ufeff\u00ad", None),
        "\u2026": "...",
    }
)

A_ROW, PRINT = "a row of data/test.jsonl", "tunegraph prompts prints them"


class Pasted(NamedTuple):
    """One pasted answer at its place: what `transcript` kept of it, and the row it answers."""

    row: Row
    entry: dict[str, Any]


def prompt_of(messages: list[Message]) -> str:
    """Return what a reader sees as the prompt: every turn but the last, the system's included."""
    return "\n".join(message["content"] for message in messages[:-1])


def words_of(prompt: str) -> str:
    """Return a prompt's words as they are compared.

    Line ends and spaces are one space, composed and decomposed letters are the same, and so are
    straight and curly quotes, hyphens and dashes; dashes typed as two hyphens count as one.
    """
    plain = unicodedata.normalize("NFC", prompt).translate(RETYPED).replace("--", "-")
    return " ".join(plain.split())


def match_pasted(name: str, entries: list[dict[str, Any]], rows: list[Row]) -> list[Pasted]:
    """Set pasted answers beside the test rows, by row id or by the prompt's words.

    An answer that names a prompt answers every row with that prompt.
    entries: of models/<name>/answers.jsonl
    Returns: in the rows' order, each row's samples in theirs
    Raises: InputError naming every answer that belongs to no test row, whose prompt is not its
        row's, or whose row and sample are answered already.
    """
    by_words: dict[str, list[Row]] = {}
    for row in rows:
        by_words.setdefault(words_of(prompt_of(row["messages"])), []).append(row)
    by_id = {row["id"]: row for row in rows}
    taken: dict[tuple[str, int], Pasted] = {}
    faults = []
    for number, entry in enumerate(entries, 1):
        where = f"transcript {name}: {entry.get('at') or f'answer {number}'}"
        words, row_id = words_of(entry.get("prompt") or ""), entry.get("row")
        found = [by_id[row_id]] if row_id in by_id else []
        shown = repr(row_id or words[:60])
        if row_id and not found:
            faults.append(Fault(where, f"{shown} is no test row", A_ROW, PRINT))
        elif row_id and words and words != words_of(prompt_of(found[0]["messages"])):
            what = f"the prompt {words[:60]!r} is not that of row {shown}"
            expected = repr(words_of(prompt_of(found[0]["messages"]))[:60])
            faults.append(Fault(where, what, expected))
        elif not row_id and not (found := by_words.get(words, [])):
            faults.append(Fault(where, f"{shown} is the prompt of no test row", A_ROW, PRINT))
        sample = entry.get("sample", 0)
        if any((row["id"], sample) in taken for row in found):
            what = f"{shown} is answered already"
            faults.append(Fault(where, what, "one answer each, or numbers in `sample`"))
        for row in found:
            taken.setdefault((row["id"], sample), Pasted(row, entry))
    if faults:
        raise InputError(*faults)
    order = {row["id"]: at for at, row in enumerate(rows)}
    return [taken[key] for key in sorted(taken, key=lambda key: (order[key[0]], key[1]))]
