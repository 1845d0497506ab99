"""What each control shows, by what stands in a chat: columns, buttons, what can be judged."""

from typing import Any

from tools.chat.rows import Rows
from tools.chat.shown import column, render
from tools.chat.talk import Talk

MOST = 4  # columns
Changes = dict[str, Any]


def status(text: str, fault: bool = False) -> str:
    """Return a line that is read aloud; a fault at once."""
    return render("status.html", text=text, fault=fault)


def columns(talk: Talk) -> Changes:
    """Return the HTML of every column; those without a model are not shown."""
    shown = [column(talk, name) for name in talk.order]
    if not shown:
        shown = [status("Choose a model: nothing is asked of none.")]
    filled = [*shown, *[""] * (MOST - len(shown))]
    return {
        f"answers-{at}": {"visible": bool(text), "value": text} for at, text in enumerate(filled)
    }


def controls(talk: Talk, rows: Rows) -> Changes:
    """Return which buttons can be pressed, what can be judged, and the reference."""
    busy = talk.stop is not None
    shown: Changes = {name: {"interactive": not busy} for name in ("send", "new", "models")}
    shown["send"]["interactive"] &= bool(talk.order)
    shown["stop"] = {"interactive": busy}
    ready = [] if busy else talk.ready()
    comparable = talk.others if talk.measure in ready else []
    comparable = [name for name in comparable if name in ready]
    for at in range(1, MOST):
        name = talk.others[at - 1] if at <= len(talk.others) else ""
        shown[f"verdict-{at}"] = {"visible": name in comparable, "value": None}
        if name in comparable:
            words = choices(talk.label(talk.measure))
            shown[f"verdict-{at}"] |= {"label": f"{talk.label(name)} is", "choices": words}
    shown["against"] = {"visible": len(talk.order) > 2 and bool(ready)}
    if shown["against"]["visible"]:
        # The place of a column, for a name in the page would tell whose a hidden one is.
        places = [(talk.label(name), talk.order.index(name)) for name in ready]
        shown["against"] |= {"choices": places, "value": talk.order.index(talk.measure)}
    judged = not busy and judgeable(talk, rows) is not None
    shown["verdict-answer"] = {"visible": judged, "value": None}
    shown["verdict"] = {"visible": judged or bool(comparable)}
    shown["reference"] = "" if busy else reference(talk, rows)
    return shown


def choices(first: str) -> list[tuple[str, str]]:
    """Return how a column may be compared with the first one, and the word that is kept."""
    others = [("as good", "same"), (f"worse than {first}", "worse")]
    return [(f"better than {first}", "better"), *others]


def judgeable(talk: Talk, rows: Rows) -> str | None:
    """Return the test row whose scored answer the only column's last one is, or None."""
    if len(talk.order) != 1 or not (turn := talk.last(talk.order[0])) or not turn.row:
        return None
    scored = rows.answered(talk.order[0], turn.row)
    return turn.row if turn.ended and scored == turn.text else None


def reference(talk: Talk, rows: Rows) -> str:
    """Return the reference of the test row that was asked last, or nothing."""
    turns = [talk.last(name) for name in talk.order]
    row = next((turn.row for turn in turns if turn and turn.row), None)
    if row is None:
        return ""
    found = rows.by_id[row]
    text = found["messages"][-1]["content"]
    return render("reference.html", text=text, set=found.get("set", ""), row=row)
