"""The page's figures are the build's, and better heeds the metric's direction."""

import re

from stages.core.scores import KEYS
from stages.report.page import comparison, skills


def text_of(html):
    """Return the words of a piece of HTML, one blank between."""
    words = re.sub(r"<[^>]+>", " ", html.replace("<wbr>", ""))
    return " ".join(words.replace("\u2212", "-").split())


def cells_of(table):
    """Return the rows of a table's body: the words of each cell."""
    return [
        [text_of(cell) for cell in re.findall(r"<t[hd].*?</t[hd]>", row, re.DOTALL)]
        for row in re.findall(r"<tr.*?</tr>", table.partition("<tbody>")[2], re.DOTALL)
    ]


def rows_of(html):
    """Return the rows of the table of sections and of those of all metrics, by section and key."""
    found = {}
    for table in re.findall(r'<table class="models".*?</table>', str(html), re.DOTALL):
        section = re.search(r"All metrics of (\w+)", table)
        for head, *cells in cells_of(table):
            place = (section[1], head.split()[0]) if section else tuple(head.split()[:2])
            assert found.setdefault(place, cells) == cells  # what stands twice says the same
    return found


def test_every_figure_of_every_model_is_there_with_its_interval(build):
    rows = rows_of(comparison.part(build))
    assert len(build.figures) == 13
    for line in build.figures:
        cell = rows[line["section"], line["metric"]][build.names.index(line["model"])]
        assert cell.startswith(f"{line['value']:.3f} [{line['low']:.3f}, {line['high']:.3f}]")
    assert rows["code", "passes"][3].endswith("no figure")  # the transcript was not asked


def test_a_loss_that_fell_is_better_and_one_that_rose_is_worse(build):
    rows = rows_of(comparison.part(build))
    base, b, c, chat = rows["own", "loss"]
    assert b.startswith("0.500")
    assert b.endswith("▲ better than base")
    assert c.endswith("▼ worse than 2b ▲ better than base")
    assert "than" not in base + chat
    assert rows["code", "passes"][1].endswith("▼ worse than base")
    assert rows["code", "passes"][2].endswith("▲ better than 2b not shown against base")
    assert "shown" not in " ".join(rows["own", "rouge_l_floor"])


def test_the_primary_metric_stands_first(build):
    own, code = comparison.sections(build)
    assert [row["key"] for row in own["rows"]] == ["loss", "exact", "rouge_l_floor"]
    assert [row["primary"] for row in own["rows"]] == [True, False, False]
    assert own["n"] == "20 in 5 groups"
    assert code["n"] == "20"
    assert (own["more"], code["more"]) == (2, 0)
    assert "own: 2 more metrics" in str(comparison.part(build))


def test_bars_lie_on_the_range_of_the_metric_or_on_what_the_models_span(build):
    own, code = comparison.sections(build)
    assert code["rows"][0]["cells"]["2b"]["bar"] == {"from": 5.0, "wide": 10.0, "at": 10.0}
    loss = own["rows"][0]["cells"]
    assert loss["base"]["bar"]["at"] == round(100 * 7.5 / 7.55, 2)
    assert all(0 <= cell["bar"]["at"] <= 100 for cell in loss.values() if cell)


def test_every_difference_is_told_on_demand(build):
    b, c = comparison.changes(build)
    assert (b["against"], c["against"]) == (["base"], ["2b", "base"])
    assert [(row["section"], row["key"]) for row in c["rows"]] == [
        ("own", "loss"), ("own", "exact"), ("code", "passes"),
    ]  # fmt: skip
    assert [of["says"] for of in c["rows"][0]["differences"]] == ["worse", "better"]
    assert [of["says"] for of in c["rows"][2]["differences"]] == ["better", "not shown"]
    words = text_of(str(comparison.part(build)))
    assert "-0.100 [-0.150, -0.050] ▼ worse p 0.004, n = 20" in words


def test_every_metric_that_is_asked_for_is_explained(build):
    words = str(comparison.part(build)).partition('class="meanings"')[2]
    assert words.count("<dt>") == 4
    assert "lower is better" in words
    assert "neither direction is better" in words
    assert KEYS["loss"].definition.split(":")[0] in words


def test_the_fuller_the_colour_the_better(build):
    own, code = skills.rows(build)
    assert [heat for _, heat in own["cells"]] == [0, 100, 99, None]  # of what the models reach
    assert [heat for _, heat in code["cells"]] == [90, 10, 85, None]
    html = str(skills.part(build))
    assert html.count("--heat:") == 6
    assert html.count("lower is better") == 1
    assert cells_of(html)[0][1:4] == ["7.500", "0.500", "0.600"]
    assert cells_of(html)[0][4].endswith("no figure")


def test_where_all_are_alike_there_is_no_heat():
    lines = [{"value": 2.0, "level": None}, {"value": 2.0, "level": None}]
    assert skills.heats("loss", lines) == [None, None]
    assert skills.heats("length", [{"value": 2.0, "level": None}]) == [None]
