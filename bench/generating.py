"""What the measurements of generation share: the server, a scratch project, a measured run.

The stage is the real one, `python -m stages.generate`, in a process of its own.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fresh import ROOT
from server import record

from stages.core.params import read_yaml

RECIPE = ROOT / "recipes" / "reviews" / "params.yaml"
QUESTION = (
    "Review {number}. Somebody has seen the film and says what was good about it and what was not. "
    "Write the opinion of one who agrees and the opinion of one who does not, a sentence each, "
    'as a JSON object with the keys "number", "agree" and "disagree", and nothing else.'
)
SCHEMA = {
    "type": "object",
    "properties": {
        "number": {"type": "integer"},
        "agree": {"type": "string", "minLength": 1},
        "disagree": {"type": "string", "minLength": 1},
    },
    "required": ["number", "agree", "disagree"],
    "additionalProperties": False,
}
# No proxy stands between a process and a server on the same machine.
HERE = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def environment(**more: str) -> dict[str, str]:
    """Return an environment for a client: this checkout, no proxy, nothing of a DVC around it."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith("DVC_")}
    return kept | {"PYTHONPATH": str(ROOT), "NO_PROXY": "127.0.0.1", "no_proxy": "127.0.0.1"} | more


class Server:
    """bench/server.py in a process of its own."""

    def __init__(self) -> None:
        command = [sys.executable, str(ROOT / "bench" / "server.py")]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment()
        )
        assert self._process.stdout is not None
        self.base_url = self._process.stdout.readline().strip()
        if not self.base_url:
            sys.exit("bench/server.py did not start")

    def _ask(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        address = self.base_url.removesuffix("/v1") + path
        with HERE.open(urllib.request.Request(address, data, method=method), timeout=60) as reply:
            return json.load(reply)

    def behave(self, **behaviour: Any) -> None:
        """Begin anew with a behaviour (`server.Behaviour`)."""
        self._ask("PUT", "/behaviour", behaviour)

    def change(self, **behaviour: Any) -> None:
        """Change the behaviour, keep the counts, begin the next epoch."""
        self._ask("PATCH", "/behaviour", behaviour)

    def stats(self) -> dict[str, Any]:
        """Return what the server counted."""
        return self._ask("GET", "/stats")

    def questions(self) -> dict[str, dict[int, list[int]]]:
        """Return asked and answered: question -> the epoch of each time."""
        told = self._ask("GET", "/questions")
        return {kind: {int(key): epochs for key, epochs in told[kind].items()} for kind in told}

    def end(self) -> None:
        """End the process."""
        self._process.terminate()
        self._process.communicate()


@contextmanager
def serving() -> Iterator[Server]:
    """Serve for the length of a block."""
    server = Server()
    try:
        yield server
    finally:
        server.end()


@dataclass(frozen=True)
class Used:
    """What a process used.

    cpu_s:   user and system time
    peak_mb: the most memory that was resident, in MB (10^6 bytes)
    """

    status: int
    cpu_s: float
    wall_s: float
    peak_mb: float


class Run:
    """A process in a folder that is measured when it ends; what it says goes to a file."""

    def __init__(self, command: list[str], folder: Path, said: Path, **more: str) -> None:
        self._began = time.perf_counter()
        with said.open("wb") as file:
            self.process = subprocess.Popen(
                command, cwd=folder, env=environment(**more), stdout=file, stderr=file,
                stdin=subprocess.DEVNULL,
            )  # fmt: skip

    def kill(self) -> None:
        """Send SIGKILL."""
        self.process.kill()

    def running(self) -> bool:
        """Tell whether it has not ended yet; it is still to be waited for."""
        ended = os.WEXITED | os.WNOHANG | os.WNOWAIT
        return os.waitid(os.P_PID, self.process.pid, ended) is None

    def wait(self) -> Used:
        """Wait for the end."""
        _, status, used = os.wait4(self.process.pid, 0)
        self.process.returncode = os.waitstatus_to_exitcode(status)
        # Linux counts kibibytes: man 2 getrusage.
        peak_mb = used.ru_maxrss * 1024 / 1e6
        wall_s = time.perf_counter() - self._began
        return Used(self.process.returncode, used.ru_utime + used.ru_stime, wall_s, peak_mb)


def request_id(number: int) -> str:
    """Return the id of a question's request."""
    return f"{number:016x}"


class Project:
    """A folder with requests in which the stages run.

    settings: what is not as the recipe has it, of `generate` in params.yaml
    """

    def __init__(self, folder: Path, base_url: str, rows: int, **settings: Any) -> None:
        self.folder = folder
        self.journal = folder / "journal.jsonl"
        self.said = folder / "said.txt"
        folder.mkdir(parents=True, exist_ok=True)
        params = read_yaml(RECIPE)
        teacher = {"name": "t", "weight": 1.0, "model": "m", "base_url": base_url}
        params["teachers"] = [teacher | {"api_key_env": None, "price": None}]
        params["generate"] |= settings
        self.write("params.yaml", json.dumps(params))
        self.write("schema.json", json.dumps(SCHEMA))
        self.write("shipped.jsonl", "\n")
        self.write("instruction.md", "{{ number }}")
        self.write("answer.md", "{{ record | json }}")
        self.write("overrides.jsonl", "")
        with (folder / "requests.jsonl").open("w") as requests:
            for number in range(rows):
                requests.write(json.dumps(self.request(number), sort_keys=True) + "\n")
        with (folder / "truth.jsonl").open("w") as truth:
            for number in range(rows):
                known = {"request": request_id(number), "record": record(number)}
                truth.write(json.dumps(known) + "\n")

    def write(self, name: str, text: str) -> None:
        """Write a file of the project."""
        (self.folder / name).write_text(text, encoding="utf-8")

    @staticmethod
    def request(number: int) -> dict[str, Any]:
        """Return a request."""
        return {
            "id": request_id(number),
            "teacher": "t",
            "model": "m",
            "messages": [{"role": "user", "content": QUESTION.format(number=number)}],
            "parameters": {"temperature": 0.0},
            "schema": None,
            "sample": 0,
            "seed": {"id": str(number), "group": str(number), "fields": {"number": number}},
        }

    def start(self) -> Run:
        """Start generate."""
        names = ("requests", "truth", "replies")
        flags = [word for name in names for word in (f"--{name}", f"{name}.jsonl")]
        flags += ["--schema", "schema.json", "--shipped", "shipped.jsonl", "--costs", "costs.json"]
        command = [sys.executable, "-m", "stages.generate", *flags]
        return Run(command, self.folder, self.said, TUNEGRAPH_JOURNAL=str(self.journal))

    def generate(self) -> Used:
        """Run generate to its end; leave the measurement when it fails."""
        used = self.start().wait()
        if used.status:
            sys.exit(f"generate failed ({used.status}):\n{self.said.read_text()}")
        return used

    def validate(self) -> Used:
        """Run validate to its end."""
        flags = ["--schema", "schema.json", "--overrides", "overrides.jsonl"]
        flags += ["--instruction", "instruction.md", "--answer", "answer.md"]
        for name in ("requests", "replies", "truth", "rows", "rejects"):
            flags += [f"--{name}", f"{name}.jsonl"]
        command = [sys.executable, "-m", "stages.validate", *flags, "--metrics", "metrics.json"]
        return Run(command, self.folder, self.folder / "validate.txt").wait()

    def read(self, name: str) -> list[dict[str, Any]]:
        """Return the lines of a JSON Lines file of the project."""
        with (self.folder / name).open(encoding="utf-8") as file:
            return [json.loads(line) for line in file]

    def right(self) -> int:
        """Count the replies in replies.jsonl that are the answer to their own question."""
        right = 0
        with (self.folder / "replies.jsonl").open(encoding="utf-8") as file:
            for number, line in enumerate(file):
                reply = json.loads(line)
                mine = reply["request"] == request_id(number)
                right += mine and reply["text"] == json.dumps(record(number))
        return right


def alone(script: str, project: Project, python: str = sys.executable, **settings: Any) -> Run:
    """Start a peer of bench/alone on the project's requests; it writes alone.jsonl there.

    settings: handed to the script as JSON (base_url, max_in_flight, ...)
    """
    command = [python, str(ROOT / "bench" / "alone" / script), json.dumps(settings)]
    (project.folder / "alone.jsonl").unlink(missing_ok=True)
    return Run(command, project.folder, project.folder / "alone.txt")


def alone_right(project: Project) -> int:
    """Count the questions that a peer has the right answer to in alone.jsonl: {number, text}."""
    lines = project.read("alone.jsonl") if (project.folder / "alone.jsonl").exists() else []
    found = {line["number"] for line in lines if line["text"] == json.dumps(record(line["number"]))}
    return len(found)


@contextmanager
def scratch() -> Iterator[Path]:
    """Give a folder that is gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="tunegraph-bench-") as folder:
        yield Path(folder)
