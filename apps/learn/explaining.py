"""Explain a class: the share of each feature, or each leaf of a document, in the lead over the next class.

A score is a sum over components, and a row of JSONEncoder is a sum of leaves, so the share of a leaf is exact. Rows of
tables are bundles cut to signs, or waves of all columns at once. There a feature is left out like a missing value, and
its share is what the lead loses.
"""

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

Doubles = npt.NDArray[np.float64]


class Reason(NamedTuple):
    """The contribution of one feature, or leaf.

    Attributes
    ----------
    feature
        Its name or number, or the path of a leaf.
    value
    weight : float
        Added to the lead of the class over the next one; negative if it counts against the class.
    """

    feature: Any
    value: Any
    weight: float


class Explanation(NamedTuple):
    """Why a row has its class.

    Attributes
    ----------
    label
        The class.
    rival
        The class with the second greatest score; None if there is only one class.
    lead : float
        Difference between the two scores.
    reasons : list of Reason
        Those of greatest weight first, for or against.
    """

    label: Any
    rival: Any
    lead: float
    reasons: list[Reason]


def without_each(X: Any, row: int) -> Any:
    """Return one row of a table as many times as it has columns, each time without one of them."""
    if hasattr(X, "to_pandas"):
        X = X.to_pandas()
    if not hasattr(X, "iloc"):
        values = np.array(X)[row]
        wide = np.repeat(values[None].astype(float if values.dtype.kind in "biuf" else object), len(values), axis=0)
        wide[np.diag_indices(len(values))] = np.nan if wide.dtype.kind == "f" else None
        return wide
    frame = X.iloc[[row] * X.shape[1]].reset_index(drop=True)
    return frame.apply(lambda column: column.where(frame.index != frame.columns.get_loc(column.name)))


def values_of(X: Any, row: int) -> list[Any]:
    """Return the values of one row of a table."""
    if hasattr(X, "iloc"):
        return list(X.iloc[row].tolist())
    return list(X.row(row)) if hasattr(X, "row") else list(np.asarray(X)[row].tolist())


def ranked(names: Any, values: Any, weights: Doubles, k: int) -> list[Reason]:
    """Return the k reasons of greatest weight, for or against."""
    best = np.argsort(-np.abs(weights), kind="stable")[:k]
    return [Reason(names[i], values[i], float(weights[i])) for i in best]
