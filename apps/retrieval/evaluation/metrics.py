"""How good a search is: recall against exact float search, nDCG and MRR by people's judgements, size and speed."""

import math
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

Ids = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float32]


def recall(found: npt.ArrayLike, truth: npt.ArrayLike) -> float:
    """Return the mean part of each row of truth, ``(q, k)``, that is in the same row of found."""
    wanted, got = np.asarray(truth), np.asarray(found)
    if not wanted.size:
        return math.nan
    return float(np.mean([np.isin(row, here).mean() for row, here in zip(wanted, got, strict=True)]))


def timed(search: Callable[[], Any], seconds: float = 0.5) -> float:
    """Return the median seconds of a call, repeated for at least so many seconds after one that warms up."""
    search()
    times: list[float] = []
    while math.fsum(times) < seconds:
        began = time.perf_counter()
        search()
        times.append(time.perf_counter() - began)
    return float(np.median(times))
