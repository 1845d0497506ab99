"""The measurements of generation notice a row that is lost, swapped, wrong or paid twice."""

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def project(bench, tmp_path):
    return bench("generating").Project(tmp_path / "p", "http://127.0.0.1:9/v1", 5)


def write(project, name, rows):
    project.write(name, "".join(json.dumps(row) + "\n" for row in rows))


def replies(bench, numbers):
    name, record = bench("generating").request_id, bench("server").record
    return [{"request": name(each), "text": json.dumps(record(each))} for each in numbers]


def test_right_replies_are_counted_each_in_its_place(bench, project):
    good = replies(bench, range(5))
    write(project, "replies.jsonl", good)
    assert project.right() == 5
    write(project, "replies.jsonl", good[:4])
    assert project.right() == 4
    swapped = [dict(each) for each in good]
    swapped[1]["text"], swapped[2]["text"] = good[2]["text"], good[1]["text"]
    write(project, "replies.jsonl", swapped)
    assert project.right() == 3
    write(project, "replies.jsonl", [good[1], good[0], *good[2:]])
    assert project.right() == 3


def test_a_peer_is_believed_only_with_right_answers_and_each_once(bench, project):
    record = bench("server").record
    lines = [{"number": each, "text": json.dumps(record(each))} for each in (0, 1, 1)]
    write(project, "alone.jsonl", [*lines, {"number": 2, "text": "{}"}])
    assert bench("generating").alone_right(project) == 2


def test_the_outcome_of_a_fault_notices_lost_wrong_and_double(bench, project):
    outcome, name = bench("faults").outcome, bench("generating").request_id
    rows = [{"request": name(each), "record": bench("server").record(each)} for each in range(4)]
    reject = [{"request": name(4), "reason": "length"}]

    def found(rows, rejects):
        write(project, "rows.jsonl", rows)
        write(project, "rejects.jsonl", rejects)
        return outcome(project, 5)

    assert found(rows, reject) == (Counter(row=4, length=1), 0)
    assert found(rows[1:], reject)[1] == 1
    assert found(rows, [])[1] == 1
    assert found([rows[0] | {"record": rows[1]["record"]}, *rows[1:]], reject)[1] == 1
    assert found(rows, [*reject, {"request": name(0), "reason": "length"}])[1] == 1


def test_what_the_journal_held_is_needlessly_paid_again(bench):
    needless = bench("kill").needless
    answered = {0: [0], 1: [0, 1], 2: [0, 1, 2], 3: [2]}
    assert needless(answered, [{0}, {0, 1}]) == 0
    assert needless(answered, [{0, 2}, {0, 1, 2}]) == 2


def test_a_peer_that_cannot_run_misses_its_own_bound_alone(bench):
    module = bench("peers")
    stage, good, bad = (module.Peer(name, "python") for name in ("stage", "curator", "distilabel"))
    stage.apart, stage.included = [1.0, 1.2, 1.1], [2.0, 2.0, 2.0]
    good.apart, good.included = [4.0, 4.0, 4.0], [8.0, 8.0, 8.0]
    bad.apart, bad.included = [float("nan")], [float("nan")]
    for broken in (bad, module.Peer("distilabel", None)):
        met = {each.name: each.met for each in module.figures(stage, [good, broken])}
        assert met["CPU per reply, of curator's"]
        assert not met["CPU per reply, of distilabel's"]


COMMANDS = {
    "faults": ["--rows", "20", "--only", "length", "html", "401"],
    "kill": ["--rows", "120", "--kills", "2", "--in-flight", "8"],
    "memory": ["--rows", "2000", "--few", "200"],
    "storm": ["--rows", "60", "--waits", "ms"],
    "throughput": ["--rows", "200", "--in-flight", "20", "--latency-s", "0.5", "--repeats", "1"],
}
# Of a run this small only these are bounds; the others need the real number of rows.
CERTAIN = ("rows lost or wrong", "rows lost", "questions paid twice", "though in the journal")


@pytest.mark.slow
@pytest.mark.parametrize("name", COMMANDS)
def test_a_small_run_of_each_command_loses_nothing(tmp_path, name):
    # A child begins with the peak memory of who starts it, here pytest: a shell lies between.
    between = ["sh", "-c", '"$@"; exit $?', "sh"]
    command = [*between, sys.executable, str(ROOT / "bench" / f"{name}.py"), *COMMANDS[name]]
    told = subprocess.run(
        [*command, "--json", str(tmp_path / "kept.json")], capture_output=True, text=True,
        check=False, cwd=tmp_path,
    )  # fmt: skip
    assert told.returncode in (0, 1), told.stderr
    assert "Traceback" not in told.stderr
    figures = json.loads((tmp_path / "kept.json").read_text())["figures"]
    assert (told.returncode == 0) == all(each["met"] for each in figures.values())
    certain = {key: each["met"] for key, each in figures.items() if key.endswith(CERTAIN)}
    assert certain
    assert all(certain.values())
