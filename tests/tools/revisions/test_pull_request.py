"""A pull request's comment: what it holds, what it cannot do, and the workflow that posts it."""

import json
import os
import re
import stat
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml

from stages.core.errors import ConfigError
from stages.core.jsonl import write_json
from stages.report.markdown import escape, fenced
from tools import pull_request
from tools.pull_request import LIMIT, cut, length, lowered, quiet

ROOT = Path(__file__).resolve().parents[3]
WORKFLOW = ROOT / ".github/workflows/metrics.yml"
HOSTILE = (
    "</details><script>x</script> [y](javascript:y) @octocat fixes cli/cli#1 https://e.org ```"
)
ZERO = "\u200b"


def test_no_one_is_called_and_nothing_is_linked_but_code_stays():
    said = "hi @octocat, see #12, a/b#3, GH-4, https://e.org, www.e.org; train@m2b, C# and ## a"
    block = fenced("hi @octocat\n```\n#1 https://e.org")
    [text, *code] = quiet([said, *block])
    assert code == block
    assert text.replace(ZERO, "") == said
    for call in ("@octocat", "#12", "b#3", "GH-4", "://", "www."):
        assert call not in text
    assert "train@m2b, C# and ## a" in text


def test_headings_are_lowered_and_those_in_code_are_not():
    lines = ["# a", "##### e", "#b", *fenced("# c"), "## d"]
    assert lowered(lines) == ["### a", "##### e", "#b", *fenced("# c"), "#### d"]


@pytest.mark.parametrize("room", range(300, 420, 7))
def test_what_is_cut_says_so_fits_and_closes_its_code(room):
    code = "\n".join(fenced("`````\n" + "x\n" * 80)).split("\n")
    lines = ["## a", "", *code, *fenced("b"), "é𝄞" * 90]
    assert cut(lines, 10_000, "more") is lines
    kept = cut(lines, room, "more there")
    assert length("\n".join(kept)) <= room
    assert "*(cut: more there)*" in kept
    fences = [line for line in kept if line.startswith("``````")]
    assert len(fences) % 2 == 0


@pytest.fixture
def two(make: SimpleNamespace) -> SimpleNamespace:
    """Return a main with a build and a branch `wider` with another one, which is here."""
    names = ["base", "2b", "mean|n @octocat"]
    files = [f"metrics/models/{name}.json" for name in names]
    Path("dvc.yaml").write_text(yaml.safe_dump({"metrics": files}), encoding="utf-8")
    build = make.build()
    rows = [make.row(f"r{at}", f"Ask {at}?", "fine", request=f"q{at}") for at in range(3)]
    build.data = {
        "data/requests.jsonl": [make.request(f"q{at}", f"s{at}", "Tell.") for at in range(3)],
        "data/rows.jsonl": rows,
        "data/scores/2b.jsonl": [make.score(f"t{at}", {"exact": at % 2}) for at in range(20)],
    }
    build.models = {
        "base": {"own": {"n": 20, "exact": 0.125}},
        "2b": {"own": {"n": 20, "exact": 0.5}, "chat": {"n": 4, "preferred": 0.625}},
    }
    make.first = build.commit("first")
    make.git("switch", "--quiet", "--create", "wider")
    build.params["adapters"]["m2b"]["lora"]["r"] = 32
    rows[0]["messages"][1]["content"] = HOSTILE
    build.data["data/scores/2b.jsonl"] = [make.score(f"t{at}", {"exact": 1.0}) for at in range(20)]
    build.models["2b"]["own"]["exact"] = 0.98765
    build.models["2b"]["chat"] = {"n": 8, "preferred": 0.75}
    build.models["mean|n @octocat"] = {"own": {"exact": 1.0}}
    build.write()
    report = ["# mine", "", escape(f"**{HOSTILE}**"), "", *fenced(HOSTILE * 3)]
    Path("metrics/report.md").write_text("\n".join(report), encoding="utf-8")
    make.git("add", "--all")
    make.git("commit", "--quiet", "--message", "wider: closes #7 by @octocat")
    make.build = build
    return make


def outside_code(text: str) -> str:
    """Return what Markdown does not show as code."""
    return "\n".join(line for line, code, _ in pull_request.blocks(text.split("\n")) if not code)


def hold_comment(text: str) -> None:
    """Hold that a comment has the figures, and that nothing in it breaks out or calls."""
    assert length(text) <= LIMIT
    assert "| models/2b | own.exact ↑ | 0.5 | 0.98765 | 0.48765 |" in text
    assert "| models/2b | chat.preferred ↑ | 0.625 | 0.75 | 0.125 |" in text
    assert "- adapters.m2b.lora.r: 16 -\\> 32" in text
    assert f"models/mean\\|n @{ZERO}octocat" in text
    assert "### mine" in text
    assert HOSTILE * 3 in text
    prose = outside_code(text)
    assert prose.count("</details>") == prose.count("<details>") == 2
    assert r"\<script\>" in prose
    assert not re.search(r"(?<!\\)</?script", prose)
    assert not re.search(r"(?<!\w)@\w|(?<!\\)\[y\]|#\d|://", prose)


@pytest.mark.slow
def test_the_comment_has_the_figures_and_nothing_breaks_out(two, capsys):
    pull_request.main("main", Path("out/comment.md"))
    text = Path("out/comment.md").read_text(encoding="utf-8")
    hold_comment(text)
    assert text.startswith(f"## What this does to the models\n\nAgainst {two.first[:7]} first.")
    assert "would run" not in text
    told = capsys.readouterr().out
    assert f"out/comment.md: {length(text)} of 65536 characters, against {two.first[:12]}" in told


@pytest.mark.slow
def test_a_build_that_is_not_of_its_files_is_told_and_the_longest_fits(two, monkeypatch):
    told = {"split": [{"changed outs": {"data/x": "not in cache"}}],
            "base": ["changed command"],
            "train@m2b": [{"changed deps": {"data/mix": "deleted", "stages/train": "modified"}}],
            "mix@m2b": [{"changed deps": {"params.yaml": {"seed": "modified"}}}]}  # fmt: skip
    real = pull_request.dvc

    def dvc(*words: str) -> str:
        return json.dumps(told) if "status" in words else real(*words)

    monkeypatch.setattr(pull_request, "dvc", dvc)
    many = {f"k{at} @a #1 https://e.org": float(at) for at in range(3000)}
    write_json(Path("metrics/models/2b.json"), {"own": many})
    Path("metrics/report.md").write_text("# r\n" + "@a #1 https://e.org | 𝄞\n" * 9000)
    text = pull_request.comment(two.first)
    would = re.search(r"> `dvc repro` would run 3 stages here \((.*)\): the figures are not", text)
    assert sorted(would[1].split(", ")) == ["base", "mix@m2b", "train@m2b"]
    assert LIMIT - 2000 < length(text) <= LIMIT
    assert f"*(cut: `dvc metrics diff {two.first[:12]}` has the rest)*" in text
    assert "*(cut: the rest stands in that file)*" in text
    assert not re.search(r"(?<!\w)@\w|#\d|://", outside_code(text))


def test_a_base_that_is_not_there_is_told(two):
    with pytest.raises(ConfigError, match=r"BASE: 'gone' and what is here come from no commit"):
        pull_request.main("gone", Path("comment.md"))
    two.git("switch", "--quiet", "--orphan", "alone")
    two.git("commit", "--quiet", "--allow-empty", "--message", "alone")
    with pytest.raises(ConfigError, match=r"come from no commit(.|\n)*fetch-depth: 0"):
        pull_request.main("main", Path("comment.md"))


def workflow() -> dict[str, Any]:
    return yaml.load(WORKFLOW.read_text(encoding="utf-8"), Loader=yaml.BaseLoader)


def steps() -> dict[str, dict[str, Any]]:
    """Return the steps by what they are called."""
    [job] = workflow()["jobs"].values()
    return {step.get("name") or step["uses"].partition("@")[0]: step for step in job["steps"]}


def test_the_workflow_asks_for_no_more_than_it_needs():
    found = workflow()
    assert found.keys() == {"name", "on", "permissions", "concurrency", "jobs"}
    assert found["permissions"] == {"contents": "read", "pull-requests": "write"}
    assert found["on"].keys() == {"pull_request"}  # with a fork's code no token that writes
    [job] = found["jobs"].values()
    assert job.keys() == {"runs-on", "timeout-minutes", "steps"}
    by_name = steps()
    assert list(by_name) == [
        "actions/checkout", "actions/setup-python", "Install", "Compare", "Comment",
    ]  # fmt: skip
    for name, step in by_name.items():
        assert ("uses" in step) != ("run" in step), name
        if "uses" in step:
            assert re.fullmatch(r"[\w-]+/[\w-]+@v\d+", step["uses"]), name
        # A branch or a title that is set into a script is run by it.
        assert "${{" not in step.get("run", ""), name
        assert ("GH_TOKEN" in step.get("env", {})) == (name == "Comment")
    text = WORKFLOW.read_text(encoding="utf-8")
    assert "secrets." not in text
    assert by_name["actions/checkout"]["with"]["fetch-depth"] == "0"
    assert by_name["actions/checkout"]["with"]["persist-credentials"] == "false"
    assert "head.repo.full_name == github.repository" in by_name["Comment"]["if"]


def test_what_the_workflow_installs_is_pinned():
    words = steps()["Install"]["run"].split()
    assert words[:6] == ["python", "-m", "pip", "install", "--constraint", "requirements.lock"]
    pinned = (ROOT / "requirements.lock").read_text(encoding="utf-8").lower()
    assert len(words) == 11
    for package in words[6:]:
        assert re.search(rf"^{re.escape(package)}==", pinned, re.MULTILINE), package


GH = """\
#!/usr/bin/env bash
set -eu
printf '%s\\n' "$@" > "$POSTED/words"
printf '%s %s' "$GH_TOKEN" "$GH_REPO" > "$POSTED/as"
cp "${@: -1}" "$POSTED/body"
"""
# Of the packages that the workflow does not install, those that something here might come to need.
ABSENT = """\
import sys
for name in ("torch", "transformers", "peft", "trl", "datasets", "pandas", "jinja2", "markupsafe",
             "jsonschema", "jsonschema_rs", "json_repair", "evaluate", "openai", "safetensors"):
    sys.modules[name] = None
"""


@pytest.mark.slow
def test_the_workflows_own_steps_post_the_comment(two, tmp_path_factory):
    """Run what the workflow runs, as bash -e, in a clone without data, with a `gh` that keeps."""
    place = tmp_path_factory.mktemp("runner")
    for folder in ("bin", "posted", "temp", "absent"):
        (place / folder).mkdir()
    (place / "bin/gh").write_text(GH)
    (place / "bin/gh").chmod(stat.S_IRWXU)
    (place / "bin/python").write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    (place / "bin/python").chmod(stat.S_IRWXU)
    (place / "absent/sitecustomize.py").write_text(ABSENT)
    head, base = two.git("rev-parse", "HEAD").strip(), two.git("rev-parse", "main").strip()
    clone = place / "clone"
    two.git("clone", "--quiet", ".", str(clone))
    subprocess.run(["git", "checkout", "--quiet", "--detach", head], cwd=clone, check=True)
    assert not (clone / "data").exists()
    known = {
        "github.event.pull_request.base.sha": base, "github.token": "a-token",
        "github.repository": "you/yours", "github.event.pull_request.number": "7",
    }  # fmt: skip
    summary = place / "summary.md"
    apart = {
        **os.environ, "RUNNER_TEMP": str(place / "temp"), "GITHUB_STEP_SUMMARY": str(summary),
        "POSTED": str(place / "posted"), "PATH": f"{place / 'bin'}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": f"{place / 'absent'}{os.pathsep}{ROOT}",
    }  # fmt: skip
    ran = []
    for name, step in steps().items():
        if "run" not in step or name == "Install":
            continue
        env = {
            key: re.sub(r"\$\{\{ *(.*?) *\}\}", lambda found: known[found[1]], value)
            for key, value in step.get("env", {}).items()
        }
        words = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step["run"]]
        done = subprocess.run(
            words, cwd=clone, env=apart | env, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        ran.append(name)
    assert ran == ["Compare", "Comment"]
    posted = place / "posted"
    body = (posted / "body").read_text(encoding="utf-8")
    hold_comment(body)
    assert "files are not in the cache" not in body
    assert (posted / "words").read_text().splitlines() == [
        "pr", "comment", "7", "--edit-last", "--create-if-none", "--body-file",
        str(place / "temp/comment.md"),
    ]  # fmt: skip
    assert (posted / "as").read_text() == "a-token you/yours"
    assert summary.read_text(encoding="utf-8") == body
    assert "a-token" not in body
    status = ["git", "status", "--porcelain"]
    assert not subprocess.run(status, cwd=clone, capture_output=True, check=True).stdout
