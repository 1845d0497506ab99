"""Collect what is known of a build at one revision: params.yaml, dvc.lock, metrics/, manifests."""

import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from stages.core.choices import chosen
from stages.core.lineage import Manifest
from stages.core.sections import sets_of
from tools.origin import Origin

METRICS, COMPARISON = "metrics/models/{}.json", "metrics/comparison/{}.json"
LOCK = "dvc.lock"
Counts = dict[str, int]
Sources = dict[str, dict[str, Any]]  # name -> its part of `sources`


@dataclass(frozen=True, kw_only=True)
class Built:
    """What every card tells of; nothing where it is not there.

    stages:  of dvc.lock, by name
    data, splits, sources, diversity: of metrics/
    changed: what differs from the commit and from dvc.lock, in words
    """

    params: dict[str, Any]
    stages: dict[str, Any] = field(default_factory=dict)
    data: dict[str, Any] = field(default_factory=dict)
    splits: dict[str, Any] = field(default_factory=dict)
    sources: dict[str, Any] = field(default_factory=dict)
    diversity: dict[str, Any] = field(default_factory=dict)
    commit: str | None = None
    revision: str | None = None
    changed: list[str] = field(default_factory=list)

    def made_from(self, name: str) -> list[str]:
        """Return what params.yaml says that a set is made from: sources, or `rows`."""
        named = self.params.get("sets", {}).get(name, {}).get("from") or []
        return [named] if isinstance(named, str) else list(named)

    def origins(self, sets: Iterable[str]) -> Sources:
        """Return the sources that the rows of sets were made from, by name."""
        asked = self.params.get("prompt", {}).get("source")
        named = [
            asked if name == "rows" else name for each in sets for name in self.made_from(each)
        ]
        return {name: self.params.get("sources", {}).get(name) or {} for name in named if name}

    def teachers(self, sets: Iterable[str]) -> list[str]:
        """Return the models that wrote the answers of sets; the offline teacher is a program."""
        if not any("rows" in self.made_from(name) for name in sets):
            return []
        asked = (each for each in self.params.get("teachers", ()) if each["weight"] > 0)
        return [each["model"] for each in asked if each.get("base_url") != "offline"]

    def languages(self, sets: Iterable[str]) -> list[str]:
        """Return the languages that sections of evaluate say of the answers of sets."""
        sections, among = self.params.get("evaluate", {}).get("sections", {}), set(sets)
        said = {
            each.get("answers_in")
            for each in sections.values()
            if "set" in each and among & set(sets_of(each))
        }
        return sorted(said - {None})


@dataclass(frozen=True, kw_only=True)
class Facts(Built):
    """What is known of a model.

    metrics, comparison: what metrics/ holds of it
    rows: how many rows of each set each adapter of the chain was trained on
    """

    manifest: Manifest
    metrics: dict[str, Any] = field(default_factory=dict)
    comparison: dict[str, Any] | None = None
    rows: dict[str, Counts] = field(default_factory=dict)

    @property
    def keys(self) -> dict[str, str]:
        """Return name -> key of the adapters of the chain, those of params.yaml."""
        named = {told["name"]: key for key, told in self.params["adapters"].items()}
        return {name: named[name] for name in self.manifest["chain"] if name in named}

    @property
    def sets(self) -> list[str]:
        """Return the sets that the model was trained on, a scratch base's first."""
        # params.yaml may be that of an old commit, which had fewer sections.
        scratch = self.manifest["base"]["source"] == "scratch"
        own = [self.params["base"]["set"]] if scratch and "base" in self.params else []
        mixes = (self.params["adapters"][key]["mix"] for key in self.keys.values())
        return list(dict.fromkeys([*own, *(name for mix in mixes for name in mix)]))


def gather(origin: Origin, params: dict[str, Any], changed: list[str], scratch: Path) -> Built:
    """Collect what every card tells of."""

    def found(name: str) -> dict[str, Any]:
        content = origin.read(f"metrics/{name}.json")
        return {} if content is None else json.loads(content)

    return Built(
        params=params,
        stages=(origin.yaml(LOCK, scratch) or {}).get("stages", {}),
        data=found("data"),
        splits=found("splits"),
        sources=found("sources"),
        diversity=found("diversity"),
        commit=origin.commit,
        revision=origin.revision,
        changed=changed,
    )


def of_model(built: Built, manifest: Manifest, origin: Origin) -> Facts:
    """Add what is known of a model."""

    def found(path: str) -> Any:
        content = origin.read(path.format(manifest["name"]))
        return None if content is None else json.loads(content)

    rows = {}
    for each in manifest["chain"][1:]:
        lines = (origin.read(f"data/mix/{each}/train.jsonl") or b"").splitlines()
        rows[each] = dict(sorted(Counter(json.loads(line)["set"] for line in lines).items()))
    return Facts(
        **vars(built),
        manifest=manifest,
        metrics=found(METRICS) or {},
        comparison=found(COMPARISON),
        rows=rows,
    )


def chain_of(name: str, stack: dict[str, dict[str, Any]]) -> list[str]:
    """Return the names from the base to a model. stack: adapter's name -> what params.yaml says."""
    if name not in stack:
        return [name]
    below = chain_of(stack[name]["on"], stack)
    return [*(below[:-1] if stack[name].get("mode") == "continue" else below), name]


def declared(name: str, params: dict[str, Any]) -> Manifest:
    """Return what params.yaml alone says of a model that is not here: a manifest without hashes."""
    stack = {told["name"]: told for told in params["adapters"].values()}
    base = chosen(params["base"])
    identity = {key: base.get(key) for key in ("source", "id", "revision", "dtype", "quantize")}
    return {
        "name": name,
        "kind": "adapter" if name in stack else "base",
        "on": stack[name]["on"] if name in stack else None,
        "chain": chain_of(name, stack),
        "base": identity | {"weights": None, "chat_template": None},
    }


def digest_of(stages: dict[str, Any], stage: str, kind: str, path: str) -> str:
    """Return the MD5 that dvc.lock has for a dep or an out of a stage, or nothing."""
    items = stages.get(stage, {}).get(kind, [])
    return next((item.get("md5", "") for item in items if item["path"] == path), "")
