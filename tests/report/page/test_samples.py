"""Answers side by side: what differs is marked, nothing of it acts, and the page stays small."""

import re
from html.parser import HTMLParser
from typing import Any

import pytest

from stages.report.build import Build
from stages.report.page import samples, texts
from stages.report.page.differences import pieces

HOSTILE = '<script>alert(1)</script> [x](javascript:y) <b onclick="x">&amp;</b> \x1b[31m\u202e'


class Read(HTMLParser):
    """The texts of <pre>, in their order: (inside which mark, text) each; all elements."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.open: list[str] = []
        self.texts: list[list[tuple[str, str]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.tags.append(tag)
        self.open.append(tag)
        if tag == "pre":
            self.texts.append([])

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "pre" in self.open:
            of = self.texts[-1]
            data = data if of else data.removeprefix("\n")  # as a browser does
            of.append((self.open[-1], data))


def answer(model: str, row: str, text: str, **more: Any) -> Any:
    told = {"model": model, "set": "probes", "skill": "code", "row": row, "prompt": f"Ask {row}."}
    return told | {"reference": "a b c d e f", "text": text, "finish_reason": "stop"} | more


def score(model: str, row: str, **values: float) -> Any:
    told = {"model": model, "set": "original", "skill": "code", "row": row, "group": row}
    return told | {"values": values}


@pytest.fixture
def probed(build: Build) -> Build:
    """Return the build with one probe, answered by all."""
    said = {"base": "a b c d e f", "2b": "a b X d e f", "2c": HOSTILE, "chat": ""}
    for name, text in said.items():
        build.answers[name] = [answer(name, "r1", text)]
    return build


def test_what_differs_is_marked_and_said(probed: Build):
    read = Read(samples.part(probed))
    prompt, reference, base, two_b, two_c = read.texts
    assert "".join(text for _, text in prompt) == "Ask r1."
    assert base == [("pre", "a b c d e f")] == reference
    assert two_b == [("pre", "a b "), ("del", "c"), ("pre", " "), ("ins", "X"), ("pre", " d e f")]
    assert {mark for mark, _ in two_c} == {"pre"}
    text = samples.part(probed)
    assert text.count("hardly anything of the reference") == 1
    assert text.count("as the reference") == 1
    assert "(nothing)" in text
    assert re.search(r'<span class="mark worse">[^/]*</span> empty</span>', text)
    assert "1 of 1" in text
    assert read.open == []


def test_what_a_model_wrote_stays_text(probed: Build):
    read = Read(samples.part(probed))
    assert not {"script", "b", "a"} & set(read.tags)
    (shown,) = (text for text in read.texts[-1:])
    written = "".join(text for _, text in shown)
    assert written == HOSTILE.replace("\x1b", "\u241b").replace("\u202e", "\\u202e")


def test_the_rows_are_those_that_are_furthest_apart(build: Build):
    apart = {"near": (0.5, 0.4), "far": (1.0, 0.0), "same": (1.0, 1.0), "other": (0.0, 1.0)}
    for at, name in enumerate(("base", "2b")):
        build.answers[name] = [answer(name, row, "a b", set="original") for row in apart]
        build.scores[name] = {
            row: score(name, row, passes=values[at]) for row, values in apart.items()
        }
    text = samples.part(build)
    assert "2 of 3 rows on which the models differ by <code>passes</code>" in text
    shown = re.findall(r'<code class="soft">(\w+)</code>', text)
    assert shown == ["far", "other"]  # the values of `other` are not among those of `far`


def test_of_rows_that_differ_alike_the_smallest_id_is_shown(build: Build):
    for at, name in enumerate(("base", "2b")):
        rows = ("c", "a", "b")
        build.answers[name] = [answer(name, row, "a b", set="original") for row in rows]
        build.scores[name] = {row: score(name, row, passes=float(at)) for row in rows}
    assert re.findall(r'<code class="soft">(\w+)</code>', samples.part(build)) == ["a", "b"]
    for of in build.answers.values():
        of.reverse()
    assert re.findall(r'<code class="soft">(\w+)</code>', samples.part(build)) == ["a", "b"]


def test_long_texts_are_folded_and_cut_and_the_page_stays_small(build: Build):
    long = "word " * 4000
    for name in ("base", "2b", "2c", "chat"):
        build.answers[name] = [answer(name, f"r{at}", long) for at in range(40)]
    found = samples.fitting(samples.groups(build))
    (group,) = found
    assert group.of == 40
    assert 0 < len(group.samples) < samples.PROBES
    assert sum(map(samples.size, group.samples)) <= samples.ROOM
    text = samples.part(build)
    assert text.count('<details class="long">') == 4 * len(group.samples)
    assert f"and {len(long) - texts.LONGEST} characters more" in text
    assert f"The probes: {len(group.samples)} of 40" in text


def test_what_is_too_long_is_not_compared_and_says_so(build: Build):
    build.answers["2b"] = [answer("2b", "r1", "a " * 4000, reference="a b " * 2000)]
    text = samples.part(build)
    assert "too long to be compared</span>" in text
    assert "hardly anything of the reference" not in text


def test_nothing_was_answered(build: Build):
    assert samples.part(build) == ""


CASES = [
    ("the cat sat", "the dog sat"),
    ("", "new"),
    ("old words here", "old here"),
    ("def f(x):\n    return x", "def f(x):\n  return x + 1\n"),
    ('{"a": 1, "b": [2]}', '{"a": 2, "b": [2], "c": null}'),
    ("tăcere și țară", "tacere si tara"),
    ("same\n\n\ttabs ", "same\n\n\ttabs "),
]


@pytest.mark.parametrize(("reference", "text"), CASES)
@pytest.mark.parametrize("code", [False, True])
def test_the_pieces_are_the_answer_and_the_reference(reference: str, text: str, code: bool):
    found = pieces(reference, text, code=code)
    if found is None:
        return
    assert "".join(piece.text for piece in found if piece.mark != "less") == text
    if code:  # in prose what differs in white space alone is the same
        assert "".join(piece.text for piece in found if piece.mark != "more") == reference
    assert ({piece.mark for piece in found} == {"same"}) == (reference == text)


def test_most_cases_have_pieces_and_white_space_counts_in_code_alone():
    assert sum(pieces(*case) is not None for case in CASES) == 5
    assert [piece.mark for piece in pieces("a  b", "a b") or []] == ["same"]
    assert [piece.mark for piece in pieces("a  b", "a b", code=True) or []] == [
        *("less", "more", "same")
    ]


def test_short_words_between_changes_do_not_stay_alone():
    found = pieces("one two three a four five six seven", "uno dos tres a cuatro five six seven")
    assert [piece.mark for piece in found or []] == ["less", "more", "same"]


def test_columns_are_four_at_most_and_rows_alike():
    assert [samples.columns(models) for models in (1, 2, 3, 4, 5, 6, 7, 8, 9)] == [
        *(1, 2, 3, 4, 3, 3, 4, 4, 4)
    ]
