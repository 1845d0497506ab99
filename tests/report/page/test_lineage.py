"""The stack as manifests tell it: who stands on whom, by which hashes, and whether these agree."""

import re
from typing import Any

import pytest

from stages.report.build import Build
from stages.report.page import lineage

SHA = "ab" * 32
BASE = {"source": "hub", "id": "some/<b>base", "revision": "c" * 40, "dtype": "bfloat16"}
BASE |= {"quantize": "4bit", "weights": None, "chat_template": SHA, "tokenizer": "0123456789abcdef"}


def manifest(name: str, on: str | None = None, chain: tuple[str, ...] = (), **more: Any) -> Any:
    kind = "adapter" if on else "base"
    told = {"name": name, "kind": kind, "on": on, "chain": [*chain, name], "base": BASE}
    return told | more


def told(build: Build, **manifests: Any) -> str:
    build.manifests.update(
        {
            "base": manifest("base", training_data="ef" * 32),
            "2b": manifest(
                "2b", "base", ("base",), adapters={"2b": "d2b"}, training_data=SHA,
                rows={"trained": 305, "too_long": 2}, portable="self",
            ),
            "2c": manifest(
                "2c", "2b", ("base", "2b"), adapters={"2b": "d2b", "2c": "d2c"}, portable="none",
                portable_reason="rounding",
            ),
            "chat": {"name": "chat", "kind": "transcript", "on": None, "chain": ["chat"]},
        }
        | manifests
    )  # fmt: skip
    return lineage.part(build)


def test_the_stack_is_a_tree_with_hashes(build: Build):
    build.params["adapters"]["m2b"] |= {"mode": "stack", "mix": {"own": 1.0, "original": 0.14}}
    text = told(build)
    assert re.findall(r"</span> <small class=\"soft\">(\w+)", text) == [
        "base",
        "adapter",
        "adapter",
    ]
    assert text.index("series-1") < text.index("series-2") < text.index("series-3")
    assert text.count("<ul>") == 2  # 2b in base, 2c in 2b
    assert "some/&lt;b&gt;base" in text
    assert f"<summary><code>{SHA[:12]}…</code></summary><code>{SHA}</code>" in text
    assert "all of own; 14 % of original" in text
    assert "305, 2 left out as too long" in text
    assert "no: rounding" in text
    assert text.count("agrees</span>") == 2
    assert "Answers pasted from elsewhere" in text


@pytest.mark.parametrize(
    ("told", "said"),
    [
        (1.0, "all of own"),
        (2, "200 % of own"),
        ({"share": 0.5, "cap": 1200}, "50 % of own, 1,200 rows at most"),
        ({"rows": 4000}, "4,000 rows of own"),
        ({"ratio": 0.3}, "own, which makes up 30 % of the mix"),
    ],
)
def test_how_much_of_a_set_was_used(told: Any, said: str):
    assert lineage.share(told, "own") == said


def test_a_parent_that_was_swapped_is_told(build: Build):
    other = manifest("2b", "base", ("base",), adapters={"2b": "NEW"})
    text = told(build, **{"2b": other})
    assert "adapter 2b: made on d2b, there is NEW" in text
    assert text.count("agrees</span>") == 1


def test_another_base_is_told_and_what_continues_holds_no_parent(build: Build):
    moved = manifest("base") | {"base": BASE | {"revision": "d" * 40}}
    text = told(build, base=moved)
    assert text.count(f"revision of the base: made on {'c' * 40}, there is {'d' * 40}") == 2
    onward = {"adapters": {"2c": "d2c"}, "continues": {"name": "2b", "adapter": "d2b"}}
    text = told(build, **{"2c": manifest("2c", "2b", ("base",), **onward)})
    assert "went on from" in text
    assert text.count("agrees</span>") == 2


def test_a_model_from_before_manifests_told_much(build: Build):
    old = {"name": "2b", "kind": "adapter", "on": "base", "chain": ["base", "2b"]}
    text = told(build, base={"name": "base", "kind": "base", "chain": ["base"]}, **{"2b": old})
    assert "2b" in text
