"""The files at rest: what a line of each holds. One definition a kind, a plain dict at run time.

seed or example (data/sources) ─ request ─ reply ─┬─ row ─ answer ─ score
                                                  └─ reject
"""

from typing import Any, Literal, NotRequired, TypedDict


class Message(TypedDict):
    """One turn of a conversation."""

    role: Literal["system", "user", "assistant"]
    content: str


class Case(TypedDict):
    """One call that a row's function must answer: `call(*args) == returns`."""

    call: str
    args: list[Any]
    returns: Any


class Seed(TypedDict):
    """What a request is made from (data/sources/<source>.jsonl, a source with `fields`).

    id:       digest of the fields
    group:    what stays on one side of a split as a whole
    fields:   the variables of the prompt templates
    keywords: the words of the answer that carry its content, by key of the record (optional)
    truth:    the record that the offline teacher knows (optional; never sent)
    """

    id: str
    group: str
    fields: dict[str, Any]
    keywords: NotRequired[dict[str, list[str]]]
    truth: NotRequired[dict[str, Any]]


class Example(TypedDict):
    """A finished instruction row (data/sources/<source>.jsonl): a set can be made from it as is.

    id:       digest of the messages
    skill:    what it exercises; metrics have a section for a skill
    group:    what stays on one side of a split as a whole
    source:   the name of its source in params.yaml
    cases:    for code that can be run (optional)
    keywords: as in Seed (optional)
    """

    id: str
    skill: str
    group: str
    source: str
    messages: list[Message]
    cases: NotRequired[list[Case]]
    keywords: NotRequired[dict[str, list[str]]]


class Request(TypedDict):
    """One question to a teacher (data/requests.jsonl), everything that decides the reply.

    id:         digest of teacher, model, messages, parameters, schema and sample; neither
                max_tokens nor base_url, which do not change what a finished reply says
    teacher:    the teacher's name in params.yaml
    model:      the model asked for
    messages:   what is sent
    parameters: sampling parameters (temperature, top_p, ...)
    schema:     the response schema that is sent along, or None
    sample:     0 .. samples - 1, when the same question is asked several times
    seed:       the Seed it was made from, without its truth
    """

    id: str
    teacher: str
    model: str
    messages: list[Message]
    parameters: dict[str, Any]
    schema: dict[str, Any] | None
    sample: int
    seed: Seed


class Truth(TypedDict):
    """What the offline teacher knows (data/truth.jsonl; empty with a real teacher)."""

    request: str
    record: dict[str, Any]


class Reply(TypedDict):
    """One answer of a teacher (data/replies.jsonl), as it came.

    request:        the request's id
    attempts:       how often it was given: once, and once for every re-ask; retries of the
                    transport are in metrics/costs
    text:           the raw text, untouched but for halves of surrogate pairs (U+FFFD); None when
                    there was none
    finish_reason:  stop, length, content_filter, ...; None with an error
    model:          the model as the server reported it
    prompt_tokens, completion_tokens: as reported, or None where one is not known; cost_usd: by the
                    prices of the day, likewise. All three are sums of all that was paid: of all
                    attempts, and of those that a lower max_tokens had cut before them
    error:          why there is no text, or None
    earlier:        the attempts before it: text, finish_reason, prompt_tokens, completion_tokens
                    (its own), and the objection that sent it back (absent where there was none)
    """

    request: str
    attempts: int
    text: str | None
    finish_reason: str | None
    model: str
    prompt_tokens: int | None
    completion_tokens: int | None
    cost_usd: float | None
    error: str | None
    earlier: NotRequired[list[dict[str, Any]]]


class Row(TypedDict):
    """One row that can be trained on (data/rows.jsonl, data/splits, data/mix, data/test.jsonl).

    id:         digest of the messages
    set:        the set it belongs to (absent in data/rows.jsonl: split names it); a training row
                that is answered on purpose, in data/test.jsonl, is of <set>_train
    skill:      as in Example
    group:      as in Example
    source:     whom it comes from: a source of params.yaml, or the teacher who wrote it
    request:    the request it came from (absent where there was none)
    record:     the checked record (absent where there was none)
    operations: what was done to the raw text to get the record; empty when nothing was
    messages:   chat form, the last one the assistant's
    cases, keywords: as in Example
    """

    id: str
    skill: str
    group: str
    source: str
    messages: list[Message]
    set: NotRequired[str]
    request: NotRequired[str]
    record: NotRequired[dict[str, Any]]
    operations: NotRequired[list[str]]
    cases: NotRequired[list[Case]]
    keywords: NotRequired[dict[str, list[str]]]


class Reject(TypedDict):
    """One reply that made no row (data/rejects.jsonl): quarantined, and why.

    One whose row would repeat another one is here, too: its record was proved, and is dropped.

    request: the request's id; an entry with it in overrides.jsonl admits a record mended by hand
    reason:  from the closed lists `stages.core.proof.REASONS` and `REPEATS`
    detail:  what exactly, for the eye
    raw:     the digest of the raw text, which an override repeats; None where there is no text
    text:    the raw text
    best:    the best attempt at a record, or None; the record itself where the reason is a repeat
    kept:    the id of the row that it repeats (absent where the reason is none of REPEATS)
    """

    request: str
    reason: str
    detail: str
    raw: str | None
    text: str | None
    best: Any
    kept: NotRequired[str]


class Answer(TypedDict):
    """One model's answer to one row of data/test.jsonl (data/answers/<model>.jsonl).

    finish_reason:    stop, or length when max_new_tokens ended it
    reference_nll:    summed negative log-likelihood of the reference, in nats (absent for
                      transcripts)
    reference_tokens: how many tokens that sum runs over (absent for transcripts)
    reference_hits:   how many of them were the model's first choice (absent for transcripts)
    hidden_similarity: cosine of answer and reference in the model's own last hidden states (only
                      with `answer.hidden_similarity`)
    pasted:           of transcripts alone: the `model` that gave it, and the `date`, as written
    """

    model: str
    set: str
    skill: str
    row: str
    prompt: str
    reference: str
    text: str
    finish_reason: str
    reference_nll: NotRequired[float]
    reference_tokens: NotRequired[int]
    reference_hits: NotRequired[int]
    hidden_similarity: NotRequired[float]
    pasted: NotRequired[dict[str, str]]


class Variation(Answer):
    """One more answer of a model to a row (data/variations/<model>.jsonl).

    variant: the wording of the prompt, a key of `ablation.variants`; empty: as it was trained
    sample:  0 .. profile.samples - 1, where one prompt is answered several times
    """

    variant: str
    sample: int


class Score(TypedDict):
    """One row's values (data/scores/<model>.jsonl), for paired comparison.

    group:  the test row's: rows of one group are not independent
    values: metric key -> value of this row; keys as in `stages.core.scores`
    verdict: how its code ended (absent where none was run): `stages.evaluate.verdicts`, the name of
            Python's exception, or "does not parse"
    """

    model: str
    set: str
    skill: str
    row: str
    group: str
    values: dict[str, float]
    verdict: NotRequired[str]


class VariationScore(Score):
    """A Variation's values (data/variation_scores/<model>.jsonl)."""

    variant: str
    sample: int
