"""The window: its controls, and which function of `Window` each of them calls."""

import os
import socket
from collections.abc import Callable, Iterator, Sequence
from inspect import isgeneratorfunction
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stages.core.errors import ConfigError, Fault
from tools.chat.engine import Engine
from tools.chat.guard import Guard
from tools.chat.models import Model
from tools.chat.rows import RECIPES, Rows, asked_of
from tools.chat.shown import HERE, render
from tools.chat.talk import Talk
from tools.chat.validated import records
from tools.chat.window import MOST, Window

if TYPE_CHECKING:
    import gradio as gr

NUMBERS = ("max-new-tokens", "temperature", "top-p", "top-k", "repetition-penalty", "seed")
ADDRESS, FIRST = "127.0.0.1", 7860
Parts = dict[str, Any]  # a control's elem_id -> the control


def build(
    engine: Engine,
    models: Sequence[Model],
    lacking: Sequence[str],
    params: dict[str, Any],
    root: Path = Path(),
) -> "gr.Blocks":
    """Return the window, not yet open.

    lacking: why other models cannot be asked, a line each
    params:  params.yaml; root: the project's folder
    """
    # Before gradio is imported: nothing is asked of its makers.
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
    import gradio as gr

    recipe = str(params["recipe"])
    rows = Rows(params, root)
    verdicts = root / RECIPES / recipe / "verdicts.jsonl"
    window = Window(engine, models, rows, records(params, root, rows.by_id.values()), verdicts)
    with gr.Blocks(title=f"TuneGraph: {recipe}", analytics_enabled=False, fill_width=True) as made:
        talk = gr.State(Talk())
        parts = laid_out(window, lacking, params, recipe)
        wired(window, parts, talk)
        made.load(
            changing(window.choose, parts),
            [talk, *(parts[name] for name in ("models", "system", "system-own"))],
            [*parts.values()],
            api_visibility="private",
            show_progress="hidden",
        )
    return made


def laid_out(window: Window, lacking: Sequence[str], params: dict[str, Any], recipe: str) -> Parts:
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
    gr.HTML(render("title.html", recipe=recipe), js_on_load=None, apply_default_css=False)
    with gr.Row(equal_height=True):
        put("models", gr.Dropdown, names, value=names[-1:], multiselect=True, max_choices=MOST,
            label="Models", info="One, or up to four side by side; the first is compared with.",
            scale=4)  # fmt: skip
        put("blind", gr.Checkbox, False, label="Blind", scale=1, min_width=220,
            info="Letters in place of names, shuffled, until a verdict is kept.")  # fmt: skip
    if lacking:
        html("unavailable", render("lacking.html", lines=list(lacking)))
    with gr.Row(elem_id="window"):
        with gr.Column(scale=3, min_width=320):
            with gr.Row(elem_id="answers"):
                for at in range(MOST):
                    html(f"answers-{at}", visible=at == 0, min_width=250, autoscroll=True)
            html("reference")
            html("status")
            put("prompt", gr.Textbox, label="Prompt", lines=1, max_lines=14, autofocus=True,
                placeholder="Enter sends, Shift+Enter begins a new line")  # fmt: skip
            with gr.Row(elem_id="buttons"):
                put("send", gr.Button, "Send", variant="primary", min_width=90)
                put("stop", gr.Button, "Stop", interactive=False, min_width=90)
                put("new", gr.Button, "New chat", min_width=90)
            with put("verdict", gr.Group, visible=False):
                for at in range(1, MOST):
                    put(f"verdict-{at}", gr.Radio, ["better", "same", "worse"], visible=False)
                put("verdict-answer", gr.Radio, ["right", "partly", "wrong"], visible=False,
                    label="The answer to this test row is")  # fmt: skip
                put("note", gr.Textbox, label="Note", lines=1, max_lines=6,
                    placeholder="why (may stay empty)")  # fmt: skip
                put("keep", gr.Button, "Keep the verdict")
            html("kept")
        with gr.Column(scale=1, min_width=300):
            beside(window, put, html, params)
    return parts


def beside(
    window: Window, put: Callable[..., Any], html: Callable[..., None], params: dict[str, Any]
) -> None:
    """Lay out what stands beside the answers: examples, system prompt, sampling, speech."""
    import gradio as gr

    if window.rows.examples:
        shown = [[short(asked_of(row).prompt)] for row in window.rows.examples]
        with gr.Accordion("Examples"):
            put("examples", gr.Dataset, components=[gr.Textbox(visible=False)], samples=shown,
                type="index", samples_per_page=8, layout="gallery", show_label=False,
                label="Examples: each begins a new chat")  # fmt: skip
    with gr.Accordion("System prompt"):
        put("system-own", gr.Checkbox, True, label="As trained, each model its own")
        put("system", gr.Textbox, label="System prompt", lines=1, max_lines=8, placeholder="none")
        html("system-note")
    with gr.Accordion("Sampling", open=False, elem_id="sampling"):
        most = int(params["answer"]["max_new_tokens"])
        put("max-new-tokens", gr.Number, most, label="Max. new tokens", precision=0, minimum=1,
            info="An answer is cut there.")  # fmt: skip
        put("temperature", gr.Slider, 0, 2, 0, step=0.05, label="Temperature",
            info="0: always the likeliest token, as the build's answers; above: drawn.")  # fmt: skip
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


def wired(window: Window, parts: Parts, talk: "gr.State") -> None:
    """Let each control call its function, within the Blocks that are open."""
    import gradio as gr

    everything = [*parts.values()]
    quiet = {"api_visibility": "private", "show_progress": "hidden"}

    def given(*names: str) -> list[Any]:
        return [talk, *(parts[name] for name in names)]

    def on(event: Any, function: Callable[..., Any], *names: str, **settings: Any) -> None:
        event(changing(function, parts), given(*names), everything, **quiet | settings)

    asking = ("prompt", "models", "system", "system-own", *NUMBERS)
    # Several windows may ask at a time: the engine answers one after the other.
    gr.on(
        [parts["send"].click, parts["prompt"].submit],
        changing(window.send, parts), given(*asking), everything, concurrency_limit=None, **quiet,
    )  # fmt: skip
    parts["stop"].click(window.stop, [talk], None, queue=False, **quiet)
    on(parts["new"].click, window.new, "blind")
    on(parts["models"].input, window.choose, "models", "system", "system-own")
    on(parts["blind"].input, window.hide, "blind")
    on(parts["system-own"].input, window.choose, "models", "system", "system-own")
    parts["system"].input(lambda: False, None, parts["system-own"], **quiet)
    on(parts["system-own"].change, window.noted, "models", "system-own")
    on(parts["prompt-as-sent"].expand, window.as_sent, "models", "system", "system-own", "prompt")
    judged = [f"verdict-{at}" for at in range(1, MOST)]
    on(parts["keep"].click, window.keep, "note", "verdict-answer", *judged)
    if "examples" in parts:
        on(parts["examples"].click, window.example, "examples", "models", "blind")


def changing(function: Callable[..., Any], parts: Parts) -> Callable[..., Any]:
    """Return a function of Window as Gradio wants it: what it changes, by the control itself."""
    import gradio as gr

    def named(changes: dict[str, Any]) -> dict[Any, Any]:
        return {
            parts[name]: gr.update(**value) if isinstance(value, dict) else value
            for name, value in changes.items()
        }

    def streamed(*values: Any) -> Iterator[dict[Any, Any]]:
        yield from map(named, function(*values))

    def once(*values: Any) -> dict[Any, Any]:
        return named(function(*values))

    return streamed if isgeneratorfunction(function) else once


def opened(blocks: "gr.Blocks", port: int | None = None) -> str:
    """Open the window on this machine alone, and return its address; `blocks.close()` closes it.

    port: None: the first that is free from 7860 on
    Raises: ConfigError where the port is taken.
    """
    from starlette.middleware import Middleware

    port = free_port() if port is None else port
    hold_free(port)
    try:
        _, url, _ = blocks.launch(
            server_name=ADDRESS, server_port=port, prevent_thread_lock=True, quiet=True,
            share=False, inbrowser=False, show_error=True, footer_links=[], run_history=False,
            allowed_paths=[], max_file_size="100mb", enable_monitoring=False, ssr_mode=False,
            pwa=False, mcp_server=False, strict_cors=True, theme=theme(), css_paths=HERE / "style.css",
            app_kwargs={"middleware": [Middleware(Guard)], "docs_url": None, "redoc_url": None,
                        "openapi_url": None},
        )  # fmt: skip
    except OSError as error:  # taken between the look and the launch
        raise ConfigError(taken(port)) from error
    return str(url)


def theme() -> Any:
    """Return the looks: fonts of the system alone, light and dark as the system says."""
    import gradio as gr

    fonts = ("system-ui", "-apple-system", "Segoe UI", "Roboto", "Noto Sans", "sans-serif")
    mono = ("ui-monospace", "SFMono-Regular", "Menlo", "Consolas", "DejaVu Sans Mono", "monospace")
    return gr.themes.Base(
        primary_hue="blue",
        neutral_hue="gray",
        font=[gr.themes.Font(name) for name in fonts],
        font_mono=[gr.themes.Font(name) for name in mono],
    )


def free_port() -> int:
    """Return the first free port from 7860 on.

    Raises: ConfigError where none of a hundred is.
    """
    found = next((port for port in range(FIRST, FIRST + 100) if is_free(port)), None)
    if found is None:
        what = "none is free"
        raise ConfigError(Fault(f"ports {FIRST} to {FIRST + 99}", what, then="name one: --port"))
    return found


def hold_free(port: int) -> None:
    """Hold that a port can be used.

    Raises: ConfigError.
    """
    if not 0 < port < 65536:
        raise ConfigError(Fault("--port", f"{port} is none", "1 to 65535"))
    if not is_free(port):
        raise ConfigError(taken(port))


def taken(port: int) -> Fault:
    """Say that a port is not to be had."""
    what = f"{port} is taken, or not allowed"
    return Fault("--port", what, "a free one", "leave it out: the first that is free is taken")


def is_free(port: int) -> bool:
    """Tell whether a server can listen there."""
    with socket.socket() as there:
        there.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            there.bind((ADDRESS, port))
        except OSError:
            return False
    return True


def short(prompt: str, most: int = 90) -> str:
    """Return a prompt's beginning on one line, for a button."""
    line = " ".join(prompt.split())
    return line if len(line) <= most else f"{line[: most - 1]}…"


def until_interrupted() -> None:
    """Wait for Ctrl-C, or for a polite request to end.

    Raises: KeyboardInterrupt.
    """
    import signal
    import threading

    def ended(*_: Any) -> None:
        raise KeyboardInterrupt

    # A shell's background job ignores the first, and Python does not clean up after the second.
    for each in (signal.SIGINT, signal.SIGTERM):
        signal.signal(each, ended)
    threading.Event().wait()
