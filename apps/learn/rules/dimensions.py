"""Choose components: the least informative ones are zeroed (SparseHD) or exchanged (NeuralHD, DistHD).

An encoder whose component j depends on j alone can provide more components than are used. To redraw a component is
then to use an unused one, so only the components in use must be stored.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from hdc.apps.learn.rows import Rows
from hdc.apps.learn.rules.settings import Counts, Floats, Learned
from hdc.dispatch import numpy_backend
from hdc.errors import DimensionError

Doubles = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Regeneration:
    """How components are exchanged.

    Attributes
    ----------
    dim : int
        Components in use.
    share : float
        Of these, exchanged after each round.
    rounds : int
    by : str
        ``"variance"`` (NeuralHD, Zou et al. 2021): those of least variance over class vectors. ``"errors"`` (DistHD,
        Wang et al. 2023): those that pull wrong rows to their wrong classes, as :func:`pull` says.
    """

    dim: int
    share: float = 0.1
    rounds: int = 10
    by: str = "variance"

    @property
    def each(self) -> int:
        """Components that are exchanged at a time: at least one."""
        return max(1, round(self.dim * self.share))

    @property
    def wide(self) -> int:
        """Components that an encoder must have: all that are ever in use."""
        return self.dim + self.rounds * self.each


def regenerated(
    rows: Rows,
    labels: Counts,
    sample_weight: Floats,
    settings: Regeneration,
    learn: Callable[[Rows], Learned],
) -> tuple[Learned, Counts]:
    """Learn from the first components, exchange those that say least, and so on.

    It ends early if components do not differ: by errors, if no row is wrong.

    Parameters
    ----------
    rows : Rows
        Of at least ``settings.wide`` components.
    labels, sample_weight
        As of the rule.
    learn : callable
        The rule: learns from rows of ``settings.dim`` components.

    Returns
    -------
    Learned
        Of the last components.
    chosen : (dim,) int64
        The components in use, for :func:`columns`.

    Raises
    ------
    DimensionError
        If rows have too few components.
    """
    if rows.dim < settings.wide:
        raise DimensionError(
            f"rows have {rows.dim} components; {settings.rounds} rounds of {settings.each} new ones "
            f"need {settings.wide}"
        )
    chosen, after = np.arange(settings.dim), settings.dim
    narrow = columns(rows, chosen)
    learned = learn(narrow)
    for _ in range(settings.rounds):
        worth = spread(learned) if settings.by == "variance" else -pull(narrow, labels, sample_weight, learned)
        if not worth.any():
            break
        chosen[np.argsort(worth, kind="stable")[: settings.each]] = np.arange(after, after + settings.each)
        after += settings.each
        narrow = columns(rows, chosen)
        learned = learn(narrow)
    return learned, chosen


def columns(rows: Rows, chosen: Counts) -> Rows:
    """Return rows of some of their components, as small as they were."""
    if not rows.packed:
        return Rows(np.ascontiguousarray(rows.data[:, chosen]), len(chosen))
    bits = numpy_backend("auto", "packed rows").bits
    out = np.empty((len(rows), -(-len(chosen) // 64)), dtype=np.uint64)
    for start in range(0, len(rows), 1024):
        block = bits.unpack(rows.data[start : start + 1024], rows.dim)
        out[start : start + 1024] = bits.pack(np.ascontiguousarray(block[:, chosen]))
    return Rows(out, len(chosen))


def spread(learned: Learned) -> Doubles:
    """Return the variance of each component over the vectors of classes, which are brought to length 1, ``(dim,)``."""
    lengths = np.linalg.norm(learned.weights, axis=1, keepdims=True)
    return np.asarray(np.var(learned.weights / np.where(lengths > 0, lengths, 1), axis=0), dtype=np.float64)


ALPHA, BETA, THETA = 0.5, 1.0, 0.25
"""Weights of distances in :func:`pull`: to the own class, to the nearest wrong one, to the second nearest."""


def pull(rows: Rows, labels: Counts, sample_weight: Floats, learned: Learned) -> Doubles:
    """Return how much each component pulls wrong rows to wrong classes, ``(dim,)``.

    Of each row that is not nearest to its own class the sum of ``α |h - own| - β |h - first| - θ |h - second|``, where
    ``second`` is left out if it is the own class: great where the own class is far and the wrong ones near.
    """
    lengths = np.linalg.norm(learned.weights, axis=1, keepdims=True)
    weights = (learned.weights / np.where(lengths > 0, lengths, 1)).astype(np.float32)
    total = np.zeros(rows.dim)
    for which, block in rows.blocks():
        cosines, own = block @ weights.T, labels[which, None] == learned.classes
        order = np.argsort(-cosines, axis=1, kind="stable")
        first, second = order[:, 0], order[:, min(1, len(weights) - 1)]
        nearest = np.where(own, cosines, -np.inf).argmax(axis=1)
        wrong = np.flatnonzero((learned.classes[first] != labels[which]) & own.any(axis=1))
        weight = sample_weight[which][wrong]
        also = weight * (learned.classes[second[wrong]] != labels[which][wrong])
        h = block[wrong]
        total += ALPHA * (weight @ np.abs(h - weights[nearest[wrong]]))
        total -= BETA * (weight @ np.abs(h - weights[first[wrong]]))
        total -= THETA * (also @ np.abs(h - weights[second[wrong]]))
    return total


def sparsified(learned: Learned, share: float) -> Learned:
    """Zero the share of components of least variance over classes (SparseHD, Imani et al. 2019)."""
    zeroed = np.argsort(spread(learned), kind="stable")[: int(share * learned.weights.shape[1])]
    weights = learned.weights.copy()
    weights[:, zeroed] = 0
    return learned._replace(weights=weights)
