"""Encoders that are tables of integers: the same bits from Python, C and JavaScript.

A feature becomes an integer first, the one nearest to ``(x - low) * scale`` (of two the lower one), cut to a range. It
is computed as half of ``ceil((x - low) * (2 * scale))``: operations of doubles that every language rounds alike, and
that no compiler may join. All that follows is arithmetic of integers. NaN is a missing value, which contributes
nothing; infinities are cut to the ends.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from hdc import MAPB, Level, Thermometer
from hdc.checks import array, integer, shown
from hdc.dispatch import feature_kernels, numpy_backend
from hdc.errors import DimensionError, DTypeError, ParameterError
from hdc.kernels import Backend
from hdc.words import Words, as_words, pack, unpack, word_count

Reals = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

MOST_SCALE = 2.0**1023

MOST_DIM = 1 << 24
"""Components and features of a model, at most: scores are then exact in doubles, which JavaScript has."""

BLOCK_BYTES = 1 << 24
"""What is held of a block of rows beside the result, more or less (16 MiB)."""

STEPS = (1 << 15) - 1
"""Steps to the farther end of a range, from what stands for a missing value."""

LEAST_STEP = 2.0**-1000

MOST_STEPS = 1 << 16
"""Steps of a feature to either side, at most: products with weights of 32 bits are below 2^48."""


class Encoder(ABC):
    """What :class:`BitClassifier` needs of an encoder: rows of so many features to rows of so many bits."""

    kind: ClassVar[int]
    """Its number in a model file."""

    dim: int

    @property
    @abstractmethod
    def features(self) -> int:
        """Number of features."""

    @property
    @abstractmethod
    def bytes(self) -> int:
        """Memory of the tables."""

    @property
    @abstractmethod
    def _row_bytes(self) -> int:
        """What one row needs while it is encoded."""

    @abstractmethod
    def _encoded(self, rows: Reals, backend: Backend) -> Words:
        """Encode checked rows."""

    def encode(self, X: Any, backend: str = "auto") -> Words:
        """Return the bits of rows of numbers; a set bit is a component of -1.

        Parameters
        ----------
        X : (n, features) array of numbers
            NaN is missing.
        backend : str
            ``"auto"`` or one of :func:`hdc.list_backends` whose arrays are NumPy's.

        Returns
        -------
        (n, words) uint64 array

        Raises
        ------
        DTypeError, DimensionError
            If X is no such array.
        """
        return self.encode_block(self.check(X), numpy_backend(backend, "inference on bits"))

    def encode_block(self, rows: Reals, backend: Backend) -> Words:
        """Encode rows that :meth:`check` returned, block by block."""
        out = np.empty((len(rows), word_count(self.dim)), np.uint64)
        step = max(1, BLOCK_BYTES // self._row_bytes)
        for start in range(0, len(rows), step):
            out[start : start + step] = self._encoded(rows[start : start + step], backend)
        return out

    def check(self, X: Any) -> Reals:
        """Return rows of numbers as ``(n, features)`` float64; raises as :meth:`encode`."""
        rows = array(X, "X")
        if rows.dtype.kind not in "biuf":
            rows = _converted(rows)
        if rows.ndim != 2 or rows.shape[1] != self.features:
            hint = "; one row is X[None]" if rows.shape == (self.features,) else ""
            raise DimensionError(f"X must be of shape (rows, {self.features}), not {rows.shape}{hint}")
        return rows.astype(np.float64, copy=False)

    def agreement(self, X: Any, rows: Any) -> float:
        """Return the share of bits that are as those of the same rows from another encoder.

        Parameters
        ----------
        X : (n, features) array of numbers
        rows : (n, words) uint64 array
            What the encoder that these tables were made of returns for X.

        Raises
        ------
        DTypeError, DimensionError, PaddingError, ParameterError
            If they are no such arrays, or of no rows.
        """
        own, other = self.encode(X), as_words(rows, self.dim, "rows")
        if own.shape != other.shape or not len(own):
            raise ParameterError(f"X and rows must be of the same rows, at least one, not {len(own)} and {other.shape}")
        return 1 - int(np.bitwise_count(own ^ other).sum()) / (len(own) * self.dim)


def _converted(rows: npt.NDArray[Any]) -> Reals:
    try:
        if rows.dtype.kind == "O":
            return rows.astype(np.float64)
    except (ValueError, TypeError):
        pass
    raise DTypeError(f"X must be numbers, not of dtype {rows.dtype}; encode texts and categories first")


@dataclass(frozen=True)
class Signs(Encoder):
    """No encoder: the features are components themselves, and a bit is set where one is negative.

    For hypervectors that come from elsewhere; NaN is not negative.

    Parameters
    ----------
    dim : int
    """

    dim: int

    kind: ClassVar[int] = 0

    def __post_init__(self) -> None:
        object.__setattr__(self, "dim", integer(self.dim, "dim", 1, MOST_DIM))

    @property
    def features(self) -> int:
        """As many as components."""
        return self.dim

    @property
    def bytes(self) -> int:
        """None."""
        return 0

    @property
    def _row_bytes(self) -> int:
        return 2 * self.dim

    def _encoded(self, rows: Reals, backend: Backend) -> Words:
        return pack(rows < 0)


@dataclass(frozen=True)
class Stepped(Encoder):
    """What both encoders of numbers share: features become integers.

    Parameters
    ----------
    low, scale : (features,) float64 arrays
        A feature x becomes the integer nearest to ``(x - low) * scale``. Scales are positive.
    """

    low: Reals
    scale: Reals

    @property
    def features(self) -> int:
        """Number of features."""
        return len(self.low)

    def _check_steps(self) -> None:
        for name in ("low", "scale"):
            object.__setattr__(self, name, _finite(getattr(self, name), name))
        if self.low.shape != self.scale.shape or self.low.ndim != 1 or not 1 <= len(self.low) <= MOST_DIM:
            raise DimensionError(
                f"low and scale must be of shape (features,), not {self.low.shape} and {self.scale.shape}"
            )
        wrong = ~((self.scale > 0) & (self.scale < MOST_SCALE))
        if wrong.any():
            place = int(wrong.argmax())
            raise ParameterError(f"scale of feature {place} must be above 0 and below 2^1023, not {self.scale[place]}")

    def _steps(self, rows: Reals, least: int, most: int, missing: int) -> npt.NDArray[np.int32]:
        """Return the integers of rows, in a range; ``missing`` for NaN."""
        with np.errstate(over="ignore"):
            halves = np.ceil((rows - self.low) * (2 * self.scale))
        halves = np.where(np.isnan(rows), 2 * missing, np.clip(halves, 2 * least, 2 * most))
        return halves.astype(np.int32) >> 1


def _finite(values: Any, name: str) -> Reals:
    found = array(values, name)
    if found.dtype.kind not in "iuf":
        raise DTypeError(f"{name} must be numbers, not of dtype {found.dtype}")
    found = np.array(found, np.float64)
    if not np.isfinite(found).all():
        raise ParameterError(f"{name} must be finite, and has {shown(found[~np.isfinite(found)][0])}")
    return _read_only(found)


def _read_only(fresh: npt.NDArray[Any]) -> npt.NDArray[Any]:
    fresh.flags.writeable = False
    return fresh


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
        If these are no such arrays.

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
            object.__setattr__(self, name, _read_only(given))
        thresholds = np.arange(dim) if self.thresholds is None else array(self.thresholds, "thresholds")
        if thresholds.shape != (dim,) or not np.array_equal(np.sort(thresholds), np.arange(dim)):
            raise ParameterError(f"thresholds must be a permutation of 0 to {dim - 1}, not {shown(thresholds)}")
        object.__setattr__(self, "thresholds", _read_only(thresholds.astype(np.int64)))
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
        begin, end = _finite(low, "low"), _finite(high, "high")
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
        """Members above and below all thresholds, and ties, in the order of thresholds."""
        vectors = np.stack([*self.roles, *(self.roles ^ self.flips), self.tie])
        order = np.argsort(self.thresholds)
        ordered = vectors if self.ordered else np.stack([pack(unpack(one, self.dim)[order]) for one in vectors])
        return ordered[: self.features], ordered[self.features : -1], ordered[-1]

    def _encoded(self, rows: Reals, backend: Backend) -> Words:
        first, second, tie = self._sorted
        marks = self._steps(rows, 0, self.dim, -1)
        found = feature_kernels(backend).record_majority(first, second, marks, tie, self.dim)
        return np.asarray(found if self.ordered else backend.bits.gather(found, self.thresholds, self.dim))


@dataclass(frozen=True)
class Fourier(Stepped):
    """Signs of cosines of random projections, in integers: similarity is a kernel of the distance (Rahimi, Recht 2007).

    With q the integer of a feature, of magnitude up to ``most``, component j has the phase ``offsets[j] + weights[j] .
    q`` modulo 2^32, where ``2 << bit`` is a turn, and its bit is bit number ``bit`` of it: a cosine is negative in the
    second and third quarter, which is one bit, as ``offsets`` are a quarter ahead. A missing feature has the integer 0.

    Parameters
    ----------
    low, scale : (features,) float64 arrays
    offsets : (dim,) uint32 array
    weights : (dim, features) int8, int16 or int32 array
    bit : int
        From 1 to 31.
    most : int
        From 1 to 65536.

    Raises
    ------
    DTypeError, DimensionError, ParameterError
        If these are no such arrays.
    """

    offsets: npt.NDArray[np.uint32]
    weights: npt.NDArray[Any]
    bit: int
    most: int = MOST_STEPS
    dim: int = field(init=False)

    kind: ClassVar[int] = 2

    def __post_init__(self) -> None:
        self._check_steps()
        object.__setattr__(self, "bit", integer(self.bit, "bit", 1, 31))
        object.__setattr__(self, "most", integer(self.most, "most", 1, MOST_STEPS))
        for name, dtypes in (("offsets", ("uint32",)), ("weights", ("int8", "int16", "int32"))):
            found = array(getattr(self, name), name)
            if found.dtype.newbyteorder("=").name not in dtypes:
                raise DTypeError(f"{name} must be of dtype {' or '.join(dtypes)}, not {found.dtype}")
            object.__setattr__(self, name, _read_only(np.array(found, found.dtype.newbyteorder("="), order="C")))
        dim = self.offsets.shape[0] if self.offsets.ndim == 1 else 0
        if self.weights.shape != (dim, self.features) or not 1 <= dim <= MOST_DIM:
            raise DimensionError(
                f"offsets must be of shape (dim,) and weights of (dim, {self.features}), "
                f"not {self.offsets.shape} and {self.weights.shape}"
            )
        object.__setattr__(self, "dim", dim)

    @classmethod
    def of(
        cls, frequencies: Any, offsets: Any, low: Any, high: Any, *, missing: Any = None, weight_bits: int | None = None
    ) -> "Fourier":
        """Convert random Fourier features, ``bit j = cos(frequencies[:, j] . x + offsets[j]) < 0``.

        Parameters
        ----------
        frequencies : (features, dim) array of numbers
            Angles per unit of each feature, as they come.
        offsets : (dim,) array of numbers
            Angles.
        low, high : (features,) arrays of numbers
            Values of each feature are cut to this range, which is taken in up to 65535 steps.
        missing : (features,) array of numbers, optional
            What stands for a missing value; the middle of the range if not given.
        weight_bits : 8, 16 or 32, optional
            The least of 16 and 32 whose roundings move phases by less than 1/256 of a turn if not given.

        Raises
        ------
        DTypeError, DimensionError, ParameterError
            If these are no such arrays, or so few bits hold no frequency.
        """
        theta, phase = _finite(frequencies, "frequencies") / (2 * np.pi), _finite(offsets, "offsets") / (2 * np.pi)
        begin, end = _finite(low, "low"), _finite(high, "high")
        if theta.ndim != 2 or begin.shape != theta.shape[:1] or end.shape != begin.shape or not (begin <= end).all():
            raise DimensionError(
                f"frequencies must be of shape (features, dim), low and high of (features,), low at most high; "
                f"these are {theta.shape}, {begin.shape} and {end.shape}"
            )
        middle = (begin + end) / 2 if missing is None else _finite(missing, "missing")
        step = np.maximum(np.maximum(end - middle, middle - begin) / STEPS, LEAST_STEP)
        turns = theta * step[:, None]
        width, bit = _precision(turns, weight_bits)
        units = np.rint(turns.T * 2.0 ** (bit + 1))
        whole = np.rint((phase + middle @ theta) % 1 * 2.0 ** (bit + 1))
        return cls.of_phases(units, whole, middle, 1 / step, bit, STEPS, f"int{width}")

    @classmethod
    def of_phases(
        cls, weights: Reals, offsets: Reals, low: Reals, scale: Reals, bit: int, most: int, dtype: str = "int32"
    ) -> "Fourier":
        """Return the tables of whole phases, ``(dim, features)`` and ``(dim,)``, of which ``2 << bit`` are a turn."""
        whole, half = (offsets + 2.0 ** (bit - 1)) % 2.0**32, 2.0 ** (8 * np.dtype(dtype).itemsize - 1)
        wrapped = (weights + half) % (2 * half) - half
        return cls(low, scale, whole.astype(np.uint32), wrapped.astype(dtype), bit, most)

    @property
    def bytes(self) -> int:
        """Of offsets, weights and steps."""
        return self.offsets.nbytes + self.weights.nbytes + self.low.nbytes + self.scale.nbytes

    @property
    def _row_bytes(self) -> int:
        return 17 * self.dim + 24 * self.features

    @cached_property
    def _columns(self) -> list[tuple[slice, Reals]]:
        """Weights in doubles, in blocks of features whose sums of products are exact: less than 2^51."""
        greatest = max(1, int(np.abs(self.weights.astype(np.int64)).max()))
        step = max(1, (1 << 51) // (greatest * self.most))
        parts = [slice(start, start + step) for start in range(0, self.features, step)]
        return [(part, np.ascontiguousarray(self.weights[:, part].T, np.float64)) for part in parts]

    def _encoded(self, rows: Reals, backend: Backend) -> Words:
        steps = self._steps(rows, -self.most, self.most, 0).astype(np.float64)
        quarter, phases = 1 << (self.bit - 1), self.offsets.astype(np.float64)
        for part, weights in self._columns:
            phases = np.fmod(phases, 2.0**32) + steps[:, part] @ weights
        return np.asarray(feature_kernels(backend).phase_signs(phases - quarter, 2 << self.bit))


def _precision(turns: Reals, weight_bits: int | None) -> tuple[int, int]:
    """Return the width of weights, and the bit that says whether a cosine is negative."""
    if weight_bits not in (None, 8, 16, 32):
        raise ParameterError(f"weight_bits must be 8, 16, 32 or None, not {shown(weight_bits)}")
    for width in (16, 32) if weight_bits is None else (weight_bits,):
        greatest = float(np.abs(turns).max(initial=0))
        room = np.log2((2.0 ** (width - 1) - 1) / greatest) if greatest > 0 else 32.0
        bit = 31 if width == 32 else min(31, int(np.floor(room)) - 1)
        moved = np.sqrt(len(turns) / 12) * STEPS / 2.0 ** (bit + 1)
        if bit >= 1 and (weight_bits is not None or width == 32 or moved < 1 / 256):
            return width, bit
    raise ParameterError(f"weights of {weight_bits} bits do not hold these frequencies; take weight_bits=32")
