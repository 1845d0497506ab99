"""Tell how far each layer moved from model to model.

Reads:   data/layers/
Writes:  metrics/layers.json, metrics/layers.csv
Network: none
"""

from stages.core import entry
from stages.core.jsonl import write_json
from stages.core.params import load

PARAMS = ("layers", "adapters", "models", "transcripts")


def main() -> None:
    """Read, tell, write."""
    args = entry.flags(__doc__, "--layers", "--drift", "--plot")
    load(PARAMS)
    args.plot.parent.mkdir(parents=True, exist_ok=True)
    args.plot.write_text("model,layer,measure,value\n")
    write_json(args.drift, {})
    entry.say("drift", "switched off")


if __name__ == "__main__":
    entry.run(main)
