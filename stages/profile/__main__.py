"""Tell how alike a model's answers to one prompt are, and whom they describe.

Reads:   data/variations/, data/variation_scores/, data/splits/, the schema
Writes:  metrics/profile.json
Network: none
"""

from typing import Any

from stages.core import entry
from stages.core.intervals import Sampling
from stages.core.jsonl import read_json, read_rows, write_json
from stages.core.pairing import span
from stages.core.params import load
from stages.core.proof import Refused
from stages.core.proof.schema import compiled
from stages.core.rounding import rounded
from stages.core.sections import alone
from stages.profile.bias import bias, called
from stages.profile.consistency import consistency
from stages.profile.runs import of_dataset, repeated

PARAMS = ("profile", "models", "evaluate.sections", "compare")


def main() -> None:
    """Read, tell, write."""
    args = entry.flags(
        __doc__, "--splits", "--variations", "--variation-scores", "--schema", "--profile"
    )
    params = load(PARAMS)
    profile, compare = params["profile"], params["compare"]
    if not profile["rows"]:
        write_json(args.profile, {})
        entry.say("profile", "switched off: no rows in `profile`")
        return
    schema = compiled(read_json(args.schema), str(args.schema))

    def fits(record: Any) -> bool:
        try:
            return schema.mismatch(record) is None
        except Refused:
            return False

    sections = {
        name: asked
        for name, asked in params["evaluate"]["sections"].items()
        if alone(asked, profile["set"])
    }
    chosen = next((name for name, asked in sections.items() if "primary" in asked), None)
    primary = sections[chosen] if chosen else None
    names = [each["name"] for each in params["models"].values()]
    runs = {
        name: repeated(
            read_rows(args.variations / f"{name}.jsonl"),
            read_rows(path := args.variation_scores / f"{name}.jsonl"),
            fits,
            primary,
            path,
        )
        for name in names
    }
    answered = [name for name in names if runs[name]]
    as_json = bool(profile["attributes"]) or any(
        asked.get("language") == "json" for asked in sections.values()
    )
    fields = sorted(schema.names) if as_json else None
    sampling = Sampling(compare["confidence"], compare["resamples"], "profile")
    told = {
        "set": profile["set"],
        "confidence": compare["confidence"],
        "models": answered,
        "primary": {"section": chosen, "key": primary["primary"]} if primary else {},
        "consistency": {
            name: consistency(
                runs[name], fields, span(primary["primary"]) if primary else (0, 1), sampling
            )
            for name in answered
        },
    }
    if profile["attributes"]:
        held = {name: [(run.group, run.record) for run in runs[name]] for name in answered}
        datasets = {
            name: of_dataset(read_rows(args.splits / of / "train.jsonl"))
            for of, name in called(profile.get("datasets", [profile["set"]])).items()
        }
        told |= bias(held, datasets, profile["attributes"], compare)
    write_json(args.profile, rounded(told))
    counts = ", ".join(f"{name} {len(runs[name])}" for name in answered)
    silent = [name for name in names if not runs[name]]
    message = f"repeated answers: {counts or 'none'}"
    if silent:
        message += f"; none of {', '.join(silent)}"
    entry.say("profile", message)


if __name__ == "__main__":
    entry.run(main)
