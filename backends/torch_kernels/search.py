"""Hamming distances and exact top-k, by int8 matrix products of unpacked signs.

A product of ±1 signs over all ``64 words`` bits, padding included, is that number less twice the distance. int8
products sum in int32, so they are exact. A GPU's tensor cores compute them at twice the rate of half precision.
"""

import torch
from torch import Tensor

from hdc.backends.torch_kernels.words import blocks, signs, unpack
from hdc.words import WORD_BITS

QUERIES = 1 << 12
"""Queries compared at a time."""


def _product(a: Tensor, b: Tensor) -> Tensor:
    """Return ``a @ b.T``, ``(q, n)`` int32, of int8 matrices whose width is a multiple of 64."""
    q, n = len(a), len(b)
    if q == 0 or n == 0:
        return torch.zeros((q, n), dtype=torch.int32, device=a.device)
    if a.device.type == "cuda":  # cuBLAS needs more than 16 rows, and multiples of 8 columns
        a = torch.nn.functional.pad(a, (0, 0, 0, max(24 - q, -q % 8)))
        b = torch.nn.functional.pad(b, (0, 0, 0, -n % 8))
    return torch._int_mm(a, b.T)[:q, :n]


def _item_blocks(queries: Tensor, items: Tensor, scores: int) -> list[slice]:
    """Cut items into blocks: four bytes per unpacked sign, and ``scores`` bytes per query."""
    return blocks(len(items), 4 * WORD_BITS * items.shape[1] + scores * min(len(queries), QUERIES))


def _pairs(queries: Tensor, items: Tensor, bits: bool) -> Tensor:
    """Return the Hamming distances of all pairs, or (``bits``) the numbers of shared ones: ``(q, n)`` int32."""
    out = torch.empty((len(queries), len(items)), dtype=torch.int32, device=queries.device)
    width = WORD_BITS * items.shape[1]

    def spread(x: Tensor) -> Tensor:
        return unpack(x, width).view(torch.int8) if bits else signs(x)

    for first in range(0, len(queries), QUERIES):
        q = spread(queries[first : first + QUERIES])
        for rows in _item_blocks(queries, items, 8):
            product = _product(q, spread(items[rows]))
            out[first : first + QUERIES, rows] = product if bits else (width - product) >> 1
    return out


def hamming(queries: Tensor, items: Tensor) -> Tensor:
    """Count the differing bits of every pair."""
    return _pairs(queries, items, bits=False)


def shared_ones(queries: Tensor, items: Tensor) -> Tensor:
    """Count the bits set in both, of every pair."""
    return _pairs(queries, items, bits=True)


def top_k(queries: Tensor, items: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """Find the k nearest items of each query; packing (distance, id) into one integer orders ties exactly."""
    starts = range(0, max(1, len(queries)), QUERIES)
    best = torch.cat([_nearest(queries[first : first + QUERIES], items, k) for first in starts])
    return (best >> 32).to(torch.int32), best & 0xFFFFFFFF


def _nearest(queries: Tensor, items: Tensor, k: int) -> Tensor:
    """Return ``distance << 32 | id`` of the k nearest, ascending: ``(q, k)`` int64."""
    q, width = signs(queries), WORD_BITS * items.shape[1]
    best = torch.empty((len(q), 0), dtype=torch.int64, device=q.device)
    for rows in _item_blocks(queries, items, 24):
        product = _product(q, signs(items[rows]))
        n = product.shape[1]
        column = torch.arange(n, dtype=torch.int32, device=q.device)
        # The product is width - 2 distance, so this is distance * n + column less a constant. A block's n * width is
        # at most BUDGET / 4, so int32 is wide enough.
        ranks = column - (product >> 1) * n
        ranks = smallest(ranks, min(k, n)).to(torch.int64) + width // 2 * n
        found = (ranks // n << 32) | (ranks % n + rows.start)
        best = torch.cat([best, found], dim=1)
        best = smallest(best, min(k, best.shape[1]))
    return best


def smallest(keys: Tensor, k: int) -> Tensor:
    """Select and sort the k smallest keys of each row."""
    return torch.topk(keys, k, dim=1, largest=False, sorted=True).values


class RowIndex:
    """Packed rows on one device."""

    def __init__(self, words: int, device: torch.device) -> None:
        self._rows = torch.empty((0, words), dtype=torch.int64, device=device)

    def __len__(self) -> int:
        return len(self._rows)

    def extended(self, items: Tensor) -> "RowIndex":
        """Return an index of these rows and more."""
        made = RowIndex(self._rows.shape[1], self._rows.device)
        made._rows = torch.cat([self._rows, items])
        return made

    def search(self, queries: Tensor, k: int) -> tuple[Tensor, Tensor]:
        """Compare the queries with every row."""
        return top_k(queries, self._rows, k)
