"""SparseDistributedMemory: store words at many random locations each, and read them back from a noisy address."""

import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from hdc.atoms import check_seed
from hdc.checks import instance, integer
from hdc.errors import DimensionError, ParameterError
from hdc.kernels import Array
from hdc.models.map import MAPB
from hdc.models.ties import where_positive
from hdc.similarity import blocks

MOST_BYTES = 1 << 31
"""Bytes of counters that a memory may take unless ``most_bytes`` allows more."""

PAIRS = 1 << 22
"""Pairs of addresses and locations to compare per block."""


class SparseDistributedMemory:
    """A sparse distributed memory (Kanerva 1988): ``locations`` random addresses, each with a counter for every bit.

    A word is added, as ±1, to the counters of all locations whose address is within ``radius`` bits of its own. Reading
    sums the counters of the locations within ``radius`` of the query, and takes signs. With p the share of locations
    that an address reaches, ``(2 locations words) ** (-1/3)`` is the best one for a number of words; ``radius`` comes
    from it.

    Parameters
    ----------
    vsa : MAPB
        Model of addresses and words; the locations are ``vsa.random(locations, seed=seed)``.
    locations : int
        They take ``4 dim`` bytes each.
    words : int
        Expected number of stored words, from which the radius follows.
    radius : int, optional
        Bits by which a reached location may differ, instead.
    seed : int
    most_bytes : int
        Counters that would take more are refused.

    Raises
    ------
    ParameterError
        If ``vsa`` is of another model, or the counters take more than ``most_bytes``.

    Examples
    --------
    >>> import hdc
    >>> vsa = hdc.create("MAP-B", 256)
    >>> memory = hdc.SparseDistributedMemory(vsa, 5000, words=20)
    >>> stored = vsa.random(20, seed=1)
    >>> memory.write(stored)
    >>> noisy = vsa.bundle(vsa.xp.stack([stored[0], stored[0], vsa.symbol("noise")]))
    >>> float(vsa.similarity(memory.read(noisy), stored[0]))
    1.0
    """

    def __init__(
        self,
        vsa: MAPB,
        locations: int,
        *,
        words: int = 1000,
        radius: int | None = None,
        seed: int = 0,
        most_bytes: int = MOST_BYTES,
    ) -> None:
        self.vsa: MAPB = instance(vsa, "vsa", MAPB)
        count = integer(locations, "locations", 1)
        needed = 4 * self.vsa.dim * count
        if needed > integer(most_bytes, "most_bytes", 0):
            raise ParameterError(
                f"counters of {count} locations of {vsa.dim} bits take {needed} bytes, more than "
                f"most_bytes={most_bytes}"
            )
        best = (2 * count * integer(words, "words", 1)) ** (-1 / 3)
        self.radius = reach(self.vsa.dim, best) if radius is None else integer(radius, "radius", 0, self.vsa.dim)
        self.addresses = self.vsa.random(count, seed=check_seed(seed))
        xp = self.vsa.xp
        self._counters = xp.zeros((count, self.vsa.dim), dtype=xp.int32, device=self.addresses.device)
        self._written = 0

    def __len__(self) -> int:
        """Return how many words were written."""
        return self._written

    def __repr__(self) -> str:
        size = f"{len(self.addresses)} locations, radius={self.radius}, {len(self)} words"
        return f"SparseDistributedMemory({self.vsa!r}, {size})"

    @property
    def counters(self) -> Array:
        """The counters, ``(locations, dim)`` int32: read-only, or a copy."""
        return self.vsa.kernels.arrays.read_only(self._counters)

    def write(self, words: Array, addresses: Array | None = None) -> None:
        """Store words at addresses, or at themselves: then reading cleans noisy words up.

        Parameters
        ----------
        words : (..., storage) array
        addresses : (..., storage) array, optional
            As many as there are words.

        Raises
        ------
        DimensionError
            If there is not one address for each word.
        ParameterError
            If so many words could make a counter overflow.
        """
        data = self.vsa.check(words, "words").reshape(-1, self.vsa.storage)
        keys = data if addresses is None else self.vsa.check(addresses, "addresses").reshape(-1, self.vsa.storage)
        if len(keys) != len(data):
            raise DimensionError(f"{len(data)} words need as many addresses, not {len(keys)}")
        if self._written + len(data) >= 2**31:
            raise ParameterError("counters are int32: fewer than 2^31 words can be written")
        xp, bits = self.vsa.xp, self.vsa.kernels.bits
        for block in self._blocks(len(data)):
            reached = self._reached(keys[block])
            signs = 1 - 2 * xp.astype(bits.unpack(data[block], self.vsa.dim), xp.float32)
            self._counters += xp.astype(reached.T @ signs, xp.int32)
        self._written += len(data)

    def read(self, addresses: Array) -> Array:
        """Return the words stored around addresses: signs of :meth:`sums`, ties broken as bundles break them.

        Parameters
        ----------
        addresses : (..., storage) array

        Returns
        -------
        (..., storage) array
        """
        xp, bits = self.vsa.xp, self.vsa.kernels.bits
        return bits.pack(where_positive(xp, -self.sums(addresses), bits.unpack(self.vsa.tie, self.vsa.dim)))

    def sums(self, addresses: Array) -> Array:
        """Return the sums of the counters of all locations that addresses reach, ``(..., dim)`` int64."""
        checked = self.vsa.check(addresses, "addresses")
        keys, xp = checked.reshape(-1, self.vsa.storage), self.vsa.xp
        parts = [self._summed(self._reached(keys[block])) for block in self._blocks(len(keys))]
        return xp.concat(parts, axis=0).reshape(*checked.shape[:-1], self.vsa.dim)

    def activated(self, addresses: Array) -> Array:
        """Return how many locations each address reaches, ``(...)`` int64."""
        checked = self.vsa.check(addresses, "addresses")
        keys, xp = checked.reshape(-1, self.vsa.storage), self.vsa.xp
        parts = [xp.sum(self._reached(keys[block]), axis=-1) for block in self._blocks(len(keys))]
        return xp.astype(xp.concat(parts, axis=0), xp.int64).reshape(checked.shape[:-1])

    def _blocks(self, rows: int) -> Iterator[slice]:
        locations = len(self.addresses)
        return blocks(rows, locations, min(PAIRS, locations << 12))

    def _reached(self, keys: Array) -> Array:
        """Return 1 where a key reaches a location, ``(p, locations)`` float32."""
        xp = self.vsa.xp
        return xp.astype(self.vsa.kernels.bits.hamming(keys, self.addresses) <= self.radius, xp.float32)

    def _summed(self, reached: Array) -> Array:
        """Return exact sums of counters, in the float dtype that represents them, one block of locations at a time."""
        xp, total = self.vsa.xp, 0
        most = self._written * float(xp.max(xp.sum(reached, axis=-1))) if len(reached) else 0.0
        short = most < 2.0**24 and self._written <= self.vsa.kernels.dense.exact_integers()
        dtype = xp.float32 if short else xp.float64
        step = max(1, PAIRS // self.vsa.dim)
        for start in range(0, len(self.addresses), step):
            block = xp.astype(self._counters[start : start + step], dtype)
            total = total + xp.astype(reached[:, start : start + step], dtype, copy=False) @ block
        return xp.astype(total, xp.int64)


def reach(dim: int, share: float) -> int:
    """Return the radius within which the share of random addresses is nearest to ``share``, by logarithm.

    Parameters
    ----------
    dim : int
        Bits of an address.
    share : float
        Between 0 and 1.
    """
    shares = activation(dim)
    return int(np.argmin(np.abs(np.log(shares) - math.log(share))))


def activation(dim: int) -> Any:
    """Return ``P(Bin(dim, 1/2) <= r)`` for r from 0 to dim, ``(dim + 1,)`` float64; 1e-300 where it is less."""
    factorials = np.concatenate([[0.0], np.cumsum(np.log(np.arange(1, dim + 1)))])
    logs = factorials[dim] - factorials - factorials[::-1]
    return np.clip(np.cumsum(np.exp(logs - dim * math.log(2))), 1e-300, 1.0)
