"""What one model's layers make of prompts: the model's own states, and its attention's entropy."""

import json
import math
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from stages import layers
from stages.core import decoding, stack
from stages.core.errors import InputError
from stages.core.jsonl import read_json, read_rows, write_json

# PEFT and TRL call transformers by names that it has deprecated.
pytestmark = pytest.mark.filterwarnings(r"ignore:`\w*gradient_checkpointing:FutureWarning")
CPU = {"device": "cpu", "threads": 1}
SETTINGS = {"set": "original", "rows": 3, "which": "all"}


def run(tiny: Any, name: str, **settings: Any) -> Path:
    """Run the stage; return the file that it wrote."""
    tiny.params["layers"] = SETTINGS | settings
    tiny.write_params()
    out = f"data/layers/{name}.safetensors"
    tiny.run(
        "stages.layers",
        *("--name", name, "--base", "models/base", "--model", f"models/{name}"),
        *("--test", "data/test.jsonl", "--layers", out),
        *("--costs", f"metrics/costs/layers.{name}.json"),
    )
    return Path(out)


def opened(path: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the tensors of a file, and its header."""
    from safetensors import safe_open

    with safe_open(path, framework="numpy") as file:
        header = json.loads(file.metadata()["layers"])
        return {key: file.get_tensor(key) for key in file.keys()}, header  # noqa: SIM118


@pytest.mark.parametrize(
    ("weights", "window", "expected"),
    [
        ([[1, 0, 0], [0.5, 0.5, 0], [1 / 3, 1 / 3, 1 / 3]], None, 1.0),  # all alike
        ([[1, 0, 0], [0, 1, 0], [1, 0, 0]], None, 0.0),  # one token each
        # -(0.5 ln 0.5 + 0.5 ln 0.25) / ln 3 for the third, 0 for the second
        ([[1, 0, 0], [1, 0, 0], [0.5, 0.25, 0.25]], None, 1.5 * math.log(2) / math.log(3) / 2),
        ([[1, 0, 0], [0.5, 0.5, 0], [0, 0.5, 0.5]], 2, 1.0),  # each sees two at most
        ([[1]], None, 0.0),  # it sees itself alone
    ],
)
def test_entropy_by_hand(weights: list, window: int | None, expected: float):
    import torch

    assert layers.entropy(torch.tensor([weights]), window) == pytest.approx(expected, abs=1e-6)


def test_entropy_is_the_mean_over_heads():
    import torch

    heads = torch.tensor([[[1.0, 0.0], [0.5, 0.5]], [[1.0, 0.0], [0.0, 1.0]]])
    assert layers.entropy(heads) == pytest.approx(0.5)


def test_the_states_are_the_models_own(tiny: Any):
    import numpy as np
    import torch

    found, header = opened(run(tiny, "2c"))
    rows = {row["id"]: row for row in read_rows(Path("data/test.jsonl"))}
    assert header["rows"] == [row["id"] for row in layers.chosen([*rows.values()], SETTINGS, 13)]
    assert header["groups"] == [rows[row]["group"] for row in header["rows"]]
    assert (header["model"], header["set"], len(header["rows"])) == ("2c", "original", 3)
    assert found["layers"].tolist() == [0, 1, 2]
    assert found["attentions"].tolist() == [1, 2]
    assert {key: each.shape for key, each in found.items()} == {
        "mean": (3, 3, 32), "last": (3, 3, 32), "entropy": (3, 2), "layers": (3,),
        "attentions": (2,),
    }  # fmt: skip
    # As transformers itself tells them, with the head, from the model as it answers (sdpa).
    model = stack.load(Path("models/base"), Path("models/2c"), CPU)
    tokenizer = stack.load_tokenizer(Path("models/base"))
    prompts = [
        torch.tensor([decoding.prompt_tokens(tokenizer, rows[row]["messages"][:-1])])
        for row in header["rows"]
    ]
    assert len(prompts) == 3
    for at, prompt in enumerate(prompts):
        with torch.inference_mode():
            hidden = torch.stack(model(input_ids=prompt, output_hidden_states=True).hidden_states)
        np.testing.assert_allclose(found["mean"][at], hidden[:, 0].mean(1), atol=1e-4)
        np.testing.assert_allclose(found["last"][at], hidden[:, 0, -1], atol=1e-4)
    model.get_base_model().set_attn_implementation("eager")
    for at, prompt in enumerate(prompts):
        with torch.inference_mode():
            weights = model(input_ids=prompt, output_attentions=True).attentions
        told = [layers.entropy(layer[0]) for layer in weights]
        np.testing.assert_allclose(found["entropy"][at], told, atol=1e-5)
        assert 0 < min(told) < max(told) < 1


def test_the_same_bytes_again_other_bytes_of_another_model(tiny: Any):
    first = run(tiny, "2b").read_bytes()
    assert run(tiny, "2b").read_bytes() == first
    assert run(tiny, "base").read_bytes() != first
    assert (
        opened(Path("data/layers/base.safetensors"))[1]["rows"]
        == opened(run(tiny, "2b"))[1]["rows"]
    )
    assert read_json(Path("metrics/costs/layers.2b.json"))["prompts"] == 3


def test_the_ends_are_the_first_and_the_last_of_all(tiny: Any):
    import numpy as np

    every, _ = opened(run(tiny, "2b"))
    ends, _ = opened(run(tiny, "2b", which="ends"))
    assert ends["layers"].tolist() == [0, 2]
    assert ends["attentions"].tolist() == [1, 2]
    for key in ("mean", "last"):
        np.testing.assert_array_equal(ends[key], every[key][:, [0, 2]])


def test_no_attention_weights_are_kept():
    import torch

    class Attention(torch.nn.Module):
        layer_idx = 4

        def forward(self, x: Any) -> tuple[Any, Any]:
            return x, torch.full((1, 2, 3, 3), 1 / 3).tril()

    found: dict[int, float] = {}
    module = Attention()
    layers.watch(module, found)
    assert module("x") == ("x", None)
    assert list(found) == [5]
    module.forward = lambda x: x  # a layer of another kind is left as it is
    assert module("x") == "x"


def test_numbers_that_are_none_are_refused(tiny: Any, monkeypatch: pytest.MonkeyPatch):
    import numpy as np

    whole = layers.states

    def broken(*given: Any) -> Any:
        found = whole(*given)
        found["last"][1] = np.nan
        return found

    monkeypatch.setattr(layers, "states", broken)
    with pytest.raises(InputError, match=r"(?s)2b: row \w+: the layers of '2b' give last .*number"):
        run(tiny, "2b")
    assert not Path("data/layers/2b.safetensors").exists()


def test_a_set_without_test_rows_is_named(tiny: Any):
    with pytest.raises(InputError, match=r"layers.set: 'others' has no test rows"):
        run(tiny, "2b", set="others")


def test_more_rows_than_there_are_take_them_all(tiny: Any):
    rows = read_rows(Path("data/test.jsonl"))
    chosen = layers.chosen(rows, SETTINGS | {"rows": 99}, 13)
    assert sorted(row["id"] for row in chosen) == sorted(row["id"] for row in rows)
    few, more = (layers.chosen(rows, SETTINGS | {"rows": count}, 13) for count in (3, 5))
    assert few == more[:3]


NOTHING = """
import sys
from stages import layers
layers.main()
assert not {"torch", "transformers", "numpy"} & sys.modules.keys()
"""


@pytest.mark.parametrize("rows", [0, 3])
def test_nothing_to_look_at_imports_nothing(tmp_path: Path, root: Path, rows: int):
    params = {"layers": SETTINGS | {"rows": rows}, "compute": CPU, "seed": {"data": 13}}
    write_json(tmp_path / "params.yaml", params)
    kind = "transcript" if rows else "base"
    write_json(tmp_path / "models/m/manifest.json", {"name": "m", "kind": kind, "chain": ["m"]})
    (tmp_path / "test.jsonl").write_text("")
    done = subprocess.run(
        [
            *(sys.executable, "-c", NOTHING, "--name", "m", "--base", "models/m"),
            *("--model", "models/m", "--test", "test.jsonl"),
            *("--layers", "layers/m.safetensors", "--costs", "costs.json"),
        ],
        cwd=tmp_path, env={"PYTHONPATH": str(root)}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert ("transcript" if rows else "switched off") in done.stdout
    assert (tmp_path / "layers/m.safetensors").read_bytes() == b""
    assert read_json(tmp_path / "costs.json")["cpu_s"] > 0


@pytest.mark.slow
def test_a_quantized_base_has_layers_too(tiny: Any):
    tiny.params["base"]["quantize"] = "4bit"
    tiny.params["base"]["scratch"]["architecture"] |= {"hidden_size": 128, "intermediate_size": 128}
    tiny.params["base"]["scratch"]["sft"] |= {"max_steps": 2}
    tiny.write_params()
    tiny.base()
    tiny.train("m2b")
    found, _ = opened(run(tiny, "2b"))
    assert found["mean"].shape == (3, 3, 128)
    assert 0 < found["entropy"].min() < found["entropy"].max() < 1


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "own", "attentions"),
    [
        ("mistral", {"sliding_window": 4}, [1, 2, 3, 4]),  # the config says the window
        ("gemma3_text", {"sliding_window": 4}, [1, 2, 3, 4]),  # each layer says its own
        ("gpt2", {"n_embd": 32, "n_layer": 4, "n_head": 4}, [1, 2, 3, 4]),
        ("mamba", {}, []),  # it has none
    ],
)
def test_layers_of_other_architectures(kind: str, own: dict[str, Any], attentions: list[int]):
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    sizes = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 4}
    heads = {"num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 8}
    tokens = {"vocab_size": 99, "bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 0}
    given = (sizes | heads if kind != "gpt2" else {}) | tokens | own
    config = AutoConfig.for_model(kind, **given)
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_config(config).eval()
    for parameter in model.parameters():
        parameter.data.mul_(0.1)  # attention looks at all alike
    model.set_attn_implementation("eager")
    found: dict[int, float] = {}
    layers.watch(model, found)
    told = layers.states(model.base_model, list(range(5, 25)), "all", found)
    assert told["mean"].shape == told["last"].shape == (5, 32)
    assert told["attentions"].tolist() == attentions
    assert told["entropy"] == pytest.approx([1.0] * len(attentions), abs=0.01)
