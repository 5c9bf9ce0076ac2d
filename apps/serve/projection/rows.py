"""Read the vectors of any index as blocks of floats."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from hdc import words
from hdc.apps.json import JSONIndex
from hdc.apps.retrieval import BinaryIndex, EmbeddingIndex, ShardedIndex
from hdc.errors import UnsupportedError
from hdc.search.codes import CODES
from hdc.search.reranking import Originals
from hdc.store import Snapshot

Floats = npt.NDArray[np.float32]
Ids = npt.NDArray[np.int64]

Read = Callable[[Snapshot, Ids], Floats]
"""Function that returns the ``(n, dim)`` vectors of rows at positions."""

BLOCK_NUMBERS = 1 << 21
"""Numbers in memory per block (8 MiB)."""


@dataclass(frozen=True)
class Vectors:
    """How to read the vectors of an index.

    Attributes
    ----------
    dim : int
        Numbers per row.
    source : str
        Where they come from, for people.
    read : function of a snapshot and positions
        Returns ``(n, dim)`` float32.
    """

    dim: int
    source: str
    read: Read

    @property
    def step(self) -> int:
        """Rows to read per block."""
        return max(1, BLOCK_NUMBERS // self.dim)


def vectors_of(index: Any) -> Vectors:
    """Return how the vectors of an index are read: from what it keeps of them that says most at least cost.

    Parameters
    ----------
    index : JSONIndex, EmbeddingIndex, BinaryIndex, or their sharded relatives

    Raises
    ------
    UnsupportedError
        If the rows of the index have no vector each.

    Examples
    --------
    >>> from hdc.apps.json import JSONEncoder, JSONIndex
    >>> index = JSONIndex(JSONEncoder(64)).add([{"color": "red"}, {"color": "blue"}])
    >>> vectors = vectors_of(index)
    >>> vectors.source, vectors.read(index.store.snapshot, index.ids()).shape
    ('sign bits of the documents', (2, 64))
    """
    if isinstance(index, JSONIndex):
        return _of_documents(index)
    if isinstance(index, ShardedIndex):
        return vectors_of(index.shards[0])  # shards share model and columns; the snapshot joins their rows
    if isinstance(index, EmbeddingIndex):
        return _of_embeddings(index)
    if isinstance(index, BinaryIndex):
        return _of_codes(index)
    raise UnsupportedError(f"a {type(index).__name__} has no map: its rows do not have one vector each")


def _of_documents(index: JSONIndex) -> Vectors:
    dim = index.encoder.dim
    if CODES in index.store.columns:
        return Vectors(dim, "sign bits of the documents", lambda rows, at: _signs(rows.take(CODES, at), dim))
    return Vectors(dim, "documents, encoded again", lambda rows, at: index.vectors(rows.ids[at]))


def _of_embeddings(index: EmbeddingIndex) -> Vectors:
    if index.codes.originals is not None:
        return _of_originals(index.codes.originals)
    if index.codes.reader is None:
        return _of_codes(index.codes)
    model = index.model
    width = model.n_features_in_ + model.space_.added
    each = np.eye(width + 1, width, dtype=np.float32)  # products with the unit vectors, and one with zero

    def read(rows: Snapshot, at: Ids) -> Floats:
        products = model.products(each, rows.take(CODES, at))
        found: Floats = (products[:-1] - products[-1]).T  # estimates add a constant of the code to a product
        return found

    return Vectors(width, "decoded codes", read)


def _of_originals(kept: Originals) -> Vectors:
    return Vectors(kept.width, f"vectors kept as {kept.dtype}", kept.decoded)


def _of_codes(index: BinaryIndex) -> Vectors:
    if index.originals is not None:
        return _of_originals(index.originals)
    dim, weights = index.dim, 2.0 ** np.arange(index.levels - 1, -1, -1, dtype=np.float32)

    def read(rows: Snapshot, at: Ids) -> Floats:
        planes = rows.take(CODES, at).reshape(len(at), len(weights), -1)
        return (
            np.tensordot(weights, _signs(planes, dim), axes=(0, 1)) if len(weights) > 1 else _signs(planes[:, 0], dim)
        )

    return Vectors(dim, "bits of the codes", read)


def _signs(packed: words.Words, dim: int) -> Floats:
    """Return bits as +1 and -1."""
    signs = words.unpack(packed, dim).astype(np.float32)
    signs *= 2
    signs -= 1
    return signs
