"""The chat window in Chromium: several models on one prompt, what they say shown as text."""

import json
import re

import pytest

from stages.core.verdicts import read_pairs
from stages.core.visible import visible

RECORD = '{"agree": "I agree, the plot was moving.", "disagree": "No, I found the plot dull."}'
WAIT_MS = 20_000


def ask(page, prompt: str, *said: str) -> None:
    """Send a prompt, and wait for what the columns are to say."""
    page.locator("#prompt textarea").fill(prompt)
    page.locator("#send").click()
    for at, text in enumerate(said):
        page.locator(f"#answers-{at} .said").filter(has_text=text).wait_for(timeout=WAIT_MS)


def choose(page, *names: str) -> None:
    """Choose exactly these models."""
    box = page.locator("#models")
    while (remove := box.locator("button[title^=Remove], .token-remove:visible")).count():
        remove.first.click()
    for name in names:
        box.locator("input").click()
        page.get_by_role("option", name=name, exact=True).click()
    page.keyboard.press("Escape")


def test_it_opens_and_lists_every_model(show, heard, tried):
    page = show(tried)
    page.locator("#prompt textarea").wait_for()
    page.locator("#models input").click()
    options = page.get_by_role("option").all_inner_texts()
    assert [option.strip("✓ \n") for option in options] == ["base", "2b", "2c"]
    assert "exports/old" in page.locator("#unavailable").inner_text()
    page.wait_for_timeout(500)
    assert len(heard.requests) > 5
    assert heard.left == []


def test_two_models_answer_side_by_side(show, tried, engine):
    page = show(tried)
    choose(page, "2b", "2c")
    ask(page, "Who?", "2b says: Who?", "2c says: Who?")
    boxes = [page.locator(f"#answers-{at}").bounding_box() for at in (0, 1)]
    assert boxes[0]["x"] + boxes[0]["width"] <= boxes[1]["x"]
    assert boxes[0]["y"] == pytest.approx(boxes[1]["y"], abs=2)
    assert [model for model, _, _ in engine.asked] == ["2b", "2c"]
    choose(page, "base")
    ask(page, "And now?", "base says: And now?")
    assert not page.locator("#answers-1").is_visible()


def test_an_answer_grows_and_stop_stops_it(show, tried, engine):
    engine.waits_s = 0.05
    engine.says = {"Count.": " ".join(map(str, range(400)))}
    page = show(tried)
    choose(page, "2c")
    ask(page, "Count.", "0 1 2")
    said = page.locator("#answers-0 .said")
    lengths = []
    for _ in range(4):
        lengths.append(len(said.inner_text()))
        page.wait_for_timeout(400)
    assert lengths == sorted(set(lengths))
    page.locator("#stop").click()
    page.locator("#answers-0").filter(has_text="stopped").wait_for(timeout=WAIT_MS)
    last = said.inner_text()
    assert "399" not in last
    page.wait_for_timeout(400)
    assert said.inner_text() == last
    engine.waits_s = 0.0
    ask(page, "And after it?", "2c says: And after it?")


def test_an_example_fills_the_prompt(show, tried):
    page = show(tried)
    page.locator("#examples").get_by_text("How many legs has a cat?").first.click()
    box = page.locator("#prompt textarea")
    page.wait_for_function("e => e.value.includes('legs')", arg=box.element_handle())
    assert box.input_value() == "How many legs has a cat?"


def test_hostile_answers_stay_text(show, heard, tried, engine, texts):
    page = show(tried)
    choose(page, "2b", "2c")
    before = page.locator("h1, img, iframe, script").count()
    for at, text in enumerate(texts):
        prompt = f"Say {at}."
        engine.says[prompt] = {"2b": text, "2c": json.dumps({"agree": text, "disagree": text})}
        end = re.escape(" ".join(visible(text).split())[-30:])
        ask(page, prompt, re.compile(end))
        shown = page.locator("#answers-0 .said").inner_text()
        assert shown.strip() == visible(text).strip()
    assert page.locator("h1, img, iframe, script").count() == before
    made = "#answers-0 .said *:not(mark):not(ins):not(del):not(span), #answers-0 a[href]"
    assert page.locator(made).count() == 0
    assert heard.dialogs == []


def test_a_hostile_prompt_and_model_name_stay_text(show, tried, texts, heard):
    page = show(tried)
    choose(page, "2c")
    for text in texts[:8]:
        ask(page, text, "2c says:")
    page.wait_for_timeout(300)
    assert heard.dialogs == []


def test_a_record_is_shown_as_the_schema_wants_it_or_its_fault(show, tried, engine):
    engine.says = {"Good?": RECORD, "Bad?": '{"agree": 3}', "None?": "no record"}
    page = show(tried)
    choose(page, "2c")
    record = page.locator("#answers-0 .record")
    ask(page, "Good?", "moving")
    page.wait_for_timeout(300)
    good = record.inner_text()
    ask(page, "Bad?", re.compile('"agree": 3'))
    page.wait_for_timeout(300)
    bad = record.inner_text()
    assert "I agree, the plot was moving." in good
    assert good != bad
    assert "disagree" in bad or "string" in bad


def test_a_verdict_is_kept_and_counted(show, tried, engine, project):
    page = show(tried)
    choose(page, "2b", "2c")
    ask(page, "Which is better?", "2b says", "2c says")
    page.locator("#verdict-1").get_by_label("better").check()
    page.locator("#note textarea, #note input").first.fill("it <b>is</b>")
    page.locator("#keep").click()
    page.locator("#kept").filter(has_text=re.compile(r"\w")).wait_for(timeout=WAIT_MS)
    [pair] = read_pairs(project / "recipes/reviews/verdicts.jsonl")
    assert (pair["model"], pair["other"]) == ("2c", "2b")
    assert pair["verdict"] == "better"
    assert pair["note"] == "it <b>is</b>"
    assert (pair["digest"], pair["other_digest"]) == ("digest-of-2c", "digest-of-2b")
    assert pair["answer"] == "2c says: Which is better?"
    assert pair["prompt"] == "Which is better?"


@pytest.mark.parametrize("dark", [False, True])
def test_a_phone_is_enough(show, tried, wider, dark, barriers):
    page = show(tried, "phone", dark)
    choose(page, "2b", "2c")
    ask(page, "On a phone?", "2b says", "2c says")
    assert wider(page) == 0
    boxes = [page.locator(f"#answers-{at}").bounding_box() for at in (0, 1)]
    assert all(box["x"] >= 0 and box["x"] + box["width"] <= 360 for box in boxes)
    assert page.locator("#send").bounding_box()["height"] >= 24
    assert barriers(page) == []


def test_the_theme_is_the_readers(show, tried):
    background = "getComputedStyle(document.body).backgroundColor"
    grounds = []
    for dark in (False, True):
        page = show(tried, dark=dark)
        page.locator("#prompt textarea").wait_for()
        grounds.append(sum(map(int, re.findall(r"\d+", page.evaluate(background))[:3])))
    assert grounds[0] > 600
    assert grounds[1] < 200


def test_the_keyboard_alone_is_enough(show, tried):
    page = show(tried)
    page.locator("#prompt textarea").wait_for()
    for _ in range(80):
        page.keyboard.press("Tab")
        if page.evaluate("!!document.activeElement.closest('#prompt')"):
            break
    else:
        pytest.fail("Tab does not reach the prompt")
    page.keyboard.type("By hand?")
    page.keyboard.press("Enter")
    page.locator("#answers-0 .said").filter(has_text="says: By hand?").wait_for(timeout=WAIT_MS)
