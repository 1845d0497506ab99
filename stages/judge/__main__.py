"""Let an LLM compare two models' answers, in both orders.

Reads:   data/answers/, data/scores/, the template
Writes:  data/judgements/, metrics/judge.json, metrics/costs/judge.json, the journal
Network: the judges' base_url, only for what the journal lacks
"""

from stages.core import entry
from stages.core.jsonl import write_json
from stages.core.params import load

PARAMS = (
    "judge",
    "generate",
    "offline",
    "models",
    "evaluate.sections",
    "compare",
    "seed.data",
)


def main() -> None:
    """Read, tell, write."""
    args = entry.flags(
        __doc__, "--answers", "--scores", "--template", "--judgements", "--judge", "--costs"
    )
    load(PARAMS)
    args.judgements.mkdir(parents=True, exist_ok=True)
    write_json(args.costs, {})
    write_json(args.judge, {})
    entry.say("judge", "switched off")


if __name__ == "__main__":
    entry.run(main)
