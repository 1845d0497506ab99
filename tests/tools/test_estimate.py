"""`tunegraph estimate`: what generation would take, without asking and without a key."""

from pathlib import Path

import pytest

from stages.core.asking import exported
from stages.core.errors import ConfigError, InputError
from tools import estimate


def test_a_row_a_teacher_and_one_of_all(asked, capsys):
    asked.fill("{}")
    estimate.main()
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert lines[2][:4] == ["found", "paid", "to", "ask"]
    assert lines[3] == ["paid", "1", "$0.000020", "2", "20", "10", "512", "$0.000040", "$0.0011",
                        "2", "s"]  # fmt: skip
    assert lines[4][:4] == ["offline", "0", "$0.00", "3"]
    assert lines[5][:5] == ["in", "all", "1", "$0.000020", "5"]
    assert lines[7][:3] == ["5", "to", "ask:"]
    assert not Path("data/replies.jsonl").exists()


def test_the_budget_is_shown_beside_it(asked, capsys):
    text = Path("params.yaml").read_text(encoding="utf-8")
    assert text.count("budget_usd: null") == 1
    Path("params.yaml").write_text(text.replace("budget_usd: null", "budget_usd: 2.5"))
    estimate.main()
    assert "budget: $2.50 for all replies to these requests" in capsys.readouterr().out


def test_a_recipe_without_a_teacher_asks_nothing(project: Path, capsys):
    text = Path("params.yaml").read_text(encoding="utf-8")
    assert text.count("{source: seeds, ") == 1
    Path("params.yaml").write_text(text.replace("{source: seeds, ", "{source: null, "))
    estimate.main()
    told = "estimate: prompt.source is null: no teacher is asked, nothing is paid\n"
    assert capsys.readouterr().out == told


def test_without_requests_the_stage_to_run_is_named(project: Path):
    with pytest.raises(InputError, match=r"data/requests\.jsonl: .*\n.*dvc repro prompt"):
        estimate.main()


def test_every_fault_of_the_parameters_is_told_not_a_traceback(asked):
    text = Path("params.yaml").read_text(encoding="utf-8")
    assert text.count("  reask: 0 ") == text.count("max_tokens: 256\n") == 1
    text = text.replace("  reask: 0 ", "").replace("max_tokens: 256\n", "max_tokens: many\n")
    Path("params.yaml").write_text(text)
    with pytest.raises(ConfigError) as raised:
        estimate.main()
    told = [fault.where for fault in raised.value.faults]
    assert told == ["params.yaml: generate.max_tokens", "params.yaml: generate.reask"]


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("price: {prompt: 1.0, completion: 2.0}", "price: null", "cost unknown (no price: paid)"),
        ("mode: live", "mode: batch", "a batch takes up to a day"),
        ("name: paid", "name: other", "cost unknown (no price: paid)"),  # the requests are older
        ("api_key_env: SOME_KEY", "requests_per_minute: 1", "at least 3 min"),
    ],
)
def test_whatever_is_not_known_is_told_and_nothing_else(asked, capsys, old, new, told):
    text = Path("params.yaml").read_text(encoding="utf-8")
    assert text.count(old) == 1
    Path("params.yaml").write_text(text.replace(old, new))
    estimate.main()
    assert told in capsys.readouterr().out
    assert not asked.journal.exists()


def test_what_the_recipe_ships_is_not_to_be_paid_and_nothing_is_written(asked, capsys):
    asked.fill("{}")
    shipped = Path("recipes/reviews/replies.jsonl")
    bodies = [
        {"v": 1, "request": one["id"], "max_tokens": 256, "reply": asked.reply("shipped")}
        for one in asked.requests[:4:2]
    ]
    shipped.write_text("".join(exported.line(body) + "\n" for body in bodies))
    before = asked.journal.read_bytes()
    estimate.main()
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert lines[3][:4] == ["paid", "2", "$0.000040", "1"]
    assert asked.journal.read_bytes() == before
    shipped.write_text(shipped.read_text().replace("shipped", "changed"))
    with pytest.raises(InputError, match=r"replies.jsonl:1: its checksum does not fit(.*\n)*.*:2:"):
        estimate.main()
