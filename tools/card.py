"""Write the card of a model: every figure comes from metrics/, params.yaml, dvc.lock, manifests.

    tunegraph card 2c              what `tunegraph export 2c` writes as README.md
    tunegraph card own             of a set; `sets.own` where a model has the same name

Source: https://huggingface.co/docs/hub/model-cards
"""

import tempfile
from pathlib import Path
from typing import Any

from stages.core import entry
from stages.core.errors import ConfigError, Fault
from stages.core.jsonl import replacing
from stages.core.lineage import read_manifest
from stages.core.params import PATH
from stages.report.markdown import escape
from stages.report.tables import forgetting_table, models_table
from tools import citations, data_story, hub, licences, limits, loading
from tools.facts import Facts, declared, gather
from tools.facts import of_model as of_manifest
from tools.front_matter import front
from tools.logits import Difference
from tools.origin import Origin, changes, data_changes
from tools.provenance import contract, provenance, settings, told_chain
from tools.revisions import unknown

MADE = "Made by `tunegraph export"


def figures(facts: Facts) -> list[str]:
    """Return the model's metrics, and what it forgot and recovered."""
    name, sections = facts.manifest["name"], facts.params.get("evaluate", {}).get("sections", {})
    if not facts.metrics:
        return []
    lines = ["## Metrics", "", *models_table(sections, {name: facts.metrics})]
    if facts.comparison:
        confidence = facts.params.get("compare", {}).get("confidence", 0.95)
        lines += [
            "forgetting = base - self; recovery = (self - on) / (base - on); intervals say how far "
            "other rows like these would move a figure. p is corrected for the number of tests.",
            "",
            *forgetting_table(sections, {name: facts.comparison}, confidence),
        ]
    return lines


def card(
    facts: Facts,
    form: str,
    difference: Difference | None,
    where: str,
    shipped: dict[str, Any],
    rank: int = 0,
) -> str:
    """Return README.md of an export.

    form:    merged, adapter or stack
    where:   what loading lines name: a hub id, or `.`
    shipped: what the base's own card says (`tools.hub.shipped`)
    rank:    of the one adapter
    """
    name, chain = facts.manifest["name"], facts.manifest["chain"]
    recipe = facts.params.get("recipe", "")
    lines = [f"# {escape(name)} of {escape(recipe)}", ""]
    lines += [loading.KINDS[form].format(chain=" → ".join(map(escape, chain))), ""]
    if difference:
        lines += [f"Compared with the stack it was made of: {difference}.", ""]
    lines += ["## How to load it", "", *loading.lines(facts.manifest, form, where, rank)]
    lines += contract(facts) + limits.lines(facts) + figures(facts)
    lines += data_story.lines(facts, facts.sets)
    if chained := told_chain(facts):
        lines += ["## The chain", "", *chained]
    lines += [*settings(facts), *provenance(facts)]
    own = licences.of_model(facts, shipped)
    named = licences.spelled(own.get("license_name") or own.get("license"))
    rest = [licences.of_base(facts, shipped), *licences.built(facts, facts.sets)]
    lines += licences.lines(named, rest, "This model")
    lines += citations.lines(citations.of_model(facts))
    lines += [f"{MADE}`: `dvc repro` at this commit builds it again."]
    return front(facts, form, shipped) + "\n" + "\n".join(lines) + "\n"


def of_set(name: str, origin: Origin, params: dict[str, Any], scratch: Path) -> str:
    """Return the card of a set."""
    from tools import dataset, dataset_card

    built = gather(origin, params, data_changes(), scratch)
    facts = dataset_card.Facts(**vars(built), name=name)
    written = dataset.foreseen(name, origin, built, scratch)
    return dataset_card.card(facts, written, ".", licences.said(params, "data"))


def of_model(name: str, origin: Origin, params: dict[str, Any], scratch: Path) -> str:
    """Return the card of a model, which need not be here: params.yaml, lock and metrics tell."""
    model = Path("models") / name
    here = (model / "manifest.json").is_file()
    manifest = read_manifest(model) if here else declared(name, params)
    built = gather(origin, params, changes(name, params), scratch)
    facts = of_manifest(built, manifest, origin)
    return card(facts, "merged", None, ".", hub.shipped(manifest["base"]))


def write(text: str, out: Path) -> None:
    """Write a card; an earlier one is replaced.

    Raises: ConfigError when something else is there.
    """
    if out.is_dir() or (out.is_file() and MADE not in out.read_text("utf-8", errors="replace")):
        what = "this is there, and no card of ours: it will not be replaced"
        raise ConfigError(Fault(str(out), what, "a file that is not there yet", "--out"))
    with replacing(out) as file:
        file.write(text)
    entry.say("card", str(out))


def main(name: str, out: Path | None) -> None:
    """Print a card, or write it.

    name: base, an adapter, or a set of `sets`; where one has both names, `sets.` before it
    """
    with tempfile.TemporaryDirectory() as folder:
        scratch, origin = Path(folder), Origin()
        params = origin.params(scratch)
        sets = params.get("sets", {})
        models = ["base", *(told["name"] for told in params["adapters"].values())]
        pasted = {told["name"] for told in (params.get("transcripts") or {}).values()}
        if name in models:
            text = of_model(name, origin, params, scratch)
        elif (named := name.removeprefix("sets.")) in sets and (
            name != named or name not in pasted
        ):
            text = of_set(named, origin, params, scratch)
        elif name in pasted:
            what = f"{name!r} is a transcript: answers without a model"
            raise ConfigError(Fault(str(PATH), what, f"one of: {', '.join([*models, *sets])}"))
        else:
            raise unknown(str(PATH), "model or set", name, [*models, *sets])
    if out is None:
        print(text, end="")
    else:
        write(text, out)
