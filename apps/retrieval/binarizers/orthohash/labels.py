"""Labels of vectors: checked, numbered, and their classes kept in a model's arrays."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from hdc.apps.retrieval.binarizers.files import pack_json, unpack_json
from hdc.checks import array
from hdc.errors import DimensionError, MismatchError, ParameterError

Ids = npt.NDArray[np.int64]


def numbered(y: Any, n: int, who: str) -> tuple[npt.NDArray[Any], Ids]:
    """Return the classes, sorted, and for each label the number of its class.

    Parameters
    ----------
    y : (n,) array of integers, bools, texts, or floats that are whole
    n : int
        Number of vectors.
    who : str
        Who needs the labels, for errors.

    Raises
    ------
    DimensionError, MismatchError
        If they have not one dimension, or are not as many as the vectors.
    ParameterError
        If there are none, they are something else, or of fewer than two classes.
    """
    if y is None:
        raise ParameterError(f"{who} requires y to be passed, but the target y is None")
    labels = array(y, "y")
    if labels.ndim != 1:
        raise DimensionError(f"y must have shape (n,), not {labels.shape}; y.ravel() has")
    if len(labels) != n:
        raise MismatchError(f"there are {n} vectors and {len(labels)} labels; give one for each")
    classes, numbers = np.unique(_discrete(labels), return_inverse=True)
    if len(classes) < 2:
        raise ParameterError(f"y is of {len(classes)} class, and codes of classes need two or more")
    return classes, numbers.astype(np.int64)


def _discrete(labels: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return labels as integers, bools or texts."""
    if labels.dtype.kind == "f":
        if not np.isfinite(labels).all():
            raise ParameterError("y contains NaN or infinity; remove such rows first")
        if not (labels == np.floor(labels)).all():
            raise ParameterError("y must hold classes (Unknown label type: continuous): integers, bools or texts")
        return labels.astype(np.int64)
    if labels.dtype.kind == "O":
        if all(isinstance(label, str) for label in labels):
            return labels.astype(np.str_)
        if all(isinstance(label, int | np.integer) for label in labels):
            return labels.astype(np.int64)
    if labels.dtype.kind not in "iubU":
        raise ParameterError("y must hold classes (Unknown label type: unknown): integers, bools or texts, of one kind")
    return labels


def names_of(classes: npt.NDArray[Any]) -> list[str | int]:
    """Return the names that the atoms of classes have: their texts, or integers."""
    plain: list[str | int] = (classes.astype(np.int64) if classes.dtype.kind == "b" else classes).tolist()
    return plain


def packed(classes: npt.NDArray[Any]) -> npt.NDArray[np.uint8]:
    """Return classes as an array of bytes for a saved model."""
    return pack_json(classes.tolist())


def unpacked(array_of_bytes: npt.NDArray[np.uint8]) -> npt.NDArray[Any]:
    """Return the classes of :func:`packed`."""
    kept: Sequence[Any] = unpack_json(array_of_bytes)
    return np.array(kept)
