"""Write the card of a data set: each figure comes from the rows, params.yaml, metrics/, dvc.lock.

Source: https://huggingface.co/docs/hub/datasets-cards
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from stages.report.markdown import escape, table
from tools import citations, data_story, licences
from tools.facts import Built, digest_of
from tools.loading import code

if TYPE_CHECKING:
    from tools.dataset import Written

SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"))
MEANS = {
    "id": "digest of the messages",
    "skill": "what the row exercises",
    "group": "what stood on one side of the split as a whole",
    "source": "the source, or the teacher, that it comes from",
    "messages": "the conversation: `role` and `content`; the last turn is the assistant's",
    "record": "the checked record, as JSON",
    "keywords": "words that a good answer holds, by key, as JSON",
    "cases": "calls that the code must answer, as JSON",
}


@dataclass(frozen=True, kw_only=True)
class Facts(Built):
    """What is known of a set."""

    name: str

    @property
    def spec(self) -> dict[str, Any]:
        """Return what params.yaml says of the set."""
        return self.params["sets"][self.name]


def front(facts: Facts, written: Sequence["Written"], licence: str | None) -> str:
    """Return the YAML at the top, which the hub and `load_dataset` read."""
    from huggingface_hub import DatasetCardData

    rows = sum(each.rows for each in written)
    size = next((name for below, name in SIZES if rows < below), "n>1M")
    hub = sorted(
        each["path"] for each in facts.origins([facts.name]).values() if each.get("kind") == "hub"
    )
    files = [{"split": each.split, "path": each.file} for each in written]
    data = DatasetCardData(
        language=facts.languages([facts.name]) or None,
        license=licence,
        task_categories=["text-generation"],
        size_categories=[size],
        source_datasets=hub or None,
        pretty_name=f"{facts.name} of {facts.params['recipe']}",
        tags=["tunegraph", "dvc", "sft"],
        configs=[{"config_name": "default", "data_files": files}],
    )
    return f"---\n{data.to_yaml()}\n---\n"


def made_of(facts: Facts) -> list[str]:
    """Return the table of the sources, and which teachers wrote to them."""
    rows = []
    for name, source in facts.origins([facts.name]).items():
        place = source.get("path") or source.get("file") or ""
        if source.get("revision"):
            place += f" @ {source['revision']}"
        told = facts.sources.get(name, {})
        changed = told.get("normalised") or {}
        rows.append(
            [
                escape(name),
                escape(source.get("kind", "")),
                escape(place),
                str(told.get("rows", "")),
                escape(", ".join(f"{each}: {n} rows" for each, n in changed.items())),
            ]
        )
    head = ["source", "kind", "from", "rows", "normalised"]
    lines = ["## What it is made of", "", *table(head, rows, left=5)]
    if models := facts.teachers([facts.name]):
        told = f"The answers were written by {', '.join(map(escape, models))}: its terms may bind."
        lines += [told, ""]
    elif "rows" in facts.made_from(facts.name):
        lines += ["The answers were written by the offline teacher: a program, no model.", ""]
    return lines


def divided(facts: Facts, written: Sequence["Written"]) -> list[str]:
    """Return how the set was split, and what is in each file."""
    spec = facts.spec
    how = f"by groups' hashes, seed {facts.params['seed']['data']}"
    if spec.get("ids"):
        how = "by ids: " + "; ".join(f"{side} {', '.join(on)}" for side, on in spec["ids"].items())
    elif spec.get("stratify"):
        how += f", within each {spec['stratify']}"
    if not spec.get("ids"):
        how += f"; val {spec['val']}, test {spec['test']}"
    lines = ["## Splits", "", f"Split {escape(how)}.", ""]
    rows = [[each.split, str(each.rows), each.file, each.sha256] for each in written]
    lines += table(["split", "rows", "file", "SHA-256"], rows, left=4)
    leaking = sum(facts.splits.get(facts.name, {}).get("leaking", {}).values())
    lines += [f"Taken out of training because a test held them: {leaking}.", ""]
    return lines


def alike(facts: Facts) -> list[str]:
    """Return how alike the rows that teachers wrote are, where that was measured."""
    found = facts.diversity
    share = found.get("near_duplicate_share")
    if share is None or "rows" not in facts.made_from(facts.name):
        return []
    told = (
        f"Of {found['sampled']} sampled answers a share of {share} says nearly what another one "
        "says: so much of the set repeats itself."
    )
    return ["## What to know before using it", "", told, ""]


def provenance(facts: Facts) -> list[str]:
    """Return where everything came from."""
    known = {
        "recipe": facts.params["recipe"],
        "set": facts.name,
        "git commit": facts.commit,
        "asked for as": facts.revision,
        "data/splits (MD5)": digest_of(facts.stages, "split", "outs", "data/splits"),
        "data/sources (MD5)": digest_of(facts.stages, "fetch", "outs", "data/sources"),
    }
    rows = [[name, escape(value)] for name, value in known.items() if value]
    lines = ["## Where it comes from", "", *table(["", ""], rows, left=2)]
    if facts.changed:
        lines += ["**Not as committed:** " + escape("; ".join(facts.changed)) + ".", ""]
    return lines


def card(facts: Facts, written: Sequence["Written"], where: str, licence: str | None) -> str:
    """Return README.md of a data set.

    where:   what the loading line names: a hub id, or `.`
    licence: an id of the hub's, or None: the card says that there is none yet
    """
    load = f'from datasets import load_dataset\n\ndata = load_dataset("{where}")'
    lines = [f"# {escape(facts.name)} of {escape(facts.params['recipe'])}", ""]
    lines += ["Rows to train and to test a chat model on.", ""]
    lines += ["## How to load it", "", *code("python", load)]
    columns = [[f"`{name}`", MEANS[name]] for name in written[0].columns]
    if columns:  # the rows are here
        lines += ["## Columns", "", *table(["column", "what it holds"], columns, left=2)]
    lines += [*made_of(facts), *data_story.lines(facts, [facts.name]), *divided(facts, written)]
    lines += [*alike(facts), *provenance(facts)]
    lines += licences.lines(licence, licences.built(facts, [facts.name]), "These rows")
    if licence is None:
        lines += ["No licence is named: whoever publishes it says one (`--license`).", ""]
    lines += citations.lines(citations.of_hub(citations.data_of_hub(facts, [facts.name])))
    lines += ["Made by `tunegraph export --format dataset`: `dvc repro split` builds it again."]
    return front(facts, written, licence) + "\n" + "\n".join(lines) + "\n"
