"""Kinds of malformed and treacherous replies. The half that may be seen while the reader is developed.

A kind is in this half because corpus.half(its name) says so, a hash. corpus.py says what a kind
is and what `recoverable` and `lost` mean; `known` marks those that the developers have of their own.
"""
# ruff: noqa: E501, RUF001

import re
import textwrap
from random import Random
from urllib.parse import urlencode

from corpus import (
    Changed,
    Record,
    Text,
    another,
    bare,
    calm,
    changed,
    dumps,
    flat,
    foreign,
    has,
    known,
    lines,
    lost,
    plain,
    python,
    recoverable,
    schema_of,
    shape_of,
    single,
    spell,
)


@known
@recoverable
def plain_json(record: Record, rng: Random) -> Text:
    """Spell it well."""
    return plain(record, rng)


@recoverable
def ascii_escapes(record: Record, rng: Random) -> Text:
    """Escape all that is not ASCII, emoji as surrogate pairs."""
    return dumps(record, ensure_ascii=True)


@recoverable
def every_letter_escaped(record: Record, rng: Random) -> Text:
    """Spell every character of every value as a Unicode escape, in capital digits."""

    def string(text):
        units = text.encode("utf-16-be")
        return (
            '"'
            + "".join(f"\\u{units[k]:02X}{units[k + 1]:02X}" for k in range(0, len(units), 2))
            + '"'
        )

    return spell(record, string=string)


@recoverable
def byte_order_mark(record: Record, rng: Random) -> Text:
    """Begin with a byte order mark."""
    return "\ufeff" + plain(record, rng)


@recoverable
def zero_width_spaces(record: Record, rng: Random) -> Text:
    """Put zero-width spaces between the tokens, as text copied from a page has."""
    return "\u200b" + spell(record, colon=":\u200b", comma="\u200b,", indent=2) + "\u200b"


@recoverable
def unicode_line_separators(record: Record, rng: Random) -> Text:
    """Break the lines of the structure by U+2028."""
    if has(record, "\n"):
        return None
    return dumps(record, indent=1).replace("\n", "\u2028")


@recoverable
def fence_of_tildes(record: Record, rng: Random) -> Text:
    """Fence it by tildes."""
    return f"~~~json\n{plain(record, rng)}\n~~~"


@recoverable
def fence_of_four(record: Record, rng: Random) -> Text:
    """Fence it by four backticks, as one does around text with fences."""
    return f"````json\n{plain(record, rng)}\n````"


@known
@recoverable
def fence_with_another_name(record: Record, rng: Random) -> Text:
    """Call the fence something else than json."""
    return f"```{rng.choice(['JSON', 'json5', 'javascript', 'jsonc', 'text'])}\n{plain(record, rng)}\n```"


@recoverable
def fence_on_one_line(record: Record, rng: Random) -> Text:
    """Put fence and object on one line."""
    return f"```json {dumps(record)} ```"


@recoverable
def fence_in_a_list_item(record: Record, rng: Random) -> Text:
    """Indent the fence below a list item."""
    if has(record, "\n"):
        return None
    inner = dumps(record, indent=2).replace("\n", "\n   ")
    return f"1. The record you asked for:\n\n   ```json\n   {inner}\n   ```\n\n2. Nothing else is needed."


@recoverable
def label_of_a_lost_fence(record: Record, rng: Random) -> Text:
    """Leave the fence's label and lose its backticks."""
    return f"json\n{plain(record, rng)}"


@recoverable
def other_code_first(record: Record, rng: Random) -> Text:
    """Show a fence of Python first, without an object, then the JSON."""
    return (
        "First I load it:\n\n```python\nimport json\nrecord = json.loads(text)\n```\n\nThe result:\n\n"
        f"```json\n{plain(record, rng)}\n```"
    )


@recoverable
def braces_in_prose_before(record: Record, rng: Random) -> Text:
    """Speak of sets and templates with braces first."""
    said = rng.choice(
        [
            "Of the options {a, b, c} I took the first.",
            "I filled {name} and {tone} in:",
            "The set {1, 2, 3} is not needed here.",
        ]
    )
    return f"{said}\n\n{plain(record, rng)}"


@recoverable
def brackets_in_prose(record: Record, rng: Random) -> Text:
    """Cite sources in brackets around it."""
    return f"As asked [1], in JSON [see above]:\n{plain(record, rng)}\n[1] your message"


@recoverable
def apology_first(record: Record, rng: Random) -> Text:
    """Apologise first, and then answer all the same."""
    return f"I'm sorry for the confusion earlier, I can't see images. Here is the JSON:\n\n{plain(record, rng)}"


@recoverable
def full_stop_after(record: Record, rng: Random) -> Text:
    """End the sentence, or the statement, after it."""
    return plain(record, rng) + rng.choice([".", ",", ";", " ."])


@recoverable
def rule_after(record: Record, rng: Random) -> Text:
    """Put a rule of dashes below."""
    return f"---\n{plain(record, rng)}\n---\n"


@recoverable
def role_first(record: Record, rng: Random) -> Text:
    """Begin with a role or a heading."""
    return rng.choice(
        ["Assistant: ", "### Response:\n", "JSON: ", "**Answer:** ", "AI: ", "> Output:\n"]
    ) + plain(record, rng)


@recoverable
def reasoning_tag(record: Record, rng: Random) -> Text:
    """Reason within another tag, with a draft in it."""
    tag = rng.choice(["reasoning", "thinking", "scratchpad", "analysis"])
    return f"<{tag}>Draft: {dumps(another(record, rng))}. Better:</{tag}>\n<answer>\n{plain(record, rng)}\n</answer>"


@recoverable
def harmony_channels(record: Record, rng: Random) -> Text:
    """Speak in the channels of gpt-oss, unparsed by the server, with a draft in the analysis."""
    return (
        f"<|channel|>analysis<|message|>Maybe {dumps(another(record, rng))}? No.<|end|>"
        f"<|start|>assistant<|channel|>final<|message|>{plain(record, rng)}<|return|>"
    )


@recoverable
def cdata(record: Record, rng: Random) -> Text:
    """Put it into an XML CDATA section."""
    return f"<response><![CDATA[{plain(record, rng)}]]></response>"


@recoverable
def html_pre(record: Record, rng: Random) -> Text:
    """Put it into an HTML code block, unescaped."""
    return f'<pre><code class="language-json">{plain(record, rng)}</code></pre>'


@recoverable
def tool_call_llama(record: Record, rng: Random) -> Text:
    """Call a tool in Llama's way."""
    return f"<|python_tag|>{dumps({'name': 'respond', 'parameters': record})}<|eom_id|>"


@foreign
def parameter_tags(record: Record, rng: Random) -> Text:
    """Give every key as a parameter tag, as Qwen coder models do."""
    if not flat(record) or has(record, "[<>]"):
        return None
    inner = "\n".join(f"<parameter={key}>\n{said}\n</parameter>" for key, said in record.items())
    return f"<tool_call>\n<function=respond>\n{inner}\n</function>\n</tool_call>"


@foreign
def markdown_table(record: Record, rng: Random) -> Text:
    """Write it as a table of keys and values."""
    if not lines(record) or has(record, r"[|\\`*]"):
        return None
    rows = "\n".join(f"| {key} | {said} |" for key, said in record.items())
    return f"| key | value |\n|---|---|\n{rows}"


@foreign
def markdown_headings(record: Record, rng: Random) -> Text:
    """Write a heading for every key and the value below."""
    if not lines(record) or len(record) < 2 or has(record, "(?m)^#"):
        return None
    return "\n\n".join(f"## {key}\n\n{said}" for key, said in record.items())


@known
@foreign
def bullet_points(record: Record, rng: Random) -> Text:
    """Write it as a list of points, keys in bold."""
    if not lines(record) or len(record) < 2:
        return None
    return "\n".join(f"- **{key}**: {said}" for key, said in record.items())


@foreign
def yaml_blocks(record: Record, rng: Random) -> Text:
    """Write YAML with literal blocks."""
    if not flat(record) or has(record, r"\s\n|\t"):
        return None
    return "\n".join(f"{key}: |-\n  " + said.replace("\n", "\n  ") for key, said in record.items())


@known
@foreign
def csv_with_a_header(record: Record, rng: Random) -> Text:
    """Write CSV with a header line."""
    if not flat(record) or len(record) < 2:
        return None
    rows = (
        ",".join('"' + cell.replace('"', '""') + '"' for cell in row)
        for row in (record, record.values())
    )
    return "\n".join(rows)


@foreign
def form_encoded(record: Record, rng: Random) -> Text:
    """Write it as a web form does."""
    return urlencode(record) if flat(record) and len(record) > 1 else None


@recoverable
def http_response(record: Record, rng: Random) -> Text:
    """Quote a whole HTTP response."""
    return (
        "HTTP/1.1 200 OK\nContent-Type: application/json; charset=utf-8\nDate: Mon, 06 May 2024 10:00:00 GMT\n\n"
        + plain(record, rng)
    )


@recoverable
def server_sent_event(record: Record, rng: Random) -> Text:
    """Write it as an event of a stream."""
    return f"data: {dumps(record)}\n\ndata: [DONE]\n"


@recoverable
def chat_completion(record: Record, rng: Random) -> Text:
    """Put it into the envelope of a chat completion, as a string."""
    message = {"role": "assistant", "content": dumps(record)}
    return dumps(
        {"id": "chatcmpl-1", "choices": [{"index": 0, "message": message, "finish_reason": "stop"}]}
    )


@recoverable
def encoded_under_a_key(record: Record, rng: Random) -> Text:
    """Put the JSON as a string under a key."""
    return dumps({rng.choice(["response", "output", "json"]): dumps(record)})


@recoverable
def under_two_keys(record: Record, rng: Random) -> Text:
    """Put it under a key under a key."""
    return dumps({"data": {"response": record}})


@recoverable
def diff_of_added_lines(record: Record, rng: Random) -> Text:
    """Write it as a diff that adds its lines."""
    return "+" + dumps(record, indent=2).replace("\n", "\n+")


@recoverable
def numbered_lines(record: Record, rng: Random) -> Text:
    """Number the lines."""
    return "\n".join(
        f"{k:2d}  {line}" for k, line in enumerate(dumps(record, indent=2).split("\n"), 1)
    )


@recoverable
def curl_command(record: Record, rng: Random) -> Text:
    """Write a command that posts it."""
    if has(record, "'"):
        return None
    return f"curl -X POST https://api.example.com/v1/save -H 'Content-Type: application/json' -d '{dumps(record)}'"


@recoverable
def terminal_colours(record: Record, rng: Random) -> Text:
    """Colour it as jq does in a terminal."""

    def colour(value):
        return f"\x1b[0;32m{dumps(value)}\x1b[0m"

    return spell(
        record, string=colour, key=lambda name: f"\x1b[34;1m{dumps(name)}\x1b[0m", indent=2
    )


@recoverable
def jsonp(record: Record, rng: Random) -> Text:
    """Pass it to a callback."""
    return f"callback({plain(record, rng)});"


@known
@recoverable
def javascript_constant(record: Record, rng: Random) -> Text:
    """Assign it in JavaScript."""
    return (
        rng.choice(["const reply = ", "export default ", "module.exports = "])
        + plain(record, rng)
        + ";"
    )


@recoverable
def in_apostrophes(record: Record, rng: Random) -> Text:
    """Put the JSON between apostrophes, as Python shows a string."""
    return None if has(record, "'") else "'" + dumps(record).replace("\\", "\\\\") + "'"


@known
@recoverable
def end_of_sequence(record: Record, rng: Random) -> Text:
    """Let the token at the end of the sequence through."""
    return plain(record, rng) + rng.choice(["</s>", "<|endoftext|>", "<eos>", "<|return|>"])


@recoverable
def header_of_the_turn(record: Record, rng: Random) -> Text:
    """Let the header of the turn through, and its end."""
    return f"<|start_header_id|>assistant<|end_header_id|>\n\n{plain(record, rng)}<|eot_id|>"


@recoverable
def fence_and_end_token(record: Record, rng: Random) -> Text:
    """End a fence by a token."""
    return f"```json\n{plain(record, rng)}\n```<|im_end|>"


@lost
def runaway_turns(record: Record, rng: Random) -> Text:
    """Run on into turns of its own, with another answer: the first, if any."""
    return (
        f"{dumps(record)}<|im_end|>\n<|im_start|>user\nAnother one.<|im_end|>\n<|im_start|>assistant\n"
        f"{dumps(another(record, rng))}<|im_end|>"
    )


@known
@recoverable
def smart_values(record: Record, rng: Random) -> Text:
    """Quote the values by smart quotes, the keys by plain ones."""
    return (
        None
        if has(record, "[“”„]") or not calm(record)
        else spell(record, string=lambda text: f"“{text}”")
    )


@known
@recoverable
def guillemet_values(record: Record, rng: Random) -> Text:
    """Quote the values by guillemets."""
    return (
        None
        if has(record, "[«»]") or not calm(record)
        else spell(record, string=lambda text: f"«{text}»")
    )


@known
@recoverable
def romanian_quotes(record: Record, rng: Random) -> Text:
    """Quote keys and values as Romanian does."""
    if has(record, "[„”“]") or not calm(record):
        return None
    return spell(record, string=lambda text: f"„{text}”", key=lambda text: f"„{text}”")


@recoverable
def fullwidth_syntax(record: Record, rng: Random) -> Text:
    """Write the syntax in fullwidth characters, as Chinese input does."""
    if has(record, "[＂＂：，]") or not calm(record):
        return None

    def wide(text):
        return f"＂{text}＂"

    return spell(
        record,
        string=wide,
        key=wide,
        colon="：",
        comma="，",
        braces=("｛", "｝"),
        brackets=("［", "］"),
    )


@recoverable
def fullwidth_colon_and_comma(record: Record, rng: Random) -> Text:
    """Write fullwidth colons and commas only."""
    return spell(record, colon="：", comma="，")


@recoverable
def inner_quotes_doubled(record: Record, rng: Random) -> Text:
    """Double the quotes within values, as CSV and SQL do."""
    if not has(record, '"') or not calm(record) or has(record, '^"|"$|""'):
        return None
    return spell(
        record, string=lambda text: '"' + text.replace('"', '""').replace("\n", "\\n") + '"'
    )


@known
@recoverable
def inner_quotes_bare(record: Record, rng: Random) -> Text:
    """Leave the quotes within values of an object as they are."""
    if not has(record, '"') or not calm(record):
        return None
    return spell(record, string=lambda text: '"' + text.replace("\n", "\\n") + '"')


@recoverable
def inner_quotes_bare_in_items(record: Record, rng: Random) -> Text:
    """Quote a word within each item of an array, unescaped."""
    if shape_of(record) != "keywords":
        return None
    truth = record | {"keywords": [f'the "best" {said}' for said in record["keywords"]]}
    return Changed(dumps(truth).replace('\\"', '"'), truth)


@known
@recoverable
def raw_paragraphs(record: Record, rng: Random) -> Text:
    """Break paragraphs within the values raw, all else in JSON."""
    return (
        dumps(record).replace("\\n", "\n")
        if has(record, "\n\n") and not has(record, r"\\n")
        else None
    )


@recoverable
def raw_tabs(record: Record, rng: Random) -> Text:
    """Leave tabs within values raw."""
    if not has(record, "\t"):
        return None

    def string(text):
        return '"' + "\t".join(dumps(part)[1:-1] for part in text.split("\t")) + '"'

    return spell(record, string=string)


@recoverable
def line_continuations(record: Record, rng: Random) -> Text:
    """Break long values by a backslash at the end of the line, as JavaScript does."""
    if has(record, r"\\") or not has(record, r"\w{3} \w{3}"):
        return None

    def string(text):
        return dumps(text).replace(" ", " \\\n", 1)

    return spell(record, string=string)


@recoverable
def backslashes_bare(record: Record, rng: Random) -> Text:
    """Leave the backslashes of a path or a pattern as they are, where none makes an escape."""
    path = rng.choice([r"C:\Users\Ana\Data", r"\d+\s*\w", r"D:\Work\My Docs", r"\alpha + \gamma"])
    key = next((key for key, said in record.items() if isinstance(said, str)), None)
    if key is None or has(record, r"\\|\n|\"|\t") or key in ("ton", "language"):
        return None
    truth = record | {key: path}
    return Changed(dumps(truth).replace("\\\\", "\\"), truth)


@lost
def backslashes_that_escape(record: Record, rng: Random) -> Text:
    """Leave the backslashes of a path as they are, where some look like escapes."""
    path = rng.choice(
        [r"C:\new\table", r"C:\Users\bob\notes", r"\frac{a}{b} \times 2", r"D:\temp\report"]
    )
    key = next((key for key, said in record.items() if isinstance(said, str)), None)
    if key is None or has(record, r"\\|\n|\"|\t") or key in ("ton", "language"):
        return None
    truth = record | {key: path}
    return Changed(dumps(truth).replace("\\\\", "\\"), truth)


@recoverable
def long_unicode_escapes(record: Record, rng: Random) -> Text:
    """Escape emoji in eight hex digits, as Python may."""
    if not has(record, r"[^\x00-\uffff]"):
        return None
    return re.sub(r"[^\x00-\uffff]", lambda found: f"\\U{ord(found[0]):08x}", dumps(record))


@recoverable
def line_breaks_spelled_out(record: Record, rng: Random) -> Text:
    """Spell the line breaks of the structure as backslash and n."""
    return dumps(record, indent=2).replace("\n", "\\n")


@recoverable
def bold_keys(record: Record, rng: Random) -> Text:
    """Make the keys bold."""
    return spell(record, key=lambda name: f"**{dumps(name)}**", indent=2)


@known
@recoverable
def template_literals(record: Record, rng: Random) -> Text:
    """Write values as JavaScript template literals, line breaks raw."""
    if has(record, r"[`\\]|\$\{"):
        return None
    return spell(record, string=lambda text: f"`{text}`", key=bare, indent=2)


@recoverable
def joined_in_parentheses(record: Record, rng: Random) -> Text:
    """Put two halves of each value into parentheses, which Python joins."""

    def string(text):
        return f"({single(text[: len(text) // 2])}\n    {single(text[len(text) // 2 :])})"

    return spell(record, string=string, key=single, literal=python, indent=2)


@lost
def stray_letters(record: Record, rng: Random) -> Text:
    """Put letters between a value and its comma."""
    return dumps(record).replace('",', '"so,', 1) if lines(record) and len(record) > 1 else None


@recoverable
def words_in_capitals(record: Record, rng: Random) -> Text:
    """Write TRUE, FALSE and NULL."""
    if shape_of(record) not in ("event", "product"):
        return None
    return spell(record, literal=lambda value: dumps(value).upper())


@recoverable
def numbers_in_hex(record: Record, rng: Random) -> Text:
    """Write whole numbers in hex, as JSON5 may."""
    if shape_of(record) != "product":
        return None
    return dumps(record).replace(
        dumps(record["sizes"]), "[" + ", ".join(hex(k) for k in record["sizes"]) + "]"
    )


@lost
def thousands_separated(record: Record, rng: Random) -> Text:
    """Separate thousands by a comma."""
    text = dumps(record)
    return text.replace("1299.95", "1,299.95") if ": 1299.95" in text else None


@lost
def numbers_as_strings(record: Record, rng: Random) -> Text:
    """Write numbers as strings: another type, which no recipe allowed."""
    if shape_of(record) != "product":
        return None
    return dumps(
        {key: said if isinstance(said, (bool, list)) else str(said) for key, said in record.items()}
    )


@lost
def an_object_for_a_list(record: Record, rng: Random) -> Text:
    """Number the items of the list as keys."""
    if "keywords" not in record:
        return None
    return dumps(record | {"keywords": {str(k): said for k, said in enumerate(record["keywords"])}})


@recoverable
def unquoted_words(record: Record, rng: Random) -> Text:
    """Leave the quotes of a word, a date or a code away where the schema lists the words."""
    key = next((key for key in ("currency", "language", "ton") if key in record), None)
    if key is None:
        return None
    return dumps(record).replace(f'"{key}": "{record[key]}"', f'"{key}": {record[key]}')


@known
@recoverable
def trailing_commas_everywhere(record: Record, rng: Random) -> Text:
    """Leave a comma behind the last member and item at every depth."""
    return spell(record, braces=("{", ",}"), brackets=("[", ",]"))


@known
@recoverable
def commas_missing_on_lines(record: Record, rng: Random) -> Text:
    """Break lines in place of commas at every depth."""
    return spell(record, comma="", indent=2) if len(record) > 1 or "turns" in record else None


@recoverable
def commas_at_the_start_of_lines(record: Record, rng: Random) -> Text:
    """Begin lines by a comma, one too many at the first."""
    return (
        "{\n  , "
        + "\n  , ".join(f"{dumps(key)}: {dumps(said)}" for key, said in record.items())
        + "\n}"
    )


@recoverable
def brackets_for_braces(record: Record, rng: Random) -> Text:
    """Write brackets in place of braces, as Swift and PHP do."""
    return spell(record, braces=("[", "]"))


@recoverable
def brackets_twice(record: Record, rng: Random) -> Text:
    """Close a list twice."""
    text = dumps(record)
    return text[:-1] + "]}" if text.endswith("]}") else None


@recoverable
def inner_braces_missing(record: Record, rng: Random) -> Text:
    """Forget the brace that closes an item of a list before the next."""
    if "turns" not in record or has(record, "[{}]"):
        return None
    return dumps(record).replace('"}, {', '", {', 1)


@recoverable
def open_bracket_missing(record: Record, rng: Random) -> Text:
    """Forget the bracket that opens a list."""
    key = next((key for key in ("keywords", "sizes") if key in record), None)
    if key is None or (key == "keywords" and has(record, ":")):
        return None
    return dumps(record).replace(f'"{key}": [', f'"{key}": ')


@recoverable
def bullets_inside(record: Record, rng: Random) -> Text:
    """Begin every line of the object by a dash."""
    return (
        "{\n" + ",\n".join(f"- {dumps(key)}: {dumps(said)}" for key, said in record.items()) + "\n}"
    )


@known
@recoverable
def comment_lines_in_lists(record: Record, rng: Random) -> Text:
    """Put comment lines between the items of a list."""
    key = next((key for key in ("keywords", "turns", "sizes", "sources") if key in record), None)
    if key is None:
        return None
    items = "".join(
        f"    // item {k}\n    {dumps(said)},\n" for k, said in enumerate(record[key], 1)
    )
    others = "".join(
        f"  {dumps(name)}: {dumps(said)},\n" for name, said in record.items() if name != key
    )
    return "{\n" + others + f"  {dumps(key)}: [\n{items}  ]\n}}"


@recoverable
def html_comments(record: Record, rng: Random) -> Text:
    """Put an HTML comment before and after."""
    return f"<!-- the record, v1.0 -->\n{plain(record, rng)}\n<!-- {{end}} -->"


@lost
def rest_in_a_comment(record: Record, rng: Random) -> Text:
    """Leave the rest of a list to a comment."""
    key = next((key for key in ("keywords", "turns") if key in record), None)
    if key is None:
        return None
    said = rng.choice(
        ["// ... and more", "/* remaining items omitted */", "// (rest unchanged)", "# etc."]
    )
    body = dumps(record | {key: record[key][:-1]}, indent=2)
    return re.sub(r"\n  \]", lambda found: f",\n    {said}\n  ]", body, count=1)


@lost
def rest_in_dots(record: Record, rng: Random) -> Text:
    """Leave the rest of a list to dots."""
    key = next((key for key in ("keywords", "turns", "sizes") if key in record), None)
    if key is None:
        return None
    text = dumps(record | {key: record[key][:-1]})
    return text[:-2] + rng.choice([", ...]}", ", …]}", ", ..., ]}"])


@recoverable
def json5(record: Record, rng: Random) -> Text:
    """Write JSON5: bare keys, apostrophes, comments, trailing commas."""
    body = spell(
        record, string=single, key=bare, indent=2, braces=("{", ",}"), brackets=("[", ",]")
    )
    return "// JSON5\n" + body


@known
@foreign
def ordered_dict(record: Record, rng: Random) -> Text:
    """Show it as Python showed an ordered dict."""
    return f"OrderedDict({list(record.items())!r})"


@foreign
def lua_table(record: Record, rng: Random) -> Text:
    """Write a Lua table."""
    if None in record.values() or has(record, r"\\"):
        return None
    return "return " + spell(record, key=bare, colon=" = ", brackets=("{", "}"), indent=2)


@foreign
def elixir_map(record: Record, rng: Random) -> Text:
    """Write an Elixir map."""
    if has(record, "#"):
        return None
    return spell(
        record,
        key=bare,
        braces=("%{", "}"),
        literal=lambda value: "nil" if value is None else dumps(value),
    )


@foreign
def clojure_map(record: Record, rng: Random) -> Text:
    """Write a Clojure map."""
    if not flat(record):
        return None
    return spell(record, key=lambda name: f":{name}", colon=" ", comma="")


@known
@lost
def length_in_a_list(record: Record, rng: Random) -> Text:
    """Run into the limit between two items."""
    text = dumps(record)
    ends = [found.end() for found in re.finditer(r'(?<=["}\d]),(?= ["{\d])', text)]
    return (text[: rng.choice(ends)], "length") if "[" in text and ends else None


@known
@lost
def stop_after_a_colon(record: Record, rng: Random) -> Text:
    """End after a colon."""
    text = dumps(record)
    ends = [found.end() for found in re.finditer(r'"\w+": ', text)]
    return text[: rng.choice(ends)]


@lost
def stop_in_a_number(record: Record, rng: Random) -> Text:
    """End within the last number, which leaves a shorter one."""
    if shape_of(record) != "product":
        return None
    turned = dict(reversed(record.items())) | {"price": record["price"]}
    del turned["price"]
    if len(str(record["price"])) < 2:
        return None
    return dumps(turned | {"price": record["price"]})[:-2]


@lost
def stop_in_a_word(record: Record, rng: Random) -> Text:
    """End within true, false or null."""
    if shape_of(record) != "product":
        return None
    del (turned := dict(record))["in_stock"]
    return dumps(turned | {"in_stock": record["in_stock"]})[:-3]


@lost
def stop_between_items(record: Record, rng: Random) -> Text:
    """End after an item of a list: more may have come."""
    text = dumps(record)
    if not text.endswith("]}"):
        return None
    return text[: rng.choice([len(text) - 2, text.rindex(", ") if ", " in text else len(text) - 2])]


@lost
def stop_and_a_remark(record: Record, rng: Random) -> Text:
    """End within a value, and remark upon it."""
    text = dumps(record)
    inside = [found.end() for found in re.finditer(r"\w(?=\w+[^\"]*\"[,}\]])", text)]
    said = rng.choice(["... (truncated)", " [truncated]", "\n\n[output cut]", "<truncated>"])
    return text[: rng.choice(inside)] + said if inside else None


@known
@recoverable
def false_start(record: Record, rng: Random) -> Text:
    """Break off, say so, and say the whole again."""
    text = dumps(record)
    return f"{text[: len(text) // 2]}\n\nOops, let me start again:\n\n```json\n{plain(record, rng)}\n```"


@lost
def chunk_lost(record: Record, rng: Random) -> Text:
    """Lose a piece of the stream with a boundary of members in it."""
    text = dumps(record)
    bounds = [found.start() for found in re.finditer(r'", "(?=\w+": )', text)]
    at = rng.choice(bounds) if bounds else None
    return None if at is None or at < 8 else text[: at - 4] + text[at + 6 :]


@lost
def chunk_twice(record: Record, rng: Random) -> Text:
    """Get a piece of the stream twice, with a boundary of values in it."""
    text = dumps(record)
    bounds = [found.start() for found in re.finditer(r'": "', text)]
    at = rng.choice(bounds) if bounds else None
    return None if at is None else text[: at + 8] + text[at - 3 :]


@recoverable
def schema_first(record: Record, rng: Random) -> Text:
    """Repeat the schema, then answer."""
    return f"Schema:\n```json\n{dumps(schema_of(record))}\n```\n\nAnswer:\n```json\n{plain(record, rng)}\n```"


@lost
def two_options(record: Record, rng: Random) -> Text:
    """Offer two answers."""
    pair = [dumps(another(record, rng)), dumps(record)]
    rng.shuffle(pair)
    return f"Option 1:\n{pair[0]}\n\nOption 2:\n{pair[1]}"


@lost
def list_of_two(record: Record, rng: Random) -> Text:
    """Answer with a list of two different records."""
    return dumps([another(record, rng), record])


@lost
def corrected_in_part(record: Record, rng: Random) -> Text:
    """Correct one key afterwards, in an object of its own."""
    if len(record) < 2 or not flat(record):
        return None
    other = another(record, rng)
    key = next(
        (key for key in reversed(record) if other.get(key, record[key]) != record[key]), None
    )
    if key is None:
        return None
    return f"{dumps(record | {key: other[key]})}\n\nCorrection: {dumps({key: record[key]})}\n"


@known
@lost
def key_said_twice(record: Record, rng: Random) -> Text:
    """Say a key twice, with two values."""
    return "{" + dumps(another(record, rng))[1:-1] + ", " + dumps(record)[1:]


@lost
def key_said_twice_in_another_case(record: Record, rng: Random) -> Text:
    """Say a key twice, once in capitals."""
    key = next(iter(record))
    return dumps({key.upper(): another(record, rng)[key]} | record)


@lost
def key_said_twice_by_an_escape(record: Record, rng: Random) -> Text:
    """Say a key twice, once with an escape in it."""
    key = next(iter(record))
    escaped = f'"\\u{ord(key[0]):04x}{key[1:]}"'
    return "{" + f"{escaped}: {dumps(another(record, rng)[key])}, " + dumps(record)[1:]


@lost
def key_said_twice_in_python(record: Record, rng: Random) -> Text:
    """Say a key twice, in Python's spelling."""
    key = next(iter(record))
    return "{" + f"{key!r}: {another(record, rng)[key]!r}, " + repr(record)[1:]


@lost
def key_swallowed(record: Record, rng: Random) -> Text:
    """Escape the quotes between two members, so that a key and its value are in a value."""
    if not lines(record) or len(record) < 2:
        return None
    text, at = dumps(record), rng.randrange(1, len(record))
    found = list(re.finditer(r'", "(?=\w+": ")', text))
    if len(found) < at:
        return None
    ahead = text[: found[at - 1].start()]
    key, rest = text[found[at - 1].end() :].split('": "', 1)
    return f'{ahead}\\", \\"{key}\\": \\"{rest}'


@lost
def key_swallowed_in_python(record: Record, rng: Random) -> Text:
    """Do the same in Python's spelling."""
    if not lines(record) or len(record) < 2:
        return None
    keys = list(record)
    merged = f"{record[keys[-2]]}', '{keys[-1]}': '{record[keys[-1]]}"
    return repr({key: record[key] for key in keys[:-2]} | {keys[-2]: merged})


@lost
def space_entities(record: Record, rng: Random) -> Text:
    """Write spaces as entities."""
    return (
        dumps(changed(record, lambda text: text.replace(" ", "&nbsp;", 2)))
        if has(record, " ")
        else None
    )


@lost
def letters_escaped_twice(record: Record, rng: Random) -> Text:
    """Write letters as escapes that are escaped, in well-formed JSON."""
    if not has(record, r"[^\x00-\x7f]"):
        return None
    return re.sub(r"\\u", r"\\\\u", dumps(record, ensure_ascii=True))


@lost
def quotes_escaped_twice(record: Record, rng: Random) -> Text:
    """Leave a backslash before each quote within the values, in well-formed JSON."""
    if not has(record, '"') or shape_of(record) in ("code", "qa"):
        return None
    return dumps(changed(record, lambda text: text.replace('"', '\\"')))


@lost
def wrapped_and_indented(record: Record, rng: Random) -> Text:
    """Wrap long values and indent what follows: nobody knows what the breaks mean."""
    if not has(record, r"[^\n]{50}") or has(record, "\n"):
        return None
    return spell(
        record,
        indent=2,
        string=lambda text: (
            dumps(text)[0]
            + "\n        ".join(
                textwrap.wrap(dumps(text)[1:-1], 40, break_long_words=False, break_on_hyphens=False)
            )
            + '"'
        ),
    )


@lost
def type_names(record: Record, rng: Random) -> Text:
    """Give the type in place of each value."""
    return dumps(changed(record, lambda text: "string"))


@lost
def descriptions(record: Record, rng: Random) -> Text:
    """Give the schema's description in place of each value."""
    properties = schema_of(record)["properties"]
    if not all("description" in said for said in properties.values()):
        return None
    return dumps({key: said["description"] for key, said in properties.items()})


@known
@lost
def todo(record: Record, rng: Random) -> Text:
    """Leave a value for later."""
    key = list(record)[-1]
    if not isinstance(record[key], str) or key in ("ton", "notes", "phone", "email"):
        return None
    return dumps(record | {key: rng.choice(["TODO", "TBD", "...", "…", "[...]"])})


@lost
def white_space_only(record: Record, rng: Random) -> Text:
    """Give white space for a value."""
    key = next(iter(record))
    return (
        dumps(record | {key: rng.choice([" ", "\n", "\u00a0", "\t "])})
        if isinstance(record[key], str)
        else None
    )


@lost
def question_marks(record: Record, rng: Random) -> Text:
    """Put a question mark for each letter beyond ASCII."""
    if shape_of(record) != "raspuns" or not has(record, r"[ăâîșț]\w|\w[ăâîșț]\w"):
        return None
    return dumps(changed(record, lambda text: text.encode("ascii", errors="replace").decode()))


@lost
def replacement_characters(record: Record, rng: Random) -> Text:
    """Put U+FFFD for each letter beyond ASCII."""
    if not has(record, r"[^\x00-\x7f]"):
        return None
    return re.sub(r"[^\x00-\x7f]", "\ufffd", dumps(record))


@lost
def half_an_emoji(record: Record, rng: Random) -> Text:
    """Keep one half of a surrogate pair."""
    text = dumps(record, ensure_ascii=True)
    return re.sub(r"(\\ud8..)\\ud...", r"\1", text) if "\\ud8" in text else None


@lost
def nul_characters(record: Record, rng: Random) -> Text:
    """Put U+0000 into a value, escaped."""
    key = next((key for key, said in record.items() if isinstance(said, str) and " " in said), None)
    return None if key is None else dumps(record | {key: record[key].replace(" ", "\0", 1)})


@lost
def sixteen_bits(record: Record, rng: Random) -> Text:
    """Read UTF-16 as bytes: a NUL after each character."""
    return "".join(letter + "\0" for letter in dumps(record))


@lost
def only_values(record: Record, rng: Random) -> Text:
    """Answer with the values alone, in a list."""
    return dumps(list(record.values())) if len(record) > 1 else None


@known
@lost
def filtered_after_all(record: Record, rng: Random) -> Text:
    """Let the filter end a reply that looks whole."""
    return dumps(record), "content_filter"
