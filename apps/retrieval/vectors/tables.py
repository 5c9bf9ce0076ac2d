"""Tables in the forms that scikit-learn accepts: arrays of numbers, lists and data frames, with column names.

Errors and warnings use scikit-learn's words where it has some, so that users can search for them.
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
    """Return ``x`` as an ``(n, d)`` array of real numbers; floats are not copied, and may be memory-mapped.

    Parameters
    ----------
    x : (n, d) array or data frame
        Floats, integers, bools, or objects that are numbers. uint64 is refused, because packed codes have this dtype.
    who : str
        Name of the caller, for errors.
    dim : int or None
        Required number of columns.

    Raises
    ------
    DTypeError
        If ``x`` is sparse or not numeric.
    DimensionError
        If it is not two-dimensional, has no columns, or not ``dim`` columns.
    ParameterError
        If it contains complex numbers, or texts that are not numbers.
    """
    if hasattr(x, "tocsr"):
        raise DTypeError(f"{who} does not accept sparse data; pass the dense x.toarray()")
    table = array(x, "X")
    if table.dtype.kind == "c":
        raise ParameterError(f"Complex data not supported: {who} needs real numbers, not {table.dtype}")
    if table.dtype.kind == "O":
        table = _as_floats(table)
    if table.dtype.kind not in "fiub":
        raise DTypeError(f"X must contain numbers, not {table.dtype}")
    if table.dtype == np.uint64:
        raise DTypeError("X has dtype uint64, which packed codes have; pass the float vectors, or X.astype(float)")
    return shaped(table, dim, "X", who)


def _as_floats(table: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    try:
        return table.astype(np.float64)
    except TypeError as error:
        raise DTypeError(f"X must contain numbers: {error}") from None
    except ValueError as error:
        raise ParameterError(f"X must contain numbers: {error}") from None


def column_names(x: Any) -> Names | None:
    """Return the column names of a data frame; None if ``x`` has none, or none of them is text.

    Raises
    ------
    DTypeError
        If only some names are text.
    """
    columns = getattr(x, "columns", None)
    names = np.asarray([] if columns is None else columns, dtype=object)
    texts = sum(isinstance(name, str) for name in names)
    if 0 < texts < len(names):
        raise DTypeError("only some column names of X are texts; convert them all: X.columns = X.columns.astype(str)")
    return names if texts else None


def check_names(given: Names | None, fitted: Names | None, who: str) -> None:
    """Check the column names of ``X`` against those of the fit; warn if only one of the two has names.

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
    """Check the argument of ``get_feature_names_out``, None or one name per column, against the columns of the fit.

    Raises
    ------
    ParameterError
        If the names differ from those of the fit, or their number does.
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
