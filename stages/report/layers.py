"""How far each layer moved: a part of metrics/report.md."""

from typing import Any

from stages.report.markdown import escape, table

BASE = "base"
NOTE = (
    "Drift is not forgetting: a layer can turn and lose nothing (CKA does not see a rotation), or "
    "move a little and lose a skill; a cosine is to be read against `alike`, which prompts with "
    "nothing in common reach too, and the CKA of so few prompts is rough although it is debiased."
)


def spelled(value: float | None, sign: str = "") -> str:
    """Spell a figure that may be absent."""
    return "" if value is None else f"{value:{sign}.3f}"


def section(found: dict[str, Any]) -> list[str]:
    """Return the part's lines of Markdown; none where it is switched off."""
    if not found:
        return []
    rows = []
    for name in sorted(found["models"], key=lambda name: (name != BASE, name)):
        own = found["models"][name]
        alike = own.get("alike", {})
        kept = [spelled(alike.get(key)) for key in ("first", "last", "last_token")]
        rows.append([escape(name), *kept, spelled(own.get("entropy"))])
    head = ["model", "alike, first layer", "last layer", "its last token", "attention entropy"]
    models = table(head, rows)
    rows = []
    for name, others in found["drift"].items():
        for against, pair in others.items():
            of = pair["cosine"]
            span = f" [{of['low']:.3f}, {of['high']:.3f}]" if "low" in of else ""
            rows.append(
                [
                    escape(name), escape(against), spelled(of["first"]), spelled(of["last"]) + span,
                    f"{of['least']:.3f} (layer {of['at']})", spelled(of["last_token"]),
                    spelled(pair.get("cka")), spelled(pair["norm"], "+"),
                    spelled(pair.get("entropy"), "+"),
                ]
            )  # fmt: skip
    head = ["model", "against", "cosine, first layer", "last layer", "least", "its last token"]
    drift = table([*head, "CKA, last layer", "norm", "entropy"], rows, left=2)
    told = (
        f"What the layers make of {found['n']} prompts of {escape(found['set'])}: `alike` is the "
        "mean cosine of different prompts in one model, `cosine` that of one prompt in two models; "
        "of the mean over a prompt's tokens, but for `last token`, from which the answer begins. "
        "Attention entropy is 0 where each token looks at one, 1 where it looks at all alike. "
        "Every layer: `metrics/layers.csv`, `tunegraph plots`."
    )
    return ["## Layers", "", told, "", *models, *drift, NOTE, ""]
