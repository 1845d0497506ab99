"""How alike two models' layers are, and one model's layers among themselves: cosine, linear CKA."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from numpy import ndarray

ROUNDING = 1e-12  # of its length at most does the mean of equal states differ from them


def cosine(one: "ndarray", other: "ndarray") -> "ndarray":
    """Return the cosines of two stacks of vectors, along the last axis: -1 to 1."""
    import numpy as np

    lengths = np.linalg.norm(one, axis=-1) * np.linalg.norm(other, axis=-1)
    return (one * other).sum(-1) / np.maximum(lengths, np.finfo(np.float64).tiny)


def centred(states: "ndarray") -> "ndarray":
    """Return the kernel of states (n, width), U-centred: each row and column sums to 0, (n, n).

    Source: Szekely & Rizzo 2014, https://doi.org/10.1214/14-AOS1255
    """
    import numpy as np

    n, kernel = len(states), states @ states.T
    np.fill_diagonal(kernel, 0.0)
    sums = kernel.sum(0)
    kernel -= (sums[:, None] + sums[None, :]) / (n - 2) - kernel.sum() / (n - 1) / (n - 2)
    np.fill_diagonal(kernel, 0.0)
    return kernel


def cka(one: "ndarray", other: "ndarray") -> float | None:
    """Return the debiased linear CKA of two models' states of the same prompts, each (n, width).

    Linear CKA (https://arxiv.org/abs/1905.00414) with HSIC_1, the unbiased estimate of Song et al.
    2012 (https://jmlr.org/papers/v13/song12a.html) that https://arxiv.org/abs/2010.15327 puts into
    it: with few prompts and wide states, the plain one is near 1 whatever the models are. None for
    fewer than four prompts, and where a model sees no difference between them.
    """
    if len(one) < 4:
        return None
    kernels = []
    for states in (one, other):
        differing = states - states.mean(0)  # which centring takes out anyway, less exactly
        if abs(differing).max() <= ROUNDING * abs(states).max():
            return None
        kernels.append(centred(differing / abs(differing).max()))
    scale = (kernels[0] ** 2).sum() * (kernels[1] ** 2).sum()
    return float((kernels[0] * kernels[1]).sum() / scale**0.5) if scale else None


def alike(states: "ndarray") -> "ndarray":
    """Return pseudo-values (n,) whose mean is the mean cosine of all pairs of states (n, width).

    Pairs share states, so they are no independent values; these behave as if they were. Of two
    states there is one pair, and nothing tells how it varies: the same value twice.
    Source: Arvesen 1969, Jackknifing U-statistics, https://doi.org/10.1214/aoms/1177697287
    """
    import numpy as np

    n = len(states)
    if n == 2:
        return np.repeat(cosine(states[:1], states[1:]), 2)
    sums = cosine(states[:, None], states[None]).sum(1) - 1
    whole = sums.sum()
    return np.asarray(whole / (n - 1) - (whole - 2 * sums) / (n - 2))
