"""GivenRaBitQBinarizer: RaBitQ codes of another library, with a given operator and given centroids."""

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Literal, Self

import numpy as np
import numpy.typing as npt

from hdc.apps.retrieval.binarizers.base import Floats, Ids, blocks
from hdc.apps.retrieval.binarizers.estimating import EstimatingBinarizer
from hdc.apps.retrieval.binarizers.rabitq_factors import WHOLE, read, whole_word
from hdc.apps.retrieval.binarizers.rabitq_levels import MOST_BITS, grid_planes, grid_vectors
from hdc.apps.retrieval.vectors.space import METRICS, Space
from hdc.checks import choice, integer
from hdc.dispatch import search_kernels
from hdc.errors import FileFormatError, ParameterError, UnsupportedError
from hdc.kernels import PLANE_QUERY, EstimatePart, EstimatePlan
from hdc.search.estimates import Factors
from hdc.words import Words, unpack, word_count

NORMS = np.dtype([("norm", "<f4"), ("unused", "<f4")])
"""The word after the factors, if there are several planes: |r|."""

ROUNDING = 1e-3
"""Most that the products of an operator's rows may differ from those of orthonormal rows."""


class GivenRaBitQBinarizer(EstimatingBinarizer):
    """RaBitQ codes with a given orthogonal operator P, centroids and choice of lists, such as those of a FAISS index.

    A code stores the same facts as a code of :class:`RaBitQBinarizer`, in another layout. After the planes come the
    scale and offset of the signs, as two float32. With several planes, those of the grid vector and the length of the
    residual follow. With several lists, the list number comes last. Factors are not rounded, and reordering rounds
    queries to 16 bits per component, so estimates match those of the library that made the codes. Create a model with
    :meth:`of`; it is not fitted.

    Parameters
    ----------
    metric : {"cosine", "ip", "l2"}
    component_bits : int
        Bits per component, from 1 to 9.
    backend : str
        ``"auto"``, or one of :func:`hdc.list_backends` that computes on NumPy arrays.
        ``"auto"`` or one of :func:`hdc.list_backends` whose arrays are NumPy's.

    Examples
    --------
    >>> import numpy as np
    >>> from hdc.apps.retrieval.binarizers import GivenRaBitQBinarizer
    >>> x = np.random.default_rng(0).standard_normal((300, 64)).astype(np.float32)
    >>> model = GivenRaBitQBinarizer.of(x[:4], metric="l2", nearest=np.column_stack([x[:4], -(x[:4] ** 2).sum(1) / 2]))
    >>> codes = model.transform(x)
    >>> codes.shape, model.lists_
    ((300, 3), 4)
    >>> model.search(x[:2], codes, k=1)[1].ravel()
    array([0, 1])
    """

    def __init__(self, metric: str = "cosine", component_bits: int = 1, backend: str = "auto") -> None:
        self.metric = metric
        self.component_bits = component_bits
        self.backend = backend

    @classmethod
    def of(
        cls,
        centers: npt.ArrayLike,
        *,
        metric: Literal["cosine", "ip", "l2"],
        rotation: npt.ArrayLike | None = None,
        origin: npt.ArrayLike | None = None,
        nearest: npt.ArrayLike | None = None,
        component_bits: int = 1,
        backend: str = "auto",
    ) -> Self:
        """Return a model with the given operator and centroids.

        Parameters
        ----------
        centers : (lists, d) float array
            Centroids, in the coordinates after P.
        metric : {"cosine", "ip", "l2"}
            ``"cosine"`` normalizes vectors and queries first.
        rotation : (d, d) float array, optional
            P, orthogonal; without it, vectors are not rotated.
        origin : (d,) float array, optional
            Subtracted from vectors and queries before P; for ``"l2"`` only.
        nearest : (lists, d + 1) float array, optional
            Decides which lists a query probes: those whose rows have the greatest products with ``(P q, 1)``. By
            default, the lists whose centroids have the greatest products.
        component_bits, backend
            As of the class.

        Raises
        ------
        ParameterError
            If an array has another shape or a number that is not finite, P is not orthogonal, or ``origin`` is given
            with another metric than ``"l2"``.
        """
        model = cls(choice(metric, "metric", METRICS), integer(component_bits, "component_bits", 1, MOST_BITS), backend)
        arrays = {"centers": _floats(centers, "centers")}
        lists, d = arrays["centers"].shape if arrays["centers"].ndim == 2 else (0, 0)
        zeros = np.zeros(lists, dtype=np.float32)
        arrays["nearest"] = (
            np.column_stack([arrays["centers"], zeros]) if nearest is None and lists else _floats(nearest, "nearest")
        )
        if rotation is not None:
            arrays["rotation"] = _floats(rotation, "rotation")
        moved = np.zeros(d, dtype=np.float32) if origin is None else _floats(origin, "origin")
        if moved.shape != (d,) or (metric != "l2" and moved.any()):
            raise ParameterError(f"origin must be {d} numbers for metric='l2', and be left out for {metric!r}")
        model.space_ = Space(metric, None if metric == "cosine" else moved)
        if (why := _wrong(arrays)) is not None:
            raise ParameterError(why)
        model._take(arrays)
        return model

    def fit(self, X: Any, y: Any = None) -> Self:
        """Raise UnsupportedError: the model has nothing to learn.

        Raises
        ------
        UnsupportedError
            Always.
        """
        raise UnsupportedError(
            "a GivenRaBitQBinarizer is created by its method of, with a given operator; to learn, fit a RaBitQBinarizer"
        )

    def _take(self, arrays: dict[str, npt.NDArray[Any]]) -> None:
        self.levels_ = int(self.component_bits)
        self.space_ = replace(self.space_, keeps_lengths=self.metric == "ip")
        self._centers, self._lists = arrays["centers"], arrays["nearest"]
        self._matrix: Floats | None = arrays.get("rotation")
        self._prepare()

    def _prepare(self) -> None:
        self.lists_, self.dim_ = self._centers.shape
        self.n_features_in_ = self.dim_
        self.mean_ = np.zeros(self.dim_, dtype=np.float32)
        self._rotate = self._rotated
        self._squares_of_centers = np.einsum("nd,nd->n", self._centers, self._centers)
        self._lengths_of_centers = np.sqrt(self._squares_of_centers)

    def _rotated(self, x: Floats) -> Floats:
        return x if self._matrix is None else x @ self._matrix.T

    def nearest_lists(self, rotated: Floats, count: int) -> Ids:
        """Return the lists ``(n, count)`` that ``(n, d)`` rotated rows probe, in no order."""
        lists = np.empty((len(rotated), count), dtype=np.int64)
        for part in blocks(len(rotated), 12 * self.lists_):
            products = rotated[part] @ self._lists[:, :-1].T + self._lists[:, -1]
            if count == 1:
                lists[part] = products.argmax(axis=1)[:, None]
            else:
                lists[part] = np.argpartition(-products, count - 1, axis=1)[:, :count]
        return lists

    @property
    def state(self) -> dict[str, npt.NDArray[np.float32]]:
        """The given arrays: ``centers``, ``nearest`` and, if there is one, ``rotation``."""
        self._check_fitted()
        given = {"centers": self._centers, "nearest": self._lists}
        return given if self._matrix is None else {**given, "rotation": self._matrix}

    @property
    def words(self) -> int:
        """Words per code: planes, factors and, with several lists, the list number."""
        return self._planes + (3 if self.levels_ > 1 else 1) + (self.lists_ > 1)

    @property
    def estimated_twice(self) -> bool:
        """Whether searches reorder the candidates of the signs by :meth:`whole_scores`: always, with 16-bit queries."""
        return True

    @property
    def symmetric(self) -> bool:
        """Whether codes can be compared with each other: never."""
        return False

    def _encode(self, x: Floats) -> Words:
        rotated = self._rotate(self._own(x))
        cells = self.nearest_lists(rotated, 1)[:, 0]
        centers = self._centers[cells]
        residual = rotated - centers
        square = np.float32(0) if self._by_distance else None
        y = grid_vectors(residual, self.levels_)
        words = [grid_planes(y, self.levels_), whole_word(residual, np.where(y > 0, 1, -1), centers, square)]
        if self.levels_ > 1:
            words += [whole_word(residual, y, centers, square), norm_word(np.linalg.norm(residual, axis=1))]
        return self.code(words, cells)

    def code(self, words: Sequence[Words], cells: Ids) -> Words:
        """Join the parts of codes, ``(n, w)`` words each, and the numbers of their lists."""
        return np.concatenate([*words, cells[:, None].astype(np.uint64)] if self.lists_ > 1 else [*words], axis=1)

    def constants(self, planes: Words, scale: Floats, cells: Ids, weights: Sequence[int]) -> Floats:
        """Return ``scale (y . c)`` of codes: the excess of estimates of products with a query.

        Parameters
        ----------
        planes : (n, w) uint64 array
        scale : (n,) float32 array
        cells : (n,) int64 array
        weights : sequence of int
            Factor of the components +1 and -1 of each plane.
        """
        sums, width = np.empty(len(planes), dtype=np.float32), word_count(self.dim_)
        for part in blocks(len(planes), 24 * self.dim_):
            y = np.zeros((len(planes[part]), self.dim_), dtype=np.float32)
            for number, weight in enumerate(weights):
                plane = planes[part, number * width : (number + 1) * width]
                y += (unpack(plane, self.dim_).astype(np.float32) * 2 - 1) * weight
            sums[part] = np.einsum("nd,nd->n", y, self._centers[cells[part]])
        return sums * scale

    def factors(self, codes: Words) -> Factors:
        """Read the factors of the signs of ``(n, words)`` codes; raises as :meth:`cells`."""
        scale, offset = self._read(codes, 0)
        return Factors(scale * np.float32(math.sqrt(self.dim_)), offset, self.cells(codes))

    def whole(self, codes: Words) -> tuple[Floats, Floats]:
        """Read the scale and offset ``(n,)`` of all planes of ``(n, words)`` codes."""
        return self._read(codes, int(self.levels_ > 1))

    def _read(self, codes: Words, number: int) -> tuple[Floats, Floats]:
        at = self._planes + number
        words = read(codes[:, at : at + 1], WHOLE)
        return words["scale"].astype(np.float32), words["offset"].astype(np.float32)

    def norms(self, codes: Words) -> Floats:
        """Return the lengths ``(n,)`` of the residuals of codes.

        Raises
        ------
        UnsupportedError
            If the codes do not store it: those of one bit per component, unless the metric is ``"l2"``.
        """
        if self.levels_ > 1:
            at = self._planes + 2
            return np.asarray(read(codes[:, at : at + 1], NORMS)["norm"], dtype=np.float32)
        if not self._by_distance:
            raise UnsupportedError(
                f"codes of 1 bit per component for metric={self.metric!r} store products of residuals but not their "
                "lengths, which the error bound needs; scores work without them"
            )
        cells, (scale, offset) = self.cells(codes), self._read(codes, 0)
        own = self.constants(codes[:, : self._planes], scale, cells, (1,))
        return np.asarray(np.sqrt(np.maximum(0, -2 * (offset + own) - self._squares_of_centers[cells])))

    def plan(
        self,
        parts: Sequence[EstimatePart],
        originals: npt.NDArray[np.int8] | None,
        codes: Words | None = None,
        lengths: Floats | None = None,
    ) -> EstimatePlan | None:
        """Return None: compiled searches rotate as :class:`RaBitQBinarizer` does."""
        return None

    def _asked_of(self, queries: Floats, rotated: Floats, probes: int) -> tuple[Floats, Ids]:
        lists = self.nearest_lists(rotated, probes)
        return self._base_of(rotated, lists), lists

    @property
    def _apart(self) -> Floats | None:
        return self._centers

    def whole_scores(self, queries: Floats, codes: Words, rows: Ids) -> Floats:
        """Estimate, by all planes, the dot products of ``(q, d)`` queries with the vectors of ``(q, c)`` rows.

        Rows index ``(n, words)`` codes; row -1 gets the estimate -inf.
        """
        kernels = search_kernels(self.kernels)
        scores = np.full(rows.shape, -np.inf, dtype=np.float32)
        if not len(codes):
            return scores
        for part in blocks(len(rows), 4 * rows.shape[1] * (self.dim_ + 2 * codes.shape[1])):
            rotated, own = self._rotate(self._own(queries[part])), rows[part]
            integers, unit = kernels.rounded(rotated, PLANE_QUERY)
            dots = kernels.gather_planes(integers, codes, own, self.levels_).astype(np.float32)
            found = codes[np.maximum(own, 0).ravel()]
            scale, offset = (factor.reshape(own.shape) for factor in self.whole(found))
            base = self._base_of(rotated, self.cells(found).reshape(own.shape))
            np.copyto(scores[part], dots * unit[:, None] * scale + offset + base, where=own >= 0)
        return scores

    def _state(self) -> dict[str, npt.NDArray[Any]]:
        return dict(self.state)

    def _set_state(self, arrays: dict[str, npt.NDArray[Any]]) -> None:
        given = {name: arrays[name] for name in ("centers", "nearest")}
        if "rotation" in arrays:
            given["rotation"] = arrays["rotation"]
        why = _wrong(given)
        center = self.space_.center
        if why is None and center is not None and center.shape != given["centers"].shape[1:]:
            why = "its space has another length"
        if why is not None or type(self.component_bits) is not int or not 1 <= self.component_bits <= MOST_BITS:
            raise FileFormatError(f"a GivenRaBitQBinarizer cannot have these arrays: {why or 'its bits are wrong'}")
        self._take(given)


def norm_word(norm: Floats) -> Words:
    """Store the lengths ``(n,)`` of residuals in words ``(n, 1)``."""
    words = np.zeros(len(norm), dtype=NORMS)
    words["norm"] = norm
    return words.view("<u8").astype(np.uint64)[:, None]


def _floats(given: Any, name: str) -> Floats:
    """Return a float32 array; raises ParameterError if ``given`` is not numeric."""
    try:
        return np.ascontiguousarray(given, dtype=np.float32)
    except (TypeError, ValueError):
        raise ParameterError(f"{name} must be an array of numbers, not {given!r:.60}") from None


def _wrong(arrays: dict[str, npt.NDArray[Any]]) -> str | None:
    """Return what is wrong with the arrays of a model, or None."""
    centers = arrays["centers"]
    if centers.ndim != 2 or not len(centers) or centers.shape[1] < 2:
        return f"centers must have shape (lists, d), with d of at least 2, not {centers.shape}"
    lists, d = centers.shape
    shapes = {"centers": (lists, d), "nearest": (lists, d + 1), "rotation": (d, d)}
    for name, array in arrays.items():
        if array.shape != shapes[name] or array.dtype != np.float32 or not np.isfinite(array).all():
            return f"{name} must be finite float32 of shape {shapes[name]}, not {array.dtype} of {array.shape}"
    if "rotation" in arrays:
        matrix = arrays["rotation"].astype(np.float64)
        if np.abs(matrix @ matrix.T - np.eye(d)).max() > ROUNDING:
            return "rotation must be orthogonal: products of different rows must be 0, and of a row with itself 1"
    return None
