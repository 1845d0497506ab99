import asyncio
import json
import sys
import threading

import pytest

PARAMS = {
    "teachers": [
        {"name": "t", "weight": 1.0, "model": "m", "base_url": "offline", "api_key_env": None,
         "price": None}
    ],
    "generate": {
        "mode": "live", "sampling": {}, "max_tokens": 256, "max_in_flight": 8,
        "requests_per_minute": None, "tokens_per_minute": None, "budget_usd": None,
        "on_budget": "stop", "reask": 0, "max_retries": 4, "timeout_s": 5,
    },
    "validate": {"repair": True, "normalise": ["trim"], "aliases": {}},
    "offline": {
        "malformed": 0.0, "rate_limited": 0.0, "failing": 0.0, "slow": 0.0, "cut": 0.0,
        "slow_s": 0.05,
    },
    "seed": {"data": 13},
}  # fmt: skip


class Server:
    """An HTTP server in a thread of its own: whatever `respond` answers, and what was asked."""

    def __init__(self, respond):
        from aiohttp import web

        self.bodies, self.keys = [], []

        async def record(request):
            self.bodies.append(await request.json())
            self.keys.append(request.headers.get("authorization"))
            return await respond(request, len(self.bodies))

        async def serve():
            app = web.Application()
            app.router.add_post("/v1/chat/completions", record)
            runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
            await runner.setup()
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            self.url = f"http://127.0.0.1:{runner.addresses[0][1]}/v1"
            self._stop = asyncio.Event()
            self._loop = asyncio.get_running_loop()
            ready.set()
            await self._stop.wait()
            await runner.cleanup()

        ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(serve()))
        self._thread.start()
        assert ready.wait(10)

    def asked(self):
        """The questions, in the order of their arrival."""
        return [body["messages"][0]["content"] for body in self.bodies]

    def stop(self):
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(10)


@pytest.fixture
def serve():
    """Start servers that are stopped at the end."""
    servers = []

    def start(respond):
        servers.append(Server(respond))
        return servers[-1]

    yield start
    for server in servers:
        server.stop()


def completion(text="{}", **changes):
    """The body of an answer."""
    choice = {"index": 0, "message": {"content": text}, "finish_reason": "stop"} | changes
    usage = {"prompt_tokens": 10, "completion_tokens": 5}
    return {"model": "m-1", "choices": [choice], "usage": usage}


class Project:
    """A folder with requests, in which generate runs."""

    def __init__(self, folder, monkeypatch):
        self.folder = folder
        self.journal = folder / "journal.jsonl"
        self.params = json.loads(json.dumps(PARAMS))
        self._monkeypatch = monkeypatch
        monkeypatch.setenv("TUNEGRAPH_JOURNAL", str(self.journal))
        monkeypatch.chdir(folder)
        (folder / "schema.json").write_text('{"type": "object"}')
        self.write(3)

    def write(self, count):
        """Write requests q0, q1, ... with the truth of each."""
        requests, truth = [], []
        for k in range(count):
            messages = [{"role": "user", "content": f"q{k}"}]
            request = {"id": f"{k:016x}", "teacher": "t", "model": "m", "messages": messages,
                       "parameters": {"temperature": 0.5}, "schema": None, "sample": 0,
                       "seed": {"id": str(k), "group": "g", "fields": {}}}  # fmt: skip
            requests.append(request)
            truth.append({"request": request["id"], "record": {"agree": f"a{k}", "disagree": "b"}})
        for name, rows in (("requests", requests), ("truth", truth)):
            lines = "".join(json.dumps(row) + "\n" for row in rows)
            (self.folder / f"{name}.jsonl").write_text(lines)

    def command(self):
        """Write params.yaml and return the stage's flags."""
        (self.folder / "params.yaml").write_text(json.dumps(self.params))
        return ["--requests", "requests.jsonl", "--truth", "truth.jsonl", "--schema", "schema.json",
                "--replies", "replies.jsonl", "--costs", "costs.json"]  # fmt: skip

    def generate(self):
        """Run the stage in this process."""
        from stages.generate.__main__ import main

        self._monkeypatch.setattr(sys, "argv", ["generate", *self.command()])
        main()

    def replies(self):
        return [
            json.loads(line) for line in (self.folder / "replies.jsonl").read_text().splitlines()
        ]

    def costs(self):
        return json.loads((self.folder / "costs.json").read_text())


@pytest.fixture
def project(tmp_path, monkeypatch):
    return Project(tmp_path, monkeypatch)


@pytest.fixture
def answer():
    return completion
