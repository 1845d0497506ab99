"""A recording becomes text: the whole way, by a Whisper of a few thousand weights."""

import wave
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from stages.core.errors import ConfigError, InputError
from tools.chat import speech
from tools.chat.speech import RATE, Listener, heard, recording


def write_wav(
    path: Path, seconds: float, rate: int = RATE, channels: int = 1, width: int = 2, hz: float = 440
) -> Path:
    """Write a tone of half the loudness."""
    at = np.arange(int(seconds * rate)) / rate
    tone = 0.5 * np.sin(2 * np.pi * hz * at)
    scaled = np.round(tone * (2 ** (8 * width - 1) - 1)).astype("<i8")
    if width == 1:
        scaled += 128
    frames = np.repeat(scaled, channels).astype("<i8").view(np.uint8).reshape(-1, 8)[:, :width]
    with wave.open(str(path), "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(width)
        file.setframerate(rate)
        file.writeframes(frames.tobytes())
    return path


@pytest.fixture(scope="module")
def whisper(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Make a Whisper of random weights with a tokenizer and a feature extractor of its own."""
    import json

    import torch
    from transformers import (
        WhisperConfig,
        WhisperFeatureExtractor,
        WhisperForConditionalGeneration,
        WhisperProcessor,
        WhisperTokenizer,
    )
    from transformers.models.whisper.tokenization_whisper import bytes_to_unicode

    folder = tmp_path_factory.mktemp("whisper")
    letters = {sign: at for at, sign in enumerate(bytes_to_unicode().values())}
    (folder / "vocab.json").write_text(json.dumps({**letters, "<|endoftext|>": len(letters)}))
    (folder / "merges.txt").write_text("#version: 0.2\n")
    tokenizer = WhisperTokenizer(str(folder / "vocab.json"), str(folder / "merges.txt"))
    signs = ["<|startoftranscript|>", "<|en|>", "<|ro|>", "<|translate|>", "<|transcribe|>",
             "<|startoflm|>", "<|startofprev|>", "<|nospeech|>", "<|notimestamps|>"]  # fmt: skip
    stamps = [f"<|{at * 0.02:.2f}|>" for at in range(1501)]
    tokenizer.add_special_tokens({"additional_special_tokens": signs})
    tokenizer.add_tokens(stamps)
    ids = {sign: tokenizer.convert_tokens_to_ids(sign) for sign in signs}
    end = tokenizer.convert_tokens_to_ids("<|endoftext|>")
    torch.manual_seed(13)
    config = WhisperConfig(
        vocab_size=len(tokenizer), num_mel_bins=80, d_model=16, encoder_layers=1,
        decoder_layers=1, encoder_attention_heads=2, decoder_attention_heads=2,
        encoder_ffn_dim=16, decoder_ffn_dim=16, max_target_positions=24,
        bos_token_id=end, eos_token_id=end, pad_token_id=end,
        decoder_start_token_id=ids["<|startoftranscript|>"],
    )  # fmt: skip
    model = WhisperForConditionalGeneration(config)
    generation = model.generation_config
    generation.no_timestamps_token_id = ids["<|notimestamps|>"]
    generation.lang_to_id = {sign: ids[sign] for sign in ("<|en|>", "<|ro|>")}
    generation.task_to_id = {name: ids[f"<|{name}|>"] for name in ("transcribe", "translate")}
    generation.is_multilingual = True
    generation.max_length = 24
    generation.max_initial_timestamp_index = 50
    generation.prev_sot_token_id = ids["<|startofprev|>"]
    model.save_pretrained(folder)
    WhisperProcessor(WhisperFeatureExtractor(), tokenizer).save_pretrained(folder)
    yield folder


def test_a_tiny_whisper_hears_a_recording(whisper: Path, tmp_path: Path) -> None:
    """Random weights say something without sense; it is text, and the same every time."""
    listener = Listener(str(whisper), None, "cpu")
    said = [listener.hear(write_wav(tmp_path / "a.wav", 0.5, 44_100, 2)) for _ in range(2)]
    print(repr(said))
    assert said[0] == said[1]
    assert said[0]
    assert "<|" not in said[0]
