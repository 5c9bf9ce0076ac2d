"""Read NumPy's ``.npy`` files by memory-mapping, and ``.npz`` archives; hostile headers raise typed errors."""

import zipfile
from typing import Any

import numpy as np
import numpy.typing as npt

from hdc.errors import FileFormatError, ParameterError

SHOWN = 200
"""Most characters of NumPy's reason in an error."""

MOST_UNPACKED = 1 << 30
"""Most bytes of an array that is read from an archive, whose header can claim any size (1 GiB)."""


def mapped(path: str) -> npt.NDArray[Any]:
    """Return the array of a file, memory-mapped and not yet read.

    Raises
    ------
    FileFormatError
        If the file has another format, is truncated, or contains objects.
    OSError
        If it cannot be read.
    """
    try:
        with np.errstate(over="raise"):
            array = np.load(path, mmap_mode="r", allow_pickle=False)
            if not isinstance(array, np.ndarray):
                raise ValueError(f"it contains a {type(array).__name__}")
            return array
    except OSError:
        raise
    except Exception as error:  # a header is Python text; NumPy passes on whatever Python's parser raises
        reason = " ".join(str(error).split())
        raise FileFormatError(f"{path} is not a .npy file of numbers, or is cut off: {reason[:SHOWN]}") from error


def archived(path: str, name: str | None = None) -> npt.NDArray[Any]:
    """Return an array of a ``.npz`` file, read into memory.

    Parameters
    ----------
    path : str
    name : str, optional
        Name of the array; by default the only one.

    Raises
    ------
    ParameterError
        If the array is missing, there are several to choose from, or it is larger than ``MOST_UNPACKED``.
    FileFormatError
        If the file is damaged, or the array contains objects.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            sizes = {info.filename.removesuffix(".npy"): info.file_size for info in archive.infolist()}
        chosen = next(iter(sizes)) if name is None and len(sizes) == 1 else name
        if chosen is None or chosen not in sizes:
            raise ParameterError(f"{path} has the arrays {', '.join(sizes) or 'none'}; name one of them, not {name!r}")
        if sizes[chosen] > MOST_UNPACKED:
            raise ParameterError(
                f"{path}: {chosen} has {sizes[chosen]:,} bytes; write it as .npy, which is memory-mapped"
            )
        with np.load(path, allow_pickle=False) as content:
            return np.asarray(content[chosen])
    except (OSError, ParameterError):
        raise
    except Exception as error:  # as in mapped
        reason = " ".join(str(error).split())
        raise FileFormatError(f"{path} is not a .npz file of numbers, or is damaged: {reason[:SHOWN]}") from error
