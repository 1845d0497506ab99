"""Find the line of a YAML file at which the key of a fault stands."""

import re
from collections.abc import Iterable
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

from stages.core.errors import Fault

# A file's name, then a key in it: `recipes/mine/params.yaml: sources.notes.file`.
PLACE = re.compile(r"(?P<file>.+?\.ya?ml): (?P<key>\S.*)")
STEP = re.compile(r"\[(\d+)\]\.?")


@cache
def composed(file: Path) -> Any:
    """Return the nodes of a YAML file, each with its place; None where there is no such file."""
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    try:
        return YAML(pure=True).compose(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, YAMLError):
        return None


def entries(node: Any) -> list[tuple[Any, Any]]:
    """Return the keys and values of a mapping; those that it merges (`<<`) after its own."""
    from ruamel.yaml import MappingNode, SequenceNode

    own: list[tuple[Any, Any]] = []
    merged: list[tuple[Any, Any]] = []
    for key, value in node.value:
        if key.value == "<<":
            for each in value.value if isinstance(value, SequenceNode) else [value]:
                merged += entries(each) if isinstance(each, MappingNode) else []
        else:
            own.append((key, value))
    return own + merged


def line_of(node: Any, key: str) -> int:
    """Return the line, from 1, of a key as faults spell it; of what it is missing in, likewise."""
    from ruamel.yaml import MappingNode, SequenceNode

    line = node.start_mark.line + 1
    while key:
        if isinstance(node, SequenceNode) and (step := STEP.match(key)):
            if int(step[1]) >= len(node.value):
                return line
            node, key = node.value[int(step[1])], key[step.end() :]
            line = node.start_mark.line + 1
            continue
        found = [
            (name, value)
            for name, value in (entries(node) if isinstance(node, MappingNode) else ())
            if re.match(re.escape(str(name.value)) + r"(?![\w-])", key)
        ]
        if not found:
            return line
        # A key may hold a dot itself: the longest that fits is meant.
        name, node = max(found, key=lambda pair: len(str(pair[0].value)))
        line, key = name.start_mark.line + 1, key[len(str(name.value)) :].removeprefix(".")
    return line


def with_lines(faults: Iterable[Fault]) -> list[Fault]:
    """Return faults with the line after the file's name, where a key of a YAML file is told."""
    found = []
    for fault in faults:
        place = PLACE.fullmatch(fault.where)
        node = composed(Path(place["file"])) if place else None
        if place and node is not None:
            where = f"{place['file']}:{line_of(node, place['key'])}: {place['key']}"
            fault = replace(fault, where=where)
        found.append(fault)
    return found
