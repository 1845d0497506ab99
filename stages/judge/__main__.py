"""Let an LLM compare two models' answers, in both orders.

    judge: {teachers: [], ...}      switched off: nothing is asked, the outputs are empty

Reads:   data/answers/, data/scores/, the template, the journal
Writes:  data/judgements/{requests,truth,replies,verdicts}.jsonl, metrics/judge.json,
         metrics/costs/judge.json, the journal
Network: the judges' base_url, only for what the journal lacks

It asks as `generate` does, through the same journal: no verdict is paid for twice, the budget
(`judge.budget_usd`) holds, and a run that was killed goes on from what arrived. Two answers that
are the same are a tie without asking.
"""

from collections import Counter
from contextlib import closing
from pathlib import Path
from typing import Any

from stages.core import entry
from stages.core.costs import spending
from stages.core.jsonl import read_rows, write_json, write_rows
from stages.core.params import load

PARAMS = (
    "judge",
    "generate.max_in_flight",
    "generate.requests_per_minute",
    "generate.tokens_per_minute",
    "generate.max_retries",
    "generate.timeout_s",
    "offline",
    "evaluate.sections",
    "compare",
    "seed.data",
)


def is_on(judge: dict[str, Any]) -> bool:
    """Tell whether anything is judged: a judge with a weight, a pair, a row."""
    asked = any(each["weight"] > 0 for each in judge["teachers"])
    return bool(asked and judge["pairs"] and judge["rows"])


def ask(folder: Path, params: dict[str, Any], costs: dict[str, Any]) -> int:
    """Ask for what the journal lacks and write the replies; return how many requests there are.

    folder: with requests.jsonl and truth.jsonl; costs: is filled
    Raises: TeacherError as `generate` does, with judge's keys.
    """
    from stages.core.asking.budget import Budget
    from stages.core.asking.filling import fill
    from stages.core.asking.journal import Journal, location
    from stages.core.asking.opening import dialogue_of
    from stages.core.asking.replies import Account, check_enough, replies
    from stages.judge.comparisons import JUDGE, SCHEMA, settings_of

    settings = settings_of(params)
    requests, truth = folder / "requests.jsonl", folder / "truth.jsonl"
    account, tally = Account(), Counter[str]()
    with closing(Journal(location())) as journal:
        journal.refresh()
        dialogue = dialogue_of(journal, requests, truth, SCHEMA, settings)
        budget = Budget.of(settings)
        errors = fill(requests, truth, dialogue, settings, budget, tally, JUDGE)
        found = replies(requests, dialogue, errors, budget, account)
        count = write_rows(folder / "replies.jsonl", found)
        check_enough(account.unanswered, count, JUDGE)
        costs |= account.figures(tally)
    return count


def main() -> None:
    """Compare, ask, count."""
    flags = "--answers", "--scores", "--template", "--judgements", "--judge", "--costs"
    args = entry.flags(__doc__, *flags)
    params = load(PARAMS)
    args.judgements.mkdir(parents=True, exist_ok=True)
    judge = params["judge"]
    if not is_on(judge):
        write_rows(args.judgements / "verdicts.jsonl", [])
        write_json(args.costs, {})
        write_json(args.judge, {})
        entry.say("judge", "switched off: judge names no teachers, no pairs or no rows")
        return
    from stages.judge.comparisons import comparisons, make, primaries
    from stages.judge.figures import figures
    from stages.judge.verdicts import verdicts

    sections = params["evaluate"]["sections"]
    found = comparisons(args.answers, args.scores, params)
    requests, truths = make(found, args.template, params)
    write_rows(args.judgements / "requests.jsonl", requests)
    write_rows(args.judgements / "truth.jsonl", truths)
    with spending(args.costs) as costs:
        count = ask(args.judgements, params, costs)
        replies = read_rows(args.judgements / "replies.jsonl")
        judged = list(verdicts(found, replies, args.template, params))
        write_rows(args.judgements / "verdicts.jsonl", (verdict for _, verdict in judged))
        told = figures(judged, sections, primaries(sections, judge["set"]), params)
        write_json(args.judge, told)
    entry.say("judge", f"{count} requests: {costs['paid']} asked now, {costs['found']} found")
    if failed := sum(verdict["how"] == "failed" for _, verdict in judged):
        entry.say("judge", f"{failed} of {len(judged)} rows have no verdict; see verdicts.jsonl")


if __name__ == "__main__":
    entry.run(main)
