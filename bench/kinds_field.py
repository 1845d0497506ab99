"""Kinds of malformed replies as they were reported in public: each names the report it comes from.

corpus.py says what a kind is and what `recoverable`, `foreign` and `lost` mean.
"""
# ruff: noqa: E501

import html
import re
from random import Random

from corpus import (
    Changed,
    Record,
    Text,
    another,
    bare,
    calm,
    dumps,
    flat,
    full,
    has,
    lost,
    plain,
    python,
    recoverable,
    schema_of,
    shape_of,
    single,
    spell,
    strings,
)


def fenced(text: str, label: str = "json") -> str:
    """Put it in a fence."""
    return f"```{label}\n{text}\n```"


def raw(text: str) -> str:
    """Spell a string with control characters and everything else but backslash and quote as it is."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def plus(record: Record, rng: Random, more: str) -> tuple[str, Record] | None:
    """Put more text behind one of the values that are free text; say which."""
    keys = [key for key, rule in schema_of(record)["properties"].items()
            if isinstance(record.get(key), str) and "enum" not in rule]  # fmt: skip
    if not keys:
        return None
    key = rng.choice(keys)
    return key, record | {key: record[key] + more}


def members(record: Record, bad: str, write: str, key_as: str | None = None) -> str:
    """Spell on one line, with one member's value written as told."""
    return "{" + ", ".join(
        f"{key_as if key == bad and key_as else dumps(key)}: {write if key == bad else dumps(said)}"
        for key, said in record.items()
    ) + "}"  # fmt: skip


# --- around the JSON ------------------------------------------------------------------------------


@recoverable
def chatty_fence_and_trailing_comma(record: Record, rng: Random) -> Text:
    """software-engineer-blog.com "Why your LLM keeps returning garbage JSON": three faults at once."""
    body = dumps(record, indent=2)[:-2] + ",\n}"
    return f"Sure! Here's the JSON you asked for:\n{fenced(body)}\nLet me know if you need anything else!"


@recoverable
def heres_a_json_object(record: Record, rng: Random) -> Text:
    """Skyvern-AI/skyvern#290: Claude 3 writes "Here's a JSON object : {...}" and text after."""
    return f"Here's a JSON object : {plain(record, rng)}\n\nThis object follows the format you described."


@recoverable
def note_on_a_field_after(record: Record, rng: Random) -> Text:
    """jsonparser.ai blog: "Note: the field `total` is in USD." after the closing brace."""
    return f"{plain(record, rng)}\n\nNote: the field `{next(iter(record))}` is written in full."


@recoverable
def fence_indented_in_prose(record: Record, rng: Random) -> Text:
    """josdejong/jsonrepair#147: prose and fence, all of it indented."""
    body = f"here is the json:\n{fenced(dumps(record, indent=4))}"
    return "\n" + "\n".join("    " + line for line in body.split("\n")) + "\n"


@recoverable
def action_between_hashes(record: Record, rng: Random) -> Text:
    """X-PLUG/MobileAgent#147: Gemini writes `### Action ```json {  ... } ``` ###` on one line."""
    body = spell(record, comma=", ", braces=("{  ", " }"))
    return f"### Action ```json {body} ``` ###"


@recoverable
def four_ticks_and_three(record: Record, rng: Random) -> Text:
    """mangiucugna/json_repair tests: four backticks open, three close, on one line."""
    return f"````{dumps(record)}```"


@recoverable
def closing_fence_alone(record: Record, rng: Random) -> Text:
    """mangiucugna/json_repair tests: only the closing fence is there."""
    return plain(record, rng) + "\n```"


@recoverable
def explanation_in_a_fence_first(record: Record, rng: Random) -> Text:
    """vectorize-io/hindsight#2542: a fenced explanation that is no JSON, then the JSON."""
    return f"```\nThe text names each key once, so the values follow.\n```\n\n{plain(record, rng)}"


@recoverable
def brace_too_many_in_a_fence(record: Record, rng: Random) -> Text:
    """josdejong/jsonrepair#196: a leftover } before the closing fence."""
    return fenced(dumps(record, indent=2) + "\n}")


@recoverable
def longer_fence(record: Record, rng: Random) -> Text:
    """guardrails-ai/guardrails#1549: a fence of four, since the value itself shows a fence."""
    made = plus(record, rng, " Use ``` when showing markdown fences.")
    if made is None:
        return None
    return Changed(f"````json\n{dumps(made[1])}\n````", made[1])


@recoverable
def fence_named_in_a_value(record: Record, rng: Random) -> Text:
    """vectorize-io/hindsight#2563, langchain-ai/langchain#8528: ```json inside a fenced value."""
    made = plus(record, rng, " It uses ```json fences.")
    return made and Changed(fenced(plain(made[1], rng)), made[1])


@recoverable
def code_block_in_a_value(record: Record, rng: Random) -> Text:
    """BoundaryML/baml#1255, langchain#8357: a whole markdown code block, with braces, in a value."""
    made = plus(record, rng, '\n\n```js\nif (a) { run("b"); }\n```')
    return made and Changed(fenced(plain(made[1], rng)), made[1])


@recoverable
def ticks_in_the_prose(record: Record, rng: Random) -> Text:
    """langgenius/dify#41958: inline code in the sentence before."""
    return f"Here is `the` result: {plain(record, rng)}"


@recoverable
def mark_of_byte_order(record: Record, rng: Random) -> Text:
    """Deepwiki andreseduardop/qsp 5.4: a BOM, which some models put first; in a fence or not."""
    return "\ufeff" + rng.choice([plain(record, rng), fenced(plain(record, rng))])


@recoverable
def thoughts_then_fence(record: Record, rng: Random) -> Text:
    """langchain-ai/local-deep-researcher#88: DeepSeek R1 thinks in tags, then answers in a fence."""
    return f"<think>\nOkay, the user wants a JSON object. Let me fill in each key.\n</think>\n\n{fenced(plain(record, rng))}"


@recoverable
def end_of_thoughts_alone(record: Record, rng: Random) -> Text:
    """langgenius/dify#17660: only </think> is there."""
    return f"Okay, so I need to produce the object with its keys. That should do.\n</think>\n\n{plain(record, rng)}"


@recoverable
def empty_thoughts(record: Record, rng: Random) -> Text:
    """agent0ai/agent-zero#679, xorbitsai/inference#3470: Qwen3 with /no_think, an empty pair of tags first."""
    return f"<think>\n\n</think>\n\n{plain(record, rng)}"


@recoverable
def analysis_and_final_without_marks(record: Record, rng: Random) -> Text:
    """Augustas11/macprovider#743: gpt-oss, its channels run together: analysis…assistantfinal…."""
    return f"analysisWe need to output only the JSON object. And nothing else.assistantfinal{plain(record, rng)}"


@recoverable
def commentary_channel(record: Record, rng: Random) -> Text:
    """NVIDIA/TensorRT-LLM#9256: <|channel|>commentary<|message|>{…}<|end|>."""
    return f"<|channel|>commentary<|message|>{dumps(record, indent=2)}<|end|>"


@recoverable
def harmony_in_full(record: Record, rng: Random) -> Text:
    """kekzl/imp#768: the raw markup of both channels leaks."""
    return ("<|channel|>analysis<|message|>Fill in the keys.<|end|><|start|>assistant"
            f"<|channel|>final<|message|>{plain(record, rng)}<|return|>")  # fmt: skip


@recoverable
def reasoning_line_first(record: Record, rng: Random) -> Text:
    """promptfoo#5283 (after tuirk/Kompl#7): GPT-5 mini, "Reasoning: []" before the JSON."""
    return f"Reasoning: []\n\n{plain(record, rng)}"


@recoverable
def analysed_then_fence(record: Record, rng: Random) -> Text:
    """Nayjest/Gito#244: "Looking at the diff, I need to analyze the change carefully." and a fence."""
    return f"Looking at the text, I need to analyze it carefully.\n\nThe keys are clear, so nothing is left open.\n\n{fenced(plain(record, rng))}"


@recoverable
def content_tags(record: Record, rng: Random) -> Text:
    """FoundationAgents/MetaGPT#733: [CONTENT] … [/CONTENT]."""
    return f"[CONTENT]\n{dumps(record, indent=4)}\n[/CONTENT]"


@recoverable
def fragment_of_its_end_again(record: Record, rng: Random) -> Text:
    r"""MemberJunction/MJ#3065: Gemini 3.1 Pro, a duplicated closing `."\\n}` after the object."""
    return f'{dumps(record, indent=2)}."\n}}'


@recoverable
def key_named_after(record: Record, rng: Random) -> Text:
    """mangiucugna/json_repair#94: the key, without a value, on a line after the object."""
    return f"{plain(record, rng)}\n{next(iter(record))}:"


@recoverable
def endless_whitespace_after(record: Record, rng: Random) -> Text:
    """ollama/ollama#2577, #4446: white space after the object, up to the limit."""
    return dumps(record, indent=2) + "".join(
        rng.choices(["\n", " \n", "  ", "\t\t\n"], k=200)
    ), "length"


@recoverable
def same_fence_twice(record: Record, rng: Random) -> Text:
    """ConardLi/easy-dataset#507: two fences with the same value."""
    body = fenced(plain(record, rng))
    return f"{body}\n\n{body}"


@recoverable
def same_object_twice(record: Record, rng: Random) -> Text:
    """Usagi-org/ai-goofish-monitor#396: the same object, said again right after."""
    return f"{dumps(record)}\n{dumps(record)}"


@recoverable
def repeated_up_to_the_limit(record: Record, rng: Random) -> Text:
    """vllm-project/vllm#54881: the object is repeated until the limit cuts it."""
    body = dumps(record)
    return "\n".join([body] * 4) + "\n" + body[: len(body) // 2], "length"


# --- quotes ---------------------------------------------------------------------------------------


@recoverable
def quotes_bare_inside(record: Record, rng: Random) -> Text:
    """mozilla/kitsune#6749, agno-agi/agno#2128, json_repair#49: quotes inside a value, before a comma too, unescaped."""
    if not calm(record) or not has(record, '"') or has(record, r'\A"|\n'):
        return None
    return spell(record, string=lambda text: f'"{text}"', indent=rng.choice([None, 2]))


@recoverable
def attributes_bare(record: Record, rng: Random) -> Text:
    """mangiucugna/json_repair#26: HTML with its attributes' quotes unescaped."""
    if not calm(record) or has(record, '["\n]'):
        return None
    made = plus(record, rng, "")
    if made is None:
        return None
    key, truth = made[0], record | {made[0]: f'<h3 id="title">{record[made[0]]}</h3>'}
    return Changed(members(truth, key, f'"{truth[key]}"'), truth)


@recoverable
def link_with_bare_quotes(record: Record, rng: Random) -> Text:
    """mangiucugna/json_repair tests: "[LINK]("https://google.com")"."""
    if not calm(record) or has(record, '["\n]'):
        return None
    made = plus(record, rng, ' See [LINK]("https://example.org/more").')
    return made and Changed(members(made[1], made[0], f'"{made[1][made[0]]}"'), made[1])


@recoverable
def opening_quote_forgotten(record: Record, rng: Random) -> Text:
    """mangiucugna/json_repair#53: `"Description": The conversation focused, unlike Jim.",`."""
    if not calm(record) or has(record, '["\n]'):
        return None
    made = plus(record, rng, "")
    if made is None or not made[1][made[0]][0].isalpha():
        return None
    return members(record, made[0], record[made[0]] + '"')


@recoverable
def closing_quote_forgotten(record: Record, rng: Random) -> Text:
    """mangiucugna/json_repair tests: `"city": "New York, "gender": "male"`."""
    if not flat(record) or len(record) < 2 or not calm(record) or has(record, '["\n]'):
        return None
    bad = rng.choice(list(record)[:-1])
    return members(record, bad, '"' + record[bad])


@recoverable
def last_quote_forgotten(record: Record, rng: Random) -> Text:
    """mangiucugna/json_repair tests: `{"lorem_ipsum": "sic tamet, quick brown fox. }`."""
    if not flat(record) or not full(record) or not calm(record) or has(record, '["\n]'):
        return None
    return dumps(record)[:-2] + " }"


@recoverable
def quote_of_a_key_forgotten(record: Record, rng: Random) -> Text:
    """mangiucugna/json_repair tests: `{"key:"value"}`."""
    bad = rng.choice(list(record))
    return members(record, bad, dumps(record[bad]), f'"{bad}').replace(f'"{bad}: ', f'"{bad}:', 1)


@recoverable
def quotes_doubled_everywhere(record: Record, rng: Random) -> Text:
    """mangiucugna/json_repair tests: `{""answer"":[{""traits"":""Female aged 60+""…`."""
    return None if has(record, r'["\\\n]') else dumps(record).replace('"', '""')


@recoverable
def curly_at_the_end_only(record: Record, rng: Random) -> Text:
    """Qarj/fix-busted-json#5: Llama 3 and Mixtral, the opening quote straight, the closing one curly."""
    if has(record, '[“”"„\n]') or not calm(record):
        return None
    made = plus(record, rng, "")
    return made and members(record, made[0], f'"{record[made[0]]}”')


@recoverable
def curly_structure(record: Record, rng: Random) -> Text:
    """Graphify-Labs/graphify#2286: {“nodes”:[{“id”:“…”,”file_type”:”…”, quotes of all strings curly."""
    if has(record, '[“”"„\n\\\\]'):
        return None

    def curly(text: str) -> str:
        return rng.choice(["“", "“", "”"]) + text + "”"

    return spell(record, string=curly, key=curly, colon=":")


@recoverable
def apostrophes_for_quotes(record: Record, rng: Random) -> Text:
    """edreisMD/plugnplai#57, dottxt-ai/outlines#677: single quotes, otherwise JSON."""
    return spell(record, string=single, key=single, indent=rng.choice([None, 2]))


@recoverable
def quotes_of_both_kinds(record: Record, rng: Random) -> Text:
    """mangiucugna/json_repair#10: small models, single quotes and not consistent with it."""
    return spell(record, string=lambda text: rng.choice([single, dumps])(text),
                 key=lambda text: rng.choice([single, dumps])(text))  # fmt: skip


@recoverable
def osullivan(record: Record, rng: Random) -> Text:
    """mangiucugna/json_repair#56: {'name': 'Jack O'Sullivan', 'id': '5'}."""
    if not calm(record) or not has(record, "'") or has(record, "(?<!\\w)'|'(?!\\w)|[\"\n]"):
        return None
    return spell(record, string=lambda text: f"'{text}'", key=single)


@recoverable
def keys_bare_values_single(record: Record, rng: Random) -> Text:
    """Qarj/fix-busted-json#5: { name: 'John' }."""
    return spell(record, string=single, key=bare)


@recoverable
def keys_bare(record: Record, rng: Random) -> Text:
    """tinyhumansai/tinyagents#68: {tool:"X",arguments:{guild_id:"Y"}}."""
    return spell(record, key=bare, colon=":", indent=rng.choice([None, 2]))


@recoverable
def value_bare(record: Record, rng: Random) -> Text:
    """mangiucugna/json_repair tests, langchain#23297: `"city": New York}`."""
    keys = [key for key, said in record.items()
            if isinstance(said, str) and re.fullmatch(r"(?!none|null|true|false)[^\W\d][\w -]*", said)]  # fmt: skip
    if not keys:
        return None
    bad = rng.choice(keys)
    return members(record, bad, record[bad])


@recoverable
def token_for_a_quote(record: Record, rng: Random) -> Text:
    """tinyhumansai/tinyagents#68: Kimi through GMI, [<|">discord<|">] in place of ["discord"]."""
    if has(record, r'["\\\n]'):
        return None
    return spell(record, string=lambda text: f'<|">{text}<|">', key=bare, colon=":")


@recoverable
def number_and_a_quote(record: Record, rng: Random) -> Text:
    """mangiucugna/json_repair tests: `"numbers": 12345", "words2"`."""
    keys = [key for key, said in record.items() if type(said) in (int, float)]
    return members(record, keys[0], f'{dumps(record[keys[0]])}"') if keys else None


@recoverable
def three_quotes_around(record: Record, rng: Random) -> Text:
    '''ferrislucas/promptr#49: a text of several lines between """.'''
    if not has(record, "\n") or has(record, r'"\Z|\A"|\\'):
        return None
    return spell(
        record, string=lambda text: f'"""{text}"""' if "\n" in text else dumps(text), indent=2
    )


@recoverable
def german_quotes_closed_straight(record: Record, rng: Random) -> Text:
    """anthropics/claude-code#55886: „Kostenlos teilnehmen" within a value, the closing quote bare ASCII."""
    if not calm(record) or has(record, '["\n„“”]'):
        return None
    made = plus(record, rng, ' Primary CTA „Kostenlos teilnehmen" auf Stage')
    return made and Changed(members(made[1], made[0], f'"{made[1][made[0]]}"'), made[1])


# --- escapes and characters -----------------------------------------------------------------------


@recoverable
def line_breaks_raw(record: Record, rng: Random) -> Text:
    """livekit/agents#4196, rhesis-ai/rhesis#2488: literal line breaks and tabs in values."""
    return (
        spell(record, string=raw, indent=rng.choice([None, 2])) if has(record, "[\n\t]") else None
    )


@recoverable
def line_breaks_raw_at_the_edges(record: Record, rng: Random) -> Text:
    r"""567-labs/instructor#32: GPT-4, `"codeFile": "\\nbody {…}\\n"` with raw line breaks at its edges."""
    if not flat(record):
        return None
    longest = max(record, key=lambda key: len(record[key]))
    if "enum" in schema_of(record)["properties"][longest]:
        return None
    return "{\n" + ",\n".join(
        f"{dumps(key)}: {raw(chr(10) + said + chr(10)) if key == longest else dumps(said)}"
        for key, said in record.items()
    ) + "\n}"  # fmt: skip


@recoverable
def apostrophe_with_a_backslash(record: Record, rng: Random) -> Text:
    r"""mangiucugna/json_repair tests: `{"key": "valu\'e"}`."""
    return (
        dumps(record).replace("'", "\\'") if has(record, "'") and not has(record, r"\\") else None
    )


@recoverable
def underscores_with_a_backslash(record: Record, rng: Random) -> Text:
    r"""mangiucugna/json_repair#19, OpenDevin#495: the key `new_monologue` becomes `new\_monologue`."""
    if not any("_" in key for key in record):
        return None
    return spell(record, key=lambda key: dumps(key).replace("_", "\\_"))


@recoverable
def formula_with_bare_backslashes(record: Record, rng: Random) -> Text:
    r"""marcusgreen/moodle-qtype_aitext#53, json_repair#74: \(K_\alpha\), \sigma, \mathrm{F}."""
    formula = rng.choice([r" \(K_\alpha\)", r" $\sigma^2$", r" $$\mathrm{F}_1$$"])
    made = plus(record, rng, formula)
    if made is None or has(record, r"\\"):
        return None
    return Changed(dumps(made[1]).replace("\\\\", "\\"), made[1])


@recoverable
def formula_that_decodes(record: Record, rng: Random) -> Text:
    r"""HKUDS/LightRAG#3238: "\frac" and "\beta" decode to a form feed or a backspace; nobody means those."""
    made = plus(record, rng, rng.choice([r" $\frac{1}{2}$", r" $\beta = 2$"]))
    if made is None or has(record, r"\\"):
        return None
    return Changed(dumps(made[1]).replace("\\\\", "\\"), made[1])


@lost
def letters_made_null(record: Record, rng: Random) -> Text:
    r"""openai/openai-go#664: GPT-4.1, \u0000 where ü, ñ and the like should be."""
    if not has(record, "[À-ž]"):
        return None
    return re.sub("[À-ž]", lambda _: "\\u0000", dumps(record))


@recoverable
def entities_for_quotes(record: Record, rng: Random) -> Text:
    """cline/cline#2594: Gemini escapes for HTML; the quotes of the JSON, too."""
    return html.escape(plain(record, rng))


# --- commas, braces, brackets ---------------------------------------------------------------------


@recoverable
def commas_before_every_end(record: Record, rng: Random) -> Text:
    """ducroo/SICTIC-AI#37, mem0ai/mem0#4662: commas before } and ]."""
    return spell(record, braces=("{", ",}"), brackets=("[", ",]"), comma=",")


@recoverable
def comma_forgotten_once(record: Record, rng: Random) -> Text:
    """mangiucugna/json_repair tests: `"reason": "According...""ans": "YES"`, nothing in between."""
    keys = list(record)
    if len(keys) < 2:
        return None
    if not isinstance(record[keys[0]], str):
        return None
    parts = [f"{dumps(key)}: {dumps(said)}" for key, said in record.items()]
    return "{" + parts[0] + ", ".join(parts[1:]) + "}"


@recoverable
def comma_forgotten_at_a_line_end(record: Record, rng: Random) -> Text:
    """MetaGPT#733 and others (Expecting ',' delimiter): one line lacks its comma."""
    parts = [f"  {dumps(key)}: {dumps(said)}" for key, said in record.items()]
    if len(parts) < 2:
        return None
    ends = [",\n"] * (len(parts) - 1)
    ends[rng.randrange(len(ends))] = "\n"
    return "{\n" + "".join(part + end for part, end in zip(parts, [*ends, "\n"], strict=True)) + "}"


@recoverable
def last_brace_forgotten(record: Record, rng: Random) -> Text:
    """Qarj/fix-busted-json#5, QwenLM/qwen-code#518: Llama 3 70B leaves the last } out."""
    if not full(record) or type(list(record.values())[-1]) in (int, float):
        return None
    return plain(record, rng)[:-1]


@recoverable
def one_brace_too_many(record: Record, rng: Random) -> Text:
    """yigit353/langchain-qwq#30, chatfire-AI/huobao-drama#38: an extra closing brace."""
    return plain(record, rng) + rng.choice(["}", "\n}", "}}"])


@recoverable
def braces_escalating(record: Record, rng: Random) -> Text:
    """tinyhumansai/tinyagents#68: {{…}}, {{{…}}}, as the model retries."""
    times = rng.choice([1, 2, 3])
    return "{" * times + dumps(record) + "}" * times


@recoverable
def first_brace_forgotten(record: Record, rng: Random) -> Text:
    """noamgat/lm-format-enforcer#92: `"airports":["A", "B"],"cost_of_flight":1250}`."""
    return dumps(record)[1:]


@recoverable
def prefilled_brace_not_given_back(record: Record, rng: Random) -> Text:
    """SmythOS/sre#37, sgl-project/sglang#1490: the brace was prefilled, the reply goes on after it."""
    return dumps(record, indent=2)[1:]


@recoverable
def closers_in_the_wrong_order(record: Record, rng: Random) -> Text:
    """mangiucugna/json_repair#173: `"bbb":[{"date":"…"}}]`, the ends of object and array swapped."""
    text = dumps(record)
    return text[:-2] + "}]" if text.endswith("]}") else None


@recoverable
def item_left_open(record: Record, rng: Random) -> Text:
    """FANATFANATA/DanyAPI#3: DeepSeek, `}]}` where `}}]}` is due: the last object in the array stays open."""
    text = dumps(record)
    return text[:-3] + "]}" if text.endswith("}]}") else None


@recoverable
def inner_object_left_open(record: Record, rng: Random) -> Text:
    """deepseek-ai/DeepSeek-V3#1256: braces that do not match in nested arguments."""
    if shape_of(record) != "event":
        return None
    return dumps(record).replace('}, "venue"', ', "venue"')


@recoverable
def list_left_open(record: Record, rng: Random) -> Text:
    """mangiucugna/json_repair tests: `{foo: [}`, the array is never closed, the object is."""
    if shape_of(record) not in ("keywords", "product"):
        return None
    return dumps(record)[:-2] + "}"


@recoverable
def list_closed_for_each_item(record: Record, rng: Random) -> Text:
    """mangiucugna/json_repair tests: `"key": ["arrayvalue"], ["arrayvalue1"], ["arrayvalue2"]`."""
    if shape_of(record) != "keywords":
        return None
    items = ", ".join(f"[{dumps(each)}]" for each in record["keywords"])
    return f'{{"topic": {dumps(record["topic"])}, "keywords": {items}}}'


@recoverable
def object_closed_before_its_end(record: Record, rng: Random) -> Text:
    """mangiucugna/json_repair tests: `{"key": "value"}, "key2": "value2"}`."""
    parts = [f"{dumps(key)}: {dumps(said)}" for key, said in record.items()]
    if len(parts) < 2:
        return None
    return "{" + parts[0] + "}, " + ", ".join(parts[1:]) + "}"


@recoverable
def array_closed_before_its_end(record: Record, rng: Random) -> Text:
    r"""josdejong/jsonrepair#147: `[{"key":"test"}]},\\n{"key2": "test2"}]`."""
    if shape_of(record) != "dialogue" or len(record["turns"]) < 2:
        return None
    first, *rest = map(dumps, record["turns"])
    return f'{{"turns": [{first}]}},\n' + ",\n".join(rest) + "]}"


# --- comments, words, Python ----------------------------------------------------------------------


@recoverable
def remark_after_a_hash(record: Record, rng: Random) -> Text:
    """FoundationAgents/MetaGPT#733: `"sqlite3==2.6.0"  # sqlite3 is included in the standard library`."""
    rows = dumps(record, indent=4).split("\n")
    where = rng.randrange(1, len(rows) - 1)
    rows[where] += "  # kept short, but versioning is for consistency"
    return "\n".join(rows)


@recoverable
def remark_after_slashes(record: Record, rng: Random) -> Text:
    """FoundationAgents/MetaGPT#799, MorpheusAIs/Lite-Client#15: Llama adds // comments."""
    rows = dumps(record, indent=2).split("\n")
    return "\n".join(
        row + (" // as given" if 0 < k < len(rows) - 1 else "") for k, row in enumerate(rows)
    )


@recoverable
def remark_with_no_sign(record: Record, rng: Random) -> Text:
    """mangiucugna/json_repair#49: `{ "key": "value", COMMENT FROM LLM "key2": "value2" }`."""
    parts = [f"{dumps(key)}: {dumps(said)}" for key, said in record.items()]
    if len(parts) < 2 or not calm(record):
        return None
    parts[-1] = "COMMENT FROM LLM " + parts[-1]
    return "{" + ", ".join(parts) + "}"


@recoverable
def words_of_python(record: Record, rng: Random) -> Text:
    """microsoft/RD-Agent#1374, aryn-ai/sycamore#1173: True, False, None, otherwise JSON."""
    text = spell(record, literal=python, indent=rng.choice([None, 2]))
    return text if re.search(r"\b(True|False|None)\b", text) else None


@recoverable
def words_in_other_cases(record: Record, rng: Random) -> Text:
    """mangiucugna/json_repair tests: TRUE, FALSE, Null."""
    said = {True: "TRUE", False: "FALSE", None: "Null"}
    text = spell(
        record,
        literal=lambda value: (
            said[value] if value is None or value is True or value is False else dumps(value)
        ),
    )
    return text if re.search(r"TRUE|FALSE|Null", text) else None


@recoverable
def repr_of_a_dict(record: Record, rng: Random) -> Text:
    """waybarrios/vllm-mlx#64: the repr of a Python dict."""
    return repr(record)


# --- the shape ------------------------------------------------------------------------------------


@recoverable
def wrapped_by_its_class(record: Record, rng: Random) -> Text:
    """lennartpollvogt/ollama-instructor#6, phenobarbital/ai-parrot#338: {"Answer": {…}}."""
    return plain({rng.choice([shape_of(record).title(), shape_of(record), "Answer"]): record}, rng)


@recoverable
def wrapped_by_the_library(record: Record, rng: Random) -> Text:
    """BerriAI/litellm#9011, spinje/pflow#598: {"values": {…}}, {"json_tool_call": {…}}."""
    return plain({rng.choice(["values", "json_tool_call"]): record}, rng)


@recoverable
def array_of_the_one(record: Record, rng: Random) -> Text:
    """caura-ai/caura#1320: Gemini wraps the right object in an array of one."""
    return plain([record], rng)


@lost
def array_of_several(record: Record, rng: Random) -> Text:
    """Pasta-Devs/Marinara-Engine#4604, guardrails#594: an array of several where one object is asked for."""
    return plain([record, another(record, rng)], rng)


@lost
def objects_that_differ(record: Record, rng: Random) -> Text:
    """letta-ai/letta#269: two objects, one after the other, not the same."""
    return f"{dumps(record, indent=2)}\n{dumps(another(record, rng), indent=2)}"


@recoverable
def schema_around_the_values(record: Record, rng: Random) -> Text:
    """knowsuchagency/promptic#44: GPT-4o repeats the schema's members beside the values."""
    if "additionalProperties" not in schema_of(record):
        return None
    schema = {
        key: said
        for key, said in schema_of(record).items()
        if key in ("type", "properties", "required")
    }
    return dumps(schema | record, indent=2)


@recoverable
def text_for_the_whole(record: Record, rng: Random) -> Text:
    """quarkiverse/quarkus-langchain4j#2642: the arguments as a double-encoded string."""
    return dumps(plain(record, rng))


@recoverable
def text_of_a_text_for_the_whole(record: Record, rng: Random) -> Text:
    """livekit/agents#5411: Nova Sonic, a string in a string."""
    return dumps(dumps(dumps(record)))


@recoverable
def texts_for_the_inner(record: Record, rng: Random) -> Text:
    """MoonshotAI/kimi-cli#2513, pydantic/pydantic-ai#5259: arrays and objects inside as JSON strings."""
    if not any(isinstance(said, list | dict) for said in record.values()):
        return None
    return dumps(
        {
            key: dumps(said) if isinstance(said, list | dict) else said
            for key, said in record.items()
        }
    )


@recoverable
def arguments_of_a_call(record: Record, rng: Random) -> Text:
    """huggingface/smolagents#1003, ollama/ollama#12413: a tool call, its arguments an object or a string."""
    return plain({"name": "final_answer", "arguments": rng.choice([record, dumps(record)])}, rng)


@recoverable
def params_of_a_function(record: Record, rng: Random) -> Text:
    """letta-ai/letta#269: {"function": "send_message", "params": {…}}."""
    return dumps({"function": "send_message", "params": record}, indent=2)


@recoverable
def numbers_and_words_quoted(record: Record, rng: Random) -> Text:
    """jsonparser.ai blog, samchon/typia#1774: "49.99" and "true" where the schema has a number, a boolean."""

    def quoted(value: object) -> str:
        return f'"{dumps(value)}"'

    text = spell(record, literal=quoted)
    return None if text == spell(record) else text


@recoverable
def keys_in_camel_case(record: Record, rng: Random) -> Text:
    """jsonparser.ai blog: invoice_number asked for, invoiceNumber given."""
    if not any("_" in key for key in record):
        return None
    return plain(
        {re.sub("_(.)", lambda met: met[1].upper(), key): said for key, said in record.items()}, rng
    )


@recoverable
def numbers_in_one_text(record: Record, rng: Random) -> Text:
    """jsonparser.ai blog: an array as a string with commas; of numbers, so none can be in an item."""
    if shape_of(record) != "product":
        return None
    return dumps(record | {"sizes": ", ".join(map(str, record["sizes"]))})


# --- not there ------------------------------------------------------------------------------------


def cut(record: Record, rng: Random) -> str | None:
    """Cut within the last string, in its middle."""
    last = list(strings(record))[-1]
    if len(last) < 8 or not full(record) or not isinstance(list(record.values())[-1], str):
        return None
    return dumps(record)[: -2 - len(dumps(last)) // 2]


@lost
def limit_within_a_text(record: Record, rng: Random) -> Text:
    """567-labs/instructor#276, sunix/todowai#106: "EOF while parsing a string", finish reason length."""
    text = cut(record, rng)
    return None if text is None else (text, "length")


@lost
def limit_within_a_fence(record: Record, rng: Random) -> Text:
    """mem0ai/mem0#4414: a long reply in a ```json fence is truncated, no closing fence arrives."""
    text = cut(record, rng)
    return None if text is None else ("```json\n" + text, "length")


@lost
def cut_within_a_text_unsaid(record: Record, rng: Random) -> Text:
    """langchain-ai/langchainjs#2327: an unterminated string, and nobody says why."""
    return cut(record, rng)


@lost
def limit_within_a_list(record: Record, rng: Random) -> Text:
    """mastra-ai/mastra#24442: `{"name":"Ana","items":["lechuga","zanahoria"`, finish reason length."""
    if shape_of(record) != "keywords":
        return None
    return dumps(record | {"keywords": record["keywords"][:2]})[:-2], "length"


@lost
def limit_within_a_word(record: Record, rng: Random) -> Text:
    """samchon/typia#1774: incomplete keywords, `tru`, `fal`."""
    if shape_of(record) != "product":
        return None
    return dumps(record).split(', "rating"')[0][:-1], "length"


@lost
def loop_of_a_word(record: Record, rng: Random) -> Text:
    """ollama/ollama#15502: gemma, "amber own own own own …" to the limit, never closed."""
    text = cut(record, rng)
    return None if text is None else (text + " own" * 150, "length")


@lost
def loop_of_line_breaks_in_a_text(record: Record, rng: Random) -> Text:
    r"""googleapis/python-genai#1238: \n, \r, \t in a value without end."""
    text = cut(record, rng)
    return None if text is None else (text.rstrip("\\") + "\\n\\t" * 150, "length")


@lost
def loop_of_digits(record: Record, rng: Random) -> Text:
    """google-gemini/cookbook#1288: Gemini Flash repeats itself within a number, to the limit."""
    if type(record.get("price")) not in (int, float):
        return None
    text = dumps(record)
    end = re.search(r'"price": [\d.]+', text).end()
    return text[:end] + ("" if "." in str(record["price"]) else ".") + "0000000001" * 40, "length"


@lost
def line_breaks_to_the_limit(record: Record, rng: Random) -> Text:
    """openai/openai-node#1185, jundot/omlx#2990: white space between members until the limit."""
    parts = [f"{dumps(key)}: {dumps(said)}" for key, said in record.items()]
    if len(parts) < 2 or not full(record):
        return None
    return "{\n  " + parts[0] + "," + "\n" * 300, "length"


@lost
def value_missing(record: Record, rng: Random) -> Text:
    """mangiucugna/json_repair tests: `{"key": , "key2": "value2"}`."""
    return members(record, rng.choice(list(record)), "")


@lost
def key_missing(record: Record, rng: Random) -> Text:
    """mozilla/kitsune#6749: expected keys are missing."""
    gone = rng.choice(schema_of(record)["required"])
    return plain({key: said for key, said in record.items() if key != gone}, rng)


@lost
def nothing_at_all(record: Record, rng: Random) -> Text:
    """mozilla/kitsune#6749, Canner/WrenAI#1274: there is literally nothing to decode."""
    return rng.choice(["", "\n\n", "```json\n```"])


@lost
def sorry_but_it_appears(record: Record, rng: Random) -> Text:
    """instacart/gadjit#6: GPT-4 says that the input is incomplete instead."""
    return "I'm sorry, but it appears that you've started the list but did not include any names or titles. If you provide me with the necessary details, I'll be able to assist you further."


@lost
def approach_and_no_answer(record: Record, rng: Random) -> Text:
    """BerriAI/litellm#36929: Gemini's narrative of its thoughts, and no JSON after it."""
    keys = " and ".join(f"`{key}`" for key in record)
    return f"**My Approach to Crafting the JSON Response**\n\nOkay, here's how I'm approaching this. The task is straightforward: generate a JSON response with {keys}. It needs to be perfectly formatted JSON and nothing else - no extra text, no markdown, no comments, just valid, parseable..."
