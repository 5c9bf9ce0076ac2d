"""Symmetric comparison of codes: exact integer dot products, divided by the norms of both codes.

A component of a code with u levels is ``sum_i 2**(u-1-i) s_i`` with signs s_i: BEBR's value times 2**(u-1) (Gan et al.
2023). Norms are computed from the codes, block by block, and are not stored.
"""

from functools import partial

import numpy as np
import numpy.typing as npt

from hdc.dispatch import search_kernels
from hdc.kernels import Backend
from hdc.topk import top_scores
from hdc.words import Words

Floats = npt.NDArray[np.float32]
Ids = npt.NDArray[np.int64]

QUERY_BLOCK = 1 << 8
SCORES = 1 << 22
"""Queries per block, and scores in memory at a time: 48 MiB."""


def _planes(codes: Words, levels: int) -> Words:
    return codes.reshape(len(codes), levels, codes.shape[1] // levels)


def code_norms(codes: Words, dim: int, levels: int) -> npt.NDArray[np.float64]:
    """Return the ``(n,)`` float64 norms of ``(n, levels * words)`` codes."""
    planes = _planes(codes, levels)
    squares = np.full(len(codes), dim * sum(4**i for i in range(levels)), dtype=np.int64)
    for i in range(levels):
        for j in range(i):
            differing = np.bitwise_count(planes[:, i] ^ planes[:, j]).sum(axis=-1, dtype=np.int64)
            squares += (dim - 2 * differing) << (2 * levels - 1 - i - j)
    norms: npt.NDArray[np.float64] = np.sqrt(squares)
    return norms


def symmetric_scores(kernels: Backend, queries: Words, codes: Words, dim: int, levels: int) -> Floats:
    """Return the ``(q, n)`` float32 cosines of all pairs of codes."""
    planes = _planes(queries, levels), _planes(codes, levels)
    norms = code_norms(queries, dim, levels)[:, None] * code_norms(codes, dim, levels)
    dots = np.asarray(search_kernels(kernels).code_dots(*planes, dim))
    return np.asarray(dots / norms, dtype=np.float32)


def symmetric_search(
    kernels: Backend, queries: Words, codes: Words, dim: int, levels: int, k: int
) -> tuple[Floats, Ids]:
    """Return the k greatest cosines per query, and their ids; among equals, the lower id comes first."""
    if levels == 1 and k:
        distances, ids = search_kernels(kernels).top_k(queries, codes, k)
        return (1 - 2 * distances.astype(np.float64) / dim).astype(np.float32), ids
    scores = np.empty((len(queries), k), dtype=np.float32)
    ids = np.empty((len(queries), k), dtype=np.int64)
    for start in range(0, len(queries) if k else 0, QUERY_BLOCK):
        part = slice(start, start + QUERY_BLOCK)
        scores_of = partial(_scores_of, kernels, queries[part], codes, dim, levels)
        scores[part], ids[part] = top_scores(kernels, scores_of, len(codes), k, SCORES)
    return scores, ids


def _scores_of(kernels: Backend, queries: Words, codes: Words, dim: int, levels: int, items: slice) -> Floats:
    return symmetric_scores(kernels, queries, codes[items], dim, levels)
