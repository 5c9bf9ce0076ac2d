"""Rows of hypervectors for learners: unit vectors whose dot products are the model's similarities."""

from collections.abc import Iterator
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

import hdc
from hdc.dispatch import numpy_backend
from hdc.errors import DimensionError, DTypeError, ParameterError
from hdc.values.components import reals
from hdc.words import WORD_BITS

Floats = npt.NDArray[np.float32]
Which = slice | npt.NDArray[np.int64]

BLOCK_BYTES = 1 << 23
"""Bytes of floats to read per block (8 MiB)."""


SAMPLE = 2048
"""Rows that suffice for their mean."""


class Rows:
    """Hypervectors, kept as small as they came, and read as floats block by block.

    Parameters
    ----------
    data : (n, words) uint64, or (n, dim) array of int8 or float32
        Of packed rows a set bit is -1, and a clear one 1.
    dim : int
        Number of components.
    """

    def __init__(self, data: npt.NDArray[Any], dim: int) -> None:
        self.data, self.dim = data, dim
        self.packed = data.dtype == np.uint64
        self._bytes = _signs_of_bytes(dim) if self.packed else None

    def __len__(self) -> int:
        return len(self.data)

    def take(self, which: Which) -> "Rows":
        """Return some of the rows."""
        return Rows(self.data[which], self.dim)

    def floats(self, which: Which) -> Floats:
        """Return some rows as ``(m, dim)`` float32 of unit length; rows of zeros stay."""
        chosen = self.data[which]
        if self._bytes is not None:
            octets = np.ascontiguousarray(chosen, dtype="<u8").view(np.uint8)
            signs = np.take(self._bytes, octets, axis=0).reshape(len(chosen), WORD_BITS * chosen.shape[1])
            return np.ascontiguousarray(signs[:, : self.dim])
        rows = np.array(chosen, dtype=np.float32, order="C")
        lengths = np.sqrt(np.einsum("nd,nd->n", rows, rows))
        rows /= np.where(lengths > 0, lengths, 1)[:, None]
        return rows

    def mean(self) -> Floats:
        """Return the mean of ``SAMPLE`` rows, evenly apart, as :meth:`floats` has them."""
        chosen = np.linspace(0, len(self) - 1, min(len(self), SAMPLE)).astype(np.int64)
        total = sum(block.sum(axis=0, dtype=np.float64) for _, block in self.blocks(chosen))
        return np.asarray(total / max(1, len(chosen)) + np.zeros(self.dim), dtype=np.float32)

    def blocks(self, order: npt.NDArray[np.int64] | None = None) -> Iterator[tuple[Which, Floats]]:
        """Yield which rows, and these as floats, in an order or as they come."""
        step = max(1, BLOCK_BYTES // (4 * max(1, self.dim)))
        for start in range(0, len(self) if order is None else len(order), step):
            which: Which = slice(start, min(start + step, len(self))) if order is None else order[start : start + step]
            yield which, self.floats(which)


@lru_cache(maxsize=16)
def _signs_of_bytes(dim: int) -> Floats:
    """Return the eight components of each byte of packed rows of length 1, ``(256, 8)``."""
    signs = 1 - 2 * np.unpackbits(np.arange(256, dtype=np.uint8)[:, None], axis=1, bitorder="little").astype(float)
    return np.asarray(signs / np.sqrt(dim), dtype=np.float32)


def rows_of(hypervectors: Any, vsa: "hdc.VSA | None" = None) -> Rows:
    """Return the rows of hypervectors.

    Parameters
    ----------
    hypervectors : (n, storage) array
        Of NumPy or of the model's backend.
    vsa : VSA, optional
        Their model. Without one, uint64 are packed signs, and other numbers are components.

    Raises
    ------
    DimensionError, DTypeError, PaddingError
        If they do not belong to the model.
    ParameterError
        If one has a NaN or infinity.
    UnsupportedError
        If it is not known which numbers make the similarity of the model.
    """
    if vsa is None:
        return _plain(np.asarray(hypervectors))
    given = vsa.check(hypervectors, "hypervectors")
    if given.ndim != 2:
        raise DimensionError(f"hypervectors have shape (n, {vsa.storage}), not {tuple(given.shape)}")
    to_numpy = vsa.kernels.arrays.to_numpy
    if isinstance(vsa, hdc.MAPB):
        return Rows(np.ascontiguousarray(to_numpy(given), dtype=np.uint64), vsa.dim)
    known = to_numpy(given)
    if type(vsa) in (hdc.MAPI, hdc.FHRR, hdc.HRR) and known.dtype.kind in "if":
        return _plain(known)
    step = max(1, BLOCK_BYTES // (64 * vsa.dim))
    parts = [to_numpy(reals(vsa, given[i : i + step])).astype(np.float32) for i in range(0, len(given), step)]
    return _plain(np.concatenate(parts)) if parts else Rows(np.empty((0, vsa.dim), dtype=np.float32), vsa.dim)


def _plain(given: npt.NDArray[Any]) -> Rows:
    if given.ndim != 2:
        raise DimensionError(f"hypervectors have shape (n, components), not {given.shape}")
    if given.dtype.kind == "u" and given.dtype.itemsize == 8:
        return Rows(np.ascontiguousarray(given, dtype=np.uint64), WORD_BITS * given.shape[1])
    if given.dtype.kind not in "biuf":
        raise DTypeError(f"hypervectors are numbers, or packed words of uint64, not {given.dtype}")
    small = given.dtype in (np.int8, np.bool_)
    data = np.ascontiguousarray(given, dtype=np.int8 if small else np.float32)
    if not small and not np.isfinite(data).all():
        raise ParameterError("hypervectors must be finite; NaN or infinity was given")
    return Rows(data, data.shape[1])


def packed_signs(weights: Floats) -> npt.NDArray[np.uint64]:
    """Return the signs of ``(n, dim)`` floats as ``(n, words)`` uint64: a set bit for each negative component."""
    bits = numpy_backend("auto", "signs").bits
    packed: npt.NDArray[np.uint64] = bits.pack(weights < 0)
    return packed
