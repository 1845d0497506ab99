"""The stack with its hashes: base, adapters, training data."""

from typing import Any, NamedTuple

from markupsafe import Markup

from stages.core.lineage import IDENTITY, Manifest
from stages.report.build import Build
from stages.report.page.frame import render

TITLE = "Where it comes from"
PORTABLE = {
    "self": "yes: it stands on the base, and is an ordinary PEFT adapter",
    "sum": "yes: its folder holds the exact sum of the chain as one PEFT adapter",
    "none": "no",
}
BASE = {
    "source": "source",
    "id": "id",
    "revision": "revision",
    "dtype": "dtype",
    "quantize": "quantized",
    "attn_implementation": "attention",
    "weights": "weights",
    "chat_template": "chat template",
    "tokenizer": "tokenizer",
}
HASHES = {"revision", "weights", "chat_template", "tokenizer"}


class Fact(NamedTuple):
    """A name and what it is; a hash is shown by its beginning first."""

    name: str
    value: str
    hashed: bool = False


class Node(NamedTuple):
    """One model, what is known of it, and the models that stand on it.

    agrees: whether the copies it was trained on are the parents' own; None: it has no parents
    faults: where they are not, in words
    """

    name: str
    kind: str
    facts: list[Fact]
    agrees: bool | None
    faults: list[str]
    above: list["Node"]


def base_facts(manifest: Manifest) -> list[Fact]:
    """Return what identifies a base."""
    base = manifest.get("base", {})
    found = [
        Fact(label, str(base[key]), key in HASHES)
        for key, label in BASE.items()
        if base.get(key) is not None
    ]
    if own := base.get("adapter"):
        at = f" at {own['revision']}" if own.get("revision") else ""
        found.append(Fact("its own adapter", f"{own.get('id')}{at}"))
        found.append(Fact("that adapter's digest", str(own.get("digest")), hashed=True))
    if data := manifest.get("training_data"):
        found.append(Fact("training data", data, hashed=True))
    return found


def share(told: Any, name: str) -> str:
    """Spell how much of a set was used: `all of own`, `14 % of original`, `400 rows of chats`.

    told: what `mix` says of it: a share, or one of share, rows and ratio, which may have a cap
    """
    told = told if isinstance(told, dict) else {"share": told}
    cap = f", {told['cap']:,} rows at most" if "cap" in told else ""
    if "rows" in told:
        return f"{told['rows']:,} rows of {name}{cap}"
    if "ratio" in told:
        return f"{name}, which makes up {100 * told['ratio']:g} % of the mix{cap}"
    part = told.get("share", 1)
    return (f"all of {name}" if part == 1 else f"{100 * part:g} % of {name}") + cap


def adapter_facts(manifest: Manifest, told: dict[str, Any]) -> list[Fact]:
    """Return what identifies an adapter.

    told: what params.yaml says of it; nothing where it does not
    """
    name = manifest["name"]
    found = [Fact("mode", told.get("mode", "stack"))]
    if mix := told.get("mix"):
        found.append(Fact("trained on", "; ".join(share(n, each) for each, n in mix.items())))
    if rows := manifest.get("rows"):
        long = f", {rows['too_long']:,} left out as too long" if rows.get("too_long") else ""
        found.append(Fact("rows", f"{rows['trained']:,}{long}"))
    if digest := manifest.get("adapters", {}).get(name):
        found.append(Fact("adapter", digest, hashed=True))
    if data := manifest.get("training_data"):
        found.append(Fact("training data", data, hashed=True))
    if continued := manifest.get("continues"):
        found.append(Fact("went on from", str(continued["name"])))
    for group in manifest.get("merged", []):
        found.append(Fact("merged below it", ", ".join(group)))
    if portable := manifest.get("portable"):
        why = manifest.get("portable_reason")
        found.append(Fact("portable", PORTABLE[portable] + (f": {why}" if why else "")))
    return found


def faults(manifest: Manifest, manifests: dict[str, Manifest]) -> list[str]:
    """Return where what a model was trained on is not what stands in its parents' folders now."""
    found = []
    bottom = manifests.get(manifest["chain"][0])
    if bottom:
        made_on, is_ = manifest.get("base", {}), bottom.get("base", {})
        found += [
            f"{key} of the base: made on {made_on.get(key)}, there is {is_.get(key)}"
            for key in IDENTITY
            if made_on.get(key) != is_.get(key)
        ]
    for parent, digest in manifest.get("adapters", {}).items():
        if parent == manifest["name"] or parent not in manifests:
            continue
        is_ = manifests[parent].get("adapters", {}).get(parent)
        if is_ != digest:
            found.append(f"adapter {parent}: made on {digest}, there is {is_}")
    return found


def stack(build: Build) -> list[Node]:
    """Return the models that stand on nothing, each with what stands on it; transcripts apart."""
    adapters = {told["name"]: told for told in build.params["adapters"].values()}

    def above(on: str | None) -> list[Node]:
        return [
            node(name)
            for name, manifest in build.manifests.items()
            if manifest.get("on") == on and manifest["kind"] != "transcript"
        ]

    def node(name: str) -> Node:
        manifest = build.manifests[name]
        if manifest["kind"] == "base":
            return Node(name, "base", base_facts(manifest), None, [], above(name))
        wrong = faults(manifest, build.manifests)
        facts = adapter_facts(manifest, adapters.get(name, {}))
        return Node(name, "adapter", facts, not wrong, wrong, above(name))

    return above(None)


def part(build: Build) -> Markup:
    """Return the part."""
    pasted = [
        name for name, manifest in build.manifests.items() if manifest["kind"] == "transcript"
    ]
    return render("lineage.html", stack=stack(build), pasted=pasted, names=build.names)
