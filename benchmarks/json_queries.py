"""Queries as people remember documents: a few leaves, a typing error, a number that is a little off.

A leaf is a place of a document with a value: a text, a number or a Boolean. Null and what is empty are no leaves. An
array of numbers is one leaf, as its items say nothing apart, such as ``[longitude, latitude]``.
"""

import re
import string
from collections.abc import Iterator
from random import Random
from typing import Any, TypeAlias

Path: TypeAlias = tuple[str | int, ...]

WORD = re.compile(r"[^\W\d_]{4,}")
"""What a typing error is made in: four letters or more."""

NOISE = 0.05
"""Most that a number is changed, as a part of it."""

TRIES = 60
"""Walks through a document before it counts as having no more leaves."""


def leaves(value: Any, path: Path = ()) -> Iterator[tuple[Path, Any]]:
    """Yield the leaves of a document with their paths, the positions in arrays included."""
    if is_leaf(value):
        yield path, value
    elif isinstance(value, dict | list):
        for step, item in value.items() if isinstance(value, dict) else enumerate(value):
            yield from leaves(item, (*path, step))


def is_leaf(value: Any) -> bool:
    if isinstance(value, list):
        return bool(value) and all(is_number(item) for item in value)
    return value is not None and value != "" and not isinstance(value, dict)


def is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def walked(document: Any, count: int, random: Random) -> dict[Path, Any]:
    """Return up to ``count`` different leaves, each at the end of a walk from the top that is random at each step.

    So each field of an object is as likely as the others, however many leaves are beneath it.
    """
    found: dict[Path, Any] = {}
    for _ in range(TRIES):
        value, path = document, ()
        while not is_leaf(value) and isinstance(value, dict | list) and value:
            step = random.choice(list(value)) if isinstance(value, dict) else random.randrange(len(value))
            value, path = value[step], (*path, step)
        if is_leaf(value):
            found[path] = value
        if len(found) == count:
            break
    return found


def drawn(document: Any, count: int, random: Random) -> dict[Path, Any]:
    """Return up to ``count`` different leaves, each leaf of the document as likely as any other."""
    every = list(leaves(document))
    return dict(random.sample(every, min(count, len(every))))


def document_of(found: dict[Path, Any]) -> Any:
    """Return the document that has just these leaves: nested as they were, the arrays closed up."""
    whole: dict[Any, Any] = {}
    for path, value in found.items():
        place = whole
        for step in path[:-1]:
            place = place.setdefault(step, {})
        place[path[-1]] = value
    return _closed(whole)


def _closed(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    if any(isinstance(step, int) for step in value):
        return [_closed(value[step]) for step in sorted(value)]
    return {step: _closed(item) for step, item in value.items()}


def with_typing_error(found: dict[Path, Any], random: Random) -> dict[Path, Any]:
    """Return the leaves with one wrong letter in one of the texts, if one has a word of four letters."""
    texts = [path for path, value in found.items() if isinstance(value, str) and WORD.search(value)]
    if not texts:
        return found
    path = random.choice(texts)
    word = random.choice(list(WORD.finditer(found[path])))
    wrong = misspelled(word.group(), random)
    return {**found, path: found[path][: word.start()] + wrong + found[path][word.end() :]}


def misspelled(word: str, random: Random) -> str:
    """Return a word with two neighbors swapped, or a letter left out, added or replaced; never the word itself."""
    while True:
        at, letter = random.randrange(len(word)), random.choice(string.ascii_lowercase)
        kind = random.choice(("swap", "delete", "insert", "substitute"))
        if kind == "swap":
            wrong = word[:at] + word[at : at + 2][::-1] + word[at + 2 :]
        else:
            wrong = word[:at] + (letter if kind != "delete" else "") + word[at + (kind != "insert") :]
        if wrong.lower() != word.lower():
            return wrong


def with_noise(found: dict[Path, Any], random: Random) -> dict[Path, Any]:
    """Return the leaves with one of the numbers changed by up to 5 %, written with as many decimals as before."""
    places = [(path, at) for path, value in found.items() for at in _numbers(value)]
    if not places:
        return found
    path, at = random.choice(places)
    value = found[path]
    if at is None:
        return {**found, path: _near(value, random)}
    return {**found, path: [*value[:at], _near(value[at], random), *value[at + 1 :]]}


def _numbers(value: Any) -> list[int | None]:
    if isinstance(value, list):
        return list(range(len(value)))
    return [None] if is_number(value) else []


def _near(value: float, random: Random) -> float:
    changed = value * (1 + random.uniform(-NOISE, NOISE))
    if isinstance(value, int):
        return round(changed)
    written = repr(value)
    return changed if "e" in written else round(changed, len(written.partition(".")[2]))
