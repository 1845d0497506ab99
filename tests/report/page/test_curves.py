"""Loss curves: every point inside and in order, the lowest marked, a rise told."""

import itertools
import re
from dataclasses import replace

import pytest

from stages.report.overfitting import Rise
from stages.report.page import curves
from stages.report.page.charts import Line, chart, thinned

HOSTILE = '<script>alert(1)</script>"\x1b[31m'


def curve(model, train, val, accuracy=None):
    rows = []
    for split, losses in (("train", train), ("val", val)):
        for at, loss in enumerate(losses, 1):
            right = "" if accuracy is None else str(accuracy)
            rows.append({"model": model, "step": str(at * 10), "split": split, "loss": str(loss)})
            rows[-1]["token_accuracy"] = right
    return rows


def coordinates(path):
    return [tuple(map(float, pair.split(","))) for pair in re.findall(r"[-\d.]+,[-\d.]+", path)]


def inside(drawn):
    """Assert that all points of a chart lie between its axes; return how many."""
    count = 0
    for line in drawn["lines"]:
        points = coordinates(line["path"])
        assert [x for x, _ in points] == sorted(x for x, _ in points)
        for x, y in [*points, *coordinates(line["band"])]:
            assert drawn["left"] <= x <= drawn["right"]
            assert drawn["top"] <= y <= drawn["bottom"]
        assert line["end"]["label_y"] <= drawn["height"]
        count += len(points)
    for at, _ in drawn["x_ticks"]:
        assert drawn["left"] <= at <= drawn["right"]
    for at, _ in drawn["y_ticks"]:
        assert drawn["top"] <= at <= drawn["bottom"]
    return count


def test_the_points_are_inside_in_order_and_the_lowest_is_ringed(build):
    build.curves["2b"] = curve("2b", [3.0, 2.0, 1.0], [2.5, 1.5, 1.75], accuracy=0.5)
    found = curves.pictures(build, "2b", 1)
    assert inside(found["loss"]) == 6
    assert inside(found["accuracy"]) == 6
    assert found["ring"] == (20.0, 1.5)
    [mark] = found["loss"]["marks"]
    val = next(line for line in found["loss"]["lines"] if line["label"] == "validation")
    assert (mark["x"], mark["y"]) == coordinates(val["path"])[1]
    assert mark["to"] is None
    assert not val["dashed"]
    assert "lowest 1.500 at step 20" in found["told"]


def test_a_rise_is_drawn_and_told(build):
    build.curves["2b"] = curve("2b", [3.0, 2.0, 1.0], [2.5, 1.5, 1.75])
    told = replace(build, rose=[Rise("2b", 20, 1.5, 1.75, kept=False)])
    found = curves.pictures(told, "2b", 1)
    [mark] = found["loss"]["marks"]
    assert mark["to"] == (
        found["loss"]["lines"][1]["end"]["x"],
        found["loss"]["lines"][1]["end"]["y"],
    )
    page = curves.part(told)
    assert 'class="rise"' in page
    assert "It rose to 1.750 while the training loss went on falling: it overfits." in page
    kept = replace(build, rose=[Rise("2b", 20, 1.5, 1.75, kept=True)])
    assert "the weights of its lowest were kept" in curves.part(kept)


@pytest.mark.parametrize(("losses", "log"), [([3.0, 0.01], True), ([3.0, 1.0], False)])
def test_a_wide_range_asks_for_a_logarithmic_axis(build, losses, log):
    build.curves["2b"] = curve("2b", losses, losses)
    drawn = curves.pictures(build, "2b", 1)["loss"]
    assert ("log scale" in drawn["y_label"]) == log
    assert inside(drawn) == 4


def test_what_is_no_number_is_left_out_and_an_empty_build_shows_nothing(build):
    build.curves["2b"] = curve("2b", ["nan", 1.0, "inf"], ["", "", ""])
    found = curves.pictures(build, "2b", 1)
    assert inside(found["loss"]) == 1
    assert found["ring"] is None
    assert found["accuracy"] is None
    empty = replace(build, curves={name: [] for name in build.trained})
    assert curves.part(empty) == ""
    assert curves.part(replace(build, trained=[])) == ""


def test_long_curves_keep_their_ends_and_their_extremes(build):
    points = [(float(at), 5.0 if at == 777 else at % 7 / 7) for at in range(10_000)]
    found = thinned(points)
    assert len(found) <= 240
    assert found[0] == points[0]
    assert found[-1] == points[-1]
    assert points[777] in found
    assert found == sorted(found)
    build.curves["2b"] = curve("2b", [value + 1 for _, value in points[:1000]], [1.0])
    assert "of 1000 steps, all are in" in curves.part(build)


def test_the_table_has_every_figure_as_it_was_written(build):
    build.curves["2b"] = curve("2b", [3.0], [2.123456], accuracy=0.75)
    assert curves.by_step(build.curves["2b"]) == [["10", "3.0", "2.123456", "0.75", "0.75"]]
    assert '<td class="number">2.123456</td>' in curves.part(build)


def test_a_hostile_name_stays_text(build):
    named = replace(build, trained=[HOSTILE], names=[HOSTILE], rose=[])
    named = replace(named, curves={HOSTILE: curve(HOSTILE, [2.0], [1.0])})
    page = str(curves.part(named))
    assert "&lt;script&gt;" in page
    assert "<script" not in page
    assert "\x1b" not in page


def test_ids_are_unique_and_described(build):
    page = str(curves.part(build))
    ids = re.findall(r' id="([^"]+)"', page)
    assert len(ids) == len(set(ids)) == 2 * page.count("<svg")
    for label in re.findall(r'aria-labelledby="([^"]+)"', page):
        assert set(label.split()) <= set(ids)
    assert page.count("<svg") == len(build.trained)


def test_labels_at_the_ends_do_not_lie_upon_each_other():
    lines = [Line(f"model {at}", at, [(0, 1.0), (1, 1.0 + at / 1000)]) for at in range(1, 7)]
    drawn = chart(lines, "layer", "cosine")
    heights = sorted(line["end"]["label_y"] for line in drawn["lines"])
    assert all(after - before >= 14 for before, after in itertools.pairwise(heights))
    assert len(heights) == 6
