"""Prompt templates: Jinja in a sandbox, where an unknown variable is an error and not a blank."""

import json
from pathlib import Path
from typing import Any

from jinja2 import StrictUndefined, Template, TemplateError, TemplateSyntaxError, meta, nodes
from jinja2.exceptions import TemplateRuntimeError
from jinja2.sandbox import SandboxedEnvironment

from stages.core.errors import ConfigError, Fault


def printed(value: Any) -> Any:
    """Return what a template prints, which cannot be null: it would read as the word None."""
    if value is None:
        raise TemplateRuntimeError(
            "it prints a value that is null: guard it by {% if ... %}, or settle it (`nulls`)"
        )
    return value


def environment() -> SandboxedEnvironment:
    """Return the one environment: sandboxed and strict.

    `json`, and `tojson`, write JSON as it is read: Jinja's own escapes HTML and sorts the keys.
    """
    made = SandboxedEnvironment(
        undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, finalize=printed
    )
    made.filters["json"] = json.JSONEncoder(ensure_ascii=False).encode
    made.filters["tojson"] = made.filters["json"]
    return made


def read(path: Path) -> str:
    """Read a template's text, without the newline that editors put at the end.

    Raises: ConfigError when it is missing or not UTF-8.
    """
    try:
        return path.read_text(encoding="utf-8").removesuffix("\n")
    except (FileNotFoundError, UnicodeDecodeError) as error:
        raise ConfigError(Fault(str(path), f"no template in UTF-8 here: {error}")) from None


def parse(text: str, where: str) -> Template:
    """Compile a template.

    where: file or key, for the message
    Raises: ConfigError with the line of a syntax error.
    """
    try:
        template = environment().from_string(text)
        # Jinja copies the globals at every rendering, and they are a ChainMap, slow to copy.
        template.globals = dict(template.globals)
        return template
    except TemplateSyntaxError as error:
        what = f"not a Jinja template: {error.message}"
        raise ConfigError(Fault(f"{where}:{error.lineno}", what)) from None


def variables(text: str) -> set[str]:
    """Return the variables that a (well-formed) template takes."""
    return meta.find_undeclared_variables(environment().parse(text))


def line_of(name: str, text: str) -> int:
    """Return the line, from 1, on which a (well-formed) template first takes a variable."""
    taken = environment().parse(text).find_all(nodes.Name)
    return min(node.lineno for node in taken if node.name == name)


def keys_of(name: str, text: str) -> list[tuple[int, str]]:
    """Return the keys that a (well-formed) template takes of a variable, each with its line.

    `record.who` and `record["who"]`, wherever they stand; not what is only known when it is filled.
    """
    taken = environment().parse(text).find_all((nodes.Getattr, nodes.Getitem))
    found = []
    for node in taken:
        if not (isinstance(node.node, nodes.Name) and node.node.name == name):
            continue
        if isinstance(node, nodes.Getattr):
            if not hasattr(dict, node.attr):  # `record.items()` takes all
                found.append((node.lineno, node.attr))
        elif isinstance(node.arg, nodes.Const) and isinstance(node.arg.value, str):
            found.append((node.lineno, node.arg.value))
    return found


def render(template: Template, where: str, /, **values: Any) -> str:
    """Fill a template.

    Raises: ConfigError naming an unknown variable, what the sandbox refused, or what failed.
    """
    try:
        return template.render(values)
    except (TemplateError, ArithmeticError, LookupError, TypeError, ValueError) as error:
        known = ", ".join(sorted(values)) or "none"
        raise ConfigError(Fault(where, str(error), f"variables: {known}")) from None
