"""Convert inputs to the one form that compiled loops accept.

Numba compiles a kernel again for every layout, alignment and writeability. So inputs are made native, C-contiguous and
aligned, copied only if needed, and are passed as read-only views. This means one specialization per kernel, and the
compiler rejects a kernel that writes to its input.
"""

import math
from typing import Any

import numpy as np
import numpy.typing as npt

AnyArray = npt.NDArray[Any]

NOTHING = np.empty(0, np.int64)
"""The array for what is not there."""


def frozen(x: npt.ArrayLike, dtype: npt.DTypeLike, *shape: int) -> AnyArray:
    """Return a read-only, native, aligned, C-contiguous ``shape`` array with the values of ``x``."""
    view = np.ascontiguousarray(x, dtype=dtype).reshape(shape)
    flags = view.flags
    if not flags.aligned:
        view = view.copy()
        flags = view.flags
    flags.writeable = False
    return view


def rows_of(x: AnyArray, dtype: npt.DTypeLike = np.uint64) -> AnyArray:
    """Return ``(..., m)`` as a frozen ``(rows, m)`` array."""
    return frozen(x, dtype, math.prod(x.shape[:-1]), x.shape[-1])


def sets_of(x: AnyArray, dtype: npt.DTypeLike = np.uint64) -> AnyArray:
    """Return ``(..., n, m)`` as a frozen ``(sets, n, m)`` array."""
    return frozen(x, dtype, math.prod(x.shape[:-2]), *x.shape[-2:])


def spread(x: AnyArray, shape: tuple[int, ...]) -> AnyArray:
    """Return ``x`` broadcast to ``shape``, or ``x`` itself if it has that shape."""
    return x if x.shape == shape else np.broadcast_to(x, shape)
