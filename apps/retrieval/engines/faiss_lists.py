"""FAISS's IVF lists: read and fill them, and build the quantizer that finds the nearest ones."""

from typing import Any

import numpy as np
import numpy.typing as npt

from hdc.apps.retrieval.binarizers import GivenRaBitQBinarizer, RaBitQBinarizer
from hdc.errors import UnsupportedError

Bytes = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float32]
Ids = npt.NDArray[np.int64]


def owning(outer: Any, inner: Any) -> Any:
    """Make one FAISS index own another, so that it frees it; return the outer one."""
    inner.this.disown()
    outer.own_fields = True
    return outer


def by_list(cells: npt.NDArray[Any]) -> list[tuple[int, Ids]]:
    """Return the rows of each non-empty list, in ascending order of lists."""
    order = np.argsort(cells, kind="stable")
    numbers, starts = np.unique(cells[order], return_index=True)
    return list(zip(numbers.tolist(), np.split(order, starts[1:]), strict=True)) if len(cells) else []


def fill_list(faiss: Any, made: Any, number: int, ids: Ids, content: Bytes) -> None:
    """Add ids and FAISS's bytes of each row to a list."""
    ids, content = np.ascontiguousarray(ids), np.ascontiguousarray(content)
    made.invlists.add_entries(number, len(ids), faiss.swig_ptr(ids), faiss.swig_ptr(content))


def content_of(faiss: Any, theirs: Any) -> tuple[list[int], list[Bytes], Ids]:
    """Return the numbers of the non-empty lists, views of the bytes of their rows, and the ids, list by list."""
    lists, width = theirs.invlists, theirs.code_size
    sizes = {number: size for number in range(theirs.nlist) if (size := lists.list_size(number))}
    content = [viewed(faiss, lists.get_codes(number), size, width) for number, size in sizes.items()]
    ids = [viewed(faiss, lists.get_ids(number), size, 1)[:, 0] for number, size in sizes.items()]
    return list(sizes), content, np.concatenate([np.empty(0, dtype=np.int64), *ids])


def viewed(faiss: Any, pointer: Any, count: int, width: int) -> npt.NDArray[Any]:
    """Return a view of rows in FAISS's memory: a ``(count, width)`` array of bytes or numbers."""
    if not count:
        return np.empty((0, width), dtype=np.uint8)
    rows: npt.NDArray[Any] = faiss.rev_swig_ptr(pointer, count * width).reshape(count, width)
    return rows


def nearest_lists(faiss: Any, model: RaBitQBinarizer | GivenRaBitQBinarizer, *, rotated: bool) -> Any:
    """Return an index that finds the same lists for a query as the model does.

    The model maps a query to the space of its metric and takes the lists whose directions have the greatest products
    with it. The space may add a component to directions and a constant one to queries; a transform adds it here.

    Parameters
    ----------
    faiss : module
    model : RaBitQBinarizer or GivenRaBitQBinarizer
    rotated : bool
        Whether queries are ``P (q - m)`` instead of q. P is the rotation of the codes, m the center of the space.
    """
    d = model.dim_
    flat = faiss.IndexFlatIP(d + 1)
    rows = _given_rows(model, rotated) if isinstance(model, GivenRaBitQBinarizer) else _rows(model, rotated)
    flat.add(np.ascontiguousarray(rows, dtype=np.float32))
    longer = faiss.LinearTransform(d, d + 1, True)
    faiss.copy_array_to_vector(np.eye(d + 1, d, dtype=np.float32).ravel(), longer.A)
    faiss.copy_array_to_vector(np.eye(1, d + 1, d, dtype=np.float32).ravel(), longer.b)
    longer.is_trained = True
    made = faiss.IndexPreTransform(longer, flat)
    longer.this.disown()
    return owning(made, flat)


def _rows(model: RaBitQBinarizer, rotated: bool) -> Floats:
    """Return ``(lists, d + 1)`` rows; their products with a query and a 1 are greatest for the nearest lists."""
    d, space = model.dim_, model.space_
    directions = model.directions_[:, :d].astype(np.float32)
    constant = np.zeros(model.lists_, dtype=np.float32)
    if space.metric == "l2" and space.center is not None:
        constant = model.directions_[:, d].astype(np.float32) * np.float32(-0.5 / space.weight)
        constant -= 0 if rotated else np.float32(space.scale) * (directions @ space.center)
    centers = model._rotate(directions) if rotated else directions
    return np.column_stack([centers * np.float32(space.scale), constant])


def _given_rows(model: GivenRaBitQBinarizer, rotated: bool) -> Floats:
    """Return the rows of :func:`_rows` from a model that stores them for rotated queries."""
    rows = model.state["nearest"]
    if rotated:
        return rows
    directions = rows[:, :-1] @ model.state.get("rotation", np.eye(model.dim_, dtype=np.float32))
    center = model.space_.center
    return np.column_stack([directions, rows[:, -1] - (0 if center is None else directions @ center)])


def nearest_of_quantizer(faiss: Any, quantizer: Any) -> Floats:
    """Return the rows of :func:`_rows` for the quantizer of an index: an ``IndexFlat`` or one of :func:`nearest_lists`.

    Raises
    ------
    UnsupportedError
        If the quantizer is of another type.
    """
    if isinstance(quantizer, faiss.IndexRefine):
        quantizer = faiss.downcast_index(quantizer.base_index)
    if isinstance(quantizer, faiss.IndexPreTransform) and quantizer.chain.size() == 1:
        step, flat = faiss.downcast_VectorTransform(quantizer.chain.at(0)), faiss.downcast_index(quantizer.index)
        if isinstance(step, faiss.LinearTransform) and isinstance(flat, faiss.IndexFlatIP):
            rows = flat.reconstruct_n(0, flat.ntotal)
            matrix = faiss.vector_to_array(step.A).reshape(step.d_out, step.d_in)
            return np.column_stack([rows @ matrix, rows @ faiss.vector_to_array(step.b)])
    metric = quantizer.metric_type
    if isinstance(quantizer, faiss.IndexHNSWFlat):
        quantizer = faiss.downcast_index(quantizer.storage)
    if isinstance(quantizer, faiss.IndexFlat) and metric in (faiss.METRIC_L2, faiss.METRIC_INNER_PRODUCT):
        rows = quantizer.reconstruct_n(0, quantizer.ntotal)
        halves = (rows.astype(np.float64) ** 2).sum(axis=1) / 2
        return np.column_stack([rows, -halves if metric == faiss.METRIC_L2 else 0 * halves]).astype(np.float32)
    raise UnsupportedError(
        f"the quantizer of the lists must be an IndexFlat or IndexHNSWFlat, not {type(quantizer).__name__}"
    )
