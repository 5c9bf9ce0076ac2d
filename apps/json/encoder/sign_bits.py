"""Sign bits of document vectors: 1/32 of the bytes of float32, in the packed layout of :mod:`hdc.words`."""

import numpy as np
import numpy.typing as npt

from hdc import words

TIE = 1e-5
"""A component below this share of its vector's root mean square counts as zero. The float32 sum of canceling atoms has
an error below it that depends on the order of summation."""

BLOCK = 1 << 22
"""Components to pack per block."""


def sign_bits(vectors: npt.NDArray[np.float32]) -> words.Words:
    """Pack the signs of vectors, 1 for positive components.

    A component that is zero takes the sign of the next one that is not, around the end: a constant there would make
    documents of few leaves, whose atoms often cancel, alike.

    Parameters
    ----------
    vectors : (n, dim) float32 array

    Returns
    -------
    (n, ceil(dim / 64)) uint64 array
        All zero for a vector that is.
    """
    packed = np.empty((len(vectors), words.word_count(vectors.shape[1])), dtype=np.uint64)
    rows = max(1, BLOCK // vectors.shape[1])
    for start in range(0, len(vectors), rows):
        packed[start : start + rows] = words.pack(_signs(vectors[start : start + rows]))
    return packed


def _signs(vectors: npt.NDArray[np.float32]) -> words.Bits:
    signs = vectors > 0
    ties = np.abs(vectors) <= TIE * np.sqrt(np.mean(np.square(vectors), axis=1, keepdims=True))
    tied = np.flatnonzero(ties.any(axis=1))
    if len(tied):
        dim = vectors.shape[1]
        places = np.where(np.tile(ties[tied], 2), 2 * dim, np.arange(2 * dim))
        following = np.minimum.accumulate(places[:, ::-1], axis=1)[:, ::-1][:, :dim]
        signs[tied] = np.take_along_axis(signs[tied], np.where(following < 2 * dim, following, 0) % dim, axis=1)
    return signs


def signs(packed: words.Words, dim: int) -> npt.NDArray[np.float32]:
    """Return packed sign bits as ``(..., dim)`` float32 of +-1."""
    return np.where(words.unpack(packed, dim), np.float32(1), np.float32(-1))
