"""Run the base stage: see `stages.base`."""

import re
import shutil
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stages.base import __doc__ as about
from stages.base.scratch import make_model, make_tokenizer, train
from stages.core import entry
from stages.core.costs import spending
from stages.core.curve import write_curve
from stages.core.digest import file_digest
from stages.core.errors import ConfigError, Fault
from stages.core.jsonl import read_json, read_rows, write_json
from stages.core.lineage import (
    Manifest,
    text_digest,
    unreachable,
    weights_digest,
    weights_folder,
    write_manifest,
)
from stages.core.params import load
from stages.core.torch_setup import prepare

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase, TrainerState

PARAMS = ("base", "compute", "seed.train")
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
    corpus: Path, folder: Path, params: dict[str, Any]
) -> tuple["PreTrainedTokenizerBase", "TrainerState"]:
    """Train a base from scratch into `folder`; return its tokenizer and the trainer's state."""
    rows = {side: read_rows(corpus / f"{side}.jsonl") for side in ("train", "val")}
    texts = (message["content"] for row in rows["train"] for message in row["messages"])
    scratch, seed = params["base"]["scratch"], params["seed"]["train"]
    tokenizer = make_tokenizer(texts, scratch["vocab_size"])
    model = make_model(tokenizer, scratch["architecture"])
    state = train(
        model, tokenizer, rows, scratch["batch_tokens"], scratch["sft"],
        params["compute"]["device"], seed,
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


def fetch_tokenizer(base: dict[str, Any]) -> "PreTrainedTokenizerBase":
    """Load the tokenizer of a hub id or of a local folder, its chat template without a clock.

    Raises: ConfigError when it cannot be had, or has no chat template.
    """
    from transformers import AutoTokenizer

    identity = {"id": base["id"], "revision": base.get("revision") or "main"}
    try:
        tokenizer = AutoTokenizer.from_pretrained(identity["id"], revision=identity["revision"])
    except (OSError, ValueError) as error:
        raise unreachable(identity, error) from error
    if not tokenizer.chat_template:
        where = f"params.yaml: base.id: {base['id']}"
        raise ConfigError(
            Fault(where, "its tokenizer has no chat template", "an instruction-tuned model")
        )
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
    base = params["base"]
    with spending(args.costs) as costs:
        prepare(params["compute"], params["seed"]["train"])
        shutil.rmtree(args.model, ignore_errors=True)
        if base["source"] == "scratch":
            tokenizer, state = build(args.corpus, args.model, params)
            write_curve(args.curve, state.log_history)
            costs["tokens"] = state.num_input_tokens_seen
        else:
            tokenizer = fetch_tokenizer(base)
            write_curve(args.curve, [])
        save_tokenizer(tokenizer, args.model)
        manifest = describe(base, args.model, tokenizer)
        if base["source"] == "scratch":
            manifest["training_data"] = file_digest(args.corpus / "train.jsonl")
        write_manifest(args.model, manifest)
    entry.say("base", f"{base['source']}, {base.get('id') or 'weights in ' + str(args.model)}")


if __name__ == "__main__":
    entry.run(main)
