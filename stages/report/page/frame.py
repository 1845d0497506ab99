"""Render a template of this folder: values are escaped, and what they could do is made visible."""

import re
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from stages.core.visible import visible
from stages.report.build import Build
from stages.report.markdown import number
from stages.report.transfer import chain

HERE = Path(__file__).parent


def _shown(value: Any) -> Any:
    """Return what an expression of a template puts out; only Markup is taken as HTML."""
    return visible(value) if isinstance(value, str) and not isinstance(value, Markup) else value


ENVIRONMENT = Environment(
    loader=FileSystemLoader(HERE),
    autoescape=True,
    undefined=StrictUndefined,
    finalize=_shown,
    trim_blocks=True,
    lstrip_blocks=True,
)


def figure(value: float | None, digits: int = 3) -> str:
    """Spell a figure to so many decimals; nothing for None."""
    return "" if value is None else f"{value:.{digits}f}"


def signed(value: float | None, digits: int = 3) -> str:
    """Spell a difference with its sign, a true minus; nothing for None."""
    return "" if value is None else f"{value:+.{digits}f}".replace("-", "\u2212")


def typeset(text: str) -> str:
    """Set figures in plain text: true minus signs; an interval stays on one line, and so does n."""
    text = re.sub(r"\[(\S+), (\S+)\]", "[\\1,\u00a0\\2]", text.replace("-", "\u2212"))
    return text.replace("n = ", "n\u00a0=\u00a0")


ENVIRONMENT.filters |= {"figure": figure, "signed": signed, "number": number, "typeset": typeset}


def chains(build: Build) -> list[list[str]]:
    """Return the ways from the base to each adapter that nothing is trained on top of."""
    stack = {adapter["name"]: adapter for adapter in build.params["adapters"].values()}
    below = {adapter["on"] for adapter in stack.values()}
    return [chain(name, stack) for name in stack if name not in below] or [["base"]]


def render(template: str, **values: Any) -> Markup:
    """Render a template of this folder.

    Raises: jinja2.UndefinedError where the template wants what it was not given.
    """
    return Markup(ENVIRONMENT.get_template(template).render(**values))  # noqa: S704
