"""The schema check: two libraries, one meaning; and schemas that cannot be used are named."""

import itertools
from random import Random

import pytest
from jsonschema import Draft202012Validator

from stages.core.errors import ConfigError
from stages.core.proof import Refused
from stages.core.proof.schema import DEEPEST, DRAFT, compiled, deeper, faults

# What a record may hold: values at the edges of what the keywords tell apart.
ATOMS = [
    None, True, False, 0, 1, -1, 1.0, -0.0, 0.5, 1.5, 2, 3, 10, 10.0, 2**31, 2**53, 2**53 + 1,
    2**63, 2**64 + 1, 10**30, -(10**30), 1e300, "", "a", "ab", "abc", "é", "e\u0301", "😀", "😀😀",
    "a\nb", " a ", "1", "true", "2020-01-01", "not a date",
]  # fmt: skip
KEYS = ["a", "b", "c", "A", "é", ""]
KEYWORDS = (
    "type", "enum", "const", "minLength", "maxLength", "minimum", "maximum", "exclusiveMinimum",
    "exclusiveMaximum", "minItems", "maxItems", "uniqueItems", "items", "prefixItems", "contains",
    "minContains", "maxContains", "properties", "required", "additionalProperties",
    "minProperties", "maxProperties", "propertyNames", "dependentRequired", "dependentSchemas",
    "allOf", "anyOf", "oneOf", "not", "if", "then", "else", "$ref", "format", "title", "default",
    "unevaluatedProperties", "unevaluatedItems", "deprecated", "contentMediaType",
)  # fmt: skip


def value(rng, depth=3):
    """Make up a JSON value."""
    kind = rng.random()
    if depth == 0 or kind < 0.5:
        return rng.choice(ATOMS)
    if kind < 0.7:
        return [value(rng, depth - 1) for _ in range(rng.randint(0, 4))]
    return {key: value(rng, depth - 1) for key in rng.sample(KEYS, rng.randint(0, 4))}


def schema(rng, depth=3, keywords=KEYWORDS):
    """Make up a JSON Schema."""
    if depth == 0 or rng.random() < 0.05:
        return rng.choice([True, True, False, {}, {"type": "string"}, {"type": "integer"}])

    def inner():
        return schema(rng, depth - 1, keywords)

    def some():
        return [inner() for _ in range(rng.randint(1, 3))]

    def small():
        return rng.randint(0, 3)

    def keys():
        return rng.sample(KEYS, rng.randint(0, 3))

    types = ["null", "boolean", "integer", "number", "string", "array", "object"]
    makers = {
        "type": lambda: rng.choice([rng.choice(types), rng.sample(types, 2)]),
        "enum": lambda: [value(rng, 1) for _ in range(rng.randint(1, 4))],
        "const": lambda: value(rng, 2),
        "uniqueItems": lambda: rng.random() < 0.8,
        "prefixItems": some,
        "properties": lambda: {key: inner() for key in keys()},
        "required": keys,
        "dependentRequired": lambda: {key: keys() for key in keys()},
        "dependentSchemas": lambda: {key: inner() for key in keys()},
        "allOf": some,
        "anyOf": some,
        "oneOf": some,
        "$ref": lambda: rng.choice(["#/$defs/one", "#/$defs/two"]),
        "format": lambda: rng.choice(["date", "email", "uri", "ipv4"]),
        "title": lambda: "a title",
        "default": lambda: value(rng, 1),
        "deprecated": lambda: True,
        "contentMediaType": lambda: "application/json",
        "minimum": lambda: rng.choice([0, 1, 0.5, -1, 2**53, 10**30]),
    }
    makers |= dict.fromkeys(
        ("maximum", "exclusiveMinimum", "exclusiveMaximum"), makers["minimum"]
    ) | dict.fromkeys(
        ("minLength", "maxLength", "minItems", "maxItems", "minContains", "maxContains",
         "minProperties", "maxProperties"), small,
    )  # fmt: skip
    return {key: makers.get(key, inner)() for key in rng.sample(keywords, rng.randint(1, 4))}


def agreement(seed, pairs):
    """Compare the two on made up schemas with 20 records each; return what was met how often."""
    rng = Random(seed)
    met = dict.fromkeys(KEYWORDS, 0)
    straight = [key for key in KEYWORDS if key != "$ref"]
    compared = fitting = 0
    while compared < pairs:
        # References from the definitions would go in circles.
        defined = {name: schema(rng, 2, straight) for name in ("one", "two")}
        made = schema(rng)
        said = {"$defs": defined, "type": "object", "properties": {"a": made}}
        slow = Draft202012Validator(said)
        quick = compiled(said, "schema.json")
        for key in made if isinstance(made, dict) else ():
            met[key] += 1
        for _ in range(20):
            record = {"a": value(rng)}
            fits = slow.is_valid(record)
            assert (quick.mismatch(record) is None) == fits, (said, record)
            compared += 1
            fitting += fits
    return met, fitting / compared


def test_the_two_validators_agree():
    """Every keyword that judges is among them, but for those of the next test."""
    met, fitting = agreement(5, 6_000)
    assert min(met.values()) > 5
    assert 0.1 < fitting < 0.9


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(4))
def test_the_two_validators_agree_at_length(seed):
    met, _ = agreement(f"long {seed}", 20_000)
    assert min(met.values()) > 30


def test_no_schema_that_something_fits_is_refused():
    rng = Random(6)
    straight = [key for key in KEYWORDS if key != "$ref"]
    refused = 0
    for _ in range(600):
        said = schema(rng, 2, straight)
        if not faults(said, "schema.json"):
            continue
        refused += 1
        slow = Draft202012Validator(said)
        records = ({key: value(rng, 2) for key in rng.sample(KEYS, 3)} for _ in range(40))
        assert not any(slow.is_valid(record) for record in records), said
    assert refused > 40


@pytest.mark.parametrize(
    ("said", "record", "fits"),
    [
        ({"pattern": "^a$"}, "a\n", False),
        ({"pattern": r"^\d$"}, "٣", False),
        ({"multipleOf": 0.1}, 0.3, True),
        ({"multipleOf": 0.01}, 19.99, True),
    ],
)
def test_where_they_differ_the_specification_decides(said, record, fits):
    said = {"properties": {"a": said}}
    assert (compiled(said, "").mismatch({"a": record}) is None) == fits
    assert Draft202012Validator(said).is_valid({"a": record}) != fits
    if not fits:
        assert compiled(said, "").mismatch({"a": record}).startswith("$.a: ")


@pytest.mark.parametrize(
    ("said", "what"),
    [
        (False, "no record can fit this schema"),
        ({"not": {}}, r"no record can fit this schema: \$ \(not\)"),
        ({"allOf": [{"type": "object"}, {"type": "string"}]}, r"\$.allOf.1 \(type\) contradict"),
        ({"type": "object", "required": ["a"], "properties": {"a": False}}, "contradict each"),
        ({"type": "object", "minProperties": 3, "maxProperties": 2}, "no record can fit"),
        ({"type": "string"}, "type is 'string'"),
        ({"type": ["array", "null"]}, "type is"),
        ({"type": "objekt"}, r"not a JSON Schema at \$.type"),
        ({"properties": {"a": {"pattern": "("}}}, r"at \$.properties.a.pattern"),
        ([], "not a JSON Schema"),
        (None, "not a JSON Schema"),
        ({"$ref": "http://example.invalid/x"}, "cannot be used: .*example.invalid"),
        ({"$ref": "#/$defs/none"}, "cannot be used: .*none"),
        ({"$schema": "http://json-schema.org/draft-07/schema#"}, "draft-07.*\n.*2020-12.*\n.*defs"),
        ({"$schema": 3}, r"\$schema is 3"),
    ],
)
def test_a_schema_that_cannot_be_used_is_named(said, what):
    with pytest.raises(ConfigError, match=f"(?s)schema.json: .*{what}"):
        compiled(said, "schema.json")


@pytest.mark.parametrize(
    "said", [True, {}, {"$schema": DRAFT}, {"$schema": DRAFT + "#"}, {"$ref": "#"}]
)
def test_a_schema_that_admits_anything_is_one(said):
    assert compiled(said, "").mismatch({"a": [1]}) is None


def test_references_in_a_circle_end():
    said = {"$defs": {"a": {"anyOf": [{"$ref": "#/$defs/a"}]}}, "$ref": "#/$defs/a"}
    wrong = compiled(said | {"required": ["b"]}, "").mismatch({"a": 1})
    assert wrong is not None
    assert wrong.startswith("$: ")


def test_depth_is_counted():
    assert [deeper({"a": [[1]]}, most) for most in (1, 2, 3, 4)] == [True, True, False, False]
    assert not deeper("a", 0)
    deep = record = {}
    for _ in range(100_000):
        deep["a"] = deep = {}
    with pytest.raises(Refused, match="nested too deeply"):
        compiled(True, "").mismatch(record)
    assert DEEPEST < 1_000
    while record:  # or else the interpreter takes it apart, and overflows
        record = record.pop("a")


def test_a_misfit_is_named_without_what_the_record_says():
    said = compiled({"properties": {"a": {"minLength": 3}}, "required": ["b"]}, "")
    found = [
        said.misfit(record) for record in ({"a": "x", "b": 1}, {"a": "y", "b": 2}, {}, {"b": 1})
    ]
    assert found == ["$.a: minLength", "$.a: minLength", "$: required", "$"]


def test_the_keywords_cover_the_vocabularies():
    """Every keyword of draft 2020-12 that judges anything, but for those named here."""
    meta = Draft202012Validator.VALIDATORS.keys()
    apart = {"pattern", "patternProperties", "multipleOf", "$dynamicRef"}
    judged_with_others = {"then", "else", "minContains", "maxContains"}
    mute = {"title", "default", "deprecated", "contentMediaType"}
    assert set(itertools.chain(meta, judged_with_others, mute)) - apart == set(KEYWORDS)
