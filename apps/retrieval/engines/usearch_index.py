"""usearch, both ways: graphs (HNSW) of codes, with keys of 64 bits."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from hdc.apps.retrieval.engines.exchange import BATCH, Numbered, codes_compared_by_bits, codes_of, names_of
from hdc.apps.retrieval.index.binary import BinaryIndex, Kind
from hdc.apps.retrieval.index.embedding import EmbeddingIndex
from hdc.errors import UnsupportedError
from hdc.search.codes import CODES
from hdc.search.hnsw import new_graph
from hdc.words import BitOrder, from_bytes


def to_usearch(
    index: BinaryIndex | EmbeddingIndex, *, ids: npt.ArrayLike | None = None, neighbors: int = 16, effort: int = 128
) -> Any:
    """Return a ``usearch.index.Index`` of the codes of an index, with our compiled Hamming distance.

    Its vectors, and queries, are words as bytes: ``codes.view(np.uint8)``.

    Parameters
    ----------
    index : BinaryIndex or EmbeddingIndex
    ids : (n,) integers, optional
        The keys that usearch is to know rows by, in the order of ``index.ids()``, instead of these; not negative.
    neighbors, effort : int
        usearch's ``connectivity`` and ``expansion_add``.

    Raises
    ------
    UnsupportedError
        If the codes are compared by something else than differing bits.
    DTypeError, DimensionError, ParameterError
        If the ids are not as said.
    BackendUnavailableError
        If usearch is not installed.
    """
    codes = codes_compared_by_bits(index)
    rows = Numbered(codes, ids)
    graph = new_graph(codes.measure, neighbors, effort)
    for part in rows.parts():
        words = np.ascontiguousarray(rows.take(CODES, part), dtype="<u8")
        graph.add(rows.ids[part].astype(np.uint64), words.view(np.uint8))
    return graph


def from_usearch(
    theirs: Any,
    dim: int | None = None,
    *,
    bitorder: BitOrder,
    keys: Mapping[int, str] | None = None,
    kind: Kind = "flat",
    **options: Any,
) -> BinaryIndex:
    """Return an index of the codes of a ``usearch.index.Index`` of bits; its keys become ids.

    Parameters
    ----------
    theirs : usearch.index.Index
        Of dtype ``b1``.
    dim : int, optional
        Bits that count; ``theirs.ndim`` if left out.
    bitorder : {"little", "big"}
        Of the bytes that usearch was given: ``"little"`` of :func:`to_usearch`, ``"big"`` of :func:`numpy.packbits`.
    keys : mapping of usearch's keys to texts, optional
        Keys of ours. usearch's keys from 2**32 on become keys here too.
    kind : {"flat", "hnsw"}
        Of the index. A graph is built anew.
    **options
        ``path`` and ``backend`` of :class:`BinaryIndex`.

    Raises
    ------
    UnsupportedError
        If it holds other vectors than bits, or keys from 2**63 on.
    PaddingError
        If bits beyond ``dim`` are set.
    """
    if "b1" not in str(theirs.dtype).lower():
        raise UnsupportedError(f"the usearch index holds {theirs.dtype}, and codes are b1")
    numbers = np.sort(np.asarray(theirs.keys[:], dtype=np.uint64))
    if len(numbers) and numbers[-1] >= 2**63:
        raise UnsupportedError(f"the usearch index has a key of {numbers[-1]}, and ids are below 2**63")
    dim = theirs.ndim if dim is None else dim
    kept, names = names_of(numbers.astype(np.int64), keys)

    def fill(made: BinaryIndex) -> None:
        for start in range(0, len(numbers), BATCH):
            part = slice(start, start + BATCH)
            rows = np.asarray(theirs.get(numbers[part]), dtype=np.uint8).reshape(len(numbers[part]), -1)
            codes = from_bytes(rows, made.dim, bitorder=bitorder)
            own = None if names is None else names[part]
            made.add(codes, keys=own, ids=None if kept is None else kept[part])

    return codes_of(dim, kind, options, fill)
