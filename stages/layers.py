"""Keep what one model's layers make of the probes.

Reads:   data/test.jsonl, models/base, models/<name>
Writes:  data/layers/<name>.safetensors, metrics/costs/layers.<name>.json
Network: the hub's cache, when the base is a hub model
"""

from stages.core import entry
from stages.core.costs import spending
from stages.core.params import load

PARAMS = ("layers", "compute")


def main() -> None:
    """Write one model's hidden states."""
    args = entry.flags(
        __doc__, "--base", "--model", "--test", "--layers", "--costs", names=("--name",)
    )
    load(PARAMS)
    with spending(args.costs):
        args.layers.parent.mkdir(parents=True, exist_ok=True)
        args.layers.write_bytes(b"")
    entry.say("layers", f"{args.name}: switched off")


if __name__ == "__main__":
    entry.run(main)
