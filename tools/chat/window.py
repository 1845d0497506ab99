"""What the window does when something is clicked: plain functions of a chat, without Gradio.

Each yields or returns what changes, by the name of the control: an HTML text or a value, or a dict
of a control's properties (`label`, `value`, `visible`, `interactive`, ...).
"""

import threading
import traceback
from collections.abc import Iterator, Sequence
from pathlib import Path
from time import monotonic
from typing import Any

from stages.core.errors import Fault, UserError
from stages.core.records import Message
from tools.chat import kept
from tools.chat.board import MOST, Changes, columns, controls, judgeable, status
from tools.chat.engine import Engine, Sampling
from tools.chat.models import Model
from tools.chat.rows import Rows, asked_of
from tools.chat.shown import column, render
from tools.chat.talk import Talk, Turn
from tools.chat.validated import Records

INTERVAL_S = 0.08  # between two pictures of an answer that grows: an eye sees no more


class Window:
    """The models behind the window, and what it knows of the recipe.

    verdicts: the recipe's file of them
    """

    def __init__(
        self,
        engine: Engine,
        models: Sequence[Model],
        rows: Rows,
        records: Records | None,
        verdicts: Path,
    ) -> None:
        self.engine = engine
        self.models = {model.name: model for model in models}
        self.rows = rows
        self.records = records
        self.verdicts = verdicts
        self._answered: set[str] = set()
        self._asking = 0  # answers under way, in this window and in others

    def columned(self, chosen: Sequence[str] | None) -> list[str]:
        """Return the chosen models as the columns stand: a base before what was trained on it."""
        return [name for name in self.models if name in (chosen or ())][:MOST]

    def system_for(self, name: str, system: str | None, own: bool) -> str | None:
        """Return the system prompt that a model is given: as it was trained, or the box's."""
        return self.models[name].system if own else system

    def send(
        self, talk: Talk, prompt: str | None, chosen: list[str], system: str | None, own: bool,
        *numbers: float | None,
    ) -> Iterator[Changes]:  # fmt: skip
        """Ask the chosen models, one after the other; yield their answers as they come.

        numbers: the fields of Sampling, in its order
        """
        if talk.stop is not None:
            return
        names = self.columned(chosen)
        if not names or not prompt or not prompt.strip():
            fault = "Type a prompt first." if names else "Choose a model first."
            yield {"status": status(fault, fault=True)}
            return
        talk.stop = threading.Event()
        try:
            talk.arrange(names)
            for name in talk.order:
                sent = talk.messages(name, prompt, self.system_for(name, system, own))
                turn = Turn(talk.asked, sent, sampling_of(numbers), self.rows.asking(sent))
                talk.turns.setdefault(name, []).append(turn)
            talk.asked += 1
            yield {**self._shown(talk), "prompt": "", "kept": "", "note": ""}
            for at, name in enumerate(talk.order):
                yield from self._answer(talk, at, name)
        finally:  # a browser that is closed ends it here, too
            talk.stop.set()
            talk.stop = None
        if faults := talk.failed():
            talk.take_back()
            told = {"prompt": prompt, "status": status("\n".join(faults), fault=True)}
            yield {**self._shown(talk), **told}
            return
        labels = ", ".join(talk.label(name) for name in talk.order)
        done = "Done" if len(talk.ready()) == len(talk.order) else "Ended, not all with an answer"
        sent_as = self.as_sent(talk, chosen, system, own, "")
        yield {**self._shown(talk), **sent_as, "status": status(f"{done}: {labels}.")}

    def _answer(self, talk: Talk, at: int, name: str) -> Iterator[Changes]:
        """Let one model answer the last question; yield its column as it grows."""
        turn, stop = talk.turns[name][-1], talk.stop
        assert stop is not None
        here, label = f"answers-{at}", talk.label(name)
        if stop.is_set():
            turn.fault = "Not asked: stopped before its turn."
            yield {here: column(talk, name)}
            return
        turn.first = name not in self._answered
        doing = "is being loaded" if turn.first else "reads the prompt"
        doing = "waits for an answer in another window" if self._asking else doing
        yield {"status": status(f"{label} {doing} …")}
        last = 0.0
        self._asking += 1
        try:
            for piece in self.engine.answer(name, turn.messages, turn.sampling, stop):
                if turn.piece is None:
                    self._answered.add(name)
                    yield {"status": status(f"{label} is answering …")}
                turn.piece = piece
                if not piece.finish_reason and monotonic() - last > INTERVAL_S:
                    yield {here: column(talk, name)}
                    last = monotonic()
        except UserError as error:
            turn.fault = str(error)
        except Exception as error:  # a defect: the window stays usable, the terminal has it whole
            traceback.print_exc()
            turn.fault = f"failed; the terminal says more. {type(error).__name__}: {error}"
        finally:
            self._asking -= 1
        if self.records and turn.piece and turn.piece.finish_reason:
            asked, ended = turn.messages[-1]["content"], turn.piece.finish_reason
            turn.found = self.records.found(turn.text, asked, turn.row, ended)
        yield {here: column(talk, name)}

    def stop(self, talk: Talk) -> None:
        """End the answer that is being written; what came stays."""
        if talk.stop is not None:
            talk.stop.set()

    def new(self, talk: Talk, blind: bool, before: Sequence[Message] = ()) -> Changes:
        """Begin a new chat with the same models."""
        if talk.stop is not None:
            return {}
        talk.clear(blind, before)
        empty = {"prompt": "", "status": "", "kept": "", "note": "", "prompt-as-sent-text": ""}
        return {**self._shown(talk), **empty}

    def choose(self, talk: Talk, chosen: list[str], system: str | None, own: bool) -> Changes:
        """Show the columns of the models that are chosen now, and their system prompt."""
        if talk.stop is not None:
            return {}
        talk.arrange(self.columned(chosen))
        return {**self._shown(talk), **self.systems(chosen, own)}

    def systems(self, chosen: list[str] | None, own: bool) -> Changes:
        """Show the system prompt of the first of the models, and say where others had another."""
        trained = {name: self.models[name].system or "" for name in self.columned(chosen)}
        note = render("system.html", trained=trained, own=own)
        first = next(iter(trained.values()), "")
        return {"system-note": note, **({"system": first} if own else {})}

    def noted(self, talk: Talk, chosen: list[str] | None, own: bool) -> Changes:
        """Say what the system prompt's box is now: as trained, or a person's."""
        return {"system-note": self.systems(chosen, own)["system-note"]}

    def hide(self, talk: Talk, blind: bool) -> Changes:
        """Hide the names, or show them: at once in an empty chat, else from the next one on."""
        if talk.asked or talk.stop is not None:
            text = "The names are shown from the next chat on, or when a verdict is kept."
            if blind:
                text = "The names are hidden from the next chat on."
            return {"status": status("" if blind == talk.blind else text)}
        chosen, talk.blind = self.columned(talk.order), blind
        talk.order = []
        talk.arrange(chosen)
        return columns(talk)

    def example(self, talk: Talk, at: int, chosen: list[str] | None, blind: bool) -> Changes:
        """Begin a new chat with an example's prompt in the box, as its row has it."""
        if talk.stop is not None:
            return {}
        asked = asked_of(self.rows.examples[at])
        own = all(self.models[name].system == asked.system for name in self.columned(chosen))
        changes = self.new(talk, blind, asked.before)
        changes |= {"prompt": asked.prompt, "system": asked.system or "", "system-own": own}
        return changes | self.noted(talk, chosen, own)

    def as_sent(
        self, talk: Talk, chosen: list[str], system: str | None, own: bool, prompt: str | None
    ) -> Changes:
        """Show to the letter what each model is given: for the box's prompt, or the last one."""
        shown: dict[str, list[str]] = {}
        fault = ""
        try:
            for name in talk.order or self.columned(chosen):
                if prompt and prompt.strip():
                    sent = talk.messages(name, prompt, self.system_for(name, system, own))
                elif turn := talk.last(name):
                    sent = turn.messages
                else:
                    continue
                shown.setdefault(self.engine.prompt(name, sent), []).append(talk.label(name))
        except UserError as error:
            fault = str(error)
        parts = [(", ".join(names), text) for text, names in shown.items()]
        return {"prompt-as-sent-text": render("as_sent.html", shown=parts, fault=fault)}

    def keep(self, talk: Talk, note: str | None, judged: str | None, *pairs: str | None) -> Changes:
        """Keep what was said of the last answers; hidden names are told then.

        judged: right, partly or wrong, of the only column
        pairs:  of the other columns: better, same or worse than the one they are compared with
        """
        try:
            lines = self._lines(talk, note or "", judged, pairs)
            if not lines:
                text = "Nothing to keep: say of an answer how it is."
                return {"kept": status(text, fault=True)}
            text = kept.keep_all(self.verdicts, lines)
        except UserError as error:
            return {"kept": status(str(error), fault=True)}
        except (
            OSError
        ) as error:  # no room, no such folder: what was kept before must not stand there
            fault = Fault(str(self.verdicts), f"cannot be written: {error.strerror or error}")
            return {"kept": status(str(fault), fault=True)}
        if talk.hidden:
            text = f"{', '.join(f'{talk.label(name)} is {name}' for name in talk.order)}. {text}"
        talk.told = True
        shown = self._shown(talk)
        for at, value in enumerate(pairs, 1):
            shown[f"verdict-{at}"]["value"] = value
        shown["verdict-answer"]["value"] = judged
        return {**shown, "kept": status(text), "status": ""}

    def compare(self, talk: Talk, at: int | None) -> Changes:
        """Compare the columns with another one than the first."""
        if talk.stop is not None or at is None:
            return {}
        talk.against = talk.order[at]
        return {**controls(talk, self.rows), "kept": ""}

    def _lines(
        self, talk: Talk, note: str, judged: str | None, pairs: Sequence[str | None]
    ) -> list[dict[str, Any]]:
        """Return what was said of the last answers as lines of the file."""
        if judged and (row := judgeable(talk, self.rows)):
            (name,) = talk.order
            text = kept.turn_of(talk, name).text
            return [kept.answer_of(self.rows.by_id[row], name, text, judged, note)]
        return [
            kept.pair_of(talk, self.models, name, verdict, note, self.rows.by_id)
            for name, verdict in zip(talk.others, pairs, strict=False)
            if verdict
        ]

    def _shown(self, talk: Talk) -> Changes:
        """Return everything that follows from the chat as it stands."""
        return {**columns(talk), **controls(talk, self.rows)}


def sampling_of(numbers: Sequence[float | None]) -> Sampling:
    """Return the sampling that the controls say; one that was emptied is off."""
    new, temperature, top_p, top_k, penalty, seed = numbers
    return Sampling(
        max(1, int(new or 1)),
        float(temperature or 0.0),
        float(top_p or 1.0),
        int(top_k or 0),
        float(penalty or 1.0),
        int(seed or 0),
    )
