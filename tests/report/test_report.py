"""What a build came to is told from the files that params.yaml names, and nothing breaks out."""

import csv
import sys

import pytest

from stages.core.errors import InputError
from stages.core.jsonl import read_json, write_json, write_rows
from stages.report.__main__ import main
from stages.report.markdown import escape, fenced, number
from stages.report.overfitting import keeps_best, rise, rise_lines
from stages.report.summary import summarise

DELTA = {"value": 0.9, "delta": -0.8, "n": 20, "groups": 20, "low": -0.9, "high": -0.7}
DELTA |= {"p": 1e-8, "p_holm": 1e-7}
NOTHING = {"value": 0.2, "delta": 0.0, "n": 19, "groups": 7, "low": -0.1, "high": 0.1}
NOTHING |= {"p": 0.3, "p_holm": 1.0}


def answer(model, text, set_="probes", reference="def f():\n    return 1", end="stop", row="r1"):
    return {
        "model": model, "set": set_, "skill": "code", "row": row, "prompt": "Write f.",
        "reference": reference, "text": text, "finish_reason": end,
    }  # fmt: skip


def comparison(name, on, recovery=True):
    lost = {"forgetting": {"value": 0.8, "low": 0.7, "high": 0.9, "n": 20, "groups": 20}}
    lost |= {"recovery": {"value": 0.5}} if recovery else {}
    exact = {"value": 0.1, "on": NOTHING, "base": DELTA}
    code = {"n": 20, "groups": 20, "primary": "passes", "keys": {"passes": exact}, **lost}
    sections = {"code": code, "own": {"n": 9, "groups": 3, "keys": {}}}
    whole = {"sections": ["code"], **lost}
    recall = {"train": 0.9, "test": 0.5, "gap": 0.4, "n_train": 40, "n_test": 9}
    loss = {"train": 0.5, "test": 0.6, "gap": 0.1, "n_train": 40, "n_test": 9}
    keys = {"content_recall": recall | {"low": 0.2, "high": 0.6, "p": 0.01, "p_holm": 0.02}}
    keys["loss"] = loss | {"low": 0.01, "high": 0.3, "p": 0.04, "p_holm": 0.08}
    gap = {"own": {"train": "own_train", "keys": keys}}
    told = {"model": name, "on": on, "base": "base", "sections": sections}
    return told | {"all": whole, "gap": gap}


@pytest.fixture
def build(project, monkeypatch):
    """Return a function that runs the stage over a build of the recipe's three models."""
    for name in ("base", "2b", "2c", "left over"):
        loss = {} if name == "2c" else {"loss": 0.25}
        code = {"n": 20, "any": 1.0, "passes": 0.85}
        figures = {"own": {"n": 9, "rouge_l": 0.5, **loss}, "code": code}
        write_json(project / f"models/{name}.json", figures)
        write_rows(project / f"answers/{name}.jsonl", [answer(name, "x = 1")])
        write_rows(project / f"scores/{name}.jsonl", [])
        for stage in ("answer", "vary", "layers"):
            write_json(project / f"costs/{stage}.{name}.json", {"cpu_s": 2.5})
        chain = ["base", "2b", "2c"][: ["base", "2b", "2c", "left over"].index(name) + 1]
        manifest = {"name": name, "kind": "adapter", "chain": chain}
        write_json(project / f"manifests/{name}/manifest.json", manifest)
        (project / "curves").mkdir(exist_ok=True)
        curve = "step,epoch,split,loss,token_accuracy\n25,0.5,train,1.5,\n25,0.5,val,1.25,0.7\n"
        (project / f"curves/{name}.csv").write_text(curve)
    for stage in ("generate", "base", "train.2b", "train.2c", "judge"):
        write_json(project / f"costs/{stage}.json", {"cpu_s": 2.5, "wall_s": 3})
    for name, on in (("2b", "base"), ("2c", "2b")):
        price = {"model": name, "stands_on": on, "section": "own", "metric": "rouge_l", "spent": {}}
        write_json(project / f"costs/price.{name}.json", price)
    for part in ("ablation", "profile", "layers", "judge", "noise"):
        write_json(project / f"{part}.json", {})
    write_json(project / "comparison/2b.json", comparison("2b", "base", recovery=False))
    write_json(project / "comparison/2c.json", comparison("2c", "2b"))
    reasons = {"truncated": 3, "schema": 0}
    data = {"rows": 400, "usd": 0.5, "usd_per_row": 0.00125, "rejected_by_reason": reasons}
    write_json(project / "data.json", data)
    splits = {"own": {"test": 2, "train": 5, "leaking": {"group": 2, "text": 1}}}
    sides = {"train": 4, "val": 0, "test": 1}
    splits["own"]["sources"] = {"requested": {"a_b": sides}, "imported": {"table": sides}}
    splits["probes"] = {"rows": 10}
    write_json(project / "splits.json", splits)
    write_json(project / "diversity.json", {"n": 0})
    write_json(project / "sources.json", {})
    write_rows(project / "verdicts.jsonl", [])
    write_rows(project / "rejects.jsonl", [])
    (project / "layers.csv").write_text("model,against,layer,measure,value,low,high,n\n")

    def run():
        words = []
        files = "data", "diversity", "splits", "ablation", "profile", "layers", "judge", "noise"
        for flag in files:
            words += [f"--{flag}", f"{flag}.json"]
        for flag in ("models", "comparison", "curves", "costs", "answers", "scores"):
            words += [f"--{flag}", flag]
        words += ["--summary", "summary.json", "--report", "report.md", "--probes", "probes.md"]
        words += ["--origins", "sources.json", "--verdicts", "verdicts.jsonl"]
        words += ["--all-curves", "curves.csv", "--all-scores", "scores.csv"]
        words += ["--rejects", "rejects.jsonl", "--manifests", "manifests", "--graph", "dvc.yaml"]
        words += ["--page", "report.html", "--layer-lines", "layers.csv"]
        monkeypatch.setattr(sys, "argv", ["report", *words])
        main()
        return project

    return run


def test_the_report_tells_all(build):
    told = (build() / "report.md").read_text(encoding="utf-8")
    assert "| own (n = 9) | `rouge_l` ↑ | 0.500 | 0.500 | 0.500 |" in told
    assert "|  | `loss` ↓ | 0.250 | 0.250 |  |" in told
    assert "| code (n = 20) | `any` ↑ | 1.000 | 1.000 | 1.000 |" in told
    lost = "**lost +0.800** [+0.700, +0.900]"
    assert f"| 2b | all | mean of 1 section | 20 | {lost} |  |" in told
    assert f"| 2c | code | `passes` | 20 | {lost}, p 1e-07 | 0.500 (no interval) |" in told
    assert "against 2b | against base |" in told
    nothing = "not shown +0.000 [-0.100, +0.100], p 1, n = 19 in 7 groups"
    assert f"| code (n = 20) | `passes` | 0.100 | {nothing} | **worse -0.800** [-0.9" in told
    assert "| truncated | the text ends within the object, and something may be lost | 3 |" in told
    assert "No reply was rejected for `schema`." in told
    assert "| usd | 0.5 |\n| usd_per_row | 0.00125 |" in told
    assert "| set | rows | train | test | leaking |" in told
    assert "| own |  | 5 | 2 | 3 |" in told
    assert "| own | a_b | requested | 4 | 0 | 1 |\n| own | table | imported | 4 | 0 | 1 |" in told
    assert "| stage | `wall_s` | `cpu_s` |" in told
    assert "| generate | 3 | 2.5 |" in told
    assert "| answer.2c |  | 2.5 |" in told
    assert "| 2b | own (n = 40, 9) | `content_recall` | 0.900 | 0.500 | **+0.400** [+0.2" in told
    assert "|  |  | `loss` | 0.500 | 0.600 | not shown +0.100 [+0.010, +0.300], p 0.08 |" in told
    assert "## Backward transfer" not in told  # no scores here
    assert "Warnings" not in told
    assert "left over" not in told
    assert "McNemar" in told
    rows = [line for line in told.splitlines() if line.startswith("|")]
    assert len(rows) > 25


def test_the_first_table_is_the_one_that_the_recipe_asks_for(build, project):
    lines = (build() / "report.md").read_text(encoding="utf-8").splitlines()
    tables = [line for line in lines if line.startswith("|")]
    assert tables[0].startswith("| model | own `rouge_l` ↑ | own `bertscore_f1` ↑ | original")
    assert tables[0].endswith("| code_prompts `any` ↑ |")
    assert tables[2].startswith("| rows | n = 9 | n = 0 |")
    assert [line.split(" | ")[:2] for line in tables[3:6]] == [
        [f"| {name}", "0.500"] for name in ("base", "2b", "2c")
    ]
    text = (project / "params.yaml").read_text(encoding="utf-8")
    before, after = text.split("  table:")[0], text.split("code_prompts.any]\n")[1]
    (project / "params.yaml").write_text(f"{before}  table: []\n{after}", encoding="utf-8")
    told = (build() / "report.md").read_text(encoding="utf-8")
    assert told.index("## In words") < told.index("| section |")
    assert "| model | own" not in told


def test_rows_that_cluster_are_told_at_the_top(build, project):
    alarm = {"source": "a*b", "near_duplicate_share": 0.25}
    alarm |= {"largest_cluster": 0.125, "sampled": 40}
    figures = {"n": 90, "alarms": [alarm | {"examples": ["id1", "id2"]}]}
    write_json(project / "diversity.json", figures)
    told = (build() / "report.md").read_text(encoding="utf-8")
    assert told.index("## Warnings") < told.index("| section |")
    assert r"The rows of a\*b cluster: 25.0% of 40 sampled answers" in told
    assert "the largest cluster holds 5. Two that do: `id1` and `id2`" in told
    assert "| n | 90 |" in told
    assert "| alarms |" not in told
    assert read_json(project / "summary.json")["alarms"] == {"clustered": 1, "overfit": 0}


def test_several_teachers_stand_side_by_side(build, project):
    def teacher(rows, **reasons):
        return {"rows": rows, "usd": rows / 100, "rejected_by_reason": reasons}

    teachers = {"one": teacher(7, schema=1), "two": teacher(5, schema=2)}
    write_json(project / "data.json", teacher(12, schema=3) | {"teachers": teachers})
    alike = {"one": {"n": 7, "clusters": 6}, "two": {"n": 5, "clusters": 5}}
    write_json(project / "diversity.json", {"n": 12, "clusters": 11, "sources": alike})
    spent = {"one": {"paid": 7}, "two": {"paid": 5}}
    write_json(project / "costs/generate.json", {"wall_s": 0.5, "paid": 12, "teachers": spent})
    told = (build() / "report.md").read_text(encoding="utf-8")
    assert "| replies | all | one | two |" in told
    assert "| rows | 12 | 7 | 5 |\n| usd | 0.12 | 0.07 | 0.05 |" in told
    assert "| schema | a proved record that does not fit the schema | 3 |" in told
    assert "| generate | 12 | 0.5 |  |\n| generate: one | 7 |  |  |\n" in told
    assert "| n | 12 | 7 | 5 |\n| clusters | 11 | 6 | 5 |" in told
    write_json(project / "data.json", teacher(12) | {"teachers": {"one": teacher(12)}})
    assert "| replies | count |" in (build() / "report.md").read_text(encoding="utf-8")


def test_summary_curves_and_probes(build):
    project = build()
    summary = read_json(project / "summary.json")
    assert summary == {
        "alarms": {"clustered": 0, "overfit": 0},
        "2b": {"forgetting": {"all": 0.8, "code": 0.8}, "gap": {"own": 0.4}},
        "2c": {
            "forgetting": {"all": 0.8, "code": 0.8},
            "recovery": {"all": 0.5, "code": 0.5},
            "gap": {"own": 0.4},
        },
    }
    with (project / "curves.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["model"] for row in rows] == ["base", "base", "2b", "2b", "2c", "2c"]
    last = {"split": "val", "loss": "1.25", "token_accuracy": "0.7"}
    assert rows[1] == {"model": "base", "step": "25"} | last
    assert (project / "probes.md").read_text().count("x = 1") == 3


def test_a_transcript_has_no_curve(build, project):
    text = (project / "params.yaml").read_text(encoding="utf-8")
    text = text.replace("transcripts: {}", "transcripts: {chat: {name: chat, file: chat.csv}}")
    text = text.replace("  m2c: {name: 2c}\n", "  m2c: {name: 2c}\n  chat: {name: chat}\n")
    (project / "params.yaml").write_text(text, encoding="utf-8")
    write_json(project / "models/chat.json", {"own": {"n": 4, "rouge_l": 0.7}})
    write_rows(project / "answers/chat.jsonl", [])
    write_rows(project / "scores/chat.jsonl", [])
    manifest = {"name": "chat", "kind": "transcript", "chain": ["chat"]}
    write_json(project / "manifests/chat/manifest.json", manifest)
    for stage in ("answer", "vary", "layers"):
        write_json(project / f"costs/{stage}.chat.json", {})
    told = (build() / "report.md").read_text(encoding="utf-8")
    assert "| own (n = 9) | n | 9 | 9 | 9 | 4 |" in told
    assert "**chat**: no answer" in (project / "probes.md").read_text()


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("curves/2b.csv", None, r"curves/2b\.csv: there is no such file"),
        ("curves/2b.csv", "step,loss\n", r"lacks the columns split, token_accuracy"),
        ("models/2c.json", "{", r"models/2c\.json: not JSON"),
        ("comparison/2b.json", None, r"comparison/2b\.json: there is no such file"),
    ],
)
def test_a_missing_or_broken_file_is_named_and_nothing_is_written(
    build, project, name, content, message
):
    (project / name).unlink()
    if content is not None:
        (project / name).write_text(content)
    with pytest.raises(InputError, match=message):
        build()
    assert not (project / "summary.json").exists()
    assert not (project / "report.md").exists()


def curve(train, val):
    """Return a curve whose evaluations are 10 steps apart, at rest: text, as csv reads it."""
    return [
        {"step": str(10 * at), "split": split, "loss": str(loss)}
        for split, losses in (("train", train), ("val", val))
        for at, loss in enumerate(losses, 1)
    ]


@pytest.mark.parametrize(
    ("train", "val", "step"),
    [
        ([3, 2, 1, 0.5], [3, 2, 2.05, 2.2], 20),  # the last is 10 % above the lowest
        ([3, 2, 1, 0.5], [3, 2, 2.05, 2.1], None),  # 5 % above: as much as is allowed
        ([3, 2, 1, 0.5], [3, 2, 2.9, 1.9], None),  # it came down again
        ([3, 2, 2.5, 2.4], [3, 2, 2.5, 3], None),  # train rose too: that is no overfitting
        ([3, 2, 2.5, 1.9], [3, 2, 2.5, 3], 20),
        ([3, 2, 1, 0.5], [1, 2, 3, 4], 10),
        ([3, 2, 1], [], None),
        ([3], [3], None),
    ],
)
def test_it_overfits_where_val_rises_while_train_falls(train, val, step):
    found = rise("2b", curve(train, val), 0.05, kept=False)
    assert (found and found.step) == step


def test_the_untrained_model_may_be_the_lowest():
    """With `eval_on_start`, before there is a training loss."""
    start = {"step": "0", "split": "val", "loss": "1"}
    assert rise("2b", [start, *curve([3, 2], [2, 3])], 0.05, kept=False).step == 0
    assert rise("2b", [start, *curve([3, 4], [2, 3])], 0.05, kept=False) is None
    # It is never kept: the best of those that are is the model.
    assert rise("2b", [start, *curve([3, 2], [2, 3])], 0.05, kept=True).step == 10


def test_the_lowest_loss_is_kept_by_a_run_that_goes_by_the_loss():
    best = {"load_best_model_at_end": True}
    assert keeps_best(best)
    assert keeps_best(best | {"metric_for_best_model": "eval_loss"})
    assert not keeps_best(best | {"metric_for_best_model": "mean_token_accuracy"})
    assert keeps_best({"early_stopping_patience": 3})
    assert not keeps_best({"early_stopping_patience": None})
    assert not keeps_best({"early_stopping_patience": 3, "load_best_model_at_end": False})
    assert not keeps_best({})


def test_a_loss_that_is_no_finite_number_is_no_rise():
    assert rise("2b", curve([3, 2, 1], [3, 2, "nan"]), 0.05, kept=False) is None
    assert rise("2b", curve([3, 2, 1], ["nan", 2, 2.5]), 0.05, kept=False).last == 2.5


def test_a_rise_says_where_by_how_much_and_what_helps():
    found = rise("2*b", curve([3, 2, 1], [3, 2, 2.5]), 0.05, kept=False)
    (line,) = rise_lines([found])
    assert r"2\*b: the validation loss rose by 0.500 nats a token, from 2.000 at step 20" in line
    assert "an `early_stopping_patience` under its `sft`" in line
    (line,) = rise_lines([found._replace(kept=True)])
    assert line.endswith("No alarm: the checkpoint of step 20 was kept.")


def rising(project):
    losses = {"train": (3, 2, 1), "val": (3, 2, 2.5)}
    lines = [f"{at},0,{split},{of[at]},\n" for split, of in losses.items() for at in range(3)]
    text = "".join(["step,epoch,split,loss,token_accuracy\n", *lines])
    (project / "curves/2c.csv").write_text(text)


def test_an_adapter_that_overfits_is_told_at_the_top(build, project):
    rising(project)
    told = (build() / "report.md").read_text(encoding="utf-8")
    assert told.index("## Warnings") < told.index("- 2c: the validation loss") < told.index("| sec")
    assert told.count("the validation loss rose") == 1
    assert read_json(project / "summary.json")["alarms"] == {"clustered": 0, "overfit": 1}


@pytest.mark.parametrize(
    ("knobs", "overfit"),
    [
        ("load_best_model_at_end: true", 0),
        ("early_stopping_patience: 3", 0),
        ("early_stopping_patience: 3, load_best_model_at_end: false", 1),
    ],
)
def test_no_alarm_where_the_best_weights_were_kept_but_it_is_told(build, project, knobs, overfit):
    rising(project)
    text = (project / "params.yaml").read_text(encoding="utf-8")
    assert text.count("{<<: *sft, ") == 1
    text = text.replace("{<<: *sft, ", f"{{<<: *sft, {knobs}, ")
    (project / "params.yaml").write_text(text, encoding="utf-8")
    told = (build() / "report.md").read_text(encoding="utf-8")
    assert ("## Warnings" in told) == bool(overfit)
    assert told.count("- 2c: the validation loss rose") == 1
    assert told.count("No alarm: the checkpoint of step 1 was kept.") == 1 - overfit
    alarms = {"clustered": 0, "overfit": overfit}
    assert read_json(project / "summary.json")["alarms"] == alarms


def figures_of(summary):
    return sum(len(of) for kinds in summary.values() for of in kinds.values())


def test_the_summary_stays_small():
    sections = {"own": {"primary": "content_recall"}}
    many = {f"m{at}": comparison(f"m{at}", "base") for at in range(4)}
    few = summarise(dict(list(many.items())[:3]), ["code"], sections, {})
    assert figures_of(few) == 12 + 3
    small = summarise(many, ["code"], sections, {})
    assert {part for kinds in small.values() for of in kinds.values() for part in of} == {
        "all",
        "own",
    }
    assert figures_of(small) == 8 + 4
    lots = {f"m{at}": comparison(f"m{at}", "base") for at in range(40)}
    assert figures_of(summarise(lots, ["code"], sections, {})) == 15
    bare = summarise(many, ["code"], {"own": {}}, {})
    assert figures_of(bare) == 8
    transfers = {name: {"value": -0.25} for name in many}
    with_transfers = summarise(many, ["code"], {"own": {}}, transfers)
    assert with_transfers["m0"]["backward_transfer"] == {"all": -0.25}
    assert figures_of(with_transfers) == 8 + 4
    assert figures_of(summarise(many, ["code"], sections, transfers)) == 8 + 4  # the gaps stay out


def test_cells_and_numbers():
    assert escape("a|b\nc <b> *x* _y_ no_json") == r"a\|b c \<b\> \*x\* \_y\_ no_json"
    assert fenced("a````b")[0] == "`````text"
    assert [number(v) for v in (3, 3.0, 0.12345, None, "x|")] == ["3", "3", "0.123", "", r"x\|"]
    assert [number(v) for v in (0.0, 0.0084, 0.00125, -0.00002)] == [
        "0",
        "0.0084",
        "0.00125",
        "-0.00002",
    ]
