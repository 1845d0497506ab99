"""The real recipes, rehearsed: look-alikes of the hub under the real ids, every stage by DVC.

The hub's model is a tiny Llama with Llama 3's special tokens, chat template and config fields; its
data sets have the real columns and splits; both lie in a temporary cache under the pinned
revisions, with the hub switched off. The API is the offline teacher's server, which answers
whatever it is asked. Only device, step counts and row counts differ from params.full.yaml.
"""

import asyncio
import csv
import json
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from stages.core.jsonl import read_json, read_rows
from stages.core.params import read_yaml
from stages.generate.offline.server import Offline, serving

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[1]
RECIPES = sorted(path.parent.name for path in ROOT.glob("recipes/*/params.full.yaml"))
# Llama 3.2's own, but for the parts on tools: the system prompt has today's date, if it can.
TEMPLATE = """\
{{- bos_token }}
{%- if not date_string is defined %}
    {%- if strftime_now is defined %}
        {%- set date_string = strftime_now("%d %b %Y") %}
    {%- else %}
        {%- set date_string = "26 Jul 2024" %}
    {%- endif %}
{%- endif %}
{%- if messages[0]['role'] == 'system' %}
    {%- set system_message = messages[0]['content']|trim %}
    {%- set messages = messages[1:] %}
{%- else %}
    {%- set system_message = "" %}
{%- endif %}
{{- "<|start_header_id|>system<|end_header_id|>\\n\\n" }}
{{- "Cutting Knowledge Date: December 2023\\n" }}
{{- "Today Date: " + date_string + "\\n\\n" }}
{{- system_message }}
{{- "<|eot_id|>" }}
{%- for message in messages %}
    {{- '<|start_header_id|>' + message['role'] + '<|end_header_id|>\\n\\n' }}
    {{- message['content'] | trim + '<|eot_id|>' }}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|start_header_id|>assistant<|end_header_id|>\\n\\n' }}
{%- endif %}
"""
TOKENS = ["<|begin_of_text|>", "<|end_of_text|>", "<|start_header_id|>", "<|end_header_id|>"]
TOKENS += ["<|eom_id|>", "<|eot_id|>"]


def sentences(count: int) -> list[str]:
    """Return texts that no near-duplicate filter takes for one another."""
    words = ("film", "plot", "actor", "score", "scene", "ending", "camera", "script", "hero")
    return [
        " ".join(f"{words[(at * step + step * step) % 9]}{at}" for step in range(9))
        for at in range(count)
    ]


def look_alike_rows(path: str) -> list[dict[str, Any]]:
    """Return rows with the columns of a data set of the hub."""
    match path:
        case "stanfordnlp/imdb":
            return [{"text": f"{text}.<br /><br />Fine.", "label": 0} for text in sentences(200)]
        case "flytech/python-codes-25k":
            return [
                {
                    "output": f"```python\nprint('{text}')\n```",
                    "text": f"{text} {text}",
                    "instruction": f"Help me print {text}",
                    "input": "",
                }
                for text in sentences(200)
            ] * 2  # it holds each row twice
    raise AssertionError(f"write a look-alike of {path}, with its real columns")


def put_data_set(home: Path, source: dict[str, Any], scratch: Path) -> None:
    """Put a look-alike of a data set where `datasets` keeps what it loaded from the hub."""
    from datasets import Dataset
    from datasets.packaged_modules.parquet.parquet import Parquet

    file = scratch / "rows.parquet"
    Dataset.from_list(look_alike_rows(source["path"])).to_parquet(file)
    owner, name = source["path"].split("/")
    cache = scratch / "prepared"
    builder = Parquet(
        cache_dir=str(cache),
        dataset_name=name,
        config_name="default",
        hash=source["revision"],
        data_files={source["split"]: str(file)},
    )
    builder.download_and_prepare()
    [prepared] = (cache / name).iterdir()
    shutil.copytree(prepared, home / "datasets" / f"{owner}___{name}" / "default")


def put_model(home: Path, name: str, revision: str) -> None:
    """Put a tiny look-alike of Llama 3.2 where `huggingface_hub` keeps what it fetched."""
    import torch
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import GenerationConfig, LlamaConfig, LlamaForCausalLM
    from transformers import PreTrainedTokenizerFast as Fast

    repository = home / "hub" / f"models--{name.replace('/', '--')}"
    snapshot = repository / "snapshots" / revision
    snapshot.mkdir(parents=True)
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text(revision)

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    trainer = trainers.BpeTrainer(
        vocab_size=700, special_tokens=TOKENS, initial_alphabet=alphabet, show_progress=False
    )
    tokenizer.train_from_iterator(sentences(200), trainer)
    wrapped = Fast(tokenizer_object=tokenizer, bos_token=TOKENS[0], eos_token="<|eot_id|>")
    wrapped.chat_template = TEMPLATE
    wrapped.save_pretrained(snapshot)
    told = read_json(snapshot / "tokenizer_config.json")
    told |= {"tokenizer_class": "PreTrainedTokenizerFast", "clean_up_tokenization_spaces": True}
    told |= {"model_input_names": ["input_ids", "attention_mask"], "model_max_length": 131072}
    (snapshot / "tokenizer_config.json").write_text(json.dumps(told))

    ends = [TOKENS.index(token) for token in ("<|end_of_text|>", "<|eom_id|>", "<|eot_id|>")]
    torch.manual_seed(0)
    scaling = {"factor": 32.0, "high_freq_factor": 4.0, "low_freq_factor": 1.0}
    model = LlamaForCausalLM(
        LlamaConfig(
            vocab_size=len(wrapped), hidden_size=64, intermediate_size=128, num_hidden_layers=2,
            num_attention_heads=4, num_key_value_heads=2, head_dim=32, tie_word_embeddings=True,
            max_position_embeddings=131072, bos_token_id=0, eos_token_id=ends,
            rope_parameters={
                "rope_type": "llama3", "rope_theta": 500000.0, **scaling,
                "original_max_position_embeddings": 8192,
            },
        )
    ).to(torch.bfloat16)  # fmt: skip
    model.generation_config = GenerationConfig(
        bos_token_id=0, eos_token_id=ends, do_sample=True, temperature=0.6, top_p=0.9
    )
    model.save_pretrained(snapshot)


class Anything(dict):
    """The truth on every question: what a teacher of the real API would know."""

    def __contains__(self, question: object) -> bool:
        return True

    def __missing__(self, question: str) -> dict[str, Any]:
        return {
            "agree": f"I agree with every point of review {question}.",
            "disagree": f"I cannot agree with review {question} on any point.",
        }


@contextmanager
def teacher(rates: dict[str, float]) -> Iterator[tuple[str, Offline]]:
    """Serve the offline teacher in a thread of its own; yield its base_url."""
    served = Offline(rates, 13)
    served.records = Anything()
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


def smaller(params: dict[str, Any], url: str) -> dict[str, Any]:
    """Change what decides how long it takes, and where the API is: nothing else."""
    params["compute"] |= {"device": "cpu", "threads": 1}
    params["sources"]["seeds"]["rows"] = 60
    for one in params["teachers"]:
        one["base_url"] = url
    for name, one in params["sets"].items():
        if name != "probes":
            one["cap"] = {"val": {"default": 4}, "test": {"default": 6}}
    for adapter in params["adapters"].values():
        adapter["sft"] |= {"max_steps": 2, "eval_steps": 1, "warmup_steps": 0}
        adapter["sft"] |= {"per_device_train_batch_size": 2, "gradient_accumulation_steps": 2}
    params["answer"]["max_new_tokens"] = 8
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
    subprocess.run(["git", "init", "--quiet"], cwd=folder, check=True)
    return folder


def outputs(folder: Path) -> list[str]:
    """Return every output of every stage that ran, as DVC has locked it."""
    lock = read_yaml(folder / "dvc.lock")["stages"]
    return [out["path"] for stage in lock.values() for out in stage["outs"]]


def test_the_recipes_that_are_rehearsed_are_all_there_are():
    assert RECIPES == ["reviews"]


@pytest.mark.parametrize("recipe", RECIPES)
def test_every_stage_of_the_full_recipe_runs(recipe: str, tmp_path: Path):
    home = tmp_path / "hub-home"
    project = copied(tmp_path / "project")
    with teacher({"malformed": 0.25, "rate_limited": 0.05, "failing": 0.03, "slow": 0.0,
                  "cut": 0.02, "slow_s": 0.0}) as (url, served):  # fmt: skip
        params = smaller(read_yaml(ROOT / "recipes" / recipe / "params.full.yaml"), url)
        hub = [one for one in params["sources"].values() if one and one["kind"] == "hub"]
        assert hub
        for number, source in enumerate(hub):
            (tmp_path / f"scratch{number}").mkdir()
            put_data_set(home, source, tmp_path / f"scratch{number}")
        put_model(home, params["base"]["id"], params["base"]["revision"])
        (project / "params.yaml").write_text(json.dumps(params))  # JSON is YAML
        done = run(["-P", "-m", "dvc", "repro"], project, home, tmp_path)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert 60 <= sum(served.asked.values()) <= 200

    made = outputs(project)
    # 10 single stages; mix, train and compare for 2 adapters, answer and evaluate for 3 models.
    assert len(read_yaml(project / "dvc.lock")["stages"]) == 10 + 3 * 2 + 2 * 3
    assert len(made) > 30
    for path in made:
        assert (project / path).exists(), f"{path} is missing"
    assert len(read_rows(project / "data" / "replies.jsonl")) == 60
    check_models(project, params)
    for name in ("base", "2b", "2c"):
        answers = read_rows(project / "data" / "answers" / f"{name}.jsonl")
        assert len(answers) > 15
        metrics = read_json(project / "metrics" / "models" / f"{name}.json")
        assert metrics.keys() == params["evaluate"]["sections"].keys()
    summary = read_json(project / "metrics" / "summary.json")
    assert summary.pop("alarms").keys() == {"clustered"}
    assert summary.keys() == {"2b", "2c"}
    for told in summary.values():
        assert told["forgetting"].keys() == {"all", *params["evaluate"]["headline"]}
    with (project / "metrics" / "curves.csv").open(encoding="utf-8") as file:
        assert {row["model"] for row in csv.DictReader(file)} == {"2b", "2c"}
    another_revision_is_refused(project, home, tmp_path)


def another_revision_is_refused(project: Path, home: Path, scratch: Path) -> None:
    """Hold that a cache with another revision is not used in silence while the hub is away."""
    params = read_yaml(project / "params.yaml")
    [source, *_] = [one for one in params["sources"].values() if one and one["kind"] == "hub"]
    here, source["revision"] = source["revision"], "0" * 40
    (project / "params.yaml").write_text(json.dumps(params))
    words = ("-m", "stages.fetch", "--checked", "data/checked.json", "--sources", "elsewhere")
    files = ("--files", f"recipes/{params['recipe']}/sources")
    done = run([*words, *files], project, home, scratch)
    assert done.returncode == 1
    assert f"the cache holds {source['path']} at {here}, not at {'0' * 40}" in done.stderr
    assert "Traceback" not in done.stderr


def run(
    words: list[str], project: Path, home: Path, scratch: Path
) -> subprocess.CompletedProcess[str]:
    """Run Python with the look-alikes for the hub, and with no way to the real one."""
    python = scratch / "bin" / "python"
    python.parent.mkdir(exist_ok=True)
    python.write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    python.chmod(0o755)
    environment = {name: value for name, value in os.environ.items() if not name.startswith("HF_")}
    environment |= {
        "PATH": f"{python.parent}{os.pathsep}{os.environ['PATH']}",
        "HF_HOME": str(home),
        "HF_HUB_OFFLINE": "1",
        "OPENAI_API_KEY": "dummy",
        "CUDA_VISIBLE_DEVICES": "",
        "DVC_NO_ANALYTICS": "1",
        "DVC_SITE_CACHE_DIR": str(scratch / "site"),
        "OMP_WAIT_POLICY": "PASSIVE",
    }
    return subprocess.run(
        [sys.executable, *words],
        cwd=project, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip


def check_models(project: Path, params: dict[str, Any]) -> None:
    """Hold what the model folders say of the base and of the stack."""
    models, base = project / "models", params["base"]
    assert not list((models / "base").glob("*.safetensors")), "gated weights would be pushed"
    template = (models / "base" / "chat_template.jinja").read_text()
    assert "strftime_now(" not in template
    assert "set date_string = '26 Jul 2024'" in template
    for name, chain in {"base": [], "2b": ["2b"], "2c": ["2b", "2c"]}.items():
        manifest = read_json(models / name / "manifest.json")
        assert manifest["chain"] == ["base", *chain]
        assert manifest["base"]["quantize"] == base["quantize"] == "4bit"
        assert manifest["base"]["dtype"] == base["dtype"] == "bfloat16"
        assert manifest["base"]["id"] == base["id"]
        assert manifest["base"]["revision"] == base["revision"]
        if chain:
            config = read_json(models / name / "adapter_config.json")
            assert config["base_model_name_or_path"] == base["id"]
            assert config["revision"] == base["revision"]
            assert config["r"] == 16 * len(chain)
    for file in models.rglob("*"):
        if file.is_file() and file.suffix != ".safetensors":
            assert str(project.parent) not in file.read_text(encoding="utf-8"), file
