"""Clean-up: restore noisy vectors to the items of a memory, by one rule of a family.

All rules are ``y = f(q X') X`` for items X. With a one-hot f, y is the nearest item. With the softmax it is a modern
Hopfield network, or attention (Ramsauer et al. 2020). With powers or exponentials it is a dense associative memory
(Krotov and Hopfield 2016; Demircigil et al. 2017).
"""

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from hdc import decoding
from hdc.checks import choice, instance, integer, number
from hdc.errors import ParameterError, UnsupportedError
from hdc.kernels import Array
from hdc.memory import ItemMemory
from hdc.models.map import MAPB, MAPI
from hdc.resonance import Signs, Space
from hdc.similarity import blocks
from hdc.vsa import VSA

RULES = ("nearest", "softmax", "polynomial", "exponential")

SCORES = 1 << 22
"""Scores to compute per block."""


@dataclass(frozen=True)
class Cleanup:
    """Brings noisy vectors back to the items of a memory, many at a time.

    Parameters
    ----------
    memory : ItemMemory
        Items that are added later count, too.
    rule : {"nearest", "softmax", "polynomial", "exponential"}
        ``"nearest"`` returns the most similar item. ``"softmax"`` returns the mean of the items, weighted by
        ``exp(beta * similarity)``: near duplicates are averaged. The other two are dense associative memories of
        signs, for MAP-I and MAP-B: each component becomes what lowers the energy ``-sum of F(items . q)``, with the
        others as they are and ``F(z) = z ** degree`` or ``exp(z)``.
    beta : float, optional
        Of the softmax: two items are averaged if their similarities differ by less than about ``1 / beta``. By default
        half of ``1 / reject_sd ** 2``, half the dimension: best for queries whose similarity with an item is 1/2.
    degree : int
        Of the polynomial, at least 2: 2 is a classical Hopfield network.

    Raises
    ------
    UnsupportedError
        If the rule is for models of signs, and the model is another.

    Examples
    --------
    >>> import hdc
    >>> vsa = hdc.create("MAP-B", 1000)
    >>> fruit = hdc.ItemMemory(vsa, ["apple", "pear", "plum"])
    >>> noisy = vsa.bundle(vsa.symbols(["pear", "leaf", "branch"]))
    >>> for rule in ("nearest", "softmax", "polynomial", "exponential"):
    ...     float(vsa.similarity(hdc.Cleanup(fruit, rule).recall(noisy), fruit["pear"]))
    1.0
    1.0
    1.0
    1.0
    """

    memory: ItemMemory
    rule: str = "softmax"
    beta: float | None = None
    degree: int = 3

    def __post_init__(self) -> None:
        instance(self.memory, "memory", ItemMemory)
        choice(self.rule, "rule", RULES)
        integer(self.degree, "degree", 2)
        if self.beta is not None:
            number(self.beta, "beta", 0.0)
        if self.rule in ("polynomial", "exponential") and not isinstance(self.vsa, MAPI | MAPB):
            raise UnsupportedError(
                f"the rule {self.rule!r} is for vectors of signs, and {self.vsa.model} has others; use 'softmax'"
            )

    @property
    def vsa(self) -> VSA:
        """The model of the memory."""
        return self.memory.vsa

    def recall(self, queries: Array, steps: int = 1) -> Array:
        """Return what queries are cleaned to.

        Parameters
        ----------
        queries : (..., storage) array
        steps : int
            How often, each time from the last result.

        Returns
        -------
        (..., storage) array
            An item for ``"nearest"``, signs for the dense rules. For ``"softmax"`` a weighted mean in floats, through
            which gradients flow, where bundles are sums; else a bundle.

        Raises
        ------
        ParameterError
            If the memory is empty.
        DTypeError, DeviceError, DimensionError, PaddingError
            As :meth:`hdc.VSA.check`.
        """
        checked = self.vsa.check(queries, "queries")
        if not len(self.memory):
            raise ParameterError("the memory is empty, so there is nothing to clean up to; add items first")
        rows = checked.reshape(-1, self.vsa.storage)
        parts = [rows[cut] for cut in blocks(len(rows), len(self.memory), SCORES)]
        for _ in range(integer(steps, "steps", 1)):
            parts = [self._step(part) for part in parts]
        return self.vsa.xp.concat(parts, axis=0).reshape(checked.shape)

    def weights(self, queries: Array) -> Array:
        """Return the weights of the softmax, ``(..., len(memory))`` float32 or float64: the attention to each item.

        Raises
        ------
        UnsupportedError
            For other rules.
        """
        if self.rule != "softmax":
            raise UnsupportedError(
                f"only the rule 'softmax' has weights that sum to one, and this one is {self.rule!r}"
            )
        xp, scores = self.vsa.xp, self._beta * self.vsa.similarity(queries, self.memory.vectors)
        shares = xp.exp(scores - xp.max(scores, axis=-1, keepdims=True))
        return shares / xp.sum(shares, axis=-1, keepdims=True)

    @property
    def _beta(self) -> float:
        return 0.5 / float(self.vsa.scores(1).reject_sd) ** 2 if self.beta is None else self.beta

    def _step(self, queries: Array) -> Array:
        if self.rule == "nearest":
            return self.vsa.xp.take(self.memory.vectors, self.memory.search(queries)[1][:, 0], axis=0)
        if self.rule == "softmax":
            return self._mean(self.weights(queries))
        return self._descended(queries)

    def _mean(self, weights: Array) -> Array:
        xp, items = self.vsa.xp, self.memory.vectors
        if not self._sums:
            return Space(self.vsa, [items]).mixtures(0, weights)
        dtype = items.dtype if xp.isdtype(items.dtype, "real floating") else weights.dtype
        return xp.astype(weights, dtype, copy=False) @ xp.astype(items, dtype, copy=False)

    @cached_property
    def _sums(self) -> bool:
        try:
            decoding.check_sums(self.vsa)
        except UnsupportedError:
            return False
        return True

    def _descended(self, queries: Array) -> Array:
        """Change each component as if the others stayed fixed.

        With z the product of item x and state s, and ``c = x_i s_i``, the energies of both values of component i differ
        by ``x_i (F(z - c + 1) - F(z - c - 1))``: ``x_i`` times ``F(z) - F(z - 2)`` or ``F(z + 2) - F(z)``. So two
        numbers per item are enough, and the sums over items are one matrix product.
        """
        space, xp = Signs(self.vsa, [self.memory.vectors]), self.vsa.xp
        codes = xp.astype(space.codes[0], xp.float64)
        state = xp.astype(space.entered(queries), xp.float64)
        products = state @ codes.T
        down, up = self._differences(products)
        same = xp.sum(down - up, axis=-1, keepdims=True) / 2
        return space.left(space.signs((down + up) / 2 @ codes + same * state))

    def _differences(self, z: Array) -> tuple[Array, Array]:
        """Return ``F(z) - F(z - 2)`` and ``F(z + 2) - F(z)``, up to a factor per row."""
        xp: Any = self.vsa.xp
        if self.rule == "exponential":
            powers = xp.exp(z - xp.max(z, axis=-1, keepdims=True))
            return powers * -math.expm1(-2), powers * math.expm1(2)
        scaled, step = z / self.vsa.dim, 2 / self.vsa.dim
        here = self._power(scaled)
        return here - self._power(scaled - step), self._power(scaled + step) - here

    def _power(self, z: Array) -> Array:
        """Compute a whole power by multiplication; power functions of libraries are much slower."""
        return math.prod([z] * (self.degree - 1), start=z)


def softmax_error(items: int, dim: int, beta: float, similarity: float = 1.0) -> float:
    """Return the expected weight of the wrong items in one step of the softmax.

    A query of that similarity with its own item has similarities of variance ``1 / dim`` with the others, so that
    these have ``r = items * exp(beta ** 2 / (2 dim) - beta * similarity)`` times the weight of its own, and
    ``r / (1 + r)`` of all. Beyond ``beta = sqrt(2 dim ln items)`` the largest of them dominates, and this is
    pessimistic.

    Parameters
    ----------
    items : int
    dim : int
        Of real components: twice that of FHRR.
    beta : float
    similarity : float
        Cosine.
    """
    exponent = math.log(integer(items, "items", 1)) + beta * beta / (2 * dim) - beta * similarity
    return 1 / (1 + math.exp(-exponent)) if exponent > -700 else 0.0
