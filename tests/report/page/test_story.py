"""The data's story: what flows adds up, in all six builds and in odd ones."""

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest

from stages.report.page import sankey, story
from stages.report.page.sankey import Flow

STORIES = json.loads(Path(__file__).with_name("stories.json").read_text(encoding="utf-8"))
HOSTILE = "<img src=x onerror=alert(1)>"


def told(build, recipe):
    found = STORIES[recipe]
    return replace(
        build,
        data=found["data"],
        splits=found["splits"],
        origins=found["origins"],
        costs={"generate": found["generate"]},
    )


def counts(flow):
    return {node.key: node.count for node in flow.nodes}


@pytest.mark.parametrize("recipe", STORIES)
def test_the_counts_of_all_builds_add_up(build, recipe):
    """In every node as much comes in as it counts, and as much goes on; nothing is lost unsaid."""
    of = told(build, recipe)
    found = story.flows(of)
    there = [name for name, each in of.splits.items() if each["rows"]]
    assert sorted(name for name, _, _ in found if name) == sorted(there)
    for name, _, flow in found:
        assert sankey.odd(flow) == []
        keys = counts(flow)
        assert len(keys) == len(flow.nodes)
        ends = {source for source, _, _ in flow.links}
        begun = {target for _, target, _ in flow.links}
        first = sum(node.count for node in flow.nodes if node.key not in begun)
        last = sum(node.count for node in flow.nodes if node.key not in ends)
        assert first == last
        assert not [key for key in keys if key.startswith(("rest", "other"))]
        its = of.splits[name]
        for side in ("train", "val", "test", "capped"):
            assert keys.get(f"{side} of {name}", 0) == its[side]
        assert keys.get(f"leaking of {name}", 0) == sum(its["leaking"].values())
        assert keys[f"set {name}"] == its["rows"]


@pytest.mark.parametrize("recipe", STORIES)
def test_the_pictures_keep_inside_and_to_one_scale(build, recipe):
    drawn = 0
    for _, _, flow in story.flows(told(build, recipe)):
        of = sankey.drawn(flow)
        counted = {(node["title"], node["count"]): node for node in of["nodes"]}
        assert len(counted) == len(flow.nodes)
        for node in of["nodes"]:
            assert node["x"] >= 0
            assert node["x"] + node["length"] <= of["width"] + 0.1
            last = node["line_y"] if node["line"] is not None else node["text_y"] + 14
            assert last < of["height"]
        sizes = [
            (node["length"], int(node["count"].replace(",", "")))
            for node in of["nodes"]
            if node["length"] > 3
        ]
        unit = max(length / count for length, count in sizes)
        for length, count in sizes:
            assert length == pytest.approx(unit * count, rel=0.05)
        assert len(of["links"]) == len(flow.links)
        drawn += 1
    assert drawn >= 3


def test_replies_flow_into_their_set_with_what_is_imported(build):
    of = told(build, "image_prompts")
    (name, heading, flow), *_ = story.flows(of)
    assert (name, heading) == ("own", "From request to the set own")
    keys = counts(flow)
    assert keys["requested"] == 300
    assert keys["replied"] == 300
    assert (keys["parsed"], keys["repaired"], keys["rejected"]) == (233, 57, 10)
    assert (keys["rows"], keys["source gallery"], keys["source synthetic"]) == (290, 24, 64)
    assert keys["set own"] == 378 == 290 + 24 + 64
    assert ("rows", "set own", 290) in flow.links
    said = " ".join(story.words(of))
    assert "Who replied: samples." in said
    assert "300 replies came with the recipe or were in the journal; 0 were new." in said
    assert "The requests were made of the lines of ideas (300)." in said
    reviews = " ".join(story.words(told(build, "reviews")))
    assert "418 records say it, 0 something else." in reviews


def test_without_a_teacher_it_says_so_and_tells_what_was_read(build):
    of = told(build, "emoji")
    assert story.words(of) == ["No teacher was asked: all rows come from sources."]
    flow = next(flow for name, _, flow in story.flows(of) if name == "chats")
    keys = counts(flow)
    assert (keys["read chats"], keys["source chats"], keys["lost chats"]) == (617, 614, 3)
    page = str(story.part(of))
    assert "left out: empty turn (1), no answer (1), same speaker (1)." in page
    assert "requested" not in page


def test_what_is_silent_repeated_or_written_by_hand_is_told(build):
    data = {
        "requested": 100, "replied": 90, "parsed": 60, "repaired": 20, "overridden": 4,
        "rejected": 16, "duplicates": 3, "near_duplicates": 2, "rows": 79,
        "rejected_by_reason": {"no_reply": 8, "schema": 8}, "reasked": 5, "reask_recovered": 2,
    }  # fmt: skip
    splits = {"own": {"rows": 79, "train": 79, "sources": {"requested": {"gpt": {"train": 79}}}}}
    of = replace(build, data=data, splits=splits)
    [(_, _, flow)] = story.flows(of)
    assert sankey.odd(flow) == []
    links = {(source, target): count for source, target, count in flow.links}
    assert links["silent", "rejected"] == 8
    assert links["silent", "overridden"] == 2  # two more answers nobody gave, written by hand
    assert links["replied", "rejected"] == 8
    assert links["proved", "rows"] == 79
    assert links["proved", "duplicates"] == 3
    assert links["proved", "near_duplicates"] == 2
    page = str(story.part(of))
    assert "5 replies were sent back with the reason; 2 came back sound." in page
    assert "rejected: no_reply 8, schema 8." in page


def test_replies_that_feed_several_sets_are_told_once(build):
    data = STORIES["reviews"]["data"]
    of_set = {"rows": 418, "train": 418, "sources": {"requested": {"offline": {"train": 418}}}}
    found = story.flows(replace(build, data=data, splits={"a": of_set, "b": of_set}))
    assert [heading for _, heading, _ in found] == ["From request to row", "The set a", "The set b"]
    assert all(sankey.odd(flow) == [] for _, _, flow in found)


def test_what_does_not_add_up_is_said_not_hidden(build):
    splits = {"own": {"rows": 50, "train": 30, "sources": {"imported": {"table": {"train": 30}}}}}
    of = replace(build, data={}, splits=splits, origins={"table": {"rows": 40}})
    [(_, _, flow)] = story.flows(of)
    assert counts(flow)["other"] == 10
    assert counts(flow)["rest of own"] == 20
    splits["own"]["rows"] = 20
    [(_, _, flow)] = story.flows(of)
    assert sankey.odd(flow) == [
        "set own: 20 are counted, 40 come in",
        "set own: 20 are counted, 30 go on",
    ]
    assert "The counts do not add up" in story.part(of)


def test_an_empty_build_shows_nothing(build):
    assert story.part(replace(build, data={}, splits={}, origins={})) == ""
    bare = {"own": {"rows": 0, "train": 0, "sources": {}}}
    assert story.part(replace(build, data={"requested": 0}, splits=bare)) == ""


def test_sets_that_are_whole_on_one_side_are_words(build):
    page = str(story.part(told(build, "reviews")))
    assert (
        "Whole, as they were read: set code_prompts, 20 rows, test; set probes, 10 rows, test."
        in page
    )
    assert page.count("<svg") == 2
    assert page.count("<table>") == 4


def test_replies_that_all_became_rows_are_drawn_where_they_are_of_no_one_set(build):
    data = {"requested": 40, "replied": 40, "parsed": 40, "rows": 40}
    of_set = {"rows": 40, "train": 40, "sources": {"requested": {"gpt": {"train": 40}}}}
    page = str(story.part(replace(build, data=data, splits={"a": of_set, "b": of_set})))
    assert page.count("<svg") == 1
    assert "Whole, as they were read: set a, 40 rows, train; set b, 40 rows, train." in page


def test_a_hostile_name_stays_text(build):
    splits = {HOSTILE: {"rows": 5, "train": 3, "test": 2, "sources": {"imported": {HOSTILE: {}}}}}
    of = replace(build, data={}, splits=splits, origins={HOSTILE: {"rows": 5}})
    page = str(story.part(of))
    assert "&lt;img src=x" in page
    assert "<img" not in page


def test_ids_are_unique_and_labels_apart(build):
    page = str(story.part(told(build, "emoji")))
    ids = re.findall(r' id="([^"]+)"', page)
    assert len(ids) == len(set(ids)) == 2 * page.count("<svg") == 6
    flow = Flow()
    flow.node("all", "all", 10_000, 0)
    for at, count in enumerate((9_996, 1, 1, 1, 1)):
        flow.node(f"part {at}", f"a long name {at}", count, 1)
        flow.link("all", f"part {at}", count)
    lines = [node["line"] for node in sankey.drawn(flow)["nodes"]]
    assert lines == [None, None, 2, 3, 4, 5]  # below the broad one's, one below the other


def test_of_many_sources_the_least_are_one_node_with_their_names(build):
    names = [f"table {at}" for at in range(7)]
    imported = {key: {"train": 1} for key in names}
    origins = {name: {"rows": 10 * (at + 1)} for at, name in enumerate(names)}
    splits = {"own": {"rows": 280, "train": 280, "sources": {"imported": imported}}}
    of = replace(build, data={}, splits=splits, origins=origins)
    [(_, _, flow)] = story.flows(of)
    shown = sankey.folded(flow)
    assert sankey.odd(shown) == []
    assert [(node.label, node.count) for node in shown.nodes if node.level == 1] == [
        ("table 3", 40), ("table 4", 50), ("table 5", 60), ("table 6", 70), ("3 more", 60),
    ]  # fmt: skip
    page = str(story.part(of))
    assert "3 more: table 2 (30), table 1 (20), table 0 (10)." in page
    assert '<th scope="row">table 0</th>' in page  # the table has them all
    assert sankey.folded(shown) == shown
