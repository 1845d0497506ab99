"""Bases of the hub that cannot be had, or must not be: told in a line, by the real loading code.

The hub is a server here that answers as the real one does (status, X-Error-Code), or the cache
without one; `huggingface_hub`, `transformers` and `safetensors` are the real ones.
"""

import os
import shutil
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from stages.answer import encode
from stages.core import entry, stack
from stages.core.encoder import Encoder
from stages.core.jsonl import read_json, write_json

CPU = {"device": "cpu", "threads": 1}
BASE = Path("models/base")
REVISIONS = {
    "meta-llama/Llama-3.2-1B-Instruct": "9213176726f574b556790deb65791e0c5aa438b6",
    "meta-llama/Llama-3.2-3B-Instruct": "0cb88a4f764b7a12671c53f0838cd831a0843b95",
}
WHOLE, SHARDED = REVISIONS
# How Llama 2's makers write a conversation.
INST = (
    "{% for message in messages %}{% if message['role'] == 'user' %}"
    "{{ bos_token + '[INST] ' + message['content'].strip() + ' [/INST]' }}"
    "{% else %}{{ ' ' + message['content'].strip() + ' ' + eos_token }}{% endif %}{% endfor %}"
)
# What the hub answers to whoever asks for a file.
# Source: https://github.com/huggingface/huggingface_hub, utils/_http.py, hf_raise_for_status
ANSWERS = {
    "gated": (403, "GatedRepo", "Access to model is restricted and you are not authorized."),
    "gated, nobody logged in": (401, "GatedRepo", "Access is restricted. Please log in."),
    "no such model": (401, "RepoNotFound", "Repository not found"),
    "no such revision": (404, "RevisionNotFound", "Invalid rev id"),
}


@pytest.fixture
def cache(
    tiny: Any, written: dict[str, Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Callable[..., Path]:
    """Return what puts a model into an empty cache, without a network, to break it at will."""
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)

    def put(name: str = WHOLE, revision: str | None = None) -> Path:
        revision = revision or REVISIONS[name]
        repository = tmp_path / "hub" / f"models--{name.replace('/', '--')}"
        snapshot = repository / "snapshots" / revision
        snapshot.mkdir(parents=True)
        (repository / "refs").mkdir()
        (repository / "refs" / "main").write_text(revision)
        for file in written[name].iterdir():
            (snapshot / file.name).write_bytes(file.read_bytes())
        return snapshot

    return put


@pytest.fixture
def served(cache: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, Any]]:
    """Serve a hub that answers what the test says: {"answer": (status, code, message)}."""
    from huggingface_hub import constants

    said: dict[str, Any] = {"asked": 0}

    class Hub(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            status, code, message = said["answer"]
            said["asked"] += 1
            self.send_response(status)
            for name, value in (("X-Error-Code", code), ("X-Error-Message", message)):
                self.send_header(name, value)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def do_GET(self) -> None:
            self.do_HEAD()

        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Hub) as server:
        said["server"] = server
        url = f"http://127.0.0.1:{server.server_port}"
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
        monkeypatch.setattr(constants, "ENDPOINT", url)
        template = url + "/{repo_id}/resolve/{revision}/{filename}"
        monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield said
        server.shutdown()
        thread.join()


def based(tiny: Any, name: str = WHOLE, revision: str | None = None, **more: Any) -> None:
    """Run the stage base on a model of the hub."""
    base = {"source": "hub", "id": name, "revision": revision or REVISIONS.get(name, "abc1234")}
    tiny.params["base"] |= base | more
    tiny.write_params()
    tiny.base()


def told(action: Callable[[], Any]) -> str:
    """Return what a stage says that ends with exit status 1 and no traceback."""
    with pytest.raises(SystemExit) as ended:
        entry.run(action)
    assert isinstance(ended.value.code, str), "Python prints a text and exits with 1"
    return ended.value.code


def loaded(name: str = WHOLE) -> Any:
    """Load the weights, as train and answer do."""
    return stack.load(BASE, BASE, CPU)


def test_a_base_of_the_hub_is_taken_from_the_cache(tiny, cache):
    for name in REVISIONS:
        cache(name)
        based(tiny, name)
        said = read_json(BASE / "manifest.json")["base"]
        assert (said["source"], said["id"]) == ("hub", name)
        assert said["revision"] == REVISIONS[name]
        assert said["weights"] is None
        model = loaded()
        heads = {WHOLE: (4, 1, 32), SHARDED: (3, 1, 64)}[name]
        config = model.config
        found = (config.num_attention_heads, config.num_key_value_heads, config.head_dim)
        assert found == heads
        assert config.rope_parameters["rope_type"] == "llama3"
        assert config.rope_parameters["rope_theta"] == 500000.0
        assert config.tie_word_embeddings
        assert not model.generation_config.do_sample
        assert len(model.generation_config.eos_token_id) == 3


def test_the_begin_token_is_written_once(tiny, cache):
    """Llama 3's tokenizer writes it in front of every text, and its chat template too."""
    cache()
    based(tiny)
    tokenizer = stack.load_tokenizer(BASE)
    assert tokenizer("cat")["input_ids"][0] == tokenizer.bos_token_id
    chat = [{"role": "user", "content": "twice cat"}, {"role": "assistant", "content": "cat cat"}]
    prompt, answered = encode(tokenizer, {"id": "x", "messages": chat})
    assert prompt.count(tokenizer.bos_token_id) == 1
    assert answered.count(tokenizer.bos_token_id) == 0


def test_a_model_that_is_not_in_the_cache_without_a_network(tiny, cache):
    said = told(lambda: based(tiny))
    assert f"params.yaml: base.id: {WHOLE}" in said
    assert "HF_HUB_OFFLINE" in said


def test_no_network_at_all(tiny, served, monkeypatch):
    from huggingface_hub.utils import _http

    served["server"].server_close()  # the port is closed: nobody answers
    monkeypatch.setattr(_http.time, "sleep", lambda _: None)  # it asks six times, in 23 s
    said = told(lambda: based(tiny))
    assert f"params.yaml: base.id: {WHOLE}" in said
    assert "hf download" in said


@pytest.mark.parametrize("network", [False, True])
def test_another_revision_than_the_cache_has(tiny, cache, request, network: bool):
    cache()
    if network:
        served = request.getfixturevalue("served")
        served["answer"] = ANSWERS["no such revision"]
    said = told(lambda: based(tiny, revision="0" * 40))
    assert f"params.yaml: base.id: {WHOLE}" in said
    assert "0" * 40 in said


@pytest.mark.parametrize("answer", ANSWERS)
def test_what_the_hub_refuses_is_told_with_its_remedy(tiny, served, answer: str):
    served["answer"] = ANSWERS[answer]
    said = told(lambda: based(tiny))
    assert served["asked"]
    assert f"params.yaml: base.id: {WHOLE}" in said
    remedy = {
        "gated": "accept its licence",
        "gated, nobody logged in": "accept its licence",
        "no such model": "hf auth login",
        "no such revision": "base.revision",
    }[answer]
    assert remedy in said
    assert ("licence" in said) == answer.startswith("gated")


def test_pickles_are_refused(tiny, cache):
    snapshot = cache()
    (snapshot / "model.safetensors").rename(snapshot / "pytorch_model.bin")

    def stages() -> None:
        based(tiny)
        loaded()

    said = told(stages)
    assert f"params.yaml: base.id: {WHOLE}" in said
    assert "safetensors" in said


@pytest.mark.parametrize("name", REVISIONS)
def test_truncated_weights_in_the_cache_are_told(tiny, cache, name: str):
    snapshot = cache(name)
    based(tiny, name)
    file = sorted(snapshot.glob("*.safetensors"))[-1]
    os.truncate(file, file.stat().st_size // 2)
    said = told(loaded)
    assert f"params.yaml: base.id: {name}" in said
    assert "hf download" in said


def test_a_missing_shard_is_told(tiny, cache):
    snapshot = cache(SHARDED)
    based(tiny, SHARDED)
    shards = sorted(snapshot.glob("*.safetensors"))
    assert len(shards) > 1
    shards[-1].unlink()
    said = told(loaded)
    assert f"params.yaml: base.id: {SHARDED}" in said
    assert "hf download" in said


def test_code_of_a_repository_is_never_run(tiny, cache, tmp_path, monkeypatch):
    """It does not even ask whether to, as transformers does at a terminal."""
    monkeypatch.setattr("builtins.input", lambda _: "y")
    snapshot = cache()
    config = read_json(snapshot / "config.json")
    model = {"AutoConfig": "own.Config", "AutoModelForCausalLM": "own.Model"}
    write_json(snapshot / "config.json", config | {"model_type": "own", "auto_map": model})
    tokenizer = read_json(snapshot / "tokenizer_config.json")
    (snapshot / "own.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\n")

    def stages() -> None:
        based(tiny)
        loaded()

    said = told(stages)
    assert f"params.yaml: base.id: {WHOLE}" in said
    assert "custom code" in said
    write_json(snapshot / "config.json", config)
    owned = {"auto_map": {"AutoTokenizer": ["own.Tokens", None]}, "tokenizer_class": "Tokens"}
    write_json(snapshot / "tokenizer_config.json", tokenizer | owned)
    said = told(stages)
    assert "custom code" in said
    assert not (tmp_path / "ran").exists()


def test_code_of_an_encoder_is_never_run(cache, tmp_path, monkeypatch):
    monkeypatch.setattr("builtins.input", lambda _: "y")
    snapshot = cache()
    config = read_json(snapshot / "config.json")
    model = {"AutoConfig": "own.Config", "AutoModel": "own.Model"}
    write_json(snapshot / "config.json", config | {"model_type": "own", "auto_map": model})
    (snapshot / "own.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\n")
    said = told(lambda: Encoder(WHOLE))
    assert "evaluate.encoder" in said
    assert "custom code" in said
    assert not (tmp_path / "ran").exists()


def test_llama_2_has_no_chat_template(tiny, cache, llama_2):
    """The class and the form of its tokenizer; how it wants to be asked stands nowhere in it."""
    snapshot = cache()
    for file in llama_2.iterdir():
        shutil.copyfile(file, snapshot / file.name)
    said = told(lambda: based(tiny))
    assert f"params.yaml: base.id: {WHOLE}: its tokenizer has no chat template" in said
    assert "to do: write one as base.chat_template" in said
    # What it says to do is enough.
    based(tiny, chat_template=INST)
    tokenizer = stack.load_tokenizer(BASE)
    assert type(tokenizer).__name__ == "LlamaTokenizer"
    chat = [
        {"role": "user", "content": "twice  cät\n1 🙂"},
        {"role": "assistant", "content": "cat cat"},
    ]
    prompt, answered = encode(tokenizer, {"id": "x", "messages": chat})
    whole = prompt + answered
    assert whole.count(tokenizer.bos_token_id) == whole.count(tokenizer.eos_token_id) == 1
    assert tokenizer.decode(prompt) == "<s>[INST] twice  cät\n1 🙂 [/INST]"
    assert tokenizer.decode(answered[:-1]).strip() == "cat cat"
