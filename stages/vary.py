"""Let one model answer chosen rows again: under other wordings of the prompt, and by sampling.

Reads:   data/test.jsonl, models/base, models/<name>
Writes:  data/variations/<name>.jsonl, metrics/costs/vary.<name>.json
Network: the hub's cache, when the base is a hub model
"""

from stages.core import entry
from stages.core.costs import spending
from stages.core.jsonl import write_rows
from stages.core.params import load

PARAMS = ("ablation", "profile", "answer", "compute")


def main() -> None:
    """Write one model's variations."""
    args = entry.flags(
        __doc__, "--base", "--model", "--test", "--variations", "--costs", names=("--name",)
    )
    load(PARAMS)
    with spending(args.costs):
        write_rows(args.variations, [])
    entry.say("vary", f"{args.name}: switched off")


if __name__ == "__main__":
    entry.run(main)
