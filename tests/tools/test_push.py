"""`tunegraph export --push`: against a hub of our own, which keeps what it is sent."""

import base64
import json
import re
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from stages.core.errors import ConfigError
from tools import export, hub


class Hub:
    """A hub that holds repositories: name -> private, and the files of each.

    A data set's name is `datasets/user/name` here, as in its address.
    """

    def __init__(self) -> None:
        self.private: dict[str, bool] = {}
        self.files: dict[str, dict[str, bytes]] = {}
        self.cards: dict[str, bytes] = {}
        self.commits: list[str] = []
        self.calls: list[tuple[str, str, str | None]] = []
        self.refuse: int | None = None

    def answer(self, method: str, path: str, body: bytes) -> tuple[int, Any]:
        """Return the status and the JSON (or bytes) of one call."""
        if self.refuse:
            return self.refuse, {"error": "You may not do that."}
        if path == "/api/repos/create":
            asked = json.loads(body)
            kind = "datasets/" if asked.get("type") == "dataset" else ""
            name = f"{kind}{asked['organization']}/{asked['name']}"
            if name in self.private:
                return 409, {"error": "You already created this model repo", "url": self.url(name)}
            self.private[name], self.files[name] = asked["visibility"] == "private", {}
            return 200, {"url": self.url(name)}
        if path == "/api/validate-yaml":
            return 200, {"warnings": [], "errors": []}
        called = re.sub("^/api/(models/)?", "", path)
        name, _, verb = called.partition("/preupload/")
        if verb:
            asked = json.loads(body)["files"]
            modes = [{"path": each["path"], "uploadMode": "regular"} for each in asked]
            return 200, {"files": [each | {"shouldIgnore": False} for each in modes]}
        name, _, verb = called.partition("/commit/")
        if verb:
            for line in map(json.loads, body.splitlines()):
                told = line["value"]
                if line["key"] == "header":
                    self.commits.append(told["summary"])
                elif line["key"] == "file":
                    self.files[name][told["path"]] = base64.b64decode(told["content"])
                else:
                    assert line["key"] == "deletedFile"
                    del self.files[name][told["path"]]
            return 200, {"success": True, "commitOid": "c" * 40, "commitUrl": self.url(name)}
        if name in self.private:
            names = [{"rfilename": each} for each in self.files[name]]
            return 200, {
                "id": name.removeprefix("datasets/"),
                "private": self.private[name],
                "siblings": names,
            }
        return 404, {"error": "Repository not found"}

    def url(self, name: str) -> str:
        """Return the address of a repository."""
        return f"{self.address}/{name}"


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """Return a hub that answers, whose address and token are in the environment."""
    made = Hub()

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

        def reply(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length") or 0))
            path = self.path.partition("?")[0]
            made.calls.append((self.command, path, self.headers.get("authorization")))
            status, told = made.answer(self.command, path, body)
            content = json.dumps(told).encode()
            self.send_response(status)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = do_HEAD = reply  # noqa: N815

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    made.address = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    monkeypatch.setenv("HF_ENDPOINT", made.address)
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    yield made
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return an exported folder."""
    made = tmp_path / "2c"
    (made / "base").mkdir(parents=True)
    for name in ("README.md", "config.json", "model.safetensors", "base/config.json"):
        (made / name).write_text(f"of {name}", encoding="utf-8")
    return made


def test_a_folder_becomes_one_commit_of_a_private_repository(fake: Hub, folder: Path):
    told = hub.push(folder, "me/2c", public=False, message="2c, merged")
    assert told == fake.url("me/2c")
    assert fake.private == {"me/2c": True}
    assert fake.commits == ["2c, merged"]
    assert fake.files["me/2c"] == {
        name: f"of {name}".encode()
        for name in ("README.md", "config.json", "model.safetensors", "base/config.json")
    }
    about = ("/api/repos/", "/api/models/")
    asked = [token for _, path, token in fake.calls if path.startswith(about)]
    assert asked == ["Bearer hf_secret"] * 4


def test_an_earlier_export_leaves_no_weights_behind(fake: Hub, folder: Path):
    fake.private["me/2c"] = True
    names = ("model-00001-of-00002.safetensors", "old.json", "picture.png", "LICENSE")
    fake.files["me/2c"] = dict.fromkeys(names, b"old")
    hub.push(folder, "me/2c", public=False, message="again")
    assert set(fake.files["me/2c"]) == {
        *("README.md", "config.json", "model.safetensors", "base/config.json"),
        *("picture.png", "LICENSE"),
    }
    assert fake.commits == ["again"]


def test_a_data_set_is_a_repository_of_another_kind(fake: Hub, tmp_path: Path):
    (tmp_path / "data").mkdir()
    for name in ("README.md", "data/train.jsonl"):
        (tmp_path / name).write_text(f"of {name}", encoding="utf-8")
    fake.private["datasets/me/plans"] = True
    old = ("data/test.jsonl", "data/train.jsonl", "data/more.csv", "LICENSE", "config.json")
    fake.files["datasets/me/plans"] = dict.fromkeys(old, b"old")
    hub.push(tmp_path, "me/plans", public=False, message="plans", kind="dataset")
    assert fake.private == {"datasets/me/plans": True}
    assert set(fake.files["datasets/me/plans"]) == {
        *("README.md", "data/train.jsonl", "data/more.csv", "LICENSE", "config.json")
    }
    assert fake.files["datasets/me/plans"]["data/train.jsonl"] == b"of data/train.jsonl"
    fake.private["datasets/me/plans"] = False
    with pytest.raises(ConfigError, match="this repository is public already"):
        hub.push(tmp_path, "me/plans", public=False, message="plans", kind="dataset")


def test_public_must_be_said(fake: Hub, folder: Path):
    fake.private["me/2c"], fake.files["me/2c"] = False, {}
    with pytest.raises(ConfigError, match=r"this repository is public already\n(?s:.)*--public"):
        hub.push(folder, "me/2c", public=False, message="2c")
    assert fake.files["me/2c"] == {}
    hub.push(folder, "me/2c", public=True, message="2c")
    hub.push(folder, "me/other", public=True, message="2c")
    assert len(fake.files["me/2c"]) == 4
    assert fake.private == {"me/2c": False, "me/other": False}


@pytest.mark.parametrize(
    ("status", "then"), [(401, "hf auth login"), (403, "may write there"), (500, "try again")]
)
def test_what_the_hub_says_is_told(
    fake: Hub, folder: Path, status: int, then: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("huggingface_hub.utils._http.time.sleep", lambda _: None)
    fake.refuse = status
    with pytest.raises(ConfigError, match=rf"the hub says {status}: .*\n.*{then}") as told:
        hub.push(folder, "me/2c", public=False, message="2c")
    assert "hf_secret" not in str(told.value)


def test_without_a_network_the_folder_stays(folder: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    with pytest.raises(ConfigError, match=r"the hub cannot be reached(?s:.)*the folder is whole"):
        hub.push(folder, "me/2c", public=False, message="2c")


def test_a_push_that_cannot_be_is_refused_before_anything_is_computed(
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    with pytest.raises(ConfigError, match=r"--push me/not good: Repo id must"):
        hub.hold("me/not good")
    monkeypatch.setattr("huggingface_hub.get_token", lambda: None)
    with pytest.raises(ConfigError, match=r"there is no token for the hub\n.*hf auth login"):
        hub.hold("me/good")
    manifest: Any = {"base": {"source": "scratch"}}
    asked = export.Asked("2c", form="adapter", repository="me/2c")
    with pytest.raises(ConfigError, match="an adapter on a scratch base loads nowhere else"):
        export.hold_push(asked, [], manifest)
    asked = export.Asked("2c", repository="me/2c")
    with pytest.raises(ConfigError, match=r"is not of: not up to date: train@m2c\n.*--allow-dirty"):
        export.hold_push(asked, ["not up to date: train@m2c"], manifest)
    monkeypatch.setattr("huggingface_hub.get_token", lambda: "hf_secret")
    export.hold_push(asked._replace(dirty=True), ["not up to date: train@m2c"], manifest)


def test_the_licence_is_the_one_of_the_base(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    card = "---\nlicense: other\nlicense_name: llama3.2\nlanguage: [en, de]\ntags: [x]\n---\n# B\n"
    (tmp_path / "README.md").write_text(card, encoding="utf-8")
    here = {"source": "local", "id": str(tmp_path), "revision": None}
    expected = {"license": "other", "license_name": "llama3.2", "language": ["en", "de"]}
    assert hub.shipped(here) == expected
    cached = str(tmp_path / "README.md")
    monkeypatch.setattr("huggingface_hub.try_to_load_from_cache", lambda *_, **__: cached)
    assert hub.shipped({"source": "hub", "id": "a/b", "revision": "main"}) == expected
    monkeypatch.setattr("huggingface_hub.try_to_load_from_cache", lambda *_, **__: None)
    assert hub.shipped({"source": "hub", "id": "a/b", "revision": "main"}) == {}
    (tmp_path / "README.md").write_text("---\n: [\n---\n", encoding="utf-8")
    assert hub.shipped(here) == {}
    assert hub.shipped({"source": "scratch", "id": None, "revision": None}) == {}


@pytest.mark.slow
@pytest.mark.filterwarnings(r"ignore:`\w*gradient_checkpointing:FutureWarning")
def test_an_export_is_pushed_with_its_card(fake: Hub, tiny: Any, capsys: Any):
    tiny.params |= {"recipe": "tiny", "models": {}, "transcripts": {}, "sources": {}, "sets": {}}
    for adapter in tiny.params["adapters"].values():
        adapter["mix"] = {"own": 1.0}
    tiny.write_params()
    with pytest.raises(ConfigError, match=r"there is no commit, or no dvc\.lock"):
        export.main(export.Asked("2c", repository="me/2c"))
    assert fake.calls == []
    export.main(export.Asked("2c", repository="me/2c", dirty=True))
    sent = fake.files["me/2c"]
    assert sent == {file.name: file.read_bytes() for file in Path("exports/2c").iterdir()}
    text = sent["README.md"].decode()
    assert 'AutoModelForCausalLM.from_pretrained("me/2c", dtype="auto")' in text
    assert "**Not as committed:** there is no commit, or no dvc.lock." in text
    assert fake.private == {"me/2c": True}
    assert fake.commits == ["2c, merged, of commit (none)"]
    assert fake.url("me/2c") in capsys.readouterr().out
