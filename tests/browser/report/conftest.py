"""report.html of a build in which every text that a model or a teacher wrote is hostile.

The figures are those that this commit holds (metrics/); answers, scores, rejects, verdicts and
manifests, which git does not hold, are made up here.
"""

import io
import os
import random
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Any

import pytest

from stages.core.jsonl import read_json, write_json, write_rows
from stages.core.params import read_yaml
from stages.core.proof import REASONS
from stages.report.__main__ import main

ROOT = Path(__file__).resolve().parents[3]
HOSTILE = read_json(ROOT / "tests/browser/hostile.json")
ROWS = 24


def cell(at: int) -> str:
    """Return a hostile text with words around it, so that no two rows are alike."""
    return f"row {at}: {HOSTILE[at % len(HOSTILE)]} and so on"


def answered(folder: Path, params: dict[str, Any], names: list[str]) -> None:
    """Write answers and scores of every model to rows of every set and skill that is scored."""
    chance = random.Random(7)
    asked = {}
    for section in params["evaluate"]["sections"].values():
        sets = section["set"] if isinstance(section["set"], list) else [section["set"]]
        for set_ in sets:
            asked.setdefault((set_, section.get("skill")), set()).update(section["metrics"])
    for name in names:
        answers, scores = [], []
        for (set_, skill), keys in sorted(asked.items(), key=str):
            for at in range(ROWS):
                known = {"model": name, "set": set_, "skill": skill or set_}
                known["row"] = f"{set_}-{skill}-{at}"
                texts = {"prompt": cell(at), "reference": cell(at + 1)}
                mine = cell(at + 1) if chance.random() < 0.3 else cell(at + 2 + names.index(name))
                mine = "" if at % 11 == 10 else mine
                end = chance.choice(("stop", "stop", "length"))
                answers.append({**known, **texts, "text": mine, "finish_reason": end})
                values = {key: round(chance.random(), 3) for key in sorted(keys)}
                scores.append({**known, "group": f"g{at % 8}", "values": values})
        write_rows(folder / f"data/answers/{name}.jsonl", answers)
        write_rows(folder / f"data/scores/{name}.jsonl", scores)


def quarantined(folder: Path) -> None:
    """Write rejects: one of every reason, and more of some."""
    rejects = [
        {
            "request": f"request-{at}",
            "reason": list(REASONS)[at % len(REASONS)],
            "detail": cell(at),
            "raw": None if at % 5 == 0 else f"{at:016x}",
            "text": None if at % 5 == 0 else cell(at),
            "best": {cell(at): [cell(at + 1)]} if at % 2 else None,
        }
        for at in range(2 * len(HOSTILE))
    ]
    write_rows(folder / "data/rejects.jsonl", rejects)
    data = read_json(folder / "metrics/data.json")
    data["rejected_by_reason"] = {
        reason: sum(reject["reason"] == reason for reject in rejects) for reason in REASONS
    }
    write_json(folder / "metrics/data.json", data | {"rejected": len(rejects)})


def manifested(folder: Path, params: dict[str, Any], names: list[str]) -> None:
    """Write every model's manifest, its system prompt a hostile one."""
    on = {adapter["name"]: adapter["on"] for adapter in params["adapters"].values()}
    base = {"source": "scratch", "id": None, "revision": None, "dtype": "float32"}
    base |= {"quantize": "none", "weights": "0" * 16, "chat_template": "1" * 64}
    for name in names:
        chain = [name]
        while chain[0] in on:
            chain.insert(0, on[chain[0]])
        told = {"name": name, "kind": "adapter" if name in on else "base", "chain": chain}
        told |= {"on": on.get(name), "base": base, "training_data": "2" * 64}
        told |= {"adapters": dict.fromkeys(chain[1:], "3" * 16)}
        told |= {"rows": {"trained": 300, "too_long": 0}, "portable": "sum"}
        told["contract"] = {"system": [{"rows": 3, "text": text} for text in HOSTILE]}
        write_json(folder / f"models/{name}/manifest.json", told)


def judged(folder: Path, params: dict[str, Any], names: list[str]) -> Path:
    """Write verdicts by hand whose notes are hostile, and return their file."""
    set_ = params["evaluate"]["probes"]
    verdicts = [
        {
            "row": f"{set_}-None-{at}",
            "set": set_,
            "prompt": cell(at),
            "model": name,
            "answer": cell(at + 2 + names.index(name)),
            "verdict": ("right", "partly", "wrong")[at % 3],
            "note": cell(at + 3),
        }
        for name in names
        for at in range(len(HOSTILE))
    ]
    file = folder / "recipes" / params["recipe"] / "verdicts.jsonl"
    write_rows(file, verdicts)
    return file


def flags(recipe: Path) -> list[str]:
    """Return the stage's flags, as dvc.yaml spells them."""
    command = read_yaml(ROOT / "dvc.yaml")["stages"]["report"]["cmd"]
    words = " ".join(command) if isinstance(command, list) else command
    return words.replace("recipes/${recipe}", recipe.as_posix()).split()[3:]


@pytest.fixture(scope="session")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the page's path."""
    folder = tmp_path_factory.mktemp("hostile")
    words = ["git", "archive", "HEAD", "metrics", "recipes", "params.yaml"]
    packed = subprocess.run(words, cwd=ROOT, check=True, capture_output=True).stdout
    with tarfile.open(fileobj=io.BytesIO(packed)) as tar:
        tar.extractall(folder, filter="data")
    shutil.copyfile(ROOT / "dvc.yaml", folder / "dvc.yaml")
    params = read_yaml(folder / "params.yaml")
    names = [model["name"] for model in params["models"].values()]
    answered(folder, params, names)
    quarantined(folder)
    manifested(folder, params, names)
    recipe = judged(folder, params, names).parent.relative_to(folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setattr(sys, "argv", ["report", *flags(recipe)])
        main()
    return folder / "report.html"


@pytest.fixture(scope="session")
def pages(hostile: Path) -> list[Path]:
    """Return the hostile page, and those that TUNEGRAPH_REPORTS names (paths, colons between)."""
    named = os.environ.get("TUNEGRAPH_REPORTS", "")
    return [hostile, *map(Path, filter(None, named.split(os.pathsep)))]
