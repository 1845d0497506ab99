"""The models that can be asked: those of params.yaml, and what `tunegraph export` wrote."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, NamedTuple

from stages.core.digest import digest, file_digest
from stages.core.errors import UserError, visible
from stages.core.jsonl import read_json
from stages.core.lineage import IDENTITY, Manifest, hold_chain, read_manifest
from tools.export import ABOUT, EXPORTS

# What is raised where a file is not what it should be; the last two by what nests too deeply, and
# by a number of too many digits.
FAULTY = (UserError, OSError, AttributeError, KeyError, TypeError, RecursionError, ValueError)


class Model(NamedTuple):
    """One that can be asked.

    name:   as the window names it: a model of params.yaml, or `exports/<folder>`
    kind:   base, adapter or export (a merged one)
    folder: where it lies
    digest: of its manifest (of an export: of its files), which a verdict is kept with
    system: the system prompt that most of its training rows had; None: none
    """

    name: str
    kind: Literal["base", "adapter", "export"]
    folder: Path
    digest: str
    system: str | None


def models(params: dict[str, Any], root: Path = Path()) -> tuple[list[Model], list[str]]:
    """Return the models that can be asked, params.yaml's first; and why others cannot, a line each.

    params: the sections `models`, `transcripts`, `adapters`; root: the project's folder
    The base is always among them; adapters that `models` leaves out come last. A transcript is
    answers without a model. Here only manifests are held against each other; files are held
    against them when a model is loaded.
    """
    told: list[str] = []
    found = list(_of_params(params, root, told))
    told += _outdated(found)
    for about in sorted((root / EXPORTS).glob(f"[!.]*/{ABOUT}")):  # a dot: it is being written
        name = f"{EXPORTS.name}/{about.parent.name}"
        if not name.isprintable():  # no list can show it, and half a character breaks the page
            told.append(f"{name!a}: its folder's name holds what cannot be shown: rename it")
            continue
        try:
            if model := _exported(name, about.parent, read_json(about), told):
                found.append(model)
        except FAULTY as error:
            told.append(f"{name}: {ABOUT} cannot be read: {_first(error)}")
    return found, [visible(line) for line in told]


def _of_params(params: dict[str, Any], root: Path, told: list[str]) -> Iterator[Model]:
    """Yield the models that params.yaml names and that are built."""
    transcripts = {each["name"] for each in (params.get("transcripts") or {}).values()}
    listed = [each["name"] for each in (params.get("models") or {}).values()]
    adapters = [each["name"] for each in (params.get("adapters") or {}).values()]
    for name in dict.fromkeys(["base", *listed, *adapters]):
        if name in transcripts:
            told.append(f"{name}: a transcript, answers pasted from elsewhere without a model")
            continue
        folder = root / "models" / name
        file = folder / "manifest.json"
        if not file.is_file():
            told.append(f"{name}: not built yet (dvc repro; or dvc pull, where others built it)")
            continue
        try:
            manifest = read_manifest(folder)
            hold_chain(folder, manifest)
            if manifest["kind"] != (kind := "base" if name == "base" else "adapter"):
                told.append(f"{name}: models/{name} holds a {manifest['kind']} (dvc repro)")
                continue
            yield Model(name, kind, folder, file_digest(file), _system(name, manifest, told))
        except FAULTY as error:
            told.append(f"{name}: {_first(error)}")


def _exported(name: str, folder: Path, about: dict[str, Any], told: list[str]) -> Model | None:
    """Return an export that can be asked; tell why another one cannot."""
    form, manifest = about["format"], about.get("manifest", {})
    if form == "dataset":
        return None
    if form != "merged":
        what = f"an export of the format {form}, which is no model without its base"
        told.append(f"{name}: {what}; chat with {manifest['name']}, or export it merged")
    elif not (folder / "config.json").is_file():
        told.append(f"{name}: no config.json")
    elif not any(folder.glob("*.safetensors")):
        told.append(f"{name}: no weights (*.safetensors)")
    else:
        system = _system(name, manifest, told)
        return Model(name, "export", folder, export_digest(folder), system)
    return None


def _system(name: str, manifest: Manifest, told: list[str]) -> str | None:
    """Return the system prompt that most training rows had, where the manifest holds it."""
    most = next(iter(manifest.get("contract", {}).get("system", [])), {"text": None})
    if "text" not in most:
        told.append(
            f"{name}: most of its training rows had a system prompt that is too long for its "
            "manifest: paste it, as data/mix has it, to ask as it was trained"
        )
    return most.get("text")


def _outdated(found: list[Model]) -> list[str]:
    """Take out each model that stands on another base, or parent, than models/ holds now.

    One of them was built again without the other. With both, one name would be two adapters.
    """
    told = []
    manifests = {each.name: read_manifest(each.folder) for each in found}
    if "base" not in manifests:
        found.clear()
        return [f"{name}: nothing to stand on without models/base" for name in manifests]
    base = manifests["base"].get("base", {})
    for model in found[:]:
        its = manifests[model.name]
        stale = [
            name
            for name, digest in its.get("adapters", {}).items()
            if name in manifests and manifests[name].get("adapters", {}).get(name) != digest
        ]
        if any(its.get("base", {}).get(key) != base.get(key) for key in IDENTITY):
            stale.insert(0, "base")
        if stale:
            found.remove(model)
            another = " and ".join(stale)
            told.append(
                f"{model.name}: it stands on another {another} than models/ has (dvc repro)"
            )
    return told


def export_digest(folder: Path) -> str:
    """Return one digest over the files of an export.

    Of weights it takes name and size only: to read many gigabytes before a window opens would take
    minutes, and export.json names what they were merged from by digest.
    """
    files = sorted(file for file in folder.iterdir() if file.is_file())
    return digest(
        {
            file.name: file.stat().st_size if file.suffix == ".safetensors" else file_digest(file)
            for file in files
        }
    )


def _first(error: Exception) -> str:
    """Return an error's first fault, in one line."""
    if isinstance(error, UserError):
        fault = error.faults[0]
        return f"{fault.where}: {fault.what}"
    return f"{type(error).__name__}: {error}"
