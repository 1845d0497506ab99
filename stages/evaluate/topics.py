"""What is off topic: how close answers are to questions that they have nothing to do with."""

from typing import TYPE_CHECKING

from stages.core.encoder import Encoder
from stages.core.errors import ConfigError, Fault
from stages.core.pasted import prompt_of
from stages.core.records import Row
from stages.evaluate.scoring import reference

if TYPE_CHECKING:
    from torch import Tensor

    from stages.core.encoder import Embedding

SAMPLE = 10  # rows of a skill that the threshold is taken from
UNRELATED = 0.95  # so large a share of unrelated pairs lies at or below the threshold


def question(row: Row) -> str:
    """Return what the row asks: every turn but the last."""
    return prompt_of(row["messages"]).strip()


def by_skill(rows: list[Row]) -> dict[str, list[Row]]:
    """Return the first SAMPLE rows of each skill by id, those whose reference is blank left out."""
    skills: dict[str, list[Row]] = {}
    for row in sorted(rows, key=lambda row: row["id"]):
        kin = skills.setdefault(row["skill"], [])
        if len(kin) < SAMPLE and reference(row).strip():
            kin.append(row)
    return {skill: kin for skill, kin in skills.items() if kin}


def closeness(answers: "Tensor", questions: "Tensor", references: "Tensor") -> "Tensor":
    """Return how close each answer is to each row, (answers, rows): the better of its two cosines.

    All are of length 1; a question or a reference of zeros is close to nothing.
    """
    import torch

    return torch.maximum(answers @ questions.T, answers @ references.T)


def threshold(rows: list[Row], encoder: Encoder, known: "dict[str, Embedding]") -> float:
    """Return the closeness that UNRELATED of all references have to rows of other skills.

    From test rows alone, so that it is the same for every model.
    known: gets the texts that were embedded for it
    Raises: ConfigError where all rows are of one skill: then nothing is known to be unrelated.
    """
    import torch

    skills = by_skill(rows)
    if len(skills) < 2:
        what = f"off_topic needs test rows of two skills or more; all are of {', '.join(skills)}"
        then = "leave off_topic out, or score a set of other prompts too"
        raise ConfigError(Fault("params.yaml: evaluate.sections", what, then=then))
    chosen = [row for kin in skills.values() for row in kin]
    texts = {text for row in chosen for text in (question(row), reference(row).strip()) if text}
    known.update(encoder.embed(texts))
    vectors = {text: unit(known[text].sentence) for text in sorted(texts)}
    nothing = torch.zeros_like(next(iter(vectors.values())))
    questions = torch.stack([vectors.get(question(row), nothing) for row in chosen])
    references = torch.stack([vectors[reference(row).strip()] for row in chosen])
    close = closeness(references, questions, references)
    apart = torch.tensor([[a["skill"] != b["skill"] for b in chosen] for a in chosen])
    return float(torch.quantile(close[apart], UNRELATED))


def unit(vector: "Tensor") -> "Tensor":
    """Return a vector scaled to length 1."""
    import torch

    return torch.nn.functional.normalize(vector, dim=-1)
