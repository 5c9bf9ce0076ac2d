"""Estimates from all planes of RaBitQ codes, for candidates that their signs found.

Steps and roundings are those of :class:`hdc.kernels.EstimateSearch`, so a batch finds the same rows as single queries.
"""

import numpy as np
import numpy.typing as npt

from hdc.apps.retrieval.binarizers.rabitq_factors import WHOLE, read
from hdc.kernels import PLANE_QUERY, SearchKernels, WholeCodes
from hdc.words import word_count

Floats = npt.NDArray[np.float32]
Ids = npt.NDArray[np.int64]

PAIRS = 1 << 20
"""Candidates compared at a time; their temporaries use about 50 MiB."""

CENTER_MOST = 2**15 - 1
"""Greatest integer of a query rounded for products with centroids."""


def whole_scores(
    kernels: SearchKernels,
    whole: WholeCodes,
    lengths: Floats,
    queries: tuple[Floats, Floats, Floats],
    rows: Ids,
) -> Floats:
    """Return the estimated dot products ``(q, c)`` of queries with the vectors of their candidates.

    Parameters
    ----------
    kernels : SearchKernels
    whole : WholeCodes
    lengths : (lists,) float32 array
        As :attr:`hdc.kernels.EstimatePlan.lengths`.
    queries : (q, d), (q, d) and (q, 1) float32 arrays
        Queries as given; rotated; and their products with the centroid, used if there is one list.
    rows : (q, c) int64 array
        -1 means no row; its estimate is -inf.
    """
    scores = np.full(rows.shape, -np.inf, dtype=np.float32)
    for start in range(0, len(rows), step := max(1, PAIRS // max(1, rows.shape[1]))):
        part = slice(start, start + step)
        asked, rotated, base = (array[part] for array in queries)
        some = _some(kernels, whole, lengths, (asked, rotated, base), rows[part])
        np.copyto(scores[part], some, where=rows[part] >= 0)
    return scores


def _some(
    kernels: SearchKernels, whole: WholeCodes, lengths: Floats, queries: tuple[Floats, Floats, Floats], rows: Ids
) -> Floats:
    asked, rotated, base = queries
    at = whole.levels * word_count(asked.shape[1]) + 1
    integers, unit = kernels.rounded(rotated, PLANE_QUERY)
    dots = kernels.gather_planes(integers, whole.codes, rows, whole.levels).astype(np.float32)
    factors = read(whole.codes[rows.reshape(-1), at, None], WHOLE).reshape(rows.shape)
    if len(lengths) > 1:
        cells = np.where(rows < 0, 0, whole.codes[rows, at + 1]).astype(np.int64)
        rounded, unit_asked = kernels.rounded(asked, CENTER_MOST)
        products = kernels.gather_dots(rounded, whole.directions, cells)[0]
        base = products.astype(np.float32) * unit_asked[:, None] * lengths[cells]
    scores: Floats = ((dots * unit[:, None] * factors["scale"] + factors["offset"]) + base) + np.float32(0)
    return scores
