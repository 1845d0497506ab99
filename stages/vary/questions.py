"""What a model is asked again, and how its answer is kept."""

from dataclasses import dataclass
from typing import Any

from stages.core.pasted import match_pasted, prompt_of
from stages.core.records import Message, Row, Variation
from stages.vary.wordings import Wording, chosen

TRAINED = ""  # the wording that the model was trained with


@dataclass
class Question:
    """One question to a model.

    turns:   what it is asked, before its answer
    variant: the wording, a key of `ablation.variants`; empty: as it was trained
    sample:  which of several answers to the same question
    bare:    no system prompt may stand there, not even the chat template's own
    """

    row: Row
    turns: list[Message]
    variant: str
    sample: int
    bare: bool = False

    @property
    def told(self) -> str:
        """Return what a message calls it."""
        return f"row {self.row['id']}, wording {self.variant or 'as trained'}"


def variation(name: str, question: Question, text: str, reason: str) -> Variation:
    """Put an answer beside the row that it answers."""
    row = question.row
    return {
        "model": name,
        "set": row["set"],
        "skill": row["skill"],
        "row": row["id"],
        "prompt": prompt_of(
            [turn for turn in question.turns if turn["content"]] + row["messages"][-1:]
        ),
        "reference": row["messages"][-1]["content"],
        "text": text,
        "finish_reason": reason,
        "variant": question.variant,
        "sample": question.sample,
    }


def of_transcript(name: str, entries: list[dict[str, Any]], rows: list[Row]) -> list[Variation]:
    """Return a transcript's answers to rows; it gives several of one prompt numbers itself.

    Raises: InputError naming every answer that belongs to no row.
    """
    return [
        variation(
            name,
            Question(row, row["messages"][:-1], TRAINED, entry_.get("sample", 0)),
            entry_["text"],
            "stop",
        )
        for row, entry_ in match_pasted(name, entries, rows)
    ]


def questions(
    rows: list[Row], ablation: dict[str, Any], profile: dict[str, Any]
) -> tuple[list[Question], list[Question]]:
    """Return what is to be asked: in other wordings, once each; and as trained, several times."""
    reworded = [
        Question(row, wording.conversation(row), wording.name, 0, wording.bare)
        for wording in (Wording(*each) for each in ablation["variants"].items())
        for row in chosen(rows, ablation["set"], ablation["rows"])
    ]
    repeated = [
        Question(row, row["messages"][:-1], TRAINED, sample)
        for row in chosen(rows, profile["set"], profile["rows"])
        for sample in range(profile["samples"])
    ]
    return reworded, repeated


def room_for(
    questions: list[Question], tokenizer: Any, longest: int
) -> list[tuple[list[int], list[int]]]:
    """Return the tokens of each question, and of its reference where that can be told apart.

    Raises: InputError naming every question that, with its reference, a model has no room for.
    """
    from stages.core.decoding import beyond, prompt_tokens

    encoded = []
    for question in questions:
        prompt = prompt_tokens(tokenizer, question.turns)
        turns = [*question.turns, question.row["messages"][-1]]
        whole = tokenizer.apply_chat_template(turns, tokenize=True, return_dict=False)
        begins = whole[: len(prompt)] == prompt
        encoded.append((prompt, whole[len(prompt) :] if begins else []))
    lengths = [len(prompt) + max(1, len(reference)) for prompt, reference in encoded]
    beyond(longest, zip((each.told for each in questions), lengths, strict=True))
    return encoded
