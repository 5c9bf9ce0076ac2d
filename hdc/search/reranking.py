"""Originals: the vectors behind the codes, stored in few bytes, to put candidates in their exact order."""

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from hdc.checks import array, choice, integer, wrong
from hdc.errors import DimensionError, DTypeError, ParameterError
from hdc.kernels import SearchKernels
from hdc.search.measures import Floats, Ids
from hdc.store import Snapshot
from hdc.words import MAX_DIM

BLOCK_FLOATS = 1 << 22
"""Numbers of originals compared at a time (16 MiB)."""

DTYPES = ("int8", "float16", "float32")

ORIGINALS, LENGTHS = "originals", "lengths"
"""Columns of a store for originals, and for their lengths."""


@dataclass(frozen=True)
class Originals:
    """How originals are stored: dtype and width. The measure is one minus the cosine, so int8 needs no scale.

    With ``lengths``, their float32 lengths are stored too, for measures that need them.
    """

    dtype: str
    width: int
    lengths: bool = False

    def __post_init__(self) -> None:
        choice(self.dtype, "the dtype of originals", DTYPES)
        integer(self.width, "the width of originals", 1, MAX_DIM)

    @classmethod
    def of(cls, pair: Any) -> Self:
        """Return the originals of a (dtype, width) pair, optionally with True; raises ParameterError for others."""
        whole = isinstance(pair, tuple | list) and (len(pair) == 2 or (len(pair) == 3 and pair[2] is True))
        if not whole:
            raise wrong(pair, "originals", "a dtype and a width, such as ('int8', 384)")
        return cls(*pair)

    @property
    def settings(self) -> list[Any]:
        """The value that :meth:`of` accepts."""
        return [self.dtype, self.width, *([True] if self.lengths else [])]

    @property
    def columns(self) -> dict[str, tuple[npt.DTypeLike, int]]:
        """The columns of a store, with their dtypes and widths."""
        columns: dict[str, tuple[npt.DTypeLike, int]] = {ORIGINALS: (self.dtype, self.width)}
        if self.lengths:
            columns[LENGTHS] = ("float32", 1)
        return columns

    def rows(self, vectors: Floats) -> dict[str, npt.NDArray[Any]]:
        """Return the contents of these columns for ``(n, width)`` vectors."""
        rows: dict[str, npt.NDArray[Any]] = {ORIGINALS: self.encoded(vectors)}
        if self.lengths:
            squares = np.einsum("nd,nd->n", vectors, vectors, dtype=np.float64)
            rows[LENGTHS] = np.sqrt(squares)[:, None].astype(np.float32)
        return rows

    def decoded(self, snapshot: Snapshot, positions: Ids) -> Floats:
        """Return ``(n, width)`` float32 vectors of rows, with their lengths if these are stored, else of length 1."""
        vectors = snapshot.take(ORIGINALS, positions).astype(np.float32)
        own = np.linalg.norm(vectors, axis=1, keepdims=True)
        vectors /= np.where(own > 0, own, 1)
        return vectors * snapshot.take(LENGTHS, positions) if self.lengths else vectors

    def checked(self, vectors: Any, count: int) -> Floats:
        """Return ``(count, width)`` float32 vectors after checking them.

        Raises
        ------
        DTypeError, DimensionError
            If they are not floats, or have another shape.
        ParameterError
            If a vector is not finite.
        """
        floats = array(vectors, "originals")
        if floats.dtype.kind != "f":
            raise DTypeError(f"originals must be floats, not {floats.dtype}")
        if floats.shape != (count, self.width):
            raise DimensionError(f"originals must have shape ({count}, {self.width}), not {floats.shape}")
        if not np.isfinite(floats).all():
            row = int(np.flatnonzero(~np.isfinite(floats).all(axis=1))[0])
            raise ParameterError(f"original {row} contains NaN or infinity; remove it first")
        return floats.astype(np.float32, copy=False)

    def encoded(self, vectors: Floats) -> npt.NDArray[Any]:
        """Return vectors in their stored form, with the largest component scaled to 1 (or 127 for int8)."""
        largest = np.abs(vectors).max(axis=1, initial=0, keepdims=True)
        unit = vectors / np.where(largest > 0, largest, 1)
        return np.rint(unit * 127).astype(np.int8) if self.dtype == "int8" else unit.astype(self.dtype)

    def distances(self, kernels: SearchKernels, queries: Floats, snapshot: Snapshot, positions: Ids) -> Floats:
        """Return one minus the cosine of each query with the originals of its candidates: ``(q, c)`` float32.

        Parameters
        ----------
        kernels : SearchKernels
        queries : (q, width) float32 array
        snapshot : Snapshot
        positions : (q, c) int64 array
            -1 means none.
        """
        kept = snapshot.raw(ORIGINALS)
        snapshot.check(ORIGINALS, positions[positions >= 0])
        if self.dtype == "int8":
            return 1 - _byte_cosines(kernels, queries, kept, positions)
        return 1 - float_cosines(queries, kept, positions)


def _byte_cosines(kernels: SearchKernels, queries: Floats, kept: npt.NDArray[np.int8], rows: Ids) -> Floats:
    """Return cosines with queries rounded to 16 bits: exact in integers, so the same on every machine."""
    asked, _ = kernels.rounded(queries, 32767)
    dots, squares = kernels.gather_dots(asked, kept, rows)
    own = np.einsum("qd,qd->q", asked, asked, dtype=np.int64)[:, None]
    lengths = np.sqrt(squares.astype(np.float64)) * np.sqrt(own.astype(np.float64))
    cosines: Floats = np.divide(dots, lengths, out=np.zeros(rows.shape), where=lengths > 0).astype(np.float32)
    return cosines


def float_cosines(queries: Floats, kept: npt.NDArray[Any], rows: Ids) -> Floats:
    """Return the cosine of each query with its own rows: ``(q, c)`` float32, 0 for zero vectors.

    Parameters
    ----------
    queries : (q, width) float32 array
    kept : (n, width) array
    rows : (q, c) int64 array
        -1 reads the last row.
    """
    cosines = np.zeros(rows.shape, dtype=np.float32)
    if not len(kept):
        return cosines
    for start in range(0, len(queries), step := max(1, BLOCK_FLOATS // max(1, rows.shape[1] * queries.shape[1]))):
        part = slice(start, start + step)
        vectors, asked = kept[rows[part]].astype(np.float32), queries[part]
        dots = np.matmul(vectors, asked[:, :, None])[:, :, 0]
        lengths = np.sqrt(np.einsum("qcd,qcd->qc", vectors, vectors) * np.einsum("qd,qd->q", asked, asked)[:, None])
        np.divide(dots, lengths, out=cosines[part], where=lengths > 0)
    return cosines
