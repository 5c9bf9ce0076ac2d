"""Columns of texts: bags of words and of runs of three characters."""

from collections import Counter
from typing import Any

import numpy as np

from hdc import VSA
from hdc.apps.learn.features.members import Members, column_member, taken, unit
from hdc.apps.learn.features.tables import Objects
from hdc.checks import shown
from hdc.errors import DTypeError
from hdc.kernels import Array

RUN = 3
"""Characters of a run."""

TEXTS = 256
"""Texts whose words and runs are hypervectors at the same time."""


def text_members(vsa: VSA, name: Any, values: Objects) -> Members:
    """Return a member for each text, of weight 0 where it is missing or has no word.

    A text is the bundle of its words and of the runs of three characters in them, each as often as it occurs; see
    :func:`grams`. It is normalized, so that a long one weighs no more than a short one, and bound to its column's role.

    Raises
    ------
    DTypeError
        If one is not text.
    """
    for value in values:
        if value is not None and not isinstance(value, str):
            raise DTypeError(f"column {shown(name)} has {shown(value)}, and its kind is 'text': give texts (str)")
    counted = [grams(value or "") for value in values]
    parts = [_bundles(vsa, counted[start : start + TEXTS]) for start in range(0, len(counted), TEXTS)]
    present = np.array([len(counts) > 0 for counts in counted], dtype=bool)
    return column_member(vsa, name, vsa.xp.concat(parts, axis=0), present)


def grams(text: str) -> "Counter[tuple[str, str]]":
    """Count the words of a text, in small letters, and the runs of three characters of each between two spaces."""
    counts: Counter[tuple[str, str]] = Counter()
    for word in text.lower().split():
        counts["word", word] += 1
        padded = f" {word} "
        counts.update(("run", padded[start : start + RUN]) for start in range(len(padded) - RUN + 1))
    return counts


def _bundles(vsa: VSA, counted: "list[Counter[tuple[str, str]]]") -> Array:
    """Return one vector per text; a text without words gets an arbitrary one."""
    numbers: dict[tuple[str, str], int] = {("word", ""): 0}
    for counts in counted:
        for gram in counts:
            numbers.setdefault(gram, len(numbers))
    symbols, from_numpy = vsa.symbols(list(numbers)), vsa.kernels.arrays.from_numpy
    bundles = []
    for counts in counted:
        which = np.array([numbers[gram] for gram in counts] or [0], dtype=np.int64)
        times = np.array(list(counts.values()) or [1], dtype=np.int64)
        bundles.append(vsa.bundle(taken(vsa, symbols, which), from_numpy(times)))
    return unit(vsa, vsa.xp.stack(bundles))
