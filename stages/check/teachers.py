"""The teachers of params.yaml: names, secrets, prices, and how the offline one misbehaves."""

import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

from stages.check.meaning import Params, located, section
from stages.check.shape import BEGINNING, LEAKED, Place, spell
from stages.core.errors import Fault

OFFLINE = "offline"
FAULTY = ("rate_limited", "failing", "slow", "cut")  # of one attempt one thing goes wrong
# As providers begin their keys; else long and with small letters, as no variable is.
KEY = re.compile(rf"(?=\S*\d)(?:{BEGINNING}\w{{6,}}|(?=\S*[a-z])\S{{24,}})")
QUERY = re.compile(r"[?&](?:[\w-]*[_-])?(?:key|token|secret|password)=", re.IGNORECASE)


def check_names(params: Params) -> Iterator[Fault]:
    """Hold that each teacher has a name of its own, no source's, and that one of them is asked."""
    seen: dict[str, int] = {}
    teachers = params.get("teachers", [])
    if teachers and all(teacher.get("weight") == 0 for teacher in teachers):
        yield Fault("teachers", "every weight is 0, so nobody is asked", "one above 0 at least")
    for at, teacher in enumerate(teachers):
        name = teacher.get("name")
        if name in seen:
            what = f"the name {name!r} stands at teachers[{seen[name]}] too"
            yield Fault(f"teachers[{at}].name", what, "a name of its own")
        elif name in section(params, "sources"):
            what = f"the name {name!r} is that of a source: rows are told apart by whom they are of"
            yield Fault(f"teachers[{at}].name", what, "a name of its own")
        elif name is not None:
            seen[name] = at


def strings(value: Any, path: Place = ()) -> Iterator[tuple[Place, str]]:
    """Yield every string of a nested value, and where it stands."""
    if isinstance(value, str):
        yield path, value
    items = value.items() if isinstance(value, dict) else ()
    for key, each in enumerate(value) if isinstance(value, list) else items:
        yield from strings(each, (*path, key))


def check_secrets(params: Params) -> Iterator[Fault]:
    """Hold that no key stands in params.yaml, which git tracks. What may be one is not shown."""
    hidden = "(not shown)"
    then = "keep it in the environment and name its variable in api_key_env; renew the key"
    for at, teacher in enumerate(params.get("teachers", [])):
        if KEY.fullmatch(teacher.get("api_key_env") or ""):
            what = f"looks like a key itself {hidden}"
            expected = "the name of the environment variable that holds the key"
            yield Fault(f"teachers[{at}].api_key_env", what, expected, then)
        base_url = teacher.get("base_url") or ""
        where, expected = f"teachers[{at}].base_url", "an address without secrets"
        try:
            parts = urlsplit(base_url)
            _ = parts.port
        except ValueError:
            yield Fault(where, f"is no address {hidden}", "such as https://api.openai.com/v1")
            continue
        if "@" in parts.netloc:
            yield Fault(where, f"holds a user's name or password {hidden}", expected, then)
        elif QUERY.search(base_url):
            yield Fault(where, f"holds a key in its query {hidden}", expected, then)
        elif LEAKED.search(base_url):
            yield Fault(where, f"holds what looks like a key {hidden}", expected, then)
    for path, text in strings(params):
        if path[-1] not in ("api_key_env", "base_url") and LEAKED.search(text):
            what = f"holds what looks like a key {hidden}"
            yield Fault(spell(path), what, "no secret: git tracks this file", then)


def check_budget(params: Params) -> Iterator[Fault]:
    """Hold that what a budget is to limit has a price."""
    if section(params, "generate").get("budget_usd", None) is None:
        return
    for at, teacher in enumerate(params.get("teachers", [])):
        unpriced = teacher.get("price") is None and teacher.get("weight", 0) > 0
        if unpriced and teacher.get("base_url") != OFFLINE:
            what = f"{teacher.get('name')!r} has none, and generate.budget_usd is set"
            expected = "usd per 1,000,000 tokens: {prompt: ..., completion: ...}"
            then = "write down the price (zeros where it costs nothing), or set budget_usd: null"
            yield Fault(f"teachers[{at}].price", what, expected, then)


def check_offline(params: Params) -> Iterator[Fault]:
    """Hold that the offline teacher can misbehave as often as it is told to."""
    shares = [section(params, "offline").get(kind, 0) for kind in FAULTY]
    if (total := sum(shares)) > 1 + 1e-9:
        what = f"{' + '.join(FAULTY)} are more than there is ({total:g})"
        yield Fault("offline", what, "at most 1 together: one thing goes wrong with an attempt")


def check_teachers(params: Params, file: str = "params.yaml") -> list[Fault]:
    """Return what is wrong with the teachers, for parameters of a sound shape."""
    checks = (check_names, check_secrets, check_budget, check_offline)
    return located(file, (fault for check in checks for fault in check(params)))
