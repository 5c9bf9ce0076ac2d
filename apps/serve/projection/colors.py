"""Color points by a field, with one byte per point: a few categories, or numbers on a scale."""

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from hdc.apps.serve.projection.region import leaves

Bytes = npt.NDArray[np.uint8]

CATEGORIES = 8
"""Categories with a color of their own: as many as people can distinguish, also with color blindness."""

OTHER, MISSING = CATEGORIES, 255
"""Bytes for points of rarer categories, and for points without a value."""

STEPS = 254
"""Greatest byte of a number."""

FEW = 12
"""Up to this many different numbers are treated as categories."""

MOST_NUMBERS = 0.9
"""Share of the values that must be numbers to use a scale."""

CUT = 0.02
"""Share of the numbers at each end that get the last shade; outliers would otherwise leave one shade for the rest."""

DECADES = 1000
"""Ratio of the greatest to the least number from which the scale is logarithmic."""

NOTHING: Any = object()
"""Value of a row without a value."""

OF_ITEMS = 0.3
"""Weight of fields of array items, because a color shows only the first item."""

LABEL = 80
"""Most characters of a label."""


@dataclass(frozen=True, eq=False)
class Colors:
    """The colors of points.

    Attributes
    ----------
    kind : {"categories", "numbers"}
    shades : (n,) uint8 array
        A category, :data:`OTHER` or :data:`MISSING`; or 0 to :data:`STEPS`.
    labels : list of dict
        ``label``, ``value`` and ``count`` of each category, the most frequent first.
    others, missing : int
        Points of rarer categories, and without a value.
    low, high : float
        Ends of the scale.
    logarithmic : bool
    """

    kind: str
    shades: Bytes
    labels: list[dict[str, Any]]
    others: int = 0
    missing: int = 0
    low: float = 0.0
    high: float = 0.0
    logarithmic: bool = False


def colors_of(values: Sequence[Any]) -> Colors:
    """Return the colors of rows by their values; pass :data:`NOTHING` for a missing value.

    Examples
    --------
    >>> colors = colors_of(["b", "a", "a", NOTHING])
    >>> [entry["label"] for entry in colors.labels], colors.shades.tolist()
    (['a', 'b'], [1, 0, 0, 255])
    """
    there = [value for value in values if value is not NOTHING]
    numeric = [value for value in there if _is_number(value)]
    if there and len(numeric) >= MOST_NUMBERS * len(there) and len(set(numeric)) > FEW:
        return _scaled(values)
    return _categories(values)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _scaled(values: Sequence[Any]) -> Colors:
    raw = np.array([float(value) if _is_number(value) else np.nan for value in values])
    there = np.isfinite(raw)
    low, high = (float(end) for end in np.quantile(raw[there], [CUT, 1 - CUT]))
    if high <= low:
        low, high = float(raw[there].min()), float(raw[there].max())
    logarithmic = low > 0 and high / low >= DECADES
    if logarithmic:
        places = np.log(np.maximum(raw, low))
        ends = np.log(low), np.log(high)
    else:
        places, ends = raw, (low, high)
    shades = np.full(len(raw), MISSING, np.uint8)
    parts = np.clip((places[there] - ends[0]) / max(ends[1] - ends[0], np.finfo(float).tiny), 0, 1)
    shades[there] = np.rint(parts * STEPS)
    return Colors("numbers", shades, [], missing=int((~there).sum()), low=low, high=high, logarithmic=logarithmic)


def _categories(values: Sequence[Any]) -> Colors:
    keys = [NOTHING if value is NOTHING else (type(value).__name__, value) for value in values]
    counts = Counter(key for key in keys if key is not NOTHING)
    order = sorted(counts.items(), key=lambda entry: (-entry[1], str(entry[0][1])))
    shown = order[:CATEGORIES]
    place = {key: number for number, (key, _) in enumerate(shown)}
    shades = np.array([MISSING if key is NOTHING else place.get(key, OTHER) for key in keys], np.uint8)
    labels = [{"label": _label(key[1]), "value": key[1], "count": count} for key, count in shown]
    return Colors(
        "categories",
        shades,
        labels,
        others=sum(count for _, count in order[CATEGORIES:]),
        missing=sum(key is NOTHING for key in keys),
    )


def _label(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value)
    return text if len(text) <= LABEL else text[: LABEL - 1] + "…"


def plain(value: Any) -> Any:
    """Return a leaf's value, which can be a color, or :data:`NOTHING` for other values."""
    return NOTHING if isinstance(value, dict | list) else value


def suitable(documents: Sequence[Any]) -> list[dict[str, Any]]:
    """Return the fields of a sample that are useful as colors, the best first.

    The best fields occur in most documents and have a few values, none of them dominant. Numbers come next. Fields
    whose values are nearly all different come last.

    Returns
    -------
    list of dict
        ``path``, ``kind`` (categories or numbers), ``distinct`` values in the sample, ``share`` of documents.
    """
    fields: dict[str, list[Any]] = {}
    for document in documents:
        first: dict[str, Any] = {}
        for path, value in leaves(document):
            first.setdefault(path, value)
        for path, value in first.items():
            fields.setdefault(path, []).append(value)
    found = []
    for path, values in fields.items():
        share, distinct = len(values) / len(documents), len({(type(value), value) for value in values})
        number = sum(map(_is_number, values)) >= MOST_NUMBERS * len(values) and distinct > FEW
        most = max(Counter(map(repr, values)).values()) / len(values)
        entry = {"path": path, "kind": "numbers" if number else "categories", "distinct": distinct, "share": share}
        worth = _worth(share, distinct, most, number, len(values)) * (OF_ITEMS if "[]" in path else 1)
        found.append((-worth, path, entry))
    return [entry for _, _, entry in sorted(found, key=lambda found: found[:2])]


def _worth(share: float, distinct: int, most: float, number: bool, count: int) -> float:
    """Return how useful colors by a field are."""
    if distinct < 2:
        return 0.0
    if number:
        return 0.4 * share
    if distinct > count / 2:
        return 0.05 * share
    wide = 1.0 if distinct <= CATEGORIES else (CATEGORIES / distinct) ** 0.5
    worth: float = share * (1 - most) ** 0.5 * wide
    return worth
