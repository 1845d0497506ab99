"""What can be wrong with judge and price: told before anything is asked, by their own keys."""

from pathlib import Path

import pytest

from stages.check import faults, faults_of
from stages.check.judging import check_template
from stages.core.params import read_yaml

ROOT = Path(__file__).resolve().parents[2]
FILES = sorted(path.relative_to(ROOT) for path in (ROOT / "recipes").glob("*/params*.yaml"))
PARAMS = Path("params.yaml")
RECIPE = Path("recipes/reviews")
JUDGE = "[{name: j, weight: 1.0, model: m, base_url: 'https://x.org/v1', %s}]"
PRICED = "price: {prompt: 1, completion: 2}"


def told() -> list[str]:
    return [str(fault) for fault in faults(PARAMS, RECIPE)]


def edit(before: str, after: str, path: Path = PARAMS) -> None:
    """Replace a text that stands in a file exactly once."""
    text = path.read_text(encoding="utf-8")
    assert text.count(before) == 1, f"{before!r} stands {text.count(before)} times"
    path.write_text(text.replace(before, after), encoding="utf-8")


def switch_on(teachers: str = JUDGE % PRICED) -> None:
    """Name a judge."""
    edit("  teachers: []              # as `teachers`", f"  teachers: {teachers}")


# Edits below `judge` with a judge, and what must be told of them: nothing less, nothing more.
EDITS = {
    "nothing": (),
    "an unknown model": (
        ("[[base, 2b], [2b, 2c]]", "[[base, 2d], [2b, 2c]]"),
        "judge.pairs[0][1]: there is no model '2d'\n  expected: one of: 2b, 2c, base",
    ),
    "a pair that stands twice": (
        ("[[base, 2b], [2b, 2c]]", "[[base, 2b], [2b, base]]"),
        "judge.pairs[1]: 2b and base stand at judge.pairs[0] too",
    ),
    "a model against itself": (
        ("[[base, 2b], [2b, 2c]]", "[[base, base]]"),
        "judge.pairs[0]: named twice: base",
    ),
    "three models": (
        ("[[base, 2b], [2b, 2c]]", "[[base, 2b, 2c]]"),
        "judge.pairs[0]: ",
    ),
    "an unknown set": (
        ("  set: own\n  rows: 20\n  sampling", "  set: owm\n  rows: 20\n  sampling"),
        "judge.set: there is no set 'owm'; did you mean 'own'?",
    ),
    "a set without a primary metric": (
        ("  set: own\n  rows: 20\n  sampling", "  set: probes\n  rows: 20\n  sampling"),
        "judge.set: no section of the set 'probes' has a primary metric",
    ),
    "a share above 1": (
        ("{position_bias: 0.1}", "{position_bias: 1.1}"),
        "judge.offline.position_bias: 1.1 is out of range",
    ),
    "a sampling parameter that is none": (
        ("sampling: {temperature: 0.0}\n  max_tokens: 200", "sampling: {n: 2}\n  max_tokens: 200"),
        "judge.sampling.n: 'n' cannot be a key",
    ),
}


@pytest.mark.parametrize("name", EDITS)
def test_a_fault_is_told_and_no_other(project: Path, name: str):
    switch_on()
    if not EDITS[name]:
        assert told() == []
        return
    (before, after), expected = EDITS[name]
    edit(before, after)
    found = told()
    assert len(found) == 1, "\n".join(found)
    assert f"params.yaml: {expected}" in found[0]


@pytest.mark.parametrize(
    ("teachers", "expected"),
    [
        (JUDGE % "price: null", "judge.teachers[0].price: 'j' has none, and judge.budget_usd is"),
        (JUDGE % f"{PRICED}, api_key_env: sk_live_0123456789", "judge.teachers[0].api_key_env: "),
        (
            "[{name: j, weight: 0, model: m, base_url: offline}]",
            "judge.teachers: every weight is 0",
        ),
        (
            "[{name: j, weight: 1, model: m, base_url: offline},"
            " {name: j, weight: 1, model: n, base_url: offline}]",
            "judge.teachers[1].name: the name 'j' stands at teachers[0] too",
        ),
        (
            f"[{{name: j, weight: 1, model: m, base_url: 'https://a:b@x.org', {PRICED}}}]",
            "judge.teachers[0].base_url: holds a user's name or password (not shown)",
        ),
        ("[{name: j, weight: 1, base_url: offline}]", "judge.teachers[0].model: is missing"),
    ],
)
def test_judges_are_held_to_what_teachers_are(project: Path, teachers: str, expected: str):
    switch_on(teachers)
    found = told()
    assert len(found) == 1, "\n".join(found)
    assert f"params.yaml: {expected}" in found[0]
    assert "0123456789" not in found[0]


@pytest.mark.parametrize("file", FILES, ids=str)
def test_every_recipe_s_judge_can_be_switched_on(root: Path, file: Path):
    assert len(FILES) == 12
    params = read_yaml(root / file)
    params["judge"]["teachers"] = [
        {"name": "j", "weight": 1, "model": "m", "base_url": None, "api_key_env": "JUDGE_KEY",
         "price": {"prompt": 1, "completion": 2}}
    ]  # fmt: skip
    assert [str(fault) for fault in faults_of(params)[0]] == []
    assert check_template(params, root / file.parent) == []


def test_the_offline_judge_needs_no_price(project: Path):
    switch_on("[{name: j, weight: 1, model: m, base_url: offline}]")
    assert read_yaml(PARAMS)["judge"]["budget_usd"] == 1.0
    assert told() == []


def test_a_judge_that_is_switched_off_may_name_what_is_not_there(project: Path):
    edit("[[base, 2b], [2b, 2c]]", "[[base, 2d]]")
    assert told() == []


TEMPLATE = RECIPE / "prompts/judge.md"
BOTH = "{{ first }} {{ second }}"
TEMPLATES = {
    "an unknown variable": (
        f"{BOTH} {{{{ promt }}}}",
        "there is no variable 'promt'; did you mean",
    ),
    "only one answer": ("{{ first }} {{ prompt }}", "does not show the answer `second`"),
    "no template": ("{{ first }", "not a Jinja template"),
}


@pytest.mark.parametrize("name", TEMPLATES)
def test_a_template_that_cannot_ask_is_told(project: Path, name: str):
    text, expected = TEMPLATES[name]
    TEMPLATE.write_text(text, encoding="utf-8")
    found = told()
    assert len(found) == 1, "\n".join(found)
    assert found[0].startswith(f"error: {TEMPLATE}")
    assert expected in found[0]


def test_a_template_that_is_not_there_is_told_though_nothing_is_judged(project: Path):
    TEMPLATE.unlink()
    assert len(found := told()) == 1
    assert "prompts/judge.md: there is no such file\n  expected: the file that" in found[0]


@pytest.mark.parametrize(
    ("section", "expected"),
    [
        ("owm", "price.section: there is no section 'owm'; did you mean 'own'?"),
        ("own_train", "price.section: the section 'own_train' has no primary metric"),
    ],
)
def test_a_point_is_of_a_primary_metric(project: Path, section: str, expected: str):
    edit("price: {section: own}", f"price: {{section: {section}}}")
    assert len(found := told()) == 1
    assert f"params.yaml: {expected}" in found[0]


def test_a_metric_without_a_direction_makes_neither_points_nor_winners(project: Path):
    switch_on()
    edit("      primary: content_recall", "      primary: rouge_l_floor")
    found = told()
    assert len(found) == 3, "\n".join(found)
    assert "evaluate.sections.own.primary: 'rouge_l_floor' has no better direction" in found[0]
    assert (
        "judge.set: no section of the set 'own' has a primary metric with a better dir" in found[1]
    )
    assert "price.section: 'rouge_l_floor' of 'own' has no better direction" in found[2]
