"""FAISS's binary indexes, both ways: flat, lists (IVF) and graphs (HNSW), with ids of 64 bits.

FAISS compares bytes, of which it counts all bits, so that an index of ours of ``dim`` bits is one of theirs of the next
multiple of eight, whose last bits are 0. Distances are the same integers. Of equal distances, ours come by id, and
theirs as they were met.

Our lists have centroids of small integers, and FAISS's ``IndexBinaryIVF`` asks any index of bits for the nearest: here
an ``IndexBinaryFromFloat`` of an ``IndexFlatIP``, whose products of +1 and -1 with integers are exact. So each code is
in the same list, and each query looks into the same lists. (Only where two centroids are equally near, and the number
of probes parts them, may theirs look into the other one.)
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
    """Return a FAISS index of the codes of an index, which finds what it finds.

    Parameters
    ----------
    index : BinaryIndex or EmbeddingIndex
    ids : (n,) integers, optional
        Of 64 bits, in the order of ``index.ids()``, instead of these: ``[int(key) for key in
        index.keys(index.ids())]``, say, where keys are numbers.
    neighbors, effort : int
        FAISS's ``M`` and ``efConstruction`` of a graph, which FAISS builds.

    Returns
    -------
    faiss.IndexBinaryIDMap2, faiss.IndexBinaryIVF or faiss.IndexPreTransform
        Of an index of kind ``flat`` or ``hnsw``, a map of an ``IndexBinaryFlat`` or ``IndexBinaryHNSW``; of kind
        ``ivf`` an ``IndexBinaryIVF`` with the same lists and, at first, 16 probes as here. Its queries are
        ``hdc.words.to_bytes(codes, dim, bitorder="little")``. Of RaBitQ codes an index that takes float queries: see
        :func:`~hdc.apps.retrieval.engines.faiss_rabitq.rabitq_to_faiss`.

    Raises
    ------
    UnsupportedError
        If the codes are compared by something else than differing bits, or lists are not trained.
    DTypeError, DimensionError, ParameterError
        If the ids are not as said.
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
        raise UnsupportedError("the lists are not trained, and FAISS takes trained ones; call train first")
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
    """Return an index of the codes of a binary index of FAISS.

    Parameters
    ----------
    theirs : faiss.IndexBinary
        ``IndexBinaryFlat``, ``IndexBinaryHNSW`` (whose graph is built anew) or a map of one to ids, or
        ``IndexBinaryIVF``, whose lists are kept.
    dim : int, optional
        Bits that count, at most ``theirs.d``, which is taken if left out.
    bitorder : {"little", "big"}
        Of the bytes that FAISS was given: ``"little"`` of :func:`to_faiss`, ``"big"`` of :func:`numpy.packbits`.
    keys : mapping of ids to texts, optional
        FAISS keeps none. Ids below 0, or from 2**32 on, become keys.
    **options
        ``path`` and ``backend`` of :class:`BinaryIndex`.

    Raises
    ------
    UnsupportedError
        If it is another index, or its lists are found by something else than codes or :func:`to_faiss`'s centroids.
    ParameterError
        If two rows have one key, or options are wrong.
    PaddingError
        If bits beyond ``dim`` are set.
    BackendUnavailableError
        If FAISS is not installed.
    """
    faiss = library("faiss", "faiss")
    if not isinstance(theirs, faiss.IndexBinary):
        raise UnsupportedError(
            f"{type(theirs).__name__} is no binary index of FAISS; vectors_from_faiss takes the vectors of others, "
            "and rabitq_from_faiss RaBitQ codes"
        )
    owner, theirs = theirs, faiss.downcast_IndexBinary(theirs)  # what is cast down does not own its memory
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
            f"{type(theirs).__name__} cannot be taken over; IndexBinaryFlat, IndexBinaryHNSW and IndexBinaryIVF can"
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
    """Return the centroids of lists: codes, or integers of :func:`to_faiss`."""
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
        f"lists by {type(quantizer).__name__} cannot be taken over; those of IndexBinaryFlat and of to_faiss can"
    )


def _add(
    made: BinaryIndex,
    rows: Bytes,
    ids: Ids,
    cells: npt.NDArray[np.int32] | None,
    bitorder: BitOrder,
    keys: Mapping[int, str] | None,
) -> None:
    """Add bytes, block by block, in the order of ids, to the lists that are given if any are."""
    kept, names = names_of(ids, keys)
    order = np.arange(len(ids)) if kept is None else np.argsort(kept, kind="stable")
    for start in range(0, len(order), BATCH):
        part = order[start : start + BATCH]
        columns = made.columns(from_bytes(rows[part], made.dim, bitorder=bitorder), None)
        if cells is not None:
            columns[CELLS] = cells[part, None]
        own = None if names is None else [names[row] for row in part.tolist()]
        made.store.append(columns, own, ids=None if kept is None else kept[part])
