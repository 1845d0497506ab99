"""A pasted answer finds its row by id or by the prompt's words, however these were retyped."""

import pytest

from stages.core.errors import InputError
from stages.core.pasted import match_pasted, words_of


def row(name, prompt, system=None):
    turns = [{"role": "system", "content": system}] if system else []
    turns += [{"role": "user", "content": prompt}, {"role": "assistant", "content": "x"}]
    return {"id": name, "set": "own", "skill": "s", "group": name, "messages": turns}


@pytest.mark.parametrize(
    ("typed", "pasted"),
    [
        ('Say "so".\nIt\'s now...', "Say \u201cso\u201d.\r\nIt\u2019s now\u2026"),
        ("a - b -- c", "a \u2013 b \u2014 c"),
        ("tabs\tand  spaces", "tabs and\u00a0spaces "),
        ("café", "cafe\u0301"),
        ("none", "\ufeffno\u200bne\u00ad"),
        ("two\nlines", "two\rlines"),
    ],
)
def test_what_is_retyped_is_the_same(typed, pasted):
    assert words_of(typed) == words_of(pasted)
    [found] = match_pasted("chat", [{"prompt": pasted, "text": "t"}], [row("a", typed)])
    assert (found.row["id"], found.entry["text"]) == ("a", "t")


@pytest.mark.parametrize("pasted", ["What is it", "what is it?", "What is it? ?", "What is it?!"])
def test_what_is_another_prompt_is_not(pasted):
    with pytest.raises(InputError, match="is the prompt of no test row"):
        match_pasted("chat", [{"prompt": pasted, "text": "t"}], [row("a", "What is it?")])


def test_samples_stand_in_the_order_of_rows_and_of_their_numbers():
    rows = [row("a", "One"), row("b", "Two"), row("c", "Two", system="")]
    entries = [
        {"prompt": "Two", "text": "2", "sample": 1}, {"row": "b", "text": "1", "sample": 0},
        {"row": "c", "text": "1", "sample": 0}, {"row": "a", "prompt": "One ", "text": "0"},
    ]  # fmt: skip
    found = [(one.row["id"], one.entry["text"]) for one in match_pasted("chat", entries, rows)]
    assert found == [("a", "0"), ("b", "1"), ("b", "2"), ("c", "1"), ("c", "2")]


def test_the_system_s_words_are_of_the_prompt():
    rows = [row("a", "One", system="Be brief.")]
    assert len(match_pasted("chat", [{"prompt": "Be brief.\nOne", "text": "t"}], rows)) == 1


def test_every_answer_that_fits_no_row_is_named_with_its_line():
    rows = [row("a", "One"), row("b", "Two")]
    entries = [
        {"row": "z", "text": "t", "at": "chat.csv:2"}, {"prompt": "Who?", "text": "t"},
        {"row": "a", "prompt": "Two", "text": "t"}, {"prompt": "One", "text": "again"},
        {"row": "b", "text": "t"},
    ]  # fmt: skip
    with pytest.raises(InputError) as caught:
        match_pasted("chat", entries, rows)
    assert [(fault.where, fault.what) for fault in caught.value.faults] == [
        ("transcript chat: chat.csv:2", "'z' is no test row"),
        ("transcript chat: answer 2", "'Who?' is the prompt of no test row"),
        ("transcript chat: answer 3", "the prompt 'Two' is not that of row 'a'"),
        ("transcript chat: answer 4", "'One' is answered already"),
    ]
    assert {fault.then for fault in caught.value.faults[:2]} == {"tunegraph prompts prints them"}
