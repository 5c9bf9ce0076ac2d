"""Views of a document for learners besides its leaves: words at any path, their letters, and pairs.

A leaf is known by its path and its value. Words without a path let one field speak for another. Letters make words of
the same stem similar. A pair is two leaves of the same array item, such as ``{"id": 7, "excluded": true}``: a sum of
leaves alone cannot show whether it was 7 that was excluded.
"""

import json
import re
from collections.abc import Collection, Iterator
from itertools import combinations
from typing import Any

VIEWS = ("words", "letters", "pairs")
"""Views that can be added to the leaves."""

DOCUMENT = "document"
"""Key of the document itself."""

GRAMS = (3, 4)
"""Lengths of runs of letters, with word boundaries."""

MOST_LEAVES = 16
"""Leaves per item, in the order of their keys, to make pairs of."""

LONGEST = 64
"""Most characters of a string in a pair; longer strings rarely recur."""

_WORD = re.compile(r"[^\W_]+")
_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")


def viewed(document: Any, views: Collection[str]) -> dict[str, Any]:
    """Return a JSON object of a document and its views.

    Examples
    --------
    >>> viewed([{"id": "sendMail", "no": True}], ["words", "pairs"])
    {'document': [{'id': 'sendMail', 'no': True}], 'words': ['send', 'mail'], 'pairs': ['id="sendMail" no=true']}
    """
    found: dict[str, Any] = {DOCUMENT: document}
    words = list(dict.fromkeys(_words(document))) if {"words", "letters"} & set(views) else []
    if "words" in views:
        found["words"] = words
    if "letters" in views:
        found["letters"] = list(dict.fromkeys(gram for word in words for gram in _grams(word)))
    if "pairs" in views:
        found["pairs"] = list(dict.fromkeys(_pairs(document)))
    return found


def _words(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        for word in _WORD.findall(_HUMP.sub(" ", value)):
            yield word.casefold()
    elif isinstance(value, dict):
        for item in value.values():
            yield from _words(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _words(item)


def _grams(word: str) -> Iterator[str]:
    bordered = f"^{word[:LONGEST]}$"
    for size in GRAMS:
        for start in range(len(bordered) - size + 1):
            yield bordered[start : start + size]


def _pairs(value: Any) -> Iterator[str]:
    """Yield the pairs of every item of every array."""
    if isinstance(value, dict):
        for item in value.values():
            yield from _pairs(item)
    elif isinstance(value, list | tuple):
        for item in value:
            if isinstance(item, dict):
                leaves = sorted(f"{path}={text}" for path, text in _leaves(item, ""))[:MOST_LEAVES]
                for one, other in combinations(leaves, 2):
                    yield f"{one} {other}"
            yield from _pairs(item)


def _leaves(value: dict[str, Any], path: str) -> Iterator[tuple[str, str]]:
    """Yield the scalars of an object and of nested objects, without arrays."""
    for key, item in value.items():
        if isinstance(item, dict):
            yield from _leaves(item, f"{path}{key}.")
        elif not isinstance(item, list | tuple) and not (isinstance(item, str) and len(item) > LONGEST):
            yield f"{path}{key}", json.dumps(item)
