"""Rows in a region of a map, and the values that distinguish their documents from the others."""

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from hdc.apps.json.document.paths import Path, show_path
from hdc.checks import numbers
from hdc.errors import ParameterError

Floats = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]

MOST_CORNERS = 512

BLOCK = 1 << 16
"""Points to compare with the edges per block."""

MOST_LENGTH = 80
"""Most characters of a value to compare; longer values are rarely shared."""

SHOWN = 8

LINE = 160
"""Most characters of a value to show."""


def polygon_of(corners: Any) -> npt.NDArray[np.float64]:
    """Return the corners of a polygon, ``(n, 2)``.

    Raises
    ------
    ParameterError
        If they are not pairs of numbers, or there are fewer than 3 or more than 512.
    """
    checked = numbers(corners, "polygon", "a list of [x, y] pairs")
    if checked.ndim != 2 or checked.shape[1] != 2 or not 3 <= len(checked) <= MOST_CORNERS:
        raise ParameterError(
            f"polygon must be a list of 3 to {MOST_CORNERS} pairs [x, y], not an array of shape {checked.shape}"
        )
    if not np.isfinite(checked).all():
        raise ParameterError("polygon has a NaN or an infinity")
    return checked


def inside(points: Floats, corners: npt.NDArray[np.float64]) -> Mask:
    """Return which of ``(n, 2)`` points are inside a polygon, by the even-odd rule.

    Examples
    --------
    >>> square = polygon_of([[0, 0], [2, 0], [2, 2], [0, 2]])
    >>> inside(np.array([[1, 1], [3, 1]], np.float32), square).tolist()
    [True, False]
    """
    found = np.zeros(len(points), np.bool_)
    low, high = corners.min(axis=0), corners.max(axis=0)
    near = np.flatnonzero(((points >= low) & (points <= high)).all(axis=1))
    for start in range(0, len(near), BLOCK):
        part = near[start : start + BLOCK]
        x, y = points[part].astype(np.float64).T
        odd = np.zeros(len(part), np.bool_)
        for (x0, y0), (x1, y1) in zip(corners, np.roll(corners, -1, axis=0), strict=True):
            crosses = (y0 > y) != (y1 > y)
            if crosses.any():
                odd[crosses] ^= x[crosses] < x0 + (x1 - x0) * (y[crosses] - y0) / (y1 - y0)
        found[part] = odd
    return found


def leaves(document: Any) -> Iterator[tuple[str, Any]]:
    """Yield the values of a document with their paths, without positions in arrays."""
    for path, value in _leaves(document, ()):
        yield show_path(path), value


def _leaves(value: Any, path: Path) -> Iterator[tuple[Path, Any]]:
    if isinstance(value, dict):
        for key, item in value.items():
            yield from _leaves(item, (*path, key))
    elif isinstance(value, list):
        for item in value:
            yield from _leaves(item, (*path, None))
    else:
        yield path, value


def distinguishing(inner: Iterable[Any], outer: Iterable[Any]) -> list[dict[str, Any]]:
    """Return the values that documents of a region share more often than others do, the most telling first.

    Parameters
    ----------
    inner, outer : documents
        Samples of the region and of the rest.

    Returns
    -------
    list of dict
        ``path``, ``value``, and the shares of documents that have it: ``inside``, ``outside``.

    Examples
    --------
    >>> distinguishing([{"color": "red", "size": 1}] * 3, [{"color": "blue", "size": 1}] * 3)
    [{'path': 'color', 'value': 'red', 'inside': 1.0, 'outside': 0.0}]
    """
    (own, inside_count), (others, outside_count) = _counted(inner), _counted(outer)
    found = []
    for (path, kind, value), count in own.items():
        share, other = count / max(inside_count, 1), others[path, kind, value] / max(outside_count, 1)
        if count > 1 and share > other:
            found.append((share - other, {"path": path, "value": value, "inside": share, "outside": other}))
    found.sort(key=lambda pair: (-pair[0], pair[1]["path"], str(pair[1]["value"])))
    return [entry for _, entry in found[:SHOWN]]


def _counted(documents: Iterable[Any]) -> tuple[Counter[tuple[str, str, Any]], int]:
    """Return the number of documents with each value, and the number of documents."""
    counts: Counter[tuple[str, str, Any]] = Counter()
    total = 0
    for document in documents:
        total += 1
        counts.update({(path, type(value).__name__, value) for path, value in leaves(document) if _short(value)})
    return counts, total


def clip(value: Any) -> Any:
    """Return a value to show, with texts cut to a line."""
    return value if not isinstance(value, str) or len(value) <= LINE else value[: LINE - 1] + "…"


def _short(value: Any) -> bool:
    return not isinstance(value, str) or 0 < len(value) <= MOST_LENGTH
