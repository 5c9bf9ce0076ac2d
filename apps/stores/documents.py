"""How a collection stores a document, and the hit that it returns."""

import json
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from hdc.apps.retrieval import EmbeddingIndex
from hdc.errors import FileFormatError, ParameterError, UnsupportedError
from hdc.store import Snapshot

Ids = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float32]

DEEPEST = 200
"""Most levels of nesting in a document."""


class Hit(NamedTuple):
    """A document that was found.

    Attributes
    ----------
    key : str or None
    score : float
        The score of :meth:`EmbeddingIndex.search`.
    document : JSON object
    vector : (d,) float32 array or None
        None unless you ask for vectors.
    """

    key: str | None
    score: float
    document: dict[str, Any]
    vector: Floats | None = None


def text_of(document: Any, key: str) -> bytes:
    """Return a document as the JSON that is stored.

    Raises
    ------
    ParameterError
        If it is not an object with metadata, or JSON would change it.
    """
    if not isinstance(document, dict) or not isinstance(document.get("metadata"), dict):
        raise ParameterError(f"the document {key!r} must be an object with an object 'metadata', not {document!r:.80}")
    try:
        text = json.dumps(document, allow_nan=False, separators=(",", ":"))
        same = json.loads(text) == document
    except (TypeError, ValueError, RecursionError) as error:
        raise ParameterError(f"the document {key!r} is not JSON: {error}") from None
    if not same:
        raise ParameterError(f"JSON would change the document {key!r}; use lists instead of tuples, and texts as keys")
    if _depth(document) > DEEPEST:
        raise ParameterError(f"the document {key!r} is nested deeper than {DEEPEST} levels")
    return text.encode()


def _depth(value: Any) -> int:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return 1 + max(map(_depth, inner), default=0)


def parsed(text: bytes | None) -> dict[str, Any]:
    """Parse a row's document. A row without one, in an index from elsewhere, gets an empty document."""
    try:
        document = json.loads(text or b"{}")
    except ValueError:
        document = None
    if not isinstance(document, dict):
        raise FileFormatError(f"a row has a document that no collection wrote: {text!r:.80}")
    return document


def metadata_of(document: dict[str, Any]) -> dict[str, Any]:
    """Return the metadata that filters read."""
    metadata = document.get("metadata", {})
    return metadata if isinstance(metadata, dict) else {}


def hits_of(snapshot: Snapshot, rows: Ids, scores: npt.NDArray[Any], vectors: Floats | None = None) -> list[Hit]:
    """Return the rows at positions as hits."""
    kept = [None] * len(rows) if vectors is None else list(vectors)
    entries = snapshot.entries(rows)
    return [
        Hit(key, score, parsed(text), vector)
        for (key, text, _), score, vector in zip(entries, scores.tolist(), kept, strict=True)
    ]


def decoded(index: EmbeddingIndex, snapshot: Snapshot, rows: Ids) -> Floats:
    """Return the vectors that an index keeps of rows."""
    originals = index.codes.originals
    if originals is None:
        raise UnsupportedError("the index keeps no vectors; create it by EmbeddingIndex.create(..., keep='float16')")
    return originals.decoded(snapshot, rows)
