"""What a recipe allows by name: each is listed, none guesses."""

import json
import subprocess
import sys

import pytest

from stages.core.proof import OPERATIONS, Refused
from stages.core.proof.check import ALLOWED, alias_faults
from stages.core.proof.schema import compiled
from stages.core.spelling import normalise

RECORD = {"agree": "x", "disagree": "y"}
ALIASES = {"against": "disagree", "contra": "disagree", "pro": "agree"}


def said(**members):
    return json.dumps(members)


@pytest.mark.parametrize(
    ("text", "changes", "operations"),
    [
        (said(agree="x", disagree="y"), {"aliases": ALIASES}, []),
        (said(pro="x", against="y"), {"aliases": ALIASES}, ["alias"]),
        (said(pro="x", disagree="y"), {"aliases": ALIASES}, ["alias"]),
        (said(Pro="x", Disagree="y"), {"aliases": ALIASES, "normalise": ["key_case"]},
         ["key_case", "alias"]),
        (said(**{"a-gree": "x", "DIS AGREE": "y"}), {"normalise": ["key_case"]}, ["key_case"]),
        (said(result={"pro": "x", "contra": "y"}), {"aliases": ALIASES}, ["under_key", "alias"]),
        (f"```\n{said(pro=' x', contra='y')}\n```", {"aliases": ALIASES},
         ["fence", "alias", "trim"]),
        (said(agree=" x\n", disagree="y"), {}, ["trim"]),
    ],
)  # fmt: skip
def test_each_is_listed(checked, text, changes, operations):
    assert checked(text, **changes) == (RECORD, operations)
    assert OPERATIONS.keys() >= set(operations)


@pytest.mark.parametrize(
    ("text", "detail"),
    [
        (said(agree="x", disagree="y", against="y"), "'disagree' and 'against' are one key"),
        (said(agree="x", against="y", contra="z"), "'against' and 'contra' are one key"),
        (said(Against="x", agree="x", contra="z"), "'against' and 'contra' are one key"),
    ],
)
def test_what_is_said_under_two_names_is_a_reject(checked, text, detail):
    with pytest.raises(Refused) as refused:
        checked(text, aliases=ALIASES, normalise=["key_case"])
    assert (refused.value.reason, refused.value.detail) == ("duplicate_keys", detail)
    assert refused.value.best is not None


@pytest.mark.parametrize("changes", [{}, {"aliases": {"Contra": "disagree"}}])
def test_nothing_is_renamed_that_is_not_allowed(checked, changes):
    with pytest.raises(Refused, match="schema"):
        checked(said(agree="x", contra="y"), **changes)
    with pytest.raises(Refused, match="schema"):
        checked(said(Agree="x", disagree="y"), **changes)


def test_a_spelling_that_two_keys_share_is_nobodys(checked):
    schema = {"properties": {"a_b": {"type": "string"}, "ab": {"type": "string"}}}
    schema |= {"additionalProperties": False}
    assert checked(said(ab="x", a_b="y"), schema=schema, normalise=["key_case"])[1] == []
    with pytest.raises(Refused, match="schema"):
        checked(said(AB="x"), schema=schema, normalise=["key_case"])
    aliases = {"Con": "agree", "con": "disagree"}
    with pytest.raises(Refused, match="schema"):
        checked(said(agree="x", CON="y"), aliases=aliases, normalise=["key_case"])


def test_the_spelling_does_not_hang_on_the_order_of_a_set():
    code = (
        "from stages.core.proof.check import recased;"
        "print(recased({'A B': 1, 'Ab': 2}, frozenset(['a_b', 'ab', 'c']), {'aB': 'c', 'C': 'c'}))"
    )
    texts = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={"PYTHONHASHSEED": str(seed)},
            check=True,
            capture_output=True,
        ).stdout
        for seed in range(4)
    }
    assert texts == {b"{'A B': 1, 'Ab': 2}\n"}


@pytest.mark.parametrize(
    ("name", "before", "after"),
    [
        ("breaks", "a<br>b", "a\nb"),
        ("breaks", "a  <br />  <br/>\n b", "a\n\nb"),
        ("breaks", " a <b> ", " a <b> "),
        ("breaks", "a <BR/> b<Br>c", "a\nb\nc"),
        ("entities", "a &amp; b &lt;", "a & b <"),
        ("entities", "&#" + "9" * 5_000 + ";", "&#" + "9" * 5_000 + ";"),
        ("entities", "&#8217;&#x2019;&notin;", "\u2019\u2019\u2209"),
        ("entities", "see ?a=1&copy=2&region=3", "see ?a=1&copy=2&region=3"),
        ("entities", "&notanentity; &#1;", "&notanentity; &#1;"),
        ("trim", "\n a b\t", "a b"),
    ],
)
def test_normalisations(name, before, after):
    record, done = normalise({"agree": [before], "disagree": 1}, [name])
    assert record == {"agree": [after], "disagree": 1}
    assert done == ([name] if before != after else [])


def test_an_entity_that_is_no_character_is_refused(checked):
    with pytest.raises(Refused, match="broken_text"):
        checked(said(agree="a &#0; b", disagree="y"), normalise=["entities"])


@pytest.mark.parametrize("entity", ["&#1;", "&#" + "9" * 5_000 + ";", "&#12345678;", "&noti;"])
def test_an_entity_that_stands_for_nothing_is_not_left_out(checked, entity):
    for allowed in ([], ["entities"]):
        with pytest.raises(Refused, match=r"entities|broken_text"):
            checked(said(agree=f"a {entity} b", disagree="y"), normalise=allowed)


def test_aliases_must_lead_from_outside_to_a_key(schema):
    known = compiled(schema, "schema.json")
    assert alias_faults(ALIASES, known, "aliases") == []
    assert alias_faults({"x": "y"}, compiled({}, "schema.json"), "aliases") == []
    wrong = alias_faults({"against": "dissent", "agree": "disagree"}, known, "aliases")
    assert [fault.where for fault in wrong] == ["aliases.against", "aliases.agree"]


def test_the_allowed_are_operations():
    assert OPERATIONS.keys() > ALLOWED
