"""Make the built-in instruction corpus: several skills, made by a program, held out by combination.

    code         a Python function, with cases that it must pass
    translation  a sentence into French
    fact         capitals and continents
    sentiment    is a review positive or negative
    poem         four lines on a topic, in a mood
    extraction   what a text says, told again: as a sentence, a list, JSON, or its contrary

The words are in skills.yaml beside this module. With a bank (stages/fetch/bank.py) sentiment and
extraction speak of its texts too, half of the time: with its vocabulary and its sentences, with
none of its own seeds' texts (`elsewhere`), and with none of the combinations that are held out
there.

A row's group is the combination it was made of (the operation with names and wording of a
function, the words of a sentence, both judgements of a text), so that a split by group holds
combinations out as a whole. Many a held-out prompt has a near neighbour in training; what is
promised is that no prompt occurs twice.
"""

import json
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from random import Random
from textwrap import indent
from typing import Any, NamedTuple

from stages.core.digest import digest
from stages.core.grammar import SLOT, Bank
from stages.core.params import read_yaml
from stages.fetch.bank import Combination, Text, combinations, compose
from stages.fetch.operations import Operation, operations

DATA = Path(__file__).with_name("skills.yaml")
# How many of the texts are of the recipe's bank, when there is one.
RECIPE_SHARE = 0.5
# Draws without a new prompt before a skill is called exhausted.
PATIENCE = 1000


class Draft(NamedTuple):
    """A row in the making."""

    group: str
    prompt: str
    answer: str
    cases: list[dict[str, Any]] | None = None


Skill = Callable[[Random], Draft]
Texts = Callable[[Random], Text]


def examples(
    rows: int | dict[str, int], seed: int, bank: Bank | None, held_out: Callable[[str], bool]
) -> Iterator[dict[str, Any]]:
    """Yield the corpus, skill after skill, no prompt twice (see `stages.core.records.Example`).

    rows:     how many in all, or of each skill
    bank:     a recipe's bank, whose vocabulary is shared
    held_out: whether a group of the bank is kept out of training
    Raises: ValueError naming a skill that does not exist or does not hold as many prompts.
    """
    data = read_yaml(DATA)
    notes, places = text_sources(data, bank, held_out)
    skills: dict[str, Skill] = {
        "code": partial(code, data["code"], operations()),
        "translation": partial(translation, data["translation"]),
        "fact": partial(fact, data["fact"]),
        "sentiment": partial(sentiment, data["sentiment"], places),
        "poem": partial(poem, data["poem"]),
        "extraction": partial(extraction, data["extraction"], notes),
    }
    counts = rows if isinstance(rows, dict) else apportion(rows, data["shares"])
    if unknown := sorted(counts.keys() - skills.keys()):
        raise ValueError(f"no skill {', '.join(unknown)}; skills: {', '.join(skills)}")
    for skill, count in counts.items():
        # A stream of its own for each skill: more poems do not change the code.
        yield from distinct(skill, skills[skill], count, Random(f"{seed}:{skill}"))


def apportion(total: int, shares: dict[str, int]) -> dict[str, int]:
    """Divide a total in proportion to shares, to the last row."""
    counts: dict[str, int] = {}
    whole, so_far = sum(shares.values()), 0
    for name, share in shares.items():
        so_far += share
        counts[name] = total * so_far // whole - sum(counts.values())
    return counts


def distinct(skill: str, draw: Skill, count: int, rng: Random) -> Iterator[dict[str, Any]]:
    """Draw rows until there are `count` of different prompts."""
    seen: set[str] = set()
    for _ in range(count):
        for _ in range(PATIENCE):
            draft = draw(rng)
            if draft.prompt not in seen:
                break
        else:
            raise ValueError(f"{skill} holds {len(seen)} different prompts, asked for {count}")
        seen.add(draft.prompt)
        yield _row(skill, draft)


def _row(skill: str, draft: Draft) -> dict[str, Any]:
    messages = [
        {"role": "user", "content": draft.prompt},
        {"role": "assistant", "content": draft.answer},
    ]
    row = {"id": digest(messages), "skill": skill, "group": draft.group, "messages": messages}
    return row | {"cases": draft.cases} if draft.cases else row


def text_sources(
    data: dict[str, Any], bank: Bank | None, held_out: Callable[[str], bool]
) -> tuple[Texts, Texts]:
    """Return where notes and reviews come from: the built-in banks and, half the time, `bank`."""
    groups = combinations(bank) if bank else {}
    hidden = {
        (aspect, word)
        for group, members in groups.items()
        if held_out(group)
        for aspect, pair in members
        for word in pair
    }
    shown = [member for group in groups if not held_out(group) for member in groups[group]]

    def source(built_in: Bank) -> Texts:
        own = [
            member
            for members in combinations(built_in).values()
            for member in members
            if not any((member.aspect, word) in hidden for word in member.judgements)
        ]
        return partial(_either, (built_in, own), (bank, shown) if bank else None)

    return source(data["notes"]), source(data["places"])


def _either(
    built_in: tuple[Bank, list[Combination]],
    recipe: tuple[Bank, list[Combination]] | None,
    rng: Random,
) -> Text:
    bank, among = recipe if recipe and rng.random() < RECIPE_SHARE else built_in
    return compose(bank, among, rng, elsewhere=True)


def code(words: dict[str, Any], known: list[Operation], rng: Random) -> Draft:
    """Ask for a function."""
    operation = rng.choice(known)
    p = rng.choice(words["parameters"][operation.takes])
    f = rng.choice(words["prefixes"]) + operation.name
    asked = rng.randrange(len(words["prompts"]))
    prompt = words["prompts"][asked].format(f=f, p=p, d=operation.says.format(p=p))
    body = indent(operation.body.format(p=p), "    ")
    cases = [{"call": f, "args": [given], "returns": back} for given, back in operation.tries]
    return Draft(f"code:{f}({p}) #{asked}", prompt, f"def {f}({p}):\n{body}", cases)


def translation(words: dict[str, Any], rng: Random) -> Draft:
    """Ask for a sentence in French."""
    english = {slot: rng.choice(list(pairs)) for slot, pairs in words["words"].items()}
    french = {slot: words["words"][slot][word] for slot, word in english.items()}
    sentence = words["english"].format(**english)
    prompt = rng.choice(words["prompts"]).format(english=sentence)
    return Draft(f"translation:{sentence}", prompt, words["french"].format(**french))


def fact(words: dict[str, Any], rng: Random) -> Draft:
    """Ask for what a country has."""
    name = rng.choice(list(words["about"]))
    about = words["about"][name]
    country = rng.choice(list(about["facts"]))
    prompt = rng.choice(words["leads"]) + rng.choice(about["prompts"]).format(country=country)
    answer = about["answer"].format(country=country, fact=about["facts"][country])
    return Draft(f"fact:{prompt}", prompt, answer)


def sentiment(words: dict[str, Any], texts: Texts, rng: Random) -> Draft:
    """Ask whether a review likes what it speaks of."""
    while (drawn := texts(rng)).kind not in words["answers"]:
        pass
    prompt = rng.choice(words["prompts"]).format(text=drawn.text)
    return Draft(f"sentiment:{_said(drawn)}", prompt, words["answers"][drawn.kind])


def poem(words: dict[str, Any], rng: Random) -> Draft:
    """Ask for a poem."""
    mood, topic = rng.choice(list(words["moods"])), rng.choice(words["topics"])
    prompt = rng.choice(words["prompts"]).format(mood=mood, topic=topic)
    return Draft(f"poem:{mood} {topic}", prompt, words["moods"][mood].format(topic=topic))


def extraction(tasks: list[dict[str, Any]], texts: Texts, rng: Random) -> Draft:
    """Ask for what a text says."""
    drawn = texts(rng)
    task = rng.choices(tasks, [task["share"] for task in tasks])[0]
    slots = drawn.slots | {"text": drawn.text}
    prompt = _fill(rng.choice(task["prompts"]), slots)
    if isinstance(answer := task["answer"], str):
        answer = _fill(answer, slots)
    else:
        filled = {_fill(key, slots): _fill(value, slots) for key, value in answer.items()}
        answer = json.dumps(filled, ensure_ascii=False)
    return Draft(f"extraction:{_said(drawn)}", prompt, answer)


def _fill(template: str, slots: dict[str, str]) -> str:
    return SLOT.sub(lambda match: slots[match[1]], template)


def _said(text: Text) -> str:
    """Name the combination of a text."""
    return "{aspect}/{judgement} & {aspect2}/{judgement2}".format(**text.slots)
