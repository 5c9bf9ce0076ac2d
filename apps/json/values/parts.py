"""Search parts of a value: terms, which documents have or lack, and a number on its scale.

They correspond to the tokens of the value's vector, and to what search adds to them.
"""

from collections.abc import Callable
from functools import lru_cache
from typing import NamedTuple, TypeAlias

import xxhash

from hdc.apps.json.document.paths import Path, any_position, scale_path, show_path
from hdc.apps.json.values.numbers import Quantities

KNOWN = 1 << 12
"""Paths whose hashes are cached."""


class Number(NamedTuple):
    """A number: what it measures, its value, its place on the scale of its path, its share of the squared weight."""

    kind: Quantities
    value: int | float
    place: float
    weight: float


class Term(NamedTuple):
    """A part that a value has or lacks.

    Attributes
    ----------
    kind : str
        As of tokens: ``"="`` a whole string, ``"~"`` a word, ``"%"`` an n-gram, ``"constant"``; and ``"≡"`` the words
        of a string in their order, ``"&"`` two words that follow each other.
    contents : tuple of str
        Any of which will do; a value that is held has one.
    weight : float
        Its squared weight in a match.
    """

    kind: str
    contents: tuple[str, ...]
    weight: float


class Parts(NamedTuple):
    """The search parts of a value.

    Attributes
    ----------
    terms : list of Term
    number : Number or None
    whole : float
        The squared weight of the value: that of all its parts, and what is lost to words that are not quite the same.
    likened : float
        Weight of the cosine of the string encoder's vectors of two strings, if that is positive.
    """

    terms: list[Term]
    number: Number | None
    whole: float
    likened: float = 0.0


class Held(NamedTuple):
    """What a value is found by, of its parts: kind and content of each term, the number, and the squared weight."""

    terms: list[tuple[str, str]]
    number: Number | None
    whole: float


Spell: TypeAlias = Callable[[Path, str], "Spelled | None"]
"""Function that returns the replacements of a word that no document has at a path."""


class Spelled(NamedTuple):
    """Words that documents have at a path in the place of one that none has.

    Attributes
    ----------
    words : tuple of str
    likeness : float
        The part of its weight that a word gets for one of them.
    """

    words: tuple[str, ...]
    likeness: float


def term_hash(kind: str, content: str) -> int:
    """Return the hash of a term."""
    return xxhash.xxh3_64_intdigest(f"{kind}\0{content}".encode("utf-8", "surrogatepass"))


@lru_cache(KNOWN)
def path_hash(path: Path) -> tuple[int, str]:
    """Return the hash of a path without positions, and its text; the hash is odd if the path leads into an array."""
    place = any_position(path)
    text = show_path(place)
    return _flagged(text, None in place), text


@lru_cache(KNOWN)
def column_hash(path: Path, kind: Quantities) -> int:
    """Return the hash of the column of numbers that lie on one scale, odd where the path leads into an array."""
    place = scale_path(path)
    return _flagged(f"{show_path(place)}\0{kind}", any(not isinstance(step, str) for step in place))


def _flagged(text: str, odd: bool) -> int:
    return xxhash.xxh3_64_intdigest(text.encode("utf-8", "surrogatepass")) & ~1 | odd
