"""When a prefix of the components is enough: how far ahead the leader of a prefix has to be.

For two prototypes with components a_j and b_j, whose scores differ by ``S = sum_j (a_j - b_j) h_j``, the prefix of t
components sees ``S_t``. If the components come in an order that says nothing (they may be exchanged, as those of random
roles and frequencies), ``S_t`` is the sum of a sample without replacement. With V the sum of ``(a_j - b_j)²`` over all
components, and V_t over the prefix, both known beforehand,

    P(S_t - (t/D) S >= x)  <=  exp(-x² / (2 V_t (1 - V_t / V)))

which is Hoeffding's inequality as Serfling (1974) has it for such samples. For class vectors of one bit and one scale,
whose components weigh the same where they differ, it is his but for one component in ``1 - V_t / V``; for others it
takes what the prefix weighs for what the sample would. A row for which j would win at the end, so that ``S <= 0``,
stops with i as the winner only if ``S_t >= x``. There are at most P - 1 such i and c checks, so that x follows from
``exp(...) = (1 - confidence) / (c (P - 1))``.
"""

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from hdc.apps.learn.bits.planes import integers
from hdc.errors import ParameterError
from hdc.words import WORD_BITS, Words

Counts = npt.NDArray[np.int64]
Reals = npt.NDArray[np.float64]

SHARES = (1 / 8, 1 / 4, 1 / 2)
"""Shares of the words after which a row may stop."""

MOST_PROTOTYPES = 2048
"""Most prototypes: leads are stored for all pairs, at three checks (96 MiB)."""


class Stops(NamedTuple):
    """What :attr:`hdc.kernels.ClassKernels.best` takes.

    Attributes
    ----------
    words : (c,) int64 array
    biases : (c, prototypes) int64 array
    spans : (c - 1, prototypes, prototypes) int64 array
    """

    words: Counts
    biases: Counts
    spans: Counts


def to_the_end(words: int, biases: Counts) -> Stops:
    """Return the one stop at the end."""
    return Stops(np.array([words]), biases[None], np.empty((0, len(biases), len(biases)), np.int64))


def stops(planes: Words, factors: Counts, biases: Counts, owners: Counts, dim: int, confidence: float) -> Stops:
    """Return when to stop, so that a winner is missed with at most the probability ``1 - confidence``.

    Parameters
    ----------
    planes : (prototypes, bits, words) uint64 array
    factors, biases : (prototypes,) int64 arrays
    owners : (prototypes,) int64 array
        Their classes; prototypes of one class do not compete.
    dim : int
    confidence : float

    Raises
    ------
    ParameterError
        If there are too many prototypes to keep something of all pairs.
    """
    n, words = len(planes), planes.shape[2]
    if n > MOST_PROTOTYPES:
        raise ParameterError(f"stopping early takes at most {MOST_PROTOTYPES} prototypes, and there are {n}")
    checks = sorted({math.ceil(share * words) for share in SHARES} - {words})
    levels = integers(planes, dim).astype(np.float64)
    whole, rivals = _squares(levels, factors), owners[:, None] != owners
    each = (1 - confidence) / max(1, len(checks) * (n - 1))
    spans = np.empty((len(checks), n, n), np.int64)
    at = np.empty((len(checks) + 1, n), np.int64)
    at[-1] = biases
    for stage, end in enumerate(checks):
        seen = min(dim, end * WORD_BITS)
        part = _squares(levels[:, :seen], factors)
        left = 1 - np.divide(part, whole, out=np.ones_like(part), where=whole > 0)
        least = np.ceil(np.sqrt(-2 * math.log(each) * part * np.maximum(left, 0)))
        spans[stage] = np.where(rivals, least, -(1 << 62))
        at[stage] = np.rint(biases * (seen / dim))
    return Stops(np.array([*checks, words]), at, spans)


def _squares(levels: Reals, factors: Counts) -> Reals:
    """Return the squared distances of vectors, times their factors."""
    products = (levels @ levels.T) * factors[:, None] * factors
    own = np.diagonal(products)
    return np.asarray(np.maximum(own[:, None] + own - 2 * products, 0))
