"""What stands between a request and the journal: the names of its questions, and the objections."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stages.core.asking.asker import GENERATE, Asker
from stages.core.asking.dialogue import Dialogue, Name, Objection, whole
from stages.core.asking.journal import Journal
from stages.core.asking.requests import fault_of, refuse
from stages.core.errors import Fault, InputError
from stages.core.jsonl import numbered_rows, read_json
from stages.core.proof import REASONS

if TYPE_CHECKING:
    from stages.core.asking.offline.server import Offline

# What the same question again will not change.
HOPELESS = {"no_reply", "length", "content_filter"}


def truths(path: Path) -> Iterator[dict[str, Any]]:
    """Yield what is known of the requests.

    Raises: InputError, at the end, with every line that tells nothing.
    """
    faults = []
    for number, row in numbered_rows(path):
        if isinstance(row, Fault):
            faults.append(row)
        elif (
            isinstance(row, dict)
            and isinstance(row.get("request"), str)
            and isinstance(row.get("record"), dict)
        ):
            yield row
        else:
            what, expected = "no record of a request", '{"request": "...", "record": {...}}'
            faults.append(Fault(f"{path}:{number}", what, expected, "dvc repro prompt"))
    refuse(path, faults)


def offline_teacher(requests: Path, truth: Path, params: dict[str, Any]) -> "Offline":
    """Return the offline teacher, which knows the truth of the requests."""
    from stages.core.asking.offline.server import Offline

    teacher = Offline(params["offline"], params["seed"]["data"])
    # `lacking` tells what is wrong with a request.
    sound = (row for _, row in numbered_rows(requests) if fault_of(row) is None)
    teacher.learn(sound, truths(truth))
    return teacher


def offline(requests: Path, truth: Path, params: dict[str, Any], asker: Asker = GENERATE) -> Any:
    """Return the offline teacher's server.

    Raises: InputError when there is no truth to answer from.
    """
    from stages.core.asking.offline.server import serving

    teacher = offline_teacher(requests, truth, params)
    if not teacher.records:
        then = f"{asker.told}, or name a real teacher in params.yaml: {asker.teachers}"
        what = "the offline teacher has nothing to answer from"
        raise InputError(Fault(str(truth), what, then=then))
    return serving(teacher)


def naming(requests: Path, truth: Path, params: dict[str, Any]) -> Name:
    """Return what names the reply to a request in the journal: the request's id.

    The offline teacher's are named by what they say, too (`Offline.name`).
    """
    offline = {each["name"] for each in params["teachers"] if each["base_url"] == "offline"}
    if not offline:
        return lambda request: request["id"]
    teacher = offline_teacher(requests, truth, params)
    return lambda request: teacher.name(request) if request["teacher"] in offline else request["id"]


def objecting(schema: Path, settings: dict[str, Any]) -> Objection:
    """Return what tells why a reply would make no row, where asking again can help."""
    from stages.core.proof import Refused
    from stages.core.proof.check import check
    from stages.core.proof.schema import compiled

    validator = compiled(read_json(schema), str(schema))

    def objection(reply: dict[str, Any]) -> str | None:
        try:
            check({**reply, "text": whole(reply["text"])}, validator, settings)
        except Refused as refused:
            if refused.reason in HOPELESS:
                return None
            return f"{REASONS[refused.reason]} ({refused.detail})"
        return None

    return objection


def dialogue_of(
    journal: Journal, requests: Path, truth: Path, schema: Path, params: dict[str, Any]
) -> Dialogue:
    """Return the dialogue of the requests, as far as the journal knows it."""
    reask = params["generate"]["reask"]
    about = journal, naming(requests, truth, params), params["generate"]["max_tokens"], reask
    return Dialogue(*about, objecting(schema, params["validate"])) if reask else Dialogue(*about)
