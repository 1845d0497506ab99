"""Who gave pasted answers, and when, stands in the report."""

from stages.report.transcripts import section


def test_transcripts_are_told_with_their_model_and_dates():
    def pasted(*dates):
        return [
            {"pasted": {"model": "Chat|9"} | ({"date": date} if date else {})} for date in dates
        ]

    answers = {
        "base": [{"text": "x"}],
        "long": pasted("2026-02-01", "2026-01-31", None),
        "day": pasted("2026-01-31", "2026-01-31"),
        "bare": pasted(None),
        "none": [],
    }
    lines = section(answers)
    assert [line for line in lines if line.startswith("|")][2:] == [
        r"| long | Chat\|9 | 2026-01-31 to 2026-02-01 | 3 |",
        r"| day | Chat\|9 | 2026-01-31 | 2 |",
        r"| bare | Chat\|9 | not said | 1 |",
    ]
    assert section({"base": [{"text": "x"}]}) == []
