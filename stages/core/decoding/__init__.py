"""Let a model answer conversations: in batches by length, within a budget of tokens.

`answer_rows` is for whoever wants answers, `decode` for whoever has tokens and wants the likelihood
of the references, too. Two ways lead to the same tokens:

    underway    a loop of our own, for models whose layers keep all keys and values (see `unfit`)
    generated   transformers' own `generate`, for every other model

A greedy answer is the same whatever the batch, and so is a sampled one: each draws its own numbers.
The sums of a batch are rounded differently than those of a row alone (by about 1e-6 in float32), so
that two tokens as likely as each other to that many digits may change places.
"""

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from stages.core.contract import stop_tokens
from stages.core.decoding import generated, underway
from stages.core.decoding.next_token import NextToken
from stages.core.decoding.next_token import Sampling as Sampling
from stages.core.decoding.reading import takes
from stages.core.decoding.wanted import Answered, Wanted
from stages.core.digest import digest
from stages.core.errors import Fault, InputError
from stages.core.records import Message

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

# What a generation_config may say without a word in what the likeliest next token is.
HARMLESS = {
    "bos_token_id", "eos_token_id", "pad_token_id", "do_sample", "temperature", "top_p", "top_k",
    "max_length", "max_new_tokens", "use_cache", "transformers_version", "_from_model_config",
}  # fmt: skip
# Rotary embeddings that depend on how long the longest row of a batch is.
STRETCHED = {"dynamic", "longrope"}


def answer_rows(
    model: "PreTrainedModel",
    tokenizer: "PreTrainedTokenizerBase",
    conversations: list[list[Message]],
    limit: int,
    batch_tokens: int,
    sampling: Sampling | None = None,
) -> list[tuple[str, str]]:
    """Answer conversations, each of which ends with what the user says; keep their order.

    limit:        of new tokens
    batch_tokens: of a batch: rows x (longest prompt + limit)
    sampling:     None: the likeliest token always. The draws of an answer depend on the seed, the
                  conversation, and how often that has stood in the list before: on nothing else
    Returns each answer's text, and `stop` or `length`.
    Raises: InputError naming every conversation that the model's window does not hold.
    """
    prompts = [prompt_tokens(tokenizer, messages) for messages in conversations]
    longest = window(model)
    beyond(longest, [(f"conversation {at}", len(each) + 1) for at, each in enumerate(prompts)])
    seen: dict[str, int] = {}
    wanted = []
    for messages, prompt in zip(conversations, prompts, strict=True):
        called = digest([dict(message) for message in messages])
        seen[called] = number = seen.get(called, -1) + 1
        room = min(limit, longest - len(prompt))
        wanted.append(Wanted(prompt, room, name=f"{called} {number}"))
    found = dict(decode(model, tokenizer, wanted, batch_tokens, sampling))
    return [(text_of(tokenizer, found[at].tokens), found[at].reason) for at in range(len(wanted))]


def decode(
    model: "PreTrainedModel",
    tokenizer: "PreTrainedTokenizerBase",
    wanted: list[Wanted],
    batch_tokens: int,
    sampling: Sampling | None = None,
) -> Iterator[tuple[int, Answered]]:
    """Yield each answer with the likelihood of its reference, by its place, when it has ended."""
    stops = stop_tokens(tokenizer, model.generation_config)
    next_token = NextToken(sampling, [each.name for each in wanted])
    if unfit(model, wanted):
        pad = tokenizer.pad_token_id
        return generated.decode(model, wanted, stops, pad, batch_tokens, next_token)
    return underway.decode(model, wanted, stops, batch_tokens, next_token)


def prompt_tokens(tokenizer: "PreTrainedTokenizerBase", messages: Iterable[Message]) -> list[int]:
    """Return the tokens of a conversation, up to where the answer begins."""
    return tokenizer.apply_chat_template(
        list(messages), add_generation_prompt=True, tokenize=True, return_dict=False
    )


def text_of(tokenizer: "PreTrainedTokenizerBase", tokens: list[int]) -> str:
    """Return the text of an answer."""
    # Some tokenizers are told to tidy up spaces, which would change code and JSON.
    return tokenizer.decode(tokens, skip_special_tokens=True, clean_up_tokenization_spaces=False)


def window(model: "PreTrainedModel") -> int:
    """Return how many tokens a model was made for, a very large number where it does not say."""
    return getattr(model.config.get_text_config(), "max_position_embeddings", None) or 2**62


def beyond(longest: int, lengths: Iterable[tuple[str, int]]) -> None:
    """Refuse what a model's window does not hold; each has a name and a length in tokens.

    Raises: InputError naming every one.
    """
    faults = [
        Fault(
            where,
            f"{length} tokens with its answer",
            f"at most {longest}, which the model was made for (max_position_embeddings)",
            "leave it out of the test side, shorten it, or take another base",
        )
        for where, length in lengths
        if length > longest
    ]
    if faults:
        raise InputError(*faults)


def unfit(model: "PreTrainedModel", wanted: list[Wanted]) -> str | None:
    """Return why transformers' own `generate` must answer, or None where the loop here may.

    The loop knows layers that keep all keys and values, positions that are given, and a next token
    that the logits alone decide.
    """
    from transformers import DynamicCache
    from transformers.cache_utils import DynamicLayer, DynamicSlidingWindowLayer

    inner = model.get_base_model() if hasattr(model, "get_base_model") else model
    config = inner.config.get_text_config()
    if missing := {"position_ids", "logits_to_keep"} - takes(model):
        return f"{type(inner).__name__} takes no {' and no '.join(sorted(missing))}"
    kinds = {type(layer) for layer in DynamicCache(config=config).layers} - {DynamicLayer}
    if others := kinds - {DynamicSlidingWindowLayer}:
        return f"its cache has layers of {', '.join(sorted(kind.__name__ for kind in others))}"
    longest = max((each.longest for each in wanted), default=0)
    if kinds and longest > config.sliding_window:
        return f"{longest} tokens are more than its sliding window of {config.sliding_window}"
    rope = getattr(config, "rope_parameters", None) or {}
    each_kind = [rope, *(value for value in rope.values() if isinstance(value, dict))]
    if stretched := {each.get("rope_type") for each in each_kind} & STRETCHED:
        return f"its rotary embeddings are of type {', '.join(sorted(stretched))}"
    said = inner.generation_config.to_diff_dict()
    if said := {name for name in said.keys() - HARMLESS if said[name] not in (None, False)}:
        return f"its generation_config sets {', '.join(sorted(said))}"
    return None
