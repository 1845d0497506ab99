r"""Refuse values that hold what a model, its server or its tools left there: no part of a text.

Marks of citations, tokens of chat templates, other encodings' escapes, an apology in place of a
text or amid one. A text that speaks of such marks, quotes them as code, or whose schema names them
may hold them.
"""
# ruff: noqa: RUF001

import re
from collections.abc import Iterator
from typing import Any

from stages.core.proof import Refused
from stages.core.proof.characters import CODE_SPAN, PROGRAM

# What the search tools of assistants leave: 【4:0†source】, :contentReference[oaicite:0]{index=0},
# citeturn0search1, [cite_start], [cite: 1, 2], <co: 0>, <cite index="1-2">, [^1^], [citation:3].
CITATION = re.compile(
    r"【[^【】\n]{0,60}†[^【】\n]{0,120}】|【\d{1,3}(?::\d{1,3})?】|\boaicite\b|contentReference\["
    r"|[\ue200-\ue20f]|cite?\s?turn\d|\bturn\d{1,3}(?:search|view|news|image|fetch|file|click|open"
    r"|forecast|finance|sports|product|maps?|youtube|academia|reddit)\d"
    r"|\[cite_(?:start|end)\]|\[cite:\s?\d[^\]\n]{0,60}\]|\[/?cite\]|</?co(?::\s?\d[\d,\s]*)?>"
    r"|<cite index=|\[\^\d{1,3}\^\]|\[citation:\s?\d{1,3}\]|</?grok[:-]\w+|<\|?/?citations?\|?>"
    r"|(?:filecite|navlist|entity)\ue202|\[source:\s?\d{1,3}\]|<sup>\[?\d{1,3}\]?\(http"
)
# The tokens by which chat templates and tokenizers mark turns, ends, bytes and spaces.
TOKEN = re.compile(
    r"<\|/?[A-Za-z_▁][\w▁-]{0,38}\|>|<｜[^｜\n]{1,40}｜>|</?s>|<[be]o[st]>|<(?:pad|unk|mask|sep|cls)>"
    r"|<(?:start|end)_of_(?:turn|text|image|utterance|role|sentence|message|speech)>|<EOT>|<EO[SM]>"
    r"|\[/?(?:INST|SYSTEM_PROMPT|AVAILABLE_TOOLS|TOOL_RESULTS|THINK)\]|\[TOOL_CALLS\]|<</?SYS>>"
    r"|\[(?:EOS|BOS|UNK|CLS|SEP|PAD|MASK)\]|</?(?:think|thinking|thought|scratchpad|tool_calls?"
    r"|tool_response|function_calls?|final_answer)>|</answer>|(?:<0x[0-9A-F]{2}>)+|\[/?e~\[|\]~b\]"
    r"|<(?:extra_id|unused|reserved_\w+?_?|special_)_?\d{1,4}>|(?<=\w)▁(?=\w)|(?<=[a-z.,])Ġ(?=\w)"
    r"|(?<=[.!?a-z])Ċ|<\|(?:im_(?:end|start)|eot_id|end|endoftext)\b",
    re.IGNORECASE,
)
MAY_BE = re.compile(r"[<\[▁ĠĊ【\ue200-\ue20f]|\]~b|turn\d|oaicite|contentRef")
STRUCK = re.compile(r"<s>[^<]*</s>", re.IGNORECASE)  # struck out, in HTML
OF_TOKENS = re.compile(
    r"(?i)\b(?:(?:special |eos |bos |end |start |stop |control |padding )?tokens?|tokeni[sz]\w*"
    r"|chat ?ml|templates?|delimit\w*|separators?|markers?|markup|tags?|html|xml|strike\w*|llms?"
    r"|bert|gpt|llama|jetoane|token\w*|șablo\w*|prompts?|citations?|footnotes?)\b"
)
# Quoted-printable and MIME, what JavaScript's escape() and R write, UTF-8 in percent signs.
ENCODED = re.compile(
    r"=(?:C[2-9A-F]|D[0-9A-F])=[89AB][0-9A-F]|=E[0-9A-F](?:=[89AB][0-9A-F]){2}"
    r"|=F[0-4](?:=[89AB][0-9A-F]){3}|=\?[\w-]{3,20}\?[QBqb]\?[^?\s]*\?="
    r"|%u[0-9A-Fa-f]{4}|(?<=\w)<U\+[0-9A-F]{4,6}>|<U\+[0-9A-F]{4,6}>(?=\w)"
)
OF_ESCAPES = re.compile(
    r"(?i)unicode|escap|encod|code ?points?|regex|printable|mime|percent|url|uri\b|link"
)
# A value as in an address: Maria%20Popescu, caf%C3%A9, ann%40example.com; not a file's name.
QUOTED_BYTES = re.compile(
    r"[^\W\d_]%(?:20|2C|27)[^\W\d_]|%(?:C[2-9A-F]|D[0-9A-F]|E[0-9A-F])%[89AB][0-9A-F]"
    r"|\w%40\w[\w-]*\.\w",
    re.IGNORECASE,
)
OF_AN_ADDRESS = re.compile(r"[\s/\\=?&]|www\.|\.\w{2,4}\Z")
# A turn that breaks off within a value, and goes on in the next: words on a line of their own.
BROKEN_OFF = re.compile(
    r"(?im)^[ \t]*(?=[^\n]{1,240}$)(?:[\[(.…]{1,4}[ ]?continu\w*[ \t]*$|"
    r"[\[(*_<…. -]{0,6}(?:to be )?(?:cont(?:inu(?:ed?|ing|ation|ă|ăm|are|ând|area))?|cont'?d"
    r"|resum(?:e|ed|ing)|carrying on|picking up|going on|part (?:2|ii|two)|weiter|suite"
    r"|(?:here(?:'s| is| comes) )?the (?:rest|remain\w+))\b[^\n]{0,120}?[\])*_>.…:-]{1,6}[ \t]*$"
    r"|[^\n]*\b(?:(?:was|were|got|been|is) (?:\w+ )?(?:cut|interrupted|truncated|stopped)\b"
    r"|cut (?:off|short|myself)|left off|(?:where|as) (?:i|we) (?:was|were|stopped|left|broke)"
    r"|(?:token|length|character|output|message|size) limit|ran out of|max(?:imum)? (?:length"
    r"|token)"
    r"|(?:sorry|apolog\w+|oops|apologies)\b[^\n]*(?:\bcontinu\w+|\bresum\w+|\bgo(?:ing)? on\b"
    r"|:[ \t]*$)"
    r"|(?:let me|i(?:'ll| will|'m)|shall i|please) (?:\w+ )?(?:continu\w+|resum\w+|finish|complete"
    r"|go(?:ing)? on|pick(?:ing)? up)|(?:continu\w+|resum\w+) (?:from|where|the (?:json"
    r"|answer|reply"
    r"|object|response|output))|în?trerupt\w*|scuze\b[^\n]*:|unde (?:am )?rămas\w*)[^\n]*$)"
)
NOT_SAID = re.compile(r"(?i)\s*(?:n/?a|none|null|nothing|-+|error|refused?|declined)?\.?\s*")
REGRET = (
    r"(?:(?:i['’]?m|i am|we['’]?re|we are) (?:\w+ )?(?:sorry|afraid)|sorry|my apologies|apologies"
    r"|i (?:must |do )?apologi[sz]e|unfortunately|regrettably|as an? (?:ai|artificial"
    r"|language|large)"
    r"\b[^.,;\n]{0,60}|i understand[^.,\n]{0,60}|îmi pare rău|ne pare rău|din păcate|scuze"
    r"|je suis désolée?|désolée?|es tut mir leid|entschuldigung|lo siento|mi dispiace|desculpe)"
)
UNABLE = (
    r"(?:i|we)(?:['’]m| am|['’]re| are)? (?:\w+ )?(?:can ?not|can['’]?t|could ?n['’]?t|won['’]?t"
    r"|will not|wouldn['’]?t|unable to|not able to|not (?:comfortable|allowed|permitted|programmed)"
    r"|do(?: not|n['’]t) feel comfortable|(?:must|have to"
    r"|need to)(?: respectfully)? (?:decline|refuse)"
    r"|(?:respectfully )?(?:decline|refuse)d?)"
)
DEEDS = (
    r"(?:help|assist|provid|compl[yie]|fulfil|generat|creat|produc|writ|answer|engag|discuss"
    r"|continu"
    r"|respond|support|process|offer|giv|shar|with (?:that|this)|that request|this request"
    r"|to do that"
    r"|do that)"
)
ABROAD = (
    r"(?:nu (?:te |vă |îți |va )?pot\b|nu sunt (?:în măsură|capabil)|(?:mais )?je ne peux pas"
    r"|(?:aber )?"
    r"(?:ich kann|das kann ich)\b[^.\n]*\bnicht|(?:pero )?no puedo|(?:ma )?non posso|não posso)"
)
REFUSAL = re.compile(
    rf"(?i)\s*(?:{REGRET}[\s,.;:!—–-]*(?:dar |mais |aber |pero |ma |but |and |that "
    rf"|however,? )?(?:{UNABLE}\b[^.\n]{{0,60}}?\b{DEEDS}"
    rf"|{ABROAD})|{UNABLE} (?!help but|help it|help \w+ing)(?:[^.\n]{{0,30}}\b)?(?:help|assist"
    rf"|comply"
    rf"|fulfil|provide|generate|create|engage|answer)\b[^.\n]{{0,40}}\b(?:that|this|request\w*"
    rf"|such|these"
    r"|content|prompt))[^\n]{0,240}\s*"
)
# The last item of a list that says there were more.
AND_SO_ON = re.compile(
    r"(?i)\s*(?:\.{3}|…|[(\[])?\s*(?:(?:and |& ?|, ?)?(?:etc(?:etera)?|et cetera|so (?:on"
    r"|forth)(?: and "
    r"so forth)?)|(?:and |& ?|\+ ?|plus )(?:\d+ |many |several |some |a few |the )?(?:more"
    r"|others?|rest"
    r"|similar)\b[\w ]{0,20}|\d+ (?:more|others?)(?: \w+)?|(?:și|si) (?:altele|așa mai departe)"
    r"|ș\.? ?a\.? ?m\.? ?d|usw|u\. ?s\. ?w|и т\. ?д)\s*[.…)\]]*\s*"
)


def check_leftovers(
    value: Any, said: list[str], choices: frozenset[str], schema: str, mended: bool
) -> None:
    """Refuse a record in which something is left that is no part of its texts.

    said:   its strings
    schema: the schema's text: what it names is meant
    mended: the text was no JSON, so that a value may hold the words between two turns
    Raises: Refused (refusal, broken_text, placeholder, unproven).
    """
    speaking: bool | None = None  # asked once: a record may hold many strings
    for text in said:
        if bad := left_in(text):
            speaking = any(map(speaks, said)) if speaking is None else speaking
            if not speaking and bad not in schema:
                raise Refused("broken_text", f"{bad[:40]!r} was left in {text[:60]!r}")
        if bad := encoded(text):
            raise Refused("broken_text", f"{bad!r}, of another encoding, in {text[:60]!r}")
        if mended and "\n" in text and (bad := BROKEN_OFF.search(text)):
            raise Refused("unproven", f"{bad[0].strip()[:60]!r} amid a value")
    free = [text for text in said if text not in choices and not NOT_SAID.fullmatch(text.strip())]
    if free and all(len(text) < 600 and REFUSAL.fullmatch(text) for text in free):
        raise Refused("refusal", f"{free[0][:60]!r} in place of every text")
    for items in lists(value):
        last = items[-1] if len(items) > 1 else None
        dots = any(isinstance(each, str) and each.endswith(".") for each in items[:-1])
        told = not isinstance(last, str) or last in choices or dots
        if not told and len(last) < 80 and AND_SO_ON.fullmatch(last):
            raise Refused("placeholder", f"{last!r} in place of further items")


def left_in(text: str) -> str:
    """Return the mark of a citation or of a turn that was left in a text, or nothing."""
    if not MAY_BE.search(text):
        return ""
    prose = CODE_SPAN.sub("", text) if "`" in text else text
    if bad := CITATION.search(prose):
        return bad[0]
    prose = STRUCK.sub("", prose) if "</s>" in prose else prose
    bad = TOKEN.search(prose)
    return bad[0] if bad and not PROGRAM.search(prose) else ""


def speaks(text: str) -> bool:
    """Tell whether a text speaks of such marks, beside those in it."""
    return bool(OF_TOKENS.search(CITATION.sub("", TOKEN.sub("", text))))


def encoded(text: str) -> str:
    """Return what of a text is written in another encoding, or nothing."""
    if "%" not in text and "=" not in text and "<U" not in text:
        return ""
    bad = ENCODED.search(text)
    if bad and not PROGRAM.search(text) and not OF_ESCAPES.search(text) and "://" not in text:
        return bad[0]
    for word in text.split() if "%" in text and not OF_ESCAPES.search(text) else ():
        bad = QUOTED_BYTES.search(word)
        if bad and ("%40" in bad[0] or not OF_AN_ADDRESS.search(word)):
            return bad[0]
    return ""


def lists(value: Any) -> Iterator[list[Any]]:
    """Yield every list of a JSON value that is not empty."""
    if isinstance(value, list) and value:
        yield value
    if isinstance(value, (dict, list)):
        for each in value.values() if isinstance(value, dict) else value:
            yield from lists(each)
