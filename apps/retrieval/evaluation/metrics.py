"""Recall against exact search, and the time of a search."""

import math
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

Ids = npt.NDArray[np.int64]
Doubles = npt.NDArray[np.float64]


PAIRS = 1 << 22
"""Pairs of ids compared at a time: 4 MiB."""


def recall(found: npt.ArrayLike, truth: npt.ArrayLike) -> float:
    """Return the mean recall: the share of each row of truth, ``(q, k)``, that the same row of ``found`` contains."""
    parts = recalls(found, truth)
    return float(parts.mean()) if np.size(truth) else math.nan


def recalls(found: npt.ArrayLike, truth: npt.ArrayLike) -> Doubles:
    """Return the recall of each row of truth, ``(q, k)``, in the same row of ``found``: ``(q,)`` float64."""
    wanted, got = np.asarray(truth), np.asarray(found)
    parts = np.empty(len(wanted))
    step = max(1, PAIRS // max(1, wanted.shape[-1] * got.shape[-1]))
    for start in range(0, len(wanted) if wanted.size else 0, step):
        rows = slice(start, start + step)
        parts[rows] = (wanted[rows, :, None] == got[rows, None, :]).any(axis=2).mean(axis=1)
    return parts


def timed(search: Callable[[], Any], seconds: float = 0.5) -> float:
    """Return the median time of a call in seconds, repeated for at least ``seconds`` after one warm-up call."""
    search()
    times: list[float] = []
    while math.fsum(times) < seconds:
        began = time.perf_counter()
        search()
        times.append(time.perf_counter() - began)
    return float(np.median(times))
