"""`tunegraph explain` walks back from a row, a request or a text, and tells what is not built."""

import ast
import json
import random
import shutil
import sys

import pytest

from stages.core.digest import digest
from stages.core.errors import ConfigError, InputError
from stages.core.jsonl import write_rows
from stages.core.proof import OPERATIONS, REASONS
from tools import cli, explain
from tools.story import left_out

PARAMETERS = {"temperature": 0.7}


def said(*contents):
    return [
        {"role": role, "content": content}
        for role, content in zip(("user", "assistant"), contents, strict=False)
    ]


def request(name, content, seed="5eed000000000001"):
    fields = {"review": f"A review for {name}"}
    return {
        "id": name, "teacher": "offline", "model": "m-1", "messages": said(content),
        "parameters": PARAMETERS, "schema": None, "sample": 0,
        "seed": {"id": seed, "group": "film:1", "fields": fields},
    }  # fmt: skip


def reply(name, text, **more):
    return {
        "request": name, "attempts": 1, "text": text, "finish_reason": "stop", "model": "m-1",
        "prompt_tokens": 100, "completion_tokens": 20, "cost_usd": None, "error": None, **more,
    }  # fmt: skip


def row(name, of, answer, operations=(), **more):
    made = {"id": name, "skill": "own", "group": "film:1", "messages": said("Agree.", answer)}
    if of:
        made |= {"request": of, "record": {"agree": answer}, "operations": list(operations)}
    return made | more


def answer_of(model, name, set_, text):
    return {
        "model": model, "set": set_, "skill": "own", "row": name, "prompt": "Agree.",
        "reference": "r", "text": text, "finish_reason": "stop",
    }  # fmt: skip


# A request whose row is trained on, one whose row is tested, one that was rejected, one row of no
# teacher, which a cap left out.
TRAINED, TESTED, REJECTED = "aaaa000000000001", "aaaa000000000002", "aaab000000000003"
ROW, TEST_ROW, CODE = "bbbb000000000001", "bbbb000000000002", "cccc000000000003"
ESCAPES = "I am\x1b[2J an \u202etext\x9b, no JSON"


@pytest.fixture
def build(project):
    """Write a small build of the recipe reviews."""
    data = project / "data"
    write_rows(
        data / "requests.jsonl",
        [
            request(TRAINED, "Ask: the plot"),
            request(TESTED, "Ask: the score", "5eed000000000002"),
            request(REJECTED, "Ask: the light", "5eed000000000003"),
        ],
    )
    earlier = [{"text": "I would rather not.", "objection": "there is no JSON object in the text"}]
    fenced = '```\n{"agree": "Yes, the plot."}\n```'
    paid = {"attempts": 2, "cost_usd": 0.000125, "earlier": earlier}
    write_rows(
        data / "replies.jsonl",
        [
            reply(TRAINED, fenced, **paid),
            reply(TESTED, '{"agree": "Yes, the score."}'),
            reply(REJECTED, ESCAPES),
        ],
    )
    rows = [
        row(ROW, TRAINED, "Yes, the plot.", ["fence"]),
        row(TEST_ROW, TESTED, "Yes, the score."),
    ]
    write_rows(data / "rows.jsonl", rows)
    reject = {"request": REJECTED, "reason": "no_object", "detail": "no brace", "best": None}
    write_rows(data / "rejects.jsonl", [reject | {"text": ESCAPES}])
    code = row(CODE, None, "def f(): ...", skill="code")
    write_rows(data / "sources/skills.jsonl", [code])
    for name in ("own", "original"):
        for side in ("train", "val", "test"):
            write_rows(data / f"splits/{name}/{side}.jsonl", [])
    write_rows(data / "splits/own/train.jsonl", [rows[0] | {"set": "own"}])
    write_rows(data / "splits/own/test.jsonl", [rows[1] | {"set": "own"}])
    for name, times in (("2b", 1), ("2c", 3)):
        write_rows(data / f"mix/{name}/train.jsonl", [rows[0]] * times)
        write_rows(data / f"mix/{name}/val.jsonl", [])
    for name in ("base", "2b", "2c"):
        write_rows(
            data / f"answers/{name}.jsonl", [answer_of(name, TEST_ROW, "own", f"So {name}.")]
        )
        score = {"model": name, "set": "own", "skill": "own", "row": TEST_ROW}
        write_rows(data / f"scores/{name}.jsonl", [score | {"values": {"rouge_l": 0.25}}])
    return project


@pytest.fixture
def told(build, capsys):
    """Return a function that explains and returns what was printed."""

    def explained(asked):
        explain.main(asked)
        return capsys.readouterr().out

    return explained


def test_a_row_is_walked_back_and_forth(told):
    text = told(ROW)
    steps = (
        "seed 5eed000000000001, source seeds, group film:1",
        f"review: A review for {TRAINED}",
        f"request {TRAINED}: teacher offline, model m-1, sample 0, temperature 0.7",
        "user: Ask: the plot",
        "reply, attempt 1 of 2, sent back",
        "raw text: I would rather not.",
        "objection: there is no JSON object in the text",
        "reply, attempt 2 of 2, finish reason stop, model m-1\n"
        "  paid in all: tokens 100 asked, 20 said, usd 0.000125\n",
        '    {"agree": "Yes, the plot."}\n    ```',
        "  fence  left out the marks of a Markdown code block",
        f"row {ROW}, skill own, group film:1",
        'record: {"agree": "Yes, the plot."}',
        "split, set own: train",
        "model 2b: trained on it\n",
        "model 2c: trained on it, 3 times an epoch",
    )
    places = [text.index(step) for step in steps]
    assert places == sorted(places)
    assert "answer of" not in text
    assert "not built" not in text


def test_a_test_row_has_the_answers_and_their_scores(told):
    text = told("bbbb000000000002")
    assert "operations: none, the reply is the record as it stands" in text
    assert "split, set own: test\nmodel: none was trained on it\nanswer of base (set own" in text
    assert text.count("scores: rouge_l 0.25") == 3
    assert "text: So 2c." in text


def test_a_sampled_training_row_has_answers_too(told, build):
    for name in ("base", "2b", "2c"):
        answered = [answer_of(name, ROW, "own_train", f"So {name}.")]
        write_rows(build / f"data/answers/{name}.jsonl", answered)
        score = {"model": name, "set": "own_train", "skill": "own", "row": ROW}
        write_rows(build / f"data/scores/{name}.jsonl", [score | {"values": {"rouge_l": 0.75}}])
    text = told(ROW)
    assert text.count("(set own_train, finish reason stop)\n  text: So ") == 3
    assert text.count("scores: rouge_l 0.75") == 3
    assert text.index("split, set own: train") < text.index("answer of base")


def test_a_reject_comes_with_the_line_that_admits_it(told, monkeypatch):
    text = told(REJECTED)
    assert f"rejected, no_object: {REASONS['no_object']}" in text
    assert "add that line to\n  recipes/reviews/overrides.jsonl" in text
    [line] = [line for line in text.splitlines() if line.startswith("{")]
    expected = {"request": REJECTED, "raw": digest(ESCAPES), "record": {}, "note": ""}
    assert json.loads(line) == expected


def test_what_a_model_wrote_does_not_reach_the_terminal(told):
    text = told(REJECTED)
    assert r"I am\u001b[2J an \u202etext\u009b, no JSON" in text
    assert not {"\x1b", "\x9b", "\u202e"} & set(text)
    assert explain.visible("a\tb\nc\rd\x7f\ud800é🙂") == "a\tb\nc\\u000dd\\u007f\\ud800é🙂"


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        (TRAINED, TRAINED),
        ("bbbb000000000001", TRAINED),
        ("aaab", REJECTED),
        ("5eed000000000002", TESTED),
        ("Yes, the plot.", TRAINED),
        ("yes,  THE plot", TRAINED),
        ("I would rather not.", TRAINED),
        ('{"agree": "Yes, the score."}', TESTED),
        ("Ask: the light", REJECTED),
        ("def f(): ...", CODE),
    ],
)
def test_it_is_found_by_id_prefix_reply_answer_and_prompt(build, asked, found):
    from tools.finding import find

    assert [match.id for match in find(asked, ["skills"])] == [found]


def test_what_says_it_as_a_whole_comes_first(build):
    from tools.finding import find

    rows = [row("dddd000000000001", None, "Yes"), row("dddd000000000002", None, "Yes, and more")]
    write_rows(build / "data/sources/probes.jsonl", rows)
    assert [match.id for match in find("Yes", ["probes"])] == ["dddd000000000001"]
    assert len(find("Yes,", ["probes"])) == 3


def test_several_are_listed_with_their_first_words(build, capsys):
    with pytest.raises(InputError, match=r"'aaaa': 2 rows or requests have it") as error:
        explain.main("aaaa", as_json=True)
    listed = str(error.value)
    assert f"\n    {TRAINED}  Ask: the plot\n    {TESTED}  Ask: the score" in listed
    assert "to do: tunegraph explain <id>" in listed
    matches = json.loads(capsys.readouterr().out)["matches"]
    assert [match["id"] for match in matches] == [TRAINED, TESTED]


def test_a_long_list_is_cut(build):
    rows = [row(f"eeee{at:012x}", None, f"\x1bNo {at}") for at in range(23)]
    write_rows(build / "data/sources/probes.jsonl", rows)
    with pytest.raises(InputError, match=r"23 rows or requests(.|\n)*and 3 more") as error:
        explain.main("eeee")
    assert "\x1b" not in str(error.value)


@pytest.mark.parametrize("asked", ["a score, yes?", "feedfeedfeed"])
def test_nothing_is_an_error_that_names_the_nearest(build, asked):
    near = rf"the nearest: {TESTED}" if "score" in asked else "no row, request or reply"
    with pytest.raises(InputError, match=near):
        explain.main(asked)


def test_a_row_of_no_teacher_is_told_and_why_it_is_left_out(told, build):
    text = told(CODE)
    assert 'source name "skills", kind "skills"' in text
    assert "no teacher was asked" in text
    assert "split, set original: on no side: " in text


def test_why_a_row_is_on_no_side(build):
    """By a split of three sets whose sides are given by ids, and one cap."""
    from tools.story import Build

    keep = {"from": "skills", "near_duplicates": "keep", "val": 0, "test": 0}
    params = {
        "seed": {"data": 13},
        "split": {"leakage": "remove", "near_duplicate_similarity": 0.9},
        "sets": {
            "leaks": keep | {"cap": {}},
            "holds": keep | {"from": "probes", "ids": {"test": ["f1"]}},
            "capped": keep | {"from": "many", "cap": {"train": {"default": 1}}},
        },
    }
    held = row("f1", None, "other", group="held") | {"messages": said("Ask this.", "a")}
    same = row("f2", None, "x", group="free") | {"messages": said("Ask this.", "b")}
    kin = row("f3", None, "x", group="held") | {"messages": said("Ask that.", "b")}
    many = [row(f"e{at}", None, f"{at}", group=f"{at}") for at in range(3)]
    many = [each | {"messages": said(each["group"], "a")} for each in many]
    rows = {"skills": [same, kin], "probes": [held], "many": many}
    for name, of in rows.items():
        write_rows(build / f"data/sources/{name}.jsonl", of)
    made = Build(params)
    assert left_out("f2", "leaks", made) == (
        "leak: its prompt is held out too (row f1, test of holds), so it left train"
    )
    assert left_out("f3", "leaks", made) == (
        "leak: its group is held out too (row f1, test of holds), so it left train"
    )
    why = [left_out(each["id"], "capped", made) for each in many]
    assert sorted(why) == [
        *["cap: train has as many rows of 'own' as it may"] * 2,
        "the split is older than this; it would be train (dvc repro split)",
    ]
    assert left_out("gone", "capped", made).endswith("the set has no more (dvc repro)")


def test_a_part_that_is_not_built_is_named(told, build):
    shutil.rmtree(build / "data/mix/2b")
    shutil.rmtree(build / "data/splits")
    (build / "data/replies.jsonl").unlink()
    text = told(ROW)
    assert "split: in no set that is built" in text
    assert "model 2c: trained on it, 3 times an epoch" in text
    folder = "data/mix/2b"
    assert f"not built: {folder}/train.jsonl, {folder}/val.jsonl (dvc repro mix@m2b)" in text
    assert "not built: data/replies.jsonl (dvc repro generate)" in text
    assert "row bbbb000000000001" in text
    assert "model: none that is built was trained on it" in told(TEST_ROW)
    shutil.rmtree(build / "data")
    with pytest.raises(InputError, match=r"data: nothing is built yet"):
        explain.main(ROW)


def test_a_reply_that_validate_has_not_seen(told, build):
    write_rows(build / "data/rejects.jsonl", [])
    assert "no row and no reject" in told(REJECTED)


def test_a_near_duplicate_is_not_to_be_mended(told, build):
    record = {"agree": "Yes, the plot."}
    what = {"reason": "near_duplicate", "detail": f"of row {ROW}", "best": record, "text": "x"}
    write_rows(build / "data/rejects.jsonl", [{"request": REJECTED} | what])
    text = told(REJECTED)
    assert "dropped, near_duplicate: another row's answer is nearly the same, and stays" in text
    assert 'record: {"agree": "Yes, the plot."}' in text
    assert "best attempt" not in text
    assert f"detail: of row {ROW}" in text
    assert "overrides" not in text


def test_json_says_the_same(build, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["tunegraph", "explain", "--json", REJECTED])
    cli.main()
    printed = capsys.readouterr().out
    assert printed.isascii()
    story = json.loads(printed)
    assert story["reject"]["text"] == ESCAPES
    assert story["override"]["raw"] == digest(ESCAPES)
    assert story["request"]["id"] == story["id"] == REJECTED
    monkeypatch.setattr(sys, "argv", ["tunegraph", "explain", "--json", "Yes,", "the", "plot."])
    cli.main()
    story = json.loads(capsys.readouterr().out)
    assert story["operations"] == {"fence": OPERATIONS["fence"]}
    assert [one["model"] for one in story["trained"]] == ["2b", "2c"]
    assert story["sets"] == [{"set": "own", "side": "train", "left_out": None}]


def test_a_section_that_is_missing_is_named(build):
    text = (build / "params.yaml").read_text(encoding="utf-8")
    (build / "params.yaml").write_text(text.replace("\nsets:", "\nset:"), encoding="utf-8")
    with pytest.raises(ConfigError, match=r"params.yaml: sets: is missing"):
        explain.main(ROW)


def test_a_broken_line_is_named(build):
    path = build / "data/rows.jsonl"
    path.write_text(path.read_text() + f'{{"id": "{ROW}\n')
    with pytest.raises(InputError, match=r"data/rows.jsonl:3: not JSON"):
        explain.main(ROW)


def literals(node: ast.AST) -> set[str]:
    """Return the names among the strings of a piece of code."""
    found = {part.value for part in ast.walk(node) if isinstance(part, ast.Constant)}
    return {text for text in found if isinstance(text, str) and text.isidentifier()}


def emitted(tree: ast.AST) -> set[str]:
    """Return the strings that a module adds to what it calls operations or done."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            if node.func.attr in ("add", "append"):
                holder, given = node.func.value, node.args
            else:
                continue
        elif isinstance(node, ast.AugAssign) and isinstance(node.value, ast.Set):
            holder, given = node.target, [node.value]
        else:
            continue
        if ast.unparse(holder).rpartition(".")[2] in ("operations", "done"):
            found |= set().union(*map(literals, given))
    return found


def test_every_operation_of_the_code_has_a_sentence_and_no_other(root):
    files = [*(root / "stages/core/proof").glob("*.py"), *(root / "stages/validate").glob("*.py")]
    files.append(root / "stages/core/spelling.py")
    trees = [ast.parse(file.read_text()) for file in files if file.name != "__init__.py"]
    assert len(trees) > 6
    found = set().union(*map(emitted, trees))
    assert len(found) > 15
    assert found - OPERATIONS.keys() == set()
    assert OPERATIONS.keys() - set().union(*map(literals, trees)) == set()
    assert all(told[0].islower() and not told.endswith(".") for told in OPERATIONS.values())


def test_every_operation_that_replies_led_to_has_a_sentence(root):
    from stages.core.asking.offline import malform
    from stages.core.proof import Refused
    from stages.core.proof.check import check
    from stages.core.proof.schema import compiled

    kinds = [
        kind
        for name, kind in vars(malform).items()
        if callable(kind) and getattr(kind, "__module__", "") == malform.__name__
        and list(kind.__code__.co_varnames[:2]) == ["record", "rng"]
    ]  # fmt: skip
    assert len(kinds) > 25
    schema = compiled(json.loads((root / "recipes/reviews/schema.json").read_bytes()), "schema")
    record = {"agree": "Yes, the plot's fine.", "disagree": 'No, it was "dull" at best.'}
    settings = {"repair": True, "normalise": ["trim", "key_case"], "aliases": {}}
    met = set()
    for kind in kinds:
        text = kind(record, random.Random(1))
        text, finish = text if isinstance(text, tuple) else (text, "stop")
        try:
            met |= {*check(reply("r", text, finish_reason=finish), schema, settings)[1]}
        except Refused:
            continue
    assert len(met) > 8
    assert met <= OPERATIONS.keys()
