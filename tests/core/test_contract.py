"""What a model was trained to be asked with is recorded, and held whenever it is loaded."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from stages.core import contract, stack
from stages.core.errors import LineageError
from stages.core.fingerprints import text_digest
from stages.core.jsonl import read_json, write_json
from stages.core.lineage import read_manifest, verify

# PEFT and TRL call transformers by names that it has deprecated.
pytestmark = pytest.mark.filterwarnings(r"ignore:`\w*gradient_checkpointing:FutureWarning")
CPU = {"device": "cpu", "threads": 1}
BASE, MODELS = Path("models/base"), Path("models")
TOLD = SimpleNamespace(eos_token_id=[9, 2])


def row(*contents: str) -> dict[str, Any]:
    """Return a row; three contents begin with a system prompt."""
    roles = ("system", "user", "assistant")[-len(contents) :]
    return {
        "messages": [
            {"role": role, "content": content}
            for role, content in zip(roles, contents, strict=True)
        ]
    }


def test_the_stage_records_it(tiny):
    for name in ("2b", "2c"):
        assert read_manifest(MODELS / name)["contract"] == {
            "chat_template": text_digest((BASE / "chat_template.jinja").read_text()),
            "bos": 1,
            "eos": [2],
            "pad": 0,
            "system": [{"text": None, "rows": 20}],
        }


def test_system_prompts_are_told_most_frequent_first():
    long = "x" * (contract.LONG + 1)
    rows = [row("be brief", "a", "b")] * 3 + [row("a", "b")] * 2 + [row(long, "a", "b")]
    assert contract.systems(rows) == [
        {"text": "be brief", "rows": 3},
        {"text": None, "rows": 2},
        {"sha256": text_digest(long), "rows": 1},
    ]
    many = [row(f"say {number}", "a", "b") for number in range(20)]
    assert len(contract.systems(many)) == contract.SHOWN


def test_every_token_that_ends_an_answer_is_in_it(tiny):
    tokenizer = stack.load_tokenizer(BASE)
    assert contract.made(tokenizer, TOLD, [row("a", "b")])["eos"] == [2, 9]


def test_a_base_that_ends_answers_otherwise_is_refused(tiny):
    write_json(BASE / "generation_config.json", {"eos_token_id": [2, 7], "pad_token_id": 0})
    said = r"contract.eos: it was trained with \[2\], but the tokenizer and the base have \[2, 7\]"
    with pytest.raises(LineageError, match=said):
        stack.load(BASE, MODELS / "2c", CPU)
    adapter = {"name": "x", "mode": "stack", "lora": {"r": 2, "target_modules": ["q_proj"]}}
    with pytest.raises(LineageError, match=said):
        stack.begin(BASE, MODELS / "2c", adapter, CPU)
    stack.load(BASE, BASE, CPU)  # nothing was trained on it


@pytest.mark.parametrize("file", ["tokenizer_config.json", "tokenizer.json"])
def test_another_tokenizer_is_refused_without_loading_anything(tiny, file: str):
    config = read_json(BASE / "tokenizer_config.json")
    if file == "tokenizer_config.json":
        write_json(BASE / file, config | {"eos_token": "<|user|>"})
    else:
        text = (BASE / file).read_text(encoding="utf-8")
        (BASE / file).write_text(text.replace('"cat"', '"tac"') + " ", encoding="utf-8")
    with pytest.raises(LineageError, match=r"models/base: the manifest says '\w+', but here is '"):
        verify(BASE, MODELS / "2c")


def test_both_sides_of_every_difference_are_named(tiny):
    tokenizer = stack.load_tokenizer(BASE)
    agreed = contract.made(tokenizer, TOLD, [row("a", "b")])
    tokenizer.chat_template += " "
    tokenizer.eos_token = "<|user|>"
    with pytest.raises(LineageError) as told:
        contract.hold(MODELS / "2c", agreed, tokenizer, TOLD)
    assert [fault.where for fault in told.value.faults] == [
        "models/2c: contract.chat_template",
        "models/2c: contract.eos",
    ]
    said = "trained with [2, 9], but the tokenizer and the base have [2, 4, 9]"
    assert said in str(told.value)
    contract.hold(MODELS / "2c", None, tokenizer, TOLD)
