"""Our trainer against TRL's own, on the same rows: the same loss, the same steps, the same log."""

from pathlib import Path
from typing import Any

import pytest
import torch

from stages.core import stack
from stages.core.errors import ConfigError
from stages.core.jsonl import read_json, read_rows
from stages.train.attention import BY_ROW
from stages.train.rows import Encoded, encode_sides
from stages.train.trainer import make_trainer, rates

pytestmark = [
    # PEFT and TRL call transformers by names that it has deprecated.
    pytest.mark.filterwarnings(r"ignore:`\w*gradient_checkpointing:FutureWarning"),
    pytest.mark.filterwarnings(r"ignore:`label_smoothing_factor` is deprecated:FutureWarning"),
]
CPU = {"device": "cpu", "threads": 1}
SFT = {"learning_rate": 0.01, "max_steps": 3, "per_device_train_batch_size": 4, "eval_steps": 1}


def rows_of() -> dict[str, list[Any]]:
    """Return rows whose lengths differ: batches of them are padded."""
    rows = {side: read_rows(Path(f"data/mix/2c/{side}.jsonl")) for side in ("train", "val")}
    for side in rows.values():
        for at, row in enumerate(side):
            row["messages"][0]["content"] += " please" * (at % 4)
    return rows


def ours(tiny: Any, **sft: Any) -> Any:
    """Return a trainer of 2c on 2b, as the stage makes it."""
    tokenizer = stack.load_tokenizer(Path("models/base"))
    torch.manual_seed(13)
    adapter = tiny.params["adapters"]["m2c"]
    model = stack.begin(Path("models/base"), Path("models/2b"), adapter, CPU)
    told = {**SFT, "save_strategy": "no", **sft}
    encoded = encode_sides(tokenizer, rows_of(), told)
    return make_trainer(model, tokenizer, encoded, told, "cpu", 13, Path("runs"))


def theirs(tiny: Any, **sft: Any) -> Any:
    """Return TRL's trainer of the same, as a user sets it up."""
    from datasets import Dataset
    from trl import SFTConfig, SFTTrainer

    tokenizer = stack.load_tokenizer(Path("models/base"))
    torch.manual_seed(13)
    adapter = tiny.params["adapters"]["m2c"]
    model = stack.begin(Path("models/base"), Path("models/2b"), adapter, CPU)
    data = {
        side: Dataset.from_list(
            [{"prompt": row["messages"][:-1], "completion": row["messages"][-1:]} for row in rows]
        )
        for side, rows in rows_of().items()
    }
    told = {"gradient_checkpointing": False, **SFT, **sft}
    config = SFTConfig(
        "runs", bf16=False, use_cpu=True, seed=13, data_seed=13, logging_steps=1,
        eval_strategy="steps", save_strategy="no", report_to=[], disable_tqdm=True, **told,
    )  # fmt: skip
    return SFTTrainer(
        model=model, processing_class=tokenizer, args=config, train_dataset=data["train"],
        eval_dataset=data["val"],
    )  # fmt: skip


def logged(trainer: Any, key: str) -> list[float]:
    return [each[key] for each in trainer.state.log_history if key in each]


@pytest.mark.parametrize(
    ("sft", "flat"),
    [
        ({}, True),
        ({"gradient_accumulation_steps": 3}, True),
        pytest.param({"completion_only_loss": False}, True, marks=pytest.mark.slow),
        pytest.param({"padding_free": False}, False, marks=pytest.mark.slow),
        pytest.param({"gradient_checkpointing": True}, True, marks=pytest.mark.slow),
        pytest.param({"label_smoothing_factor": 0.1}, True, marks=pytest.mark.slow),
        pytest.param({"loss_type": "dft"}, True, marks=pytest.mark.slow),
        # Its noise is drawn for padding, too, and by the length of a batch.
        pytest.param({"neftune_noise_alpha": 5.0}, False, marks=pytest.mark.slow),
    ],
)
def test_it_trains_as_trl_does(tiny, sft, flat):
    own, other = ours(tiny, **sft), theirs(tiny, **sft)
    assert (own.model.get_base_model().config._attn_implementation == BY_ROW) == flat
    assert ("attention_mask" in next(iter(own.get_train_dataloader()))) != flat
    for trainer in (own, other):
        torch.manual_seed(7)
        trainer.train()
    columns = ["loss", "num_tokens", "grad_norm"]
    if "gradient_accumulation_steps" not in sft:  # TRL's is the mean of its parts' then
        columns.append("mean_token_accuracy")
    for key in columns:
        assert len(logged(own, key)) == 3
        assert logged(own, key) == pytest.approx(logged(other, key), rel=1e-4), key
    weights = [
        {name: each for name, each in trainer.model.named_parameters() if each.requires_grad}
        for trainer in (own, other)
    ]
    assert len(weights[0]) == 28
    for name, each in weights[0].items():
        torch.testing.assert_close(each, weights[1][name], rtol=1e-3, atol=1e-5)


def test_the_val_loss_is_that_of_all_tokens_whatever_the_batches(tiny):
    found = [
        ours(tiny, per_device_eval_batch_size=size).evaluate() for size in (1, 3, 4)
    ]  # fmt: skip
    for key in ("eval_loss", "eval_mean_token_accuracy"):
        assert [each[key] for each in found] == pytest.approx([found[0][key]] * 3, rel=1e-5)
    assert 0 < found[0]["eval_loss"] < 10


def test_packed_rows_train_as_flattened_ones_do(tiny):
    """All rows in one step: packed into three sequences, or one behind the other."""
    one, other = (
        ours(tiny, max_steps=1, **more)
        for more in (
            {"packing": True, "max_length": 60, "per_device_train_batch_size": 20},
            {"per_device_train_batch_size": 20},
        )
    )
    packs = len(one.train_dataset)
    assert 1 < packs < len(other.train_dataset) == 20
    assert max(map(sum, one.train_dataset["seq_lengths"])) <= 60
    one.train()
    other.train()
    for key in ("loss", "mean_token_accuracy", "num_tokens", "grad_norm"):
        assert logged(one, key) == pytest.approx(logged(other, key), rel=1e-4), key


def test_packing_is_refused_where_rows_would_mix(tiny, monkeypatch):
    monkeypatch.setattr("stages.train.attention.keeps_apart", lambda model: False)
    monkeypatch.setattr("stages.train.trainer.keeps_apart", lambda model: False)
    with pytest.raises(ConfigError, match=r"sft\.packing: the attention of LlamaForCausalLM would"):
        ours(tiny, packing=True, max_length=60)
    padded = ours(tiny)
    assert "attention_mask" in next(iter(padded.get_train_dataloader()))


def test_an_evaluation_between_two_logs_takes_nothing_from_them(tiny):
    rarely, often = (ours(tiny, max_steps=4, logging_steps=4, eval_steps=steps) for steps in (4, 1))
    for trainer in (rarely, often):
        trainer.train()
    for key in ("loss", "mean_token_accuracy", "num_tokens"):
        assert len(logged(often, key)) == 1
        assert logged(often, key) == logged(rarely, key), key
    assert len(logged(often, "eval_loss")) == 4


def test_no_rows_and_an_adapter_on_the_head_are_refused_at_once(tiny):
    adapter = tiny.params["adapters"]["m2b"]
    lora = adapter["lora"] | {"target_modules": ["lm_head"]}
    with pytest.warns(UserWarning, match="tied layer"):
        model = stack.begin(Path("models/base"), Path("models/base"), adapter | {"lora": lora}, CPU)
    rows = {"train": Encoded([], 0), "val": Encoded([], 0)}
    with pytest.raises(ConfigError) as error:
        make_trainer(model, None, rows, SFT, "cpu", 13, Path("runs"))
    assert [fault.where for fault in error.value.faults] == [
        "data/mix: train",
        "params.yaml: lora.target_modules",
    ]


def test_rows_that_are_too_long_are_told_of_and_noted(tiny, capsys):
    tokenizer = stack.load_tokenizer(Path("models/base"))
    every = encode_sides(tokenizer, {"train": read_rows(Path("data/mix/2b/train.jsonl"))}, {})
    lengths = sorted(len(each["input_ids"]) for each in every["train"].rows)
    assert lengths[9] < lengths[-1]
    tiny.params["adapters"]["m2b"]["sft"] |= {"max_length": lengths[9]}
    tiny.write_params()
    tiny.train("m2b")
    rows = read_json(Path("models/2b/manifest.json"))["rows"]
    left_out = sum(length > lengths[9] for length in lengths)
    assert rows == {"trained": 20 - left_out, "too_long": left_out}
    said = capsys.readouterr().out
    assert f"train: 2b: {rows['trained']} rows ({rows['too_long']} of train and " in said


def test_what_a_run_took_leaves_out_evaluations_and_what_another_process_did():
    log = [
        {"step": 2, "loss": 1.0, "num_tokens": 100.0},
        {"step": 2, "eval_loss": 1.0, "eval_runtime": 50.0},
        {"step": 4, "loss": 1.0, "num_tokens": 250.0},
        {"step": 4, "eval_loss": 1.0, "eval_runtime": 1.0},
        {"step": 4, "train_runtime": 4.0, "train_loss": 1.0},
    ]
    assert rates(log, 2) == {"tokens": 250, "train_s": 3.0, "tokens_per_s": 50.0}
    del log[1]
    assert rates(log, 0) == {"tokens": 250, "train_s": 3.0, "tokens_per_s": 83.3}
