"""A recording to text, by a Whisper that params.yaml names: `ui.whisper`, a hub id or a folder.

    WAV (or what ffmpeg reads) ─ mono, 16 kHz ─ features ─ Whisper ─ text for the prompt's box

What is heard goes nowhere else. Over 30 s Whisper goes on window by window, led by its time stamps
(Radford et al. 2022, https://arxiv.org/abs/2212.04356, section 3.8).
"""

import shutil
import subprocess
import threading
import warnings
from math import gcd
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stages.core.errors import ConfigError, Fault, InputError, UserError

if TYPE_CHECKING:
    import numpy as np

RATE = 16_000  # Hz, what every Whisper was trained on
SLOWEST, FASTEST = 1_000, 768_000  # Hz; to resample what names billions takes all memory
WINDOW_S = 30
LONGEST_S = 3600
READING_S = 600  # for ffmpeg
KEY = "params.yaml: ui.whisper"


class Listener:
    """A Whisper, loaded at the first recording.

    name:     a hub id, or a local folder
    revision: the commit of a hub id; None: the newest
    device:   torch's
    """

    def __init__(self, name: str, revision: str | None, device: str) -> None:
        self.name = name
        self._revision = revision
        self._device = device
        self._loaded: tuple[Any, Any] | None = None
        self._alone = threading.Lock()

    @property
    def called(self) -> str:
        """Return its name for people: of a folder the last part."""
        return Path(self.name).name if Path(self.name).is_dir() else self.name

    def hear(self, path: Path) -> str:
        """Return what is said in a recording, in the language in which it is said.

        Raises: InputError for a file that is no recording; ConfigError where there is no Whisper.
        """
        sound = recording(path)
        with self._alone:
            self._loaded = self._loaded or self._load()
            return transcript(*self._loaded, sound, self._device)

    def _load(self) -> tuple[Any, Any]:
        from transformers import WhisperForConditionalGeneration, WhisperProcessor

        settings = {"revision": self._revision, "trust_remote_code": False}
        try:
            processor = WhisperProcessor.from_pretrained(self.name, **settings)
            model = WhisperForConditionalGeneration.from_pretrained(
                self.name, use_safetensors=True, **settings
            )
        except Exception as error:  # of a folder that is half there, three libraries raise anything
            first = next(iter(str(error).splitlines()), type(error).__name__)
            what = f"{self.name!r} cannot be loaded: {first:.300}"
            expected = "a Whisper with safetensors: a hub id that can be reached, or a folder"
            raise ConfigError(Fault(KEY, what, expected)) from error
        return processor, model.eval().to(self._device)

    def close(self) -> None:
        """Let go of the model."""
        with self._alone:
            self._loaded = None


def transcript(processor: Any, model: Any, sound: "np.ndarray", device: str) -> str:
    """Return what Whisper hears.

    sound: (samples,), mono, 16 kHz, -1 to 1
    """
    import torch

    long = len(sound) > WINDOW_S * RATE
    # A short one is filled up to the 30 s of training; a long one keeps its length.
    length: dict[str, Any] = {"truncation": False, "padding": "longest"} if long else {}
    given = processor(
        sound, sampling_rate=RATE, return_tensors="pt", return_attention_mask=True, **length
    ).to(device, dtype=model.dtype)
    with torch.inference_mode():
        tokens = model.generate(
            given["input_features"],
            attention_mask=given["attention_mask"],
            **({"return_timestamps": True} if long else {}),
        )
    return str(processor.batch_decode(tokens, skip_special_tokens=True)[0]).strip()


def recording(path: Path) -> "np.ndarray":
    """Read a recording as (samples,): mono, 16 kHz, float32, -1 to 1.

    WAV is read here, with as many bits and channels as it has; anything else by ffmpeg, if there is
    one.
    Raises: InputError.
    """
    with path.open("rb") as file:
        head = file.read(12)
    sound = of_wav(path) if (head[:4], head[8:]) == (b"RIFF", b"WAVE") else by_ffmpeg(path)
    if not len(sound):
        raise InputError(Fault("the recording", "is empty", then="record again"))
    if len(sound) > LONGEST_S * RATE:
        what = f"takes {len(sound) / RATE:.0f} s"
        raise InputError(Fault("the recording", what, f"at most {LONGEST_S} s"))
    return sound


def of_wav(path: Path) -> "np.ndarray":
    """Read a WAV file.

    Raises: InputError.
    """
    import numpy as np
    from scipy.io import wavfile
    from scipy.signal import resample_poly

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", wavfile.WavFileWarning)  # chunks that it does not know
            rate, samples = wavfile.read(path)
    except Exception as error:  # of a file that was cut or is no sound, scipy raises anything
        raise InputError(Fault("the recording", f"is no WAV that can be read: {error}")) from None
    if not SLOWEST <= rate <= FASTEST:
        raise InputError(Fault("the recording", f"has {rate} Hz", f"{SLOWEST} to {FASTEST} Hz"))
    sound = samples.astype(np.float32)
    if samples.dtype == np.uint8:  # 8 bits are unsigned, the silence at 128
        sound = (sound - 128) / 128
    elif np.issubdtype(samples.dtype, np.integer):
        sound /= -float(np.iinfo(samples.dtype).min)
    if sound.ndim > 1:
        sound = sound.mean(axis=1)
    if rate != RATE and len(sound):
        # A polyphase filter: what a slower rate cannot hold is taken out, not folded back.
        common = gcd(int(rate), RATE)
        sound = resample_poly(sound, RATE // common, int(rate) // common).astype(np.float32)
    return sound


def by_ffmpeg(path: Path) -> "np.ndarray":
    """Read another format, by the ffmpeg of this machine.

    Raises: InputError where there is none, or it cannot read the file.
    """
    import numpy as np

    program = shutil.which("ffmpeg")
    if program is None:
        what = "is no WAV, and there is no ffmpeg to read it"
        raise InputError(Fault("the recording", what, then="record here, or upload a WAV"))
    # The whitelist: a file that names addresses (a playlist) is not to make it fetch them.
    reading = [program, "-nostdin", "-v", "error", "-protocol_whitelist", "file,pipe",
               "-i", f"file:{path}", "-t", str(LONGEST_S + 1), "-vn", "-ac", "1", "-ar", str(RATE),
               "-f", "f32le", "-"]  # fmt: skip
    try:
        done = subprocess.run(reading, capture_output=True, check=False, timeout=READING_S)
    except subprocess.TimeoutExpired:
        what = f"ffmpeg was still reading it after {READING_S} s"
        raise InputError(Fault("the recording", what, then="upload a WAV")) from None
    if done.returncode:
        told = done.stderr.decode(errors="replace").strip().splitlines()
        what = f"cannot be read: {told[-1] if told else 'ffmpeg says nothing'}"
        raise InputError(Fault("the recording", what, "sound", "upload a WAV"))
    return np.frombuffer(done.stdout, dtype="<f4").copy()


def heard(listener: Listener, path: str | None, prompt: str | None) -> tuple[str, str]:
    """Return the prompt with what was heard behind it, and what is to be said of it.

    The recording is removed: nothing keeps it.
    """
    if not path:
        return prompt or "", ""
    try:
        text = listener.hear(Path(path))
    except UserError as error:
        return prompt or "", str(error)
    finally:
        Path(path).unlink(missing_ok=True)
    if not text:
        return prompt or "", "Nothing was heard."
    return " ".join(filter(None, [(prompt or "").rstrip(), text])), ""
