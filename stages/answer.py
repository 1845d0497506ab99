"""Let one model answer every test row and probe: the likeliest token always, in batches.

Reads:   data/test.jsonl, models/base, models/<name>
Writes:  data/answers/<name>.jsonl, metrics/costs/answer.<name>.json
Network: the hub's cache, when the base is a hub model
"""

import time
from pathlib import Path
from typing import Any

from stages.core import entry, stack
from stages.core.costs import spending
from stages.core.decoding import beyond, decode, prompt_tokens, text_of, unfit, window
from stages.core.decoding.hidden import hidden_similarities
from stages.core.decoding.wanted import Wanted
from stages.core.errors import ConfigError, Fault
from stages.core.jsonl import read_rows, write_rows
from stages.core.lineage import read_manifest
from stages.core.params import load
from stages.core.pasted import match_pasted, prompt_of
from stages.core.progress import progress
from stages.core.records import Answer, Row
from stages.core.torch_setup import prepare

PARAMS = ("answer", "compute")


def answer_of(name: str, row: Row, text: str, finish_reason: str) -> Answer:
    """Put an answer beside the row it answers."""
    return {
        "model": name,
        "set": row["set"],
        "skill": row["skill"],
        "row": row["id"],
        "prompt": prompt_of(row["messages"]),
        "reference": row["messages"][-1]["content"],
        "text": text,
        "finish_reason": finish_reason,
    }


def from_transcript(name: str, pasted: list[dict[str, Any]], rows: list[Row]) -> list[Answer]:
    """Return the first of a transcript's answers to each test row, in the rows' order.

    Raises: InputError naming every pasted answer that fits no test row.
    """
    return [
        answer_of(name, row, entry_["text"], "stop")
        | {"pasted": {key: entry_[key] for key in ("model", "date") if key in entry_}}
        for row, entry_ in match_pasted(name, pasted, rows)
        if not entry_.get("sample")
    ]


def encode(tokenizer: Any, row: Row) -> tuple[list[int], list[int]]:
    """Return the tokens of a row's prompt, and of its reference with the end, as it is trained on.

    Raises: ConfigError when prompt and answer together do not begin with the prompt: no loss can be
    told then.
    """
    prompt = prompt_tokens(tokenizer, row["messages"][:-1])
    whole = tokenizer.apply_chat_template(row["messages"], tokenize=True, return_dict=False)
    if whole[: len(prompt)] != prompt:
        raise ConfigError(
            Fault(
                "models/base: chat template",
                f"it writes the prompt of row {row['id']} differently when the answer follows",
                "a template whose prompt is the beginning of the whole conversation",
            )
        )
    return prompt, whole[len(prompt) :]


def answer_all(
    name: str, model: Any, tokenizer: Any, rows: list[Row], settings: dict[str, Any]
) -> tuple[list[Answer], int, str | None]:
    """Answer all rows, in their order.

    Returns the answers, how many tokens they have, and why transformers' own `generate` made them
    (None: it did not).

    settings: section `answer` of params.yaml
    Raises: InputError naming every row that the model's window does not hold.
    """
    encoded = [encode(tokenizer, row) for row in rows]
    longest = window(model)
    beyond(
        longest,
        (
            (f"data/test.jsonl: row {row['id']}", len(prompt) + max(1, len(reference)))
            for row, (prompt, reference) in zip(rows, encoded, strict=True)
        ),
    )
    wanted = [
        Wanted(prompt, min(settings["max_new_tokens"], longest - len(prompt)), reference)
        for prompt, reference in encoded
    ]
    going = decode(model, tokenizer, wanted, settings["batch_tokens"])
    found = dict(progress(going, f"answer {name}", "answer", len(rows)))
    answers = []
    for at, row in enumerate(rows):
        said = answer_of(name, row, text_of(tokenizer, found[at].tokens), found[at].reason)
        answers.append(
            said
            | {
                "reference_nll": round(found[at].nll, 4),
                "reference_tokens": len(wanted[at].reference),
                "reference_hits": found[at].hits,
            }
        )
    if settings.get("hidden_similarity"):
        texts = [(answer["text"], answer["reference"]) for answer in answers]
        alike = hidden_similarities(model, tokenizer, texts, settings["batch_tokens"])
        for answer, value in zip(answers, alike, strict=True):
            answer["hidden_similarity"] = round(value, 6)
    return answers, sum(len(made.tokens) for made in found.values()), unfit(model, wanted)


def main() -> None:
    """Write one model's answers."""
    args = entry.flags(
        __doc__, "--base", "--model", "--test", "--answers", "--costs", names=("--name",)
    )
    params = load(PARAMS)
    rows = read_rows(args.test)
    with spending(args.costs) as costs:
        if read_manifest(args.model)["kind"] == "transcript":
            answers = from_transcript(args.name, read_rows(Path(args.model, "answers.jsonl")), rows)
        else:
            prepare(params["compute"])
            model = stack.load(args.base, args.model, params["compute"])
            began = time.perf_counter()
            answers, tokens, why = answer_all(
                args.name, model, stack.load_tokenizer(args.base), rows, params["answer"]
            )
            costs["tokens"] = tokens
            costs["answers_per_s"] = round(len(answers) / (time.perf_counter() - began), 2)
            if why:
                entry.say("answer", f"{args.name}: by transformers' generate, since {why}")
        write_rows(args.answers, answers)
        costs["answers"] = len(answers)
    full = sum(answer["finish_reason"] == "length" for answer in answers)
    entry.say("answer", f"{args.name}: {len(answers)} answers, {full} ran to the limit")


if __name__ == "__main__":
    entry.run(main)
