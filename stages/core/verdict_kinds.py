"""What a line of a file of verdicts is: its two kinds, their keys, and what may be wrong with them.

`stages.core.verdicts` says what they mean, and is the reader and the writer.
"""

from collections.abc import Iterator
from typing import Any, Literal, NamedTuple, NotRequired, TypedDict

from stages.core.digest import canonical
from stages.core.errors import Fault
from stages.core.records import Message

VALUES = {"right": 1.0, "partly": 0.5, "wrong": 0.0}
PREFERENCES = {"better": 1.0, "same": 0.5, "worse": 0.0}


class Verdict(TypedDict):
    """One line of the file, on one answer.

    row:     id of the test row
    set:     its set, for whoever reads (absent where it was not written)
    prompt:  what was asked, for whoever reads
    model:   its name
    answer:  the text that was judged, to the letter
    verdict: a key of VALUES
    note:    why; may be empty
    """

    row: str
    set: NotRequired[str]
    prompt: str
    model: str
    answer: str
    verdict: str
    note: str


class Pair(TypedDict):
    """One line of the file, on two answers to the same prompt.

    prompt:       the user's last turn
    model, other: two different ones: a model of params.yaml, or `exports/<folder>`
    answer, other_answer: their texts, to the letter
    digest, other_digest: SHA-256 of their manifest.json; of an export, of its files
    verdict:      a key of PREFERENCES: `answer` is better or worse than `other_answer`, or as good
    note:         why; may be empty
    row, set:     of the test row that the prompt is of (absent where it is none)
    system:       the system prompt (absent: none)
    history:      the turns between it and `prompt` (absent: none)
    sampling:     how both were decoded, for whoever reads (absent where it was not written)
    """

    kind: Literal["pair"]
    prompt: str
    model: str
    answer: str
    digest: str
    other: str
    other_answer: str
    other_digest: str
    verdict: str
    note: str
    row: NotRequired[str]
    set: NotRequired[str]
    system: NotRequired[str]
    history: NotRequired[list[Message]]
    sampling: NotRequired[dict[str, Any]]


Line = Verdict | Pair


class Kind(NamedTuple):
    """What a line of one kind has.

    required, optional: keys that must be there, and keys that may
    named:              of them, those that may not be blank, and what they say
    values:             what `verdict` may be
    """

    required: tuple[str, ...]
    optional: tuple[str, ...]
    named: dict[str, str]
    values: tuple[str, ...]


ANSWER, PAIR = "answer", "pair"
KINDS = {
    ANSWER: Kind(
        ("row", "prompt", "model", "answer", "verdict"),
        ("set", "note", "kind"),
        dict.fromkeys(("row", "model"), "whose answer to which row was judged"),
        tuple(VALUES),
    ),
    PAIR: Kind(
        ("kind", "prompt", "model", "answer", "digest", "other", "other_answer", "other_digest",
         "verdict"),
        ("note", "row", "set", "system", "history", "sampling"),
        dict.fromkeys(("model", "digest", "other", "other_digest"), "which two models answered"),
        tuple(PREFERENCES),
    ),
}  # fmt: skip


def key_of(line: Line) -> tuple[str, ...]:
    """Return what a verdict is on; a second one on the same takes its place.

    A pair is the same from either side: better of the one is worse of the other.
    """
    if line.get("kind", ANSWER) == ANSWER:
        return line["row"], line["model"], line["answer"]  # type: ignore[typeddict-item]
    said: Any = line
    one = said["model"], said["digest"], said["answer"]
    other = said["other"], said["other_digest"], said["other_answer"]
    asked = said.get("system", ""), canonical(said.get("history", [])), said["prompt"]
    return PAIR, *asked, *(each for side in sorted((one, other)) for each in side)


def is_history(value: Any) -> bool:
    """Tell whether a value is a list of turns: {role, content}."""
    return isinstance(value, list) and all(
        isinstance(turn, dict)
        and turn.keys() == {"role", "content"}
        and turn["role"] in ("system", "user", "assistant")
        and isinstance(turn["content"], str)
        for turn in value
    )


def value_faults(key: str, value: Any, kind: Kind, where: str) -> Iterator[Fault]:
    """Yield what is wrong with the value of one known key."""
    if key == "history":
        if not is_history(value):
            what = f"{value!r:.60} is no list of turns"
            yield Fault(f"{where}: {key}", what, "a list of {role, content}")
    elif key == "sampling":
        if not isinstance(value, dict):
            yield Fault(f"{where}: {key}", f"{value!r:.60} is no object", "an object")
    elif not isinstance(value, str):
        yield Fault(f"{where}: {key}", f"{value!r:.60} is no text", "text")
    elif key in kind.named and not value.strip():
        yield Fault(f"{where}: {key}", "is empty", kind.named[key])
    elif key == "verdict" and value not in kind.values:
        what = f"{value!r:.60} is none"
        yield Fault(f"{where}: verdict", what, f"one of: {', '.join(kind.values)}")


def faults_of(line: Any, where: str) -> Iterator[Fault]:
    """Yield what is wrong with one line by itself."""
    if not isinstance(line, dict):
        yield Fault(where, f"holds {line!r:.60}", "an object: {row, prompt, model, answer, ...}")
        return
    name = line.get("kind", ANSWER)
    if not isinstance(name, str) or name not in KINDS:
        yield Fault(f"{where}: kind", f"{name!r:.60} is none", f"one of: {', '.join(KINDS)}")
        return
    kind = KINDS[name]
    known = (*kind.required, *kind.optional)
    if odd := sorted(line.keys() - {*known}):
        yield Fault(where, f"unknown keys: {', '.join(odd)}", f"some of: {', '.join(known)}")
    for key in known:
        if key in line:
            yield from value_faults(key, line[key], kind, where)
        elif key in kind.required:
            yield Fault(f"{where}: {key}", "is missing", f"all of: {', '.join(kind.required)}")
    if name == PAIR and isinstance(line.get("model"), str) and line["model"] == line.get("other"):
        what = f"{line['model']!r:.60} is compared with itself"
        yield Fault(f"{where}: other", what, "another model")
