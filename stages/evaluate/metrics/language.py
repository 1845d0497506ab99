"""Language: whether an answer is in the one that the recipe asks for."""

from py3langid.langid import MODEL_FILE, LanguageIdentifier

from stages.core.errors import ConfigError, Fault
from stages.core.marks import words
from stages.evaluate.metrics.metric import RowMetric
from stages.evaluate.metrics.structure import fields, parse

# Of two words no one can tell a language: "da" is Romanian, Russian, Danish. Of three or more it
# told 25 of 26 Romanian answers, 24 of 26 of the same without diacritics (tests/evaluate).
SHORTEST = 3


def prose(text: str, language: str) -> str:
    """Return what of an answer is in a language: all of it, or the texts of its JSON."""
    value = parse(text) if language == "json" else None
    if value is None:
        return text
    return "\n".join(inner for _, inner in fields(value) if isinstance(inner, str))


def is_long_enough(text: str) -> bool:
    """Say whether a text has the words that its language can be told by."""
    return sum(word.isalpha() for word in words(text)) >= SHORTEST


class InLanguage(RowMetric):
    """Answers whose language is the wanted one; None for those that are too short to tell."""

    citation = "https://aclanthology.org/P12-3005"

    def _compute(
        self, predictions: list[str], references: list[str], answers_in: str, language: str
    ) -> dict[str, list[float | None]]:
        """Tell each answer's language.

        answers_in: the wanted language; language: json: of what its texts are
        Raises: ConfigError when it is none that can be told.
        """
        identifier = LanguageIdentifier.from_model_file(MODEL_FILE)
        if answers_in not in identifier.labels:
            what = f"{answers_in!r} is no language that can be told from others"
            expected = f"one of: {', '.join(sorted(identifier.labels))}"
            raise ConfigError(Fault("params.yaml: evaluate.sections: answers_in", what, expected))
        # Its small languages (Extremaduran) draw short answers away from their large kin.
        identifier.set_languages({x for x in identifier.labels if len(x) == 2} | {answers_in})
        texts = [prose(text, language) for text in predictions]
        told = [identifier.classify(text)[0] if is_long_enough(text) else None for text in texts]
        return {"in_language": [None if at is None else float(at == answers_in) for at in told]}
