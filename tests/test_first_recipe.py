"""docs/first-recipe.md, followed word by word: commands run, files written, output compared."""

import os
import re
import resource
import shutil
import subprocess
import sys
from itertools import zip_longest
from pathlib import Path

import pytest

PAGE = "docs/first-recipe.md"
# A fence with its language and content, and the paragraph before it, which may name a file.
BLOCK = re.compile(
    r"(?P<before>[^\n]*(?:\n[^\n]+)*)\n\n```(?P<kind>\w+)\n(?P<text>.*?)```", re.DOTALL
)
FILE = re.compile(r"`(recipes/mine/[^`]+)`")
NUMBER = re.compile(r"[-+]?\d+\.\d+")
# The sums of another processor differ, and with them an answer: a fifth of few rows.
MOST_APART = 0.25
TEN_MINUTES = 600


def blocks(text: str) -> list[tuple[str, str, str]]:
    """Return (kind, file or nothing, content) of each block of a page, in order."""
    found = []
    for match in BLOCK.finditer(text):
        named = FILE.findall(match["before"])
        file = named[0] if named and match["kind"] not in ("sh", "text") else ""
        found.append((match["kind"], file, match["text"]))
    return found


def alike(shown: str, printed: str) -> bool:
    """Tell whether two lines say the same, up to spaces and how far a decimal may move."""
    parts, others = shown.split(), printed.split()
    if len(parts) != len(others):
        return False
    return all(
        abs(float(a) - float(b)) <= MOST_APART * max(1.0, abs(float(a)))
        if NUMBER.fullmatch(a) and NUMBER.fullmatch(b)
        else a == b
        for a, b in zip(parts, others, strict=True)
    )


def shows(shown: str, printed: str) -> bool:
    """Tell whether a page shows what was printed; a line `...` stands for any lines."""
    pieces = [piece.strip("\n").split("\n") for piece in re.split(r"(?m)^\.\.\.$", shown)]
    lines = printed.strip("\n").split("\n")
    if len(pieces) == 1:
        return all(alike(a, b) for a, b in zip_longest(pieces[0], lines, fillvalue="\0"))
    at = 0
    for number, piece in enumerate(pieces):
        if piece == [""]:
            continue
        last = len(lines) - len(piece)
        if number == 0:
            places = [0]
        elif number == len(pieces) - 1:
            places = [last]
        else:
            places = list(range(at, last + 1))
        fits = (
            place
            for place in places
            if 0 <= at <= place <= last
            and all(alike(a, b) for a, b in zip(piece, lines[place:], strict=False))
        )
        if (place := next(fits, None)) is None:
            return False
        at = place + len(piece)
    return True


@pytest.mark.parametrize(
    ("shown", "printed", "same"),
    [
        ("a 0.5\nb", "a  0.6\nb\n", True),
        ("a 0.5\nb", "a 0.9\nb\n", False),
        ("a 1\nb", "a 2\nb\n", False),
        ("a\nb", "a\nb\nc\n", False),
        ("...\nb\n...", "a\nb\nc\n", True),
        ("...\nb", "a\nb\nc\n", False),
        ("a\n...\nc", "a\nb\nc\n", True),
        ("a\n...\nb\n...", "a\nc\n", False),
        ("...\nb\na\n...", "a\nb\nc\n", False),
    ],
)
def test_what_counts_as_shown(shown: str, printed: str, same: bool):
    assert shows(shown, printed) == same


def test_the_page_has_commands_files_and_output(root: Path):
    found = blocks((root / PAGE).read_text(encoding="utf-8"))
    assert sum(kind == "sh" for kind, _, _ in found) >= 7
    assert sum(kind == "text" for kind, _, _ in found) >= 6
    files = [file for kind, file, _ in found if kind not in ("sh", "text")]
    assert all(files)
    assert len(files) >= 7


def clone(root: Path, folder: Path) -> dict[str, str]:
    """Copy what git tracks, or would, to a folder, commit it there; return the environment."""
    listed = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(listed, cwd=root, check=True, capture_output=True, text=True).stdout
    for name in filter(None, names.split("\0")):
        if (root / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(root / name, folder / name)
    shell = folder.with_name("bin")
    shell.mkdir()
    (shell / "tunegraph").write_text(
        f"#!/bin/sh\nexec '{sys.executable}' -c 'from tools.cli import main; main()' \"$@\"\n"
    )
    (shell / "tunegraph").chmod(0o755)
    who = {
        f"GIT_{role}_{of}": "test" for role in ("AUTHOR", "COMMITTER") for of in ("NAME", "EMAIL")
    }
    environment = {
        **os.environ,
        **who,
        "PATH": os.pathsep.join([str(shell), str(Path(sys.executable).parent), os.environ["PATH"]]),
        "PYTHONPATH": str(folder),
        "DVC_NO_ANALYTICS": "1",
        "DVC_SITE_CACHE_DIR": str(folder.with_name("site")),
        "OMP_NUM_THREADS": "1",
        "OMP_WAIT_POLICY": "PASSIVE",
        "TOKENIZERS_PARALLELISM": "false",
    }
    for words in (["init", "--quiet"], ["add", "--all"], ["commit", "--quiet", "-m", "begin"]):
        subprocess.run(["git", *words], cwd=folder, env=environment, check=True)
    return environment


@pytest.mark.slow
def test_the_page_says_what_happens(root: Path, tmp_path: Path):
    """It fits into ten minutes of one processor, too."""
    folder = tmp_path / "clone"
    folder.mkdir()
    environment = clone(root, folder)
    printed, faults, before = "", [], resource.getrusage(resource.RUSAGE_CHILDREN)
    for kind, file, text in blocks((root / PAGE).read_text(encoding="utf-8")):
        if kind == "sh":
            words = ["sh", "-e", "-c", text]
            done = subprocess.run(
                words, cwd=folder, env=environment, capture_output=True, text=True
            )
            printed = done.stdout + done.stderr
            assert done.returncode == 0 or "error:" in done.stderr, f"{text}\n{printed}"
        elif kind == "text":
            if not shows(text, printed):
                faults.append(f"the page shows\n{text}\nprinted was\n{printed}")
        else:
            assert (folder / file).is_file(), f"{file} is none of the recipe's files"
            (folder / file).write_text(text, encoding="utf-8")
    assert not faults, "\n".join(faults)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    took = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    print(f"{PAGE}: {took:.0f} CPU-seconds")
    assert took < TEN_MINUTES
