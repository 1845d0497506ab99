"""Which lines of data/ were added, removed, moved or changed between two builds.

Ids are digests of content, so a line that changed has another one. Two lines are the same thing in
two states when they have, in this order: the same id; the same question to a teacher (seed and
sample, whatever prompt, teacher or sampling it got: requests are joined first, and rows and rejects
by their request); the same prompt; the same group, or, of requests, group and sample. The last two
only where no other line that came or went has it. What has no other state was added or removed.
"""

import json
from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Iterable
from typing import Any, NamedTuple

from stages.core.errors import Fault, InputError


class Line(NamedTuple):
    """One line of a file: where it stands (a side of a split, or nothing) and what it says."""

    place: str
    value: dict[str, Any]


class Change(NamedTuple):
    """One thing in two states, and the names of what differs."""

    before: Line
    after: Line
    fields: list[str]


class Changes(NamedTuple):
    """What became of the lines of a kind.

    before, after: how many there were and are, by place
    moved:         same content at another place
    """

    before: Counter[str]
    after: Counter[str]
    added: list[Line]
    removed: list[Line]
    changed: list[Change]
    moved: list[Change]


# Returns what two states of a thing have in common, or None; the flag: of the state before.
Key = Callable[[Line, bool], Hashable | None]
Files = dict[str, tuple[str, bytes]]  # place -> path, content


def by_id(line: Line, before: bool) -> Hashable | None:
    """Return the id."""
    return line.value.get("id")


def by_prompt(line: Line, before: bool) -> Hashable | None:
    """Return all that the model is asked."""
    messages = line.value.get("messages")
    return tuple((each["role"], each["content"]) for each in messages[:-1]) if messages else None


def by_group(line: Line, before: bool) -> Hashable | None:
    """Return the group."""
    return line.value.get("group")


def by_seed(line: Line, before: bool) -> Hashable | None:
    """Return a request's seed and sample."""
    return line.value["seed"]["id"], line.value["sample"]


def by_seed_and_teacher(line: Line, before: bool) -> Hashable | None:
    """Return a request's seed, sample and teacher: several teachers may get the same seed."""
    return *by_seed(line, before), line.value["teacher"]  # type: ignore[misc]


def by_seed_group(line: Line, before: bool) -> Hashable | None:
    """Return the group of a request's seed, and the sample."""
    return line.value["seed"].get("group"), line.value["sample"]


def by_request(renamed: dict[str, str]) -> Key:
    """Return a key: the question that a line came from. renamed: its id before -> its id now."""

    def key(line: Line, before: bool) -> Hashable | None:
        request = line.value.get("request")
        return renamed.get(request, request) if before and request else request

    return key


def read(path: str, lines: Iterable[bytes], place: str) -> list[Line]:
    """Parse lines of a file.

    Raises: InputError when one is not JSON.
    """
    try:
        return [Line(place, json.loads(line)) for line in lines]
    except ValueError as error:
        raise InputError(Fault(path, f"not JSON in UTF-8: {error}", then="dvc repro")) from None


def apart(before: Files, after: Files) -> Changes:
    """Return the lines that one state alone has, as removed and added; no other is parsed."""
    counts: tuple[Counter[str], Counter[str]] = Counter(), Counter()
    removed: list[Line] = []
    added: list[Line] = []
    for place in [*before, *(place for place in after if place not in before)]:
        (one, old), (other, new) = before.get(place, ("", b"")), after.get(place, ("", b""))
        olds, news = ([each for each in text.split(b"\n") if each] for text in (old, new))
        counts[0][place], counts[1][place] = len(olds), len(news)
        if old != new:
            gone, come = Counter(olds), Counter(news)
            removed += read(one, (gone - come).elements(), place)
            added += read(other, (come - gone).elements(), place)
    return Changes(*counts, added, removed, [], [])


def differing(before: dict[str, Any], after: dict[str, Any]) -> list[str]:
    """Return the names of what differs: a row's messages are its prompt and its answer."""
    names = [name for name in {**before, **after} if name not in ("id", "set")]
    found = [name for name in names if before.get(name) != after.get(name)]
    if "messages" in found and "skill" in {**before, **after}:
        found.remove("messages")
        one, other = before.get("messages") or [None], after.get("messages") or [None]
        found += ["prompt"] * (one[:-1] != other[:-1]) + ["answer"] * (one[-1] != other[-1])
    return sorted(found)


def join(changes: Changes, sure: Iterable[Key], likely: Iterable[Key] = ()) -> Changes:
    """Pair what was removed with what was added: the two states of one thing.

    sure:   keys that only one thing has; equal ones are paired in their order
    likely: keys that others may have too: only where one line on either side has it
    """
    removed, added = list(changes.removed), list(changes.added)
    changed, moved = list(changes.changed), list(changes.moved)
    for key, alone in [*((key, False) for key in sure), *((key, True) for key in likely)]:
        there: dict[Hashable, list[Line]] = defaultdict(list)
        here: dict[Hashable, list[Line]] = defaultdict(list)
        for line in removed:
            there[key(line, True)].append(line)
        for line in added:
            here[key(line, False)].append(line)
        paired: set[int] = set()
        for name in there.keys() & here.keys():
            olds, news = there[name], here[name]
            if name is None or (alone and (len(olds) > 1 or len(news) > 1)):
                continue
            for old, new in zip(olds, news, strict=False):
                paired |= {id(old), id(new)}
                fields = differing(old.value, new.value)
                if old.place != new.place:
                    moved.append(Change(old, new, fields))
                if fields:
                    changed.append(Change(old, new, fields))
        removed = [line for line in removed if id(line) not in paired]
        added = [line for line in added if id(line) not in paired]
    return changes._replace(added=added, removed=removed, changed=changed, moved=moved)


def requests(before: Files, after: Files) -> Changes:
    """Return what became of the questions to the teachers."""
    keys = by_id, by_seed_and_teacher, by_seed
    return ordered(join(apart(before, after), keys, [by_seed_group]))


def renamed(changes: Changes) -> dict[str, str]:
    """Return the ids of requests before -> now, of those that are another now."""
    return {each.before.value["id"]: each.after.value["id"] for each in changes.changed}


def rows(before: Files, after: Files, names: dict[str, str]) -> Changes:
    """Return what became of rows. names: the requests' ids before -> now."""
    keys = by_id, by_request(names)
    return ordered(join(apart(before, after), keys, [by_prompt, by_group]))


def rejects(before: Files, after: Files, names: dict[str, str]) -> Changes:
    """Return what became of rejects. names: the requests' ids before -> now."""
    return ordered(join(apart(before, after), [by_request(names)]))


def name(line: Line) -> str:
    """Return what a line is called: its id, or a reject's request."""
    return str(line.value.get("id") or line.value.get("request"))


def ordered(changes: Changes) -> Changes:
    """Return the same, sorted by place and id: the same builds are told in the same words."""

    def of_line(line: Line) -> tuple[str, str]:
        return line.place, name(line)

    def of_change(change: Change) -> tuple[str, ...]:
        return *of_line(change.after), *of_line(change.before)

    return changes._replace(
        added=sorted(changes.added, key=of_line),
        removed=sorted(changes.removed, key=of_line),
        changed=sorted(changes.changed, key=of_change),
        moved=sorted(changes.moved, key=of_change),
    )
