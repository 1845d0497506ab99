"""What stayed without an answer, noted in the journal: a clone without a key builds the same.

Who has a key asks again. Who has none, and lacks nothing but what is noted here, goes on with the
errors of the run that noted them.
"""

import os
from collections.abc import Iterable
from typing import Any

from stages.core.asking.dialogue import Dialogue
from stages.core.asking.journal import Journal

BEYOND = "over_budget"


def noted(journal: Journal) -> dict[str, str]:
    """Return why questions had no answer when they were asked last, by their names."""
    told = (note["unanswered"] for note in journal.notes() if "unanswered" in note)
    return {each["question"]: each["error"] for each in told}


def note(requests: Iterable[dict[str, Any]], dialogue: Dialogue, errors: dict[str, str]) -> None:
    """Note why some requests have no answer; errors: by their ids."""
    before = noted(dialogue.journal)
    for request in requests:
        error = errors.get(request["id"])
        question = dialogue.pending(request) if error else None
        if question and before.get(question.name) != error:
            dialogue.journal.note({"unanswered": {"question": question.name, "error": error}})


def replayed(
    requests: Iterable[dict[str, Any]],
    dialogue: Dialogue,
    teachers: list[dict[str, Any]],
    settings: dict[str, Any],
) -> dict[str, str] | None:
    """Return the errors of the earlier run, by the requests' ids; None where asking is due.

    Asking is due as soon as one request lacks an answer whose teacher has a key here, or needs
    none, or was never asked for it. With `on_budget: continue` and a part that was left out for the
    budget, all that was not asked is of that part.
    """
    keyless = {each["name"] for each in teachers if (key := each.get("api_key_env"))
               and not os.environ.get(key)}  # fmt: skip
    before = noted(dialogue.journal) if keyless else {}
    if not before:
        return None
    rest = BEYOND in before.values() and settings["on_budget"] == "continue"
    errors = {}
    for request in requests:
        if question := dialogue.pending(request):
            error = before.get(question.name, BEYOND if rest else None)
            if error is None or request["teacher"] not in keyless:
                return None
            errors[request["id"]] = error
    return errors
