"""Set the wordings of the prompt side by side, model by model.

Reads:   data/scores/, data/variation_scores/
Writes:  metrics/ablation.json
Network: none
"""

from stages.core import entry
from stages.core.jsonl import write_json
from stages.core.params import load

PARAMS = ("ablation", "models", "transcripts", "evaluate.sections", "compare")


def main() -> None:
    """Read, tell, write."""
    args = entry.flags(__doc__, "--scores", "--variation-scores", "--ablation")
    load(PARAMS)
    write_json(args.ablation, {})
    entry.say("ablate", "switched off")


if __name__ == "__main__":
    entry.run(main)
