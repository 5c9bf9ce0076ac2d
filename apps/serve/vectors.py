"""Read vectors and codes from JSON: arrays of numbers, or base64 of bytes."""

import base64
import binascii
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from hdc.apps.retrieval import BinaryIndex
from hdc.apps.serve.answers import unprocessable
from hdc.words import Words, from_bytes, word_count

BITORDER = "bitorder"
"""Entry of an index's meta: the bit order of the bytes that it was built from."""


def vectors_of(given: Sequence[list[float] | str], dim: int) -> npt.NDArray[np.float32]:
    """Return ``(n, dim)`` vectors.

    Raises
    ------
    RefusedError
        422 if a vector has another length, is not base64, or is not finite.
    """
    rows = np.empty((len(given), dim), np.float32)
    for at, one in enumerate(given):
        values = np.frombuffer(_bytes(one, "a vector", 4), "<f4") if isinstance(one, str) else _floats(one)
        if len(values) != dim:
            raise unprocessable(f"a vector has {len(values)} numbers; the vectors of this index have {dim}")
        rows[at] = values
    if not np.isfinite(rows).all():
        raise unprocessable("a vector must be finite in float32; one has NaN, infinity or a number beyond 3.4e38")
    return rows


def codes_of(given: Sequence[str], index: BinaryIndex, bitorder: Any) -> Words:
    """Return codes in the shape of the index: ``(n, words)`` or ``(n, levels, words)``.

    Raises
    ------
    RefusedError
        422 if a code has another length or is not base64, or the bit order is unknown.
    PaddingError
        If bits after the last component are set.
    """
    order = bitorder or index.store.meta.get(BITORDER)
    if order is None:
        raise unprocessable("name the order of bits in a byte: bitorder big for numpy.packbits, else little")
    plane = -(-index.dim // 8)
    size = plane * index.levels
    rows = np.empty((len(given), size), np.uint8)
    for at, one in enumerate(given):
        content = _bytes(one, "a code")
        if len(content) != size:
            raise unprocessable(f"a code has {len(content)} bytes; those of this index have {size} ({index.dim} bits)")
        rows[at] = np.frombuffer(content, np.uint8)
    if index.levels == 1:
        return from_bytes(rows, index.dim, bitorder=order)
    planes = from_bytes(rows.reshape(len(given) * index.levels, plane), index.dim, bitorder=order)
    return planes.reshape(len(given), index.levels, word_count(index.dim))


def _floats(numbers: list[float]) -> npt.NDArray[np.float32]:
    with np.errstate(over="ignore"):
        return np.array(numbers, np.float64).astype(np.float32)


def _bytes(text: str, what: str, item: int = 1) -> bytes:
    try:
        found = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise unprocessable(f"{what} is not base64: {error}") from None
    if len(found) % item:
        raise unprocessable(f"{what} has {len(found)} bytes, which is not a multiple of {item}")
    return found
