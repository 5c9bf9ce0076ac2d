"""Export codes to usearch and import them again: HNSW graphs of codes, with 64-bit keys."""

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
    """Return a ``usearch.index.Index`` of the codes of an index, with this library's compiled Hamming distance.

    Its vectors and queries are the bytes of the words: ``codes.view(np.uint8)``.

    Parameters
    ----------
    index : BinaryIndex or EmbeddingIndex
    ids : (n,) integers, optional
        Keys of the rows in usearch, in the order of ``index.ids()``, which is the default; not negative.
    neighbors, effort : int
        usearch's ``connectivity`` and ``expansion_add``.

    Raises
    ------
    UnsupportedError
        If the codes are not compared by Hamming distance.
    DTypeError, DimensionError, ParameterError
        If the ids do not fit the description above.
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
        Its dtype must be ``b1``.
    dim : int, optional
        Bits of a code; ``theirs.ndim`` by default.
    bitorder : {"little", "big"}
        Bit order of the bytes in usearch: ``"little"`` from :func:`to_usearch`, ``"big"`` from :func:`numpy.packbits`.
    keys : mapping of usearch's keys to texts, optional
        Keys of the rows here. usearch's keys from 2**32 on become keys, too.
    kind : {"flat", "hnsw"}
        Kind of the index. A graph is built again.
    **options
        ``path`` and ``backend`` of :class:`BinaryIndex`.

    Raises
    ------
    UnsupportedError
        If its vectors are not bits, or it has keys from 2**63 on.
    PaddingError
        If bits beyond ``dim`` are set.
    """
    if "b1" not in str(theirs.dtype).lower():
        raise UnsupportedError(f"the usearch index must have vectors of dtype b1, not {theirs.dtype}")
    numbers = np.sort(np.asarray(theirs.keys[:], dtype=np.uint64))
    if len(numbers) and numbers[-1] >= 2**63:
        raise UnsupportedError(f"the usearch index must have keys below 2**63, not {numbers[-1]}")
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
