"""dvc.yaml says what the code does: what a stage imports, which parameters it loads, what it opens.

Read from the sources, so that a new import without its dependency fails here, and not by a result
that went stale in silence.
"""

import ast
import re
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from stages.core.params import read_yaml

ROOT = Path(__file__).resolve().parents[1]
STAGES = (
    *("check", "fetch", "prompt", "generate", "validate", "diversity", "split", "base"),
    *("mix", "train", "transcript", "answer", "vary", "layers", "evaluate", "compare", "ablate"),
    *("profile", "drift", "judge", "price", "select", "report"),
)
LIGHT = (
    *("check", "prompt", "validate", "split", "mix", "select", "compare", "ablate", "profile"),
    *("drift", "price"),
)
HEAVY = {
    *("accelerate", "bert_score", "bitsandbytes", "codebleu", "datasets", "evaluate", "matplotlib"),
    *("nltk", "openai", "pandas", "peft", "rouge_score", "sacrebleu", "scipy", "sklearn"),
    *("sentence_transformers", "tokenizers", "torch", "transformers", "trl"),
}
# They hold no logic (held below), and every stage imports them: a word in the drawing of the
# pipeline must not rebuild all models.
PACKAGES = {"stages/__init__.py", "stages/core/__init__.py"}


@cache
def graph() -> dict[str, dict[str, Any]]:
    """Return the stages of dvc.yaml, what stands below `do:` in the place of a `foreach`."""
    stages = read_yaml(ROOT / "dvc.yaml")["stages"]
    return {name: entry.get("do", entry) for name, entry in stages.items()}


def paths(entries: list[Any]) -> list[str]:
    """Return the paths of deps, outs, metrics or plots, options apart."""
    return [next(iter(entry)) if isinstance(entry, dict) else entry for entry in entries]


def outputs(stage: dict[str, Any]) -> list[str]:
    """Return all that a stage writes."""
    return [path for kind in ("outs", "metrics", "plots") for path in paths(stage.get(kind, []))]


def module(name: str) -> Path:
    """Return the file that `python -m stages.<name>` runs."""
    folder = ROOT / "stages" / name
    return folder / "__main__.py" if folder.is_dir() else folder.with_suffix(".py")


def room(name: str) -> list[Path]:
    """Return all the Python files of a stage."""
    folder = ROOT / "stages" / name
    return sorted(folder.rglob("*.py")) if folder.is_dir() else [folder.with_suffix(".py")]


@cache
def imported(file: Path) -> frozenset[str]:
    """Return the dotted names that a file imports anywhere, in functions too."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}: relative import"
            names.add(node.module)
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return frozenset(names)


def source(dotted: str) -> Path | None:
    """Return the file of one of our modules."""
    path = ROOT.joinpath(*dotted.split("."))
    for file in (path.with_suffix(".py"), path / "__init__.py"):
        if dotted.startswith("stages") and file.is_file():
            return file
    return None


def reached(files: list[Path]) -> set[Path]:
    """Return these files and all of ours that they import, directly or through others."""
    found: set[Path] = set()
    waiting = list(files)
    while waiting:
        file = waiting.pop()
        if file not in found:
            found.add(file)
            waiting += [one for name in imported(file) if (one := source(name)) is not None]
    return found


def constant(file: Path, name: str) -> Any:
    """Return a module's literal constant, or None."""
    for node in ast.parse(file.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Assign) and [ast.unparse(t) for t in node.targets] == [name]:
            return ast.literal_eval(node.value)
    return None


def test_the_stages_are_the_ones_that_the_design_draws():
    assert tuple(graph()) == STAGES
    assert len(STAGES) == 23


@pytest.mark.parametrize("name", STAGES)
def test_stage_module_and_test_share_one_verb(name: str):
    assert module(name).is_file(), f"no module of the stage {name}"
    assert f"-m stages.{name} " in graph()[name]["cmd"]
    assert list((ROOT / "tests" / name).glob("test_*.py")), f"no test of the stage {name}"


def test_no_module_is_without_a_stage():
    entries = (ROOT / "stages").iterdir()
    modules = {path.stem for path in entries if not path.name.startswith(("_", "."))}
    assert modules == {*STAGES, "core"}


@pytest.mark.parametrize("name", STAGES)
def test_what_a_stage_imports_is_what_dvc_yaml_lists(name: str):
    own = ROOT / "stages" / name
    used = {str(file.relative_to(ROOT)) for file in reached(room(name))} - PACKAGES
    # A folder of core is one idea (`stages/core/proof`): it is listed whole.
    used = {"/".join(path.split("/")[:3]) if path.count("/") > 2 else path for path in used}
    if own.is_dir():
        used = {path for path in used if not path.startswith(f"stages/{name}/")} | {
            f"stages/{name}"
        }
    listed = {path for path in paths(graph()[name]["deps"]) if path.startswith("stages/")}
    add = "\n".join(f"      - {path}" for path in sorted(used - listed))
    drop = "\n".join(f"      - {path}" for path in sorted(listed - used))
    assert used == listed, f"deps of {name} in dvc.yaml\nadd:\n{add}\ndrop:\n{drop}"


def test_the_packages_that_no_stage_lists_hold_no_logic():
    core, stages = (ast.parse((ROOT / file).read_text()) for file in sorted(PACKAGES, reverse=True))
    if len(core.body) > len(stages.body):
        core, stages = stages, core
    assert [type(node) for node in core.body] == [ast.Expr]
    assert {type(node) for node in stages.body} == {ast.Expr, ast.Import, ast.ImportFrom, ast.If}


@pytest.mark.parametrize("name", STAGES)
def test_a_stage_loads_the_parameters_that_dvc_yaml_lists(name: str):
    listed = []
    for entry in graph()[name].get("params", []):
        if isinstance(entry, dict):
            file, keys = next(iter(entry.items()))
            assert keys is None, "a file is listed whole, or its keys are params.yaml's"
            listed.append(file)
        else:
            listed.append(entry.replace("${key}", "{key}"))
    loaded = constant(module(name), "PARAMS") or ()
    assert sorted(loaded) == sorted(listed)
    assert len(set(listed)) == len(listed)


@pytest.mark.parametrize("name", STAGES)
def test_a_path_of_the_command_line_is_a_dependency_or_an_output(name: str):
    stage = graph()[name]
    words = stage["cmd"].split()
    assert words[:3] == ["python", "-m", f"stages.{name}"]
    flags, values = words[3::2], words[4::2]
    assert all(re.fullmatch(r"--[a-z-]+", flag) for flag in flags)
    known = paths(stage["deps"]) + outputs(stage)
    given = {value for value in values if "/" in value or value in known}
    for value in given:
        below = [path for path in known if path == value or path.startswith(f"{value}/")]
        assert below, f"{name}: {value} is neither a dependency nor an output"
    for path in known:
        if not path.startswith("stages/"):
            over = [value for value in given if path == value or path.startswith(f"{value}/")]
            assert over, f"{name}: {path} is listed, and the command line does not give it"


@pytest.mark.parametrize("name", STAGES)
def test_a_command_line_carries_no_number(name: str):
    values = graph()[name]["cmd"].split()[4::2]
    assert not [value for value in values if re.fullmatch(r"[\d.e+-]+", value)]


@pytest.mark.parametrize("name", [*STAGES, "core"])
def test_a_stage_imports_the_core_and_itself(name: str):
    files = room(name)
    assert files
    for file in files:
        ours = {dotted.split(".")[1] for dotted in imported(file) if dotted.startswith("stages.")}
        assert ours <= {name, "core"}, f"{file} imports another stage"
        assert not [dotted for dotted in imported(file) if dotted.split(".")[0] == "tools"]


@pytest.mark.parametrize("name", LIGHT)
def test_a_light_stage_imports_nothing_heavy_at_any_time(name: str):
    for file in reached(room(name)):
        # scipy.special takes 0.2 s by itself, with nothing else of scipy; scipy.stats 0.9.
        parts = (dotted for dotted in imported(file) if not dotted.startswith("scipy.special"))
        heavy = {dotted.split(".")[0] for dotted in parts} & HEAVY
        assert not heavy, f"{file.relative_to(ROOT)} imports {heavy}, and the stage {name} it"


def test_no_stage_and_no_tool_imports_anything_heavy_before_it_runs():
    """Nothing happens at import: `tunegraph check` and `--help` answer at once."""
    modules = [f"stages.{name}.__main__" if module(name).name == "__main__.py" else f"stages.{name}"
               for name in STAGES]  # fmt: skip
    core = (file.relative_to(ROOT).with_suffix("") for file in room("core"))
    modules += [".".join(file.parts) for file in core if file.name != "__init__"]
    modules += [f"tools.{file.stem}" for file in (ROOT / "tools").glob("[a-z]*.py")]
    assert len(modules) > 30
    code = f"import {', '.join(modules)}; import sys; print(sorted({HEAVY} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "[]"


def test_what_git_tracks_is_declared_so_that_a_recipe_can_be_restored():
    """One `outs: {cache: false}` keeps its whole stage out of DVC's run cache: light stages only.

    As metrics they would flood `dvc metrics diff`. What `judge` paid for is in the journal.
    """
    plain = {
        name
        for name, stage in graph().items()
        for out in stage.get("outs", [])
        if isinstance(out, dict) and next(iter(out.values())).get("cache") is False
    }
    assert plain == {"ablate", "compare", "drift", "judge", "profile", "report"}
    for name, stage in graph().items():
        for out in outputs(stage):
            where = ("data/", "models/", "metrics/")
            assert out.startswith(where) or out == "report.html", f"{name} writes {out}"


def test_the_wrong_python_is_told_to_activate_the_environment(tmp_path: Path):
    import venv

    venv.create(tmp_path / "bare", with_pip=False, symlinks=True)
    python = tmp_path / "bare" / "bin" / "python"
    for name in ("select", "train"):
        words = [python, "-m", f"stages.{name}"]
        done = subprocess.run(words, capture_output=True, text=True, cwd=ROOT, check=False)
        assert done.returncode == 1
        assert "activate .venv" in done.stderr
        assert str(python) in done.stderr
        assert "Traceback" not in done.stderr
