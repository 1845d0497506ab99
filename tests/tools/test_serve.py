"""`tunegraph serve`: the server it starts is the model that was evaluated, and ends with it."""

import json
import os
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from stages.core.errors import ConfigError, Fault, InputError
from stages.core.jsonl import read_json, write_json, write_rows
from tools import serve, servers
from tools.servers import Server

START_S, END_S = 120, 20
ROW = {"messages": [{"role": "user", "content": "it's"}, {"role": "assistant", "content": "no"}]}
BASE = {"source": "scratch", "id": None, "revision": None, "dtype": "float32", "quantize": "none"}
# It says where it listens, answers /health, writes what it was given, and moves the terminal.
FAKE = """#!{python}
import http.server, json, os, sys
words = sys.argv[1:]
kept = {{key: os.environ.get(key) for key in ("DO_NOT_TRACK", "HF_HUB_OFFLINE")}}
with open("given.json", "w") as file:
    json.dump([words, kept], file)
print("\\x1b[2Jloading", flush=True)
if os.path.exists("die"):
    print("no room on the \\x1b[31mGPU", flush=True)
    sys.exit(7)
class Answer(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
port = int(words[words.index("--port") + 1])
http.server.HTTPServer(("127.0.0.1", port), Answer).serve_forever()
"""


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a project with manifests of a base and of 2c on it; there are no weights."""
    monkeypatch.chdir(tmp_path)
    Path("dvc.yaml").write_text("stages: {}\n", encoding="utf-8")
    params = {
        "recipe": "tiny",
        "compute": {"device": "cpu", "threads": 1},
        "answer": {"max_new_tokens": 12},
        "adapters": {"m2c": {"name": "2c"}, "m2d": {"name": "2d"}},
        "transcripts": {"chat": {"name": "chat"}},
    }
    write_json(Path("params.yaml"), params)
    base = {"name": "base", "kind": "base", "on": None, "chain": ["base"], "base": BASE}
    write_json(Path("models/base/manifest.json"), base)
    write_2c()
    write_rows(Path("data/test.jsonl"), [ROW])
    return tmp_path


def write_2c(base: dict[str, Any] | None = None, lora: dict[str, Any] | None = None) -> None:
    told = {"name": "2c", "kind": "adapter", "on": "base", "chain": ["base", "2c"]}
    manifest = told | {"base": BASE | (base or {}), "portable": "self"}
    write_json(Path("models/2c/manifest.json"), manifest)
    config = {"r": 24, "bias": "none", "rank_pattern": {}, "use_dora": False} | (lora or {})
    write_json(Path("models/2c/adapter_config.json"), config)


def fake(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Put a `vllm` in front of all others on PATH."""
    program = folder / "bin" / "vllm"
    program.parent.mkdir()
    program.write_text(FAKE.format(python=sys.executable), encoding="utf-8")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")


class Run:
    """`tunegraph serve ...` in a process of its own, in the working directory."""

    def __init__(self, *words: str) -> None:
        run = f"import sys; sys.argv = {['tunegraph', 'serve', *words]!r}; "
        self.process = subprocess.Popen(
            [sys.executable, "-c", run + "from tools.cli import main; main()"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def line(self) -> str:
        """Return the line that says where it is; what comes before it is passed over."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if " at http://" in line:
                return line
        pytest.fail(self.process.stderr.read() if self.process.stderr else "")

    def end(self, how: signal.Signals) -> tuple[int, str, str]:
        self.process.send_signal(how)
        out, err = self.process.communicate(timeout=END_S)
        return self.process.returncode, out, err

    def drop(self) -> None:
        if self.process.poll() is None:
            self.process.terminate()
            self.process.wait(END_S)
        for stream in (self.process.stdout, self.process.stderr):
            assert stream is not None
            stream.close()


@pytest.fixture
def run():
    """Start `tunegraph serve`, ended at the end whatever happens."""
    made: list[Run] = []

    def start(*words: str) -> Run:
        made.append(Run(*words))
        return made[-1]

    yield start
    for each in made:
        each.drop()


def listens(port: int) -> bool:
    with socket.socket() as to:
        return to.connect_ex(("127.0.0.1", port)) == 0


def test_vllm_is_given_the_adapter_on_its_base(folder: Path, monkeypatch: pytest.MonkeyPatch):
    fake(folder, monkeypatch)
    words = (
        "vllm serve models/base --tokenizer models/base --served-model-name base --dtype float32"
    )
    lora = " --enable-lora --max-lora-rank 32 --lora-modules 2c=models/2c"
    rest = """ --override-generation-config '{"temperature": 0.0}' --host 127.0.0.1 --port 8000"""
    made = servers.vllm("2c", "127.0.0.1", 8000)
    assert shlex.join(made.command) == words + lora + rest
    assert made.environment["HF_HUB_OFFLINE"] == "1"
    assert shlex.join(servers.vllm("base", "127.0.0.1", 8000).command) == words + rest
    hub = {"source": "hub", "id": "some/base", "revision": "0123", "quantize": "4bit"}
    write_2c(hub | {"dtype": "bfloat16"}, {"r": 32})
    made = servers.vllm("2c", "127.0.0.1", 8000)
    words = "vllm serve some/base --revision 0123 --tokenizer models/base --served-model-name base"
    words += " --dtype bfloat16 --quantization bitsandbytes"
    assert shlex.join(made.command) == words + lora + rest
    assert "HF_HUB_OFFLINE" not in made.environment  # the base may have to be downloaded


def test_without_vllm_the_command_is_told(folder: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("PATH", "")
    told = (
        r"vllm: there is no such command(?s:.*)pip install vllm, in an environment of its own; "
        r"then, here: VLLM_NO_USAGE_STATS=1 DO_NOT_TRACK=1 HF_HUB_OFFLINE=1 vllm serve models/base"
    )
    with pytest.raises(ConfigError, match=told):
        servers.vllm("2c", "127.0.0.1", 8000)


@pytest.mark.parametrize(
    ("lora", "told"),
    [
        ({"rank_pattern": {"q_proj": 4}}, "rank_pattern"),
        ({"use_dora": True, "bias": "all"}, "use_dora, bias"),
        ({"r": 513}, r"r=513 \(above 512\)"),
    ],
)
def test_what_vllm_would_serve_otherwise_is_refused(folder: Path, lora: dict[str, Any], told: str):
    write_2c(lora=lora)
    told = rf"models/2c: vLLM would not serve it as it was trained: {told}\n(?s:.*)serve 2c, by tr"
    with pytest.raises(ConfigError, match=told):
        servers.vllm("2c", "127.0.0.1", 8000)


def test_a_chain_without_a_sum_or_in_eight_bits_is_refused_for_vllm(folder: Path):
    manifest = read_json(Path("models/2c/manifest.json"))
    none = {"portable": "none", "portable_reason": "no exact sum for 2b: use_dora=True"}
    write_json(Path("models/2c/manifest.json"), manifest | none)
    with pytest.raises(ConfigError, match="it is no one adapter: no exact sum for 2b"):
        servers.vllm("2c", "127.0.0.1", 8000)
    write_2c({"quantize": "8bit"})
    with pytest.raises(ConfigError, match=r"4 bits only\n(?s:.*)to do: tunegraph serve 2c, by tr"):
        servers.vllm("2c", "127.0.0.1", 8000)
    base = read_json(Path("models/base/manifest.json"))
    write_json(Path("models/base/manifest.json"), base | {"base": BASE | {"adapter": {"id": "x"}}})
    with pytest.raises(ConfigError, match="an adapter is merged into it"):
        servers.vllm("base", "127.0.0.1", 8000)


FAULTS = {
    "2d": "models/2d: not built yet",
    "chat": "'chat' is a transcript: answers without a model",
    "2e": "there is no model '2e'",
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_model_that_cannot_be_served_is_told(folder: Path, name: str):
    with pytest.raises((ConfigError, InputError), match=FAULTS[name]):
        serve.main(name, "127.0.0.1", free_port(), "transformers")


@pytest.mark.parametrize(
    ("host", "port", "told"),
    [
        ("127.0.0.1", 0, "no port is numbered so"),
        ("127.0.0.1", 65536, "no port is numbered so"),
        ("192.0.2.1", 8000, "annot assign requested address"),
    ],
)
def test_an_address_that_is_none_is_told(folder: Path, host: str, port: int, told: str):
    with pytest.raises(
        ConfigError, match=rf"--host {host} --port {port}: nothing can .*: .*{told}"
    ):
        serve.main("2c", host, port, "transformers")


def test_a_port_that_is_taken_is_told_before_anything_is_computed(
    folder: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(servers, "transformers", lambda *_: pytest.fail("too late"))
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        told = rf"--port {port}: nothing can listen there: Address already in use(?s:.*)--port \d+$"
        with pytest.raises(ConfigError, match=told):
            serve.main("2c", "127.0.0.1", port, "transformers")


def test_a_missing_extra_is_told(folder: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(servers, "find_spec", lambda name: None if name == "fastapi" else object())
    with pytest.raises(
        ConfigError, match=r"fastapi: not installed(?s:.*)pip install -e '.\[serve\]'"
    ):
        serve.main("2c", "127.0.0.1", free_port(), "transformers")


def write_export(place: Path, **changes: Any) -> None:
    manifest = read_json(Path("models/2c/manifest.json"))
    write_json(place / "export.json", {"format": "merged", "manifest": manifest} | changes)
    for name in ("config.json", "model.safetensors"):
        write_json(place / name, {})
    write_json(place / "generation_config.json", {"eos_token_id": [2, 3], "temperature": 0.6})


def test_an_export_of_the_present_model_is_used(folder: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(servers, "subprocess", None)
    for place in (servers.OWN / "2c", servers.EXPORTS / "2c"):
        write_export(place)
        assert servers.merged("2c") == place
    (servers.EXPORTS / "2c" / "model.safetensors").unlink()
    assert servers.merged("2c") == servers.OWN / "2c"


@pytest.mark.parametrize(
    ("changes", "place"),
    [
        (None, servers.EXPORTS),
        ({"manifest": {"name": "2c"}}, servers.OWN),
        ({"format": "stack"}, servers.OWN),
    ],
)
def test_another_export_is_left_as_it_is(
    folder: Path,
    changes: dict[str, Any] | None,
    place: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
):
    if changes:
        write_export(servers.EXPORTS / "2c", **changes)
    seen: list[list[str]] = []
    done = subprocess.CompletedProcess([], 0)
    monkeypatch.setattr(servers.subprocess, "run", lambda words: seen.append(words) or done)
    assert servers.merged("2c") == place / "2c"
    assert f"'export', '2c', '--out', '{place / '2c'}', '--force'" in seen[0][-1]
    said = "exports/2c is not of the present 2c; " if changes else ""
    assert f"serve: {said}writing the merged model to {place / '2c'}" in capsys.readouterr().out
    done.returncode = 1
    with pytest.raises(SystemExit, match="1"):
        servers.merged("2c")


def test_the_model_has_its_name_and_is_greedy_unless_asked(folder: Path):
    from huggingface_hub import scan_cache_dir

    write_export(place := servers.EXPORTS / "2c")
    servers.as_hub_cache(place, "2c", "ab" * 32, folder / "hub")
    found = scan_cache_dir(folder / "hub")
    assert not found.warnings
    (repository,) = found.repos
    revision = repository.refs["main"]
    assert (repository.repo_id, revision.commit_hash) == ("2c", "ab" * 20)
    files = {file.file_name: file.file_path for file in revision.files}
    assert files.keys() == {"config.json", "model.safetensors", "generation_config.json"}
    assert read_json(files["generation_config.json"]) == {
        "do_sample": True,
        "eos_token_id": [2, 3],
        "temperature": 1e-6,
        "top_k": 0,
        "top_p": 1.0,
    }
    assert read_json(place / "generation_config.json")["temperature"] == 0.6
    assert [servers.short(name) for name in ("2c", "a--b-", "a_b-c")] == ["2c", "a-b", "a_b-c"]


def test_the_example_is_a_prompt_of_the_test_rows(folder: Path):
    params = read_json(Path("params.yaml"))
    server = Server("vllm serve", "2c", [], {}, folder)

    def body() -> dict[str, Any]:
        words = shlex.split(serve.example(server, "http://127.0.0.1:8000", params))
        assert words[:3] == ["curl", "-s", "http://127.0.0.1:8000/v1/chat/completions"]
        return json.loads(words[-1])

    asked = {"model": "2c", "max_tokens": 12, "temperature": 0}
    assert body() == asked | {"messages": ROW["messages"][:1]}
    system = {"role": "system", "content": "Say \u202e \x1b[2J"}
    write_rows(Path("data/test.jsonl"), [{"messages": [system, *ROW["messages"]]}])
    assert body()["messages"] == [system, ROW["messages"][0]]
    assert serve.example(server, "http://127.0.0.1:8000", params).isascii()
    long = {"role": "user", "content": "x" * serve.SHORT}
    write_rows(Path("data/test.jsonl"), [{"messages": [long, ROW["messages"][1]]}])
    assert body()["messages"] == [{"role": "user", "content": "Hello"}]
    Path("data/test.jsonl").unlink()
    assert body()["messages"] == [{"role": "user", "content": "Hello"}]


def test_addresses_are_those_of_this_machine():
    assert serve.url("0.0.0.0", 80) == "http://127.0.0.1:80"
    assert serve.url("::1", 80) == "http://[::1]:80"


@pytest.mark.parametrize(("how", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 0)])
def test_a_server_ends_with_the_command(
    folder: Path, monkeypatch: pytest.MonkeyPatch, run: Any, how: signal.Signals, code: int
):
    fake(folder, monkeypatch)
    port = free_port()
    serving = run("2c", "--engine", "vllm", "--port", str(port))
    assert serving.line().startswith(f"serve: 2c at http://127.0.0.1:{port}/v1 ")
    assert listens(port)
    returned, out, err = serving.end(how)
    assert (returned, out) == (code, "")
    assert err.splitlines()[0] == "\u241b[2Jloading"
    assert "\x1b" not in err
    assert "Traceback" not in err
    assert not listens(port)
    words, environment = read_json(folder / "given.json")
    assert words[words.index("--lora-modules") + 1] == "2c=models/2c"
    assert environment == {"DO_NOT_TRACK": "1", "HF_HUB_OFFLINE": "1"}


@pytest.mark.skipif(sys.platform != "linux", reason="PR_SET_PDEATHSIG")
def test_a_server_ends_with_a_command_that_is_killed(
    folder: Path, monkeypatch: pytest.MonkeyPatch, run: Any
):
    fake(folder, monkeypatch)
    monkeypatch.setenv("TMPDIR", str(folder))  # what it could not remove
    port = free_port()
    serving = run("2c", "--engine", "vllm", "--port", str(port))
    serving.line()
    assert listens(port)
    serving.end(signal.SIGKILL)
    until = time.monotonic() + END_S
    while listens(port):
        assert time.monotonic() < until
        time.sleep(0.05)


def test_a_server_that_ends_by_itself_is_told(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
):
    fake(folder, monkeypatch)
    Path("die").touch()
    told = r"vllm serve: it ended by itself, with exit code 7; its last words: .* \| no room on the"
    with pytest.raises(InputError, match=told) as raised:
        serve.main("2c", "127.0.0.1", free_port(), "vllm")
    assert "\x1b" not in str(raised.value)
    assert capfd.readouterr().out == ""
    assert isinstance(raised.value.faults[0], Fault)


@pytest.fixture
def project(tiny: Any) -> Any:
    """Return the tiny stack with the parts of params.yaml that `tunegraph export` wants."""
    tiny.params |= {
        "recipe": "tiny",
        "models": {"base": {"name": "base"}, "m2c": {"name": "2c"}},
        "sources": {"skills": {"kind": "skills"}},
        "prompt": {"source": "seeds"},
        "sets": {"own": {"from": "rows"}, "original": {"from": "skills"}},
        "evaluate": {"sections": {}},
    }
    for adapter in tiny.params["adapters"].values():
        adapter["mix"] = {"own": 1.0}
    tiny.write_params()
    Path("dvc.yaml").write_text("stages: {}\n", encoding="utf-8")
    return tiny


def greedy(export: Path, prompt: str, limit: int) -> str:
    """Return what transformers alone answers, the likeliest token each time."""
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(export)
    model = AutoModelForCausalLM.from_pretrained(export)
    messages = [{"role": "user", "content": prompt}]
    given = tokenizer.apply_chat_template(
        messages, add_generation_prompt=True, return_tensors="pt", return_dict=True
    )
    made = model.generate(**given, max_new_tokens=limit, do_sample=False)
    return tokenizer.decode(made[0, given["input_ids"].shape[1] :], skip_special_tokens=True)


@pytest.mark.slow
@pytest.mark.serve
# PEFT and TRL call transformers by names that it has deprecated.
@pytest.mark.filterwarnings(r"ignore:`\w*gradient_checkpointing:FutureWarning")
def test_programs_use_what_was_built(
    project: Any, run: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    from openai import BadRequestError, OpenAI

    for name in list(os.environ):
        if "proxy" in name.lower():
            monkeypatch.delenv(name)
    monkeypatch.setenv("HF_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    port = free_port()
    began = time.monotonic()
    serving = run("2c", "--port", str(port))
    line = serving.line()
    assert time.monotonic() - began < START_S
    assert str(tmp_path) not in line
    words = shlex.split(line.split("for example: ")[1])
    prompt = json.loads(words[-1])["messages"][-1]["content"]
    expected = greedy(Path("exports/2c"), prompt, 8)
    assert expected
    with OpenAI(base_url=f"http://127.0.0.1:{port}/v1", api_key="none", max_retries=0) as client:

        def ask(**more: Any) -> Any:
            asked = [{"role": "user", "content": prompt}]
            told = {"model": "2c", "messages": asked, "max_tokens": 8}
            return client.chat.completions.create(**told | more)

        assert [model.id for model in client.models.list()] == ["2c"]
        whole = ask(temperature=0)
        assert whole.choices[0].message.content == expected
        assert whole.model.split("@")[0] == "2c"
        assert str(tmp_path) not in whole.model_dump_json()
        assert ask().choices[0].message.content == expected
        pieces = [each.choices[0].delta.content or "" for each in ask(temperature=0, stream=True)]
        assert "".join(pieces) == expected
        drawn = {ask(temperature=5.0, seed=seed).choices[0].message.content for seed in range(4)}
        assert len(drawn | {expected}) > 2  # a request's temperature counts
        with pytest.raises(BadRequestError, match="400") as refused:
            ask(model="2b")
    assert "Server is pinned to '2c'; requested '2b'" in refused.value.response.text
    if shutil.which("curl"):
        shown = subprocess.run(words, check=True, capture_output=True, text=True)
        assert json.loads(shown.stdout)["choices"][0]["message"]["content"] == greedy(
            Path("exports/2c"), prompt, project.params["answer"]["max_new_tokens"]
        )
    children = Path(f"/proc/{serving.process.pid}/task/{serving.process.pid}/children")
    started = children.read_text().split() if children.exists() else []
    code, _, err = serving.end(signal.SIGTERM)
    assert code == 0, err
    assert "Traceback" not in err
    assert not listens(port)
    assert not [child for child in started if Path(f"/proc/{child}").exists()]
    assert not list(tmp_path.glob("tunegraph-serve-*"))
    assert not (tmp_path / "home" / "hub").exists()
