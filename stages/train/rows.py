"""The rows that an adapter trains on, as the trainer takes them: tokens, and which are learned."""

from typing import TYPE_CHECKING, Any, NamedTuple

from stages.core.errors import ConfigError, Fault
from stages.core.records import Row
from stages.train.spans import answered, marks_answers

if TYPE_CHECKING:
    from datasets import Dataset
    from transformers import PreTrainedTokenizerBase

MAX_LENGTH = 1024  # trl.SFTConfig's own default
IGNORED = -100  # the label that torch's cross-entropy leaves out
# Keys of trl.SFTConfig about preparing rows, which happens here: they would do nothing.
NOT_TAKEN = (
    *("chat_template_path", "dataset_kwargs", "dataset_num_proc", "dataset_text_field"),
    *("eos_token", "model_init_kwargs", "pad_token", "shuffle_dataset", "truncation_mode"),
)


class Encoded(NamedTuple):
    """The rows of one side.

    rows:     `input_ids`, and `labels` of the same length: the token, or -100 where it is no target
    too_long: how many rows were left out because they are longer than `max_length`
    """

    rows: list[dict[str, list[int]]]
    too_long: int

    @property
    def counts(self) -> dict[str, int]:
        """Return what a manifest says of them."""
        return {"trained": len(self.rows), "too_long": self.too_long}


def encode_sides(
    tokenizer: "PreTrainedTokenizerBase", rows: dict[str, list[Row]], sft: dict[str, Any]
) -> dict[str, Encoded]:
    """Encode the rows of each side (`train`, `val`) as `sft` says.

    sft: keys of trl.SFTConfig: `max_length`, `completion_only_loss`, `assistant_only_loss`
    Raises: ConfigError when `sft` asks for what is not done here, when all rows of a side are
    longer than `max_length`, or as `encode` does.
    """
    faults = [
        Fault(f"params.yaml: sft.{key}", f"{sft[key]!r} is not taken here", "leave it out")
        for key in NOT_TAKEN
        if sft.get(key) is not None
    ]
    packing = sft.get("packing") or sft.get("eval_packing")
    if packing and sft.get("packing_strategy", "bfd") != "bfd":
        what = f"{sft['packing_strategy']!r} cuts rows in two"
        faults.append(Fault("params.yaml: sft.packing_strategy", what, "bfd"))
    if packing and sft.get("max_length", MAX_LENGTH) is None:
        what = "packing fills sequences of this length, and it is null"
        faults.append(Fault("params.yaml: sft.max_length", what, "a number of tokens"))
    if faults:
        raise ConfigError(*faults)
    return {
        side: shorter(
            encode(
                tokenizer,
                each,
                sft.get("completion_only_loss") is not False,
                bool(sft.get("assistant_only_loss")),
            ),
            sft.get("max_length", MAX_LENGTH),
            side,
        )
        for side, each in rows.items()
    }


def encode(
    tokenizer: "PreTrainedTokenizerBase",
    rows: list[Row],
    completion_only: bool,
    assistant_only: bool,
) -> list[dict[str, list[int]]]:
    """Tokenize conversations; what is learned is the last turn with its end, unless told.

    completion_only: no token of the prompt is a target
    assistant_only:  no token is one that no assistant said, by the template's own marks; by what
                     each answer adds to its prompt, where it has none
    Both together mean what TRL means by them: a target is what both allow. Every answer of a
    conversation is learned with assistant_only alone.
    Raises: ConfigError when a template does not say which tokens these are.
    Source: https://huggingface.co/docs/trl/sft_trainer#train-on-completion-only
    """
    if not rows:
        return []
    marked = assistant_only and marks_answers(tokenizer)
    wholes = tokenizer.apply_chat_template(
        [row["messages"] for row in rows],
        tokenize=True,
        return_dict=True,
        return_assistant_tokens_mask=marked,
    )
    prompts = tokenizer.apply_chat_template(
        [row["messages"][:-1] for row in rows],
        add_generation_prompt=True,
        tokenize=True,
        return_dict=False,
    )
    marks = [None] * len(rows)
    if marked:
        marks = wholes["assistant_masks"]
    elif assistant_only:
        marks = answered(tokenizer, rows, wholes["input_ids"])
    encoded = []
    for row, ids, prompt, mark in zip(rows, wholes["input_ids"], prompts, marks, strict=True):
        if ids[: len(prompt)] != prompt:
            what = f"it writes the prompt of row {row['id']} differently when the answer follows"
            raise ConfigError(
                Fault(
                    "models/base: chat template",
                    what,
                    "a template whose prompt is the beginning of the whole conversation",
                )
            )
        labels = list(ids)
        if completion_only:
            labels[: len(prompt)] = [IGNORED] * len(prompt)
        if mark is not None:
            labels = [label if said else IGNORED for label, said in zip(labels, mark, strict=True)]
        if all(label == IGNORED for label in labels[1:]):
            what = f"row {row['id']} has no token to learn"
            if marked:
                what += ": the chat template marks nothing that the assistant said"
            raise ConfigError(
                Fault(
                    "params.yaml: sft.assistant_only_loss" if marked else "the rows",
                    what,
                    "{% generation %} around every answer" if marked else "an answer",
                )
            )
        encoded.append({"input_ids": ids, "labels": labels})
    return encoded


def shorter(encoded: list[dict[str, list[int]]], max_length: int | None, side: str) -> Encoded:
    """Leave out rows longer than `max_length` tokens: cut off, they would teach no end.

    Raises: ConfigError when none remain of some.
    """
    if max_length is None:
        return Encoded(encoded, 0)
    kept = [row for row in encoded if len(row["input_ids"]) <= max_length]
    if encoded and not kept:
        shortest = min(len(row["input_ids"]) for row in encoded)
        raise ConfigError(
            Fault(
                f"params.yaml: sft.max_length: {max_length}",
                f"all {len(encoded)} rows of {side} are longer; the shortest has {shortest} tokens",
                f"at least {shortest}",
                "raise max_length, or shorten what the prompt asks",
            )
        )
    return Encoded(kept, len(encoded) - len(kept))


def dataset(encoded: list[dict[str, list[int]]], pack_to: int | None) -> "Dataset | None":
    """Return rows as a dataset, packed into sequences of `pack_to` tokens if that is given.

    Packing is TRL's best-fit decreasing, which cuts no row; it adds `seq_lengths`, by which the
    collator keeps rows apart. None of no rows.
    """
    from datasets import Dataset

    if not encoded:
        return None
    made = Dataset.from_list(encoded)
    if pack_to is None:
        return made
    from trl import pack_dataset

    return pack_dataset(made, pack_to, "bfd")


def counted(encoded: dict[str, Encoded]) -> str:
    """Say how many rows are trained on, and how many of either side were left out."""
    train, val = encoded["train"], encoded["val"]
    said = f"{len(train.rows)} rows"
    if train.too_long or val.too_long:
        said += f" ({train.too_long} of train and {val.too_long} of val longer than max_length)"
    return said
