"""Embeddings that another program has quantized, in the formats of sentence-transformers and Cohere.

- ``"ubinary"``: the signs, 1 where a component is positive, packed by :func:`numpy.packbits` with the first component
  in the highest bit: ``(n, ceil(d / 8))`` uint8. ``"binary"``: the same bytes less 128, as int8.
- ``"int8"``, ``"uint8"``: with ``ranges``, the minimum and maximum per component, each component counts equal steps
  from the minimum, 255 per range, rounded down; int8 is less by 128. (sentence-transformers before release 6 rounded
  int8 towards zero, a difference of half a step on average.) Without ranges, the integers themselves are the
  components, up to a factor. uint8 has no negative numbers, so it needs ranges.
"""

from dataclasses import dataclass
from typing import Any, Literal, Self, TypeAlias

import numpy as np
import numpy.typing as npt

from hdc.apps.retrieval.vectors.rows import shaped
from hdc.checks import array, choice
from hdc.errors import DimensionError, DTypeError, ParameterError
from hdc.words import Words, from_bytes

Floats = npt.NDArray[np.float32]

Precision: TypeAlias = Literal["int8", "uint8", "binary", "ubinary"]

PRECISIONS: tuple[Precision, ...] = ("int8", "uint8", "binary", "ubinary")

STEPS = 255
"""Steps per range, as in sentence-transformers."""


@dataclass(frozen=True, eq=False)
class Quantized:
    """Rows in a known format; :meth:`of` checks and creates them.

    Attributes
    ----------
    rows : (n, d) int8 or uint8 array, or (n, bytes)
        May be memory-mapped from a file; lists of integers become an array.
    precision : str
    ranges : (2, d) float32 array or None
    """

    rows: npt.NDArray[Any]
    precision: Precision
    ranges: Floats | None = None

    @classmethod
    def of(cls, rows: Any, precision: str, ranges: Any = None) -> Self:
        """Return checked rows in a format.

        Raises
        ------
        ParameterError
            If the format is unknown, or the ranges do not fit it.
        DTypeError, DimensionError
            If rows or ranges have another dtype or shape.
        """
        form: Precision = choice(precision, "precision", PRECISIONS)
        expected = np.dtype("int8" if form in ("int8", "binary") else "uint8")
        given = shaped(octets(rows, expected, "embeddings"), None, "embeddings")
        if given.dtype != expected:
            raise DTypeError(f"embeddings of precision {form!r} must be {expected}, not {given.dtype}")
        if ranges is not None and form in ("binary", "ubinary"):
            raise ParameterError(f"ranges are for int8 and uint8, but precision is {form!r}; leave them out")
        if ranges is None and form == "uint8":
            raise ParameterError("uint8 has no negative numbers; pass the ranges that embeddings were quantized with")
        return cls(given, form, None if ranges is None else _ranges(ranges, given.shape[1]))

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def of_bits(self) -> bool:
        """Whether components are bits."""
        return self.precision in ("binary", "ubinary")

    def words(self, part: Any, dim: int) -> Words:
        """Return rows of bits as packed words."""
        rows = self.rows[part]
        if self.precision == "binary":
            rows = (rows.astype(np.int16) + 128).astype(np.uint8)
        return from_bytes(rows, dim, bitorder="big")

    def floats(self, part: Any) -> Floats:
        """Return rows of integers as ``(n, d)`` float32: the midpoint of each step, or the integers without ranges."""
        rows: Floats = self.rows[part].astype(np.float32)
        if self.ranges is None:
            return rows
        start, stop = self.ranges
        middle = rows + np.float32(128.5 if self.precision == "int8" else 0.5)
        return np.asarray(start + middle * ((stop - start) / np.float32(STEPS)))


def octets(rows: Any, dtype: np.dtype[Any], what: str) -> npt.NDArray[Any]:
    """Return an array unchanged; lists of integers, as services send them, become an array of ``dtype`` if they fit."""
    given = array(rows, what)
    if isinstance(rows, np.ndarray) or given.dtype != np.int64 or not given.size:
        return given
    room = np.iinfo(dtype)
    return given.astype(dtype) if room.min <= given.min() and given.max() <= room.max else given


def _ranges(given: Any, dim: int) -> Floats:
    ranges = array(given, "ranges")
    if ranges.dtype.kind not in "fiu":
        raise DTypeError(f"ranges must be numbers, not {ranges.dtype}")
    if ranges.shape != (2, dim):
        raise DimensionError(f"ranges must have shape (2, {dim}), minima and maxima, not {ranges.shape}")
    if not np.isfinite(ranges).all() or (ranges[0] > ranges[1]).any():
        raise ParameterError("ranges must be finite, with the minimum of each component first")
    return ranges.astype(np.float32)
