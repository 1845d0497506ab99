"""The table of all metric keys, as data. What is done with it is in `stages.core.scores`."""

from dataclasses import dataclass
from math import inf
from typing import Literal


@dataclass(frozen=True)
class Key:
    """What one metric key means.

    higher_is_better: None where neither direction is better (a count, a yardstick)
    low, high:   the range, both ends included
    unit:        of the value
    over:        `row`: each row has a value, and a section's is their mean (weighted by `weight`
                 where there is one); `section`: only the section as a whole has one; `pair`: two
                 answers to one prompt have one, and the section CHAT their mean
    definition:  how it comes about
    source:      where the definition comes from
    package:     what computes it, beside this project
    languages:   what a section's `language` must be for the key to be asked for; empty: anything
    needs:       what a row must have to get a value (others are left out of the mean, NEEDS)
    setting:     what else params.yaml must say for the key: `answers_in` of the section
    weight:      the entry of `Score.values` that weighs the rows, or None
    """

    higher_is_better: bool | None
    low: float
    high: float
    unit: str
    over: Literal["row", "section", "pair"]
    definition: str
    source: str
    package: str = ""
    languages: tuple[str, ...] = ()
    needs: str | None = None
    setting: str | None = None
    weight: str | None = None


# The section of metrics/models that no section of `evaluate.sections` is: what was said of answers
# in the chat window. It has keys that no other one asks for.
CHAT = "chat"
UNASKED = {"n", "preferred"}

# What `Key.needs` may name, and what that means.
NEEDS = {
    "reference": "a reference that is not blank",
    "keywords": "keywords, from its seed",
    "cases": "cases to run",
    "fields": "a reference that is a JSON object or array with fields",
    "base": "an answer of the base; the base itself has none",
    "limit": "a limit on the answer; a transcript has none",
    "text": "an answer of three words or more",
    "marks": "a word in common with the reference that has diacritics in either",
    "words": "an answer that is not blank, and test rows of other skills",
    "reference_nll": "the model's own likelihoods; a transcript has none",
    "reference_hits": "the model's own likelihoods; a transcript has none",
    "hidden_similarity": "the model's own states (`answer.hidden_similarity: true`)",
    "verdict": "a verdict on exactly this answer, in the recipe's verdicts.jsonl",
}

ROUGE = "https://aclanthology.org/W04-1013"
BLEU = "https://aclanthology.org/P02-1040 and https://aclanthology.org/W18-6319"
CHRF = "https://aclanthology.org/W15-3049"
CODEBLEU = "https://arxiv.org/abs/2009.10297"
PERPLEXITY = "https://huggingface.co/docs/transformers/perplexity"
DISTINCT = "https://aclanthology.org/N16-1014"
WORDS = (
    "Words are runs of letters and digits of any script, and single symbols such as emoji; on "
    "ASCII text this is what the package's tokenizer gives."
)

KEYS: dict[str, Key] = {
    "n": Key(
        None, 0, inf, "rows", "section",
        "Rows of the section that the model answered. Where a key has a value for fewer of them, "
        "`n_of` says for how many. In `chat`: pairs of answers.",
        "",
    ),
    "rouge_1": Key(
        True, 0, 1, "F-measure", "row",
        f"Words shared with the reference, no stemming. {WORDS}",
        ROUGE, "rouge-score", needs="reference",
    ),
    "rouge_2": Key(
        True, 0, 1, "F-measure", "row",
        "Pairs of neighbouring words shared with the reference, as `rouge_1`.",
        ROUGE, "rouge-score", needs="reference",
    ),
    "rouge_l": Key(
        True, 0, 1, "F-measure", "row",
        f"Longest common subsequence of words with the reference, no stemming. {WORDS}",
        ROUGE, "rouge-score", needs="reference",
    ),
    "rouge_l_floor": Key(
        None, 0, 1, "F-measure", "row",
        "ROUGE-L of another row's reference (the next one by row id that differs): what the "
        "wording alone scores. The same for every model; read rouge_l against it.",
        ROUGE, "rouge-score", needs="reference",
    ),
    "sacrebleu": Key(
        True, 0, 100, "BLEU", "section",
        "BLEU of the section as one corpus, tokenizer 13a, smoothing exp, as papers report it.",
        BLEU, "sacrebleu", needs="reference",
    ),
    "sentence_bleu": Key(
        True, 0, 100, "BLEU", "row",
        "BLEU of each answer alone, with effective order; its mean is not the corpus' `sacrebleu`, "
        "but it has an interval.",
        BLEU, "sacrebleu", needs="reference",
    ),
    "chrf": Key(
        True, 0, 100, "F-measure x 100", "section",
        "chrF2 of the section as one corpus: n-grams of 6 characters or fewer, spaces apart, "
        "recall twice as important as precision.",
        CHRF, "sacrebleu", needs="reference",
    ),
    "sentence_chrf": Key(
        True, 0, 100, "F-measure x 100", "row",
        "chrF2 of each answer alone; its mean is not the corpus' `chrf`, but it has an interval.",
        CHRF, "sacrebleu", needs="reference",
    ),
    "content_recall": Key(
        True, 0, 1, "share", "row",
        "Share of the reference's keywords that stand in the answer as whole words, whatever "
        "their case. Where `language` is json they are looked for in the value of the same key, "
        "and an answer that does not parse scores 0.",
        "https://en.wikipedia.org/wiki/Precision_and_recall", needs="keywords",
    ),
    "bertscore_f1": Key(
        True, -1, 1, "F-measure", "row",
        "BERTScore F1 with the encoder of `evaluate.bertscore`, without idf and without baseline "
        "rescaling: values are high throughout, differences count. An empty answer scores 0.",
        "https://arxiv.org/abs/1904.09675", "bert-score", needs="reference",
    ),
    "similarity": Key(
        True, -1, 1, "cosine", "row",
        "Cosine of the sentence embeddings of answer and reference, by `evaluate.encoder`. An "
        "empty answer scores 0.",
        "https://arxiv.org/abs/1908.10084", "transformers", needs="reference",
    ),
    "similarity_to_base": Key(
        None, -1, 1, "cosine", "row",
        "Cosine of the sentence embeddings of the answer and of the base model's answer to the "
        "same row: how far tuning moved it. Two empty answers score 1, one empty one 0.",
        "https://arxiv.org/abs/1908.10084", "transformers", needs="base",
    ),
    "hidden_similarity": Key(
        True, -1, 1, "cosine", "row",
        "Cosine of answer and reference in the model's own last hidden states. Each model measures "
        "with a ruler of its own: not comparable between models.",
        PERPLEXITY.replace("perplexity", "main_classes/output"), "transformers",
        needs="hidden_similarity",
    ),
    "exact": Key(
        True, 0, 1, "share", "row",
        "The answer is the reference, white space at both ends apart.",
        "https://github.com/huggingface/evaluate/tree/main/metrics/exact_match", needs="reference",
    ),
    "parses": Key(
        True, 0, 1, "share", "row",
        "`language` json: the answer as a whole is one JSON object or array, with nothing around "
        "it. python: the answer's code parses and holds more than bare expressions, since any "
        "single word is one.",
        "https://docs.python.org/3/library/ast.html#ast.parse", languages=("json", "python"),
    ),
    "schema_valid": Key(
        True, 0, 1, "share", "row",
        "The answer parses and is valid against the recipe's JSON Schema.",
        "https://json-schema.org/draft/2020-12", "jsonschema", languages=("json",),
    ),
    "field_agreement": Key(
        True, 0, 1, "share", "row",
        "Share of the reference's fields (the ends of all paths, list items by their place) whose "
        "value the answer has at the same path: equal as JSON, text whatever its case and white "
        "space. An answer that does not parse scores 0; what it says beyond does not count.",
        "https://en.wikipedia.org/wiki/Precision_and_recall", languages=("json",), needs="fields",
    ),
    "loss": Key(
        False, 0, inf, "nats per token", "row",
        "Negative log-likelihood of the references: its sum over all rows by the sum of their "
        "tokens. Not comparable between tokenizers; a transcript has none.",
        PERPLEXITY, needs="reference_nll", weight="reference_tokens",
    ),
    "perplexity": Key(
        False, 1, inf, "perplexity", "section",
        "e to the power of `loss`: among how many tokens, equally likely, the reference's would be "
        "one. Not comparable between tokenizers.",
        PERPLEXITY, needs="reference_nll",
    ),
    "token_accuracy": Key(
        True, 0, 1, "share of tokens", "row",
        "Share of the references' tokens that were the model's first choice, given all before "
        "them. Not comparable between tokenizers.",
        "https://huggingface.co/docs/trl/sft_trainer", needs="reference_hits",
        weight="reference_tokens",
    ),
    "length": Key(
        None, 0, inf, "words", "row",
        "Words of the answer, counted as for `rouge_1`.",
        "",
    ),
    "distinct_1": Key(
        None, 0, 1, "share", "section",
        "Different words by all words of the section's answers. It falls as more is written: "
        "compare over the same rows. Neither direction is better: nonsense is diverse.",
        DISTINCT,
    ),
    "distinct_2": Key(
        None, 0, 1, "share", "section",
        "Different pairs of neighbouring words by all such pairs, as `distinct_1`.",
        DISTINCT,
    ),
    "degenerate": Key(
        False, 0, 1, "share", "row",
        "The answer ran to its limit and repeats itself: it ends in a phrase that stands there "
        "three times in a row, or more than half of its word 4-grams have been there before.",
        "https://arxiv.org/abs/1904.09751 and https://arxiv.org/abs/1908.04319", needs="limit",
    ),
    "empty": Key(
        False, 0, 1, "share", "row",
        "The answer is nothing but white space.",
        "",
    ),
    "refusal": Key(
        False, 0, 1, "share", "row",
        "The answer declines: its beginning holds a phrase of stages/evaluate/metrics/refusals.txt "
        "(seven languages), whatever case, accents and apostrophes.",
        "https://arxiv.org/abs/2307.15043",
    ),
    "off_topic": Key(
        False, 0, 1, "share", "row",
        "By `evaluate.encoder`, the answer is no closer to its own question or reference than 95 % "
        "of the references are to questions and references of other skills (10 rows a skill; "
        "closer is the larger cosine). The same yardstick for every model. One word out of place "
        "(a label in place of a sentence) counts as off topic too.",
        "https://arxiv.org/abs/1908.10084", "transformers", needs="words",
    ),
    "in_language": Key(
        True, 0, 1, "share", "row",
        "The answer's language, of those that py3langid tells apart, is `answers_in`; where "
        "`language` is json, that of its texts. Left out: fewer than three words.",
        "https://aclanthology.org/P12-3005", "py3langid", needs="text", setting="answers_in",
    ),
    "judged": Key(
        True, 0, 1, "score", "row",
        "What a person said of the answer: right 1, partly 0.5, wrong 0. The mean is over the rows "
        "whose present answer was judged; a verdict on another text than the model gives now is "
        "stale and does not count.",
        "", needs="verdict",
    ),
    "preferred": Key(
        True, 0, 1, "share", "pair",
        "How often a person preferred the model's answer in the chat window to that of the model "
        "it stands on, as good as each other half a win. It stands in the section `chat` alone, "
        "where such pairs are; they hold for exactly these models. No recipe asks for it.",
        "",
    ),
    "diacritics": Key(
        True, 0, 1, "share", "row",
        "Of the answer's words that the reference has too, diacritics set aside, and that have any "
        "in either: the share that is spelled as in the reference. Grammar counts, too, where it "
        "shows in nothing else (casa, casă).",
        "https://unicode.org/reports/tr15/", needs="marks",
    ),
    "any": Key(
        True, 0, 1, "share", "row",
        "The answer holds any code: a fence, or a line that begins as Python does (def, class, "
        "import, return, ...).",
        "", languages=("python",),
    ),
    "passes": Key(
        True, 0, 1, "share", "row",
        "The answer's function gives the right result in every case of the row, run apart with "
        "limits of time and memory. Only with `evaluate.code.run: true`.",
        "https://arxiv.org/abs/2107.03374", languages=("python",), needs="cases",
    ),
    "codebleu": Key(
        True, 0, 1, "score", "row",
        "CodeBLEU of each answer alone, four components of weight 0.25, as published: one without "
        "any match scores 0.25, because a data flow that matches nothing counts as 1.",
        CODEBLEU, "codebleu", languages=("python",), needs="reference",
    ),
    "codebleu_above_floor": Key(
        True, -1 / 3, 1, "score", "row",
        "(codebleu - 0.25) / 0.75: 0 where nothing matches. Below 0 where the data flow matches a "
        "little and the rest next to nothing.",
        "https://github.com/k4black/codebleu", "codebleu", languages=("python",),
        needs="reference",
    ),
    "codebleu_ngram": Key(
        True, 0, 1, "score", "row",
        "CodeBLEU's first component: BLEU of the code, split at white space.",
        CODEBLEU, "codebleu", languages=("python",), needs="reference",
    ),
    "codebleu_weighted_ngram": Key(
        True, 0, 1, "score", "row",
        "Its second: the same, the language's keywords weighing five times as much.",
        CODEBLEU, "codebleu", languages=("python",), needs="reference",
    ),
    "codebleu_syntax": Key(
        True, 0, 1, "score", "row",
        "Its third: share of the reference's subtrees of syntax that the answer has.",
        CODEBLEU, "codebleu", languages=("python",), needs="reference",
    ),
    "codebleu_dataflow": Key(
        True, 0, 1, "score", "row",
        "Its fourth: share of the reference's data flow that the answer has; 0 where it has none, "
        "which `codebleu` counts as 1.",
        CODEBLEU, "codebleu", languages=("python",), needs="reference",
    ),
}  # fmt: skip
