"""Measure how alike the rows are, in words and in meaning.

Reads:   data/rows.jsonl; of data/sources, the tables that a set mixes with them
Writes:  metrics/diversity.json
Network: none (an encoder given by hub id comes from the hub, when the cache lacks it)
"""

from typing import TYPE_CHECKING, Any

from stages.core import entry
from stages.core.encoder import Encoder, set_threads
from stages.core.jsonl import read_rows, write_json
from stages.core.marks import words
from stages.core.params import load
from stages.core.records import Row

if TYPE_CHECKING:
    from torch import Tensor

PARAMS = ("diversity", "evaluate.encoder", "compute", "sets")
DIGITS = 4
ALL = "all sources"  # no source can be called so: a name has no space
ROWS = "rows"


def distinct(texts: list[str], n: int) -> float:
    """Return the share of distinct word n-grams among all n-grams of all texts, 0 to 1.

    Falls as the texts grow in number: compare equal numbers. 0 where no text has n words.
    Source: https://arxiv.org/abs/1510.03055 (distinct-n)
    """
    grams = []
    for text in texts:
        found = words(text)
        grams += [tuple(found[at : at + n]) for at in range(len(found) - n + 1)]
    return len(set(grams)) / len(grams) if grams else 0.0


def sample(rows: list[Row], size: int) -> list[Row]:
    """Return at most `size` rows, the same whatever their order: those of the lowest ids.

    Ids are content hashes, so that this is a uniform draw, and a row more changes one row of it.
    """
    return sorted(rows, key=lambda row: row["id"])[:size]


def likeness(embedded: "Tensor", near: float) -> tuple[dict[str, float], list[int]]:
    """Return how alike texts are by their embeddings, (texts, dim), two at least.

    Two texts are near-duplicates when their cosine is `near` or more; a cluster is what hangs
    together by such pairs.

    self_similarity: mean cosine of all pairs, -1 to 1, lower is more diverse
    near_duplicate_share: share of texts in clusters of two or more, 0 to 1
    clusters:        how many clusters there are, those of one text too, 1 to texts
    largest_cluster: the share of texts in the largest one, 1/texts to 1
    Besides: the places of two near-duplicates of the largest cluster, or nothing where all texts
    stand alone.
    Source: https://arxiv.org/abs/2212.10560, section 3 (there by ROUGE-L), and
    https://docs.scipy.org/doc/scipy/reference/generated/scipy.sparse.csgraph.connected_components.html
    """
    import torch
    from scipy.sparse.csgraph import connected_components

    unit = torch.nn.functional.normalize(embedded, dim=-1)
    cosines = unit @ unit.T
    own = torch.eye(len(unit), dtype=torch.bool)
    mean = float(cosines[~own].mean())
    alike = (cosines >= near) & ~own
    clusters, labels = connected_components(alike.numpy(), directed=False)
    sizes = torch.bincount(torch.from_numpy(labels))
    largest = int(sizes.argmax())
    one = int((torch.from_numpy(labels) == largest).int().argmax())
    figures = {
        "self_similarity": round(mean, DIGITS),
        "near_duplicate_share": round(int(alike.any(dim=1).sum()) / len(unit), DIGITS),
        "clusters": clusters,
        "largest_cluster": round(int(sizes[largest]) / len(unit), DIGITS),
    }
    if sizes[largest] == 1:
        return figures, []
    return figures, [one, int(alike[one].int().argmax())]


def measure(
    rows: list[Row], encoder: "Encoder", settings: dict[str, Any], over: int
) -> tuple[dict[str, float], list[str]]:
    """Return n, distinct_1 and distinct_2 of `over` rows, and the likeness of a sample.

    What is measured is the answer, a row's last message. Besides: the ids of two rows of the
    largest cluster.
    """
    texts = [row["messages"][-1]["content"] for row in sample(rows, over)]
    figures: dict[str, float] = {"n": len(rows)}
    figures |= {f"distinct_{n}": round(distinct(texts, n), DIGITS) for n in (1, 2)}
    drawn = sample(rows, settings["sample"])
    if len(drawn) < 2:
        return figures, []
    embedded = encoder.sentences([row["messages"][-1]["content"] for row in drawn])
    found, pair = likeness(embedded, settings["near_duplicate_similarity"])
    return figures | {"sampled": len(drawn)} | found, [drawn[place]["id"] for place in pair]


def tables_beside(sets: dict[str, Any]) -> list[str]:
    """Return the sources whose rows a set mixes with what the teachers wrote, by name."""
    mixed = [spec["from"] for spec in sets.values() if isinstance(spec["from"], list)]
    return sorted({name for named in mixed if ROWS in named for name in named} - {ROWS})


def alarm(
    source: str, figures: dict[str, float], examples: list[str], settings: dict[str, Any]
) -> dict[str, Any] | None:
    """Return what is to be told of a source's rows (or of all) that cluster, or None.

    diversity.cluster_alarm: the share of near-duplicates above which they do, 0 to 1
    """
    if figures.get("near_duplicate_share", 0.0) <= settings["cluster_alarm"]:
        return None
    told = ("near_duplicate_share", "largest_cluster", "sampled")
    return {"source": source, "examples": examples, **{key: figures[key] for key in told}}


def main() -> None:
    """Measure all rows together; and those of each teacher and table, where there are several."""
    args = entry.flags(__doc__, "--rows", "--sources", "--metrics")
    params = load(PARAMS)
    settings = params["diversity"]
    rows = read_rows(args.rows)
    for name in tables_beside(params["sets"]):
        rows += read_rows(args.sources / f"{name}.jsonl")
    if not rows:
        write_json(args.metrics, {"n": 0})
        entry.say("diversity", "no rows, nothing to measure")
        return
    names = sorted({row["source"] for row in rows})
    parts = {ALL if len(names) > 1 else names[0]: rows}
    if len(names) > 1:
        parts |= {name: [row for row in rows if row["source"] == name] for name in names}
    set_threads(params["compute"]["threads"])
    encoder = Encoder(params["evaluate"]["encoder"])
    # Two sources can be compared by equal numbers alone: those of the one that gave fewest.
    fewest = min(map(len, parts.values()))
    over = {name: len(rows) if name == ALL else fewest for name in parts}
    measured = {name: measure(part, encoder, settings, over[name]) for name, part in parts.items()}
    alarms = [alarm(name, *found, settings) for name, found in measured.items()]
    (figures, _), *others = measured.values()
    told: dict[str, Any] = {**figures, "alarms": [found for found in alarms if found]}
    if others:
        told["distinct_over"] = len(rows)
        told["sources"] = {name: measured[name][0] | {"distinct_over": fewest} for name in names}
    write_json(args.metrics, told)
    alike = figures.get("near_duplicate_share", 0.0)
    said = f"{len(rows)} rows, {alike:.1%} near-duplicates in the sample"
    if told["alarms"]:
        said += f"; WARNING: rows cluster ({', '.join(one['source'] for one in told['alarms'])})"
    entry.say("diversity", said)


if __name__ == "__main__":
    entry.run(main)
