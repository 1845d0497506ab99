"""Whatever can be wrong with a configuration is told: file, key, got, expected."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from stages.check import faults
from stages.check.scoring import LANGUAGES
from stages.core.params import read_yaml

PARAMS = Path("params.yaml")
RECIPE = Path("recipes/reviews")


def told() -> list[str]:
    """Return the faults of the working directory as text."""
    return [str(fault) for fault in faults(PARAMS, RECIPE)]


def edit(path: Path, before: str, after: str) -> None:
    """Replace a text that stands in a file exactly once."""
    text = path.read_text(encoding="utf-8")
    assert text.count(before) == 1, f"{before!r} stands {text.count(before)} times in {path}"
    path.write_text(text.replace(before, after), encoding="utf-8")


def test_the_default_recipe_has_no_fault(project: Path):
    assert told() == []


# An edit of params.yaml, and what must be told of it: nothing less, nothing more.
EDITS = {
    "unknown key": (
        "timeout_s: 30",
        "timeout_s: 30\n  max_token: 256",
        [r"params.yaml: generate.max_token: unknown key 'max_token'; did you mean 'max_tokens'\?"],
    ),
    "unknown section": (
        "transcripts: {}",
        "transcripts: {}\nadaptors: {}",
        [r"params.yaml: adaptors: unknown key 'adaptors'; did you mean 'adapters'\?"],
    ),
    "missing section": (
        "compare: {eps: 0.02, resamples: 9999, confidence: 0.95, overfit_alarm: 0.05}",
        "",
        [r"params.yaml: compare: is missing\n  expected: a mapping"],
    ),
    "wrong type": (
        "max_in_flight: 32",
        "max_in_flight: many",
        [r"params.yaml: generate.max_in_flight: 'many' is text\n  expected: a whole number"],
    ),
    "a number given as quoted text": (
        "{<<: *sft, learning_rate: 3.0e-3",
        '{<<: *sft, learning_rate: "1e-4"',
        [
            r"params.yaml: adapters.m2c.sft.learning_rate: the number is given as quoted text: "
            r"'1e-4'\n  expected: a number.*\n  to do: write 1e-4"
        ],
    ),
    "not a finite number": (
        "timeout_s: 30",
        "timeout_s: .inf",
        [r"params.yaml: generate.timeout_s: is not a finite number"],
    ),
    "a key that is a number": (
        "  base: {name: base}\n",
        "  base: {name: base}\n  2: {name: 2b}\n",
        [r'params.yaml: models\[2\]: the key is a whole number\n  expected: text: write "2"'],
    ),
    "a name that is a number": (
        "    name: 2b\n",
        "    name: 2\n",
        [
            r'params.yaml: adapters.m2b.name: 2 is a whole number\n.*\n  to do: write "2"',
            r"params.yaml: models.m2b.name: there is no base, adapter or transcript '2b'",
            r"params.yaml: adapters.m2c.on: there is no model '2b'",
        ],
    ),
    "an entry twice": (
        "headline: [code, translation]",
        "headline: [code, code]",
        [r"params.yaml: evaluate.headline: named twice: code\n  expected: each entry once"],
    ),
    "nothing to measure": (
        "metrics: [exact]}\n    sentiment",
        "metrics: []}\n    sentiment",
        [r"params.yaml: evaluate.sections.translation.metrics: is empty"],
    ),
    "out of range": (
        "max_retries: 8",
        "max_retries: -1",
        [r"params.yaml: generate.max_retries: -1 is out of range\n  expected: .* at least 0"],
    ),
    "unknown choice": (
        "leakage: remove",
        "leakage: removed",
        [r"params.yaml: split.leakage: 'removed' is none of the choices; did you mean 'remove'"],
    ),
    "a sampling parameter given as quoted text": (
        "{temperature: 0.7,",
        '{temperature: "0.7",',
        [r"generate.sampling.temperature: the number is given as quoted text: '0.7'"],
    ),
    "a sampling parameter that asks for several answers": (
        "{temperature: 0.7,",
        "{temperature: 0.7, n: 3,",
        [r"params.yaml: generate.sampling.n: 'n' cannot be a key\n  expected: a sampling"],
    ),
    "a set of seeds": (
        "    from: skills\n",
        "    from: seeds\n",
        [r"params.yaml: sets.original.from: 'seeds' holds seeds\n?.*\n  expected: rows"],
    ),
    "a teacher asked for finished examples": (
        "prompt: {source: seeds,",
        "prompt: {source: skills,",
        [r"params.yaml: prompt.source: 'skills' holds finished examples"],
    ),
    "ids of a side that takes what is left": (
        "  probes: {from: probes, val: 0.0, test: 1.0,",
        "  probes: {from: probes, ids: {train: [a], test: [b]},",
        [r"params.yaml: sets.probes.ids.train: unknown key 'train'"],
    ),
    "impossible split": (
        "own: {from: rows, val: 0.1, test: 0.15,",
        "own: {from: rows, val: 0.6, test: 0.6,",
        [r"params.yaml: sets.own: val 0.6 and test 0.6 are more than there is \(1.2\)"],
    ),
    "a split that leaves nothing to train on": (
        "own: {from: rows, val: 0.1, test: 0.15,",
        "own: {from: rows, val: 0.1, test: 0.9,",
        [
            r"sets.own: val 0.1 and test 0.9 leave nothing to train on\n.*adapters.m2[bc].mix",
            r"sets.own.train_sample: val and test leave no training rows",
        ],
    ),
    "an id on two sides": (
        "own: {from: rows,",
        "own: {from: rows, ids: {val: [a, b], test: [b, c]},",
        [
            r"params.yaml: sets.own.ids: 'b' is in test and in val",
            r"params.yaml: sources.skills.apart_from: the set 'own' is split by ids",
        ],
    ),
    "a set of an unknown source": (
        "    from: skills\n",
        "    from: skill\n",
        [r"params.yaml: sets.original.from: there is no source 'skill'; did you mean 'skills'\?"],
    ),
    "apart from a set that is not split by hash": (
        "own: {from: rows,",
        "own: {from: rows, stratify: skill,",
        [r"sources.skills.apart_from: the set 'own' is split by stratify"],
    ),
    "a mix of an unknown set": (
        "mix: {own: 1.0, original: 0.14}",
        "mix: {own: 1.0, orginal: 0.1}",
        [r"params.yaml: adapters.m2c.mix.orginal: there is no set 'orginal'; did you mean 'or"],
    ),
    "an adapter on a model that does not exist": (
        "    on: 2b\n",
        "    on: 2x\n",
        [r"adapters.m2c.on: there is no model '2x'.*\n  expected: one of: 2b, 2c, base"],
    ),
    "an adapter on an adapter's key": (
        "    on: 2b\n",
        "    on: m2b\n",
        [r"adapters.m2c.on: .*'m2b': that is an adapter's key(.|\n)*to do: write on: 2b"],
    ),
    "an adapter on itself": (
        "    on: 2b\n",
        "    on: 2c\n",
        [r"params.yaml: adapters.m2c.on: '2c' stands on itself"],
    ),
    "adapters in a circle": (
        "    on: base\n",
        "    on: 2c\n",
        [
            r"adapters.m2b.on: the stack runs in a circle: 2b on 2c on 2b",
            r"adapters.m2c.on: the stack runs in a circle: 2c on 2b on 2c",
        ],
    ),
    "duplicate names of models": (
        "  m2c: {name: 2c}",
        "  m2c: {name: 2b}",
        [
            r"models.m2c.name: the name '2b' stands at models.m2b too",
            r"models: '2c' \(adapters.m2c\) is not among the models(.|\n)*add `m2c: {name: 2c}`",
            r"select: there is no model '2c'",
        ],
    ),
    "duplicate names of teachers": (
        "teachers:\n",
        "teachers:\n  - {name: offline, weight: 1.0, model: m, base_url: null}\n",
        [r"teachers\[1\].name: the name 'offline' stands at teachers\[0\] too"],
    ),
    "nobody is asked": (
        "weight: 1.0",
        "weight: 0",
        [r"params.yaml: teachers: every weight is 0"],
    ),
    "a budget that is no number": (
        "budget_usd: null",
        "budget_usd: -1",
        [r"generate.budget_usd: -1 is out of range\n  expected: a number or null, at least 0: usd"],
    ),
    "a limit below 1": (
        "  requests_per_minute: null",
        "  requests_per_minute: 0",
        [r"generate.requests_per_minute: 0 is out of range\n  expected: .* at least 1: so many"],
    ),
    "what to do at the budget": (
        "  on_budget: stop           # stop | continue with the part that was paid\n  reask: 0",
        "  on_budget: go_on\n  reask: 0",
        [r"generate.on_budget: 'go_on' is none of the choices\n  expected: one of: stop, continue"],
    ),
    "a mode that does not exist": (
        "mode: live",
        "mode: batches",
        [r"generate.mode: 'batches' is none of the choices; did you mean 'batch'\?"],
    ),
    "an endless dialogue": (
        "reask: 0",
        "reask: 99",
        [r"generate.reask: 99 is out of range\n  expected: .* at most 8: how often a"],
    ),
    "a missing key of generate": (
        "  budget_usd: null",
        "",
        [r"generate.budget_usd: is missing\n  expected: a number or null, at least 0: usd for"],
    ),
    "a likeness of rows above 1": (
        "near_duplicate_similarity: null",
        "near_duplicate_similarity: 1.5",
        [r"validate.near_duplicate_similarity: 1.5 is out of range"],
    ),
    "an alarm without a threshold": (
        "  cluster_alarm: 0.15",
        "",
        [r"diversity.cluster_alarm: is missing\n  expected: a number, .* at most 1: the share"],
    ),
    "a price that is no mapping": (
        "price: null}",
        "price: 0.15}",
        [r"teachers\[0\].price: 0.15 is a number\n  expected: .*usd per 1,000,000 tokens"],
    ),
    "half of a price": (
        "price: null}",
        "price: {prompt: 0.15}}",
        [r"teachers\[0\].price.completion: is missing"],
    ),
    "an alias of no key": (
        "aliases: {}",
        "aliases: {pro: agrees, agree: disagree}",
        [
            r"validate.aliases.pro: the schema has no key 'agrees'\n  expected: agree, disagree",
            r"validate.aliases.agree: is itself a key of the schema",
        ],
    ),
    "an offline teacher that fails more often than it is asked": (
        "rate_limited: 0.01, failing: 0.03",
        "rate_limited: 0.5, failing: 0.5",
        [r"offline: rate_limited \+ failing \+ slow \+ cut are more than there is \(1.05\)"],
    ),
    "a skill that the corpus does not have": (
        "{code: 6000, translation: 3500,",
        "{code: 6000, translations: 3500,",
        [r"sources.skills.rows.translations: unknown key 'translations'; did you mean 'transl"],
    ),
    "a model called as the alarms are": (
        "    name: 2b\n    on: base",
        "    name: alarms\n    on: base",
        [
            r"adapters.m2b.name: the name 'alarms' is taken by metrics/summary.json",
            r"adapters.m2c.on: there is no model '2b'",
            r"models.m2b.name: there is no base, adapter or transcript '2b'",
            r"models: 'alarms' \(adapters.m2b\) is not among the models",
        ],
    ),
    "a key that DVC's command line cannot name": (
        "  base: {name: base}\n",
        "  base: {name: base}\n  2d: {name: 2d}\n",
        [
            r"params.yaml: models.2d: '2d' cannot be a key\n  expected: .*a letter first",
            r"params.yaml: models.2d.name: there is no base, adapter or transcript '2d'",
        ],
    ),
    "select of no model": (
        "select: 2c ",
        "select: 2d ",
        [r"params.yaml: select: there is no model '2d'"],
    ),
    "a metric that does not exist": (
        "[any, parses, passes, codebleu, codebleu_above_floor, codebleu_ngram,",
        "[any, parses, passes, code_bleu, codebleu_ngram,",
        [r"sections.code.metrics\[3\]: there is no metric 'code_bleu'; did you mean 'codebleu'"],
    ),
    "a metric of another language": (
        "      set: own\n      language: json\n",
        "      set: own\n",
        [
            r"evaluate.sections.own.language: 'field_agreement' needs to know the language",
            r"evaluate.sections.own.language: 'parses' needs to know the language",
            r"evaluate.sections.own.language: 'schema_valid' needs to know the language",
        ],
    ),
    "metrics that need what nobody says": (
        "metrics: [rouge_l, similarity, degenerate, empty, refusal, off_topic]",
        "metrics: [in_language, hidden_similarity, codebleu_syntax, n]",
        [
            r"sections.probes.answers_in: 'in_language' needs to know which language",
            r"sections.probes.metrics: 'hidden_similarity' is taken while the model answers",
            r"sections.probes.language: 'codebleu_syntax' needs to know the language",
            r"sections.probes.metrics\[3\]: there is no metric 'n'",
        ],
    ),
    "a language that cannot be told": (
        "set: probes, metrics: [rouge_l, similarity, degenerate, empty, refusal, off_topic]",
        "set: probes, answers_in: xx, metrics: [in_language]",
        [r"sections.probes.answers_in: 'xx' is no language that can be told .*\n.*, ro, "],
    ),
    "a primary metric that has no value of a row, or no direction": (
        "set: probes, metrics: [rouge_l, similarity, degenerate, empty, refusal, off_topic]",
        "set: probes, primary: chrf, metrics: [rouge_l, chrf, length]",
        [r"probes.primary: 'chrf' has no better direction, or no .*\n  expected: one of: rouge_l$"],
    ),
    "a headline without a primary metric": (
        "headline: [code, translation]",
        "headline: [code, original, sentences]",
        [
            r"evaluate.headline\[1\]: the section 'original' has no primary metric",
            r"evaluate.headline\[2\]: there is no section 'sentences'",
        ],
    ),
    "a section that is called as the mean over them": (
        "    poem: {set: original",
        "    all: {set: original",
        [r"evaluate.sections.all: is what the mean over the sections is called"],
    ),
    "a section that is called as the chat window's verdicts": (
        "    poem: {set: original, skill: poem, primary: exact, metrics: [exact]",
        "    chat: {set: original, skill: poem, primary: exact, metrics: [exact, preferred]",
        [
            r"evaluate.sections.chat: is what the section of the chat window's verdicts is called",
            r"evaluate.sections.chat.metrics\[1\]: there is no metric 'preferred'",
        ],
    ),
    "a recipe's file that is missing": (
        "schema: schema.json",
        "schema: scheme.json",
        [r"recipes/reviews/scheme.json: there is no such file\n  .*validate.schema"],
    ),
    "a transcript that is missing": (
        "transcripts: {}",
        "transcripts: {chat: {name: chat, file: transcripts/chat.csv}}",
        [
            r"params.yaml: models: 'chat' \(transcripts.chat\) is not among the models",
            r"recipes/reviews/transcripts/chat.csv: there is no such file",
        ],
    ),
    "a file outside the recipe": (
        "schema: schema.json",
        "schema: ../schema.json",
        [r"params.yaml: validate.schema: '../schema.json' cannot be used here"],
    ),
    "broken YAML": (
        "select: 2c ",
        "select: [2c ",
        [r"params.yaml:\d+:\d+: not YAML"],
    ),
    "a key twice": (
        "transcripts: {}",
        "transcripts: {}\ncompute: {device: cpu, threads: 2}",
        [r'params.yaml:\d+:\d+: not YAML: found duplicate key "compute"'],
    ),
}


@pytest.mark.parametrize("name", EDITS)
def test_a_fault_of_params_yaml_is_told_and_no_other(project: Path, name: str):
    before, after, expected = EDITS[name]
    edit(PARAMS, before, after)
    found = told()
    assert len(found) == len(expected), "\n".join(found)
    for fault, pattern in zip(sorted(found), sorted(expected), strict=True):
        assert re.search(pattern, fault), fault


def test_there_is_a_test_for_each_fault_that_the_checks_know():
    assert len(EDITS) == 59


TEACHER = "  - {{name: {name}, weight: 1.0, model: m, base_url: {base_url}{more}}}\n"


def add_teacher(name: str = "other", base_url: str = "null", more: str = "") -> None:
    """Add a teacher to params.yaml."""
    line = TEACHER.format(name=name, base_url=base_url, more=more and ", " + more)
    edit(PARAMS, "teachers:\n", "teachers:\n" + line)


def test_a_budget_needs_the_price_of_every_teacher_that_is_asked(project: Path):
    add_teacher("free", more="price: {prompt: 0, completion: 0}")
    add_teacher("one", more="price: null")
    add_teacher("two", "http://localhost:8000/v1")
    assert told() == []
    edit(PARAMS, "budget_usd: null", "budget_usd: 0.5")
    found = told()
    assert [re.search(r"teachers\[\d\].price: '\w+' has none", fault)[0] for fault in found] == [
        "teachers[0].price: 'two' has none",
        "teachers[1].price: 'one' has none",
    ]
    assert "budget_usd: null" in found[0]
    add_teacher("three", more="price: cheap")
    assert len(told()) == 3


# A teacher of whom something may be a secret, what must be told, and what must not.
SECRETS = {
    "a key in place of its variable": (
        {"more": "api_key_env: sk-proj-Abc123-Secret456"},
        r"teachers\[0\].api_key_env: is no name of a variable \(not shown: it may be a key\)",
    ),
    "a key that could be a variable": (
        {"more": "api_key_env: gsk_Secret456Secret456"},
        r"teachers\[0\].api_key_env: looks like a key itself \(not shown\)",
    ),
    "a long key without a mark": (
        {"more": "api_key_env: Secret456abcdefghijklmnopqrstu"},
        r"teachers\[0\].api_key_env: looks like a key itself \(not shown\)",
    ),
    "a password in the address": (
        {"base_url": "https://me:Secret456@gateway.example/v1"},
        r"teachers\[0\].base_url: holds a user's name or password \(not shown\)",
    ),
    "a key in the query": (
        {"base_url": "https://gateway.example/v1?api-key=Secret456"},
        r"teachers\[0\].base_url: holds a key in its query \(not shown\)",
    ),
    "a key in the address's path": (
        {"base_url": "https://gateway.example/sk-proj-Secret456Secret456"},
        r"teachers\[0\].base_url: holds what looks like a key \(not shown\)",
    ),
    "a key in place of the model": (
        {
            "more": "api_key_env: null}\n  - {name: x, weight: 1, model: AIzaSecret456Secret456, "
            "base_url: offline"
        },
        r"teachers\[1\].model: holds what looks like a key \(not shown\)",
    ),
    "a key in place of a key": (
        {"more": "api_key_env: null, sk-proj-Secret456Secret456: x"},
        r"teachers\[0\].\*\*\*: unknown key '\*\*\*'",
    ),
    "an address that is none": (
        {"base_url": "'https://me:Secret456@gateway.example:port/v1'"},
        r"teachers\[0\].base_url: is no address \(not shown\)",
    ),
    "a password in what is no address": (
        {"base_url": "ftp://me:Secret456@gateway.example/v1"},
        r"teachers\[0\].base_url: 'ftp://\*\*\*@gateway.example/v1' cannot be used here",
    ),
}


@pytest.mark.parametrize("name", SECRETS)
def test_a_secret_is_refused_and_not_printed(project: Path, name: str):
    teacher, expected = SECRETS[name]
    add_teacher(**teacher)
    found = told()
    assert len(found) == 1, "\n".join(found)
    assert re.search(expected, found[0]), found[0]
    assert "Secret456" not in found[0]


def test_a_key_among_the_sampling_parameters_is_refused_and_not_printed(project: Path):
    secret = "sk-proj-Secret456Secret456"
    edit(PARAMS, "{temperature: 0.7,", f"{{temperature: 0.7, api_key: {secret},")
    edit(PARAMS, "select: 2c ", f"select: {secret} ")
    found = told()
    assert len(found) == 3, "\n".join(found)
    assert "select: there is no model '***'" in found[0]
    assert "generate.sampling.api_key: holds what looks like a key (not shown)" in found[2]
    assert not any("Secret456" in fault for fault in found)


@pytest.mark.parametrize(
    "name", ["OPENAI_API_KEY", "SK_LIVE_2", "GEMINI2_KEY_FOR_THE_TEAM_B", "hf_token_of_mine"]
)
def test_a_variable_is_no_secret(project: Path, name: str):
    add_teacher(base_url="https://api.openai.com/v1?version=2", more=f"api_key_env: {name}")
    assert told() == []


def test_the_skills_that_may_be_asked_for_are_those_of_the_corpus():
    import json

    from stages.check.shape import SCHEMA
    from stages.fetch.skills import DATA

    rows = json.loads(SCHEMA.read_bytes())["$defs"]["skills_source"]["properties"]["rows"]
    assert rows["properties"].keys() == read_yaml(DATA)["shares"].keys()
    assert len(rows["properties"]) == 6


def test_all_faults_are_told_at_once(project: Path):
    for name in (
        "unknown key",
        "missing section",
        "wrong type",
        "a number given as quoted text",
        "impossible split",
        "an adapter on itself",
        "a recipe's file that is missing",
    ):
        edit(PARAMS, *EDITS[name][:2])
    Path("recipes/reviews/prompts/generate.md").write_text("{{ nothing }}", encoding="utf-8")
    assert len(told()) == 8


# What a file of the recipe holds, and what must be told of it.
FILES = {
    "a template with an unknown variable": (
        "prompts/generate.md",
        b"{{ revue }}",
        r"prompts/generate.md:\d+: there is no variable 'revue'; did you mean 'review'\?",
    ),
    "the record in a template that has none": (
        "prompts/instruction.md",
        b"{{ review }} {{ record.agree }}",
        r"prompts/instruction.md:1: there is no variable 'record'",
    ),
    "a template with a syntax error": (
        "prompts/answer.md",
        b"one\n{{ record }",
        r"prompts/answer.md:2: not a Jinja template",
    ),
    "a key that the schema does not have": (
        "prompts/answer.md",
        b'{{ record["agree"] }}\n{{ record.items() | list }} {{ record.disagre | json }}',
        r"prompts/answer.md:2: there is no key of the record 'disagre'; did you mean 'disagree'",
    ),
    "a table that is neither seeds nor examples": (
        "sources/probes.jsonl",
        b'{"note": "one"}\n{"note": "two"}\n',
        r"sources/probes.jsonl: no row is a seed, .* columns note\n  to do: say in params.yaml",
    ),
    "an example without an answer": (
        "sources/probes.jsonl",
        b'{"skill": "a", "messages": [{"role": "user", "content": "b"}]}\n',
        r"sources/probes.jsonl:1: not an example: at \$.messages: ",
    ),
    "an empty template": ("prompts/answer.md", b"\n", r"prompts/answer.md: is empty"),
    "a schema that is no JSON": (
        "schema.json",
        b'{"type": "object",\n}',
        r"schema.json:2: not JSON at column 1",
    ),
    "an invalid JSON Schema": (
        "schema.json",
        b'{"type": "object", "properties": {"agree": {"type": "text"}}}',
        r"schema.json: not a JSON Schema at \$.properties.agree.type: 'text' is not valid",
    ),
    "an empty seed file": (
        "sources/probes.jsonl",
        b"",
        r"sources/probes.jsonl: holds no rows",
    ),
    "broken UTF-8": (
        "sources/probes.jsonl",
        b'{"skill": "fact", "messages": []}\n{"skill": "caf\xe9"}\n',
        r"sources/probes.jsonl:2: not UTF-8 at byte 15 of the line",
    ),
    "broken JSONL": (
        "sources/probes.jsonl",
        b'{"skill": "fact", "messages": []}\n\n{"skill": \n',
        r"sources/probes.jsonl:3: not JSON at column",
    ),
    "a schema that admits nothing": (
        "schema.json",
        b"false",
        r"schema.json: no record can fit this schema",
    ),
    "a schema whose parts contradict each other": (
        "schema.json",
        b'{"type": "object", "required": ["agree", "disagree"], "properties": {"agree": false}}',
        r"schema.json: no record can fit this schema",
    ),
    "seeds of no shape": ("noise.json", b"{", r"noise.json: not JSON in UTF-8"),
    "an override without a request": (
        "overrides.jsonl",
        b'{"record": {}}\n',
        r"overrides.jsonl: entry 1 names no request",
    ),
    "an override of no text": (
        "overrides.jsonl",
        b'{"request": "a", "record": {"agree": "x", "disagree": "y"}}\n',
        r"entry 1 \(a\) does not say which text it mends: no `raw`\n.*tunegraph explain a prints",
    ),
    "an override without a record": (
        "overrides.jsonl",
        b'{"request": "a", "raw": null, "record": []}\n',
        r"overrides.jsonl: entry 1 \(a\) holds no record",
    ),
    "an override that does not fit": (
        "overrides.jsonl",
        b'{"request": "a", "raw": "b", "record": {"agree": 1, "disagree": "I disagree."}}\n',
        r"entry 1 \(a\): the record does not fit the schema: \$.agree: 1 is not of type 'string'",
    ),
    "two overrides of one request": (
        "overrides.jsonl",
        b'{"request": "a", "raw":"", "record": {"agree": "I do agree", "disagree": "I disagree"}}\n'
        * 2,
        r"overrides.jsonl: entry 2 is a second one for the request a",
    ),
}


@pytest.mark.parametrize("name", FILES)
def test_a_fault_of_a_file_is_told_and_no_other(project: Path, name: str):
    file, content, pattern = FILES[name]
    (RECIPE / file).write_bytes(content)
    found = told()
    assert len(found) == 1, "\n".join(found)
    assert re.search(pattern, found[0]), found[0]


def test_a_recipe_without_a_file_for_seeds_is_told(project: Path):
    (RECIPE / "noise.json").unlink()
    [found] = told()
    assert re.search(r"noise.json: there is no such file\n(.|\n)*echo '\{\}' > ", found), found


def test_the_stage_refuses_and_leaves_what_was_built(project: Path):
    Path("data").mkdir()
    Path("data/rows.jsonl").write_text("{}\n", encoding="utf-8")
    edit(PARAMS, "timeout_s: 30", "timeout_s: soon")
    words = [sys.executable, "-m", "stages.check", "--recipe", str(RECIPE), "--out"]
    done = subprocess.run(
        [*words, "data/checked.json"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert "generate.timeout_s: 'soon' is text" in done.stderr
    assert "Traceback" not in done.stderr
    assert sorted(path.name for path in Path("data").iterdir()) == ["rows.jsonl"]


def test_the_marker_does_not_depend_on_what_was_checked(
    project: Path, monkeypatch: pytest.MonkeyPatch
):
    from stages.check import __main__ as stage

    monkeypatch.setattr(
        sys, "argv", ["check", "--recipe", str(RECIPE), "--out", "data/checked.json"]
    )
    stage.main()
    markers = [Path("data/checked.json").read_bytes()]
    edit(PARAMS, "threads: 1", "threads: 2")
    stage.main()
    markers.append(Path("data/checked.json").read_bytes())
    assert markers[0] == markers[1]
    assert read_yaml(PARAMS)["compute"]["threads"] == 2


# A recipe, one of its files, an edit of it, and what must be told: of keys that reviews has not.
OTHERS = {
    "a column of conversations that is not there": (
        *("finetome", "params.yaml", "column: conversations #", "column: conversation #"),
        r"sources.chats.conversations.column: there is no column 'conversation'; did you mean",
    ),
    "a skill of conversations that asks for a column that is not there": (
        *("finetome", "params.yaml", 'skill: "{% if turns > 1 %}', 'skill: "{% if turn > 1 %}'),
        r"sources.chats.conversations.skill: there is no column 'turn'",
    ),
    "how turns are cut": (
        *("finetome", "params.yaml", "turns: whole ", "turns: wohle "),
        r"sources.chats.conversations.turns: 'wohle' is none of the choices; did you mean 'whole'",
    ),
    "a variable that a bank's table does not have": (
        *("finetome", "params.yaml", 'instruction: "{{ question }}"', 'instruction: "{{ ask }}"'),
        r"sources.everyday.examples\[0\].instruction: there is no column 'ask'",
    ),
    "a slot without a rule": (
        *("finetome", "sources/everyday.yaml", "\nrules:\n", "\nrules:\n  own: ['{rooom}']\n"),
        r"everyday.yaml: rules.own\[0\]: \{rooom\}: there is no slot 'rooom'",
    ),
    "a policy of nulls for a column that is not there": (
        *("profiles", "params.yaml", "profile.city: unknown", "profile.ctiy: unknown"),
        r"nulls.policy.profile.ctiy: no row has a column `profile.ctiy`",
    ),
    "a column of the first table that is not computed": (
        *("emoji", "params.yaml", "[naming_toned.exact, naming", "[naming_toned.exat, naming"),
        r"evaluate.table\[0\]: there is no figure 'naming_toned.exat'; did you mean",
    ),
    "a base that is none of the choices": (
        *("emoji", "params.full.yaml", "  id: 1b", "  id: 2b"),
        r"base.id: .*2b",
    ),
    "a verdict that is none": (
        *("emoji", "verdicts.jsonl", None, '{"row": "x", "verdict": "rihgt"}\n'),
        r"verdicts.jsonl:1: ",
    ),
    "a shipped reply that is none": (
        *("reviews", "replies.jsonl", None, '{"text": "Hello"}\n'),
        r"replies.jsonl:1: ",
    ),
    "a normalisation that is not known": (
        *("dev_plans", "params.yaml", "comma_below]", "coma_below]"),
        r"normalise\[\d\]: 'coma_below' is none of the choices; did you mean 'comma_below'",
    ),
}


@pytest.mark.parametrize("name", OTHERS)
def test_a_fault_of_another_recipe_is_told(project: Path, name: str):
    recipe, file, before, after, expected = OTHERS[name]
    folder = Path("recipes", recipe)
    text = (folder / file).read_text(encoding="utf-8")
    assert before is None or before in text
    text = after if before is None else text.replace(before, after)
    (folder / file).write_text(text, encoding="utf-8")
    params = folder / (file if file.startswith("params") else "params.yaml")
    found = [str(fault) for fault in faults(params, folder)]
    assert found
    assert all(re.search(expected, each) for each in found), "\n".join(found)


def test_the_languages_are_those_that_can_be_told_apart():
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    assert sorted(LanguageIdentifier.from_model_file(MODEL_FILE).labels) == LANGUAGES
