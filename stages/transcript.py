"""Take answers pasted from elsewhere as a model.

A row of the file: `row` (id of the test row) or `prompt` (its text), `text` (the answer, may be
empty), `model` (what gave it), `date` (ISO, optional), `sample` (0, 1, ... where one prompt has
several answers; 0 is the one that is scored as the model's, all are variations). Rows of
`tunegraph prompts` whose text, model and date are empty were not filled in: they are left out.

Reads:   a .csv, .json or .jsonl of the recipe (--file)
Writes:  <model>/manifest.json, <model>/answers.jsonl
Network: none
"""

from stages.core import entry
from stages.core.jsonl import write_rows
from stages.core.lineage import write_manifest
from stages.core.params import load
from stages.core.pasting import read_pasted

PARAMS = ("transcripts.{key}",)


def main() -> None:
    """Write the transcript as a model's folder."""
    args = entry.flags(__doc__, "--file", "--model", names=("--name", "--transcript"))
    chosen = load(PARAMS, key=args.transcript)["transcripts"][args.transcript]
    where = f"params.yaml: transcripts.{args.transcript}"
    answers, bare = read_pasted(args.file, chosen.get("model"), where)
    write_rows(args.model / "answers.jsonl", answers)
    write_manifest(
        args.model, {"name": args.name, "kind": "transcript", "on": None, "chain": [args.name]}
    )
    message = f"{args.name}: {len(answers)} answers of {answers[0]['model']}"
    if bare:
        message += f"; {bare} prompts without one"
    entry.say("transcript", message)


if __name__ == "__main__":
    entry.run(main)
