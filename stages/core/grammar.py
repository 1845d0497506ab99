"""What a bank holds, for who composes (`stages.fetch.bank`, which describes it) and who checks."""

import re
from typing import Any

Bank = dict[str, Any]

SLOT = re.compile(r"\{(\w+)\}")
# The slots that a bank with judgements fills by itself.
DRAWN = ("aspect", "judgement", "aspect2", "judgement2")
JUDGED = ("aspects", "judgements", "groups")
# The columns of a bank's table beside its field, its slots and the keys of its truth.
ADDED = ("kind", "group", "truth")


def is_judged(bank: Bank) -> bool:
    """Tell whether a bank speaks of aspects that are judged."""
    return "aspects" in bank


def slots(bank: Bank) -> list[str]:
    """Return the slots that hold the same words wherever they stand in a text."""
    return [*(DRAWN if is_judged(bank) else ()), *bank.get("once", [])]


def keys(bank: Bank) -> list[str]:
    """Return the keys of the truth, of whatever kind."""
    kinds = bank["kinds"].values()
    return list(dict.fromkeys(key for kind in kinds for key in kind.get("truth", {})))


def columns(bank: Bank) -> set[str]:
    """Return the columns of the table that a bank makes."""
    return {bank["field"], *slots(bank), *keys(bank), *ADDED}
