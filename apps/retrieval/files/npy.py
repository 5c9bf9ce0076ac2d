"""NumPy's ``.npy`` files, mapped; what their headers may hold is none of the caller's business."""

from typing import Any

import numpy as np
import numpy.typing as npt

from hdc.errors import FileFormatError

SHOWN = 200
"""Characters of NumPy's reason that an error shows."""


def mapped(path: str) -> npt.NDArray[Any]:
    """Return the array of a file, mapped and not read.

    Raises
    ------
    FileFormatError
        If it is no such file, is cut off, or holds objects.
    OSError
        If it cannot be read.
    """
    try:
        with np.errstate(over="raise"):
            array = np.load(path, mmap_mode="r", allow_pickle=False)
            if not isinstance(array, np.ndarray):
                raise ValueError(f"it holds {type(array).__name__}")
            return array
    except OSError:
        raise
    except Exception as error:  # a header is Python text, and NumPy passes on what Python's parser raises
        reason = " ".join(str(error).split())
        raise FileFormatError(f"{path} is no .npy file of numbers, or cut off: {reason[:SHOWN]}") from error
