"""Tell every fault of params.yaml and of the recipe's files, all at once.

    params.yaml ── shape ─┬─ meaning ──┐  names, shares, sections
        (JSON Schema)     ├─ scoring   │               metrics, and what they need
                          ├─ teachers  │
                          ├─ choices   │               which base: one of several
                          ├─ chains    ├── faults      adapters: modes, knobs of LoRA
                          ├─ training  │               the trainer's keys, device, launch
                          ├─ judging   │               who judges what; what a point is of
                          ├─ layers    │               prompts whose layers are looked at
                          ├─ variations│               wordings of the prompt, attributes
                          └─ licences ─┘               of sources that there are
    recipes/<name>/ ──────── files ────┘  banks, given rows, nulls, replies, verdicts

`faults` and `notices` (what is worth a word and no fault) are what both the stage `check` and
`tunegraph check` tell.
"""

from dataclasses import astuple, replace
from pathlib import Path
from typing import Any

from stages.core.errors import Fault, UserError


def faults(file: Path, recipe: Path) -> list[Fault]:
    """Return every fault of a params.yaml and of the recipe's folder.

    file:   params.yaml, or a recipe's own copy of it
    recipe: the recipe's folder
    """
    from stages.check.files import check_files
    from stages.core.params import PATH, read_yaml

    try:
        params = read_yaml(file)
    except UserError as error:
        return list(error.faults)
    found, sound = faults_of(params, str(file))
    for fault in check_files(sound, recipe):
        key = fault.where.removeprefix(f"{PATH}: ")
        found.append(fault if key == fault.where else replace(fault, where=f"{file}: {key}"))
    # Whoever wrote a message may have quoted what is a key in the wrong place.
    return list(dict.fromkeys(map(without_keys, found)))


def faults_of(params: Any, file: str = "params.yaml") -> tuple[list[Fault], dict[str, Any]]:
    """Return the faults of parameters, and the parameters without what has the wrong shape."""
    from stages.check.chains import check_chains
    from stages.check.choices import check_choices
    from stages.check.judging import check_judging
    from stages.check.layers import check_layers
    from stages.check.licences import check_licences
    from stages.check.meaning import check_meaning
    from stages.check.mixes import check_rows
    from stages.check.scoring import check_scoring
    from stages.check.shape import check_shape
    from stages.check.teachers import check_teachers
    from stages.check.training import check_training
    from stages.check.variations import check_variations

    shape, sound = check_shape(params, file)
    told = {fault.where for fault in shape}
    # What has the wrong shape is taken out, and must not be told again as missing.
    checks = (check_meaning, check_teachers, check_rows, check_choices, check_chains)
    checks += (check_training, check_scoring, check_judging, check_layers, check_variations)
    checks += (check_licences,)
    meant = [fault for check in checks for fault in check(sound, file)]
    return [*shape, *(fault for fault in meant if fault.where not in told)], sound


def notices(params: dict[str, Any], file: str = "params.yaml") -> list[Fault]:
    """Return what is worth a word and no fault, of parameters that have none."""
    from stages.check.aliases import shared
    from stages.check.chains import without_sum
    from stages.check.meaning import located
    from stages.check.training import worth_a_word

    return located(file, [*shared(params), *without_sum(params), *worth_a_word(params)])


def warning(notice: Fault) -> str:
    """Spell a notice as a fault is spelled, but as a warning."""
    return str(notice).replace("error:", "warning:", 1)


def without_keys(fault: Fault) -> Fault:
    """Return a fault that shows no API key."""
    from stages.check.shape import LEAKED

    return Fault(*(LEAKED.sub("***", said) for said in astuple(fault)))
