"""Write a model as one ordinary folder: merged, as one PEFT adapter, or as its own stack.

    tunegraph export 2c                     exports/2c: one transformers model, the chain merged
    tunegraph export 2c --format adapter    one PEFT adapter, the exact sum of the chain
    tunegraph export 2c --rev wider         exports/2c@wider: that of an experiment, or of a commit
    tunegraph export own --format dataset   a set, as a data set of the hub (tools/dataset.py)

A folder is written beside its place, loaded again plainly and compared with the stack, and only
then put in its place; the workspace is not touched.
"""

import shutil
import tempfile
from pathlib import Path
from typing import Any, NamedTuple

from stages.core import entry
from stages.core.errors import ConfigError, Fault, LineageError
from stages.core.folders import put
from stages.core.jsonl import read_json, write_json
from stages.core.lineage import ADAPTER_CONFIG, Manifest, read_manifest
from stages.core.params import PATH, read_yaml
from tools import card, hub
from tools.facts import Facts, gather, of_model
from tools.logits import Difference, conversations
from tools.origin import Origin, changes
from tools.revisions import unknown

EXPORTS = Path("exports")
FORMATS = ("merged", "adapter", "stack")  # of a model
ABOUT = "export.json"  # in every export: what it is, for programs; and that it is one


class Asked(NamedTuple):
    """What the command line asks for.

    dtype: of merged weights, where it is not the base's; device: where it is not compute.device
    force: replace an earlier export; dirty: push although the workspace is not as committed
    license: of a data set, an id of the hub's
    """

    name: str
    out: Path | None = None
    revision: str | None = None
    form: str = "merged"
    dtype: str | None = None
    device: str | None = None
    repository: str | None = None
    public: bool = False
    force: bool = False
    dirty: bool = False
    license: str | None = None

    @property
    def place(self) -> Path:
        """Return the folder to write."""
        at = f"@{self.revision.replace('/', '-')}" if self.revision else ""
        kind = "-dataset" if self.form == "dataset" else ""
        return self.out or EXPORTS / f"{self.name}{kind}{at}"


def hold_name(name: str, params: dict[str, Any], origin: Origin) -> None:
    """Hold that there is such a model, and that it has weights.

    Raises: ConfigError.
    """
    adapters = {told["name"]: key for key, told in params["adapters"].items()}
    transcripts = {told["name"] for told in (params.get("transcripts") or {}).values()}
    where = f"{origin.said}: {PATH}"
    if name in transcripts:
        what = f"{name!r} is a transcript: answers without a model"
        raise ConfigError(Fault(where, what, f"one of: {', '.join(['base', *adapters])}"))
    if name != "base" and name not in adapters:
        raise unknown(where, "model", name, ["base", *adapters])


def hold_place(asked: Asked) -> None:
    """Hold that an export may be written where it shall be.

    Raises: ConfigError when something is there, and is no earlier export or must not be replaced.
    """
    if not asked.place.exists():
        return
    if not (asked.place / ABOUT).is_file():
        what = "this is there, and no export: it will not be replaced"
        raise ConfigError(Fault(str(asked.place), what, "a folder that is not there yet", "--out"))
    if not asked.force:
        what = "there is an export already"
        raise ConfigError(Fault(str(asked.place), what, then="--force replaces it; --out, beside"))


def hold_portable(manifest: Manifest, model: Path) -> None:
    """Hold that a chain is one ordinary adapter, too.

    Raises: ConfigError.
    """
    if manifest.get("portable", "none") == "none":
        why = manifest.get("portable_reason", "it has no adapter: it is the base")
        what, then = f"it is no one adapter: {why}", f"tunegraph export {manifest['name']}"
        raise ConfigError(Fault(str(model), what, "a chain with an exact sum", then))


def hold_push(asked: Asked, changed: list[str], manifest: Manifest) -> None:
    """Hold that what is pushed can be rebuilt from what its card names, and loaded elsewhere.

    Raises: ConfigError.
    """
    where = f"--push {asked.repository}"
    if changed and not asked.dirty:
        what = f"the card would name a commit that this model is not of: {'; '.join(changed)}"
        then = "dvc repro; git commit; or --allow-dirty, and the card says so"
        raise ConfigError(Fault(where, what, then=then))
    if asked.form == "adapter" and manifest["base"]["source"] != "hub":
        what = f"an adapter on a {manifest['base']['source']} base loads nowhere else"
        raise ConfigError(Fault(where, what, "a merged model", "--format merged"))
    hub.hold(str(asked.repository))


def write(
    asked: Asked, base: Path, model: Path, partial: Path, rows: tuple[list[Any], str]
) -> Difference | None:
    """Write the weights and the tokenizer; return how far they are from the stack."""
    from tools import forms

    compute = read_yaml(PATH)["compute"]
    if asked.device:
        compute["device"] = asked.device
    if asked.form == "stack":
        forms.write_stack(base, model, partial)
        return None
    from stages.core.torch_setup import prepare

    prepare(compute)
    if asked.form == "adapter":
        return forms.write_adapter(base, model, partial, compute, rows)
    return forms.write_merged(base, model, partial, compute, rows, asked.dtype)


def hold_equal(difference: Difference, manifest: Manifest, partial: Path) -> None:
    """Hold that an export is the model it was made of.

    Raises: LineageError; what was written stays where it is.
    """
    base = manifest["base"]
    precision = "float32" if base["dtype"] == "float32" else "16 bits"
    if base["quantize"] == "8bit":
        precision = "8 bits"
    if told := difference.too_far(precision):
        what = f"it is not the stack: {told} ({difference})"
        then = "look into it: it stays there, and nothing else was changed"
        raise LineageError(Fault(str(partial), what, "the logits of the stack", then))


def tell(asked: Asked, facts: Facts, difference: Difference | None, partial: Path) -> None:
    """Write what an export is: export.json for programs, the card for people."""
    about = {
        "format": asked.form,
        "manifest": facts.manifest,
        "commit": facts.commit,
        "revision": facts.revision,
        "changed": facts.changed,
        "difference": difference._asdict() if difference else None,
    }
    write_json(partial / ABOUT, about)
    config = read_json(file) if (file := partial / ADAPTER_CONFIG).is_file() else {}
    rank = max([config.get("r", 0), *config.get("rank_pattern", {}).values()])
    shipped = hub.shipped(facts.manifest["base"])
    text = card.card(facts, asked.form, difference, asked.repository or ".", shipped, rank)
    (partial / "README.md").write_text(text, encoding="utf-8", newline="\n")


def export(asked: Asked, scratch: Path) -> None:
    """Write one export, and push it where that is asked for."""
    origin = Origin(asked.revision)
    params = origin.params(scratch)
    if asked.license:
        what = "a model's licence is its base's"
        raise ConfigError(Fault("--license", what, "--format dataset", "leave it out"))
    hold_name(asked.name, params, origin)
    hold_place(asked)
    base = origin.folder("models/base", scratch)
    model = origin.folder(f"models/{asked.name}", scratch)
    manifest = read_manifest(model)
    if asked.form == "adapter":
        hold_portable(manifest, model)
    changed = [] if asked.revision else changes(asked.name, params)
    if asked.repository:
        hold_push(asked, changed, manifest)
        hub.bring_card(manifest["base"])
    rows = ([], "") if asked.form == "stack" else conversations(origin, params)
    partial = asked.place.with_name(f".{asked.place.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    try:
        difference = write(asked, base, model, partial, rows)
    except BaseException:
        shutil.rmtree(partial)
        raise
    if difference:
        hold_equal(difference, manifest, partial)
    facts = of_model(gather(origin, params, changed, scratch), manifest, origin)
    tell(asked, facts, difference, partial)
    put(partial, asked.place)
    state = f"; {'; '.join(changed)}" if changed else ""
    entry.say("export", f"{asked.place}: {asked.name} of {origin.said}, {asked.form}{state}")
    if difference:
        entry.say("export", str(difference))
    if asked.repository:
        message = f"{asked.name}, {asked.form}, of commit {facts.commit or '(none)'}"
        entry.say("export", hub.push(asked.place, asked.repository, asked.public, message))


def main(asked: Asked) -> None:
    """Export a model, or a set."""
    with tempfile.TemporaryDirectory() as folder:
        if asked.form == "dataset":
            from tools import dataset

            dataset.export(asked, Path(folder))
        else:
            export(asked, Path(folder))
