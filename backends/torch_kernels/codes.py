"""Dot products of multi-level codes from those of their planes, and of small integers row by row."""

import torch
from torch import Tensor

from hdc.backends.torch_kernels.search import QUERIES, hamming, shared_ones, smallest
from hdc.backends.torch_kernels.words import blocks, unpack
from hdc.kernels import LEAST_UNIT
from hdc.words import word_count


def code_dots(queries: Tensor, items: Tensor, dim: int) -> Tensor:
    """Add the dot products of all pairs of planes, ``dim - 2 hamming``, times both planes' weights."""
    planes = items.shape[1]
    dtype = torch.int32 if dim * (2**planes - 1) ** 2 < 2**31 else torch.int64
    dots = torch.zeros((len(queries), len(items)), dtype=dtype, device=queries.device)
    for i in range(planes):
        for j in range(planes):
            differing = hamming(queries[:, i], items[:, j]).to(dtype)
            dots += (dim - 2 * differing) << (2 * planes - 2 - i - j)
    return dots


def code_top_k(queries: Tensor, items: Tensor, dim: int, scale: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """Find the k greatest scores per query, block by block; packing (rank, id) into one integer orders ties exactly."""
    starts = range(0, max(1, len(queries)), QUERIES)
    best = torch.cat([_best(queries[first : first + QUERIES], items, dim, scale, k) for first in starts])
    bits = ~(best >> 32)
    return (bits ^ ((bits >> 31) & 0x7FFFFFFF)).to(torch.int32).view(torch.float32), best & 0xFFFFFFFF


def _best(queries: Tensor, items: Tensor, dim: int, scale: Tensor, k: int) -> Tensor:
    """Return ``rank << 32 | id`` of the k greatest scores, ascending; ranks ascend as scores descend."""
    best = torch.empty((len(queries), 0), dtype=torch.int64, device=queries.device)
    ids = torch.arange(len(items), device=queries.device)
    for rows in blocks(len(items), 64 * len(queries)):
        scores = code_dots(queries, items[rows], dim).to(torch.float32) * scale[rows]
        bits = scores.view(torch.int32).to(torch.int64)
        pairs = ~(bits ^ ((bits >> 31) & 0x7FFFFFFF)) << 32 | ids[rows]
        best = torch.cat([best, smallest(pairs, min(k, pairs.shape[1]))], dim=1)
        best = smallest(best, min(k, best.shape[1]))
    return best


def gather_dots(queries: Tensor, items: Tensor, rows: Tensor) -> tuple[Tensor, Tensor]:
    """Multiply pairs of query and row, in blocks: int16 times int8 fits int32, and int64 stores the sums."""
    dots, squares = (torch.zeros(rows.shape, dtype=torch.int64, device=rows.device) for _ in range(2))
    pairs = (rows >= 0).nonzero()
    for part in blocks(len(pairs), 16 * items.shape[1]):
        query, column = pairs[part].unbind(dim=1)
        gathered = items[rows[query, column]].to(torch.int32)
        dots[query, column] = (gathered * queries[query]).sum(dim=1, dtype=torch.int64)
        squares[query, column] = (gathered * gathered).sum(dim=1, dtype=torch.int64)
    return dots, squares


def gather_planes(queries: Tensor, codes: Tensor, rows: Tensor, levels: int) -> Tensor:
    """Multiply pairs of query and code plane by plane, in blocks."""
    dots = torch.zeros(rows.shape, dtype=torch.int64, device=rows.device)
    dim, pairs = queries.shape[1], (rows >= 0).nonzero()
    words = word_count(dim)
    for part in blocks(len(pairs), 32 * dim):
        query, column = pairs[part].unbind(dim=1)
        gathered, asked = codes[rows[query, column]], queries[query].to(torch.int32)
        for plane in range(levels):
            bits = unpack(gathered[:, plane * words : (plane + 1) * words].contiguous(), dim)
            sums = torch.where(bits, asked, -asked).sum(dim=1, dtype=torch.int64)
            dots[query, column] += sums << (levels - 1 - plane)
    return dots


def rounded(x: Tensor, most: int) -> tuple[Tensor, Tensor]:
    """Divide rows by their units, and round."""
    if x.shape[1] == 0 or len(x) == 0:
        return x.to(torch.int16), torch.ones(len(x), dtype=x.dtype, device=x.device)
    unit = x.abs().amax(dim=1) / most
    unit = torch.where(unit >= LEAST_UNIT, unit, torch.ones_like(unit))
    return (x / unit[:, None]).round().to(torch.int16, memory_format=torch.contiguous_format), unit


def units(x: Tensor) -> Tensor:
    """Divide rows by their lengths, computed from integers whose squares float64 adds exactly."""
    if x.shape[1] == 0 or len(x) == 0:
        return x.clone(memory_format=torch.contiguous_format)
    wide = x.to(torch.float64)
    exponents = torch.frexp(wide.abs().amax(dim=1))[1]
    up = torch.exp2(((53 - x.shape[1].bit_length()) // 2 - exponents).to(torch.float64))[:, None]
    lengths = (wide * up).round().square().sum(dim=1, keepdim=True).sqrt() / up
    lengths = torch.where(lengths == 0, torch.ones_like(lengths), lengths)
    lengths[~x.isfinite().all(dim=1)] = torch.nan
    return (wide / lengths).to(torch.float32, memory_format=torch.contiguous_format)


def plane_sums(queries: Tensor, items: Tensor) -> Tensor:
    """Weight the shared ones of each plane; the heaviest plane counts negative."""
    planes = items.shape[1]
    sums = torch.zeros((len(queries), len(items)), dtype=torch.int64, device=queries.device)
    for i in range(planes):
        weight = 1 << (planes - 1 - i)
        sums += shared_ones(queries, items[:, i]).to(torch.int64) * (weight if i else -weight)
    return sums
