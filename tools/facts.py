"""Collect what is known of a model at one revision: its manifest, figures, parameters and lock."""

import json
from collections import Counter
from pathlib import Path
from typing import Any, NamedTuple

from stages.core.lineage import Manifest
from tools.origin import Origin

METRICS, COMPARISON = "metrics/models/{}.json", "metrics/comparison/{}.json"
LOCK = "dvc.lock"
Counts = dict[str, int]


class Facts(NamedTuple):
    """What is known of a model at one revision; None or nothing where it is not there.

    stages:  of dvc.lock, by name
    metrics, comparison: what metrics/ holds of the model
    rows:    how many rows of each set each adapter of the chain was trained on
    changed: what differs from the commit and from dvc.lock, in words
    """

    manifest: Manifest
    params: dict[str, Any]
    stages: dict[str, Any]
    metrics: dict[str, Any]
    comparison: dict[str, Any] | None
    rows: dict[str, Counts]
    commit: str | None
    revision: str | None
    changed: list[str]

    @property
    def keys(self) -> dict[str, str]:
        """Return name -> key of the adapters of the chain, those of params.yaml."""
        named = {told["name"]: key for key, told in self.params["adapters"].items()}
        return {name: named[name] for name in self.manifest["chain"] if name in named}


def gather(
    origin: Origin,
    params: dict[str, Any],
    manifest: Manifest,
    changed: list[str],
    scratch: Path,
) -> Facts:
    """Collect what a card tells of a model."""
    name = manifest["name"]

    def found(path: str) -> Any:
        content = origin.read(path.format(name))
        return None if content is None else json.loads(content)

    rows = {}
    for each in manifest["chain"][1:]:
        lines = (origin.read(f"data/mix/{each}/train.jsonl") or b"").splitlines()
        rows[each] = dict(sorted(Counter(json.loads(line)["set"] for line in lines).items()))
    lock = origin.yaml(LOCK, scratch) or {}
    return Facts(
        manifest,
        params,
        lock.get("stages", {}),
        found(METRICS) or {},
        found(COMPARISON),
        rows,
        origin.commit,
        origin.revision,
        changed,
    )


def digest_of(stages: dict[str, Any], stage: str, kind: str, path: str) -> str:
    """Return the MD5 that dvc.lock has for a dep or an out of a stage, or nothing."""
    items = stages.get(stage, {}).get(kind, [])
    return next((item.get("md5", "") for item in items if item["path"] == path), "")
