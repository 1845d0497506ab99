"""`tunegraph card`: nothing on a card is typed by hand, the hub reads it, nothing breaks out."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import DatasetCard, ModelCard

from stages.core.errors import ConfigError, InputError
from stages.core.jsonl import read_json, write_json, write_rows
from tools import card, export, licences
from tools.export import Asked
from tools.facts import chain_of, declared

HOSTILE = "a|b](x)<script>`*_\n# c"


def difference(value: float, sure: bool) -> dict[str, Any]:
    wide = 0.05 if sure else 2.0
    ends = {"low": value - wide, "high": value + wide, "p": 0.001, "p_holm": 0.004}
    return {"delta": value, "value": 0.5, "n": 20, "groups": 20, **ends}


def compared() -> dict[str, Any]:
    lost = {"value": 0.3125, "low": 0.21, "high": 0.41, "n": 61, "groups": 61}
    code = {"n": 61, "groups": 61, "primary": "passes", "forgetting": lost}
    code["keys"] = {"passes": {"value": 0.5, "on": difference(-0.3, True)}}
    own = {"n": 17, "groups": 5, "primary": "exact"}
    own["keys"] = {"exact": {"value": 0.25, "on": difference(0.15, False)}}
    gap = {"train": 0.875, "test": 0.25, "gap": 0.625, "n_train": 40, "n_test": 17}
    gap |= {"low": 0.4, "high": 0.8, "p": 0.001, "p_holm": 0.002}
    told = {"model": "2b", "on": "base", "base": "base", "sections": {"own": own, "code": code}}
    return told | {"gap": {"own": {"train": "own_train", "keys": {"exact": gap}}}}


def parameters() -> dict[str, Any]:
    adapter = {"on": "base", "mode": "stack", "mix": {"own": 1.0}, "lora": {"r": 16}, "sft": {}}
    return {
        "recipe": "films",
        "seed": {"data": 13},
        "sources": {
            "seeds": {"kind": "hub", "path": "some/reviews", "revision": "c0ffee"},
            "notes": {"kind": "file", "file": "notes.jsonl"},
        },
        "prompt": {"source": "seeds"},
        "teachers": [{"model": "gpt-x", "weight": 1.0, "base_url": "https://example.org/v1"}],
        "sets": {
            "own": {"from": "rows", "val": 0.1, "test": 0.15},
            "original": {"from": "notes", "val": 0.02, "test": 0.04},
        },
        "base": {
            "source": "hub", "id": "meta-llama/Llama-3.2-1B-Instruct", "revision": "d" * 40,
            "dtype": "bfloat16", "quantize": "4bit", "set": "original",
        },
        "adapters": {"m2b": adapter | {"name": "2b"}},
        "transcripts": {"chat": {"name": "chat", "file": "chat.csv"}},
        "models": {"base": {"name": "base"}, "m2b": {"name": "2b"}},
        "compare": {"confidence": 0.95},
        "evaluate": {
            "sections": {
                "own": {"set": "own", "primary": "exact", "metrics": ["exact", "schema_valid"]},
                "own_train": {"set": "own_train", "metrics": ["exact"]},
                "code": {"set": "original", "primary": "passes", "metrics": ["passes", "any"],
                         "answers_in": "en"},
            }
        },
        "licenses": {"base": "llama3.2", "data": "cc-by-4.0", "sources": {"notes": "mit"}},
    }  # fmt: skip


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Return the parameters of a project of which only what git tracks is here."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    write_json(Path("params.yaml"), params := parameters())
    own = {"n": 17, "exact": 0.25, "schema_valid": 0.9412}
    code = {"n": 61, "passes": 0.5574, "any": 1.0}
    figures = {"own": own, "own_train": {"n": 40, "exact": 0.875}, "code": code}
    write_json(Path("metrics/models/2b.json"), figures)
    write_json(Path("metrics/models/base.json"), {"own": {"n": 17, "exact": 0.0625}})
    write_json(Path("metrics/comparison/2b.json"), compared())
    counts = {"requested": 440, "replied": 437, "parsed": 333, "repaired": 85, "rejected": 19}
    counts |= {"rows": 418, "rejected_by_reason": {"schema": 12, "empty": 7, "refusal": 0}}
    write_json(Path("metrics/data.json"), counts)
    sides = {"rows": 418, "train": 305, "val": 29, "test": 84, "leaking": {"row": 0, "group": 3}}
    write_json(
        Path("metrics/splits.json"), {"own": sides, "original": {"train": 21633, "test": 61}}
    )
    write_json(Path("metrics/sources.json"), {"seeds": {"rows": 25000}, "notes": {"rows": 23001}})
    write_json(Path("metrics/diversity.json"), {"sampled": 400, "near_duplicate_share": 0.1075})
    mix = [{"path": "data/mix/2b", "md5": "4567abcd.dir"}]
    outs = [{"path": "models/2b", "md5": "89abcdef.dir"}]
    split = {"outs": [{"path": "data/splits", "md5": "76543210.dir"}]}
    lock = {"stages": {"train@m2b": {"deps": mix, "outs": outs}, "split": split}}
    write_json(Path("dvc.lock"), lock)
    return params


def said(name: str, capsys: pytest.CaptureFixture[str]) -> str:
    card.main(name, None)
    return capsys.readouterr().out


NUMBER = re.compile(r"(?<![\w.@/-])[-+]?\d[\d,]*(?:\.\d+)?(?:e-?\d+)?(?![\w/])")


def numbers(value: Any) -> Iterator[float]:
    """Yield every number of a JSON value, those in its texts, too."""
    if isinstance(value, dict):
        for key, each in value.items():
            yield from numbers(key)
            yield from numbers(each)
    elif isinstance(value, list):
        for each in value:
            yield from numbers(each)
    elif isinstance(value, str):
        yield from (float(found.replace(",", "")) for found in NUMBER.findall(value))
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield float(value)


def untold(text: str, least: int) -> list[str]:
    """Return the numbers of a card that no file of the project has, to the digits it shows.

    least: so many numbers the card has at least
    """
    files = [Path("params.yaml"), Path("dvc.lock"), *Path("metrics").rglob("*.json")]
    files += Path("models").glob("*/manifest.json")
    known = {number for file in files for number in numbers(read_json(file))}
    text = re.sub(r"```bibtex\n.*?```", "", text, flags=re.DOTALL)  # years of papers
    text = re.sub(r"SHA-256|MD5", "", text)
    found = NUMBER.findall(text)
    assert len(found) >= least
    return [
        each
        for each in found
        if not any(_spelled(number, each) for number in known | {-number for number in known})
    ]


def _spelled(number: float, shown: str) -> bool:
    """Say whether a number is shown so: rounded to its digits."""
    plain = shown.replace(",", "").lstrip("+")
    if "e" in plain or "." not in plain:
        return f"{number:.2g}" == plain or number == float(plain)
    return float(f"{number:.{len(plain.partition('.')[2])}f}") == float(plain)


@pytest.mark.parametrize(("name", "least"), [("2b", 40), ("base", 5), ("own", 20), ("original", 9)])
def test_every_number_of_a_card_is_in_the_files(
    project: Any, name: str, least: int, capsys: pytest.CaptureFixture[str]
):
    assert untold(said(name, capsys), least) == []


def test_a_number_that_was_typed_is_found(project: Any, capsys: pytest.CaptureFixture[str]):
    text = said("2b", capsys) + "\nIt is right in 71.3 % of cases, n = 999.\n"
    assert untold(text, 40) == ["71.3", "999"]


def test_the_hub_reads_the_card_of_a_model(project: Any, capsys: pytest.CaptureFixture[str]):
    made = ModelCard(text := said("2b", capsys))
    told = made.data.to_dict()
    assert told["base_model"] == "meta-llama/Llama-3.2-1B-Instruct"
    assert told["license"] == "llama3.2"
    assert told["datasets"] == ["some/reviews"]
    results = {result.dataset_type: result for result in made.data.eval_results}
    assert results.keys() == {"films-own", "films-code"}  # own_train is of training rows
    assert results["films-code"].metric_type == "passes"
    assert results["films-code"].metric_value == 0.5574
    assert results["films-code"].dataset_args == {"rows": 61}
    assert "| `repaired` | malformed, and the repair proved from the text | 85 |" in text
    assert "| `schema` | a proved record that does not fit the schema | 12 |" in text
    assert "| own | 418 | 305 | 29 | 84 | 3 |" in text
    assert "2b against base, **worse**: code passes" in text
    assert "`own` `exact`: better on rows that it was trained on, 0.875 against 0.250" in text
    assert "`own` `schema_valid` 0.941: the others do not fit the schema." in text
    assert "The fewest test rows are those of `own` (n = 17 in 5 groups), `code` (n = 61)" in text
    assert "| 2b | base | stack |  | 4567abcd.dir |  | 89abcdef.dir |" in text
    for key in ("grattafiori2024llama3", "hu2022lora", "dettmers2023qlora", "vonwerra2020trl"):
        assert f"{{{key}," in text


def test_every_licence_is_named_or_said_to_be_unknown(
    project: Any, capsys: pytest.CaptureFixture[str]
):
    text = said("2b", capsys)
    assert "This model: llama3.2." in text
    assert "| meta-llama/Llama-3.2-1B-Instruct | base | llama3.2 | params.yaml |" in text
    assert "| seeds | source, hub | not known |  |" in text
    assert "| gpt-x | teacher: its terms may bind | not known |  |" in text
    assert "Nobody says under which licence seeds may be used: find out first." in text
    data = said("original", capsys)
    assert "These rows: cc-by-4.0." in data
    assert "| notes | source, file | mit | params.yaml |" in data
    assert "Nobody says" not in data


def test_what_the_hubs_cards_say_is_taken_from_its_cache(
    project: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    said_there = {"some/reviews": {"license": ["mit", "other"]}}
    said_there["meta-llama/Llama-3.2-1B-Instruct"] = {"license": "llama3.2-new", "language": "en"}
    asked = []

    def shipped(identity: Any, kind: str = "model") -> Any:
        asked.append((identity["id"], identity["revision"], kind))
        return said_there[identity["id"]]

    monkeypatch.setattr("tools.hub.shipped", shipped)
    text = said("2b", capsys)
    assert ("some/reviews", "c0ffee", "dataset") in asked
    assert "| seeds | source, hub | mit, other | its own card |" in text
    assert "| base | llama3.2-new | its own card |" in text
    assert ModelCard(text).data.to_dict()["license"] == "llama3.2-new"
    assert ModelCard(text).data.to_dict()["language"] == "en"


def test_a_data_sets_card_is_read_from_the_cache(project: Any, tmp_path: Path):
    from tools.hub import shipped

    folder = tmp_path / "hub/datasets--some--reviews"
    (folder / "snapshots/c0ffee").mkdir(parents=True)
    (folder / "snapshots/c0ffee/README.md").write_text("---\nlicense: cc0-1.0\n---\n")
    at = {"source": "hub", "id": "some/reviews", "revision": "c0ffee"}
    assert shipped(at, "dataset") == {"license": "cc0-1.0"}
    assert shipped(at) == {}
    assert shipped(at | {"revision": "other"}, "dataset") == {}


def test_the_recipes_word_on_its_models_comes_first(
    project: Any, capsys: pytest.CaptureFixture[str]
):
    write_json(Path("params.yaml"), project | {"licenses": {"models": "mit"}})
    assert ModelCard(said("2b", capsys)).data.to_dict()["license"] == "mit"
    write_json(Path("params.yaml"), {key: project[key] for key in project if key != "licenses"})
    text = said("2b", capsys)
    assert "license" not in ModelCard(text).data.to_dict()
    assert "This model: no licence is named." in text
    assert licences.said(project | {"licenses": None}, "models") is None


def test_the_card_of_a_set_needs_no_rows(project: Any, capsys: pytest.CaptureFixture[str]):
    text = said("own", capsys)
    told = DatasetCard(text).data.to_dict()
    assert told["license"] == "cc-by-4.0"
    assert told["size_categories"] == ["n<1K"]
    assert told["source_datasets"] == ["some/reviews"]
    files = told["configs"][0]["data_files"]
    assert [each["split"] for each in files] == ["train", "validation", "test"]
    assert "| `requested` | asked of a teacher | 440 |" in text
    assert "The answers were written by gpt-x: its terms may bind." in text
    assert "a share of 0.1075 says nearly what another one says" in text
    assert "requested" not in said("original", capsys)
    Path("metrics/splits.json").write_text("{}")
    with pytest.raises(InputError, match=r"train\.jsonl: it is not there"):
        card.main("own", None)


def test_a_card_is_what_an_export_writes(project: Any, capsys: pytest.CaptureFixture[str]):
    shape = {"id": "a", "skill": "s", "group": "g", "source": "gpt-x", "set": "own"}
    row = shape | {"messages": [{"role": "user", "content": "?"}]}
    for side in ("train", "val", "test"):
        write_rows(Path(f"data/splits/own/{side}.jsonl"), [row])
    export.main(Asked("own", form="dataset"))
    capsys.readouterr()
    assert said("own", capsys) == Path("exports/own-dataset/README.md").read_text(encoding="utf-8")


def test_hostile_names_stay_names(project: Any, capsys: pytest.CaptureFixture[str]):
    sections = project["evaluate"]["sections"] | {HOSTILE: {"set": "own", "metrics": ["exact"]}}
    project |= {"recipe": HOSTILE, "evaluate": {"sections": sections}}
    project["sources"] |= {HOSTILE: {"kind": "file", "file": HOSTILE}}
    project["sets"]["own"]["from"] = ["rows", HOSTILE]
    project["licenses"] = {"models": HOSTILE, "data": HOSTILE, "sources": {HOSTILE: HOSTILE}}
    project["teachers"][0]["model"] = HOSTILE
    write_json(Path("params.yaml"), project)
    figures = read_json(Path("metrics/models/2b.json"))
    write_json(Path("metrics/models/2b.json"), figures | {HOSTILE: {"n": 5, "exact": 0.2}})
    splits = read_json(Path("metrics/splits.json"))
    write_json(Path("metrics/splits.json"), splits | {HOSTILE: {"train": 1}})
    for name, kind in (("2b", ModelCard), ("own", DatasetCard)):
        text = said(name, capsys)
        assert kind(text).data.to_dict()["license"] == HOSTILE
        body = text.split("\n---\n", 1)[1]
        assert "<script>" not in body
        assert "\n# c" not in body
        assert r"a\|b\](x)\<script\>\`\*\_ \# c" in body
        rows = [line for line in body.splitlines() if line.startswith("| ")]
        widths = [len(re.findall(r"(?<!\\)\|", line)) for line in rows]
        assert all(width > 2 for width in widths)


def test_a_file_is_written_and_only_a_card_replaced(
    project: Any, capsys: pytest.CaptureFixture[str]
):
    card.main("2b", Path("cards/2b.md"))
    assert capsys.readouterr().out == "card: cards/2b.md\n"
    assert Path("cards/2b.md").read_text(encoding="utf-8") == said("2b", capsys)
    card.main("2b", Path("cards/2b.md"))
    Path("mine.md").write_text("# mine\n")
    for other in ("mine.md", "cards"):
        with pytest.raises(ConfigError, match="it will not be replaced"):
            card.main("2b", Path(other))
    assert Path("mine.md").read_text() == "# mine\n"


@pytest.mark.parametrize(
    ("name", "match"),
    [
        ("2x", r"there is no model or set '2x'.*(?s:.*)one of: 2b, base, original, own"),
        ("chat", "'chat' is a transcript"),
        ("sets.none", "there is no model or set 'sets.none'"),
    ],
)
def test_what_is_not_there_is_told(project: Any, name: str, match: str):
    with pytest.raises(ConfigError, match=match):
        card.main(name, None)


def test_a_set_that_is_called_as_a_model(project: Any, capsys: pytest.CaptureFixture[str]):
    project["adapters"]["m2b"]["name"] = "own"
    write_json(Path("params.yaml"), project)
    assert "# own of films\n\nThe chain base → own" in said("own", capsys)
    assert "# own of films\n\nRows to train and to test" in said("sets.own", capsys)


def test_a_chain_is_told_from_params_alone(project: Any):
    stack = {
        "2b": {"on": "base", "mode": "stack"},
        "2c": {"on": "2b", "mode": "continue"},
        "2d": {"on": "2c", "mode": "merge"},
    }
    assert chain_of("2d", stack) == ["base", "2c", "2d"]
    assert chain_of("base", stack) == ["base"]
    project["base"] |= {"choices": {"1b": {"id": "some/base", "revision": "e" * 40}}, "id": "1b"}
    assert declared("2b", project)["base"]["id"] == "some/base"
