"""Rejects by reason: how many, what it means, an example that stays text, what helps."""

import re
from dataclasses import replace
from typing import Any

from stages.core.proof import REASONS, REPEATS
from stages.report.build import Build
from stages.report.page import rejects

HOSTILE = "</pre><script>alert(1)</script>\x1b[31m"


def reject(request: str, reason: str, text: str | None = "raw", **more: Any) -> Any:
    told = {
        "request": request,
        "reason": reason,
        "detail": f"why {request}",
        "raw": "0",
        "best": None,
    }
    return told | {"text": text} | more


def test_a_row_for_each_reason_the_commonest_first(build: Build):
    found = [reject("a", "empty", ""), reject("b", "schema", best={"z": "<b>", "a": 1})]
    found += [reject("c", "schema"), reject("d", "near_duplicate"), reject("e", "empty", "late")]
    found += [reject("f", "schema", HOSTILE)]
    text = rejects.part(replace(build, rejects=found, data={"requested": 200, "replied": 3}))
    rows = re.findall(
        r"<tr><th scope=\"row\"><code>(\w+)</code></th><td class=\"number\">(\d+)", text
    )
    assert rows == [("schema", "3"), ("empty", "2"), ("near_duplicate", "1")]
    assert re.findall(r"([\d.]+) %", text) == ["1.5", "1.0", "0.5"]
    assert "6 of 200 requests made no row" in text
    assert "tunegraph explain b" in text
    assert "tunegraph explain e" in text  # the first of its reason that has a text
    assert "recipes/films/overrides.jsonl" in text
    assert "{&#34;a&#34;: 1, &#34;z&#34;: &#34;&lt;b&gt;&#34;}" in text
    never = re.findall(r"<code>(\w+)</code>", text.split("No reply was rejected for")[1])
    assert set(never) == (REASONS | REPEATS).keys() - {"schema", "empty", "near_duplicate"}


def test_what_a_teacher_wrote_stays_text_and_is_cut(build: Build):
    long = HOSTILE + "x" * 5000
    text = rejects.part(replace(build, rejects=[reject("a", "unproven", long)], data={}))
    assert "<script" not in text
    assert "\u241b[31m" in text
    assert f"and {len(long) - rejects.LONGEST} characters more" in text
    assert "1 request made no row" in text
    assert " %" not in text  # of how many is not known


def test_shares_are_of_requests_where_hardly_anybody_replied(build: Build):
    silent = [reject(str(at), "no_reply", None, raw=None) for at in range(98)]
    text = rejects.part(replace(build, rejects=silent, data={"requested": 100, "replied": 2}))
    assert re.findall(r"([\d.]+) %", text) == ["98.0"]
    assert "98 of 100 requests made no row" in text


def test_a_reply_without_a_text_and_no_rejects(build: Build):
    text = rejects.part(replace(build, rejects=[reject("a", "no_reply", None, raw=None)]))
    assert "There is no text." in text
    assert rejects.part(build) == ""


def test_every_reason_has_words_for_what_helps():
    assert rejects.NEXT.keys() <= rejects.MEANS.keys()
