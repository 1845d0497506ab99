"""What check knows of training before anything is trained: knobs, modes, device, launch, rows."""

import copy
import dataclasses
import inspect
import json
import re
from pathlib import Path
from typing import Any

import pytest

from stages.check import faults_of, notices, training
from stages.check.shape import SCHEMA
from stages.core import knobs
from stages.core.params import read_yaml

ROOT = Path(__file__).resolve().parents[2]
GONE = object()
LORA, SFT = "adapters.m2c.lora", "adapters.m2c.sft"
BOTH = ("adapters.m2b", "adapters.m2c")


@pytest.fixture(scope="module")
def default() -> dict[str, Any]:
    """Return the default recipe's parameters."""
    return read_yaml(ROOT / "params.yaml")


def edited(params: dict[str, Any], edits: dict[str, Any]) -> dict[str, Any]:
    """Return a copy of parameters with others at some dotted keys; GONE takes a key out."""
    # Not deepcopy: YAML's anchors make m2b and m2c share their knobs.
    params = json.loads(json.dumps(params))
    for dotted, value in edits.items():
        *parents, last = dotted.split(".")
        section = params
        for parent in parents:
            section = section[parent]
        if value is GONE:
            del section[last]
        else:
            section[last] = copy.deepcopy(value)
    return params


# Edits of the default recipe, and what must be told of them: nothing less, nothing more.
EDITS: dict[str, tuple[dict[str, Any], list[str]]] = {
    "a rank of 0": (
        {f"{LORA}.r": 0},
        [r"adapters.m2c.lora.r: 0 is out of range\n  expected: a whole number, at least 1: the r"],
    ),
    "no targets": (
        {f"{LORA}.target_modules": []},
        [r"adapters.m2c.lora.target_modules: is empty"],
    ),
    "the head as a target": (
        {f"{LORA}.target_modules": ["q_proj", "lm_head"]},
        [r"adapters.m2c.lora.target_modules: 'lm_head' would not train"],
    ),
    "the head as a target, by a pattern": (
        {f"{LORA}.target_modules": r".*(q_proj|lm_head)"},
        [r"adapters.m2c.lora.target_modules: 'lm_head' would not train"],
    ),
    "targets that are no pattern": (
        {f"{LORA}.target_modules": "*.q_proj"},
        [r"adapters.m2c.lora.target_modules: '\*\.q_proj' is no regular expression"],
    ),
    "a knob by another name": (
        {f"{LORA}.alpha": 16},
        [r"lora.alpha: 'alpha' is no key of this section\n  to do: PEFT calls it lora_alpha"],
    ),
    "a key that the stage writes": (
        {f"{LORA}.task_type": "CAUSAL_LM"},
        [r"lora.task_type: 'task_type' is no key of this section\n  to do: leave it out: TuneG"],
    ),
    "an init that changes the base": (
        {f"{LORA}.init_lora_weights": "pissa"},
        [r"lora.init_lora_weights: 'pissa': it changes the weights of the base"],
    ),
    "an init that does not exist": (
        {f"{LORA}.init_lora_weights": "gausian"},
        [r"lora.init_lora_weights: 'gausian' cannot be used here\n  expected: .*gaussian"],
    ),
    "a knob that no stack can hold": (
        {f"{LORA}.layer_replication": [[0, 2], [1, 3]]},
        [r"lora.layer_replication: \[\[0, 2\], \[1, 3\]\]: it makes another model of the base"],
    ),
    "layers of a pattern": (
        {f"{LORA}.layers_to_transform": 0},
        [r"lora.layers_to_transform: cannot go with target_modules: all-linear"],
    ),
    "a pattern of no layers": (
        {f"{LORA}.target_modules": ["q_proj"], f"{LORA}.layers_pattern": "layers"},
        [r"lora.layers_pattern: says nothing without layers_to_transform"],
    ),
    "lora_bias with DoRA and an init": (
        {
            f"{LORA}.lora_bias": True,
            f"{LORA}.use_dora": True,
            f"{LORA}.init_lora_weights": "gaussian",
        },
        [
            r"lora.lora_bias: cannot go with use_dora",
            r"lora.lora_bias: cannot go with init_lora_weights: gaussian",
        ],
    ),
    "biases on a stack": (
        {f"{LORA}.bias": "all"},
        [r"adapters.m2c.lora.bias: all, on other adapters: PEFT trains the base's biases for one"],
    ),
    "dropout in DoRA on a stack": (
        {f"{LORA}.use_dora": True, f"{LORA}.lora_dropout": 0.1},
        [r"adapters.m2c.lora.lora_dropout: 0.1 with use_dora on other adapters"],
    ),
    "a module that a parent keeps whole": (
        {f"{each}.lora.modules_to_save": ["lm_head"] for each in BOTH},
        [r"adapters.m2c.lora.modules_to_save: lm_head: '2b' below it keeps the same whole"],
    ),
    "continuing the base": (
        {"adapters.m2b.mode": "continue"},
        [r"adapters.m2b.mode: there is no adapter to continue on the base(.|\n)*mode: stack"],
    ),
    "merging into the base what is none": (
        {"adapters.m2b.mode": "merge"},
        [r"adapters.m2b.mode: there is no adapter to merge on the base"],
    ),
    "continuing with other knobs": (
        {
            "adapters.m2c.mode": "continue",
            f"{LORA}.r": 8,
            f"{LORA}.use_rslora": True,
            f"{LORA}.use_dora": False,
            f"{LORA}.lora_dropout": 0.1,
        },
        [
            r"lora.r: 8, but '2b', which it trains on, has 16(.|\n)*write r: 16",
            r"lora.use_rslora: True, but '2b', .* has None(.|\n)*leave it out",
        ],
    ),
    "a mode that does not exist": (
        {"adapters.m2c.mode": "merged"},
        [r"adapters.m2c.mode: 'merged' is none of the choices; did you mean 'merge'"],
    ),
    "a key that params.yaml says elsewhere": (
        {f"{SFT}.seed": 1, f"{SFT}.use_cpu": True, f"{SFT}.fsdp": "full_shard"},
        [
            r"sft.seed: 'seed' is no key of this section\n  to do: say it at seed.train",
            r"sft.use_cpu: .*\n  to do: say it at compute.device",
            r"sft.fsdp: .*\n  to do: say it at launch",
        ],
    ),
    "a key of transformers 4": (
        {f"{SFT}.warmup_ratio": 0.03},
        [r"sft.warmup_ratio: .*\n  to do: transformers 5 has it no more: .*warmup_steps: 0.03"],
    ),
    "a key that TuneGraph owns": (
        {f"{SFT}.{key}": "x" for key in ("output_dir", "report_to", "hub_token", "save_strategy")},
        [r"sft.output_dir:", r"sft.report_to:", r"sft.hub_token:", r"sft.save_strategy:"],
    ),
    "remote code": (
        {f"{SFT}.trust_remote_code": True},
        [r"sft.trust_remote_code: .*\n  to do: .*code of a hub is never run"],
    ),
    "an optimizer that does not exist": (
        {f"{SFT}.optim": "paged_adamw_8"},
        [r"sft.optim: 'paged_adamw_8' is none of the choices; did you mean 'paged_adamw_8bit'"],
    ),
    "a scheduler that does not exist": (
        {f"{SFT}.lr_scheduler_type": "cosinus"},
        [r"sft.lr_scheduler_type: 'cosinus' is none of the choices; did you mean 'cosine'"],
    ),
    "half a step": (
        {f"{SFT}.eval_steps": 12.5, f"{SFT}.warmup_steps": 1.5},
        [r"sft.eval_steps: 12.5 steps\n", r"sft.warmup_steps: 1.5 steps\n"],
    ),
    "early stopping without val rows": (
        {"sets.own.val": 0.0, "sets.original.val": 0.0, f"{SFT}.early_stopping_patience": 2},
        [r"sft.early_stopping_patience: 2 goes by the val loss, but no set has(.|\n)*own, orig"],
    ),
    "the best checkpoint without val rows": (
        {"sets.own.val": 0.0, "adapters.m2b.sft.load_best_model_at_end": True},
        [r"m2b.sft.load_best_model_at_end: True goes by the val loss, but no set has val rows"],
    ),
    "val rows by ids, and there are none": (
        {
            "sets.own": {
                "from": "rows",
                "ids": {"test": ["a"]},
                "near_duplicates": "group",
                "cap": {},
            },
            "sources.skills.apart_from": None,
            "evaluate.sections.own_train": GONE,
            "adapters.m2b.sft.lr_scheduler_type": "reduce_lr_on_plateau",
        },
        [r"m2b.sft.lr_scheduler_type: 'reduce_lr_on_plateau' goes by the val loss, but no set"],
    ),
    "early stopping without an evaluation": (
        {f"{SFT}.eval_strategy": "no", f"{SFT}.early_stopping_patience": 2},
        [r"sft.early_stopping_patience: 2 goes by the val loss, but eval_strategy is no"],
    ),
    "a threshold of no patience": (
        {f"{SFT}.early_stopping_threshold": 0.1},
        [r"sft.early_stopping_threshold: says nothing without early_stopping_patience"],
    ),
    "a patience of 0": (
        {f"{SFT}.early_stopping_patience": 0},
        [r"sft.early_stopping_patience: 0 is out of range\n  expected: .* at least 1: evaluations"],
    ),
    "TRL's keys for the base": (
        {
            "base.scratch.sft.packing": True,
            "base.scratch.sft.metric_for_best_model": "mean_token_accuracy",
        },
        [
            r"base.scratch.sft.packing: is a key of TRL's trainer, for adapters",
            r"base.scratch.sft.metric_for_best_model: 'mean_token_accuracy' is measured by TRL",
        ],
    ),
    "rows longer than the base reads": (
        {f"{SFT}.max_length": 513},
        [r"sft.max_length: 513 tokens do not fit\n  expected: .*max_position_embeddings \(512\)"],
    ),
    "blocks without a length": (
        {f"{SFT}.max_length": None, f"{SFT}.packing": True},
        [r"sft.max_length: null leaves packing without a length"],
    ),
    "packing that cuts rows in two": (
        {f"{SFT}.packing": True, f"{SFT}.packing_strategy": "wrapped"},
        [r"sft.packing_strategy: 'wrapped' is none of the choices\n  expected: one of: bfd"],
    ),
    "mixed precision twice": (
        {"compute.device": "cuda", f"{SFT}.fp16": True, f"{SFT}.bf16": True},
        [r"sft.fp16: is true, and bf16 too"],
    ),
    "what needs a GPU": (
        {f"{SFT}.fp16": True, f"{SFT}.tf32": True},
        [r"sft.fp16: is true, but compute.device is cpu", r"sft.tf32: is true, but compute.device"],
    ),
    "4-bit on a Mac's GPU": (
        {"compute.device": "mps", "base.quantize": "4bit"},
        [r"base.quantize: 4bit, but compute.device is mps"],
    ),
    "an optimizer in 8 bit on a Mac's GPU": (
        {"compute.device": "mps", f"{SFT}.optim": "paged_adamw_8bit"},
        [r"sft.optim: paged_adamw_8bit, but compute.device is mps.*\n  expected: adamw_torch"],
    ),
    "8-bit on a Mac's GPU": (
        {"compute.device": "mps", "base.quantize": "8bit"},
        [r"base.quantize: 8bit, but compute.device is mps"],
    ),
    "flash attention on a CPU, in float32": (
        {"base.attn_implementation": "flash_attention_2"},
        [
            r"base.attn_implementation: flash_attention_2, but compute.device is cpu",
            r"base.attn_implementation: flash_attention_2, but base.dtype is float32",
        ],
    ),
    "two processes of python": (
        {"launch.processes": 2, "launch.nodes": 2},
        [
            r"launch.processes: 2, but the launcher python starts one(.|\n)*launcher: torchrun",
            r"launch.nodes: 2, but the launcher python starts one(.|\n)*launcher: torchrun",
        ],
    ),
    "weights shared with nobody": (
        {"launch.fsdp": True},
        [r"launch.fsdp: true, but the launcher python starts one process"],
    ),
    "weights shared with nobody by torchrun": (
        {"launch.fsdp": True, "launch.launcher": "torchrun", "compute.device": "cuda"},
        [r"launch.fsdp: true, but there is one process"],
    ),
    "weights shared on a CPU": (
        {"launch": {"launcher": "torchrun", "processes": 2, "nodes": 1, "fsdp": True}},
        [r"launch.fsdp: true, but compute.device is cpu"],
    ),
    "weights of 8 bits that are shared": (
        {
            "launch": {"launcher": "torchrun", "processes": 2, "nodes": 1, "fsdp": True},
            **{"compute.device": "cuda", "base.quantize": "8bit"},
        },
        [r"launch.fsdp: true, but base.quantize is 8bit(.|\n)*expected: base.quantize: 4bit"],
    ),
    "a GPU's memory where there is none": (
        {f"{SFT}.activation_offloading": True},
        [r"m2c.sft.activation_offloading: is true, but compute.device is cpu"],
    ),
    "batches by the machine": (
        {f"{SFT}.auto_find_batch_size": True},
        [r"sft.auto_find_batch_size: .* is no key of this section\n  to do: leave it out: the ba"],
    ),
    "no step at all": ({f"{SFT}.max_steps": 0}, [r"m2c.sft.max_steps: 0\n  expected: above 0, or"]),
    "processes on one GPU": (
        {"launch.launcher": "torchrun", "launch.processes": 2, "compute.device": "cuda:1"},
        [r"compute.device: cuda:1, but each process of torchrun takes a GPU by its own number"],
    ),
    "a process of torchrun on a GPU by number": (
        {"launch.launcher": "torchrun", "compute.device": "cuda:1"},
        [r"compute.device: cuda:1, but each process of torchrun takes a GPU by its own number"],
    ),
    "processes on a Mac's GPU": (
        {"launch.launcher": "torchrun", "launch.processes": 2, "compute.device": "mps"},
        [r"launch.launcher: torchrun, but compute.device is mps"],
    ),
    "a set weighed in two ways": (
        {"adapters.m2c.mix.original": {"share": 0.1, "rows": 100}},
        [r"adapters.m2c.mix.original: says share and rows\n  expected: one of share"],
    ),
    "a set weighed in no way": (
        {"adapters.m2c.mix.original": {"cap": 100}},
        [r"adapters.m2c.mix.original: does not say how many rows"],
    ),
    "ratios of everything": (
        {"adapters.m2c.mix": {"own": {"ratio": 0.5}, "original": {"ratio": 0.4}}},
        [r"adapters.m2c.mix: every set has a ratio"],
    ),
    "ratios that leave nothing": (
        {"adapters.m2c.mix": {"own": {"ratio": 0.5}, "original": {"ratio": 0.5}, "probes": 1.0}},
        [
            r"mix: the ratios of own, original leave nothing for the other sets \(1\)",
            r"sets.probes: val 0.0 and test 1.0 leave nothing to train on",
        ],
    ),
    "a section of training rows that are not sampled": (
        {"sets.own.train_sample": 0},
        [r"own_train.set: there is no set 'own_train'(.|\n)*write train_sample: 40 at sets.own"],
    ),
    "a headline of training rows": (
        {
            "evaluate.headline": ["own_train"],
            "evaluate.sections.own_train.primary": "exact",
        },
        [r"evaluate.headline\[0\]: the section 'own_train' is of training rows"],
    ),
    "a section of training rows and test rows": (
        {"evaluate.sections.combined.set": ["own_train", "original"]},
        [
            r"sections.combined.set: holds training rows \(own_train\) and test rows together\n"
            r"(.|\n)*a section for each"
        ],
    ),
    "a set of a section of several that is not there": (
        {"evaluate.sections.combined.set": ["own", "orignal"]},
        [
            r"evaluate.sections.combined.set\[1\]: there is no set 'orignal'; "
            r"did you mean 'original'\?"
        ],
    ),
    "a headline of training rows of several sets": (
        {
            "sets.original.train_sample": 10,
            "evaluate.sections.own_train": {
                "set": ["own_train", "original_train"],
                "primary": "exact",
                "metrics": ["exact"],
            },
            "evaluate.headline": ["own_train"],
        },
        [r"evaluate.headline\[0\]: the section 'own_train' is of training rows"],
    ),
    "a table of what is not scored": (
        {"evaluate.table": ["own.rouge_l", "own.rouge_1", "own.exat", "owm.exact"]},
        [
            r"evaluate.table\[1\]: there is no figure 'own.rouge_1'(.|\n)*"
            r"add rouge_1 to evaluate.sections.own.metrics",
            r"evaluate.table\[2\]: there is no figure 'own.exat'; did you mean 'own.exact'\?",
            r"evaluate.table\[3\]: there is no section 'owm'; did you mean 'own'\?",
        ],
    ),
    "a table with a column twice": (
        {"evaluate.table": ["own.exact", "own.exact"]},
        [r"evaluate.table: named twice: own.exact"],
    ),
    "a sample called as a set is": (
        {
            "sets.own_train": {
                "from": "rows",
                "val": 0.1,
                "test": 0.1,
                "near_duplicates": "keep",
                "cap": {},
            }
        },
        [r"sets.own.train_sample: the sample would be called 'own_train', as the set"],
    ),
    "a sample of no training rows": (
        {"sets.probes.train_sample": 5},
        [r"sets.probes.train_sample: val and test leave no training rows"],
    ),
}


@pytest.mark.parametrize("name", EDITS)
def test_a_fault_of_training_is_told_and_no_other(default: dict[str, Any], name: str):
    edits, expected = EDITS[name]
    found = [str(fault) for fault in faults_of(edited(default, edits))[0]]
    assert len(found) == len(expected), "\n".join(found)
    for pattern in expected:
        assert sum(bool(re.search(pattern, fault)) for fault in found) == 1, "\n".join(found)


def test_there_is_a_test_for_each_fault_of_training():
    assert len(EDITS) == 67


@pytest.mark.parametrize("revision", [None, "main"])
def test_a_revision_of_a_base_that_moves_is_a_fault(default: dict[str, Any], revision: str | None):
    """Its weights would change under one name, and no manifest would tell."""
    edits = {"base.source": "hub", "base.id": "some/model", "base.revision": revision}
    [found] = faults_of(edited(default, edits))[0]
    assert re.search(
        r"base.revision: (.|\n)*expected: .*a commit's hash: a branch moves", str(found)
    )


# What is no fault, though it looks like one.
SOUND: dict[str, dict[str, Any]] = {
    "every knob of the seeds": {
        LORA: {
            **{"r": 8, "lora_alpha": 16, "lora_dropout": 0.0, "use_rslora": True},
            **{"use_dora": True, "target_modules": ["q_proj", "v_proj"]},
            **{"init_lora_weights": "gaussian"},
        },
        SFT: {
            **{"learning_rate": 2e-4, "num_train_epochs": 3, "max_steps": -1, "warmup_steps": 0.03},
            **{"per_device_train_batch_size": 4, "gradient_accumulation_steps": 4},
            **{"gradient_checkpointing": True, "optim": "paged_adamw_8bit", "weight_decay": 0.01},
            **{"neftune_noise_alpha": 5, "packing": True, "max_length": 512},
            **{"completion_only_loss": True, "lr_scheduler_type": "cosine", "eval_steps": 50},
            **{"early_stopping_patience": 3, "early_stopping_threshold": 0.01, "save_steps": 70},
            **{"load_best_model_at_end": True, "metric_for_best_model": "loss"},
        },
    },
    "the best of evaluations that are not checkpoints": {
        f"{SFT}.load_best_model_at_end": True,
        f"{SFT}.save_steps": 7,
    },
    "no val rows, and nothing that asks for them": {"sets.own.val": 0.0, "sets.original.val": 0.0},
    "one set of the mix with val rows": {
        "sets.own.val": 0.0,
        f"{SFT}.early_stopping_patience": 2,
    },
    "a parent continued": {"adapters.m2c.mode": "continue"},
    "a parent merged": {"adapters.m2c.mode": "merge"},
    "biases below a stack": {"adapters.m2b.lora.bias": "all"},
    "biases on a merged base": {f"{LORA}.bias": "all", "adapters.m2c.mode": "merge"},
    "layer 0": {f"{LORA}.target_modules": ["q_proj"], f"{LORA}.layers_to_transform": 0},
    "4-bit on a CPU": {"base.quantize": "4bit"},
    "flash attention where it runs": {
        "base.attn_implementation": "flash_attention_2",
        "base.dtype": "bfloat16",
        "compute.device": "cuda:1",
    },
    "bfloat16 on a CPU": {f"{SFT}.bf16": True},
    "two processes of torchrun": {
        "launch": {"launcher": "torchrun", "processes": 2, "nodes": 1, "fsdp": False}
    },
    "two GPUs that share weights": {
        "launch": {"launcher": "torchrun", "processes": 2, "nodes": 1, "fsdp": True},
        "compute.device": "cuda",
    },
    "rows without padding": {f"{SFT}.padding_free": True},
    "DoRA with dropout on a merged base": {
        "adapters.m2c.mode": "merge",
        f"{LORA}.use_dora": True,
        f"{LORA}.lora_dropout": 0.1,
    },
    "replay": {"adapters.m2c.mix": {"own": {"share": 1.0, "cap": 9}, "original": {"ratio": 0.2}}},
}  # fmt: skip


@pytest.mark.parametrize("name", SOUND)
def test_what_can_be_trained_is_no_fault(default: dict[str, Any], name: str):
    assert [str(fault) for fault in faults_of(edited(default, SOUND[name]))[0]] == []


DORA = {"adapters.m2b.lora.use_dora": True}
# Edits, and the notices that must come of them.
NOTICES: dict[str, tuple[dict[str, Any], list[str]]] = {
    "the default": ({}, []),
    "rsLoRA has a sum": ({f"{each}.lora.use_rslora": True for each in BOTH}, []),
    "a range of layers has a sum": (
        {f"{LORA}.target_modules": ["q_proj"], f"{LORA}.layers_to_transform": [0]},
        [],
    ),
    "DoRA below has none": (
        DORA,
        [
            r"adapters.m2c: 2b - 2c has no exact sum as one adapter \(2b has use_dora: True\): "
            r"models/2c will hold none(.|\n)*tunegraph export 2c"
        ],
    ),
    "DoRA on top has none": (
        {f"{LORA}.use_dora": True},
        [r"adapters.m2c: 2b - 2c has no exact sum as one adapter \(2c has use_dora: True\)"],
    ),
    "one alone is its own": ({**DORA, "adapters.m2c.on": "base"}, []),
    "what is continued is not there twice": (
        {f"{each}.lora.use_dora": True for each in BOTH} | {"adapters.m2c.mode": "continue"},
        [],
    ),
    "merged in full precision": ({"adapters.m2c.mode": "merge"}, []),
    "merged in less": (
        {"adapters.m2c.mode": "merge", "base.dtype": "bfloat16"},
        [r"adapters.m2c: 2b - 2c .*\(what is merged into a base of bfloat16 is rounded\)"],
    ),
    "on a base with an adapter of its own": (
        {
            "base": {
                **{"source": "hub", "id": "some/model", "revision": "0e9e39f", "set": "original"},
                **{"dtype": "bfloat16", "quantize": "4bit", "attn_implementation": "sdpa"},
                "adapter": {"id": "some/adapter", "revision": "main"},
            }
        },
        [
            r"adapters.m2b: 2b has no exact sum as one adapter \(what is",
            r"adapters.m2c: 2b - 2c has no exact sum as one",
        ],
    ),
    "merged in 4 bits": (
        {"adapters.m2c.mode": "merge", "base.quantize": "4bit"},
        [r"adapters.m2c: 2b - 2c .*\(what is merged into a base of 4bit is rounded\)"],
    ),
    "every knob without a sum": (
        {
            "adapters.m2b.lora.bias": "lora_only",
            f"{LORA}.lora_bias": True,
            f"{LORA}.modules_to_save": ["lm_head"],
        },
        [r"\(2b has bias: 'lora_only'; 2c has lora_bias: True, modules_to_save: \['lm_head'\]\)"],
    ),
    "paging on a CPU": (
        {f"{SFT}.optim": "paged_adamw_8bit"},
        [r"sft.optim: paged_adamw_8bit pages on a GPU only: on the CPU it is adamw_8bit"],
    ),
    "paging on a GPU": ({f"{SFT}.optim": "paged_adamw_8bit", "compute.device": "cuda"}, []),
    "label smoothing": (
        {f"{SFT}.label_smoothing_factor": 0.1},
        [r"sft.label_smoothing_factor: TRL drops it in 2.0"],
    ),
}


@pytest.mark.parametrize("name", NOTICES)
def test_a_notice_is_no_fault(default: dict[str, Any], name: str):
    edits, expected = NOTICES[name]
    params = edited(default, edits)
    assert [str(fault) for fault in faults_of(params)[0]] == []
    found = [str(notice) for notice in notices(params)]
    assert len(found) == len(expected), "\n".join(found)
    for notice, pattern in zip(found, expected, strict=True):
        assert re.search(pattern, notice), notice


def test_the_stage_prints_its_notices_and_writes_the_marker(
    project: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    from stages.check import __main__ as stage

    params = edited(read_yaml(Path("params.yaml")), DORA)
    Path("params.yaml").write_text(json.dumps(params), encoding="utf-8")
    words = ["check", "--recipe", "recipes/reviews", "--out", "data/checked.json"]
    monkeypatch.setattr("sys.argv", words)
    stage.main()
    printed = capsys.readouterr()
    assert printed.err.startswith("warning: params.yaml: adapters.m2c: 2b - 2c has no exact sum")
    assert "no fault" in printed.out
    assert json.loads(Path("data/checked.json").read_bytes()) == {"faults": 0}


@pytest.mark.slow
def test_the_schema_knows_each_key_of_the_installed_libraries():
    """Each known key is the library's; each of the library's is known or refused by name."""
    from peft import LoraConfig
    from transformers import EarlyStoppingCallback, LlamaConfig
    from trl import SFTConfig

    offered = json.loads(SCHEMA.read_bytes())["$defs"]
    stopping = set(inspect.signature(EarlyStoppingCallback).parameters)
    more = {"lora": set(), "sft": stopping}
    counts = {}
    for name, config in (("lora", LoraConfig), ("sft", SFTConfig)):
        fields = {field.name for field in dataclasses.fields(config) if field.init} | more[name]
        known = set(offered[name]["properties"])
        assert known - fields == set()
        patterns = offered[name]["refused"]
        refused = {key for key in fields if any(re.search(pattern, key) for pattern in patterns)}
        assert known & refused == set()
        assert fields - known - refused == set()
        counts[name] = len(known), len(refused)
        # What is refused though no library has it is a former or another word for what one has.
        for pattern, then in patterns.items():
            if not any(re.search(pattern, key) for key in fields):
                words = set(re.findall(r"\w+", then))
                assert words & known, then
    assert counts["lora"] == (32, 10)
    assert counts["sft"][0] > 60
    assert counts["sft"][1] > 60
    architecture = set(offered["architecture"]["properties"])
    assert architecture <= set(LlamaConfig().to_dict()) | {"head_dim"}
    assert len(architecture) > 5


@pytest.mark.slow
def test_the_choices_are_the_installed_libraries_own():
    from transformers.trainer_utils import IntervalStrategy, SchedulerType
    from transformers.training_args import OptimizerNames, TrainingArguments
    from trl import SFTConfig

    sft = json.loads(SCHEMA.read_bytes())["$defs"]["sft"]["properties"]
    names = {each.value for each in SchedulerType}
    assert set(sft["lr_scheduler_type"]["enum"]) == names
    assert set(sft["eval_strategy"]["enum"]) == {each.value for each in IntervalStrategy}
    optimizers = {each.value for each in OptimizerNames}
    assert set(sft["optim"]["enum"]) <= optimizers
    # Those of packages that requirements.lock does not hold, and of other hardware.
    left_out = r"^(galore|apollo|lomo|adalomo|grok|schedule_free|stable)|_(xla|npu_fused)$"
    left_out += r"|^adamw_(anyprecision|torch_4bit|torch_8bit)$"
    rest = optimizers - set(sft["optim"]["enum"])
    assert {each for each in rest if not re.search(left_out, each)} == set()
    for key in ("packing_strategy", "loss_type", "train_sampling_strategy"):
        field = SFTConfig.__dataclass_fields__[key]
        assert set(sft[key]["enum"]) <= set(field.metadata["choices"])
    own = {field.name for field in dataclasses.fields(SFTConfig)}
    own -= {field.name for field in dataclasses.fields(TrainingArguments)}
    assert own & set(sft) == training.OF_ADAPTERS_ALONE


def test_what_a_stack_refuses_is_left_to_one_list():
    """The schema takes any value of such a knob: stages.core.knobs says why it is refused."""
    properties = json.loads(SCHEMA.read_bytes())["$defs"]["lora"]["properties"]
    assert set(knobs.REFUSED) <= set(properties)
    assert len(knobs.REFUSED) > 10
