"""What a wording makes of a row, and what it leaves alone."""

from typing import Any

import jinja2
import pytest

from stages.core.errors import ConfigError
from stages.vary.wordings import Wording, before_bare, chosen

SYSTEM = {"role": "system", "content": "Be kind."}
ASK = {"role": "user", "content": "Name a film."}
FIRST = {"role": "user", "content": "Hello."}
REPLY = {"role": "assistant", "content": "Hello to you."}
ANSWER = {"role": "assistant", "content": "Metropolis"}


def row(*turns: dict[str, str], id_: str = "00") -> Any:
    """Return a row that ends with an answer."""
    return {"id": id_, "set": "own", "messages": [*turns, ANSWER]}


def asked(variant: dict[str, str | None], *turns: dict[str, str]) -> list[Any]:
    """Return what a variant makes of a row."""
    return Wording("w", variant).conversation(row(*turns))


def test_an_instruction_takes_the_place_of_what_the_user_says():
    found = asked({"instruction": "{{ prompt }} Only that. ({{ system }})"}, SYSTEM, ASK)
    assert found == [SYSTEM, {"role": "user", "content": "Name a film. Only that. (Be kind.)"}]


def test_of_several_turns_the_last_of_the_user_is_replaced():
    found = asked({"instruction": "You must: {{ prompt }}"}, FIRST, REPLY, ASK)
    assert found == [FIRST, REPLY, {"role": "user", "content": "You must: Name a film."}]


def test_a_system_prompt_is_replaced_added_and_taken_away():
    assert asked({"system": "{{ system }} And brief."}, SYSTEM, ASK) == [
        {"role": "system", "content": "Be kind. And brief."},
        ASK,
    ]
    assert asked({"system": "Be brief."}, ASK) == [{"role": "system", "content": "Be brief."}, ASK]
    assert asked({"system": None}, SYSTEM, ASK) == [ASK]
    assert asked({"system": "{{ system }}"}, ASK) == [ASK]  # a blank one is none


def test_a_row_is_not_changed():
    given = row(SYSTEM, ASK)
    Wording("w", {"instruction": "x", "system": None}).conversation(given)
    assert given == row(SYSTEM, ASK)


def test_only_what_takes_the_system_prompt_away_is_bare():
    variants: list[dict[str, str | None]] = [
        {"system": None},
        {"system": "x"},
        {"instruction": "x"},
    ]
    assert [Wording("w", each).bare for each in variants] == [True, False, False]


@pytest.mark.parametrize(
    ("variant", "message"),
    [
        ({"instruction": "a\n{{ prompt"}, r"variants\.w\.instruction:2: not a Jinja template"),
        ({"instruction": "{{ review }}"}, r"variants\.w\.instruction: 'review' is undefined"),
        ({"system": "{{ prompt.__class__.__mro__ }}"}, r"variants\.w\.system: access to attribute"),
        ({"instruction": "{{ system }}"}, r"leaves nothing to ask of row 00"),
    ],
)
def test_a_template_that_fails_names_its_place(variant: dict[str, str | None], message: str):
    with pytest.raises(ConfigError, match=message):
        asked(variant, ASK)


def test_a_row_without_a_question_cannot_be_put_otherwise():
    with pytest.raises(ConfigError, match=r"variants\.w: row 00 has no turn of the user"):
        asked({"instruction": "x"}, SYSTEM)


def test_the_same_rows_are_chosen_whatever_their_order_and_a_larger_choice_only_adds_some():
    rows = [row(ASK, id_=f"{at:02}") for at in range(30)]
    rows += [row(ASK, id_="other") | {"set": "elsewhere"}]
    few = chosen(rows, "own", 5)
    assert [each["id"] for each in few] == [each["id"] for each in chosen(rows[::-1], "own", 5)]
    assert [each["id"] for each in chosen(rows, "own", 9)][:5] == [each["id"] for each in few]
    assert len({each["id"] for each in chosen(rows, "own", 9)}) == 9
    assert [each["id"] for each in few] != [f"{at:02}" for at in range(5)]


def test_a_set_with_fewer_rows_gives_each_once():
    rows = [row(ASK, id_=f"{at:02}") for at in range(3)]
    assert [each["id"] for each in chosen(rows, "own", 50)] == ["00", "01", "02"]
    assert chosen(rows, "own", 0) == []
    assert chosen(rows, "elsewhere", 5) == []


class Templated:
    """A tokenizer of which only the chat template matters."""

    def __init__(self, template: str) -> None:
        def refuse(message: str) -> None:
            raise jinja2.TemplateError(message)

        self.template = jinja2.Template(template)
        self.template.globals["raise_exception"] = refuse

    def apply_chat_template(self, messages: list[Any], tokenize: bool) -> str:
        """Write messages."""
        return self.template.render(messages=messages)


CHATML = "{% for m in messages %}<|{{ m.role }}|>{{ m.content }}<|end|>{% endfor %}"
# As Qwen 2.5's: a system prompt of its own where the conversation does not begin with one.
QWEN = "{% if messages[0].role != 'system' %}<|system|>You are Qwen.<|end|>{% endif %}" + CHATML
# As Gemma's: no system role.
REFUSING = "{% if messages[0].role == 'system' %}{{ raise_exception('no system') }}{% endif %}"
# As Llama 2's: the system prompt stands inside the user's turn.
INSIDE = (
    "{% if messages[0].role == 'system' %}[INST] <<SYS>>{{ messages[0].content }}<</SYS>>"
    "{{ messages[1].content }}{% else %}[INST] {{ messages[0].content }}{% endif %} [/INST]"
)
STUBBORN = (
    "{% if messages[0].role == 'system' and messages[0].content %}<|s|>{{ messages[0].content }}"
    "{% else %}<|s|>You are stubborn.{% endif %}<|u|>{{ messages[-1].content }}"
)


@pytest.mark.parametrize(
    "template", [CHATML, REFUSING + CHATML, INSIDE, "{{ messages[-1].content }}"]
)
def test_most_templates_write_no_system_prompt_of_their_own(template: str):
    assert before_bare(Templated(template)) == []


def test_an_empty_one_keeps_away_what_a_template_writes_of_its_own():
    tokenizer = Templated(QWEN)
    before = before_bare(tokenizer)
    assert before == [{"role": "system", "content": ""}]
    assert "Qwen" in tokenizer.apply_chat_template([ASK], tokenize=False)
    assert "Qwen" not in tokenizer.apply_chat_template([*before, ASK], tokenize=False)


def test_a_template_that_cannot_be_kept_from_it_is_refused():
    with pytest.raises(
        ConfigError, match=r"writes the system prompt 'You are stubborn\.' whatever"
    ):
        before_bare(Templated(STUBBORN))
