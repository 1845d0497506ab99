"""What others leave in a text: refused where the mark is plain, and good texts stay."""

import json

import pytest

from stages.core.proof import Refused

GOOD = "The plot was dull; the music was fine."


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ("Ask [REDACTED] about it.", "broken_text"),
        ("Ask <PERSON_1> about it.", "broken_text"),
        ("████████ was fine", "broken_text"),
        ("The plot was d... [15 more characters]", "broken_text"),
        ("The plot was [output truncated]", "broken_text"),
        ("<function <lambda> at 0x10f3a>", "broken_text"),
        ("[object Window]", "broken_text"),
        ("It was fine. As an AI language model, I have no opinions.", "unproven"),
        ("It was fine.\n\nHuman: Another one?\n\nAssistant: Sure.", "unproven"),
        ("It was fine" + " and so on it went" * 9, "broken_text"),
        ("It was very" + " very" * 14, "broken_text"),
        ('{"agree": "It was fine."}', "unproven"),
    ],
)
def test_what_others_left_is_refused(checked, said, reason):
    with pytest.raises(Refused) as refused:
        checked(json.dumps({"agree": said, "disagree": GOOD}, ensure_ascii=False))
    assert refused.value.reason == reason


@pytest.mark.parametrize(
    "said",
    [
        "User: What is it?\nAssistant: A film.",
        "ha ha ha ha ha ha, no no no",
        "row, row, row, row, row, row your boat",
        "See above all the second act.",
        "An AI language model could have written it.",
        "The plot was ... 15 minutes of characters",
        "5 * 4 *** 3",
        "It isn't 'fine', it's ''great''",
        'A dict such as {"a": 1} says it.',
    ],
)
def test_good_texts_stay(checked, said):
    record, operations = checked(json.dumps({"agree": said, "disagree": GOOD}))
    assert record == {"agree": said, "disagree": GOOD}
    assert operations == []


@pytest.mark.parametrize(
    "text",
    [
        """INSERT INTO t VALUES (17, '{"agree": "man''s", "disagree": "b c"}');""",
        r"""printf '%s' '{"agree": "man'\''s", "disagree": "b c"}' > reply.json""",
    ],
)
def test_a_layer_of_quotes_around_the_object_may_have_doubled_signs(checked, text):
    with pytest.raises(Refused, match="doubled") as refused:
        checked(text)
    assert refused.value.reason == "unproven"


def test_an_envelope_that_says_that_the_limit_was_met_holds_no_whole_record(checked):
    inner = json.dumps({"agree": "the plot wa", "disagree": GOOD})
    choice = {"index": 0, "message": {"role": "assistant", "content": inner}}
    for ended, fits in (("stop", True), ("length", False), ("MAX_TOKENS", False)):
        envelope = json.dumps({"choices": [choice | {"finish_reason": ended}]})
        if fits:
            assert checked(envelope)[0]["agree"] == "the plot wa"
        else:
            with pytest.raises(Refused, match="limit") as refused:
                checked(envelope)
            assert refused.value.reason == "length"
