"""How alike a model itself finds two texts: the cosine of their pooled hidden states."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PreTrainedModel, PreTrainedTokenizerBase


def hidden_similarities(
    model: "PreTrainedModel",
    tokenizer: "PreTrainedTokenizerBase",
    pairs: list[tuple[str, str]],
    batch_tokens: int,
) -> list[float]:
    """Return for each pair the cosine, -1 to 1, of the mean of its texts' last hidden states.

    Each text is read alone, without the prompt, which both would share; the states are those that
    the head makes logits from. An empty text scores 0.
    """
    from torch.nn.functional import cosine_similarity

    texts = sorted({text for pair in pairs for text in pair})
    encoded = tokenizer(texts, add_special_tokens=False)["input_ids"] if texts else []
    pooled = mean_states(model, dict(zip(texts, encoded, strict=True)), batch_tokens)
    return [
        cosine_similarity(pooled[one], pooled[other], dim=0).item()
        if one in pooled and other in pooled
        else 0.0
        for one, other in pairs
    ]


def mean_states(
    model: "PreTrainedModel", encoded: dict[str, list[int]], batch_tokens: int
) -> dict[str, "Tensor"]:
    """Return the mean last hidden state `(hidden,)` of every text that has a token, in float32."""
    import torch

    inner = model.get_base_model() if hasattr(model, "get_base_model") else model
    order = sorted((text for text in encoded if encoded[text]), key=lambda text: len(encoded[text]))
    batches: list[list[str]] = []
    for text in order:
        if not batches or (len(batches[-1]) + 1) * len(encoded[text]) > batch_tokens:
            batches.append([])
        batches[-1].append(text)
    pooled: dict[str, Tensor] = {}
    for batch in batches:
        ids = torch.zeros((len(batch), len(encoded[batch[-1]])), dtype=torch.long)
        mask = torch.zeros_like(ids)
        for at, text in enumerate(batch):
            ids[at, : len(encoded[text])] = torch.tensor(encoded[text])
            mask[at, : len(encoded[text])] = 1
        ids, mask = ids.to(model.device), mask.to(model.device)
        with torch.inference_mode():
            # The adapters are inside of it: PEFT puts them into the layers.
            states = inner.base_model(
                input_ids=ids, attention_mask=mask, use_cache=False
            ).last_hidden_state.float()
            means = (states * mask[:, :, None]).sum(1) / mask.sum(1, keepdim=True)
        pooled.update(zip(batch, means, strict=True))
    return pooled
