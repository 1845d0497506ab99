"""What becomes of questions that a batch did not answer: handed in again, or given up."""

from collections import Counter

from stages.core.asking.client import Teacher
from stages.core.asking.dialogue import Question
from stages.core.asking.verdict import Verdict

TRIES = 4  # how often a question is handed in that a batch did not answer


class Fates:
    """The faults of one run.

    given_up: why a question is asked no more, by its name
    asked:    a question of each teacher, by which its dialect is understood
    """

    def __init__(self) -> None:
        self.given_up: dict[str, str] = {}
        self.asked: dict[str, Question] = {}
        self._tries: Counter[str] = Counter()
        self._said: set[str] = set()

    def deal_with(self, teacher: Teacher, faults: dict[str, Verdict], answered: bool) -> None:
        """Leave questions pending, or give them up.

        answered: whether other questions of the batch were
        Raises: TeacherError when one tells that the account is refused
        """
        respelled = False
        for name, fault in faults.items():
            if fault.remedy == "account":
                raise teacher.error(f"{fault.kind}: {fault.detail}")
            if fault.remedy == "row" and not answered:
                respelled = respelled or self._respell(teacher, fault)
            self._tries[name] += 1
            if self._tries[name] < TRIES and (fault.remedy == "retry" or respelled):
                teacher.tally[f"retried_{fault.kind}"] += 1
                continue
            self.given_up[name] = fault.kind
            if fault.detail and fault.kind not in self._said:
                self._said.add(fault.kind)
                teacher.say(f"does not answer a question ({fault.kind}): {fault.detail}")

    def _respell(self, teacher: Teacher, fault: Verdict) -> bool:
        """Tell whether a server did not take the form of all requests, and takes another."""
        said, asked = None, self.asked.get(teacher.entry["name"])
        if asked is not None:
            said = teacher.dialect.other_limit(teacher.body(asked), fault)
            if said is None and "response_format" in teacher.body(asked):
                said = teacher.dialect.named(asked, fault)
        if said:
            teacher.say(said)
        return said is not None
