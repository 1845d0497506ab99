"""Keep what a person said of the answers in the window: lines of the recipe's verdicts.jsonl.

`stages.core.verdicts` says what a line means, holds it against its contract, and writes it with the
file to itself, whole or not at all.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from stages.core.digest import canonical, file_digest
from stages.core.errors import ConfigError, Fault
from stages.core.pasted import prompt_of
from stages.core.records import Message, Row
from stages.core.verdicts import Line, keep
from tools.chat.models import Model
from tools.chat.talk import Talk, Turn

WORDS = {"better": "better than", "same": "as good as", "worse": "worse than"}


def pair_of(
    talk: Talk,
    models: Mapping[str, Model],
    name: str,
    verdict: str,
    note: str,
    rows: Mapping[str, Row],
) -> dict[str, Any]:
    """Return the line that says how a column's last answer is against the one it is measured by.

    history: what both were sent before the question; where each went on with answers of its own,
    the questions alone. system: where both had the same; else both stand
    with the sampling. row, set: where both were asked exactly what a test row asks.

    rows: the test rows by their ids
    """
    first = talk.measure
    hold_unchanged(models[name], models[first])
    mine, other = turn_of(talk, name), turn_of(talk, first)
    line: dict[str, Any] = {
        "kind": "pair",
        "prompt": mine.messages[-1]["content"],
        "model": name,
        "answer": mine.text,
        "digest": models[name].digest,
        "other": first,
        "other_answer": other.text,
        "other_digest": models[first].digest,
        "verdict": verdict,
        "note": note,
        "sampling": mine.sampling._asdict(),
    }
    systems = [system_of(turn.messages) for turn in (mine, other)]
    if systems[0] != systems[1]:
        line["sampling"]["systems"] = {name: systems[0] or "", first: systems[1] or ""}
    elif systems[0]:
        line["system"] = systems[0]
    if mine.row and mine.row == other.row:
        named = {"set": rows[mine.row]["set"]} if "set" in rows[mine.row] else {}
        line |= {"row": mine.row, **named}
    if history := shared(mine.messages, other.messages):
        line["history"] = history
    return line


def hold_unchanged(*models: Model) -> None:
    """Hold that models are still those that answered: a build may have replaced them meanwhile.

    Raises: ConfigError naming each that is not.
    """
    faults = [
        Fault(str(model.folder), "was built again while the window was open", then="open it anew")
        for model in models
        if (made := model.folder / "manifest.json").is_file() and file_digest(made) != model.digest
    ]
    if faults:
        raise ConfigError(*faults)


def turn_of(talk: Talk, name: str) -> Turn:
    """Return a column's last answer.

    Raises: ConfigError where it has none that came to its end.
    """
    turn = talk.last(name)
    if turn is None or not turn.ended:
        what = "has no whole answer to the last question"
        raise ConfigError(Fault(talk.label(name), what, then="let it answer, then judge"))
    return turn


def system_of(messages: list[Message]) -> str | None:
    """Return the system prompt that was sent, or None."""
    return messages[0]["content"] if messages[0]["role"] == "system" else None


def shared(one: list[Message], other: list[Message]) -> list[Message]:
    """Return the turns before the question that two models have in common, from either's side."""
    both = [[turn for turn in sent[:-1] if turn["role"] != "system"] for sent in (one, other)]
    # Whichever side is judged, the same one is gone through: where only one model was asked a
    # question twice, the other way round would find other turns, and so another pair.
    less, more = sorted(both, key=lambda turns: (len(turns), canonical(turns)))
    return [turn for turn in less if turn in more]


def answer_of(row: Row, name: str, text: str, verdict: str, note: str) -> dict[str, Any]:
    """Return the line that says a model's answer to a test row is right, partly right or wrong."""
    named = {"set": row["set"]} if "set" in row else {}
    return {
        "row": row["id"],
        **named,
        "prompt": prompt_of(row["messages"]),
        "model": name,
        "answer": text,
        "verdict": verdict,
        "note": note,
    }


def told(line: Mapping[str, Any], replaced: bool) -> str:
    """Say what was kept, in words."""
    said = f"{line['model']} is {line['verdict']}"
    if line.get("kind") == "pair":
        said = f"{line['model']} is {WORDS[line['verdict']]} {line['other']}"
    return said + (" (in place of an earlier verdict)" if replaced else "")


def keep_all(path: Path, lines: list[dict[str, Any]]) -> str:
    """Write the lines and say what was kept, where, and what counts it.

    Raises: InputError where a line or the file is not as it should be.
    """
    said = [told(line, keep(path, as_line(line))) for line in lines]
    text = f"Kept in {path}: {'; '.join(said)}. "
    exports = {line[key] for line in lines for key in ("model", "other") if key in line}
    if apart := sorted(name for name in exports if name.startswith("exports/")):
        return f"{text}Of {', '.join(apart)}, none of `models`, it is told and counts in no metric."
    return text + "The next `dvc repro` takes it into the report."


def as_line(line: dict[str, Any]) -> Line:
    """Say that a dict is a line: `keep` holds it against the contract."""
    return line  # type: ignore[return-value]
