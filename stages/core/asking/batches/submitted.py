"""What was handed in to a Batch API, by the journal's notes, so that nothing is handed in twice.

Three notes a batch, each one in the journal before the next thing happens:

    intended: {teacher, digest, questions, max_tokens, at, offline}   before the server is asked
    accepted: {teacher, digest, batch}                                the server has taken it
    closed:   {teacher, digest, batch, status}                        collected, or never begun

A process that was killed between the first two does not know whether the server has a batch. The
server does: its batches carry the digest of their questions as metadata.
"""

from dataclasses import dataclass
from time import time

from stages.core.asking.journal import Journal
from stages.core.digest import digest


@dataclass(eq=False)
class Submitted:
    """A batch that is not collected yet.

    digest:    of the limit and the questions, 16 hex digits
    questions: the names of its questions
    at:        when it was handed in, in seconds since 1970
    offline:   whether it was the offline teacher's, whose server ends with its process
    batch:     the server's name of it, or None while nobody knows whether the server has it
    wanted:    whether the recipe still has one of its questions
    seen:      whether this run has asked how far it is
    answered:  how many of its questions the server is done with
    """

    teacher: str
    digest: str
    questions: set[str]
    max_tokens: int
    at: float
    offline: bool
    batch: str | None = None
    wanted: bool = False
    seen: bool = False
    answered: int = 0

    @property
    def key(self) -> dict[str, str | None]:
        """What a note of it begins with."""
        return {"teacher": self.teacher, "digest": self.digest, "batch": self.batch}


def intend(
    journal: Journal, teacher: str, names: list[str], max_tokens: int, offline: bool
) -> Submitted:
    """Note that these questions are about to be handed in."""
    id_ = digest([max_tokens, *names])
    made = Submitted(teacher, id_, set(names), max_tokens, time(), offline)
    about = {"questions": names, "max_tokens": max_tokens, "at": int(made.at), "offline": offline}
    journal.note({"intended": made.key | about})
    journal.sync()
    return made


def accept(journal: Journal, made: Submitted, batch: str) -> None:
    """Note the server's name of a batch."""
    made.batch = batch
    journal.note({"accepted": made.key})
    journal.sync()


def close(journal: Journal, made: Submitted, status: str) -> None:
    """Note that there is nothing more to be had of a batch."""
    journal.sync()  # its replies first
    journal.note({"closed": made.key | {"status": status}})


def submitted(journal: Journal) -> tuple[list[Submitted], set[str]]:
    """Return what is not collected yet, and the server's names of what is."""
    under_way: dict[tuple[str, str], Submitted] = {}
    collected: set[str] = set()
    for note in journal.notes():
        for kind, told in note.items():
            if kind not in ("intended", "accepted", "closed"):
                continue
            key = told["teacher"], told["digest"]
            if kind == "intended":
                under_way[key] = Submitted(
                    *key,
                    set(told["questions"]),
                    told["max_tokens"],
                    told["at"],
                    told["offline"],
                )
            elif kind == "accepted" and key in under_way:
                under_way[key].batch = told["batch"]
            elif kind == "closed":
                under_way.pop(key, None)
                collected |= {told["batch"]} - {None}
    return list(under_way.values()), collected
