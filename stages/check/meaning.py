"""What params.yaml means: names that must exist, shares that must fit, stacks that must stand.

Each check takes parameters whose shape is sound where they are there at all (stages/check/shape.py
has taken out what is not), and yields faults.
"""

import difflib
from collections.abc import Collection, Iterable, Iterator
from typing import Any

from stages.core.draw import train_sample
from stages.core.errors import Fault
from stages.core.sections import sets_of

Params = dict[str, Any]

# dvc.yaml calls the base's folder and files so: it is what every chain begins with.
BASE = "base"
ROWS = "rows"
# metrics/summary.json says this beside the names of models.
ALARMS = "alarms"


def section(params: Params, dotted: str) -> Any:
    """Return a section, or an empty one where it is missing (which was told already)."""
    value: Any = params
    for key in dotted.split("."):
        value = value.get(key, {}) if isinstance(value, dict) else {}
    return value


def unknown(
    where: str, name: Any, known: Collection[str], kind: str, then: str = ""
) -> list[Fault]:
    """Return a fault when a name is there but is none of the known ones."""
    if name is None or name in known:
        return []
    near = difflib.get_close_matches(str(name), known, 1)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    choices = ", ".join(sorted(known)) or "there is none"
    return [Fault(where, f"there is no {kind} {name!r}{hint}", f"one of: {choices}", then)]


def names(params: Params, kind: str) -> dict[str, str]:
    """Return key -> name of the adapters, transcripts or models."""
    entries = section(params, kind).items()
    return {key: entry["name"] for key, entry in entries if "name" in entry}


def check_names(params: Params) -> Iterator[Fault]:
    """Hold that no two models share a name, on file systems that ignore case too."""
    taken = {BASE: "the base", ALARMS: "metrics/summary.json"}
    for kind in ("adapters", "transcripts"):
        for key, name in names(params, kind).items():
            where = f"{kind}.{key}.name"
            if name.casefold() in taken:
                what = f"the name {name!r} is taken by {taken[name.casefold()]}"
                yield Fault(where, what, "a name of its own: files and experiments are called so")
            taken.setdefault(name.casefold(), where)
    listed: dict[str, str] = {}
    for key, name in names(params, "models").items():
        if name in listed:
            what = f"the name {name!r} stands at models.{listed[name]} too"
            yield Fault(f"models.{key}.name", what, "each model once")
        listed.setdefault(name, key)


def check_models(params: Params) -> Iterator[Fault]:
    """Hold that what is trained or pasted is also answered and scored, and nothing else is."""
    models = names(params, "models")
    made = {BASE: "the base"}
    for kind in ("adapters", "transcripts"):
        made |= {name: f"{kind}.{key}" for key, name in names(params, kind).items()}
    if "models" in params and "adapters" in params:
        for name, at in made.items():
            if name not in models.values():
                key = at.rpartition(".")[2] if "." in at else BASE
                what = f"{name!r} ({at}) is not among the models, so it would never be scored"
                yield Fault("models", what, then=f"add `{key}: {{name: {name}}}`")
        for key, name in models.items():
            kinds = "base, adapter or transcript"
            yield from unknown(f"models.{key}.name", name, made, kinds)
    if "models" in params:
        yield from unknown("select", params.get("select"), models.values(), "model")


def check_stack(params: Params) -> Iterator[Fault]:
    """Hold that every adapter stands, adapter by adapter, on the base."""
    adapters = section(params, "adapters")
    on = {entry["name"]: entry.get("on") for entry in adapters.values() if "name" in entry}
    transcripts = set(names(params, "transcripts").values())
    for key, entry in adapters.items():
        where, name, below = f"adapters.{key}.on", entry.get("name"), entry.get("on")
        if below is None:
            continue
        if below == name:
            yield Fault(where, f"{name!r} stands on itself", "the base or another adapter")
        elif below in transcripts and below not in on:
            what = f"{below!r} is a transcript: answers alone cannot be trained on"
            yield Fault(where, what, "the base or another adapter")
        elif below in adapters and below not in on:
            what = f"there is no model {below!r}: that is an adapter's key"
            yield Fault(where, what, "a name", f"write on: {adapters[below].get('name')}")
        else:
            found = unknown(where, below, {BASE, *on}, "model")
            yield from found
            walked = [name]
            while not found and below in on and below not in walked:
                walked.append(below)
                below = on[below]
            if below == name and len(walked) > 1:
                ring = " on ".join(map(str, [*walked, name]))
                yield Fault(
                    where, f"the stack runs in a circle: {ring}", "a chain down to the base"
                )


def is_of_seeds(source: Params) -> bool:
    """Tell whether a source surely holds seeds (a file without ROWS may hold either)."""
    return (source.get("kind") == "bank" and "examples" not in source) or "fields" in source


def is_of_examples(source: Params) -> bool:
    """Tell whether a source surely holds examples."""
    return source.get("kind") == "skills" or bool({"examples", "conversations"} & source.keys())


def samples(params: Params) -> dict[str, str]:
    """Return name of a sample of training rows, as a set -> the set that it is taken from."""
    sets = section(params, "sets").items()
    return {train_sample(name): name for name, entry in sets if entry.get("train_sample")}


def scored_sets(entry: Params) -> tuple[str, ...]:
    """Return the sets of a section of the metrics; none where it does not say (told already)."""
    return sets_of(entry) if "set" in entry else ()


def check_sources(params: Params) -> Iterator[Fault]:
    """Hold that sources and sets that others name are there."""
    sources, sets = section(params, "sources"), section(params, "sets")
    if ROWS in sources:
        what = f"{ROWS!r} cannot be a source's name: a set that says `from: {ROWS}` means the"
        yield Fault(f"sources.{ROWS}", f"{what} checked rows", "another name")
    if "sources" in params:
        yield from unknown(
            "prompt.source", section(params, "prompt").get("source"), sources, "source"
        )
        for name, entry in sets.items():
            origins = entry.get("from", [])
            for origin in [origins] if isinstance(origins, str) else origins:
                yield from unknown(f"sets.{name}.from", origin, {ROWS, *sources}, "source")
                if is_of_seeds(sources.get(origin) or {}):
                    what = f"{origin!r} holds seeds, of which only a teacher's replies make rows"
                    expected = f"{ROWS}, or a source of examples"
                    yield Fault(f"sets.{name}.from", what, expected)
        asked = section(params, "prompt").get("source")
        if is_of_examples(sources.get(asked) or {}):
            what = f"{asked!r} holds finished examples, nothing to ask a teacher for"
            yield Fault("prompt.source", what, "a source of kind bank, or one with `fields`")
    if "sets" not in params:
        return
    for name, entry in sources.items():
        apart = (entry or {}).get("apart_from")
        where = f"sources.{name}.apart_from"
        yield from unknown(where, apart, sets, "set")
        if by := sorted({"ids", "stratify"} & sets.get(apart, {}).keys()):
            what = f"the set {apart!r} is split by {', '.join(by)}"
            yield Fault(where, what, "a set whose sides follow from hashes alone")
    yield from unknown("base.set", section(params, "base").get("set"), sets, "set")
    for key, entry in section(params, "adapters").items():
        for name in entry.get("mix", {}):
            yield from unknown(f"adapters.{key}.mix.{name}", name, sets, "set")
    scored = {*sets, *samples(params)}
    for name, entry in section(params, "evaluate.sections").items():
        listed = isinstance(entry.get("set"), list)
        for at, asked in enumerate(scored_sets(entry)):
            where = f"evaluate.sections.{name}.set" + (f"[{at}]" if listed else "")
            whole = next((each for each in sets if train_sample(each) == asked), None)
            then = f"write train_sample: 40 at sets.{whole}" if whole else ""
            yield from unknown(where, asked, scored, "set", then)


def check_splits(params: Params) -> Iterator[Fault]:
    """Hold that the shares of each split can be cut, and that every side that is used has some."""
    sets = section(params, "sets")
    trained = {section(params, "base").get("set"): "base.set"}
    for key, entry in section(params, "adapters").items():
        trained |= dict.fromkeys(entry.get("mix", {}), f"adapters.{key}.mix")
    scored = {
        asked: f"evaluate.sections.{name}"
        for name, entry in section(params, "evaluate.sections").items()
        for asked in scored_sets(entry)
    }
    for name, entry in sets.items():
        where, ids = f"sets.{name}", entry.get("ids", {})
        for at, side in enumerate(sides := sorted(ids)):
            for other in sides[at + 1 :]:
                for twice in sorted(set(ids[side]) & set(ids[other])):
                    what = f"{twice!r} is in {side} and in {other}"
                    yield Fault(f"{where}.ids", what, "each id on one side")
        if ids and not ids.get("test") and name in scored:
            yield Fault(f"{where}.ids", "no test rows", f"some: {scored[name]} scores them")
        if ids or "val" not in entry or "test" not in entry:
            continue  # ids take the place of the shares
        held = entry["val"] + entry["test"]
        if held > 1 + 1e-9:
            what = f"val {entry['val']} and test {entry['test']} are more than there is ({held:g})"
            yield Fault(where, what, "val + test below 1, the rest is train")
        elif held > 1 - 1e-9 and name in trained:
            what = f"val {entry['val']} and test {entry['test']} leave nothing to train on"
            yield Fault(where, what, f"val + test below 1: {trained[name]} trains on it")
        if entry["test"] == 0 and name in scored:
            yield Fault(f"{where}.test", "no test rows", f"above 0: {scored[name]} scores them")


def check_sizes(params: Params) -> Iterator[Fault]:
    """Hold that a scratch base can be built, and is long enough for what it is given."""
    base = section(params, "base")
    if base.get("source") != "scratch":
        return
    sizes = section(params, "base.scratch.architecture")
    hidden, heads = sizes.get("hidden_size"), sizes.get("num_attention_heads")
    if hidden and heads and hidden % heads and "head_dim" not in sizes:
        where = "base.scratch.architecture.hidden_size"
        yield Fault(where, f"{hidden} is not a multiple of the {heads} attention heads")
    room = sizes.get("max_position_embeddings")
    if not room:
        return
    limit = f"at most base.scratch.architecture.max_position_embeddings ({room})"
    for key, entry in section(params, "adapters").items():
        length = entry.get("sft", {}).get("max_length")
        if isinstance(length, int) and length > room:
            yield Fault(f"adapters.{key}.sft.max_length", f"{length} tokens do not fit", limit)
    if (new := section(params, "answer").get("max_new_tokens", 0)) >= room:
        yield Fault("answer.max_new_tokens", f"{new} tokens leave no room for a prompt", limit)


CHECKS = (
    check_names,
    check_models,
    check_stack,
    check_sources,
    check_splits,
    check_sizes,
)


def located(file: str, found: Iterable[Fault]) -> list[Fault]:
    """Return faults with the file before the key."""
    return [Fault(f"{file}: {f.where}", f.what, f.expected, f.then) for f in found]


def check_meaning(params: Params, file: str = "params.yaml") -> list[Fault]:
    """Return what is wrong with parameters of a sound shape."""
    return located(file, (fault for check in CHECKS for fault in check(params)))
