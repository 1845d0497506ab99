"""The window as a page: which function of `Window` each control calls; and how it is opened."""

import asyncio
import os
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from inspect import isgeneratorfunction
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from stages.core.errors import ConfigError
from tools.chat.address import ADDRESS, free_port, hold_free, taken
from tools.chat.board import MOST, status
from tools.chat.engine import Engine
from tools.chat.guard import Guard
from tools.chat.layout import NUMBERS, Parts, laid_out
from tools.chat.models import Model
from tools.chat.rows import RECIPES, Rows
from tools.chat.shown import HERE
from tools.chat.speech import Listener, heard
from tools.chat.talk import Talk
from tools.chat.validated import records
from tools.chat.window import Window

if TYPE_CHECKING:
    import gradio as gr

Made = TypeVar("Made")
PROXY = re.compile("(http|https|all)_proxy", re.IGNORECASE)
# What changes there is read aloud; a group of columns may be left by keyboard.
LIVE = """() => {
  for (const id of ["status", "kept"]) {
    const there = document.getElementById(id);
    if (there) { there.setAttribute("role", "status"); there.setAttribute("aria-live", "polite"); }
  }
}"""


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
    recipe = str(params["recipe"])
    said, device = params.get("ui") or {}, (params.get("compute") or {}).get("device", "cpu")
    whisper = said.get("whisper")
    listener = Listener(whisper, said.get("whisper_revision"), device) if whisper else None
    rows = Rows(params, root)
    verdicts = root / RECIPES / recipe / "verdicts.jsonl"
    window = Window(engine, models, rows, records(params, root, rows.by_id.values()), verdicts)
    return within_loop(lambda: made_of(window, lacking, params, listener))


def made_of(
    window: Window, lacking: Sequence[str], params: dict[str, Any], listener: Listener | None
) -> "gr.Blocks":
    """Lay out the page and wire it."""
    # Before gradio is imported: nothing is asked of its makers.
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
    with past_proxies():
        import gradio as gr

    recipe = str(params["recipe"])
    with gr.Blocks(title=f"TuneGraph: {recipe}", analytics_enabled=False, fill_width=True) as made:
        talk = gr.State(Talk())
        parts = laid_out(window, lacking, params, listener)
        wired(window, parts, talk, listener)
        made.load(
            changing(window.choose, parts),
            [talk, *(parts[name] for name in ("models", "system", "system-own"))],
            [*parts.values()],
            api_visibility="private",
            show_progress="hidden",
        )
    return made


def wired(window: Window, parts: Parts, talk: "gr.State", listener: Listener | None) -> None:
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
    on(parts["models"].change, window.choose, "models", "system", "system-own")
    on(parts["blind"].input, window.hide, "blind")
    on(parts["system-own"].input, window.choose, "models", "system", "system-own")
    parts["system"].input(lambda: False, None, parts["system-own"], **quiet)
    on(parts["system-own"].change, window.noted, "models", "system-own")
    on(parts["prompt-as-sent"].expand, window.as_sent, "models", "system", "system-own", "prompt")
    on(parts["against"].input, window.compare, "against")
    judged = [f"verdict-{at}" for at in range(1, MOST)]
    on(parts["keep"].click, window.keep, "note", "verdict-answer", *judged)
    if listener:
        events = [parts["speech"].stop_recording, parts["speech"].upload]
        gr.on(
            events, changing(hearing(listener), parts), [parts["speech"], parts["prompt"]],
            everything, **quiet,
        )  # fmt: skip
    if "examples" in parts:
        on(parts["examples"].click, window.example, "examples", "models", "blind")


def hearing(listener: Listener) -> Callable[..., Iterator[dict[str, Any]]]:
    """Return what a recording does: its words go behind what stands in the prompt's box."""

    def hear(path: str | None, prompt: str | None) -> Iterator[dict[str, Any]]:
        if path:
            yield {"status": status(f"{listener.called} listens …")}
            said, fault = heard(listener, path, prompt)
            yield {"prompt": said, "status": status(fault, fault=bool(fault)), "speech": None}

    return hear


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

    def launched() -> tuple[Any, str, str]:
        return blocks.launch(
            server_name=ADDRESS, server_port=port, prevent_thread_lock=True, quiet=True,
            share=False, inbrowser=False, show_error=True, footer_links=[], run_history=False,
            allowed_paths=[], max_file_size="100mb", enable_monitoring=False, ssr_mode=False,
            pwa=False, mcp_server=False, strict_cors=True,
            theme=theme(), css_paths=HERE / "style.css", js=LIVE,
            app_kwargs={"middleware": [Middleware(Guard)], "docs_url": None, "redoc_url": None,
                        "openapi_url": None},
        )  # fmt: skip

    try:
        with past_proxies():
            return str(within_loop(launched)[1])
    except OSError as error:  # taken between the look and the launch
        raise ConfigError(taken(port)) from error


@contextmanager
def past_proxies() -> Iterator[None]:
    """Let what opens the window ask it directly, where the environment names a proxy.

    Gradio looks whether its page answers (`gradio.networking.url_ok`), by httpx, which would ask
    the proxy for 127.0.0.1, and makes nothing at all of a SOCKS proxy, not even at its import. A
    Whisper of the hub is fetched through it all the same, later.
    """
    held = {name: os.environ.pop(name) for name in [*os.environ] if PROXY.fullmatch(name)}
    try:
        yield
    finally:
        os.environ.update(held)


def within_loop(function: Callable[[], Made]) -> Made:
    """Call a function while an event loop runs.

    Outside of one Gradio makes a loop for each of its locks (`gradio.utils.safe_get_lock`), and
    leaves it open.
    """

    async def called() -> Made:
        return function()

    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(called())
    return function()  # in a notebook


def theme() -> Any:
    """Return the looks: fonts of the system alone, light and dark as the system says."""
    import gradio as gr

    fonts = ("system-ui", "-apple-system", "Segoe UI", "Roboto", "Noto Sans", "sans-serif")
    mono = ("ui-monospace", "SFMono-Regular", "Menlo", "Consolas", "DejaVu Sans Mono", "monospace")
    return gr.themes.Default(
        primary_hue="blue",
        neutral_hue="gray",
        font=[gr.themes.Font(name) for name in fonts],
        font_mono=[gr.themes.Font(name) for name in mono],
    ).set(  # what Gradio greys out is hard to read: a contrast of 4.5 at least (WCAG 2.2, 1.4.3)
        body_text_color_subdued="*neutral_600",
        body_text_color_subdued_dark="*neutral_300",
        block_info_text_color="*neutral_600",
        block_info_text_color_dark="*neutral_300",
        input_placeholder_color="*neutral_500",
        input_placeholder_color_dark="*neutral_400",
        button_primary_background_fill="*primary_700",
        button_primary_background_fill_hover="*primary_800",
        button_primary_background_fill_dark="*primary_700",
        button_primary_background_fill_hover_dark="*primary_600",
    )
