"""Exact top-10 Hamming search in uniform random codes, beside FAISS, usearch, NumKong and plain NumPy.

Ours is the public ``BinaryIndex``; "plain scan" is this project's popcount search of rows as they are. FAISS and
usearch leave the order of equal distances open, so only their distances are compared. NumKong runs on one thread and
has no top-k: NumPy selects from its distances. Limits: reading every row once, and, for several queries, counting
all bits in registers, which bounds any search that counts bits one pair at a time; ours does not, and may exceed it.
"""

from collections.abc import Callable
from functools import lru_cache, partial
from itertools import product
from typing import Any

import faiss
import numkong
import numpy as np
from measuring import Case, Rival, counting, reading
from usearch.index import MetricKind
from usearch.index import search as usearch_search

import hdc
from hdc.apps.retrieval import BinaryIndex
from hdc.backends import numba_backend, numpy_backend

K = 10
DIMS, ROWS, QUERIES = (256, 1024, 8192), (100_000, 1_000_000), (1, 100, 1000)

MOST_BITS = 10**12 + 10**11
"""Bits compared a call; what is left out, FAISS would take half a minute a call for."""

USEARCH_PAIRS, NUMKONG_PAIRS, NUMPY_BITS = 10**7, 10**8, 2 * 10**10
"""Sizes up to which these take less than five seconds a call; usearch sorts all pairs, 70 s for 10^9."""


def codes(n: int, dim: int, seed: int = 0) -> Any:
    """Draw packed rows of independent fair bits."""
    return np.random.default_rng(seed).integers(0, 2**64, (n, dim // 64), dtype=np.uint64)


@lru_cache(maxsize=1)
def database(dim: int, rows: int) -> tuple[Any, BinaryIndex, Any]:
    """Return the codes, our index of them and FAISS's; those of the last size are kept."""
    items = codes(rows, dim)
    ours, theirs = BinaryIndex(dim), faiss.IndexBinaryFlat(dim)
    ours.add(items)
    theirs.add(items.view(np.uint8))
    return items, ours, theirs


def _same_distances(ours: Any, distances: Any) -> bool:
    return np.array_equal(ours[0], distances)


def _same(ours: Any, theirs: Any) -> bool:
    return all(map(np.array_equal, ours, theirs))


def search(dim: int, rows: int, queries: int) -> Case:
    """Build the search of one size; ``dim`` is a multiple of 64."""
    items, index, flat = database(dim, rows)
    asked = codes(queries, dim, seed=1)
    item_bytes, asked_bytes = items.view(np.uint8), asked.view(np.uint8)
    pairs = rows * queries
    rivals = {"FAISS": Rival(lambda: flat.search(asked_bytes, K)[0], _same_distances)}
    if queries <= 100:
        rivals["plain scan"] = Rival(lambda: numba_backend.SEARCH.top_k(asked, items, K), _same)
    if pairs <= USEARCH_PAIRS:

        def by_usearch() -> Any:
            found = usearch_search(item_bytes, asked_bytes, K, MetricKind.Hamming, exact=True, threads=hdc.threads())
            return np.reshape(found.distances, (queries, K)).astype(np.int32)

        rivals["usearch"] = Rival(by_usearch, _same_distances)
    if pairs <= NUMKONG_PAIRS:
        packed = numkong.hammings_pack(item_bytes, dtype="uint1")

        def by_numkong() -> Any:
            distances = np.asarray(numkong.hammings_packed(asked_bytes, packed)).astype(np.int32, copy=False)
            return np.sort(np.partition(distances, K - 1, axis=-1)[:, :K], axis=-1)

        rivals["NumKong"] = Rival(by_numkong, _same_distances)
    if pairs * dim <= NUMPY_BITS:
        rivals["NumPy"] = Rival(lambda: numpy_backend.top_k(asked, items, K), _same, naive=True)
    limits = {"read once": reading(items)}
    if queries > 1:
        limits["popcount"] = counting(pairs * dim)
    title = f"top-{K}, D={dim}, N={rows:,}, {queries} quer{'y' if queries == 1 else 'ies'}"
    return Case(title, lambda: index.search(asked, K), rivals, limits)


SIZES = [size for size in product(DIMS, ROWS, QUERIES) if size[0] * size[1] * size[2] <= MOST_BITS]
FEW_ROUNDS = ("search-8192-100000-1000",)
"""As long as the same search of ten times the rows for a tenth of the queries, which gets all rounds."""

QUICK_SIZES = list(product((256, 1024), (100_000,), (1, 100)))


def builders(quick: bool) -> dict[str, Callable[[], Case]]:
    """Return the cases by name, in an order that builds each database once."""
    return {"search-{}-{}-{}".format(*size): partial(search, *size) for size in (QUICK_SIZES if quick else SIZES)}
