"""What the benches of training count: weights by shape, rows, and steps after the warm-up."""

from typing import Any

import pytest
import torch


@pytest.fixture
def gpu(bench: Any) -> Any:
    return bench("gpu")


@pytest.fixture
def contenders(bench: Any) -> Any:
    return bench("contenders")


@pytest.fixture
def training(bench: Any) -> Any:
    return bench("training")


@pytest.mark.parametrize(("size", "billions"), [("1B", 1.236), ("8B", 7.505)])
def test_weights_that_multiply_a_token(gpu, size, billions):
    """As published: 1.24 B (tied) and 8.03 B, of which 0.525 B are looked up only."""
    assert gpu.weights(gpu.SIZES[size]) / 1e9 == pytest.approx(billions, abs=1e-3)


def test_without_a_gpu_it_skips_in_words(gpu, capsys, monkeypatch):
    monkeypatch.setattr("sys.argv", ["gpu.py"])
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    gpu.main()
    assert capsys.readouterr().out == "gpu: skipped, there is no CUDA device here\n"


def test_rows_are_mixed_in_length_and_half_of_each_is_learned(training):
    rows = training.mixed_rows(200, 1000)
    lengths = sorted(len(row["input_ids"]) for row in rows)
    assert 16 <= lengths[0] < 60 < lengths[100] < 160 < lengths[-1] <= 512
    for row in rows:
        learned = sum(label != -100 for label in row["labels"])
        assert learned == len(row["input_ids"]) - len(row["input_ids"]) // 2


def test_only_steps_after_the_warm_up_count(contenders):
    meter = contenders.Meter("cpu")
    for _ in range(contenders.WARM_UP):
        meter.step({"input_ids": torch.ones(1, 1000)})
    for mask in ([1, 1, 1, 0], [1, 0, 0, 0]):
        meter.step({"input_ids": torch.ones(1, 4), "attention_mask": torch.tensor([mask])})
    run = meter.run([1.0])
    assert (run.tokens, run.places) == (3, 4)
    assert run.padding == 0.25
    assert 0 <= run.seconds < 5
