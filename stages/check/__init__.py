"""Tell every fault of params.yaml and of the recipe's files, all at once.

    params.yaml ── shape ── meaning ──┐
        (JSON Schema)   (names,       ├── faults
               shares, teachers, ...) │
    recipes/<name>/ ───────── files ──┘

`faults` is what both the stage `check` and `tunegraph check` call.
"""

from dataclasses import astuple
from pathlib import Path

from stages.core.errors import Fault, UserError


def faults(file: Path, recipe: Path) -> list[Fault]:
    """Return every fault of a params.yaml and of the recipe's folder.

    file:   params.yaml, or a recipe's own copy of it
    recipe: the recipe's folder
    """
    from stages.check.files import check_files
    from stages.check.meaning import check_meaning
    from stages.check.shape import check_shape
    from stages.check.teachers import check_teachers
    from stages.core.params import read_yaml

    try:
        params = read_yaml(file)
    except UserError as error:
        return list(error.faults)
    shape, sound = check_shape(params, str(file))
    told = {fault.where for fault in shape}
    # What has the wrong shape is taken out, and must not be told again as missing.
    meant = [*check_meaning(sound, str(file)), *check_teachers(sound, str(file))]
    meant = [fault for fault in meant if fault.where not in told]
    found = [*shape, *meant, *check_files(sound, recipe)]
    # Whoever wrote a message may have quoted what is a key in the wrong place.
    return list(dict.fromkeys(map(without_keys, found)))


def without_keys(fault: Fault) -> Fault:
    """Return a fault that shows no API key."""
    from stages.check.shape import LEAKED

    return Fault(*(LEAKED.sub("***", said) for said in astuple(fault)))
