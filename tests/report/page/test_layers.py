"""Layers: a line a pair, by layer, with its interval; nothing where it is off."""

import re
from dataclasses import replace

import pytest

from stages.report.page import layers

HOSTILE = "<b onclick=x>2b</b>"


def line(model, against, layer, measure, value, low="", high=""):
    named = {"model": model, "against": against, "layer": str(layer), "measure": measure}
    return named | {"value": str(value), "low": str(low), "high": str(high), "n": "10"}


@pytest.fixture
def moved(build):
    lines = [
        line(*pair, at, measure, 1 - at / 10, *((0.5, 1.0) if at else ()))
        for pair in (("2b", "base"), ("2c", "2b"), ("2c", "base"))
        for measure in ("cosine", "cosine_last", "cka", "norm")
        for at in (2, 0, 1)  # out of order
    ]
    lines += [
        line(model, "", at, "entropy", 0.5, 0.4, 0.6) for model in ("base", "2b") for at in (1, 2)
    ]
    return replace(build, layers={"n": 10, "set": "probes"}, layer_lines=lines)


def test_each_pair_has_a_line_in_the_order_of_the_layers(moved):
    found = layers.lines(moved, "cosine", pairs=True)
    assert [each.label for each in found] == ["2b vs base", "2c vs base", "2c vs 2b"]
    assert [each.dashed for each in found] == [False, True, False]
    assert [each.series for each in found] == [2, 3, 3]
    for each in found:
        assert [at for at, _ in each.points] == [0, 1, 2]
        assert each.band[0] == (0, 1.0, 1.0)  # no interval there
        assert each.band[1] == (1, 0.5, 1.0)
    assert [each.label for each in layers.lines(moved, "entropy", pairs=False)] == ["base", "2b"]


def test_one_that_all_are_set_beside_is_said_once(moved):
    of_base = [row for row in moved.layer_lines if row["against"] in ("base", "")]
    told = replace(moved, layer_lines=of_base)
    assert [each.label for each in layers.lines(told, "cka", pairs=True)] == ["2b", "2c"]
    assert "in each adapter beside base." in layers.part(told)


def test_the_page_has_the_pictures_and_every_figure(moved):
    page = str(layers.part(moved))
    assert page.count("<svg") == 4
    ids = re.findall(r' id="([^"]+)"', page)
    assert len(ids) == len(set(ids)) == 8
    rows = page.count("<tr>") - 1
    assert rows == len(
        {(each["model"], each["against"], each["layer"]) for each in moved.layer_lines}
    )
    assert rows == 13
    assert "0.800 [0.500, 1.000]" in page
    assert "Drift is not forgetting" in page
    assert "<code>alike</code>" in page


def test_switched_off_or_without_figures_it_is_not_there(build, moved):
    assert layers.part(build) == ""
    assert layers.part(replace(moved, layers={})) == ""
    assert layers.part(replace(moved, layer_lines=[])) == ""
    odd = [each | {"value": "nan"} for each in moved.layer_lines]
    assert layers.part(replace(moved, layer_lines=odd)) == ""


def test_a_hostile_name_stays_text(moved):
    lines = [each | {"model": HOSTILE} for each in moved.layer_lines if each["against"] != "2b"]
    page = str(layers.part(replace(moved, layer_lines=lines)))
    assert "&lt;b onclick=x&gt;" in page
    assert "<b " not in page
