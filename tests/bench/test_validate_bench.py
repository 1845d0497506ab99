"""The benches of validate measure what they say, on little."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def said(*command: str) -> str:
    """Run a bench; its exit status speaks of a rate, which a busy machine may miss."""
    run = subprocess.run(
        [sys.executable, *command], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert run.returncode in (0, 1), run.stderr
    assert run.stderr == ""
    return run.stdout


def test_validate_counts_every_reply():
    flags = ("--rows", "600", "--peer", "100", "--similarity", "0.9", "--repeats", "1")
    out = said("bench/validate.py", *flags)
    assert "600 replies, 10% malformed" in out
    assert '"requested": 600' in out
    assert '"silently_wrong": 0' in out


def test_duplicates_finds_what_the_exact_join_finds():
    out = said("bench/duplicates.py", "--rows", "1500", "--peer-rows", "600")
    assert "recall 1.0000 of 136 planted" in out
    assert "precision 1.0000 of 136 dropped" in out
    assert "exact join of 600 rows: 57 go, 0 of them\n  missed, 0 dropped" in out
    assert "datasketch: " in out
