"""The judge of params.yaml and its template; the section whose points `price` counts.

A judge that is switched off (`judge.teachers: []`) may name models that are not there.
"""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from stages.check.meaning import Params, located, names, samples, scored_sets, section, unknown
from stages.check.teachers import check_budget, check_names, check_secrets
from stages.core import templates
from stages.core.errors import Fault, UserError
from stages.core.scores import KEYS

VARIABLES = ("prompt", "reference", "first", "second")
NEEDED = {"first", "second"}


def check_judges(params: Params) -> Iterator[Fault]:
    """Hold of the judges what is held of the teachers, under their own keys."""
    judge = section(params, "judge")
    own = {"teachers": judge.get("teachers", []), "generate": judge}
    for check in (check_names, check_secrets, check_budget):
        for fault in check(own):
            if fault.where.startswith("teachers"):  # else it stands elsewhere, and is told there
                what = fault.what.replace("generate.budget_usd", "judge.budget_usd")
                yield replace(fault, where=f"judge.{fault.where}", what=what)


def check_pairs(params: Params) -> Iterator[Fault]:
    """Hold that the pairs are of models, each pair once."""
    models, seen = names(params, "models").values(), {}
    for at, pair in enumerate(section(params, "judge").get("pairs", [])):
        for side, name in enumerate(pair):
            yield from unknown(f"judge.pairs[{at}][{side}]", name, models, "model")
        both = frozenset(pair)
        if both in seen:
            what = f"{' and '.join(pair)} stand at judge.pairs[{seen[both]}] too"
            yield Fault(f"judge.pairs[{at}]", what, "each pair once: both orders are asked anyway")
        seen.setdefault(both, at)


def check_set(params: Params) -> Iterator[Fault]:
    """Hold that what is judged is a set that is scored, by a metric to compare the judge with."""
    name = section(params, "judge").get("set")
    sets = {*section(params, "sets"), *samples(params)}
    found = unknown("judge.set", name, sets, "set")
    yield from found
    sections = section(params, "evaluate.sections")
    scored = [entry for entry in sections.values() if scored_sets(entry) == (name,)]
    compared = [each for each in scored if each.get("primary") and not undirected(each)]
    if not found and sections and not compared:
        what = f"no section of the set {name!r} has a primary metric with a better direction"
        then = "add `primary:` to one of evaluate.sections"
        yield Fault("judge.set", what, "one, to set beside the judge", then)


def check_price(params: Params) -> Iterator[Fault]:
    """Hold that points are of a primary metric."""
    name, sections = section(params, "price").get("section"), section(params, "evaluate.sections")
    if not sections:
        return
    yield from unknown("price.section", name, sections, "section")
    if name in sections and "primary" not in sections[name]:
        what = f"the section {name!r} has no primary metric"
        yield Fault("price.section", what, "a point is of one metric", "name another section")
    elif name in sections and undirected(sections[name]):
        what = f"{sections[name]['primary']!r} of {name!r} has no better direction"
        yield Fault("price.section", what, "a gain is of a metric that has one")


def undirected(entry: Params) -> bool:
    """Tell whether a section's primary metric has no better direction: neither gain nor winner."""
    key = KEYS.get(entry.get("primary"))
    return key is not None and key.higher_is_better is None


def check_judging(params: Params, file: str = "params.yaml") -> list[Fault]:
    """Return what is wrong with judge and price, for parameters of a sound shape."""
    on = section(params, "judge").get("teachers")
    checks = (check_judges, check_pairs, check_set) if on else ()
    return located(file, (fault for check in (*checks, check_price) for fault in check(params)))


def check_template(params: Params, recipe: Path) -> list[Fault]:
    """Hold that the judge's template is there, and shows both answers and nothing unknown.

    It has to be there when nothing is judged, too: dvc.yaml names it.
    """
    name = section(params, "judge").get("template")
    if name is None:
        return []
    path = recipe / name
    if not path.is_file():
        expected = "the file that params.yaml: judge.template names"
        return [Fault(str(path), "there is no such file", expected)]
    try:
        text = templates.read(path)
        templates.parse(text, str(path))
    except UserError as error:
        return list(error.faults)
    used = templates.variables(text)
    faults = []
    for each in sorted(used - {*VARIABLES}):
        faults += unknown(str(path), each, VARIABLES, "variable")
    for each in sorted(NEEDED - used):
        what = f"does not show the answer `{each}`"
        faults.append(Fault(str(path), what, f"{{{{ {each} | json }}}}"))
    return faults
