"""Switch between recipes: a recipe is a folder of data; params.yaml says which one is built."""

import difflib
import re
import shutil
import subprocess
from pathlib import Path

from stages.core import entry
from stages.core.errors import ConfigError, Fault
from stages.core.params import PATH, read_yaml

RECIPES = Path("recipes")
# What the graph writes. Another recipe's files there would be another recipe's numbers in a table.
BUILT = (Path("data"), Path("models"), Path("metrics"), Path("report.html"))
NAME = re.compile(r"[a-z][a-z0-9_-]*")
# What `new` begins with: small, and built in two minutes. NAME stands for the recipe's name in it.
TEMPLATE = Path(__file__).with_name("template")
PLACEHOLDER = "NAME"
README = """\
# {name}

Copied from `recipes/{source}`: say here what the data is, where it comes from, under which licence.

- `params.yaml`: all numbers of the embedded build; `tunegraph check recipes/{name}` explains what
  it refuses
- `sources/`: the seeds, tables and probes
- `prompts/`, `schema.json`: what the teacher is asked, and what an answer must be
- `overrides.jsonl`: records mended by hand; `replies.jsonl`, `verdicts.jsonl`: replies and verdicts
  that the recipe ships
"""


def names() -> list[str]:
    """Return the recipes that there are."""
    return sorted(path.parent.name for path in RECIPES.glob("*/params.yaml"))


def folder(name: str) -> Path:
    """Return a recipe's folder.

    Raises: ConfigError when there is no such recipe.
    """
    known = names()
    if name not in known:
        near = difflib.get_close_matches(name, known, 1)
        meant = f"; did you mean {near[0]!r}?" if near else ""
        raise ConfigError(
            Fault(
                str(RECIPES / name),
                f"there is no recipe {name!r}{meant}",
                f"one of: {', '.join(known)}",
                "tunegraph recipe list",
            )
        )
    return RECIPES / name


def committed() -> bytes | None:
    """Return params.yaml as the last commit has it, or None."""
    shown = subprocess.run(["git", "show", f"HEAD:./{PATH}"], capture_output=True, check=False)
    return shown.stdout if shown.returncode == 0 else None


def is_kept(content: bytes) -> bool:
    """Tell whether a params.yaml stands somewhere else too: in a recipe or in the last commit."""
    files = RECIPES.glob("*/params*.yaml")
    return any(content == file.read_bytes() for file in files) or content == committed()


def use(name: str, full: bool = False, force: bool = False) -> None:
    """Copy a recipe's parameters to the root and remove what the former recipe left behind.

    What was built stays in DVC's cache: switching back restores it.
    Raises: ConfigError when the recipe is unknown, or when edits of params.yaml would be lost.
    """
    source = folder(name) / ("params.full.yaml" if full else "params.yaml")
    if not source.exists():
        raise ConfigError(
            Fault(str(source), "this recipe has no full version", then=f"make recipe NAME={name}")
        )
    wanted = source.read_bytes()
    present = PATH.read_bytes() if PATH.exists() else wanted
    if PATH.exists() and present == wanted:
        entry.say("recipe", f"params.yaml is {source} already; nothing changed")
        return
    if not force and not is_kept(present):
        active = read_yaml(PATH).get("recipe", name)
        raise ConfigError(
            Fault(
                str(PATH),
                "it has edits that no recipe and no commit holds; they would be lost",
                then=f"keep them with `cp params.yaml recipes/{active}/params.yaml` or "
                "`git commit params.yaml`, or drop them with "
                f"`tunegraph recipe use {name}{' --full' if full else ''} --force`",
            )
        )
    temporary = PATH.with_name(".params.yaml.new")
    temporary.write_bytes(wanted)  # a full disk shows here, before anything is removed
    for built in BUILT:
        if built.is_dir() and not built.is_symlink():
            shutil.rmtree(built)
        else:
            built.unlink(missing_ok=True)
    temporary.replace(PATH)
    entry.say("recipe", f"params.yaml is {source} now; `make repro` (or `dvc repro`) builds it")


def list_all() -> None:
    """Print the recipes: which is in use, which has a full version."""
    present = PATH.read_bytes() if PATH.exists() else None
    active = read_yaml(PATH).get("recipe") if present else None
    for name in names():
        notes = []
        full = RECIPES / name / "params.full.yaml"
        if full.exists():
            notes.append("has a full version (FULL=1)")
        if name == active:
            own = {(RECIPES / name / "params.yaml"): "in use", full: "in use, the full version"}
            same = [
                note for file, note in own.items() if file.exists() and present == file.read_bytes()
            ]
            notes.append(same[0] if same else "in use, with edits")
        print(f"{name}{': ' if notes else ''}{'; '.join(notes)}")


def new(name: str, source: str | None = None) -> None:
    """Begin a recipe which passes `tunegraph check`: a small one, or a copy of another one.

    source: the recipe to copy
    Raises: ConfigError for a name that cannot be one, or that is taken.
    """
    from tools.check import check_recipe

    origin = folder(source) if source else TEMPLATE
    target = RECIPES / name
    if not NAME.fullmatch(name):
        raise ConfigError(
            Fault(
                f"recipe new {name}",
                "cannot be a recipe's name",
                "a-z, 0-9, _ and -, a letter first",
            )
        )
    if target.exists():
        raise ConfigError(Fault(str(target), "is there already", then="choose another name"))
    shutil.copytree(origin, target, ignore=shutil.ignore_patterns("__pycache__", ".*"))
    if source:
        rename(target, name, source)
    else:
        for file in (target / PATH, target / "README.md"):
            text = file.read_text(encoding="utf-8").replace(PLACEHOLDER, name)
            file.write_text(text, encoding="utf-8")
    check_recipe(target / PATH, target)
    begun = f"a copy of {origin}" if source else "a small recipe"
    entry.say("recipe", f"{target} is {begun} and passes the checks; make it yours, then")
    for line in (f"check {target}", f"recipe use {name}"):
        print(f"  tunegraph {line}")
    print("  dvc repro")


def rename(target: Path, name: str, source: str) -> None:
    """Give a copied recipe its own name, a README to fill in, and no figures of the other one."""
    for file in target.glob("params*.yaml"):
        text = file.read_text(encoding="utf-8")
        text = re.sub(r"^recipe:.*$", f"recipe: {name}", text, count=1, flags=re.MULTILINE)
        text = re.sub(rf"\brecipe `{re.escape(source)}`", f"recipe `{name}`", text)
        text = text.replace(f"recipe use {source}", f"recipe use {name}")
        file.write_text(text, encoding="utf-8")
    (target / "noise.json").write_text("{}\n", encoding="utf-8")
    (target / "README.md").write_text(README.format(name=name, source=source), encoding="utf-8")
