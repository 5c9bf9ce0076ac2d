"""What a value is asked for and found by: terms, which documents have or have not, and a number on its scale.

They say the same as the tokens that its vector is made of, and what search adds to them.
"""

from typing import NamedTuple

import xxhash

from hdc.apps.json.document.paths import Path, any_position, scale_path, show_path
from hdc.apps.json.values.numbers import Quantities


class Number(NamedTuple):
    """A number: what it counts, itself, where it lies on the scale of its path, and its part of the squared weight."""

    kind: Quantities
    value: int | float
    place: float
    weight: float


class Parts(NamedTuple):
    """What a value is made of, with what each part adds to the squared weight of a value that holds it.

    Attributes
    ----------
    terms : list of (kind, content, weight)
    number : Number or None
    """

    terms: list[tuple[str, str, float]]
    number: Number | None

    @property
    def whole(self) -> float:
        """The squared weight of the value."""
        return sum([weight for _, _, weight in self.terms]) + (0.0 if self.number is None else self.number.weight)


def term_hash(kind: str, content: str) -> int:
    """Return the hash of a term."""
    return xxhash.xxh3_64_intdigest(f"{kind}\0{content}".encode("utf-8", "surrogatepass"))


def path_hash(path: Path) -> tuple[int, str]:
    """Return the hash of a path, positions left out, and its text; it is odd where the path leads into an array."""
    place = any_position(path)
    text = show_path(place)
    return _flagged(text, None in place), text


def column_hash(path: Path, kind: Quantities) -> int:
    """Return the hash of the column of numbers that lie on one scale, odd where the path leads into an array."""
    place = scale_path(path)
    return _flagged(f"{show_path(place)}\0{kind}", any(not isinstance(step, str) for step in place))


def _flagged(text: str, odd: bool) -> int:
    return xxhash.xxh3_64_intdigest(text.encode("utf-8", "surrogatepass")) & ~1 | odd
