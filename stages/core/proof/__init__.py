"""Prove what a reply says: its one record, or why there is none.

    reply ─ finish reason ─ strict JSON ─────────────────┬─ schema ─ record
                                └─ repair: a reading ────┤
                                   proved from the text  └─ Refused (reason, detail, best attempt)

Order and rules: `check.py` (the whole way), `parse.py` (strict, and around the object),
`reading.py` (what may be mended and why that is a proof). In core, for two stages ask the same:
`validate`, what makes a row, and `generate`, what is worth asking again.
"""

# Why a reply made no row. The list is closed: metrics/data.json has every one of them, with 0, too.
REASONS = {
    "no_reply": "the teacher gave no answer (an error); generate asks it again",
    "length": "the reply was cut at max_tokens; a larger limit asks it again",
    "content_filter": "the teacher's filter took the reply away",
    "refusal": "the teacher said that it refuses",
    "empty": "a reply without text",
    "no_object": "there is no JSON object in the text",
    "truncated": "the text ends within the object, and something may be lost",
    "several": "there is more than one object, and they differ",
    "duplicate_keys": "an object says a key twice",
    "not_finite": "NaN or an infinite number",
    "broken_text": "control characters, lone surrogates or U+FFFD where text should be",
    "entities": "HTML entities in the text, of which nobody can say whether they are meant",
    "placeholder": "a value that stands for one, such as ...",
    "too_long": "too long, or too deeply nested, to be mended",
    "unproven": "malformed in a way that has more than one reading, or none",
    "schema": "a proved record that does not fit the schema",
}


class Refused(Exception):  # noqa: N818  it ends in a row of rejects, not in an error
    """A reply that makes no row.

    reason: one of REASONS
    detail: what exactly, for the eye
    best:   the best attempt at a record, or None
    """

    def __init__(self, reason: str, detail: str = "", best: object = None) -> None:
        assert reason in REASONS, reason
        super().__init__(reason, detail)
        self.reason = reason
        self.detail = detail
        self.best = best
