"""Write the model card of an export: every figure comes from metrics/, dvc.lock and the manifests.

Source: https://huggingface.co/docs/hub/model-cards
"""

import io
from pathlib import Path
from typing import Any

from stages.report.markdown import escape, fenced, table
from stages.report.tables import forgetting_table, models_table
from tools import loading
from tools.facts import Facts, digest_of
from tools.logits import Difference


def front(facts: Facts, form: str, shipped: dict[str, Any]) -> str:
    """Return the YAML at the top, which the hub reads.

    shipped: what the base's own card says: license, license_name, license_link, language
    """
    from huggingface_hub import ModelCardData

    base, params = facts.manifest["base"], facts.params
    on_hub = {}
    if base["source"] == "hub":
        relation = "adapter" if form == "adapter" else "finetune"
        on_hub = {"base_model": base["id"], "base_model_relation": relation}
    used = {name for key in facts.keys.values() for name in params["adapters"][key]["mix"]}
    named = [params["sets"][name]["from"] for name in used if name in params.get("sets", {})]
    origins = {each for names in named for each in ([names] if isinstance(names, str) else names)}
    if "rows" in origins:
        origins.add(params["prompt"]["source"])
    sources = [params["sources"].get(name) or {} for name in sorted(map(str, origins))]
    datasets = sorted({each["path"] for each in sources if each.get("kind") == "hub"})
    data = ModelCardData(
        **on_hub,
        **shipped,
        datasets=datasets or None,
        library_name="peft" if form == "adapter" else "transformers",
        pipeline_tag="text-generation",
        tags=["tunegraph", "dvc", *(["lora"] if form == "adapter" else [])],
    )
    return f"---\n{data.to_yaml()}\n---\n"


def told_chain(facts: Facts) -> list[str]:
    """Return the table of the chain: what each adapter stands on, and which bytes it is."""
    rows = []
    for name in facts.manifest["chain"][1:]:
        key = facts.keys.get(name, "")
        told = facts.params["adapters"].get(key, {})
        data = facts.rows.get(name, {})
        rows.append(
            [
                escape(name),
                escape(told.get("on", "")),
                escape(told.get("mode", "stack") if told else ""),
                ", ".join(f"{escape(each)}: {n}" for each, n in data.items()),
                digest_of(facts.stages, f"train@{key}", "deps", f"data/mix/{name}"),
                facts.manifest.get("adapters", {}).get(name) or "",
                digest_of(facts.stages, f"train@{key}", "outs", f"models/{name}"),
            ]
        )
    head = ["adapter", "on", "mode", "training rows", "data/mix (MD5)", "digest", "models (MD5)"]
    return table(head, rows, left=7) if rows else []


def contract(facts: Facts) -> list[str]:
    """Return what the model was trained to be asked with."""
    told = facts.manifest.get("contract")
    if not told:
        return []
    ends = ", ".join(map(str, told["eos"]))
    lines = ["## How it was trained to be asked", ""]
    lines += [f"By the chat template beside it; tokens {escape(ends)} end an answer.", ""]
    for each in told.get("system", []):
        text = each.get("text", f"(one with the SHA-256 {each.get('sha256')})")
        if text is None:
            lines += [f"Without a system prompt: {each['rows']} rows.", ""]
        else:
            lines += [f"With this system prompt: {each['rows']} rows.", "", *fenced(text)]
    return lines


def settings(facts: Facts) -> list[str]:
    """Return the parameters that each adapter was trained with, by PEFT's and TRL's own names."""
    from ruamel.yaml import YAML

    told = {
        name: {part: facts.params["adapters"][key][part] for part in ("mix", "lora", "sft")}
        for name, key in facts.keys.items()
    }
    if not told:
        return []
    text = io.StringIO()
    writer = YAML(pure=True)
    writer.representer.ignore_aliases = lambda data: True
    writer.dump(told, text)
    return ["## Settings", "", *fenced(text.getvalue().rstrip())]


def provenance(facts: Facts) -> list[str]:
    """Return where everything came from."""
    base, manifest = facts.manifest["base"], facts.manifest
    known = {
        "recipe": facts.params.get("recipe"),
        "git commit": facts.commit,
        "asked for as": facts.revision,
        "base": base["id"] or base["source"],
        "base revision": base["revision"],
        "base weights": base["weights"],
        "base dtype": base["dtype"],
        "base quantization": base["quantize"],
        "chat template": base["chat_template"],
        "base's own adapter": (base.get("adapter") or {}).get("digest"),
        "training data (SHA-256)": manifest.get("training_data"),
        "went on from": manifest.get("continues", {}).get("name"),
        "models/base (MD5)": digest_of(facts.stages, "base", "outs", "models/base") or None,
    }
    rows = [[name, escape(value)] for name, value in known.items() if value is not None]
    lines = ["## Where it comes from", "", *table(["", ""], rows, left=2)]
    if facts.changed:
        lines += ["**Not as committed:** " + escape("; ".join(facts.changed)) + ".", ""]
    return lines


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
    lines += contract(facts) + figures(facts)
    if chained := told_chain(facts):
        lines += ["## The chain", "", *chained]
    lines += [*settings(facts), *provenance(facts)]
    lines += ["Made by `tunegraph export`: `dvc repro` at this commit builds it again."]
    return front(facts, form, shipped) + "\n" + "\n".join(lines) + "\n"


def main(name: str, out: Path | None) -> None:
    """Print a card, or write it."""
    raise NotImplementedError(name, out)
