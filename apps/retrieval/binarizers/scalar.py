"""ScalarBinarizer: rotated components, each rounded to levels that need no training; bits go where they help most."""

import math
from collections.abc import Sequence
from functools import partial
from typing import Any, NoReturn, Self

import numpy as np
import numpy.typing as npt

from hdc.apps.retrieval.binarizers.axes import Numbers, mixed, principal, sampled_rows
from hdc.apps.retrieval.binarizers.base import BLOCK_BYTES, Binarizer, Floats, Ids, blocks
from hdc.apps.retrieval.binarizers.factors import (
    LONG_SCALE,
    LONG_SHARE,
    SHORT_SCALE,
    SHORT_SHARE,
    FactorBits,
    read,
    rounded_scale,
    written,
)
from hdc.apps.retrieval.binarizers.level_words import LevelWords
from hdc.apps.retrieval.binarizers.levels import MOST_LEVEL_BITS, allotted, levels_of
from hdc.apps.retrieval.binarizers.sign import Rotations, mean_of
from hdc.apps.retrieval.vectors.rows import as_rows, finite
from hdc.checks import choice, flag, integer, number
from hdc.errors import FileFormatError, ParameterError, UnsupportedError
from hdc.kernels import LevelRun
from hdc.search.levels import LevelQueries
from hdc.topk import top_scores
from hdc.words import WORD_BITS, Words, pack, unpack

USUAL_BITS = 2
"""Bits per component of a code whose size is not given."""

POWERS = 1.5, 1.0, 0.5, 0.0
"""Powers of the variance to try; bits go where this power is greatest. With 1 the codes approximate vectors best; with
2, their dot products with queries distributed like the vectors; with 0 all components get equally many bits."""

MOST_POWER = 4

CHOICE_ROWS, CHOICE_QUERIES, CHOICE_NEAREST = 4096, 256, 10
"""Vectors sampled to choose a power, how many of them are queries, and how many neighbors each query looks for."""

ROTATIONS = "principal", "random"


class ScalarBinarizer(Binarizer):
    """Scalar codes of a given size in the manner of TurboQuant (Zandieh et al. 2025), without training.

    A vector x with residual ``r = x - mean`` is rotated. Component i of the unit vector ``r / |r|`` is rounded to the
    nearest of ``2**b_i`` levels, which are optimal for random unit vectors. For a query q, ``s (P q . v)`` estimates
    ``q . r``, where v are the levels. The stored factor s makes the estimate exact for ``q = r``, as in RaBitQ, because
    rounding changes a vector's length. The code also stores the error for the mean, which is known.

    ``rotation="random"`` is TurboQuant's: it makes all components alike, and all get equally many bits.
    ``"principal"`` rotates to the principal axes of a sample. Axes get bits by their variances (reverse
    water-filling); some get none. Axes with equally many bits are then rotated at random. This needs a covariance
    and its eigenvectors, seconds for a thousand components, and improves recall.

    A code is a sequence of bit planes, heaviest first; a plane has one bit for each component with that many bits. The
    two factors fill the last 24 bits, or up to 40 if the mean is long or a longer scale improves recall.

    Parameters
    ----------
    code_size : int or None
        Bytes per code, factors included; a multiple of 8. None chooses enough for two bits per component.
    rotation : {"principal", "random"}
    power : float or None
        Power of the variances by which principal axes get bits, from 0 (all get equally many) to 4. None tries 0, .5, 1
        and 1.5 on a sample of 4096 vectors, and keeps the power with the best recall as :attr:`power_`.
    center : bool
        Subtract the mean first.
    seed : int
        Random seed of the rotation and the sample.
    metric : {"cosine", "ip", "l2"}
        Measure of nearness: cosine, inner product or Euclidean distance.
    backend : str
        ``"auto"``, or one of :func:`hdc.list_backends` that computes on NumPy arrays.

    Examples
    --------
    >>> import numpy as np
    >>> x = np.random.default_rng(0).standard_normal((300, 64)).astype(np.float32)
    >>> binarizer = ScalarBinarizer(code_size=24).fit(x)
    >>> codes = binarizer.transform(x)
    >>> codes.shape, binarizer.bytes_per_vector, binarizer.bits
    ((300, 3), 24, 168)
    >>> scores, ids = binarizer.search(x[:2], codes, k=1)
    >>> ids.ravel()
    array([0, 1])
    """

    power_: float
    """Power by which bits were allotted; set by :meth:`fit`."""

    def __init__(
        self,
        code_size: int | None = None,
        rotation: str = "principal",
        power: float | None = None,
        center: bool = True,
        seed: int = 0,
        backend: str = "auto",
        metric: str = "cosine",
    ) -> None:
        self.code_size = code_size
        self.rotation = rotation
        self.power = power
        self.center = center
        self.seed = seed
        self.backend = backend
        self.metric = metric

    def fit(self, X: Any, y: Any = None) -> Self:
        """Compute the mean of ``(n, d)`` float vectors, and, from a sample, the axes and their bits.

        Raises
        ------
        DTypeError, DimensionError, ParameterError
            If X is not such an array, is empty or contains NaN, or ``code_size`` does not fit d.
        """
        given = self._table(X)
        seed = integer(self.seed, "seed", 0)
        choice(self.rotation, "rotation", ROTATIONS), flag(self.center, "center")
        if self.power is not None:
            number(self.power, "power", 0, MOST_POWER)
        rows = self._mapped(given, self.metric, lifted=False, centered=self.metric == "l2")
        d = rows.shape[1]
        words = self._words_of(d)
        mean = mean_of(rows)
        self.mean_ = mean if self.center else np.zeros_like(mean)
        rng = np.random.default_rng(seed)
        sample = sampled_rows(rows, rng)
        if self.rotation == "principal":
            variances, axes = principal(sample, self.mean_)
        else:
            variances, axes = ((sample - self.mean_) ** 2).mean(axis=0, dtype=np.float64), np.empty((d, d))
        unit = math.sqrt(variances.sum())
        self.unit_ = np.array([unit if unit > 0 else 1.0], dtype=np.float32)
        # All queries share the mean: where it is long, its error dominates.
        self._share_bits = LONG_SHARE if np.linalg.norm(self.mean_) > unit else SHORT_SHARE
        self._choose(variances / unit**2 if unit > 0 else np.full(d, 1 / d), axes, sample[:CHOICE_ROWS], words)
        return self

    def _choose(self, variances: Numbers, axes: Numbers, sample: Floats, words: int) -> None:
        """Allot bits by the given power, or the one that finds most in a sample; choose the scale's size likewise."""
        powers = POWERS if self.power is None else (float(self.power),)
        if self.rotation == "random":
            variances, powers = np.full(len(variances), 1 / len(variances)), (0.0,)
        asked = min(CHOICE_QUERIES, len(sample) // 10)
        if asked < CHOICE_NEAREST:
            self._settle(variances, axes, powers[0], SHORT_SCALE, words)
            return
        queries, vectors = sample[:asked], sample[asked:]
        near = _nearest(queries @ vectors.T)

        def found(power: float, scale_bits: int) -> int:
            """Return how many true neighbors codes with this power and scale find."""
            self._settle(variances, axes, power, scale_bits, words)
            told = _nearest(self._estimates(self._project(queries), self._encode(vectors)))
            return int((near[:, :, None] == told[:, None]).sum())

        counts = [found(power, SHORT_SCALE) for power in powers]
        best = int(np.argmax(counts))
        # Only scales separate vectors so close that their codes are equal.
        if found(powers[best], LONG_SCALE) <= counts[best]:
            self._settle(variances, axes, powers[best], SHORT_SCALE, words)

    def _settle(self, variances: Numbers, axes: Numbers, power: float, scale_bits: int, words: int) -> None:
        """Allot the bits, and rotate axes with equally many bits at random."""
        d = len(variances)
        distortions = np.array([1.0] + [levels_of(d, bits).distortion for bits in range(1, MOST_LEVEL_BITS + 1)])
        room = words * WORD_BITS - scale_bits - self._share_bits
        widths = allotted(variances, min(room, MOST_LEVEL_BITS * d), power, distortions)
        self.factor_bits_ = np.array([scale_bits, self._share_bits], dtype=np.uint8)
        if self.rotation == "principal":
            groups = np.zeros_like(widths) if power == 0 else widths
            variances, axes = mixed(variances, axes, groups, np.random.default_rng([self.seed, 1]))
        coded = (widths > 0) & (self.rotation == "principal")
        self.power_ = power
        self.widths_ = widths.astype(np.uint8)
        self.spreads_ = np.sqrt(variances).astype(np.float32)
        self.axes_ = np.ascontiguousarray(axes[:, coded], dtype=np.float32)
        self._prepare()

    def _words_of(self, d: int) -> int:
        """Return the words per code for d components."""
        factors = LONG_SCALE + LONG_SHARE
        if self.code_size is None:
            return -(-(USUAL_BITS * d + factors) // WORD_BITS)
        most = -(-(MOST_LEVEL_BITS * d + factors) // WORD_BITS)
        size = integer(self.code_size, "code_size", 8, 8 * most)
        if size % 8:
            raise ParameterError(f"code_size must be a multiple of 8 bytes, not {size}; codes are words of 64 bits")
        return size // 8

    def _prepare(self) -> None:
        d = len(self.mean_)
        self.n_features_in_ = d - self.space_.added
        kernels = self.kernels  # raises if there is no such backend
        self.dim_ = int(np.count_nonzero(self.widths_))
        self._rotations = Rotations(d, d, self.seed, kernels.name) if self.rotation == "random" else None
        own = self.widths_[: self.dim_]
        starts = np.flatnonzero(np.diff(own, prepend=0))
        self._runs = [
            (slice(start, stop), levels_of(d, int(own[start])))
            for start, stop in zip(starts, [*starts[1:], self.dim_], strict=True)
        ]
        self._mean = self._project(self.mean_[None])[0]
        self._level_words = LevelWords(self._runs, self.spreads_[: self.dim_])

    @property
    def symmetric(self) -> bool:
        """Whether codes can be compared with each other: never, since components have different levels."""
        return False

    @property
    def levels(self) -> int:
        """Bit planes per code; later planes cover only some components."""
        self._check_fitted()
        return int(self.widths_[0])

    @property
    def words(self) -> int:
        """Words per code."""
        self._check_fitted()
        return self._words_of(len(self.mean_))

    @property
    def bits(self) -> int:
        """Bits of all components together."""
        self._check_fitted()
        return int(self.widths_.sum(dtype=np.int64))

    @property
    def _row_numbers(self) -> int:
        return 4 * self.n_features_in_ + self.bits

    def _project(self, x: Floats) -> Floats:
        """Return the ``(n, dim_)`` components that are coded."""
        return x @ self.axes_ if self._rotations is None else self._rotations(x)[:, : self.dim_]

    def _encode(self, x: Floats) -> Words:
        residual = x - self.mean_
        norms = np.linalg.norm(residual, axis=1)
        rotated = self._project(residual)
        spreads = self.spreads_[: self.dim_]
        scaled = rotated / (np.maximum(norms, np.float32(1e-30))[:, None] * np.maximum(spreads, np.float32(1e-15)))
        places = np.empty(scaled.shape, dtype=np.uint8)
        for own, levels in self._runs:
            places[:, own] = levels.places(scaled[:, own])
        planes = [
            places[:, : self._wide(plane)] >> (self.widths_[: self._wide(plane)] - (plane + 1)) & 1
            for plane in range(self.levels)
        ]
        words = np.zeros((len(x), self.words), dtype=np.uint64)
        packed = pack(np.concatenate(planes, axis=1).astype(bool))
        words[:, : packed.shape[1]] = packed
        words[:, -1] |= self._factors(residual, norms, rotated, self._values(places))
        return words

    def _wide(self, plane: int) -> int:
        """Return how many components have a bit in a plane; plane 0 is the heaviest."""
        return int(np.count_nonzero(self.widths_ > plane))

    def _values(self, places: npt.NDArray[np.uint8]) -> Floats:
        """Return the level values of ``(n, dim_)`` level numbers, as components of a unit vector."""
        values = np.empty(places.shape, dtype=np.float32)
        for own, levels in self._runs:
            values[:, own] = levels.values.take(places[:, own], mode="clip")  # clip is faster; nothing is out of range
        values *= self.spreads_[: self.dim_]
        return values

    def _factors(self, residual: Floats, norms: Floats, rotated: Floats, values: Floats) -> Words:
        """Return words whose upper bits are the scale, relative to the usual length, and the error share for the mean.

        Without weights, the scale would make the estimate exact for the residual itself. But components without bits
        would then stretch each vector by what it lacks there, which varies. Weighting by the spreads reduces this.
        """
        weights = self.spreads_[: self.dim_]
        others = self.spreads_[self.dim_ :]
        left = np.maximum(0, norms**2 - np.einsum("nd,nd->n", rotated, rotated))
        left *= others.mean() if len(others) else np.float32(0)
        whole = (rotated**2) @ weights + left
        kept = np.einsum("nd,nd,d->n", rotated, values, weights)
        scale = np.divide(whole, kept, out=np.zeros_like(whole), where=kept > 0) / self.unit_
        scale = rounded_scale(scale, self._factor_bits.scale)
        known = residual @ self.mean_ - (values @ self._mean) * (scale * self.unit_)
        length = self._length_of_mean * scale
        share = np.divide(known, length, out=np.zeros_like(known), where=length > 0)
        return written(scale, share, self._factor_bits)

    @property
    def _factor_bits(self) -> FactorBits:
        return FactorBits(*self.factor_bits_.tolist())

    @property
    def _length_of_mean(self) -> np.float32:
        """Length of the mean times the usual length of a residual."""
        return np.float32(np.linalg.norm(self.mean_) * self.unit_[0])

    def _read(self, codes: Words) -> tuple[Floats, Floats]:
        """Return the scales and offsets of codes."""
        scale, share = read(codes[:, -1], self._factor_bits)
        return scale * self.unit_, share * (self._length_of_mean * scale)

    def scale(self, codes: Words) -> Floats:
        """Return the factor that turns each code's levels into a residual."""
        return self._read(codes)[0]

    def offset(self, codes: Words) -> Floats:
        """Return the known part of each residual's product with the mean that the estimate leaves out."""
        return self._read(codes)[1]

    def _places(self, codes: Words) -> npt.NDArray[np.uint8]:
        """Return the ``(n, dim_)`` level numbers of ``(n, words)`` codes."""
        bits = unpack(codes, codes.shape[1] * WORD_BITS)
        places = np.zeros((len(codes), self.dim_), dtype=np.uint8)
        start = 0
        for plane in range(self.levels):
            wide = self._wide(plane)
            weights = self.widths_[:wide] - (plane + 1)
            places[:, :wide] |= bits[:, start : start + wide].astype(np.uint8) << weights
            start += wide
        return places

    @property
    def level_runs(self) -> Sequence[LevelRun]:
        """Layout of the words that an index scans: numbers of equal width side by side."""
        return self._level_words.runs

    def level_words(self, codes: Words) -> Words:
        """Return the words that an index scans for ``(n, words)`` codes."""
        return self._level_words.numbers(self._places(codes))

    def level_queries(self, queries: Floats) -> LevelQueries:
        """Round ``(q, d)`` float32 queries to the 8-bit integers that an index scans with."""
        return self._level_words.asked(self._project(queries), queries @ self.mean_)

    def nibble_tables(self, queries: Any) -> NoReturn:
        """Raise UnsupportedError: a level is not a sum over the bits of its number."""
        raise UnsupportedError(f"codes of a {type(self).__name__} are not read through tables; see scores and search")

    def products(self, asked: Floats, codes: Words) -> Floats:
        """Estimate products; see :meth:`Binarizer.products`."""
        products = np.empty((len(asked), len(codes)), dtype=np.float32)
        rotated = self._project(asked)
        for part in blocks(len(codes), 16 * self.dim_):
            products[:, part] = self._estimates(rotated, codes[part])
        return products + self.beside(asked)[:, None]

    def _estimates_of(self, rotated: Floats, codes: Words, part: slice) -> Floats:
        return self._estimates(rotated, codes[part])

    def _estimates(self, rotated: Floats, codes: Words) -> Floats:
        values, (scale, offset) = self._values(self._places(codes)), self._read(codes)
        estimates: Floats = rotated @ values.T
        estimates *= scale
        estimates += offset
        return estimates

    def _search_tables(self, queries: Any, codes: Words, k: int) -> tuple[Floats, Ids]:
        rows = as_rows(queries, self._check_fitted(), "queries")
        scores, ids = np.empty((len(rows), k), dtype=np.float32), np.empty((len(rows), k), dtype=np.int64)
        for part in blocks(len(rows) if k else 0, 4 * 1024 * 16):
            own = finite(rows[part], part.start, "queries")
            asked = self._asked(own)
            some = max(1, BLOCK_BYTES // (16 * self.dim_))
            products, ids[part] = top_scores(
                self.kernels,
                partial(self._estimates_of, self._project(asked), codes),
                len(codes),
                k,
                min(BLOCK_BYTES // 16, some * max(1, len(asked))),
            )
            scores[part] = self.space_.from_products(products + self.beside(asked)[:, None], own)
        return scores, ids

    def _state(self) -> dict[str, npt.NDArray[Any]]:
        names = "unit", "factor_bits", "widths", "spreads", "axes"
        power = np.array([self.power_])
        return {"mean": self.mean_, "power": power} | {name: getattr(self, f"{name}_") for name in names}

    def _set_state(self, arrays: dict[str, npt.NDArray[Any]]) -> None:
        self.mean_, self.unit_, self.factor_bits_, self.widths_, self.spreads_, self.axes_ = (
            arrays[name] for name in ("mean", "unit", "factor_bits", "widths", "spreads", "axes")
        )
        self.power_ = float(arrays["power"][0])
        d, coded = len(self.mean_), int(np.count_nonzero(self.widths_)) if self.rotation == "principal" else 0
        found = [array.shape for array in (self.unit_, self.factor_bits_, self.widths_, self.spreads_, self.axes_)]
        if found != [(1,), (2,), (d,), (d,), (d, coded)] or self.widths_.dtype != np.uint8:
            raise FileFormatError(f"a scalar model of {d} components cannot have arrays of shapes {found}")
        self._prepare()


def _nearest(scores: Floats) -> Ids:
    """Return the columns of the greatest scores per row, in no order."""
    return np.argpartition(-scores, CHOICE_NEAREST, axis=1)[:, :CHOICE_NEAREST]
