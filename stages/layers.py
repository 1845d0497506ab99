"""Keep what one model's layers make of chosen prompts.

Reads:   data/test.jsonl, models/base, models/<name>
Writes:  data/layers/<name>.safetensors, metrics/costs/layers.<name>.json
Network: the hub's cache, when the base is a hub model

    mean        (prompts, layers, width)  hidden states, the mean over the prompt's tokens
    last        (prompts, layers, width)  hidden states of its last token
    layers      (layers,)                 their numbers
    entropy     (prompts, attentions)     of the attention weights, 0 to 1
    attentions  (attentions,)             the layers that these belong to; none without attention

Every prompt goes through alone, as it is asked, up to where the answer begins: the last token's
state is the one that the first token of the answer comes from. No reference follows, because it is
no text of the model's. Layer 0 is what goes into the first block (the embeddings), the last one is
what the head sees (after the last norm): the order of transformers' `hidden_states`. The header's
one entry says which rows and layers these are, and of which base. A transcript has no layers.
"""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stages.core import decoding, entry, stack
from stages.core.costs import spending
from stages.core.digest import digest
from stages.core.draw import draw
from stages.core.errors import Fault, InputError
from stages.core.jsonl import read_rows
from stages.core.lineage import read_manifest
from stages.core.params import load
from stages.core.records import Row
from stages.core.torch_setup import prepare

if TYPE_CHECKING:
    from numpy import ndarray
    from torch import Tensor

PARAMS = ("layers", "compute", "seed.data")


def chosen(rows: list[Row], settings: dict[str, Any], seed: int) -> list[Row]:
    """Return the rows whose prompts are looked at: the same for every model.

    Raises: InputError when the set has no test rows.
    """
    of_set = [row for row in rows if row.get("set") == settings["set"]]
    if not of_set:
        where, what = "params.yaml: layers.set", f"{settings['set']!r} has no test rows"
        raise InputError(Fault(where, what, "a set with some", "write another, or rows: 0"))
    return draw(of_set, min(settings["rows"], len(of_set)), seed)


def entropy(weights: "Tensor", window: int | None = None) -> float:
    """Return how widely attention is spread: 0 where each query sees one token, 1 where all alike.

    weights: (heads, queries, keys), causal: the shares of what each query sees
    window:  how many tokens a query sees at most, where there is a limit
    The entropy (nats) by the logarithm of the number of tokens that the query sees, the mean over
    heads and queries. The first query, which sees itself alone, is left out.
    Source: https://en.wikipedia.org/wiki/Entropy_(information_theory)#Efficiency_(normalized_entropy)
    """
    import torch

    length = weights.shape[-1]
    seen = torch.arange(1, length + 1, device=weights.device).clamp(max=window or length)[1:]
    found = torch.special.entr(weights[:, 1:].float()).sum(-1) / seen.log()
    return found.mean().item() if len(seen) and seen.max() > 1 else 0.0


def watch(model: Any, found: dict[int, float]) -> None:
    """Let the entropy of each layer's attention be told as a prompt passes, and its weights go.

    found: number of the layer -> entropy
    Attention must be `eager`: no other implementation has the weights. Kept for all layers, as
    `output_attentions` does, they would take layers x heads x tokens x tokens.
    Source: https://huggingface.co/docs/transformers/attention_interface
    """

    def told(module: Any, _: Any, output: Any) -> Any:
        if not isinstance(output, tuple) or len(output) < 2 or getattr(output[1], "ndim", 0) != 4:
            return output
        # Where layers differ in it, each says its own; where they do not, the config does.
        own = getattr(getattr(module, "config", None), "sliding_window", None)
        spread = entropy(output[1][0], getattr(module, "sliding_window", own))
        found[module.layer_idx + 1] = spread
        return (output[0], None, *output[2:])

    for module in model.modules():
        # What writes keys and values into a cache says which layer it is: that is attention.
        if hasattr(module, "layer_idx"):
            module.register_forward_hook(told)


def states(
    model: Any, prompt: list[int], which: str, found: dict[int, float]
) -> dict[str, "ndarray"]:
    """Send one prompt through a model that is watched, without its head.

    which: ends (the first and the last), all
    Returns mean and last, each (layers, width), entropy (attentions,), and the layers' numbers
    """
    import numpy as np
    import torch

    found.clear()
    with torch.inference_mode():
        hidden = model(
            input_ids=torch.tensor([prompt], device=model.device),
            use_cache=False,
            output_hidden_states=True,
        ).hidden_states
    layers, attentions = list(range(len(hidden))), sorted(found)
    if which == "ends":
        layers, attentions = [layers[0], layers[-1]], attentions[:1] + attentions[1:][-1:]
    return {
        "mean": np.stack([hidden[at][0].float().mean(0).cpu().numpy() for at in layers]),
        "last": np.stack([hidden[at][0, -1].float().cpu().numpy() for at in layers]),
        "layers": np.array(layers),
        "entropy": np.array([found[at] for at in attentions], dtype=np.float32),
        "attentions": np.array(attentions, dtype=np.int64),
    }


def look(
    name: str, base: Path, model: Path, rows: list[Row], which: str, compute: dict[str, Any]
) -> dict[str, "ndarray"]:
    """Load a model and send every prompt through it.

    Raises: InputError when its numbers are none (an overflow of float16), or a prompt is too long.
    """
    import numpy as np

    loaded, tokenizer = stack.load(base, model, compute), stack.load_tokenizer(base)
    inner = loaded.get_base_model() if hasattr(loaded, "get_base_model") else loaded
    inner.set_attn_implementation("eager")
    prompts = [decoding.prompt_tokens(tokenizer, row["messages"][:-1]) for row in rows]
    lengths = [(f"row {row['id']}", len(each)) for row, each in zip(rows, prompts, strict=True)]
    decoding.beyond(decoding.window(inner), lengths)
    found: dict[int, float] = {}
    watch(inner, found)
    # The head is left out: what it says would take tokens x vocabulary.
    seen = [states(inner.base_model, prompt, which, found) for prompt in prompts]
    faults = [
        Fault(f"{model}: row {row['id']}", f"the layers of {name!r} give {kind} that are no number")
        for row, each in zip(rows, seen, strict=True)
        for kind, values in each.items()
        if not np.isfinite(values).all()
    ]
    if faults:
        raise InputError(*faults)
    numbers = {key: seen[0][key] for key in ("layers", "attentions")}
    return {key: np.stack([each[key] for each in seen]) for key in seen[0]} | numbers


def write(path: Path, tensors: dict[str, "ndarray"], header: dict[str, Any]) -> None:
    """Write the tensors and what they are, the same bytes for the same values."""
    from safetensors.numpy import save

    # safetensors keeps the header's entries in an order of its own, another one in every run.
    path.with_name(f".{path.name}.written").write_bytes(
        save(tensors, {"layers": json.dumps(header, sort_keys=True)})
    )
    path.with_name(f".{path.name}.written").replace(path)


def main() -> None:
    """Write one model's hidden states; an empty file where there are none to write."""
    args = entry.flags(
        __doc__, "--base", "--model", "--test", "--layers", "--costs", names=("--name",)
    )
    params = load(PARAMS)
    settings, compute = params["layers"], params["compute"]
    args.layers.parent.mkdir(parents=True, exist_ok=True)
    with spending(args.costs) as costs:
        if not settings["rows"]:
            args.layers.write_bytes(b"")
            told = "switched off (layers.rows is 0)"
        elif read_manifest(args.model)["kind"] == "transcript":
            args.layers.write_bytes(b"")
            told = "a transcript has no layers"
        else:
            rows = chosen(read_rows(args.test), settings, params["seed"]["data"])
            prepare(compute)
            tensors = look(args.name, args.base, args.model, rows, settings["which"], compute)
            identity = digest(read_manifest(args.base)["base"])
            header = {
                "model": args.name, "base": identity, "set": settings["set"],
                "rows": [row["id"] for row in rows], "groups": [row["group"] for row in rows],
            }  # fmt: skip
            write(args.layers, tensors, header)
            costs["prompts"] = len(rows)
            told = f"{len(rows)} prompts, {len(tensors['layers'])} layers"
    entry.say("layers", f"{args.name}: {told}")


if __name__ == "__main__":
    entry.run(main)
