"""The servers that `tunegraph serve` starts: what they are given, so that they serve as evaluated.

    transformers   the merged export, put where `transformers serve` finds it under a short name
    vllm           the adapter as it lies in models/, on its base

Both answer greedily unless a request names a temperature, as `answer` decodes.
"""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

from stages.core.digest import file_digest
from stages.core.entry import say
from stages.core.errors import ConfigError, Fault, InputError
from stages.core.jsonl import read_json, write_json
from stages.core.lineage import ADAPTER_CONFIG, Manifest, read_manifest
from tools.export import ABOUT, EXPORTS, hold_portable
from tools.loading import RANKS

BASE = Path("models/base")
OWN = Path(".cache/serve")  # merged models that `tunegraph serve` made for itself
NEEDED = ("fastapi", "uvicorn", "pydantic")
# So little that the likeliest token is drawn, and still sampling, without which transformers
# heeds no request's temperature (a request's 0 turns sampling off).
GREEDY = {"do_sample": True, "temperature": 1e-6, "top_p": 1.0, "top_k": 0}


class Server(NamedTuple):
    """A server to be started.

    engine:      what starts it, in words
    model:       what programs call the model
    command:     the words; environment: what is set beside what is there
    folder:      the working directory
    """

    engine: str
    model: str
    command: list[str]
    environment: dict[str, str]
    folder: Path


def fits(export: Path, manifest: Manifest) -> bool:
    """Return whether a folder is the merged export of exactly the model that a manifest is of."""
    try:
        about = read_json(export / ABOUT)
        return (
            about["format"] == "merged"
            and about["manifest"] == manifest
            and (export / "config.json").is_file()
            and any(export.glob("*.safetensors"))
        )
    except (InputError, TypeError, KeyError):  # none there, or none that says what it is
        return False


def merged(name: str) -> Path:
    """Return a folder with the merged model, written by `tunegraph export` where there is none.

    An export of something else is left as it is: the model is then written below .cache/serve.
    In a process of its own, which gives its memory back.
    Raises: SystemExit when it cannot be written; the export has said why.
    """
    manifest = read_manifest(Path("models") / name)
    places = [EXPORTS / name, OWN / name]
    for place in places:
        if fits(place, manifest):
            return place
    place = places[places[0].exists()]
    why = f"{places[0]} is not of the present {name}; " if place == places[1] else ""
    say("serve", f"{why}writing the merged model to {place}")
    words = ["tunegraph", "export", name, "--out", str(place), "--force"]
    run = f"import sys; sys.argv = {words!r}; from tools.cli import main; main()"
    if code := subprocess.run([sys.executable, "-c", run]).returncode:
        raise SystemExit(code)
    return place


def short(name: str) -> str:
    """Return a model's name as the hub's ids may be: no `--`, no `-` at its end."""
    return re.sub("-{2,}", "-", name).rstrip("-")


def as_hub_cache(export: Path, name: str, digest: str, folder: Path) -> None:
    """Lay an export out as the hub's cache has a model of that name: links, and its own defaults.

    `transformers serve` names a model by what it was given, a folder's path for one, and lists
    what the cache holds.
    Source: https://huggingface.co/docs/huggingface_hub/guides/manage-cache
    """
    model = folder / f"models--{name}"
    snapshot = model / "snapshots" / digest[:40]
    snapshot.mkdir(parents=True)
    (model / "refs").mkdir()
    (model / "refs" / "main").write_text(snapshot.name, encoding="utf-8")
    for file in export.iterdir():
        if file.name not in ("generation_config.json", "README.md", ABOUT):
            (snapshot / file.name).symlink_to(file.resolve())
    told = read_json(export / "generation_config.json")
    ends = {key: told[key] for key in told if key.endswith("_token_id")}
    write_json(snapshot / "generation_config.json", ends | GREEDY)


def transformers(name: str, compute: dict[str, Any], host: str, port: int, scratch: Path) -> Server:
    """Return `transformers serve` on the merged export; nothing in it touches a network.

    compute: `device` and `threads`; scratch: an empty folder that lives as long as the server
    Raises: ConfigError when the extra is not installed.
    """
    if absent := [each for each in NEEDED if find_spec(each) is None]:
        what = f"{', '.join(absent)}: not installed"
        raise ConfigError(
            Fault("tunegraph serve", what, "the extra serve", "pip install -e '.[serve]'")
        )
    export, model = merged(name), short(name)
    manifest = Path("models") / name / "manifest.json"
    as_hub_cache(export, model, file_digest(manifest), scratch)
    command = [sys.executable, "-m", "transformers.cli.transformers", "serve", model]
    command += ["--host", host, "--port", str(port), "--device", compute["device"]]
    if attention := read_manifest(manifest.parent).get("base", {}).get("attn_implementation"):
        command += ["--attn-implementation", attention]
    environment = {
        "HF_HUB_CACHE": str(scratch),
        "HF_HUB_OFFLINE": "1",
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "HF_HUB_DISABLE_UPDATE_CHECK": "1",  # the command would ask PyPI for a newer one
        "OMP_NUM_THREADS": str(compute["threads"]),
        "OMP_WAIT_POLICY": "PASSIVE",
        "TOKENIZERS_PARALLELISM": "false",
        "TQDM_DISABLE": "1",
    }
    return Server("transformers serve", model, command, environment, scratch)


def hold_lora(model: Path) -> int:
    """Return the rank that vLLM must have room for.

    vLLM scales by `lora_alpha / r` alone and has a place for A and B only.
    Source: https://docs.vllm.ai/en/latest/features/lora.html
    Raises: ConfigError for an adapter that it would not serve as it was trained.
    """
    config = read_json(model / ADAPTER_CONFIG)
    knobs = ("rank_pattern", "alpha_pattern", "use_dora", "modules_to_save", "lora_bias")
    found = [key for key in knobs if config.get(key)]
    if config.get("bias", "none") != "none":
        found.append("bias")
    if config["r"] > RANKS[-1]:
        found.append(f"r={config['r']} (above {RANKS[-1]})")
    if found:
        what = f"vLLM would not serve it as it was trained: {', '.join(found)}"
        raise ConfigError(Fault(str(model), what, "a plain LoRA", instead(model.name)))
    return next(each for each in RANKS if each >= config["r"])


def instead(name: str) -> str:
    """Return what serves a model that vLLM cannot serve as an adapter."""
    return f"tunegraph serve {name}, by transformers on the merged model"


def vllm(name: str, host: str, port: int) -> Server:
    """Return `vllm serve` of the adapter on its base.

    Raises: ConfigError where there is no adapter to serve, or no vLLM here.
    """
    model = Path("models") / name
    manifest = read_manifest(model)
    base = manifest["base"]
    if base["quantize"] == "8bit" or (name == "base" and base.get("adapter")):
        what = (
            "vLLM quantizes to 4 bits only"
            if base["quantize"] == "8bit"
            else "an adapter is merged into it"
        )
        raise ConfigError(Fault(str(BASE), what, "a base as vLLM loads it", instead(name)))
    command = ["vllm", "serve", str(BASE) if base["source"] == "scratch" else str(base["id"])]
    if base["revision"]:
        command += ["--revision", base["revision"]]
    command += ["--tokenizer", str(BASE), "--served-model-name", "base", "--dtype", base["dtype"]]
    if base["quantize"] == "4bit":
        command += ["--quantization", "bitsandbytes"]
    if name != "base":
        hold_portable(manifest, model)
        command += ["--enable-lora", "--max-lora-rank", str(hold_lora(model))]
        command += ["--lora-modules", f"{name}={model}"]
    command += ["--override-generation-config", json.dumps({"temperature": 0.0})]
    command += ["--host", host, "--port", str(port)]
    environment = {"VLLM_NO_USAGE_STATS": "1", "DO_NOT_TRACK": "1"}
    if base["source"] != "hub":
        environment["HF_HUB_OFFLINE"] = "1"
    if shutil.which(command[0]) is None:
        words = [f"{key}={value}" for key, value in environment.items()] + command
        then = f"pip install vllm, in an environment of its own; then, here: {shlex.join(words)}"
        what = "there is no such command"
        raise ConfigError(Fault("vllm", what, "vLLM, on a machine with a GPU", then))
    return Server("vllm serve", name, command, environment, Path.cwd())


def environment(server: Server) -> dict[str, str]:
    """Return what a server's process has as its environment."""
    return os.environ | server.environment
