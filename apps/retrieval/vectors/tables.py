"""Tables as scikit-learn's users give them: numbers of any kind, lists, data frames; and the names of their columns.

Errors and warnings have scikit-learn's words where it has some, so that they are found.
"""

import warnings
from typing import Any

import numpy as np
import numpy.typing as npt

from hdc.apps.retrieval.vectors.rows import shaped
from hdc.checks import array
from hdc.errors import DTypeError, ParameterError

Names = npt.NDArray[np.object_]

NAMES_SHOWN = 5
"""Column names that an error lists."""


def as_table(x: Any, who: str, dim: int | None = None) -> npt.NDArray[Any]:
    """Return ``x`` as an ``(n, d)`` array of real numbers; floats are not copied, they may be mapped from a file.

    Parameters
    ----------
    x : (n, d) array or data frame
        Of floats, integers, bools, or objects that are numbers; uint64 is refused, because packed codes are.
    who : str
        Who takes it, for errors.
    dim : int or None
        Columns that it must have.

    Raises
    ------
    DTypeError
        If it is sparse, or holds something else.
    DimensionError
        If it is not two-dimensional, has no columns, or not ``dim`` columns.
    ParameterError
        If it holds complex numbers, or texts that are no numbers.
    """
    if hasattr(x, "tocsr"):
        raise DTypeError(f"{who} does not take sparse data; x.toarray() is dense")
    table = array(x, "X")
    if table.dtype.kind == "c":
        raise ParameterError(f"Complex data not supported: {who} takes real numbers, not {table.dtype}")
    if table.dtype.kind == "O":
        table = _as_floats(table)
    if table.dtype.kind not in "fiub":
        raise DTypeError(f"X must hold numbers, not {table.dtype}")
    if table.dtype == np.uint64:
        raise DTypeError("X holds uint64, which are packed codes; give the float vectors, or X.astype(float)")
    return shaped(table, dim, "X", who)


def _as_floats(table: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    try:
        return table.astype(np.float64)
    except TypeError as error:
        raise DTypeError(f"X must hold numbers: {error}") from None
    except ValueError as error:
        raise ParameterError(f"X must hold numbers: {error}") from None


def column_names(x: Any) -> Names | None:
    """Return the names of a data frame's columns; None for what has none, or where they are no texts.

    Raises
    ------
    DTypeError
        If only some are texts.
    """
    columns = getattr(x, "columns", None)
    names = np.asarray([] if columns is None else columns, dtype=object)
    texts = sum(isinstance(name, str) for name in names)
    if 0 < texts < len(names):
        raise DTypeError("only some column names of X are texts; make them all texts: X.columns.astype(str)")
    return names if texts else None


def check_names(given: Names | None, fitted: Names | None, who: str) -> None:
    """Check the column names of ``X`` against those of the fit; warn where only one of the two has names.

    Raises
    ------
    ParameterError
        If they differ, or are in another order.
    """
    if given is None and fitted is None:
        return
    if fitted is None:
        warnings.warn(f"X has feature names, but {who} was fitted without feature names", stacklevel=4)
    elif given is None:
        text = f"X does not have valid feature names, but {who} was fitted with feature names"
        warnings.warn(text, stacklevel=4)
    elif not np.array_equal(given, fitted):
        unseen, missing = sorted(set(given) - set(fitted)), sorted(set(fitted) - set(given))
        message = "The feature names should match those that were passed during fit.\n"
        message += _listed("Feature names unseen at fit time", unseen)
        message += _listed("Feature names seen at fit time, yet now missing", missing)
        if not unseen and not missing:
            message += "Feature names must be in the same order as they were in fit.\n"
        raise ParameterError(message)


def check_input_names(given: Any, columns: int, fitted: Names | None) -> None:
    """Check what ``get_feature_names_out`` is given, None or a name per column, against the columns of the fit.

    Raises
    ------
    ParameterError
        If they are not the names of these columns, or not as many.
    """
    if given is None:
        return
    names = np.asarray(given, dtype=object)
    if len(names) != columns:
        raise ParameterError(
            f"input_features should have length equal to number of features ({columns}), got {len(names)}"
        )
    if fitted is not None and not np.array_equal(names, fitted):
        raise ParameterError("input_features is not equal to feature_names_in_")


def _listed(what: str, names: list[str]) -> str:
    shown = [*names[:NAMES_SHOWN], *(["..."] if len(names) > NAMES_SHOWN else [])]
    return "\n- ".join([f"{what}:", *shown]) + "\n" if names else ""
