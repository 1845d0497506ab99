"""The judge's questions as they would be asked now: for `estimate`, and for `journal export`."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from stages.core.asking.dialogue import Dialogue
from stages.core.asking.journal import Journal
from stages.core.asking.opening import dialogue_of
from stages.core.jsonl import read_rows, write_rows
from stages.core.params import PATH, load
from stages.judge.__main__ import PARAMS, is_on
from stages.judge.comparisons import SCHEMA, comparisons, make, settings_of
from tools.check import check_recipe
from tools.recipe import RECIPES

ANSWERS, SCORES = Path("data/answers"), Path("data/scores")


def lacking(params: dict[str, Any]) -> list[Path]:
    """Return the files that the judge's questions are made from and that are not there."""
    models = dict.fromkeys(model for pair in params["judge"]["pairs"] for model in pair)
    files = [folder / f"{model}.jsonl" for model in models for folder in (ANSWERS, SCORES)]
    return [file for file in files if not file.exists()]


@contextmanager
def questions(
    journal: Journal, reask: int | None = None
) -> Iterator[tuple[list[dict[str, Any]], Dialogue, dict[str, Any]] | list[Path] | None]:
    """Yield the judge's requests, their dialogue and the parameters of the asking.

    reask: how many turns to follow, where it is not judge.reask
    Yields: None where the judge is switched off; the files that are missing, where some are
    Raises: ConfigError with every fault of params.yaml and the recipe.
    """
    params = load((*PARAMS, "recipe"), PATH)
    if not is_on(params["judge"]):
        yield None
        return
    recipe = RECIPES / str(params["recipe"])
    check_recipe(PATH, recipe)
    if missing := lacking(params):
        yield missing
        return
    if reask is not None:
        params["judge"]["reask"] = reask
    found = comparisons(ANSWERS, SCORES, params)
    requests, truths = make(found, recipe / params["judge"]["template"], params)
    with TemporaryDirectory() as folder:
        files = Path(folder, "requests.jsonl"), Path(folder, "truth.jsonl")
        write_rows(files[0], requests)
        write_rows(files[1], truths)
        settings = settings_of(params)
        yield read_rows(files[0]), dialogue_of(journal, *files, SCHEMA, settings), settings
