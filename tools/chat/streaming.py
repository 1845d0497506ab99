"""Make one answer token by token: by transformers' own `generate`, whatever the architecture."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from stages.core.contract import stop_tokens
from stages.core.decoding import text_of
from stages.core.decoding.next_token import NextToken
from stages.core.decoding.next_token import Sampling as Drawing

if TYPE_CHECKING:
    from transformers import LogitsProcessorList, PreTrainedModel, PreTrainedTokenizerBase

INCOMPLETE = "\ufffd"  # how a tokenizer spells bytes that are no whole character, or not yet
Reason = Literal["", "stop", "length", "stopped"]


class Sampling(NamedTuple):
    """How an answer is decoded.

    max_new_tokens:     at most so many
    temperature:        0: the likeliest token each time, as `answer` decodes; else above 0
    top_p, top_k:       1.0 and 0: off
    repetition_penalty: 1.0: off
    seed:               of the draws; the same seed, the same answer
    """

    max_new_tokens: int
    temperature: float = 0.0
    top_p: float = 1.0
    top_k: int = 0
    repetition_penalty: float = 1.0
    seed: int = 0


def stream(
    model: "PreTrainedModel",
    tokenizer: "PreTrainedTokenizerBase",
    prompt: list[int],
    limit: int,
    sampling: Sampling,
    name: str,
    halted: Callable[[], bool],
    said: Callable[[list[int]], None],
) -> Reason:
    """Answer a prompt; return why the answer ended.

    limit:  of new tokens
    name:   what the draws are called: another name, other draws under the same seed
    halted: asked after each token; True ends the answer
    said:   gets all tokens so far, when there is another one; not the one that ends the answer
    """
    import torch
    from transformers import StoppingCriteriaList

    stops = stop_tokens(tokenizer, model.generation_config)
    tokens: list[int] = []
    ended = False

    class Streamer:
        """What `generate` gives the prompt, then each token."""

        begun = False

        def put(self, value: "torch.Tensor") -> None:
            nonlocal ended
            if not self.begun:
                self.begun = True
            elif int(value) in stops:
                ended = True
            elif not ended:
                tokens.append(int(value))
                said(tokens)

        def end(self) -> None:
            pass

    with torch.inference_mode():
        ids = torch.tensor([prompt], device=model.device)
        model.generate(
            input_ids=ids,
            attention_mask=torch.ones_like(ids),
            max_new_tokens=limit,
            do_sample=False,  # the likeliest of what `processors` leaves
            pad_token_id=tokenizer.pad_token_id,
            eos_token_id=sorted(stops),
            logits_processor=processors(sampling, name, len(prompt)),
            stopping_criteria=StoppingCriteriaList([lambda *_: halted()]),
            streamer=Streamer(),
        )
    if ended:
        return "stop"
    return "length" if len(tokens) >= limit else "stopped"


def processors(sampling: Sampling, name: str, length: int) -> "LogitsProcessorList":
    """Return what leaves the next token to be the likeliest.

    length: of the prompt
    The draws are those of `stages.core.decoding`: of one seed they are the same on every machine.
    """
    import torch
    from transformers import (
        LogitsProcessor,
        LogitsProcessorList,
        RepetitionPenaltyLogitsProcessor,
        TopKLogitsWarper,
    )

    found: list[Any] = []
    if sampling.repetition_penalty != 1.0:
        found.append(RepetitionPenaltyLogitsProcessor(sampling.repetition_penalty))
    if sampling.temperature > 0:
        if sampling.top_k:
            found.append(TopKLogitsWarper(sampling.top_k))
        drawing = Drawing(sampling.temperature, sampling.top_p, sampling.seed)
        next_token = NextToken(drawing, [name])

        class Drawn(LogitsProcessor):
            """Leave the token that was drawn to be the only likely one."""

            def __call__(self, input_ids: "torch.Tensor", scores: "torch.Tensor") -> "torch.Tensor":
                token = next_token(scores, [0], [input_ids.shape[1] - length])
                return torch.zeros_like(scores).scatter(1, token[:, None], 1.0)

        found.append(Drawn())
    return LogitsProcessorList(found)


def partial(tokenizer: "PreTrainedTokenizerBase", tokens: Sequence[int]) -> str:
    """Return the text of an answer under way, without a character that is not whole yet."""
    return text_of(tokenizer, list(tokens)).rstrip(INCOMPLETE)
