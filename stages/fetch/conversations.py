"""Make chat rows of conversations as ShareGPT has them: a column of turns with speakers.

    [{"from": "human", "value": "Hi"}, {"from": "gpt", "value": "Hello."}, ...]

What `turns: whole` (the default) makes of it is one row with all turns; `each` makes a row of every
answer, with the turns before it. Real conversations are dirty. A row is the longest beginning that
is a conversation: a system prompt or none, then a question, an answer, a question, an answer. No
turn is joined to another one and none is invented; what is done is counted.

    mended      the conversation, or its beginning, is a row
      trailing_question   it ends with the user, who got no answer: that turn is dropped
      leading_answer      the assistant speaks first: dropped, as FastChat does
      empty_system        a system prompt without a word: dropped
      cut_<reason>        cut before the first turn that fits no conversation, for a reason below
    left_out    no answer remains before that turn
      empty_turn          a turn without a word
      same_speaker        two turns in a row of one speaker
      late_system         a system prompt that is not at the beginning
      no_answer           no turn of the assistant after one of the user
      no_turns            the cell is null, or a list of nothing

Source: https://github.com/lm-sys/FastChat (fastchat/train/train.py skips a first turn that is not
the human's)
"""

from collections import Counter
from typing import Any

from stages.core import templates
from stages.core.digest import digest
from stages.core.errors import ConfigError, Fault, InputError
from stages.core.records import Message
from stages.core.tables import Table
from stages.fetch.shapes import group_of

# ShareGPT's names, and OpenAI's.
ROLES = {
    **{"human": "user", "gpt": "assistant", "system": "system"},
    **{"user": "user", "assistant": "assistant"},
}
MOST_TOLD = 10


def sound(turns: list[Message]) -> tuple[list[Message], set[str], str | None]:
    """Return the longest beginning that is a conversation; it ends with an answer, or is empty.

    Returns: its turns, what was mended in them, and why a turn did not fit (None: all did)
    """
    kept: list[Message] = []
    mended: set[str] = set()
    why = None
    for turn in turns:
        role, blank = turn["role"], not turn["content"].strip()
        if role == "system" and blank:
            mended.add("empty_system")
        elif role == "system" and kept:
            why = "late_system"
        elif role == "assistant" and (not kept or kept[-1]["role"] == "system"):
            mended.add("leading_answer")
        elif blank:
            why = "empty_turn"
        elif kept and kept[-1]["role"] == role:
            why = "same_speaker"
        else:
            kept.append(turn)
        if why:
            break
    if kept and kept[-1]["role"] == "user":
        kept.pop()
        if not why:
            mended.add("trailing_question")
    if not kept or kept[-1]["role"] == "system":
        return [], set(), why or ("no_answer" if turns else "no_turns")
    return kept, mended, why


def malformed(place: str, cell: Any, column: str, role: str, content: str) -> Fault | None:
    """Return what is wrong with a cell that should hold turns; null is none, and no fault.

    place: the row's, for messages
    """
    if not isinstance(cell, list | None):
        expected = f"a list of turns: [{{{role}: ..., {content}: ...}}, ...]"
        return Fault(place, f"`{column}` holds {cell!r:.60}", expected)
    for number, turn in enumerate(cell or [], 1):
        which = f"turn {number} of `{column}`"
        if not isinstance(turn, dict) or not {role, content} <= turn.keys():
            held = (
                f"has the keys {', '.join(turn)}" if isinstance(turn, dict) else f"is {turn!r:.60}"
            )
            then = "say conversations.role and conversations.content, where they have other names"
            return Fault(place, f"{which} {held}", f"an object with {role} and {content}", then)
        # The hub gives all turns the same keys: one that says nothing holds null.
        if not isinstance(turn[content], str | None):
            return Fault(place, f"{which} says {turn[content]!r:.60}", f"a text as its {content}")
    return None


def lacking(table: Table, spec: dict[str, Any], group: str | None, where: str) -> list[Fault]:
    """Return a fault for each place that names a column which the table lacks."""
    columns = set(table[0][1])
    named = [("conversations.column", spec["column"])] + ([("group", group)] if group else [])
    asked = templates.variables(spec["skill"]) - {"turns"}
    named += [("conversations.skill", column) for column in sorted(asked)]
    return [
        Fault(f"{where}.{key}", f"no column `{name}`", f"columns: {', '.join(sorted(columns))}")
        for key, name in named
        if name not in columns
    ]


def read_all(table: Table, spec: dict[str, Any], where: str) -> list[list[Message]]:
    """Return the turns of every row, with the roles of a chat.

    Raises: InputError naming every row (the first ten) whose cell holds no turns; ConfigError
    naming all speakers that `roles` does not name.
    """
    role, content = spec.get("role", "from"), spec.get("content", "value")
    roles, column = spec.get("roles", ROLES), spec["column"]
    cells = [(place, row.get(column)) for place, row in table]
    if faults := [it for each in cells if (it := malformed(*each, column, role, content))]:
        raise InputError(*faults[:MOST_TOLD])
    speakers = Counter(str(turn[role]) for _, cell in cells for turn in cell or [])
    if strangers := sorted(speakers.keys() - roles.keys()):
        told = ", ".join(f"{name} ({speakers[name]} turns)" for name in strangers)
        raise ConfigError(
            Fault(
                f"{where}.conversations.roles",
                f"does not name these speakers: {told}",
                f"every speaker; named are {', '.join(roles)}",
                "name each under conversations.roles: user, assistant or system",
            )
        )
    return [
        [
            {"role": roles[str(turn[role])], "content": turn[content] or ""}
            for turn in cell or []
        ]
        for _, cell in cells
    ]  # fmt: skip


def as_conversations(
    table: Table, spec: dict[str, Any], group: str | None, where: str
) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Make examples of conversations (see `stages.core.records.Example`), and say what was done.

    spec:  skill, a template of the columns and of `turns`, how many answers the row holds; column;
           role, content, roles and turns (optional)
    group: column, or None: conversations that open alike, up to the first question, are a group
           (so are those whose cell is null).
           All rows of one conversation are, either way.
    where: the source's key, for messages
    Returns: the rows, and their counts: conversations read, answers in those that stayed, how
    many of those have several, and how many were mended or left out, by reason
    Raises: ConfigError naming each column that the table lacks; otherwise as `read_all`.
    """
    skill = templates.parse(spec["skill"], at := f"{where}.conversations.skill")
    if faults := lacking(table, spec, group, where):
        raise ConfigError(*faults)
    asked = templates.variables(spec["skill"]) - {"turns"}
    rows: list[dict[str, Any]] = []
    mended, left_out, answers, several = Counter(), Counter(), 0, 0
    for (_, row), turns in zip(table, read_all(table, spec, where), strict=True):
        kept, repairs, why = sound(turns)
        if not kept:
            left_out[why] += 1
            continue
        mended.update(repairs)
        if why:
            mended[f"cut_{why}"] += 1
        ends = [end for end, turn in enumerate(kept, 1) if turn["role"] == "assistant"]
        answers += len(ends)
        several += len(ends) > 1
        its_group = group_of(row, group, digest(kept[: ends[0] - 1]))
        columns = {name: row[name] for name in asked if name in row}
        for end in ends if spec.get("turns") == "each" else ends[-1:]:
            rows.append(
                {
                    "id": digest(kept[:end]),
                    "skill": templates.render(
                        skill, at, **columns, turns=ends.index(end) + 1
                    ).strip(),
                    "group": its_group,
                    "messages": kept[:end],
                }
            )
    told = {"read": len(table), "answers": answers, "several": several}
    told |= {"mended": dict(sorted(mended.items())), "left_out": dict(sorted(left_out.items()))}
    return rows, told
