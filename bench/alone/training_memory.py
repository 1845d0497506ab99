"""Run the stage train and print, as JSON, what memory its model takes and what its peaks were.

python training_memory.py '{"words": [...], "held": 0}'       words: the stage's; held: more bases

The peak while training is counted from where training begins, when the base is loaded.
"""

import json
import sys
from pathlib import Path
from typing import Any

MIB = 2**20


def peak_mib() -> float:
    """Return the highest resident set since it was last reset."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM"))


def reset_peak() -> None:
    """Let the peak begin again from what is resident now.

    Source: https://man7.org/linux/man-pages/man5/proc_pid_clear_refs.5.html
    """
    Path("/proc/self/clear_refs").write_text("5")


def sizes(model: Any) -> dict[str, float]:
    """Return the MiB of the base, of the adapters that are frozen, and of the one that trains."""
    found = {"base": 0.0, "frozen": 0.0, "trained": 0.0}
    for name, parameter in model.named_parameters():
        kind = (
            "base" if ".lora_" not in name else "trained" if parameter.requires_grad else "frozen"
        )
        found[kind] += parameter.nbytes / MIB
    return found


def another(base: Path, compute: dict[str, Any]) -> Any:
    """Return one more base, in memory of its own: weights are mapped from their file otherwise."""
    from stages.core import stack

    model = stack.load_base(base, compute)
    for parameter in model.parameters():
        parameter.data = parameter.data.clone()
    return model


def main(words: list[str], held: int) -> None:
    """Train, and print the figures."""
    from stages.core import torch_setup
    from stages.train import __main__ as stage

    compute = {"device": "cpu", "threads": 1}
    torch_setup.prepare(compute)
    base = Path(words[words.index("--base") + 1])
    others = [another(base, compute) for _ in range(held)]
    told: dict[str, Any] = {"loaded_mib": 0.0}
    fit = stage.fit

    def measured(trainer: Any, *rest: Any) -> Any:
        told["loaded_mib"] = peak_mib()
        told["sizes_mib"] = sizes(trainer.model)
        reset_peak()
        state = fit(trainer, *rest)
        kept = trainer.optimizer.state.values()
        told["optimizer_mib"] = sum(
            each.nbytes / MIB for of in kept for each in of.values() if hasattr(each, "nbytes")
        )
        told["training_mib"] = peak_mib()
        return state

    stage.fit = measured
    sys.argv = ["train", *words]
    stage.main()
    told["others"] = len(others)
    told["whole_mib"] = max(told["loaded_mib"], peak_mib())
    print(json.dumps(told))


if __name__ == "__main__":
    main(**json.loads(sys.argv[1]))
