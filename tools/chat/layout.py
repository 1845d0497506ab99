"""The window's controls: where they stand, what they are called, what they say of themselves.

Each has an elem_id, by which `page` wires it and a test finds it.
"""

from collections.abc import Callable, Sequence
from typing import Any

from stages.core.visible import visible
from tools.chat.board import MOST
from tools.chat.rows import asked_of
from tools.chat.shown import render
from tools.chat.speech import Listener
from tools.chat.window import Window

# The fields of Sampling, in its order.
NUMBERS = ("max-new-tokens", "temperature", "top-p", "top-k", "repetition-penalty", "seed")
Parts = dict[str, Any]  # a control's elem_id -> the control


def laid_out(
    window: Window, lacking: Sequence[str], params: dict[str, Any], listener: Listener | None
) -> Parts:
    """Lay the controls out, within the Blocks that are open; return them by their elem_id."""
    import gradio as gr

    parts: Parts = {}

    def put(name: str, kind: Callable[..., Any], *words: Any, **settings: Any) -> Any:
        parts[name] = kind(*words, elem_id=name, **settings)
        return parts[name]

    def html(name: str, value: str = "", **settings: Any) -> None:
        # No script of its own and no style of documents: what stands there is escaped text.
        put(name, gr.HTML, value, js_on_load=None, apply_default_css=False, **settings)

    names = list(window.models)
    built = [each.name for each in window.models.values() if each.kind != "export"] or names
    html("title", render("title.html", recipe=str(params["recipe"])))
    with gr.Row(equal_height=True):
        put("models", gr.Dropdown, names, value=built[-1:], multiselect=True, max_choices=MOST,
            label="Models", info="One, or up to four side by side, in the order of this list.",
            scale=4)  # fmt: skip
        put("blind", gr.Checkbox, False, label="Blind test", scale=1, min_width=220,
            info="Letters in place of names, shuffled, until a verdict is kept.")  # fmt: skip
    if lacking:
        html("unavailable", render("lacking.html", lines=list(lacking)))
    with gr.Row(elem_id="window"):
        with gr.Column(scale=3, min_width=320):
            with gr.Row(elem_id="answers"):
                for at in range(MOST):
                    html(f"answers-{at}", visible=at == 0, min_width=250)
            html("reference")
            html("status")
            put("prompt", gr.Textbox, label="Prompt", lines=1, max_lines=14, autofocus=True,
                placeholder="Enter sends, Shift+Enter begins a new line")  # fmt: skip
            with gr.Row(elem_id="buttons"):
                put("send", gr.Button, "Send", variant="primary", scale=3, min_width=90)
                put("stop", gr.Button, "Stop", interactive=False, scale=1, min_width=70)
                put("new", gr.Button, "New chat", scale=1, min_width=110)
            if listener:
                with gr.Accordion(f"Speech, by {listener.called}", open=False):
                    put("speech", gr.Audio, sources=["microphone", "upload"], type="filepath",
                        label="Record or upload: the text goes to the prompt",
                        editable=False)  # fmt: skip
            with put("verdict", gr.Group, visible=False):
                put("against", gr.Radio, [], label="Compared with", visible=False)
                for at in range(1, MOST):
                    put(f"verdict-{at}", gr.Radio, [], label="Verdict", visible=False)
                put("verdict-answer", gr.Radio, ["right", "partly", "wrong"], visible=False,
                    label="The answer to this test row is")  # fmt: skip
                put("note", gr.Textbox, label="Note", lines=1, max_lines=6,
                    placeholder="why (may stay empty)")  # fmt: skip
                put("keep", gr.Button, "Keep the verdict")
            html("kept")
            if not listener:
                html("speech-off", render("speech_off.html"))
        with gr.Column(scale=1, min_width=300):
            beside(window, put, html, int(params["answer"]["max_new_tokens"]))
    return parts


def beside(window: Window, put: Callable[..., Any], html: Callable[..., None], most: int) -> None:
    """Lay out what stands beside the answers: examples, system prompt, sampling, speech."""
    import gradio as gr

    if window.rows.examples:
        shown = [[short(asked_of(row).prompt)] for row in window.rows.examples]
        with gr.Accordion("Examples"):
            put("examples", gr.Dataset, components=[gr.Textbox(visible=False)], samples=shown,
                type="index", samples_per_page=12, layout="gallery", show_label=False,
                label="Examples: each begins a new chat")  # fmt: skip
    with gr.Accordion("System prompt"):
        put("system-own", gr.Checkbox, True, label="As trained, each model its own")
        put("system", gr.Textbox, label="System prompt", lines=1, max_lines=8, placeholder="none")
        html("system-note")
    with gr.Accordion("Sampling", open=False, elem_id="sampling"):
        put("max-new-tokens", gr.Number, most, label="Max. new tokens", precision=0, minimum=1,
            info="An answer is cut there.")  # fmt: skip
        put("temperature", gr.Slider, 0, 2, 0, step=0.05, label="Temperature",
            info="0: the likeliest token each time, as in the build; above: drawn.")  # fmt: skip
        put("top-p", gr.Slider, 0.05, 1, 1, step=0.05, label="Top p",
            info="Draw from the likeliest tokens of this share; 1: off.")  # fmt: skip
        put("top-k", gr.Slider, 0, 200, 0, step=1, label="Top k",
            info="Draw from so many likeliest tokens; 0: off.")  # fmt: skip
        put("repetition-penalty", gr.Slider, 1, 2, 1, step=0.05, label="Repetition penalty",
            info="Above 1: tokens that stand there already are less likely; 1: off.")  # fmt: skip
        put("seed", gr.Number, 0, label="Seed", precision=0, minimum=0,
            info="Of the draws: the same seed, the same answer.")  # fmt: skip
    with put("prompt-as-sent", gr.Accordion, "The prompt to the letter", open=False):
        html("prompt-as-sent-text")


def short(prompt: str, most: int = 90) -> str:
    """Return a prompt's beginning on one line, for a button."""
    line = visible(" ".join(prompt.split()))
    return line if len(line) <= most else f"{line[: most - 1]}…"
