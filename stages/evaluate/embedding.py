"""Embed what the keys of meaning compare, each text once and some at a time, and compare it."""

from typing import TYPE_CHECKING, Any

from stages.core.encoder import Encoder, pinned
from stages.evaluate.imports import without
from stages.evaluate.scoring import Scoring, reference
from stages.evaluate.topics import question, threshold

if TYPE_CHECKING:
    from stages.core.encoder import Embedding

CHUNK = 256  # answers whose texts are held embedded at a time: bounds the memory
BERTSCORE, OFF_TOPIC = "bertscore_f1", "off_topic"
Compared = dict[str, dict[str, tuple[str, ...]]]  # key -> answer id -> texts, the answer's first


def score_meaning(scoring: Scoring, asked: dict[str, list[str]], params: dict[str, Any]) -> None:
    """Fill in similarity, similarity_to_base, bertscore_f1 and off_topic.

    asked: key -> the answers that it is asked of; params: the section `evaluate`
    """
    with without("scipy", "sklearn"):  # transformers would import them, for other models
        encoder, tokens = encoders(asked, params)
    compared = {key: _compared(scoring, key, answers) for key, answers in sorted(asked.items())}
    known: dict[str, Embedding] = {}
    limit = 0.0
    if OFF_TOPIC in asked:
        limit = threshold(list(scoring.rows.values()), encoder, known)
    wanted = {answer for answers in asked.values() for answer in answers}
    order = [answer for answer in scoring.answers if answer in wanted]
    for start in range(0, len(order), CHUNK):
        chunk = order[start : start + CHUNK]
        texts: dict[Encoder, set[str]] = {}
        for key, of_key in compared.items():
            mine = texts.setdefault(tokens if key == BERTSCORE else encoder, set())
            for answer in chunk:
                mine |= needed(key, of_key.get(answer, ()))
        embedded = {
            each: each.embed(mine - known.keys()) | known if each is encoder else each.embed(mine)
            for each, mine in texts.items()
        }
        for key, of_key in compared.items():
            if answers := [answer for answer in chunk if answer in of_key]:
                found = embedded[tokens if key == BERTSCORE else encoder]
                rows = [of_key[answer] for answer in answers]
                scoring.take(answers, compare(key, rows, found, limit))


def encoders(
    asked: dict[str, list[str]], params: dict[str, Any]
) -> tuple[Encoder | None, Encoder | None]:
    """Load the sentence encoder and BERTScore's: one model where the recipe names one for both."""
    settings = params["bertscore"]
    encoder = Encoder(params["encoder"]) if asked.keys() - {BERTSCORE} else None
    if BERTSCORE not in asked:
        return encoder, None
    same = encoder and pinned(params["encoder"]) == pinned(settings)
    if same and settings["num_layers"] == encoder.layer:
        return encoder, encoder
    where = "params.yaml: evaluate.bertscore"
    return encoder, Encoder(settings, settings["num_layers"], where, pools=False)


def _compared(scoring: Scoring, key: str, answers: list[str]) -> dict[str, tuple[str, ...]]:
    def beside(answer: str) -> tuple[str, ...]:
        row = scoring.row(answer)
        if key == "similarity_to_base":
            return (scoring.base[row["id"]].strip(),)
        if key == OFF_TOPIC:
            return reference(row).strip(), question(row)
        return (reference(row).strip(),)

    texts = {answer: scoring.answers[answer]["text"].strip() for answer in answers}
    return {answer: (text, *beside(answer)) for answer, text in texts.items()}


def needed(key: str, texts: tuple[str, ...]) -> set[str]:
    """Return what has to be embedded to compare texts: nothing of two that are the same."""
    if key != OFF_TOPIC and (len(set(texts)) == 1 or "" in texts):
        return set()
    return set(texts) - {""}


def compare(
    key: str, rows: list[tuple[str, ...]], embedded: "dict[str, Embedding]", limit: float
) -> dict[str, list[float | None]]:
    """Return the values of one key, in the order of the rows."""
    from stages.evaluate.metrics.meaning import BertScore, OffTopic, Similarity

    texts, others, *more = (list(side) for side in zip(*rows, strict=True))
    columns = {"predictions": texts, "references": others}
    if key == BERTSCORE:
        return BertScore().compute(**columns, embedded=embedded)
    vectors = {text: found.sentence for text, found in embedded.items()}
    if key == OFF_TOPIC:
        return OffTopic().compute(**columns, questions=more[0], vectors=vectors, limit=limit)
    return Similarity().compute(**columns, vectors=vectors, key=key)
