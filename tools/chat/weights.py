"""One set of weights in memory, switched from model to model; what is switched, and what reloads.

    base ─┬─ 2b ── 2c        one ground: the base's weights, and every adapter that was asked for.
          └─ 3b              To switch is to say which adapters are active; nothing is loaded twice

A model's ground is what its active adapters stand on. Models of one ground share it. To ask one of
another ground loads that in its place, so that there is never more than one in memory:

    mode: merge       stands on weights of its own (parents merged in, rounded, quantized again)
    modules_to_save, bias
                      replaces weights of the base, which PEFT cannot take back exactly
    an export         has weights of its own

Every state is that of `stages.core.stack.load`, to the bit: the same modules add the same adapters
in the same order; `disabled` calls the base's own layers and nothing else.
"""

import ctypes
import gc
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stages.core import contract
from stages.core.adapters import inside, put_on
from stages.core.bases import settled
from stages.core.digest import file_digest
from stages.core.errors import Fault, LineageError
from stages.core.jsonl import read_json
from stages.core.knobs import is_set
from stages.core.lineage import ADAPTER_CONFIG, Manifest, adapter_folder, groups, verify
from stages.core.merging import load_below
from stages.core.stack import load_tokenizer
from tools.chat.models import Model, export_digest
from tools.export import ABOUT

if TYPE_CHECKING:
    from transformers import PreTrainedModel

Ground = tuple[str, ...]
REPLACING = ("modules_to_save", "bias")  # knobs of an adapter that replaces weights of its base


class Weights:
    """The weights in memory. Not for several threads at once."""

    def __init__(self, base: Path, compute: dict[str, Any]) -> None:
        self._base = base
        self._compute = compute
        self._ground: Ground | None = None  # what is loaded; None: nothing
        self._loaded: Any = None  # of transformers; of PEFT as soon as an adapter is on it
        self._active: list[str] = []  # the adapters that are active
        self._digests: dict[str, str] = {}  # of the adapters on it, by name
        self._known: dict[str, tuple[Manifest, Ground]] = {}  # models that were verified on it

    def switch(self, model: Model) -> "PreTrainedModel":
        """Return a model without gradients, in eval mode: loaded, or switched to.

        A model is verified when it is first asked for on a ground; what is in memory then stays
        what it is, whatever becomes of the files.
        Raises: LineageError and ConfigError as `stages.core.stack.load`; LineageError too where the
        folder is not what it was when `tools.chat.models` looked.
        """
        if not (known := self._known.get(model.name)):
            manifest = self._verified(model)
            known = manifest, ground_of(model, manifest)
        manifest, ground = known
        try:
            if ground != self._ground:
                self.drop()
                self._loaded = self._load(model, manifest).requires_grad_(False).eval()
                self._ground = ground
            if model.name not in self._known:
                tokenizer = load_tokenizer(tokenizer_folder(self._base, model))
                settings = bare(self._loaded).generation_config
                contract.hold(model.folder, manifest.get("contract"), tokenizer, settings)
                self._known[model.name] = known
            if model.kind != "export":
                self._activate(model, manifest)
        except BaseException:
            self.drop()  # half of a model is none
            raise
        return bare(self._loaded)

    def drop(self) -> None:
        """Let go of what is loaded, and give its memory back."""
        self._ground = self._loaded = None
        self._active, self._digests, self._known = [], {}, {}
        give_back_memory()

    def _verified(self, model: Model) -> Manifest:
        """Return the manifest of a model whose folder is what it says."""
        if model.kind == "export":
            found, manifest = (
                export_digest(model.folder),
                read_json(model.folder / ABOUT)["manifest"],
            )
        else:
            manifest = verify(self._base, model.folder)
            found = file_digest(model.folder / "manifest.json")
        if found != model.digest:
            what = "it was built again since this window opened"
            fault = Fault(str(model.folder), what, "the model that was chosen", "open it again")
            raise LineageError(fault)
        return manifest

    def _load(self, model: Model, manifest: Manifest) -> Any:
        """Load what a model's active adapters stand on, or an export."""
        if model.kind != "export":
            return load_below(self._base, model.folder, manifest, self._compute)
        from transformers import AutoModelForCausalLM

        loaded = AutoModelForCausalLM.from_pretrained(
            model.folder,
            dtype="auto",
            attn_implementation=manifest["base"].get("attn_implementation"),
            use_safetensors=True,
            trust_remote_code=False,
        )
        return settled(loaded, {"quantize": "none"}, self._compute["device"])

    def _activate(self, model: Model, manifest: Manifest) -> None:
        """Put those of a model's adapters on it that are not there, and let its own be active."""
        from peft import PeftModel

        active, missing = groups(manifest)[-1], {}
        for name in active:
            digest = manifest["adapters"][name]
            if (held := self._digests.get(name, digest)) != digest:
                what = f"its adapter {name} is {digest}, but that of another model is {held}"
                fault = Fault(str(model.folder), what, f"one {name}", "dvc repro")
                raise LineageError(fault)
            if name not in self._digests:
                missing[name] = adapter_folder(model.folder, name)
        if missing and not isinstance(self._loaded, PeftModel):
            self._loaded = put_on(self._loaded, missing)
        else:
            for name, folder in missing.items():
                self._loaded.load_adapter(folder, adapter_name=inside(name))
        if missing:
            self._digests |= {name: manifest["adapters"][name] for name in missing}
            self._loaded.requires_grad_(False).eval()
        if active == self._active:
            return
        tuner = self._loaded.base_model
        if not active:
            tuner.disable_adapter_layers()
        else:
            if not self._active:
                tuner.enable_adapter_layers()
            # PeftModel.set_adapter refuses a list; the tuner below it takes one. In inference mode
            # it asks for no gradients.
            tuner.set_adapter([inside(name) for name in active], inference_mode=True)
        self._active = active


def bare(loaded: Any) -> "PreTrainedModel":
    """Return the transformers model, adapters inside, without PEFT's shell."""
    return loaded.get_base_model() if hasattr(loaded, "get_base_model") else loaded


def tokenizer_folder(base: Path, model: Model) -> Path:
    """Return where a model's tokenizer lies: its base's, but for an export."""
    return model.folder if model.kind == "export" else base


def ground_of(model: Model, manifest: Manifest) -> Ground:
    """Return what names a model's ground: one that equals another's is the same weights."""
    if model.kind == "export":
        return (model.name, model.digest)
    *merged, active = groups(manifest)
    ground = [f"merged {name} {manifest['adapters'][name]}" for each in merged for name in each]
    for name in active:
        config = read_json(adapter_folder(model.folder, name) / ADAPTER_CONFIG)
        if any(is_set(config.get(knob)) for knob in REPLACING):
            return (*ground, f"alone {model.name}")
    return ("base", *ground)


def give_back_memory() -> None:
    """Collect what refers to itself in circles, as PEFT's layers do; empty the allocators."""
    gc.collect()
    if "torch" in sys.modules:
        import torch

        if torch.cuda.is_initialized():
            torch.cuda.empty_cache()
        if torch.backends.mps.is_available():
            torch.mps.empty_cache()
    if sys.platform == "linux":
        # `torch_setup.keep_freed_memory` told glibc to keep it: right for training, not here.
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
        if trim is not None:
            trim(0)
