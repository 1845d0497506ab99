"""What training asks about the processes that train together, and tells them.

`stages.train.agent` starts them, `stages.train.workers` is what they do.
"""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stages.core.adapters import inside
from stages.core.errors import ConfigError, Fault
from stages.core.lineage import read_manifest

if TYPE_CHECKING:
    from peft import PeftModel
    from transformers import Trainer

# torchrun's agent gives it to its workers and to nobody else; RANK is set by other schedulers too.
WORKER = "TORCHELASTIC_RUN_ID"
# Where a worker tells its agent what went wrong.
FAULTS = "TUNEGRAPH_WORKER_FAULTS"


def world(launch: dict[str, Any]) -> int:
    """Return how many processes train, on all machines together."""
    return launch["processes"] * launch["nodes"] if launch["launcher"] == "torchrun" else 1


def is_first() -> bool:
    """Return whether this process prints and writes: rank 0 of all, or the only one."""
    return WORKER not in os.environ or int(os.environ["RANK"]) == 0


def hold_world(launch: dict[str, Any], found: int, where: str) -> None:
    """Hold the number of processes that train against what `launch` says.

    Raises: ConfigError naming both: fewer processes would train another model in silence.
    """
    if found != world(launch):
        said = "launcher: {launcher}, processes: {processes}, nodes: {nodes}".format(**launch)
        raise ConfigError(
            Fault(
                where,
                f"{found} of the processes train together",
                f"{world(launch)}, as params.yaml: launch says ({said})",
                "set launch, or start the stage plainly: it starts its own workers",
            )
        )


def hold_trainer(launch: dict[str, Any], trainer: "Trainer") -> None:
    """Hold what a trainer has made of the processes against what `launch` says.

    Raises: ConfigError when it trains alone, or whole where it should be sharded, which accelerate
            does without a word; or when weights are in 8 bits, which FSDP takes for other ones.
    """
    hold_world(launch, trainer.accelerator.num_processes, "the trainer")
    if not launch["fsdp"]:
        return
    where = "params.yaml: launch.fsdp"
    if not trainer.is_fsdp_enabled:
        what = f"accelerate has no FSDP on {trainer.args.device.type}"
        raise ConfigError(Fault(where, what, "compute.device: cuda", "set launch.fsdp: false"))
    if getattr(trainer.model, "is_loaded_in_8bit", False):
        what = "FSDP cannot share out weights of 8 bits"
        raise ConfigError(Fault(where, what, "base.quantize: 4bit, or none"))


def own_compute(base: Path, launch: dict[str, Any], compute: dict[str, Any]) -> dict[str, Any]:
    """Return `compute` with the device that this process loads the base on.

    One GPU a process; on the CPU first where FSDP is to share it out, since it need not fit.
    """
    if WORKER not in os.environ or compute["device"] != "cuda":
        return compute
    if launch["fsdp"] and read_manifest(base)["base"]["quantize"] == "none":
        return {**compute, "device": "cpu"}
    return {**compute, "device": f"cuda:{os.environ['LOCAL_RANK']}"}


def arguments(launch: dict[str, Any]) -> dict[str, Any]:
    """Return what TrainingArguments must know of the processes; the recipe's own count more."""
    if launch["launcher"] == "python":
        return {}
    # All that trains is used in every step, so nothing need be searched; frozen parents are no
    # part of what DDP exchanges.
    told: dict[str, Any] = {"ddp_find_unused_parameters": False}
    if launch["fsdp"]:
        # Version 2 wraps the model's own _no_split_modules, and keeps each parameter's dtype.
        told |= {"fsdp": True, "fsdp_config": {"version": 2, "reshard_after_forward": True}}
    return told


def gather(model: "PeftModel") -> None:
    """Put the adapters of a sharded model together again, on all ranks; the base stays as it is."""
    from torch import nn
    from torch.distributed.tensor import DTensor

    for path, module in list(model.named_modules()):
        for name, tensor in list(module.named_parameters(recurse=False)):
            if isinstance(tensor, DTensor) and f".{inside('')}" in f"{path}.{name}":
                whole = tensor.full_tensor().detach().cpu()
                setattr(module, name, nn.Parameter(whole, requires_grad=False))
