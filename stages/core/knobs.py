"""What the keys of `lora` mean for a stack: which have an exact sum, which none, which are refused.

    sum      r, alpha, dropout, targets, patterns, rsLoRA, ranges of layers: B A x and nothing else
    no sum   trains, stacks and reloads exactly, but no one adapter equals a chain that has it; the
             merged model (`tunegraph export`) is the form of it that other tools load
    refused  would change the base, or come back otherwise than it was trained

No heavy import: `check` asks the same before anything is trained.
Source: https://huggingface.co/docs/peft/package_reference/lora, read against peft 0.21.
"""

from collections.abc import Mapping
from typing import Any

# Starts of an adapter that leave the base's weights alone.
PLAIN_INITS = (True, False, "gaussian", "orthogonal")
EXACT = {
    *("r", "lora_alpha", "lora_dropout", "target_modules", "exclude_modules", "rank_pattern"),
    *("alpha_pattern", "use_rslora", "layers_to_transform", "layers_pattern", "fan_in_fan_out"),
    *("task_type", "peft_type", "inference_mode", "base_model_name_or_path", "revision"),
    *("peft_version", "auto_mapping", "runtime_config"),
    # Without the knob that they belong to, these say nothing.
    *("megatron_core", "qalora_group_size"),
}
NO_SUM = {"use_dora", "lora_bias", "bias", "modules_to_save"}
CHANGES_BASE = "it changes the weights of the base, which every other tool would load unchanged"
REFUSED = {
    "init_lora_weights": CHANGES_BASE,
    "loftq_config": CHANGES_BASE,
    "eva_config": "it takes data that a file of parameters cannot hold",
    "corda_config": CHANGES_BASE,
    "lora_ga_config": CHANGES_BASE,
    "kasa_config": CHANGES_BASE,
    "target_parameters": "PEFT takes one adapter for each parameter, so nothing could stand on it",
    "layer_replication": "it makes another model of the base: its layers would count otherwise",
    "trainable_token_indices": "PEFT can neither stack nor merge such tokens",
    "ensure_weight_tying": "PEFT cannot stack adapters of tied layers",
    "alora_invocation_tokens": "it is off for a part of each text, and cannot be merged",
    "megatron_config": "the base is not a Megatron model",
    "use_qalora": "it is for GPTQ bases only",
    "arrow_config": "it routes between adapters, where a stack adds them",
    "monteclora_config": "its weights are drawn at random",
    "velora_config": "not tried with a stack",
    "use_bdlora": "its adapters are no B A x",
}

# What may differ between an adapter and the one it goes on from (`mode: continue`): nothing of it
# is in the weights.
FREE = {
    *("lora_dropout", "init_lora_weights", "inference_mode", "runtime_config"),
    *("base_model_name_or_path", "revision", "peft_version", "auto_mapping"),
}


def is_set(value: Any) -> bool:
    """Tell whether a knob says anything: None, False, "none" and what is empty do not."""
    return value not in (None, False, "none", {}, [], ())


def refused(lora: Mapping[str, Any]) -> list[str]:
    """Return each knob that no adapter may have here, as `name=value: why`.

    lora: keys of peft.LoraConfig; a key that it does not have is left for PEFT to refuse
    """
    found = []
    for key, value in lora.items():
        if key == "init_lora_weights":
            wrong = value not in PLAIN_INITS
        else:
            wrong = key in REFUSED and is_set(value)
        if wrong:
            found.append(f"{key}={value!r}: {REFUSED[key]}")
    return sorted(found)


def without_sum(lora: Mapping[str, Any]) -> list[str]:
    """Return each knob, as `name=value`, for which a chain has no exact sum."""
    known = EXACT | {"init_lora_weights"}
    return sorted(
        f"{key}={value!r}" for key, value in lora.items() if key not in known and is_set(value)
    )
