"""Top-k Hamming search in chosen lists of rows, for IVF lists."""

import torch
from torch import Tensor

from hdc.backends.torch_kernels.search import QUERIES, smallest
from hdc.backends.torch_kernels.words import blocks, popcount

NONE = torch.iinfo(torch.int64).max
"""Marks an empty pair; sorts after every ``distance << 32 | id``."""


def top_k_lists(
    queries: Tensor, items: Tensor, ids: Tensor, starts: Tensor, probes: Tensor, k: int
) -> tuple[Tensor, Tensor]:
    """Gather the rows of each query's lists side by side, count their differing bits, and select."""
    firsts = range(0, max(1, len(queries)), QUERIES)
    best = torch.cat(
        [_nearest(queries[i : i + QUERIES], items, ids, starts, probes[i : i + QUERIES], k) for i in firsts]
    )
    distances = (best >> 32).to(torch.int32)
    return distances, torch.where(best == NONE, -1, best & 0xFFFFFFFF)


def _nearest(queries: Tensor, items: Tensor, ids: Tensor, starts: Tensor, probes: Tensor, k: int) -> Tensor:
    """Return ``distance << 32 | id`` of the k nearest, ascending, then ``NONE``: ``(q, k)`` int64.

    Place j of a query is its j-th row, counted through its lists. Rows are gathered for some places at a time.
    """
    lengths = torch.diff(starts)[probes]
    ends = lengths.cumsum(dim=1)
    total = lengths.sum(dim=1, keepdim=True)
    places = int(total.max()) if len(total) else 0
    best = torch.full((len(queries), k), NONE, dtype=torch.int64, device=queries.device)
    for part in blocks(places, len(queries) * (48 * items.shape[1] + 64)) if places else ():
        place = torch.arange(part.start, part.stop, device=queries.device).repeat(len(queries), 1)
        at = torch.searchsorted(ends, place, right=True).clamp(max=probes.shape[1] - 1)
        inside = place - (ends - lengths).gather(1, at)
        rows = torch.where(place < total, starts[probes.gather(1, at)] + inside, 0)
        pairs = popcount(items[rows] ^ queries[:, None]) << 32 | ids[rows]
        pairs = torch.where((place < total) & (ids[rows] >= 0), pairs, NONE)
        best = smallest(torch.cat([best, pairs], dim=1), k)
    return best
