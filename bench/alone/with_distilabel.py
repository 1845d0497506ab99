"""distilabel on requests.jsonl: a pipeline of one text generation; writes alone.jsonl.

python with_distilabel.py '{"base_url": ..., "max_in_flight": 64}'

A batch is as large as what may be in flight; the cache is off. So is its log below warnings, which
has a line for each request and costs it CPU time.
"""

import json
import os
import sys


def main(base_url: str, max_in_flight: int) -> None:
    """Ask for every request."""
    os.environ |= {
        "DISTILABEL_LOG_LEVEL": "WARNING",
        "DISTILABEL_CACHE_DIR": os.path.abspath("distilabel"),
        "HF_HUB_OFFLINE": "1",
        "HF_HOME": os.path.abspath("hf"),
    }
    from distilabel.models.llms import OpenAILLM
    from distilabel.pipeline import Pipeline
    from distilabel.steps import LoadDataFromDicts
    from distilabel.steps.tasks import TextGeneration

    with open("requests.jsonl") as file:
        requests = [json.loads(line) for line in file]
    rows = [
        {
            "number": each["seed"]["fields"]["number"],
            "instruction": each["messages"][0]["content"],
        }
        for each in requests
    ]
    with Pipeline(name="alone") as pipeline:
        load = LoadDataFromDicts(data=rows, batch_size=max_in_flight)
        llm = OpenAILLM(
            model="m",
            base_url=base_url,
            api_key="none",
            generation_kwargs={"temperature": 0.0, "max_new_tokens": 256},
        )
        asking = TextGeneration(
            llm=llm, input_batch_size=max_in_flight, add_raw_input=False, add_raw_output=False
        )
        load >> asking
    made = pipeline.run(use_cache=False)
    with open("alone.jsonl", "w") as out:
        for row in made["default"]["train"]:
            out.write(json.dumps({"number": row["number"], "text": row["generation"]}) + "\n")


if __name__ == "__main__":
    main(**json.loads(sys.argv[1]))
