"""What the parameters of training mean: the trainer's keys, the device, and what is launched.

Shapes and names of keys are in params.schema.json; here stands what no single key can tell.
"""

import re
from collections.abc import Iterator

from stages.check.meaning import Params, located, section
from stages.core.errors import Fault

# Optimizers of bitsandbytes that run on CUDA or the CPU; mps has the 32-bit ones at best.
NOT_ON_A_MAC = re.compile("8bit|paged")
FLASH = ("flash_attention_2", "flash_attention_3")
# Keys of trl.SFTConfig that transformers.TrainingArguments, of which a scratch base is made, lacks.
OF_ADAPTERS_ALONE = {
    *("activation_offloading", "assistant_only_loss", "completion_only_loss", "eval_packing"),
    *("loss_type", "max_length", "packing", "packing_strategy", "pad_to_multiple_of"),
    *("padding_free", "router_aux_loss_coef"),
}
# What cannot be done without rows to validate on.
NEEDING_VAL = ("early_stopping_patience", "load_best_model_at_end")
PLATEAUS = ("reduce_lr_on_plateau", "greedy")


def trained(params: Params) -> Iterator[tuple[str, Params, list[str]]]:
    """Yield where each section of a trainer's keys stands, the keys, and the sets that it reads."""
    base = section(params, "base")
    if base.get("source") == "scratch":
        yield "base.scratch.sft", section(params, "base.scratch.sft"), [base.get("set")]
    for key, entry in section(params, "adapters").items():
        yield f"adapters.{key}.sft", entry.get("sft", {}), [*entry.get("mix", {})]


def holds_val(entry: Params) -> bool:
    """Tell whether a set may have validation rows (whether it does, only its rows can tell)."""
    if "ids" in entry:
        return bool(entry["ids"].get("val"))
    return entry.get("val", 1) > 0


def check_intervals(params: Params) -> Iterator[Fault]:
    """Hold that numbers of steps are whole."""
    for where, sft, _ in trained(params):
        for key in ("eval_steps", "save_steps", "logging_steps", "warmup_steps"):
            steps = sft.get(key, 1)
            if steps >= 1 and steps != int(steps):
                expected = "a whole number of steps, or, below 1, a share of all steps"
                yield Fault(f"{where}.{key}", f"{steps} steps", expected)
        if sft.get("max_steps") == 0:  # transformers trains one, whatever the epochs
            yield Fault(f"{where}.max_steps", "0", "above 0, or -1: the epochs count")


def check_validation(params: Params) -> Iterator[Fault]:
    """Hold that there is a val loss wherever one decides."""
    sets = section(params, "sets")
    for where, sft, mix in trained(params):
        asking = [key for key in NEEDING_VAL if sft.get(key)]
        if sft.get("lr_scheduler_type") in PLATEAUS:
            asking.append("lr_scheduler_type")
        known = [name for name in mix if name in sets]
        barren = known and not any(holds_val(sets[name]) for name in known)
        for key in asking:
            what = f"{sft[key]!r} goes by the val loss"
            if sft.get("eval_strategy") == "no":
                yield Fault(
                    f"{where}.{key}", f"{what}, but eval_strategy is no", "eval_strategy: steps"
                )
            elif barren:
                then = f"give val rows to one of: {', '.join(known)} (sets.<set>.val above 0)"
                yield Fault(f"{where}.{key}", f"{what}, but no set has val rows", "val rows", then)
        if "early_stopping_threshold" in sft and "early_stopping_patience" not in sft:
            where = f"{where}.early_stopping_threshold"
            yield Fault(where, "says nothing without early_stopping_patience", "both, or none")


def check_rows(params: Params) -> Iterator[Fault]:
    """Hold that rows can be put together as the trainer is told to."""
    for where, sft, _ in trained(params):
        if where.startswith("base."):
            if "accuracy" in (metric := sft.get("metric_for_best_model", "")):
                yield Fault(
                    f"{where}.metric_for_best_model", f"{metric!r} is measured by TRL alone", "loss"
                )
            for key in sorted(OF_ADAPTERS_ALONE & sft.keys()):
                yield Fault(
                    f"{where}.{key}", "is a key of TRL's trainer, for adapters", then="leave it out"
                )
            continue
        if sft.get("packing") and sft.get("max_length", 1) is None:
            yield Fault(
                f"{where}.max_length", "null leaves packing without a length", "tokens of a block"
            )


def check_device(params: Params) -> Iterator[Fault]:
    """Hold that the device can do what base and trainer ask of it."""
    device, base = section(params, "compute").get("device"), section(params, "base")
    if device is None:
        return
    quantize, attention = base.get("quantize"), base.get("attn_implementation")
    if quantize in ("4bit", "8bit") and device == "mps":
        expected = "quantize: none on mps; 4bit and 8bit on cuda or cpu"
        yield Fault("base.quantize", f"{quantize}, but compute.device is mps", expected)
    if attention in FLASH:
        then = "write attn_implementation: sdpa"
        if not device.startswith("cuda"):
            what = f"{attention}, but compute.device is {device}"
            yield Fault("base.attn_implementation", what, "an NVIDIA GPU", then)
        if base.get("dtype") == "float32" and quantize == "none":
            what = f"{attention}, but base.dtype is float32"
            yield Fault("base.attn_implementation", what, "dtype: bfloat16 or float16", then)
    for where, sft, _ in trained(params):
        for kind in ("", "_full_eval"):
            half, brain = f"fp16{kind}", f"bf16{kind}"
            if sft.get(half) and sft.get(brain):
                yield Fault(f"{where}.{half}", f"is true, and {brain} too", "one of them")
        if sft.get("fp16") and device == "cpu":
            what = "is true, but compute.device is cpu: it scales gradients on a GPU"
            yield Fault(f"{where}.fp16", what, "bf16 on a CPU, or neither")
        if device == "mps" and NOT_ON_A_MAC.search(sft.get("optim", "")):
            what = f"{sft['optim']}, but compute.device is mps: bitsandbytes does not have it there"
            yield Fault(f"{where}.optim", what, "adamw_torch")
        if sft.get("activation_offloading") and not device.startswith("cuda"):
            what = f"is true, but compute.device is {device}: it moves what a GPU holds"
            yield Fault(f"{where}.activation_offloading", what, "an NVIDIA GPU, or leave it out")
        if sft.get("tf32") and not device.startswith("cuda"):
            what = f"is true, but compute.device is {device}"
            yield Fault(f"{where}.tf32", what, "an NVIDIA GPU of Ampere or later")


def check_launch(params: Params) -> Iterator[Fault]:
    """Hold that what is launched can run: so many processes, on such a device."""
    launch, device = section(params, "launch"), section(params, "compute").get("device", "")
    processes = {key: launch.get(key, 1) for key in ("processes", "nodes")}
    several = max(processes.values()) > 1
    if launch.get("launcher") == "python":
        for key, count in processes.items():
            if count > 1:
                what = f"{count}, but the launcher python starts one process"
                yield Fault(f"launch.{key}", what, "1", "write launcher: torchrun")
        if launch.get("fsdp"):
            what = "true, but the launcher python starts one process: nothing to share weights with"
            yield Fault("launch.fsdp", what, "fsdp: false", "write launcher: torchrun")
    elif launch.get("launcher") == "torchrun":
        if launch.get("fsdp") and not several and launch.keys() >= processes.keys():
            what = "true, but there is one process: nothing to share weights with"
            yield Fault("launch.fsdp", what, "several processes or nodes")
        if device == "mps":
            what = "torchrun, but compute.device is mps: processes cannot share one"
            yield Fault("launch.launcher", what, "cuda or cpu", "write launcher: python")
        if launch.get("fsdp") and not device.startswith("cuda"):
            what = f"true, but compute.device is {device}: accelerate shares weights on GPUs only"
            yield Fault("launch.fsdp", what, "compute.device: cuda")
        if launch.get("fsdp") and section(params, "base").get("quantize") == "8bit":
            what = "true, but base.quantize is 8bit: FSDP cannot share out weights of 8 bits"
            yield Fault("launch.fsdp", what, "base.quantize: 4bit, or none")
        if ":" in device:
            what = f"{device}, but each process of torchrun takes a GPU by its own number"
            yield Fault("compute.device", what, "cuda")


def check_training(params: Params, file: str = "params.yaml") -> list[Fault]:
    """Return what is wrong with training, for parameters of a sound shape."""
    checks = (
        check_intervals, check_validation, check_rows, check_device, check_launch,
    )  # fmt: skip
    return located(file, (fault for check in checks for fault in check(params)))


def worth_a_word(params: Params) -> Iterator[Fault]:
    """Yield what is worth a word and no fault."""
    device = section(params, "compute").get("device")
    for where, sft, _ in trained(params):
        optim = sft.get("optim", "")
        if optim.startswith("paged_") and device == "cpu":
            plain = optim.removeprefix("paged_")
            yield Fault(f"{where}.optim", f"{optim} pages on a GPU only: on the CPU it is {plain}")
        if sft.get("label_smoothing_factor"):
            what = "TRL drops it in 2.0, and each step runs a second forward pass for it"
            yield Fault(f"{where}.label_smoothing_factor", what)
