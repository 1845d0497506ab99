"""Find the rows and requests that an id, the beginning of one, or a piece of text means."""

import json
import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from stages.core.errors import Fault, InputError
from stages.core.marks import words

DATA = Path("data")
SAID = ("replies", "rejects", "requests", "rows")
ID = re.compile(r"[0-9a-f]{4,16}")
MOST = 20  # matches that are listed
LONGEST = 70  # of a match's first words


class Match(NamedTuple):
    """What was found.

    kind: request, or row where no teacher was asked
    id:   of the request or of the row
    said: the text in which it was found, or what the request or row is about
    """

    kind: str
    id: str
    said: str


def lines(path: Path, needle: bytes = b"") -> Iterator[dict[str, Any]]:
    """Yield the lines of a JSON Lines file that hold a run of bytes; nothing of a missing file.

    Only these are parsed, and never more than one is held.
    Raises: InputError with file and line.
    """
    if not path.is_file():
        return
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            if needle in line and line.strip():
                try:
                    yield json.loads(line)
                except ValueError as error:
                    where = f"{path}:{number}"
                    raise InputError(Fault(where, f"not JSON in UTF-8: {error}")) from None


def spelled(text: str) -> bytes:
    """Return a text as it stands within a string of our files (`stages.core.jsonl`)."""
    return json.dumps(text, ensure_ascii=False)[1:-1].encode("utf-8", "surrogatepass")


def examples(sources: Iterable[str]) -> list[Path]:
    """Return the files that may hold rows of no teacher; the test rows last, where all else lacks.

    sources: the names of params.yaml
    """
    return [*(DATA / "sources" / f"{name}.jsonl" for name in sources), DATA / "test.jsonl"]


def as_match(line: dict[str, Any], said: str) -> Match:
    """Return what a line of data/ stands for: a row with a request is found by that."""
    if request := line.get("request"):
        return Match("request", request, said)
    kind = "request" if "seed" in line else "row"
    return Match(kind, line["id"], said)


def texts(line: dict[str, Any]) -> Iterator[str]:
    """Yield what a request asks, a reply and its earlier attempts say, a row's turns say."""
    yield from (message["content"] for message in line.get("messages", ()))
    if "messages" not in line and line.get("text"):
        yield line["text"]
    yield from (each["text"] for each in line.get("earlier", ()) if each.get("text"))


def first_words(text: str) -> str:
    """Return a text's beginning, on one line."""
    flat = " ".join(text.split())
    return flat if len(flat) <= LONGEST else flat[: LONGEST - 1] + "…"


def by_id(start: str, sources: list[str]) -> list[Match]:
    """Return what has an id that begins so: of a row, of a request, or of a request's seed."""
    found = []
    for file in (DATA / "requests.jsonl", DATA / "rows.jsonl", *examples(sources)):
        for line in lines(file, f'"{start}'.encode()):
            ids = [line.get("id"), line.get("request"), line.get("seed", {}).get("id")]
            if "messages" in line and any(name and name.startswith(start) for name in ids):
                said = line["messages"][0 if "seed" in line else -1]["content"]
                found.append(as_match(line, said))
    return found


def by_text(text: str, sources: list[str]) -> list[Match]:
    """Return what says a text: as a whole, else somewhere, else but for case and white space."""
    files = [DATA / f"{name}.jsonl" for name in SAID]
    files += examples(sources)
    flat = " ".join(text.split()).casefold()

    def search(needle: bytes, fits: Callable[[str], bool]) -> list[Match]:
        return [
            as_match(line, said)
            for file in files
            for line in lines(file, needle)
            for said in texts(line)
            if fits(said)
        ]

    return (
        search(spelled(text), lambda said: said == text)
        or search(spelled(text), lambda said: text in said)
        or (search(b"", lambda said: flat in " ".join(said.split()).casefold()) if flat else [])
    )


def nearest(text: str, sources: list[str]) -> Match | None:
    """Return what shares most words with a text, or None where nothing shares any."""
    asked = set(words(text))
    best, most = None, 0.0
    files = [DATA / f"{name}.jsonl" for name in SAID]
    for file in [*files, *examples(sources)]:
        for line in lines(file):
            for said in texts(line):
                theirs = set(words(said))
                shared = len(asked & theirs) / max(1, len(asked | theirs))
                if shared > most:
                    best, most = as_match(line, said), shared
    return best


def unique(matches: Iterable[Match]) -> list[Match]:
    """Return one match for each request or row, the first one."""
    seen: dict[tuple[str, str], Match] = {}
    for match in matches:
        seen.setdefault((match.kind, match.id), match)
    return list(seen.values())


def find(asked: str, sources: list[str]) -> list[Match]:
    """Return what an id, the beginning of one, or a text means; exactly one where it is clear.

    Raises: InputError when there is nothing like it, naming what comes nearest.
    """
    whole = asked.strip()
    if ID.fullmatch(whole):
        found = unique(by_id(whole, sources))
        if found:
            return found
    found = unique(by_text(asked, sources) or by_text(whole, sources)) if whole else []
    if found:
        return found
    built = [path for path in (DATA / "requests.jsonl", *examples(sources)) if path.is_file()]
    if not built:
        raise InputError(Fault("data", "nothing is built yet", then="make repro"))
    near = nearest(whole, sources)
    hint = f"the nearest: {near.id} ({first_words(near.said)})" if near else ""
    what = "no row, request or reply has this id or says this"
    raise InputError(Fault(repr(first_words(whole)), what, hint, "tunegraph explain <id or text>"))
