"""Ask the teachers what the reply journal does not hold yet, and write all replies from it.

Reads:   data/requests.jsonl, data/truth.jsonl (the offline teacher's answers), the journal, the
         replies that the recipe ships (--shipped)
Writes:  data/replies.jsonl, metrics/costs/generate.json, the journal
Network: the teachers' base_url, only for what the journal lacks

Exit 1, and nothing downstream is built, when a teacher refuses us, when the budget is used up
(unless `generate.on_budget: continue`), and when more than half of the requests, and more than ten,
stay without an answer: a data set is not to be thin by surprise. What arrived is in the journal in
any case, and the same command goes on from there. Fewer that stay without an answer are replies
with an `error`, which validate rejects, and are said.
"""

from collections import Counter
from contextlib import closing

from stages.core import entry
from stages.core.asking.budget import Budget
from stages.core.asking.exported import take
from stages.core.asking.filling import fill
from stages.core.asking.journal import Journal, location
from stages.core.asking.opening import dialogue_of
from stages.core.asking.replies import Account, check_enough, replies
from stages.core.costs import spending
from stages.core.jsonl import write_rows
from stages.core.params import load

PARAMS = (
    "teachers",
    "generate",
    "offline",
    "seed.data",
    "validate.repair",
    "validate.normalise",
    "validate.aliases",
)
WAITING = "another run is asking and holds the journal; waiting for it to end"


def main() -> None:
    """Generate."""
    args = entry.flags(
        __doc__, "--requests", "--truth", "--schema", "--shipped", "--replies", "--costs"
    )
    params = load(PARAMS)
    account, tally = Account(), Counter()
    with spending(args.costs) as costs, closing(Journal(location())) as journal:
        journal.refresh()
        if journal.damaged:
            lines = f"{journal.damaged} damaged lines in {journal.path} are passed over"
            entry.say("generate", f"{lines}; what they held is asked again where it is needed")
        shipped, new = take(args.shipped, journal, lambda: entry.say("generate", WAITING))
        if new:
            entry.say("generate", f"{new:,} of {shipped:,} replies of {args.shipped} taken in")
        dialogue = dialogue_of(journal, args.requests, args.truth, args.schema, params)
        budget = Budget.of(params)
        errors = fill(args.requests, args.truth, dialogue, params, budget, tally)
        count = write_rows(args.replies, replies(args.requests, dialogue, errors, budget, account))
        check_enough(account.unanswered, count)
        costs |= account.figures(tally)
    if not count:
        entry.say("generate", "the recipe asks no teacher")
        return
    paid, found = costs["paid"], costs["found"]
    entry.say("generate", f"{count} requests: {paid} asked now, {found} from the journal")
    if beyond := account.unanswered["over_budget"]:
        entry.say("generate", f"{beyond} left out: generate.budget_usd is used up")
    if failed := account.unanswered.total() - beyond:
        again = "`dvc repro -s -f generate`, then `dvc repro`, asks them again"
        entry.say("generate", f"{failed} without an answer; {again}")


if __name__ == "__main__":
    entry.run(main)
