"""The rest of the report: Markdown becomes elements by a list, and nothing else does."""

import re
from dataclasses import replace

from stages.report.build import Build
from stages.report.page import more
from stages.report.page.frame import render

HOSTILE = """\
## A <script>alert(1)</script> part

Text with <b onclick="x">html</b>, [a link](javascript:alert(1)), <https://example.org>,
![a picture](https://example.org/x.png) and **bold `code`**.

| head | <i>n</i> |
| --- | ---: |
| <img src=x onerror=alert(1)> | 3 |

- item

```text
</pre><script>
```

<div>block</div>

[reference]: javascript:alert(1)
"""


def shown(text: str) -> str:
    return render("more.html", chapters=more.chapters(more.tokens(text)))


def test_only_the_elements_of_a_list_are_made():
    html = shown(HOSTILE)
    tags = set(re.findall(r"<(\w+)", html))
    assert tags == {
        *("h3", "p", "strong", "code", "div", "table", "thead", "tbody", "tr", "th", "td"),
        *("ul", "li", "pre", "details", "summary"),
    }
    assert not re.search(r"<[^>]+(?:href|src|onclick|onerror)=", html)
    assert "[a link](javascript:alert(1))" in html
    assert "&lt;div&gt;block&lt;/div&gt;" in html
    assert "[reference]: javascript:alert(1)" in html
    assert re.search(r'<td class="number">\s*3\s*</td>', html)


def test_tables_scroll_under_the_name_of_their_part():
    html = shown("## Quality\n\n| a |\n| --- |\n| b |\n")
    assert '<div class="scroll" role="group" tabindex="0" aria-label="Quality"><table>' in html
    assert html.count("<div") == html.count("</div>") == 2


def test_below_zero_is_a_true_minus_and_code_stays_as_it_is():
    html = shown("## A\n\n+0.1 [-0.2, 3] and -5, 2c-3, `-1`, (-4)\n")
    assert "+0.1 [\u22120.2, 3] and \u22125, 2c-3, <code>-1</code>, (\u22124)" in html


def test_each_part_folds_and_what_tells_how_to_read_has_an_anchor():
    html = shown("lost\n\n## A `b`\n\nx\n\n### C\n\ny\n\n## How to read it\n\nz\n")
    # The anchor is on what is folded: one on <details> itself would not open it.
    found = re.findall(
        r'<details><summary><h3>\s*(.+?)\s*</h3></summary>\s*<div class="chapter" id="([^"]+)">',
        html,
    )
    assert found == [("A <code>b</code>", "more-1"), ("How to read it", more.HOW)]
    assert re.findall(r"<p>\s*(\w)|<(h4)>", html) == [("x", ""), ("", "h4"), ("y", ""), ("z", "")]
    assert "lost" not in html


def test_the_parts_of_the_report_that_no_other_part_draws(build: Build):
    origins = {"exemple": {"rows": 2, "normalised": {"nfc": 1}}}
    html = more.part(replace(build, origins=origins, diversity={"n": 418, "sampled": 400}))
    heads = re.findall(r"<h3>\s*([^<]+?)\s*</h3>", html)
    assert heads[0] == "How the sources&#39; texts were spelled anew"
    assert heads[-2:] == ["How alike the rows are", "How to read it"]
    assert re.search(r"<td>\s*exemple\s*</td>", html)
