"""Tell every fault of the configuration at once, before anything runs."""

import os
import sys
from pathlib import Path
from typing import Any

from stages.check import faults, notices, warning
from stages.core import entry
from stages.core.errors import ConfigError, Fault
from stages.core.params import PATH, read_yaml
from tools.lines import with_lines
from tools.recipe import RECIPES, names
from tools.recipe import folder as recipe_folder

OFFLINE = "offline"
FULL = "params.full.yaml"


def check_recipe(file: Path, recipe: Path) -> None:
    """Check one params.yaml against one recipe's folder.

    Raises: ConfigError with every fault.
    """
    if found := faults(file, recipe):
        raise ConfigError(*found)


def lacking_keys(params: dict[str, Any], file: Path = PATH) -> list[Fault]:
    """Return a fault for each teacher whose API key is not in the environment.

    file: where the parameters stand

    A warning here: what the reply journal holds needs no key. `generate` refuses when it must ask.
    """
    return [
        Fault(
            f"{file}: teachers[{at}] ({teacher['name']})",
            f"the environment holds no {key}",
            "the key of an API, unless every reply is in the journal, or shipped, already",
            f"export {key}=...",
        )
        for at, teacher in enumerate(params["teachers"])
        if teacher["base_url"] != OFFLINE
        and teacher["weight"] > 0
        and (key := teacher.get("api_key_env")) is not None
        and not os.environ.get(key)
    ]


def folder_of(asked: str) -> Path:
    """Return a recipe's folder, by its path or its name.

    Raises: ConfigError with the recipe that was probably meant.
    """
    folder = Path(asked)
    if (folder / PATH).is_file() or (folder / FULL).is_file():
        return folder
    if folder.is_dir():
        what, then = "is no recipe: it has no params.yaml", "tunegraph recipe new NAME begins one"
        raise ConfigError(Fault(str(folder), what, then=then))
    return recipe_folder(folder.name)


def main(asked: str | None = None, full: bool = False) -> None:
    """Check params.yaml and the recipe that it names; or a recipe's folder, whatever is in use.

    full: the folder's params.full.yaml
    """
    if asked is None:
        check_used()
        return
    recipe = folder_of(asked)
    file = recipe / (FULL if full else PATH)
    if not file.exists():
        raise ConfigError(Fault(str(file), "there is no such file", "a recipe's parameters"))
    found = faults(file, recipe)
    found += misnamed(file, recipe)
    if found:
        raise ConfigError(*with_lines(found))
    params = read_yaml(file)
    for notice in [*lacking_keys(params, file), *notices(params, str(file))]:
        print(warning(notice), file=sys.stderr)
    entry.say("check", f"{file} and what it names hold no fault")


def misnamed(file: Path, recipe: Path) -> list[Fault]:
    """Return a fault where `recipe`, by which dvc.yaml finds the files, is another one."""
    try:
        params = read_yaml(file)
    except ConfigError:
        return []  # told already
    name, folder = params.get("recipe") if isinstance(params, dict) else None, recipe.resolve().name
    if not isinstance(name, str) or name == folder:
        return []
    what = f"{name!r} is another recipe than this folder's"
    return [Fault(f"{file}: recipe", what, "the folder's name", f"write recipe: {folder}")]


def check_used() -> None:
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
