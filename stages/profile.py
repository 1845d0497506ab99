"""Tell how alike a model's answers to one prompt are, and whom they describe.

Reads:   data/variations/, data/variation_scores/, data/splits/<set>/, the schema
Writes:  metrics/profile.json
Network: none
"""

from stages.core import entry
from stages.core.jsonl import write_json
from stages.core.params import load

PARAMS = ("profile", "models", "evaluate.sections", "compare")


def main() -> None:
    """Read, tell, write."""
    args = entry.flags(
        __doc__, "--splits", "--variations", "--variation-scores", "--schema", "--profile"
    )
    load(PARAMS)
    write_json(args.profile, {})
    entry.say("profile", "switched off")


if __name__ == "__main__":
    entry.run(main)
