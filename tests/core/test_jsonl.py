"""JSON Lines at rest: one spelling, faults with file and line, whole files or the old ones."""

import errno
import io
import json
from pathlib import Path
from typing import Any

import pytest

from stages.core import jsonl
from stages.core.errors import InputError


def test_rows_are_spelled_in_one_way(tmp_path: Path):
    path = tmp_path / "deep" / "rows.jsonl"
    assert jsonl.write_rows(path, [{"b": "é\n\u2028", "a": 1}, [1.5, None]]) == 2
    assert path.read_bytes() == '{"a": 1, "b": "é\\n\u2028"}\n[1.5, null]\n'.encode()
    assert jsonl.read_rows(path) == [{"a": 1, "b": "é\n\u2028"}, [1.5, None]]


def test_no_rows_are_an_empty_file(tmp_path: Path):
    assert jsonl.write_rows(tmp_path / "rows.jsonl", []) == 0
    assert (tmp_path / "rows.jsonl").read_bytes() == b""
    assert jsonl.read_rows(tmp_path / "rows.jsonl") == []


def test_every_broken_line_is_named(tmp_path: Path):
    path = tmp_path / "rows.jsonl"
    path.write_bytes(b'{"a": 1}\n{"a": \xff}\n\n{"a": 1,}\n{"a": 1}')
    with pytest.raises(InputError) as told:
        jsonl.read_rows(path)
    assert [fault.where for fault in told.value.faults] == [f"{path}:2", f"{path}:4"]
    assert "not UTF-8 at byte 7 of the line" in told.value.faults[0].what
    assert "not JSON at column" in told.value.faults[1].what


def test_a_byte_order_mark_at_the_beginning_is_none_of_the_text(tmp_path: Path):
    """An editor's, in a file that a person wrote."""
    (tmp_path / "a.jsonl").write_text('\ufeff{"a": 1}\n{"a": 2}\n', encoding="utf-8")
    assert jsonl.read_rows(tmp_path / "a.jsonl") == [{"a": 1}, {"a": 2}]
    (tmp_path / "a.jsonl").write_text('{"a": 1}\n\ufeff{"a": 2}\n', encoding="utf-8")
    with pytest.raises(InputError, match=r"a\.jsonl:2: not JSON at column 1"):
        jsonl.read_rows(tmp_path / "a.jsonl")


def test_ten_broken_lines_are_enough(tmp_path: Path):
    path = tmp_path / "rows.jsonl"
    path.write_text("{\n" * 50)
    with pytest.raises(InputError) as told:
        jsonl.read_rows(path)
    assert len(told.value.faults) == 10


def test_a_constant_that_json_does_not_know_is_named(tmp_path: Path):
    path = tmp_path / "rows.jsonl"
    path.write_text('{"a": 1}\n{"a": NaN}\n')
    with pytest.raises(InputError, match=r"rows.jsonl:2: not JSON .*NaN is no JSON number"):
        jsonl.read_rows(path)


@pytest.mark.parametrize("read", [jsonl.read_rows, jsonl.read_json])
def test_a_missing_file_is_named(tmp_path: Path, read: Any):
    with pytest.raises(InputError, match=r"none.json: there is no such file\n  to do: dvc repro"):
        read(tmp_path / "none.json")


@pytest.mark.parametrize("text", [b'{"a": ', b'{"a": "\xff"}', b""])
def test_a_broken_json_file_is_named(tmp_path: Path, text: bytes):
    (tmp_path / "one.json").write_bytes(text)
    with pytest.raises(InputError, match=r"one.json: not JSON in UTF-8"):
        jsonl.read_json(tmp_path / "one.json")


def test_json_is_sorted_and_indented(tmp_path: Path):
    jsonl.write_json(tmp_path / "one.json", {"b": "é", "a": [1]})
    assert (tmp_path / "one.json").read_text("utf-8") == (
        '{\n  "a": [\n    1\n  ],\n  "b": "é"\n}\n'
    )


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_what_is_no_number_in_json_is_not_written(tmp_path: Path, value: float):
    for write in (jsonl.write_json, lambda path, one: jsonl.write_rows(path, [one])):
        with pytest.raises(ValueError, match="not JSON compliant"):
            write(tmp_path / "one.json", {"a": value})
    assert list(tmp_path.iterdir()) == []


def test_a_row_that_fails_leaves_the_old_file_and_nothing_beside_it(tmp_path: Path):
    path = tmp_path / "rows.jsonl"
    jsonl.write_rows(path, [1])

    def rows() -> Any:
        yield 2
        raise RuntimeError("halfway")

    with pytest.raises(RuntimeError, match="halfway"):
        jsonl.write_rows(path, rows())
    assert jsonl.read_rows(path) == [1]
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("when", ["write", "close"])
def test_a_full_disk_leaves_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, when: str
):
    """A file system may say so only when the buffer is flushed at the end."""
    path = tmp_path / "rows.jsonl"
    jsonl.write_rows(path, ["old"])

    class Full(io.RawIOBase):
        def writable(self) -> bool:
            return True

        def write(self, data: Any) -> int:
            raise OSError(errno.ENOSPC, "No space left on device")

    def opened(self: Path, *_: Any, **__: Any) -> Any:
        self.touch()
        size = 1 if when == "write" else 1 << 20
        return io.TextIOWrapper(io.BufferedWriter(Full(), size), "utf-8", write_through=size == 1)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "open", opened)
        with pytest.raises(OSError, match="No space left") as told:
            jsonl.write_rows(path, [{"n": "new" * 100}] * 10)
    assert told.value.errno == errno.ENOSPC
    assert told.value.filename == str(path)
    assert json.loads(path.read_text()) == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_half_of_a_surrogate_pair_is_told_with_its_line(tmp_path: Path):
    path = tmp_path / "rows.jsonl"
    path.write_text('{"a": "\\ud83d\\ude00"}\n{"a": "\\ud83d"}\n', encoding="utf-8")
    with pytest.raises(InputError, match=r"rows\.jsonl:2: holds half of a surrogate pair"):
        jsonl.read_rows(path)
