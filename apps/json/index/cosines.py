"""Documents by the cosines of their vectors, and the reasons for one."""

import json
from collections.abc import Iterator
from typing import Any

import numpy as np

from hdc.apps.json.document.constant import plain
from hdc.apps.json.document.paths import any_position, show_path
from hdc.apps.json.encoder.encoder import JSONEncoder
from hdc.apps.json.index.compiled_query import ABSENT
from hdc.apps.json.index.matcher import Matcher, Reason
from hdc.apps.json.values.values import Values
from hdc.search.measures import Floats


def unit(encoder: JSONEncoder, documents: list[Any]) -> Floats:
    """Return the vectors of documents, of length 1: ``(n, dim)`` float32; one of zeros stays so."""
    vectors = encoder.vectors(documents)
    lengths = np.linalg.norm(vectors, axis=1)
    return np.asarray(vectors / np.where(lengths > 0, lengths, np.float32(1))[:, None], dtype=np.float32)


def cosines(encoder: JSONEncoder, vector: Floats, others: list[Any]) -> Floats:
    """Return the cosine of a vector of length 1 with that of each of some documents: ``(n,)`` float32."""
    return np.asarray(unit(encoder, others) @ vector)


def cosine_reasons(query: Any, document: Any, encoder: JSONEncoder, values: Values) -> Iterator[Reason]:
    """Yield the part of each leaf of a document in its cosine with another one."""
    found = Matcher(query, values, encoder.layout).reasons(document)
    met = {(any_position(path), _typed(reason.query)): reason.match for path, reason in found}
    target = unit(encoder, [document])[0]
    leaves, vectors = encoder.leaf_vectors(query)
    length = np.linalg.norm(vectors.sum(axis=0))
    for (path, value), share in zip(leaves, vectors @ target / length, strict=True):
        match = met.get((any_position(path), _typed(plain(value))), ABSENT)
        yield Reason(show_path(path), plain(value), match, float(share))


def _typed(value: Any) -> Any:
    """Return a key that tells values of different JSON types apart."""
    return isinstance(value, bool), json.dumps(value) if isinstance(value, dict | list) else value
