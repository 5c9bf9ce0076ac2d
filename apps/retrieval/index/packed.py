"""Fill an index from packed bytes."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from hdc.apps.retrieval.vectors.quantized import octets
from hdc.checks import integer, listed
from hdc.errors import DimensionError, MismatchError
from hdc.words import BitOrder, Words, from_bytes

BLOCK = 1 << 16
"""Rows per block that is converted to words or floats."""

TRAINING = 50_000
"""Most rows to train lists or a mean on."""


def blocks(count: int, first: int = 0) -> list[slice]:
    """Return slices of at most ``BLOCK`` rows, from row ``first`` on."""
    return [slice(start, min(count, start + BLOCK)) for start in range(first, count, BLOCK)]


def packed_rows(codes: Any, dim: int | None) -> tuple[Any, int]:
    """Return ``(n, bytes)`` packed rows, which may be mapped from a file, and the bits of a code."""
    rows = octets(codes, np.dtype("uint8"), "packed bytes")
    if rows.ndim != 2 or rows.shape[1] == 0:
        raise DimensionError(f"packed bytes must have shape (n, bytes), not {rows.shape}")
    return rows, 8 * rows.shape[1] if dim is None else integer(dim, "dim", 1)


def add_packed(index: Any, rows: Any, keys: Sequence[str | None] | None, bitorder: BitOrder) -> None:
    """Add ``(n, bytes)`` rows to a :class:`BinaryIndex`, block by block; train its IVF lists first if it has any.

    Raises
    ------
    MismatchError
        If there is not one key per row.
    """
    names = None if keys is None else checked_keys(keys, len(rows))

    def words(part: Any) -> Words:
        return from_bytes(rows[part], index.dim, bitorder=bitorder)

    if index.kind == "ivf" and index.coarse is None:
        index.train(words(sampled(len(rows))))
    for part in blocks(len(rows)):
        index.add(words(part), keys=None if names is None else names[part])


def checked_keys(keys: Sequence[str | None], count: int) -> list[Any]:
    """Return keys as a list; raises MismatchError if there is not one per row."""
    names = listed(keys, "keys")
    if len(names) != count:
        raise MismatchError(f"keys must be one per row: there are {len(names)} keys for {count} rows")
    return names


def sampled(count: int) -> Any:
    """Return the numbers of at most ``TRAINING`` rows to train on, ascending."""
    if count <= TRAINING:
        return np.arange(count)
    return np.sort(np.random.default_rng(0).choice(count, TRAINING, replace=False))
