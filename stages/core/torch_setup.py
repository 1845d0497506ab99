"""Make torch do the same thing twice: seeds, threads, deterministic kernels, a quiet terminal."""

import ctypes
import logging
import os
import sys
import warnings
from typing import Any

from stages.core.errors import ConfigError, Fault

# mallopt(3): never return freed blocks to the kernel. Training allocates and frees the same few
# large tensors every step; without this SFTTrainer spends half its CPU time in page faults.
KEEP_FREED_MEMORY = {"M_TRIM_THRESHOLD": -1, "M_TOP_PAD": -2, "M_MMAP_THRESHOLD": -3}

# Loggers of bitsandbytes, and how the message begins that is dropped.
HUSHED = {
    "backends.cpu.ops": "Failed to load CPU gemm_4bit_forward",
    "autograd._functions": "MatMul8bitLt: inputs will be cast",
}


def prepare(compute: dict[str, Any], seed: int = 0) -> None:
    """Set threads and seeds before the first tensor (and before LoRA is initialised: trl#1014).

    compute: `device` (cpu, cuda, mps) and `threads`; the number of threads decides the order of
             sums, so it is a parameter and not a guess
    """
    # Waiting threads that spin cost tens of times on shared cores; read when OpenMP starts.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    # cuBLAS is deterministic only with a fixed workspace (CUDA, "Results reproducibility").
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    hush_bitsandbytes()
    if sys.platform == "linux" and compute["device"] == "cpu":
        keep_freed_memory()
    import torch
    import transformers

    must_be_here(compute["device"])
    torch.set_num_threads(compute["threads"])
    torch.use_deterministic_algorithms(True, warn_only=True)
    # It would fill every new tensor, against code that reads what nobody wrote: a third of the
    # time.
    torch.utils.deterministic.fill_uninitialized_memory = False
    transformers.set_seed(seed)
    transformers.utils.logging.set_verbosity_error()
    if not sys.stderr.isatty():
        # Read when datasets is imported, which only training needs: it takes half a second.
        os.environ.setdefault("HF_DATASETS_DISABLE_PROGRESS_BARS", "1")
        transformers.utils.logging.disable_progress_bar()
    # PEFT and TRL call transformers by names that it has deprecated: nothing a user could mend.
    warnings.filterwarnings("ignore", r"`\w*gradient_checkpointing\w*` is depr", FutureWarning)


def must_be_here(device: str) -> None:
    """Refuse a device that torch does not see on this machine, before anything is loaded for it.

    Raises: ConfigError.
    """
    import torch

    kind, _, number = device.partition(":")
    if kind == "cpu" or (kind == "mps" and torch.backends.mps.is_available()):
        return
    count = torch.cuda.device_count() if kind == "cuda" and torch.cuda.is_available() else 0
    if int(number or 0) < count:
        return
    build = f"torch {torch.__version__}, built for CUDA {torch.version.cuda or '(none)'}"
    seen = f"torch sees {count} of that kind" if count else "torch sees none"
    raise ConfigError(
        Fault(
            "params.yaml: compute.device",
            f"{device}, but {seen} on this machine ({build})",
            "a device of this machine: cpu, mps, cuda, cuda:1",
            "say another (`dvc exp run -S compute.device=cpu`), or build where there is one; if "
            "`nvidia-smi` shows one here, torch must be a build for its CUDA",
        )
    )


def hush_bitsandbytes() -> None:
    """Drop two messages of bitsandbytes that are no news.

    On a CPU with AVX512-BF16 it misses, when it is imported, a kernel of the hub for packed 4-bit
    weights, which `stages.core.stack` forbids; and it says at every product of 8-bit weights that
    these are done in float16.
    """
    for name, told in HUSHED.items():
        logging.getLogger(f"bitsandbytes.{name}").addFilter(
            lambda record, told=told: not str(record.msg).startswith(told)
        )


def keep_freed_memory() -> None:
    """Tell glibc to keep what torch frees; another C library lacks the call and is left alone."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        for option in KEEP_FREED_MEMORY.values():
            mallopt(option, 1 << 30)
