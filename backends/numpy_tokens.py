"""Reference for sets of rows: compare all rows of a query with all items of one document at a time."""

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from hdc.words import Words

Ids = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float32]


def chamfer(queries: Words, weights: Ids, bounds: Ids, items: Words, spans: Ids, chosen: Ids | None) -> Ids:
    """Count differing bits, and keep the smallest number."""

    def compare(own: slice, document: slice) -> Any:
        differing = np.bitwise_count(queries[own, None] ^ items[document]).sum(axis=-1, dtype=np.int64)
        return (weights[own] * differing.min(axis=1)).sum()

    return _compared(compare, bounds, spans, chosen, np.int64)


def max_sim(
    tables: Floats,
    weights: Floats,
    bounds: Ids,
    codes: npt.NDArray[np.uint8],
    scale: Floats,
    offset: Floats,
    spans: Ids,
    chosen: Ids | None,
) -> Floats:
    """Look up scores, and keep the greatest; sums are added in order."""

    def compare(own: slice, document: slice) -> Any:
        rows, items = tables[own], codes[document]
        sums = np.zeros((len(rows), len(items)), dtype=np.float32)
        for group, values in enumerate(items.T):
            sums += rows[:, group, values]
        scores = sums * scale[document].astype(np.float32) + offset[document].astype(np.float32)
        return (scores.max(axis=1) * weights[own].astype(np.float32)).cumsum(dtype=np.float32)[-1]

    return _compared(compare, bounds, spans, chosen, np.float32)


def _compared(
    compare: Callable[[slice, slice], Any], bounds: Ids, spans: Ids, chosen: Ids | None, dtype: Any
) -> npt.NDArray[Any]:
    """Compare each query with its documents."""
    queries = len(bounds) - 1
    numbers = np.broadcast_to(np.arange(len(spans)), (queries, len(spans))) if chosen is None else chosen
    found = np.empty(numbers.shape, dtype=dtype)
    for (q, place), number in np.ndenumerate(numbers):
        found[q, place] = compare(slice(bounds[q], bounds[q + 1]), slice(spans[number, 0], spans[number, 1]))
    return found
