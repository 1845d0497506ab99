"""The parts of metrics/report.md on what was changed in the sources: spelling, nothings, chats."""

from typing import Any

from stages.report.markdown import escape, number, table

POLICIES = {
    "drop": "the row was dropped",
    "unknown": "says that it is not known",
    "omit": "the field is left out",
    "left": "left empty: the policy does not name the column",
}
# As stages/core/spelling.py applies them.
SPELLING = {
    "trim": "spaces at the ends left out",
    "entities": "HTML entities undone",
    "breaks": "HTML line breaks made lines",
    "nfc": "letters and their marks composed (form C)",
    "comma_below": "Romanian letters with a comma instead of a cedilla",
}
# As stages/fetch/conversations.py counts them.
REASONS = {
    "empty_turn": "a turn without a word",
    "same_speaker": "two turns in a row of one speaker",
    "late_system": "a system prompt that is not at the beginning",
    "no_answer": "no answer after a question",
    "no_turns": "no turns at all",
}
MENDED = {
    "trailing_question": "its last question had no answer, and was dropped",
    "leading_answer": "an answer before the first question was dropped",
    "empty_system": "a system prompt without a word was dropped",
    **{f"cut_{reason}": f"cut before {told}" for reason, told in REASONS.items()},
}


def cells(sources: dict[str, dict[str, Any]]) -> list[str]:
    """Return a line for each column with a policy for cells that say nothing."""
    rows, told = [], []
    for name, found in sources.items():
        if not (nulls := found.get("nulls")):
            continue
        kept = nulls["rows"] - nulls["dropped"]
        told.append(f"{kept} of {nulls['rows']} rows of {escape(name)}")
        rows += [
            [escape(name), escape(column), POLICIES[policy], number(count)]
            for column, of in nulls["columns"].items()
            for policy, count in of.items()
        ]
    if not rows:
        return []
    lines = ["## Cells that said nothing", "", f"What is left: {', '.join(told)}.", ""]
    return lines + table(["source", "column", "policy", "cells"], rows, left=3)


def spelling(sources: dict[str, dict[str, Any]]) -> list[str]:
    """Return a line for each normalisation of a source, those that changed nothing, too."""
    rows = [
        [escape(name), f"`{escape(change)}`", SPELLING.get(change, ""), number(count)]
        for name, found in sources.items()
        for change, count in found.get("normalised", {}).items()
    ]
    if not rows:
        return []
    head = ["source", "normalisation", "which is", "rows changed"]
    return ["## How the sources' texts were spelled anew", "", *table(head, rows, left=3)]


def conversations(sources: dict[str, dict[str, Any]]) -> list[str]:
    """Return what was mended in conversations, and how many were left out, and why."""
    rows, told = [], []
    for name, found in sources.items():
        if not (of := found.get("conversations")):
            continue
        left = sum(of["left_out"].values())
        told.append(
            f"{of['read'] - left} of {of['read']} conversations of {escape(name)}, with "
            f"{of['answers']} answers; {of['several']} have several"
        )
        for kind, words in (("mended", MENDED), ("left_out", REASONS)):
            rows += [
                [escape(name), kind.replace("_", " "), words.get(why, escape(why)), number(count)]
                for why, count in of[kind].items()
            ]
    if not told:
        return []
    lines = ["## Conversations", "", f"What is left: {'; '.join(told)}.", ""]
    return lines + (table(["source", "", "why", "conversations"], rows, left=3) if rows else [])


def section(sources: dict[str, dict[str, Any]]) -> list[str]:
    """Return the parts' lines; nothing where no source was changed.

    sources: what metrics/sources.json holds
    """
    return [*spelling(sources), *cells(sources), *conversations(sources)]
