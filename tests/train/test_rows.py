"""What of a row is learned, which rows are left out, and what is refused by name."""

from typing import Any

import pytest
import torch

from stages.base.scratch import make_tokenizer
from stages.core.errors import ConfigError
from stages.train.rows import NOT_TAKEN, Encoded, counted, dataset, encode, encode_sides

# TRL calls transformers by a name that it has deprecated.
pytestmark = pytest.mark.filterwarnings(r"ignore:`\w*gradient_checkpointing:FutureWarning")
TEXTS = ["say", "cat", "dog cat", "a dog, a cat, and no bird at all", "more"]


@pytest.fixture(scope="module")
def tokenizer() -> Any:
    return make_tokenizer(TEXTS, 300)


def row(*texts: str) -> dict[str, Any]:
    """Return a row whose turns are the user's and the assistant's by turns."""
    roles = ("user", "assistant")
    return {
        "id": texts[-1],
        "messages": [
            {"role": roles[at % 2], "content": text} for at, text in enumerate(texts)
        ],
    }  # fmt: skip


def learned(tokenizer: Any, encoded: dict[str, list[int]]) -> str:
    return tokenizer.decode([label for label in encoded["labels"] if label != -100])


@pytest.mark.parametrize(
    ("completion_only", "assistant_only", "expected"),
    [
        (True, False, "dog cat</s>"),
        (True, True, "dog cat</s>"),
        (False, True, "cat</s>dog cat</s>"),
        (False, False, "<s><|user|>say<|assistant|>cat</s><|user|>more<|assistant|>dog cat</s>"),
    ],
)
def test_the_loss_is_on_what_the_recipe_says(tokenizer, completion_only, assistant_only, expected):
    rows = [row("say", "cat", "more", "dog cat"), row("say", "cat")]
    encoded = encode(tokenizer, rows, completion_only, assistant_only)
    assert len(encoded) == 2
    assert learned(tokenizer, encoded[0]) == expected
    for each in encoded:
        assert len(each["labels"]) == len(each["input_ids"])
        pairs = zip(each["labels"], each["input_ids"], strict=True)
        assert all(label in (-100, token) for label, token in pairs)


def test_tokens_and_targets_are_those_that_trl_makes(tokenizer):
    """The same rows, prepared by SFTTrainer itself."""
    from datasets import Dataset
    from trl import SFTConfig, SFTTrainer

    rows = [row("say", "cat"), row("more", TEXTS[3]), row("say", "cat", "more", "dog cat")]
    given = Dataset.from_list(
        [{"prompt": each["messages"][:-1], "completion": each["messages"][-1:]} for each in rows]
    )

    class Prepared(SFTTrainer):
        def __init__(self) -> None:
            self.completion_only_loss, self.chat_template = True, None
            self._tokenizer = tokenizer

    config = SFTConfig("unused", bf16=False, use_cpu=True, max_length=64)
    made = Prepared()._prepare_dataset(given, tokenizer, config, False, None, "train")
    expected = [{key: each[key] for key in ("input_ids", "labels")} for each in made]
    assert encode(tokenizer, rows, True, False) == expected


def test_rows_longer_than_max_length_are_left_out_whole(tokenizer):
    rows = [row("say", "cat"), row("say", TEXTS[3]), row("say", "dog cat")]
    lengths = [len(each["input_ids"]) for each in encode(tokenizer, rows, True, False)]
    limit = lengths[2]
    assert lengths[0] <= limit < lengths[1]
    sides = encode_sides(tokenizer, {"train": rows, "val": rows[:2]}, {"max_length": limit})
    assert [len(each.rows) for each in sides.values()] == [2, 1]
    assert [each.too_long for each in sides.values()] == [1, 1]
    assert [len(each["input_ids"]) for each in sides["train"].rows] == [lengths[0], lengths[2]]
    assert counted(sides) == "2 rows (1 of train and 1 of val longer than max_length)"
    no_limit = encode_sides(tokenizer, {"train": rows, "val": []}, {"max_length": None})
    assert counted(no_limit) == "3 rows"


@pytest.mark.parametrize("side", ["train", "val"])
def test_when_all_rows_are_too_long_the_shortest_is_named(tokenizer, side):
    rows = {"train": [], "val": [], side: [row("say", TEXTS[3]), row("say", "dog cat")]}
    lengths = [len(each["input_ids"]) for each in encode(tokenizer, rows[side], True, False)]
    with pytest.raises(ConfigError) as error:
        encode_sides(tokenizer, rows, {"max_length": 4})
    assert str(error.value) == (
        "error: params.yaml: sft.max_length: 4: "
        f"all 2 rows of {side} are longer; the shortest has {min(lengths)} tokens\n"
        f"  expected: at least {min(lengths)}\n"
        "  to do: raise max_length, or shorten what the prompt asks"
    )


def test_what_is_not_taken_is_refused_all_at_once(tokenizer):
    sft = {**dict.fromkeys(NOT_TAKEN, "x"), "packing": True, "packing_strategy": "wrapped"}
    with pytest.raises(ConfigError) as error:
        encode_sides(tokenizer, {"train": [row("say", "cat")]}, sft | {"max_length": None})
    wheres = [fault.where for fault in error.value.faults]
    assert wheres == [
        f"params.yaml: sft.{key}" for key in (*NOT_TAKEN, "packing_strategy", "max_length")
    ]


def test_a_prompt_that_changes_when_the_answer_follows_is_refused():
    other = make_tokenizer(TEXTS, 300)
    other.chat_template = "{% if add_generation_prompt %}more{% endif %}" + other.chat_template
    with pytest.raises(ConfigError, match="writes the prompt of row cat differently"):
        encode(other, [row("say", "cat")], True, False)


def test_packing_cuts_no_row():
    rows = [{"input_ids": [at] * length, "labels": [at] * length} for at, length in
            enumerate((9, 4, 6, 7, 3, 1), start=1)]  # fmt: skip
    packed = dataset(rows, 10)
    lengths = [length for each in packed["seq_lengths"] for length in each]
    assert sorted(lengths) == [1, 3, 4, 6, 7, 9]
    assert [sum(each) for each in packed["seq_lengths"]] == [10, 10, 10]
    for ids, labels, lengths in zip(
        packed["input_ids"], packed["labels"], packed["seq_lengths"], strict=True
    ):
        assert ids == labels
        assert all(len(set(each.tolist())) == 1 for each in torch.tensor(ids).split(lengths))
    assert dataset([], 10) is None
    assert dataset(rows, None).column_names == ["input_ids", "labels"]
    assert counted({"train": Encoded(rows, 0), "val": Encoded([], 0)}) == "6 rows"
