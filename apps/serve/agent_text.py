"""Format the answers of agent tools as plain text, short enough for a language model's context."""

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import orjson

from hdc.apps.json.document.paths import Path, show_path

DOCUMENT = 1200
"""Most characters of a hit's document."""

WHOLE = 20_000
"""Most characters of a single document, and of an answer."""

VALUE = 60
"""Most characters of a value in a line."""

REASONS, FIELDS, EXAMPLES = 6, 60, 3
"""Most lines of reasons per hit, lines of fields per index, and example values per field."""


def cut(text: str, most: int) -> str:
    """Return a text; if it is longer than ``most``, its beginning and its length."""
    return text if len(text) <= most else f"{text[:most]}… ({len(text):,} characters)"


def document(value: Any, most: int = DOCUMENT) -> str:
    """Return a document, a value or an index's JSON text as a line of JSON."""
    if isinstance(value, orjson.Fragment):
        return cut(orjson.dumps(value).decode(), most)
    return cut(json.dumps(value, ensure_ascii=False), most)


def hits(found: Sequence[Mapping[str, Any]], notes: Iterable[str], what: str) -> str:
    """Return hits, best first, with their reasons and documents if there are any."""
    if not found:
        return "\n".join([f"No hits: nothing in {what} meets the query.", *(f"Note: {note}" for note in notes)])
    measure = "" if "measure" not in found[0] else f"; scores: {_MEASURES[found[0]['measure']]}"
    lines = [f"{len(found)} hit{'s' if len(found) > 1 else ''} in {what}{measure}."]
    lines += [f"Note: {note}" for note in notes]
    for place, hit in enumerate(found, 1):
        score = f"score {hit['score']:.3f}" if "score" in hit else f"distance {hit['distance']:g}"
        key = f", key {document(hit['key'], VALUE)}" if "key" in hit else ""
        lines += ["", f"{place}. {score}{key}, id {hit['id']}"]
        lines += reasons(hit.get("reasons", ()))
        if "document" in hit:
            lines.append(f"   {document(hit['document'])}")
    return cut("\n".join(lines), WHOLE)


def reasons(found: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return, for each value of a query, its match in a document and its share of the score."""
    lines = []
    for reason in found[:REASONS]:
        said = "met nothing"
        if "match" in reason:
            said = f"met {document(reason['match'], VALUE)}: {reason['share']:.3f} of the score"
        lines.append(f"   {reason['path'] or 'document'}: {document(reason['query'], VALUE)} {said}")
    if len(found) > REASONS:
        lines.append(f"   and {len(found) - REASONS} more")
    return lines


def fields(documents: Sequence[Any]) -> list[str]:
    """Return one line per path of documents: the number of documents that have it, and example values."""
    having: Counter[str] = Counter()
    values: dict[str, dict[str, None]] = {}
    for value in documents:
        own: dict[str, None] = {}
        for path, leaf in _leaves(value, ()):
            name = show_path(path)
            own[name] = None
            known = values.setdefault(name, {})
            if len(known) < EXAMPLES:
                known[document(leaf, VALUE)] = None
        having.update(own.keys())
    most = having.most_common(FIELDS)
    lines = [f"  {name} ({count}): {', '.join(values[name])}" for name, count in most]
    return lines + ([f"  and {len(having) - FIELDS} more"] if len(having) > FIELDS else [])


def _leaves(value: Any, path: Path) -> Iterator[tuple[Path, Any]]:
    if isinstance(value, dict) and value:
        for name, inner in value.items():
            yield from _leaves(inner, (*path, name))
    elif isinstance(value, list) and value:
        for inner in value:
            yield from _leaves(inner, (*path, None))
    else:
        yield path, value


_MEASURES = {
    "coverage": "1 is all that was asked for",
    "overlap": "1 is the same",
    "cosine": "cosines, 1 is the same",
    "ip": "inner products, more is nearer",
    "l2": "squared distances times -1, 0 is the same",
    "bits": "differing bits, 0 is the same",
}
