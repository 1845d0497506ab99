"""Which models can be asked, and why others cannot."""

import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from stages.core.digest import file_digest
from stages.core.jsonl import read_json, write_json
from tools.chat.models import Model, models

BASE = {"source": "scratch", "id": None, "weights": "w", "quantize": "none"}


def folder(name: str, chain: list[str], root: Path = Path(), **more: Any) -> Path:
    """Write a model's manifest: all that is read here."""
    kind = "base" if name == "base" else "adapter"
    adapters = {each: f"digest of {each}" for each in chain[1:]}
    manifest = {"name": name, "kind": kind, "on": None, "chain": chain, "base": BASE}
    write_json(root / f"models/{name}/manifest.json", manifest | {"adapters": adapters} | more)
    return root / "models" / name


def stack(root: Path = Path()) -> dict[str, Any]:
    """Write base, 2b and 2c; return the sections of params.yaml."""
    folder("base", ["base"], root)
    folder("2b", ["base", "2b"], root)
    told = {"contract": {"system": [{"text": "Be terse.", "rows": 5}, {"text": None, "rows": 2}]}}
    folder("2c", ["base", "2b", "2c"], root, **told)
    return {
        "models": {"base": {"name": "base"}, "m2c": {"name": "2c"}},
        "adapters": {"m2b": {"name": "2b"}, "m2c": {"name": "2c"}},
        "transcripts": {},
    }


def export(name: str, form: str = "merged") -> Path:
    """Write what marks an export."""
    at = Path("exports", name)
    contract = {"system": [{"text": "Be kind.", "rows": 3}]}
    write_json(
        at / "export.json", {"format": form, "manifest": {"name": "2c", "contract": contract}}
    )
    write_json(at / "config.json", {})
    (at / "model.safetensors").write_bytes(b"1234")
    return at


def names(found: list[Model]) -> list[str]:
    return [model.name for model in found]


def test_every_model_of_params_yaml_is_there_the_base_first(tmp_path: Path):
    params = stack(tmp_path)
    folder("old", ["base", "old"], tmp_path)  # params.yaml has it no more
    found, told = models(params, tmp_path)
    assert told == []
    at = tmp_path / "models"
    assert found == [
        Model("base", "base", at / "base", file_digest(at / "base/manifest.json"), None),
        Model("2c", "adapter", at / "2c", file_digest(at / "2c/manifest.json"), "Be terse."),
        Model("2b", "adapter", at / "2b", file_digest(at / "2b/manifest.json"), None),
    ]


def test_what_cannot_be_asked_is_told_in_a_line(tmp_path: Path, monkeypatch: Any):
    monkeypatch.chdir(tmp_path)
    params = stack()
    for name in ("not_there", "broken", "nameless", "of_another", "pasted", "odd"):
        params["adapters"][name] = {"name": name}
    params["models"]["chat"] = {"name": "chat"}
    params["transcripts"] = {"chat": {"name": "chat", "file": "chat.csv"}}
    (folder("broken", ["base", "broken"]) / "manifest.json").write_text("{")
    write_json(Path("models/nameless/manifest.json"), {"kind": "adapter"})
    shutil.copytree("models/2b", "models/of_another")
    folder("pasted", ["pasted"], kind="transcript")
    folder("odd", ["base", "odd"], contract={"system": 7})
    found, told = models(params)
    assert names(found) == ["base", "2c", "2b"]
    said = dict(line.split(": ", 1) for line in told)
    assert len(told) == len(said) == 7
    assert said["chat"] == "a transcript, answers pasted from elsewhere without a model"
    assert said["not_there"].startswith("not built yet (dvc repro")
    assert said["broken"].startswith("models/broken/manifest.json")
    assert "it does not say which model this is" in said["nameless"]
    assert said["of_another"] == "models/of_another: it holds '2b'"
    assert said["pasted"] == "models/pasted holds a transcript (dvc repro)"
    assert said["odd"].startswith("TypeError")
    assert not any("\n" in line for line in told)


def test_a_model_on_another_base_or_parent_is_told(tmp_path: Path, monkeypatch: Any):
    monkeypatch.chdir(tmp_path)
    params = stack()
    folder("2b", ["base", "2b"], adapters={"2b": "built again"})
    params["adapters"]["m3b"] = {"name": "3b"}
    folder("3b", ["base", "3b"], base=BASE | {"quantize": "4bit"})
    found, told = models(params)
    assert names(found) == ["base", "2b"]
    assert told == [
        "2c: it stands on another 2b than models/ has (dvc repro)",
        "3b: it stands on another base than models/ has (dvc repro)",
    ]


def test_without_the_base_nothing_stands(tmp_path: Path, monkeypatch: Any):
    monkeypatch.chdir(tmp_path)
    params = stack()
    shutil.rmtree("models/base")
    found, told = models(params)
    assert found == []
    assert [line.split(":")[0] for line in told] == ["base", "2c", "2b"]


def test_a_system_prompt_that_no_manifest_holds_is_told(tmp_path: Path):
    params = stack(tmp_path)
    folder("2b", ["base", "2b"], tmp_path, contract={"system": [{"sha256": "0" * 64, "rows": 9}]})
    found, told = models(params, tmp_path)
    assert found[2].system is None
    assert len(told) == 1
    assert told[0].startswith("2b: most of its training rows had a system prompt that is too long")


def test_merged_exports_can_be_asked_other_forms_are_told(tmp_path: Path, monkeypatch: Any):
    monkeypatch.chdir(tmp_path)
    params = stack()
    export("2c@wider")
    for name, form in (("a", "adapter"), ("s", "stack"), ("own-dataset", "dataset")):
        export(name, form)
    (export("weightless") / "model.safetensors").rename("exports/weightless/pytorch_model.bin")
    (export("headless") / "config.json").unlink()
    (export("broken") / "export.json").write_text('{"format": ')
    (export("odd") / "export.json").write_text("[]")
    export(".2c.partial")
    Path("exports/mine").mkdir()  # no export.json: a folder of somebody
    found, told = models(params)
    assert names(found) == ["base", "2c", "2b", "exports/2c@wider"]
    assert (found[3].kind, found[3].folder, found[3].system) == (
        "export",
        Path("exports/2c@wider"),
        "Be kind.",
    )
    said = dict(line.split(": ", 1) for line in told)
    assert said.keys() == {
        f"exports/{name}" for name in ("a", "s", "weightless", "headless", "broken", "odd")
    }
    assert said["exports/a"] == (
        "an export of the format adapter, which is no model without its base; chat with 2c, or "
        "export it merged"
    )
    assert "format stack" in said["exports/s"]
    assert said["exports/weightless"] == "no weights (*.safetensors)"
    assert said["exports/headless"] == "no config.json"
    assert said["exports/broken"].startswith("export.json cannot be read: ")
    assert said["exports/odd"].startswith("export.json cannot be read: ")


@pytest.mark.parametrize("content", ["[" * 100_000, "9" * 5000])
def test_what_no_parser_takes_keeps_no_other_from_being_asked(
    tmp_path: Path, monkeypatch: Any, content: str
):
    monkeypatch.chdir(tmp_path)
    params = stack()
    (export("hostile") / "export.json").write_text(content)
    found, told = models(params)
    assert names(found) == ["base", "2c", "2b"]
    assert len(told) == 1
    assert told[0].startswith("exports/hostile: export.json cannot be read")


@pytest.mark.parametrize("name", ["a\nb", "a\x1b[31m", "a\u202eb", os.fsdecode(b"a\xff")])
def test_an_export_whose_name_cannot_be_shown_is_told(tmp_path: Path, monkeypatch: Any, name: str):
    monkeypatch.chdir(tmp_path)
    params = stack()
    export("plain").rename(Path("exports") / name)
    found, told = models(params)
    assert names(found) == ["base", "2c", "2b"]
    assert len(told) == 1
    assert "rename it" in told[0]
    assert told[0].isprintable()


def test_the_digest_of_an_export_is_of_its_files(tmp_path: Path, monkeypatch: Any):
    monkeypatch.chdir(tmp_path)
    params = stack()
    at = export("2c")

    def digest() -> str:
        return models(params)[0][-1].digest

    seen = [digest()]
    assert digest() == seen[0]
    write_json(at / "export.json", read_json(at / "export.json") | {"commit": "c"})
    seen.append(digest())
    (at / "model.safetensors").write_bytes(b"12345")
    seen.append(digest())
    (at / "tokenizer.json").write_text("{}")
    seen.append(digest())
    assert len(set(seen)) == 4


def test_nothing_in_a_line_moves_a_terminal(tmp_path: Path, monkeypatch: Any):
    monkeypatch.chdir(tmp_path)
    params = stack()
    write_json(
        export("evil") / "export.json", {"format": "\x1b[2J\u202e", "manifest": {"name": "2c"}}
    )
    _, told = models(params)
    assert len(told) == 1
    assert r"\u001b[2J\u202e" in told[0]


def test_a_recipe_without_adapters_has_its_base(tmp_path: Path):
    folder("base", ["base"], tmp_path)
    found, told = models({"models": {"base": {"name": "base"}}, "transcripts": None}, tmp_path)
    assert (names(found), told) == (["base"], [])
