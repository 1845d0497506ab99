"""Write the forms that `tunegraph export` knows: merged, adapter, stack."""

import errno
import gc
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from stages.core import bases, merging, stack
from stages.core.contract import stop_tokens
from stages.core.errors import ConfigError, Fault, InputError
from stages.core.jsonl import read_json, write_json
from stages.core.lineage import ADAPTER_CONFIG, ADAPTER_WEIGHTS, read_manifest, verify
from tools.logits import Difference, compare, encode, last_logits, same_tokens

BASE = "base"  # where an adapter's folder holds a base that is on no hub


@contextmanager
def room_told(folder: Path) -> Iterator[None]:
    """Turn a full disk, as safetensors says it, into the OSError that `entry.run` tells."""
    from safetensors import SafetensorError

    try:
        yield
    except SafetensorError as error:
        for number in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            if f"(os error {number})" in str(error):
                raise OSError(number, "no room left", str(folder)) from error
        raise


def hold_room(folder: Path, needed: int) -> None:
    """Hold that a disk has room for what will be written.

    needed: bytes
    Raises: InputError.
    """
    free = shutil.disk_usage(folder).free
    if free < needed:
        what = f"{needed / 1e9:.1f} GB are needed, {free / 1e9:.1f} GB are free"
        raise InputError(Fault(str(folder), what, then="free some space, or --out on another disk"))


def write_merged(
    base: Path,
    model: Path,
    out: Path,
    compute: dict[str, Any],
    asked: tuple[list[Any], str],
    dtype: str | None,
) -> Difference:
    """Write a chain as one transformers folder, load it plainly, and compare it with the stack.

    asked: conversations and what they are
    dtype: of the weights, where it is not the base's
    """
    from transformers import AutoModelForCausalLM

    tokenizer = stack.load_tokenizer(base)
    tokens = encode(tokenizer, asked[0])
    loaded = stack.load(base, model, compute)
    ours = last_logits(loaded, tokens)
    ends = sorted(stop_tokens(tokenizer, loaded.generation_config))
    del loaded
    gc.collect()  # PEFT's layers refer to one another; two models at once may be too many
    whole = merging.merged(base, model, compute, dtype)
    hold_room(out, sum(each.numel() * each.element_size() for each in whole.parameters()))
    whole.generation_config.eos_token_id = ends if len(ends) > 1 else ends[0]
    whole.generation_config.pad_token_id = tokenizer.pad_token_id
    with room_told(out):
        whole.save_pretrained(out)
    for file in out.glob("*.safetensors"):
        file.chmod(0o644)  # safetensors writes it for its owner alone
    del whole
    gc.collect()
    stack.copy_tokenizer(base, out)
    same_tokens(out, tokens, asked[0])
    plain, told = AutoModelForCausalLM.from_pretrained(out, dtype="auto", output_loading_info=True)
    hold_whole(out, told)
    return compare(ours, last_logits(plain.to(compute["device"]), tokens), asked[1])


def hold_whole(out: Path, told: dict[str, Any]) -> None:
    """Hold that the architecture has a place for every weight that was written, and no other.

    A bias that an adapter brought (`lora_bias`) has none in a Llama: it would be left out.
    told: what `from_pretrained` says of its loading
    Raises: ConfigError.
    """
    faults = []
    for kind, what in {
        "unexpected_keys": "the architecture of the base has no place for",
        "missing_keys": "nothing was written for",
        "mismatched_keys": "another shape was written for",
    }.items():
        if names := sorted(map(str, told[kind])):
            more = f" and {len(names) - 3} more" if len(names) > 3 else ""
            expected = "adapters that change weights which the base has"
            then = "tunegraph export --format stack, or --format adapter where there is one"
            faults.append(Fault(str(out), f"{what} {', '.join(names[:3])}{more}", expected, then))
    if faults:
        raise ConfigError(*faults)


def write_adapter(
    base: Path, model: Path, out: Path, compute: dict[str, Any], asked: tuple[list[Any], str]
) -> Difference:
    """Write the one portable adapter of a chain, load it as PEFT does, and compare it.

    The base is named so that it is found from anywhere: by its id on the hub and its revision; one
    that is on no hub is put beside it, and named relative to the folder.
    """
    from peft import PeftModel

    manifest = verify(base, model)
    for file in (ADAPTER_CONFIG, ADAPTER_WEIGHTS):
        shutil.copyfile(model / file, out / file)
    stack.copy_tokenizer(base, out)
    identity = manifest["base"]
    config = read_json(out / ADAPTER_CONFIG)
    config["base_model_name_or_path"], config["revision"] = identity["id"], identity["revision"]
    if identity["source"] == "scratch":
        shutil.copytree(base, out / BASE, copy_function=shutil.copyfile)
        config["base_model_name_or_path"] = BASE
    write_json(out / ADAPTER_CONFIG, config)
    tokens = encode(stack.load_tokenizer(base), asked[0])
    ours = last_logits(stack.load(base, model, compute), tokens)
    same_tokens(out, tokens, asked[0])
    theirs = PeftModel.from_pretrained(bases.load_plain(base, compute), out)
    return compare(ours, last_logits(theirs, tokens), asked[1])


def write_stack(base: Path, model: Path, out: Path) -> None:
    """Write the model's folder as it is, and its base's beside it, where stages can read both."""
    verify(base, model)
    for folder in dict.fromkeys((base, model)):
        name = read_manifest(folder)["name"]
        shutil.copytree(folder, out / "models" / name, copy_function=shutil.copyfile)
