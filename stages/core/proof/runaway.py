r"""Refuse texts that others had a hand in: masked, shortened, printed by a program, run on.

Well-formed JSON says nothing about it; these are the marks that gateways, loggers and models leave
again and again. The list is closed, and no proof: what is not on it passes.
"""

import re

from stages.core.proof import Refused
from stages.core.proof.characters import PROGRAM

MASKED = re.compile(
    r"█{2,}|\[(?:REDACTED|MASKED|FILTERED|CENSORED|PII)\b[^\]\n]{0,40}\]|\{\{?PII_\w+\}?\}"
    r"|<(?:PERSON|EMAIL(?:_ADDRESS)?|PHONE(?:_NUMBER)?|LOCATION|CREDIT_CARD|PII\w*)(?:_\d+)?>"
)
SHORTENED = re.compile(
    r"(?i)(?:\.{3}|…)\s*[\[(<]?\+?\d+ (?:more )?(?:char(?:acter)?s?|bytes|lines|words|tokens)\b"
    r"|[\[(<](?:(?:output|text|content|message) )?truncated\b[^\])>\n]{0,40}[\])>]|[\[<]snip[\]>]"
)
PRINTED = re.compile(
    r"<[^<>\n]{1,80}(?:<\w{1,40}>)? at 0x[0-9a-fA-F]+>|\[object \w+\]|<class '[^'\n]*'>"
)
ASKS = re.compile(r"(?m)^[*# ]*(?:Human|User|HUMAN|USER|Instruction)[*]*:")
TELLS = re.compile(r"(?m)^[*# ]*(?:Assistant|AI|ASSISTANT|Response|Bot)[*]*:")
OF_ITSELF = re.compile(
    r"(?i)\bas an? (?:ai|artificial intelligence|(?:large )?language)(?: language)?(?: model"
    r"| assistant)?, i\b"
)
LONGEST_PHRASE, TIMES, TIMES_A_WORD = 8, 8, 12


def check_runaway(said: list[str], schema: str) -> None:
    """Refuse a record whose strings hold one of these marks; what the schema names is meant.

    Raises: Refused (broken_text, unproven).
    """
    for text in said:
        for marks, what in ((MASKED, "masked"), (SHORTENED, "shortened"), (PRINTED, "printed")):
            bad = marks.search(text)
            if bad and bad[0] not in schema and not PROGRAM.search(text):
                raise Refused("broken_text", f"{what}: {bad[0][:40]!r} in {text[:60]!r}")
        if bad := OF_ITSELF.search(text):
            raise Refused("unproven", f"the model speaks of itself: {bad[0]!r}")
        if "\n" in text and further(text):
            raise Refused("unproven", f"further turns of a chat within {text[:60]!r}")
        if looping(text):
            raise Refused("broken_text", f"the end of {text[:60]!r} repeats itself")


def further(text: str) -> bool:
    """Tell whether a text that is no dialogue goes on as one, with a question and an answer."""
    asks, tells = ASKS.search(text), TELLS.search(text)
    return bool(asks and tells and 0 < asks.start() < tells.start())


def looping(text: str) -> bool:
    """Tell whether a text ends in one phrase of a few words, over and over."""
    words = text[-2000:].split()
    for size in range(1, LONGEST_PHRASE + 1):
        times = TIMES_A_WORD if size == 1 else TIMES
        if len(words) < size * times:
            return False
        phrase = words[-size:]
        if words[-2 * size : -size] == phrase and words[-size * times :] == phrase * times:
            return any(word.isalpha() for word in phrase)
    return False
