"""Answers to the same prompt by all models, what differs from the reference marked."""

from collections.abc import Iterator
from typing import Any, NamedTuple

from markupsafe import Markup

from stages.core.keys import KEYS
from stages.core.marks import has_code
from stages.core.records import Answer, Score
from stages.core.scores import arrow
from stages.core.sections import holds, is_trained, sets_of
from stages.core.visible import visible
from stages.report.build import Build
from stages.report.page.differences import comparable, pieces
from stages.report.page.frame import render
from stages.report.page.texts import Shown, excerpt, folded
from stages.report.probes import SEEN, ended, leading, marks

TITLE = "Answers side by side"
A_SECTION = 2  # so many rows of each
PROBES = 24  # so many at most
ROOM = 240_000  # characters of all texts together, so that the page stays one that a phone opens

AS_REFERENCE = "as the reference"


class Given(NamedTuple):
    """One model's answer: what is seen at a glance, its value of the leading key, the text.

    by:   who gave it and when, of a transcript
    seen: each with `better`, `worse` or nothing: how it is to be taken
    """

    model: str
    by: str
    seen: list[tuple[str, str]]
    value: float | None
    text: Shown | None


class Sample(NamedTuple):
    """One prompt with all answers.

    asked:  the beginning of the prompt
    values: of each key, a figure a model
    """

    skill: str
    row: str
    asked: str
    prompt: Shown
    reference: Shown
    key: str | None
    given: list[Given]
    values: dict[str, list[float | None]]


class Group(NamedTuple):
    """Samples of one kind: shown of so many; key: by which they were chosen."""

    name: str
    key: str | None
    of: int
    samples: list[Sample]


def answered(build: Build) -> dict[str, dict[str, Answer]]:
    """Return the answers by row: model -> its answer, models in their order."""
    rows: dict[str, dict[str, Answer]] = {}
    for model in build.names:
        for answer in build.answers[model]:
            rows.setdefault(answer["row"], {})[model] = answer
    return rows


def given(model: str, answer: Answer | None, score: Score | None, key: str | None) -> Given:
    """Return what is shown of one model's answer."""
    if answer is None:
        return Given(model, "", [("no answer", "worse")], None, None)
    reference, text = visible(answer["reference"]), visible(answer["text"])
    pasted = answer.get("pasted", {})
    by = ", ".join(pasted[part] for part in ("model", "date") if part in pasted)
    seen = [(mark, "better" if mark == AS_REFERENCE else "worse") for mark in marks(answer, score)]
    seen += [(f"its code: {verdict}", "worse") for verdict in ended(score)]
    value = score["values"].get(key) if score and key else None
    found = pieces(reference, text, code=has_code(reference))
    if found is None and text.strip():
        short = comparable(reference, text)
        why = "hardly anything of the reference" if short else "too long to be compared"
        seen.append((why, ""))
    shown = folded(text, found)
    return Given(model, by, seen, value, shown)


def sample(build: Build, row: str, by_model: dict[str, Answer], key: str | None) -> Sample:
    """Return one prompt with the answers of all models, and with all their values."""
    asked = next(iter(by_model.values()))
    scores = {model: build.scores[model].get(row) for model in build.names}
    valued = {model: score["values"] if score else {} for model, score in scores.items()}
    keys = sorted({each for values in valued.values() for each in values} - SEEN)
    return Sample(
        asked["skill"],
        row,
        excerpt(asked["prompt"]),
        folded(visible(asked["prompt"])),
        folded(visible(asked["reference"])),
        key,
        [given(model, by_model.get(model), scores[model], key) for model in build.names],
        {each: [values.get(each) for values in valued.values()] for each in keys if each in KEYS},
    )


def furthest(build: Build, name: str, key: str, rows: Any) -> list[str]:
    """Return the rows of a section on which the models differ, the furthest apart first.

    Of rows that are equally far apart the one comes first whose values are not among those of the
    rows before it, then the one with the smaller id.
    """
    section = build.sections[name]
    apart: dict[str, tuple[float, tuple[float, ...]]] = {}
    for row, by_model in rows.items():
        if not holds(section, next(iter(by_model.values()))):
            continue
        scores = [build.scores[model].get(row) for model in build.names]
        values = tuple(score["values"][key] for score in scores if score and key in score["values"])
        if len(values) > 1 and (spread := max(values) - min(values)) > 0:
            apart[row] = spread, values
    ordered = sorted(apart, key=lambda row: (-apart[row][0], row))
    seen: set[tuple[float, ...]] = set()
    first = [row for row in ordered if apart[row][1] not in seen and not seen.add(apart[row][1])]
    taken = set(first)
    rest = [row for row in ordered if row not in taken]
    return sorted(first + rest, key=lambda row: -apart[row][0])


def groups(build: Build) -> Iterator[Group]:
    """Yield the probes, then each section of test rows that has a key by row."""
    rows = answered(build)
    name = build.params["evaluate"]["probes"]
    probes = [row for row, of in rows.items() if next(iter(of.values()))["set"] == name]
    if probes:
        skills = {row: next(iter(rows[row].values()))["skill"] for row in probes}
        shown = [
            sample(build, row, rows[row], leading(build.sections, name, skills[row]))
            for row in probes[:PROBES]
        ]
        yield Group(name, None, len(probes), shown)
    taken = set(probes)
    for section_name, section in build.sections.items():
        if is_trained(section, build.sections) or len(sets_of(section)) > 1:
            continue
        key = section.get("primary", section["metrics"][0])
        ranked = furthest(build, section_name, key, rows)
        chosen = [row for row in ranked if row not in taken][:A_SECTION]
        taken.update(chosen)
        if chosen:
            samples = [sample(build, row, rows[row], key) for row in chosen]
            yield Group(section_name, key, len(ranked), samples)


def size(one: Sample) -> int:
    """Return how many characters a sample shows."""
    texts = [one.prompt, one.reference, *(each.text for each in one.given if each.text)]
    return sum(len(piece.text) for text in texts for piece in text.pieces)


def fitting(found: Iterator[Group]) -> list[Group]:
    """Return groups as far as there is room, the first sample of each before all others."""
    all_groups, room = list(found), ROOM
    kept: list[list[Sample]] = [[] for _ in all_groups]
    for at in range(max((len(group.samples) for group in all_groups), default=0)):
        for group, samples in zip(all_groups, kept, strict=True):
            if at < len(group.samples) and (room := room - size(group.samples[at])) >= 0:
                samples.append(group.samples[at])
    return [
        group._replace(samples=samples)
        for group, samples in zip(all_groups, kept, strict=True)
        if samples
    ]


def columns(models: int) -> int:
    """Return in how many columns so many answers stand: four at most, and rows of like length."""
    return next((count for count in (models, 3, 4) if count <= 4 and models <= 2 * count), 4)


def part(build: Build) -> Markup:
    """Return the part; nothing where no model answered anything."""
    found = fitting(groups(build))
    if not found:
        return Markup("")
    return render(
        "samples.html",
        groups=found,
        names=build.names,
        arrow=arrow,
        columns=columns(len(build.names)),
    )
