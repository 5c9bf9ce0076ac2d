"""Embeddings, true neighbors, recall and re-ranking for the retrieval benchmarks.

Data: the folder named by ``HDC_BENCH_DATA`` holds ``debian_minilm.npy``, (40000, 384) MiniLM embeddings of package
descriptions, and ``cranfield_docs_minilm.npy``, ``cranfield_queries_minilm.npy``, ``cranfield_qrels.txt``.
"""

import os
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
Ids = npt.NDArray[np.int64]

QUERIES = 1000
K = 10
CANDIDATES = 100
"""Results of the first pass that are re-ranked by int8 originals."""


def data_folder(*names: str) -> Path | None:
    """Return the data folder if it holds all these files; else say what is missing and return None."""
    folder = os.environ.get("HDC_BENCH_DATA")
    missing = [name for name in names if folder is None or not (Path(folder) / name).exists()]
    if folder is None or missing:
        print(f"skipped: set HDC_BENCH_DATA to a folder that holds {', '.join(missing)}")
        return None
    return Path(folder)


def vectors(path: Path) -> Floats:
    """Read vectors as float32 unit rows."""
    rows = np.load(path).astype(np.float32)
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True))


def exact(queries: Floats, base: Floats, k: int = K) -> Ids:
    """Return the k nearest by cosine, exactly, lower ids first among equals."""
    return np.argsort(-(queries @ base.T), axis=1, kind="stable")[:, :k]


def recall(found: Ids, truth: Ids) -> float:
    """Return the share of the true ids that were found."""
    hits = [len(np.intersect1d(a, b)) for a, b in zip(found, truth, strict=True)]
    return float(np.mean(hits)) / truth.shape[1]


def to_int8(rows: Floats) -> tuple[npt.NDArray[np.int8], Floats]:
    """Return int8 rows and the factor of each."""
    scale = np.abs(rows).max(axis=1) / 127
    return np.rint(rows / scale[:, None]).astype(np.int8), scale


def rerank(queries: Floats, candidates: Ids, originals: tuple[Any, Floats], k: int = K) -> Ids:
    """Order each query's candidates by dot products with their int8 originals; ids below zero are no candidates."""
    rows, scale = originals
    picked = rows[candidates].astype(np.float32) * scale[candidates][..., None]
    scores = np.where(candidates >= 0, np.einsum("qd,qcd->qc", queries, picked), -np.inf)
    order = np.argsort(-scores, axis=1, kind="stable")[:, :k]
    return np.take_along_axis(candidates, order, axis=1)
