"""Which answers are set side by side, and what is asked of them.

Protocol: pairwise comparison with a reference, every pair in both orders, because LLMs favour a
position. Source: Zheng et al. 2023, https://arxiv.org/abs/2306.05685 (section 3.4)
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stages.core import templates
from stages.core.asking.asker import Asker
from stages.core.digest import digest
from stages.core.draw import draw
from stages.core.errors import Fault, InputError
from stages.core.jsonl import read_json, read_rows
from stages.core.records import Answer, Request, Score, Truth
from stages.core.scores import KEYS, better
from stages.core.sections import alone
from stages.judge.offline import thought

SCHEMA = Path(__file__).with_name("verdict.schema.json")
# How a verdict is read; the stage `validate` reads replies by the section of that name.
PROOF = {"repair": True, "normalise": ["trim", "key_case"], "aliases": {}}
SHARED = ("max_in_flight", "requests_per_minute", "tokens_per_minute", "max_retries", "timeout_s")
OWN = ("sampling", "max_tokens", "budget_usd", "on_budget", "reask")
JUDGE = Asker("judge", "judge.teachers", "judge", "judge", "score the answers")


@dataclass(frozen=True)
class Comparison:
    """One row that two models have answered.

    models, texts: of the pair, in its order
    group:         of the row; one of its own where the scores name none
    values:        the scores of each, by key
    """

    models: tuple[str, str]
    row: str
    skill: str
    group: str
    prompt: str
    reference: str
    texts: tuple[str, str]
    values: tuple[dict[str, float], dict[str, float]]

    @property
    def identical(self) -> bool:
        """Tell whether the two said the same, white space at both ends apart: nobody is asked."""
        return self.texts[0].strip() == self.texts[1].strip()

    def gain(self, key: str) -> float | None:
        """Return by how much the second model is better, None where one has no such score."""
        first, second = self.values
        return better(key, second[key], first[key]) if key in first and key in second else None


def settings_of(params: dict[str, Any]) -> dict[str, Any]:
    """Return the parameters that the asking takes: the judge's, where it has some of its own.

    A judge of weight 0 is not asked; the others judge everything, whatever they weigh.
    """
    own = {key: params["judge"][key] for key in OWN}
    shared = {key: params["generate"][key] for key in SHARED}
    return {
        "teachers": [each for each in params["judge"]["teachers"] if each["weight"] > 0],
        "generate": shared | own | {"mode": "live"},
        "offline": params["offline"],
        "seed": params["seed"],
        "validate": PROOF,
    }


def primaries(sections: dict[str, dict[str, Any]], name: str) -> Callable[[str], str | None]:
    """Return what tells the primary key of a set's rows by their skill.

    That of the skill's own section, else of the section of the whole set; None where there is none
    that has a better direction.
    """
    found = {
        section.get("skill"): section["primary"]
        for section in sections.values()
        if alone(section, name)
        and section.get("primary")
        and KEYS[section["primary"]].higher_is_better is not None
    }
    return lambda skill: found.get(skill) or found.get(None)


def read_pair(folder: Path, model: str, name: str) -> dict[str, Any]:
    """Read one model's answers, or scores, of a set, by row id."""
    path = folder / f"{model}.jsonl"
    return {each["row"]: each for each in read_rows(path) if each["set"] == name}


def comparisons(answers: Path, scores: Path, params: dict[str, Any]) -> list[Comparison]:
    """Return what is compared: of each pair the same drawn rows, as far as both have answered.

    Raises: InputError where a pair has no row in common, or a row is answered and not scored.
    """
    judge, seed = params["judge"], params["seed"]["data"]
    models = dict.fromkeys(model for pair in judge["pairs"] for model in pair)
    said: dict[str, dict[str, Answer]]
    scored: dict[str, dict[str, Score]]
    said = {model: read_pair(answers, model, judge["set"]) for model in models}
    scored = {model: read_pair(scores, model, judge["set"]) for model in models}
    found, faults = [], []
    for first, second in judge["pairs"]:
        both = [row for row in said[first] if row in said[second]]
        if not both:
            what = f"{first} and {second} have answered no row of the set {judge['set']!r} both"
            faults.append(Fault("params.yaml: judge.pairs", what, "models with the same rows"))
        bare = [m for m in (first, second) if any(row not in scored[m] for row in both)]
        for model in bare:
            what = "lacks rows that data/answers has"
            faults.append(Fault(str(scores / f"{model}.jsonl"), what, then="dvc repro"))
        if not both or bare:
            continue
        drawn = draw([{"id": row} for row in both], min(judge["rows"], len(both)), seed)
        for row in (each["id"] for each in drawn):
            one, two = said[first][row], said[second][row]
            values = scored[first][row], scored[second][row]
            found.append(
                Comparison(
                    (first, second), row, one["skill"], values[0].get("group", row),
                    one["prompt"], one["reference"], (one["text"], two["text"]),
                    (values[0]["values"], values[1]["values"]),
                )
            )  # fmt: skip
    if faults:
        raise InputError(*dict.fromkeys(faults))
    return found


def spell(template: Path) -> Callable[[dict[str, str]], str]:
    """Return what fills the template with prompt, reference, first and second."""
    compiled = templates.parse(templates.read(template), str(template))
    return lambda fields: templates.render(compiled, str(template), **fields)


def orders(about: Comparison) -> Iterator[tuple[tuple[str, str], dict[str, str]]]:
    """Yield both orders of the two answers: the models as they stand, and the template's fields."""
    for at in (0, 1):
        texts = {"first": about.texts[at], "second": about.texts[1 - at]}
        fields = {"prompt": about.prompt, "reference": about.reference} | texts
        yield (about.models[at], about.models[1 - at]), fields


def questions(
    found: Iterable[Comparison], template: Path, params: dict[str, Any]
) -> Iterator[tuple[Comparison, str, tuple[str, str], Request]]:
    """Yield comparison, judge, the models in the order of the question, and the question."""
    judges, filled = settings_of(params)["teachers"], spell(template)
    schema = read_json(SCHEMA)
    for about in found:
        for models, fields in () if about.identical else orders(about):
            messages = [{"role": "user", "content": filled(fields)}]
            seed = {"id": digest(fields), "group": about.group, "fields": fields}
            for judge in judges:
                deciding = {
                    "teacher": judge["name"],
                    "model": judge["model"],
                    "messages": messages,
                    "parameters": params["judge"]["sampling"],
                    "schema": schema,
                    "sample": 0,
                }
                yield (
                    about,
                    judge["name"],
                    models,
                    {"id": digest(deciding), "seed": seed} | deciding,
                )


def make(
    found: list[Comparison], template: Path, params: dict[str, Any]
) -> tuple[list[Request], list[Truth]]:
    """Return the questions, each one once, and what the offline judge thinks of them.

    Raises: ConfigError naming a variable of the template that there is not.
    """
    sections = params["evaluate"]["sections"]
    primary = primaries(sections, params["judge"]["set"])
    offline = {
        each["name"] for each in params["judge"]["teachers"] if each["base_url"] == "offline"
    }
    requests: dict[str, Request] = {}
    truths: dict[str, Truth] = {}
    for about, judge, models, request in questions(found, template, params):
        if request["id"] in requests:  # another pair says the same
            continue
        requests[request["id"]] = request
        if judge in offline:
            key = primary(about.skill)
            best = about.models[gain > 0] if key and (gain := about.gain(key)) else None
            record = thought(about.row, about.texts, models, best, params)
            truths[request["id"]] = {"request": request["id"], "record": record}
    return list(requests.values()), list(truths.values())
