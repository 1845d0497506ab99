r"""Take away what stands around a record's text, and undo what was done to the text as a whole.

Each step is exact: an escape is only undone where every sign is escaped, so that the inverse has
one result; and of words around the object, none may be part of it.
"""
# ruff: noqa: RUF001

import ast
import json
import re
from contextlib import suppress
from urllib.parse import unquote

from stages.core.proof import Refused
from stages.core.spelling import ENTITY

# What words before an object may not hold, for it may have been part of it: a backslash, brackets
# (but a {word} of a template, a [link] or a tag's), a key with a value. Behind the object no quote.
VALUE = r"""(?:["'“”`{\[\d-]|true|false|null|None|True|False)"""
BEFORE = re.compile(rf"""[{{}}\[\]\\]|["'“”`]\s*:[ \t]*(?:{VALUE}|\w[^\n]{{0,200}}["”]\s*,)""")
BEHIND = re.compile(r"[{}\[\]\\\"“”]|['`‘’«»]\s*[,:]|\w\s*[:=]\s*['`‘«]")
# Behind an object that ends its line, prose may hold quotes, but no key with a value.
BEHIND_ON_ITS_OWN = re.compile(
    rf"""[{{}}\[\]\\]|["'“”`]\s*[:=]\s*{VALUE}|["”]\s*,\s*["“]|\A\s*["',]"""
)
NO_OBJECT = re.compile(
    r"\{\{?[ ]?[\w.]{1,40}(?:,[ ]?[\w.]{1,40}){0,12}[ ]?\}\}?"
    r"|\[[^\[\]{}\"\n]{1,60}\](?:\([^()\s{}\"]*\))?"
)
UNFINISHED = re.compile(r"<(?:think|thinking|thought|reasoning|scratchpad)>|<\|channel\|>")
# Words by which a text takes back what the object says. Closed to be sure, not to be complete.
TAKEN_BACK = re.compile(
    r"(?i)\b(?:wait|actually|correct(?:ion|ed|ing)|oops|scratch that|i mean|meant|disregard|ignore"
    r"|mistake|typo|on second thought|should (?:\w+ ){0,2}(?:be|have|read|say)|instead|replaced?"
    r"|revis(?:ed|ion)|not (?:correct|right|valid)|wrong|incorrect|example|draft|template|sorry"
    r"|apolog\w+|updated?|edit|chang(?:e|ed)|swap(?:ped)?|rather|fix(?:ed)?|errors?|discard"
    r"|better|improved"
    r"|omitted|truncated|abbreviated|for brevity|shortened|incomplete"
    r"|do not use|don't use|let me|greșit\w*|corect\w+|de fapt|scuze)\b"
)
# What is offered, or hoped, takes nothing back.
POLITE = re.compile(
    r"(?i)\b(?:(?:please )?let me know|feel free|if you|i hope|hope (?:this|that)|would you like"
    r"|i can|happy to)\b[^.!?\n]*[.!?]?"
)
THINKING = re.compile(
    r"\s*(?:<(think|thinking|thought|reasoning|scratchpad|analysis|reflection)>.*?</\1>\s*)+",
    re.DOTALL,
)
# A server may set the opening tag itself.
THOUGHT = re.compile(r"\A(?![\s]*[{\[`\"])(?:(?!</?think)[\s\S])*</think(?:ing)?>")
FINAL = re.compile(r"<\|channel\|>final(?:[ ][^<]*)?<\|message\|>")
TURN = (
    r"(?:<\|[\w▁ -]{1,40}\|>|<｜[^｜\n]{1,40}｜>|</?s>|<[be]os>|<(?:start|end)_of_turn>"
    r"|\[/?(?:INST|EOS|DONE|END)\]|<EOT>)"
)
MAY_BE_TURN = re.compile(r"\[(?:/|INST|D|E|TOOL)")
TOOL_CALLS = re.compile(r"\A\s*\[TOOL_CALLS\]\s*(?:[\w.-]{1,64}\s*\[ARGS\]\s*)?(?=[\[{])")
TURNS_BEFORE = re.compile(rf"(?:\s*{TURN})+(?:\s*(?:assistant|model)(?=\s))?")
TURNS_BEHIND = re.compile(rf"(?:{TURN}\s*)+\Z")
TAGGED = re.compile(
    r"<(answer|final_answer|output|json|result|response|tool_call|function_call)>"
    r"(?:\s*<!\[CDATA\[)?((?:(?!<\1>)[\s\S])*?)(?:\]\]>\s*)?</\1>\s*\Z"
)
FENCE_LINE = re.compile(r"\n[ \t]*(?:```+|~~~+)[ \t]*(?=\n|\Z)")
ESCAPED = {"&quot;": '"', "&#34;": '"', "&#x22;": '"', "&#39;": "'", "&#x27;": "'", "&apos;": "'",
           "&lt;": "<", "&gt;": ">", "&amp;": "&"}  # fmt: skip
ENCODED = re.compile(r"%(?:7[Bb]|5[Bb])")
QUOTES = re.compile('"+')
DOUBLED = re.compile(r'[{\[\s]+""')
WITHIN_QUOTES = re.compile(r"b?'([{\[](?:[^'\\]|\\.)*[}\]])'")
WITHIN_THREE = re.compile(r"(\"{3}|'{3})(\s*[{\[](?:(?!\1)[\s\S])*[}\]]\s*)\1")
PYTHON_BYTES = re.compile(r"b(?:'[{\[](?:[^'\\\n]|\\.)*[}\]]'|\"[{\[](?:[^\"\\\n]|\\.)*[}\]]\")")
# The colours of a terminal, and what else it takes for a command.
COLOUR = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")


def left_out(text: str) -> tuple[str, set[str]]:
    """Leave out a model's notes, tokens and tags.

    colours:   of a terminal
    thinking:  a reasoning model's notes before its answer
    end_token: the tokens by which a chat template marks turns
    tags:      <answer> and its kind around the answer
    quoted_lines: a > before every line, as mail and Markdown quote
    """
    done = set()
    if "\x1b" in text:
        done.add("colours")
        text = COLOUR.sub("", text)
    if "<" in text or MAY_BE_TURN.search(text):
        finals = list(FINAL.finditer(text))
        thought = finals[-1:] or [m for m in [THINKING.match(text) or THOUGHT.match(text)] if m]
        if thought:
            done.add("thinking")
            text = text[thought[0].end() :]
        bare = TURNS_BEHIND.sub("", text.rstrip())
        if token := TURNS_BEFORE.match(bare):
            bare = bare[token.end() :]
        bare = TOOL_CALLS.sub("", bare)
        if bare.strip() != text.strip():
            done.add("end_token")
            text = bare
        tagged = TAGGED.search(text)
        holds = tagged and tagged[2].lstrip()[:1] in ("{", "[", "`")
        if holds and not UNFINISHED.search(text[: tagged.start()]):
            done.add("tags")
            text = tagged[2]
    text = text.strip()
    if text.startswith("\ufeff") or text.endswith("\u200b"):
        done.add("white_space")
        text = text.strip("\ufeff\u200b \n\t\r")
    lines = text.split("\n")
    if text.startswith(">") and all(line.startswith(">") for line in lines):
        done.add("quoted_lines")
        text = "\n".join(line[1:] for line in lines).strip()
    return text, done


def unescaped(text: str) -> tuple[str, str]:
    r"""Undo an escape of the whole text; return it and the operation, or nothing.

    percent_encoded: as in a URL
    html_escaped:   every quote, ampersand and angle bracket is an entity
    doubled_quotes: every quote is doubled, as CSV and SQL escape them
    double_encoded: the text is one JSON string
    backslashed:    the inside of a JSON string: every quote has its backslash, or is \u0022
    """
    if "&quot;" in text or "&#34;" in text:
        bare = ENTITY.sub(lambda entity: "" if entity[0] in ESCAPED else "&", text)
        meant = {ESCAPED.get(entity) for entity in ENTITY.findall(text)}
        if "&" not in bare and not meant & set(bare):
            return ENTITY.sub(lambda entity: ESCAPED[entity[0]], text), "html_escaped"
    if ENCODED.match(text) and not re.search(r"[\s\"'{}+]|%(?![0-9A-Fa-f]{2})", text):
        return unquote(text, errors="replace"), "percent_encoded"
    if '""' in text:
        inner = text[1:-1] if text.startswith('"{') and text.endswith('}"') else text
        if DOUBLED.match(inner) and all(len(run) % 2 == 0 for run in QUOTES.findall(inner)):
            return inner.replace('""', '"'), "doubled_quotes"
    if '\\"' in text or "\\u0022" in text:
        one_line = text.replace("\n", "\\n").replace("\r", "\\r").replace("\t", "\\t")
        for spelled, operation in ((text, "double_encoded"), (f'"{one_line}"', "backslashed")):
            if not spelled.startswith('"'):
                continue
            try:
                inner = json.loads(spelled)
            except (ValueError, RecursionError):
                continue
            starts = inner.lstrip()[:1] if isinstance(inner, str) else ""
            if starts in ("{", "[") or (starts == '"' and operation == "double_encoded"):
                return inner.strip(), operation
    if text[:1] == "b" and PYTHON_BYTES.fullmatch(text):
        with suppress(ValueError, SyntaxError):
            inner = ast.literal_eval(text).decode()
            json.loads(inner)
            return inner.strip(), "double_encoded"
    if found := WITHIN_THREE.fullmatch(text):
        return within_quotes(found[2]), "double_encoded"
    if found := WITHIN_QUOTES.fullmatch(text):
        return within_quotes(found[1]), "double_encoded"
    return text, ""


def within_quotes(text: str) -> str:
    r"""Return a text that stood in apostrophes: as a string of Python, or as a shell takes it.

    Raises: Refused where both are JSON and differ.
    """
    if "\\" not in text:
        return text.strip()
    undoubled = re.sub(r"\\([\\'])", r"\1", text)
    reads = []
    for said in (text, undoubled):
        with suppress(ValueError, RecursionError):
            reads.append((json.loads(said), said))
    if len(reads) == 1 or (reads and reads[0][0] == reads[1][0]):
        return reads[0][1].strip()
    raise Refused("unproven", "a backslash that apostrophes around may have doubled")


def undone(text: str) -> tuple[str, set[str]]:
    """Return the text without what stands around it and without its escapes, and the operations."""
    text, done = left_out(text)
    for _ in range(3):  # encoded twice, or in an escaped page
        text, operation = unescaped(text)
        if not operation:
            break
        done.add(operation)
    return text, done


def check_margin(margin: str, behind: bool, alone: bool, best: object) -> set[str]:
    """Return the operations that leave out the text before or behind an object.

    behind: it stands behind the object
    alone:  the object is whole in itself, so that a quote behind it can be no part of it
    Raises: Refused where the text may be part of the record.
    """
    done = set()
    if not margin or margin.isspace():
        return done
    if "```" in margin or "~~~" in margin:
        done.add("fence")
        margin = re.sub(r"(?:```+|~~~+)\w*", "", margin)
    said = margin.strip(" \t\r\n`;")
    if not said:
        return done or {"semicolon" if ";" in margin else "fence"}
    done.add("prose")
    if unfinished := UNFINISHED.search(said):
        raise Refused("unproven", f"{unfinished[0]!r} without its end", best)
    if not behind:
        bad = BEFORE.search(NO_OBJECT.sub("", margin))
    else:
        bad = BEHIND.search(margin) or re.match(r"\w", margin)
        if bad and alone and "\n" in margin[: len(margin) - len(margin.lstrip())]:
            bad = BEHIND_ON_ITS_OWN.search(NO_OBJECT.sub("", margin))
            done.add("prose_with_quotes")
    if bad:
        raise Refused("unproven", f"{bad[0]!r} in the text around the object", best)
    return done


def check_not_taken_back(margin: str, best: object) -> None:
    """Refuse an object that the text behind it takes back, or corrects.

    Raises: Refused (unproven).
    """
    if back := TAKEN_BACK.search(POLITE.sub("", margin)):
        raise Refused("unproven", f"{back[0]!r} behind the object", best)
