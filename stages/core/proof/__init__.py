"""Prove what a reply says: its one record, or why there is none.

    reply ─ finish reason ─ strict JSON ─────────────────┬─ schema ─ record
                                └─ repair: a reading ────┤
                                   proved from the text  └─ Refused (reason, detail, best attempt)

    check      the whole way, and what a recipe allows by name
    strict     JSON as it should be          around   what stands around an object, whole escapes
    parse      mend: the one object of a text          lines    a record without braces
    rewritten  read again: diffs, numbered lines, a beginning said again
    reading    objects and lists: why a reading is a proof
    strings, escapes, quoting, scalars, keys, tokens   its parts: where a text ends; what is syntax
    shape      lists, keys and calls around a record; is it whole?
    meaning    well-formed, and yet not what was meant        schema   the recipe's, compiled
    leftovers  what is left in values of tools, templates, turns
    characters the same of characters: misdecoded, escaped twice or not at all

In core, for two stages ask the same: `validate`, what makes a row, and `generate`, what is worth
asking again.
"""

# Why a reply was refused. The list is closed: metrics/data.json has every one of them, with 0, too.
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
    "broken_text": "control characters, lone surrogates, U+FFFD, text escaped twice or misdecoded",
    "entities": "HTML entities in the text, of which nobody can say whether they are meant",
    "placeholder": "a value that stands for one, such as ...",
    "too_long": "too long, or too deeply nested, to be mended",
    "unproven": "malformed in a way that has more than one reading, or none",
    "schema": "a proved record that does not fit the schema",
}
# Why a proved record made no row. With REASONS these are all that data/rejects.jsonl can say.
REPEATS = {
    "duplicate": "another request made the same row, which stays",
    "near_duplicate": "another row's answer is nearly the same, and stays",
}

# What was done to a reply to get its record, as a row's `operations` name it, and what each means.
OPERATIONS = {
    # around the object
    "thinking": "left out a reasoning model's notes before the answer",
    "prose": "left out words before or behind the object",
    "fence": "left out the marks of a Markdown code block",
    "html_escaped": "undid HTML escapes in which the whole text was written",
    "percent_encoded": "undid the escapes of a URL, in which the whole text was written",
    "double_encoded": "read the object out of one JSON string",
    "backslashed": "took away the backslash before every quote",
    "repeated": "took the first of several objects that all say the same",
    "in_list": "took the record out of a list of one",
    "under_key": "took the record out from under a key that the schema does not know",
    "end_token": "left out the tokens by which a chat template marks turns",
    "tags": "left out the tags around the answer",
    "quoted_lines": "took the > from before every line",
    "diff": "took the + of a diff from before every line",
    "numbered": "took the number from before every line",
    "bullets": "took the dash from before every member",
    "colours": "left out the colours of a terminal",
    "begun_again": "left out a beginning that breaks off, and is said again as a whole",
    "prose_with_quotes": "left out words with quotes behind the object, on lines of their own",
    "doubled_quotes": "took one of every two quotes: all were doubled",
    "blank_form": "left out objects that are schemas, or hold placeholders alone",
    "other_object": "left out objects that know none of the schema's keys, or are a blank form",
    "merged": "put together objects that hold one part of the record each",
    "pairs": "made a record of a list of keys with their values",
    "envelope": "took the record out of a call, a message or a schema around it",
    "lines": "read a line a key, without braces",
    "markup": "read a tag a key",
    "table": "read a table",
    "parentheses": "read parentheses in place of brackets",
    "white_space": "left out signs that take no room, and spaces that JSON does not know",
    # within it
    "missing_open_brace": "added the opening brace",
    "missing_brace": "added the closing brace, with every key of the schema already there",
    "missing_quote": "added the one quote that a key or a value lost",
    "missing_comma": "added a comma between two members",
    "trailing_comma": "left out a comma before a closing bracket",
    "comment": "left out a comment",
    "unquoted_key": "read a key that has no quotes",
    "single_quotes": "read a string in single quotes",
    "smart_quotes": "read a string in typographic quotes",
    "triple_quotes": "read a string in three quotes, as Python has them",
    "concatenated": "joined strings that stand with a plus between them",
    "adjacent_strings": "joined strings that stand side by side",
    "unescaped_quotes": "kept quotes within a text that had no backslash",
    "bare_apostrophe": "kept an apostrophe within single quotes",
    "raw_newline": "kept a line break or a tab that was not escaped",
    "invalid_escape": "read a backslash before a quote that needs none",
    "bare_backslash": "kept a backslash that JSON would have doubled",
    "python_literal": "read True, False or None as JSON spells them",
    "extra_brace": "left out a bracket too many at the end",
    "wrong_bracket": "read a bracket in place of the closing brace",
    "missing_inner_brace": "ended an item of a list before the next one's brace",
    "missing_open_bracket": "added the opening bracket of a list",
    "extra_bracket": "left out a second bracket at the end of a list",
    "square_brackets": "read square brackets in place of braces",
    "doubled_inner_quotes": "took one of two quotes within texts: all were doubled",
    "line_continuation": "left out a backslash and the line break behind it, as JavaScript does",
    "code_escape": "read an escape as Python and JavaScript write it",
    "missing_bracket": "ended a list before the next key, or the last brace",
    "doubled_braces": "took one of every two braces",
    "missing_colon": "added a colon between a key and its value",
    "joined_members": "added the comma between a quote and the quote of the next key",
    "extra_comma": "left out a comma too many",
    "semicolon": "read a semicolon in place of a comma, or left it out at the end",
    "markdown_escape": "took away the backslash that Markdown wants before an underscore",
    "ellipsis": "left out an ellipsis behind the last member",
    "full_width": "read full-width signs as their ASCII ones",
    "other_sign": "read another sign, such as = or =>, in place of colons",
    "bold_key": "left out the asterisks around keys",
    "backticks": "read a string in backticks",
    "bare_text": "read a text without quotes",
    "loose_number": "read a number as JSON5 or Python write it",
    "escaped_space": "took a spelled-out line break between members for one",
    # what the recipe allows by name, or a person did
    "key_case": "spelled a key as the schema does (case, spaces and dashes apart)",
    "alias": "renamed a key as validate.aliases says",
    "trim": "took away white space at the ends of the strings",
    "entities": "wrote HTML entities as the characters they stand for",
    "breaks": "wrote <br /> as line breaks",
    "nfc": "wrote letters and their marks as one character each, where there is one",
    "comma_below": "wrote the Romanian s and t that had a cedilla with a comma below",
    "override": "took the record from overrides.jsonl: mended by hand",
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
