"""What the parameters of adapters mean: what they stand on, and the knobs of LoRA.

Shapes and names of keys are in params.schema.json; here stands what no single key can tell, and
`stages.core.knobs` knows which knobs a stack takes.
"""

import re
from collections.abc import Iterator
from typing import Any, NamedTuple

from stages.check.meaning import BASE, Params, located, section
from stages.core import knobs
from stages.core.errors import Fault


class Chain(NamedTuple):
    """The adapters between the base's own weights and a model, from the base up.

    names:  their names, the model's own last; one that continues another stands in its place
    merged: whether some of them are merged into the base
    """

    names: list[str]
    merged: bool


def by_name(params: Params) -> dict[str, Params]:
    """Return the adapters by the names that others stand on."""
    return {each["name"]: each for each in section(params, "adapters").values() if "name" in each}


def chain_of(adapters: dict[str, Params], name: str | None, above: tuple = ()) -> Chain:
    """Return the chain of an adapter; of what is none, or stands on itself, an empty one.

    adapters: by their names
    """
    if name not in adapters or name in above:
        return Chain([], False)
    mode = adapters[name].get("mode")
    below = chain_of(adapters, adapters[name].get("on"), (*above, name))
    parents = below.names[:-1] if mode == "continue" else below.names
    return Chain([*parents, name], below.merged or (mode == "merge" and bool(parents)))


def same(value: Any) -> Any:
    """Return a knob's value in the one form of all that mean the same."""
    if isinstance(value, list):
        return sorted(map(str, value))
    return value if knobs.is_set(value) else None


def check_modes(params: Params) -> Iterator[Fault]:
    """Hold that what is continued or merged is an adapter, and is continued with its own knobs."""
    adapters = by_name(params)
    for key, entry in section(params, "adapters").items():
        where, mode, on = f"adapters.{key}", entry.get("mode"), entry.get("on")
        if mode not in ("continue", "merge"):
            continue
        if on == BASE:
            what = f"there is no adapter to {mode} on the base"
            yield Fault(f"{where}.mode", what, "on: an adapter", "write mode: stack")
        elif mode == "continue" and on in adapters:
            mine, parent = entry.get("lora", {}), adapters[on].get("lora", {})
            for knob in sorted((mine.keys() | parent.keys()) - knobs.FREE):
                if same(mine.get(knob)) != same(parent.get(knob)):
                    what = f"{mine.get(knob)!r}, but {on!r}, which it trains on, has"
                    then = f"write {knob}: {parent[knob]}" if knob in parent else "leave it out"
                    yield Fault(
                        f"{where}.lora.{knob}",
                        f"{what} {parent.get(knob)!r}",
                        "the same knobs: it is the same adapter",
                        then,
                    )


def reaches(targets: str | list[str], module: str) -> bool:
    """Tell whether target_modules reach a module at the model's top, as PEFT matches names."""
    return bool(re.fullmatch(targets, module)) if isinstance(targets, str) else module in targets


def is_pattern(text: str) -> bool:
    """Tell whether a text is a regular expression."""
    try:
        re.compile(text)
    except re.error:
        return False
    return True


def check_lora(params: Params) -> Iterator[Fault]:
    """Hold that PEFT and TRL can train each adapter, on its own and in its chain."""
    adapters = by_name(params)
    for key, entry in section(params, "adapters").items():
        where, lora = f"adapters.{key}.lora", entry.get("lora", {})
        targets = lora.get("target_modules", [])
        if isinstance(targets, str) and not is_pattern(targets):
            what = f"{targets!r} is no regular expression"
            expected = "all-linear, a list of names, or a regular expression of whole names"
            yield Fault(f"{where}.target_modules", what, expected)
        elif reaches(targets, "lm_head"):
            what = "'lm_head' would not train: TRL multiplies with its weights without the adapter"
            yield Fault(f"{where}.target_modules", what, "other modules")
        for said in knobs.refused(lora):
            knob, _, why = said.partition("=")
            yield Fault(f"{where}.{knob}", why, "an adapter that a stack can hold", "leave it out")
        for knob in ("layers_to_transform", "layers_pattern"):
            if isinstance(targets, str) and lora.get(knob) is not None:
                what = f"cannot go with target_modules: {targets}"
                yield Fault(f"{where}.{knob}", what, "target_modules as a list of names")
        if lora.get("layers_pattern") is not None and lora.get("layers_to_transform") is None:
            yield Fault(f"{where}.layers_pattern", "says nothing without layers_to_transform")
        if lora.get("lora_bias") and lora.get("use_dora"):
            yield Fault(f"{where}.lora_bias", "cannot go with use_dora", "one of them")
        if lora.get("lora_bias") and isinstance(init := lora.get("init_lora_weights"), str):
            what = f"cannot go with init_lora_weights: {init}"
            yield Fault(f"{where}.lora_bias", what, "init_lora_weights: true or false")
        names = chain_of(adapters, entry.get("name")).names
        yield from check_above(
            where,
            lora,
            {}
            if entry.get("mode") == "merge"
            else {each: adapters[each].get("lora", {}) for each in names[:-1]},
        )


def check_above(where: str, lora: Params, parents: dict[str, Params]) -> Iterator[Fault]:
    """Hold that PEFT takes an adapter on top of others that stay active.

    parents: their knobs, by name
    """
    if parents and knobs.is_set(lora.get("bias")):
        what = f"{lora['bias']}, on other adapters: PEFT trains the base's biases for one alone"
        yield Fault(f"{where}.bias", what, "bias: none", "or mode: merge")
    if parents and lora.get("use_dora") and lora.get("lora_dropout"):
        what = f"{lora['lora_dropout']} with use_dora on other adapters: PEFT computes another "
        what += "model in training than afterwards"
        then = "write lora_dropout: 0.0, or mode: merge, which leaves no adapter below it"
        yield Fault(f"{where}.lora_dropout", what, "no dropout for DoRA on a stack", then)
    for name, knob in parents.items():
        kept = set(knob.get("modules_to_save") or []) & set(lora.get("modules_to_save") or [])
        if kept:
            what = f"{', '.join(sorted(kept))}: {name!r} below it keeps the same whole"
            yield Fault(f"{where}.modules_to_save", what, "other modules, or mode: merge")


def without_sum(params: Params) -> Iterator[Fault]:
    """Yield a notice for each adapter whose folder will not be one ordinary adapter at its root.

    Such a stack trains, answers and is scored as any other; other tools take it merged.
    """
    adapters, base = by_name(params), section(params, "base")
    precision = base["dtype"] if base["quantize"] == "none" else base["quantize"]
    for key, entry in section(params, "adapters").items():
        chain = chain_of(adapters, entry["name"])
        found = [
            f"{name} has {', '.join(said).replace('=', ': ')}"
            for name in chain.names
            if (said := knobs.without_sum(adapters[name]["lora"]))
        ]
        own = base.get("adapter")
        if (chain.merged or own) and precision != "float32":
            found = [f"what is merged into a base of {precision} is rounded"]
        if (len(chain.names) > 1 or own) and found:
            what = (
                f"{' - '.join(chain.names)} has no exact sum as one adapter ({'; '.join(found)}): "
                f"models/{entry['name']} will hold none that other tools load"
            )
            then = (
                f"nothing, or, for other tools, the merged model: tunegraph export {entry['name']}"
            )
            yield Fault(f"adapters.{key}", what, then=then)


def check_chains(params: Params, file: str = "params.yaml") -> list[Fault]:
    """Return what is wrong with adapters of a sound shape."""
    checks = (check_modes, check_lora)
    return located(file, (fault for check in checks for fault in check(params)))
