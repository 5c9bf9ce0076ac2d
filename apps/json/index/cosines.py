"""Cosines of document vectors."""

from typing import Any

import numpy as np

from hdc.apps.json.encoder.encoder import JSONEncoder
from hdc.search.measures import Floats


def unit(encoder: JSONEncoder, documents: list[Any]) -> Floats:
    """Return the normalized vectors of documents: ``(n, dim)`` float32; a zero vector stays zero."""
    vectors = encoder.vectors(documents)
    lengths = np.linalg.norm(vectors, axis=1)
    return np.asarray(vectors / np.where(lengths > 0, lengths, np.float32(1))[:, None], dtype=np.float32)


def cosines(encoder: JSONEncoder, vector: Floats, others: list[Any]) -> Floats:
    """Return the cosines of a unit vector with the vectors of documents: ``(n,)`` float32."""
    return np.asarray(unit(encoder, others) @ vector)
