"""Write what models wrote as HTML: escaped, controls made visible, never as Markdown."""

from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from stages.core.visible import visible
from tools.chat.talk import Talk, Turn

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


def column(talk: Talk, name: str) -> str:
    """Return the column of a model: its turns so far."""
    turns = [
        {
            "prompt": turn.messages[-1]["content"],
            "text": turn.text,
            "fault": turn.fault,
            "answered": turn.piece is not None,
            "writing": turn.piece is not None and not turn.piece.finish_reason and not turn.fault,
            "waiting": turn.piece is None and not turn.fault,
            "small": small_print(turn, talk.hidden),
            "found": turn.found,
        }
        for turn in talk.turns.get(name, [])
    ]
    joined = talk.turns[name][0].number if talk.turns.get(name) else 0
    return render(
        "column.html", label=talk.label(name), before=talk.before, turns=turns, joined=joined
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
