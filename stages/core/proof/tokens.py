r"""What separates, joins and ends the parts of malformed JSON: the patterns of the reader.

A pattern that looks ahead is bounded (64 characters a key, 300 a comment, 8 comments a gap), so
that reading takes no longer than the text is long.
"""
# ruff: noqa: RUF001

import re

# White space, and what takes no room: a byte order mark, zero-width spaces, soft hyphens.
BLANK = r"[\s\u200b\u200c\u200d\u2060\ufeff\u00ad]"
SPACES = rf"(?:{BLANK}|\\[nrt])*"  # a line break between members may be spelled out
SPACE = re.compile(BLANK + "*")
JSON_SPACE = re.compile(r"[ \t\n\r]*")
ESCAPED_SPACE = re.compile(r"(?:\\[nrt]|[ \t\n\r])+")

# A comment that could hold a member, or the end of a string, is not skipped: brackets, a key with
# its sign, a backslash and a quote without its pair end it.
PLAIN = r"""(?!["'“”`]\s*[:=]|\w\s*[:=]\s*["'“”`\d\[{{-])[^\n{{}}\[\]\\\"{0}]"""
QUOTED = rf"""(?:"(?:{PLAIN}){{{{1,60}}}}"(?!\s*[:=])(?:{PLAIN}){{{{0,300}}}})"""
WITHIN = rf"""(?:{PLAIN}){{{{0,300}}}}{QUOTED}{{{{0,5}}}}"""
LINE, BLOCK = WITHIN.format(""), WITHIN.format("*")
BLOCK = rf"{BLOCK}(?:\{{[\w.]{{1,40}}\}}{BLOCK}){{0,3}}"  # a {word} of a template holds no member
COMMENTS = rf"//{LINE}(?=\n)|\#{LINE}(?=\n)|/\*{BLOCK}(?:\n{BLOCK}){{0,9}}\*/|<!--{LINE}-->"
COMMENT = re.compile(COMMENTS)
GAP = rf"{SPACES}(?:(?:{COMMENTS}){SPACES}){{0,8}}"

COMMAS = ",;，；、"
COMMA = f"[{COMMAS}]"
ONE_OR_TWO = rf"{COMMA}{GAP}(?:{COMMA}{GAP})?"
SIGN = r"(?:=>|->|:=|[:：=](?![:=]))"
NAME = r"[^\W\d][\w-]{0,64}"
SURE_KEY = (
    r"""(?:\*\*|u(?=["']))?(?:"[^"“”\n]{0,64}"|'[^'\n]{0,64}'|[“”„][^“”\n]{0,64}[“”]|«[^«»\n]{0,64}»"""
    r"""|‘[^‘’\n]{0,64}’|`[^`\n]{0,64}`|「[^「」\n]{0,64}」|＂[^＂\n]{0,64}＂"""
    rf"""|{NAME})(?:\*\*)?\s*{SIGN}"""
)
KEY = rf"""(?:{SURE_KEY}|["'“”]?{NAME}["'“”]?\s*{SIGN})"""  # or one that lost a quote
QUOTED_KEY = rf"""(?:"{NAME}"|“{NAME}”)\s*:"""

ENDS = r"[}｝]|\Z"
UNSIGNED = rf"""(?:"{NAME}"|'{NAME}')[ \t]+["'\[{{\d-]"""
MEMBER_END = (
    rf"{GAP}(?:{ENDS}|[\])]{BLANK}*\Z|{ONE_OR_TWO}(?:{ENDS}|\.\.\.|…|{KEY}|{UNSIGNED}))"
    rf"|(?:{BLANK}|\\n){GAP}{SURE_KEY}"
)
AFTER_MEMBER = re.compile(rf"{MEMBER_END}|{QUOTED_KEY}|,\s*\{{\s*{QUOTED_KEY}")
AFTER_ARGUMENT = re.compile(rf"{GAP}(?:\)|{ONE_OR_TWO}(?:\)|{KEY}))|{BLANK}{GAP}{KEY}")
# In square brackets in place of braces, as PHP and Swift write a record.
AFTER_BRACKETED = re.compile(rf"{GAP}(?:\]|{ONE_OR_TWO}(?:\]|{KEY}))|{BLANK}{GAP}{KEY}")
BRACKETED = re.compile(rf"\[{GAP}(?:{SURE_KEY})")
# A list closed by two brackets.
SECOND_BRACKET = re.compile(rf"\](?={BLANK}*(?:\}}|,{BLANK}*{QUOTED_KEY}))")
ITEM = r"""u?["']|["'“”„«‘`「＂\[{(｛［+.\d-]|(?i:true|false|null|none|nil)\b"""
# The end of a text, with a brace or two.
BRACES = rf"\}}(?:{BLANK}*\}})?{BLANK}*\Z"
LAST_BRACE = re.compile(BRACES)
AFTER_ITEM = re.compile(rf"{GAP}(?:[\]］]|{BRACES}|{ONE_OR_TWO}(?:[\]］]|{ITEM}|{KEY}))")
AFTER_ELEMENT = re.compile(rf"{GAP}(?:\)|{ONE_OR_TWO}(?:\)|{ITEM}))")
AFTER_KEY = re.compile(rf"(?:\*\*)?{BLANK}*{SIGN}")

PLAIN_KEY = re.compile(r'"([^"\\\x00-\x1f“”\ud800-\udfff]*)"[ \t\n\r]*:(?![:=])')
# A key that lost one of its quotes, or has two that do not match; and one that lost its sign.
HALF_KEY = re.compile(rf"""(?:({NAME})["'“”]|["'“”]({NAME})["'“”]?)(?=\s*{SIGN})""")
NO_SIGN = re.compile(r"""(["'])([\w-]{1,64})\1[ \t]+(?=["'\[{\d-])""")
BARE_KEY = re.compile(NAME)
PASS_SIGN = re.compile(rf"{BLANK}*({SIGN})")
JOINING_KEY = re.compile(QUOTED_KEY)

NUMBER = re.compile(r"-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?(?![\w.+-])", re.ASCII)
# JSON5 and Python: +1, .5, 5., 0x1F, 1_000. A leading zero may be octal, and is refused.
LOOSE_NUMBER = re.compile(
    r"[+-]?(?:0[xX][0-9a-fA-F]+|(?:(?:0|[1-9](?:_?\d)*)(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?)(?![\w.+-])",
    re.ASCII,
)
WORD = re.compile(r"[A-Za-z_]\w*")
WORDS = {"true": True, "false": False, "null": None, "none": None}
# As Python's libraries show a number.
SHOWN_NUMBER = re.compile(
    r"(?:(?:decimal\.)?Decimal\((['\"])(?P<one>-?\d{1,30}(?:\.\d{1,30})?)\1\)"
    r"|(?:np|numpy)\.(?:float|int|uint)\d{0,2}\((?P<two>-?\d{1,30}(?:\.\d{1,30})?)\))"
)
NOT_FINITE = re.compile(r"[+-]?(?:NaN|Infinity|inf|nan)\b")
# A text without quotes: from a letter on, without anything that could be syntax.
BARE_TEXT = re.compile(
    r"""[^\W\d_](?:[^"'“”„«»‘’`{}｛｝\[\](),;，；:：\n\\<>=#/|*]|(?<=\w)['’](?=\w)"""
    r"""|,(?=\ [^\W\d_]+[ .!?'’,}]))*"""
)
# A text that lost its opening quote: no other is in it, and no member.
UNOPENED = re.compile(rf"""[^\W_](?:(?!,\s*{NAME}\s*:)[^"“”„{{}}\[\]\\\n])*\"""")
UNDEFINED = {"undefined", "nil", "nan", "infinity", "inf", "todo", "tbd"}
# What joins two literals: a plus (Java, JavaScript, Python), or nothing (C, Python).
PLUS = re.compile(r"""\s*\+\s*(?=["'`])""")
SPACED_PLUS = re.compile(r"""\s+\+\s+(?=["'`])""")  # in a list, where a comma is nearer
NOTHING = re.compile(r"""\s*\n\s*(?=["'])""")
HEX4 = re.compile(r"[0-9a-fA-F]{4}")
# Literals that Python joins in parentheses, each whole; and a list with an item a line.
ONE_LITERAL = r"""(?:'(?:[^'\\\n]|\\.)*'|"(?:[^"\\\n]|\\.)*")"""
JOINED = re.compile(rf"\(\s*{ONE_LITERAL}(?:\s*(?:\n|\+)\s*{ONE_LITERAL}){{1,200}}\s*,?\s*\)")
IN_PARENTHESES = re.compile(r"\s*[\n+),]")
LINE_ITEM = r"""(?:"(?=[^\s"])(?:[^"\\\n]|\\.)*(?<!\s)"|-?\d+(?:\.\d+)?|true|false|null)"""
LINE_ITEMS = re.compile(
    rf"\[[ \t]*\n\s*(?P<items>{LINE_ITEM}(?:(?:[ \t]*,)?[ \t]*\n\s*{LINE_ITEM}){{1,5000}})"
    r"(?:[ \t]*,)?\s*\]"
)
NEXT_ITEM = re.compile(rf"(?P<item>{LINE_ITEM})(?P<comma>[ \t]*,)?\s*")
