"""Malformed answers as LLMs write them: what the offline teacher says in place of its record.

Each kind is a small function `(record, rng) -> text`, or `(text, finish reason)` where it is not
`stop`. The record's values are never changed, only their spelling, so that the truth stays the
truth.
"""

import html
import json
from collections.abc import Callable
from random import Random
from typing import Any

Record = dict[str, Any]
Text = str | tuple[str, str]

OPENINGS = ("Here is the JSON:", "Sure! Here you go:", "Certainly, the two responses are below.")
CLOSINGS = (
    "I hope this helps!",
    "Let me know if you need another one.",
    "Both are two lines long.",
)


def plain(record: Record, rng: Random) -> str:
    """Spell a record well, on one line or indented."""
    return json.dumps(record, ensure_ascii=False, indent=rng.choice([None, None, 2]))


def quoted(text: str) -> str:
    """Spell a string in JSON."""
    return json.dumps(text, ensure_ascii=False)


def members(record: Record, value: Callable[[Any], str] = quoted, joint: str = ", ") -> str:
    """Spell a record's members with another spelling of values, or of what joins them."""
    spelled = (f"{quoted(key)}: {spell(said, value)}" for key, said in record.items())
    return joint.join(spelled)


def spell(said: Any, value: Callable[[Any], str]) -> str:
    """Spell a string by `value`, anything else in JSON."""
    return value(said) if isinstance(said, str) else json.dumps(said, ensure_ascii=False)


def python_string(text: str, quote: str = "'") -> str:
    """Spell a string as Python and JavaScript do, between the quotes given."""
    escaped = text.replace("\\", "\\\\").replace(quote, "\\" + quote).replace("\n", "\\n")
    return quote + escaped.replace("\t", "\\t").replace("\r", "\\r") + quote


def fence(record: Record, rng: Random) -> str:
    """Put it in a code fence."""
    return f"```\n{plain(record, rng)}\n```"


def fence_json(record: Record, rng: Random) -> str:
    """Put it in a code fence that names the language."""
    return f"```json\n{plain(record, rng)}\n```"


def fence_open(record: Record, rng: Random) -> str:
    """Forget to close the fence."""
    return f"```json\n{plain(record, rng)}"


def prose_before(record: Record, rng: Random) -> str:
    """Say something first."""
    return f"{rng.choice(OPENINGS)}\n\n{plain(record, rng)}"


def prose_after(record: Record, rng: Random) -> str:
    """Say something afterwards."""
    return f"{plain(record, rng)}\n\n{rng.choice(CLOSINGS)}"


def prose_and_fence(record: Record, rng: Random) -> str:
    """Say something before and after a fence."""
    return f"{rng.choice(OPENINGS)}\n\n{fence_json(record, rng)}\n\n{rng.choice(CLOSINGS)}"


def thinking(record: Record, rng: Random) -> str:
    """Think aloud first, as reasoning models do."""
    return f"<think>\nThe keys are {sorted(record)}.\n</think>\n\n{plain(record, rng)}"


def trailing_comma(record: Record, rng: Random) -> str:
    """Leave a comma behind the last value."""
    return "{" + members(record) + ",}"


def missing_comma(record: Record, rng: Random) -> str:
    """Break the line in place of a comma."""
    return "{\n  " + members(record, joint="\n  ") + "\n}"


def missing_brace(record: Record, rng: Random) -> str:
    """Forget the closing brace."""
    return plain(record, rng).rstrip("}\n ")


def missing_open_brace(record: Record, rng: Random) -> str:
    """Go on after a brace that the prompt seemed to have set."""
    return plain(record, rng).lstrip("{\n ")


def single_quotes(record: Record, rng: Random) -> str:
    """Write it as Python does."""
    return repr(record)


def bare_apostrophes(record: Record, rng: Random) -> str:
    """Quote with apostrophes and escape nothing."""
    bare = (f"'{key}': {spell(said, lambda text: chr(39) + text + chr(39))}"
            for key, said in record.items())  # fmt: skip
    return "{" + ", ".join(bare) + "}"


def javascript(record: Record, rng: Random) -> str:
    """Write it as JavaScript does."""
    spelled = (f"{key}: {spell(said, python_string)}" for key, said in record.items())
    return "{\n  " + ",\n  ".join(spelled) + ",\n}"


def unescaped_quotes(record: Record, rng: Random) -> str:
    """Leave quotes inside values as they are; quote a value twice where there are none."""
    if any('"' in said for said in record.values() if isinstance(said, str)):
        return "{" + members(record, lambda text: f'"{text}"') + "}"
    return "{" + members(record, lambda text: f'""{text}""') + "}"


def raw_newlines(record: Record, rng: Random) -> str:
    """Break lines inside values; end each value with a line break where there are none."""
    end = "" if any("\n" in said for said in record.values() if isinstance(said, str)) else "\\n"
    spelled = members(record, lambda text: quoted(text)[:-1] + end + '"')
    return "{" + spelled.replace("\\n", "\n") + "}"


def smart_quotes(record: Record, rng: Random) -> str:
    """Quote as a word processor does."""
    spelled = (f"“{key}”: {spell(said, lambda text: f'“{text}”')}" for key, said in record.items())
    return "{" + ", ".join(spelled) + "}"


def comments(record: Record, rng: Random) -> str:
    """Explain in comments, and let them take the place of commas."""
    spelled = (f"  {quoted(key)}: {json.dumps(said, ensure_ascii=False)}, // the {key} side"
               for key, said in record.items())  # fmt: skip
    return "{\n" + "\n".join(spelled) + "\n}"


def html_escaped(record: Record, rng: Random) -> str:
    """Escape it for a web page."""
    return html.escape(plain(record, rng))


def double_encoded(record: Record, rng: Random) -> str:
    """Put the JSON into a JSON string."""
    return quoted(plain(record, rng))


def backslashed(record: Record, rng: Random) -> str:
    """Escape the quotes as within a string."""
    return quoted(plain(record, rng))[1:-1]


def in_list(record: Record, rng: Random) -> str:
    """Put a list around it."""
    return f"[{plain(record, rng)}]"


def under_key(record: Record, rng: Random) -> str:
    """Put it under a key."""
    key = rng.choice(["response", "result", "output", "json"])
    return json.dumps({key: record}, ensure_ascii=False)


def repeated(record: Record, rng: Random) -> str:
    """Say it twice."""
    return f"{plain(record, rng)}\n{plain(record, rng)}"


def truncated(record: Record, rng: Random) -> tuple[str, str]:
    """Run into the limit."""
    text = plain(record, rng)
    return text[: rng.randrange(1, len(text) - 1)], "length"


def cut(record: Record, rng: Random) -> str:
    """Break off in the middle and claim `stop`."""
    text = plain(record, rng)
    return text[: rng.randrange(1, len(text) - 1)]


def two_objects(record: Record, rng: Random) -> str:
    """Draft first, then answer."""
    draft = {key: "..." if isinstance(said, str) else said for key, said in record.items()}
    return f"{json.dumps(draft)}\n\nOr, better:\n\n{plain(record, rng)}"


def wrong_keys(record: Record, rng: Random) -> str:
    """Call the keys something else."""
    suffix = rng.choice(["_response", "s", "_text"])
    return json.dumps({key + suffix: said for key, said in record.items()}, ensure_ascii=False)


def key_case(record: Record, rng: Random) -> str:
    """Write the keys with capital letters."""
    return json.dumps({key.title(): said for key, said in record.items()}, ensure_ascii=False)


def extra_keys(record: Record, rng: Random) -> str:
    """Add a key that nobody asked for."""
    return json.dumps(record | {"explanation": "As you asked for."}, ensure_ascii=False)


def wrong_types(record: Record, rng: Random) -> str:
    """Make a list of each value."""
    return json.dumps({key: [said] for key, said in record.items()}, ensure_ascii=False)


def lost_quote(record: Record, rng: Random) -> str:
    """Forget the closing quote of the first value."""
    return plain(record, rng).replace('",', ",", 1)


def concatenated(record: Record, rng: Random) -> str:
    """Join two halves by a plus."""

    def halves(text: str) -> str:
        return f"{quoted(text[: len(text) // 2])} + {quoted(text[len(text) // 2 :])}"

    return "{" + members(record, halves) + "}"


def backticks(record: Record, rng: Random) -> str:
    """Quote the values with backticks."""
    return "{" + members(record, lambda text: f"`{text}`") + "}"


def placeholder(record: Record, rng: Random) -> str:
    """Leave the values to the reader."""
    return json.dumps(dict.fromkeys(record, "..."))


def refusal(record: Record, rng: Random) -> str:
    """Refuse, in words."""
    return "I'm sorry, but I can't help with that."


def filtered(record: Record, rng: Random) -> tuple[str, str]:
    """Lose the answer to a content filter."""
    return "", "content_filter"


def empty(record: Record, rng: Random) -> str:
    """Say nothing."""
    return ""


# Kind -> how often it stands among the malformed answers, against the others. What LLMs do most,
# and what can be mended, weighs most.
KINDS: dict[Callable[[Record, Random], Text], int] = {
    fence: 4, fence_json: 12, fence_open: 2, prose_before: 6, prose_after: 5, prose_and_fence: 8,
    thinking: 2, trailing_comma: 8, missing_comma: 3, missing_brace: 3, missing_open_brace: 2,
    single_quotes: 5, bare_apostrophes: 2, javascript: 2, unescaped_quotes: 3, raw_newlines: 4,
    smart_quotes: 2, comments: 2, html_escaped: 1, double_encoded: 2, backslashed: 1, in_list: 2,
    under_key: 2, repeated: 1, truncated: 5, cut: 3, two_objects: 2, wrong_keys: 4, key_case: 2,
    extra_keys: 2, wrong_types: 1, lost_quote: 1, concatenated: 1, backticks: 1, placeholder: 1,
    refusal: 3, filtered: 1, empty: 2,
}  # fmt: skip


def malform(record: Record, rng: Random) -> tuple[str, str]:
    """Draw a kind and return the text and the finish reason of an answer malformed in its way."""
    kind = rng.choices(list(KINDS), list(KINDS.values()))[0]
    said = kind(record, rng)
    return (said, "stop") if isinstance(said, str) else said
