"""Where checkpoints lie, what they are called by, and who may remove them."""

import fcntl
import os
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from stages.core import checkpoints
from stages.core.checkpoints import kept, key_of, latest, root, seal
from stages.core.errors import UserError


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Let checkpoints lie in a folder of the test's own."""
    monkeypatch.delenv("DVC_ROOT", raising=False)
    monkeypatch.setenv("TUNEGRAPH_CHECKPOINTS", str(tmp_path / "kept"))
    return tmp_path / "kept"


def test_lie_below_the_main_checkout(monkeypatch: pytest.MonkeyPatch) -> None:
    """DVC deletes outputs, and runs experiments in copies of the checkout."""
    monkeypatch.delenv("TUNEGRAPH_CHECKPOINTS")
    assert root() == Path(".cache/tunegraph/checkpoints")
    monkeypatch.setenv("DVC_ROOT", "/main")
    assert root() == Path("/main/.cache/tunegraph/checkpoints")
    monkeypatch.setenv("TUNEGRAPH_CHECKPOINTS", "near")
    assert root() == Path("/main/near")
    monkeypatch.setenv("TUNEGRAPH_CHECKPOINTS", "/far")
    assert root() == Path("/far")


def test_key_is_of_all_that_decides(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Parameters, rows, manifests, code, packages; not weights, which manifests name."""
    rows, base = tmp_path / "train.jsonl", tmp_path / "base"
    base.mkdir()
    rows.write_text("1")
    (base / "manifest.json").write_text("1")
    (base / "model.safetensors").write_text("1")
    params = {"adapters": {"m2b": {"lora": {"r": 8}, "sft": {"max_steps": 3}}}}

    def key(stage: str = "train", params: dict[str, Any] = params) -> str:
        return key_of(stage, params, [rows, base])

    keys = [key()]
    assert key() == keys[0]
    (base / "model.safetensors").write_text("2")
    assert key() == keys[0]
    keys.append(key(params={"adapters": {"m2b": {"lora": {"r": 9}, "sft": {"max_steps": 3}}}}))
    keys.append(key(stage="base"))
    rows.write_text("2")
    keys.append(key())
    (base / "manifest.json").write_text("2")
    keys.append(key())
    monkeypatch.setattr(checkpoints, "version", lambda name: "0.0")
    keys.append(key())
    monkeypatch.setattr(checkpoints, "file_digest", lambda file: file.name)
    keys.append(key())
    assert len(set(keys)) == 7


def test_success_removes_and_failure_keeps(elsewhere: Path) -> None:
    """Whatever fails, or is killed, can go on."""
    made = elsewhere / "2b" / "key"
    with suppress(KeyError), kept() as folder:
        assert folder("2b", "key") == made
        (made / "checkpoint-1").mkdir()
        raise KeyError
    assert (made / "checkpoint-1").is_dir()
    with kept() as folder:
        assert folder("2b", "key") == made
        assert (made / "checkpoint-1").is_dir()
    assert list((elsewhere / "2b").iterdir()) == []


def test_another_run_of_the_same_has_a_folder_of_its_own(elsewhere: Path, capsys: Any) -> None:
    """It is removed whatever happens; the first one's stays the first one's."""
    with kept() as first:
        mine = first("2b", "key")
        with suppress(KeyError), kept() as second:
            theirs = second("2b", "key")
            assert theirs.is_dir()
            raise KeyError
        assert theirs != mine
        assert not theirs.exists()
        assert mine.is_dir()
    assert "another run holds them; training without" in capsys.readouterr().out


def test_keeps_a_few_of_the_others_and_all_that_live(elsewhere: Path) -> None:
    """Killed runs under other parameters do not pile up; a running one is not touched."""
    home = elsewhere / "2b"
    for at in range(6):
        (home / f"old{at}").mkdir(parents=True)
        os.utime(home / f"old{at}", (at, at))
    (home / ".gone.1").mkdir()
    with (home / "old0" / "lock").open("w") as live:
        os.utime(home / "old0", (0, 0))
        fcntl.flock(live, fcntl.LOCK_EX)
        with kept() as folder:
            folder("2b", "key")
            found = sorted(each.name for each in home.iterdir())
    assert found == ["key", "old0", "old3", "old4", "old5"]


def test_waits_for_no_removal(elsewhere: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder that is removed between opening its lock and holding it is made again."""
    locked, flock = [], fcntl.flock

    def slow(file: int, how: int) -> None:
        if not locked:
            checkpoints._remove(elsewhere / "2b" / "key")
        locked.append(file)
        flock(file, how)

    monkeypatch.setattr(fcntl, "flock", slow)
    with kept() as folder:
        assert folder("2b", "key").is_dir()
        assert len(locked) == 2


def write(folder: Path, step: int) -> Path:
    """Write a checkpoint as the trainer does; return where it is then."""
    written = folder / ".saving" / f"checkpoint-{step}"
    (written / "epoch").mkdir(parents=True)
    (written / "weights").write_text(f"{step}" * 100)
    (written / "epoch" / "rng").write_text("x")
    seal(written, folder, step)
    return folder / f"checkpoint-{step}"


def test_the_latest_whole_one_counts(tmp_path: Path, capsys: Any) -> None:
    """By number, not by name; two stay."""
    assert latest(tmp_path) is None
    made = [write(tmp_path, step) for step in (8, 9, 10)]
    assert latest(tmp_path) == made[2]
    assert not made[0].exists()
    for file in ("weights", "epoch/rng"):
        path = write(tmp_path, 11)
        (path / file).write_text("other")
        assert latest(tmp_path) == made[2]
        assert not path.exists()
    assert capsys.readouterr().out.count("is damaged: left out") == 2
    for path in (made[2] / "weights", write(tmp_path, 12) / "digests.json"):
        path.unlink()
    assert latest(tmp_path) is None


@pytest.mark.parametrize("said", ["{}", "[]", "null", "not JSON", '{"weights": "0"}'])
def test_what_says_nothing_is_not_whole(tmp_path: Path, said: str) -> None:
    """A folder without digests of its files is no checkpoint."""
    (write(tmp_path, 3) / "digests.json").write_text(said)
    assert latest(tmp_path) is None


def test_says_where_nothing_can_be_kept(elsewhere: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file is in the way, or the disk has no locks."""
    elsewhere.write_text("")
    with pytest.raises(UserError, match="no checkpoints can be kept there"), kept() as folder:
        folder("2b", "key")
    elsewhere.unlink()

    def refuse(*_: Any) -> None:
        raise OSError(37, "No locks available")

    monkeypatch.setattr(fcntl, "flock", refuse)
    with pytest.raises(UserError, match="No locks available") as told, kept() as folder:
        folder("2b", "key")
    assert "set TUNEGRAPH_CHECKPOINTS" in str(told.value)
