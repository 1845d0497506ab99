"""The plain loop that people write: `openai[aiohttp]`, a semaphore, a line appended per reply.

python with_openai.py '{"base_url": ..., "max_in_flight": 64}'    reads requests.jsonl here, writes
alone.jsonl. Transport, retries and time-outs are the package's own.
"""

import asyncio
import json
import sys


async def ask_all(base_url: str, max_in_flight: int) -> None:
    """Ask for every request; a row that fails after the package's own retries is lost."""
    from openai import AsyncOpenAI, DefaultAioHttpClient, OpenAIError

    with open("requests.jsonl") as file:
        requests = [json.loads(line) for line in file]
    gate, lost = asyncio.Semaphore(max_in_flight), 0
    with open("alone.jsonl", "a") as out:
        async with AsyncOpenAI(
            base_url=base_url, api_key="none", http_client=DefaultAioHttpClient()
        ) as client:

            async def ask(request: dict) -> None:
                nonlocal lost
                async with gate:
                    try:
                        reply = await client.chat.completions.create(
                            model=request["model"],
                            messages=request["messages"],
                            max_tokens=256,
                            **request["parameters"],
                        )
                    except OpenAIError:
                        lost += 1
                        return
                number = request["seed"]["fields"]["number"]
                line = {"number": number, "text": reply.choices[0].message.content}
                out.write(json.dumps(line) + "\n")
                out.flush()

            await asyncio.gather(*map(ask, requests))
    print(f"{lost} lost")


if __name__ == "__main__":
    asyncio.run(ask_all(**json.loads(sys.argv[1])))
