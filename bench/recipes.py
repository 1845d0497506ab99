"""Build every recipe, each in a clone of its own, and tell what it costs and what comes out.

A clone of the working tree, uncommitted edits included, lies under .cache/recipes/<name>; this
checkout's params.yaml, data, models, metrics and dvc.lock stay as they are. What was built is in
its DVC cache, so that `make recipe NAME=<name> && make repro` restores it. Every stage runs and is
measured: its CPU-seconds, imports and DVC's own work included. Exits 1 where a build fails, lacks
something or takes more than 600 CPU-seconds without its base.

make recipes                        all of them
make recipes NAME="emoji profiles"
make recipes WRITE=1                puts what each printed into recipes/<name>/README.md
make recipes SHRUNKEN=1             a scratch base of a few steps: does every stage run?
"""

import argparse
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import chdir
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from builds import build, copied, lacking, use_shrunken
from fresh import ROOT

from stages.core.jsonl import read_json
from stages.core.params import read_yaml
from stages.core.progress import progress
from stages.core.scores import KEYS, arrow
from tools.show import ABSENT, aligned, number, summary_table, words

FOLDER = ROOT / ".cache" / "recipes"
SHRUNKEN = ROOT / ".cache" / "shrunken"
RECIPES = sorted(path.parent.name for path in ROOT.glob("recipes/*/params.yaml"))
MOST_CPU_S = 600  # without the base
SHRUNKEN_STEPS = 20
BEGIN, END = "<!-- build -->", "<!-- /build -->"
MOST_LINES = 60
LOG_LINES = 30


@dataclass(frozen=True)
class Built:
    """One build.

    wall_s, cpu_s: of all of it; base_cpu_s: of the stage `base`; faults: what is wrong with it
    """

    recipe: str
    clone: Path
    wall_s: float
    cpu_s: float
    base_cpu_s: float
    faults: tuple[str, ...]

    @property
    def rest_cpu_s(self) -> float:
        """CPU-seconds of all but the base."""
        return self.cpu_s - self.base_cpu_s


def build_one(recipe: str, shrunken: bool) -> Built:
    """Build a recipe in a clone of its own; a failure is among its faults."""
    clone = copied((SHRUNKEN if shrunken else FOLDER) / recipe, recipe, shared=not shrunken)
    if shrunken:
        use_shrunken(clone, SHRUNKEN_STEPS)
    meter = clone / ".cache" / "meter"
    try:
        lines = build(clone, meter)
    except subprocess.CalledProcessError as error:
        tail = (meter / "log").read_text(encoding="utf-8", errors="replace").splitlines()
        print("\n".join(tail[-LOG_LINES:]), flush=True)
        return Built(recipe, clone, 0.0, 0.0, 0.0, (f"{error}; see {meter / 'log'}",))
    faults = list(lacking(clone, read_yaml(clone / "params.yaml")))
    [base] = [line for line in lines if line["name"] == "base"]
    built = Built(recipe, clone, lines[-1]["wall_s"], lines[-1]["cpu_s"], base["cpu_s"], ())
    if built.rest_cpu_s > MOST_CPU_S:
        faults.append(f"{built.rest_cpu_s:.0f} CPU-seconds without the base, over {MOST_CPU_S}")
    return Built(recipe, clone, built.wall_s, built.cpu_s, built.base_cpu_s, tuple(faults))


def of_models(clone: Path, params: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Return model -> section -> key -> value, in the order of params.yaml."""
    names = [model["name"] for model in params["models"].values()]
    return {name: read_json(clone / "metrics" / "models" / f"{name}.json") for name in names}


def primary_figures(clone: Path) -> str:
    """Return the primary figure of the recipe's main section for each model: `own exact: ...`."""
    params = read_yaml(clone / "params.yaml")
    name = params["price"]["section"]
    key = params["evaluate"]["sections"][name]["primary"]
    told = of_models(clone, params)
    said = (f"{model} {number(of[name].get(key, ABSENT))}" for model, of in told.items())
    return f"{name} {key}: {', '.join(said)}"


def figures_table(models: dict[str, dict[str, Any]], evaluate: dict[str, Any]) -> str:
    """Return a row a primary metric or column of `evaluate.table`: key, arrow, n, each model.

    n is the rows that a model answered; from the fewest to the most where the models differ.
    """
    chosen = []
    for name, section in evaluate["sections"].items():
        wanted = {section.get("primary"), *_columns(evaluate, name)}
        chosen += [(name, key) for key in section["metrics"] if key in wanted]
    rows: list[Sequence[str]] = [["", "", "n", *models]]
    for name, key in chosen:
        counts = sorted({told.get(name, {}).get("n", 0) for told in models.values()})
        values = [number(told.get(name, {}).get(key, ABSENT)) for told in models.values()]
        n = "-".join(str(count) for count in dict.fromkeys((counts[0], counts[-1])))
        rows.append([f"{name}.{key}", arrow(key) if key in KEYS else "", n, *values])
    return aligned(rows)


def _columns(evaluate: dict[str, Any], section: str) -> set[str]:
    return {
        each.partition(".")[2] for each in evaluate["table"] if each.partition(".")[0] == section
    }


def block(built: Built) -> str:
    """Return what a recipe's README says of a build, as a fenced block between its two marks.

    Where it is long, what adapters higher up a stack are against the base is left to the report.
    """
    params = read_yaml(built.clone / "params.yaml")
    summary = read_json(built.clone / "metrics" / "summary.json")
    alarms = [name for name, raised in summary.pop("alarms", {}).items() if raised]
    with chdir(built.clone):
        told = list(words(params))
    parts = [
        f"CPU-seconds: {built.base_cpu_s:.0f} for the base, {built.rest_cpu_s:.0f} for all else\n",
        figures_table(of_models(built.clone, params), params["evaluate"]),
        "\n" + summary_table(summary) + "\n",
    ]
    end = [f"\nwarning: {', '.join(alarms)}; see the top of metrics/report.md"] if alarms else []
    text = "\n".join([*parts, *told, *end])
    if text.count("\n") >= MOST_LINES:
        text = "\n".join([*parts, *_beside_parents(told, params), *end])
    return f"{BEGIN}\n\n```\n{text}\n```\n\n{END}"


def _beside_parents(told: list[str], params: dict[str, Any]) -> Iterator[str]:
    """Yield the lines that set an adapter beside the model it stands on."""
    heads = {f"{one['name']} against {one['on']}" for one in params["adapters"].values()}
    shown = True
    for line in told:
        if not line.startswith(" "):
            shown = line in heads
        if shown:
            yield line
    yield "(each against the base: metrics/report.md)"


def written(page: str, told: str) -> str:
    """Return a README with what a build printed between its marks.

    Raises: ValueError unless both marks stand in it, once, in this order.
    """
    if page.count(BEGIN) != 1 or page.count(END) != 1 or page.index(BEGIN) > page.index(END):
        raise ValueError(f"README.md must have {BEGIN} and, below it, {END}, once each")
    return page[: page.index(BEGIN)] + told + page[page.index(END) + len(END) :]


def write(built: Built) -> str | None:
    """Put what a build printed into its recipe's README; return the fault, if there is one."""
    page = ROOT / "recipes" / built.recipe / "README.md"
    try:
        text = written(page.read_text(encoding="utf-8"), block(built))
    except ValueError as error:
        return f"{page.relative_to(ROOT)}: {error}"
    page.write_text(text, encoding="utf-8")
    return None


def report(builds: list[Built]) -> str:
    """Return the table: a row a recipe."""
    head = ("recipe", "wall s", "CPU s", "base", f"all else <= {MOST_CPU_S}", "")
    rows = [
        (
            built.recipe,
            *(f"{each:.0f}" for each in (built.wall_s, built.cpu_s, built.base_cpu_s)),
            f"{built.rest_cpu_s:.0f}",
            "FAILED" if built.faults else "ok",
        )
        for built in builds
    ]
    lines = aligned([head, *rows]).splitlines()
    told = ["", *("" if built.faults else primary_figures(built.clone) for built in builds)]
    return "\n".join(f"{line}  {text}".rstrip() for line, text in zip(lines, told, strict=True))


def parsed() -> argparse.Namespace:
    """Return the arguments; recipes are those that there are."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("recipes", nargs="*", metavar="RECIPE", help="which ones; all")
    parser.add_argument("--but", nargs="+", default=[], metavar="RECIPE", help="all but these")
    parser.add_argument("--write", action="store_true", help="put the figures into the READMEs")
    parser.add_argument("--shrunken", action="store_true", help="a scratch base of a few steps")
    args = parser.parse_args()
    if unknown := {*args.recipes, *args.but} - set(RECIPES):
        parser.error(f"no recipe {', '.join(sorted(unknown))}; there are {', '.join(RECIPES)}")
    if args.write and args.shrunken:
        parser.error("--write is for whole builds, not for shrunken ones")
    args.recipes = [name for name in args.recipes or RECIPES if name not in args.but]
    if not args.recipes:
        parser.error("no recipe is left")
    return args


def main() -> None:
    """Build, print a table, exit 1 where something is wrong."""
    args = parsed()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that what was started is ended
    builds, faults = [], []
    for recipe in progress(args.recipes, "recipes", "recipe"):
        built = build_one(recipe, args.shrunken)
        builds.append(built)
        faults += [f"{recipe}: {fault}" for fault in built.faults]
        if args.write and not built.faults and (fault := write(built)):
            faults.append(f"{recipe}: {fault}")
    print(report(builds))
    print("\n".join(faults), end="\n" if faults else "")
    print(f"{len(builds)} recipes built{' with a shrunken base' if args.shrunken else ''}, "
          f"{sum(bool(built.faults) for built in builds)} failed")  # fmt: skip
    sys.exit(bool(faults))


if __name__ == "__main__":
    main()
