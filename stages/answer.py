"""Let one model answer every test row and probe: greedy, batched, sorted by length.

Reads:   data/test.jsonl, models/base, models/<name>
Writes:  data/answers/<name>.jsonl, metrics/costs/answer.<name>.json
Network: the hub's cache, when the base is a hub model
"""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from stages.core import entry, stack
from stages.core.contract import stop_tokens
from stages.core.costs import spending
from stages.core.errors import ConfigError, Fault, InputError
from stages.core.jsonl import read_rows, write_rows
from stages.core.lineage import read_manifest
from stages.core.params import load
from stages.core.progress import progress
from stages.core.records import Answer, Message, Row
from stages.core.torch_setup import prepare

if TYPE_CHECKING:
    import torch

PARAMS = ("answer", "compute")


def prompt_text(messages: list[Message]) -> str:
    """Return what a reader sees as the prompt: every turn but the last, the system's included."""
    return "\n".join(message["content"] for message in messages[:-1])


def answer_of(name: str, row: Row, text: str, finish_reason: str) -> Answer:
    """Put an answer beside the row it answers."""
    return {
        "model": name,
        "set": row["set"],
        "skill": row["skill"],
        "row": row["id"],
        "prompt": prompt_text(row["messages"]),
        "reference": row["messages"][-1]["content"],
        "text": text,
        "finish_reason": finish_reason,
    }


def from_transcript(name: str, pasted: list[dict[str, Any]], rows: list[Row]) -> list[Answer]:
    """Match pasted answers to test rows, by row id or by the prompt's words, in the rows' order.

    An answer that names a prompt answers every row with that prompt.
    Raises: InputError naming every pasted answer that belongs to no test row, or to one that is
    answered already.
    """
    by_words: dict[str, list[Row]] = {}
    for row in rows:
        by_words.setdefault(" ".join(prompt_text(row["messages"]).split()), []).append(row)
    by_id = {row["id"]: [row] for row in rows}
    answers: dict[str, Answer] = {}
    faults = []
    for number, entry_ in enumerate(pasted, 1):
        where = f"transcript {name}: answer {number}"
        words = " ".join((entry_.get("prompt") or "").split())
        found = by_id.get(entry_.get("row") or "") or by_words.get(words, [])
        shown = repr(entry_.get("row") or words[:60])
        if not found:
            faults.append(Fault(where, f"{shown} is no test row or prompt", "see data/test.jsonl"))
        elif any(row["id"] in answers for row in found):
            faults.append(Fault(where, f"{shown} is answered already", "one answer each"))
        for row in found:
            answers.setdefault(row["id"], answer_of(name, row, entry_["text"], "stop"))
    if faults:
        raise InputError(*faults)
    return [answers[row["id"]] for row in rows if row["id"] in answers]


def pad(sequences: list[list[int]], fill: int, left: bool) -> tuple["torch.Tensor", "torch.Tensor"]:
    """Return ids `(batch, longest)` and their attention mask, padded on one side."""
    import torch

    longest = max(map(len, sequences))
    ids = torch.full((len(sequences), longest), fill)
    mask = torch.zeros_like(ids)
    for index, sequence in enumerate(sequences):
        at = slice(longest - len(sequence), longest) if left else slice(0, len(sequence))
        ids[index, at] = torch.tensor(sequence)
        mask[index, at] = 1
    return ids, mask


def generate(
    model: Any, tokenizer: Any, prompts: list[list[int]], limit: int, stops: set[int]
) -> list[tuple[list[int], str]]:
    """Continue each prompt greedily by at most `limit` tokens.

    Returns for each its tokens up to the one that ends it, apart, and `stop` or `length`.
    """
    import torch

    ids, mask = pad(prompts, tokenizer.pad_token_id, left=True)
    with torch.inference_mode():
        out = model.generate(
            input_ids=ids.to(model.device),
            attention_mask=mask.to(model.device),
            max_new_tokens=limit,
            do_sample=False,
            pad_token_id=tokenizer.pad_token_id,
            eos_token_id=sorted(stops),
        )
    answers = []
    for tokens in out[:, ids.shape[1] :].tolist():
        end = next((at for at, token in enumerate(tokens) if token in stops), None)
        answers.append((tokens[:end], "length" if end is None else "stop"))
    return answers


def reference_nll(
    model: Any, tokenizer: Any, prompts: list[list[int]], wholes: list[list[int]]
) -> list[tuple[float, int]]:
    """Return the summed negative log-likelihood (nats) of each reference, and its token count.

    wholes: prompt and reference together, as they are trained on, end token included
    """
    import torch

    ids, mask = pad(wholes, tokenizer.pad_token_id, left=False)
    with torch.inference_mode():
        logits = model(
            input_ids=ids.to(model.device), attention_mask=mask.to(model.device), use_cache=False
        ).logits
    found = []
    for row, prompt, whole in zip(logits, prompts, wholes, strict=True):
        targets = torch.tensor(whole[len(prompt) :], device=row.device)
        predicted = row[len(prompt) - 1 : len(whole) - 1].float()
        nll = torch.nn.functional.cross_entropy(predicted, targets, reduction="sum")
        found.append((nll.item(), len(targets)))
    return found


def encode(tokenizer: Any, row: Row) -> tuple[list[int], list[int]]:
    """Return the tokens of a row's prompt, and of prompt and reference together.

    Raises: ConfigError when the second does not begin with the first: no loss can be told then.
    """
    prompt = tokenizer.apply_chat_template(
        row["messages"][:-1], add_generation_prompt=True, tokenize=True, return_dict=False
    )
    whole = tokenizer.apply_chat_template(row["messages"], tokenize=True, return_dict=False)
    if whole[: len(prompt)] != prompt:
        raise ConfigError(
            Fault(
                "models/base: chat template",
                f"it writes the prompt of row {row['id']} differently when the answer follows",
                "a template whose prompt is the beginning of the whole conversation",
            )
        )
    return prompt, whole


def answer_all(
    name: str, model: Any, tokenizer: Any, rows: list[Row], limit: int, batch_size: int
) -> list[Answer]:
    """Answer all rows; batches hold prompts of like length, the result has the rows' order."""
    encoded = [encode(tokenizer, row) for row in rows]
    order = sorted(range(len(rows)), key=lambda index: (len(encoded[index][0]), rows[index]["id"]))
    batches = [order[at : at + batch_size] for at in range(0, len(order), batch_size)]
    stops = stop_tokens(tokenizer, model.generation_config)
    answers: dict[int, Answer] = {}
    for batch in progress(batches, f"answer {name}", "batch"):
        prompts = [encoded[index][0] for index in batch]
        generated = generate(model, tokenizer, prompts, limit, stops)
        losses = reference_nll(model, tokenizer, prompts, [encoded[index][1] for index in batch])
        for index, (tokens, reason), (nll, count) in zip(batch, generated, losses, strict=True):
            # Some tokenizers are told to tidy up spaces, which would change code and JSON.
            text = tokenizer.decode(
                tokens, skip_special_tokens=True, clean_up_tokenization_spaces=False
            )
            answers[index] = answer_of(name, rows[index], text, reason) | {
                "reference_nll": round(nll, 4),
                "reference_tokens": count,
            }
    return [answers[index] for index in range(len(rows))]


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
            settings = params["answer"]
            answers = answer_all(
                args.name,
                model,
                stack.load_tokenizer(args.base),
                rows,
                settings["max_new_tokens"],
                settings["batch_size"],
            )
        write_rows(args.answers, answers)
        costs["answers"] = len(answers)
    full = sum(answer["finish_reason"] == "length" for answer in answers)
    entry.say("answer", f"{args.name}: {len(answers)} answers, {full} ran to the limit")


if __name__ == "__main__":
    entry.run(main)
