"""Labels of vectors: check and number them, and store their classes in a model's arrays."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from hdc.apps.retrieval.binarizers.files import pack_json, unpack_json
from hdc.checks import array
from hdc.errors import DimensionError, MismatchError, ParameterError

Ids = npt.NDArray[np.int64]


def numbered(y: Any, n: int, who: str) -> tuple[npt.NDArray[Any], Ids]:
    """Return the sorted classes, and the class number of each label.

    Parameters
    ----------
    y : (n,) array of integers, bools, texts, or floats that are whole
    n : int
        Number of vectors.
    who : str
        Name of the caller that needs the labels, for errors.

    Raises
    ------
    DimensionError, MismatchError
        If labels are not one-dimensional, or not one per vector.
    ParameterError
        If labels are missing, of another type, or of fewer than two classes.
    """
    if y is None:
        raise ParameterError(f"{who} requires y to be passed, but the target y is None")
    labels = array(y, "y")
    if labels.ndim != 1:
        raise DimensionError(f"y must have shape (n,), not {labels.shape}; y.ravel() has")
    if len(labels) != n:
        raise MismatchError(f"there are {n} vectors but {len(labels)} labels; pass one label per vector")
    classes, numbers = np.unique(_discrete(labels), return_inverse=True)
    if len(classes) < 2:
        raise ParameterError(f"y has {len(classes)} class, but codes of classes need two or more")
    return classes, numbers.astype(np.int64)


def _discrete(labels: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return labels as integers, bools or texts."""
    if labels.dtype.kind == "f":
        if not np.isfinite(labels).all():
            raise ParameterError("y contains NaN or infinity; remove such rows first")
        if not (labels == np.floor(labels)).all():
            raise ParameterError("y must contain classes (Unknown label type: continuous): integers, bools or texts")
        return labels.astype(np.int64)
    if labels.dtype.kind == "O":
        if all(isinstance(label, str) for label in labels):
            return labels.astype(np.str_)
        if all(isinstance(label, int | np.integer) for label in labels):
            return labels.astype(np.int64)
    if labels.dtype.kind not in "iubU":
        raise ParameterError("y must contain classes (Unknown label type: unknown): all integers, bools or texts")
    return labels


def names_of(classes: npt.NDArray[Any]) -> list[str | int]:
    """Return the atom names of classes: texts, or integers."""
    plain: list[str | int] = (classes.astype(np.int64) if classes.dtype.kind == "b" else classes).tolist()
    return plain


def packed(classes: npt.NDArray[Any]) -> npt.NDArray[np.uint8]:
    """Return classes as a byte array for a saved model."""
    return pack_json(classes.tolist())


def unpacked(array_of_bytes: npt.NDArray[np.uint8]) -> npt.NDArray[Any]:
    """Return the classes that :func:`packed` packed."""
    kept: Sequence[Any] = unpack_json(array_of_bytes)
    return np.array(kept)
