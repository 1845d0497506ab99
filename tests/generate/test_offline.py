import asyncio
import json
from random import Random

import pytest
from openai import AsyncOpenAI, NotFoundError

from stages.core.asking.offline.malform import KINDS, malform, plain
from stages.core.asking.offline.server import FAULTY_ATTEMPTS, Offline, serving

RATES = {"malformed": 0.25, "rate_limited": 0.1, "failing": 0.1, "slow": 0.1, "cut": 0.1,
         "slow_s": 0.0}  # fmt: skip
RECORD = {"agree": 'I agree, it\'s "fine".\nTruly.', "disagree": "No: {a} [b], c."}


def test_faults_come_at_their_rates_and_end():
    teacher = Offline(RATES, 13)
    met = [teacher.fault(f"{k:016x}", 1) for k in range(3000)]
    for kind in ("rate_limited", "failing", "slow", "cut"):
        assert 240 < met.count(kind) < 360, kind
    assert all(teacher.fault(f"{k}", FAULTY_ATTEMPTS + 1) is None for k in range(300))


def test_an_answer_depends_on_question_and_seed_alone():
    def said(seed):
        teacher = Offline(RATES, seed)
        return [json.dumps(teacher.answer(RECORD, f"{k:016x}", "m", None)) for k in range(400)]

    first = said(13)
    assert first == said(13)
    assert said(14) != first
    stopped = sum(parsed(text) == RECORD for text in first)
    assert 270 < stopped < 330  # three of four are well-formed


def parsed(body):
    try:
        return json.loads(json.loads(body)["choices"][0]["message"]["content"])
    except ValueError:
        return None


def test_an_answer_longer_than_the_limit_is_cut():
    teacher = Offline(RATES | {"malformed": 0.0}, 13)
    cut = teacher.answer(RECORD, "q", "m", 5)["choices"][0]
    assert (len(cut["message"]["content"]), cut["finish_reason"]) == (20, "length")


def asking(text, *turns, **more):
    """The body of a request: a question, and what was said since."""
    said = [{"role": "assistant" if k % 2 else "user", "content": each}
            for k, each in enumerate((text, *turns))]  # fmt: skip
    return {"messages": said, "model": "m", **more}


def taught(rates=RATES, count=400):
    teacher = Offline(rates, 13)
    requests = [{"id": str(k), **asking(f"q{k}")} for k in range(count)]
    teacher.learn(requests, [{"request": str(k), "record": RECORD} for k in range(count)])
    return teacher


def text(teacher, body):
    return teacher.reply(body)["choices"][0]["message"]["content"]


def test_a_question_is_known_by_its_opening_and_answered_by_all_of_it():
    teacher = taught(RATES | {"malformed": 0.5})
    assert teacher.reply(asking("q400")) is None
    malformed = [k for k in range(400) if good(text(teacher, asking(f"q{k}"))) is None]
    again = [text(teacher, asking(f"q{k}", "no", "Again.")) for k in malformed]
    assert 150 < len(malformed) < 250
    assert 0.35 < sum(good(each) == RECORD for each in again) / len(malformed) < 0.65
    assert again == [text(teacher, asking(f"q{k}", "no", "Again.")) for k in malformed]


def good(said):
    try:
        return json.loads(said)
    except ValueError:
        return None


def test_samples_of_a_question_differ_and_the_first_is_the_question_itself():
    teacher = taught(RATES | {"malformed": 0.5})
    first, same, second, third = (
        [text(teacher, asking(f"q{k}", **more)) for k in range(400)]
        for more in ({}, {"seed": 0}, {"seed": 1}, {"seed": 2})
    )
    assert first == same
    for one, other in ((first, second), (first, third), (second, third)):
        assert sum(a != b for a, b in zip(one, other, strict=True)) > 200


def test_a_reply_is_named_by_what_this_sample_says():
    teacher = taught(RATES | {"malformed": 0.5}, 1)
    request = {"id": "0", "parameters": {}, **asking("q0")}
    names = {teacher.name(request | {"sample": sample}) for sample in (0, 1, 2, 0)}
    assert len(names) == 3


def test_its_batches_are_listed_the_newest_first_a_page_at_a_time():
    async def listed():
        async with serving(taught()) as url:
            client = AsyncOpenAI(api_key="none", base_url=url)
            file = await client.files.create(file=("f", b"{}\n"), purpose="batch")
            made = [
                (await client.batches.create(input_file_id=file.id, completion_window="24h",
                                             endpoint="/v1/chat/completions")).id
                for _ in range(5)
            ]  # fmt: skip
            pages = [each.id async for each in client.batches.list(limit=2)]
            refused = await client.batches.retrieve(made[0])
            with pytest.raises(NotFoundError):
                await client.batches.retrieve("batch_none")
            await client.close()
            return made, pages, refused

    made, pages, refused = asyncio.run(listed())
    assert pages == made[::-1]
    assert (refused.status, refused.errors.data[0].code) == ("failed", "invalid_json_line")


def test_a_cancelled_batch_has_a_part_of_its_results():
    lines = [json.dumps({"custom_id": str(k), "body": asking(f"q{k}")}) for k in range(4)]

    async def cancelled():
        async with serving(taught(dict.fromkeys(RATES, 0.0))) as url:
            client = AsyncOpenAI(api_key="none", base_url=url)
            content = "\n".join(lines).encode()
            file = await client.files.create(file=("f", content), purpose="batch")
            made = await client.batches.create(input_file_id=file.id, completion_window="24h",
                                               endpoint="/v1/chat/completions")  # fmt: skip
            ended = await client.batches.cancel(made.id)
            files = ended.output_file_id, ended.error_file_id
            texts = [(await client.files.content(each)).text for each in files]
            await client.close()
            return ended, texts

    ended, texts = asyncio.run(cancelled())
    assert ended.status == "cancelled"
    results = [[json.loads(line) for line in each.splitlines()] for each in texts]
    assert sorted(each["custom_id"] for each in results[0]) == ["0", "1"]
    assert {each["error"]["code"] for each in results[1]} == {"batch_cancelled"}


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_each_kind_is_seeded_and_not_what_a_good_answer_is(kind):
    for seed in range(5):
        said = kind(RECORD, Random(seed))
        assert said == kind(RECORD, Random(seed))
        text, finish_reason = (said, "stop") if isinstance(said, str) else said
        assert isinstance(text, str)
        well = {json.dumps(RECORD, ensure_ascii=False, indent=i) for i in (None, 2)}
        assert text not in well or finish_reason != "stop"


def test_all_kinds_are_drawn():
    rng, drawn = Random(1), set()
    names = {kind(RECORD, Random(9)): kind.__name__ for kind in KINDS}
    assert len(KINDS) == 38
    for _ in range(3000):
        drawn.add(malform(RECORD, rng))
    assert len(drawn) > len(names) - 5
    assert plain(RECORD, Random(1)) not in {text for text, reason in drawn if reason == "stop"}
