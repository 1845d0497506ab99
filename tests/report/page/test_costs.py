"""Costs by stage as files tell them, and what a point cost."""

import re
from dataclasses import replace
from typing import Any

from stages.report.build import Build
from stages.report.page import costs


def price(stands_on: str, points: float, usd: float, sure: bool = True) -> dict[str, Any]:
    wide = 1.0 if sure else 99.0
    ends = {"low": points - wide, "high": points + wide, "p": 0.001, "p_holm": 0.001}
    gain = {"points": points, "n": 84, **ends}
    told = {"section": "own", "metric": "loss", "stands_on": stands_on, "on": gain}
    return told | {"spent": {"usd": usd, "cpu_s": 40.0}}


def test_each_stage_has_a_line_and_the_longest_the_whole_bar(build: Build):
    teachers = {"cheap": {"usd": 0.05}, "dear": {"usd": 0.2}}
    spent = {
        "generate": {"usd": 0.25, "found_usd": 1.0, "wall_s": 60, "teachers": teachers},
        "base": {"wall_s": 240.0, "cpu_s": 219.65, "gpu_s": 12.5, "peak_memory_mb": 779.4},
        "judge": {},
    }
    text = costs.part(replace(build, costs=spent))
    stages = re.findall(r"<th scope=\"row\"><code>([^<]+)</code>", text)
    assert stages == ["generate", "generate: cheap", "generate: dear", "base"]
    assert re.findall(r"width: ([\d.]+)%", text) == ["25.0", "0.0", "0.0", "100.0"]
    assert "<dd>300 s</dd>" in text
    assert "<dd>$0.250000</dd>" in text
    assert "<dd>$1.00</dd>" in text
    assert '<td class="number">779</td>' in text
    assert '<td class="number">12.5</td>' in text


def test_money_and_cards_that_nobody_used_have_no_column(build: Build):
    text = costs.part(replace(build, costs={"base": {"wall_s": 1.0, "cpu_s": 2.0}}))
    assert "GPU" not in text
    assert "paid" not in text


def test_what_a_point_cost_is_told_as_in_the_report(build: Build):
    prices = {"2b": price("base", 10.0, 0.5), "2c": price("2b", 5.0, 0.5, sure=False)}
    text = costs.part(replace(build, prices=prices))
    assert "+10.0 [9.0, 11.0], n = 84" in text
    assert "<td>$0.05, 4 CPU-s</td>" in text
    assert "<td>($0.1, 8 CPU-s)</td>" in text
    assert "A point is a hundredth of the highest value of loss" in text


def test_nothing_was_spent(build: Build):
    assert costs.part(replace(build, costs={"judge": {}})) == ""
