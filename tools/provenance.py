"""Tell on a model's card how it was trained and from what, by hash."""

import io

from stages.report.markdown import escape, fenced, table
from tools.facts import Facts, digest_of


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
