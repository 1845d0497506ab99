"""What became of every reply, counted: in all, and for each teacher."""

from collections import Counter, defaultdict
from collections.abc import Iterable
from typing import Any

from stages.core.proof import REASONS

COUNTS = (
    "requested", "replied", "parsed", "repaired", "overridden", "rejected", "duplicates",
    "near_duplicates", "rows",
)  # fmt: skip
TOKENS = ("prompt_tokens", "completion_tokens")


class Tally:
    """Counts and costs of some replies."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.usd = 0.0

    def add(self, reply: dict[str, Any]) -> None:
        """Count a reply, before it is judged."""
        counts = self.counts
        counts["requested"] += 1
        counts["replied"] += reply["error"] is None
        counts["reasked"] += "earlier" in reply
        for key in TOKENS:
            if (tokens := reply[key]) is not None:
                counts[key] += tokens
        if reply["cost_usd"] is not None:
            counts["priced"] += 1
            self.usd += reply["cost_usd"]
        else:
            counts["unpriced"] += reply["attempts"] > 0

    def figures(self) -> dict[str, float]:
        """Return the figures; those of which nothing is known are absent.

        requested = parsed + repaired + overridden + rejected
        rows = parsed + repaired + overridden - duplicates - near_duplicates
        replied:   replies that came without an error; some may be empty
        exact, silently_wrong: proved records that are, or are not, what the offline teacher knows;
                   repeats count, those that were mended by hand are not judged
        recovered: repaired and exact, as a share of the replies that were no sound record as they
                   came (repaired, rejected or mended by hand), 0 to 1
        reasked, reask_recovered: replies that were sent back with an objection, and those of them
                   whose last attempt was proved
        prompt_tokens, completion_tokens: of all attempts, as the servers counted them, where
                   they did
        usd, usd_per_row: of all attempts, by the prices of the day they were paid; the second one
                   only where every cost is known
        unpriced:  replies that are not in `usd`, because what they cost is not known
        """
        counts = self.counts
        figures: dict[str, float] = {key: counts[key] for key in COUNTS}
        if counts["judged"]:
            # What a person mended was not recovered, so that work by hand cannot raise the share.
            malformed = counts["repaired"] + counts["rejected"] + counts["overridden"]
            figures |= {
                "exact": counts["exact"],
                "silently_wrong": counts["judged"] - counts["exact"],
                "recovered": round(counts["mended"] / malformed, 4) if malformed else 1.0,
            }
        if counts["reasked"]:
            figures |= {key: counts[key] for key in ("reasked", "reask_recovered")}
        figures |= {key: counts[key] for key in TOKENS if counts[key]}
        if counts["priced"]:
            figures |= {"usd": round(self.usd, 6), "unpriced": counts["unpriced"]}
            if counts["rows"] and not counts["unpriced"]:
                figures["usd_per_row"] = round(self.usd / counts["rows"], 9)
        return figures


class Ledger:
    """The tallies of one run of the stage, by teacher."""

    def __init__(self) -> None:
        self.teachers: defaultdict[str, Tally] = defaultdict(Tally)
        self.reasons: Counter[str] = Counter(dict.fromkeys(REASONS, 0))

    def open(self, teacher: str, reply: dict[str, Any]) -> None:
        """Count a reply, before it is judged."""
        self.teachers[teacher].add(reply)

    def note(self, teacher: str, what: Iterable[str]) -> None:
        """Count what became of a teacher's reply."""
        counts = self.teachers[teacher].counts
        for each in what:
            counts[each] += 1

    def reject(self, teacher: str, reason: str) -> None:
        """Count a teacher's reply that was refused, and why."""
        self.teachers[teacher].counts["rejected"] += 1
        self.reasons[reason] += 1

    def whole(self) -> Tally:
        """Return the sum of all."""
        whole = Tally()
        for name in sorted(self.teachers):
            whole.counts += self.teachers[name].counts
            whole.usd += self.teachers[name].usd
        return whole

    def metrics(self) -> dict[str, Any]:
        """Return metrics/data.json; a section for each teacher where there are several."""
        metrics: dict[str, Any] = {**self.whole().figures()}
        metrics["rejected_by_reason"] = dict(self.reasons)
        if len(self.teachers) > 1:
            metrics["teachers"] = {name: each.figures() for name, each in self.teachers.items()}
        return metrics

    def told(self) -> str:
        """Return the stage's summary line."""
        counts = self.whole().counts
        if not counts["requested"]:
            return "the recipe asks no teacher; nothing to check"
        named = {
            "overridden": "mended by hand",
            "duplicates": "duplicates",
            "near_duplicates": "near-duplicates",
        }
        said = [f"{counts['parsed']} without repair", f"{counts['repaired']} repaired"]
        said.append(f"{counts['rejected']} rejected")
        said += [f"{counts[key]} {name}" for key, name in named.items() if counts[key]]
        return f"{counts['requested']} requests, {counts['rows']} rows: {', '.join(said)}"
