"""Checkpoints of a training run: outside DVC's outputs, one folder for all that decides the run.

    <root>/<model>/<key>/lock               held by the run that trains it
                        /checkpoint-150/    weights, optimizer, random state; digests.json
                        /checkpoint-100/    the one before, should that one be damaged

<root> is $TUNEGRAPH_CHECKPOINTS, or .cache/tunegraph/checkpoints below the main checkout: DVC
deletes a stage's outputs before it runs. A checkpoint is written under another name, brought to the
disk and renamed, so that a folder of that name is whole; its digests are verified all the same. A
run that came to its end removes its folder. What other runs of the same model left (killed, and
never repeated) stays for the latest few only; a folder whose lock is held is never touched.
"""

import fcntl
import os
import platform
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from stages.core import entry
from stages.core.digest import digest, file_digest
from stages.core.errors import Fault, InputError, UserError
from stages.core.folders import put
from stages.core.jsonl import read_json, write_json
from stages.core.processes import from_first, rank

OTHERS_KEPT = 3  # folders of killed runs of the same model under other parameters
STEPS_KEPT = 2
PACKAGES = ("torch", "transformers", "trl", "peft", "bitsandbytes", "accelerate", "tokenizers")
Kept = Callable[[str, str], Path]  # model and key -> the folder of its checkpoints
PREFIX = "checkpoint-"  # transformers' own
DIGESTS = "digests.json"


def root() -> Path:
    """Return where checkpoints lie; a relative path counts from the main checkout.

    DVC sets DVC_ROOT to the main checkout even inside `dvc exp run --temp` and its queue.
    """
    chosen = os.environ.get("TUNEGRAPH_CHECKPOINTS") or ".cache/tunegraph/checkpoints"
    return Path(os.environ.get("DVC_ROOT", "."), chosen)


def key_of(stage: str, params: dict[str, Any], inputs: Sequence[Path]) -> str:
    """Return the digest of everything that decides the bytes of a run, 16 hex digits.

    stage:  the folder of its code in stages/; of the code that stages share, what is imported
    inputs: files, and folders whose files count but for weights, which manifests name by digest
    """
    import torch

    stages = Path(__file__).parents[1]
    shared = (each for name, each in sys.modules.items() if name.startswith("stages.core."))
    code = {*(Path(each.__file__) for each in shared if each.__file__)}
    code |= {*(stages / stage).rglob("*.py")}
    read = [
        file
        for path in inputs
        for file in (sorted(path.iterdir()) if path.is_dir() else [path])
        if file.is_file() and file.suffix != ".safetensors"
    ]
    cuda = torch.cuda.is_available()
    return digest(
        {
            "params": params,
            "inputs": [[file.name, file_digest(file)] for file in read],
            "code": {str(file.relative_to(stages)): file_digest(file) for file in code},
            "packages": {name: _version(name) for name in PACKAGES},
            "python": platform.python_version(),
            "machine": [
                platform.machine(),
                torch.backends.cpu.get_cpu_capability(),
                torch.cuda.get_device_name() if cuda else None,
            ],
        }
    )


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


@contextmanager
def kept() -> Iterator[Kept]:
    """Yield what returns the folder of a model's checkpoints under a key, locked.

    The folder stays when the block fails, or is killed, and is removed when it succeeds: whatever
    the run writes must be written inside of the block. While another process trains the very same,
    the folder is a temporary one: both end with the same bytes, and neither waits.
    Raises: UserError when nothing can be locked or written there.
    """
    with ExitStack() as closing:
        locked = []

        def folder(model: str, key: str) -> Path:
            path, file = (root() / model / key).absolute(), None
            if rank() == 0:
                if (file := _locked(path)) is None:
                    entry.say("checkpoints", f"{path}: another run holds them; training without")
                    path = Path(closing.enter_context(tempfile.TemporaryDirectory()))
                else:
                    closing.callback(os.close, file)
                    locked.append(path)
                    _prune(path)
            return from_first(path)

        yield folder
        for path in locked:
            _remove(path)


def _locked(folder: Path) -> int | None:
    """Lock a folder, made if need be; return the open lock file, or None when another has it."""
    path = folder / "lock"
    try:
        while True:
            folder.mkdir(parents=True, exist_ok=True)
            try:
                file = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
            except FileNotFoundError:  # the run that had it came to its end just now
                continue
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if os.path.samestat(os.fstat(file), os.stat(path)):
                    return file
            except BlockingIOError:
                os.close(file)
                return None
            except FileNotFoundError:
                pass
            except OSError:
                os.close(file)
                raise
            os.close(file)
    except OSError as error:
        what = f"no checkpoints can be kept there: {error.strerror}"
        then = "set TUNEGRAPH_CHECKPOINTS to a folder on a disk of this machine"
        raise UserError(Fault(str(folder), what, "a folder that can be locked", then)) from None


def _prune(mine: Path) -> None:
    """Remove what other runs of the same model left, but for the latest few and for live ones."""
    others = []
    for each in mine.parent.iterdir():
        if each.name.startswith("."):  # what a run that was killed while it removed it left
            shutil.rmtree(each, ignore_errors=True)
        elif each != mine:
            with suppress(FileNotFoundError):  # its run came to its end just now
                others.append((each.stat().st_mtime, each))
    for _, each in sorted(others)[:-OTHERS_KEPT]:
        if (file := _locked(each)) is not None:
            _remove(each)
            os.close(file)


def _remove(folder: Path) -> None:
    """Remove a folder whose lock is held: first its name, so that nobody takes the half of it."""
    away = folder.with_name(f".{folder.name}.{os.getpid()}")
    with suppress(FileNotFoundError):  # somebody emptied the cache
        folder.rename(away)
    shutil.rmtree(away, ignore_errors=True)


def seal(written: Path, folder: Path, step: int) -> None:
    """Let a written checkpoint become the one of its step, and remove those that are too old."""
    files = sorted(file for file in written.rglob("*") if file.is_file())
    digests = {str(file.relative_to(written)): file_digest(file) for file in files}
    write_json(written / DIGESTS, digests)
    put(written, folder / f"{PREFIX}{step}")
    for old in steps(folder)[STEPS_KEPT:]:
        shutil.rmtree(old)


def steps(folder: Path) -> list[Path]:
    """Return the checkpoints in a folder, the latest first."""
    found = folder.glob(f"{PREFIX}*")
    return sorted(found, key=lambda path: int(path.name.removeprefix(PREFIX)), reverse=True)


def latest(folder: Path) -> Path | None:
    """Return the latest whole checkpoint; what is damaged is told and removed."""
    for path in steps(folder):
        if _whole(path):
            return path
        entry.say("checkpoints", f"{path} is damaged: left out")
        shutil.rmtree(path)
    return None


def _whole(checkpoint: Path) -> bool:
    try:
        said = read_json(checkpoint / DIGESTS)
        return bool(said) and said == {name: file_digest(checkpoint / name) for name in said}
    except (InputError, OSError, AttributeError, TypeError):
        return False
