"""What may be wrong with the recipe's verdicts.jsonl, the answers judged by hand."""

from pathlib import Path

from stages.core.errors import Fault
from stages.core.verdicts import inspected


def check_verdicts(path: Path) -> list[Fault]:
    """Hold that the file is there and that every line of it is a verdict, each answer judged once.

    Whether a verdict still holds for what a model answers, only evaluate and report can tell.
    """
    if not path.is_file():
        what, expected = "there is no such file", "a file, blank while no answer is judged"
        return [Fault(str(path), what, expected, f"echo > {path}")]
    return inspected(path)[1]
