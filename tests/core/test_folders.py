"""A folder is there whole or not at all."""

from contextlib import suppress
from pathlib import Path

import pytest

from stages.core.folders import replacing_folder


def names(folder: Path) -> list[str]:
    """Return all that lies in a folder, by name."""
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def test_takes_the_place_of_what_was_there(tmp_path: Path) -> None:
    """Nothing of the former folder stays."""
    (tmp_path / "model" / "deep").mkdir(parents=True)
    with replacing_folder(tmp_path / "model") as written:
        (written / "new").mkdir()
        (written / "new" / "file").write_text("1")
        assert names(tmp_path / "model") == ["deep"]
    assert names(tmp_path) == ["model", "model/new", "model/new/file"]


def test_a_failure_leaves_what_was_there(tmp_path: Path) -> None:
    """And nothing beside it."""
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "old").touch()
    with suppress(KeyError), replacing_folder(tmp_path / "model") as written:
        (written / "new").touch()
        raise KeyError
    assert names(tmp_path) == ["model", "model/old"]


@pytest.mark.parametrize("at", ["rename", "replace"])
def test_what_a_killed_run_left_is_in_nobodys_way(tmp_path: Path, at: str) -> None:
    """Killed while it wrote, or between the two renames."""
    (tmp_path / ".model.written").mkdir()
    (tmp_path / ".model.written" / "half").touch()
    if at == "replace":
        (tmp_path / ".model.former").mkdir()
    with replacing_folder(tmp_path / "model") as written:
        (written / "new").touch()
    assert names(tmp_path) == ["model", "model/new"]


def test_makes_the_folders_above(tmp_path: Path) -> None:
    """A clone has no models/."""
    with replacing_folder(tmp_path / "models" / "2b") as written:
        (written / "new").touch()
    assert names(tmp_path / "models") == ["2b", "2b/new"]
