"""Run the base stage: see `stages.base`."""

import re
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stages.base import __doc__ as about
from stages.base.adapter import fetch_adapter
from stages.base.scratch import make_model, make_tokenizer, train
from stages.core import entry
from stages.core.checkpoints import Kept, kept, key_of
from stages.core.choices import chosen, place
from stages.core.costs import spending
from stages.core.curve import write_curve
from stages.core.digest import file_digest
from stages.core.errors import ConfigError, Fault
from stages.core.fingerprints import text_digest, tokenizer_digest, weights_digest
from stages.core.folders import replacing_folder
from stages.core.jsonl import read_json, read_rows, write_json
from stages.core.lineage import Manifest, weights_folder, write_manifest
from stages.core.params import load
from stages.core.reaching import reaching
from stages.core.torch_setup import prepare

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase, TrainerState

PARAMS = ("base", "compute", "seed.base")
# Keys of tokenizer_config.json that say where, and with or without a network, it was loaded.
WHENCE = ("is_local", "local_files_only", "name_or_path")


def describe(base: dict[str, Any], folder: Path, tokenizer: "PreTrainedTokenizerBase") -> Manifest:
    """Describe a base folder whose weights (scratch) and tokenizer are written.

    Raises: ConfigError when a local base has no weights in safetensors.
    """
    identity = {
        "source": base["source"],
        "id": base.get("id"),
        "revision": base.get("revision"),
        "dtype": base["dtype"],
        "quantize": base["quantize"],
        "attn_implementation": base["attn_implementation"],
        "chat_template": text_digest(tokenizer.chat_template),
    }
    weights = weights_folder(folder, identity)
    identity["weights"] = weights_digest(weights) if weights else None
    identity["tokenizer"] = tokenizer_digest(folder)
    if weights and identity["weights"] is None:
        raise ConfigError(
            Fault(
                f"params.yaml: base.id: {base['id']}",
                "the folder holds no *.safetensors",
                "weights in safetensors (a pickle can run code)",
                "load it where you trust it and `save_pretrained` it again",
            )
        )
    return {"name": "base", "kind": "base", "on": None, "chain": ["base"], "base": identity}


def build(
    corpus: Path, folder: Path, params: dict[str, Any], kept: Kept
) -> tuple["PreTrainedTokenizerBase", "TrainerState"]:
    """Train a base from scratch into `folder`; return its tokenizer and the trainer's state."""
    rows = {side: read_rows(corpus / f"{side}.jsonl") for side in ("train", "val")}
    texts = (message["content"] for row in rows["train"] for message in row["messages"])
    scratch, seed = params["base"]["scratch"], params["seed"]["base"]
    tokenizer = make_tokenizer(texts, scratch["vocab_size"])
    model = make_model(tokenizer, scratch["architecture"])
    key = key_of("base", params, [corpus / f"{side}.jsonl" for side in rows])
    state = train(
        model, tokenizer, rows, scratch["batch_tokens"], scratch["sft"],
        params["compute"]["device"], seed, kept("base", key),
    )  # fmt: skip
    model.save_pretrained(folder)
    return tokenizer, state


def undated(template: str) -> str:
    """Put a fixed day into a chat template that asks for today's: prompts must not change by day.

    Llama 3 writes "Today Date" into every system prompt, by `strftime_now`; 26 July 2024 is what
    its own template falls back to where there is no clock.
    """
    day = date(2024, 7, 26)
    call = re.compile(r"""strftime_now\(\s*(["'])(.*?)\1\s*\)""")
    return call.sub(lambda found: repr(day.strftime(found[2])), template)


def fetch_tokenizer(base: dict[str, Any], section: str = "base") -> "PreTrainedTokenizerBase":
    """Load the tokenizer of a hub id or of a local folder, its chat template without a clock.

    section: of params.yaml, which names id and revision
    Raises: ConfigError when it cannot be had, or has no chat template.
    """
    from transformers import AutoConfig, AutoTokenizer

    identity = base | {"revision": base.get("revision") or "main"}
    with reaching(identity, section):
        how = {"revision": identity["revision"], "trust_remote_code": False}
        AutoConfig.from_pretrained(identity["id"], **how)  # what it cannot read, nothing else can
        tokenizer = AutoTokenizer.from_pretrained(identity["id"], **how)
    if own := base.get("chat_template"):
        tokenizer.chat_template = own
    if not tokenizer.chat_template:
        where = f"params.yaml: {section}.id: {base['id']}"
        what = "its tokenizer has no chat template: it was not tuned to be asked"
        then = "write one as base.chat_template: a Jinja text that ends each answer with eos_token"
        raise ConfigError(Fault(where, what, "an instruction-tuned model", then))
    # Where there are several, the one that is used without tools.
    tokenizer.chat_template = undated(tokenizer.get_chat_template())
    return tokenizer


def save_tokenizer(tokenizer: "PreTrainedTokenizerBase", folder: Path) -> None:
    """Save a tokenizer without what it remembers of where it was loaded from."""
    tokenizer.save_pretrained(folder)
    config = read_json(folder / "tokenizer_config.json")
    write_json(
        folder / "tokenizer_config.json",
        {key: value for key, value in config.items() if key not in WHENCE},
    )


def main() -> None:
    """Write models/base."""
    args = entry.flags(about, "--corpus", "--model", "--curve", "--costs")
    params = load(PARAMS)
    section, base = place(params["base"]), chosen(params["base"])
    scratch = base["source"] == "scratch"
    with kept() as checkpoints, spending(args.costs) as costs:
        prepare(params["compute"], params["seed"]["base"])
        with replacing_folder(args.model) as folder:
            if scratch:
                tokenizer, state = build(args.corpus, folder, params, checkpoints)
            else:
                tokenizer = fetch_tokenizer(base, section)
            save_tokenizer(tokenizer, folder)
            manifest = describe(base, folder, tokenizer)
            if base.get("adapter"):
                manifest["base"]["adapter"] = fetch_adapter(base["adapter"], folder / "adapter")
            if scratch:
                manifest["training_data"] = file_digest(args.corpus / "train.jsonl")
            write_manifest(folder, manifest)
        write_curve(args.curve, state.log_history if scratch else [])
        if scratch:
            costs["tokens"] = state.num_input_tokens_seen
    own = f" with the adapter {base['adapter']['id']}" if base.get("adapter") else ""
    named = base.get("id") or f"weights in {args.model}"
    entry.say("base", f"{base['source']}, {named}{own}")


if __name__ == "__main__":
    entry.run(main)
