"""`tunegraph export SET --format dataset`: files that `datasets` reads, and the card of them."""

import json
from pathlib import Path
from typing import Any

import pytest

from stages.core.errors import ConfigError, InputError
from stages.core.jsonl import read_json, read_rows, write_json, write_rows
from tools import dataset, export
from tools.export import Asked

OUT = Path("exports/own-dataset")
DIRTY = ["not up to date with dvc.lock: split"]


def row(name: str, **more: Any) -> dict[str, Any]:
    messages = [
        {"role": "system", "content": "Scrie numai planul."},
        {"role": "user", "content": f"Cerințe: {name}"},
        {"role": "assistant", "content": "Plan: școală, țară"},
    ]
    shape = {"id": name, "skill": "plan", "group": f"g {name}", "source": "exemple", "set": "own"}
    return {**shape, "messages": messages, **more}


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a project whose set `own` has three rows to train on and one to test on."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    params = {
        "recipe": "dev_plans",
        "seed": {"data": 13},
        "sources": {
            "exemple": {"kind": "file", "file": "exemple.jsonl"},
            "imdb": {"kind": "hub", "path": "some/data", "revision": "c0ffee"},
        },
        "prompt": {"source": "imdb"},
        "teachers": [{"model": "gpt-x", "weight": 1.0}, {"model": "unused", "weight": 0}],
        "sets": {
            "own": {"from": "exemple", "ids": {"test": ["plan-15"]}},
            "asked": {"from": ["rows", "exemple"], "val": 0.1, "test": 0.2, "stratify": "skill"},
        },
        "evaluate": {
            "sections": {
                "own": {"set": "own", "answers_in": "ro", "metrics": ["loss"]},
                "asked": {"set": ["own", "asked"], "metrics": ["loss"]},
            }
        },
    }
    write_json(Path("params.yaml"), params)
    for name in ("own", "asked"):
        rows = [row("a"), row("b", keywords={"f": ["x", "y"]}), row("c", record={"n": 1, "ț": []})]
        write_rows(Path(f"data/splits/{name}/train.jsonl"), rows)
        write_rows(Path(f"data/splits/{name}/val.jsonl"), [])
        write_rows(Path(f"data/splits/{name}/test.jsonl"), [row("d")])
    leaking = {"leaking": {"row": 0, "prompt": 2, "group": 3}}
    write_json(Path("metrics/splits.json"), {"own": leaking, "asked": leaking})
    told = {"exemple": {"rows": 4, "normalised": {"nfc": 2, "comma_below": 1}}, "imdb": {"rows": 9}}
    write_json(Path("metrics/sources.json"), told)
    return tmp_path


def test_what_is_written_loads_as_a_data_set(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    export.main(Asked("own", form="dataset", license="cc-by-4.0"))
    assert "own of the workspace: train 3, test 1 rows" in capsys.readouterr().out
    files = sorted(file.relative_to(OUT).as_posix() for file in OUT.rglob("*") if file.is_file())
    assert files == ["README.md", "data/test.jsonl", "data/train.jsonl", "export.json"]
    assert read_json(OUT / "export.json")["files"]["data/train.jsonl"]["rows"] == 3

    from datasets import load_dataset

    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    found = load_dataset(str(OUT), cache_dir=str(project / "cache"))
    assert {name: len(part) for name, part in found.items()} == {"train": 3, "test": 1}
    expected = ["group", "id", "keywords", "messages", "record", "skill", "source"]
    assert sorted(found["train"].column_names) == sorted(found["test"].column_names) == expected
    for split, side in (("train", "train"), ("test", "test")):
        for got, made in zip(
            found[split], read_rows(Path(f"data/splits/own/{side}.jsonl")), strict=True
        ):
            assert got["messages"] == made["messages"]
            assert json.loads(got["record"]) == made.get("record")
            assert json.loads(got["keywords"]) == made.get("keywords")
            assert (got["id"], got["group"]) == (made["id"], made["group"])


def test_the_card_is_what_the_hub_reads_and_every_figure_is_measured(project: Path):
    export.main(Asked("own", form="dataset", license="cc-by-4.0"))
    from huggingface_hub import DatasetCard

    made = DatasetCard.load(OUT / "README.md")
    told = made.data.to_dict()
    assert told["language"] == ["ro"]
    assert told["license"] == "cc-by-4.0"
    assert told["size_categories"] == ["n<1K"]
    assert told["configs"] == [
        {
            "config_name": "default",
            "data_files": [
                {"split": "train", "path": "data/train.jsonl"},
                {"split": "test", "path": "data/test.jsonl"},
            ],
        }
    ]
    assert "source_datasets" not in told
    assert "| exemple | file | exemple.jsonl | 4 | comma_below: 1 rows, nfc: 2 rows |" in made.text
    assert "Split by ids: test plan-15." in made.text
    assert "Taken out of training because a test held them: 5." in made.text
    digest = read_json(OUT / "export.json")["files"]["data/test.jsonl"]["sha256"]
    assert f"| test | 1 | data/test.jsonl | {digest} |" in made.text
    assert "**Not as committed:** there is no commit, or no dvc.lock." in made.text
    assert "No licence is named" not in made.text
    export.main(Asked("own", form="dataset", force=True))
    text = (OUT / "README.md").read_text(encoding="utf-8")
    assert "No licence is named" in text
    assert "license:" not in text


def test_a_set_of_shipped_rows_names_no_teacher_whatever_its_source_is_called(project: Path):
    params = read_json(Path("params.yaml"))
    params["sources"]["arrows"] = params["sources"]["exemple"]
    params["sets"]["own"]["from"] = "arrows"
    write_json(Path("params.yaml"), params)
    export.main(Asked("own", form="dataset"))
    text = (OUT / "README.md").read_text(encoding="utf-8")
    assert "| arrows | file | exemple.jsonl |" in text
    assert "were written by" not in text


def test_rows_of_before_they_named_their_source_are_written_too(project: Path):
    before = [
        {key: value for key, value in row("a").items() if key != "source"},
        row("b"),
    ]
    write_rows(Path("data/splits/own/train.jsonl"), before)
    export.main(Asked("own", form="dataset"))
    assert [each["source"] for each in read_rows(OUT / "data/train.jsonl")] == ["", "exemple"]


def test_a_set_that_a_teacher_wrote_names_the_teacher_and_the_hub(project: Path):
    export.main(Asked("asked", form="dataset", out=Path("out")))
    text = Path("out/README.md").read_text(encoding="utf-8")
    assert "The answers were written by gpt-x: its terms may bind." in text
    assert "source_datasets:\n- some/data\n" in text
    assert "| imdb | hub | some/data @ c0ffee | 9 |  |" in text
    assert "by groups' hashes, seed 13, within each skill; val 0.1, test 0.2." in text
    assert "language:" not in text


@pytest.mark.parametrize(
    ("asked", "match"),
    [
        (Asked("onw", form="dataset"), r"there is no set 'onw'"),
        (Asked("own", form="dataset", dtype="float32"), "a data set has no weights"),
        (Asked("own", license="mit"), "a model's licence is its base's"),
    ],
)
def test_what_cannot_be_is_told(project: Path, asked: Asked, match: str):
    with pytest.raises(ConfigError, match=match):
        export.main(asked)
    assert not Path("exports").exists()


def test_a_set_without_rows_and_one_that_is_not_built(project: Path):
    write_rows(Path("data/splits/own/train.jsonl"), [])
    write_rows(Path("data/splits/own/test.jsonl"), [])
    with pytest.raises(InputError, match="the set is empty"):
        export.main(Asked("own", form="dataset"))
    Path("data/splits/own/val.jsonl").unlink()
    with pytest.raises(InputError, match=r"val\.jsonl: it is not there\n.*dvc repro split"):
        export.main(Asked("own", form="dataset"))


def test_an_export_that_is_there_is_replaced_only_if_asked(project: Path):
    export.main(Asked("own", form="dataset"))
    with pytest.raises(ConfigError, match="there is an export already"):
        export.main(Asked("own", form="dataset"))
    OUT.joinpath("export.json").unlink()
    with pytest.raises(ConfigError, match="no export: it will not be replaced"):
        export.main(Asked("own", form="dataset", force=True))


def test_rows_that_the_commit_does_not_build_are_not_pushed(
    project: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("huggingface_hub.get_token", lambda: "hf_secret")
    monkeypatch.setattr(dataset, "data_changes", lambda: DIRTY)
    sent: list[Any] = []
    monkeypatch.setattr("tools.hub.push", lambda *args, **more: sent.append((args, more)) or "url")
    asked = Asked("own", form="dataset", repository="me/plans")
    with pytest.raises(ConfigError, match=r"are not of: not up to date(?s:.)*--allow-dirty"):
        export.main(asked)
    assert not OUT.exists()
    assert sent == []
    export.main(asked._replace(dirty=True))
    message = "own, train 3, test 1 rows, of commit (none)"
    assert sent == [((OUT, "me/plans", False, message), {"kind": "dataset"})]
    text = (OUT / "README.md").read_text(encoding="utf-8")
    assert 'load_dataset("me/plans")' in text
    assert f"**Not as committed:** {DIRTY[0]}." in text
