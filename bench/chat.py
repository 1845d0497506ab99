"""The chat window's engine: time to the first token, switching against loading, memory.

Two stacks: the default recipe's, built in a project; and a Llama of 110 million random weights in
float32 with adapters of the recipe's shape (r 16, all linear layers): 2b and 3b on the base, 2c on
2b. A CPU, one thread.

Times are of one process, turn by turn, the lowest counts: wall time, to which the machine's other
work adds, and CPU time. Each peak is of a process of its own, the lowest of some counts. `loading`
is `stages.core.stack.load`, what every stage does: files are in the page cache by then. The peak of
all models asked one after the other stands beside that of one alone, and beside that of all of them
each on a base of its own.
"""

import argparse
import json
from pathlib import Path
from typing import Any

from figures import Figure, report
from fresh import ROOT
from generating import scratch
from second_adapter import python, rows

SIZES = {"hidden_size": 768, "intermediate_size": 2048, "num_hidden_layers": 12}
SIZES |= {"num_attention_heads": 12, "num_key_value_heads": 12, "vocab_size": 16384}
SIZES |= {"initializer_range": 0.1}  # with less it says one token over and over
LORA = {"r": 16, "lora_alpha": 32, "lora_dropout": 0.0, "target_modules": "all-linear"}
STACK = {"2b": "base", "2c": "2b", "3b": "base"}
# Beyond what is loaded: what the allocator does, and noise. A share of the base.
ALLOWED = 0.1

# Makes a local base, models/base of it, and adapters on it, in the working directory.
MAKE = """
import json, sys
from pathlib import Path
import torch
from transformers import LlamaConfig, LlamaForCausalLM
from stages.base.__main__ import main
from stages.base.scratch import make_tokenizer
from stages.core import lineage, portable, stack
sizes, lora, on = map(json.loads, sys.argv[1:])
texts = [m["content"] for l in Path("mix/train.jsonl").read_text().splitlines()
         for m in json.loads(l)["messages"]]
tokenizer = make_tokenizer(texts, 400)
torch.manual_seed(0)
LlamaForCausalLM(LlamaConfig(**sizes)).save_pretrained("own")
tokenizer.save_pretrained("own")
sys.argv = ["base", "--corpus", "mix", "--model", "models/base", "--curve", "c", "--costs", "k"]
main()
base, models = Path("models/base"), Path("models")
for name, parent in on.items():
    adapter = {"name": name, "mode": "stack", "lora": lora}
    grown = stack.begin(base, models / parent, adapter, {"device": "cpu"})
    for _, each in sorted(grown.named_parameters()):
        if each.requires_grad:
            each.data.add_(torch.randn_like(each), alpha=0.01)
    told = portable.save(grown, adapter, base, models / parent, models / name)
    below = lineage.read_manifest(models / parent)
    made = lineage.adapter_manifest(
        adapter, models / name, below, Path("mix/train.jsonl"), told)
    lineage.write_manifest(models / name, made)
"""


def make(at: Path) -> None:
    """Write the stack of random weights into a folder."""
    (at / "mix").mkdir()
    lines = "".join(json.dumps(row) + "\n" for row in rows(16))
    for side in ("train", "val"):
        (at / "mix" / f"{side}.jsonl").write_text(lines, encoding="utf-8")
    base = {"source": "local", "id": "own", "dtype": "float32", "quantize": "none", "set": "own"}
    params = {
        "seed": {"data": 13, "base": 13, "train": 13},
        "compute": {"device": "cpu", "threads": 1},
        "launch": {"launcher": "python", "processes": 1, "nodes": 1, "fsdp": False},
        "base": base | {"attn_implementation": "sdpa"},
    }
    (at / "params.yaml").write_text(json.dumps(params), encoding="utf-8")
    python(at, "-c", MAKE, *map(json.dumps, (SIZES, LORA, STACK)))


def chatting(at: Path, **how: Any) -> dict[str, Any]:
    """Run bench/alone/chatting.py in a folder, and return what it tells."""
    told = python(at, str(ROOT / "bench" / "alone" / "chatting.py"), json.dumps(how))
    return json.loads(told.splitlines()[-1])


def measure(
    at: Path, label: str, names: list[str], args: argparse.Namespace
) -> tuple[list[Figure], Any]:
    """Return the figures of one stack, and what the runs told."""
    told = chatting(at, what="times", names=names, turns=args.turns)
    figures = [
        Figure(f"{label}: the base", told["base_mib"], "MiB"),
        Figure(f"{label}: all adapters", told["adapters_mib"], "MiB"),
        Figure(f"{label}: first token ever (imports, loading {names[-1]})", told["first"], "s"),
        Figure(f"{label}: the same, CPU", told["first_cpu"], "s"),
    ]
    for name in names:
        for how, of in (("", "warm"), (", CPU", "warm_cpu")):
            least = min(told[of][name]) * 1e3
            figures.append(Figure(f"{label}: first token, switched to {name}{how}", least, "ms"))
    for name in names:
        figures.append(Figure(f"{label}: writing, {name}", told["tokens_per_s"][name], "tokens/s"))
    switch, load = min(told["switch"]), min(told["load"])
    figures += [
        Figure(f"{label}: switching to another adapter, CPU", switch * 1e3, "ms"),
        Figure(f"{label}: loading that model, CPU", load * 1e3, "ms"),
        Figure(f"{label}: loading against switching", load / switch, "x", at_least=10),
    ]
    peaks: dict[str, list[float]] = {}
    for _ in range(args.repeats):
        for said, asked, apart in (
            *((f"{name} alone", [name], False) for name in names),
            ("all, one base", names, False),
            ("all, a base each", names, True),
        ):
            run = chatting(at, what="memory", names=asked, apart=apart)
            peaks.setdefault(said, []).append(run["peak_mib"])
    lowest = {said: min(found) for said, found in peaks.items()}
    figures += [Figure(f"{label}: peak, {said}", value, "MiB") for said, value in lowest.items()]
    more = lowest["all, one base"] - lowest["base alone"]
    bound = told["adapters_mib"] + max(ALLOWED * told["base_mib"], 16)
    figures.append(Figure(f"{label}: all selectable, more than the base", more, "MiB", None, bound))
    times = lowest["all, one base"] / max(lowest[f"{name} alone"] for name in names)
    figures.append(Figure(f"{label}: all selectable against the largest alone", times, "x"))
    return figures, {"times": told, "peaks_mib": peaks}


def main() -> None:
    """Measure, print, exit 1 when a bound is missed."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--project", type=Path, default=ROOT, help="a built one: models/")
    parser.add_argument("--models", nargs="*", default=["base", "2b", "2c"], help="of the project")
    parser.add_argument("--turns", type=int, default=7, help="the lowest time of them counts")
    parser.add_argument("--repeats", type=int, default=3, help="the lowest peak of them counts")
    parser.add_argument("--json", type=Path, help="file that gets the figures")
    args = parser.parse_args()
    figures: list[Figure] = []
    runs: dict[str, Any] = {}
    stacks: list[tuple[str, list[str]]] = [("recipe", args.models), ("110M", ["base", *STACK])]
    with scratch() as at:
        make(at)
        for label, names in stacks:
            place = args.project.absolute() if label == "recipe" else at
            found, runs[label] = measure(place, label, names, args)
            figures += found
    report(figures, args.json, sizes=SIZES, lora=LORA, runs=runs)


if __name__ == "__main__":
    main()
