"""The loss of every answer: templates that mark answers, that do not, and that change them."""

import importlib.util
from pathlib import Path
from typing import Any

import pytest

from stages.base import scratch
from stages.core.errors import ConfigError
from stages.train.rows import encode, encode_sides
from stages.train.spans import answered, marks_answers

LOOK_ALIKES = Path(__file__).resolve().parents[1] / "rehearsal" / "conftest.py"
CHAT = [
    ("system", "Be short."),
    ("user", "the film "),
    ("assistant", "a plot"),
    ("user", "and the hero?"),
    ("assistant", "été 12 🎬"),
    ("user", "more"),
    ("assistant", "a script"),
]
ROWS = [
    {
        "id": f"row{turns}",
        "messages": [{"role": role, "content": text} for role, text in CHAT[:turns]],
    }
    for turns in (3, 5, 7)
]
# Answers of earlier turns lose what stands in front of a bar, as Qwen 3's lose their thoughts.
FORGETFUL = (
    "{% for message in messages %}<|{{ message.role }}|>"
    "{% if message.role == 'assistant' and not loop.last %}"
    "{{ message.content.split('|')[-1] }}{% else %}{{ message.content }}{% endif %}</s>"
    "{% endfor %}{% if add_generation_prompt %}<|assistant|>{% endif %}"
)


@pytest.fixture(scope="module")
def own() -> Any:
    return scratch.make_tokenizer([text for _, text in CHAT], 300)


@pytest.fixture(scope="module")
def llama(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A small tokenizer in the form of Llama 3.2's, with its template: it marks nothing."""
    from transformers import AutoTokenizer

    found = importlib.util.spec_from_file_location("look_alikes", LOOK_ALIKES)
    look_alikes = importlib.util.module_from_spec(found)
    found.loader.exec_module(look_alikes)
    folder = tmp_path_factory.mktemp("llama")
    look_alikes.write_tokenizer(folder)
    return AutoTokenizer.from_pretrained(folder)


def learned(tokenizer: Any, encoded: dict[str, list[int]]) -> str:
    return tokenizer.decode([label for label in encoded["labels"] if label != -100])


def test_without_marks_every_answer_of_llama_is_learned_with_its_end(llama):
    assert not marks_answers(llama)
    encoded = encode(llama, ROWS, completion_only=False, assistant_only=True)
    end = "<|eot_id|>"
    said = [f"a plot{end}", f"été 12 🎬{end}", f"a script{end}"]
    assert [learned(llama, each) for each in encoded] == [
        "".join(said[:count]) for count in (1, 2, 3)
    ]
    for each in encoded:
        pairs = zip(each["labels"], each["input_ids"], strict=True)
        assert all(label in (-100, token) for label, token in pairs)


def test_the_default_is_the_last_answer_of_llama(llama):
    [*_, last] = encode(llama, ROWS, completion_only=True, assistant_only=False)
    assert learned(llama, last) == "a script<|eot_id|>"
    [*_, both] = encode(llama, ROWS, completion_only=True, assistant_only=True)
    assert both == last


def test_what_prefixes_tell_is_what_marks_tell(own):
    assert marks_answers(own)
    told = own.apply_chat_template(
        [row["messages"] for row in ROWS],
        tokenize=True,
        return_dict=True,
        return_assistant_tokens_mask=True,
    )
    masks = answered(own, ROWS, told["input_ids"])
    assert masks == told["assistant_masks"]
    assert [sum(mask) for mask in masks] == sorted({sum(mask) for mask in masks})


def under(template: Path) -> str:
    """Return what is learned of a conversation without a system prompt under a template of TRL's.

    It ships the real templates of many models (the tokenizer plays no part in where an answer is).
    """
    tokenizer = scratch.make_tokenizer([text for _, text in CHAT], 300)
    tokenizer.chat_template = template.read_text()
    row = {"id": "row", "messages": ROWS[-1]["messages"][1:]}
    return learned(tokenizer, encode(tokenizer, [row], False, True)[0])


@pytest.mark.parametrize(
    "name", ["llama3", "cohere", "cohere2", "gemma", "gemma3", "lfm2", "qwen2_5_vl", "qwen3_vl"]
)
def test_real_templates_give_what_trl_marks_in_its_copies_of_them(name):
    import trl

    folder = Path(trl.__file__).parent / "chat_templates"
    without = folder / f"{name}.jinja"
    assert "generation %}" not in without.read_text()
    assert under(without) == under(folder / f"{name}_training.jinja")
    assert under(without).count("a script") == 1


@pytest.mark.parametrize("name", ["llama3_1", "llama3_2"])
def test_llama_of_which_trl_has_no_marked_copy_gives_what_its_elder_does(name):
    import trl

    folder = Path(trl.__file__).parent / "chat_templates"
    assert not (folder / f"{name}_training.jinja").exists()
    assert under(folder / f"{name}.jinja") == under(folder / "llama3.jinja")


@pytest.mark.parametrize("name", ["qwen3", "gptoss", "phi3", "nemotron_3_nano"])
def test_real_templates_that_change_what_was_said_are_refused(name):
    import trl

    with pytest.raises(ConfigError, match="writes turn 2 of row row differently when more turns"):
        under(Path(trl.__file__).parent / "chat_templates" / f"{name}.jinja")


def test_a_template_that_writes_history_differently_is_refused(own):
    changing = scratch.make_tokenizer([text for _, text in CHAT], 300)
    changing.chat_template = FORGETFUL
    turns = [("user", "more"), ("assistant", "a|plot"), ("user", "more"), ("assistant", "a script")]
    row = {"id": "x1", "messages": [{"role": role, "content": text} for role, text in turns]}
    both = {"completion_only_loss": False, "assistant_only_loss": True}
    with pytest.raises(ConfigError) as error:
        encode_sides(changing, {"train": [ROWS[0], row]}, both)
    [fault] = error.value.faults
    assert fault.where == "models/base: chat template"
    assert fault.what == (
        "it writes turn 2 of row x1 differently when more turns follow, and does not mark answers"
    )
    assert "leave assistant_only_loss out" in fault.then
    # The last answer alone can be learned under it, and so can rows of one answer.
    sides = encode_sides(changing, {"train": [row]}, {})
    assert learned(changing, sides["train"].rows[0]) == "a script</s>"
    assert encode_sides(changing, {"train": [ROWS[0]]}, both)["train"].counts["trained"] == 1


def test_a_template_whose_marks_hold_nothing_is_refused():
    hollow = scratch.make_tokenizer([text for _, text in CHAT], 300)
    marks = "{% if false %}{% generation %}no{% endgeneration %}{% endif %}"
    hollow.chat_template = marks + FORGETFUL
    with pytest.raises(ConfigError, match="marks nothing that the assistant said"):
        encode_sides(hollow, {"train": [ROWS[0]]}, {"assistant_only_loss": True})


def test_a_scratch_base_learns_every_answer(own):
    encoded = scratch.encode(own, ROWS)
    assert [learned(own, each) for each in encoded] == [
        "a plot</s>",
        "a plot</s>été 12 🎬</s>",
        "a plot</s>été 12 🎬</s>a script</s>",
    ]
    assert scratch.encode(own, []) == []


def test_an_adapter_trains_on_every_answer(tiny):
    from stages.core.jsonl import read_json, read_rows, write_rows

    path = tiny.folder / "data/mix/2b/train.jsonl"
    rows = read_rows(path)
    for first, second in zip(rows[::2], rows[1::2], strict=True):
        first["messages"] += second["messages"]
    write_rows(path, rows[::2])
    sft = tiny.params["adapters"]["m2b"]["sft"]
    losses = []
    for loss in ({}, {"assistant_only_loss": True, "completion_only_loss": False}):
        tiny.params["adapters"]["m2b"]["sft"] = sft | loss
        tiny.write_params()
        tiny.train("m2b")
        assert read_json(tiny.folder / "models/2b/manifest.json")["rows"]["trained"] == 10
        losses.append((tiny.folder / "metrics/curves/2b.csv").read_text())
    assert losses[0] != losses[1]
