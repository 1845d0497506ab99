"""Nothing that a model wrote acts on a terminal or on a page."""

import pytest

from stages.core.visible import visible


@pytest.mark.parametrize(
    ("written", "seen"),
    [
        ("\x1b[31mred", "␛[31mred"),
        ("a\x00b\x7f", "a␀b␡"),
        ("one\r\ntwo\rthree\tfour", "one\ntwo␍three\tfour"),
        ("\x9b31m", "\\u009b31m"),
        ("abc\u202edef\u2066", "abc\\u202edef\\u2066"),
        ("half \ud83d of one", "half \\ud83d of one"),
        ("ș 漢 😀 <b>", "ș 漢 😀 <b>"),
    ],
)
def test_what_would_act_is_seen(written: str, seen: str):
    assert visible(written) == seen
    seen.encode("utf-8")
