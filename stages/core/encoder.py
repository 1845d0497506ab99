"""The sentence encoder: texts to token and sentence embeddings, in one pass for both.

`sentence-transformers` would do; importing it costs about 1.6 CPU-seconds on top of transformers in
every process that scores, and BERTScore would need a second pass over the same texts. So this reads
what such an encoder declares (modules.json: transformer, pooling, normalize) and refuses the rest
by name; a test holds that both give the same embeddings.
"""

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stages.core.errors import ConfigError, Fault
from stages.core.pooling import declared_pooling

if TYPE_CHECKING:
    from torch import Tensor

Source = str | Mapping[str, Any]
BATCH_TOKENS = 1024  # a batch's padded size; on a processor 4096 took a fifth longer


@dataclass(frozen=True)
class Embedding:
    """One text, embedded.

    tokens:   (tokens, dim), the hidden states of the chosen layer
    special:  (tokens,), True for what the tokenizer added ([CLS], [SEP])
    sentence: (dim,), pooled; of length 1 where the encoder normalises
    """

    tokens: "Tensor"
    special: "Tensor"
    sentence: "Tensor"


def pinned(source: Source) -> tuple[str, str | None]:
    """Return the model, and the hub's commit, that the recipe names."""
    if isinstance(source, str):
        return source, None
    return source["model"], source.get("revision")


def set_threads(threads: int) -> None:
    """Set torch's threads, before its first tensor: their number decides the order of sums.

    Only what scoring needs of `stages.core.torch_setup.prepare`, whose seeds and deterministic
    kernels are for training and cost 3 CPU-seconds of imports; nothing here draws at random.
    """
    # Waiting threads that spin cost tens of times on shared cores; read when OpenMP starts.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    import torch

    torch.set_num_threads(threads)


def locate(source: str, where: str = "params.yaml: evaluate.encoder") -> str:
    """Return the folder or hub id that `source` stands for.

    source: a folder; else an importable package that carries one (a folder inside it with a
        config.json); else a hub id, which transformers looks for in its cache or on the hub
    Raises: ConfigError when it is a package without a model.
    """
    if (Path(source) / "config.json").is_file():
        return source
    spec = find_spec(source) if source.isidentifier() else None
    if spec is None:
        return source
    for root in spec.submodule_search_locations or []:
        for config in sorted(Path(root).rglob("config.json"), key=lambda path: len(path.parts)):
            if (config.parent / "tokenizer_config.json").is_file():
                return str(config.parent)
    raise ConfigError(Fault(where, f"the package {source!r} carries no model", "a config.json"))


class Encoder:
    """A text encoder of the hub's kind, on the processor, in float32."""

    def __init__(
        self,
        source: Source,
        layer: int | None = None,
        where: str = "params.yaml: evaluate.encoder",
        pools: bool = True,
    ) -> None:
        """Load tokenizer and weights.

        source: what `locate` takes; or {model, revision}, the hub's commit (None: its newest)
        layer: which layer's hidden states are the token embeddings: 0 is the input's, None the last
        pools: whether its sentence embeddings are wanted too; then it must say how it makes them
        Raises: ConfigError when it cannot be loaded, or has no such layer, or pools in a way that
            is not supported.
        """
        from transformers import AutoModel, AutoTokenizer
        from transformers.utils.logging import disable_progress_bar

        disable_progress_bar()
        source, revision = pinned(source)
        path = locate(source, where)
        if revision and Path(path).is_dir():
            what = f"{source!r} is no model of the hub, so it has no revision {revision!r}"
            raise ConfigError(Fault(where, what, "a hub id, or revision: null"))
        try:
            # Not given, trust_remote_code asks at a terminal.
            how = {"trust_remote_code": False, "revision": revision or "main"}
            self.model = AutoModel.from_pretrained(path, dtype="float32", **how).eval()
            self.tokenizer = AutoTokenizer.from_pretrained(path, **how)
            plain = "mean", False, None
            declared = declared_pooling(path, where, how["revision"]) if pools else plain
        except (OSError, ValueError) as error:
            then = "give a package, a folder, or the id of a model that is in the hub's cache"
            at = f"{source!r}" + (f" at {revision!r}" if revision else "")
            what = f"{at} does not load as an encoder: {str(error).splitlines()[0]}"
            raise ConfigError(Fault(where, what, then=then)) from None
        layers = self.model.config.num_hidden_layers
        if layer is not None and not 0 <= layer <= layers:
            raise ConfigError(Fault(where, f"{source!r} has no layer {layer}", f"0 to {layers}"))
        self.layer = layers if layer is None else layer
        self.pooling, self.normalize, limit = declared
        limits = limit, self.tokenizer.model_max_length, _positions(self.model)
        self.max_tokens = min(at for at in limits if at)

    @property
    def is_last_layer(self) -> bool:
        """Say whether the token embeddings are those that the sentence is pooled from."""
        return self.layer == self.model.config.num_hidden_layers

    def embed(self, texts: Iterable[str]) -> dict[str, Embedding]:
        """Embed each distinct text once; longer ones than the encoder takes are cut."""
        import torch

        unique = sorted(set(texts), key=lambda text: (-len(text), text))
        if not unique:
            return {}
        encoded = self.tokenizer(
            unique, truncation=True, max_length=self.max_tokens, return_special_tokens_mask=True
        )
        found = {}
        with torch.inference_mode():
            for batch in _batches([len(ids) for ids in encoded["input_ids"]]):
                special = [torch.tensor(encoded["special_tokens_mask"][at]).bool() for at in batch]
                padded = self.tokenizer.pad(
                    {"input_ids": [encoded["input_ids"][at] for at in batch]}, return_tensors="pt"
                )
                states = self.model(**padded, output_hidden_states=True).hidden_states
                pooled = self._pool(states[-1], padded["attention_mask"])
                for row, at in enumerate(batch):
                    tokens = states[self.layer][row, : len(special[row])].clone()
                    found[unique[at]] = Embedding(tokens, special[row], pooled[row])
        return found

    def sentences(self, texts: list[str]) -> "Tensor":
        """Return the sentence embeddings, (texts, dim), in the order of the texts."""
        import torch

        found = self.embed(texts)
        return torch.stack([found[text].sentence for text in texts])

    def _pool(self, states: "Tensor", mask: "Tensor") -> "Tensor":
        import torch

        if self.pooling == "cls":
            pooled = states[:, 0]
        else:
            weights = mask.unsqueeze(-1).float()
            pooled = (states * weights).sum(1) / weights.sum(1).clamp(min=1e-9)
        return torch.nn.functional.normalize(pooled, dim=-1) if self.normalize else pooled


def _batches(lengths: list[int]) -> list[list[int]]:
    """Group texts, longest first, so that a batch's padded size stays below BATCH_TOKENS."""
    order = sorted(range(len(lengths)), key=lambda at: -lengths[at])
    batches: list[list[int]] = []
    for at in order:
        if not batches or (len(batches[-1]) + 1) * lengths[batches[-1][0]] > BATCH_TOKENS:
            batches.append([])
        batches[-1].append(at)
    return batches


def _positions(model: Any) -> int:
    """Return how many tokens a model has positions for; RoBERTa's begin behind its padding's."""
    positions = getattr(model.config, "max_position_embeddings", None) or 512
    table = getattr(getattr(model, "embeddings", None), "position_embeddings", None)
    padding = getattr(table, "padding_idx", None)
    return positions if padding is None else positions - padding - 1
