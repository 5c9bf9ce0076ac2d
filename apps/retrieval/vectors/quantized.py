"""Embeddings that somebody else has quantized, by the names that sentence-transformers and Cohere have for the forms.

- ``"ubinary"``: the signs, 1 where a component is positive, packed by :func:`numpy.packbits`, the first component in
  the highest bit: ``(n, ceil(d / 8))`` uint8. ``"binary"``: the same bytes less 128, as int8.
- ``"int8"``, ``"uint8"``: with ``ranges``, the least and the greatest value of each component, a component is a number
  of equal steps, 255 between the two, rounded down, counted from the least value, and less 128 for int8. (Releases of
  sentence-transformers before 6 rounded int8 towards zero, which is half a step else on average.) Without ranges, the
  numbers themselves are the components, up to a factor; uint8, which has no negative ones, needs ranges.
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
"""Parts of a range, as sentence-transformers counts them."""


@dataclass(frozen=True, eq=False)
class Quantized:
    """Rows of a known form; made by :meth:`of`, which checks them.

    Attributes
    ----------
    rows : (n, d) int8 or uint8 array, or (n, bytes)
        May be mapped from a file; lists of such integers become an array.
    precision : str
    ranges : (2, d) float32 array or None
    """

    rows: npt.NDArray[Any]
    precision: Precision
    ranges: Floats | None = None

    @classmethod
    def of(cls, rows: Any, precision: str, ranges: Any = None) -> Self:
        """Return rows of a form.

        Raises
        ------
        ParameterError
            If there is no such form, or the ranges do not go with it.
        DTypeError, DimensionError
            If rows or ranges are of another dtype or shape.
        """
        form: Precision = choice(precision, "precision", PRECISIONS)
        expected = np.dtype("int8" if form in ("int8", "binary") else "uint8")
        given = shaped(octets(rows, expected, "embeddings"), None, "embeddings")
        if given.dtype != expected:
            raise DTypeError(f"embeddings of precision {form!r} are {expected}, not {given.dtype}")
        if ranges is not None and form in ("binary", "ubinary"):
            raise ParameterError(f"ranges are for int8 and uint8, and precision is {form!r}")
        if ranges is None and form == "uint8":
            raise ParameterError("uint8 has no negative numbers; give the ranges that the embeddings were quantized by")
        return cls(given, form, None if ranges is None else _ranges(ranges, given.shape[1]))

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def of_bits(self) -> bool:
        """Whether a component is a bit."""
        return self.precision in ("binary", "ubinary")

    def words(self, part: Any, dim: int) -> Words:
        """Return some rows of bits as packed words."""
        rows = self.rows[part]
        if self.precision == "binary":
            rows = (rows.astype(np.int16) + 128).astype(np.uint8)
        return from_bytes(rows, dim, bitorder="big")

    def floats(self, part: Any) -> Floats:
        """Return some rows of numbers as ``(n, d)`` float32: the middle of what became each number, or the numbers."""
        rows: Floats = self.rows[part].astype(np.float32)
        if self.ranges is None:
            return rows
        start, stop = self.ranges
        middle = rows + np.float32(128.5 if self.precision == "int8" else 0.5)
        return np.asarray(start + middle * ((stop - start) / np.float32(STEPS)))


def octets(rows: Any, dtype: np.dtype[Any], what: str) -> npt.NDArray[Any]:
    """Return an array as it is; of lists of integers, as services send them, one of a dtype that has room for them."""
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
        raise DimensionError(
            f"ranges must have shape (2, {dim}), the least and the greatest values, not {ranges.shape}"
        )
    if not np.isfinite(ranges).all() or (ranges[0] > ranges[1]).any():
        raise ParameterError("ranges must be finite, the least value of each component first")
    return ranges.astype(np.float32)
