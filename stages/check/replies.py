"""The replies that a recipe ships: every line is one that `tunegraph journal export` wrote."""

from pathlib import Path

from stages.core.asking.exported import checked
from stages.core.errors import Fault

THEN = "export it again, or take the line out; nothing is read from it until all lines are sound"


def check_replies(path: Path) -> list[Fault]:
    """Return what is wrong with each line of the replies that a recipe ships."""
    if not path.is_file():
        what = "there is no such file"
        expected = "replies to ship (tunegraph journal export), or an empty line"
        return [Fault(str(path), what, expected, f"echo > {path}")]
    return [each for each in checked(path, THEN) if isinstance(each, Fault)]
