"""Name what a model or a data set is made with, as BibTeX: methods, bases, data of the hub."""

from collections.abc import Iterable

from tools.facts import Built, Facts
from tools.loading import code

TRANSFORMERS = """\
@inproceedings{wolf2020transformers,
  title     = {Transformers: State-of-the-Art Natural Language Processing},
  author    = {Wolf, Thomas and others},
  booktitle = {Proceedings of the 2020 Conference on Empirical Methods in Natural Language
               Processing: System Demonstrations},
  year      = {2020},
  url       = {https://aclanthology.org/2020.emnlp-demos.6/}
}"""
TRL = """\
@software{vonwerra2020trl,
  title  = {{TRL: Transformers Reinforcement Learning}},
  author = {von Werra, Leandro and others},
  year   = {2020},
  url    = {https://github.com/huggingface/trl}
}"""
LORA = """\
@inproceedings{hu2022lora,
  title     = {{LoRA}: Low-Rank Adaptation of Large Language Models},
  author    = {Hu, Edward J. and others},
  booktitle = {International Conference on Learning Representations},
  year      = {2022},
  url       = {https://arxiv.org/abs/2106.09685}
}"""
QLORA = """\
@inproceedings{dettmers2023qlora,
  title     = {{QLoRA}: Efficient Finetuning of Quantized {LLMs}},
  author    = {Dettmers, Tim and Pagnoni, Artidoro and Holtzman, Ari and Zettlemoyer, Luke},
  booktitle = {Advances in Neural Information Processing Systems},
  year      = {2023},
  url       = {https://arxiv.org/abs/2305.14314}
}"""
# Of the hub, by the beginning of an id: what its authors ask to cite.
KNOWN = {
    "meta-llama/Llama-2": """\
@misc{touvron2023llama2,
  title  = {Llama 2: Open Foundation and Fine-Tuned Chat Models},
  author = {Touvron, Hugo and others},
  year   = {2023},
  url    = {https://arxiv.org/abs/2307.09288}
}""",
    "meta-llama/Llama-3": """\
@misc{grattafiori2024llama3,
  title  = {The Llama 3 Herd of Models},
  author = {Grattafiori, Aaron and others},
  year   = {2024},
  url    = {https://arxiv.org/abs/2407.21783}
}""",
    "stanfordnlp/imdb": """\
@inproceedings{maas2011imdb,
  title     = {Learning Word Vectors for Sentiment Analysis},
  author    = {Maas, Andrew L. and Daly, Raymond E. and Pham, Peter T. and Huang, Dan and
               Ng, Andrew Y. and Potts, Christopher},
  booktitle = {Proceedings of the 49th Annual Meeting of the Association for Computational
               Linguistics: Human Language Technologies},
  year      = {2011},
  url       = {https://aclanthology.org/P11-1015/}
}""",
}


def of_hub(ids: Iterable[str | None]) -> list[str]:
    """Return what is known of things of the hub, each once."""
    found = [
        entry
        for one in ids
        for begins, entry in KNOWN.items()
        if one is not None and one.startswith(begins)
    ]
    return list(dict.fromkeys(found))


def of_model(facts: Facts) -> list[str]:
    """Return what a model was made with."""
    base = facts.manifest["base"]
    found = of_hub([base["id"], *data_of_hub(facts, facts.sets)])
    if facts.manifest["chain"][1:]:
        found += [LORA, *([QLORA] if base["quantize"] == "4bit" else []), TRL]
    return [*found, TRANSFORMERS]


def data_of_hub(facts: Built, sets: list[str]) -> list[str]:
    """Return the data sets of the hub that sets were made from."""
    sources = facts.origins(sets).values()
    return sorted({each["path"] for each in sources if each.get("kind") == "hub"})


def lines(entries: list[str]) -> list[str]:
    """Return the card's part."""
    return ["## Citation", "", *code("bibtex", "\n".join(entries))] if entries else []
