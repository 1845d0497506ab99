"""Make docs/screenshots: the page and the chat window of the build that lies here, by Chromium.

    make screenshots
    python bench/screenshots.py --chromium /usr/bin/chromium --only report

Windows have fixed sizes, and pictures wait for what they show: the same build gives the same
pictures, but for the seconds that an answer took. Colours are reduced to a palette.
"""

import argparse
import io
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from stages.core import entry
from stages.core.errors import ConfigError, Fault, InputError
from stages.core.jsonl import read_rows
from stages.core.params import read_yaml

ROOT = Path(__file__).resolve().parents[1]
OUT = ROOT / "docs" / "screenshots"
NAMES = ("chromium", "chromium-browser", "google-chrome")
COLORS = 256
KMEANS = 3
MARGIN = 24  # around a part, in pixels of the window
MOST_BYTES = 250_000  # a picture
MOST_BYTES_OF_ALL = 1_500_000
WAIT_MS = 180_000
UI_LINE = re.compile(r"http://127\.0\.0\.1:\d+")


RECORD = "record"


class Shot(NamedTuple):
    """One picture.

    part: the section of the page that it shows; empty: the top of it; of the chat window, RECORD: a
          question that is answered by a record
    scale: pixels of the picture to a pixel of the window; height: of the window, and at most so
    much of a part is shown
    """

    name: str
    part: str = ""
    dark: bool = False
    width: int = 1280
    height: int = 1000
    scale: float = 1


REPORT = (
    Shot("report-light"),
    Shot("report-dark", dark=True),
    Shot("report-phone", width=390, height=844, scale=2),
    Shot("report-forgetting", "forgetting", height=940),
    Shot("report-comparison", "comparison"),
    Shot("report-story", "story"),
    Shot("report-skills", "skills"),
    Shot("report-curves", "curves", dark=True),
    Shot("report-samples", "samples"),
    Shot("report-graph", "graph"),
)
CHAT = (
    Shot("chat-side-by-side", height=1200),
    Shot("chat-record", RECORD),
    Shot("chat-dark", dark=True, height=1200),
    Shot("chat-phone", width=390, height=844, scale=2),
)


def chromium(named: str | None) -> str:
    """Return a browser's path.

    Raises: ConfigError when there is none.
    """
    named = named or os.environ.get("TUNEGRAPH_CHROMIUM")
    found = shutil.which(named) if named else next(filter(None, map(shutil.which, NAMES)), None)
    if not found:
        what = f"no program {named}" if named else "there is no Chromium"
        then = "apt-get install chromium, or --chromium PATH"
        raise ConfigError(Fault("bench/screenshots.py", what, f"one of {', '.join(NAMES)}", then))
    return found


def built() -> dict[str, Any]:
    """Return params.yaml of the build that lies here.

    Raises: InputError with all that is missing.
    """
    params = read_yaml(ROOT / "params.yaml")
    names = [model["name"] for model in params["models"].values()]
    wanted = ["report.html", "data/test.jsonl", *(f"models/{name}/manifest.json" for name in names)]
    lacking = [path for path in wanted if not (ROOT / path).exists()]
    if lacking:
        faults = [Fault(path, "there is none", then="make repro") for path in lacking]
        raise InputError(*faults)
    return params


@contextmanager
def window(browser: Any, shot: Shot) -> Iterator[Any]:
    """Open a window of a picture's size."""
    context = browser.new_context(
        viewport={"width": shot.width, "height": shot.height},
        device_scale_factor=shot.scale,
        color_scheme="dark" if shot.dark else "light",
        reduced_motion="reduce",
        locale="en-GB",
    )
    yield context.new_page()
    context.close()


def kept(png: bytes, out: Path) -> int:
    """Write a picture with few colours; return its bytes."""
    from PIL import Image

    image = Image.open(io.BytesIO(png)).convert("RGB")
    # Rounds of k-means: the median cut alone gives small marks the colour of large ones.
    few = image.quantize(COLORS, Image.Quantize.MEDIANCUT, KMEANS, dither=Image.Dither.NONE)
    few.save(out, optimize=True)
    return out.stat().st_size


def of_report(page: Any, shot: Shot) -> bytes | None:
    """Return a picture of the page, or of one part of it; None where the page has no such part."""
    page.goto((ROOT / "report.html").as_uri())
    if not shot.part:
        return page.screenshot()
    section = page.locator(f"section#{shot.part}")
    if not section.count():
        return None
    # What stays at the window's edge would hide the part's beginning.
    page.add_style_tag(content="nav, header { position: static !important }")
    box = section.bounding_box()
    clip = {
        "x": max(0, box["x"] - MARGIN),
        "y": box["y"],
        "width": min(box["width"] + 2 * MARGIN, shot.width - box["x"] + MARGIN),
        "height": min(box["height"], shot.height),
    }
    return page.screenshot(full_page=True, clip=clip)


def question() -> str | None:
    """Return the first test row's question that is answered by a record; None: there is none."""
    for row in read_rows(ROOT / "data/test.jsonl"):
        if row.get("record"):
            return str(row["messages"][-2]["content"])
    return None


def of_chat(page: Any, url: str, names: Iterable[str], prompt: str | None = None) -> bytes:
    """Return a picture of models' answers to a prompt, or to the first example."""
    page.goto(url)
    page.locator("#answers-0").filter(has_text="Nothing asked yet").wait_for()
    chosen = {name.strip() for name in page.locator("#models .token").all_inner_texts()}
    page.locator("#models input").click()
    for name in sorted(chosen ^ {*names}):
        page.get_by_role("option", name=name, exact=True).click()
    page.keyboard.press("Escape")
    if prompt is None:
        page.locator("#examples button").first.click()
        page.wait_for_function("document.querySelector('#prompt textarea').value.length > 0")
    else:
        page.locator("#prompt textarea").fill(prompt)
    page.locator("#send").click()
    page.locator("#status").filter(has_text="Done").wait_for(timeout=WAIT_MS)
    page.locator("#verdict-1").wait_for()  # what the answers are judged by comes after them
    page.mouse.move(0, 0)
    page.evaluate("document.activeElement.blur(); scrollTo(0, 0)")
    return page.screenshot()


def of_window(browser: Any, params: dict[str, Any]) -> Iterator[tuple[str, bytes]]:
    """Yield the pictures of the chat window, by name."""
    pasted = {entry["name"] for entry in params["transcripts"].values()}
    names = [model["name"] for model in params["models"].values()]
    names = [name for name in names if name not in pasted]
    asked = question()
    with served() as url:
        # The first answers load the models, which takes seconds that a picture should not tell.
        with window(browser, CHAT[0]) as page:
            of_chat(page, url, (names[0], *names[-2:]))
        for shot in CHAT:
            if shot.part == RECORD and asked is None:
                continue
            of_record = shot.part == RECORD
            shown = names[-2:] if of_record else (names[0], *names[-2:])
            with window(browser, shot) as page:
                yield shot.name, of_chat(page, url, shown, asked if of_record else None)


@contextmanager
def served() -> Iterator[str]:
    """Open the chat window, as `make ui` does; yield its address.

    Raises: ConfigError with what it said, when it does not open.
    """
    # -u: its address is to come at once.
    words = [sys.executable, "-u", "-c", "from tools.cli import main; main()", "ui"]
    process = subprocess.Popen(words, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                               text=True)  # fmt: skip
    said = []
    try:
        for line in process.stdout:
            said.append(line)
            if found := UI_LINE.search(line):
                yield found.group()
                return
        what = f"it ended before it said its address: {''.join(said[-5:])}"
        raise ConfigError(Fault("tunegraph ui", what, then="tunegraph ui"))
    finally:
        process.terminate()
        process.wait(timeout=30)


def shoot(browser: Any, only: str | None) -> Iterator[tuple[str, bytes]]:
    """Yield the pictures, by name."""
    params = built()
    if only != "chat":
        for shot in REPORT:
            with window(browser, shot) as page:
                png = of_report(page, shot)
            if png:
                yield shot.name, png
    if only != "report":
        yield from of_window(browser, params)


def main() -> None:
    """Make them, and say how large they are; exit 1 where one is too large."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--chromium", metavar="PATH", help="TUNEGRAPH_CHROMIUM, or one on PATH")
    parser.add_argument("--only", choices=("report", "chat"))
    parser.add_argument("--out", type=Path, default=OUT, metavar="FOLDER")
    args = parser.parse_args()
    path = chromium(args.chromium)
    args.out.mkdir(parents=True, exist_ok=True)
    from playwright.sync_api import sync_playwright

    flags = ["--no-sandbox"] if os.geteuid() == 0 else []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=flags)
        sizes = []
        for name, png in shoot(browser, args.only):
            sizes.append(kept(png, args.out / f"{name}.png"))
            print(f"{name:20} {sizes[-1] / 1000:6.0f} kB", flush=True)
        browser.close()
    print(f"{'all':20} {sum(sizes) / 1000:6.0f} kB of {MOST_BYTES_OF_ALL / 1000:.0f}")
    if sum(sizes) > MOST_BYTES_OF_ALL or max(sizes) > MOST_BYTES:
        raise SystemExit(f"more than {MOST_BYTES} bytes, or {MOST_BYTES_OF_ALL} of all")


if __name__ == "__main__":
    entry.run(main)
