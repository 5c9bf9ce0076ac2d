"""The packed layout: bit ``i`` of word ``w`` is component ``64 w + i``; bits beyond ``dim`` are zero.

A packed hypervector array has shape ``(..., words)`` and dtype ``uint64``. Everything that reads or writes
this layout outside a compiled kernel goes through this module.
"""

from typing import Any, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from hdc.checks import array, choice, integer
from hdc.errors import DimensionError, DTypeError, PaddingError

WORD_BITS = 64

MAX_DIM = 2**31 - 1
"""Most components of a vector: Hamming distances are int32."""

Words = npt.NDArray[np.uint64]
Bits = npt.NDArray[np.bool_]

BitOrder: TypeAlias = Literal["little", "big"]

BITORDERS: tuple[BitOrder, ...] = ("little", "big")
"""Which bit of a byte comes first: ``"little"``, the lowest, as here and in FAISS; ``"big"``, the highest, as
:func:`numpy.packbits` does by default, and with it sentence-transformers and Cohere."""

_REVERSED = np.packbits(np.unpackbits(np.arange(256, dtype=np.uint8)[:, None], axis=1, bitorder="little"), axis=1)[:, 0]


def word_count(dim: int) -> int:
    """Return the number of 64-bit words of ``dim`` components."""
    return -(-dim // WORD_BITS)


def tail_mask(dim: int) -> np.uint64:
    """Return the mask of the bits of the last word that are components."""
    used = dim % WORD_BITS
    return np.uint64(2**64 - 1) if used == 0 else np.uint64(2**used - 1)


def mask_tail(words: Words, dim: int) -> Words:
    """Clear, in place, the padding bits of a writeable ``(..., words)`` array and return it."""
    if words.shape[-1]:
        words[..., -1] &= tail_mask(dim)
    return words


def as_words(x: Any, dim: int, what: str = "array") -> Words:
    """Return ``x`` as a native ``(..., words)`` uint64 array, copied only if its byte order is foreign.

    Raises
    ------
    DTypeError
        If ``x`` is not a NumPy array of unsigned 64-bit words.
    DimensionError
        If the last axis is not ``word_count(dim)``.
    PaddingError
        If a bit beyond ``dim`` is set.
    """
    if not isinstance(x, np.ndarray) or x.dtype.kind != "u" or x.dtype.itemsize != 8:
        given = f"dtype {x.dtype}" if isinstance(x, np.ndarray) else type(x).__name__
        raise DTypeError(
            f"{what} must be a packed NumPy uint64 array, not {given}; pack components with hdc.words.pack"
        )
    dim = integer(dim, "dim", 1)
    if x.ndim == 0 or x.shape[-1] != word_count(dim):
        raise DimensionError(f"{what} has shape {x.shape}; dim={dim} needs {word_count(dim)} words on the last axis")
    words = x.astype(np.uint64, copy=False)
    if dim % WORD_BITS and _has_stray_bits(words, dim):
        raise PaddingError(
            f"{what} has bits set beyond component {dim - 1}; clear them with hdc.words.mask_tail(x.copy(), {dim})"
        )
    return words


def _has_stray_bits(words: Words, dim: int) -> bool:
    """Return whether padding is set; of one vector as a plain number, which takes a tenth of the time."""
    if words.ndim == 1:
        return int(words[-1]) >> dim % WORD_BITS != 0
    return words.size > 0 and bool(np.any(words[..., -1] & ~tail_mask(dim)))


def pack(components: npt.ArrayLike) -> Words:
    """Pack booleans (or 0/1 integers) into words.

    Parameters
    ----------
    components : (..., dim) array of bool, or of integers that are 0 or 1

    Returns
    -------
    (..., words) uint64 array

    Raises
    ------
    DTypeError
        If the components are neither booleans nor integers 0 and 1.
    DimensionError
        If there is no last axis, or it is empty.
    """
    try:
        bits = np.asarray(components)
    except ValueError as error:
        raise DTypeError(f"pack takes an array of booleans, not lists of different lengths ({error})") from None
    if bits.dtype.kind not in "bui" or (bits.dtype.kind != "b" and bool(((bits != 0) & (bits != 1)).any())):
        raise DTypeError(f"pack takes booleans or integers 0 and 1, not dtype {bits.dtype} with other values")
    if bits.ndim == 0 or bits.shape[-1] == 0:
        raise DimensionError(f"pack takes an array of shape (..., dim) with dim >= 1, not {bits.shape}")
    dim = bits.shape[-1]
    packed = np.zeros((*bits.shape[:-1], word_count(dim) * 8), dtype=np.uint8)
    packed[..., : -(-dim // 8)] = np.packbits(bits.astype(np.bool_, copy=False), axis=-1, bitorder="little")
    return packed.view("<u8").astype(np.uint64, copy=False)


def unpack(words: Words, dim: int) -> Bits:
    """Unpack ``(..., words)`` uint64 to ``(..., dim)`` bool; the inverse of :func:`pack`.

    Raises
    ------
    DTypeError, DimensionError, PaddingError
        As :func:`as_words`.
    """
    checked = np.ascontiguousarray(as_words(words, dim), dtype="<u8")
    as_bytes = checked.view(np.uint8)
    return np.unpackbits(as_bytes, axis=-1, count=dim, bitorder="little").view(np.bool_)


def to_bytes(words: Words, dim: int, *, bitorder: BitOrder) -> npt.NDArray[np.uint8]:
    """Return ``(..., words)`` uint64 as ``(..., ceil(dim / 8))`` uint8, the bits of each byte in an order.

    Raises
    ------
    DTypeError, DimensionError, PaddingError
        As :func:`as_words`.
    ParameterError
        If the order is unknown.
    """
    choice(bitorder, "bitorder", BITORDERS)
    little = np.ascontiguousarray(as_words(words, dim), dtype="<u8").view(np.uint8)[..., : -(-dim // 8)]
    return np.ascontiguousarray(little if bitorder == "little" else _REVERSED[little])


def from_bytes(rows: npt.ArrayLike, dim: int | None = None, *, bitorder: BitOrder) -> Words:
    """Return packed bytes as words; the inverse of :func:`to_bytes`.

    Parameters
    ----------
    rows : (..., bytes) uint8 array
        For example the output of ``numpy.packbits(x > 0, axis=-1)``, whose bit order is ``"big"``.
    dim : int, optional
        Bits that count; all by default. The rest must be zero.
    bitorder : {"little", "big"}
        Which bit of a byte is its first component. Bytes do not say it, and what is read in the wrong order finds
        hardly anything, so there is no default.

    Returns
    -------
    (..., words) uint64 array

    Raises
    ------
    DTypeError
        If they are not uint8.
    DimensionError
        If there are fewer bytes than ``dim`` needs.
    PaddingError
        If a bit beyond ``dim`` is set.
    ParameterError
        If the order is unknown.

    Examples
    --------
    >>> import numpy as np
    >>> from hdc import words
    >>> bits = np.array([[True, False, False, False, False, False, False, False, True]])
    >>> rows = np.packbits(bits, axis=1)
    >>> rows.tolist(), words.from_bytes(rows, 9, bitorder="big").tolist()
    ([[128, 128]], [[257]])
    """
    choice(bitorder, "bitorder", BITORDERS)
    given = array(rows, "packed bytes")
    if given.dtype != np.uint8:
        hint = "; int8 may be bytes less 128, (x.astype(np.int16) + 128).astype(np.uint8), or the same bytes, x.view("
        hint = f"{hint}np.uint8)" if given.dtype == np.int8 else ""
        raise DTypeError(f"packed bytes must be uint8, not {given.dtype}{hint}")
    if given.ndim == 0 or given.shape[-1] == 0:
        raise DimensionError(f"packed bytes must have shape (..., bytes), not {given.shape}")
    dim = 8 * given.shape[-1] if dim is None else integer(dim, "dim", 1, MAX_DIM)
    size, count = -(-dim // 8), word_count(dim)
    if given.shape[-1] < size:
        raise DimensionError(f"dim={dim} needs {size} bytes, and rows have {given.shape[-1]}")
    if given[..., size:].any():
        raise PaddingError(f"packed bytes have bits set beyond component {dim - 1}; pass the dim that was packed")
    padded = np.zeros((*given.shape[:-1], 8 * count), dtype=np.uint8)
    padded[..., :size] = given[..., :size] if bitorder == "little" else _REVERSED[given[..., :size]]
    return as_words(padded.view("<u8").astype(np.uint64, copy=False), dim, "packed bytes")


def to_bitarray(words: Words, dim: int) -> Any:
    """Return one packed hypervector ``(words,)`` as a ``bitarray`` of ``dim`` bits (little-endian)."""
    from bitarray import bitarray

    checked = np.ascontiguousarray(as_words(words, dim), dtype="<u8")
    if checked.ndim != 1:
        raise DimensionError(f"to_bitarray takes one packed vector, not shape {checked.shape}")
    bits = bitarray(endian="little")
    bits.frombytes(checked.tobytes())
    return bits[:dim]


def from_bitarray(bits: Any) -> Words:
    """Return a ``bitarray`` of any endianness as one packed hypervector ``(words,)``."""
    from bitarray import bitarray

    little = bitarray(bits, endian="little")
    words = word_count(len(little))
    if words == 0:
        raise DimensionError("from_bitarray takes at least one bit")
    return np.frombuffer(little.tobytes().ljust(words * 8, b"\0"), dtype="<u8").astype(np.uint64)
