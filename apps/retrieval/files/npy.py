"""NumPy's ``.npy`` files, mapped; what their headers may hold is none of the caller's business."""

import zipfile
from typing import Any

import numpy as np
import numpy.typing as npt

from hdc.errors import FileFormatError, ParameterError

SHOWN = 200
"""Characters of NumPy's reason that an error shows."""

MOST_UNPACKED = 1 << 30
"""Bytes of an array that is read from an archive, which may say that it holds anything (1 GiB)."""


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


def archived(path: str, name: str | None = None) -> npt.NDArray[Any]:
    """Return an array of a ``.npz`` file, read into memory.

    Parameters
    ----------
    path : str
    name : str, optional
        Of the array; the only one if not given.

    Raises
    ------
    ParameterError
        If there is no such array, or there are several to choose from, or it is larger than ``MOST_UNPACKED``.
    FileFormatError
        If the file is damaged, or the array holds objects.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            sizes = {info.filename.removesuffix(".npy"): info.file_size for info in archive.infolist()}
        chosen = next(iter(sizes)) if name is None and len(sizes) == 1 else name
        if chosen is None or chosen not in sizes:
            raise ParameterError(f"{path} holds the arrays {', '.join(sizes) or 'none'}; say which, not {name!r}")
        if sizes[chosen] > MOST_UNPACKED:
            raise ParameterError(
                f"{path}: {chosen} has {sizes[chosen]:,} bytes; write so many as .npy, which is mapped"
            )
        with np.load(path, allow_pickle=False) as content:
            return np.asarray(content[chosen])
    except (OSError, ParameterError):
        raise
    except Exception as error:  # as in mapped
        reason = " ".join(str(error).split())
        raise FileFormatError(f"{path} is no .npz file of numbers, or damaged: {reason[:SHOWN]}") from error
