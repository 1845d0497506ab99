"""A recording becomes text: the whole way, by a Whisper of a few thousand weights."""

import shutil
import subprocess
import wave
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from stages.core.errors import ConfigError, Fault, InputError
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
def whisper(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a Whisper of random weights with a tokenizer and a feature extractor of its own."""
    import torch
    from tokenizers.pre_tokenizers import ByteLevel
    from transformers import (
        WhisperConfig,
        WhisperFeatureExtractor,
        WhisperForConditionalGeneration,
        WhisperProcessor,
        WhisperTokenizer,
    )

    folder = tmp_path_factory.mktemp("whisper")
    letters = {sign: at for at, sign in enumerate(sorted(ByteLevel.alphabet()))}
    tokenizer = WhisperTokenizer({**letters, "<|endoftext|>": len(letters)}, [])
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
    generation._from_model_config = False  # else it is made anew from the sizes when it is loaded
    generation.suppress_tokens = generation.begin_suppress_tokens = None
    generation.no_timestamps_token_id = ids["<|notimestamps|>"]
    generation.lang_to_id = {sign: ids[sign] for sign in ("<|en|>", "<|ro|>")}
    generation.task_to_id = {name: ids[f"<|{name}|>"] for name in ("transcribe", "translate")}
    generation.is_multilingual = True
    generation.max_length = 24
    generation.max_initial_timestamp_index = 50
    generation.prev_sot_token_id = ids["<|startofprev|>"]
    model.save_pretrained(folder)
    WhisperProcessor(WhisperFeatureExtractor(), tokenizer).save_pretrained(folder)
    return folder


def test_a_recording_becomes_text(whisper: Path, tmp_path: Path) -> None:
    """Random weights say something without sense; it is text, and the same every time."""
    listener = Listener(str(whisper), None, "cpu")
    said = [listener.hear(write_wav(tmp_path / "a.wav", 0.5, 44_100, 2)) for _ in range(2)]
    assert said[0] == said[1]
    assert said[0]
    assert "<|" not in said[0]


def test_one_of_more_than_30_s_is_heard_to_its_end(
    whisper: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from transformers import WhisperForConditionalGeneration

    frames = []
    forward = WhisperForConditionalGeneration.generate

    def noted(self: Any, features: Any, **settings: Any) -> Any:
        frames.append((features.shape[-1], settings.get("return_timestamps")))
        return forward(self, features, **settings)

    monkeypatch.setattr(WhisperForConditionalGeneration, "generate", noted)
    listener = Listener(str(whisper), None, "cpu")
    long = listener.hear(write_wav(tmp_path / "a.wav", 65, 8_000))
    short = listener.hear(write_wav(tmp_path / "b.wav", 1))
    # 10 ms a frame: the whole 65 s, and 1 s filled up to the 30 s of training.
    assert frames == [(6500, True), (3000, None)]
    assert isinstance(long, str)
    assert "<|" not in long + short


@pytest.mark.parametrize("rate", [8_000, 16_000, 22_050, 44_100, 48_000])
def test_a_tone_keeps_its_height_at_16_khz(tmp_path: Path, rate: int) -> None:
    sound = recording(write_wav(tmp_path / "a.wav", 1.0, rate, 2))
    assert (sound.shape, sound.dtype) == ((16_000,), np.float32)
    assert np.abs(np.fft.rfft(sound)).argmax() == 440
    assert np.abs(sound[4000:12000]).max() == pytest.approx(0.5, abs=0.01)


def test_what_16_khz_cannot_hold_is_not_folded_back(tmp_path: Path) -> None:
    """12 kHz would come back as 4 kHz if every third sample was simply taken."""
    sound = recording(write_wav(tmp_path / "a.wav", 1.0, 48_000, hz=12_000))
    assert np.abs(sound[4000:12000]).max() < 0.01


@pytest.mark.parametrize("width", [1, 2, 3, 4])
def test_every_width_of_wav(tmp_path: Path, width: int) -> None:
    sound = recording(write_wav(tmp_path / "a.wav", 0.5, width=width))
    assert np.abs(sound).max() == pytest.approx(0.5, abs=0.01)
    assert abs(sound.mean()) < 0.01


def test_what_is_no_recording_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(speech.shutil, "which", lambda name: None)
    path = tmp_path / "a.mp3"
    path.write_bytes(b"ID3" + bytes(100))
    with pytest.raises(InputError, match="is no WAV, and there is no ffmpeg"):
        recording(path)
    path.write_bytes(b"RIFF\x24\0\0\0WAVEjunk")
    with pytest.raises(InputError, match="is no WAV that can be read"):
        recording(path)
    with pytest.raises(InputError, match="is empty"):
        recording(write_wav(path, 0))


@pytest.mark.parametrize("length", [12, 30, 40])
def test_a_recording_that_was_cut_is_told(tmp_path: Path, length: int) -> None:
    path = write_wav(tmp_path / "a.wav", 0.1)
    path.write_bytes(path.read_bytes()[:length])
    with pytest.raises(InputError, match="is no WAV that can be read"):
        recording(path)


@pytest.mark.parametrize("rate", [0, 500_000_000])
def test_a_rate_that_no_sound_has_is_told(tmp_path: Path, rate: int) -> None:
    path = write_wav(tmp_path / "a.wav", 0.1)
    held = path.read_bytes()
    width = held[32]  # bytes of a sample of all channels
    rates = b"".join(each.to_bytes(4, "little") for each in (rate, rate * width))
    path.write_bytes(held[:24] + rates + held[32:])
    with pytest.raises(InputError, match=f"the recording: has {rate} Hz"):
        recording(path)


@pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="no ffmpeg")
def test_another_format_is_read_by_ffmpeg(tmp_path: Path) -> None:
    write_wav(tmp_path / "a.wav", 1.0, 44_100)
    made = tmp_path / "a.flac"
    subprocess.run(["ffmpeg", "-v", "error", "-i", tmp_path / "a.wav", made], check=True)
    assert np.abs(np.fft.rfft(recording(made))).argmax() == 440
    (tmp_path / "b.m3u8").write_text("#EXTM3U\n#EXTINF:1,\nhttp://192.0.2.1/a.ts\n")
    with pytest.raises(InputError, match="the recording: cannot be read"):
        recording(tmp_path / "b.m3u8")


def test_what_is_no_whisper_is_told(tmp_path: Path) -> None:
    path = write_wav(tmp_path / "a.wav", 0.1)
    with pytest.raises(ConfigError, match=r"params.yaml: ui.whisper: '.*nowhere' cannot be loaded"):
        Listener(str(tmp_path / "nowhere"), None, "cpu").hear(path)


def test_a_whisper_that_is_half_there_is_told(whisper: Path, tmp_path: Path) -> None:
    half = shutil.copytree(whisper, tmp_path / "half")
    weights = half / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])
    path = write_wav(tmp_path / "a.wav", 0.1)
    with pytest.raises(ConfigError, match=r"params.yaml: ui.whisper: '.*half' cannot be loaded"):
        Listener(str(half), None, "cpu").hear(path)


class Fixed:
    """Hears the same in every recording, or nothing."""

    def __init__(self, text: str | Exception) -> None:
        self.text = text

    def hear(self, path: Path) -> str:
        if isinstance(self.text, Exception):
            raise self.text
        return self.text


@pytest.mark.parametrize(
    ("said", "prompt", "after", "told"),
    [
        ("hello", "", "hello", ""),
        ("hello", "Say ", "Say hello", ""),
        ("hello", None, "hello", ""),
        ("", "Say", "Say", "Nothing was heard."),
        (InputError(Fault("the recording", "is empty")), "Say", "Say", "the recording: is empty"),
    ],
)
def test_the_text_goes_to_the_prompt_and_the_recording_goes(
    tmp_path: Path, said: Any, prompt: str | None, after: str, told: str
) -> None:
    path = write_wav(tmp_path / "a.wav", 0.1)
    listener: Any = Fixed(said)
    box, status = heard(listener, str(path), prompt)
    assert box == after
    assert told in status
    assert not path.exists()


def test_an_ffmpeg_that_does_not_end_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "ffmpeg"
    program.write_text("#!/bin/sh\nexec sleep 60\n")
    program.chmod(0o755)
    monkeypatch.setattr(speech.shutil, "which", lambda name: str(program))
    monkeypatch.setattr(speech, "READING_S", 0.2)
    (tmp_path / "a.ogg").write_bytes(b"OggS and what follows")
    with pytest.raises(InputError, match=r"still reading it after 0\.2 s"):
        recording(tmp_path / "a.ogg")
