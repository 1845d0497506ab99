"""Kinds of malformed and treacherous replies. The half that nobody who develops the reader may see.

A kind is in this half because corpus.half(its name) says so, a hash. corpus.py says what a kind
is and what `recoverable` and `lost` mean; `known` marks those that the developers have of their own.
"""
# ruff: noqa: E501

import quopri
import re
from random import Random
from urllib.parse import quote

from corpus import (
    Record,
    Text,
    another,
    calm,
    changed,
    dumps,
    flat,
    foreign,
    full,
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


@recoverable
def indented_by_tabs(record: Record, rng: Random) -> Text:
    """Indent by tabs."""
    return dumps(record, indent="\t")


@recoverable
def solidus_escaped(record: Record, rng: Random) -> Text:
    """Escape every slash, as PHP does."""
    return dumps(record).replace("/", "\\/")


@recoverable
def keys_in_another_order(record: Record, rng: Random) -> Text:
    """Turn the order of the keys round: order means nothing in an object."""
    return dumps(dict(reversed(record.items())))


@recoverable
def airy(record: Record, rng: Random) -> Text:
    """Put white space everywhere, empty lines too."""
    return "\n\n  " + spell(record, colon="  :\n   ", comma=" ,\n\n", indent=3) + " \t\n"


@recoverable
def numbers_as_exponents(record: Record, rng: Random) -> Text:
    """Write numbers with an exponent, the same numbers."""
    if shape_of(record) not in ("event", "product"):
        return None

    def literal(value):
        is_number = isinstance(value, float)
        return (
            f"{value * 100!r}e-2"
            if is_number and float(f"{value * 100!r}e-2") == value
            else dumps(value)
        )

    return spell(record, literal=literal)


@recoverable
def inline_code(record: Record, rng: Random) -> Text:
    """Put it between single backticks within a sentence."""
    return None if has(record, "`") else f"The answer is `{dumps(record)}`."


@recoverable
def braces_in_prose_after(record: Record, rng: Random) -> Text:
    """Speak of braces afterwards."""
    said = rng.choice(
        [
            "Note: {placeholders} were not used.",
            "(If you need more, say {more}.)",
            "The braces { and } are required.",
        ]
    )
    return f"{plain(record, rng)}\n\n{said}"


@recoverable
def empty_object_in_prose(record: Record, rng: Random) -> Text:
    """Mention an empty object first."""
    return f"You sent me an empty object {{}}, so here it is, filled:\n\n{plain(record, rng)}"


@recoverable
def quotes_in_prose(record: Record, rng: Random) -> Text:
    """Quote keys and words in the prose around it."""
    key = rng.choice(sorted(record))
    return f'I took care that "{key}" isn\'t empty:\n\n{plain(record, rng)}\n\nThe key "{key}" is what you\'ll want.'


@recoverable
def draft_in_thoughts(record: Record, rng: Random) -> Text:
    """Draft an object within <think>, then answer with another."""
    return (
        f"<think>\nMaybe {dumps(another(record, rng))}? No, it should be better than that.\n</think>\n"
        f"{plain(record, rng)}"
    )


@recoverable
def braces_in_thoughts(record: Record, rng: Random) -> Text:
    """Think aloud about keys and braces, an open one too."""
    return (
        f'<think>The user wants {{"{next(iter(record))}": ...}} so I start with {{ and then go on.</think>\n\n'
        f"```json\n{plain(record, rng)}\n```"
    )


@recoverable
def thoughts_without_a_start(record: Record, rng: Random) -> Text:
    """Lose the opening <think>, as some chat templates do, with a draft in the thoughts."""
    return f"Okay, so a draft: {dumps(another(record, rng))}. Hmm, too dull.\n</think>\n\n{plain(record, rng)}"


@lost
def thoughts_without_an_end(record: Record, rng: Random) -> Text:
    """Think, draft an object, and never come to the answer."""
    return f"<think>\nA first idea is {dumps(another(record, rng))} but I want to check"


@lost
def thoughts_and_nothing(record: Record, rng: Random) -> Text:
    """Draft an object in the thoughts and say nothing after them."""
    return f"<think>\nMaybe {dumps(another(record, rng))}?\n</think>\n\n"


@recoverable
def answer_tag(record: Record, rng: Random) -> Text:
    """Put it within a tag."""
    tag = rng.choice(["answer", "output", "json", "response", "result"])
    return f"<{tag}>\n{plain(record, rng)}\n</{tag}>"


@recoverable
def tool_call_tag(record: Record, rng: Random) -> Text:
    """Call a tool with it, as Hermes and Qwen models do."""
    call = {"name": "save_record", "arguments": record}
    return f"<tool_call>\n{dumps(call)}\n</tool_call>"


@recoverable
def tool_call_openai(record: Record, rng: Random) -> Text:
    """Call a function with it, the arguments encoded as a string."""
    return dumps({"type": "function", "function": {"name": "respond", "arguments": dumps(record)}})


@recoverable
def tool_call_mistral(record: Record, rng: Random) -> Text:
    """Call a tool in Mistral's way."""
    return f"[TOOL_CALLS] [{dumps({'name': 'respond', 'arguments': record})}]"


@recoverable
def function_tag(record: Record, rng: Random) -> Text:
    """Put it into a function tag."""
    return f"<function=respond>{dumps(record)}</function>"


@known
@foreign
def nested_xml(record: Record, rng: Random) -> Text:
    """Write it as XML elements under a root."""
    if not lines(record) or has(record, "[<>&]"):
        return None
    return (
        "<record>\n"
        + "\n".join(f"  <{key}>{said}</{key}>" for key, said in record.items())
        + "\n</record>"
    )


@foreign
def xml_attributes(record: Record, rng: Random) -> Text:
    """Write it as attributes of an XML element."""
    if not lines(record) or has(record, '[<>&"]'):
        return None
    return "<record " + " ".join(f'{key}="{said}"' for key, said in record.items()) + " />"


@foreign
def yaml_nested(record: Record, rng: Random) -> Text:
    """Write YAML in block style, strings quoted as in JSON."""

    def block(value, depth):
        pad = "  " * depth
        if isinstance(value, dict):
            return "".join(f"\n{pad}{key}:{block(said, depth + 1)}" for key, said in value.items())
        if isinstance(value, list):
            items = (block(said, depth + 1) for said in value)
            return "".join(
                f"\n{pad}-{' ' + said.lstrip() if said.startswith(chr(10)) else said}"
                for said in items
            )
        return " " + dumps(value)

    return block(record, 0).lstrip("\n")


@foreign
def toml(record: Record, rng: Random) -> Text:
    """Write TOML."""
    if not flat(record):
        return None
    return "\n".join(f"{key} = {dumps(said)}" for key, said in record.items())


@known
@recoverable
def encoded_three_times(record: Record, rng: Random) -> Text:
    """Encode the JSON string once more."""
    return dumps(dumps(dumps(record)))


@recoverable
def list_under_a_key(record: Record, rng: Random) -> Text:
    """Put it into a list of one under a key."""
    return dumps({"results": [record]})


@recoverable
def with_a_status(record: Record, rng: Random) -> Text:
    """Put it beside a status."""
    return dumps({"status": "ok", "data": record})


@recoverable
def quoted_mail(record: Record, rng: Random) -> Text:
    """Quote every line as mail does."""
    return "> " + dumps(record, indent=2).replace("\n", "\n> ")


@recoverable
def shell_heredoc(record: Record, rng: Random) -> Text:
    """Write a shell command that prints it."""
    return f"cat <<'EOF'\n{plain(record, rng)}\nEOF"


@recoverable
def python_print(record: Record, rng: Random) -> Text:
    """Print it by Python's json."""
    body = spell(record, string=single, key=single, literal=python)
    return f"print(json.dumps({body}, ensure_ascii=False))"


@recoverable
def in_triple_quotes(record: Record, rng: Random) -> Text:
    """Put the JSON between triple quotes."""
    return None if has(record, r"\\|\n") else f'"""\n{plain(record, rng)}\n"""'


@recoverable
def byte_string(record: Record, rng: Random) -> Text:
    """Show the JSON as Python shows bytes."""
    return repr(dumps(record).encode())


@known
@recoverable
def end_of_turn(record: Record, rng: Random) -> Text:
    """Let the token at the end of the turn through, after a line break."""
    return (
        plain(record, rng)
        + "\n"
        + rng.choice(["<|eot_id|>", "<end_of_turn>", "<|end|>", "[/INST]", "<|END_OF_TURN_TOKEN|>"])
    )


@lost
def end_token_in_the_value(record: Record, rng: Random) -> Text:
    """Let an end token into the last value, in well-formed JSON."""
    if not flat(record):
        return None
    last = list(record)[-1]
    token = rng.choice(["</s>", "<|endoftext|>", "<|eot_id|>", "<|im_end|>", "[/INST]"])
    return dumps(record | {last: record[last] + token})


@recoverable
def corner_brackets(record: Record, rng: Random) -> Text:
    """Quote the values by corner brackets."""
    return spell(record, string=lambda text: f"「{text}」") if calm(record) else None


@recoverable
def apostrophes_escaped(record: Record, rng: Random) -> Text:
    """Escape apostrophes, which JSON does not allow."""
    return dumps(record).replace("'", "\\'") if has(record, "'") else None


@known
@recoverable
def apostrophes_bare(record: Record, rng: Random) -> Text:
    """Quote by apostrophes and leave those within the values, at the ends of words too."""
    if not has(record, "'") or has(record, r"[\\\n]") or not calm(record):
        return None
    return spell(record, string=lambda text: f"'{text}'", key=lambda text: f"'{text}'")


@recoverable
def hex_escapes(record: Record, rng: Random) -> Text:
    """Escape apostrophes as JavaScript may, in two hex digits."""
    return dumps(record).replace("'", "\\x27") if has(record, "'") else None


@recoverable
def code_point_escapes(record: Record, rng: Random) -> Text:
    """Escape what is not ASCII by code point in braces, as ECMAScript 6 may."""
    if not has(record, r"[^\x00-\x7f]"):
        return None
    return re.sub(r"[^\x00-\x7f]", lambda found: f"\\u{{{ord(found[0]):x}}}", dumps(record))


@recoverable
def markdown_escapes(record: Record, rng: Random) -> Text:
    """Escape underscores as markdown needs it, in keys and values."""
    text = dumps(record)
    return text.replace("_", "\\_") if "_" in text and shape_of(record) != "code" else None


@recoverable
def string_prefixes(record: Record, rng: Random) -> Text:
    """Write strings with the prefix of Python 2."""
    return spell(
        record,
        string=lambda text: "u" + single(text),
        key=lambda text: "u" + single(text),
        literal=python,
    )


@known
@recoverable
def plus_joined(record: Record, rng: Random) -> Text:
    """Join two halves of each value by a plus."""

    def string(text):
        return f"{dumps(text[: len(text) // 2])} + {dumps(text[len(text) // 2 :])}"

    return spell(record, string=string)


@known
@lost
def quote_and_comma_lost(record: Record, rng: Random) -> Text:
    """Forget a closing quote: nobody knows whether the comma is text."""
    return dumps(record).replace('",', ",", 1) if flat(record) and len(record) > 1 else None


@lost
def stray_quote(record: Record, rng: Random) -> Text:
    """Close a value twice: nobody knows whether one of the quotes is text."""
    return dumps(record).replace('",', '"",', 1) if lines(record) and len(record) > 1 else None


@recoverable
def python_words(record: Record, rng: Random) -> Text:
    """Write None, True and False, all else in JSON."""
    return spell(record, literal=python) if shape_of(record) in ("event", "product") else None


@recoverable
def numbers_with_a_sign(record: Record, rng: Random) -> Text:
    """Write a plus before numbers, as JSON5 may."""
    if shape_of(record) != "product":
        return None
    return spell(
        record,
        literal=lambda value: (
            dumps(value) if value is None or isinstance(value, bool) else f"+{value}"
        ),
    )


@recoverable
def numbers_without_a_zero(record: Record, rng: Random) -> Text:
    """Write .5, as JSON5 may."""
    text = dumps(record)
    return text.replace(": 0.5", ": .5") if '"price": 0.5,' in text else None


@recoverable
def decimals_of_python(record: Record, rng: Random) -> Text:
    """Show numbers as Python's libraries do."""
    if shape_of(record) not in ("event", "product"):
        return None
    how = rng.choice(["Decimal('{}')", "np.float64({})"])
    return spell(
        record,
        string=single,
        key=single,
        literal=lambda value: how.format(value) if isinstance(value, float) else repr(value),
    )


@lost
def decimal_commas(record: Record, rng: Random) -> Text:
    """Write numbers with a decimal comma."""
    if not isinstance(record.get("price"), float):
        return None
    return spell(
        record,
        literal=lambda value: (
            str(value).replace(".", ",") if isinstance(value, float) else dumps(value)
        ),
    )


@lost
def prices_with_a_sign(record: Record, rng: Random) -> Text:
    """Write the price with a currency, bare."""
    if not isinstance(record.get("price"), (int, float)):
        return None
    return dumps(record).replace(f'"price": {record["price"]}', f'"price": ${record["price"]}')


@lost
def numbers_with_a_unit(record: Record, rng: Random) -> Text:
    """Write a unit behind the price, bare."""
    if not isinstance(record.get("price"), (int, float)):
        return None
    return dumps(record).replace(f'"price": {record["price"]}', f'"price": {record["price"]} EUR')


@lost
def not_a_number(record: Record, rng: Random) -> Text:
    """Write NaN, Infinity or undefined for what is not known."""
    if shape_of(record) not in ("event", "product"):
        return None
    key = "rating" if "rating" in record else "price"
    word = rng.choice(["NaN", "Infinity", "-Infinity", "undefined", "N/A", "?", "nil"])
    return dumps(record | {key: None}).replace(f'"{key}": null', f'"{key}": {word}')


@lost
def numbers_too_large(record: Record, rng: Random) -> Text:
    """Write a number that becomes infinite when it is read."""
    if shape_of(record) != "product":
        return None
    return dumps(record | {"price": 1}).replace('"price": 1', '"price": 1e999')


@lost
def a_string_for_a_list(record: Record, rng: Random) -> Text:
    """Write the list as one string with commas."""
    return (
        dumps(record | {"keywords": ", ".join(record["keywords"])})
        if "keywords" in record
        else None
    )


@recoverable
def unquoted_dates(record: Record, rng: Random) -> Text:
    """Leave the quotes of a date and a time away."""
    when = record.get("when")
    if not when or when["date"] != "2025-06-01" or when["time"] != "19:30":
        return None
    return dumps(record).replace('"2025-06-01"', "2025-06-01").replace('"19:30"', "19:30")


@recoverable
def tuples_for_lists(record: Record, rng: Random) -> Text:
    """Write lists as Python's tuples."""
    if not any(isinstance(said, list) and len(said) > 1 for said in record.values()):
        return None
    return spell(record, string=single, key=single, literal=python, brackets=("(", ")"))


@recoverable
def commas_missing_on_one_line(record: Record, rng: Random) -> Text:
    """Leave the commas between members away, on one line."""
    return spell(record, comma="") if len(record) > 1 and "sizes" not in record else None


@recoverable
def colons_twice(record: Record, rng: Random) -> Text:
    """Write two colons."""
    return spell(record, colon=":: ")


@recoverable
def brackets_missing_before_a_brace(record: Record, rng: Random) -> Text:
    """Forget the bracket that closes a list before the brace of its object."""
    text = dumps(record)
    return text[:-2] + "}" if text.endswith('"]}') and full(record) else None


@recoverable
def a_brace_for_a_bracket(record: Record, rng: Random) -> Text:
    """Close a list by a brace."""
    text = dumps(record)
    return text[:-2] + "}}" if text.endswith(("]}", "]]}")) and full(record) else None


@recoverable
def a_bracket_for_a_brace(record: Record, rng: Random) -> Text:
    """Close the object by a bracket, or a parenthesis."""
    return dumps(record)[:-1] + rng.choice(["]", ")"])


@recoverable
def no_braces_at_all(record: Record, rng: Random) -> Text:
    """Leave both outer braces away."""
    if not full(record) or len(record) < 2:
        return None
    return dumps(record)[1:-1]


@recoverable
def nested_braces_missing_at_the_end(record: Record, rng: Random) -> Text:
    """Forget both braces at the end, all keys being there."""
    return dumps(record)[:-2] if "venue" in record else None


@lost
def brace_missing_where_more_may_come(record: Record, rng: Random) -> Text:
    """Forget the closing brace where optional keys may have been lost."""
    return dumps(record)[:-1] if not full(record) else None


@lost
def closed_early_inside(record: Record, rng: Random) -> Text:
    """Close an inner object too early, so that a key falls out of it."""
    if "when" not in record:
        return None
    return dumps(record).replace(', "time"', '}, "time"', 1).replace('}, "venue"', ', "venue"', 1)


@recoverable
def line_ends_with_backslashes(record: Record, rng: Random) -> Text:
    """End lines by a backslash, as markdown breaks lines."""
    return dumps(record, indent=2).replace("\n", "\\\n")


@known
@recoverable
def block_comments(record: Record, rng: Random) -> Text:
    """Explain in block comments, with braces, quotes and commas in them."""
    parts = (
        f'  /* the "{key}" of {{it}}, as asked: yes */\n  {dumps(key)}: {dumps(said)}'
        for key, said in record.items()
    )
    return "{\n" + ",\n".join(parts) + "\n}"


@known
@recoverable
def hash_comments(record: Record, rng: Random) -> Text:
    """Explain in comments as Python has them, behind each value."""
    parts = (
        f"  {dumps(key)}: {dumps(said)},  # that's the {key}, isn't it"
        for key, said in record.items()
    )
    return "{\n" + "\n".join(parts) + "\n}"


@lost
def rest_in_an_item(record: Record, rng: Random) -> Text:
    """Leave the rest of a list to an item that says so, in well-formed JSON."""
    if "keywords" not in record:
        return None
    said = rng.choice(["...", "…", "... and 3 more", "etc."])
    return dumps(record | {"keywords": [*record["keywords"][:-1], said]})


@known
@recoverable
def python_record(record: Record, rng: Random) -> Text:
    """Show it as Python shows a dict, nested too."""
    return repr(record) if not flat(record) else None


@known
@foreign
def python_call(record: Record, rng: Random) -> Text:
    """Write a call with keywords, as a dataclass is shown."""
    return "Record(" + ", ".join(f"{key}={said!r}" for key, said in record.items()) + ")"


@foreign
def ruby_symbols(record: Record, rng: Random) -> Text:
    """Write a Ruby hash of symbols."""
    if has(record, "#"):
        return None
    return spell(
        record,
        key=lambda name: f":{name}",
        colon=" => ",
        literal=lambda value: "nil" if value is None else dumps(value),
    )


@foreign
def php_array(record: Record, rng: Random) -> Text:
    """Write a PHP array."""
    if has(record, r"[\n\\]"):
        return None
    return (
        "return "
        + spell(record, string=single, key=single, colon=" => ", braces=("[", "]"), indent=4)
        + ";"
    )


@foreign
def java_map(record: Record, rng: Random) -> Text:
    """Write a Java map of strings."""
    if not flat(record) or len(record) > 10:
        return None
    return (
        "Map.of(" + ", ".join(f"{dumps(key)}, {dumps(said)}" for key, said in record.items()) + ");"
    )


@known
@recoverable
def single_quotes_nested(record: Record, rng: Random) -> Text:
    """Quote by apostrophes at every depth, JSON's words kept."""
    return spell(record, string=single, key=single, indent=2)


@known
@lost
def length_anywhere(record: Record, rng: Random) -> Text:
    """Run into the limit at any place."""
    text = plain(record, rng)
    return text[: rng.randrange(1, len(text))], "length"


@lost
def length_after_the_object(record: Record, rng: Random) -> Text:
    """Run into the limit in the prose after the object: cut is cut."""
    return plain(record, rng) + "\n\nThis record was chosen beca", "length"


@known
@lost
def stop_in_a_value(record: Record, rng: Random) -> Text:
    """End within a value and claim `stop`."""
    text = dumps(record)
    inside = [found.end() for found in re.finditer(r"\w(?=\w+[^\"]*\"[,}\]])", text)]
    return text[: rng.choice(inside)] if inside else None


@known
@lost
def stop_after_a_comma(record: Record, rng: Random) -> Text:
    """End after a comma between members."""
    text = dumps(record)
    ends = [found.end() for found in re.finditer(r'",(?= "\w+": )', text)]
    return text[: rng.choice(ends)] if ends and full(record) else None


@known
@lost
def stop_in_a_key(record: Record, rng: Random) -> Text:
    """End within a key."""
    text = dumps(record)
    ends = [found.start() + 3 for found in re.finditer(r'"\w\w+": ', text)][1:]
    return text[: rng.choice(ends)] if ends and full(record) else None


@lost
def stop_in_an_escape(record: Record, rng: Random) -> Text:
    """End within an escape."""
    text = dumps(record, ensure_ascii=True)
    ends = [found.start() + rng.randrange(1, 5) for found in re.finditer(r"\\u", text)]
    return text[: rng.choice(ends)] if ends else None


@lost
def stop_in_a_fence(record: Record, rng: Random) -> Text:
    """End within a value in a fence, and close the fence."""
    text = plain(record, rng)
    inside = [found.end() for found in re.finditer(r"\w(?=\w+[^\"]*\"\s*[,}\]])", text)]
    return f"```json\n{text[: rng.choice(inside)]}\n```" if inside else None


@lost
def stop_before_the_last_key(record: Record, rng: Random) -> Text:
    """Close properly before the last key: it was never said."""
    if len(record) < 2 or list(record)[-1] not in schema_of(record)["required"]:
        return None  # nobody can see that an optional key was meant
    return dumps(dict(list(record.items())[:-1]))


@lost
def continued(record: Record, rng: Random) -> Text:
    """Break off, apologise, and go on where it broke off."""
    text = dumps(record)
    at = rng.randrange(len(text) // 3, 2 * len(text) // 3)
    return f"{text[:at]}\n\nSorry, I was cut off. Continuing:\n\n{text[at:]}"


@lost
def schema_only(record: Record, rng: Random) -> Text:
    """Answer with the schema."""
    return dumps(schema_of(record))


@lost
def properties_only(record: Record, rng: Random) -> Text:
    """Answer with the properties of the schema."""
    return dumps(schema_of(record)["properties"])


@recoverable
def input_first(record: Record, rng: Random) -> Text:
    """Repeat the input as an object, then the output."""
    return f'Input: {{"review": "It was fine, I guess.", "lang": "en"}}\nOutput: {dumps(record)}'


@lost
def examples_repeated(record: Record, rng: Random) -> Text:
    """Repeat an example of the prompt, then answer."""
    return f"Input: a first one\nOutput: {dumps(another(record, rng))}\n\nInput: yours\nOutput: {dumps(record)}"


@lost
def lines_of_json(record: Record, rng: Random) -> Text:
    """Answer with three records on three lines."""
    return "\n".join(dumps(each) for each in (another(record, rng), record, another(record, rng)))


@known
@recoverable
def said_twice_differently(record: Record, rng: Random) -> Text:
    """Say it on one line and once more indented, in a fence."""
    return f"{dumps(record)}\n\nFormatted:\n```json\n{dumps(record, indent=4)}\n```"


@recoverable
def an_explanation_after(record: Record, rng: Random) -> Text:
    """Add an object of another form that explains."""
    return f'{dumps(record)}\n{{"explanation": "Both were kept short, as asked."}}'


@recoverable
def settings_first(record: Record, rng: Random) -> Text:
    """Begin with an object of another form."""
    return f'{{"model": "teacher-1", "temperature": 0.7}}\n{dumps(record)}'


@lost
def inner_key_said_twice(record: Record, rng: Random) -> Text:
    """Say a key of an inner object twice."""
    if "when" in record:
        return dumps(record).replace('"city": ', '"city": "Oslo", "city": ')
    return (
        dumps(record).replace('"says": ', '"says": "No.", "says": ', 1)
        if "turns" in record
        else None
    )


@known
@lost
def numeric_entities(record: Record, rng: Random) -> Text:
    """Write apostrophes and quotes as numeric entities."""
    if not has(record, "['\"]"):
        return None
    return dumps(changed(record, lambda text: text.replace("'", "&#39;").replace('"', "&#x22;")))


@lost
def percent_encoded_values(record: Record, rng: Random) -> Text:
    """Write values as in an address."""
    return dumps(changed(record, quote)) if has(record, r"\w \w") else None


@lost
def line_breaks_escaped_twice(record: Record, rng: Random) -> Text:
    """Write line breaks of prose as backslash and n, in well-formed JSON."""
    if shape_of(record) not in ("article", "reviews") or not has(record, "\n"):
        return None
    return dumps(record).replace("\\n", "\\\\n")


@lost
def angle_placeholders(record: Record, rng: Random) -> Text:
    """Leave a value to the reader, between angle brackets."""
    key = rng.choice(sorted(key for key, said in record.items() if isinstance(said, str)) or [""])
    what = rng.choice([f"<{key}>", f"<your {key} here>", f"[insert {key}]", f"{{{{{key}}}}}"])
    return (
        dumps(record | {key: what}) if key and key not in ("currency", "language", "ton") else None
    )


@lost
def keys_for_values(record: Record, rng: Random) -> Text:
    """Give each key as its own value."""
    return (
        dumps({key: key for key in record})
        if flat(record) and "ton" not in record and "language" not in record
        else None
    )


@lost
def refused_in_every_value(record: Record, rng: Random) -> Text:
    """Refuse in every value, in well-formed JSON."""
    if not flat(record) or len(record) != 2:
        return None
    return dumps(dict.fromkeys(record, "I'm sorry, but I can't help with that."))


@lost
def citation_marks(record: Record, rng: Random) -> Text:
    """Leave the marks of a search tool in a value."""
    if not flat(record):
        return None
    key = next(iter(record))
    return dumps(record | {key: record[key] + rng.choice(["【4:0†source】", "【12†L3-L5】"])})


@lost
def utf8_read_as_latin(record: Record, rng: Random) -> Text:
    """Read UTF-8 as Windows-1252: every letter beyond ASCII becomes two or three."""
    if not has(record, r"[^\x00-\x7f]"):
        return None
    return dumps(changed(record, lambda text: text.encode().decode("cp1252", errors="ignore")))


@lost
def bells(record: Record, rng: Random) -> Text:
    """Put a raw control character into a value."""
    key = next((key for key, said in record.items() if isinstance(said, str) and " " in said), None)
    return (
        None
        if key is None
        else dumps(record | {key: record[key].replace(" ", "\a ", 1)}).replace("\\u0007", "\a")
    )


@lost
def quoted_printable(record: Record, rng: Random) -> Text:
    """Encode it as mail does."""
    if not has(record, r"[^\x00-\x7f]"):
        return None
    return quopri.encodestring(dumps(record).encode()).decode()


@lost
def other_json(record: Record, rng: Random) -> Text:
    """Answer with JSON that is no record."""
    return rng.choice(
        ["null", "{}", "[]", "true", "42", '"yes"', "[{}]", '{"error": "content policy"}']
    )


@lost
def only_a_fence(record: Record, rng: Random) -> Text:
    """Answer with an empty fence or with white space."""
    return rng.choice(["```json\n```", "```\n\n```", " \n ", "json", "{", "}", "<answer></answer>"])
