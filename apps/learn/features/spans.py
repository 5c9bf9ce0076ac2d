"""Frequencies as the kernel reads them: span after span of components."""

import numpy as np
import numpy.typing as npt

SPAN = 256
"""Components whose frequencies lie beside each other: they stay in a cache for all rows."""


def in_spans(matrix: npt.NDArray[np.int32]) -> npt.NDArray[np.int32]:
    """Return ``(features, dim)`` in spans of columns, ``(spans, features, SPAN)``, with zeros beyond ``dim``."""
    wide = np.pad(matrix, ((0, 0), (0, -matrix.shape[1] % SPAN)))
    return np.ascontiguousarray(wide.reshape(len(matrix), -1, SPAN).swapaxes(0, 1))
