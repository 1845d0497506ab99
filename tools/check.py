"""Tell every fault of the configuration at once, before anything runs."""

import os
import sys
from pathlib import Path
from typing import Any

from stages.check import faults, notices, warning
from stages.core import entry
from stages.core.errors import ConfigError, Fault
from stages.core.params import PATH, read_yaml
from tools.recipe import RECIPES, names

OFFLINE = "offline"


def check_recipe(file: Path, recipe: Path) -> None:
    """Check one params.yaml against one recipe's folder.

    Raises: ConfigError with every fault.
    """
    if found := faults(file, recipe):
        raise ConfigError(*found)


def lacking_keys(params: dict[str, Any]) -> list[Fault]:
    """Return a fault for each teacher whose API key is not in the environment.

    A warning here: what the reply journal holds needs no key. `generate` refuses when it must ask.
    """
    return [
        Fault(
            f"params.yaml: teachers[{at}] ({teacher['name']})",
            f"the environment holds no {key}",
            "the key of an API, unless every reply is in the journal already",
            f"export {key}=...",
        )
        for at, teacher in enumerate(params["teachers"])
        if teacher["base_url"] != OFFLINE
        and teacher["weight"] > 0
        and (key := teacher.get("api_key_env")) is not None
        and not os.environ.get(key)
    ]


def main() -> None:
    """Check params.yaml and the recipe that it names."""
    params = read_yaml(PATH)
    name = params.get("recipe") if isinstance(params, dict) else None
    recipe = RECIPES / str(name)
    found = faults(PATH, recipe)
    if not recipe.is_dir():
        # The shape tells a name that is missing or no text; this tells one without a folder.
        found = [fault for fault in found if fault.where != str(recipe)]
        if isinstance(name, str):
            what = f"there is no recipe {name!r}"
            found = [Fault(f"{PATH}: recipe", what, f"one of: {', '.join(names())}"), *found]
    if found:
        raise ConfigError(*found)
    for notice in [*lacking_keys(params), *notices(params)]:
        print(warning(notice), file=sys.stderr)
    entry.say("check", f"{PATH} and {recipe} hold no fault")
