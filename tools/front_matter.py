"""Write the YAML at the top of a model's card, which the hub reads.

Source: https://huggingface.co/docs/hub/model-cards#model-card-metadata
"""

import re
from typing import Any

from stages.core.scores import arrow
from tools import citations, licences, limits
from tools.facts import Facts

NO_ID = re.compile(r"[^A-Za-z0-9._-]+")


def results(facts: Facts) -> list[Any]:
    """Return the primary metric of each section of test rows, as the hub's model index has them.

    Source: https://github.com/huggingface/hub-docs/blob/main/modelcard.md
    """
    from huggingface_hub import EvalResult

    recipe = str(facts.params.get("recipe", ""))
    found = []
    for name, section in limits.tested(facts).items():
        key = section.get("primary", section["metrics"][0])
        if key not in facts.metrics[name]:
            continue
        found.append(
            EvalResult(
                task_type="text-generation",
                dataset_type=NO_ID.sub("-", f"{recipe}-{name}"),  # on no hub: no id of one
                dataset_name=f"{name} of {recipe}",
                dataset_split="test",
                dataset_args={"rows": facts.metrics[name]["n"]},
                metric_type=key,
                metric_name=f"{key} {arrow(key)}".strip(),
                metric_value=facts.metrics[name][key],
            )
        )
    return found


def front(facts: Facts, form: str, shipped: dict[str, Any]) -> str:
    """Return the YAML at the top, which the hub reads.

    shipped: what the base's own card says: license, license_name, license_link, language
    """
    from huggingface_hub import ModelCardData

    base = facts.manifest["base"]
    on_hub = {}
    if base["source"] == "hub":
        relation = "adapter" if form == "adapter" else "finetune"
        on_hub = {"base_model": base["id"], "base_model_relation": relation}
    measured = results(facts)
    if measured:
        on_hub["model_name"] = f"{facts.manifest['name']} of {facts.params.get('recipe', '')}"
    data = ModelCardData(
        **on_hub,
        **licences.of_model(facts, shipped),
        datasets=citations.data_of_hub(facts, facts.sets) or None,
        eval_results=measured or None,
        library_name="peft" if form == "adapter" else "transformers",
        pipeline_tag="text-generation",
        tags=["tunegraph", "dvc", *(["lora"] if form == "adapter" else [])],
    )
    return f"---\n{data.to_yaml()}\n---\n"
