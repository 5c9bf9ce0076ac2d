"""Exact nearest neighbors of float vectors, the ground truth for measuring recall."""

import hashlib
import os
from collections.abc import Iterable
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
import numpy.typing as npt

from hdc import checks
from hdc.apps.retrieval.files.vectors import Block, VectorFile
from hdc.apps.retrieval.vectors.rows import unit
from hdc.apps.retrieval.vectors.space import METRICS
from hdc.checks import choice, integer
from hdc.errors import DimensionError, FileFormatError
from hdc.topk import read_keys, sort_keys

Ids = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float32]

QUERIES_TOGETHER = 1024
"""Queries per block of scores."""


ITEMS_TOGETHER = 1 << 14
"""Vectors per block of scores: 64 MiB."""


def exact(blocks: Iterable[Block], queries: Floats, k: int, metric: str = "cosine") -> tuple[Floats, Ids]:
    """Find the k nearest vectors of each query by comparing with all of them, block by block.

    Parameters
    ----------
    blocks : iterable of Block
    queries : (q, d) float32 array
    k : int
        At least 1.
    metric : {"cosine", "ip", "l2"}
        Scores are cosines, inner products, or negated squared Euclidean distances. For distances, the mean of the first
        block is subtracted from all vectors, which keeps them exact in float32 far from the origin.

    Returns
    -------
    scores : (q, min(k, n)) float32 array
        Descending.
    rows : (q, min(k, n)) int64 array
        Among equal scores, the lower row comes first.
    """
    k, metric = integer(k, "k", 1), choice(metric, "metric", METRICS)
    asked = _parts(unit(queries) if metric == "cosine" else queries)
    best = [np.empty((len(part), 0), np.int64) for part in asked]
    center: Floats | None = None
    for block in blocks:
        items = unit(block.vectors) if metric == "cosine" else block.vectors
        if metric == "l2" and center is None and len(items):
            center = items.mean(axis=0, dtype=np.float64).astype(np.float32)
            asked = [part - center for part in asked]
        for first in range(0, len(items), ITEMS_TOGETHER):
            together = items[first : first + ITEMS_TOGETHER]
            if center is not None:
                together = together - center
            for i, part in enumerate(asked):
                scored = part @ together.T
                best[i] = _merged(
                    best[i], scored if center is None else _distances(scored, part, together), block.start + first, k
                )
    scores, rows = read_keys(np, np.concatenate(best))
    return scores, rows


def _distances(products: Floats, queries: Floats, items: Floats) -> Floats:
    """Return negated squared distances."""
    products *= 2
    products -= np.einsum("nd,nd->n", items, items)
    products -= np.einsum("qd,qd->q", queries, queries)[:, None]
    return np.minimum(products, 0)


def _parts(queries: Floats) -> list[Floats]:
    return [queries[i : i + QUERIES_TOGETHER] for i in range(0, max(1, len(queries)), QUERIES_TOGETHER)]


def _merged(best: Ids, products: Floats, first: int, k: int) -> Ids:
    """Merge products with the items from ``first`` on into the best keys so far."""
    keys = np.concatenate([best, sort_keys(np, products, first)], axis=1)
    k = min(k, keys.shape[1])
    return np.sort(np.partition(keys, k - 1, axis=1)[:, :k], axis=1)


def exact_rows(
    vectors: VectorFile,
    queries: Floats,
    k: int,
    cache: str | os.PathLike[str] | None = None,
    metric: str = "cosine",
) -> Ids:
    """Return the rows of the k exact neighbors of each query, from a cache if possible.

    Parameters
    ----------
    vectors : VectorFile
    queries : (q, d) float32 array
    k : int
    cache : path, optional
        A ``.npz`` file. It is read if it was written for the same file, queries, k and metric, and replaced otherwise.
    metric : str
        As :func:`exact`.

    Returns
    -------
    (q, min(k, n)) int64 array

    Raises
    ------
    DimensionError
        If the queries have another dimension.
    FileFormatError
        If the cache exists but is not one.
    """
    if queries.shape[1] != vectors.dim:
        raise DimensionError(
            f"queries have {queries.shape[1]} components, but the vectors of {vectors.path} have {vectors.dim}"
        )
    if cache is None:
        return exact(vectors.blocks(), queries, k, metric)[1]
    path, state = checks.path(cache, "cache"), os.stat(vectors.path)
    key = hashlib.blake2b(queries.tobytes(), digest_size=16)
    key.update(f"{k} {state.st_size} {state.st_mtime_ns}".encode())
    key.update(b"" if metric == "cosine" else metric.encode())  # keeps the caches of earlier releases valid
    if path.exists():
        written, rows = _read_cache(path)
        if written == key.hexdigest():
            return rows
    rows = exact(vectors.blocks(), queries, k, metric)[1]
    with open(path, "wb") as file:
        np.savez(file, fingerprint=np.array(key.hexdigest()), rows=rows)
    return rows


def _read_cache(path: Path) -> tuple[str, Ids]:
    try:
        with np.load(path, allow_pickle=False) as content:
            return str(content["fingerprint"]), np.asarray(content["rows"], dtype=np.int64)
    except (ValueError, KeyError, EOFError, BadZipFile, AttributeError) as error:
        raise FileFormatError(f"{path} is not a cache of exact neighbors; remove it or name another file") from error
