"""bespokelabs-curator on requests.jsonl, as its README uses it; writes alone.jsonl.

python with_curator.py '{"base_url": ..., "max_in_flight": 64}'

Its table of tokens comes from the network: the counter that needs it is replaced, and nothing else.
Cache, telemetry and the rich display (which costs it CPU time) are switched off by its own
switches.
"""

import json
import os
import sys


class Characters:
    """Counts four characters as a token."""

    @staticmethod
    def encode(text: str, **_: object) -> range:
        """Return something with as many elements as there are tokens."""
        return range(len(text) // 4)


def main(base_url: str, max_in_flight: int) -> None:
    """Ask for every request."""
    os.environ |= {
        "CURATOR_CACHE_DIR": os.path.abspath("curator"),
        "CURATOR_DISABLE_CACHE": "1",
        "CURATOR_DISABLE_RICH_DISPLAY": "1",
        "TELEMETRY_ENABLED": "false",
        "LITELLM_LOCAL_MODEL_COST_MAP": "True",
        "HF_HUB_OFFLINE": "1",
    }
    import tiktoken

    tiktoken.get_encoding = lambda name: Characters
    from bespokelabs import curator

    class Asking(curator.LLM):
        def prompt(self, row: dict) -> list:
            return json.loads(row["messages"])

        def parse(self, row: dict, response: str) -> dict:
            return {"number": row["number"], "text": response}

    with open("requests.jsonl") as file:
        requests = [json.loads(line) for line in file]
    rows = [
        {"number": each["seed"]["fields"]["number"], "messages": json.dumps(each["messages"])}
        for each in requests
    ]
    asking = Asking(
        model_name="m",
        backend="openai",
        generation_params={"temperature": 0.0, "max_tokens": 256},
        backend_params={
            "base_url": base_url,
            "api_key": "none",
            "max_concurrent_requests": max_in_flight,
            "max_requests_per_minute": 10_000_000,
            "max_tokens_per_minute": 10_000_000_000,
        },
    )
    made = asking(rows)
    with open("alone.jsonl", "w") as out:
        for row in made.dataset:
            out.write(json.dumps({"number": row["number"], "text": row["text"]}) + "\n")


if __name__ == "__main__":
    main(**json.loads(sys.argv[1]))
