"""Indexes filled from packed bytes."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from hdc.apps.retrieval.vectors.quantized import octets
from hdc.checks import integer, listed
from hdc.errors import DimensionError, MismatchError
from hdc.words import BitOrder, Words, from_bytes

BLOCK = 1 << 16
"""Rows that are made words, or floats, at a time."""

TRAINING = 50_000
"""Most rows that lists, or a mean, are found from."""


def blocks(count: int, first: int = 0) -> list[slice]:
    """Return slices of ``BLOCK`` rows, from one on."""
    return [slice(start, min(count, start + BLOCK)) for start in range(first, count, BLOCK)]


def packed_rows(codes: Any, dim: int | None) -> tuple[Any, int]:
    """Return ``(n, bytes)`` packed rows, mapped perhaps, and the bits that count."""
    rows = octets(codes, np.dtype("uint8"), "packed bytes")
    if rows.ndim != 2 or rows.shape[1] == 0:
        raise DimensionError(f"packed bytes must have shape (n, bytes), not {rows.shape}")
    return rows, 8 * rows.shape[1] if dim is None else integer(dim, "dim", 1)


def add_packed(index: Any, rows: Any, keys: Sequence[str | None] | None, bitorder: BitOrder) -> None:
    """Add ``(n, bytes)`` rows to a :class:`BinaryIndex`, block by block, of whose lists it finds the centroids first.

    Raises
    ------
    MismatchError
        If there are not as many keys as rows.
    """
    names = None if keys is None else checked_keys(keys, len(rows))

    def words(part: Any) -> Words:
        return from_bytes(rows[part], index.dim, bitorder=bitorder)

    if index.kind == "ivf" and index.coarse is None:
        index.train(words(sampled(len(rows))))
    for part in blocks(len(rows)):
        index.add(words(part), keys=None if names is None else names[part])


def checked_keys(keys: Sequence[str | None], count: int) -> list[Any]:
    """Return keys as a list; raises MismatchError if there are not as many as rows."""
    names = listed(keys, "keys")
    if len(names) != count:
        raise MismatchError(f"there are {len(names)} keys for {count} rows")
    return names


def sampled(count: int) -> Any:
    """Return the numbers of at most ``TRAINING`` rows, ascending."""
    if count <= TRAINING:
        return np.arange(count)
    return np.sort(np.random.default_rng(0).choice(count, TRAINING, replace=False))
