"""From what was read to a checked record: shape, the normalisations a recipe allows, schema."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from stages.core.errors import Fault
from stages.core.proof import Refused
from stages.core.proof.characters import check_characters
from stages.core.proof.meaning import check_meaning, said_by
from stages.core.proof.parse import guess, mend
from stages.core.proof.reading import NEEDS_KNOWN, NEEDS_WHOLE
from stages.core.proof.schema import Schema
from stages.core.proof.shape import is_schema, known, unwrapped, whole
from stages.core.proof.strict import strict
from stages.core.spelling import NORMALISE, normalise

# Operations that a recipe allows by name: a row with no others counts as parsed, not as repaired.
ALLOWED = frozenset({*NORMALISE, "key_case", "alias"})
# More than any teacher's max_tokens: nothing that a student could be trained on.
LONGEST = 1_000_000
ACCEPTED = ("stop", "unknown")  # `unknown`: a server that names no finish reason
FINISH = {"length": "length", "content_filter": "content_filter", "refusal": "refusal"}


def alias_faults(aliases: Mapping[str, str], schema: Schema, where: str) -> list[Fault]:
    """Return what is wrong with a recipe's aliases, as far as the schema names its keys."""
    faults = []
    for said, key in aliases.items() if schema.names else ():
        if key not in schema.names:
            known = ", ".join(sorted(schema.names))
            faults.append(Fault(f"{where}.{said}", f"the schema has no key {key!r}", known))
        if said in schema.names:
            what = "is itself a key of the schema; nobody could tell which is meant"
            faults.append(Fault(f"{where}.{said}", what, "a key that the schema does not have"))
    return faults


def renamed(record: dict[str, Any], aliases: Mapping[str, str]) -> dict[str, Any]:
    """Give keys that a recipe knows under another name the schema's.

    Raises: Refused (duplicate_keys) when two say the same key.
    """
    if not aliases.keys() & record.keys():
        return record
    meant = Counter(aliases.get(key, key) for key in record)
    for key, times in meant.items():
        if times > 1:
            said = [repr(each) for each in record if aliases.get(each, each) == key]
            raise Refused("duplicate_keys", f"{' and '.join(said)} are one key", record)
    return {aliases.get(key, key): said for key, said in record.items()}


def recased(record: dict[str, Any], names: Iterable[str], aliases: Iterable[str]) -> dict[str, Any]:
    """Spell keys as the schema or the aliases do, where case, spaces and dashes are the difference.

    A spelling that two names share is nobody's.
    """

    def bare(key: str) -> str:
        return re.sub(r"[\s_-]", "", key).casefold()

    exact = {*names, *aliases}
    known: dict[str, str] = {}
    for group in (aliases, names):  # where both spell a key so, the schema's is meant
        times = Counter(map(bare, group))
        known |= {bare(name): name for name in group}
        known = {spelling: name for spelling, name in known.items() if times[spelling] < 2}
    spelled = {
        key if key in exact else known.get(bare(key), key): said for key, said in record.items()
    }
    return spelled if len(spelled) == len(record) else record


def bare(key: str) -> str:
    """Return a key without case, and without what is no letter or digit."""
    return re.sub(r"[\W_]", "", key).casefold()


def check_spellings(value: Any, names: frozenset[str]) -> None:
    """Refuse an object that says a key of the schema twice, the second time in another spelling.

    names: the keys that the schema knows, at every depth
    Raises: Refused (duplicate_keys).
    """
    if isinstance(value, list):
        for each in value:
            check_spellings(each, names)
    if not isinstance(value, dict):
        return
    if not value.keys() <= names:
        spelled = {bare(key): key for key in value if key in names}
        for key in value:
            if key not in names and bare(key) in spelled:
                twice = f"{spelled[bare(key)]!r} and {key!r} are one key"
                raise Refused("duplicate_keys", twice, value)
    for each in value.values():
        if not isinstance(each, str):
            check_spellings(each, names)


def check(
    reply: dict[str, Any], schema: Schema, settings: dict[str, Any]
) -> tuple[dict[str, Any], list[str]]:
    """Return a reply's record and the operations that led to it.

    First come those that mended the text, in alphabetical order, then what was unwrapped, then the
    normalisations of keys, then those of values.

    settings: section `validate` of params.yaml (repair, normalise, aliases)
    Raises: Refused, with json-repair's guess as the best attempt where there is a text.
    """
    text, finish_reason = reply["text"], reply["finish_reason"]
    if reply["error"] is not None:
        raise Refused("no_reply", reply["error"])
    try:
        if finish_reason not in ACCEPTED:
            reason = FINISH.get(finish_reason, "unproven")
            raise Refused(reason, f"finish_reason {finish_reason!r}")
        if not text or not text.strip():
            raise Refused("empty")
        if len(text) > LONGEST:
            raise Refused("too_long", f"{len(text)} characters")
        try:
            return _record(text, schema, settings)
        except RecursionError:
            raise Refused("too_long", "nested too deeply") from None
    except Refused as refused:
        if refused.best is None and text:
            refused.best = guess(text)
        raise


def _record(
    text: str, schema: Schema, settings: dict[str, Any]
) -> tuple[dict[str, Any], list[str]]:
    aliases = settings["aliases"]
    names = schema.names | aliases.keys()
    mended: list[str] = []
    try:
        read = strict(text)
        if isinstance(read, str):
            raise ValueError("a JSON string, perhaps an object encoded twice")
    except ValueError as error:
        if not settings["repair"]:
            raise Refused("unproven", f"not JSON: {error}") from None
        read, mended = mend(text, names, said_by(schema).names)
    record, done = unwrapped(read, names, schema.closed)
    operations = mended + done
    if not isinstance(record, dict):
        raise Refused("schema", "not an object", read)
    if "key_case" in settings["normalise"]:
        spelled = recased(record, schema.names, aliases)
        if spelled.keys() != record.keys():
            operations.append("key_case")
            record = spelled
    if (named := renamed(record, aliases)) is not record:
        operations.append("alias")
        record = named
    check_spellings(record, said_by(schema).names)
    check_characters(record)
    record, done = normalise(record, settings["normalise"])
    operations += done
    if "entities" in done:
        check_characters(record)
    check_meaning(record, schema, bool(mended))
    if is_schema(record, schema.names):
        raise Refused("schema", "a schema in place of a record", record)
    if wrong := schema.mismatch(record):
        raise Refused("schema", wrong, record)
    # What took a lost sign for granted stands only if nothing else can be lost with it.
    doubtful = NEEDS_WHOLE & set(operations)
    if doubtful and not whole(record, schema.schema):
        what = f"{', '.join(sorted(doubtful))}: a key may be lost, or there are others"
        raise Refused("truncated" if "missing_brace" in doubtful else "unproven", what, record)
    doubtful = NEEDS_KNOWN & set(operations)
    # Of an open schema another object may be a part, under a key of its own.
    apart = "other_object" in doubtful and not schema.closed
    if doubtful and (apart or not known(record, schema.schema)):
        what = f"{', '.join(sorted(doubtful))}: beside a key that the schema does not name"
        raise Refused("unproven", what, record)
    return record, operations
