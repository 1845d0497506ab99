"""Bases by a short name: `base.id: 3b` stands for an id and a revision of `base.choices`.

So the size of the base is one parameter, which `dvc exp run -S base.id=3b` changes whole and
`dvc exp show` has a column for. What comes after knows the real id and revision: they are resolved
here, once, and the base's manifest holds them.
"""

from typing import Any


def named(base: dict[str, Any]) -> bool:
    """Say whether the `id` of the section `base` is a short name of its `choices`."""
    return base.get("id") in (base.get("choices") or {})


def chosen(base: dict[str, Any]) -> dict[str, Any]:
    """Return the section `base` with the id and the revision that its `id` stands for.

    An `id` that is none of the choices is one of the hub, with its `revision`, as without choices.
    """
    return base | base["choices"][base["id"]] if named(base) else base


def place(base: dict[str, Any]) -> str:
    """Return which part of params.yaml names the base's id and revision, for messages."""
    return f"base.choices.{base['id']}" if named(base) else "base"
