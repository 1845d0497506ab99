"""How far layers moved: by hand, for the same model, for a rotated one, for models that differ."""

import csv
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from stages.core.errors import InputError
from stages.core.jsonl import read_json, write_json
from stages.drift.__main__ import main
from stages.drift.measures import alike, cka, cosine

N, LAYERS, WIDTH = 12, 3, 16
STREAM = np.random.default_rng(5)
STATES = STREAM.normal(size=(N, LAYERS, WIDTH))
ROTATION = np.linalg.qr(STREAM.normal(size=(WIDTH, WIDTH)))[0]


def test_cosine_by_hand():
    one = np.array([[1.0, 0.0], [1.0, 1.0], [3.0, 4.0]])
    other = np.array([[0.0, 2.0], [5.0, 5.0], [-4.0, 3.0]])
    np.testing.assert_allclose(cosine(one, other), [0, 1, 0], atol=1e-12)
    np.testing.assert_allclose(cosine(np.array([1.0, 0.0]), np.array([1.0, 1.0])), 0.5**0.5)
    assert cosine(np.zeros(2), np.ones(2)) == 0  # a state of nothing has no direction


def hsic(kernel: np.ndarray, other: np.ndarray) -> float:
    """Return HSIC_1 as Song et al. 2012 write it (equation 4): another way to the same number."""
    n, kernel, other = len(kernel), kernel.copy(), other.copy()
    np.fill_diagonal(kernel, 0)
    np.fill_diagonal(other, 0)
    ones = np.ones(n)
    whole = np.trace(kernel @ other)
    whole += (ones @ kernel @ ones) * (ones @ other @ ones) / (n - 1) / (n - 2)
    whole -= 2 / (n - 2) * (ones @ kernel @ other @ ones)
    return whole / n / (n - 3)


def test_cka_is_the_published_ratio_of_hsic():
    one, other = STATES[:, 0], STATES[:, 1] + STATES[:, 0]
    kernels = one @ one.T, other @ other.T
    scale = (hsic(kernels[0], kernels[0]) * hsic(kernels[1], kernels[1])) ** 0.5
    assert cka(one, other) == pytest.approx(hsic(*kernels) / scale, abs=1e-12)


def test_cka_by_hand():
    # Four prompts on a line: kernels x_i x_j, U-centred by hand. Off the diagonal the kernel of
    # (-3, -1, 1, 3) is (3, -3, -9, -1, -3, 3); its rows sum to -9, -1, -1, -9, all of it to -20.
    # less (r_i + r_j) / 2, plus -20 / 6: 14/3, -4/3, -10/3, -10/3, -4/3, 14/3.
    line = np.array([[-3.0], [-1.0], [1.0], [3.0]])
    # Crossed, (1, -1, 1, -1) gives -1, 1, -1, -1, 1, -1; rows of -1, all -4; less -1, plus -4 / 6:
    # -2/3, 4/3, -2/3, -2/3, 4/3, -2/3.
    crossed = np.array([[1.0], [-1.0], [1.0], [-1.0]])
    one = np.array([14, -4, -10, -10, -4, 14]) / 3
    other = np.array([-2, 4, -2, -2, 4, -2]) / 3
    expected = (one @ other) / ((one @ one) * (other @ other)) ** 0.5
    assert expected == pytest.approx(-(1 / 13**0.5), abs=1e-12)
    assert cka(line, crossed) == pytest.approx(expected, abs=1e-12)


def test_cka_sees_no_rotation_no_scale_and_no_shift():
    states = STATES[:, 0]
    assert cka(states, states) == pytest.approx(1, abs=1e-12)
    assert cka(states, 3 * states @ ROTATION) == pytest.approx(1, abs=1e-12)
    assert cka(states, states @ ROTATION + 2) == pytest.approx(1, abs=1e-9)
    assert abs(cosine(states, states @ ROTATION).mean()) < 0.5


def test_cka_of_few_prompts_is_about_zero_for_unrelated_models_where_the_plain_one_is_not():
    stream = np.random.default_rng(1)
    pairs = [(stream.normal(size=(10, 128)), stream.normal(size=(10, 128))) for _ in range(50)]

    def plain(one: np.ndarray, other: np.ndarray) -> float:
        one, other = one - one.mean(0), other - other.mean(0)
        kernels = one @ one.T, other @ other.T
        norms = [(kernel**2).sum() ** 0.5 for kernel in kernels]
        return (kernels[0] * kernels[1]).sum() / norms[0] / norms[1]

    assert np.mean([plain(*pair) for pair in pairs]) > 0.9
    assert abs(np.mean([cka(*pair) for pair in pairs])) < 0.1


def test_cka_is_none_where_it_cannot_be_told():
    assert cka(STATES[:3, 0], STATES[:3, 1]) is None
    assert cka(np.ones((6, 4)), STATES[:6, 0]) is None
    equal = np.repeat(STATES[:1, 0], 6, axis=0)
    assert [cka(equal * scale, STATES[:6, 0]) for scale in (1e-9, 1.0, 1e9)] == [None] * 3


def test_cka_is_the_same_at_any_scale_and_beside_a_massive_activation():
    one, other = STATES[:, 0], STATES[:, 1] + STATES[:, 0]
    expected = cka(one, other)
    assert [cka(one * scale, other / scale) for scale in (1e-9, 1e9)] == pytest.approx(
        [expected] * 2, abs=1e-9
    )
    massive = np.zeros(WIDTH)
    massive[3] = 1e6  # one coordinate that is the same for every prompt, as large models have
    assert cka(one + massive, other + massive) == pytest.approx(expected, abs=1e-6)


def test_alike_is_the_mean_over_all_pairs():
    states = np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]])
    values = alike(states)  # pairs: 0, 1/sqrt 2, 1/sqrt 2
    assert values.mean() == pytest.approx(2 / 3 * 0.5**0.5)
    # Jackknife: 3 times the mean over pairs, less 2 times the one pair that is left.
    whole = 2 / 3 * 0.5**0.5
    root = 0.5**0.5
    np.testing.assert_allclose(values, [3 * whole - 2 * root] * 2 + [3 * whole], atol=1e-12)
    np.testing.assert_allclose(alike(np.ones((5, 3))), 1)


def written(name: str, states: np.ndarray, **other: Any) -> None:
    """Write what the stage layers writes."""
    from safetensors.numpy import save

    tensors = {
        "mean": states, "last": states[:, :, ::-1].copy(), "layers": np.arange(states.shape[1]),
        "entropy": np.full((len(states), 2), 0.5) + np.linspace(0, 0.1, len(states))[:, None],
        "attentions": np.array([1, 2]),
    }  # fmt: skip
    rows = [f"r{at}" for at in range(len(states))]
    header = {"model": name, "base": "b", "set": "probes", "rows": rows, "groups": rows}
    tensors |= {key: value for key, value in other.items() if key in tensors}
    header |= {key: value for key, value in other.items() if key in header}
    tensors = {
        key: value.astype(np.float32) if value.dtype == np.float64 else value
        for key, value in tensors.items()
    }
    Path("layers").mkdir(exist_ok=True)
    Path(f"layers/{name}.safetensors").write_bytes(save(tensors, {"layers": json.dumps(header)}))


@pytest.fixture
def drift(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return a function that runs the stage and returns both files; base, 2b and 2c are there."""
    monkeypatch.chdir(tmp_path)
    params = {
        "layers": {"set": "probes", "rows": N, "which": "all"},
        "adapters": {"m2b": {"name": "2b", "on": "base"}, "m2c": {"name": "2c", "on": "2b"}},
        "models": {"base": {"name": "base"}, "m2b": {"name": "2b"}, "m2c": {"name": "2c"},
                   "chat": {"name": "chat"}},
        "transcripts": {"chat": {"name": "chat", "file": "chat.csv"}},
        "compare": {"confidence": 0.95, "resamples": 2000, "eps": 0.02},
    }  # fmt: skip
    for name in ("base", "2b", "2c"):
        written(name, STATES)
    Path("layers/chat.safetensors").write_bytes(b"")

    def run(**edits: Any) -> tuple[dict[str, Any], dict[tuple, dict[str, str]]]:
        write_json(Path("params.yaml"), params | edits)
        words = ["drift", "--layers", "layers", "--drift", "layers.json", "--plot", "layers.csv"]
        monkeypatch.setattr(sys, "argv", words)
        main()
        with Path("layers.csv").open(encoding="utf-8", newline="") as file:
            lines = list(csv.DictReader(file))
        keys = ("model", "against", "layer", "measure")
        found = {tuple(line[key] for key in keys): line for line in lines}
        assert len(found) == len(lines)
        return read_json(Path("layers.json")), found

    return run


def test_the_same_model_has_not_moved(drift: Any):
    whole, lines = drift()
    assert (whole["n"], whole["set"]) == (N, "probes")
    assert list(whole["drift"]) == ["2b", "2c"]
    assert {name: sorted(of) for name, of in whole["drift"].items()} == {
        "2b": ["base"],
        "2c": ["2b", "base"],
    }
    assert whole["drift"]["2c"]["base"] == {
        "cosine": {"first": 1.0, "last": 1.0, "least": 1.0, "at": 0, "last_token": 1.0},
        "cka": 1.0,
        "norm": 0.0,
        "entropy": 0.0,
    }
    # 3 models x (2 alike x 3 layers + 2 entropies) + 3 pairs x (6 measures x 3 layers + 2)
    assert len(lines) == 3 * 8 + 3 * 20
    line = lines["2c", "2b", "2", "cka_last"]
    assert (line["value"], line["low"], line["high"], line["n"]) == ("1.0", "", "", "12")


def test_a_rotated_model_has_other_states_and_the_same_cka(drift: Any):
    written("2b", STATES @ ROTATION)
    whole, lines = drift()
    pair = whole["drift"]["2b"]["base"]
    assert pair["cka"] == pytest.approx(1, abs=1e-4)
    assert pair["norm"] == pytest.approx(0, abs=1e-4)
    assert abs(pair["cosine"]["last"]) < 0.5
    assert pair["cosine"]["low"] < pair["cosine"]["last"] < pair["cosine"]["high"]
    by_layer = [float(lines["2b", "base", str(at), "cosine"]["value"]) for at in range(LAYERS)]
    assert pair["cosine"]["least"] == min(by_layer)
    assert pair["cosine"]["at"] == by_layer.index(min(by_layer))
    # What the prompts are to each other has not changed.
    assert whole["models"]["2b"]["alike"]["last"] == whole["models"]["base"]["alike"]["last"]


def test_a_longer_state_and_another_entropy_are_told(drift: Any):
    written("2b", STATES * np.array([1, 1.5, 0.5])[:, None], entropy=np.full((N, 2), 0.65))
    whole, lines = drift()
    norms = [lines["2b", "base", str(at), "norm"]["value"] for at in range(LAYERS)]
    assert norms == ["0.0", "0.5", "-0.5"]
    pair = whole["drift"]["2b"]["base"]
    assert pair["norm"] == -0.5
    assert pair["entropy"] == pytest.approx(0.65 - 0.55, abs=1e-4)
    assert whole["models"]["base"]["entropy"] == pytest.approx(0.55, abs=1e-4)


def test_few_prompts_have_no_cka_and_two_no_interval_of_alike(drift: Any):
    """Seed 000 looked at two prompts: how alike they are is one cosine."""
    for name in ("base", "2b", "2c"):
        written(name, STATES[:2])
    whole, lines = drift()
    assert "cka" not in whole["drift"]["2b"]["base"]
    line = lines["base", "", "0", "alike"]
    one, two = STATES[:2, 0].astype(np.float64)
    expected = one @ two / np.linalg.norm(one) / np.linalg.norm(two)
    assert float(line["value"]) == pytest.approx(expected, abs=1e-5)
    assert (line["low"], line["high"], line["n"]) == ("", "", "2")
    for name in ("base", "2b", "2c"):
        written(name, STATES[:1])
    whole, lines = drift()
    assert whole["models"]["base"].keys() == {"entropy"}
    assert {key[3] for key in lines} == {"cosine", "cosine_last", "norm", "norm_last", "entropy"}


def test_a_model_without_attention(drift: Any):
    nothing = {"entropy": np.zeros((N, 0)), "attentions": np.zeros(0, dtype=np.int64)}
    for name in ("base", "2b", "2c"):
        written(name, STATES, **nothing)
    whole, _ = drift()
    assert "entropy" not in whole["drift"]["2b"]["base"]
    assert whole["models"]["base"].keys() == {"alike"}


def test_switched_off_says_so_and_reads_nothing(drift: Any, capsys: pytest.CaptureFixture[str]):
    for file in Path("layers").iterdir():
        file.unlink()
    whole, lines = drift(layers={"set": "probes", "rows": 0, "which": "ends"})
    assert (whole, lines) == ({}, {})
    assert "switched off" in capsys.readouterr().out
    head = "model,against,layer,measure,value,low,high,n\n"
    assert Path("layers.csv").read_text(encoding="utf-8") == head


@pytest.mark.parametrize(
    ("other", "told"),
    [
        ({"base": "another"}, r"2c.safetensors: of another base than base\n.*\n.*two bases"),
        ({"rows": ["r"] * N}, r"2c.safetensors: of other prompts than base"),
        ({"mean": np.ones((N, LAYERS, 8))}, r"mean has the shape \(12, 3, 8\), that of base"),
    ],
)
def test_models_that_cannot_be_compared_are_named(drift: Any, other: dict, told: str):
    written("2c", STATES, **other)
    with pytest.raises(InputError, match=told):
        drift()
    assert not Path("layers.json").exists()


def test_a_file_that_is_missing_empty_or_none(drift: Any):
    Path("layers/2b.safetensors").write_bytes(b"")
    with pytest.raises(InputError, match=r"2b.safetensors: it is empty"):
        drift()
    Path("layers/2b.safetensors").write_bytes(b"nothing that can be read")
    with pytest.raises(InputError, match=r"2b.safetensors: not what the stage layers writes"):
        drift()
    written("2b", np.where(STATES > 2, np.nan, STATES))
    with pytest.raises(InputError, match=r"2b.safetensors: mean, last: not all are finite"):
        drift()
    Path("layers/2b.safetensors").unlink()
    with pytest.raises(InputError, match=r"2b.safetensors: there is no such file"):
        drift()


def test_two_runs_write_the_same_bytes(drift: Any):
    written("2c", STATES @ ROTATION)
    drift()
    first = [Path(file).read_bytes() for file in ("layers.json", "layers.csv")]
    drift()
    assert [Path(file).read_bytes() for file in ("layers.json", "layers.csv")] == first
