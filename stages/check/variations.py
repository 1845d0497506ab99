"""What may be wrong with the wordings of an ablation, and with what a profile counts."""

from collections.abc import Iterator
from typing import Any

from stages.check.meaning import Params, located, scored_sets, section, unknown
from stages.core import templates
from stages.core.errors import ConfigError, Fault
from stages.core.proof.schema import Schema

# What a variant's templates may use, and rows to try them on: nothing in a prompt is sure.
KNOWN = {"prompt", "system"}
TRIALS = (
    ("Name a film.", ""),
    ("Read this.\nText: a film\n\nName it.", "Be brief."),
    ("Îți cer un șir: așa să fie, bună țară! Schön, ça va, ¿qué?", "Să fie scurt. Größe"),
)
OFF = "write rows: 0 to switch it off"


def check_variations(params: Params, file: str = "params.yaml") -> list[Fault]:
    """Return what is wrong with the sections `ablation` and `profile`."""
    return located(file, [*check_ablation(params), *check_profile(params)])


def check_set(params: Params, where: str, entry: Params) -> Iterator[Fault]:
    """Hold that the set is there, and has test rows when some are to be answered again."""
    sets, name = section(params, "sets"), entry.get("set")
    if "sets" in params:
        yield from unknown(f"{where}.set", name, sets, "set")
    ids = sets.get(name, {}).get("ids", {})
    held = ids.get("test") if ids else sets.get(name, {}).get("test")
    if name in sets and entry.get("rows") and (held == 0 or (ids and not held)):
        yield Fault(f"{where}.set", f"the set {name!r} has no test rows", "one that has some", OFF)


def check_ablation(params: Params) -> Iterator[Fault]:
    """Hold that every wording can be filled in, and says something else than the others."""
    ablation = section(params, "ablation")
    yield from check_set(params, "ablation", ablation)
    variants, sets = ablation.get("variants", {}), section(params, "sets")
    if ablation.get("rows") and "variants" in ablation and not variants:
        yield Fault("ablation.variants", "is empty", "a wording, at least", OFF)
    sections = section(params, "evaluate.sections").values()
    scored = [scored_sets(asked) for asked in sections]
    wanted = ablation.get("set")
    if ablation.get("rows") and scored and wanted in sets and (wanted,) not in scored:
        what = f"no section of evaluate.sections scores the set {wanted!r}"
        yield Fault("ablation.set", what, "a set that is scored", OFF)
    first: dict[str, str] = {}
    for name, variant in variants.items():
        where = f"ablation.variants.{name}"
        found = [fault for key in variant for fault in template_faults(where, key, variant[key])]
        yield from found
        if found or not variant:
            continue
        if without_effect(variant):
            what = "changes nothing: the model is asked as it was trained"
            yield Fault(where, what, "another instruction or system prompt", "take it out")
        same = first.setdefault(repr(sorted(variant.items(), key=str)), name)
        if same != name:
            yield Fault(where, f"is the same as {same}", "each wording once", "take one out")


def template_faults(where: str, key: str, text: str | None) -> Iterator[Fault]:
    """Yield what is wrong with one template of a variant; null is none."""
    if text is None:
        return
    place = f"{where}.{key}"
    try:
        templates.parse(text, place)
    except ConfigError as error:
        yield from error.faults
        return
    for name in sorted(templates.variables(text)):
        yield from unknown(place, name, KNOWN, "variable")
    if key == "instruction" and not text.strip():
        yield Fault(place, "is blank", "what the model is asked")


def without_effect(variant: dict[str, str | None]) -> bool:
    """Tell whether a variant's templates give back what they are given, as far as trials tell."""
    if "system" in variant and variant["system"] is None:
        return False  # the rows, and the chat template, decide
    for prompt, system in TRIALS:
        own = {"prompt": prompt, "system": system}
        for key, before in (("instruction", prompt), ("system", system)):
            if variant.get(key) is None:
                continue
            try:
                told = templates.render(templates.parse(variant[key] or "", key), key, **own)
            except ConfigError:  # a template for prompts of another make
                return False
            if told != before:
                return False
    return True


def check_profile(params: Params) -> Iterator[Fault]:
    """Hold that there are several answers to compare, something to score, and classes to count."""
    profile, sets = section(params, "profile"), section(params, "sets")
    yield from check_set(params, "profile", profile)
    attributes = profile.get("attributes", {})
    for name, asked in attributes.items():
        where = f"profile.attributes.{name}"
        yield from class_faults(where, asked)
        others = [each for each in attributes if each != name]
        yield from unknown(f"{where}.by", asked.get("by"), others, "other attribute")
    for name in profile.get("datasets", ()) if "sets" in params else ():
        yield from unknown("profile.datasets", name, sets, "set")
    if not profile.get("rows"):
        return
    if profile.get("samples") == 1:
        what = "one answer to a prompt says nothing about how alike several are"
        yield Fault("profile.samples", what, "2 or more", OFF)
    sections = section(params, "evaluate.sections").values()
    scored = [asked for asked in sections if scored_sets(asked) == (profile.get("set"),)]
    if sections and profile.get("set") in sets and not any("primary" in each for each in scored):
        what = f"no section of the set {profile['set']!r} has a primary metric"
        then = "add `primary:` to a section of that set"
        yield Fault("profile.set", what, "a set whose answers can be told to be good", then)


def class_faults(where: str, asked: dict[str, Any]) -> Iterator[Fault]:
    """Yield what is wrong with the classes of one attribute."""
    bins, values = asked.get("bins"), asked.get("values")
    if bins and values:
        yield Fault(where, "has bins and values", "bins of a number, or the values of a text")
    if bins and sorted(bins) != bins:
        told = ", ".join(f"{each:g}" for each in sorted(bins))
        yield Fault(f"{where}.bins", f"{bins} do not ascend", f"[{told}]")
    spelled = [" ".join(str(each).casefold().split()) for each in values or ()]
    if twice := sorted({each for each in spelled if spelled.count(each) > 1}):
        what = f"named twice, case apart: {', '.join(twice)}"
        yield Fault(f"{where}.values", what, "each class once")


def check_fields(params: Params, schema: Schema) -> Iterator[Fault]:
    """Hold that attributes are fields that the records have, where the schema says which.

    schema: `validate.schema`: of the rows that a teacher's replies make, not of finished examples
    """
    profile = section(params, "profile")
    origins = section(params, "sets").get(profile.get("set"), {}).get("from", [])
    if "rows" not in ([origins] if isinstance(origins, str) else origins):
        return
    for name, asked in profile.get("attributes", {}).items():
        part = schema.schema
        for key in str(asked.get("field", "")).split("."):
            known = part.get("properties") if isinstance(part, dict) else None
            if not known:
                break
            where = f"params.yaml: profile.attributes.{name}.field"
            found = unknown(where, key, known, "field", "a key of validate.schema")
            yield from found
            part = known.get(key)
