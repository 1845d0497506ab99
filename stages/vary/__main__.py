"""Let one model answer chosen rows again: under other wordings of the prompt, and by sampling.

Reads:   data/test.jsonl, models/base, models/<name>
Writes:  data/variations/<name>.jsonl, metrics/costs/vary.<name>.json
Network: the hub's cache, when the base is a hub model
"""

from collections import Counter
from pathlib import Path
from typing import Any

from stages.core import entry
from stages.core.costs import spending
from stages.core.jsonl import read_rows, write_rows
from stages.core.lineage import read_manifest
from stages.core.params import load
from stages.core.progress import progress
from stages.core.records import Variation
from stages.vary.questions import Question, of_transcript, questions, room_for, variation
from stages.vary.wordings import before_bare

PARAMS = ("ablation", "profile", "answer", "compute")


def answers(
    name: str,
    folders: tuple[Path, Path],
    asked: tuple[list[Question], list[Question]],
    params: dict[str, Any],
) -> list[Variation]:
    """Let a model answer: greedily what is reworded, by sampling what is repeated.

    folders: the base's and the model's
    What is reworded has the likelihood of its reference, too: it tells wordings apart where the
    answers are all right, or all wrong.
    Raises: InputError naming every question that is too long for the model.
    """
    from stages.core import stack
    from stages.core.decoding import Sampling, answer_rows, decode, text_of, window
    from stages.core.decoding.wanted import Wanted
    from stages.core.torch_setup import prepare

    reworded, repeated = asked
    prepare(params["compute"])
    model, tokenizer = stack.load(*folders, params["compute"]), stack.load_tokenizer(folders[0])
    if any(question.bare for question in reworded):
        empty = before_bare(tokenizer)
        for question in reworded:
            question.turns = [*(empty if question.bare else ()), *question.turns]
    encoded = room_for([*reworded, *repeated], tokenizer, longest := window(model))
    profile, limits = params["profile"], params["answer"]
    limit, batch_tokens = limits["max_new_tokens"], limits["batch_tokens"]
    wanted = [
        Wanted(prompt, min(limit, longest - len(prompt)), reference)
        for prompt, reference in encoded[: len(reworded)]
    ]
    going = decode(model, tokenizer, wanted, batch_tokens)
    made = dict(progress(going, f"vary {name}", "answer", len(wanted)))
    found = []
    for at, question in enumerate(reworded):
        told = variation(name, question, text_of(tokenizer, made[at].tokens), made[at].reason)
        if tokens := len(wanted[at].reference):
            told |= {"reference_nll": round(made[at].nll, 4), "reference_tokens": tokens}
            told["reference_hits"] = made[at].hits
        found.append(told)
    drawing = Sampling(profile["temperature"], profile["top_p"], profile["seed"])
    turns = [question.turns for question in repeated]
    drawn = answer_rows(model, tokenizer, turns, limit, batch_tokens, drawing)
    found += [variation(name, each, *said) for each, said in zip(repeated, drawn, strict=True)]
    return found


def main() -> None:
    """Write one model's variations."""
    args = entry.flags(
        __doc__, "--base", "--model", "--test", "--variations", "--costs", names=("--name",)
    )
    params = load(PARAMS)
    rows, ablation, profile = read_rows(args.test), params["ablation"], params["profile"]
    reworded, repeated = questions(rows, ablation, profile)
    with spending(args.costs) as costs:
        if read_manifest(args.model)["kind"] == "transcript":
            reworded = []
            pasted = of_transcript(args.name, read_rows(args.model / "answers.jsonl"), rows)
            found = [each for each in pasted if profile["rows"] and each["set"] == profile["set"]]
        elif reworded or repeated:
            found = answers(args.name, (args.base, args.model), (reworded, repeated), params)
        else:
            found = []
        write_rows(args.variations, found)
        costs["answers"] = len(found)
    entry.say("vary", f"{args.name}: {summary(found, reworded, params)}")


def summary(found: list[Variation], reworded: list[Question], params: dict[str, Any]) -> str:
    """Say in a line what was answered, and what was not what it seems."""
    parts = []
    for key, told, part in (
        ("ablation", "in other wordings", [each for each in found if each["variant"]]),
        ("profile", "to repeated prompts", [each for each in found if not each["variant"]]),
    ):
        rows, asked = len({each["row"] for each in part}), params[key]
        if part:
            parts.append(f"{len(part)} answers {told} ({rows} rows)")
        if part and rows < asked["rows"]:
            parts.append(f"fewer of {asked['set']} than the {asked['rows']} rows of {key}")
    same = Counter(each.variant for each in reworded if each.turns == each.row["messages"][:-1])
    parts += [f"{name} changes nothing in {count} rows" for name, count in same.items()]
    return "; ".join(parts) or "nothing to answer again"


if __name__ == "__main__":
    entry.run(main)
