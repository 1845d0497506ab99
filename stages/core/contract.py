"""What a model was trained to be asked with, so that whoever asks it does the same, or is refused.

    chat_template   SHA-256 of the template that wrote every training row
    bos, pad        ids of the tokens that begin a text and fill a batch
    eos             ids of every token that ends an answer
    system          the system prompts of the training rows, most frequent first: `text` (null: rows
                    without one; `sha256` where it is long) and in how many `rows`; up to SHOWN

A model that was trained to end with one token and is served with another never stops; one that has
never seen a system prompt answers otherwise under one.
"""

from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stages.core.errors import Fault, LineageError
from stages.core.fingerprints import text_digest
from stages.core.records import Row

if TYPE_CHECKING:
    from transformers import GenerationConfig, PreTrainedTokenizerBase

SHOWN = 5
LONG = 4000  # characters


def stop_tokens(tokenizer: "PreTrainedTokenizerBase", generation: "GenerationConfig") -> set[int]:
    """Return every token that ends an answer: some models have several (Llama 3: eot, eom)."""
    named = generation.eos_token_id
    return {tokenizer.eos_token_id, *(named if isinstance(named, list) else [named])} - {None}


def special(tokenizer: "PreTrainedTokenizerBase", generation: "GenerationConfig") -> dict[str, Any]:
    """Return the part of the contract that a tokenizer and a model's settings decide."""
    return {
        "chat_template": text_digest(tokenizer.chat_template),
        "bos": tokenizer.bos_token_id,
        "eos": sorted(stop_tokens(tokenizer, generation)),
        "pad": tokenizer.pad_token_id,
    }


def systems(rows: Iterable[Row]) -> list[dict[str, Any]]:
    """Return the system prompts of rows, the most frequent first, `SHOWN` at most."""
    counts = Counter(
        first["content"] if (first := row["messages"][0])["role"] == "system" else None
        for row in rows
    )
    ordered = sorted(counts.items(), key=lambda each: (-each[1], each[0] or ""))
    return [
        {"sha256": text_digest(text), "rows": count}
        if text is not None and len(text) > LONG
        else {"text": text, "rows": count}
        for text, count in ordered[:SHOWN]
    ]


def made(
    tokenizer: "PreTrainedTokenizerBase", generation: "GenerationConfig", rows: Iterable[Row]
) -> dict[str, Any]:
    """Return the contract of a model that is about to be trained on these rows.

    generation: the model's generation_config, before a trainer changes it
    """
    return special(tokenizer, generation) | {"system": systems(rows)}


def hold(
    model: Path,
    contract: dict[str, Any] | None,
    tokenizer: "PreTrainedTokenizerBase",
    generation: "GenerationConfig",
) -> None:
    """Refuse a tokenizer and settings under which a model was not trained.

    model:    its folder, to be named
    contract: of its manifest; None of a base, which has none
    Raises: LineageError naming both sides of whatever differs.
    """
    here = special(tokenizer, generation)
    faults = [
        Fault(
            f"{model}: contract.{key}",
            f"it was trained with {said!r}, but the tokenizer and the base have {here[key]!r}",
            "what it was trained with",
            "dvc repro",
        )
        for key, said in (contract or {}).items()
        if key in here and here[key] != said
    ]
    if faults:
        raise LineageError(*faults)
