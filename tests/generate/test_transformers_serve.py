"""Generate against a server that this project did not write: `transformers serve`."""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from urllib.error import URLError
from urllib.request import ProxyHandler, build_opener

import pytest

from stages.core import stack

pytestmark = [
    pytest.mark.slow,
    pytest.mark.serve,
    # PEFT and TRL call transformers by names that it has deprecated.
    pytest.mark.filterwarnings(r"ignore:`\w*gradient_checkpointing:FutureWarning"),
]
START_S, END_S, GENERATE_S = 60, 15, 60
MAX_TOKENS = 12
ASKED = ("twice cat", "shout dog", "twice sun", "?", "shout oak shout oak shout oak")
SCHEMA = {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]}


def environment(folder):
    """Return an environment without the hub, without a key, without a proxy and without a cache."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if "proxy" not in name.lower() and not name.startswith(("HF_", "OPENAI_"))
    }
    return {
        **kept, "HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1", "HF_HOME": str(folder / "hub"),
        "OMP_WAIT_POLICY": "PASSIVE", "TOKENIZERS_PARALLELISM": "false", "DVC_ROOT": ".",
        "TUNEGRAPH_JOURNAL": "journal.jsonl",
    }  # fmt: skip


def healthy(url):
    """Tell whether the server answers; /v1/models needs a hub's cache, /health needs nothing."""
    try:
        with build_opener(ProxyHandler({})).open(f"{url}/health", timeout=2) as answer:
            return answer.status == 200
    except (URLError, OSError):
        return False


class Serving:
    """`transformers serve` with a folder's models/base, in a process group of its own.

    model: the folder, absolute, as the server wants it named and names it itself
    """

    def __init__(self, folder):
        program = Path(sys.executable).with_name("transformers")
        if not program.exists():
            pytest.fail("transformers serve is not installed: the extra transformers[serving]")
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{port}"
        self.log = folder / "serve.log"
        self.model = str(folder / "models" / "base")
        command = [program, "serve", self.model, "--device", "cpu", "--host", "127.0.0.1",
                   "--port", str(port)]  # fmt: skip
        with self.log.open("w") as log:
            self.process = subprocess.Popen(
                command, cwd=folder, env=environment(folder), stdout=log, stderr=log,
                stdin=subprocess.DEVNULL, start_new_session=True,
            )  # fmt: skip

    def wait(self):
        """Wait until it answers."""
        until = time.monotonic() + START_S
        while not healthy(self.url):
            assert self.process.poll() is None, self.log.read_text()
            assert time.monotonic() < until, self.log.read_text()
            time.sleep(0.25)

    def end(self):
        """End its process group, by its id; nothing of it is left."""
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGTERM)
            try:
                self.process.wait(END_S)
            except subprocess.TimeoutExpired:
                os.killpg(self.process.pid, signal.SIGKILL)
                self.process.wait(END_S)
        assert not healthy(self.url)


@pytest.fixture
def serving(built, tmp_path):
    """Serve the tiny base from a folder of its own, and end the server whatever happens."""
    shutil.copytree(built.folder / "models" / "base", tmp_path / "models" / "base")
    server = Serving(tmp_path)
    try:
        server.wait()
        yield server
    finally:
        server.end()


def generate(folder):
    """Run the stage as DVC does, in a process of its own."""
    command = [sys.executable, "-m", "stages.generate", "--requests", "requests.jsonl", "--truth",
               "truth.jsonl", "--schema", "schema.json", "--shipped", "shipped.jsonl", "--replies",
               "replies.jsonl", "--costs", "costs.json"]  # fmt: skip
    ran = subprocess.run(
        command, cwd=folder, env=environment(folder), capture_output=True, text=True,
        timeout=GENERATE_S,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    return ran.stdout + ran.stderr


def test_generate_against_transformers_serve(project, serving):
    folder = project.folder
    assert folder == serving.log.parent
    project.params["teachers"][0] |= {"model": serving.model, "base_url": f"{serving.url}/v1"}
    project.params["generate"] |= {"max_tokens": MAX_TOKENS, "timeout_s": 30}
    project.write(len(ASKED))
    requests = [json.loads(line) for line in (folder / "requests.jsonl").read_text().splitlines()]
    for k, (request, said) in enumerate(zip(requests, ASKED, strict=True)):
        schema = SCHEMA if k % 2 else None  # it answers 200 and ignores the schema
        messages = [{"role": "user", "content": said}]
        request |= {"model": serving.model, "messages": messages, "schema": schema}
    lines = "".join(json.dumps(request) + "\n" for request in requests)
    (folder / "requests.jsonl").write_text(lines)
    project.command()  # writes params.yaml

    generate(folder)
    first = (folder / "replies.jsonl").read_bytes()
    replies = project.replies()
    assert [reply["request"] for reply in replies] == [request["id"] for request in requests]
    assert project.costs()["paid"] == len(ASKED)
    tokenizer = stack.load_tokenizer(folder / "models" / "base")
    for request, reply in zip(requests, replies, strict=True):
        assert reply["error"] is None
        assert isinstance(reply["text"], str)
        prompt = tokenizer.apply_chat_template(
            request["messages"], add_generation_prompt=True, return_dict=False
        )
        assert reply["prompt_tokens"] == len(prompt)
        assert 0 < reply["completion_tokens"] <= MAX_TOKENS
        cut = reply["completion_tokens"] == MAX_TOKENS
        assert reply["finish_reason"] == ("length" if cut else "stop")
        assert reply["model"] == "base@main"
    assert {reply["finish_reason"] for reply in replies} == {"stop", "length"}
    # The server names the folder it serves, which must not get into a file that is shared.
    assert serving.model in serving.log.read_text()
    for name in ("replies.jsonl", "journal.jsonl"):
        written = (folder / name).read_text()
        assert str(folder) not in written
        assert str(Path.home()) not in written
        assert not re.search(r'"/[\w.-]+/', written), name

    serving.end()
    assert "0 asked now" in generate(folder)
    assert (folder / "replies.jsonl").read_bytes() == first
    assert project.costs()["paid"] == 0
    assert project.costs()["found"] == len(ASKED)
