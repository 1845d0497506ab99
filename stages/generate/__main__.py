"""Ask the teachers what the reply journal does not hold yet, and write all replies from it.

Reads:   data/requests.jsonl, data/truth.jsonl (the offline teacher's answers), the journal
Writes:  data/replies.jsonl, metrics/costs/generate.json, the journal
Network: the teachers' base_url, only for what the journal lacks
"""

import asyncio
import json
import math
import os
from collections import Counter
from collections.abc import Iterator
from contextlib import AsyncExitStack, closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stages.core import entry
from stages.core.costs import spending
from stages.core.errors import Fault, InputError, TeacherError
from stages.core.jsonl import read_json, write_rows
from stages.core.params import load
from stages.core.progress import progress
from stages.core.proof import REASONS
from stages.generate.asking import ask_all
from stages.generate.budget import Budget
from stages.generate.client import Teacher
from stages.generate.dialogue import Dialogue, Name, Objection
from stages.generate.journal import Journal, location

if TYPE_CHECKING:
    from stages.generate.offline import Offline

PARAMS = (
    "teachers",
    "generate",
    "offline",
    "seed.data",
    "validate.repair",
    "validate.normalise",
    "validate.aliases",
)
# What the same question again will not change.
HOPELESS = {"no_reply", "length", "content_filter"}


def stream(path: Path) -> Iterator[Any]:
    """Read a JSON Lines file one line at a time: memory does not grow with the requests.

    Raises: InputError with file and line.
    """
    try:
        with path.open("rb") as file:
            for number, line in enumerate(file, 1):
                try:
                    yield json.loads(line.decode("utf-8"))
                except ValueError as error:
                    what = f"not JSON in UTF-8: {error}"
                    raise InputError(Fault(f"{path}:{number}", what, then="dvc repro")) from None
    except FileNotFoundError:
        raise InputError(Fault(str(path), "there is no such file", then="dvc repro")) from None


def naming(requests: Path, truth: Path, params: dict[str, Any]) -> Name:
    """Return what names the reply to a request in the journal: the request's id.

    The offline teacher's are named by what they say, too (`stages.generate.offline.Offline.name`).
    """
    offline = {each["name"] for each in params["teachers"] if each["base_url"] == "offline"}
    if not offline:
        return lambda request: request["id"]
    teacher = offline_teacher(requests, truth, params)
    return lambda request: teacher.name(request) if request["teacher"] in offline else request["id"]


def lacking(requests: Path, dialogue: Dialogue) -> Counter[str]:
    """Return how many requests have something pending, by teacher."""
    return Counter(one["teacher"] for one in stream(requests) if dialogue.pending(one))


def keys(needed: set[str], teachers: list[dict[str, Any]]) -> dict[str, str | None]:
    """Return the key of each teacher that is needed, None where it takes none.

    Raises: TeacherError naming every teacher that is unknown and every variable that is not set.
    """
    entries = {teacher["name"]: teacher for teacher in teachers}
    found: dict[str, str | None] = {}
    faults = []
    for name in sorted(needed):
        if name not in entries:
            what = f"the requests name the teacher {name!r}, which is not there"
            known = ", ".join(entries)
            faults.append(Fault("params.yaml: teachers", what, known, "dvc repro prompt"))
            continue
        variable = entries[name].get("api_key_env")
        found[name] = os.environ.get(variable) if variable else None
        if variable and not found[name]:
            what = f"the environment variable {variable} is not set"
            then = f"export {variable}=... and run the same command again; nothing was spent"
            faults.append(Fault(f"params.yaml: teachers.{name}.api_key_env", what, "a key", then))
    if faults:
        raise TeacherError(*faults)
    return found


async def ask_lacking(
    requests: Path,
    truth: Path,
    dialogue: Dialogue,
    params: dict[str, Any],
    paid: Counter[str],
) -> dict[str, str]:
    """Open what is needed, the offline teacher's server too, and ask for what the journal lacks."""
    settings = params["generate"]
    wanted = lacking(requests, dialogue)
    found = keys(set(wanted), params["teachers"])
    async with AsyncExitStack() as stack:
        teachers = {}
        for each in params["teachers"]:
            if each["name"] in found:
                base_url = each["base_url"]
                if base_url == "offline":
                    base_url = await stack.enter_async_context(offline(requests, truth, params))
                teacher = Teacher(each, settings, found[each["name"]], base_url)
                teachers[each["name"]] = await stack.enter_async_context(teacher)
        prices = {each["name"]: each.get("price") for each in params["teachers"]}
        budget = Budget(settings["budget_usd"], prices, settings["max_tokens"])
        asking = (one for one in stream(requests) if dialogue.pending(one))
        bar = iter(progress(asking, "generate", "reply", total=wanted.total()))
        try:
            return await ask_all(bar, dialogue, teachers, dialogue.journal, settings, budget)
        finally:
            for teacher in teachers.values():
                paid.update(teacher.tally)


def offline_teacher(requests: Path, truth: Path, params: dict[str, Any]) -> "Offline":
    """Return the offline teacher, which knows the truth of the requests."""
    from stages.generate.offline import Offline

    teacher = Offline(params["offline"], params["seed"]["data"])
    teacher.learn(stream(requests), stream(truth))
    return teacher


def offline(requests: Path, truth: Path, params: dict[str, Any]) -> Any:
    """Return the offline teacher's server.

    Raises: InputError when there is no truth to answer from.
    """
    from stages.generate.offline import serving

    teacher = offline_teacher(requests, truth, params)
    if not teacher.records:
        then = "give the seeds a `truth`, or name a real teacher in params.yaml: teachers"
        what = "the offline teacher has nothing to answer from"
        raise InputError(Fault(str(truth), what, then=then))
    return serving(teacher)


def whole(text: str | None) -> str | None:
    """Put U+FFFD for what is no text: a lone surrogate cannot be written as UTF-8.

    validate rejects what holds one, as it does anything undecodable. The journal keeps the text.
    """
    return text and text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def replies(requests: Path, dialogue: Dialogue, errors: dict[str, str]) -> Iterator[dict[str, Any]]:
    """Yield the replies in the order of the requests: the last turn, and those before it."""
    for request in stream(requests):
        turns = [(reply, why) for _, reply, why in dialogue.turns(request) if reply is not None]
        if not turns:
            reply = {
                "attempts": 0,
                "text": None,
                "finish_reason": None,
                "model": request["model"],
                "prompt_tokens": None,
                "completion_tokens": None,
                "cost_usd": None,
                "error": errors.get(request["id"], "not asked"),
            }
        else:
            reply = turns[-1][0] | {"text": whole(turns[-1][0]["text"])}
            reply |= {"attempts": len(turns), "cost_usd": total([each for each, _ in turns])}
            if earlier := turns[:-1]:
                reply["earlier"] = [
                    {"text": whole(each["text"]), "objection": why} for each, why in earlier
                ]
        yield {"request": request["id"], **reply}


def total(paid: list[dict[str, Any]]) -> float | None:
    """Return what all attempts cost, or None where one's cost is not known."""
    costs = [each["cost_usd"] for each in paid]
    return None if None in costs else round(math.fsum(costs), 9)


def objecting(schema: Path, settings: dict[str, Any]) -> Objection:
    """Return what tells why a reply would make no row, where asking again can help."""
    from stages.core.proof import Refused
    from stages.core.proof.check import check, compiled

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


def fill(
    requests: Path,
    truth: Path,
    dialogue: Dialogue,
    params: dict[str, Any],
    tally: Counter[str],
) -> dict[str, str]:
    """Ask for what the journal lacks, alone; return the errors by request id."""
    wanted = lacking(requests, dialogue)
    if not wanted:
        return {}
    # Before the lock and before a cent: a missing key is told now.
    keys(set(wanted), params["teachers"])
    journal = dialogue.journal
    waiting = "another run is asking and holds the journal; waiting for it to end"
    with journal.locked(lambda: entry.say("generate", waiting)):
        if journal.damaged:
            lines = f"{journal.damaged} damaged lines in {journal.path}"
            entry.say("generate", f"{lines}; what they held is asked again")
        try:
            return asyncio.run(ask_lacking(requests, truth, dialogue, params, tally))
        except BaseException:
            kept = f"stopped; {journal.appended} replies arrived in this run and are kept"
            entry.say("generate", kept)
            raise


def main() -> None:
    """Generate."""
    args = entry.flags(__doc__, "--requests", "--truth", "--schema", "--replies", "--costs")
    params = load(PARAMS)
    tally: Counter[str] = Counter()
    with spending(args.costs) as costs, closing(Journal(location())) as journal:
        journal.refresh()
        settings = params["generate"]
        dialogue = Dialogue(
            journal,
            naming(args.requests, args.truth, params),
            settings["max_tokens"],
            settings["reask"],
            objecting(args.schema, params["validate"]),
        )
        errors = fill(args.requests, args.truth, dialogue, params, tally)
        count = write_rows(args.replies, replies(args.requests, dialogue, errors))
        costs |= {
            "paid": journal.appended,
            "found": count - len(errors) - journal.appended,
            "failed": len(errors),
            "attempts": tally["asked"],
            "usd": round(tally["usd_e9"] / 1e9, 6),
            **{kind: tally[kind] for kind in sorted(tally) if kind.startswith("retried_")},
        }
    if not count:
        entry.say("generate", "the recipe asks no teacher")
        return
    paid, found = costs["paid"], costs["found"]
    entry.say("generate", f"{count} requests: {paid} asked now, {found} from the journal")
    if errors:
        again = "`dvc repro -s -f generate`, then `dvc repro`, asks them again"
        entry.say("generate", f"{len(errors)} without an answer; {again}")


if __name__ == "__main__":
    entry.run(main)
