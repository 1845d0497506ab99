"""Look-alikes of what the full recipes take from the hub, where the hub's libraries keep it.

Models: the fields of Llama 3.2's own files (config.json in its old spelling, the template inside
tokenizer_config.json, a tokenizer that writes the begin token by itself, no token to pad with,
sampling in generation_config.json) and the ratios of 1B and 3B, with few weights; the same of
Llama 2 (sentencepiece, float16, weights in shards, no template without chat), and of a sentence
encoder for many languages. Data sets: the real columns and splits. All lie under the real ids and
the pinned revisions.
"""

import hashlib
import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from stages.core.params import read_yaml

ROOT = Path(__file__).resolve().parents[2]
FULL = sorted(ROOT.glob("recipes/*/params.full.yaml"))
REVISIONS = {
    "meta-llama/Llama-3.2-1B-Instruct": "9213176726f574b556790deb65791e0c5aa438b6",
    "meta-llama/Llama-3.2-3B-Instruct": "0cb88a4f764b7a12671c53f0838cd831a0843b95",
}
# hidden, intermediate, layers, heads, heads for key and value, head: the ratios are the real ones,
# 2048 8192 16 32 8 64 and 3072 8192 28 24 8 128.
SHAPES = {
    "meta-llama/Llama-3.2-1B-Instruct": (128, 512, 2, 4, 1, 32),
    "meta-llama/Llama-3.2-3B-Instruct": (192, 512, 3, 3, 1, 64),
}
SHARDED = "meta-llama/Llama-3.2-3B-Instruct"
# The ratios of both Llama 2 of 7B: 4096 11008 32 32 32 128.
LLAMA_2 = (128, 344, 2, 4, 4, 32)
# Llama 2's own chat template, in short: the system prompt goes into the first question.
LLAMA_2_CHAT = """\
{% if messages[0]['role'] == 'system' %}{% set loop_messages = messages[1:] %}\
{% set system_message = messages[0]['content'] %}\
{% else %}{% set loop_messages = messages %}{% set system_message = false %}{% endif %}\
{% for message in loop_messages %}\
{% if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}\
{{ raise_exception('Conversation roles must alternate user/assistant/user/assistant/...') }}\
{% endif %}\
{% if loop.index0 == 0 and system_message != false %}\
{% set content = '<<SYS>>\\n' + system_message + '\\n<</SYS>>\\n\\n' + message['content'] %}\
{% else %}{% set content = message['content'] %}{% endif %}\
{% if message['role'] == 'user' %}{{ bos_token + '[INST] ' + content.strip() + ' [/INST]' }}\
{% elif message['role'] == 'assistant' %}{{ ' ' + content.strip() + ' ' + eos_token }}\
{% endif %}{% endfor %}"""
# Llama 3's special tokens as they are numbered, the reserved ones to the first few.
SPECIAL = [
    *("<|begin_of_text|>", "<|end_of_text|>", "<|reserved_special_token_0|>"),
    *("<|reserved_special_token_1|>", "<|finetune_right_pad_id|>", "<|reserved_special_token_2|>"),
    *("<|start_header_id|>", "<|end_header_id|>", "<|eom_id|>", "<|eot_id|>", "<|python_tag|>"),
]
# Llama 3.2's own, but for the parts on tools: the system prompt has today's date, if it can.
TEMPLATE = """\
{{- bos_token }}
{%- if not date_string is defined %}
    {%- if strftime_now is defined %}
        {%- set date_string = strftime_now("%d %b %Y") %}
    {%- else %}
        {%- set date_string = "26 Jul 2024" %}
    {%- endif %}
{%- endif %}
{%- if messages[0]['role'] == 'system' %}
    {%- set system_message = messages[0]['content']|trim %}
    {%- set messages = messages[1:] %}
{%- else %}
    {%- set system_message = "" %}
{%- endif %}
{{- "<|start_header_id|>system<|end_header_id|>\\n\\n" }}
{{- "Cutting Knowledge Date: December 2023\\n" }}
{{- "Today Date: " + date_string + "\\n\\n" }}
{{- system_message }}
{{- "<|eot_id|>" }}
{%- for message in messages %}
    {{- '<|start_header_id|>' + message['role'] + '<|end_header_id|>\\n\\n' }}
    {{- message['content'] | trim + '<|eot_id|>' }}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|start_header_id|>assistant<|end_header_id|>\\n\\n' }}
{%- endif %}
"""


def sentences(count: int) -> list[str]:
    """Return texts that no near-duplicate filter takes for one another."""
    words = ("film", "plot", "actor", "score", "scene", "ending", "camera", "script", "hero")
    return [
        " ".join(f"{words[(at * step + step * step) % 9]}{at}" for step in range(9))
        for at in range(count)
    ]


def look_alike_rows(path: str) -> list[dict[str, Any]]:
    """Return rows with the columns of a data set of the hub."""
    match path:
        case "stanfordnlp/imdb":
            return [{"text": f"{text}.<br /><br />Fine.", "label": 0} for text in sentences(200)]
        case "flytech/python-codes-25k":
            return [
                {
                    "output": f"```python\nprint('{text}')\n```",
                    "text": f"{text} {text}",
                    "instruction": f"Help me print {text}",
                    "input": "",
                }
                for text in sentences(200)
            ] * 2  # it holds each row twice
        case "mlabonne/FineTome-100k":
            return [conversation(at, text) for at, text in enumerate(sentences(200))]
    raise AssertionError(f"write a look-alike of {path}, with its real columns")


def conversation(at: int, text: str) -> dict[str, Any]:
    """Return a conversation in ShareGPT's form: of one turn, of two, with a system prompt."""
    turns = [("human", f"Tell me of {text}."), ("gpt", f"This is {text}.")]
    if at % 3 == 1:
        turns += [("human", f"And {text} again?"), ("gpt", f"Again {text}, and more.")]
    if at % 5 == 2:
        turns = [("system", "You are brief."), *turns]
    return {
        "conversations": [{"from": who, "value": said} for who, said in turns],
        "source": ("infini-instruct-top-500k", "WebInstructSub_axolotl")[at % 2],
        "score": 4.5 + at / 1000,
    }


def put_data_set(home: Path, source: dict[str, Any], scratch: Path) -> None:
    """Put a look-alike of a data set where `datasets` keeps what it loaded from the hub."""
    from datasets import Dataset
    from datasets.packaged_modules.parquet.parquet import Parquet

    scratch.mkdir()
    file = scratch / "rows.parquet"
    Dataset.from_list(look_alike_rows(source["path"])).to_parquet(file)
    owner, name = source["path"].split("/")
    cache = scratch / "prepared"
    builder = Parquet(
        cache_dir=str(cache),
        dataset_name=name,
        config_name="default",
        hash=source["revision"],
        data_files={source["split"]: str(file)},
    )
    builder.download_and_prepare()
    [prepared] = cache.glob("*/*")
    shutil.copytree(prepared, home / "datasets" / f"{owner}___{prepared.parent.name}" / "default")


def write_tokenizer(folder: Path) -> dict[str, int]:
    """Write a small tokenizer in the form of Llama 3.2's own; return the ids of special tokens."""
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, processors
    from tokenizers.trainers import BpeTrainer

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer.train_from_iterator(
        sentences(200), BpeTrainer(vocab_size=690, initial_alphabet=alphabet, show_progress=False)
    )
    tokenizer.add_special_tokens([AddedToken(token, normalized=False) for token in SPECIAL])
    ids = {token: tokenizer.token_to_id(token) for token in SPECIAL}
    begin = SPECIAL[0]
    # Its own tokenizer.json: a begin token is written in front, the template's besides.
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{begin} $A", pair=f"{begin} $A {begin}:1 $B:1",
        special_tokens=[(begin, ids[begin])],
    )  # fmt: skip
    tokenizer.save(str(folder / "tokenizer.json"))
    flags = {"lstrip": False, "normalized": False, "rstrip": False, "single_word": False}
    told = {
        "added_tokens_decoder": {
            str(number): {"content": token, **flags, "special": True}
            for token, number in ids.items()
        },
        "bos_token": begin,
        "chat_template": TEMPLATE,
        "clean_up_tokenization_spaces": True,
        "eos_token": "<|eot_id|>",
        "model_input_names": ["input_ids", "attention_mask"],
        "model_max_length": 131072,
        "tokenizer_class": "PreTrainedTokenizerFast",
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(told))
    ends = {"bos_token": begin, "eos_token": "<|eot_id|>"}
    (folder / "special_tokens_map.json").write_text(
        json.dumps({key: {"content": token, **flags} for key, token in ends.items()})
    )
    return ids


def write_llama_2_tokenizer(folder: Path, chat: bool = False) -> int:
    """Write a small tokenizer in the form of Llama 2's own: sentencepiece; return its size.

    chat: with the chat template that only the chat models have
    """
    from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, processors
    from tokenizers.trainers import BpeTrainer

    tokenizer = Tokenizer(models.BPE(byte_fallback=True, unk_token="<unk>", fuse_unk=True))
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")]
    )
    tokenizer.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(),
         decoders.Strip(" ", 1)]
    )  # fmt: skip
    special = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256))]
    tokenizer.train_from_iterator(
        sentences(200), BpeTrainer(vocab_size=480, special_tokens=special, show_progress=False)
    )
    said = json.loads(tokenizer.to_str())
    said["added_tokens"] = said["added_tokens"][:3]  # bytes are tokens of the model, not special
    tokenizer = Tokenizer.from_str(json.dumps(said))
    tokenizer.add_special_tokens([AddedToken(token, normalized=False) for token in special[:3]])
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A", pair="<s> $A <s>:1 $B:1", special_tokens=[("<s>", 1)]
    )
    tokenizer.save(str(folder / "tokenizer.json"))
    flags = {"lstrip": False, "normalized": False, "rstrip": False, "single_word": False}
    told = {
        "add_bos_token": True,
        "add_eos_token": False,
        "added_tokens_decoder": {
            str(number): {"content": token, **flags, "special": True}
            for number, token in enumerate(special[:3])
        },
        "bos_token": "<s>",
        "clean_up_tokenization_spaces": False,
        "eos_token": "</s>",
        "legacy": False,
        "model_max_length": 1000000000000000019884624838656,
        "pad_token": None,
        "sp_model_kwargs": {},
        "tokenizer_class": "LlamaTokenizer",
        "unk_token": "<unk>",
    }
    if chat:
        told["chat_template"] = LLAMA_2_CHAT
    (folder / "tokenizer_config.json").write_text(json.dumps(told))
    return tokenizer.get_vocab_size()


def write_llama_2(folder: Path, chat: bool) -> None:
    """Write a tiny Llama 2: weights in float16, tokenizer, and the configs with the real fields."""
    folder.mkdir(parents=True)
    hidden, intermediate, layers, heads, shared, _ = LLAMA_2
    said = {
        "architectures": ["LlamaForCausalLM"],
        "bos_token_id": 1,
        "eos_token_id": 2,
        "hidden_act": "silu",
        "hidden_size": hidden,
        "initializer_range": 0.02,
        "intermediate_size": intermediate,
        "max_position_embeddings": 4096,
        "model_type": "llama",
        "num_attention_heads": heads,
        "num_hidden_layers": layers,
        "num_key_value_heads": shared,
        "pretraining_tp": 1,
        "rms_norm_eps": 1e-05,
        "rope_scaling": None,
        "tie_word_embeddings": False,
        "torch_dtype": "float16",
        "transformers_version": "4.31.0.dev0",
        "use_cache": True,
        "vocab_size": write_llama_2_tokenizer(folder, chat),
    }
    save_weights(folder, said)
    sampling = {"do_sample": True, "temperature": 0.6, "top_p": 0.9, "max_length": 4096}
    told = {"bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 0, **sampling}
    (folder / "generation_config.json").write_text(json.dumps(told))


def save_weights(folder: Path, said: dict[str, Any], shards: bool = True) -> None:
    """Write small random weights, in the precision that the config names, and the config itself."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    state = torch.random.get_rng_state()
    torch.manual_seed(0)
    dtype = getattr(torch, said["torch_dtype"])
    model = LlamaForCausalLM(LlamaConfig(**said)).to(dtype)
    with torch.no_grad():  # as they begin, tied weights would say the last token again and again
        for weight in model.model.layers.parameters():
            weight *= 10 if weight.dim() == 2 else 1
    torch.random.set_rng_state(state)
    model.save_pretrained(folder, max_shard_size="1MB" if shards else "1GB")
    (folder / "config.json").write_text(json.dumps(said))


def write_model(folder: Path, name: str) -> None:
    """Write a tiny Llama 3.2: weights, tokenizer, and the configs with the real fields."""
    folder.mkdir(parents=True)
    ids = write_tokenizer(folder)
    hidden, intermediate, layers, heads, shared, head = SHAPES[name]
    ends = [ids[token] for token in ("<|end_of_text|>", "<|eom_id|>", "<|eot_id|>")]
    said = {
        "architectures": ["LlamaForCausalLM"],
        "attention_bias": False,
        "attention_dropout": 0.0,
        "bos_token_id": ids["<|begin_of_text|>"],
        "eos_token_id": ends,
        "head_dim": head,
        "hidden_act": "silu",
        "hidden_size": hidden,
        "initializer_range": 0.02,
        "intermediate_size": intermediate,
        "max_position_embeddings": 131072,
        "mlp_bias": False,
        "model_type": "llama",
        "num_attention_heads": heads,
        "num_hidden_layers": layers,
        "num_key_value_heads": shared,
        "pretraining_tp": 1,
        "rms_norm_eps": 1e-05,
        "rope_scaling": {
            "factor": 32.0,
            "high_freq_factor": 4.0,
            "low_freq_factor": 1.0,
            "original_max_position_embeddings": 8192,
            "rope_type": "llama3",
        },
        "rope_theta": 500000.0,
        "tie_word_embeddings": True,
        "torch_dtype": "bfloat16",
        "transformers_version": "4.45.0.dev0",
        "use_cache": True,
        "vocab_size": max(ids.values()) + 1,
    }
    save_weights(folder, said, shards=name == SHARDED)
    sampling = {"do_sample": True, "temperature": 0.6, "top_p": 0.9}
    (folder / "generation_config.json").write_text(
        json.dumps({"bos_token_id": said["bos_token_id"], "eos_token_id": ends, **sampling})
    )


def write_encoder(folder: Path) -> None:
    """Write a small encoder in the form of paraphrase-multilingual-MiniLM-L12-v2."""
    import torch
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors
    from tokenizers.trainers import UnigramTrainer
    from transformers import BertConfig, BertModel

    special = ["<s>", "<pad>", "</s>", "<unk>"]
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.decoder = decoders.Metaspace()
    letters = list("abcdefghijklmnopqrstuvwxyzăâîșțABCDEFGHIJKLMNOPQRSTUVWXYZĂÂÎȘȚ0123456789.,:;-")
    trainer = UnigramTrainer(
        vocab_size=300, special_tokens=special, unk_token="<unk>", initial_alphabet=letters,
        show_progress=False,
    )  # fmt: skip
    tokenizer.train_from_iterator([*sentences(200), *letters], trainer)
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", pair="<s> $A </s> </s> $B </s>",
        special_tokens=[("<s>", 0), ("</s>", 2)],
    )  # fmt: skip
    config = BertConfig(
        vocab_size=tokenizer.get_vocab_size(), hidden_size=24, intermediate_size=96,
        num_hidden_layers=12, num_attention_heads=12, layer_norm_eps=1e-12, pad_token_id=0,
    )  # fmt: skip
    state = torch.random.get_rng_state()
    torch.manual_seed(0)
    BertModel(config).save_pretrained(folder)
    torch.random.set_rng_state(state)
    tokenizer.save(str(folder / "tokenizer.json"))
    names = {"bos": "<s>", "cls": "<s>", "eos": "</s>", "sep": "</s>", "pad": "<pad>",
             "unk": "<unk>"}  # fmt: skip
    kind = "sentence_transformers.models"
    pooling = {
        "word_embedding_dimension": 24,
        "pooling_mode_cls_token": False,
        "pooling_mode_mean_tokens": True,
        "pooling_mode_max_tokens": False,
        "pooling_mode_mean_sqrt_len_tokens": False,
    }
    told = {
        "tokenizer_config.json": {f"{name}_token": token for name, token in names.items()}
        | {"model_max_length": 512, "tokenizer_class": "PreTrainedTokenizerFast"},
        "modules.json": [
            {"idx": 0, "name": "0", "path": "", "type": f"{kind}.Transformer"},
            {"idx": 1, "name": "1", "path": "1_Pooling", "type": f"{kind}.Pooling"},
        ],
        "1_Pooling/config.json": pooling,
        "sentence_bert_config.json": {"max_seq_length": 128, "do_lower_case": False},
    }
    for name, content in told.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(json.dumps(content))


def put_model(home: Path, name: str, revision: str, folder: Path) -> Path:
    """Put a folder's files where `huggingface_hub` keeps what it fetched; return the snapshot."""
    repository = home / "hub" / f"models--{name.replace('/', '--')}"
    snapshot = repository / "snapshots" / revision
    for path in (snapshot, repository / "refs", repository / "blobs"):
        path.mkdir(parents=True, exist_ok=True)
    (repository / "refs" / "main").write_text(revision)
    for file in sorted(path for path in folder.rglob("*") if path.is_file()):
        blob = repository / "blobs" / hashlib.sha256(file.read_bytes()).hexdigest()
        shutil.copyfile(file, blob)
        link = snapshot / file.relative_to(folder)
        link.parent.mkdir(exist_ok=True)
        link.symlink_to(os.path.relpath(blob, link.parent))
    return snapshot


@pytest.fixture(scope="session")
def written(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Return a folder of each model, as its repository has it. Do not change them."""
    folder = tmp_path_factory.mktemp("repositories")
    for name in SHAPES:
        write_model(folder / name.split("/")[1], name)
    return {name: folder / name.split("/")[1] for name in SHAPES}


@pytest.fixture(scope="session")
def llama_2(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the tokenizer of Llama 2, as its repository has it."""
    folder = tmp_path_factory.mktemp("llama-2")
    write_llama_2_tokenizer(folder)
    return folder


def bases() -> dict[str, str]:
    """Return id -> revision of every base that a full recipe can have."""
    found = {}
    for file in FULL:
        base = read_yaml(file)["base"]
        for one in (base.get("choices") or {"": base}).values():
            assert found.setdefault(one["id"], one["revision"]) == one["revision"], file
    return found


def encoders() -> dict[str, str]:
    """Return id -> revision of every encoder that a full recipe takes from the hub."""
    found = {}
    for file in FULL:
        evaluate = read_yaml(file)["evaluate"]
        for one in (evaluate["encoder"], evaluate["bertscore"]):
            if isinstance(one, dict) and "/" in one["model"]:
                assert found.setdefault(one["model"], one["revision"]) == one["revision"], file
    return found


def data_sets() -> dict[str, dict[str, Any]]:
    """Return path -> a source that takes it, for every data set that a full recipe takes."""
    found: dict[str, dict[str, Any]] = {}
    for file in FULL:
        for source in read_yaml(file)["sources"].values():
            if source and source["kind"] == "hub":
                other = found.setdefault(source["path"], source)
                same = ("revision", "split")
                assert all(source[key] == other[key] for key in same), file
    return found


@pytest.fixture(scope="session")
def hub(written: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return an HF_HOME that holds all models and all data sets of the full recipes."""
    home = tmp_path_factory.mktemp("hub")
    folder = tmp_path_factory.mktemp("llama-2-models")
    for name, revision in bases().items():
        if name in written:
            assert revision == REVISIONS[name]
            put_model(home, name, revision, written[name])
        else:
            assert name.startswith("meta-llama/Llama-2-7b"), f"write a look-alike of {name}"
            write_llama_2(folder / name.split("/")[1], chat="chat" in name)
            put_model(home, name, revision, folder / name.split("/")[1])
    for name, revision in encoders().items():
        assert "MiniLM" in name, f"write a look-alike of {name}"
        write_encoder(made := tmp_path_factory.mktemp("encoder"))
        put_model(home, name, revision, made)
    for source in data_sets().values():
        put_data_set(home, source, tmp_path_factory.mktemp("scratch") / "rows")
    return home
