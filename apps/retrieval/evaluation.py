"""How good a search is: recall against exact float search, nDCG and MRR by people's judgements, size and speed."""

import hashlib
import math
import os
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
import numpy.typing as npt

from hdc.apps.retrieval.inputs import Block, VectorFile
from hdc.errors import DimensionError, FileFormatError, ParameterError
from hdc.selection import read_keys, sort_keys

Ids = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float32]
Judgements = Mapping[str, Mapping[str, int]]
"""Grades of documents by query: ``judgements[query][document]``; what is not there has grade 0."""

QUERIES_TOGETHER = 1024
"""Queries whose scores with some vectors are held at a time."""

ITEMS_TOGETHER = 1 << 14
"""Vectors whose scores with some queries are held at a time: 64 MiB."""

NDCG_DEPTH = 10


@dataclass(frozen=True)
class Measured:
    """One way to search, measured.

    Attributes
    ----------
    name : str
    recall : float
        Mean part of the k exact neighbours that were found.
    bytes_per_vector : float
        What a search reads of a vector: codes, and what is kept for re-ranking.
    queries_per_second : float
    build_seconds : float or None
        None where it is not known.
    ndcg, mrr : float or None
        None without judgements.
    """

    name: str
    recall: float
    bytes_per_vector: float
    queries_per_second: float
    build_seconds: float | None = None
    ndcg: float | None = None
    mrr: float | None = None


def unit(vectors: Floats) -> Floats:
    """Divide ``(n, d)`` float32 rows by their norms; a zero row stays zero."""
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    divided = vectors / np.where(norms > 0, norms, np.float32(1))
    return divided.astype(np.float32, copy=False)


def exact(blocks: Iterable[Block], queries: Floats, k: int) -> tuple[Floats, Ids]:
    """Find the k vectors of greatest cosine with each query, by comparing all, block by block.

    Parameters
    ----------
    blocks : iterable of Block
    queries : (q, d) float32 array
    k : int
        At least 1.

    Returns
    -------
    scores : (q, min(k, n)) float32 array
        Descending.
    rows : (q, min(k, n)) int64 array
        Of equal scores the lower row comes first.
    """
    asked = unit(queries)
    best = [np.empty((len(part), 0), np.int64) for part in _parts(asked)]
    for block in blocks:
        items = unit(block.vectors)
        for first in range(0, len(items), ITEMS_TOGETHER):
            together = items[first : first + ITEMS_TOGETHER]
            for i, part in enumerate(_parts(asked)):
                best[i] = _merged(best[i], part @ together.T, block.start + first, k)
    scores, rows = read_keys(np, np.concatenate(best))
    return scores, rows


def _parts(queries: Floats) -> list[Floats]:
    return [queries[i : i + QUERIES_TOGETHER] for i in range(0, max(1, len(queries)), QUERIES_TOGETHER)]


def _merged(best: Ids, products: Floats, first: int, k: int) -> Ids:
    """Merge the products with items ``first`` and on into the keys of the best so far."""
    keys = np.concatenate([best, sort_keys(np, products, first)], axis=1)
    k = min(k, keys.shape[1])
    return np.sort(np.partition(keys, k - 1, axis=1)[:, :k], axis=1)


def exact_rows(vectors: VectorFile, queries: Floats, k: int, cache: str | os.PathLike[str] | None = None) -> Ids:
    """Return the rows of the k exact neighbours of each query, from a cache if it has them.

    Parameters
    ----------
    vectors : VectorFile
    queries : (q, d) float32 array
    k : int
    cache : path, optional
        A ``.npz`` file, read if it was written for the same file, queries and k, else written.

    Returns
    -------
    (q, min(k, n)) int64 array

    Raises
    ------
    DimensionError
        If the queries have another dimension.
    FileFormatError
        If the cache exists and is none.
    """
    if queries.shape[1] != vectors.dim:
        raise DimensionError(
            f"queries have {queries.shape[1]} components, and the vectors of {vectors.path} have {vectors.dim}"
        )
    if cache is None:
        return exact(vectors.blocks(), queries, k)[1]
    path, state = Path(cache), os.stat(vectors.path)
    key = hashlib.blake2b(queries.tobytes(), digest_size=16)
    key.update(f"{k} {state.st_size} {state.st_mtime_ns}".encode())
    if path.exists():
        written, rows = _read_cache(path)
        if written == key.hexdigest():
            return rows
    rows = exact(vectors.blocks(), queries, k)[1]
    with open(path, "wb") as file:
        np.savez(file, fingerprint=np.array(key.hexdigest()), rows=rows)
    return rows


def _read_cache(path: Path) -> tuple[str, Ids]:
    try:
        with np.load(path, allow_pickle=False) as content:
            return str(content["fingerprint"]), np.asarray(content["rows"], dtype=np.int64)
    except (ValueError, KeyError, EOFError, BadZipFile, AttributeError) as error:
        raise FileFormatError(f"{path} is no cache of exact neighbours; remove it or name another file") from error


def recall(found: npt.ArrayLike, truth: npt.ArrayLike) -> float:
    """Return the mean part of each row of truth, ``(q, k)``, that is in the same row of found."""
    wanted, got = np.asarray(truth), np.asarray(found)
    if not wanted.size:
        return math.nan
    return float(np.mean([np.isin(row, here).mean() for row, here in zip(wanted, got, strict=True)]))


def read_judgements(path: str | os.PathLike[str], *, binary: bool = False) -> dict[str, dict[str, int]]:
    """Read relevance judgements: lines of query, document and grade, or TREC's query, 0, document and grade.

    Parameters
    ----------
    path : path
    binary : bool
        Count every grade above 0 as 1: for collections whose grades do not grow with relevance.

    Returns
    -------
    dict of query to dict of document to grade
        Grades above 0 only.

    Raises
    ------
    FileFormatError
        If a line is not such; the text names it.
    ParameterError
        If nothing is relevant.
    """
    judgements: dict[str, dict[str, int]] = {}
    with open(path, encoding="utf-8", errors="replace") as file:
        for number, line in enumerate(file, 1):
            words = line.split()
            if not words:
                continue
            try:
                query, document, grade = words[0], words[-2], int(words[-1])
            except (IndexError, ValueError):
                words = []
            if len(words) not in (3, 4):
                raise FileFormatError(
                    f"{os.fspath(path)}: line {number} is not 'query document grade' or 'query 0 document grade'"
                )
            if grade > 0:
                judgements.setdefault(query, {})[document] = 1 if binary else grade
    if not judgements:
        raise ParameterError(f"{os.fspath(path)} holds no judgement with a grade above 0")
    return judgements


def ndcg(found: Mapping[str, Sequence[str]], judgements: Judgements, depth: int = NDCG_DEPTH) -> float:
    """Return the mean nDCG of the judged queries.

    Parameters
    ----------
    found : mapping of query to documents, the best first
    judgements : mapping of query to mapping of document to grade
    depth : int
        Documents that count. The gain of a document is its grade, discounted by ``log2(1 + rank)``, as trec_eval's.
    """
    values = []
    for query, grades in judgements.items():
        got = [grades.get(document, 0) for document in found.get(query, ())[:depth]]
        best = sorted(grades.values(), reverse=True)[:depth]
        values.append(_discounted(got) / _discounted(best))
    return math.fsum(values) / len(values)


def _discounted(gains: Sequence[int]) -> float:
    return math.fsum(gain / math.log2(1 + rank) for rank, gain in enumerate(gains, 1))


def mrr(found: Mapping[str, Sequence[str]], judgements: Judgements) -> float:
    """Return the mean, over the judged queries, of one by the rank of the first relevant document; 0 if none is found.

    Parameters
    ----------
    found, judgements
        As :func:`ndcg`.
    """
    ranks = [
        next((rank for rank, document in enumerate(found.get(query, ()), 1) if grades.get(document, 0) > 0), math.inf)
        for query, grades in judgements.items()
    ]
    return math.fsum(1 / rank for rank in ranks) / len(ranks)


def timed(search: Callable[[], Any], seconds: float = 0.5) -> float:
    """Return the median seconds of a call, repeated for at least so many seconds after one that warms up."""
    search()
    times: list[float] = []
    while math.fsum(times) < seconds:
        began = time.perf_counter()
        search()
        times.append(time.perf_counter() - began)
    return float(np.median(times))


def pareto(points: Sequence[tuple[float, float]]) -> list[int]:
    """Return the places of the (recall, cost) points that no other one beats, by ascending cost.

    One beats another if it is as good in both and better in one.
    """
    order = sorted(range(len(points)), key=lambda i: (points[i][1], -points[i][0]))
    kept: list[int] = []
    for i in order:
        if not kept or points[i][0] > points[kept[-1]][0]:
            kept.append(i)
    return kept


def table(rows: Sequence[Measured], k: int) -> list[str]:
    """Return the lines of a table for people."""
    heads = ["index", f"recall@{k}", "bytes/vector", "queries/s", "build s"]
    judged = any(row.ndcg is not None for row in rows)
    heads += [f"nDCG@{NDCG_DEPTH}", "MRR"] if judged else []
    cells = [_cells(row, judged) for row in rows]
    widths = [max(len(line[i]) for line in [heads, *cells]) for i in range(len(heads))]
    return ["  ".join([line[0].ljust(widths[0]), *map(str.rjust, line[1:], widths[1:])]) for line in [heads, *cells]]


def _cells(row: Measured, judged: bool) -> list[str]:
    built = "-" if row.build_seconds is None else f"{row.build_seconds:.1f}"
    cells = [row.name, f"{row.recall:.4f}", f"{row.bytes_per_vector:g}", f"{row.queries_per_second:,.0f}", built]
    return cells + [("-" if value is None else f"{value:.4f}") for value in (row.ndcg, row.mrr) if judged]
