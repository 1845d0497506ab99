"""Find what the assistant said among a conversation's tokens: the loss of every answer needs it."""

import re
from typing import TYPE_CHECKING

from stages.core.errors import ConfigError, Fault
from stages.core.records import Row

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

MARK = re.compile(r"\{%-?\s*generation\s*-?%\}")


def marks_answers(tokenizer: "PreTrainedTokenizerBase") -> bool:
    """Tell whether the chat template says itself what the assistant said.

    Source: https://huggingface.co/docs/transformers/chat_templating_writing (generation)
    """
    return MARK.search(tokenizer.get_chat_template()) is not None


def answered(
    tokenizer: "PreTrainedTokenizerBase", rows: list[Row], wholes: list[list[int]]
) -> list[list[int]]:
    """Return a mask for each row, 1 where the assistant speaks, for a template without marks.

    An answer is what a conversation up to it has more than its prompt: with its end, as the last
    answer of a row has it. Each must be a beginning of the whole conversation.

    wholes: the tokens of each row
    Raises: ConfigError naming the row and the answer that the template writes in another way when
        more turns follow.
    """
    ends = [
        (at, end)
        for at, row in enumerate(rows)
        for end, turn in enumerate(row["messages"], 1)
        if turn["role"] == "assistant"
    ]
    prompts, uptos = (
        tokenizer.apply_chat_template(
            [rows[at]["messages"][: end - before] for at, end in ends],
            add_generation_prompt=bool(before),
            tokenize=True,
            return_dict=False,
        )
        for before in (1, 0)
    )
    masks = [[0] * len(whole) for whole in wholes]
    for (at, end), prompt, upto in zip(ends, prompts, uptos, strict=True):
        whole = wholes[at]
        if whole[: len(upto)] != upto or upto[: len(prompt)] != prompt:
            what = (
                f"it writes turn {end} of row {rows[at]['id']} differently when more turns follow"
            )
            raise ConfigError(
                Fault(
                    "models/base: chat template",
                    f"{what}, and does not mark answers",
                    "one with {% generation %}, or one that writes earlier turns as they are",
                    "leave assistant_only_loss out: then the last answer of each row is learned "
                    "(conversations.turns: each makes a row of every answer)",
                )
            )
        masks[at][len(prompt) : len(upto)] = [1] * (len(upto) - len(prompt))
    return masks
