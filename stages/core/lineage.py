"""What a model folder says of itself, and whether that is still true.

    models/base   manifest.json, weights (scratch) or their name (hub), tokenizer, chat template
    models/2b     manifest.json, adapters/2b/
    models/2c     manifest.json, adapters/2b/ (a copy), adapters/2c/

Each adapter folder is also one ordinary PEFT adapter at its root: the exact sum of its chain, where
there is one (`portable`). A manifest names what the model stands on by hash, so that a swapped
parent, another revision of the base, another quantization or another chat template is refused at
loading, and both sides are named. It is written last: a folder without it is not a model.
"""

from pathlib import Path
from typing import Any, Literal, NotRequired, TypedDict

from stages.core.digest import file_digest
from stages.core.errors import Fault, LineageError
from stages.core.fingerprints import ADAPTER_CONFIG as ADAPTER_CONFIG
from stages.core.fingerprints import ADAPTER_WEIGHTS as ADAPTER_WEIGHTS
from stages.core.fingerprints import (
    CHAT_TEMPLATE,
    adapter_digest,
    lacking,
    text_digest,
    tokenizer_digest,
    weights_digest,
)
from stages.core.jsonl import read_json, write_json

# What makes a base another one; how attention is computed does not.
IDENTITY = (
    *("source", "id", "revision", "dtype", "quantize", "weights", "adapter", "chat_template"),
    "tokenizer",
)


class Manifest(TypedDict):
    """What manifest.json of a model holds.

    name, kind:    `kind` is base, adapter or transcript
    on:            the model it stands on (None for a base or a transcript)
    chain:         names from the base to this model
    base:          identity of the base: source, id, revision, dtype, quantize; digests of its
                   weights (None for a hub model, which its revision pins), chat template and
                   tokenizer; `adapter`, of its own, which is merged in: id, revision, digest
    adapters:      digest of the config and the weights of each adapter of the chain
    training_data: SHA-256 of the rows it was trained on (absent where it was not trained here)
    rows:          how many were `trained` on, and left out as `too_long` for max_length
    merged:        adapters of the chain that are merged into the base below the others, in groups,
                   oldest first; those of one group were active together (`mode: merge`)
    continues:     the model whose own adapter this one went on from, and its digest
                   (`mode: continue`)
    contract:      what the model was trained to be asked with (`stages.core.contract`)
    portable:      what any PEFT tool finds at the root of an adapter's folder: the adapter itself
                   (it stands on the base), the sum of its chain, or none
    portable_reason: why there is none
    portable_digest: of the config and the weights that are there
    """

    name: str
    kind: Literal["base", "adapter", "transcript"]
    on: str | None
    chain: list[str]
    base: NotRequired[dict[str, Any]]
    adapters: NotRequired[dict[str, str]]
    training_data: NotRequired[str]
    rows: NotRequired[dict[str, int]]
    merged: NotRequired[list[list[str]]]
    continues: NotRequired[dict[str, str | None]]
    contract: NotRequired[dict[str, Any]]
    portable: NotRequired[Literal["self", "sum", "none"]]
    portable_reason: NotRequired[str]
    portable_digest: NotRequired[str | None]


def read_manifest(model: Path) -> Manifest:
    """Read a model folder's manifest.

    Raises: LineageError when it is none.
    """
    manifest = read_json(file := model / "manifest.json")
    if not isinstance(manifest, dict) or not {"name", "kind", "chain"} <= manifest.keys():
        what = "it does not say which model this is"
        raise LineageError(Fault(str(file), what, "name, kind and chain", "dvc checkout"))
    return manifest


def write_manifest(model: Path, manifest: Manifest) -> None:
    """Write a model folder's manifest."""
    write_json(model / "manifest.json", manifest)


def groups(manifest: Manifest) -> list[list[str]]:
    """Return the adapters of a model in the groups they are merged in; the last stays active."""
    merged = manifest.get("merged", [])
    names = manifest["chain"][1:]
    return [*merged, names[sum(map(len, merged)) :]]


def standing(below: Manifest, mode: str) -> tuple[list[str], list[list[str]]]:
    """Return the parents of a new adapter, and which of them are merged into the base.

    below: of the model that it is trained on
    mode:  stack (on all of them), continue (in the place of the topmost), merge (into the base)
    """
    parents, merged = below["chain"][1:], below.get("merged", [])
    if mode == "continue":
        return parents[:-1], merged
    if mode == "merge":
        return parents, [group for group in groups(below) if group]
    return parents, merged


def adapter_manifest(
    adapter: dict[str, Any],
    model: Path,
    below: Manifest,
    training_data: Path,
    told: dict[str, Any],
) -> Manifest:
    """Describe a trained adapter: its parents, and itself on top.

    adapter: its `name` and `mode`, as params.yaml has them
    below:   of the model that it was trained on
    told:    what stands at the folder's root, and why if nothing does; the contract
    """
    name, mode = adapter["name"], adapter["mode"]
    parents, merged = standing(below, mode)
    chain = [below["chain"][0], *parents, name]
    hashes = {each: adapter_digest(adapter_folder(model, each)) for each in chain[1:]}
    manifest: Manifest = {
        "name": name,
        "kind": "adapter",
        "on": below["name"],
        "chain": chain,
        "base": below["base"],
        "adapters": hashes,
        "training_data": file_digest(training_data),
        **told,
    }
    if manifest.get("portable", "none") != "none":
        manifest["portable_digest"] = adapter_digest(model)
    if merged:
        manifest["merged"] = merged
    if mode == "continue":
        top = below["chain"][-1]
        manifest["continues"] = {"name": top, "adapter": below["adapters"][top]}
    return manifest


def adapter_folder(model: Path, name: str) -> Path:
    """Return where a model folder keeps one adapter of its chain."""
    return model / "adapters" / name


def weights_folder(base: Path, identity: dict[str, Any]) -> Path | None:
    """Return the folder that holds a base's weights; None for a hub model: its cache has them."""
    return {"scratch": base, "local": Path(identity["id"] or ""), "hub": None}[identity["source"]]


def hold_chain(model: Path, manifest: Manifest) -> None:
    """Hold that a folder has the model of its name, and that its chain is of what it names.

    Raises: LineageError.
    """
    then = "dvc checkout, or dvc repro"
    name, chain = manifest["name"], manifest["chain"]
    if manifest["kind"] == "adapter" and name != model.absolute().name:
        raise LineageError(Fault(str(model), f"it holds {name!r}", "the model of that name", then))
    known = manifest.get("adapters", {}).keys()
    if chain[-1:] != [name] or known - set(chain):
        what = f"its chain is {chain}, its adapters are {sorted(known)}"
        expected = f"all of them in the chain, {name!r} the last"
        raise LineageError(Fault(f"{model / 'manifest.json'}", what, expected, then))


def verify(base: Path, model: Path) -> Manifest:
    """Hold a model's manifest against the base it is loaded on, and both against their files.

    An adapter's folder bears its name: one that was put in the place of another is refused.
    Raises: LineageError with both sides of every mismatch.
    """
    found, manifest = read_manifest(base)["base"], read_manifest(model)
    hold_chain(model, manifest)
    if manifest["kind"] == "transcript":
        what = "it is a transcript: answers without a model"
        raise LineageError(Fault(str(model), what, "a base or an adapter"))
    faults = []

    def hold(where: Path, said: Any, is_: Any, kind: str, then: str = "dvc checkout") -> None:
        if said != is_:
            what = f"the manifest says {said!r}, but here is {is_!r}"
            if is_ is None and kind == "adapter":
                what += f" ({lacking(where)})"
            faults.append(Fault(str(where), what, f"the {kind} as it was written", then))

    for key in IDENTITY:
        made_on, has = manifest.get("base", {}).get(key), found.get(key)
        if made_on != has:
            what = f"it was made on {made_on!r}, but {base} has {has!r}"
            faults.append(
                Fault(f"{model}: base.{key}", what, "the base it was trained on", "dvc repro")
            )
    if (weights := weights_folder(base, found)) is not None:
        then = "dvc checkout" if weights == base else "dvc repro --force base"
        hold(weights, found["weights"], weights_digest(weights), "weights", then)
    if own := found.get("adapter"):
        hold(base / "adapter", own["digest"], adapter_digest(base / "adapter"), "adapter")
    template = base / CHAT_TEMPLATE
    is_ = text_digest(template.read_text(encoding="utf-8")) if template.is_file() else None
    hold(template, found["chat_template"], is_, "chat template")
    if "tokenizer" in found:
        hold(base, found["tokenizer"], tokenizer_digest(base), "tokenizer")
    for name in manifest["chain"][1:]:
        digested = manifest.get("adapters", {}).get(name, "nothing")
        folder = adapter_folder(model, name)
        hold(folder, digested, adapter_digest(folder), "adapter")
    if portable := manifest.get("portable_digest"):
        hold(model, portable, adapter_digest(model), "adapter")
    if faults:
        raise LineageError(*faults)
    return manifest
