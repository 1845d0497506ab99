"""Show what a model wrote as it stands: nothing in it acts on a terminal or on a page.

For what people read. `stages.core.errors.visible` spells all of them out instead, so that JSON on a
terminal stays JSON.
"""

# What a terminal or a renderer would act on is shown as its picture (U+2400 and on).
CONTROLS: dict[int, str] = {
    code: chr(0x2400 + code) for code in range(32) if chr(code) not in "\n\t"
}
CONTROLS |= {0x7F: "\u2421", 0x2028: "\u2424", 0x2029: "\u2424"}
# The second set of controls, what would turn the direction of all that follows, and halves of
# surrogate pairs, which no file can hold: spelled out.
OTHERS = (*range(0x80, 0xA0), *range(0x202A, 0x202F), *range(0x2066, 0x206A))
OTHERS += (*range(0xD800, 0xE000),)
CONTROLS |= {code: f"\\u{code:04x}" for code in OTHERS}


def visible(text: str) -> str:
    """Return a text in which every control character but line feed and tab is seen, not obeyed.

    A carriage return before a line feed is the line's end. HTML and Markdown are not escaped.
    """
    return text.replace("\r\n", "\n").translate(CONTROLS)
