"""The graph of dvc.yaml: every arrow has two ends, boxes apart, hostile names text."""

import re
from dataclasses import replace
from itertools import combinations

import pytest

from stages.core.params import read_yaml
from stages.report.page import dag, graph, pipeline

HOSTILE = "<script>x</script>"


@pytest.fixture
def ours(build, root):
    """Return the build with the project's own dvc.yaml."""
    return replace(build, graph=read_yaml(root / "dvc.yaml"))


@pytest.fixture
def found(ours):
    return [each for each in pipeline.stages(ours.graph, ours.params) if each.of]


def test_every_stage_is_told_with_its_items(ours):
    stages = pipeline.stages(ours.graph, ours.params)
    assert [each.name for each in stages] == list(ours.graph["stages"])
    items = {each.name: each.items for each in stages}
    assert items["train"] == ["2b", "2c"]
    assert items["answer"] == ["base", "2b", "2c", "chat"]
    assert items["split"] is None
    assert all(each.says for each in stages)
    assert not [path for each in stages for path in each.reads if path.startswith("stages/")]


def test_the_arrows_are_those_of_the_paths(found):
    arrows = pipeline.edges(found)
    assert {("check", "fetch"), ("fetch", "prompt"), ("mix", "train"), ("base", "train")} <= arrows
    assert {("transcript", "answer"), ("evaluate", "select"), ("drift", "report")} <= arrows
    assert ("transcript", "train") not in arrows  # models/base and models/2b are of others
    assert not [pair for pair in arrows if pair[0] == pair[1]]
    names = {each.name for each in found}
    assert {name for pair in arrows for name in pair} == names
    assert dag.acyclic(list(names), arrows)


@pytest.mark.parametrize(
    ("read", "written", "meet"),
    [
        ("data/splits/own", "data/splits", True),
        ("models", "models/2b", True),
        ("models/base", "models/2b", False),
        ("data/a.jsonl", "data/a.json", False),
        ("metrics/models/${select}.json", "metrics/models/2b.json", True),
        ("metrics/models/${select}.json", "metrics/curves/2b.csv", False),
        ("models/${item.on}", "models/base/${x}", True),
    ],
)
def test_paths_meet_where_one_holds_the_other(read, written, meet):
    assert pipeline.meets(read, written) == meet
    assert pipeline.meets(written, read) == meet


def test_a_reduced_graph_leads_as_far_with_fewer_arrows():
    nodes, edges = list("abcd"), {("a", "b"), ("b", "c"), ("a", "c"), ("c", "d"), ("a", "d")}
    assert dag.reduced(nodes, edges) == {("a", "b"), ("b", "c"), ("c", "d")}
    assert dag.layered(nodes, edges) == {"a": 0, "b": 1, "c": 2, "d": 3}
    late = dag.layered(["a", "b", "late"], {("a", "b"), ("late", "b")})
    assert late == {"a": 0, "b": 1, "late": 0}
    assert not dag.acyclic(["a", "b"], {("a", "b"), ("b", "a")})


def test_the_order_spares_crossings():
    nodes = ["a", "b", "c", "d"]
    layout = dag.lay(nodes, {("a", "d"), ("b", "c")}, dict.fromkeys(nodes, 10.0), 5.0)
    assert dag.crossings([["a", "b"], ["c", "d"]], layout.ways) == 1
    assert dag.crossings(layout.layers, layout.ways) == 0


@pytest.mark.parametrize("down", [True, False])
def test_boxes_are_inside_and_apart_and_arrows_join_them(found, down):
    arrows = dag.reduced([each.name for each in found], pipeline.edges(found))
    of = graph.picture(found, arrows, down=down)
    boxes = {box["stage"]: box for box in of["boxes"]}
    assert len(boxes) == len(found) == 23
    assert of["width"] <= (350 if down else 1000)
    for box in boxes.values():
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= of["width"]
        assert box["y"] >= 0
        assert box["y"] + box["height"] <= of["height"]
    for one, other in combinations(boxes.values(), 2):
        beside = one["x"] + one["width"] < other["x"] or other["x"] + other["width"] < one["x"]
        below = one["y"] + one["height"] < other["y"] or other["y"] + other["height"] < one["y"]
        assert beside or below, (one["stage"], other["stage"])
    assert {(way["from"], way["to"]) for way in of["ways"]} == arrows
    assert len(arrows) >= len(found) - 1
    for way in of["ways"]:
        points = [
            tuple(map(float, pair.split(",")))
            for pair in re.findall(r"[-\d.]+,[-\d.]+", way["path"])
        ]
        along = [point[1 if down else 0] for point in points]
        assert along == sorted(along)  # always on
        box = boxes[way["to"]]
        edge = box["y"] if down else box["x"]
        assert along[-1] == pytest.approx(edge, abs=0.2)


def test_the_page_has_both_pictures_and_a_table_of_all_stages(ours):
    page = str(graph.part(ours))
    assert page.count("<svg") == 2
    ids = re.findall(r' id="([^"]+)"', page)
    assert len(ids) == len(set(ids)) == 6
    assert page.count("<tr>") == 1 + len(ours.graph["stages"])
    assert "<code>data/requests.jsonl</code>" in page
    assert "ask the teachers what the reply journal does not hold yet" in page
    assert "url(#graph-wide-head)" in page
    assert "url(#graph-narrow-head)" in page


def test_what_goes_through_nothing_is_in_the_table_alone(ours):
    without = replace(ours, params=ours.params | {"transcripts": {}})
    page = str(graph.part(without))
    assert ">transcript</text>" not in page
    assert ">transcript</text>" in graph.part(ours)
    assert "none in this build" in page


def test_many_items_are_counted_and_named_in_the_title(ours):
    models = {f"m{at}": {"name": f"model {at}"} for at in range(9)}
    page = str(graph.part(replace(ours, params=ours.params | {"models": models})))
    assert "+7 more" in page
    assert "model 0, model 1, model 2, model 3, model 4" in page


def test_nothing_to_draw_is_nothing(build):
    assert graph.part(replace(build, graph={})) == ""
    assert graph.part(replace(build, graph={"stages": {}})) == ""
    loop = {"a": {"deps": ["x"], "outs": ["y"]}, "b": {"deps": ["y"], "outs": ["x"]}}
    assert graph.part(replace(build, graph={"stages": loop})) == ""


def test_a_hostile_name_stays_text(build):
    stages = {HOSTILE: {"desc": HOSTILE, "outs": [f"data/{HOSTILE}"]}}
    stages["next"] = {"deps": [f"data/{HOSTILE}"], "foreach": [HOSTILE], "do": {}}
    page = str(graph.part(replace(build, graph={"stages": stages})))
    assert "&lt;script&gt;" in page
    assert "<script" not in page
