"""The report's part on answers from elsewhere: who gave them, and when."""

from stages.core.records import Answer
from stages.report.markdown import escape, table


def section(answers: dict[str, list[Answer]]) -> list[str]:
    """Return the table of transcripts; nothing where there is none.

    answers: model's name -> all its answers
    """
    rows = []
    for name, of_model in answers.items():
        pasted = [answer["pasted"] for answer in of_model if "pasted" in answer]
        if not pasted:
            continue
        given = ", ".join(sorted({one["model"] for one in pasted}))
        dates = sorted(one["date"] for one in pasted if "date" in one)
        span = " to ".join(dict.fromkeys([dates[0], dates[-1]])) if dates else "not said"
        rows.append([escape(name), escape(given), escape(span), str(len(pasted))])
    if not rows:
        return []
    told = "Pasted by hand from a chat window, as it answered on these days; no loss is known."
    head = ["transcript", "model", "dates", "answers"]
    return ["## Answers from elsewhere", "", told, "", *table(head, rows, left=3)]
