"""What a user can have got wrong, told so that the next step is plain.

    UserError             anything a user can mend; exit 1, no traceback
    ├── ConfigError       params.yaml, or a file of the recipe
    ├── InputError        a data file: broken UTF-8, broken JSON, a missing field
    ├── TeacherError      the API: no key, a refused account, an address that does not answer
    └── LineageError      a model that does not stand on what its manifest says

Everything else is a defect of TuneGraph and keeps its traceback.
"""

import re
from dataclasses import dataclass
from typing import Any

# What a terminal would act on, or what is no text: C0 but for line feed and tab, DEL, C1, the marks
# that turn the direction of writing, line separators, lone surrogates.
UNSEEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff]"
)


def visible(text: Any) -> str:
    r"""Return a text in which nothing moves a terminal: `\u001b`, `\u202e`; JSON stays JSON."""
    return UNSEEN.sub(lambda found: f"\\u{ord(found[0]):04x}", str(text))


@dataclass(frozen=True)
class Fault:
    """One thing that is wrong.

    where:    file and key, or file and line (`params.yaml: adapters.m2c.on`)
    what:     what is wrong, quoting the offender
    expected: what would have been right
    then:     what to do or type next
    """

    where: str
    what: str
    expected: str = ""
    then: str = ""

    def __str__(self) -> str:
        """Spell the fault on one line, and a line each for what was expected and what to do.

        What it quotes of a file, a column's name for one, does not move the terminal.
        """
        lines = [f"error: {self.where}: {self.what}"]
        if self.expected:
            lines.append(f"  expected: {self.expected}")
        if self.then:
            lines.append(f"  to do: {self.then}")
        return visible("\n".join(lines))


class UserError(Exception):
    """One or more faults, reported together."""

    def __init__(self, *faults: Fault) -> None:
        super().__init__(*faults)
        self.faults = faults

    def __str__(self) -> str:
        return "\n".join(str(fault) for fault in self.faults)


class ConfigError(UserError):
    """A fault of params.yaml or of a file of the recipe."""


class InputError(UserError):
    """A fault of a data file."""


class TeacherError(UserError):
    """A fault of the API, or of the account."""


class LineageError(UserError):
    """A model and its manifest disagree."""
