"""What was forgotten and won back, in figures and in pictures."""

import re
from dataclasses import replace
from itertools import pairwise

from stages.report.forgetting import losses
from stages.report.page import forgetting


def told(build):
    words = re.sub(r"<[^>]+>", " ", str(forgetting.part(build)).replace("<wbr>", ""))
    return " ".join(words.replace("\u2212", "-").split())


def test_the_figures_in_all_stand_first(build):
    words = told(build)
    assert "2b forgetting +0.800 ▼ lost [+0.700, +0.900] mean of 1 section" in words
    assert "2c forgetting +0.050 not shown [-0.050, +0.150]" in words
    assert "2c recovery 94 % ▲ won back [84, 104] %" in words
    assert "2b recovery" not in words


def test_a_recovery_below_0_has_lost_more(build):
    assert forgetting.came_back({"low": -1.0, "high": -0.2}) == "lost more"
    assert forgetting.came_back({"low": -1.0, "high": 0.2}) == "not shown"
    assert forgetting.came_back({"low": None, "high": None}) == "not shown"


def test_each_chain_is_drawn_skill_by_skill(build):
    (chain,) = forgetting.pictures(build)
    assert chain["models"] == ["base", "2b", "2c"]
    own, code = chain["drawn"]
    assert [step["says"] for step in own["steps"]] == ["better", "worse"]
    assert [step["says"] for step in code["steps"]] == ["worse", "better"]
    assert code["told"] == "base 0.900; 2b 0.100; 2c 0.850"
    assert code["steps"][1]["back"] == 0.94


def test_up_is_better_in_every_picture(build):
    own, code = forgetting.pictures(build)[0]["drawn"]
    base, b, c = (point["y"] for point in own["points"])
    assert b < c < base  # a loss: 7.5, 0.5, 0.6; y grows downwards
    base, b, c = (point["y"] for point in code["points"])
    assert base < c < b
    for point in own["points"] + code["points"]:
        assert forgetting.TOP <= point["y"] <= forgetting.HIGH - forgetting.FOOT


def test_a_tree_has_a_picture_for_each_way(build):
    adapters = {"a": {"name": "2b", "on": "base"}, "b": {"name": "2c", "on": "base"}}
    build.params["adapters"] = adapters
    drawn = forgetting.pictures(build)
    assert [chain["models"] for chain in drawn] == [["base", "2b"], ["base", "2c"]]


def test_words_and_table_are_of_the_same_losses(build):
    found = {(of.model, of.section): of for of in losses(build.sections, build.comparisons, 0.95)}
    assert len(found) == 6
    assert found["2b", "code"].says == "lost"
    assert found["2b", "code"].word == "worse"
    assert found["2b", "own"].word == "better"
    assert found["2c", "code"].says == "not shown"
    assert "code passes 20 +0.800 [+0.700, +0.900] ▼ lost p 0.004" in told(build)
    assert "own loss 20 -7.000 [-7.100, -6.900] ▲ gained p 0.004" in told(build)


def test_without_adapters_there_is_no_such_part(build):
    assert forgetting.part(replace(build, comparisons={})) == ""


def test_backward_transfer_is_told(build):
    of = {"value": -0.5, "low": -0.6, "high": -0.4, "n": 20, "groups": 20}
    build.transfers = {"2b": of | {"tasks": {"original": of | {"after": "base"}}}}
    assert "2b original base 20 -0.500 [-0.600, -0.400] ▼ worse" in told(build)
    assert "2b all mean of 1 task 20 -0.500" in told(build)


def test_what_was_learned_by_heart_is_told_without_primary_metrics(build):
    gap = {"train": 0.9, "test": 0.2, "gap": 0.7, "low": 0.6, "high": 0.8, "p_holm": 0.001}
    for comparison in build.comparisons.values():
        del comparison["all"]
        comparison["sections"] = {}
        comparison["gap"] = {"own_train": {"keys": {"exact": gap}}}
    for section in build.sections.values():
        section.pop("primary", None)
    words = told(build)
    assert "Learned by heart" in words
    assert "own_train exact ↑ , higher is better 0.900 0.200 +0.700 [+0.600, +0.800]" in words
    assert "No section has a primary metric" in words
    assert "skill by skill" not in words
    assert "Recovery" not in words


def test_in_a_long_chain_names_are_cut_to_a_sign(build):
    names = ["base", *(f"model{at}" for at in range(20))]
    build.params["adapters"] = {
        name: {"name": name, "on": on} for on, name in pairwise(names)
    }  # fmt: skip
    loss = next(line for line in build.figures if line["metric"] == "loss")
    build.figures = [loss | {"model": name} for name in names]
    build.comparisons = dict.fromkeys(names[1:], build.comparisons["2b"])
    ((way,),) = [chain["drawn"] for chain in forgetting.pictures(build)]
    assert {point["name"] for point in way["points"]} == {"\u2026"}


def test_a_mean_of_one_section_is_of_one_section(build):
    assert "mean of 1 sections" not in told(build)
