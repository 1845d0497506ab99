"""Score one model's answers, and its variations.

Reads:   data/answers/{<name>,base}.jsonl, data/variations/<name>.jsonl, data/test.jsonl, the
         recipe's schema and verdicts, models/<name>/manifest.json
Writes:  metrics/models/<name>.json, data/scores/<name>.jsonl, data/variation_scores/<name>.jsonl
Network: none (an encoder given by hub id comes from the hub, when the cache lacks it)

With `evaluate.code.run: true` it runs what the model wrote, fenced in (sandbox.py).
"""

from collections import Counter

from stages.core import entry
from stages.core.digest import file_digest
from stages.core.jsonl import read_json, read_rows, write_json, write_rows
from stages.core.params import load
from stages.core.preferences import of_model
from stages.core.verdicts import VALUES, judged, on_answers, on_pairs, read_all
from stages.evaluate.families import score
from stages.evaluate.imports import collect_rarely
from stages.evaluate.matching import match, match_variations
from stages.evaluate.scoring import check_sections
from stages.evaluate.summary import chat, summarise, to_scores, to_variation_scores

PARAMS = (
    "evaluate.sections",
    "evaluate.encoder",
    "evaluate.bertscore",
    "evaluate.code",
    "compute",
)


def main() -> None:
    """Read, match, score, write."""
    paths = "--answers", "--base", "--variations", "--test", "--schema", "--verdicts"
    paths += ("--manifest",)
    outs = "--metrics", "--scores", "--variation-scores"
    args = entry.flags(__doc__, *paths, *outs, names=("--name",))
    params = load(PARAMS)
    sections = params["evaluate"]["sections"]
    rows = read_rows(args.test)
    check_sections(sections, rows)
    base = None if args.base == args.answers else read_rows(args.base)
    scoring = match(read_rows(args.answers), rows, args.answers, base)
    variations = match_variations(read_rows(args.variations), scoring, args.variations)
    scoring.sections = variations.sections = sections
    verdicts = read_all(args.verdicts)
    by_hand = judged(on_answers(verdicts), args.name, scoring.answers.values())
    scoring.judged = {row: VALUES[each["verdict"]] for row, each in by_hand.held.items()}
    below = read_json(args.manifest).get("on")
    asked = of_model(on_pairs(verdicts), args.name, file_digest(args.manifest))
    collect_rarely()
    both = scoring.with_more(variations)
    score(both, params, read_json(args.schema))
    by_chat = chat(asked.held, below)
    summary = summarise(scoring) | by_chat
    write_rows(args.scores, to_scores(scoring))
    write_rows(args.variation_scores, to_variation_scores(variations))
    write_json(args.metrics, summary)
    message = f"{args.name}: {len(scoring.answers)} answers in {len(sections)} sections"
    if variations.answers:
        message += f", {len(variations.answers)} variations"
    if bare := [name for name, figures in summary.items() if not figures["n"]]:
        message += f"; no rows in {', '.join(bare)}"
    if by_hand.held or by_hand.stale:
        message += f"; {len(by_hand.held)} judged by hand, {len(by_hand.stale)} verdicts stale"
    if asked.held or asked.stale:
        told = sum(figures["n"] for figures in by_chat.values())
        message += f"; {len(asked.held)} pairs judged in the chat window, {told} of them with the "
        message += f"model below, {len(asked.stale)} more stale"
    if both.verdicts:
        counts = Counter(both.verdicts.values())
        counted = (f"{n} {what}" for what, n in sorted(counts.items()))
        message += f"; code that was run: {', '.join(counted)} ({both.guards})"
    entry.say("evaluate", message)


if __name__ == "__main__":
    entry.run(main)
