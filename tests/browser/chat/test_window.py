"""The chat window in Chromium: several models on one prompt, what they say shown as text."""

import json
import re
from contextlib import suppress

import pytest

from stages.core.preferences import of_model
from stages.core.verdicts import read_pairs
from stages.core.visible import visible

RECORD = '{"agree": "I agree, the plot was moving.", "disagree": "No, I found the plot dull."}'
WAIT_MS = 30_000
# In Gradio's own counting of requests, by an option that pandas is to lose.
pytestmark = pytest.mark.filterwarnings("ignore:'future.no_silent_downcasting'")


LAST = """([at, text]) => {
  const said = [...document.querySelectorAll(`#answers-${at} .turn.said pre.text`)].at(-1);
  return said && said.textContent.includes(text);
}"""


def ask(page, prompt: str, *said: str, whole: bool = True) -> None:
    """Send a prompt, and wait for what the columns are to say; `whole`: and that all have ended."""
    page.locator("#prompt textarea").fill(prompt)
    page.locator("#send").click()
    for at, text in enumerate(said):
        page.wait_for_function(LAST, arg=[at, text], timeout=WAIT_MS)
    if whole:
        page.locator("#status").filter(has_text="Done").wait_for(timeout=WAIT_MS)


def answer(page, at: int):
    """Return the last answer of a column."""
    return page.locator(f"#answers-{at} .turn.said pre.text").last


def chosen(page) -> list[str]:
    """Return the models that are chosen."""
    return [name.strip() for name in page.locator("#models .token").all_inner_texts()]


def choose(page, *names: str) -> None:
    """Choose exactly these models, and wait for their columns."""
    from playwright.sync_api import TimeoutError

    page.locator("#answers-0").filter(has_text="Nothing asked yet").wait_for()
    # An answer of the server that comes meanwhile closes the list.
    for _ in range(5):
        for name in {*chosen(page)} ^ {*names}:
            option = page.get_by_role("option", name=name, exact=True)
            if not option.is_visible():
                page.locator("#models input").click()
            with suppress(TimeoutError):
                option.click(timeout=2000)
        page.wait_for_timeout(100)
        if sorted(chosen(page)) == sorted(names):
            break
    page.keyboard.press("Escape")
    assert sorted(chosen(page)) == sorted(names)
    for at, name in enumerate(names):
        page.locator(f"#answers-{at} .label").filter(has_text=name).wait_for()


def test_it_opens_and_lists_every_model(show, heard, tried):
    page = show(tried)
    page.locator("#prompt textarea").wait_for()
    page.locator("#models input").click()
    options = page.get_by_role("option").all_inner_texts()
    assert [option.strip("✓ \n") for option in options] == ["base", "2b", "2c"]
    page.keyboard.press("Escape")
    page.locator("#unavailable summary").click()
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
    page.locator("#new").click()
    choose(page, "base")
    ask(page, "And now?", "base says: And now?")
    assert not page.locator("#answers-1").is_visible()


def test_an_answer_grows_and_stop_stops_it(show, tried, engine):
    engine.waits_s = 0.05
    engine.says = {"Count.": " ".join(map(str, range(400)))}
    page = show(tried)
    choose(page, "2c")
    ask(page, "Count.", "0 1 2", whole=False)
    said = answer(page, 0)
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


def test_a_hostile_example_and_its_reference_stay_text(show, heard, tried):
    page = show(tried)
    page.locator("#answers-0").filter(has_text="Nothing asked yet").wait_for()
    before = page.locator("h1, img, iframe, script").count()
    page.locator("#examples button").nth(3).click()
    box = page.locator("#prompt textarea")
    page.wait_for_function("e => e.value.includes('onerror')", arg=box.element_handle())
    page.locator("#send").click()
    page.wait_for_function(LAST, arg=[0, "says: <img src=x"], timeout=WAIT_MS)
    page.locator("#reference").filter(has_text="is the reference").wait_for()
    page.locator("#prompt-as-sent button").first.click()
    page.locator("#prompt-as-sent-text").filter(has_text="<|user|>").wait_for()
    assert page.locator("h1, img, iframe, script").count() == before
    assert page.locator("#window a[href]").count() == 0


def test_hostile_answers_stay_text(show, heard, tried, engine, texts):
    page = show(tried)
    choose(page, "2b", "2c")
    before = page.locator("h1, img, iframe, script").count()
    for at, text in enumerate(texts):
        prompt = f"Say {at}."
        engine.says[prompt] = {"2b": text, "2c": json.dumps({"agree": text, "disagree": text})}
        ask(page, prompt, visible(text))
        assert answer(page, 0).inner_text().strip() == visible(text).strip()
    assert page.locator("h1, img, iframe, script").count() == before
    made = "#answers-0 pre *, #answers-1 pre *, #window a[href]"
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
    record = page.locator("#answers-0 .turn.said:last-child .record")
    ask(page, "Good?", "moving")
    page.wait_for_timeout(300)
    record.locator("summary").click()
    good = record.inner_text()
    ask(page, "Bad?", '"agree": 3')
    page.wait_for_timeout(300)
    bad = record.inner_text()
    assert "I agree, the plot was moving." in good
    assert good != bad
    assert "disagree" in bad or "string" in bad
    ask(page, "None?", "no record")
    page.wait_for_timeout(300)
    assert "I agree" not in " ".join(record.all_inner_texts())


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
    # What the stage `evaluate` counts of it, for the model that now stands there.
    pairs = read_pairs(project / "recipes/reviews/verdicts.jsonl")
    [(own, other)] = of_model(pairs, "2c", "digest-of-2c").held
    assert (own.value, other.value) == (1.0, 0.0)
    assert len(of_model(pairs, "2c", "of another build").stale) == 1


def test_the_reader_chooses_whom_to_compare_with(show, tried, project):
    page = show(tried)
    choose(page, "base", "2b", "2c")
    ask(page, "And these three?", "base says", "2b says", "2c says")
    page.locator("#against").get_by_label("2b", exact=True).check()
    page.get_by_label("worse than 2b").last.check()
    page.locator("#keep").click()
    page.locator("#kept").filter(has_text=re.compile(r"\w")).wait_for(timeout=WAIT_MS)
    [pair] = read_pairs(project / "recipes/reviews/verdicts.jsonl")
    assert (pair["model"], pair["verdict"], pair["other"]) == ("2c", "worse", "2b")


def test_a_blind_test_hides_the_names_until_a_verdict_is_kept(show, tried, engine, project):
    engine.says = {"Who is better?": {"2b": "the first text", "2c": "the second text"}}
    page = show(tried)
    choose(page, "2b", "2c")
    page.get_by_label("Blind test").check()
    page.locator("#answers-0 .label").filter(has_text=re.compile("[AB]$")).wait_for()
    ask(page, "Who is better?", "text", "text")
    page.locator("#verdict-1").wait_for()
    shown = page.locator("#window").inner_text()
    assert "2b" not in shown
    assert "2c" not in shown
    page.locator("#verdict-1").get_by_label("better").check()
    page.locator("#keep").click()
    page.locator("#answers-0 .label").filter(has_text=re.compile("2[bc]")).wait_for()
    [pair] = read_pairs(project / "recipes/reviews/verdicts.jsonl")
    said = engine.says["Who is better?"]
    assert (pair["answer"], pair["other_answer"]) == (said[pair["model"]], said[pair["other"]])
    assert {pair["model"], pair["other"]} == {"2b", "2c"}


@pytest.mark.parametrize("dark", [False, True])
def test_a_phone_is_enough(show, tried, wider, dark, barriers):
    page = show(tried, "phone", dark)
    choose(page, "2b", "2c")
    ask(page, "On a phone?", "2b says", "2c says")
    assert wider(page) == 0
    boxes = [page.locator(f"#answers-{at}").bounding_box() for at in (0, 1)]
    assert all(box["x"] >= 0 and box["x"] + box["width"] <= 360 for box in boxes)
    assert page.locator("#send").bounding_box()["height"] >= 24
    # Until then buttons fade in: half of a colour has half of the contrast.
    page.wait_for_timeout(500)
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
    page.wait_for_function(LAST, arg=[0, "says: By hand?"], timeout=WAIT_MS)


def test_a_stack_of_real_models_answers(show, stacked):
    """One base in memory, adapters switched: every model of the stack, two at a time."""
    page = show(stacked)
    told = {}
    for pair in (("2b", "2c"), ("base", "3b")):
        choose(page, *pair)
        page.locator("#prompt textarea").fill("Hello there, who are you?")
        page.locator("#send").click()
        page.locator("#status").filter(has_text="Done").wait_for(timeout=WAIT_MS)
        for at, name in enumerate(pair):
            assert page.locator(f"#answers-{at} .label").inner_text() == name
            told[name] = answer(page, at).inner_text()
        page.locator("#new").click()
    assert set(told) == {"base", "2b", "2c", "3b"}
    assert len({*told.values()}) >= 2


FILLED = "document.querySelector('#prompt textarea').value.length > 0"


@pytest.mark.parametrize("recorded", [True, False])
def test_a_recording_becomes_text(show, heard, tried_with, whisper, speech, tmp_path, recorded):
    page = show(tried_with(ui={"whisper": str(whisper), "whisper_revision": None}))
    page.get_by_role("button", name=re.compile("^Speech")).click()
    control = page.locator("#speech")
    if recorded:
        control.get_by_role("button", name="Record", exact=True).click()
        page.wait_for_timeout(1000)
        control.get_by_role("button", name="Stop", exact=True).click()
    else:
        control.get_by_role("button", name="Upload file").click()
        recording = speech.write_wav(tmp_path / "said.wav", 0.5)
        control.locator("input[type=file]").set_input_files(recording)
    page.wait_for_function(FILLED, timeout=WAIT_MS)
    # Gradio's client on an upload, of its own code.
    heard.said[:] = [each for each in heard.said if "Method not implemented" not in each]


def test_without_a_whisper_the_window_says_how_to_turn_speech_on(show, tried):
    page = show(tried)
    assert "params.yaml" in page.locator("#speech-off").inner_text()
