"""Banks (`stages.fetch.bank`): that every slot has a rule and ends, that names name something."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from stages.check.meaning import unknown
from stages.check.shape import check_shape, spell
from stages.core.errors import Fault
from stages.core.grammar import ADDED, DRAWN, JUDGED, SLOT, Bank, is_judged, keys, slots

SCHEMA = Path(__file__).with_name("bank.schema.json")


def texts_in(said: Any, path: tuple[str | int, ...]) -> Iterator[tuple[tuple[str | int, ...], str]]:
    """Yield the texts in a nested value, each with where it stands."""
    if isinstance(said, str):
        yield path, said
    items = enumerate(said) if isinstance(said, list) else getattr(said, "items", tuple)()
    for key, item in items:
        yield from texts_in(item, (*path, key))


def check_slots(bank: Bank) -> Iterator[Fault]:
    """Hold that whatever fills a slot is there."""
    rules = bank.get("rules", {})
    known = {*rules, *(DRAWN if is_judged(bank) else ())}
    templates = [(("rules",), rules), (("elsewhere",), bank.get("elsewhere", {}))]
    for name, kind in bank["kinds"].items():
        templates += [(("kinds", name, key), kind.get(key, [])) for key in ("text", "truth")]
    for path, said in templates:
        for at, text in texts_in(said, path):
            for slot in dict.fromkeys(SLOT.findall(text)):
                yield from unknown(f"{spell(at)}: {{{slot}}}", slot, known, "slot", "write a rule")
    for part in ("rules", "elsewhere"):
        for slot, said in bank.get(part, {}).items():
            if isinstance(said, dict):
                yield from check_hanging(bank, f"{part}.{slot}", *next(iter(said.items())))
    for slot in bank.get("elsewhere", {}):
        yield from unknown(f"elsewhere.{slot}", slot, rules, "rule")
    for at, slot in enumerate(bank.get("once", [])):
        yield from unknown(f"once[{at}]", slot, rules, "rule")


def check_hanging(bank: Bank, where: str, other: str, by_words: Bank) -> Iterator[Fault]:
    """Hold that a rule which hangs on another slot has alternatives for whatever that can be."""
    yield from unknown(f"{where}.{other}", other, slots(bank), "slot of `once`")
    said = bank.get("rules", {}).get(other)
    if other in slots(bank) and isinstance(said, list):
        words = [str(each) for each in said if not SLOT.search(str(each))]
        if lacking := [word for word in words if word not in by_words]:
            what = f"says nothing of {', '.join(map(repr, lacking))}"
            yield Fault(f"{where}.{other}", what, f"alternatives for each {{{other}}}")
        if len(words) == len(said):
            for word in by_words:
                yield from unknown(f"{where}.{other}", word, words, f"{{{other}}}")


def held(said: Any) -> set[str]:
    """Return the slots that a rule's alternatives hold, or that they hang on."""
    found = {slot for _, text in texts_in(said, ()) for slot in SLOT.findall(text)}
    return found | set(said) if isinstance(said, dict) else found


def check_ends(bank: Bank) -> Iterator[Fault]:
    """Hold that no slot holds itself, by whatever way round: filling it would not end."""
    for part in ("rules", "elsewhere"):
        rules = bank.get("rules", {}) | (bank.get("elsewhere", {}) if part == "elsewhere" else {})
        holds = {slot: held(said) for slot, said in rules.items()}
        for slot in bank.get(part, {}):
            reached, more = set(), holds[slot]
            while more := more - reached:
                reached |= more
                more = set().union(*(holds.get(each, set()) for each in more))
            if slot in reached:
                yield Fault(f"{part}.{slot}", f"{{{slot}}} holds itself: filling it does not end")


def check_groups(bank: Bank) -> Iterator[Fault]:
    """Hold that groups and keywords name words drawn once, and poles stand beside judgements."""
    judged = is_judged(bank)
    if judged and "group_by" in bank:
        what = "stands beside aspects and judgements, whose combinations are the groups"
        yield Fault("group_by", what, "either of them")
    for at, slot in enumerate(bank.get("group_by", [])):
        where = f"group_by[{at}]"
        if slot in bank.get("rules", {}) and slot not in slots(bank):
            what = f"{slot!r} is not drawn once a text, so it names no group"
            yield Fault(where, what, f"one of: {', '.join(slots(bank))}", "add it to `once`")
        else:
            yield from unknown(where, slot, slots(bank), "slot of `once`")
    for at, together in enumerate(bank.get("distinct", [])):
        for slot in together:
            yield from unknown(f"distinct[{at}]", slot, bank.get("once", []), "slot of `once`")
    for key, named in bank.get("keywords", {}).items():
        for at, slot in enumerate(named):
            yield from unknown(f"keywords.{key}[{at}]", slot, slots(bank), "slot of `once`")
    for name, kind in bank["kinds"].items():
        if judged and "poles" not in kind:
            yield Fault(f"kinds.{name}.poles", "is missing", "pairs of 0 or 1: [[0, 0], [1, 1]]")
        if not judged and "poles" in kind:
            yield Fault(f"kinds.{name}.poles", "stands without aspects and judgements")


def check_table(bank: Bank) -> Iterator[Fault]:
    """Hold that no two columns of the bank's table share a name (a truth's key may be a slot's)."""
    for name in [*slots(bank), *keys(bank)]:
        if name in (bank["field"], *ADDED):
            what = f"{name!r} is a column of the table already"
            yield Fault("once" if name in slots(bank) else "kinds", what, "another name")


def check_bank(
    bank: Any, path: Path, *, judged: bool = False, table: bool = False
) -> tuple[list[Fault], Bank | None]:
    """Return the faults of a bank, and the bank where it is sound.

    judged: whether aspects and judgements are asked for (a source of kind skills)
    table:  whether a table is made of it (`examples`)
    """
    found, _ = check_shape(bank, str(path), SCHEMA)
    if found:
        return found, None
    checks = [check_slots, check_ends, check_groups, *([check_table] if table else [])]
    meant = [fault for check in checks for fault in check(bank)]
    if judged and not is_judged(bank):
        expected = f"{', '.join(JUDGED)}: a source of kind skills speaks of judgements"
        meant.append(Fault("aspects", "is missing", expected))
    found = [Fault(f"{path}: {f.where}", f.what, f.expected, f.then) for f in meant]
    return found, None if found else bank
