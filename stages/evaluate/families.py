"""Which answers each family of metrics is given. What no section asks for is not imported."""

from typing import Any

from stages.evaluate.scoring import Scoring, other_references


def score(scoring: Scoring, params: dict[str, Any], schema: dict[str, Any]) -> None:
    """Fill in the values of every answer, by every key that a section of it asks for.

    params: the sections `evaluate`, which has passed `check_sections`, and `compute`
    """
    for answer in scoring.asking("judged"):
        scoring.take([answer], {"judged": [scoring.judged[answer]]})
    _likelihood(scoring)
    _wording(scoring)
    _behaviour(scoring)
    _content(scoring, schema)
    _code(scoring, params["evaluate"]["code"])
    _meaning(scoring, params)


def _likelihood(scoring: Scoring) -> None:
    for answer in scoring.asking("loss", "perplexity"):
        known = scoring.answers[answer]
        tokens = float(known["reference_tokens"])
        found = {"loss": known["reference_nll"] / tokens, "reference_tokens": tokens}
        scoring.take([answer], {key: [value] for key, value in found.items()})
    for answer in scoring.asking("token_accuracy"):
        known = scoring.answers[answer]
        tokens = float(known["reference_tokens"])
        found = {"token_accuracy": known["reference_hits"] / tokens, "reference_tokens": tokens}
        scoring.take([answer], {key: [value] for key, value in found.items()})
    for answer in scoring.asking("hidden_similarity"):
        value = scoring.answers[answer]["hidden_similarity"]
        scoring.take([answer], {"hidden_similarity": [value]})


def _wording(scoring: Scoring) -> None:
    rouge = [key for key in ("rouge_1", "rouge_2", "rouge_l") if scoring.asking(key)]
    floor = scoring.asking("rouge_l_floor")
    if rouge or floor:
        from stages.evaluate.metrics.wording import Rouge

        answers = scoring.asking(*rouge) if rouge else []
        if answers:
            scoring.take(answers, Rouge().compute(**scoring.columns(answers), keys=rouge))
        if floor:
            others = other_references(scoring, floor)
            columns = scoring.columns(floor) | {"predictions": [each or "" for each in others]}
            values = Rouge().compute(**columns, keys=["rouge_l"])["rouge_l"]
            values = [None if o is None else v for o, v in zip(others, values, strict=True)]
            scoring.take(floor, {"rouge_l_floor": values})
    overlap = [key for key in ("sentence_bleu", "sentence_chrf") if scoring.asking(key)]
    if overlap:
        from stages.evaluate.metrics.overlap import Overlap

        answers = scoring.asking(*overlap)
        scoring.take(answers, Overlap().compute(**scoring.columns(answers), keys=overlap))
    if answers := scoring.asking("exact"):
        from stages.evaluate.metrics.wording import Exact

        scoring.take(answers, Exact().compute(**scoring.columns(answers)))


def _behaviour(scoring: Scoring) -> None:
    if answers := scoring.asking("empty", "length", "refusal"):
        from stages.evaluate.metrics.behaviour import Behaviour

        scoring.take(answers, Behaviour().compute(**scoring.columns(answers)))
    if answers := scoring.asking("degenerate"):
        from stages.evaluate.metrics.behaviour import Degenerate

        ends = [scoring.answers[answer]["finish_reason"] for answer in answers]
        columns = scoring.columns(answers)
        scoring.take(answers, Degenerate().compute(**columns, finish_reasons=ends))
    for answers_in in scoring.said("in_language", "answers_in"):
        for language in scoring.said("in_language", "language"):
            said = {"answers_in": answers_in, "language": language}
            if answers := scoring.asking("in_language", **said):
                from stages.evaluate.metrics.language import InLanguage

                found = InLanguage().compute(**scoring.columns(answers), **said)
                scoring.take(answers, found)
    if answers := scoring.asking("diacritics"):
        from stages.evaluate.metrics.diacritics import Diacritics

        scoring.take(answers, Diacritics().compute(**scoring.columns(answers)))


def _content(scoring: Scoring, schema: dict[str, Any]) -> None:
    for language in scoring.said("content_recall", "language"):
        if answers := scoring.asking("content_recall", language=language):
            from stages.evaluate.metrics.content import ContentRecall

            keywords = [scoring.row(answer)["keywords"] for answer in answers]
            columns = scoring.columns(answers)
            found = ContentRecall().compute(**columns, keywords=keywords, language=language)
            scoring.take(answers, found)
    if answers := scoring.asking("parses", "schema_valid", language="json"):
        from stages.evaluate.metrics.structure import Structure

        scoring.take(answers, Structure().compute(**scoring.columns(answers), schema=schema))
    if answers := scoring.asking("field_agreement", language="json"):
        from stages.evaluate.metrics.structure import FieldAgreement

        scoring.take(answers, FieldAgreement().compute(**scoring.columns(answers)))


CODEBLEU = (
    "codebleu", "codebleu_above_floor", "codebleu_ngram", "codebleu_weighted_ngram",
    "codebleu_syntax", "codebleu_dataflow",
)  # fmt: skip


def _code(scoring: Scoring, settings: dict[str, Any]) -> None:
    if answers := scoring.asking("any", "parses", language="python"):
        from stages.evaluate.metrics.code import Code

        scoring.take(answers, Code().compute(**scoring.columns(answers)))
    if answers := scoring.asking(*CODEBLEU):
        from stages.evaluate.metrics.code import CodeBleu

        scoring.take(answers, CodeBleu().compute(**scoring.columns(answers)))
    answers = scoring.asking("passes")
    if answers and settings["run"]:
        from stages.evaluate.metrics.code import Passes
        from stages.evaluate.sandbox import Limits

        limits = Limits(settings["timeout_s"], settings["memory_mb"])
        cases = [scoring.row(answer)["cases"] for answer in answers]
        found = Passes().compute(**scoring.columns(answers), cases=cases, limits=limits)
        scoring.verdicts.update(zip(answers, found.pop("verdicts"), strict=True))
        scoring.guards = found.pop("guards")
        scoring.take(answers, found)


MEANING = ("similarity", "similarity_to_base", "bertscore_f1", "off_topic")


def _meaning(scoring: Scoring, params: dict[str, Any]) -> None:
    asked = {key: answers for key in MEANING if (answers := scoring.asking(key))}
    if asked:
        from stages.core.encoder import set_threads
        from stages.evaluate.embedding import score_meaning

        set_threads(params["compute"]["threads"])
        score_meaning(scoring, asked, params["evaluate"])
