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

from stages.core.errors import UserError
from stages.core.records import Message
from tools.chat import kept
from tools.chat.engine import Engine, Sampling
from tools.chat.models import Model
from tools.chat.rows import Rows, asked_of
from tools.chat.shown import column, render
from tools.chat.talk import Talk, Turn
from tools.chat.validated import Records

MOST = 4  # columns
INTERVAL_S = 0.08  # between two pictures of an answer that grows: an eye sees no more
NAMELESS = "Choose a model first."
Changes = dict[str, Any]


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
        if fault := NAMELESS if not chosen else "" if (prompt or "").strip() else "Type a prompt first.":
            yield {"status": render("status.html", text=fault, fault=True)}
            return
        sampling = sampling_of(numbers)
        assert prompt is not None
        talk.stop = threading.Event()
        try:
            talk.arrange(chosen[:MOST])
            for name in talk.order:
                sent = talk.messages(name, prompt, self.system_for(name, system, own))
                turn = Turn(talk.asked, sent, sampling, self.rows.asking(sent))
                talk.turns.setdefault(name, []).append(turn)
            talk.asked += 1
            yield {**self.columns(talk), **self.controls(talk), "prompt": "", "kept": "", "note": ""}
            for at, name in enumerate(talk.order):
                yield from self._answer(talk, at, name)
        finally:
            talk.stop.set()
            talk.stop = None
        turns = [talk.last(name) for name in talk.order]
        if all(turn and turn.fault and not turn.text for turn in turns):
            talk.asked -= 1
            for name in talk.order:
                talk.turns[name].pop()
            faults = "\n".join(dict.fromkeys(turn.fault for turn in turns if turn))
            status = render("status.html", text=faults, fault=True)
            yield {**self.columns(talk), **self.controls(talk), "prompt": prompt, "status": status}
            return
        labels = ", ".join(talk.label(name) for name in talk.order)
        status = render("status.html", text=f"Done: {labels}.", fault=False)
        sent_as = self.as_sent(talk, chosen, system, own, "")
        yield {**self.columns(talk), **self.controls(talk), **sent_as, "status": status}

    def _answer(self, talk: Talk, at: int, name: str) -> Iterator[Changes]:
        """Let one model answer the last question; yield its column as it grows."""
        turn, stop = talk.turns[name][-1], talk.stop
        assert stop is not None
        here, label = f"answers-{at}", talk.label(name)
        if stop.is_set():
            turn.fault = "Not asked: stopped before its turn."
            yield {here: column(talk, name, self.records)}
            return
        doing = "reads the prompt" if name in self._answered else "is being loaded"
        yield {"status": render("status.html", text=f"{label} {doing} …", fault=False)}
        last = 0.0
        try:
            for piece in self.engine.answer(name, turn.messages, turn.sampling, stop):
                if turn.piece is None:
                    self._answered.add(name)
                    status = render("status.html", text=f"{label} is answering …", fault=False)
                    yield {"status": status}
                turn.piece = piece
                if piece.finish_reason or monotonic() - last > INTERVAL_S:
                    yield {here: column(talk, name, self.records)}
                    last = monotonic()
        except UserError as error:
            turn.fault = str(error)
        except Exception as error:  # a defect: the window stays usable, the terminal has it whole
            traceback.print_exc()
            turn.fault = f"failed; the terminal says more. {type(error).__name__}: {error}"
        yield {here: column(talk, name, self.records)}

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
        return {**self.columns(talk), **self.controls(talk), **empty}

    def choose(self, talk: Talk, chosen: list[str], system: str | None, own: bool) -> Changes:
        """Show the columns of the models that are chosen now, and the prompt they were trained with."""
        if talk.stop is not None:
            return {}
        talk.arrange(chosen[:MOST])
        return {**self.columns(talk), **self.controls(talk), **self.systems(chosen, own)}

    def systems(self, chosen: list[str], own: bool) -> Changes:
        """Show the system prompt of the first of the models, and say where others had another."""
        trained = {name: self.models[name].system or "" for name in chosen}
        note = render("system.html", trained=trained, own=own)
        first = next(iter(trained.values()), "")
        return {"system-note": note, **({"system": first} if own else {})}

    def noted(self, talk: Talk, chosen: list[str], own: bool) -> Changes:
        """Say what the system prompt's box is now: as trained, or a person's."""
        return {"system-note": self.systems(chosen, own)["system-note"]}

    def hide(self, talk: Talk, blind: bool) -> Changes:
        """Hide the names, or show them: at once in an empty chat, else from the next one on."""
        if talk.asked or talk.stop is not None:
            text = "The names are hidden from the next chat on." if blind else ""
            if not blind and talk.blind:
                text = "The names are shown from the next chat on, or when a verdict is kept."
            return {"status": render("status.html", text=text, fault=False)}
        chosen, talk.blind = talk.order, blind
        talk.arrange(chosen)
        return self.columns(talk)

    def example(self, talk: Talk, at: int, chosen: list[str], blind: bool) -> Changes:
        """Begin a new chat with an example's prompt in the box, as its row has it."""
        if talk.stop is not None:
            return {}
        asked = asked_of(self.rows.examples[at])
        own = all(self.models[name].system == asked.system for name in chosen)
        changes = self.new(talk, blind, asked.before)
        changes |= {"prompt": asked.prompt, "system": asked.system or "", "system-own": own}
        return changes | {"system-note": self.systems(chosen, own)["system-note"]}

    def as_sent(
        self, talk: Talk, chosen: list[str], system: str | None, own: bool, prompt: str | None
    ) -> Changes:
        """Show what each model is given, to the letter: for the box's prompt, or the last question."""
        shown: dict[str, list[str]] = {}
        try:
            for name in talk.order or chosen:
                if prompt and prompt.strip():
                    sent = talk.messages(name, prompt, self.system_for(name, system, own))
                elif turn := talk.last(name):
                    sent = turn.messages
                else:
                    continue
                shown.setdefault(self.engine.prompt(name, sent), []).append(talk.label(name))
        except UserError as error:
            return {"prompt-as-sent-text": render("as_sent.html", shown={}, fault=str(error))}
        parts = {", ".join(names): text for text, names in shown.items()}
        return {"prompt-as-sent-text": render("as_sent.html", shown=parts, fault="")}

    def keep(self, talk: Talk, note: str | None, judged: str | None, *pairs: str | None) -> Changes:
        """Keep what was said of the last answers; hidden names are told then.

        judged: right, partly or wrong, of the only column
        pairs:  of the second column and on: better, same or worse than the first
        """
        try:
            lines = self._lines(talk, note or "", judged, pairs)
            if not lines:
                text = "Nothing to keep: say of an answer how it is."
                return {"kept": render("status.html", text=text, fault=True)}
            text = kept.keep_all(self.verdicts, lines)
        except UserError as error:
            return {"kept": render("status.html", text=str(error), fault=True)}
        talk.told = True
        said = {f"verdict-{at}": value for at, value in enumerate(pairs, 1) if value}
        controls = self.controls(talk)
        for name, value in said.items():
            controls[name]["value"] = value
        controls["verdict-answer"]["value"] = judged
        return {**self.columns(talk), **controls, "kept": render("status.html", text=text, fault=False)}

    def _lines(
        self, talk: Talk, note: str, judged: str | None, pairs: Sequence[str | None]
    ) -> list[dict[str, Any]]:
        if len(talk.order) == 1 and judged and (row := self.judgeable(talk)):
            turn = kept.turn_of(talk, talk.order[0])
            return [kept.answer_of(self.rows.by_id[row], talk.order[0], turn.text, judged, note)]
        return [
            kept.pair_of(talk, self.models, name, verdict, note)
            for name, verdict in zip(talk.order[1:], pairs, strict=False)
            if verdict
        ]

    def judgeable(self, talk: Talk) -> str | None:
        """Return the test row whose scored answer the only column's last one is, or None."""
        if len(talk.order) != 1 or not (turn := talk.last(talk.order[0])) or not turn.row:
            return None
        scored = self.rows.answered(talk.order[0], turn.row)
        return turn.row if turn.ended and scored == turn.text else None

    def columns(self, talk: Talk) -> Changes:
        """Return the HTML of every column; those without a model are not shown."""
        shown: Changes = {
            f"answers-{at}": {"visible": True, "value": column(talk, name, self.records)}
            for at, name in enumerate(talk.order)
        }
        return shown | {
            f"answers-{at}": {"visible": False, "value": ""} for at in range(len(talk.order), MOST)
        }

    def controls(self, talk: Talk) -> Changes:
        """Return which buttons can be pressed, what can be judged, and the reference."""
        busy = talk.stop is not None
        idle = {"interactive": not busy}
        ready = [] if busy else talk.ready()
        judgeable = None if busy else self.judgeable(talk)
        shown: Changes = {name: dict(idle) for name in ("send", "new", "models")}
        shown["stop"] = {"interactive": busy}
        first = talk.order[0] if talk.order else ""
        for at in range(1, MOST):
            name = talk.order[at] if at < len(talk.order) else ""
            there = bool(name) and name in ready and first in ready
            label = f"{talk.label(name)} is … {talk.label(first)}" if there else ""
            shown[f"verdict-{at}"] = {"visible": there, "value": None}
            if there:
                shown[f"verdict-{at}"] |= {"label": label, "choices": choices(talk.label(first))}
        shown["verdict-answer"] = {"visible": judgeable is not None, "value": None}
        pairs = any(shown[f"verdict-{at}"]["visible"] for at in range(1, MOST))
        shown["verdict"] = {"visible": pairs or judgeable is not None}
        shown["reference"] = "" if busy else self.reference(talk)
        return shown

    def reference(self, talk: Talk) -> str:
        """Return the reference of the test row that was asked last, or nothing."""
        turns = [talk.last(name) for name in talk.order]
        row = next((turn.row for turn in turns if turn and turn.row), None)
        if row is None:
            return ""
        found = self.rows.by_id[row]
        text = found["messages"][-1]["content"]
        return render("reference.html", text=text, set=found.get("set", ""), row=row)


def choices(first: str) -> list[tuple[str, str]]:
    """Return how a column may be compared with the first one, and the word that is kept."""
    return [(f"better than {first}", "better"), ("as good", "same"), (f"worse than {first}", "worse")]


def sampling_of(numbers: Sequence[float | None]) -> Sampling:
    """Return the sampling that the controls say; an emptied one is switched off."""
    new, temperature, top_p, top_k, penalty, seed = numbers
    return Sampling(
        max(1, int(new or 1)),
        max(0.0, float(temperature or 0.0)),
        float(1.0 if not top_p else top_p),
        max(0, int(top_k or 0)),
        float(1.0 if not penalty else penalty),
        max(0, int(seed or 0)),
    )
