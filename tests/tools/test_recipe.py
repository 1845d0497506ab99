"""Switching recipes loses no edit and leaves no other recipe's numbers."""

import subprocess
from pathlib import Path

import pytest

from stages.core.errors import ConfigError
from tools import recipe

BUILT = ("data/rows.jsonl", "models/base/manifest.json", "metrics/models/base.json", "report.html")


@pytest.fixture
def used(project: Path) -> Path:
    """Return a project that was built with the recipe reviews."""
    for name in BUILT:
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_text("{}\n", encoding="utf-8")
    return project


def test_use_copies_the_parameters_and_removes_what_was_built(used: Path):
    recipe.use("emoji")
    assert Path("params.yaml").read_bytes() == Path("recipes/emoji/params.yaml").read_bytes()
    assert not [name for name in BUILT if Path(name).exists()]
    recipe.use("reviews")
    assert Path("params.yaml").read_bytes() == Path("recipes/reviews/params.yaml").read_bytes()


def test_use_of_the_recipe_that_is_in_use_removes_nothing(used: Path):
    recipe.use("reviews")
    assert all(Path(name).exists() for name in BUILT)


def test_use_takes_the_full_version(used: Path):
    recipe.use("reviews", full=True)
    assert Path("params.yaml").read_bytes() == Path("recipes/reviews/params.full.yaml").read_bytes()
    Path("recipes/emoji/params.full.yaml").unlink()
    with pytest.raises(ConfigError, match=r"emoji/params.full.yaml: this recipe has no full"):
        recipe.use("emoji", full=True)


def test_edits_are_not_lost(used: Path):
    edited = Path("params.yaml").read_bytes() + b"# mine\n"
    Path("params.yaml").write_bytes(edited)
    with pytest.raises(ConfigError, match=r"cp params.yaml recipes/reviews/params.yaml(.|\n)*--"):
        recipe.use("emoji")
    assert Path("params.yaml").read_bytes() == edited
    assert all(Path(name).exists() for name in BUILT)
    recipe.use("emoji", force=True)
    assert not Path(BUILT[0]).exists()


def test_edits_that_are_committed_are_kept_in_git(used: Path):
    Path("params.yaml").write_bytes(Path("params.yaml").read_bytes() + b"# mine\n")
    who = ["-c", "user.name=test", "-c", "user.email=test@example.org"]
    for words in (["init", "--quiet"], ["add", "params.yaml"], ["commit", "--quiet", "-m", "mine"]):
        subprocess.run(["git", *who, *words], check=True)
    recipe.use("emoji")
    assert Path("params.yaml").read_bytes() == Path("recipes/emoji/params.yaml").read_bytes()


def test_an_unknown_recipe_is_told_with_those_that_there_are(used: Path):
    with pytest.raises(ConfigError, match=r"no recipe 'emojis'; did you mean 'emoji'\?"):
        recipe.use("emojis")
    assert all(Path(name).exists() for name in BUILT)


def test_list_says_which_is_in_use(project: Path, capsys: pytest.CaptureFixture[str]):
    Path("recipes/emoji/params.full.yaml").unlink()
    recipe.list_all()
    listed = capsys.readouterr().out.splitlines()
    assert [line.partition(":")[0] for line in listed] == recipe.names()
    assert {"emoji", "reviews: has a full version (FULL=1); in use"} <= set(listed)


def test_new_is_a_copy_that_passes_the_checks(project: Path):
    recipe.new("mine", source="emoji")
    text = Path("recipes/mine/params.yaml").read_text(encoding="utf-8")
    assert "recipe: mine\n" in text
    assert "recipe `mine`" in text
    copied = {path.name for path in Path("recipes/mine").iterdir()}
    assert copied == {path.name for path in Path("recipes/emoji").iterdir()}
    recipe.use("mine")
    assert Path("params.yaml").read_text(encoding="utf-8") == text


def test_new_is_small_and_passes_the_checks(
    project: Path, root: Path, capsys: pytest.CaptureFixture[str]
):
    recipe.new("mine")
    assert capsys.readouterr().out.splitlines()[1:] == [
        "  tunegraph check recipes/mine",
        "  tunegraph recipe use mine",
        "  dvc repro",
    ]
    made = {str(path.relative_to("recipes/mine")) for path in Path("recipes/mine").rglob("*")}
    assert made >= {"params.yaml", "README.md", "sources/notes.jsonl", "prompts/answer.md"}
    texts = [path.read_text() for path in Path("recipes/mine").rglob("*") if path.is_file()]
    assert len(texts) == 13
    assert not [text for text in texts if "NAME" in text]
    assert "recipe: mine\n" in Path("recipes/mine/params.yaml").read_text(encoding="utf-8")
    assert not list(Path("recipes/mine").rglob("*.py"))


@pytest.mark.parametrize("name", ["2d", "Mine", "a/b", "..", "mine too"])
def test_new_refuses_what_cannot_be_a_name(project: Path, name: str):
    with pytest.raises(ConfigError, match="cannot be a recipe's name"):
        recipe.new(name)


def test_new_does_not_write_over_a_recipe(project: Path):
    with pytest.raises(ConfigError, match="recipes/emoji: is there already"):
        recipe.new("emoji")


STUB = """\
stages:
  build:
    cmd: python build.py ${recipe}
    deps:
      - recipes/${recipe}/words
    outs:
      - data/words
    metrics:
      - metrics/count.json:
          cache: false
"""
BUILD = """\
import json, pathlib, sys
words = pathlib.Path("recipes", sys.argv[1], "words").read_text()
for name in ("data", "metrics"):
    pathlib.Path(name).mkdir(exist_ok=True)
pathlib.Path("data/words").write_text(words.upper())
pathlib.Path("metrics/count.json").write_text(json.dumps({sys.argv[1]: len(words)}))
with open("calls", "a") as calls:
    calls.write(sys.argv[1] + "\\n")
"""


@pytest.mark.slow
def test_switching_back_restores_what_was_built_and_leaks_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """DVC's run cache has what a recipe built; the git-tracked metrics come back too."""
    from tools.diff import dvc

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DVC_SITE_CACHE_DIR", str(tmp_path / ".site"))
    subprocess.run(["git", "init", "--quiet"], check=True)
    Path(".dvc").mkdir()
    Path(".dvc/config").write_text("[core]\n    analytics = false\n")
    Path(".gitignore").write_text("/data/\n")
    Path("dvc.yaml").write_text(STUB)
    Path("build.py").write_text(BUILD)
    for name in ("one", "other"):
        Path("recipes", name).mkdir(parents=True)
        Path("recipes", name, "params.yaml").write_text(f"recipe: {name}\n")
        Path("recipes", name, "words").write_text(f"words of {name}")
    for name in ("one", "other", "one"):
        recipe.use(name)
        dvc("repro", "--quiet")
        assert Path("data/words").read_text() == f"WORDS OF {name.upper()}"
        assert Path("metrics/count.json").read_text().startswith(f'{{"{name}": ')
    assert Path("calls").read_text() == "one\nother\n"
