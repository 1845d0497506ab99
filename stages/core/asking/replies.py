"""The replies at rest, in the order of the requests, and what they cost."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from stages.core.asking.asker import GENERATE, Asker
from stages.core.asking.budget import Budget
from stages.core.asking.dialogue import Dialogue, whole
from stages.core.errors import Fault, TeacherError
from stages.core.jsonl import stream_rows

KINDS = ("paid", "found", "failed", "usd", "found_usd")
TOKENS = ("prompt_tokens", "completion_tokens")
EARLIER = ("text", "finish_reason", *TOKENS, "objection")
FEW = 10  # as many may stay without an answer, whatever their share


class Account:
    """What the replies are made of.

    counts:     by teacher: paid (bought by this run) and found (in the journal), replies; failed,
                requests; usd and found_usd: paid now, and what the ones that were found have cost
    unanswered: how many requests have no reply, by reason
    """

    def __init__(self) -> None:
        self.counts: dict[str, Counter[str]] = {}
        self.unanswered: Counter[str] = Counter()

    def of(self, teacher: str) -> Counter[str]:
        """Return the counts of a teacher."""
        return self.counts.setdefault(teacher, Counter(dict.fromkeys(KINDS, 0)))

    def figures(self, tally: Counter[str]) -> dict[str, Any]:
        """Return what metrics/costs/generate.json says.

        tally:   attempts, and retries by what went wrong, of all teachers
        Returns: the counts in all, and by teacher (`teachers`) where there are several
        """

        def told(count: dict[str, float]) -> dict[str, float]:
            return {key: round(value, 6) for key, value in count.items()}

        total = Counter(dict.fromkeys(KINDS, 0))
        for count in self.counts.values():
            total.update(count)
        spent: dict[str, Any] = told(total) | {"attempts": tally["asked"]}
        spent |= {kind: tally[kind] for kind in sorted(tally) if kind.startswith("retried_")}
        if len(self.counts) > 1:
            spent["teachers"] = {name: told(self.counts[name]) for name in sorted(self.counts)}
        return spent


def missing(request: dict[str, Any], error: str) -> dict[str, Any]:
    """Return the reply of a request that has none."""
    unknown = ("text", "finish_reason", "prompt_tokens", "completion_tokens", "cost_usd")
    return {"attempts": 0, "model": request["model"], "error": error} | dict.fromkeys(unknown)


def written(reply: dict[str, Any]) -> dict[str, Any]:
    """Return a reply whose texts can be written: a server may put half a character anywhere."""
    return {key: whole(each) if isinstance(each, str) else each for key, each in reply.items()}


def sums(paid: list[dict[str, Any]]) -> dict[str, float | None]:
    """Return tokens and usd of all that was paid; None for what one of them does not tell."""

    def total(key: str) -> float | None:
        values = [each[key] for each in paid]
        return None if None in values else sum(values)

    usd = total("cost_usd")
    return {
        **{key: total(key) for key in TOKENS},
        "cost_usd": None if usd is None else round(usd, 9),
    }


def replies(
    requests: Path, dialogue: Dialogue, errors: dict[str, str], budget: Budget, account: Account
) -> Iterator[dict[str, Any]]:
    """Yield the replies in the order of the requests: the last turn, and those before it.

    errors: why requests have none, by their ids; account: is filled on the way
    """
    otherwise = "over_budget" if budget.exhausted else "not asked"
    for request in stream_rows(requests):
        count = account.of(request["teacher"])
        turns: list[dict[str, Any]] = []
        paid: list[dict[str, Any]] = []
        for question, reply, why in dialogue.turns(request):
            if reply is None:
                break
            turns.append(written(reply | {"objection": why}))
            for at, entry in enumerate(dialogue.journal.entries(question.name)):
                paid.append(entry.reply)
                if not at:  # those before it, which a limit cut, count by their cost alone
                    count["paid" if entry.fresh else "found"] += 1
                cost_usd = budget.cost_usd(question, entry)
                count["usd" if entry.fresh else "found_usd"] += cost_usd
        if turns:
            *earlier, reply = turns
            del reply["objection"]
            reply |= {"attempts": len(turns), **sums(paid)}
            if earlier:
                reply["earlier"] = [{key: each[key] for key in EARLIER} for each in earlier]
        else:
            error = errors.get(request["id"], otherwise)
            account.unanswered[error] += 1
            count["failed"] += 1
            reply = missing(request, error)
        yield {"request": request["id"], **reply}


def check_enough(unanswered: Counter[str], count: int, asker: Asker = GENERATE) -> None:
    """Refuse to build on when most requests have no answer, those beyond an accepted budget apart.

    unanswered: by reason; count: of the requests
    Raises: TeacherError with the reasons, the most frequent first.
    """
    reasons = Counter({why: n for why, n in unanswered.items() if why != "over_budget"})
    failed = reasons.total()
    if failed <= FEW or 2 * failed <= count:
        return
    told = "; ".join(f"{n:,} times {why[:200]}" for why, n in reasons.most_common(3))
    what = f"{failed:,} of {count:,} requests have no answer: {told}"
    then = (
        "see to the reason, then run the same command again: it asks for these alone, and every "
        "reply that arrived is kept"
    )
    where = f"params.yaml: {asker.teachers}"
    raise TeacherError(Fault(where, what, "answers to most requests", then))
