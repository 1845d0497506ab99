"""Hold that the builds of the recipes reviews and emoji are what the project promises.

Run after `make repro` in a clone: params.yaml is the recipe's, the data stages have the hashes of
the committed dvc.lock, and the models' metrics and the build's CPU-seconds meet the figures below.
`--recipe emoji` after `make recipes NAME=emoji`: the same for the metrics of that clone.
"""

import argparse
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from stages.core.params import read_yaml

RECIPE = Path("recipes/reviews/params.yaml")
EMOJI = Path(".cache/recipes/emoji")
# The same on every machine: nothing in them depends on a float.
DATA_STAGES = ("check", "fetch", "prompt", "generate", "validate", "split")
DATA_FAMILIES = ("mix@",)
CPU_S = 900
# An element that fetches or runs, and an address that is no place of the page itself.
LOADS = re.compile(r'<(?:script|iframe|img|link|object|embed)\b|(?:src|href)="(?!#)')
Check = tuple[str, Any, str, bool]


def value(models: dict[str, Any], model: str, dotted: str) -> float:
    """Return one figure; a missing one is NaN, which meets no bound."""
    section, key = dotted.split(".")
    return models.get(model, {}).get(section, {}).get(key, float("nan"))


def at_least(models: dict[str, Any], model: str, key: str, bound: float) -> Check:
    """Return the check that a figure is not below a bound."""
    got = value(models, model, key)
    return (f"{model}: {key}", round(got, 4), f">= {bound:.4g}", got >= bound)


def at_most(models: dict[str, Any], model: str, key: str, bound: float) -> Check:
    """Return the check that a figure is not above a bound."""
    got = value(models, model, key)
    return (f"{model}: {key}", round(got, 4), f"<= {bound:.4g}", got <= bound)


def figures(
    models: dict[str, Any], base: str = "base", b: str = "2b", c: str = "2c"
) -> Iterator[Check]:
    """Yield (what, got, wanted, met) for the metrics of reviews."""
    for key in ("translation.exact", "sentiment.exact"):
        yield at_least(models, base, key, 0.95)
    yield at_least(models, base, "code.passes", 0.85)
    passes = value(models, base, "code.passes")
    yield at_most(models, b, "code.passes", passes / 2)
    yield at_least(models, c, "code.passes", 0.85 * passes)
    for model in (base, b, c):
        yield at_least(models, model, "code.n", 60)
    for key in ("own.parses", "own.schema_valid"):
        yield at_most(models, base, key, 0.1)
        yield at_least(models, b, key, 0.9)
        yield at_least(models, c, key, 0.9)
    yield at_least(models, b, "own.content_recall", 0.45)
    yield at_least(models, c, "own.content_recall", 0.40)
    for model in (b, c):
        above = value(models, model, "own.rouge_l") - value(models, model, "own.rouge_l_floor")
        yield (f"{model}: own.rouge_l above its floor", round(above, 4), ">= 0.1", above >= 0.1)


def emoji_figures(
    models: dict[str, Any], base: str = "base", first: str = "finetome", tuned: str = "emoji"
) -> Iterator[Check]:
    """Yield (what, got, wanted, met) for the metrics of emoji."""
    for model in (base, first, tuned):
        yield at_least(models, model, "naming_toned.n", 60)
        yield at_least(models, model, "chats.n", 60)
    for model in (base, first):
        for key in ("naming_toned.exact", "finding_toned.exact"):
            yield at_most(models, model, key, 0.05)
    yield at_least(models, first, "chats.rouge_l", 0.5)
    yield at_least(models, tuned, "naming_toned.exact", 0.5)
    yield at_least(models, tuned, "finding_toned.exact", 0.4)


def outs(lock: dict[str, Any]) -> dict[str, str]:
    """Return output -> hash of the data stages of a dvc.lock."""
    return {
        f"{stage}: {out['path']}": out["md5"]
        for stage, entry in lock["stages"].items()
        if stage in DATA_STAGES or stage.startswith(DATA_FAMILIES)
        for out in entry.get("outs", [])
        if not out["path"].startswith("metrics/costs/")
    }


def hashes(built: dict[str, Any], committed: dict[str, Any]) -> Iterator[Check]:
    """Yield a check for each output of the data stages."""
    new, old = outs(built), outs(committed)
    # A lock of nothing would agree with anything: fetch to split, and a mix for each adapter.
    yield ("data outputs in the committed dvc.lock", len(old), ">= 10", len(old) >= 10)
    for key in sorted(new.keys() | old.keys()):
        got, wanted = new.get(key, "absent"), old.get(key, "absent")
        yield (key, got[:12], f"= {wanted[:12]}", got == wanted)


def page_checks(page: str, models: dict[str, Any]) -> Iterator[Check]:
    """Yield the checks of report.html: it loads and runs nothing, and has the models' figures."""
    found = LOADS.findall(page)
    yield ("report.html: what loads or runs something", len(found), "= 0", not found)
    for model in models:
        shown = f"{value(models, model, 'own.content_recall'):.3f}"
        yield (f"report.html: {model}: own.content_recall", shown, "is there", shown in page)


def metrics_of(clone: Path) -> dict[str, Any]:
    """Return model -> section -> key -> value of a build."""
    files = (clone / "metrics" / "models").glob("*.json")
    return {path.stem: json.loads(path.read_text()) for path in files}


def checks(measured: Path | None) -> Iterator[Check]:
    """Yield every check of this clone."""
    same = Path("params.yaml").read_bytes() == RECIPE.read_bytes()
    yield ("params.yaml", "same" if same else "differs", f"= {RECIPE}", same)
    shown = subprocess.run(["git", "show", "HEAD:dvc.lock"], capture_output=True, check=True)
    before = Path(".cache/ci/dvc.lock")
    before.parent.mkdir(parents=True, exist_ok=True)
    before.write_bytes(shown.stdout)
    yield from hashes(read_yaml(Path("dvc.lock")), read_yaml(before))
    yield from figures(metrics_of(Path()))
    page = Path("report.html")
    yield from page_checks(page.read_text() if page.is_file() else "", metrics_of(Path()))
    if measured:
        cpu_s = json.loads(measured.read_text().splitlines()[-1])["cpu_s"]
        yield ("make repro, CPU-seconds", cpu_s, f"<= {CPU_S}", cpu_s <= CPU_S)


def main() -> None:
    """Print a line a check; exit 1 when one is not met."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--measured", type=Path, help="what bench/measure.py wrote")
    parser.add_argument("--recipe", choices=("reviews", "emoji"), default="reviews")
    args = parser.parse_args()
    if args.recipe == "emoji":
        found = list(emoji_figures(metrics_of(EMOJI)))
    else:
        found = list(checks(args.measured))
    for what, got, wanted, met in found:
        print(f"{'ok  ' if met else 'FAIL'}  {what}: {got} (wanted {wanted})")
    failed = sum(not met for *_, met in found)
    print(f"{len(found)} checks, {failed} failed")
    sys.exit(failed > 0)


if __name__ == "__main__":
    main()
