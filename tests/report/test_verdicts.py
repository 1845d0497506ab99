"""Cases before and after: counted by model, shown one by one, the stale ones listed."""

from stages.report.verdicts import section

STACK = {"a": {"name": "2b", "on": "base"}, "b": {"name": "2c", "on": "2b"}}


def answer(model, row, text, prompt="What is it?"):
    return {
        "model": model, "set": "probes", "skill": "s", "row": row, "prompt": f"{prompt} {row}",
        "reference": "panda", "text": text, "finish_reason": "stop",
    }  # fmt: skip


def verdict(model, row, text, said, note=""):
    return {"row": row, "prompt": f"What is it? {row}", "model": model, "answer": text,
            "verdict": said, "note": note}  # fmt: skip


ANSWERS = {
    "base": [answer("base", "r1", "a cat"), answer("base", "r2", "a cat")],
    "2b": [answer("2b", "r1", "a red panda"), answer("2b", "r2", "x"), answer("2b", "r3", "y")],
    "2c": [answer("2c", "r1", "panda"), answer("2c", "r2", "x"), answer("2c", "r3", "now")],
}
VERDICTS = [
    verdict("2b", "r1", "a red panda", "partly", "it is no *red* one"),
    verdict("2c", "r1", "panda", "right"),
    verdict("2b", "r2", "x", "wrong"),
    verdict("2c", "r2", "x", "wrong"),
    verdict("2c", "r3", "then", "right"),
    verdict("2c", "r9", "then", "right"),
    verdict("gone", "r1", "panda", "right"),
]


def test_the_cases_stand_before_and_after():
    told = section(VERDICTS, ANSWERS, STACK, "emoji")
    assert told[0] == "## Judged by hand"
    assert "(`recipes/emoji/verdicts.jsonl`; `tunegraph verdicts` writes" in "\n".join(told)
    assert "| model | right | partly | wrong | `judged` ↑ | stale |" in told
    assert "| 2b | 0 | 1 | 1 | 0.25 | 0 |" in told
    assert "| 2c | 1 | 0 | 1 | 0.5 | 2 |" in told
    assert "| 2b → 2c | 2 | 1 | 1 | 0 |" in told
    assert not [line for line in told if line.startswith("| base")]
    assert "| case | 2b | 2c |" in told
    assert "| What is it? r1 | partly | right |" in told
    at = told.index("### What is it? r1")
    case = told[at : told.index("### What is it? r2")]
    assert r"**2b** · partly: it is no \*red\* one" in case
    assert case.index("a red panda") < case.index("**2c** · right") < len(case) - 1
    assert case.count("panda") == 2  # the reference, and 2c's answer


def test_stale_verdicts_are_listed_and_count_for_nothing():
    told = section(VERDICTS, ANSWERS, STACK, "emoji")
    at = told.index("### Stale verdicts: 3")
    rows = [line for line in told[at:] if line.startswith("| ")]
    assert rows[2:] == [
        "| gone | What is it? r1 | panda | right | no such model |",
        "| 2c | What is it? r3 | then | right | another answer |",
        "| 2c | What is it? r9 | then | right | no such row |",
    ]
    only = section(VERDICTS[-1:], ANSWERS, STACK, "emoji")
    assert "### Stale verdicts: 1" in only
    assert not [line for line in only if line.startswith("### What")]


def test_where_nothing_was_judged_there_is_no_part():
    assert section([], ANSWERS, STACK, "emoji") == []


def test_nothing_in_a_note_or_an_answer_breaks_out():
    odd = [verdict("2b", "r1", "a red panda", "partly", "| a\n## b")]
    told = section(odd, ANSWERS, STACK, "emoji")
    assert r"**2b** · partly: \| a \#\# b" in told
