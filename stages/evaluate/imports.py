"""Import no more than is used. What libraries import beside it took 4 of 10 CPU-seconds."""

import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from importlib.util import find_spec, module_from_spec


@contextmanager
def without(*names: str) -> Iterator[None]:
    """Let optional modules be missing while a library is imported that would import them.

    Those that are loaded already stay. The library behaves as where they are not installed.
    Source: https://docs.python.org/3/reference/import.html#the-module-cache (None as an entry)
    """
    hidden = [name for name in names if name not in sys.modules]
    sys.modules.update(dict.fromkeys(hidden))  # type: ignore[arg-type]
    try:
        yield
    finally:
        for name in hidden:
            del sys.modules[name]


@contextmanager
def bare(package: str) -> Iterator[None]:
    """Let a package's modules be imported without what its `__init__` imports beside them.

    One that is loaded already stays as it is. The modules stay loaded, the package does not.
    """
    spec = find_spec(package) if package not in sys.modules else None
    if spec is not None:
        sys.modules[package] = module_from_spec(spec)
        sys.modules[package].__version__ = version(package.replace("_", "-"))
    try:
        yield
    finally:
        if spec is not None:
            del sys.modules[package]


def collect_rarely() -> None:
    """Look for unreachable cycles rarely: while millions of objects are imported there are none.

    It takes a fifth of the time that torch and transformers need to be imported.
    Source: https://docs.python.org/3/library/gc.html#gc.set_threshold
    """
    gc.set_threshold(200_000, 50, 100)
