"""What tools, templates and turns leave in values; and the good texts that only look so."""
# ruff: noqa: RUF001

import json

import pytest

from stages.core.proof import Refused

LIST = {
    "type": "object",
    "properties": {"a": {"type": "string"}, "items": {"type": "array"}},
    "required": ["items"],
    "additionalProperties": False,
}  # fmt: skip
ONE = {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]}
OPTIONAL = {
    "type": "object",
    "properties": {key: {"type": "string"} for key in ("name", "email", "phone")},
    "required": ["name"],
    "additionalProperties": False,
}  # fmt: skip
FRIENDS = {"name": "Ann", "email": "a@b.ro"}

LEFT = [
    "It is blue【4:0†source】.", "It is blue【12†L3-L5】",
    "Blue :contentReference[oaicite:0]{index=0}.",
    "Blue citeturn0search1.", "Blue \ue200cite\ue202turn0search3\ue201.", "Blue [cite: 1, 2]",
    "[cite_start]Blue [cite: 4].", "<co: 0>Blue</co: 0>", '<cite index="1-2">Blue</cite>',
    "Blue[^1^].", "Blue [citation:3]", "Blue【1】",
    "Blue</s>", "Blue<|im_end|>", "Blue. <|eot_id|>", "Blue [/INST]", "Blue<end_of_turn>",
    "Blue<｜end▁of▁sentence｜>", "Blue<|im_end|>\n<|im_start|>user\nAnd red?", "<bos>Blue",
    "Bl<0xC4><0x83>", "Blue▁sky▁is", "TheĠskyĠisĠblue", "Blue [UNK] sky", "<<SYS>> Blue",
    "Hm.</think> Blue", "Blue</tool_call>", "Blue<pad><pad>",
    "=E2=80=9CBlue=E2=80=9D", "caf=C3=A9", "=?UTF-8?Q?caf=C3=A9?=", "caf%u00E9", "caf<U+00E9>",
    "Blue%20sky", "caf%C3%A9 bar", "ann%40example.com", "VIP â\xad, ok", "VIP â­, ok",
    "ÐŸÑ€Ð¸Ð²ÐµÑ‚", "â˜… five", "It‚Äôs fine", "caf√©",
]  # fmt: skip


@pytest.mark.parametrize("said", LEFT)
def test_what_a_tool_or_a_template_left_is_refused(checked, said):
    with pytest.raises(Refused) as refused:
        checked(json.dumps({"agree": said, "disagree": "y"}, ensure_ascii=False))
    assert refused.value.reason == "broken_text"


KEPT = [
    "The token <|im_end|> ends a turn.", "It prints `</s>` at the end.", "Old <s>price</s> 9 €",
    "Tokenizers of BERT add [CLS] and [SEP].", "List.map f <| g <| h", "See [1] and [2].",
    "See [doc1].", "【重要】 今日", "In turn 2 she wins.", "a=1&b=2", "x=3; y=4E=5",
    "We cite Smith.",
    "https://a.b/caf%C3%A9",
    "my%20file.pdf", "50%20", "CAFÉ™ is open", "pâté, râu",
    "Write =E9 in quoted-printable encoding.", "Half [DONE] today", "<b>Bold</b> text",
    "if a < s > b", "Ġgantija is old", "I'm sorry, but I can't help with that.", "2√9 ≥ 6",
    "Thanks — I can't help but smile.", "etc.", "To be continued.", "Sorry, I was cut off.",
    "Use <think> tags.", "<|> is an operator",
]  # fmt: skip


@pytest.mark.parametrize("said", KEPT)
def test_a_text_that_speaks_of_such_marks_is_kept(checked, said):
    record = {"agree": said, "disagree": "y"}
    assert checked(json.dumps(record, ensure_ascii=False)) == (record, [])


def test_a_mark_that_the_schema_names_is_meant(checked, schema):
    told = {"agree": {"type": "string", "description": "end facts by [citation:1]"}}
    schema = schema | {"properties": schema["properties"] | told}
    record = {"agree": "Blue [citation:1]", "disagree": "y"}
    assert checked(json.dumps(record), schema=schema) == (record, [])


@pytest.mark.parametrize(
    "said",
    [
        "I'm sorry, but I can't help with that.",
        "I cannot assist with this request.",
        "As an AI language model, I am unable to provide that content.",
        "Sorry, I won't be able to answer that.",
        "Unfortunately, I must decline to write this.",
        "Îmi pare rău, dar nu pot ajuta cu asta.",
        "Je suis désolé, mais je ne peux pas vous aider.",
        "Lo siento, pero no puedo ayudar con eso.",
    ],
)
def test_a_refusal_in_every_value_is_one(checked, said):
    for record in ({"agree": said, "disagree": said}, {"agree": said, "disagree": "N/A"}):
        with pytest.raises(Refused) as refused:
            checked(json.dumps(record))
        assert refused.value.reason == "refusal"
    if "language model, I" not in said:  # one value may quote a refusal, none the model itself
        assert checked(json.dumps({"agree": said, "disagree": "No, help!"}))[1] == []


@pytest.mark.parametrize("last", ["etc.", "and so on", "... and 3 more", "+2 more", "and others"])
def test_an_item_for_the_rest_is_none(checked, last):
    with pytest.raises(Refused, match=r"further items|in place of a text"):
        checked(json.dumps({"items": ["x", "y", last]}), schema=LIST)


@pytest.mark.parametrize("items", [["e.g.", "i.e.", "etc."], ["less", "more"], ["me", "others"]])
def test_an_item_that_is_a_word_is_kept(checked, items):
    assert checked(json.dumps({"items": items}), schema=LIST) == ({"items": items}, [])


@pytest.mark.parametrize(
    "words",
    [
        "Sorry, I was cut off. Continuing:", "Continuing:", "(continued)", "[cont'd]",
        "Apologies, here is the rest:", "Let me continue where I left off.", "...continuing",
        "I hit the token limit; resuming.", "Continuing from where I stopped:", "Scuze, continui:",
    ],
)  # fmt: skip
def test_words_between_two_turns_are_no_value(checked, words):
    for head, tail in (("Bow", " And arrow"), ("", "Man's shoe")):
        with pytest.raises(Refused):
            checked(f'{{"agree": "{head}\n\n{words}\n\n{tail}", "disagree": "y"}}')
    assert checked('{"agree": "I went on.\n\nThe show continued.\n\nFine.", "disagree": "y"}')


def test_a_key_for_its_value_and_a_word_of_another_language_are_refused(checked):
    with pytest.raises(Refused, match="in place"):
        checked('{"name": "name"}', schema=ONE)
    assert checked('{"ton": "ton"}', schema=ONE | {"properties": {}, "required": []})[1] == []
    with pytest.raises(Refused):
        checked('{"items": [], "a": nil}', schema=LIST)


PLAIN = '{"agree": "x\'s \\"q\\", _y_", "disagree": "é"}'
X = json.loads(PLAIN)


@pytest.mark.parametrize(
    ("text", "operation"),
    [
        ('[TOOL_CALLS] [{"name": "respond", "arguments": ' + PLAIN + "}]", "end_token"),
        ("[TOOL_CALLS]respond[ARGS]" + PLAIN, "end_token"),
        ('{"results": [' + PLAIN + "]}", "in_list"),
        ('"""\n{"agree": "x\'s \\"q\\", _y_", "disagree": "é"}\n"""'.replace('\\"', ""), None),
        (repr(PLAIN.encode()), "double_encoded"),
        (PLAIN.replace("é", "\\u{e9}").replace("_", ""), None),
        (PLAIN.replace('": ', '":: '), "other_sign"),
        (PLAIN.replace("_", "\\_"), "markdown_escape"),
        (json.dumps(X, indent=1).replace("\n", "\\\n"), "line_continuation"),
        ('{\n  /* the "agree" of {it}, as asked: yes */\n' + PLAIN[1:], "comment"),
        (PLAIN[:-1] + ")", "wrong_bracket"),
    ],
)
def test_what_says_the_same_otherwise_is_read(checked, text, operation):
    record, operations = checked(text)
    plain = {key: said.replace("_", "").replace('"', "") for key, said in record.items()}
    assert plain == {"agree": "x's q, y", "disagree": "é"}
    assert operation is None or (record == X and operation in operations)


def test_a_last_list_ends_with_the_brace(checked):
    for text in ('{"a": "x", "items": ["p", "q"}', '{"a": "x", "items": ["p", "q"}}'):
        assert checked(text, schema=LIST)[0] == {"a": "x", "items": ["p", "q"]}
    shown = "{'items': [], 'n': Decimal('4.50'), 'm': np.float64(-2.5)}"
    numbers = {"items": {"type": "array"}, "n": {"type": "number"}, "m": {"type": "number"}}
    assert checked(shown, schema=LIST | {"properties": numbers})[0]["m"] == -2.5


@pytest.mark.parametrize(
    "text",
    [
        'Input: {"review": "z"}\nOutput: ' + json.dumps(FRIENDS),
        "An empty {}, now filled:\n\n" + json.dumps(FRIENDS),
        json.dumps(FRIENDS) + '\n{"explanation": "short"}',
        json.dumps(FRIENDS)[:-1] + "]",
    ],
)
def test_beside_a_closed_schema_other_objects_are_none_of_it(checked, text):
    assert checked(text, schema=OPTIONAL)[0] == FRIENDS


@pytest.mark.parametrize(
    "text",
    [
        json.dumps(FRIENDS) + '\n{"phone_number": "0722"}',
        json.dumps(FRIENDS) + '\n{"more": {"Phone": "0722"}}',
        '{"name": "A_b"}'.replace("_", "\\_").replace("A", "A_"),
        '{"name":: "x", "email": "\\"::y"}',
        'b\'{"name": "\\xe9"}\'',
        '{"name": "\\u{d800}"}',
        '{\n/* {"email": "z"} */\n"name": "x"}',
        '{"name": "x"',
    ],
)
def test_what_may_be_a_part_or_has_two_readings_is_refused(checked, text):
    with pytest.raises(Refused):
        checked(text, schema=OPTIONAL)
