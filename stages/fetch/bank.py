"""Compose texts from a hand-written bank, with what the offline teacher answers to them.

A bank is data (`recipes/<name>/sources/bank.yaml`), a small grammar:

    name:        prefix of the groups' names
    field:       what the text is called among a seed's fields
    kinds:       kind -> share   its weight among the kinds
                         text    alternatives of the whole text
                         truth   key of the record -> alternatives of the answer (optional)
    rules:       slot -> alternatives, texts with slots of their own
    once:        slots that are drawn once a text: the same words wherever they stand
    distinct:    lists of slots of `once` of which no two are the same words (optional)
    group_by:    slots of `once` whose words name a text's group (optional, see below)
    elsewhere:   rules that take the place of those above in texts for other corpora, so that none
                 of them can be one of this bank's own (see `compose`)
    keywords:    key of the record -> slots whose words a good answer must hold (optional)

`{slot}` in a text is filled with one of the slot's alternatives, and the slots of that likewise. An
alternative of a truth is a text, or a list or a mapping of texts, of which those that come out
empty are left out; a truth that is one slot alone keeps a number a number. What a slot is may hang
on another one's words: `step: {feature: {chat: ["Set up the server."], map: ["Get the tiles."]}}`.

**Groups.** A split moves a group as a whole. With `group_by: [app, platform]` a group is a pair of
words, so a split by group holds combinations out of training: each word is seen there, the two
never together. Without it every text is a group of its own.

**Judgements.** A bank with these keys speaks of two things, each of which is judged:

    aspects:     what a text can speak of
    judgements:  pairs of words that can be said of an aspect, one for and one against
    groups:      how many groups the combinations are dealt to, by hash
    kinds:       kind -> poles   pairs of 0 or 1: which word of its pair the first and the second
                                 judgement are; one pair is drawn

A **combination** is an aspect with a pair of judgements. A text holds two of them and fills

    {aspect} {judgement}   {aspect2} {judgement2}

Both come from one group. A split by group therefore holds combinations, and with them every
(aspect, judgement) pair of a text and of its answers, out of training altogether.

**What becomes of it.** `{kind: bank, file: bank.yaml, rows: 400}` makes seeds, for a teacher. With
`examples` it makes finished rows, as for any table (`table`): a corpus for a base, say.

`stages.check.banks` tells what is wrong with a bank.
"""

from collections.abc import Iterator, Sequence
from random import Random
from typing import Any, NamedTuple

from stages.core import grammar
from stages.core.digest import digest
from stages.core.grammar import DRAWN, Bank, is_judged
from stages.core.tables import Table
from stages.fetch.draft import PATIENCE, Draft


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
    slots: dict[str, Any]


class Drawn(NamedTuple):
    """A composed text with its group and the answer that the bank has to it, or None."""

    group: str
    text: Text
    truth: dict[str, Any] | None


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


def compose(
    bank: Bank, among: Sequence[Combination] | None, rng: Random, *, elsewhere: bool = False
) -> Text:
    """Compose a text, of a bank with judgements around two combinations of `among`.

    elsewhere: for a corpus other than the bank's own seeds
    """
    two = draw_two(among, rng) if among is not None else ()
    names = list(bank["kinds"])
    kind = rng.choices(names, [bank["kinds"][name]["share"] for name in names])[0]
    slots: dict[str, Any] = {}
    if two:
        poles = rng.choice(bank["kinds"][kind]["poles"])
        said = [(one.aspect, one.judgements[pole]) for one, pole in zip(two, poles, strict=True)]
        slots = dict(zip(DRAWN, (*said[0], *said[1]), strict=True))
    draft = Draft(bank, rng, elsewhere=elsewhere, slots=slots)
    return Text(kind, draft.expand(str(rng.choice(bank["kinds"][kind]["text"]))), slots)


def drawn(bank: Bank, rows: int, rng: Random, *, elsewhere: bool = False) -> Iterator[Drawn]:
    """Compose `rows` texts of which no two read alike.

    Raises: ValueError when the bank does not hold as many.
    """
    groups: dict[str, list[Combination]] = {}
    if is_judged(bank):
        groups = {name: members for name, members in combinations(bank).items() if members}
    seen: set[str] = set()
    for _ in range(rows):
        for _ in range(PATIENCE):
            group = rng.choice(list(groups)) if groups else ""
            text = compose(bank, groups.get(group), rng, elsewhere=elsewhere)
            if text.text not in seen:
                break
        else:
            raise ValueError(f"the bank holds {len(seen)} different texts, asked for {rows}")
        seen.add(text.text)
        truth = None
        if answers := bank["kinds"][text.kind].get("truth"):
            draft = Draft(bank, rng, elsewhere=elsewhere, slots=text.slots)
            truth = {key: draft.answer(rng.choice(said)) for key, said in answers.items()}
        yield Drawn(group or _group(bank, text), text, truth)


def _group(bank: Bank, text: Text) -> str:
    """Name the group of a text without judgements: its words of `group_by`, or its own digest."""
    if by := bank.get("group_by"):
        return f"{bank['name']}:{', '.join(str(text.slots.get(slot, '')) for slot in by)}"
    return digest({bank["field"]: text.text})


def seeds(bank: Bank, rows: int, seed: int) -> Iterator[dict[str, Any]]:
    """Compose `rows` seeds of which no two read alike (see `stages.core.records.Seed`).

    Raises: ValueError when the bank does not hold as many.
    """
    for group, text, truth in drawn(bank, rows, Random(seed)):
        fields = {bank["field"]: text.text}
        row: dict[str, Any] = {"id": digest(fields), "group": group, "fields": fields}
        if truth is not None:
            row["truth"] = truth
        found = {
            key: [str(text.slots[slot]) for slot in named if slot in text.slots]
            for key, named in bank.get("keywords", {}).items()
        }
        if said := {key: words for key, words in found.items() if words}:
            row["keywords"] = said
        yield row


def table(bank: Bank, rows: int, seed: int) -> Table:
    """Compose a table of `rows` texts, for a corpus: with the rules of `elsewhere`.

    Its columns: the bank's `field`, the text; each slot of `once`, None where a text and its answer
    do without it; `kind`, `group`; `truth`, the record, and each key of it as a column of its own.
    Raises: ValueError when the bank does not hold as many.
    """
    empty = dict.fromkeys([*grammar.keys(bank), *grammar.slots(bank)])
    # Another stream than that of the seeds: two sources of one bank are two corpora.
    composed = drawn(bank, rows, Random(f"{seed}:table"), elsewhere=True)
    return [
        (
            f"{bank['name']} text {number}",
            empty
            | text.slots
            | (truth or {})
            | {bank["field"]: text.text, "kind": text.kind, "group": group, "truth": truth},
        )
        for number, (group, text, truth) in enumerate(composed, 1)
    ]
