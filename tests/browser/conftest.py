"""A real Chromium; what a page says on its console and every request it makes is recorded."""

import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from stages.core.jsonl import read_json

NAMES = ("chromium", "chromium-browser", "google-chrome")
# A phone's screen (360 by 640 is the narrowest that is common), and a computer's.
SIZES = {"phone": (360, 640), "tablet": (768, 1024), "computer": (1280, 900)}
# What axe-core calls a violation that keeps somebody out; below it are moderate and minor ones.
GRAVE = ("serious", "critical")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what lies in this folder, so that no test of it can be forgotten."""
    for item in items:
        if "/tests/browser/" in item.path.as_posix():
            item.add_marker(pytest.mark.browser)


def chromium() -> str:
    """Return the browser's path: TUNEGRAPH_CHROMIUM, or the first of NAMES on PATH."""
    named = os.environ.get("TUNEGRAPH_CHROMIUM")
    found = shutil.which(named) if named else next(filter(None, map(shutil.which, NAMES)), None)
    if found:
        return found
    what = f"TUNEGRAPH_CHROMIUM is {named}, which is no program" if named else "no Chromium here"
    pytest.fail(f"{what}; these tests want one of {', '.join(NAMES)} on PATH (apt-get install "
                "chromium), or its path in TUNEGRAPH_CHROMIUM", pytrace=False)  # fmt: skip


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """Return a running Chromium without a window."""
    path = chromium()
    from playwright.sync_api import sync_playwright

    # A microphone that beeps, and nobody who must allow it.
    flags = ["--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"]
    # A sandbox of its own needs a user of its own.
    flags += ["--no-sandbox"] if os.geteuid() == 0 else []
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=path, args=flags)
        yield running
        running.close()


@dataclass
class Heard:
    """What the pages of a test have said and done.

    said:     errors and warnings of the console, exceptions that nobody caught
    requests: every address that was asked for; left: those off this machine (none got through)
    dialogs:  texts of alert, confirm, prompt
    """

    said: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)
    left: list[str] = field(default_factory=list)
    dialogs: list[str] = field(default_factory=list)

    def listen(self, page: Any) -> None:
        """Record what a page does from now on."""
        page.on("console", self._console)
        page.on("pageerror", lambda error: self.said.append(f"uncaught: {error}"))
        page.on("dialog", self._dialog)
        page.on("websocket", lambda socket: self._asked(socket.url))
        page.context.route("**/*", self._route)

    def _console(self, message: Any) -> None:
        if message.type in ("error", "warning"):
            self.said.append(f"{message.type}: {message.text} ({message.location.get('url', '')})")

    def _dialog(self, dialog: Any) -> None:
        self.dialogs.append(dialog.message)
        dialog.dismiss()

    def _asked(self, url: str) -> bool:
        """Record an address; return whether it stays on this machine."""
        self.requests.append(url)
        address = urlsplit(url)
        stays = address.scheme in ("file", "data", "blob") or address.hostname == "127.0.0.1"
        if not stays:
            self.left.append(url)
        return stays

    def _route(self, route: Any) -> None:
        if self._asked(route.request.url):
            route.continue_()
        else:
            route.abort()


@pytest.fixture
def heard() -> Iterator[Heard]:
    """Record what pages do; after the test, nothing may have been said, opened or asked outside."""
    record = Heard()
    yield record
    assert record == Heard(requests=record.requests)


@pytest.fixture
def show(browser: Any, heard: Heard) -> Iterator[Callable[..., Any]]:
    """Return a function that opens an address in a window of its own."""
    contexts = []

    def opened(url: str, size: str = "computer", dark: bool = False) -> Any:
        width, height = SIZES[size]
        context = browser.new_context(
            viewport={"width": width, "height": height},
            color_scheme="dark" if dark else "light",
            reduced_motion="reduce",
        )
        contexts.append(context)
        page = context.new_page()
        heard.listen(page)
        page.goto(url)
        return page

    yield opened
    for context in contexts:
        context.close()


@pytest.fixture
def texts() -> list[str]:
    """Return what a page, a Markdown renderer, a stylesheet or a terminal would obey."""
    return read_json(Path(__file__).parent / "hostile.json")


def overflow(page: Any) -> int:
    """Return by how many CSS pixels a page is wider than its window."""
    return page.evaluate(
        "document.documentElement.scrollWidth - document.documentElement.clientWidth"
    )


@pytest.fixture
def wider() -> Callable[[Any], int]:
    """Return `overflow`."""
    return overflow


@pytest.fixture
def barriers() -> Callable[[Any], list[str]]:
    """Return a function that says what on a page keeps somebody out, by axe-core's rules."""
    from axe_playwright_python.sync_playwright import Axe

    def found(
        page: Any, fewest: int = 10, ranks: Sequence[str] = GRAVE, **options: Any
    ) -> list[str]:
        told = Axe().run(page, options={"resultTypes": ["violations"], **options}).response
        # A check that looked at nothing is none.
        assert len(told["passes"]) >= fewest, [rule["id"] for rule in told["passes"]]
        return [
            f"{rule['id']} ({rule['impact']}): {rule['help']}: {node['html'][:200]}"
            for rule in told["violations"]
            if rule["impact"] in ranks
            for node in rule["nodes"][:5]
        ]

    return found
