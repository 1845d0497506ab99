"""Print what generation, and the judge, would ask, cost and take, without asking anything."""

from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

from stages.core import entry
from stages.core.asking.budget import Budget
from stages.core.asking.dialogue import Dialogue
from stages.core.asking.entries import Entry
from stages.core.asking.estimate import dollars, summary, table
from stages.core.asking.exported import enough_for, entries
from stages.core.asking.journal import Journal, location
from stages.core.asking.opening import dialogue_of
from stages.core.asking.requests import lacking
from stages.core.asking.survey import survey
from stages.core.errors import Fault, InputError
from stages.core.jsonl import stream_rows
from stages.core.params import PATH, load
from stages.generate.__main__ import PARAMS
from tools import judging
from tools.check import check_recipe
from tools.recipe import RECIPES
from tools.show import aligned

REQUESTS, TRUTH = Path("data/requests.jsonl"), Path("data/truth.jsonl")
Requests = Callable[[], Iterator[dict[str, Any]]]


class Foreseen(Journal):
    """The journal as generate will find it: with the replies that the recipe ships.

    Nothing is written, and nobody is waited for: a run may be asking.
    """

    def __init__(self, path: Path, shipped: Path) -> None:
        super().__init__(path)
        self._shipped: dict[str, list[dict[str, Any]]] = {}
        for body in entries(shipped):
            if "reply" in body:
                self._shipped.setdefault(body["request"], []).insert(0, body)

    def has(self, name: str, max_tokens: int) -> bool:
        """Tell whether a question needs no asking."""
        shipped = self._shipped.get(name, ())
        return super().has(name, max_tokens) or any(max_tokens <= enough_for(of) for of in shipped)

    def entries(self, name: str) -> Iterator[Entry]:
        """Yield all entries of a question, the latest first."""
        for body in self._shipped.get(name, ()):
            if not super().has(name, enough_for(body)):
                yield Entry(name, body["max_tokens"], body["reply"], None, fresh=False)
        yield from super().entries(name)

    def names(self) -> Iterator[str]:
        """Yield the names of all that has a reply."""
        yield from {*super().names(), *self._shipped}


def project(
    journal: Journal, reask: int | None = None
) -> tuple[Requests, Dialogue, dict[str, Any]]:
    """Return the present requests (a way to read them anew), their dialogue and the parameters.

    reask: how many turns to follow, where it is not generate.reask
    Raises: ConfigError with every fault of params.yaml and the recipe; InputError when stage
    `prompt` has not run, or a line of its file is no request.
    """
    for path in (REQUESTS, TRUTH):
        if not path.exists():
            raise InputError(Fault(str(path), "there is no such file", then="dvc repro prompt"))
    params = load((*PARAMS, "recipe", "validate.schema"), PATH)
    check_recipe(PATH, RECIPES / str(params["recipe"]))
    if reask is not None:
        params["generate"]["reask"] = reask
    schema = RECIPES / params["recipe"] / params["validate"]["schema"]
    dialogue = dialogue_of(journal, REQUESTS, TRUTH, schema, params)
    lacking(REQUESTS, dialogue)
    return lambda: stream_rows(REQUESTS), dialogue, params


def tell(
    requests: Iterator[dict[str, Any]], dialogue: Dialogue, params: dict[str, Any], what: str
) -> None:
    """Print a row a teacher and, below it, the line that is said before asking.

    what: these requests are, for the budget
    """
    budget = Budget.of(params)
    found = survey(requests, dialogue, budget, params["teachers"], params["generate"])
    print(aligned(table(found)))
    print(f"\n{summary(found)}")
    if budget.limit_usd is not None:
        print(f"budget: {dollars(budget.limit_usd)} for all {what}")


def main() -> None:
    """Tell of generation; and of the judge, where there is one."""
    recipe = RECIPES / str(load(("recipe",), PATH)["recipe"])
    with closing(Foreseen(location(), recipe / "replies.jsonl")) as journal:
        journal.refresh()
        if load(("prompt.source",))["prompt"]["source"] is None:
            entry.say("estimate", "prompt.source is null: no teacher is asked, nothing is paid")
        else:
            requests, dialogue, params = project(journal)
            entry.say("estimate", f"of {REQUESTS}; `dvc repro prompt` brings it up to date\n")
            tell(requests(), dialogue, params, "replies to these requests")
        with judging.questions(journal) as judged:
            if isinstance(judged, list):
                missing = ", ".join(map(str, judged))
                told = f"the judge is not counted: it needs {missing} (dvc repro evaluate)"
                entry.say("\nestimate", told)
            elif judged is not None:
                asked, dialogue, params = judged
                entry.say("\nestimate", "of the judge, by the present answers and scores\n")
                tell(iter(asked), dialogue, params, "verdicts on these answers")
