"""Kinds of malformed and treacherous replies that came after the halves: drawn up by an examiner.

Whoever wrote them had not read the reader; they were put beside the halves after one measurement.
corpus.py says what a kind is and what its marks mean.
"""
# ruff: noqa: E501, RUF001

import base64
import html
import pprint
import re
import unicodedata
from random import Random
from urllib.parse import quote

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
    full,
    has,
    lines,
    lost,
    plain,
    recoverable,
    schema_of,
    shape_of,
    spell,
)


def pieces(text: str, rng: Random) -> list[str]:
    """Cut a text as a stream does."""
    made = []
    while text:
        size = rng.randrange(5, 25)
        made.append(text[:size])
        text = text[size:]
    return made


def words_of(record: Record) -> list[str]:
    """List the keys whose values are free text."""
    free = [key for key, said in record.items() if isinstance(said, str)]
    return [key for key in free if key not in ("currency", "language", "ton")]


# --- streams and envelopes ------------------------------------------------------------------------


@recoverable
def deltas_of_a_stream(record: Record, rng: Random) -> Text:
    """Pass the raw stream on: the reply in pieces, one in each event."""
    said = [{"role": "assistant"}, *({"content": piece} for piece in pieces(dumps(record), rng))]
    events = [{"choices": [{"index": 0, "delta": each}]} for each in said]
    return "".join(f"data: {dumps(each)}\n\n" for each in events) + "data: [DONE]\n\n"


@recoverable
def snapshots_of_a_stream(record: Record, rng: Random) -> Text:
    """Print the reply as far as it has come, again and again, the whole last."""
    text = dumps(record)
    ends = sorted(rng.sample(range(3, len(text) - 1), 3))
    return "\n".join([*(text[:end] for end in ends), text])


@recoverable
def input_of_a_tool_use(record: Record, rng: Random) -> Text:
    """Pass the whole message of Anthropic's interface on."""
    use = {"type": "tool_use", "id": "toolu_01A", "name": "respond", "input": record}
    content = [{"type": "text", "text": "I'll save it."}, use]
    usage = {"input_tokens": 312, "output_tokens": 88}
    return dumps({"type": "message", "role": "assistant", "content": content,
                  "stop_reason": "tool_use", "usage": usage})  # fmt: skip


@recoverable
def parts_of_a_candidate(record: Record, rng: Random) -> Text:
    """Pass the whole answer of Google's interface on."""
    part = {"functionCall": {"name": "respond", "args": record}}
    candidate = {"content": {"parts": [part], "role": "model"}, "finishReason": "STOP"}
    return dumps({"candidates": [candidate], "usageMetadata": {"totalTokenCount": 400}}, indent=1)


@recoverable
def deepseek_tool_tokens(record: Record, rng: Random) -> Text:
    """Call a tool by DeepSeek's special tokens."""
    return (
        "<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>function<｜tool▁sep｜>respond\n"
        f"```json\n{dumps(record)}\n```<｜tool▁call▁end｜><｜tool▁calls▁end｜><｜end▁of▁sentence｜>"
    )


@recoverable
def action_of_an_agent(record: Record, rng: Random) -> Text:
    """Think and act, as agents of the ReAct kind do."""
    return (
        "Thought: I know enough to answer {the user} now.\nAction: respond[final]\n"
        f"Action Input: {dumps(record)}\nObservation: saved, 1 row\nThought: done."
    )


@recoverable
def shown_message_of_a_library(record: Record, rng: Random) -> Text:
    """Show the message object of a Python library, the JSON as a string in it."""
    return (
        f"ChatCompletionMessage(content={dumps(record)!r}, refusal=None, role='assistant', "
        "annotations=[], function_call=None, tool_calls=None)"
    )


@recoverable
def reasoning_in_a_field(record: Record, rng: Random) -> Text:
    """Give the reasoning, with a draft, and the content in two fields."""
    return dumps({
        "role": "assistant",
        "reasoning_content": f"A draft: {dumps(another(record, rng))}. Not yet good.",
        "content": dumps(record),
    })  # fmt: skip


@recoverable
def thoughts_in_other_marks(record: Record, rng: Random) -> Text:
    """Draft within marks of thought that are no tags of XML."""
    opens, closes = rng.choice([
        ("◁think▷", "◁/think▷"), ("[THINK]", "[/THINK]"),
        ("<|begin_of_thought|>", "<|end_of_thought|>"),
        ("<|START_THINKING|>", "<|END_THINKING|>"),
    ])  # fmt: skip
    return f"{opens}First idea: {dumps(another(record, rng))}. Too flat.{closes}\n{dumps(record)}"


@recoverable
def boxed_at_last(record: Record, rng: Random) -> Text:
    """Box the final answer, as models trained on mathematics do."""
    return f"Both keys are settled.\n\n**Final Answer**\n\n\\[\n\\boxed{{{dumps(record)}}}\n\\]"


@recoverable
def draft_labelled_as_such(record: Record, rng: Random) -> Text:
    """Write a draft, say that it is to be thrown away, and write the final."""
    return (
        f"Draft (discard this one):\n{dumps(another(record, rng))}\n\n"
        f"Final version (use this one only):\n{dumps(record)}"
    )


@recoverable
def log_entry(record: Record, rng: Random) -> Text:
    """Write it as a field of a line of a log, with more fields around."""
    return (
        "2025-03-01T12:00:01.337Z INFO [worker-3] {req=8f2c} llm.reply model=teacher-1 "
        f"body={dumps(record)} tokens={{in=311, out=87}} latency_ms=812"
    )


@recoverable
def warnings_before(record: Record, rng: Random) -> Text:
    """Let the warnings of a program come first, with a dict in them."""
    return (
        "/opt/app/run.py:12: UserWarning: unknown options {'top_k': 40, 'seed': [1, 2]}\n"
        '  warnings.warn(f"unknown options {options}")\nLoading: 100%|██████| 3/3 [00:01<00:00]\n'
        + plain(record, rng)
    )


@recoverable
def progress_overwritten(record: Record, rng: Random) -> Text:
    """Show progress on a line that is written over by carriage returns."""
    return f"Generating {{0%}}\rGenerating {{50%}}\rGenerating {{100%}}\r{dumps(record)}\r\n"


@recoverable
def parts_of_a_mail(record: Record, rng: Random) -> Text:
    """Attach it to a mail of several parts."""
    return (
        'MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary="b{1}"\n\n--b{1}\n'
        "Content-Type: text/plain\n\nHi, it's attached.\n--b{1}\n"
        'Content-Type: application/json; name="reply.json"\n\n'
        f"{plain(record, rng)}\n--b{{1}}--\n"
    )


@recoverable
def page_with_styles(record: Record, rng: Random) -> Text:
    """Embed it in a page, below rules of CSS and above a script."""
    if has(record, "</"):
        return None
    return (
        "<!DOCTYPE html>\n<html><head><style>body{margin:0} .a:hover{color:red}</style></head>\n"
        f'<body><script id="data" type="application/json">{dumps(record)}</script>\n'
        "<script>(function(){console.log('ready')})()</script></body></html>"
    )


@recoverable
def page_escaped(record: Record, rng: Random) -> Text:
    """Show it on a page, every quote of the syntax an entity too."""
    return f"<html><body><pre>{html.escape(dumps(record))}</pre></body></html>"


@recoverable
def copied_from_a_chat(record: Record, rng: Random) -> Text:
    """Copy it from a chat, the buttons and the small print too."""
    return (
        "You said:\nPlease answer in JSON.\nTeacher said:\nThought for 7 seconds\n\njson\nCopy\nEdit\n"
        f"{plain(record, rng)}\n\n2/2\n👍 👎\nTeacher can make mistakes. Check important info."
    )


@recoverable
def code_macro(record: Record, rng: Random) -> Text:
    """Put it into a macro of a wiki, that has braces."""
    return f"{{code:json|title=reply}}\n{plain(record, rng)}\n{{code}}"


@recoverable
def latex_listing(record: Record, rng: Random) -> Text:
    """Put it into a listing of LaTeX."""
    return f"\\begin{{lstlisting}}[language=json]\n{plain(record, rng)}\n\\end{{lstlisting}}"


@recoverable
def panel(record: Record, rng: Random) -> Text:
    """Draw a box around it, as terminal programs do."""
    rows = dumps(record, indent=2).split("\n")
    wide = max(map(len, rows))
    body = "\n".join(f"│ {row:{wide}} │" for row in rows)
    return f"╭{'─' * (wide + 2)}╮\n{body}\n╰{'─' * (wide + 2)}╯"


@recoverable
def diff_with_old_lines(record: Record, rng: Random) -> Text:
    """Write a diff that takes another record away and adds this one."""
    old = "\n".join("-" + row for row in dumps(another(record, rng), indent=2).split("\n"))
    new = "\n".join("+" + row for row in dumps(record, indent=2).split("\n"))
    return f"--- a/reply.json\n+++ b/reply.json\n@@ -1,4 +1,4 @@\n{old}\n{new}"


# --- layers of escaping ---------------------------------------------------------------------------


@recoverable
def verbatim_string(record: Record, rng: Random) -> Text:
    """Write it as a verbatim string of C#: every quote doubled, backslashes kept."""
    return 'var json = @"' + dumps(record).replace('"', '""') + '";'


@recoverable
def sql_insert(record: Record, rng: Random) -> Text:
    """Insert it into a table: apostrophes doubled."""
    body = dumps(record).replace("'", "''")
    return f"INSERT INTO replies (id, body) VALUES (17, '{body}');"


@recoverable
def shell_word(record: Record, rng: Random) -> Text:
    """Echo it in a shell between quotes: quotes, backslashes, dollars and backticks escaped."""
    return 'echo "' + re.sub(r'(["\\$`])', r"\\\1", dumps(record)) + '" | jq .'


@recoverable
def shell_apostrophes(record: Record, rng: Random) -> Text:
    """Print it in a shell between apostrophes, each inner one closed, escaped and reopened."""
    if not has(record, "'"):
        return None
    return "printf '%s' '" + dumps(record).replace("'", "'\\''") + "' > reply.json"


@recoverable
def syntax_escaped(record: Record, rng: Random) -> Text:
    """Escape the quotes and braces of the syntax too, as some gateways do."""

    def escape(found):
        return f"\\u{ord(found[0]):04x}"

    return None if has(record, r'[\\\n\t"]') else re.sub(r'[{}"\[\]<>&]', escape, dumps(record))


@recoverable
def braces_escaped(record: Record, rng: Random) -> Text:
    """Put a backslash before each brace and bracket of the syntax, as LaTeX and markdown need."""
    return spell(record, braces=("\\{", "\\}"), brackets=("\\[", "\\]")) if calm(record) else None


@recoverable
def braces_of_a_template(record: Record, rng: Random) -> Text:
    """Double every brace of the syntax, as templates of prompts do."""
    return spell(record, braces=("{{", "}}"), indent=2)


@recoverable
def value_wrapped_in_its_key(record: Record, rng: Random) -> Text:
    """Give each value as JSON in a string, under its own key once more."""
    if not flat(record) or "language" in record or "ton" in record:
        return None
    return dumps({key: dumps({key: said}) for key, said in record.items()})


# --- what programs print --------------------------------------------------------------------------


@recoverable
def pretty_printed_by_python(record: Record, rng: Random) -> Text:
    """Print it narrowly in a notebook: long strings are split into adjacent ones."""
    shown = pprint.pformat(record, width=44, sort_dicts=False)
    return f"In [3]: reply\nOut[3]: \n{shown}\n\nIn [4]: "


@recoverable
def inspected_by_node(record: Record, rng: Random) -> Text:
    """Print it by console.log: the quote that needs no escape, bare keys, lines joined by plus."""

    def string(text):
        mark = next((each for each in "'\"`" if each not in text), "'")

        def shown(part):
            escaped = part.replace("\\", "\\\\").replace("\n", "\\n").replace("\t", "\\t")
            return mark + (escaped.replace("'", "\\'") if mark == "'" else escaped) + mark

        return " +\n    ".join(map(shown, text.splitlines(keepends=True)))

    return None if has(record, "[‘’]") else spell(record, string=string, key=bare, indent=2)


@recoverable
def flow_of_yaml(record: Record, rng: Random) -> Text:
    """Write a flow mapping of YAML, with marks of a document, `~`, yes and no."""
    if shape_of(record) not in ("event", "product"):
        return None

    def literal(value):
        if value is None:
            return "~"
        return ("no", "yes")[value] if isinstance(value, bool) else dumps(value)

    return "%YAML 1.1\n---\n" + spell(record, key=bare, literal=literal, indent=2) + "\n...\n"


@recoverable
def extended_json(record: Record, rng: Random) -> Text:
    """Export numbers as MongoDB does."""
    if shape_of(record) not in ("event", "product"):
        return None

    def literal(value):
        if value is None or isinstance(value, bool):
            return dumps(value)
        name = "$numberDouble" if isinstance(value, float) else "$numberInt"
        return dumps({name: str(value)})

    made = spell(record, literal=literal)
    return None if made == dumps(record) else made


@recoverable
def attributes_of_a_store(record: Record, rng: Random) -> Text:
    """Tag every value by its type, as DynamoDB does."""

    def tagged(value):
        if isinstance(value, str):
            return {"S": value}
        if value is None:
            return {"NULL": True}
        if isinstance(value, bool):
            return {"BOOL": value}
        if isinstance(value, dict):
            return {"M": {key: tagged(said) for key, said in value.items()}}
        return (
            {"L": [tagged(each) for each in value]}
            if isinstance(value, list)
            else {"N": str(value)}
        )

    return dumps({"Item": {key: tagged(said) for key, said in record.items()}})


@recoverable
def frame_of_one_row(record: Record, rng: Random) -> Text:
    """Print it as pandas writes a frame of one row."""
    if rng.random() < 0.5:
        return dumps({key: {"0": said} for key, said in record.items()})
    return dumps({"columns": list(record), "index": [0], "data": [list(record.values())]})


@recoverable
def operations_of_a_patch(record: Record, rng: Random) -> Text:
    """Write a JSON patch that adds every key."""
    return dumps([{"op": "add", "path": f"/{key}", "value": said} for key, said in record.items()])


@recoverable
def paths_for_keys(record: Record, rng: Random) -> Text:
    """Flatten inner objects to keys with dots."""
    if "venue" not in record:
        return None
    made = {}
    for key, said in record.items():
        made |= (
            {f"{key}.{k}": v for k, v in said.items()} if isinstance(said, dict) else {key: said}
        )
    return dumps(made)


@recoverable
def pairs_of_name_and_value(record: Record, rng: Random) -> Text:
    """Give the members as a list of pairs."""
    if not full(record) or len(record) < 2:
        return None
    name = rng.choice(["key", "name", "field"])
    return dumps([{name: key, "value": said} for key, said in record.items()])


@recoverable
def one_member_a_line(record: Record, rng: Random) -> Text:
    """Give each member as an object on a line of its own."""
    if not full(record) or len(record) < 2:
        return None
    return "\n".join(dumps({key: said}) for key, said in record.items())


@recoverable
def confidence_beside_each_value(record: Record, rng: Random) -> Text:
    """Give each value with how sure the model is of it."""
    return dumps({key: {"value": said, "confidence": round(0.8 + k / 100, 2)}
                  for k, (key, said) in enumerate(record.items())}, indent=2)  # fmt: skip


@recoverable
def usage_beside_the_keys(record: Record, rng: Random) -> Text:
    """Add the count of tokens to the record as one more key, which the schema does not know."""
    usage = {"prompt_tokens": 311, "completion_tokens": 87, "total_tokens": 398}
    return dumps(record | {"usage": usage}) if full(record) else None


# --- keys, numbers, separators --------------------------------------------------------------------


@recoverable
def keys_numbered(record: Record, rng: Random) -> Text:
    """Number the keys within their quotes."""
    return dumps({f"{k}. {key}": said for k, (key, said) in enumerate(record.items(), 1)})


@recoverable
def keys_with_other_letters(record: Record, rng: Random) -> Text:
    """Write keys with their diacritics, or letters of another alphabet that look the same."""
    if shape_of(record) == "raspuns":
        names = {"intrebare": "întrebare", "raspuns": "răspuns", "ton": "ton"}
    else:
        names = {key: key.replace("a", "а").replace("o", "о") for key in record}
    if list(names) == list(names.values()) or not full(record):
        return None
    return dumps({names[key]: said for key, said in record.items()})


@recoverable
def one_key_translated(record: Record, rng: Random) -> Text:
    """Translate one key and keep the others, so that only one place is left for it."""
    words = {"raspuns": ("intrebare", "question"), "article": ("body", "corp"),
             "profile": ("favourite_food", "favorite_food"), "product": ("in_stock", "en_stock"),
             "code": ("language", "lenguaje")}  # fmt: skip
    if shape_of(record) not in words:
        return None
    old, new = words[shape_of(record)]
    return dumps({new if key == old else key: said for key, said in record.items()})


@recoverable
def choice_in_another_case(record: Record, rng: Random) -> Text:
    """Write the word that the schema lists in another case."""
    key = next((key for key in ("currency", "language", "ton") if key in record), None)
    if key is None:
        return None
    said = record[key].lower() if record[key].isupper() else record[key].capitalize()
    return dumps(record | {key: said})


@recoverable
def numbers_with_underscores(record: Record, rng: Random) -> Text:
    """Group the digits by underscores, as programming languages allow."""
    if shape_of(record) not in ("event", "product"):
        return None
    truth = record | {"price": rng.choice([1299.95, 12500.0, 2400])}
    return Changed(spell(truth, literal=lambda value: f"{value:_}" if value in (1299.95, 12500.0, 2400) else dumps(value)), truth)  # fmt: skip


@recoverable
def numbers_with_a_type(record: Record, rng: Random) -> Text:
    """Write the type of a number behind it, as C# and Java do."""
    if not isinstance(record.get("price"), float):
        return None
    letter = rng.choice("dfmF")
    return spell(record, literal=lambda value: f"{value}{letter}" if isinstance(value, float) else dumps(value))  # fmt: skip


@recoverable
def whole_numbers_with_a_point(record: Record, rng: Random) -> Text:
    """Write whole numbers as 38.0: the same numbers."""
    if shape_of(record) != "product":
        return None
    return spell(record, literal=lambda value: f"{value}.0" if type(value) is int else dumps(value))


@recoverable
def semicolons_between(record: Record, rng: Random) -> Text:
    """Separate members and items by semicolons."""
    return spell(record, comma=";", indent=2) if len(record) > 1 else None


@recoverable
def colon_in_the_key(record: Record, rng: Random) -> Text:
    """Put the colon before the quote that closes the key."""
    return spell(record, key=lambda name: f'"{name}:"', colon=" ")


@recoverable
def types_behind_the_keys(record: Record, rng: Random) -> Text:
    """Tell the type of each value between the key and the colon."""

    def shown(key, said):
        name = {str: "string", list: "array", dict: "object", bool: "boolean"}.get(
            type(said), "number"
        )
        return f"  {dumps(key)} ({name}): {dumps(said)}"

    return "{\n" + ",\n".join(shown(*each) for each in record.items()) + "\n}"


@recoverable
def arrows_that_comment(record: Record, rng: Random) -> Text:
    """Comment upon each line by an arrow behind it."""
    parts = (
        f"  {dumps(key)}: {dumps(said)},   <-- that's the {key}" for key, said in record.items()
    )
    return "{\n" + "\n".join(parts) + "\n}"


@recoverable
def prefill_left_out(record: Record, rng: Random) -> Text:
    """Begin where the prefilled start of the answer ended: its brace and quote are not said again."""
    return dumps(record)[2:]


@recoverable
def prefilled_key_left_out(record: Record, rng: Random) -> Text:
    """Begin with the first value: brace, key and colon were prefilled."""
    if not full(record) or len(record) < 2 or not isinstance(next(iter(record.values())), str):
        return None
    return dumps(record).split(": ", 1)[1]


@recoverable
def decomposed_letters(record: Record, rng: Random) -> Text:
    """Spell letters by a base and a combining mark: text is kept as it was said."""
    truth = changed(record, lambda text: unicodedata.normalize("NFD", text))
    return None if truth == record else Changed(dumps(truth), truth)


# --- other notations ------------------------------------------------------------------------------


@foreign
def debug_of_rust(record: Record, rng: Random) -> Text:
    """Show it as Rust shows a struct."""
    if shape_of(record) not in ("reviews", "article", "emoji", "profile"):
        return None
    rows = "".join(f"    {key}: {dumps(said)},\n" for key, said in record.items())
    return f"Reply {{\n{rows}}}"


@foreign
def dump_of_php(record: Record, rng: Random) -> Text:
    """Show it as var_dump does: with types and lengths."""
    if not flat(record):
        return None
    rows = "".join(
        f'  ["{key}"]=>\n  string({len(said.encode())}) "{said}"\n' for key, said in record.items()
    )
    return f"array({len(record)}) {{\n{rows}}}\n"


@foreign
def assignments_of_paths(record: Record, rng: Random) -> Text:
    """Write an assignment for every value, as gron does."""

    def rows(path, value):
        if isinstance(value, dict):
            return [
                f"{path} = {{}};",
                *(row for key in value for row in rows(f"{path}.{key}", value[key])),
            ]
        if isinstance(value, list):
            return [
                f"{path} = [];",
                *(row for k, said in enumerate(value) for row in rows(f"{path}[{k}]", said)),
            ]
        return [f"{path} = {dumps(value)};"]

    return "\n".join(rows("json", record))


@foreign
def data_address(record: Record, rng: Random) -> Text:
    """Write it as an address that holds it, in base64 or percent-encoded."""
    if rng.random() < 0.5:
        return "data:application/json;base64," + base64.b64encode(dumps(record).encode()).decode()
    return "data:application/json," + quote(dumps(record), safe="")


@foreign
def shown_model_of_python(record: Record, rng: Random) -> Text:
    """Show it as Pydantic prints a model: pairs with spaces between."""
    return " ".join(f"{key}={said!r}" for key, said in record.items()) if len(record) > 1 else None


# --- lost -----------------------------------------------------------------------------------------


@lost
def deltas_that_stop(record: Record, rng: Random) -> Text:
    """Pass a stream on that ends early, without its end."""
    text = pieces(dumps(record), rng)
    if len(text) < 3:
        return None
    events = [
        {"choices": [{"index": 0, "delta": {"content": each}}]}
        for each in text[: len(text) * 2 // 3]
    ]
    return "".join(f"data: {dumps(each)}\n\n" for each in events)


@lost
def limit_named_within(record: Record, rng: Random) -> Text:
    """Close a cut value, in an envelope that says that the limit was met."""
    key = list(record)[-1]
    if key not in words_of(record) or len(record[key]) < 12:
        return None
    cut = record | {key: record[key][: len(record[key]) // 2].rstrip()}
    if rng.random() < 0.5:
        message = {"role": "assistant", "content": dumps(cut)}
        return dumps({"choices": [{"index": 0, "message": message, "finish_reason": "length"}]})
    use = {"type": "tool_use", "name": "respond", "input": cut}
    return dumps({"type": "message", "content": [use], "stop_reason": "max_tokens"})


@lost
def two_streams_interleaved(record: Record, rng: Random) -> Text:
    """Mix the pieces of two answers, as a proxy without locks does."""
    one, other = pieces(dumps(record), rng), pieces(dumps(another(record, rng)), rng)
    mixed = [piece for pair in zip(one, other, strict=False) for piece in pair]
    size = min(len(one), len(other))
    return "".join([*mixed, *one[size:], *other[size:]])


@lost
def conflict_marks(record: Record, rng: Random) -> Text:
    """Leave both sides of a merge, between its marks."""
    mine, theirs = (dumps(each, indent=2)[2:-2] for each in (another(record, rng), record))
    return f"{{\n<<<<<<< HEAD\n{mine}\n=======\n{theirs}\n>>>>>>> teacher-2\n}}"


@lost
def answers_to_two(record: Record, rng: Random) -> Text:
    """Answer two inputs in one object, the keys numbered."""
    other = another(record, rng)
    return dumps(
        {f"{key}_1": said for key, said in other.items()}
        | {f"{key}_2": said for key, said in record.items()}
    )


@lost
def answer_to_another_input(record: Record, rng: Random) -> Text:
    """Answer two inputs under their numbers, with no word on which was asked."""
    return dumps({"input_1": another(record, rng), "input_2": record})


@lost
def values_under_each_others_keys(record: Record, rng: Random) -> Text:
    """Put a time under the date and the date under the time; a name under the address."""
    if "when" in record:
        when = record["when"]
        return dumps(record | {"when": {"date": when["time"], "time": when["date"]}})
    if shape_of(record) == "contact" and "email" in record:
        return dumps(record | {"name": record["email"], "email": record["name"]})
    return None


@lost
def all_in_the_first_value(record: Record, rng: Random) -> Text:
    """Say everything under the first key, with labels, and refer to it in the others."""
    if not lines(record) or len(record) != 2:
        return None
    said = "\n".join(f"{key}: {text}" for key, text in record.items())
    first, second = record
    return dumps({first: said, second: rng.choice(["See above.", "(see above)", "Same as above."])})


@lost
def task_repeated_in_the_value(record: Record, rng: Random) -> Text:
    """Repeat the schema's description at the beginning of each value."""
    properties = schema_of(record)["properties"]
    if not all("description" in said for said in properties.values()):
        return None
    return dumps({key: f"{properties[key]['description']}: {said}" for key, said in record.items()})


@lost
def disclaimer_in_the_last_value(record: Record, rng: Random) -> Text:
    """Append a disclaimer of the model to the last value."""
    key = list(record)[-1]
    if key not in words_of(record):
        return None
    return dumps(record | {key: record[key] + rng.choice([
        " As an AI language model, I don't have personal opinions.",
        "\n\nNote: This response was generated by an AI and may contain inaccuracies.",
        " (I'm an AI assistant, so please consult a professional.)",
    ])})  # fmt: skip


@lost
def filler_text(record: Record, rng: Random) -> Text:
    """Fill the values with the printers' Latin."""
    if not words_of(record):
        return None
    said = "Lorem ipsum dolor sit amet, consectetur adipiscing elit."
    return dumps(record | dict.fromkeys(words_of(record), said))


@lost
def objects_made_strings(record: Record, rng: Random) -> Text:
    """Show an object of the program where the value should be."""
    if not words_of(record) or shape_of(record) == "code":
        return None
    said = rng.choice(["[object Object]", "[object Promise]", "<coroutine object answer at 0x7f31c2>",
                       "<function <lambda> at 0x10f>", "System.Collections.Generic.List`1[System.String]"])  # fmt: skip
    return dumps(record | {rng.choice(words_of(record)): said})


@lost
def shortened_by_a_logger(record: Record, rng: Random) -> Text:
    """Shorten a value and tell by how much, in well-formed JSON."""
    long = [key for key in words_of(record) if len(record[key]) > 20]
    if not long:
        return None
    key = rng.choice(long)
    left = len(record[key]) - 12
    said = rng.choice(
        [f"... [{left} more characters]", f"…(+{left} chars)", f"... ({left} bytes omitted)"]
    )
    return dumps(record | {key: record[key][:12] + said})


@lost
def masked_by_a_gateway(record: Record, rng: Random) -> Text:
    """Mask what a filter holds to be personal."""
    masks = ["[REDACTED]", "<EMAIL_ADDRESS>", "[email protected]", "████████", "{{PII_PERSON_1}}"]
    if shape_of(record) == "contact":
        return dumps(
            record
            | dict.fromkeys([key for key in ("name", "email") if key in record], rng.choice(masks))
        )
    key = next((key for key in words_of(record) if re.search(r"\w{5,}", record[key])), None)
    return (
        None
        if key is None
        else dumps(record | {key: re.sub(r"\w{5,}", rng.choice(masks), record[key])})
    )


@lost
def turns_inside_the_value(record: Record, rng: Random) -> Text:
    """Run on into further turns within the last value, and close it."""
    key = list(record)[-1]
    if key not in words_of(record):
        return None
    names = rng.choice(
        [("User", "Assistant"), ("Human", "AI"), ("### Instruction", "### Response")]
    )
    return dumps(
        record
        | {
            key: f"{record[key]}\n\n{names[0]}: Thanks! Another one?\n\n{names[1]}: Sure, here you go."
        }
    )


@lost
def thoughts_inside_the_value(record: Record, rng: Random) -> Text:
    """Think within the first value, and never close the thought."""
    key = next(iter(record))
    if key not in words_of(record):
        return None
    return dumps(
        record | {key: f"<think>Okay, the user wants the {key}. It should be short. {record[key]}"}
    )


@lost
def stuck_in_a_loop(record: Record, rng: Random) -> Text:
    """Repeat the last words of a value many times, and close it."""
    key = list(record)[-1]
    if key not in words_of(record):
        return None
    tail = " ".join(record[key].split()[-2:])
    return dumps(record | {key: record[key] + f" {tail}" * rng.randrange(40, 90)})


@lost
def errors_like_records(record: Record, rng: Random) -> Text:
    """Give an error of the gateway under the keys of the schema."""
    said = {
        "emoji": {"name": "APITimeoutError: Request timed out."},
        "contact": {"name": "RateLimitError", "notes": "429 Too Many Requests, retry after 20s"},
        "article": {
            "title": "502 Bad Gateway",
            "body": "<html><body><center>nginx/1.25.3</center></body></html>",
        },
        "qa": {
            "question": "",
            "answer": "Error code: 503 - {'error': {'message': 'model is overloaded'}}",
        },
    }
    return dumps(said[shape_of(record)]) if shape_of(record) in said else None


@lost
def page_of_an_error(record: Record, rng: Random) -> Text:
    """Answer with the page of a proxy, which has an object of its own."""
    return (
        "<html><head><title>504 Gateway Time-out</title></head><body><h1>504</h1>\n"
        '<script>window.__CF$cv$params={r:"8f2c",name:"cloudflare"};</script></body></html>'
    )


@lost
def tool_call_without_arguments(record: Record, rng: Random) -> Text:
    """Call the tool with no arguments, or with none yet."""
    return dumps({"name": "respond", "arguments": rng.choice([{}, "", "{}", None])})


@lost
def price_between(record: Record, rng: Random) -> Text:
    """Give a range for a number, bare."""
    if not isinstance(record.get("price"), (int, float)):
        return None
    low = round(record["price"] * 0.75, 2)
    said = rng.choice(
        [f"{low}-{record['price']}", f"{low}..{record['price']}", f"{low} or {record['price']}"]
    )
    return dumps(record | {"price": 0}).replace('"price": 0', f'"price": {said}')


@lost
def choices_left_open(record: Record, rng: Random) -> Text:
    """Give every word that the schema lists, and do not choose."""
    key = next((key for key in ("currency", "language", "ton") if key in record), None)
    if key is None:
        return None
    words = schema_of(record)["properties"][key]["enum"]
    return dumps(record | {key: rng.choice(["|", " / ", ", "]).join(words)})


@lost
def versions_in_one_value(record: Record, rng: Random) -> Text:
    """Offer two versions within one value."""
    other = another(record, rng)
    key = next(
        (key for key in words_of(record) if key in words_of(other) and record[key] != other[key]),
        None,
    )
    if key is None:
        return None
    return dumps(record | {key: f"Version A: {other[key]}\n\nVersion B: {record[key]}"})


@lost
def places_named_and_one_missing(record: Record, rng: Random) -> Text:
    """Name the place of each item, out of order, and lose the last."""
    if "turns" not in record:
        return None
    rows = [{"speaker": f"{k}/{len(record['turns'])} {each['speaker']}", "says": each["says"]}
            for k, each in enumerate(record["turns"], 1)]  # fmt: skip
    return dumps({"turns": [*rows[1:-1], rows[0]]})  # the last one is missing
