"""The page holds nothing that acts or asks, and can be read by keyboard, ear and phone."""

import json
import re
from dataclasses import fields, replace
from html.parser import HTMLParser
from itertools import pairwise

import pytest

from stages.report.overfitting import Rise
from stages.report.page import PARTS, overview, page
from stages.report.page.frame import HERE, render

HOSTILE = "</style><script>alert(1)</script>\x1b[31m\u202e"


class Page(HTMLParser):
    """Elements in their order, each with its attributes; words; what was left open."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.words: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in ("meta", "br", "wbr", "col"):
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag, self.getpos()

    def handle_data(self, data):
        if self.open[-1:] != ["style"]:
            self.words.append(data)

    def of(self, *tags):
        """Return the attributes of all such elements."""
        return [attrs for tag, attrs in self.elements if tag in tags]


@pytest.fixture
def read(build):
    """Return the page of the build, read."""
    return Page(page(build))


def test_all_that_is_opened_is_closed(read):
    assert read.open == []
    assert len(read.elements) > 200


def test_there_is_no_script_and_no_address_outside(read):
    tags = {tag for tag, _ in read.elements}
    assert not tags & {"script", "link", "iframe", "object", "embed", "form", "img", "base", "use"}
    for _, attrs in read.elements:
        assert not [name for name in attrs if name.startswith("on")]
        for name in ("src", "href", "xlink:href", "action"):
            assert (attrs.get(name) or "#").startswith("#")
    (policy,) = [meta for meta in read.of("meta") if "http-equiv" in meta]
    assert policy["content"].startswith("default-src 'none'; style-src 'unsafe-inline'")
    for sheet in HERE.glob("*.css"):
        assert not re.search(r"url\(|@import|expression", sheet.read_text(encoding="utf-8"))


def test_every_id_is_one_and_every_link_has_its_target(read):
    ids = [attrs["id"] for _, attrs in read.elements if "id" in attrs]
    assert len(ids) == len(set(ids)) > 4
    links = [attrs["href"] for attrs in read.of("a")]
    assert links[0] == "#main"
    assert len(links) > 6
    assert {link.removeprefix("#") for link in links} <= set(ids)
    for _, attrs in read.elements:
        for name in ("aria-labelledby", "aria-describedby"):
            assert set((attrs.get(name) or "").split()) <= set(ids)


def test_headings_go_down_one_by_one(read):
    levels = [int(tag[1]) for tag, _ in read.elements if re.fullmatch("h[1-6]", tag)]
    assert levels.count(1) == 1
    assert levels[0] == 1
    assert all(below - above <= 1 for above, below in pairwise(levels))
    assert levels.count(2) == len([tag for tag, attrs in read.elements if attrs.get("id")
                                   and tag == "section"])  # fmt: skip


def test_tables_say_what_they_are_and_scroll_by_keyboard(build):
    text = page(build)
    tables = re.findall(r"<table.*?</table>", text, re.DOTALL)
    assert len(tables) > 4
    for table in tables:
        assert re.match(r"<table[^>]*>\s*<caption>\s*\S", table)
        assert "<th" in table
        assert not re.search(r"<th(?![^>]*scope=)[\s>]", table)
    groups = [attrs for attrs in Page(text).of("div") if attrs.get("role") == "group"]
    assert len(groups) >= len(tables)
    assert all(group["tabindex"] == "0" and group["aria-label"] for group in groups)


def test_pictures_tell_what_they_show(read):
    pictures = [attrs for attrs in read.of("svg") if attrs.get("aria-hidden") != "true"]
    assert len(pictures) >= 2
    assert all(picture["role"] == "img" for picture in pictures)
    titles = {attrs.get("id") for attrs in read.of("title")}
    assert all(picture["aria-labelledby"].split()[0] in titles for picture in pictures)


def test_names_that_would_act_are_text(build):
    hostile = {
        '"2c"': json.dumps(f"2c{HOSTILE}"),
        '"chat"': json.dumps(f"chat{HOSTILE}"),
        '"code"': json.dumps(f'code" onclick="x{HOSTILE}'),
        '"films"': json.dumps(f"films{HOSTILE}"),
    }
    for field in fields(build):
        value = getattr(build, field.name)
        if isinstance(value, dict | list):
            text = json.dumps(value)
            for name, other in hostile.items():
                text = text.replace(name, other)
            setattr(build, field.name, json.loads(text))
    build.rose = [Rise(f"2c{HOSTILE}", 1, 0.5, 0.9, False)]
    text = page(build)
    read = Page(text)
    assert read.open == []
    assert not [tag for tag, _ in read.elements if tag == "script"]
    assert not [attrs for _, attrs in read.elements if "onclick" in attrs]
    assert text.count("</style>") == 1
    assert "\x1b" not in text
    assert "\u202e" not in text
    told = "&lt;/style&gt;&lt;script&gt;alert(1)&lt;/script&gt;\u241b[31m\\u202e"
    for name in ("films", "2c", "chat", "code&#34; onclick=&#34;x"):
        assert text.count(name + told) > 1


def test_a_value_is_escaped_in_every_template():
    (found,) = {template.name for template in HERE.glob("*.html")} & {"overview.html"}
    rise = Rise("<b>", 3, 0.1, 0.2, False)
    told = render(found, alarms=[], rises=[rise], facts=[], about="", told=[], names=[],
                  table={"columns": [], "rows": {}, "ends": True})  # fmt: skip
    assert "Warning: &lt;b&gt; overfits." in told
    assert not [sheet.name for sheet in HERE.glob("*.html")
                if "|safe" in sheet.read_text(encoding="utf-8")]  # fmt: skip


def luminance(colour):
    """Return the relative luminance of #rrggbb, or of three shares.

    Source: https://www.w3.org/TR/WCAG22/#dfn-relative-luminance
    """
    if isinstance(colour, str):
        colour = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [of / 12.92 if of <= 0.04045 else ((of + 0.055) / 1.055) ** 2.4 for of in colour]
    return sum(of * weight for of, weight in zip(linear, (0.2126, 0.7152, 0.0722), strict=True))


def contrast(one, other):
    """Return the contrast ratio of two colours, 1 to 21."""
    bright, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (bright + 0.05) / (dark + 0.05)


def themes():
    """Return the variables of both themes that are colours."""
    style = (HERE / "style.css").read_text(encoding="utf-8")
    light, dark = re.findall(r":root \{(.*?)\n *\}", style, re.DOTALL)[:2]
    return [dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6});", of)) for of in (light, dark)]


@pytest.mark.parametrize("at", [0, 1], ids=["light", "dark"])
def test_text_and_pictures_stand_out(at):
    theme = themes()[at]
    assert len(theme) == 24
    assert theme.keys() == themes()[0].keys()
    pairs = [
        ("ink", page)
        for page in (
            "page",
            "raised",
            "unsure-page",
            "warning-page",
            "heat-low",
            "heat-high",
            "better-page",
            "worse-page",
        )
    ]
    pairs += [("soft", page) for page in ("page", "raised", "warning-page")]
    pairs += [("accent", page) for page in ("page", "raised", "unsure-page")]
    pairs += [(word, f"{word}-page") for word in ("better", "worse", "unsure", "warning")]
    pairs += [(word, page) for word in ("better", "worse") for page in ("page", "raised")]
    pairs += [(f"series-{of}", "page") for of in range(1, 9)]
    weak = {pair: ratio for pair in pairs if (ratio := contrast(*(theme[of] for of in pair))) < 4.5}
    assert weak == {}  # AA for text, more than the 3 that a line in a picture needs


@pytest.mark.parametrize("at", [0, 1], ids=["light", "dark"])
def test_the_figures_of_the_heat_map_stand_out_at_every_heat(at):
    theme = themes()[at]
    low, high = ([int(theme[of][i : i + 2], 16) / 255 for i in (1, 3, 5)]
                 for of in ("heat-low", "heat-high"))  # fmt: skip
    for heat in range(101):
        mixed = [a + (b - a) * heat / 100 for a, b in zip(low, high, strict=True)]
        assert contrast(theme["ink"], mixed) >= 4.5


def test_every_part_is_told_in_its_manual(root):
    manual = (root / "docs/report.md").read_text(encoding="utf-8")
    titles = [part.TITLE for part in PARTS]
    assert len(set(titles)) == len(titles) == 15
    assert [title for title in titles if title not in manual] == []


def test_warnings_come_first(build):
    alarm = {"source": "own", "near_duplicate_share": 0.5, "sampled": 40, "largest_cluster": 0.25,
             "examples": ["a1", "b2"]}  # fmt: skip
    rose = [Rise("2b", 30, 0.4, 0.6, False), Rise("2c", 30, 0.4, 0.6, True)]
    words = str(overview.part(replace(build, diversity={"alarms": [alarm]}, rose=rose)))
    assert words.count('<div class="warning">') == 2
    assert words.lstrip().startswith('<div class="warning">')
    assert "50.0 % of 40 sampled" in words
    assert "largest cluster holds 10." in words
    assert "2b overfits" in words
    assert "2c overfits" not in words


def test_what_changed_is_told_pair_by_pair(build):
    words = str(overview.part(build)).replace("\u2212", "-").replace("\u00a0", " ")
    pairs = re.findall("<h4>(.*?)</h4>", words)
    lost = "2c, the share of what 2b had lost"
    assert pairs == ["2b against base", "2c against 2b", "2c against base", lost]
    first = words.partition(pairs[0])[2].partition(pairs[1])[0]
    better, worse = first.index("▲"), first.index("▼")
    assert better < first.index("<b>own loss</b> +7.000 [+6.950, +7.050], n = 20") < worse
    assert worse < first.index("<b>code passes</b> -0.800 [-0.850, -0.750], n = 20")
    assert "<b>code</b> 0.940 [0.840, 1.040], n = 20" in words.partition(lost)[2]


def test_the_first_table_marks_the_best_of_each_column(build):
    words = str(overview.part(build)).partition("<table")[2]
    assert re.findall(r"<b>([\d.]+)</b>", words) == ["0.900", "0.500"]  # base's code, 2b's loss
    assert words.count("best</span>") == 2
    assert "[0.450, 0.550]" in words  # two columns leave room for intervals


def test_the_facts_are_counted(build):
    assert overview.facts(build) == [
        ("models", "4", "the base, 2 adapters, 1 from elsewhere"),
        ("rows from teachers", "418", "of 440 requested"),
        ("training rows", "1,000", "in 1 set"),
        ("test rows", "0", "the same for every model"),
        ("paid to teachers", "$1.25", "$0.25 of it in these runs"),
        ("computing", "5.0 min", "each stage in its own run"),
    ]


def test_test_rows_are_neither_training_rows_nor_all_answered_elsewhere(build):
    rows = [("own", "1"), ("own", "2"), ("own_train", "3"), ("probes", "4")]
    answers = [{"set": name, "row": row} for name, row in rows]
    build.answers = dict.fromkeys(build.names, answers)
    assert ("test rows", "3", "the same for every model") in overview.facts(build)
    build.answers = build.answers | {"chat": answers[-1:]}
    told = overview.facts(build)
    assert ("test rows", "3", "answers from elsewhere are to some of them") in told


def test_judges_are_paid_and_are_no_teachers(build):
    build.judge, build.data = {"n": 1}, {}
    assert [what for what, *_ in overview.facts(build) if "paid" in what] == ["paid to judges"]
    build.data = {"requested": 440, "rows": 418}
    assert "paid to teachers and judges" in [what for what, *_ in overview.facts(build)]


def test_without_comparisons_no_differences_are_promised(build):
    assert "which differences are shown stands above" in overview.part(build)
    build.comparisons = {}
    assert "no differences were tested" in overview.part(build)
