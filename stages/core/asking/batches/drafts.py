"""The file of a batch while it is written: on disk, for it may be 200 MB."""

import json
import tempfile
from typing import IO, Any

from stages.core.asking.batches.api import ENDPOINT

MOST_QUESTIONS, MOST_BYTES = 50_000, 200_000_000  # of a file, by the API


def spell(name: str, body: dict[str, Any]) -> bytes:
    """Spell a question as a line.

    name: what the server calls its result; body: of the request that asks it live
    """
    asked = {"custom_id": name, "method": "POST", "url": ENDPOINT, "body": body}
    return json.dumps(asked, ensure_ascii=False).encode() + b"\n"


class Draft:
    """One file, of so many questions and bytes as a batch may have.

    names: of its questions, in their order
    """

    def __init__(self) -> None:
        self.file: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115  gone with the process
        self.names: list[str] = []

    def has_room(self, line: bytes) -> bool:
        """Tell whether a line fits."""
        return len(self.names) < MOST_QUESTIONS and self.file.tell() + len(line) <= MOST_BYTES

    def add(self, name: str, line: bytes) -> None:
        """Add a question."""
        self.file.write(line)
        self.names.append(name)
