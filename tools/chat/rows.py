"""The test rows of the build: examples to click, references, and which row a question is."""

from pathlib import Path
from typing import Any, NamedTuple

from stages.core.digest import canonical
from stages.core.errors import InputError
from stages.core.jsonl import read_rows
from stages.core.records import Message, Row

TEST, ANSWERS, RECIPES = Path("data/test.jsonl"), Path("data/answers"), Path("recipes")


class Asked(NamedTuple):
    """A row's question, apart: system prompt, earlier turns, the last user turn."""

    system: str | None
    before: list[Message]
    prompt: str


def asked_of(row: Row) -> Asked:
    """Take a row's question apart."""
    sent = row["messages"][:-1]
    first = sent[0] if sent and sent[0]["role"] == "system" else None
    return Asked(first and first["content"], sent[bool(first) : -1], sent[-1]["content"])


class Rows:
    """The test rows, by what they ask; and those that are shown as examples.

    examples: those of the set `evaluate.probes`; before anything was built, the recipe's own file
    """

    def __init__(self, params: dict[str, Any], root: Path) -> None:
        """Read them; what is not there yet is none.

        Raises: InputError for a file that is there and cannot be read.
        """
        self._answers = root / ANSWERS
        test = root / TEST
        rows: list[Row] = read_rows(test) if test.is_file() else []
        shown = (params.get("evaluate") or {}).get("probes")
        self.examples = [row for row in rows if shown is not None and row.get("set") == shown]
        if not self.examples:
            self.examples = shipped(params, shown, root)
        self.by_id: dict[str, Row] = {row["id"]: row for row in rows}
        self._by_question = {canonical(row["messages"][:-1]): row["id"] for row in reversed(rows)}

    def asking(self, messages: list[Message]) -> str | None:
        """Return the id of the test row that asks exactly this, system prompt included, or None."""
        return self._by_question.get(canonical(messages))

    def answered(self, model: str, row: str) -> str | None:
        """Return a model's present answer to a row (data/answers), or None."""
        path = self._answers / f"{model}.jsonl"
        if not path.is_file():  # an export's name, `exports/x`, is no model's
            return None
        try:
            found = read_rows(path)
        except InputError:  # a build writes it anew, or it broke: `evaluate` says what is wrong
            return None
        return next((each["text"] for each in found if each["row"] == row), None)


def shipped(params: dict[str, Any], shown: str | None, root: Path) -> list[Row]:
    """Return the probes as the recipe ships them, where that is one file of finished rows."""
    source = ((params.get("sets") or {}).get(shown) or {}).get("from")
    table = (params.get("sources") or {}).get(source) if isinstance(source, str) else None
    name = (table or {}).get("file")
    if not isinstance(name, str) or not name.endswith(".jsonl"):
        return []
    path = root / RECIPES / str(params["recipe"]) / "sources" / name
    rows = read_rows(path) if path.is_file() else []
    return [row | {"id": "", "set": shown} for row in rows if len(row.get("messages", [])) > 1]
