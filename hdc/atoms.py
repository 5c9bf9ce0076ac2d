"""Stateless symbols: hashing turns a name into a hypervector, the same on every backend and machine.

A name is serialized unambiguously (typed and length-delimited) and hashed with BLAKE2b to a 128-bit key, which starts a
Philox4x64-10 counter stream (Salmon et al. 2011). Atoms are read off that stream, so no table is stored and nothing
depends on the order in which names are first used. The stream does not depend on the dimension. If a model reads
components one after another (MAP-I, MAP-B, MBAT), a name's atom at a smaller dimension is a prefix of its atom at a
larger one.
"""

import hashlib
import operator
import struct
from collections.abc import Hashable, Iterable, Sequence
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from hdc.checks import integer
from hdc.errors import DTypeError
from hdc.kernels import BitKernels
from hdc.words import Words

Name: TypeAlias = Hashable
"""``str``, ``bytes``, ``int``, ``float``, ``bool``, ``None``, or a tuple of names."""

STREAM = b"hdc.atoms.v1"
"""Changes only with a major version, because a change would change every atom."""


_BYTE_SIGNS = 1 - 2 * np.unpackbits(np.arange(256, dtype=np.uint8)[:, None], axis=1, bitorder="little").astype(
    np.float32
)
_LENGTH = struct.Struct("<Q").pack


def encode_name(name: Any) -> bytes:
    """Write a name as bytes that no other name shares.

    ``1``, ``1.0``, ``True`` and ``"1"`` are four names; ``("ab", "c")`` and ``("a", "bc")`` are two.
    NumPy scalars count as the Python value they represent; ``-0.0`` is ``0.0`` and every NaN is one name.

    Raises
    ------
    DTypeError
        If ``name`` is of another type.
    """
    if isinstance(name, str):
        text = name.encode("utf-8", "surrogatepass")
        return b"s" + _LENGTH(len(text)) + text
    if isinstance(name, tuple):
        return b"(" + _LENGTH(len(name)) + b"".join(map(encode_name, name))
    if type(name) is int:  # before rarer types
        return _integer(name)
    if isinstance(name, bytes):
        return _delimited(b"b", name)
    if name is None:
        return b"n"
    if isinstance(name, bool | np.bool_):
        return b"t" if name else b"f"
    if isinstance(name, int | np.integer):
        return _integer(operator.index(name))
    if isinstance(name, float | np.floating):
        value = float(name)
        return b"d" + struct.pack("<d", 0.0 if value == 0 else float("nan") if value != value else value)
    raise DTypeError(
        f"a name must be a str, bytes, int, float, bool, None or a tuple of these, not {type(name).__name__}"
    )


def _integer(number: int) -> bytes:
    size = number.bit_length() // 8 + 1
    return b"i" + _LENGTH(size) + number.to_bytes(size, "little", signed=True)


def _delimited(kind: bytes, payload: bytes) -> bytes:
    return kind + _LENGTH(len(payload)) + payload


def check_seed(seed: Any) -> int:
    """Return ``seed`` as an int, or raise :class:`~hdc.errors.ParameterError`."""
    return integer(seed, "seed")


def check_names(names: Any) -> Iterable[Name]:
    """Return ``names`` if they come one after another.

    Raises
    ------
    DTypeError
        If they do not.
    """
    try:
        iter(names)
    except TypeError:
        raise DTypeError(f"names must be a sequence of names, not {type(names).__name__}") from None
    found: Iterable[Name] = names
    return found


def stream_keys(seed: int, namespace: str, names: Sequence[Name]) -> Words:
    """Hash names to the keys of their streams.

    Parameters
    ----------
    seed : int
        Of the model; any size, any sign.
    namespace : str
        What the names are for (``"symbol"``, ``"role"``, …), so that the same word used twice is two atoms.
    names : sequence of n names

    Returns
    -------
    (n, 2) uint64 array

    Raises
    ------
    DTypeError
        If a name is of a type that cannot be written down (see :func:`encode_name`), or ``names`` is no sequence.
    """
    opened = hashlib.blake2b(encode_name((seed, namespace)), digest_size=16, person=STREAM)
    digests = []
    for name in check_names(names):
        hasher = opened.copy()
        hasher.update(encode_name(name))
        digests.append(hasher.digest())
    return np.frombuffer(b"".join(digests), dtype="<u8").astype(np.uint64).reshape(-1, 2)


def numbered_keys(bits: BitKernels, seed: int, namespace: str, n: int, number: int) -> Words:
    """Draw the keys of n anonymous atoms from the one stream of ``number``: ``(n, 2)`` uint64."""
    opening = stream_keys(seed, namespace, [number])
    return np.asarray(bits.random_words(opening, 2 * n)).reshape(n, 2)


def sample_distinct(bits: BitKernels, keys: Words, count: int, size: int) -> npt.NDArray[np.int64]:
    """Draw ``count`` distinct positions below ``size`` from each stream: its first distinct draws.

    Returns
    -------
    (n, count) int64 array, ascending in each row
    """
    drawn, out = count + count // 4 + 16, np.empty((len(keys), count), dtype=np.int64)
    open_rows = np.arange(len(keys))
    while len(open_rows):
        draws = scale_to(bits.random_words(keys[open_rows], drawn), size)
        first = _first_of_equals(draws)
        rank = np.cumsum(first, axis=1)
        done = rank[:, -1] >= count
        chosen = draws[done][(first & (rank <= count))[done]].reshape(-1, count)
        out[open_rows[done]] = np.sort(chosen, axis=1)
        open_rows, drawn = open_rows[~done], 2 * drawn
    return out


def scale_to(words: Words, size: int) -> npt.NDArray[np.int64]:
    """Scale the high half of each word to ``0 … size - 1`` (size < 2^31; bias below size / 2^32)."""
    return (((words >> np.uint64(32)) * np.uint64(size)) >> np.uint64(32)).astype(np.int64)


def _first_of_equals(draws: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
    order = np.argsort(draws, axis=1, kind="stable")
    ordered = np.take_along_axis(draws, order, axis=1)
    first = np.ones(draws.shape, dtype=np.bool_)
    np.put_along_axis(first, order[:, 1:], ordered[:, 1:] != ordered[:, :-1], axis=1)
    return first


def permutation(bits: BitKernels, key: Words, size: int) -> npt.NDArray[np.int64]:
    """Draw a uniform permutation of ``size`` positions: the order of that many random words, ``(size,)``."""
    return np.argsort(bits.random_words(key.reshape(1, 2), size)[0], kind="stable").astype(np.int64)


def signs(bits: BitKernels, keys: Words, dim: int) -> npt.NDArray[np.int8]:
    """Draw ±1 components, ``(n, dim)`` int8: bit i of the stream set means component i is -1."""
    words = np.ascontiguousarray(bits.random_words(keys, -(-dim // 64)), dtype="<u8")
    drawn = np.unpackbits(words.view(np.uint8), axis=-1, count=dim, bitorder="little")
    return (1 - 2 * drawn.view(np.int8)).astype(np.int8, copy=False)


def scaled_signs(bits: BitKernels, keys: Words, dim: int, scale: float) -> npt.NDArray[np.float32]:
    """Draw what :func:`signs` does times a float32, ``(n, dim)`` float32: eight components are looked up at a time."""
    eights = -(-dim // 8)
    words = np.ascontiguousarray(bits.random_words(keys, -(-dim // 64)), dtype="<u8")
    looked_up = np.take(_BYTE_SIGNS * np.float32(scale), words.view(np.uint8)[:, :eights], axis=0)
    return looked_up.reshape(len(keys), 8 * eights)[:, :dim]


def uniforms(words: Words) -> npt.NDArray[np.float64]:
    """Turn words into numbers between 0 and 1, neither of them: the middles of the intervals of their top 53 bits."""
    numbers: npt.NDArray[np.float64] = ((words >> np.uint64(11)).astype(np.float64) + 0.5) * 2.0**-53
    return numbers


def normals(bits: BitKernels, key: Words, count: int) -> npt.NDArray[np.float64]:
    """Draw ``count`` standard normals from one stream by the Box-Muller transform, ``(count,)``."""
    drawn: npt.NDArray[np.float64] = normal_rows(bits, key.reshape(1, 2), count)[0]
    return drawn


def normal_rows(bits: BitKernels, keys: Words, count: int, skipped: int = 0) -> npt.NDArray[np.float64]:
    """Draw ``count`` standard normals from each stream, behind its ``skipped`` first words: ``(n, count)``."""
    pairs = -(-count // 2)
    words = bits.random_words(keys, skipped + 2 * pairs)[:, skipped:]
    uniform = uniforms(words)
    radius, angle = np.sqrt(-2 * np.log(uniform[:, :pairs])), 2 * np.pi * uniform[:, pairs:]
    drawn: npt.NDArray[np.float64] = np.concatenate([radius * np.cos(angle), radius * np.sin(angle)], axis=1)
    return drawn[:, :count]
