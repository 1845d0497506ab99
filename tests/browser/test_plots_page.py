"""The page of `tunegraph plots` in Chromium: Vega draws offline, and a name cannot break out."""

from tools import plots

HOSTILE = "</script><script>alert(1)</script><img src=x onerror=alert(2)>"
SPEC = {
    "$schema": "https://vega.github.io/schema/vega-lite/v5.json",
    "data": {"values": [{"model": HOSTILE, "value": 0.5}, {"model": "2b", "value": 0.75}]},
    "mark": {"type": "bar", "tooltip": True},
    "encoding": {
        "x": {"field": "model", "type": "nominal"},
        "y": {"field": "value", "type": "quantitative"},
    },
}


def test_it_draws_offline(show, heard, tmp_path):
    path = tmp_path / "plots.html"
    path.write_text(plots.page("TuneGraph", {"skills": SPEC, "loss": SPEC}), encoding="utf-8")
    for dark in (False, True):
        page = show(path.as_uri(), dark=dark)
        page.locator("figure svg .mark-rect path").nth(3).wait_for()
        assert page.locator("figure svg.marks").count() == 2
        assert page.locator("img, h1").count() == 1
        page.locator("figure svg .mark-rect path").first.hover()
    assert {url.split(":")[0] for url in heard.requests} == {"file"}
