"""What is hushed, and that nothing else is; a device that is not here."""

import logging

import pytest

from stages.core.errors import ConfigError
from stages.core.torch_setup import HUSHED, hush_bitsandbytes, must_be_here

DROPPED = {
    "backends.cpu.ops": "Failed to load CPU gemm_4bit_forward from kernels-community: %s. Please",
    "autograd._functions": "MatMul8bitLt: inputs will be cast from %s to float16",
}


@pytest.mark.parametrize("name", HUSHED)
def test_one_message_is_dropped_and_the_others_are_not(name: str, caplog: pytest.LogCaptureFixture):
    logger = logging.getLogger(f"bitsandbytes.{name}")
    before = list(logger.filters)
    hush_bitsandbytes()
    try:
        with caplog.at_level(logging.WARNING):
            logger.warning(DROPPED[name], "none")
            logger.warning("something that matters: %s", 3)
            logger.error(ValueError("odd"))
    finally:
        logger.filters = before
    told = [record.getMessage() for record in caplog.records]
    assert told == ["something that matters: 3", "odd"]


@pytest.mark.parametrize(
    ("gpus", "here", "missing"),
    [(0, ["cpu"], ["cuda", "cuda:1", "mps"]), (1, ["cpu", "cuda", "cuda:0"], ["cuda:1", "mps"])],
)
def test_a_device_that_is_not_here_is_told_before_anything_is_loaded(
    monkeypatch: pytest.MonkeyPatch, gpus: int, here: list[str], missing: list[str]
):
    import torch

    monkeypatch.setattr(torch.cuda, "is_available", lambda: gpus > 0)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: gpus)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    for device in here:
        must_be_here(device)
    for device in missing:
        with pytest.raises(ConfigError, match=f"compute.device: {device}, but torch sees") as told:
            must_be_here(device)
        assert "-S compute.device=cpu" in str(told.value)
