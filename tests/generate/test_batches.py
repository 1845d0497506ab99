"""The Batch API, against the offline teacher's endpoints in a thread of their own."""

import asyncio
import json
import signal
import subprocess
import sys
import threading

import pytest
from aiohttp import web

from stages.core.asking.batches import desk, drafts
from stages.core.asking.batches.api import lines
from stages.core.asking.offline.batches import Batches
from stages.core.asking.offline.server import Offline, serving
from stages.core.errors import TeacherError

RATES = {"malformed": 0.0, "rate_limited": 0.0, "failing": 0.0, "slow": 0.0, "cut": 0.0,
         "slow_s": 0.0}  # fmt: skip


class Watched(Batches):
    """The endpoints, which tell `event(name)` what they have just done, before they answer."""

    def __init__(self, teacher, event, late):
        super().__init__(teacher)
        self.event, self.late, self.events = event, late, []

    async def told(self, name, answer):
        self.events.append(name)
        instead = self.event(name, self.events.count(name))
        return answer if instead is None else instead

    async def upload(self, request):
        return await self.told("upload", await super().upload(request))

    async def create(self, request):
        return await self.told("create", await super().create(request))

    async def listing(self, request):
        return await self.told("list", await super().listing(request))

    async def retrieve(self, request):
        return await self.told("retrieve", await super().retrieve(request))

    async def content(self, request):
        whole = await super().content(request)
        if await self.told("content", None) is None:
            return whole
        response = web.StreamResponse(headers={"content-length": str(len(whole.body))})
        await response.prepare(request)
        await response.write(whole.body[: len(whole.body) * 2 // 3])
        await asyncio.sleep(self.late)
        request.transport.close()
        return response

    def asked(self):
        """The questions of each batch, in the order of their creation."""
        return [[line["custom_id"] for line in self._lines(batch)]
                for batch in self.batches.values()]  # fmt: skip


class BatchServer:
    """The offline teacher, in a thread of its own."""

    def __init__(self, project, rates, event, late):
        self.folder = project.folder
        self.teacher = Offline(RATES | rates, 13)
        self.learn()
        self.batches = self.teacher.batches = Watched(self.teacher, event, late)
        ready = threading.Event()

        async def serve():
            async with serving(self.teacher) as self.url:
                self._stop, self._loop = asyncio.Event(), asyncio.get_running_loop()
                ready.set()
                await self._stop.wait()

        self._thread = threading.Thread(target=lambda: asyncio.run(serve()))
        self._thread.start()
        assert ready.wait(10)

    def learn(self):
        """Take in the requests that the project has now."""
        files = [(self.folder / name).read_text() for name in ("requests.jsonl", "truth.jsonl")]
        self.teacher.learn(*([json.loads(line) for line in file.splitlines()] for file in files))

    def stop(self):
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(10)


@pytest.fixture
def batching(project, monkeypatch):
    """Start a server of batches for a project of so many requests."""
    servers = []

    def start(count=6, event=lambda name, time: None, late=0.0, **rates):
        project.write(count)
        servers.append(BatchServer(project, rates, event, late))
        project.params["generate"] |= {"mode": "batch", "max_retries": 2}
        project.params["teachers"][0] |= {"base_url": servers[-1].url}
        return servers[-1]

    monkeypatch.setattr(desk, "POLL_S", 0.01)
    yield start
    for server in servers:
        server.stop()


def texts(project):
    return [reply["text"] for reply in project.replies()]


def truths(project):
    lines = (project.folder / "truth.jsonl").read_text().splitlines()
    return [json.loads(line)["record"] for line in lines]


def test_it_asks_once_and_then_never_again(project, batching, capsys):
    server = batching()
    for _ in range(2):
        project.generate()
        assert [json.loads(text) for text in texts(project)] == truths(project)
    assert [len(batch) for batch in server.batches.asked()] == [6]
    assert project.costs()["paid"] == 0
    assert "6 questions to t, as batch_" in capsys.readouterr().out
    line = json.loads(next(iter(server.batches.files.values())).splitlines()[0])
    assert (line["method"], line["url"]) == ("POST", "/v1/chat/completions")
    assert line["body"]["max_tokens"] == 256
    assert line["body"]["temperature"] == 0.5
    project.write(8)
    server.learn()
    project.generate()
    assert [len(batch) for batch in server.batches.asked()] == [6, 2]


def test_the_offline_teacher_says_the_same_live_and_in_batches(project, monkeypatch):
    project.write(120)
    monkeypatch.setattr(desk, "POLL_S", 0.01)
    project.params["generate"] |= {"reask": 1, "max_in_flight": 32}
    project.params["offline"] |= {"malformed": 0.5}
    faults = {"rate_limited": 0.1, "failing": 0.1, "cut": 0.1}
    said = []
    for mode, rates in (("live", {}), ("batch", faults)):
        project.params["generate"]["mode"] = mode
        project.params["offline"] |= rates
        monkeypatch.setenv("TUNEGRAPH_JOURNAL", str(project.folder / f"{mode}.jsonl"))
        project.generate()
        said.append((project.folder / "replies.jsonl").read_bytes())
    assert said[0] == said[1]
    assert {"retried_http_429", "retried_http_500", "retried_batch_expired"} <= set(project.costs())
    assert sum("earlier" in reply for reply in project.replies()) > 5


@pytest.mark.parametrize(("questions", "size"), [(4, 10**9), (50_000, 900)])
def test_a_file_holds_so_much_and_no_more(project, batching, monkeypatch, questions, size):
    server = batching(10)
    monkeypatch.setattr(drafts, "MOST_QUESTIONS", questions)
    monkeypatch.setattr(drafts, "MOST_BYTES", size)
    project.generate()
    asked = server.batches.asked()
    assert [len(batch) for batch in asked] == [4, 4, 2]
    assert len({name for batch in asked for name in batch}) == 10
    files = [server.batches.files[batch["input_file_id"]]
             for batch in server.batches.batches.values()]  # fmt: skip
    assert max(map(len, files)) <= size
    assert None not in texts(project)


def results(server, change):
    """Change the results of a batch on their way."""
    outcome = server.batches.outcome

    def changed(asked, late):
        return change(asked["messages"][0]["content"], *outcome(asked, late))

    server.batches.outcome = changed


def test_each_result_has_its_own_fate(project, batching, monkeypatch, capsys):
    monkeypatch.setenv("SOME_KEY", "sk-secret-1")
    server = batching(8)
    project.params["teachers"][0]["api_key_env"] = "SOME_KEY"

    def change(question, response, error):
        said = {"error": {"message": "no: sk-secret-1"}}
        match question:
            case "q1":
                return response | {"status_code": 400, "body": said}, None
            case "q2":
                return response | {"status_code": 500, "body": said}, None
            case "q3":
                return None, {"code": "batch_expired", "message": "late"}
            case "q4":
                return response | {"body": "<html>"}, None
            case "q5":
                response["body"]["choices"][0]["finish_reason"] = "length"
            case "q6":
                return None, None
            case "q7":
                said["error"]["code"] = "content_filter"
                return response | {"status_code": 400, "body": said}, None
        return response, error

    results(server, change)
    project.generate()
    replies = project.replies()
    assert [reply["error"] for reply in replies] == [
        None, "http_400", "http_500", "batch_expired", "no_answer", None, "no_answer", None
    ]  # fmt: skip
    assert [replies[k]["finish_reason"] for k in (5, 7)] == ["length", "content_filter"]
    assert "does not answer a question (http_400): no: ***" in capsys.readouterr().out
    assert [len(batch) for batch in server.batches.asked()] == [8, 4, 4, 4]
    server.batches.outcome = Batches.outcome.__get__(server.batches)
    project.params["generate"]["max_tokens"] = 512
    project.generate()
    assert [len(batch) for batch in server.batches.asked()][4:] == [6]
    assert [json.loads(text) for text in texts(project)[:7]] == truths(project)[:7]


def test_a_schema_that_the_server_declines_is_left_out(project, batching, capsys):
    server = batching(3)
    requests = project.folder / "requests.jsonl"
    requests.write_text(
        requests.read_text().replace('"schema": null', '"schema": {"type": "object"}')
    )
    outcome, bodies = server.batches.outcome, []

    def declining(asked, late):
        bodies.append(asked)
        if "response_format" in asked:
            said = {"error": {"message": "response_format is not supported"}}
            return {"status_code": 400, "body": said}, None
        return outcome(asked, late)

    server.batches.outcome = declining
    project.generate()
    assert None not in texts(project)
    assert ["response_format" in body for body in bodies] == [True] * 3 + [False] * 3
    assert capsys.readouterr().out.count("declines response_format") == 1


def test_a_line_ends_at_a_newline_only():
    whole = ["one\u2028two", "\u0085", "", "three"]

    async def blocks(size):
        content = "\n".join(whole).encode()
        for begin in range(0, len(content), size):
            yield content[begin : begin + size]

    async def read(size):
        return [line.decode() async for line in lines(blocks(size))]

    for size in (1, 2, 5, 100):
        assert asyncio.run(read(size)) == whole


def test_text_that_other_readers_take_for_ends_of_lines(project, batching):
    server = batching(2)
    for record in server.teacher.records.values():
        record["agree"] = "one\u2028two\u0085three\u000bfour"
    project.generate()
    written = (project.folder / "replies.jsonl").read_text().split("\n")
    said = [json.loads(json.loads(line)["text"])["agree"] for line in written[:-1]]
    assert said == ["one\u2028two\u0085three\u000bfour"] * 2
    assert len(server.batches.batches) == 1


def test_a_refused_batch_is_told_in_the_servers_words(project, batching, monkeypatch):
    monkeypatch.setenv("SOME_KEY", "sk-secret-1")
    server = batching()
    project.params["teachers"][0]["api_key_env"] = "SOME_KEY"

    def validate(batch):
        wrong = {"code": "model_not_found", "message": "no model m for sk-secret-1", "line": 1}
        batch |= {"status": "failed", "errors": {"object": "list", "data": [wrong]}}

    server.batches.validate = validate
    told = r"of 6 questions was refused: model_not_found: no model m for \*\*\*"
    with pytest.raises(TeacherError, match=told):
        project.generate()
    del server.batches.validate
    project.generate()
    assert None not in texts(project)
    assert len(server.batches.batches) == 2


def test_a_batch_for_which_there_is_no_room_yet_is_handed_in_again(project, batching, monkeypatch):
    monkeypatch.setattr(drafts, "MOST_QUESTIONS", 3)
    server = batching()
    validate = server.batches.validate
    refused = []

    def full(batch):
        if refused or batch is next(iter(server.batches.batches.values())):
            return validate(batch)
        refused.append(batch)
        wrong = {"code": "token_limit_exceeded", "message": "later"}
        batch |= {"status": "failed", "errors": {"object": "list", "data": [wrong]}}

    server.batches.validate = full
    project.generate()
    assert len(refused) == 1
    assert None not in texts(project)
    assert [len(batch) for batch in server.batches.asked()] == [3, 3, 3]


@pytest.mark.parametrize("status", ["expired", "cancelled"])
def test_what_a_batch_has_when_it_ends_early_is_kept(project, batching, status):
    server = batching()
    finish = server.batches.finish
    server.batches.finish = lambda batch, *_: finish(batch, status, 2)
    project.generate()
    errors = [reply["error"] for reply in project.replies()]
    assert [len(batch) for batch in server.batches.asked()] == [6, 4, 2]
    assert errors == [None] * 6
    assert project.costs()[f"retried_batch_{status}"] == 6
    server.batches.finish = lambda batch, *_: finish(batch, status, 0)
    project.journal.unlink()
    server.batches.batches.clear()
    project.generate()
    assert [reply["error"] for reply in project.replies()] == [f"batch_{status}"] * 6
    assert [len(batch) for batch in server.batches.asked()] == [6] * 4


@pytest.mark.parametrize("path", ["upload", "create", "list", "retrieve", "content"])
def test_a_call_that_fails_on_the_way_is_made_again_and_no_batch_twice(project, batching, path):
    def event(name, time):
        if name == path and time == 1:
            return web.Response(status=500) if name != "content" else True

    server = batching(event=event)
    project.generate()
    assert None not in texts(project)
    assert len(server.batches.batches) == 1
    # What was created is found in the list; it is not created again.
    assert server.batches.events.count(path) >= (1 if path == "create" else 2)
    assert server.batches.events.count("create") == 1


def test_a_page_of_html_is_no_answer(project, batching):
    def event(name, time):
        if time == 1 and name != "content":
            return web.Response(text="<html>busy</html>", content_type="text/html")

    server = batching(event=event)
    project.generate()
    assert None not in texts(project)
    assert len(server.batches.batches) == 1


@pytest.mark.parametrize("status", [404, 405])
def test_a_server_without_a_batch_api_is_told(project, serve, answer, status):
    async def respond(request, number):
        return web.json_response(answer(), status=status)

    project.params["generate"]["mode"] = "batch"
    project.params["teachers"][0] |= {"base_url": serve(respond).url}
    with pytest.raises(TeacherError, match=r"no Batch API\n.*generate.mode: live"):
        project.generate()


def run(project, **changes):
    """Run generate in a process of its own."""
    _, *flags = ["generate", *project.command()]
    changed = "".join(f"drafts.{name} = {value}; " for name, value in changes.items())
    code = (
        f"from stages.core.asking.batches import desk, drafts; desk.POLL_S = 0.02; {changed}"
        "from stages.core import entry; from stages.generate.__main__ import main; entry.run(main)"
    )
    return subprocess.Popen([sys.executable, "-c", code, *flags], cwd=project.folder,
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)  # fmt: skip


@pytest.mark.parametrize(
    ("where", "when"), [("upload", 1), ("create", 1), ("create", 2), ("retrieve", 2),
                        ("content", 1)]
)  # fmt: skip
def test_killed_anywhere_it_hands_nothing_in_twice(project, batching, monkeypatch, where, when):
    killed = []

    def event(name, time):
        if not killed and (name, time) == (where, when):
            killed.append(process.pid)
            threading.Timer(0.2 if where == "content" else 0, process.kill).start()
            process.wait()
            return True if where == "content" else None

    server = batching(9, event=event, late=0.3)
    process = run(project, MOST_QUESTIONS=3)
    if where == "content":
        server.batches.event = lambda name, time: (
            threading.Timer(0.2, process.kill).start() or True
            if name == "content" and time == 1
            else None
        )
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    before = len(server.batches.batches)
    server.batches.event = lambda name, time: None
    monkeypatch.setattr(drafts, "MOST_QUESTIONS", 3)
    project.generate()
    assert [json.loads(text) for text in texts(project)] == truths(project)
    asked = server.batches.asked()
    assert [len(batch) for batch in asked] == [3, 3, 3]
    assert len({name for batch in asked for name in batch}) == 9
    assert before == {"upload": 0, "create": when, "retrieve": 3, "content": 3}[where]


@pytest.mark.parametrize(("sent", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_interrupted_it_says_where_the_questions_are(project, batching, sent, code):
    waiting = threading.Event()

    def event(name, time):
        if name == "retrieve":
            waiting.set()

    server = batching(event=event)
    server.batches.finish = lambda *_: None
    process = run(project)
    assert waiting.wait(10)
    process.send_signal(sent)
    out, err = process.communicate(timeout=20)
    assert process.returncode == code
    assert "Traceback" not in err
    assert "left at the provider: batch_" in out
    del server.batches.finish
    project.generate()
    assert None not in texts(project)
    assert len(server.batches.batches) == 1


class Killed(BaseException):
    """The end of a process, without the process."""


def stop_at(project, monkeypatch, name):
    """Generate until a function of desk is called, and stop there."""

    def killed(*_):
        raise Killed

    with monkeypatch.context() as patched:
        patched.setattr(desk, name, killed)
        with pytest.raises(Killed):
            project.generate()


def test_a_batch_is_taken_up_by_the_servers_list_when_the_recipe_has_changed(
    project, batching, monkeypatch
):
    server = batching(6)
    stop_at(project, monkeypatch, "accept")  # created, and nothing noted
    assert len(server.batches.batches) == 1
    project.write(4)  # another file: it would have another digest
    project.generate()
    assert [len(batch) for batch in server.batches.asked()] == [6]
    assert None not in texts(project)
    project.write(6)  # what the recipe had left aside was collected, too
    project.generate()
    assert project.costs()["paid"] == 0
    assert [len(batch) for batch in server.batches.asked()] == [6]


def test_a_lost_journal_finds_what_the_server_has(project, batching):
    server = batching(6)
    project.generate()
    project.journal.unlink()
    project.generate()
    assert project.costs()["paid"] == 6
    assert [len(batch) for batch in server.batches.asked()] == [6]


def test_an_intention_that_came_to_nothing_is_forgotten(project, batching, monkeypatch):
    server = batching(6)

    async def killed(*_):
        raise Killed

    with monkeypatch.context() as patched:
        patched.setattr(desk.BatchApi, "create", killed)
        with pytest.raises(Killed):
            project.generate()
    assert server.batches.batches == {}
    project.generate()
    assert [len(batch) for batch in server.batches.asked()] == [6]
    assert None not in texts(project)


def test_what_the_recipe_asks_no_more_is_not_waited_for(project, batching, monkeypatch):
    server = batching(6)
    stop_at(project, monkeypatch, "accept")
    (batch,) = server.batches.batches.values()
    finish = server.batches.finish
    server.batches.finish = lambda one, *rest: None if one is batch else finish(one, *rest)
    lines = (project.folder / "requests.jsonl").read_text()
    (project.folder / "requests.jsonl").write_text(lines.replace('"id": "0', '"id": "f'))
    project.generate()
    assert [len(batch) for batch in server.batches.asked()] == [6, 6]
    del server.batches.finish
    (project.folder / "requests.jsonl").write_text(lines)
    project.generate()
    assert project.costs()["paid"] == 6
    assert len(server.batches.batches) == 2


def test_a_batch_that_the_server_does_not_know_is_not_given_up_soon(project, batching, monkeypatch):
    server = batching(6)
    finish = server.batches.finish
    server.batches.finish = lambda batch, *_: server.batches.batches.pop(batch["id"])
    told = "does not know batch_.*, in which 6 questions were sent"
    for _ in range(2):
        with pytest.raises(TeacherError, match=told):
            project.generate()
    server.batches.finish = finish
    monkeypatch.setattr(desk, "FORGOTTEN_S", -1)
    project.generate()
    assert None not in texts(project)


def test_two_teachers_have_a_batch_each(project, batching):
    server = batching(6)
    project.params["teachers"].append({**project.params["teachers"][0], "name": "u"})
    requests = project.folder / "requests.jsonl"
    asked = [json.loads(line) for line in requests.read_text().splitlines()]
    for k, request in enumerate(asked):
        request["teacher"] = "tu"[k % 2]
    requests.write_text("".join(json.dumps(request) + "\n" for request in asked))
    project.generate()
    ids = [request["id"] for request in asked]
    assert server.batches.asked() == [ids[::2], ids[1::2]]
    assert None not in texts(project)


def test_the_budget_is_reserved_before_anything_is_handed_in(project, batching, monkeypatch):
    server = batching(6)
    price = {"prompt": 0.0, "completion": 1.0}
    project.params["teachers"][0]["price"] = price
    # The most that a question can cost is 256 tokens; what it does cost is fewer than 20.
    project.params["generate"] |= {"budget_usd": 600e-6, "on_budget": "continue"}
    stop_at(project, monkeypatch, "accept")
    assert [len(batch) for batch in server.batches.asked()] == [2]
    project.generate()  # what is on its way is held for, too
    assert [len(batch) for batch in server.batches.asked()] == [2, 2, 2]
    project.journal.unlink()
    server.batches.batches.clear()
    project.params["generate"]["budget_usd"] = 270e-6
    project.generate()  # one at a time, as long as one more fits for certain
    assert [reply["error"] for reply in project.replies()] == [None] * 2 + ["over_budget"] * 4
    assert sum(reply["cost_usd"] or 0 for reply in project.replies()) < 20e-6


def test_what_is_in_a_batch_is_not_asked_live(project, batching, monkeypatch):
    server = batching(6)
    stop_at(project, monkeypatch, "accept")
    finish = server.batches.finish
    server.batches.finish = lambda *_: None
    project.params["generate"]["mode"] = "live"
    told = r"6 questions are on their way in batch_.*\n.*generate.mode: batch, which waits"
    for _ in range(2):
        with pytest.raises(TeacherError, match=told):
            project.generate()
    assert not server.teacher.asked
    server.batches.finish = lambda batch, *_: finish(batch, "cancelled", 4)
    project.generate()  # four from the batch, two live
    assert None not in texts(project)
    assert project.costs()["paid"] == 6
    assert len(server.batches.batches) == 1
    assert server.teacher.asked.total() == 6


def test_a_reask_is_handed_in_once(project, batching):
    server = batching(40, malformed=1.0)
    project.params["generate"]["reask"] = 2
    for _ in range(2):
        project.generate()
    rounds = server.batches.asked()
    assert [len(batch) for batch in rounds[:1]] == [40]
    assert len(rounds) == 3
    assert len({name for batch in rounds for name in batch}) == sum(map(len, rounds)) > 45
    attempts = [reply["attempts"] for reply in project.replies()]
    assert sum(attempts) == sum(map(len, rounds))


def test_the_offline_teachers_batches_end_with_its_process(project, monkeypatch):
    monkeypatch.setattr(desk, "POLL_S", 0.01)
    project.params["generate"]["mode"] = "batch"
    with monkeypatch.context() as patched:

        async def killed(*_):
            raise Killed

        patched.setattr(desk.Desk, "collect", killed)
        with pytest.raises(Killed):
            project.generate()
    project.generate()
    assert None not in texts(project)
    assert project.costs()["paid"] == 3
