"""Why replies made no row, with an example of each reason."""

from collections import Counter
from typing import NamedTuple

from markupsafe import Markup

from stages.core.jsonl import encode
from stages.core.proof import REASONS, REPEATS
from stages.core.records import Reject
from stages.report.build import Build
from stages.report.page.frame import render

TITLE = "Rejected replies"
MEANS = REASONS | REPEATS
LONGEST = 2_000  # characters of an example
# What helps. Of all others: a person reads the text and mends the record, or it stays out.
NEXT = {
    "no_reply": "dvc repro generate asks again",
    "length": "a larger generate.max_tokens asks again",
    "content_filter": "change the prompt or the teacher; asking again costs and rarely helps",
    "refusal": "change the prompt or the teacher",
    "empty": "generate.reask sends it back",
    "no_object": "generate.reask sends it back; say in the prompt that only JSON is wanted",
    "schema": "generate.reask sends it back with the objection; validate.aliases renames keys",
    "placeholder": "generate.reask sends it back",
    "duplicate": "nothing: the row is there already",
    "near_duplicate": "nothing, or a higher validate.near_duplicate_similarity",
}
BY_HAND = "generate.reask sends it back; or mend it by hand"


class Reason(NamedTuple):
    """One reason: how often, its share of all requests, an example and what helps."""

    name: str
    means: str
    count: int
    share: float | None
    example: Reject
    text: str
    cut: int
    best: str
    then: str


def reasons(build: Build) -> list[Reason]:
    """Return the reasons that were met, the most frequent first; the example is the first text."""
    counts = Counter(reject["reason"] for reject in build.rejects)
    examples: dict[str, Reject] = {}
    for reject in build.rejects:
        held = examples.get(reject["reason"])
        if held is None or (not held["text"] and reject["text"]):
            examples[reject["reason"]] = reject
    asked = build.data.get("requested")  # one that nobody replied to is rejected, too
    found = []
    for name, count in sorted(counts.items(), key=lambda item: (-item[1], item[0])):
        example = examples[name]
        text = example["text"] or ""
        best = "" if example["best"] is None else encode(example["best"])
        share = count / asked if asked else None
        means, then = MEANS.get(name, ""), NEXT.get(name, BY_HAND)
        cut = max(0, len(text) - LONGEST)
        told = text[:LONGEST], cut, best[:LONGEST], then
        found.append(Reason(name, means, count, share, example, *told))
    return found


def part(build: Build) -> Markup:
    """Return the part; nothing where every reply made a row, or nobody was asked."""
    if not build.rejects:
        return Markup("")
    met = reasons(build)
    never = [name for name in MEANS if name not in {each.name for each in met}]
    return render(
        "rejects.html",
        reasons=met,
        never=never,
        total=len(build.rejects),
        asked=build.data.get("requested"),
        recipe=build.params["recipe"],
    )
