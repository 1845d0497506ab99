"""The licences that the cards name: of sources that there are."""

from collections.abc import Iterator

from stages.check.meaning import Params, located, section, unknown
from stages.core.errors import Fault


def of_licences(params: Params) -> Iterator[Fault]:
    """Hold that each source whose licence is named is one of `sources`."""
    sources = section(params, "sources")
    for name in section(section(params, "licenses"), "sources"):
        if sources:
            yield from unknown(f"licenses.sources.{name}", name, sources, "source")


def check_licences(params: Params, file: str = "params.yaml") -> list[Fault]:
    """Return what is wrong with `licenses`."""
    return located(file, of_licences(params))
