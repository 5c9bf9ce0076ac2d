"""Space: cosine, inner product and Euclidean distance, each as the inner product of mapped vectors.

Codes encode mapped vectors, so every binarizer and every index supports all three metrics. Let m be the mean of the
fitted vectors, or zero; a the inverse of their root mean square length without m; ``y = a (x - m)``; and q a query:

- ``cosine``: x and q are normalized.
- ``ip``: x maps to y, and q is normalized, or stays as it is. ``x . q`` is ``y . q / a`` plus ``m . q``, which is the
  same for all x.
- ``l2``: x maps to ``(y, b (|y|^2 - t))`` and q to ``u = (p, -1 / (2 b))`` with ``p = a (q - m)``. Then ``|y - p|^2``
  is ``t + |p|^2`` less twice the product. An estimate's error grows with both lengths. Over all vectors and queries,
  their product is least at ``b^2 = 1 / (2 s)``, where s is the standard deviation of ``|y|^2``; t is its mean.

Codes of directions only need vectors of equal length, so these are *lifted*. A mapped vector is divided by a radius,
and a component is added that brings it to length 1. Vectors longer than the radius are shortened to it. Queries get a
zero there, and length 1. (Bachrach et al. 2014, "Speeding up the Xbox recommender system using a Euclidean
transformation for inner-product spaces", use the longest vector as radius.) An intermediate radius has the best recall:
long vectors have the greatest products, but shorter ones also need distances of their own.
"""

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from hdc.apps.retrieval.vectors.rows import finite
from hdc.checks import choice
from hdc.errors import FileFormatError, ParameterError
from hdc.kernels import SearchKernels

Floats = npt.NDArray[np.float32]
Doubles = npt.NDArray[np.float64]

METRICS = ("cosine", "ip", "l2")

LARGEST = 1e12
"""Most that a vector's length may exceed those of the fit, as a factor; beyond it, float32 squares overflow."""

LEAST_SPREAD = 1e-4
"""Smallest standard deviation of squared lengths that is used."""

BLOCK_NUMBERS = 1 << 21
"""Numbers of a fit in memory as float64 at a time (16 MiB)."""


RADIUS = {"ip": 0.97, "l2": 0.65}
"""Share of the vectors that are at most as long as the radius of lifted ones."""


@dataclass(frozen=True, eq=False)
class Space:
    """The map of vectors and queries for a metric, and the conversion of their inner products to scores.

    Attributes
    ----------
    metric : {"cosine", "ip", "l2"}
    center : (d,) float32 array or None
        m in the module's text; None for cosines.
    scale, weight, square : float
        a, b and t.
    radius : float
        Radius of lifted vectors; 0 if vectors are not lifted.
    as_given : bool
        Whether the model takes vectors of any length, and an index normalizes them. True for models from before metrics
        existed, and for those to which no metric applies.
    keeps_lengths : bool
        Whether queries for inner products are not normalized.
    """

    metric: str
    center: Floats | None = None
    scale: float = 1.0
    weight: float = 1.0
    square: float = 0.0
    radius: float = 0.0
    as_given: bool = False
    keeps_lengths: bool = False

    @classmethod
    def fit(cls, metric: Any, rows: npt.NDArray[Any], *, lifted: bool = True, centered: bool = True) -> Self:
        """Learn the space of a metric from ``(n, d)`` numbers, block by block, in float64.

        Parameters
        ----------
        metric : str
        rows : (n, d) array of numbers
        lifted : bool
            Whether to bring vectors to one length.
        centered : bool
            Whether to subtract the mean.

        Raises
        ------
        ParameterError
            If the metric is unknown, there are no rows, or a row contains NaN or infinity.
        """
        choice(metric, "metric", METRICS)
        if metric == "cosine":
            return cls("cosine")
        if not len(rows):
            raise ParameterError("fit needs at least one vector, but X has none")
        center = _mean(rows).astype(np.float32) if centered else np.zeros(rows.shape[1], dtype=np.float32)
        squares = np.concatenate([_squares(block, center) for block in _blocks(rows)])
        mean = float(squares.mean())
        if mean > 0:
            squares /= mean
        scale, weight = float(mean**-0.5) if mean > 0 else 1.0, 1.0
        if metric == "l2":
            weight = float((2 * max(squares.std(), LEAST_SPREAD)) ** -0.5)
            squares += (weight * (squares - 1)) ** 2
        radius = float(np.sqrt(np.quantile(squares, RADIUS[metric]))) or 1.0
        return cls(metric, center, scale, weight, 1.0, radius if lifted else 0.0)

    @property
    def added(self) -> int:
        """Components that mapping adds to a vector."""
        return int(self.metric == "l2") + int(self.radius > 0)

    @property
    def of_unit_queries(self) -> bool:
        """Whether mapped queries have length 1."""
        return not (self.metric == "l2" or self.keeps_lengths) or self.radius > 0

    def vectors(self, kernels: SearchKernels, rows: Floats) -> Floats:
        """Return ``(n, d)`` finite rows mapped, as float32.

        Raises
        ------
        ParameterError
            If a row is so far from those of the fit that its square overflows.
        """
        if self.metric == "cosine":
            return np.asarray(kernels.units(rows))
        moved = self._moved(rows) * self.scale
        squares = np.einsum("nd,nd->n", moved, moved)
        if len(rows) and squares.max() > LARGEST**2:
            raise ParameterError(
                f"a vector is {np.sqrt(squares.max()):.3g} times as long as those that the model was fitted to; fit it "
                "to vectors such as these, or remove it"
            )
        parts = [moved]
        if self.metric == "l2":
            parts.append(self.weight * (squares - self.square)[:, None])
            squares = squares + parts[-1][:, 0] ** 2
        if not self.radius:
            return np.concatenate(parts, axis=1).astype(np.float32)
        parts.append(np.sqrt(np.maximum(0, self.radius**2 - squares))[:, None])
        return np.asarray(kernels.units(np.concatenate(parts, axis=1).astype(np.float32)))

    def queries(self, kernels: SearchKernels, rows: Floats) -> Floats:
        """Return ``(q, d)`` finite queries mapped, as float32."""
        if self.metric == "cosine":
            return np.asarray(kernels.units(rows))
        own = rows.astype(np.float64) if self.metric == "ip" else self._moved(rows) * self.scale
        parts = [own, *(np.full((len(rows), 1), value) for value in self._constants)]
        mapped = np.concatenate(parts, axis=1).astype(np.float32)
        return np.asarray(kernels.units(mapped)) if self.of_unit_queries else mapped

    @property
    def _constants(self) -> list[float]:
        """The last components of every mapped query."""
        return ([-0.5 / self.weight] if self.metric == "l2" else []) + ([0.0] if self.radius else [])

    def kept(self, kernels: SearchKernels, rows: Floats) -> Floats:
        """Return what an index stores of ``(n, d)`` vectors for the exact step, and what it maps queries to for it."""
        if self.metric == "cosine":
            return np.asarray(kernels.units(rows))
        return self._moved(rows).astype(np.float32) if self.metric == "l2" else rows

    def from_products(self, products: npt.NDArray[Any], rows: npt.NDArray[Any]) -> Floats:
        """Convert the ``(q, n)`` products of mapped queries and vectors to scores.

        Scores are cosines, inner products, or negated squared Euclidean distances; greater is nearer.

        Parameters
        ----------
        products : (q, n) float array
        rows : (q, d) float array
            The queries.
        """
        if self.metric == "cosine":
            return np.asarray(products, dtype=np.float32)
        if self.metric == "ip":
            more = np.asarray(rows, dtype=np.float64) @ self._center
        else:
            more = -self.square / self.scale**2 - _squares(rows, self._center)
        return np.asarray(products * self.slope(rows)[:, None] + more[:, None], dtype=np.float32)

    def slope(self, rows: npt.NDArray[Any]) -> Doubles:
        """Return the factor ``(q,)`` by which scores grow with the products of each query."""
        if self.metric == "cosine":
            return np.ones(len(rows))
        radius = self.radius or 1.0
        if self.metric == "ip":
            lengths = 1.0 if self.keeps_lengths else np.sqrt(_squares(rows, None))
            return np.full(len(rows), lengths * (radius / self.scale))
        if not self.radius:
            return np.full(len(rows), 2 / self.scale**2)
        lengths = np.hypot(np.sqrt(_squares(rows, self._center)) * self.scale, 0.5 / self.weight)
        return np.asarray(lengths * (2 * radius / self.scale**2))

    def from_cosines(self, cosines: Floats, lengths: Floats, rows: npt.NDArray[Any]) -> Floats:
        """Return the scores of :meth:`from_products` from stored vectors, exact up to their rounding.

        Parameters
        ----------
        cosines : (q, n) float32 array
            Cosines of queries and vectors of :meth:`kept`.
        lengths : (q, n) float32 array
            Lengths of these vectors.
        rows : (q, d) float array
            The queries.
        """
        if self.metric == "cosine":
            return cosines
        squares = self.squares(rows)[:, None]
        own = lengths.astype(np.float64)
        products = cosines * own * np.sqrt(squares)
        return np.asarray(products if self.metric == "ip" else 2 * products - own**2 - squares, dtype=np.float32)

    def squares(self, rows: npt.NDArray[Any]) -> Doubles:
        """Return the ``(q,)`` squared lengths of queries mapped by :meth:`kept`."""
        return _squares(rows, self._center if self.metric == "l2" else None)

    @property
    def _center(self) -> Floats:
        assert self.center is not None
        return self.center

    def _moved(self, rows: npt.NDArray[Any]) -> Doubles:
        """Subtract the center from rows, in float64."""
        return np.asarray(rows, dtype=np.float64) - self._center

    def to_arrays(self) -> dict[str, npt.NDArray[Any]]:
        """Return the arrays that a saved model stores; none if vectors are taken as given."""
        if self.as_given:
            return {}
        center = np.empty(0, dtype=np.float32) if self.center is None else self.center
        return {NUMBERS: np.array([self.scale, self.weight, self.square, self.radius]), CENTER: center}

    @classmethod
    def of_arrays(cls, metric: Any, arrays: dict[str, npt.NDArray[Any]]) -> Self:
        """Remove the arrays of :meth:`to_arrays` from those of a model, and return their space.

        Raises
        ------
        FileFormatError
            If they do not describe a space of the metric.
        """
        numbers, center = arrays.pop(NUMBERS, None), arrays.pop(CENTER, None)
        if numbers is None and center is None and metric == "cosine":
            return cls("cosine", as_given=True)
        if (
            numbers is None
            or center is None
            or metric not in METRICS
            or numbers.shape != (4,)
            or not np.isfinite(numbers).all()
            or (metric == "cosine") != (len(center) == 0)
        ):
            raise FileFormatError(f"the model has no valid space of metric {metric!r}; train it again")
        scale, weight, square, radius = (float(number) for number in numbers)
        return cls(metric, None if metric == "cosine" else center, scale, weight, square, radius)


NUMBERS, CENTER = "space.numbers", "space.centre"  # the name in saved files
"""Array names in a saved model."""


class Mapped:
    """The rows of a fit as a space maps them, computed when they are read.

    Parameters
    ----------
    space : Space
    kernels : SearchKernels
    rows : (n, d) array of numbers
        May be memory-mapped from a file.
    """

    def __init__(self, space: Space, kernels: SearchKernels, rows: npt.NDArray[Any]) -> None:
        self._space, self._kernels, self._rows = space, kernels, rows
        self.shape = len(rows), rows.shape[1] + space.added

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, part: Any) -> Floats:
        """Return rows; raises ParameterError if a row contains NaN or infinity."""
        start = part.start or 0 if isinstance(part, slice) else 0
        return self._space.vectors(self._kernels, finite(self._rows[part], start))


def _blocks(rows: npt.NDArray[Any]) -> Any:
    step = max(1, BLOCK_NUMBERS // rows.shape[1])
    for start in range(0, len(rows), step):
        yield finite(rows[start : start + step], start)


def _mean(rows: npt.NDArray[Any]) -> Doubles:
    total = np.zeros(rows.shape[1])
    for block in _blocks(rows):
        total += block.sum(axis=0, dtype=np.float64)
    return total / len(rows)


def _squares(rows: npt.NDArray[Any], center: Floats | None) -> Doubles:
    """Return the ``(n,)`` float64 squared distances from the center."""
    moved = np.asarray(rows, dtype=np.float64) - (0.0 if center is None else center)
    return np.asarray(np.einsum("nd,nd->n", moved, moved))
