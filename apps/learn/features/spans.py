"""Frequencies in the layout of the kernel: one span of components after another."""

import numpy as np
import numpy.typing as npt

SPAN = 256
"""Components per span, whose frequencies fit a cache for all rows."""


def in_spans(matrix: npt.NDArray[np.int32]) -> npt.NDArray[np.int32]:
    """Return ``(features, dim)`` in spans of columns, ``(spans, features, SPAN)``, with zeros beyond ``dim``."""
    wide = np.pad(matrix, ((0, 0), (0, -matrix.shape[1] % SPAN)))
    return np.ascontiguousarray(wide.reshape(len(matrix), -1, SPAN).swapaxes(0, 1))
