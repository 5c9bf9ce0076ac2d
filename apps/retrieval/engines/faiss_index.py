"""Export codes to FAISS's binary indexes and import them again: flat, IVF lists and HNSW graphs, with 64-bit ids.

FAISS counts all bits of whole bytes. So zeros pad ``dim`` bits to the next multiple of eight, and distances are equal.
This library sorts ties by id; FAISS returns them in the order it meets them.

Centroids of our lists are small integers. FAISS's ``IndexBinaryIVF`` accepts any binary index as its quantizer: here an
``IndexBinaryFromFloat`` of an ``IndexFlatIP``, whose products of +1 and -1 with integers are exact. So each code is in
the same list, and each query probes the same lists. The one exception: if two centroids are equally near and only one
of them fits into the probes, FAISS may choose the other one.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from hdc.apps.retrieval.binarizers.estimating import EstimatingBinarizer
from hdc.apps.retrieval.engines.exchange import BATCH, Ids, Numbered, codes_compared_by_bits, codes_of, names_of
from hdc.apps.retrieval.engines.faiss_lists import by_list, content_of, fill_list, owning, viewed
from hdc.apps.retrieval.engines.faiss_rabitq import rabitq_to_faiss
from hdc.apps.retrieval.engines.tables import library
from hdc.apps.retrieval.index.binary import BinaryIndex
from hdc.apps.retrieval.index.embedding import EmbeddingIndex
from hdc.errors import UnsupportedError
from hdc.search.codes import CELLS, CODES
from hdc.search.options import IVFOptions
from hdc.words import BitOrder, from_bytes, to_bytes

Bytes = npt.NDArray[np.uint8]


def to_faiss(
    index: BinaryIndex | EmbeddingIndex,
    *,
    ids: npt.ArrayLike | None = None,
    neighbors: int = 32,
    effort: int = 40,
) -> Any:
    """Return a FAISS index of the codes of an index, with the same search results.

    Parameters
    ----------
    index : BinaryIndex or EmbeddingIndex
    ids : (n,) integers, optional
        64-bit ids for FAISS, in the order of ``index.ids()``, which is the default. If keys are numbers, you can pass
        ``[int(key) for key in index.keys(index.ids())]``.
    neighbors, effort : int
        FAISS's ``M`` and ``efConstruction``, if FAISS builds a graph.

    Returns
    -------
    faiss.IndexBinaryIDMap2, faiss.IndexBinaryIVF or faiss.IndexPreTransform
        For kind ``flat`` or ``hnsw``: an id map of an ``IndexBinaryFlat`` or ``IndexBinaryHNSW``. For kind ``ivf``: an
        ``IndexBinaryIVF`` with the same lists and 16 probes, the default here. Pass it queries as
        ``hdc.words.to_bytes(codes, dim, bitorder="little")``. For RaBitQ codes: an index that takes float queries, see
        :func:`~hdc.apps.retrieval.engines.faiss_rabitq.rabitq_to_faiss`.

    Raises
    ------
    UnsupportedError
        If the codes are not compared by Hamming distance, or lists are not trained.
    DTypeError, DimensionError, ParameterError
        If the ids do not fit the description above.
    BackendUnavailableError
        If FAISS is not installed.

    Examples
    --------
    >>> import hdc
    >>> from hdc.apps.retrieval import BinaryIndex
    >>> from hdc.apps.retrieval.engines.faiss_index import to_faiss
    >>> codes = hdc.MAPB(256).symbols(range(1000))
    >>> index = BinaryIndex(256)
    >>> _ = index.add(codes)
    >>> theirs = to_faiss(index)
    >>> theirs.search(hdc.words.to_bytes(codes[5:7], 256, bitorder="little"), 1)[1].tolist()
    [[5], [6]]
    """
    if isinstance(index, EmbeddingIndex) and isinstance(index.model, EstimatingBinarizer):
        return rabitq_to_faiss(index, ids=ids)
    codes = codes_compared_by_bits(index)
    faiss = library("faiss", "faiss")
    rows = Numbered(codes, ids)
    if codes.kind == "ivf":
        return _lists_to_faiss(faiss, codes, rows)
    bits = 8 * -(-codes.dim // 8)
    inner = faiss.IndexBinaryFlat(bits)
    if codes.kind == "hnsw":
        inner = faiss.IndexBinaryHNSW(bits, neighbors)
        inner.hnsw.efConstruction = effort
    made = owning(faiss.IndexBinaryIDMap2(inner), inner)
    for part in rows.parts():
        made.add_with_ids(to_bytes(rows.take(CODES, part), codes.dim, bitorder="little"), rows.ids[part])
    return made


def _lists_to_faiss(faiss: Any, codes: BinaryIndex, rows: Numbered) -> Any:
    if codes.coarse is None:
        raise UnsupportedError("the IVF lists are not trained, but FAISS needs trained lists; call train first")
    centroids = codes.coarse.centroids
    bits = 8 * -(-codes.dim // 8)
    floats = faiss.IndexFlatIP(bits)
    floats.add(np.pad(centroids, ((0, 0), (0, bits - codes.dim))).astype(np.float32))
    quantizer = owning(faiss.IndexBinaryFromFloat(floats), floats)
    made = owning(faiss.IndexBinaryIVF(quantizer, bits, len(centroids)), quantizer)
    for number, part in by_list(rows.take(CELLS, slice(None))[:, 0]):
        content = to_bytes(rows.take(CODES, part), codes.dim, bitorder="little")
        fill_list(faiss, made, number, rows.ids[part], content)
    made.is_trained, made.ntotal, made.nprobe = True, len(rows), min(IVFOptions().probes, len(centroids))
    return made


def from_faiss(
    theirs: Any,
    dim: int | None = None,
    *,
    bitorder: BitOrder,
    keys: Mapping[int, str] | None = None,
    **options: Any,
) -> BinaryIndex:
    """Return an index of the codes in a binary FAISS index.

    Parameters
    ----------
    theirs : faiss.IndexBinary
        ``IndexBinaryFlat``, ``IndexBinaryHNSW`` (its graph is built again), an id map of one of them, or
        ``IndexBinaryIVF`` (its lists are kept).
    dim : int, optional
        Bits of a code, at most ``theirs.d``, the default.
    bitorder : {"little", "big"}
        Bit order of the bytes in FAISS: ``"little"`` from :func:`to_faiss`, ``"big"`` from :func:`numpy.packbits`.
    keys : mapping of ids to texts, optional
        Keys of the rows; FAISS stores none. Ids below 0 or from 2**32 on become keys.
    **options
        ``path`` and ``backend`` of :class:`BinaryIndex`.

    Raises
    ------
    UnsupportedError
        If it is of another type, or the quantizer of its lists has neither codes nor centroids of :func:`to_faiss`.
    ParameterError
        If two rows have the same key, or an option is invalid.
    PaddingError
        If bits beyond ``dim`` are set.
    BackendUnavailableError
        If FAISS is not installed.
    """
    faiss = library("faiss", "faiss")
    if not isinstance(theirs, faiss.IndexBinary):
        raise UnsupportedError(
            f"{type(theirs).__name__} is not a binary FAISS index; use vectors_from_faiss for vectors or "
            "rabitq_from_faiss for RaBitQ codes"
        )
    owner, theirs = theirs, faiss.downcast_IndexBinary(theirs)  # the downcast one does not own its memory
    dim = owner.d if dim is None else dim
    if isinstance(theirs, faiss.IndexBinaryIVF):
        return _from_lists(faiss, theirs, dim, bitorder, keys, options)
    ids: Ids = np.arange(theirs.ntotal, dtype=np.int64)
    if isinstance(theirs, faiss.IndexBinaryIDMap | faiss.IndexBinaryIDMap2):
        ids = faiss.vector_to_array(theirs.id_map)
        theirs = faiss.downcast_IndexBinary(theirs.index)
    graph = isinstance(theirs, faiss.IndexBinaryHNSW)
    flat = faiss.downcast_IndexBinary(theirs.storage) if graph else theirs
    if not isinstance(flat, faiss.IndexBinaryFlat):
        raise UnsupportedError(
            f"theirs must be an IndexBinaryFlat, IndexBinaryHNSW or IndexBinaryIVF, not {type(theirs).__name__}"
        )
    rows = viewed(faiss, flat.xb.data(), flat.ntotal, flat.code_size)
    return codes_of(dim, "hnsw" if graph else "flat", options, lambda made: _add(made, rows, ids, None, bitorder, keys))


def _from_lists(
    faiss: Any, theirs: Any, dim: int, bitorder: BitOrder, keys: Mapping[int, str] | None, options: dict[str, Any]
) -> BinaryIndex:
    centroids = _centroids(faiss, faiss.downcast_IndexBinary(theirs.quantizer), dim, bitorder)
    filled, content, ids = content_of(faiss, theirs)
    codes = np.concatenate([np.empty((0, theirs.code_size), dtype=np.uint8), *content])
    cells = np.repeat(np.array(filled, dtype=np.int32), [len(rows) for rows in content])

    def fill(made: BinaryIndex) -> None:
        made.set_centroids(centroids)
        _add(made, codes, ids, cells, bitorder, keys)

    return codes_of(dim, "ivf", options, fill)


def _centroids(faiss: Any, quantizer: Any, dim: int, bitorder: BitOrder) -> npt.NDArray[Any]:
    """Return the centroids of lists: codes, or the integers of :func:`to_faiss`."""
    if isinstance(quantizer, faiss.IndexBinaryFlat):
        rows = viewed(faiss, quantizer.xb.data(), quantizer.ntotal, quantizer.code_size)
        return from_bytes(rows, dim, bitorder=bitorder)
    if isinstance(quantizer, faiss.IndexBinaryFromFloat):
        floats = faiss.downcast_index(quantizer.index)
        if isinstance(floats, faiss.IndexFlat) and floats.metric_type == faiss.METRIC_INNER_PRODUCT:
            found = floats.reconstruct_n(0, floats.ntotal)
            integers = np.rint(found).clip(-128, 127).astype(np.int8)
            if np.array_equal(found, integers) and not found[:, dim:].any():
                return np.ascontiguousarray(integers[:, :dim])
    raise UnsupportedError(
        f"the quantizer of the lists must be an IndexBinaryFlat or come from to_faiss, not {type(quantizer).__name__}"
    )


def _add(
    made: BinaryIndex,
    rows: Bytes,
    ids: Ids,
    cells: npt.NDArray[np.int32] | None,
    bitorder: BitOrder,
    keys: Mapping[int, str] | None,
) -> None:
    """Add rows of bytes in order of ids, block by block, to the given lists if any."""
    kept, names = names_of(ids, keys)
    order = np.arange(len(ids)) if kept is None else np.argsort(kept, kind="stable")
    for start in range(0, len(order), BATCH):
        part = order[start : start + BATCH]
        columns = made.columns(from_bytes(rows[part], made.dim, bitorder=bitorder), None)
        if cells is not None:
            columns[CELLS] = cells[part, None]
        own = None if names is None else [names[row] for row in part.tolist()]
        made.store.append(columns, own, ids=None if kept is None else kept[part])
