"""The real recipes, rehearsed: look-alikes of the hub under the real ids, every stage by DVC.

The models and the data sets lie in a temporary cache under the pinned revisions (`conftest`), with
the hub switched off and no way to any network. The API is the offline teacher's server, which
answers whatever it is asked by the schema that it is sent. What differs from params.full.yaml
stands in ONLY_A_GPU_CAN and in `smaller`, and is numbers of steps, rows and tokens.
"""

import asyncio
import csv
import importlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from stages.core.asking.offline.server import Offline, serving
from stages.core.choices import chosen
from stages.core.digest import digest
from stages.core.jsonl import read_json, read_rows
from stages.core.lineage import verify
from stages.core.params import read_yaml

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]
RECIPES = sorted(path.parent.name for path in ROOT.glob("recipes/*/params.full.yaml"))
KEY = "sk-rehearsed-0123456789abcdef"
# The values of params.full.yaml that this machine cannot have, and what stands in.
ONLY_A_GPU_CAN = {"device": ({"cuda", "mps"}, "cpu")}
SEEDS, ROWS, SKILLED, TOKENS = 60, 120, 20, 8  # at most
# recipe: adapters and models of its full version; a Mac has no bitsandbytes
SIZES = {
    **{"dev_plans": (1, 2), "emoji": (2, 3), "finetome": (1, 2), "image_prompts": (1, 2)},
    **{"profiles": (2, 6), "reviews": (3, 4)},
}
ON_A_MAC = {"profiles"}
RATES = {"malformed": 0.25, "rate_limited": 0.05, "failing": 0.03, "cut": 0.02, "slow": 0.0,
         "slow_s": 0.0}  # fmt: skip
WARM = Path(__file__).with_name("warm.py")
Run = Callable[..., subprocess.CompletedProcess[str]]


def fitting(schema: dict[str, Any], words: str) -> Any:
    """Return a value that fits a JSON Schema, and differs with the words."""
    if "enum" in schema:
        return schema["enum"][int(digest(words), 16) % len(schema["enum"])]
    if "const" in schema:
        return schema["const"]
    match schema.get("type"):
        case "object":
            named = schema["properties"].items()
            return {key: fitting(one, f"{key} of {words}") for key, one in named}
        case "array":
            count = max(2, schema.get("minItems", 0))
            return [fitting(schema["items"], f"{at} of {words}") for at in range(count)]
        case "integer" | "number":
            return max(1, schema.get("minimum", 1))
        case "boolean":
            return True
        case "null":
            return None
    text = f"It says, in other words, {words}."
    text = (text * (1 + schema.get("minLength", 0) // len(text)))[: schema.get("maxLength")]
    assert re.search(schema.get("pattern", ""), text)
    return text


class Anyone(Offline):
    """A teacher who knows a record on every question: one that fits the schema that it is sent.

    schema: for a question without one
    """

    schema: dict[str, Any]

    def reply(self, asked: dict[str, Any]) -> dict[str, Any]:
        """Return the body of the answer to a request's body."""
        question = digest([asked["messages"], asked.get("seed")])
        form = asked.get("response_format")
        schema = form["json_schema"]["schema"] if form else self.schema
        limit = asked.get("max_tokens") or asked.get("max_completion_tokens")
        return self.answer(fitting(schema, question), question, asked["model"], limit)


@contextmanager
def teacher(rates: dict[str, float], schema: Path) -> Iterator[tuple[str, Offline]]:
    """Serve the offline teacher in a thread of its own; yield its base_url."""
    served = Anyone(rates, 13)
    served.schema = read_json(schema)
    loop, ready, url = asyncio.new_event_loop(), threading.Event(), ""
    done = asyncio.Event()

    async def serve() -> None:
        nonlocal url
        async with serving(served) as url:
            ready.set()
            await done.wait()

    thread = threading.Thread(target=lambda: loop.run_until_complete(serve()))
    thread.start()
    assert ready.wait(30)
    try:
        yield url, served
    finally:
        loop.call_soon_threadsafe(done.set)
        thread.join(30)
        loop.close()


@pytest.fixture(scope="session")
def run(hub: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    """Return what runs Python in a folder, with the look-alikes for the hub and no network.

    A stage runs in a fork of one interpreter that has imported torch and the rest (`warm`).
    """
    scratch = tmp_path_factory.mktemp("run")
    short = Path(tempfile.mkdtemp())  # the path of a socket has about 100 characters
    python = scratch / "bin" / "python"
    python.parent.mkdir()
    python.write_text(
        f'#!/bin/sh\nexec "{sys.executable}" -S -E "{WARM}" run "{short}/listening" "$@"\n'
    )
    python.chmod(0o755)
    nowhere = "http://127.0.0.1:9"
    environment = {name: value for name, value in os.environ.items() if not name.startswith("HF_")}
    environment |= {
        "PATH": f"{python.parent}{os.pathsep}{os.environ['PATH']}",
        "HF_HOME": str(hub),
        "HF_HUB_OFFLINE": "1",
        "HTTP_PROXY": nowhere, "HTTPS_PROXY": nowhere, "ALL_PROXY": nowhere,
        "http_proxy": nowhere, "https_proxy": nowhere, "all_proxy": nowhere,
        "NO_PROXY": "127.0.0.1,localhost", "no_proxy": "127.0.0.1,localhost",
        "OPENAI_API_KEY": KEY,
        "CUDA_VISIBLE_DEVICES": "",
        "DVC_NO_ANALYTICS": "1",
        "DVC_SITE_CACHE_DIR": str(scratch / "site"),
        "OMP_WAIT_POLICY": "PASSIVE",
        "TOKENIZERS_PARALLELISM": "false",
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_AUTHOR_NAME": "t", "GIT_AUTHOR_EMAIL": "t@example.org",
        "GIT_COMMITTER_NAME": "t", "GIT_COMMITTER_EMAIL": "t@example.org",
    }  # fmt: skip
    warm = subprocess.Popen([sys.executable, WARM, "serve", short / "listening"], env=environment)

    def run(words: list[str], project: Path) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            words, cwd=project, env=environment, capture_output=True, text=True, check=False
        )

    try:
        until = time.monotonic() + 120
        while not (short / "listening").exists():
            assert warm.poll() is None, "the interpreter that waits has ended"
            assert time.monotonic() < until, "the interpreter that waits took too long"
            time.sleep(0.2)
        yield run
    finally:
        warm.terminate()
        warm.wait(30)
        shutil.rmtree(short)


def dvc(run: Run, project: Path, *words: str) -> None:
    """Run DVC in a project; it must succeed."""
    done = run([sys.executable, "-P", "-m", "dvc", *words], project)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]


def smaller(params: dict[str, Any], url: str) -> dict[str, Any]:
    """Change how long it takes, what only a GPU can, and where the API is: nothing else."""
    for key, (there, here) in ONLY_A_GPU_CAN.items():
        assert params["compute"][key] in there
        params["compute"][key] = here
    params["compute"]["threads"] = 1
    for name, source in params["sources"].items():
        most = SEEDS if name == params["prompt"]["source"] else ROWS
        if isinstance(rows := source.get("rows"), int):
            source["rows"] = min(rows, most)
        elif isinstance(rows, dict):
            source["rows"] = {skill: min(count, SKILLED) for skill, count in rows.items()}
    for one in (*params["teachers"], *params["judge"]["teachers"]):
        if one["base_url"] != "offline":
            one["base_url"] = url
    for name, one in params["sets"].items():
        if name != params["evaluate"]["probes"]:
            one["cap"] = {"val": {"default": 4}, "test": {"default": 6}}
        for side in one.keys() & {"val", "test"}:  # of fewer rows a larger share: some are needed
            one[side] = max(one[side], 0.15) if one[side] else 0.0
        if "train_sample" in one:
            one["train_sample"] = 4
    for adapter in params["adapters"].values():
        sft = adapter["sft"]
        sft |= {"max_steps": 2, "eval_steps": 1, "warmup_steps": 0}
        sft |= {"save_steps": 1} if "save_steps" in sft else {}
        sft |= {"per_device_train_batch_size": 2, "gradient_accumulation_steps": 2}
    params["answer"]["max_new_tokens"] = TOKENS
    for section in ("ablation", "profile", "judge"):
        params[section]["rows"] = min(params[section]["rows"], 3)
    params["profile"]["samples"] = min(params["profile"]["samples"], 2)
    params["compare"]["resamples"] = 20
    return params


def copied(folder: Path) -> Path:
    """Copy what git tracks or would track, as a repository of its own."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    for name in filter(None, listed.stdout.split("\0")):
        if (ROOT / name).is_file() and not name.startswith(("metrics/", "dvc.lock", "tests/")):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / name, folder / name)
    return folder


def locked(project: Path) -> dict[str, dict[str, str]]:
    """Return the hash of every output of every stage that ran, as DVC has locked it."""
    stages = read_yaml(project / "dvc.lock")["stages"]
    return {
        name: {out["path"]: out.get("md5", "") for out in stage.get("outs", [])}
        for name, stage in stages.items()
    }


def test_the_recipes_that_are_rehearsed_are_all_there_are():
    assert sorted(path.parent.name for path in ROOT.glob("recipes/*/params.yaml")) == RECIPES
    assert sorted(SIZES) == RECIPES


@pytest.mark.parametrize("recipe", RECIPES)
def test_every_stage_of_the_full_recipe_runs(recipe: str, run: Run, tmp_path: Path):
    project = copied(tmp_path / "project")
    assert run(["git", "init", "--quiet"], project).returncode == 0
    with teacher(RATES, ROOT / "recipes" / recipe / "schema.json") as (url, served):
        params = smaller(read_yaml(ROOT / "recipes" / recipe / "params.full.yaml"), url)
        (project / "params.yaml").write_text(json.dumps(params))  # JSON is YAML
        dvc(run, project, "repro")
    assert (len(params["adapters"]), len(params["models"])) == SIZES[recipe]
    assert list(lacking(project, params)) == []
    check_teacher(project, params, sum(served.asked.values()))
    check_models(project, params, recipe)
    check_metrics(project, params)
    nothing_is_told(project)
    if recipe == "reviews":
        another_revision_is_refused(project, run)
    if recipe == "finetome":
        another_base_is_one_word(project, params, run)


def lacking(project: Path, params: dict[str, Any]) -> Iterator[str]:
    """Yield the outputs, sections, metrics and rows that are missing, as `make recipes` does."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(ROOT / "bench"))
        builds = importlib.import_module("builds")
    yield from builds.lacking(project, params)


def check_teacher(project: Path, params: dict[str, Any], asked: int) -> None:
    """Hold that an API was asked as often as the recipe has to, and answered."""
    requests = read_rows(project / "data" / "requests.jsonl")
    replies = read_rows(project / "data" / "replies.jsonl")
    assert len(replies) == len(requests)
    assert bool(requests) == (params["prompt"]["source"] is not None)
    judged = 2 * params["judge"]["rows"] * len(params["judge"]["pairs"])
    least = sum(request["teacher"] != "offline" for request in requests)
    least -= read_json(project / "metrics" / "costs" / "generate.json").get("found", 0)
    least += judged if params["judge"]["teachers"] else 0
    assert least <= asked <= 3 * least


def check_models(project: Path, params: dict[str, Any], recipe: str) -> None:
    """Hold what the model folders say of the base and of the stack."""
    models, base = project / "models", chosen(params["base"])
    assert not list((models / "base").glob("*.safetensors")), "gated weights would be pushed"
    template = (models / "base" / "chat_template.jinja").read_text()
    assert "strftime_now(" not in template
    assert base.get("chat_template", template) == template
    if base["id"].startswith("meta-llama/Llama-3.2"):
        assert "set date_string = '26 Jul 2024'" in template
    assert base["quantize"] == ("none" if recipe in ON_A_MAC else "4bit")
    chains: dict[str, list[str]] = {"base": []}
    ranks: dict[str, int] = {"base": 0}
    for adapter in params["adapters"].values():
        name, on = adapter["name"], adapter["on"]
        assert adapter["mode"] == "stack"
        chains[name] = [*chains[on], name]
        ranks[name] = ranks[on] + adapter["lora"]["r"]
    for name, chain in chains.items():
        manifest = read_json(models / name / "manifest.json")
        assert manifest["chain"] == ["base", *chain]
        for key in ("id", "revision", "dtype", "quantize"):
            assert manifest["base"][key] == base[key]
        if chain:
            config = read_json(models / name / "adapter_config.json")
            assert config["base_model_name_or_path"] == base["id"]
            assert config["revision"] == base["revision"]
            assert config["r"] == ranks[name]
            assert verify(models / "base", models / name) == manifest
            trained_and_light(models / name, name, chain)


def trained_and_light(model: Path, name: str, chain: list[str]) -> None:
    """Hold that an adapter learned something in every target, and that no weight is the base's."""
    from safetensors import safe_open

    with safe_open(model / "adapters" / name / "adapter_model.safetensors", "pt") as file:
        second = [key for key in file.keys() if "lora_B" in key]  # noqa: SIM118
        assert len(second) >= 7 * 2  # q, k, v, o, gate, up and down of each layer
        still = [key for key in second if not file.get_tensor(key).any()]
        assert not still, "it did not train"
    assert {path.name for path in (model / "adapters").iterdir()} == set(chain)
    for file in model.rglob("*.safetensors"):
        with safe_open(file, "pt") as opened:
            assert all(".lora_" in key for key in opened.keys()), file  # noqa: SIM118


def check_metrics(project: Path, params: dict[str, Any]) -> None:
    """Hold that every model answered, and that the summary and the curves are whole."""
    metrics = project / "metrics"
    pasted = {one["name"] for one in params["transcripts"].values()}
    for model in params["models"].values():
        answers = read_rows(project / "data" / "answers" / f"{model['name']}.jsonl")
        if model["name"] not in pasted:
            assert len(answers) > 15
            assert all(answer["reference_tokens"] > 0 for answer in answers)
        assert sum(bool(answer["text"].strip()) for answer in answers) > len(answers) // 2
    summary = read_json(metrics / "summary.json")
    summary.pop("alarms")
    trained = {adapter["name"] for adapter in params["adapters"].values()}
    assert summary.keys() == trained
    for told in summary.values():
        assert told["forgetting"].keys() == {"all", *params["evaluate"]["headline"]}
    with (metrics / "curves.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    mixes = project / "data" / "mix"
    assert {(row["model"], row["split"]) for row in rows} == {
        (name, split)
        for name in trained
        for split in ("train", "val")
        if read_rows(mixes / name / f"{split}.jsonl")  # 16 examples leave no val
    }
    assert "Traceback" not in (metrics / "report.md").read_text()


def nothing_is_told(project: Path) -> None:
    """Hold that no file has the key, and no file of a model or a metric the machine's paths."""
    files = [path for path in project.rglob("*") if path.is_file()]
    assert len(files) > 200
    for file in files:
        content = file.read_bytes()
        assert KEY.encode() not in content, f"{file} has the key"
        if file.relative_to(project).parts[0] in ("models", "metrics", "data"):
            assert str(project.parent).encode() not in content, f"{file} has a path"


def another_revision_is_refused(project: Path, run: Run) -> None:
    """Hold that a cache with another revision is not used in silence while the hub is away."""
    params = read_yaml(project / "params.yaml")
    [source, *_] = [one for one in params["sources"].values() if one and one["kind"] == "hub"]
    here, source["revision"] = source["revision"], "0" * 40
    (project / "params.yaml").write_text(json.dumps(params))
    words = ["-m", "stages.fetch", "--checked", "data/checked.json", "--sources", "elsewhere"]
    words += ["--files", f"recipes/{params['recipe']}/sources", "--metrics", "elsewhere.json"]
    done = run(["python", *words], project)
    assert done.returncode == 1
    assert f"the cache holds {source['path']} at {here}, not at {'0' * 40}" in done.stderr
    assert "Traceback" not in done.stderr


def another_base_is_one_word(project: Path, params: dict[str, Any], run: Run) -> None:
    """Hold that the base of 3B is one parameter, on old data."""
    assert chosen(params["base"])["id"] == "meta-llama/Llama-3.2-1B-Instruct"
    before = locked(project)
    for done in (["git", "add", "."], ["git", "commit", "--quiet", "-m", "1B"]):
        assert run(done, project).returncode == 0
    dvc(run, project, "exp", "run", "-S", "base.id=3b")
    after = locked(project)
    anew = {name for name in after if after[name] != before[name]}
    assert {"base", "train@finetome", "answer@base", "answer@finetome"} <= anew
    assert not anew & {"check", "fetch", "prompt", "generate", "validate", "split", "mix@finetome"}
    params["base"]["id"] = "3b"
    assert chosen(params["base"])["id"] == "meta-llama/Llama-3.2-3B-Instruct"
    check_models(project, params, "finetome")
    check_metrics(project, params)
