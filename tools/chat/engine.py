"""Answer prompts by any of the models with one base in memory: adapters are switched.

    answer() ── waits its turn ──► one worker ── switch ── generate ──► pieces ──► the caller
        ▲                              │             (weights) (streaming)
        └── stop, or nobody reads on ──┘ ends after the present token

All work on models is done by one thread: whoever asks second waits, and may stop while waiting.
Nothing that a model writes is printed.
"""

import queue
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from stages.core.decoding import prompt_tokens, text_of, window
from stages.core.digest import digest
from stages.core.errors import Fault, InputError, UserError
from stages.core.records import Message
from stages.core.stack import load_tokenizer
from tools.chat.asked import hold_messages, hold_room, hold_sampling, template_told, told
from tools.chat.models import Model
from tools.chat.streaming import Reason, partial, stream
from tools.chat.streaming import Sampling as Sampling
from tools.chat.weights import Weights, give_back_memory, tokenizer_folder

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

POLL_S = 0.05  # how often a waiting caller looks whether it is to stop


class Piece(NamedTuple):
    """An answer as far as it has come.

    text:          all of it so far
    finish_reason: "" while it goes on; stop, length (max_new_tokens), stopped (by the user)
    tokens:        how many so far
    first_s, seconds: until the first token (None before it), and until now
    """

    text: str
    finish_reason: Reason
    tokens: int
    first_s: float | None
    seconds: float


class Engine:
    """One base with all adapters that its models need. One answer at a time; others wait."""

    def __init__(self, base: Path, models: Sequence[Model], compute: dict[str, Any]) -> None:
        """Load nothing yet: the first answer does."""
        self._base = base
        self._models = {model.name: model for model in models}
        self._compute = compute
        self._weights = Weights(base, compute)
        self._tokenizers: dict[Path, PreTrainedTokenizerBase] = {}
        self._loading = threading.Lock()  # of a tokenizer: `prompt` is asked from any thread
        self._worker = ThreadPoolExecutor(1, thread_name_prefix="chat")
        self._closing = threading.Event()  # set: what was asked for before ends
        self._prepared = False

    def answer(
        self,
        model: str,
        messages: Sequence[Message],
        sampling: Sampling,
        stop: threading.Event,
    ) -> Iterator[Piece]:
        """Yield an answer as it comes; the last piece has its finish_reason.

        messages: the conversation, the user's turn last; a system prompt first, or none
        stop:     set: it ends after the present token, the text so far stays
        A caller that reads slowly gets fewer, longer pieces. Its seconds count from this call.
        Raises: UserError where the model cannot be loaded, or the conversation is too long for it.
        """
        return self._pieces(model, list(messages), sampling, stop, time.perf_counter())

    def _pieces(
        self,
        model: str,
        messages: list[Message],
        sampling: Sampling,
        stop: threading.Event,
        began: float,
    ) -> Iterator[Piece]:
        hold_sampling(sampling)
        hold_messages(messages)
        chosen = self._model(model)
        pieces: queue.SimpleQueue[Piece | Exception] = queue.SimpleQueue()
        left, closing = threading.Event(), self._closing

        def halted() -> bool:
            return stop.is_set() or left.is_set() or closing.is_set()

        job = self._worker.submit(self._work, chosen, messages, sampling, began, halted, pieces.put)
        try:
            while True:
                try:
                    piece = pieces.get(timeout=POLL_S)
                    while not pieces.empty():
                        piece = pieces.get()
                except queue.Empty:
                    if job.done() and pieces.empty():
                        job.result()  # the interpreter is going down
                    if not (halted() and job.cancel()):
                        continue
                    # Another answer was still under way.
                    piece = Piece("", "stopped", 0, None, time.perf_counter() - began)
                if isinstance(piece, Exception):
                    raise piece
                yield piece
                if piece.finish_reason:
                    return
        finally:
            left.set()  # nobody reads on: the worker ends after the present token
            job.cancel()

    def _work(
        self,
        model: Model,
        messages: list[Message],
        sampling: Sampling,
        began: float,
        halted: Callable[[], bool],
        put: Callable[[Piece | Exception], None],
    ) -> None:
        """Answer, in the worker's thread; an error is put, too."""
        try:
            self._say(model, messages, sampling, began, halted, put)
            return
        except UserError as error:
            put(error.with_traceback(None))  # its frames hold what was loaded by then
            return
        except Exception as error:  # the window stays open, whatever a library raises
            failed = told(model.name, error)
        give_back_memory()
        put(failed)

    def _say(
        self,
        model: Model,
        messages: list[Message],
        sampling: Sampling,
        began: float,
        halted: Callable[[], bool],
        put: Callable[[Piece | Exception], None],
    ) -> None:
        first: float | None = None
        tokens: list[int] = []

        def said(so_far: list[int]) -> None:
            nonlocal first
            tokens[:] = so_far
            now = time.perf_counter() - began
            first = now if first is None else first
            put(Piece(partial(tokenizer, tokens), "", len(tokens), first, now))

        reason: Reason = "stopped"
        if not halted():
            self._prepare()
            loaded, tokenizer = self._weights.switch(model), self._tokenizer(model)
            with template_told():
                prompt = prompt_tokens(tokenizer, messages)
            room = hold_room(model.name, len(prompt), window(loaded))
            limit = min(sampling.max_new_tokens, room)
            name = f"{digest([dict(each) for each in messages])} 0"
            if not halted():
                reason = stream(loaded, tokenizer, prompt, limit, sampling, name, halted, said)
        text = text_of(tokenizer, tokens) if tokens else ""
        put(Piece(text, reason, len(tokens), first, time.perf_counter() - began))

    def prompt(self, model: str, messages: Sequence[Message]) -> str:
        """Return what the model is given, to the letter: the template applied.

        Loads a tokenizer, but no model.
        Raises: UserError where the template refuses the conversation.
        """
        hold_messages(list(messages))
        tokenizer = self._tokenizer(self._model(model))
        with template_told():
            return tokenizer.apply_chat_template(
                list(messages), add_generation_prompt=True, tokenize=False
            )

    def close(self) -> None:
        """Let go of all models, and of the accelerator's memory; end what is under way.

        An answer that is asked for afterwards loads its model again.
        """
        self._closing.set()
        self._closing = threading.Event()
        self._worker.submit(self._weights.drop).result()

    def _model(self, name: str) -> Model:
        if name not in self._models:
            expected = f"one of: {', '.join(self._models)}"
            raise InputError(Fault("model", f"there is no {name!r} to ask", expected))
        return self._models[name]

    def _prepare(self) -> None:
        if not self._prepared:
            from stages.core.torch_setup import prepare

            prepare(self._compute)
            self._prepared = True

    def _tokenizer(self, model: Model) -> "PreTrainedTokenizerBase":
        folder = tokenizer_folder(self._base, model)
        with self._loading:
            if folder not in self._tokenizers:
                self._tokenizers[folder] = load_tokenizer(folder)
            return self._tokenizers[folder]
