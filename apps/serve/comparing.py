"""Compare two documents: which of their fields are alike, and the share of each in the cosine."""

import json
from collections.abc import Iterator
from typing import Any

from hdc.apps.json import Hit, JSONIndex
from hdc.apps.json.document.paths import Path, any_position, parse_path, show_path
from hdc.apps.serve.answers import not_found, unprocessable

MOST_LEAVES = 5000
"""Most values of a document to compare, because the vector of each is computed again."""

MISSING = object()


def compared(index: JSONIndex, a: int | str, b: int | str) -> dict[str, Any]:
    """Return two documents, the cosine of their vectors, and their fields by :func:`aligned`.

    Parameters
    ----------
    index : JSONIndex
    a, b : int or str
        Ids, or keys as texts.

    Raises
    ------
    RefusedError
        If an id or key has no document, both are the same, or a document is too large.
    """
    one, other = _id(index, a), _id(index, b)
    if one == other:
        raise unprocessable(f"{a!r} and {b!r} are the same document; name two")
    first, second = index.document(one), index.document(other)
    for number, document in ((one, first), (other, second)):
        if sum(1 for _ in leaves(document)) > MOST_LEAVES:
            raise unprocessable(f"document {number} has more than {MOST_LEAVES:,} values, too many to compare")
    hit = index.like(one, 1, among=[other])[0]
    return {
        "a": _shown(index, one, first),
        "b": _shown(index, other, second),
        "cosine": hit.score,
        "fields": aligned(index, first, second, hit),
    }


def aligned(index: JSONIndex, first: Any, second: Any, hit: Hit) -> list[dict[str, Any]]:
    """Return the fields of two documents: ``path``, ``a`` and ``b`` if they exist, and ``share``.

    Fields with the same path are consecutive, in the order of the first document. Beside each is the equal value of the
    second document at that path; otherwise its match, unless that is beside its equal; otherwise a remaining value
    there. The shares sum to the cosine.
    """
    places = {leaf: place for place, leaf in enumerate(map(_key, leaves(first)))}
    left = {_key(leaf): leaf for leaf in leaves(second)}
    reasons = [reason.to_dict() for reason in index.explain(first, hit)]
    rows = []
    for reason in reasons:
        path = any_position(parse_path(reason["path"]))
        row = {"path": reason["path"], "a": reason["query"], "share": reason["share"]}
        rows.append((path, row, reason))
    rows.sort(key=lambda entry: places.get(_key((entry[0], entry[1]["a"])), len(places)))
    for wanted in ("a", "match"):
        for path, row, reason in rows:
            value = reason["query"] if wanted == "a" else reason.get("match", MISSING)
            if "b" in row or value is MISSING or _key((path, value)) not in left:
                continue
            del left[_key((path, value))]
            row["b"] = value
    rest: dict[Path, list[Any]] = {}
    for path, value in left.values():
        rest.setdefault(path, []).append(value)
    for path, row, _ in rows:
        if "b" not in row and rest.get(path):
            row["b"] = rest[path].pop(0)
    groups: dict[Path, list[dict[str, Any]]] = {}
    for path, row, _ in rows:
        groups.setdefault(path, []).append(row)
    for path, values in rest.items():
        groups.setdefault(path, []).extend({"path": show_path(path), "b": value, "share": 0.0} for value in values)
    return [row for group in groups.values() for row in group]


def leaves(document: Any) -> Iterator[tuple[Path, Any]]:
    """Yield the path, without positions, and the value of each leaf of a document, in order."""
    todo: list[tuple[Path, Any]] = [((), document)]
    while todo:
        path, value = todo.pop()
        if isinstance(value, dict) and value:
            todo += [((*path, key), item) for key, item in reversed(value.items())]
        elif isinstance(value, list) and value:
            todo += [((*path, None), item) for item in reversed(value)]
        else:
            yield path, value


def _key(leaf: tuple[Path, Any]) -> tuple[Path, str]:
    """Return a key that is equal for equal leaves only: 1 and true differ."""
    return leaf[0], json.dumps(leaf[1])


def _id(index: JSONIndex, given: int | str) -> int:
    if isinstance(given, int):
        return given
    found = index.find(given)
    if found is None:
        raise not_found(f"there is no document with the key {given!r}")
    return found


def _shown(index: JSONIndex, number: int, document: Any) -> dict[str, Any]:
    (key,) = index.keys([number])
    return {"id": number, **({} if key is None else {"key": key}), "document": document}
