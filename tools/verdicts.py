"""Write the cases that a person is to judge, and take what was filled in.

    tunegraph verdicts FILE.csv          each case with every model's answer, a line an answer
    (fill in `verdict`: right, partly or wrong; and `note`: why)
    tunegraph verdicts --take FILE.csv   into recipes/<recipe>/verdicts.jsonl

With --blind the models' names stand nowhere in the file: a case's answers come in an order drawn
for it, as A, B, ...; equal ones are one line. Whose they were is found by their text when the file
is taken. Verdicts on two answers, from the chat window, stay as they are.
"""

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from stages.core import entry
from stages.core.digest import digest
from stages.core.errors import ConfigError, Fault, InputError
from stages.core.jsonl import read_rows, replacing, write_rows
from stages.core.params import load
from stages.core.records import Answer
from stages.core.tables import read_table
from stages.core.verdicts import (
    VALUES,
    Verdict,
    alone,
    judged,
    key_of,
    merged,
    read_all,
    read_verdicts,
    write_verdicts,
)
from tools.prompts import hold, rows_of
from tools.recipe import RECIPES
from tools.rows import guarded

ANSWERS, TEST = Path("data/answers"), Path("data/test.jsonl")
COLUMNS = ("row", "set", "prompt", "reference", "model", "answer", "verdict", "note")
BLIND = ("row", "set", "prompt", "reference", "label", "answer", "verdict", "note")
TEXTS = ("prompt", "reference", "answer")  # of others: they may begin as a formula does
FORMS = (".csv", ".jsonl")
Line = dict[str, Any]
Answers = dict[str, dict[str, Answer]]  # model's name -> row id -> its answer


def read_answers() -> Answers:
    """Read every model's present answers, in the order of params.yaml.

    Raises: InputError naming each file that is not there.
    """
    names = [model["name"] for model in load(("models",))["models"].values()]
    paths = {name: ANSWERS / f"{name}.jsonl" for name in names}
    if lacking := [path for path in paths.values() if not path.is_file()]:
        faults = (Fault(str(path), "there is no such file", then="dvc repro") for path in lacking)
        raise InputError(*faults)
    return {name: {each["row"]: each for each in read_rows(path)} for name, path in paths.items()}


def verdicts_file() -> Path:
    """Return the file of the recipe that params.yaml names."""
    return RECIPES / str(load(("recipe",))["recipe"]) / "verdicts.jsonl"


def lines_of(answers: Answers, rows: list[str], before: list[Verdict]) -> Iterator[Line]:
    """Yield a line for each model's answer to each row, with the verdict that holds already."""
    held = {name: judged(before, name, of.values()).held for name, of in answers.items()}
    for row in rows:
        for name, of_model in answers.items():
            if row in of_model:
                said = held[name].get(row, {})
                line = about(of_model[row]) | {"model": name, "answer": of_model[row]["text"]}
                yield line | {key: said.get(key, "") for key in ("verdict", "note")}


def blind_lines(answers: Answers, rows: list[str]) -> Iterator[Line]:
    """Yield a line for each different answer to each row, in an order that says nothing.

    It is drawn by a hash of row and text: the same every time, and no model comes first more often.
    """
    for row in rows:
        found = {of[row]["text"]: of[row] for of in answers.values() if row in of}
        drawn = sorted(found, key=lambda text, row=row: digest(["blind", row, text]))
        for at, text in enumerate(drawn):
            label = chr(ord("A") + at) if at < 26 else str(at + 1)
            yield about(found[text]) | {"label": label, "answer": text, "verdict": "", "note": ""}


def about(answer: Answer) -> Line:
    """Return what a line says of its row."""
    return {key: answer[key] for key in ("row", "set", "prompt", "reference")}


def write(path: Path, lines: list[Line], columns: tuple[str, ...]) -> None:
    """Write the cases by the ending of the name: JSON Lines, or CSV that no spreadsheet runs."""
    if path.suffix == ".jsonl":
        write_rows(path, ({column: line[column] for column in columns} for line in lines))
        return
    with replacing(path) as file:
        file.write("\ufeff")  # by which a spreadsheet knows UTF-8, and writes it again
        # With RFC 4180's line ends a lone \r within a cell is quoted, and comes back.
        writer = csv.DictWriter(file, columns, lineterminator="\r\n")
        writer.writeheader()
        writer.writerows(line | {key: guarded(line[key]) for key in TEXTS} for line in lines)


def cases(name: str | None, file: Path, blind: bool) -> None:
    """Write the cases of a set to a file that is to be filled in.

    name: of the set, or None: `evaluate.probes`
    Raises: ConfigError, InputError.
    """
    suffix = file.suffix if file.suffix in FORMS else FORMS[0]
    hold({suffix: file})
    answers = read_answers()
    shown = load(("evaluate.probes",))["evaluate"]["probes"]
    rows = [row["id"] for row in rows_of(read_rows(TEST), name, shown)]
    if blind:
        lines, columns = list(blind_lines(answers, rows)), BLIND
    else:
        lines, columns = list(lines_of(answers, rows, read_verdicts(verdicts_file()))), COLUMNS
    write(file, lines, columns)
    told = f"{file}: {len(rows)} cases, {len(lines)} answers; fill in `verdict` "
    told += f"({', '.join(VALUES)}) and `note`, then tunegraph verdicts --take {file}"
    entry.say("verdicts", told)


def alike(text: str) -> str:
    """Return a text as a spreadsheet may give it back: its line ends, and the spaces around it."""
    return text.replace("\r\n", "\n").replace("\r", "\n").strip()


def taken(table: list[tuple[str, Line]], answers: Answers) -> Iterator[Verdict | Fault]:
    """Yield the verdicts of a filled-in file, and what is wrong with its lines.

    A line without a verdict and a note was not judged and is left out. A text that a spreadsheet
    changed at line ends and edges counts as the model's own.
    """
    said: dict[tuple[str, str, str], tuple[str, str]] = {}
    for where, line in table:
        cells = {key: "" if line.get(key) is None else line[key] for key in (*COLUMNS, "label")}
        if odd := [key for key, cell in cells.items() if not isinstance(cell, str)]:
            yield Fault(f"{where}: {odd[0]}", f"{cells[odd[0]]!r:.60} is no text", "text")
            continue
        word, note = cells["verdict"].strip().lower(), cells["note"].strip()
        if not word and not note:
            continue
        if word not in VALUES:
            what = f"{cells['verdict']!r:.60} is none" if word else "is empty beside a note"
            yield Fault(f"{where}: verdict", what, f"one of: {', '.join(VALUES)}")
            continue
        found = list(judged_by(where, cells, answers))
        for each in found:
            if isinstance(each, Fault):
                yield each
                continue
            name, answer = each
            verdict: Verdict = {
                **{key: answer[key] for key in ("row", "set", "prompt")},
                "model": name, "answer": answer["text"], "verdict": word, "note": note,
            }  # type: ignore[typeddict-item]  # fmt: skip
            earlier, place = said.setdefault(key_of(verdict), (word, where))
            if earlier != word:
                what = f"{word!r} of an answer that {place} calls {earlier!r}"
                yield Fault(f"{where}: verdict", what, "each answer judged once")
            else:
                yield verdict


def judged_by(
    where: str, cells: dict[str, str], answers: Answers
) -> Iterator[tuple[str, Answer] | Fault]:
    """Yield each model whose present answer a line judges, with that answer; or why none is.

    A blind line, which names no model, is on the answer of every model that answers so.
    """
    row, name = cells["row"].strip(), cells["model"].strip()
    if name and name not in answers:
        yield Fault(
            f"{where}: model", f"there is no model {name!r}", f"one of: {', '.join(answers)}"
        )
        return
    asked = {name: answers[name]} if name else answers
    given = {each: of[row] for each, of in asked.items() if row in of}
    if not given:
        what = f"no model answered a row {row!r}" if not name else f"{name} answered no row {row!r}"
        yield Fault(f"{where}: row", what, "a row of the present answers", THEN)
        return
    found = [
        (each, answer)
        for each, answer in given.items()
        if alike(cells["answer"]) in (alike(answer["text"]), alike(guarded(answer["text"])))
    ]
    if not found:
        who = name or "no model"
        what = f"{who} answers otherwise now" if name else "no model answers so now"
        yield Fault(f"{where}: answer", what, "the text that was judged, as it was written", THEN)
    yield from found


THEN = "write the cases anew (tunegraph verdicts FILE) and judge the present answers"


def take(file: Path) -> None:
    """Merge a filled-in file into the recipe's verdicts.

    Raises: InputError with every fault; then nothing is written.
    """
    path, answers = verdicts_file(), read_answers()
    read_all(path)  # its faults first, before those of the file that was filled in
    found = list(taken(read_table(file), answers))
    if faults := [each for each in found if isinstance(each, Fault)]:
        raise InputError(*faults)
    new = {key_of(each): each for each in found if not isinstance(each, Fault)}
    if not new:
        expected = f"`verdict` filled in: {', '.join(VALUES)}"
        raise ConfigError(Fault(str(file), "holds no verdict", expected))
    with alone(path):
        before = read_all(path)
        write_verdicts(path, merged(before, new.values()))
    earlier = {key_of(each): each for each in before}
    changed = sum(key in earlier and earlier[key] != each for key, each in new.items())
    added = sum(key not in earlier for key in new)
    told = f"{path}: {added} added, {changed} changed, {len(new) - added - changed} as before"
    entry.say("verdicts", f"{told}; `dvc repro` counts them")


def main(file: Path, name: str | None, blind: bool, back: bool) -> None:
    """Write cases, or take them back.

    Raises: ConfigError for flags that do not go together.
    """
    if not back:
        cases(name, file, blind)
        return
    if name or blind:
        flag = "--set" if name else "--blind"
        what = "says which cases are written; --take reads what the file holds"
        raise ConfigError(Fault(flag, what, "one of the two"))
    take(file)
