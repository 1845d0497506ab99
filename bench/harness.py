"""Loglikelihoods by lm-evaluation-harness of base + peft, against those of our own loading.

The harness is installed by pip, once, into an environment of its own below .cache/bench/, and run
by its command line on the folders as they are: `--model_args pretrained=models/base,peft=models/2c`
and float32. What it scores are answers of data/test.jsonl after their prompts, as the chat template
writes them. The models are those of the project, and a pair of rsLoRA adapters that is trained for
this; a 2c without the 2b below it must not agree, or the comparison would show nothing.

Of the same rows the stage `answer` writes the likelihood of the reference, rounded to four digits,
and how many of its tokens are the model's first choice: both must be the harness's, row by row, and
so must the perplexity per token that is made of them (metrics/models: exp of `loss`).
"""

import argparse
import json
import math
import os
import shutil
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

from figures import Figure, report
from fresh import ROOT
from generating import scratch

HARNESS = "lm-eval==0.4.13"
# Those that decide the numbers are the ones of this environment.
SAME = ("torch", "transformers", "peft")
TASK = """\
task: tunegraph
dataset_path: json
dataset_kwargs: {data_files: {test: rows.jsonl}}
test_split: test
output_type: loglikelihood
doc_to_text: "{{context}}"
doc_to_target: "{{continuation}}"
target_delimiter: ""
metric_list: [{metric: acc, aggregation: mean, higher_is_better: true}]
"""
CPU = {"device": "cpu", "threads": 1}
BOUND = 1e-4


def install() -> str:
    """Return the Python of the harness's environment, made if need be."""
    place = ROOT / ".cache" / "bench" / "harness"
    python, done = place / "bin" / "python", place / "installed.txt"
    packages = [HARNESS, *(f"{name}=={version(name).partition('+')[0]}" for name in SAME)]
    wanted = "\n".join(packages)
    if done.exists() and done.read_text() == wanted:
        return str(python)
    print(f"installing {' '.join(packages)} into {place.relative_to(ROOT)}", flush=True)
    shutil.rmtree(place, ignore_errors=True)
    subprocess.run([sys.executable, "-m", "venv", str(place)], check=True)
    # torch first and alone: whatever needs it then takes this one.
    for some in (packages[1:2], packages):
        command = [str(python), "-m", "pip", "install", "-q", "--no-cache-dir", *some]
        subprocess.run(command, check=True)
    done.write_text(wanted)
    return str(python)


def train_rslora(at: Path, steps: int) -> None:
    """Train a pair of rsLoRA adapters, `2b` and `2c` in models/rslora, on the project's mixes."""
    from stages.core.jsonl import write_json
    from stages.core.params import read_yaml

    params = read_yaml(at / "params.yaml")
    for key, on in (("m2b", "models/base"), ("m2c", "models/rslora/2b")):
        adapter = params["adapters"][key]
        adapter["lora"] = {**adapter["lora"], "use_rslora": True}
        adapter["sft"] = {**adapter["sft"], "max_steps": steps, "eval_steps": steps}
        write_json(at / "params.yaml", params)  # JSON is YAML
        name = adapter["name"]
        words = ["--adapter", key, "--base", "models/base", "--on", on]
        words += ["--mix", f"data/mix/{name}", "--model", f"models/rslora/{name}"]
        words += ["--curve", "curve.csv", "--costs", "costs.json"]
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        command = [sys.executable, "-m", "stages.train", *words]
        subprocess.run(command, cwd=at, env=environment, check=True)


def picked(at: Path, count: int) -> list[dict[str, Any]]:
    """Return test rows, taken evenly."""
    rows = [json.loads(line) for line in (at / "data/test.jsonl").read_text().splitlines()]
    return rows[:: max(1, len(rows) // count)][:count]


def write_rows(at: Path, rows: list[dict[str, Any]]) -> list[dict[str, str]]:
    """Write what is scored of test rows, as the harness's task reads it."""
    from stages.core import stack

    tokenizer = stack.load_tokenizer(at / "models/base")
    found = []
    for row in rows:
        context = tokenizer.apply_chat_template(
            row["messages"][:-1], add_generation_prompt=True, tokenize=False
        )
        whole = tokenizer.apply_chat_template(row["messages"], tokenize=False)
        found.append({"context": context, "continuation": whole.removeprefix(context)})
    lines = "".join(json.dumps(row) + "\n" for row in found)
    (at / "rows.jsonl").write_text(lines, encoding="utf-8")
    (at / "task").mkdir()
    (at / "task" / "tunegraph.yaml").write_text(TASK, encoding="utf-8")
    return found


def by_harness(at: Path, python: str, model_args: str, out: str) -> tuple[list[float], list[bool]]:
    """Return the loglikelihoods (nats) of all rows, and whether each is what the model says."""
    words = ["--model", "hf", "--model_args", f"{model_args},dtype=float32", "--device", "cpu"]
    words += ["--tasks", "tunegraph", "--include_path", "task", "--batch_size", "8"]
    words += ["--log_samples", "--output_path", out]
    offline = {"HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1", "HF_HOME": str(at / "hf")}
    environment = {**os.environ, **offline, "OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "PASSIVE"}
    environment.pop("PYTHONPATH", None)
    command = [python, "-m", "lm_eval", *words]
    ran = subprocess.run(command, cwd=at, env=environment, capture_output=True, text=True)
    if ran.returncode:
        sys.exit(f"{' '.join(command)}\n{ran.stdout[-2000:]}\n{ran.stderr[-4000:]}")
    (samples,) = (at / out).rglob("samples_*.jsonl")
    told = [json.loads(line) for line in samples.read_text().splitlines()]
    told.sort(key=lambda sample: sample["doc_id"])
    found = [sample["resps"][0][0] for sample in told]
    return [float(one) for one, _ in found], [str(greedy) == "True" for _, greedy in found]


def by_stack(at: Path, model: Path, rows: list[dict[str, str]]) -> list[float]:
    """Return the loglikelihoods (nats) of all rows by `stages.core.stack.load`, one at a time."""
    import torch

    from stages.core import stack

    tokenizer = stack.load_tokenizer(at / "models/base")
    loaded = stack.load(at / "models/base", model, CPU)
    found = []
    for row in rows:
        prompt, answer = (
            tokenizer(row[part], add_special_tokens=False)["input_ids"]
            for part in ("context", "continuation")
        )
        with torch.inference_mode():
            logits = loaded(torch.tensor([prompt + answer]), use_cache=False).logits[0].float()
        of_answer = logits[len(prompt) - 1 : -1].log_softmax(-1)
        found.append(float(of_answer.gather(1, torch.tensor(answer)[:, None]).sum()))
    return found


def by_answer(at: Path, model: Path, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return what the stage `answer` says of test rows, answered all together."""
    from stages import answer
    from stages.core import stack

    tokenizer = stack.load_tokenizer(at / "models/base")
    loaded = stack.load(at / "models/base", model, CPU)
    settings = {"max_new_tokens": 96, "batch_tokens": 16384}
    return answer.answer_all(model.name, loaded, tokenizer, rows, settings)[0]


def of_answers(
    name: str, answers: list[dict[str, Any]], theirs: list[float], greedy: list[bool]
) -> list[Figure]:
    """Return the figures that set the stage's answers beside the harness's."""
    likely = [-answer["reference_nll"] for answer in answers]
    whole = [answer["reference_hits"] == answer["reference_tokens"] for answer in answers]
    tokens = sum(answer["reference_tokens"] for answer in answers)
    ours, its = (math.exp(-sum(each) / tokens) for each in (likely, theirs))
    hits = sum(answer["reference_hits"] for answer in answers)
    return [
        Figure(f"{name}: answers, difference", furthest(likely, theirs), "nats", None, BOUND),
        Figure(f"{name}: perplexity per token, difference", abs(ours - its), "", None, BOUND),
        Figure(f"{name}: perplexity per token", ours),
        Figure(f"{name}: token accuracy", hits / tokens),
        Figure(f"{name}: references that the model says, of {len(whole)}", sum(whole)),
        Figure(
            f"{name}: of these differently judged",
            sum(one != other for one, other in zip(whole, greedy, strict=True)),
            at_most=0,
        ),
    ]


def furthest(some: list[float], others: list[float]) -> float:
    """Return the largest difference between two lists of loglikelihoods."""
    return max(abs(one - other) for one, other in zip(some, others, strict=True))


def main() -> None:
    """Compare, print, exit 1 when a bound is missed."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--project", type=Path, default=ROOT, help="a built one: models/, data/")
    parser.add_argument("--python", help="one that has the harness, instead of installing it")
    parser.add_argument("--rows", type=int, default=48)
    parser.add_argument("--steps", type=int, default=20, help="of the rsLoRA adapters")
    parser.add_argument("--json", type=Path, help="file that gets the figures")
    args = parser.parse_args()
    from stages.core.torch_setup import prepare

    prepare(CPU)
    python = args.python or install()
    figures: list[Figure] = []
    runs: dict[str, Any] = {}
    with scratch() as at:
        for name in ("models", "data/mix"):
            shutil.copytree(args.project / name, at / name)
        for name in ("params.yaml", "data/test.jsonl"):
            shutil.copyfile(args.project / name, at / name)
        train_rslora(at, args.steps)
        test = picked(at, args.rows)
        rows = write_rows(at, test)
        base = by_stack(at, at / "models/base", rows)
        models = {"2b": "2b", "2c": "2c", "rsLoRA 2b": "rslora/2b", "rsLoRA 2c": "rslora/2c"}
        for name, folder in models.items():
            ours = by_stack(at, at / "models" / folder, rows)
            model_args = f"pretrained=models/base,peft=models/{folder}"
            theirs, greedy = by_harness(at, python, model_args, f"out/{folder}")
            runs[name] = {"ours": ours, "theirs": theirs}
            figures += [
                Figure(f"{name}: difference", furthest(ours, theirs), "nats", None, BOUND),
                Figure(f"{name}: ours from the base's", furthest(ours, base), "nats", 1.0),
                *of_answers(name, by_answer(at, at / "models" / folder, test), theirs, greedy),
            ]
        alone, _ = by_harness(
            at, python, "pretrained=models/base,peft=models/2c/adapters/2c", "out/x"
        )
        apart = furthest(runs["2c"]["ours"], alone)
        figures.append(Figure("2c without 2b: difference", apart, "nats", 100 * BOUND))
    report(figures, args.json, rows=len(rows), runs=runs)


if __name__ == "__main__":
    main()
