"""Compose texts from a hand-written bank, with what the offline teacher answers to them.

A bank is data (`recipes/<name>/sources/bank.yaml`), a small grammar:

    name:        prefix of the groups' names
    groups:      how many groups the combinations are dealt to, by hash
    field:       what the text is called among a seed's fields
    aspects:     what a text can speak of
    judgements:  pairs of words that can be said of an aspect, one for and one against
    rules:       slot -> alternatives, texts with slots of their own
    once:        slots that are drawn once a text: the same words wherever they stand
    elsewhere:   rules that take the place of those above in texts for other corpora, so that none
                 of them can be one of this bank's own (see `compose`)
    kinds:       kind -> share   its weight among the kinds
                         poles   pairs of 0 or 1: which word of its pair the first and the second
                                 judgement are; one pair is drawn
                         text    alternatives of the whole text
                         truth   key of the record -> alternatives of the answer (optional)
    keywords:    key of the record -> slots whose words a good answer must hold (optional)

A **combination** is an aspect with a pair of judgements. A text holds two of them and fills

    {aspect} {judgement}   {aspect2} {judgement2}

Both come from one group. A split by group therefore holds combinations, and with them every
(aspect, judgement) pair of a text and of its answers, out of training altogether.
"""

import re
from collections.abc import Iterator, Sequence
from random import Random
from typing import Any, NamedTuple

from stages.core.digest import digest
from stages.core.tables import Table

Bank = dict[str, Any]

SLOT = re.compile(r"\{(\w+)\}")
DRAWN = ("aspect", "judgement", "aspect2", "judgement2")
# Draws without a new text before a bank is called exhausted.
PATIENCE = 1000


class Combination(NamedTuple):
    """An aspect with a pair of judgements, one for and one against."""

    aspect: str
    judgements: tuple[str, str]


class Text(NamedTuple):
    """A composed text.

    slots: the words that were drawn, by slot, for whoever writes the answer
    """

    kind: str
    text: str
    slots: dict[str, str]


def combinations(bank: Bank) -> dict[str, list[Combination]]:
    """Return the combinations of each group, in the order of the bank."""
    groups: dict[str, list[Combination]] = {
        f"{bank['name']}:{k}": [] for k in range(bank["groups"])
    }
    for aspect in bank["aspects"]:
        for pair in bank["judgements"]:
            k = int(digest([aspect, sorted(pair)]), 16) % bank["groups"]
            groups[f"{bank['name']}:{k}"].append(Combination(aspect, tuple(pair)))
    return groups


def draw_two(among: Sequence[Combination], rng: Random) -> tuple[Combination, Combination]:
    """Draw two combinations that share neither aspect nor judgements.

    Raises: ValueError when there are no two such.
    """
    for _ in range(PATIENCE):
        first, second = rng.choice(among), rng.choice(among)
        if first.aspect != second.aspect and first.judgements != second.judgements:
            return first, second
    raise ValueError(f"no two of {len(among)} combinations differ in both aspect and judgements")


def expand(
    template: str,
    rules: dict[str, list[str]],
    once: Sequence[str],
    slots: dict[str, str],
    rng: Random,
) -> str:
    """Fill a template's slots, and the slots of what fills them.

    slots: words already drawn; the slots in `once` are added to it as they are drawn
    Raises: ValueError naming a slot that has no rule.
    """

    def fill(match: re.Match[str]) -> str:
        slot = match[1]
        if slot in slots:
            return slots[slot]
        if slot not in rules:
            raise ValueError(f"no rule for the slot {{{slot}}} in {template!r}")
        words = expand(rng.choice(rules[slot]), rules, once, slots, rng)
        if slot in once:
            slots[slot] = words
        return words

    return SLOT.sub(fill, template)


def compose(
    bank: Bank, among: Sequence[Combination], rng: Random, *, elsewhere: bool = False
) -> Text:
    """Compose a text around two combinations of `among`.

    elsewhere: for a corpus other than the bank's own seeds
    """
    first, second = draw_two(among, rng)
    names = list(bank["kinds"])
    kind = rng.choices(names, [bank["kinds"][name]["share"] for name in names])[0]
    pole, pole2 = rng.choice(bank["kinds"][kind]["poles"])
    words = (first.aspect, first.judgements[pole], second.aspect, second.judgements[pole2])
    slots = dict(zip(DRAWN, words, strict=True))
    rules = bank["rules"] | (bank.get("elsewhere", {}) if elsewhere else {})
    text = expand(rng.choice(bank["kinds"][kind]["text"]), rules, bank.get("once", ()), slots, rng)
    return Text(kind, text, slots)


def seeds(bank: Bank, rows: int, seed: int) -> Iterator[dict[str, Any]]:
    """Compose `rows` seeds of which no two read alike (see `stages.core.records.Seed`).

    Raises: ValueError when the bank does not hold as many.
    """
    rng = Random(seed)
    groups = {name: members for name, members in combinations(bank).items() if members}
    seen: set[str] = set()
    for _ in range(rows):
        for _ in range(PATIENCE):
            group = rng.choice(list(groups))
            kind, text, slots = compose(bank, groups[group], rng)
            if text not in seen:
                break
        else:
            raise ValueError(f"the bank holds {len(seen)} different texts, asked for {rows}")
        seen.add(text)
        yield _seed(bank, group, kind, text, slots, rng)


def table(bank: Bank, rows: int, seed: int) -> Table:
    """Compose a table of `rows` texts, a column for the text, for each slot and each truth."""
    raise NotImplementedError


def _seed(
    bank: Bank, group: str, kind: str, text: str, slots: dict[str, str], rng: Random
) -> dict[str, Any]:
    """Return the seed row of a composed text, with the teacher's answer where the bank has one."""
    fields = {bank["field"]: text}
    row: dict[str, Any] = {"id": digest(fields), "group": group, "fields": fields}
    if answers := bank["kinds"][kind].get("truth"):
        row["truth"] = {
            key: expand(rng.choice(said), bank["rules"], bank.get("once", ()), slots, rng)
            for key, said in answers.items()
        }
    if "keywords" in bank:
        row["keywords"] = {
            key: [slots[s] for s in named] for key, named in bank["keywords"].items()
        }
    return row
