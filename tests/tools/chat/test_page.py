"""The window: its functions as plain generators, and the page that Gradio serves."""

import importlib.util
import os
import re
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from stages.core.errors import ConfigError, Fault, InputError
from stages.core.jsonl import read_rows, write_json, write_rows
from tools.chat.address import hold_free
from tools.chat.layout import NUMBERS
from tools.chat.rows import Rows
from tools.chat.talk import Talk
from tools.chat.validated import records
from tools.chat.window import Window

HERE = Path(__file__).parent
SPEC = importlib.util.spec_from_file_location("stand_in", HERE / "stand_in.py")
assert SPEC is not None
assert SPEC.loader is not None
stand_in = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(stand_in)

DEFAULTS = (24, 0.0, 1.0, 0, 1.0, 0)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Return a project with a recipe, test rows and answers."""
    return stand_in.write_project(tmp_path)


@pytest.fixture
def engine() -> Any:
    """Return the stand-in."""
    return stand_in.StandIn()


@pytest.fixture
def window(engine: Any, root: Path) -> Window:
    """Return the window's functions over the stand-in."""
    rows = Rows(stand_in.PARAMS, root)
    found = records(stand_in.PARAMS, root, rows.by_id.values())
    verdicts = root / "recipes" / "mine" / "verdicts.jsonl"
    return Window(engine, stand_in.MODELS, rows, found, verdicts)


def shown(changes: Iterator[dict[str, Any]]) -> dict[str, Any]:
    """Run a function to its end and return what each control shows then."""
    last: dict[str, Any] = {}
    for each in changes:
        last |= each
    return last


def html(last: dict[str, Any], name: str) -> str:
    """Return the HTML of a control."""
    value = last[name]
    return str(value["value"] if isinstance(value, dict) else value)


def ask(
    window: Window, talk: Talk, prompt: str, chosen: list[str], system: str = "", own: bool = True,
    numbers: tuple[float, ...] = DEFAULTS,
) -> dict[str, Any]:  # fmt: skip
    """Ask and return what stands there at the end."""
    return shown(window.send(talk, prompt, chosen, system, own, *numbers))


class TestSend:
    def test_answers_stream_one_after_the_other(self, window: Window, engine: Any) -> None:
        talk = Talk()
        seen = list(window.send(talk, "Say it", ["2c", "base"], "", True, *DEFAULTS))
        assert [model for model, *_ in engine.asked] == ["base", "2c"]
        first = [each["answers-0"] for each in seen if isinstance(each.get("answers-0"), str)]
        assert "base says:" in first[-1]
        assert "4 tokens, first after 0.50 s" in first[-1]
        assert seen[0]["stop"] == {"interactive": True}
        assert seen[0]["send"] == {"interactive": False}
        assert seen[-1]["stop"] == {"interactive": False}
        assert [turn.text for turn in talk.turns["2c"]] == ["2c says: Say it"]

    def test_each_goes_on_with_its_own_answers(self, window: Window, engine: Any) -> None:
        talk = Talk()
        ask(window, talk, "one", ["base", "2c"])
        ask(window, talk, "two", ["base", "2c"])
        sent = {model: [turn["content"] for turn in turns] for model, turns, _ in engine.asked[2:]}
        assert sent == {
            "base": ["one", "base says: one", "two"],
            "2c": ["one", "2c says: one", "two"],
        }

    def test_a_model_that_joins_later_says_so(self, window: Window, engine: Any) -> None:
        talk = Talk()
        ask(window, talk, "one", ["base"])
        last = ask(window, talk, "two", ["base", "2c"])
        assert [turn["content"] for turn in engine.asked[-1][1]] == ["two"]
        assert "joined here" in html(last, "answers-1")
        assert "joined here" not in html(last, "answers-0")

    @pytest.mark.parametrize(
        ("own", "systems"),
        [(True, [None, "You are 2b."]), (False, ["Mine.", "Mine."])],
    )
    def test_each_has_its_own_system_prompt_unless_one_is_written(
        self, window: Window, engine: Any, own: bool, systems: list[str | None]
    ) -> None:
        ask(window, Talk(), "one", ["base", "2b"], system="Mine.", own=own)
        firsts = [turns[0] for _, turns, _ in engine.asked]
        assert [t["content"] if t["role"] == "system" else None for t in firsts] == systems

    def test_stop_keeps_what_came_and_asks_no_further_model(
        self, window: Window, engine: Any
    ) -> None:
        talk = Talk()
        engine.texts["base"] = "one two three four"
        engine.before = lambda: window.stop(talk)
        last = ask(window, talk, "go", ["base", "2c"])
        assert talk.turns["base"][0].text == "one"
        assert "stopped" in html(last, "answers-0")
        assert [model for model, *_ in engine.asked] == ["base"]
        assert "stopped before its turn" in html(last, "answers-1")
        assert talk.stop is None
        assert last["verdict"] == {"visible": False}

    def test_a_fault_of_one_model_leaves_the_others(self, window: Window, engine: Any) -> None:
        engine.texts["base"] = InputError(Fault("the conversation", "is too long"))
        talk = Talk()
        last = ask(window, talk, "go", ["base", "2c"])
        assert "the conversation: is too long" in html(last, "answers-0")
        assert "2c says: go" in html(last, "answers-1")
        ask(window, talk, "on", ["base", "2c"])
        assert [turn["content"] for turn in engine.asked[2][1]] == ["on"]

    def test_a_fault_half_way_leaves_what_came(self, window: Window, engine: Any) -> None:
        def fail() -> None:
            raise InputError(Fault("the model", "is gone"))

        engine.texts["2c"] = "one two"
        engine.before = fail
        page = html(ask(window, Talk(), "go", ["2c"]), "answers-0")
        assert '<pre class="text">one</pre>' in page
        assert "the model: is gone" in page
        assert "writing" not in page

    def test_where_all_fail_the_prompt_comes_back(self, window: Window, engine: Any) -> None:
        engine.texts["2c"] = InputError(Fault("the conversation", "is too long"))
        talk = Talk()
        last = ask(window, talk, "go", ["2c"])
        assert last["prompt"] == "go"
        assert 'role="alert"' in last["status"]
        assert "is too long" in last["status"]
        assert talk.asked == 0

    def test_a_defect_leaves_the_window_usable(
        self, window: Window, engine: Any, capsys: pytest.CaptureFixture[str]
    ) -> None:
        engine.texts["2c"] = RuntimeError("out of memory")
        last = ask(window, Talk(), "go", ["2c"])
        assert "RuntimeError: out of memory" in last["status"]
        assert last["send"] == {"interactive": True}
        assert "Traceback" in capsys.readouterr().err

    @pytest.mark.parametrize(("prompt", "chosen"), [(" \n", ["2c"]), (None, ["2c"]), ("a", [])])
    def test_nothing_is_asked_without_prompt_or_model(
        self, window: Window, engine: Any, prompt: str | None, chosen: list[str]
    ) -> None:
        seen = list(window.send(Talk(), prompt, chosen, "", True, *DEFAULTS))
        assert len(seen) == 1
        assert 'role="alert"' in seen[0]["status"]
        assert not engine.asked

    def test_without_a_model_there_is_nothing_to_send(self, window: Window) -> None:
        talk = Talk()
        ask(window, talk, "one", ["base"])
        changes = window.choose(talk, [], "", True)
        assert "Choose a model" in changes["answers-0"]["value"]
        assert changes["answers-1"]["visible"] is False
        assert changes["send"] == {"interactive": False}
        assert window.choose(talk, ["base"], "", True)["send"] == {"interactive": True}

    def test_while_one_answer_is_written_nothing_else_begins(self, window: Window) -> None:
        talk = Talk(stop=threading.Event())
        assert list(window.send(talk, "go", ["2c"], "", True, *DEFAULTS)) == []
        assert window.new(talk, False) == {}
        assert window.example(talk, 0, ["2c"], False) == {}

    def test_a_second_window_says_that_it_waits(self, window: Window) -> None:
        running = window.send(Talk(), "go", ["2c"], "", True, *DEFAULTS)
        for _ in range(3):
            next(running)
        seen = list(window.send(Talk(), "go", ["2c"], "", True, *DEFAULTS))
        assert "2c waits for an answer in another window" in seen[1]["status"]
        list(running)
        seen = list(window.send(Talk(), "go", ["2c"], "", True, *DEFAULTS))
        assert "2c reads the prompt" in seen[1]["status"]

    def test_who_leaves_ends_the_answer(self, window: Window, engine: Any) -> None:
        talk = Talk()
        running = window.send(talk, "go", ["2c"], "", True, *DEFAULTS)
        for _ in range(3):
            next(running)
        stop = talk.stop
        assert stop is not None
        running.close()  # type: ignore[attr-defined]
        assert stop.is_set()
        assert talk.stop is None

    def test_sampling_is_as_the_controls_say(self, window: Window, engine: Any) -> None:
        ask(window, Talk(), "go", ["2c"], numbers=(3, 0.7, 0.9, 40, 1.2, 7))
        assert engine.asked[0][2] == (3, 0.7, 0.9, 40, 1.2, 7)
        ask(window, Talk(), "go", ["2c"], numbers=(None,) * 6)  # type: ignore[arg-type]
        assert engine.asked[1][2] == (1, 0.0, 1.0, 0, 1.0, 0)


class TestHostile:
    def test_what_a_model_writes_stays_text(self, window: Window, engine: Any) -> None:
        engine.texts["2c"] = stand_in.HOSTILE
        talk = Talk()
        last = ask(window, talk, stand_in.HOSTILE, ["2c"])
        page = html(last, "answers-0")
        assert page.count("&lt;script&gt;alert(1)&lt;/script&gt;") == 2
        for sign in ("<script", "<img", "<a ", "\x1b", "\u202e"):
            assert sign not in page
        assert page.count("\u241b[31mred") == 2
        assert page.count("![a](http://192.0.2.1/a.png)") == 2
        as_sent = window.as_sent(talk, ["2c"], "", True, "")["prompt-as-sent-text"]
        assert "&lt;script&gt;" in as_sent
        assert "<script" not in as_sent

    def test_faults_and_notes_stay_text_too(self, window: Window, engine: Any) -> None:
        engine.texts["2c"] = InputError(Fault("<b>here</b>", "<script>"))
        assert "<b>" not in ask(window, Talk(), "go", ["2c"])["status"]


class TestVerdicts:
    def test_a_pair_is_kept(self, window: Window) -> None:
        talk = Talk()
        last = ask(window, talk, "go", ["base", "2c"])
        assert last["verdict"] == {"visible": True}
        assert last["verdict-1"]["label"] == "2c is"
        assert last["verdict-1"]["choices"][0] == ("better than base", "better")
        assert last["verdict-2"]["visible"] is False
        kept = window.keep(talk, "why", None, "better", None, None)
        assert "2c is better than base" in kept["kept"]
        assert kept["verdict-1"]["value"] == "better"
        (line,) = read_rows(window.verdicts)
        assert line["model"] == "2c"
        assert line["note"] == "why"

    def test_another_column_than_the_first_can_be_the_measure(self, window: Window) -> None:
        talk = Talk()
        last = ask(window, talk, "go", ["base", "2b", "2c"])
        assert last["against"]["choices"] == [("base", 0), ("2b", 1), ("2c", 2)]
        assert last["against"]["value"] == 0
        changes = window.compare(talk, 1)
        assert [changes[f"verdict-{at}"].get("label") for at in (1, 2, 3)] == [
            "base is", "2c is", None,
        ]  # fmt: skip
        window.keep(talk, "", None, None, "better", None)
        (line,) = read_rows(window.verdicts)
        assert (line["model"], line["verdict"], line["other"]) == ("2c", "better", "2b")

    def test_one_model_on_a_scored_row(self, window: Window, engine: Any) -> None:
        engine.texts["2b"] = "Rome"
        talk = Talk()
        last = ask(window, talk, "Which city?", ["2b"], own=False)
        assert "Paris" in last["reference"]
        assert last["verdict-answer"]["visible"] is True
        window.keep(talk, "", "wrong", None, None, None)
        (line,) = read_rows(window.verdicts)
        assert (line["row"], line["verdict"], line["answer"]) == ("a" * 16, "wrong", "Rome")

    @pytest.mark.parametrize(("text", "own"), [("Roma", False), ("Rome", True)])
    def test_another_text_or_prompt_than_the_scored_one_is_not_judged(
        self, window: Window, engine: Any, text: str, own: bool
    ) -> None:
        engine.texts["2b"] = text
        last = ask(window, Talk(), "Which city?", ["2b"], own=own)
        assert last["verdict-answer"]["visible"] is False
        assert last["verdict"] == {"visible": False}

    def test_nothing_said_is_nothing_kept(self, window: Window) -> None:
        talk = Talk()
        ask(window, talk, "go", ["base", "2c"])
        assert "Nothing to keep" in window.keep(talk, "a note", None, None, None, None)["kept"]
        assert read_rows(window.verdicts) == []

    def test_a_broken_file_is_told_and_stays(self, window: Window) -> None:
        window.verdicts.write_text('{"kind": "odd"}\n')
        talk = Talk()
        ask(window, talk, "go", ["base", "2c"])
        told = window.keep(talk, "", None, "same", None, None)["kept"]
        assert 'role="alert"' in told
        assert "verdicts.jsonl:1" in told
        assert window.verdicts.read_text() == '{"kind": "odd"}\n'

    def test_what_cannot_be_written_is_told(self, window: Window) -> None:
        window.verdicts = window.verdicts.parent / "gone" / "verdicts.jsonl"
        talk = Talk()
        ask(window, talk, "go", ["base", "2c"])
        told = window.keep(talk, "", None, "same", None, None)["kept"]
        assert 'role="alert"' in told
        assert "verdicts.jsonl: cannot be written: No such file" in told

    def test_broken_answers_of_the_build_stop_no_chat(
        self, window: Window, engine: Any, root: Path
    ) -> None:
        engine.texts["2b"] = "Rome"
        (root / "data/answers/2b.jsonl").write_text('{"row": "a')
        last = ask(window, Talk(), "Which city?", ["2b"], own=False)
        assert last["send"] == {"interactive": True}
        assert last["verdict-answer"]["visible"] is False


class TestBlind:
    def test_names_are_hidden_until_a_verdict_is_kept(self, window: Window, engine: Any) -> None:
        for name in ("base", "2b", "2c"):
            engine.texts[name] = "the same"
        talk = Talk(blind=True)
        last = ask(window, talk, "go", ["base", "2b", "2c"])
        for at, letter in enumerate("ABC"):
            page = html(last, f"answers-{at}")
            assert f'<h2 class="label">{letter}</h2>' in page
            assert not re.search(r"base|2b|2c|tokens/s|first after", page)
        assert last["verdict-1"]["label"] == "B is"
        told = window.keep(talk, "", None, "better", "worse", None)
        assert talk.order[1] in html(told, "answers-1")
        assert {line["model"] for line in read_rows(window.verdicts)} == {*talk.order[1:]}

    def test_the_order_is_drawn(self, window: Window) -> None:
        orders = set()
        for seed in range(40):
            talk = Talk(blind=True)
            talk.arrange(["base", "2b", "2c"], seed)
            orders.add(tuple(talk.order))
        assert len(orders) == 6

    def test_columns_do_not_jump_within_a_chat(self, window: Window) -> None:
        talk = Talk(blind=True)
        ask(window, talk, "one", ["base", "2b", "2c"])
        before = list(talk.order)
        for _ in range(5):
            ask(window, talk, "more", ["base", "2b", "2c"])
            assert talk.order == before

    def test_the_switch_waits_for_the_next_chat(self, window: Window) -> None:
        talk = Talk()
        ask(window, talk, "one", ["base", "2c"])
        assert "next chat" in window.hide(talk, True)["status"]
        assert not talk.hidden
        window.new(talk, True)
        assert talk.hidden
        assert talk.asked == 0


class TestExamples:
    def test_the_probes_are_shown(self, window: Window) -> None:
        assert [row["id"] for row in window.rows.examples] == ["a" * 16, "b" * 16]

    def test_one_fills_prompt_system_and_earlier_turns(self, window: Window, engine: Any) -> None:
        talk = Talk()
        changes = window.example(talk, 1, ["2c"], False)
        assert changes["prompt"] == "And now?"
        assert changes["system"] == "Be short."
        assert changes["system-own"] is False
        last = ask(window, talk, changes["prompt"], ["2c"], changes["system"], own=False)
        assert engine.asked[0][1] == stand_in.ROWS[1]["messages"][:-1]
        assert "Bye" in last["reference"]
        assert "(given)" in html(last, "answers-0")

    def test_a_row_without_a_system_prompt_is_asked_without(self, window: Window) -> None:
        assert window.example(Talk(), 0, ["2c"], False)["system-own"] is True
        changes = window.example(Talk(), 0, ["2b"], False)
        assert (changes["system"], changes["system-own"]) == ("", False)

    def test_before_anything_is_built_the_recipes_own_file_serves(self, root: Path) -> None:
        (root / "data" / "test.jsonl").unlink()
        shipped = root / "recipes" / "mine" / "sources" / "probes.jsonl"
        shipped.parent.mkdir()
        write_rows(shipped, [{"skill": "fact", "messages": stand_in.ROWS[0]["messages"]}])
        params = stand_in.PARAMS | {
            "sets": {"probes": {"from": "chats"}},
            "sources": {"chats": {"kind": "file", "file": "probes.jsonl"}},
        }
        rows = Rows(params, root)
        assert [row["messages"][0]["content"] for row in rows.examples] == ["Which city?"]
        assert rows.asking(stand_in.ROWS[0]["messages"][:-1]) is None


class TestShown:
    def test_the_prompt_to_the_letter(self, window: Window) -> None:
        talk = Talk()
        told = window.as_sent(talk, ["base", "2b", "2c"], "", True, "Hi")["prompt-as-sent-text"]
        assert "base, 2c" in told
        assert "&lt;system&gt;You are 2b.&lt;user&gt;Hi&lt;assistant&gt;" in told
        told = window.as_sent(talk, ["exports/2c"], "", True, "Hi")["prompt-as-sent-text"]
        assert "has no chat template" in told

    def test_different_system_prompts_are_told(self, window: Window) -> None:
        changes = window.choose(Talk(), ["base", "2b"], "", True)
        assert "different system prompts" in changes["system-note"]
        assert "You are 2b." in changes["system-note"]
        assert changes["system"] == ""
        assert window.choose(Talk(), ["2b"], "", True)["system"] == "You are 2b."
        assert "system" not in window.choose(Talk(), ["2b"], "Mine.", False)

    def test_a_record_is_judged(self, window: Window, engine: Any) -> None:
        engine.texts = {"base": '{"agree": "y"}', "2c": "{'agree': 'yes'}", "2b": "no idea"}
        last = ask(window, Talk(), "Agree with the review: fine", ["base", "2b", "2c"], own=False)
        assert "Not valid" in html(last, "answers-0")
        assert "$.agree" in html(last, "answers-0")
        assert "not JSON at line 1, column 1" in html(last, "answers-1")
        assert "Valid when repaired" in html(last, "answers-2")
        assert "record" not in html(ask(window, Talk(), "Which city?", ["2b"]), "answers-0")


@pytest.fixture
def blocks(engine: Any, root: Path) -> Iterator[Any]:
    """Return the page, built and not opened."""
    from tools.chat.page import build

    lacking = ["chat: a transcript, answers <pasted> from elsewhere without a model"]
    made = build(engine, stand_in.MODELS, lacking, stand_in.PARAMS, root)
    yield made
    made.close(verbose=False)


LABELLED = {"dropdown", "textbox", "checkbox", "number", "slider", "radio", "audio", "dataset"}
WANTED = {
    "models", "blind", "unavailable", "answers-0", "answers-1", "answers-2", "answers-3",
    "reference", "status", "prompt", "send", "stop", "new", "verdict", "verdict-1", "verdict-2",
    "verdict-3", "against", "verdict-answer", "note", "keep", "kept", "examples", "speech-off",
    "system",
    "system-own", "system-note", "sampling", "max-new-tokens", "temperature", "top-p", "top-k",
    "repetition-penalty", "seed", "prompt-as-sent", "prompt-as-sent-text",
}  # fmt: skip


class TestPage:
    def test_every_control_has_a_name_and_a_label(self, blocks: Any) -> None:
        parts = blocks.get_config_file()["components"]
        ids = [each["props"]["elem_id"] for each in parts if each["props"].get("elem_id")]
        assert {*ids} >= WANTED
        assert len(ids) == len({*ids})
        labelled = [
            each for each in parts if each["type"] in LABELLED and each["props"].get("elem_id")
        ]
        assert len(labelled) == 18
        for each in labelled:
            assert each["props"].get("label"), each["props"]["elem_id"]

    def test_it_begins_as_params_say(self, blocks: Any) -> None:
        props = {
            each["props"]["elem_id"]: each["props"]
            for each in blocks.get_config_file()["components"]
            if each["props"].get("elem_id")
        }
        names = [name for name, _ in props["models"]["choices"]]
        assert names == ["base", "2b", "2c", "exports/2c"]
        assert props["models"]["max_choices"] == 4
        assert props["models"]["value"] == ["2c"]  # what was built last, no export of it
        assert props["max-new-tokens"]["value"] == 24
        assert props["temperature"]["value"] == 0
        assert "answers &lt;pasted&gt;" in props["unavailable"]["value"]
        assert "ui: {whisper:" in props["speech-off"]["value"]

    def test_no_function_is_offered_to_other_programs(self, blocks: Any) -> None:
        offered = [each["api_visibility"] for each in blocks.get_config_file()["dependencies"]]
        assert len(offered) >= 12
        assert {*offered} == {"private"}

    def test_with_a_whisper_there_is_a_microphone(self, engine: Any, root: Path) -> None:
        from tools.chat.page import build

        params = stand_in.PARAMS | {"ui": {"whisper": "somewhere", "whisper_revision": None}}
        made = build(engine, stand_in.MODELS, [], params, root)
        found = [e for e in made.get_config_file()["components"] if e["type"] == "audio"]
        assert [each["props"]["sources"] for each in found] == [["microphone", "upload"]]
        assert "speech-off" not in str(made.get_config_file()["components"])
        made.close(verbose=False)


class TestServed:
    def test_from_a_click_to_the_answer(
        self, blocks: Any, engine: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """What a browser does: load the page, send a prompt, read the stream; and what it may not.

        One server for all of it: to open one takes longer than everything that is asked of it.
        """
        import json

        import httpx

        from tools.chat.page import opened

        with monkeypatch.context() as proxied:
            proxied.setenv("HTTP_PROXY", "http://127.0.0.1:9")  # where nobody listens
            url = opened(blocks)
            assert os.environ["HTTP_PROXY"] == "http://127.0.0.1:9"
        config = blocks.get_config_file()
        ids = {part["props"].get("elem_id"): part["id"] for part in config["components"]}
        send = next(
            each
            for each in config["dependencies"]
            if (ids["send"], "click") in map(tuple, each["targets"])
        )
        values = {"prompt": "Hi", "models": ["2c"], "system": "", "system-own": True} | dict(
            zip(NUMBERS, DEFAULTS, strict=True)
        )
        by_id = {ids[name]: value for name, value in values.items()}
        asked = {
            "fn_index": send["id"],
            "session_hash": "session",
            "data": [by_id.get(part) for part in send["inputs"]],
        }
        with httpx.Client(base_url=url, timeout=20) as client:
            page = client.get("/")
            strange = client.get("/", headers={"Host": "rebound.example"})
            odd = [client.get("/", headers={name: "http://["}) for name in ("Host", "Origin")]
            other = {"Origin": "http://other.example"}
            join = "/gradio_api/queue/join"
            crossing = client.post(join, json=asked, headers=other)
            offered = client.get("/gradio_api/info").json()
            theme = client.get("/theme.css").text
            joined = client.post(join, json=asked, headers={"Origin": url.rstrip("/")})
            seen = []
            with client.stream("GET", "/gradio_api/queue/data?session_hash=session") as stream:
                for line in stream.iter_lines():
                    if line.startswith("data:"):
                        seen.append(json.loads(line[5:]))
                        if seen[-1]["msg"] == "process_completed":
                            break
            read = client.get("/gradio_api/file=params.yaml")
        assert url.startswith("http://127.0.0.1:")
        assert page.status_code == 200
        policy = page.headers["content-security-policy"]
        assert "default-src 'self'" in policy
        assert "http" not in policy
        # What a page loads: attributes src and href of other hosts; names in `og:` load nothing.
        assert not re.findall(r"(?:src|href)=\"(?:https?:)?//[^\"]*", page.text)
        assert not re.findall(r"url\((?:https?:)?//[^)]*", theme)
        assert "@import" not in theme
        assert (strange.status_code, crossing.status_code) == (403, 403)
        assert [each.status_code for each in odd] == [403, 403]
        assert offered == {"named_endpoints": {}, "unnamed_endpoints": {}}
        assert joined.status_code == 200
        assert read.status_code in (403, 404)
        assert len(engine.asked) == 1
        assert seen[-1]["success"] is True
        assert "2c says: Hi" in json.dumps(seen)


class TestMain:
    def test_what_is_lacking_is_told(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        from tools import chat

        monkeypatch.chdir(root)
        params = {**stand_in.PARAMS, "models": {}, "transcripts": {}, "adapters": {}}
        write_json(root / "params.yaml", params)
        with pytest.raises(ConfigError, match=r"base: not built yet(.|\n)*dvc repro"):
            chat.main(None)
        monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
        with pytest.raises(ConfigError, match=r"gradio: is not installed(.|\n)*\.\[ui\]"):
            chat.main(None)

    def test_a_taken_port_is_told(self) -> None:
        with socket.socket() as other:
            other.bind(("127.0.0.1", 0))
            other.listen()
            port = other.getsockname()[1]
            with pytest.raises(ConfigError, match=f"--port: {port} is taken"):
                hold_free(port)
        with pytest.raises(ConfigError, match="--port: 70000 is none"):
            hold_free(70000)
