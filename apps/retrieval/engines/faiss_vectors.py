"""Export the vectors that an index keeps to FAISS's indexes of float vectors, and import vectors from them."""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from hdc.apps.retrieval.binarizers import Binarizer, GivenRaBitQBinarizer, RaBitQBinarizer
from hdc.apps.retrieval.engines.exchange import BATCH, Ids, Numbered, names_of
from hdc.apps.retrieval.engines.faiss_lists import by_list, content_of, fill_list, nearest_lists, owning
from hdc.apps.retrieval.engines.tables import library
from hdc.apps.retrieval.index.binary import Kind
from hdc.apps.retrieval.index.embedding import EmbeddingIndex
from hdc.checks import instance
from hdc.errors import MismatchError, UnsupportedError
from hdc.search.codes import CODES
from hdc.search.folders import filled
from hdc.search.options import IVFOptions

Floats = npt.NDArray[np.float32]


def vectors_to_faiss(index: EmbeddingIndex, *, lists: bool = False, ids: npt.ArrayLike | None = None) -> Any:
    """Return a FAISS index of the vectors that an index keeps, as float32. It compares every vector exactly.

    Vectors kept as ``int8`` or ``float16`` are rounded. Queries are those of :meth:`EmbeddingIndex.search`. Scores are
    cosines or inner products, descending, or squared distances, ascending.

    Parameters
    ----------
    index : EmbeddingIndex
        Created with ``keep=``.
    lists : bool
        Return an ``IndexIVFFlat`` with the lists of the index's :class:`RaBitQBinarizer` and 16 probes.
    ids : (n,) integers, optional
        As in :func:`~hdc.apps.retrieval.engines.faiss_index.to_faiss`.

    Returns
    -------
    faiss.IndexIDMap2 or faiss.IndexIVFFlat
        For the cosine metric, behind an ``IndexPreTransform`` that normalizes queries.

    Raises
    ------
    UnsupportedError
        If the index keeps no vectors, or ``lists`` is set and its model has no lists.
    DTypeError, DimensionError, ParameterError
        If the ids do not fit the description above.
    BackendUnavailableError
        If FAISS is not installed.
    """
    faiss = library("faiss", "faiss")
    if instance(index, "index", EmbeddingIndex).codes.originals is None:
        raise UnsupportedError("the index keeps no vectors; create it with keep='float32', or export codes by to_faiss")
    metric = faiss.METRIC_L2 if index.metric == "l2" else faiss.METRIC_INNER_PRODUCT
    rows = Numbered(index, ids)
    made = _lists(faiss, index, rows, metric) if lists else _flat(faiss, index, rows, metric)
    if index.metric != "cosine":
        return made
    unit = faiss.NormalizationTransform(made.d, 2.0)
    whole = faiss.IndexPreTransform(unit, made)
    unit.this.disown()
    return owning(whole, made)


def _flat(faiss: Any, index: EmbeddingIndex, rows: Numbered, metric: Any) -> Any:
    flat = faiss.IndexFlat(index.model.n_features_in_, metric)
    made = owning(faiss.IndexIDMap2(flat), flat)
    for part in rows.parts():
        made.add_with_ids(_vectors(index, rows, part), rows.ids[part])
    return made


def _lists(faiss: Any, index: EmbeddingIndex, rows: Numbered, metric: Any) -> Any:
    model = index.model
    if not isinstance(model, RaBitQBinarizer | GivenRaBitQBinarizer) or model.lists_ == 1:
        raise UnsupportedError(f"lists=True needs a RaBitQBinarizer of several lists, not {model!r}")
    d = model.n_features_in_
    quantizer = nearest_lists(faiss, model, rotated=False)
    made = owning(faiss.IndexIVFFlat(quantizer, d, model.lists_, metric), quantizer)
    cells = [model.cells(rows.take(CODES, part)) for part in rows.parts()]
    for number, own in by_list(np.concatenate([np.empty(0, dtype=np.int64), *cells])):
        fill_list(faiss, made, number, rows.ids[own], _vectors(index, rows, own).view(np.uint8))
    made.is_trained, made.ntotal, made.nprobe = True, len(rows), min(IVFOptions().probes, model.lists_)
    return made


def _vectors(index: EmbeddingIndex, rows: Numbered, part: slice | Ids) -> Floats:
    originals = index.codes.originals
    assert originals is not None
    vectors = originals.decoded(rows.snapshot, rows.positions[part]) + _center(index)
    return np.ascontiguousarray(vectors, dtype=np.float32)


def _center(index: EmbeddingIndex) -> Floats | float:
    """Return the center that was subtracted from the kept vectors."""
    center = index.model.space_.center
    return 0.0 if index.metric != "l2" or center is None else center


def vectors_from_faiss(
    theirs: Any,
    model: Binarizer,
    *,
    keys: Mapping[int, str] | None = None,
    path: str | os.PathLike[str] | None = None,
    kind: Kind | None = None,
    keep: str | None = None,
) -> EmbeddingIndex:
    """Return an index of the vectors in a FAISS index, encoded by a binarizer.

    Parameters
    ----------
    theirs : faiss.Index
        ``IndexFlat``, ``IndexHNSWFlat``, ``IndexScalarQuantizer`` or an id map of one of them; ``IndexIVFFlat`` or
        ``IndexIVFScalarQuantizer``, whose lists are dropped; the refine index of an ``IndexRefine``; any of them behind
        an ``IndexPreTransform`` that normalizes vectors. Vectors of scalar quantizers are rounded.
    model : fitted binarizer
        Its metric must match: ``"l2"`` for ``METRIC_L2``, ``"ip"`` for inner products, ``"cosine"`` for either if the
        vectors have length 1.
    keys : mapping of ids to texts, optional
        Keys of the rows; FAISS stores none. Ids below 0 or from 2**32 on become keys.
    path, kind, keep
        As in :meth:`EmbeddingIndex.create`.

    Raises
    ------
    UnsupportedError
        If it is of another type, for example of product quantizer codes or of RaBitQ codes;
        :func:`~hdc.apps.retrieval.engines.faiss_given.rabitq_from_faiss` takes the latter.
    MismatchError
        If the model has another metric or number of components.
    ParameterError
        If two rows have the same key, or as in :meth:`EmbeddingIndex.create`.
    BackendUnavailableError
        If FAISS is not installed.
    """
    faiss = library("faiss", "faiss")
    owner, theirs = theirs, _unwrapped(faiss, faiss.downcast_index(theirs))
    metric = {faiss.METRIC_L2: "l2", faiss.METRIC_INNER_PRODUCT: "ip"}.get(theirs.metric_type)
    if model.space_.metric not in (metric, "cosine") or owner.d != model.n_features_in_:
        raise MismatchError(
            f"the FAISS index has vectors of {theirs.d} components and metric {metric}, and the model is for "
            f"{model.n_features_in_} and {model.space_.metric!r}; fit a model to vectors like these"
        )
    ids, blocks = _contents(faiss, theirs)
    kept, names = names_of(ids, keys)
    if kept is not None and (np.diff(kept) <= 0).any():
        order = np.argsort(kept, kind="stable")
        vectors, kept = np.concatenate(list(blocks))[order], kept[order]
        names = None if names is None else [names[row] for row in order.tolist()]
        blocks = (vectors[start : start + BATCH] for start in range(0, len(vectors), BATCH))

    def fill(made: EmbeddingIndex) -> None:
        start = 0
        for block in blocks:
            part = slice(start, start := start + len(block))
            own = None if names is None else names[part]
            made.store.append(made.encoded(block), own, ids=None if kept is None else kept[part])

    def create(folder: Path | None) -> EmbeddingIndex:
        return EmbeddingIndex.create(folder, model, kind=kind, keep=keep)

    return filled(path, create, fill, lambda folder: EmbeddingIndex.open(folder, writable=True, backend=model.backend))


def _unwrapped(faiss: Any, theirs: Any) -> Any:
    """Return the inner index that has the vectors, or its id map."""
    if isinstance(theirs, faiss.IndexRefine):
        return _unwrapped(faiss, faiss.downcast_index(theirs.refine_index))
    if isinstance(theirs, faiss.IndexPreTransform):
        steps = [faiss.downcast_VectorTransform(theirs.chain.at(n)) for n in range(theirs.chain.size())]
        if all(isinstance(step, faiss.NormalizationTransform) for step in steps):
            return _unwrapped(faiss, faiss.downcast_index(theirs.index))
        raise UnsupportedError("the vectors that an IndexPreTransform has changed are lost; add the originals instead")
    return theirs


def _contents(faiss: Any, theirs: Any) -> tuple[Ids, Iterator[Floats]]:
    """Return ids, and vectors in blocks."""
    if isinstance(theirs, faiss.IndexIVFFlat | faiss.IndexIVFScalarQuantizer):
        filled, content, ids = content_of(faiss, theirs)
        return ids, (_of_list(faiss, theirs, *held) for held in zip(filled, content, strict=True))
    ids = np.arange(theirs.ntotal, dtype=np.int64)
    if isinstance(theirs, faiss.IndexIDMap | faiss.IndexIDMap2):
        ids, theirs = faiss.vector_to_array(theirs.id_map), faiss.downcast_index(theirs.index)
    if isinstance(theirs, faiss.IndexHNSWFlat):
        theirs = faiss.downcast_index(theirs.storage)
    if not isinstance(theirs, faiss.IndexFlat | faiss.IndexScalarQuantizer):
        raise UnsupportedError(
            f"{type(theirs).__name__} has no float vectors; IndexFlat, IndexIVFFlat, IndexHNSWFlat and scalar "
            "quantizers have. rabitq_from_faiss takes RaBitQ codes; for others, add the originals to an index"
        )
    starts = range(0, theirs.ntotal, BATCH)
    return ids, (theirs.reconstruct_n(start, min(BATCH, theirs.ntotal - start)) for start in starts)


def _of_list(faiss: Any, theirs: Any, number: int, codes: npt.NDArray[np.uint8]) -> Floats:
    """Return the vectors of a list."""
    if isinstance(theirs, faiss.IndexIVFFlat):
        return np.ascontiguousarray(codes).view(np.float32)
    vectors: Floats = theirs.sq.decode(np.ascontiguousarray(codes))
    return vectors + theirs.quantizer.reconstruct(number) if theirs.by_residual else vectors
