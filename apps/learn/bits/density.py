"""Thermometers and levels, bound to roles, as tables of bits and thresholds."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

import numpy as np

from hdc import MAPB, Level, Thermometer
from hdc.apps.learn.bits.encoders import MOST_DIM, Reals
from hdc.apps.learn.bits.steps import Stepped, finite, read_only
from hdc.checks import array, integer, shown
from hdc.dispatch import feature_kernels
from hdc.errors import DimensionError, ParameterError
from hdc.kernels import Backend
from hdc.words import Words, as_words, pack, unpack, word_count


@dataclass(frozen=True)
class Density(Stepped):
    """Thermometers or levels bound to roles, added and cut to signs (Kleyko et al. 2020).

    With q the integer of a feature, from 0 to dim, its bit in component j is that of ``roles`` if ``thresholds[j]`` is
    less than q, and otherwise that exclusive or ``flips``. A bit of the result is the majority's. A tie is broken by
    ``tie``, turned where half the sum is odd in the component of the threshold before (of the last one, for 0): as
    MAP-B does it, in the order of thresholds.

    Parameters
    ----------
    low, scale : (features,) float64 arrays
        ``scale = dim / (high - low)`` for features from low to high.
    roles : (features, words) uint64 array
    tie : (words,) uint64 array
    dim : int
    thresholds : (dim,) array, a permutation of 0 to dim - 1, optional
        0, 1, 2, ... if not given, as those of :class:`hdc.Thermometer`. Only thresholds in random order, as those of
        :class:`hdc.Level`, make a prefix of the components a sample of all, which stopping early needs.
    flips : (words,) uint64 array, optional
        All components if not given.

    Raises
    ------
    DTypeError, DimensionError, PaddingError, ParameterError
        If these do not have those shapes and dtypes.

    Examples
    --------
    >>> import hdc
    >>> from hdc.apps.learn.bits import Density
    >>> vsa = hdc.create("MAP-B", 1000)
    >>> encoder = Density([0, 0], [1000, 1000], vsa.symbols(["width", "height"]), vsa.tie, 1000)
    >>> rows = encoder.encode([[0.2, 0.5], [0.3, 0.5], [0.9, 0.1]])
    >>> vsa.similarity(rows[0], rows).astype(float).round(1).tolist()
    [1.0, 0.9, 0.2]
    """

    roles: Words
    tie: Words
    dim: int
    thresholds: Any = None
    flips: Any = None

    kind: ClassVar[int] = 1

    def __post_init__(self) -> None:
        self._check_steps()
        dim = integer(self.dim, "dim", 1, MOST_DIM)
        words = {"roles": (self.features,), "tie": (), "flips": ()}
        if self.flips is None:
            object.__setattr__(self, "flips", pack(np.ones(dim, np.bool_)))
        for name, shape in words.items():
            given = np.array(as_words(getattr(self, name), dim, name))
            if given.shape[:-1] != shape:
                raise DimensionError(f"{name} must be of shape {(*shape, word_count(dim))}, not {given.shape}")
            object.__setattr__(self, name, read_only(given))
        thresholds = np.arange(dim) if self.thresholds is None else array(self.thresholds, "thresholds")
        if thresholds.shape != (dim,) or not np.array_equal(np.sort(thresholds), np.arange(dim)):
            raise ParameterError(f"thresholds must be a permutation of 0 to {dim - 1}, not {shown(thresholds)}")
        object.__setattr__(self, "thresholds", read_only(thresholds.astype(np.int64)))
        object.__setattr__(self, "dim", dim)

    @classmethod
    def of(cls, code: Any, roles: Words, low: Any, high: Any) -> "Density":
        """Return what makes ``vsa.bundle(vsa.bind(roles, code.encode(x)))`` of MAP-B; of levels, all but the ties.

        Parameters
        ----------
        code : hdc.Thermometer or hdc.Level
            Of a model MAP-B, which encodes where a feature lies in its range.
        roles : (features, words) uint64 array
        low, high : (features,) arrays of numbers
            The range of each feature; beyond it, the ends are taken. One that is empty is taken to be of length 1.

        Raises
        ------
        ParameterError
            If the code is another, or its model.
        """
        if not isinstance(code, Level | Thermometer) or not isinstance(code.vsa, MAPB):
            raise ParameterError(f"code must be a Thermometer or Level of a model MAP-B, not {shown(code)}")
        begin, end = finite(low, "low"), finite(high, "high")
        dim, ends = code.vsa.dim, code.encode([code.low, code.high])
        thresholds = np.empty(dim, np.int64)
        thresholds[code.steps.unit] = np.arange(dim)
        scale = dim / np.where(end > begin, end - begin, 1.0)
        above = as_words(roles, dim, "roles") ^ ends[1]
        tie = pack(unpack(code.vsa.tie, dim)[thresholds])
        return cls(begin, scale, above, tie, dim, thresholds, ends[0] ^ ends[1])

    @cached_property
    def ordered(self) -> bool:
        """Whether thresholds ascend with the components."""
        return bool((np.diff(self.thresholds) > 0).all())

    @property
    def bytes(self) -> int:
        """Of roles, ties, flips, thresholds of four bytes, and steps."""
        words = self.roles.nbytes + self.tie.nbytes + self.flips.nbytes
        return int(words) + 4 * self.dim + self.low.nbytes + self.scale.nbytes

    @property
    def _row_bytes(self) -> int:
        return 28 * self.features + 16 * self.tie.nbytes

    @cached_property
    def _sorted(self) -> tuple[Words, Words, Words]:
        """Members above all and below all thresholds, and ties, in the order of thresholds."""
        vectors = np.stack([*self.roles, *(self.roles ^ self.flips), self.tie])
        order = np.argsort(self.thresholds)
        ordered = vectors if self.ordered else np.stack([pack(unpack(one, self.dim)[order]) for one in vectors])
        return ordered[: self.features], ordered[self.features : -1], ordered[-1]

    def _encoded(self, rows: Reals, backend: Backend) -> Words:
        first, second, tie = self._sorted
        marks = self._steps(rows, 0, self.dim, -1)
        found = feature_kernels(backend).record_majority(first, second, marks, tie, self.dim)
        return np.asarray(found if self.ordered else backend.bits.gather(found, self.thresholds, self.dim))
