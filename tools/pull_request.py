"""Write what a pull request does to the models, as the one comment that GitHub shows of it.

    python -m tools.pull_request origin/main --out comment.md

It sets the build that is here against the one that both branches come from, from files in git
alone: nothing is built, no data is needed. .github/workflows/metrics.yml runs it and posts what it
wrote (docs/pull-requests.md).

`dvc metrics diff` ─┐
`tunegraph changed` ├─ cut to fit ── quiet: no name is called, no issue linked ── comment.md
metrics/report.md  ─┘
"""

import argparse
import json
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from string import ascii_lowercase
from typing import Any

from stages.core import entry
from stages.core.errors import ConfigError, Fault
from stages.core.jsonl import replacing
from stages.core.scores import KEYS, arrow
from stages.report.markdown import escape, table
from tools import changed, changed_page, pages
from tools.diff import dvc
from tools.revisions import git, hold_repository
from tools.snapshot import Snapshot

REPORT = Path("metrics/report.md")
# GitHub refuses a longer body; counted as UTF-16, which is never less than what it counts.
LIMIT = 65_536
# Of these, at most so much of the figures and of what changed; the report's beginning has the rest.
OF_FIGURES, OF_CHANGES = 20_000, 24_000
LAST = ("metrics/costs/",)  # a clock decides them
COPIES = {"metrics/selected.json"}  # of another file's figures
# What GitHub makes links and notices of wherever it stands, escaped or not.
CALLS = re.compile(r"(?<!\w)@(?=\w)|#(?=\d)|GH-(?=\d)|://|www\.(?=\w)", re.IGNORECASE)
NOTHING = "\u200b"  # zero width: the text looks the same


def length(text: str) -> int:
    """Return how long a text is, in UTF-16 code units."""
    return len(text.encode("utf-16-le", "replace")) // 2


def blocks(lines: Iterable[str]) -> Iterator[tuple[str, bool, str]]:
    """Yield each line, whether it is of a block of code, and the fence that closes that block.

    The blocks are those of `stages.report.markdown.fenced`: no line inside is their fence.
    """
    fence = ""
    for line in lines:
        if fence:
            fence = "" if line == fence else fence
            yield line, True, fence
        else:
            fence = line.rstrip(ascii_lowercase) if line.startswith("```") else ""
            yield line, bool(fence), fence


def quiet(lines: Iterable[str]) -> list[str]:
    """Return lines in which no one is called by name and nothing is linked; code stays as it is."""

    def broken(found: re.Match[str]) -> str:
        return found[0][0] + NOTHING + found[0][1:]

    return [line if code else CALLS.sub(broken, line) for line, code, _ in blocks(lines)]


def lowered(lines: Iterable[str]) -> list[str]:
    """Return Markdown with its headings two levels lower; code stays as it is."""
    return [
        f"##{line}" if not code and re.match(r"#{1,4} ", line) else line
        for line, code, _ in blocks(lines)
    ]


def cut(lines: list[str], room: int, rest: str) -> list[str]:
    """Return as many lines as there is room for; where some are left out, `rest` says where.

    A block of code that is cut is closed.
    """
    if length("\n".join(lines)) <= room:
        return lines
    kept: list[str] = []
    closing, left = "", room - length(rest) - 200  # for a fence and what surrounds `rest`
    for line, _, fence in blocks(lines):
        if (left := left - length(line) - 1) < 0:
            break
        kept.append(line)
        closing = fence
    return [*kept, *([closing] if closing else []), "", f"*(cut: {rest})*", ""]


def again() -> list[str]:
    """Return the stages that `dvc repro` would run, those of which only data are not here apart."""

    def kinds(told: Any) -> Iterator[str]:
        if isinstance(told, str):
            yield told
        else:
            for inner in told.values() if isinstance(told, dict) else told:
                yield from kinds(inner)

    status = json.loads(dvc("status", "--json"))
    return [name for name, told in status.items() if {*kinds(told)} - {"deleted", "not in cache"}]


def spelled(value: Any) -> str:
    """Spell a figure for a cell, as `dvc metrics diff` does: to five significant digits."""
    if isinstance(value, float):
        return f"{value:.5g}"
    return "" if value is None else escape(value)


def figures(base: str) -> list[str]:
    """Return the table of `dvc metrics diff`: what a clock decides last, copies left out."""
    found = json.loads(dvc("metrics", "diff", "--json", base))
    rows = []
    for path in sorted(found.keys() - COPIES, key=lambda path: (path.startswith(LAST), path)):
        for key, told in sorted(found[path].items()):
            leaf = key.rpartition(".")[2]
            direction = arrow(leaf) if leaf in KEYS else ""
            cells = [told.get("old"), told.get("new"), told.get("diff")]
            name = path.removeprefix("metrics/").removesuffix(".json")
            rows.append([escape(name), f"{escape(key)} {direction}".strip(), *map(spelled, cells)])
    return table(["file", "metric", "before", "now", "change"], rows, left=2) if rows else []


def folded(title: str, lines: list[str]) -> list[str]:
    """Return Markdown that opens at a click."""
    return [f"<details><summary>{title}</summary>", "", *lines, "", "</details>", ""]


def comment(base: str) -> str:
    """Return the comment on what is here against a commit.

    Raises: ConfigError where there is no build to compare with, or none here.
    """
    told, found = changed.compare(Snapshot(base, "base"), Snapshot(None, "base"))
    said = git("log", "-1", "--format=%h %s", base).strip()
    head = ["## What this does to the models", "", f"Against {escape(said)}.", ""]
    if stages := again():
        many = ", ".join(map(escape, stages[:12])) + (" ..." if len(stages) > 12 else "")
        head += ["> [!WARNING]"]
        head += [f"> `dvc repro` would run {len(stages)} stages here ({many}): the figures are not"]
        head += ["> of these files. Run it, and commit dvc.lock and metrics/.", ""]
    body = [*quiet(head), "### `dvc metrics diff`", ""]
    moved = quiet(figures(base)) or ["No figure moved.", ""]
    body += cut(moved, OF_FIGURES, f"`dvc metrics diff {base[:12]}` has the rest")
    lines = pages.markdown(list(changed_page.parts(told, found))).split("\n")
    lines = cut(quiet(lowered(lines)), OF_CHANGES, f"`tunegraph changed {base[:12]}` has the rest")
    body += folded("What changed: parameters, code, rows, and how surely the figures moved", lines)
    if REPORT.is_file():
        lines = quiet(lowered(REPORT.read_text(encoding="utf-8").split("\n")))
        room = LIMIT - length("\n".join([*body, *folded(str(REPORT), [])])) - 100
        body += folded(str(REPORT), cut(lines, room, "the rest stands in that file"))
    return "\n".join(body)


def main(revision: str, out: Path) -> None:
    """Write the comment on what is here against where it began to differ from a revision.

    Raises: ConfigError where git knows no such revision, or no commit before both.
    """
    hold_repository()
    try:
        base = git("merge-base", "--end-of-options", revision, "HEAD").strip()
    except ConfigError as error:
        what = f"{revision!r} and what is here come from no commit that is here"
        then = "git fetch --unshallow; in a workflow: fetch-depth: 0"
        said = "; ".join(fault.what for fault in error.faults)
        raise ConfigError(Fault("BASE", f"{what} ({said})", "a branch or commit", then)) from None
    text = comment(base)
    with replacing(out) as file:
        file.write(text)
    entry.say("pull_request", f"{out}: {length(text)} of {LIMIT} characters, against {base[:12]}")


def command() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m tools.pull_request", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("base", help="the branch that it is to be merged into, or a commit")
    parser.add_argument("--out", type=Path, default=Path("comment.md"), help="(comment.md)")
    args = parser.parse_args()
    main(args.base, args.out)


if __name__ == "__main__":
    entry.run(command)
