"""Write what models wrote as HTML: escaped, controls made visible, never as Markdown."""

from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from stages.core.visible import visible
from tools.chat.talk import Talk, Turn
from tools.chat.validated import Found, Records

HERE = Path(__file__).parent
# The autoescape is what keeps a model's <script> a text: nothing here is ever marked as safe.
ENVIRONMENT = Environment(
    loader=FileSystemLoader(HERE),
    autoescape=True,
    undefined=StrictUndefined,
    finalize=lambda value: visible(value) if isinstance(value, str) else value,
    trim_blocks=True,
    lstrip_blocks=True,
)


def render(template: str, **values: Any) -> str:
    """Render a template of this folder; only plain values go in."""
    return ENVIRONMENT.get_template(template).render(**values)


def column(talk: Talk, name: str, records: Records | None) -> str:
    """Return the column of a model: its turns so far.

    records: checks the answers that should be records; None: the recipe's answers are none
    """
    turns = [
        {
            "prompt": turn.messages[-1]["content"],
            "text": turn.text,
            "fault": turn.fault,
            "writing": bool(turn.piece and not turn.piece.finish_reason),
            "waiting": not turn.piece and not turn.fault,
            "small": small_print(turn, talk.hidden),
            "found": found_in(turn, records),
        }
        for turn in talk.turns.get(name, [])
    ]
    joined = talk.turns[name][0].number if talk.turns.get(name) else 0
    return render(
        "column.html", label=talk.label(name), before=talk.before, turns=turns, joined=joined
    )


def found_in(turn: Turn, records: Records | None) -> Found | None:
    """Return what is to be said of the record in a finished answer; None: nothing."""
    if records is None or not turn.piece or not turn.piece.finish_reason:
        return None
    cut = turn.piece.finish_reason
    return records.found(
        turn.text, turn.messages[-1]["content"], turn.row, "" if cut == "stop" else cut
    )


ENDS = {"": "", "stop": "ended by itself", "length": "cut at max. new tokens", "stopped": "stopped"}


def small_print(turn: Turn, hidden: bool) -> str:
    """Return how long an answer is and how fast it came; times might give a hidden model away."""
    if not (piece := turn.piece):
        return ""
    told = [f"{piece.tokens} token{'' if piece.tokens == 1 else 's'}"]
    if piece.first_s is not None and not hidden:
        told.append(f"first after {piece.first_s:.2f} s{' with loading' if turn.first else ''}")
        # The first token waits for the prompt to be read: it says nothing of the writing.
        if (after := piece.seconds - piece.first_s) > 0 and piece.tokens > 1:
            told.append(f"{(piece.tokens - 1) / after:.0f} tokens/s")
    return ", ".join([*told, *filter(None, [ENDS[piece.finish_reason]])])
