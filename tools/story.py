"""Walk back from a row or a request: what it was made of, and who learned from it."""

from pathlib import Path
from typing import Any

from stages.core.draw import train_sample
from stages.core.proof import OPERATIONS, REASONS, REPEATS
from tools.finding import DATA, Match, examples, lines

SIDES = ("train", "val", "test")
Story = dict[str, Any]


class Build:
    """What is built of a project, as far as a story needs it.

    missing: files that are not there, and what builds them
    """

    def __init__(self, params: dict[str, Any]) -> None:
        self.params = params
        self.missing: dict[str, str] = {}

    def pick(self, path: Path, stage: str, needle: str, key: str = "id") -> list[dict[str, Any]]:
        """Return the lines of a file whose `key` is `needle`; note a file that is not there."""
        if not path.is_file():
            self.missing[str(path)] = f"dvc repro {stage}"
            return []
        return [one for one in lines(path, f'"{needle}"'.encode()) if one.get(key) == needle]


def story(match: Match, params: dict[str, Any]) -> Story:
    """Return all that is known of a row or request, nothing for what does not apply.

    seed, request, reply, attempts, operations, reject: as in data/, with the meanings
    row:     the row; source: the source of a row that no teacher wrote
    sets:    for each set of which it could be: the side, or why it is on none
    trained: the models that learned from it, how often and from which side
    answers: what the models answered, where it is a test row, with its scores
    missing: what is not built, and what builds it
    """
    build, told = Build(params), Story(kind=match.kind, id=match.id)
    if match.kind == "request":
        row = asked(match.id, build, told)
        origin = "rows"
    else:
        row, origin = from_source(match.id, build, told)
    if row:
        told["row"] = row
        told["sets"] = placed(row["id"], origin, build)
        told["trained"] = trained(row["id"], build)
        told["answers"] = answers(row["id"], told["sets"], build)
    told["missing"] = build.missing
    return told


def asked(request_id: str, build: Build, told: Story) -> dict[str, Any] | None:
    """Put what happened to a request into the story; return its row, where it made one."""
    for request in build.pick(DATA / "requests.jsonl", "prompt", request_id):
        told["seed"] = {"source": build.params["prompt"]["source"], **request["seed"]}
        told["request"] = {key: value for key, value in request.items() if key != "seed"}
    for reply in build.pick(DATA / "replies.jsonl", "generate", request_id, "request"):
        told["reply"] = {key: value for key, value in reply.items() if key != "earlier"}
        told["earlier"] = reply.get("earlier", [])
    for row in build.pick(DATA / "rows.jsonl", "validate", request_id, "request"):
        told["operations"] = {name: OPERATIONS.get(name, "") for name in row["operations"]}
        return row
    for reject in build.pick(DATA / "rejects.jsonl", "validate", request_id, "request"):
        told["reject"] = {**reject, "meaning": (REASONS | REPEATS).get(reject["reason"], "")}
    if (DATA / "rows.jsonl").is_file() and "reject" not in told and "reply" in told:
        told["unchecked"] = True
    return None


def from_source(row_id: str, build: Build, told: Story) -> tuple[dict[str, Any] | None, str | None]:
    """Return a row that no teacher wrote, and the name of its source, where that is built."""
    for path in examples(build.params["sources"]):
        for row in build.pick(path, "fetch", row_id) if path.is_file() else ():
            name = path.stem if path.parent.name == "sources" else None
            told["source"] = {"name": name, **(build.params["sources"].get(name) or {})}
            return row, name
    return None, None


def placed(row_id: str, origin: str | None, build: Build) -> list[dict[str, Any]]:
    """Return, for each set that takes rows of this origin, the side, or why there is none."""
    found = []
    for name, spec in build.params["sets"].items():
        taken = spec["from"] if isinstance(spec["from"], list) else [spec["from"]]
        if origin is not None and origin not in taken:
            continue
        files = {side: DATA / "splits" / name / f"{side}.jsonl" for side in SIDES}
        sides = [side for side, file in files.items() if build.pick(file, "split", row_id)]
        if not any(file.is_file() for file in files.values()):
            continue
        why = None if sides else left_out(row_id, name, build)
        found.append({"set": name, "side": sides[0] if sides else None, "left_out": why})
    return found


def left_out(row_id: str, name: str, build: Build) -> str:
    """Return why a row of a set is on none of its sides, by doing the split once more."""
    from stages.core.errors import UserError
    from stages.split import __main__ as split
    from stages.split.sides import beyond_cap

    params = build.params
    try:
        rows = {
            key: split.read_set(spec, DATA / "rows.jsonl", DATA / "sources", f"sets.{key}")
            for key, spec in params["sets"].items()
        }
        sides, leaking, _ = split.placed(
            rows, params["sets"], params["split"], params["seed"]["data"]
        )
    except UserError as error:
        return f"not to be told: {error.faults[0].where}: {error.faults[0].what}"
    places = [place for place, row in enumerate(rows[name]) if row["id"] == row_id]
    if not places:
        return "the split is newer than this row, which the set has no more (dvc repro)"
    for leak in leaking:
        if leak.set == name and leak.place in places:
            held = held_by(rows[name][leak.place], leak.reason, sides, rows)
            return f"leak: its {leak.reason} is held out too{held}, so it left {leak.side}"
    for leak in leaking:
        sides[leak.set][leak.place] = None
    spec, seed = params["sets"][name], params["seed"]["data"]
    beyond = beyond_cap(rows[name], sides[name], spec.get("cap", {}), seed)
    for place in beyond.intersection(places):
        side = sides[name][place]
        return f"cap: {side} has as many rows of {rows[name][place]['skill']!r} as it may"
    side = sides[name][places[0]]
    return f"the split is older than this; it would be {side} (dvc repro split)"


def held_by(
    row: dict[str, Any], reason: str, sides: dict[str, Any], rows: dict[str, list[Any]]
) -> str:
    """Return which held-out row shares what leaks, in words; nothing where that is not exact."""
    from stages.split.sides import prompt_text

    same = {"row": lambda one: one["id"], "prompt": prompt_text, "group": lambda one: one["group"]}
    for name, of_set in rows.items():
        for one, side in zip(of_set, sides[name], strict=True):
            if (
                side in ("test", "val")
                and one is not row
                and same[reason](one) == same[reason](row)
            ):
                return f" (row {one['id']}, {side} of {name})"
    return ""


def trained(row_id: str, build: Build) -> list[dict[str, Any]]:
    """Return the models that were trained or validated on a row, and how often it stands there."""
    base = build.params["base"]
    learners = {}
    if base["source"] == "scratch":
        learners["base"] = (DATA / "splits" / base["set"], "split")
    for key, adapter in build.params["adapters"].items():
        learners[adapter["name"]] = (DATA / "mix" / adapter["name"], f"mix@{key}")
    found = []
    for model, (folder, stage) in learners.items():
        for side in ("train", "val"):
            if times := len(build.pick(folder / f"{side}.jsonl", stage, row_id)):
                found.append({"model": model, "side": side, "times": times})
    return found


def answers(row_id: str, sets: list[dict[str, Any]], build: Build) -> list[dict[str, Any]]:
    """Return what each model answered to a test row, or to a sampled training row, with scores."""
    tested = {one["set"] for one in sets if one["side"] == "test"} | {
        train_sample(one["set"])
        for one in sets
        if one["side"] == "train" and build.params["sets"][one["set"]].get("train_sample")
    }
    found = []
    for key, model in build.params["models"].items() if tested else ():
        name = model["name"]
        scores = {
            one["set"]: one["values"]
            for one in build.pick(
                DATA / "scores" / f"{name}.jsonl", f"evaluate@{key}", row_id, "row"
            )
        }
        path = DATA / "answers" / f"{name}.jsonl"
        found += [
            {"model": name, "set": one["set"], "text": one["text"],
             "finish_reason": one["finish_reason"], "scores": scores.get(one["set"], {})}
            for one in build.pick(path, f"answer@{key}", row_id, "row")
            if one["set"] in tested
        ]  # fmt: skip
    return found
