"""Find the groups that hold nearly the same prompts: exactly, without comparing all pairs."""

import math
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence

SHINGLE = 3


def shingles(text: str) -> frozenset[str]:
    """Return the word trigrams of a text, in lower case; a shorter text is one shingle."""
    words = re.findall(r"[\w\u0300-\u036f]+", text.lower())  # with marks that stand apart
    last = max(1, len(words) - SHINGLE + 1)
    return frozenset(" ".join(words[at : at + SHINGLE]) for at in range(last))


def similar_pairs(sets: Sequence[frozenset[str]], threshold: float) -> Iterator[tuple[int, int]]:
    """Yield every pair of places whose sets have a Jaccard similarity of at least `threshold`.

    Exact, by prefix filtering: of two sets that are so similar, the rarest few elements (all but
    `threshold` of each set, and one) must meet. MinHash would estimate the same, miss some pairs,
    and cost half a second to import.

    threshold: in (0, 1]
    Source: Bayardo et al. 2007, Scaling up all pairs similarity search,
    https://doi.org/10.1145/1242572.1242591
    """
    frequency = Counter(element for members in sets for element in members)
    seen: dict[str, list[int]] = defaultdict(list)
    # Small sets first: a later one is never the smaller, which makes the size test one-sided.
    for place in sorted(range(len(sets)), key=lambda place: (len(sets[place]), place)):
        members = sets[place]
        least = math.ceil(threshold * len(members) - 1e-9)
        rarest = sorted(members, key=lambda element: (frequency[element], element))
        met: set[int] = set()
        for element in rarest[: len(members) - least + 1]:
            met.update(other for other in seen[element] if len(sets[other]) >= least)
            seen[element].append(place)
        for other in sorted(met):
            shared = len(members & sets[other])
            if shared >= threshold * (len(members) + len(sets[other]) - shared) - 1e-9:
                yield other, place


def components(pairs: Iterable[tuple[str, str]]) -> list[set[str]]:
    """Gather what is connected, directly or through others."""
    parent: dict[str, str] = {}

    def root(name: str) -> str:
        while parent.setdefault(name, name) != name:
            parent[name] = name = parent[parent[name]]
        return name

    for one, other in pairs:
        parent[root(one)] = root(other)
    gathered: dict[str, set[str]] = defaultdict(set)
    for name in parent:
        gathered[root(name)].add(name)
    return list(gathered.values())


def joined_groups(
    prompts: Sequence[str], groups: Sequence[str], threshold: float
) -> list[set[str]]:
    """Return the sets of groups that near-duplicate prompts join.

    prompts, groups: of each row, in the same order
    threshold:       Jaccard similarity of the prompts' word trigrams, in (0, 1]
    """
    pairs = similar_pairs([shingles(prompt) for prompt in prompts], threshold)
    crossing = ((groups[one], groups[other]) for one, other in pairs)
    return components((one, other) for one, other in crossing if one != other)
