"""Print where a row came from and where it went, or why a reply made none.

seed ─ request ─ reply ─ operations ─┬─ row ─ split ─┬─ the adapters trained on it
                                     └─ reject       └─ the models that answered it
"""

import json
from collections.abc import Iterator
from typing import Any

from stages.core import entry
from stages.core.errors import Fault, InputError, visible
from stages.core.params import load
from stages.core.proof import REPEATS
from stages.validate.overrides import raw_digest
from tools.finding import MOST, Match, find, first_words
from tools.story import Story, story

PARAMS = (
    *(
        "recipe",
        "sources",
        "prompt.source",
        "sets",
        "split",
        "seed.data",
        "base.source",
        "base.set",
    ),
    *("adapters", "models"),
)


def compact(value: Any) -> str:
    """Spell a JSON value on one line, keys in their order."""
    return json.dumps(value, ensure_ascii=False)


def block(text: Any, indent: int = 4) -> Iterator[str]:
    """Yield a text's lines, each of them indented."""
    for line in str(text).split("\n"):
        yield f"{' ' * indent}{line}"


def labelled(label: str, text: Any) -> Iterator[str]:
    """Yield a text under its label; on the label's line where it is short."""
    text = "(no text)" if text is None else str(text)
    if "\n" in text or len(text) > 72:
        yield f"  {label}:"
        yield from block(text)
    else:
        yield f"  {label}: {text}"


def turns(messages: list[dict[str, str]]) -> Iterator[str]:
    """Yield a conversation."""
    for message in messages:
        yield from labelled(message["role"], message["content"])


def counted(number: int, what: str) -> str:
    """Spell a count: `1 row`, `2 rows`."""
    return f"{number} {what}{'' if number == 1 else 's'}"


def seed_lines(told: Story) -> Iterator[str]:
    """Yield what the question was made from, or the source of a row that nobody was asked for."""
    if seed := told.get("seed"):
        yield f"seed {seed['id']}, source {seed['source']}, group {seed['group']}"
        for name, value in seed["fields"].items():
            yield from labelled(name, value if isinstance(value, str) else compact(value))
    elif source := told.get("source"):
        settings = ", ".join(f"{key} {compact(value)}" for key, value in source.items())
        yield f"source {settings}" if source["name"] else "source not built (data/sources)"
        yield "  no teacher was asked: the source gave the row as it is"


def request_lines(told: Story) -> Iterator[str]:
    """Yield who was asked what."""
    if request := told.get("request"):
        parameters = ", ".join(f"{key} {value}" for key, value in request["parameters"].items())
        yield (
            f"request {request['id']}: teacher {request['teacher']}, model {request['model']}, "
            f"sample {request['sample']}{parameters and ', '}{parameters}"
        )
        if request["schema"] is not None:
            yield "  the response schema was sent along"
        yield from turns(request["messages"])


def tokens(reply: dict[str, Any]) -> str:
    """Spell how many tokens went and came."""
    counts = reply["prompt_tokens"], reply["completion_tokens"]
    return (
        "tokens not reported" if None in counts else f"tokens {counts[0]} asked, {counts[1]} said"
    )


def reply_lines(told: Story) -> Iterator[str]:
    """Yield each attempt, why it was sent back, and what was paid for all of them."""
    reply = told.get("reply")
    if reply is None:
        return
    for number, attempt in enumerate(told["earlier"], 1):
        facts = [f"attempt {number} of {reply['attempts']}", "sent back"]
        if "finish_reason" in attempt:
            facts += [f"finish reason {attempt['finish_reason']}", tokens(attempt)]
        yield f"reply, {', '.join(facts)}"
        yield from labelled("raw text", attempt["text"])
        yield from labelled("objection", attempt["objection"])
    attempts = reply["attempts"]
    facts = [f"attempt {attempts} of {attempts}"] if attempts else []
    if reply["finish_reason"] is not None:
        facts.append(f"finish reason {reply['finish_reason']}")
    facts.append(f"model {reply['model']}")
    yield f"reply, {', '.join(facts)}"
    if attempts:
        cost = reply["cost_usd"]
        usd = "usd not known (no price)" if cost is None else f"usd {cost:.6f}"
        yield f"  paid in all: {tokens(reply)}, {usd}"
    if reply["error"] is not None:
        yield from labelled("error", reply["error"])
    else:
        yield from labelled("raw text", reply["text"])


def override(reject: dict[str, Any]) -> dict[str, Any]:
    """Return the entry of overrides.jsonl that admits a reject, its record still to be mended."""
    best = reject["best"] if isinstance(reject["best"], dict) else {}
    raw = reject["raw"] if "raw" in reject else raw_digest(reject["text"])
    return {"request": reject["request"], "raw": raw, "record": best, "note": ""}


def outcome_lines(told: Story, recipe: str) -> Iterator[str]:
    """Yield what was done to the reply, and the row, or why there is none."""
    operations = told.get("operations")
    if operations is not None and not operations:
        yield "operations: none, the reply is the record as it stands"
    elif operations:
        yield "operations"
        width = max(map(len, operations))
        yield from (f"  {name.ljust(width)}  {said}" for name, said in operations.items())
    if row := told.get("row"):
        yield f"row {row['id']}, skill {row['skill']}, group {row['group']}"
        if "record" in row:
            yield from labelled("record", compact(row["record"]))
        yield from turns(row["messages"])
    if reject := told.get("reject"):
        said = "dropped" if reject["reason"] in REPEATS else "rejected"
        yield f"{said}, {reject['reason']}: {reject['meaning']}"
        yield from labelled("detail", reject["detail"])
        best = reject["best"]
        if reject["reason"] in REPEATS:  # it was proved: there is nothing to mend
            yield from labelled("record", compact(best))
            return
        yield from labelled("best attempt", "none" if best is None else compact(best))
        yield "  to admit it: mend `record` in the next line, add that line to"
        yield f"  recipes/{recipe}/overrides.jsonl, and run `dvc repro`"
        yield compact(override(reject))
    elif told.get("unchecked"):
        yield "no row and no reject: validate has not seen this reply (dvc repro validate)"


def learner_lines(told: Story) -> Iterator[str]:
    """Yield the sides of the row, who trained on it, and who was tested on it."""
    if "row" not in told:
        return
    for one in told["sets"]:
        yield f"split, set {one['set']}: {one['side'] or 'on no side: ' + one['left_out']}"
    if not told["sets"]:
        yield "split: in no set that is built"
    how = {"train": "trained on it", "val": "chosen with it (validation)"}
    for one in told["trained"]:
        times = "" if one["times"] == 1 else f", {one['times']} times an epoch"
        yield f"model {one['model']}: {how[one['side']]}{times}"
    if not told["trained"]:
        lacking = any(path.startswith("data/mix") for path in told["missing"])
        yield f"model: none{' that is built' if lacking else ''} was trained on it"
    for one in told["answers"]:
        yield f"answer of {one['model']} (set {one['set']}, finish reason {one['finish_reason']})"
        yield from labelled("text", one["text"])
        scores = ", ".join(f"{key} {value:g}" for key, value in one["scores"].items())
        yield f"  scores: {scores or 'none'}"


def missing_lines(told: Story) -> Iterator[str]:
    """Yield what is not built, by the command that builds it."""
    for command in dict.fromkeys(told["missing"].values()):
        paths = [path for path, needs in told["missing"].items() if needs == command]
        yield f"not built: {', '.join(paths)} ({command})"


def text_of(told: Story, recipe: str) -> str:
    """Return the story for the eye: a paragraph a step, an empty line between."""
    parts = (
        seed_lines(told),
        request_lines(told),
        reply_lines(told),
        outcome_lines(told, recipe),
        learner_lines(told),
        missing_lines(told),
    )
    return visible("\n\n".join(filter(None, ("\n".join(part) for part in parts))))


def several(asked: str, found: list[Match]) -> InputError:
    """Return the error for what means more than one row or request."""
    shown = [f"\n    {match.id}  {visible(first_words(match.said))}" for match in found[:MOST]]
    more = f"\n    ... and {len(found) - MOST} more" if len(found) > MOST else ""
    what = f"{counted(len(found), 'row')} or requests have it"
    where = repr(first_words(asked))
    return InputError(
        Fault(where, what, "one of" + "".join(shown) + more, "tunegraph explain <id>")
    )


def main(asked: str, as_json: bool = False) -> None:
    """Explain what an id, the beginning of one, or a text means.

    as_json: print one JSON object, in ASCII, instead of text
    Raises: InputError when nothing, or more than one thing, is meant; ConfigError when params.yaml
    lacks a section.
    """
    params = load(PARAMS)
    found = find(asked, list(params["sources"]))
    if len(found) > 1:
        if as_json:
            print(json.dumps({"matches": [{"id": one.id, "text": one.said} for one in found]}))
        raise several(asked, found)
    told = story(found[0], params)
    if as_json:
        if "reject" in told and told["reject"]["reason"] not in REPEATS:
            told["override"] = override(told["reject"])
        print(json.dumps(told, indent=2))
        return
    entry.say("explain", f"{found[0].kind} {found[0].id} of the recipe {params['recipe']}\n")
    print(text_of(told, params["recipe"]))
