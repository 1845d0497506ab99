"""Answers that are wanted, answers that were given, and which ones begin together."""

from dataclasses import dataclass, field

# Logits that are held at once: half a GiB of float32. The vocabulary of Llama 3 has 128,256 tokens.
LOGITS = 2**27
# References that differ by less are of like length: then prompts decide what is read together.
STEP = 16


@dataclass(frozen=True)
class Wanted:
    """One answer that is wanted.

    prompt:    its tokens
    limit:     of new tokens, at least 1
    reference: the tokens of the answer that was hoped for, its end included; empty: not known
    name:      what its draws are called
    """

    prompt: list[int]
    limit: int
    reference: list[int] = field(default_factory=list)
    name: str = ""

    @property
    def most(self) -> int:
        """Return how many tokens prompt and answer have at most."""
        return len(self.prompt) + self.limit

    @property
    def longest(self) -> int:
        """Return how many tokens the model sees at most: with the answer, or with the reference."""
        return len(self.prompt) + max(self.limit, len(self.reference))


@dataclass
class Answered:
    """One answer.

    tokens: up to the one that ends it, apart
    reason: stop, or length when the limit ended it; empty while it is under way
    nll:    summed negative log-likelihood of the reference, in nats
    hits:   how many of the reference's tokens were the model's first choice
    """

    tokens: list[int] = field(default_factory=list)
    reason: str = ""
    nll: float = 0.0
    hits: int = 0

    def add(self, token: int, limit: int, stops: set[int]) -> bool:
        """Take the next token; return whether the answer goes on."""
        if token in stops:
            self.reason = "stop"
        else:
            self.tokens.append(token)
            if len(self.tokens) >= limit:
                self.reason = "length"
        return not self.reason


def fits(wanted: list[Wanted], rows: list[int], batch_tokens: int) -> bool:
    """Return whether these rows may be under way together; one row alone always may."""
    return len(rows) == 1 or len(rows) * max(wanted[row].most for row in rows) <= batch_tokens


def parts(
    wanted: list[Wanted],
    read_tokens: int,
    batch_tokens: int,
    vocabulary: int,
    whole: bool = False,
) -> list[list[int]]:
    """Return which rows are read together: those whose references and prompts are of like length.

    read_tokens:  rows x (longest prompt + longest reference)
    batch_tokens: rows x (longest prompt + limit)
    vocabulary:   logits of each token that is kept
    whole:        whether logits of the prompts are made, too
    """
    order = sorted(
        range(len(wanted)),
        key=lambda at: (
            -(len(wanted[at].reference) // STEP), -len(wanted[at].prompt), wanted[at].prompt, at
        ),
    )  # fmt: skip
    found: list[list[int]] = []
    prompt = reference = most = 0
    for row in order:
        its = wanted[row]
        prompt, reference = max(prompt, len(its.prompt)), max(reference, len(its.reference))
        most = max(most, its.most)
        count = len(found[-1]) + 1 if found else 1
        full = count * (prompt + reference) > read_tokens or count * most > batch_tokens
        logits = count * (reference + (prompt if whole else 1)) * vocabulary
        if not found or full or logits > LOGITS:
            found.append([])
            prompt, reference, most = len(its.prompt), len(its.reference), its.most
        found[-1].append(row)
    return found
