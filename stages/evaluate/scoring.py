"""What each answer is worth by each key: the answers beside their rows, and the values found."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from itertools import chain, islice
from math import isfinite
from typing import Any

from stages.core.errors import ConfigError, Fault, InputError
from stages.core.keys import UNASKED
from stages.core.records import Answer, Row
from stages.core.scores import KEYS
from stages.core.sections import holds

WHERE = "params.yaml: evaluate.sections"
SLACK = 1e-5  # what float32 may leave the range by
Values = dict[str, dict[str, float]]  # answer id -> key -> value


def reference(row: Row) -> str:
    """Return what the row should have been answered with."""
    return row["messages"][-1]["content"]


@dataclass
class Scoring:
    """One model's answers beside the rows they answer, and the values found so far.

    answers:    by id, in the order of the file: the row's; of variations also variant and sample
    rows:       the test rows, by id
    sections:   `evaluate.sections`
    base:       row id -> the base's answer to it; empty for the base itself
    transcript: the answers were pasted from elsewhere
    values:     answer id -> key -> value
    judged:     answer id -> what a person said of exactly this text, 0 to 1
    verdicts:   answer id -> how its code ended, where it was run
    guards:     what held that code; empty where none was run
    """

    answers: dict[str, Answer]
    rows: dict[str, Row]
    sections: dict[str, dict[str, Any]]
    base: dict[str, str] = field(default_factory=dict)
    transcript: bool = False
    values: Values = field(default_factory=dict)
    judged: dict[str, float] = field(default_factory=dict)
    verdicts: dict[str, str] = field(default_factory=dict)
    guards: str = ""

    def row(self, answer: str) -> Row:
        """Return the row that an answer answers."""
        return self.rows[self.answers[answer]["row"]]

    def section_rows(self, section: dict[str, Any]) -> list[str]:
        """Return the ids of a section's answers."""
        return [at for at, answer in self.answers.items() if holds(section, answer)]

    def has(self, answer: str, need: str | None) -> bool:
        """Say whether an answer has what a key needs (`stages.core.keys.NEEDS`).

        What only the texts can tell (fields, text, words) is for the metric, which returns None.
        """
        if need == "reference":
            return bool(reference(self.row(answer)).strip())
        if need in ("keywords", "cases"):
            return bool(self.row(answer).get(need))
        if need == "base":
            return self.answers[answer]["row"] in self.base
        if need == "limit":
            return not self.transcript
        if need == "verdict":
            return answer in self.judged
        return need not in MEASURED or need in self.answers[answer]

    def asking(self, *keys: str, **said: str) -> list[str]:
        """Return the ids of the answers of all sections that ask for one of the keys.

        said: only sections that say this: `language="json"`; "" for those that say nothing
        Answers that lack what a key needs are left out.
        """
        wanted = {
            answer
            for section in self.sections.values()
            if set(keys) & set(section["metrics"])
            and all(section.get(what, "") == value for what, value in said.items())
            for answer in self.section_rows(section)
        }
        needs = {KEYS[key].needs for key in keys}
        return [at for at in self.answers if at in wanted and all(self.has(at, n) for n in needs)]

    def said(self, key: str, what: str) -> list[str]:
        """Return what the sections that ask for a key say of a setting (`language`)."""
        asking = (s for s in self.sections.values() if key in s["metrics"])
        return sorted({str(section.get(what, "")) for section in asking})

    def take(self, answers: list[str], found: dict[str, list[float | None]]) -> None:
        """Keep a metric's values; a None is an answer that the key does not apply to.

        Raises: InputError for a value that is no number of the key's range.
        """
        for key, values in found.items():
            low, high = (KEYS[key].low, KEYS[key].high) if key in KEYS else (0, float("inf"))
            for answer, value in zip(answers, values, strict=True):
                if value is None:
                    continue
                if not (isfinite(value) and low - SLACK <= value <= high + SLACK):
                    where = f"answer to row {self.answers[answer]['row']}: {key}"
                    what = f"comes out as {value}"
                    then = "look at this answer, and at the encoder where the key has one"
                    raise InputError(Fault(where, what, f"{low:g} to {high:g}", then))
                self.values.setdefault(answer, {})[key] = value

    def columns(self, answers: list[str]) -> dict[str, list[str]]:
        """Return predictions and references of the answers, as `evaluate` calls them."""
        return {
            "predictions": [self.answers[answer]["text"] for answer in answers],
            "references": [reference(self.row(answer)) for answer in answers],
        }

    def with_more(self, other: "Scoring") -> "Scoring":
        """Return both together, to be scored in one go; each side sees what is found."""
        other.values, other.verdicts = self.values, self.verdicts
        return replace(self, answers=self.answers | other.answers)


# What an answer itself must hold.
MEASURED = ("reference_nll", "reference_hits", "hidden_similarity")


def check_sections(sections: dict[str, dict[str, Any]], rows: Iterable[Row]) -> None:
    """Refuse what cannot be computed.

    Raises: ConfigError for an unknown key, a key that does not fit what the section says, one that
        no test row of the section can have, two languages over the same rows.
    """
    faults: list[Fault] = []
    taken: dict[tuple[str, str], str] = {}
    rows = list(rows)
    for name, section in sections.items():
        of_section = [row for row in rows if holds(section, row)]
        for key in section["metrics"]:
            faults += _faults(f"{WHERE}.{name}.metrics", key, section, of_section, taken)
    if faults:
        raise ConfigError(*faults)


def _faults(
    where: str,
    key: str,
    section: dict[str, Any],
    rows: list[Row],
    taken: dict[tuple[str, str], str],
) -> Iterator[Fault]:
    meaning = KEYS.get(key)
    if meaning is None or key in UNASKED:
        yield Fault(where, f"unknown metric {key!r}", ", ".join(sorted(KEYS.keys() - UNASKED)))
        return
    said = section.get("language")
    if meaning.languages and said not in meaning.languages:
        expected = f"language: {' or '.join(meaning.languages)}"
        yield Fault(where, f"{key} does not fit language {said}", expected)
        return
    if meaning.setting and not section.get(meaning.setting):
        yield Fault(where, f"{key} needs `{meaning.setting}` in its section", "ro, for example")
        return
    if rows and meaning.needs in ("keywords", "cases", "reference"):
        alone = Scoring(
            {row["id"]: {"row": row["id"]} for row in rows}, {r["id"]: r for r in rows}, {}
        )
        if not any(alone.has(row["id"], meaning.needs) for row in rows):
            yield Fault(where, f"no row has the {meaning.needs} that {key} needs")
    if meaning.setting:
        said = section[meaning.setting]
    elif not meaning.languages and key != "content_recall":
        return
    for row in rows:
        other = taken.setdefault((row["id"], key), str(said))
        if other != str(said):
            what = f"{key} is asked of the same rows as {other} and as {said}"
            yield Fault(where, what, "one language")
            break


def other_references(scoring: Scoring, answers: list[str]) -> list[str | None]:
    """Return, for each answer, the reference of another row of its set and skill.

    The next one by row id (round the end) whose reference differs; None where there is none. So it
    is the same for every model and in every run.
    """
    kin: dict[tuple[str, str], list[str]] = {}
    for _, whole in sorted(scoring.rows.items()):
        kin.setdefault((whole["set"], whole["skill"]), []).append(whole["id"])
    place = {row: at for family in kin.values() for at, row in enumerate(family)}
    references = {name: reference(row) for name, row in scoring.rows.items()}
    others: list[str | None] = []
    for answer in answers:
        row = scoring.row(answer)
        family, at = kin[(row["set"], row["skill"])], place[row["id"]]
        around = chain(islice(family, at + 1, None), islice(family, at))
        differing = (references[o] for o in around if references[o] != references[row["id"]])
        others.append(next(differing, None))
    return others
