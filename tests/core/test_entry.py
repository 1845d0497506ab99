"""How a stage ends: a message and exit 1 for what a user can mend, a traceback for a defect."""

import errno
import sys
from pathlib import Path

import pytest

from stages.core import entry
from stages.core.errors import ConfigError, Fault, InputError, LineageError, TeacherError, UserError


def ending(error: BaseException) -> SystemExit:
    """Return how the process ends when a stage raises this."""

    def main() -> None:
        raise error

    with pytest.raises(SystemExit) as told:
        entry.run(main)
    return told.value


@pytest.mark.parametrize("kind", [UserError, ConfigError, InputError, TeacherError, LineageError])
def test_all_faults_are_told_without_a_traceback(kind: type[UserError]):
    faults = Fault("a: b", "is 3", "1 or 2", "dvc repro"), Fault("c", "is missing")
    # sys.exit(text) prints it to stderr and exits with 1.
    assert ending(kind(*faults)).code == (
        "error: a: b: is 3\n  expected: 1 or 2\n  to do: dvc repro\nerror: c: is missing"
    )


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG])
def test_a_full_disk_is_a_message(number: int):
    said = ending(OSError(number, "full", "data/rows.jsonl")).code
    assert said.startswith("error: data/rows.jsonl: no room left on the disk\n  to do: free some")
    assert ending(OSError(number, "full")).code.startswith("error: disk: no room left")


@pytest.mark.parametrize("number", [errno.EACCES, errno.EROFS, errno.EISDIR])
def test_a_place_that_cannot_be_used_is_a_message(number: int):
    said = ending(OSError(number, "Not this one", "data/rows.jsonl")).code
    assert said.startswith("error: data/rows.jsonl: Not this one\n  expected: a file")


def test_ctrl_c_ends_as_the_shell_expects():
    assert ending(KeyboardInterrupt()).code == 130


@pytest.mark.parametrize("error", [PermissionError(errno.EACCES, "no"), KeyError("x")])
def test_a_defect_keeps_its_traceback(error: Exception):
    def main() -> None:
        raise error

    with pytest.raises(type(error)):
        entry.run(main)


def test_flags_are_paths_and_names_and_all_are_required(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setattr(sys, "argv", ["x", "--rows", "data/rows.jsonl", "--name", "2b"])
    told = entry.flags("doc", "--rows", names=("--name",))
    assert (told.rows, told.name) == (Path("data/rows.jsonl"), "2b")
    with pytest.raises(SystemExit) as ended:
        entry.flags("doc", "--rows", "--test", names=("--name",))
    assert ended.value.code == 2
    assert "the following arguments are required: --test" in capsys.readouterr().err


def test_a_stage_says_one_line(capsys: pytest.CaptureFixture[str]):
    entry.say("split", "3 rows")
    assert capsys.readouterr().out == "split: 3 rows\n"
