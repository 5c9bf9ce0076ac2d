"""To and from other libraries: FAISS's binary indexes, usearch, Arrow and Parquet.

Codes are written as the bytes of our words, the lowest bit of each byte first, ``bitorder="little"``, the last bytes
cut off where no component lies; other libraries count bits in bytes, so an index of theirs has the next multiple of
eight as its dimension. Codes that others put there are read in the order that the caller names. Ids are kept.
"""

import importlib
import json
import os
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from hdc import checks
from hdc.apps.retrieval.index.binary import BinaryIndex
from hdc.apps.retrieval.vectors.rows import unit
from hdc.errors import BackendUnavailableError, FileFormatError, UnsupportedError
from hdc.search.hnsw import new_graph
from hdc.search.measures import Ids
from hdc.search.reranking import LENGTHS, ORIGINALS
from hdc.words import BitOrder, Words, from_bytes, pack
from hdc.words import to_bytes as bytes_in_order

Bytes = npt.NDArray[np.uint8]

BATCH = 1 << 16
"""Codes that are handed over at a time."""

BITORDER = "bitorder"
"""Metadata of a column of codes: the order of bits in its bytes."""


def to_bytes(codes: Words, dim: int) -> Bytes:
    """Return ``(n, words)`` uint64 codes as ``(n, ceil(dim / 8))`` uint8 rows, the lowest bit of each byte first."""
    return bytes_in_order(codes, dim, bitorder="little")


def to_faiss(index: BinaryIndex) -> Any:
    """Return a ``faiss.IndexBinaryIDMap2`` of a flat index, or a ``faiss.IndexBinaryIVF`` of an index of lists.

    FAISS puts codes in lists by differing bits from the signs of our centroids.

    Raises
    ------
    UnsupportedError
        If the index has levels, or is a graph.
    BackendUnavailableError
        If FAISS is not installed.
    """
    faiss = _library("faiss", "faiss-cpu")
    _one_level(index, "FAISS's binary indexes")
    size = -(-index.dim // 8)
    if index.kind == "hnsw":
        raise UnsupportedError("FAISS cannot take over a graph; make a flat index of the same codes")
    if index.kind == "flat":
        made = faiss.IndexBinaryIDMap2(flat := faiss.IndexBinaryFlat(8 * size))
        flat.this.disown()  # the map frees it
        made.own_fields = True
    else:
        if index.coarse is None:
            raise UnsupportedError("the lists are not trained; FAISS takes over trained ones")
        centroids = to_bytes(pack(index.coarse.centroids > 0), index.dim)
        quantizer = faiss.IndexBinaryFlat(8 * size)
        quantizer.add(centroids)
        made = faiss.IndexBinaryIVF(quantizer, 8 * size, len(centroids))
        quantizer.this.disown()
        made.own_fields, made.is_trained = True, True
    for ids in _batches(index):
        made.add_with_ids(to_bytes(index.codes(ids), index.dim), ids)
    return made


def from_faiss(index: Any, dim: int | None = None, *, bitorder: BitOrder, **options: Any) -> BinaryIndex:
    """Return an index of the codes of a ``faiss.IndexBinaryFlat``, ``IndexBinaryIVF`` or ID map of a flat one.

    Parameters
    ----------
    index : faiss.IndexBinary
    dim : int, optional
        Bits that count, at most ``index.d``, which is taken if left out.
    bitorder : {"little", "big"}
        Of the bytes that FAISS was given: ``"little"`` of :func:`to_faiss`, ``"big"`` of :func:`numpy.packbits`.
    **options
        ``path`` and ``backend`` of :class:`BinaryIndex`.

    Raises
    ------
    UnsupportedError
        If it is another index.
    BackendUnavailableError
        If FAISS is not installed.
    """
    faiss = _library("faiss", "faiss-cpu")
    index = faiss.downcast_IndexBinary(index)
    dim = index.d if dim is None else dim
    if isinstance(index, faiss.IndexBinaryIVF):
        return _from_lists(faiss, index, dim, bitorder, options)
    ids = None
    if isinstance(index, faiss.IndexBinaryIDMap | faiss.IndexBinaryIDMap2):
        ids = faiss.vector_to_array(index.id_map)
        index = faiss.downcast_IndexBinary(index.index)
    if not isinstance(index, faiss.IndexBinaryFlat):
        raise UnsupportedError(f"{type(index).__name__} cannot be taken over; IndexBinaryFlat and IndexBinaryIVF can")
    made = BinaryIndex(dim, **options)
    rows = faiss.vector_to_array(index.xb).reshape(index.ntotal, index.code_size)
    made.add(from_bytes(rows, dim, bitorder=bitorder), ids=ids)
    return made


def _from_lists(faiss: Any, index: Any, dim: int, bitorder: BitOrder, options: dict[str, Any]) -> BinaryIndex:
    quantizer = faiss.downcast_IndexBinary(index.quantizer)
    if not isinstance(quantizer, faiss.IndexBinaryFlat):
        raise UnsupportedError(f"lists by {type(quantizer).__name__} cannot be taken over; IndexBinaryFlat's can")
    made = BinaryIndex(dim, kind="ivf", **options)
    centroids = faiss.vector_to_array(quantizer.xb).reshape(index.nlist, index.code_size)
    made.set_centroids(from_bytes(centroids, dim, bitorder=bitorder))
    codes, ids = [np.empty((0, index.code_size), np.uint8)], [np.empty(0, np.int64)]
    for number in range(index.nlist):
        if size := index.invlists.list_size(number):
            rows = faiss.rev_swig_ptr(index.invlists.get_codes(number), size * index.code_size)
            codes.append(rows.reshape(size, index.code_size).copy())
            ids.append(faiss.rev_swig_ptr(index.invlists.get_ids(number), size).copy())
    made.add(from_bytes(np.concatenate(codes), dim, bitorder=bitorder), ids=np.concatenate(ids))
    return made


def to_usearch(index: BinaryIndex, *, neighbours: int = 16, effort: int = 128) -> Any:
    """Return a ``usearch.index.Index`` of the codes, with their ids as keys, and our compiled metric.

    Raises
    ------
    UnsupportedError
        If the index has levels.
    BackendUnavailableError
        If usearch is not installed.
    """
    _one_level(index, "a usearch index of bits")
    graph = new_graph(index.measure, neighbours, effort)
    for ids in _batches(index):
        graph.add(ids.astype(np.uint64), np.ascontiguousarray(index.codes(ids), dtype="<u8").view(np.uint8))
    return graph


def from_usearch(index: Any, dim: int | None = None, *, bitorder: BitOrder, **options: Any) -> BinaryIndex:
    """Return an index of the codes of a ``usearch.index.Index`` of bits; its keys become ids.

    Parameters
    ----------
    index : usearch.index.Index
        Of dtype ``b1``.
    dim : int, optional
        Bits that count; ``index.ndim`` if left out.
    bitorder : {"little", "big"}
        Of the bytes that usearch was given: ``"little"`` of :func:`to_usearch`, ``"big"`` of :func:`numpy.packbits`.
    **options
        ``kind``, ``path`` and ``backend`` of :class:`BinaryIndex`.

    Raises
    ------
    UnsupportedError
        If it holds other vectors than bits.
    """
    if "b1" not in str(index.dtype).lower():
        raise UnsupportedError(f"the usearch index holds {index.dtype}, and codes are b1")
    keys = np.sort(np.asarray(index.keys[:], dtype=np.uint64))
    dim = index.ndim if dim is None else dim
    made = BinaryIndex(dim, **options)
    rows = np.asarray(index.get(keys), dtype=np.uint8).reshape(len(keys), -1)[:, : -(-dim // 8)]
    made.add(from_bytes(rows, dim, bitorder=bitorder), ids=keys)
    return made


def to_arrow(index: BinaryIndex) -> Any:
    """Return a ``pyarrow.Table`` with the columns id, code, key, document and, if they are kept, original.

    Raises
    ------
    BackendUnavailableError
        If pyarrow is not installed.
    """
    arrow = _library("pyarrow", "pyarrow")
    size = -(-index.dim // 8) * index.levels
    form: dict[str, Any] = {"dim": index.dim, "levels": index.levels, "originals": None}
    fields = {"id": arrow.int64(), "code": arrow.binary(size), "key": arrow.string(), "document": arrow.binary()}
    if index.originals is not None:
        form["originals"] = index.originals.settings
        fields["original"] = arrow.list_(arrow.from_numpy_dtype(index.originals.dtype), index.originals.width)
        if index.originals.lengths:
            fields["length"] = arrow.float32()
    order = {"code": {BITORDER: "little"}}
    named = [arrow.field(name, kind, metadata=order.get(name)) for name, kind in fields.items()]
    schema = arrow.schema(named, metadata={"hdc-binary-index": json.dumps(form)})
    return arrow.Table.from_batches([_record_batch(arrow, index, schema, ids) for ids in _batches(index)], schema)


def _record_batch(arrow: Any, index: BinaryIndex, schema: Any, ids: Ids) -> Any:
    codes = index.codes(ids).reshape(len(ids) * index.levels, -1)
    rows = to_bytes(codes, index.dim).reshape(len(ids), -1)
    entries = [index.store.entry(number) for number in ids.tolist()]
    columns = {
        "id": ids,
        "code": [row.tobytes() for row in rows],
        "key": [key for key, _, _ in entries],
        "document": [document for _, document, _ in entries],
    }
    arrays = [arrow.array(column, schema.field(name).type) for name, column in columns.items()]
    if index.originals is not None:
        positions = index.store.positions(ids)
        kept = index.store.rows(ORIGINALS)[positions]
        arrays.append(arrow.FixedSizeListArray.from_arrays(arrow.array(kept.ravel()), index.originals.width))
        if index.originals.lengths:
            arrays.append(arrow.array(index.store.rows(LENGTHS)[positions, 0]))
    return arrow.RecordBatch.from_arrays(arrays, schema=schema)


def from_arrow(table: Any, **options: Any) -> BinaryIndex:
    """Return an index of a table of :func:`to_arrow`.

    Parameters
    ----------
    table : pyarrow.Table
    **options
        ``path`` and ``backend`` of :class:`BinaryIndex`.

    Raises
    ------
    FileFormatError
        If the table is another one.
    """
    try:
        form = json.loads((table.schema.metadata or {})[b"hdc-binary-index"])
        originals = form["originals"] and (str(form["originals"][0]), int(form["originals"][1]), *form["originals"][2:])
        index = BinaryIndex(form["dim"], levels=form["levels"], originals=originals, **options)
        for batch in table.to_batches(max_chunksize=BATCH):
            _add_batch(index, batch)
    except (KeyError, TypeError, AttributeError) as error:
        raise FileFormatError(f"the table is not one that to_arrow makes: {error!r}") from None
    return index


def _add_batch(index: BinaryIndex, batch: Any) -> None:
    size = -(-index.dim // 8)
    rows = np.frombuffer(b"".join(batch.column("code").to_pylist()), dtype=np.uint8).reshape(-1, size)
    codes = from_bytes(rows, index.dim, bitorder="little")
    if index.levels > 1:
        codes = codes.reshape(-1, index.levels, codes.shape[1])
    vectors = None
    if index.originals is not None:
        kept = batch.column("original").flatten().to_numpy(zero_copy_only=False)
        vectors = kept.reshape(-1, index.originals.width).astype(np.float32)
        if index.originals.lengths:
            vectors = unit(vectors) * batch.column("length").to_numpy()[:, None]
    ids = batch.column("id").to_numpy()
    keys, documents = batch.column("key").to_pylist(), batch.column("document").to_pylist()
    index.add(codes, keys=keys, documents=documents, originals=vectors, ids=ids)


def to_parquet(index: BinaryIndex, path: str | os.PathLike[str]) -> None:
    """Write :func:`to_arrow`'s table to a Parquet file."""
    _library("pyarrow.parquet", "pyarrow").write_table(to_arrow(index), checks.path(path))


def from_parquet(path: str | os.PathLike[str], /, **options: Any) -> BinaryIndex:
    """Return an index of a file of :func:`to_parquet`; options and errors as :func:`from_arrow`."""
    return from_arrow(_library("pyarrow.parquet", "pyarrow").read_table(checks.path(path)), **options)


def _batches(index: BinaryIndex) -> Iterator[Ids]:
    ids = index.ids()
    for start in range(0, len(ids), BATCH):
        yield ids[start : start + BATCH]


def _one_level(index: BinaryIndex, what: str) -> None:
    if index.levels > 1:
        raise UnsupportedError(f"{what} cannot hold codes of {index.levels} levels; NumPy and Arrow can")


def _library(name: str, package: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError:
        raise BackendUnavailableError(f"{name} is not installed; pip install {package}") from None
