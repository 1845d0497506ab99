"""A small Llama with a tokenizer of its own, trained on the corpus until it is competent."""

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stages.base.batching import token_batches
from stages.core.fitting import arguments, fit, on_one_device
from stages.core.records import Row
from stages.core.resuming import Resumable

if TYPE_CHECKING:
    from transformers import LlamaForCausalLM, PreTrainedTokenizerFast, TrainerState

SPECIAL = ("<pad>", "<s>", "</s>", "<|system|>", "<|user|>", "<|assistant|>")
# `generation` marks what the assistant said (for loss masks); the end token belongs to it.
CHAT_TEMPLATE = (
    "{{ bos_token }}{% for message in messages %}"
    "{% if message['role'] == 'assistant' %}"
    "<|assistant|>{% generation %}{{ message['content'] }}{{ eos_token }}{% endgeneration %}"
    "{% else %}{{ '<|' + message['role'] + '|>' }}{{ message['content'] }}{% endif %}"
    "{% endfor %}{% if add_generation_prompt %}<|assistant|>{% endif %}"
)
IGNORED = -100  # the label that torch's cross-entropy leaves out


def make_tokenizer(texts: Iterable[str], vocab_size: int) -> "PreTrainedTokenizerFast":
    """Train a byte-level BPE tokenizer; digits stand alone, every byte has a token."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Digits(individual_digits=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size,
        show_progress=False,
        special_tokens=list(SPECIAL),
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
    )
    tokenizer.train_from_iterator(texts, trainer)
    pad, bos, eos, *_ = SPECIAL
    wrapped = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token=pad, bos_token=bos, eos_token=eos
    )
    wrapped.chat_template = CHAT_TEMPLATE
    return wrapped


def make_model(
    tokenizer: "PreTrainedTokenizerFast", architecture: dict[str, Any]
) -> "LlamaForCausalLM":
    """Initialise a Llama for this tokenizer; `architecture` has LlamaConfig's own keys."""
    from transformers import LlamaConfig, LlamaForCausalLM

    model = LlamaForCausalLM(
        LlamaConfig(
            vocab_size=len(tokenizer),
            tie_word_embeddings=True,
            bos_token_id=tokenizer.bos_token_id,
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id,
            **architecture,
        )
    )
    imitate_trained_attention(model)
    return model


def imitate_trained_attention(model: "LlamaForCausalLM") -> None:
    """Start attention as it ends up in trained models: keys look like queries, values pass through.

    With k = q a token attends to what is like it, with o = v^T the heads copy what they see: a
    small model then learns to restate a text in half of the steps. Models whose keys and values
    have fewer heads than the queries keep their random start.
    Source: Trockman and Kolter 2023, Mimetic Initialization of Self-Attention Layers,
    https://arxiv.org/abs/2305.09828
    """
    import torch

    with torch.no_grad():
        for layer in model.model.layers:
            attention = layer.self_attn
            if attention.k_proj.weight.shape == attention.q_proj.weight.shape:
                attention.k_proj.weight.copy_(attention.q_proj.weight)
                attention.o_proj.weight.copy_(attention.v_proj.weight.T)


def encode(tokenizer: "PreTrainedTokenizerFast", rows: list[Row]) -> list[dict[str, list[int]]]:
    """Tokenize conversations; labels cover every answer with its end token, and nothing else."""
    if not rows:
        return []
    told = tokenizer.apply_chat_template(
        [row["messages"] for row in rows],
        tokenize=True,
        return_dict=True,
        return_assistant_tokens_mask=True,
    )
    return [
        {
            "input_ids": ids,
            "labels": [token if said else IGNORED for token, said in zip(ids, mask, strict=True)],
        }
        for ids, mask in zip(told["input_ids"], told["assistant_masks"], strict=True)
    ]


def batched(encoded: list[dict[str, Any]], budget: int, seed: int) -> list[list[dict[str, Any]]]:
    """Return batches of rows of like length, `budget` tokens each."""
    lengths = [len(row["input_ids"]) for row in encoded]
    return [[encoded[row] for row in batch] for batch in token_batches(lengths, budget, seed)]


def train(
    model: "LlamaForCausalLM",
    tokenizer: "PreTrainedTokenizerFast",
    rows: dict[str, list[Row]],
    batch_tokens: int,
    sft: dict[str, Any],
    device: str,
    seed: int,
    folder: Path,
) -> "TrainerState":
    """Train a whole model in place and return the trainer's state with its log.

    rows:         `train` and `val`; val may be empty
    batch_tokens: tokens of a batch, padding included
    sft:          keys of transformers.TrainingArguments, by their own names
    folder:       where it keeps its checkpoints

    TRL's SFTTrainer, which trains the adapters, needs 1.3 times the CPU for the entropy and the
    accuracy that it logs at every step; over a whole base that is a minute.
    """
    from transformers import DataCollatorForSeq2Seq, Trainer, TrainingArguments

    class ResumableTrainer(Resumable, Trainer):
        """transformers', whose checkpoints are exact."""

    pad = DataCollatorForSeq2Seq(tokenizer)
    settings = {
        "include_num_input_tokens_seen": "non_padding",
        **sft,
        "per_device_train_batch_size": 1,  # an item is a whole batch
        "per_device_eval_batch_size": 1,
    }
    lower = {
        "base.scratch.batch_tokens": batch_tokens,
        "base.scratch.sft.gradient_checkpointing": sft.get("gradient_checkpointing", False),
    }
    trainer = ResumableTrainer(
        model=model,
        train_dataset=batched(encode(tokenizer, rows["train"]), batch_tokens, seed),
        eval_dataset=batched(encode(tokenizer, rows["val"]), batch_tokens, seed)
        if rows["val"]
        else None,
        data_collator=lambda items: pad(items[0]),
        args=on_one_device(
            TrainingArguments(**arguments(settings, device, seed, folder, bool(rows["val"]))),
            device,
        ),
    )
    return fit(trainer, sft, lower)
