"""Measure each light stage, start to finish, in CPU-seconds, by dvc.yaml's own command lines.

They run in a scratch copy of this checkout, on what `dvc repro` has built here.
"""

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from fresh import ROOT

from tools.show import aligned

LIGHT = (
    *("check", "prompt", "validate", "split", "mix", "select", "compare", "ablate", "profile"),
    *("drift", "price"),
)
MOST_CPU_S = 1.0


def commands() -> list[tuple[str, str]]:
    """Return (stage, command line) of the light stages, as DVC resolves them."""
    from dvc.repo import Repo

    with Repo(str(ROOT)) as repo:
        stages = [(stage.addressing, stage.cmd) for stage in repo.index.stages]
    found = [(name, cmd) for name, cmd in stages if name.partition("@")[0] in LIGHT]
    if {name.partition("@")[0] for name, _ in found} != set(LIGHT):
        sys.exit(f"dvc.yaml lacks some of the light stages: {', '.join(LIGHT)}")
    return found


def cpu_s(command: str, at: Path) -> float:
    """Run a command line and return its CPU-seconds, those of its children included."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    process = subprocess.Popen(
        command, shell=True, cwd=at, env={**os.environ, "PATH": path}, stdout=subprocess.DEVNULL
    )
    _, status, used = os.wait4(process.pid, 0)
    if status:
        sys.exit(f"failed: {command}\nis everything built? dvc repro")
    return used.ru_utime + used.ru_stime


def main() -> None:
    """Measure, print, exit 1 above the limit."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=3, help="runs of each; the median counts")
    repeats = parser.parse_args().repeats
    rows, over = [], False
    with tempfile.TemporaryDirectory() as folder:
        scratch = Path(folder) / "copy"
        scratch.mkdir()
        for name in ("params.yaml", "dvc.yaml"):
            shutil.copyfile(ROOT / name, scratch / name)
        for name in ("stages", "recipes", "data", "metrics"):
            if not (ROOT / name).exists():
                sys.exit(f"there is no {name}/ here; dvc repro")
            shutil.copytree(ROOT / name, scratch / name)
        for stage, command in commands():
            runs = [cpu_s(command, scratch) for _ in range(repeats)]
            median = statistics.median(runs)
            over |= median > MOST_CPU_S
            rows.append((stage, f"{median:.2f}", f"{min(runs):.2f}", f"{max(runs):.2f}"))
    print(aligned([("stage", "CPU-s", "least", "most"), *rows]))
    print(f"at most {MOST_CPU_S:g} CPU-second each: {'no' if over else 'yes'}")
    sys.exit(over)


if __name__ == "__main__":
    main()
