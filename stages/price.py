"""Tell what a point of the chosen metric cost, in money and in seconds.

Reads:   metrics/comparison/<name>.json, metrics/costs/{generate,train.<name>,answer.<name>}.json
Writes:  metrics/costs/price.<name>.json
Network: none
"""

from stages.core import entry
from stages.core.jsonl import write_json
from stages.core.params import load

PARAMS = ("price", "evaluate.sections")


def main() -> None:
    """Read, divide, write."""
    flags = "--comparison", "--generate", "--train", "--answer", "--price"
    args = entry.flags(__doc__, *flags, names=("--name",))
    load(PARAMS)
    write_json(args.price, {})
    entry.say("price", args.name)


if __name__ == "__main__":
    entry.run(main)
