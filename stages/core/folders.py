"""Write a folder so that it is there whole or not at all, whenever the process is killed."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def sync(path: Path) -> None:
    """Bring a file, or a folder and all in it, to the disk itself: against a power cut."""
    for each in [*path.rglob("*"), path] if path.is_dir() else [path]:
        file = os.open(each, os.O_RDONLY)
        try:
            os.fsync(file)
        finally:
            os.close(file)


def put(written: Path, path: Path) -> None:
    """Let a written folder take the place of `path`, which never holds parts of both."""
    sync(written)
    former = path.with_name(f".{path.name}.former")
    shutil.rmtree(former, ignore_errors=True)
    if path.exists():
        path.rename(former)
    written.rename(path)
    sync_entry(path)
    shutil.rmtree(former, ignore_errors=True)


def sync_entry(path: Path) -> None:
    """Bring to the disk that `path` is called what it is called."""
    file = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(file)
    finally:
        os.close(file)


@contextmanager
def replacing_folder(path: Path) -> Iterator[Path]:
    """Yield an empty folder beside `path` that takes its place on success, and only then.

    What a killed process left of it is removed by the next one: two must not write one folder.
    """
    written = path.with_name(f".{path.name}.written")
    shutil.rmtree(written, ignore_errors=True)
    written.mkdir(parents=True)
    try:
        yield written
        put(written, path)
    finally:
        shutil.rmtree(written, ignore_errors=True)
