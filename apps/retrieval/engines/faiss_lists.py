"""Lists of FAISS: what it asks for the nearest ones, and what is in them."""

from typing import Any

import numpy as np
import numpy.typing as npt

from hdc.apps.retrieval.binarizers import RaBitQBinarizer

Bytes = npt.NDArray[np.uint8]
Ids = npt.NDArray[np.int64]


def owning(outer: Any, inner: Any) -> Any:
    """Let an index of FAISS free the one that it is made of."""
    inner.this.disown()
    outer.own_fields = True
    return outer


def by_list(cells: npt.NDArray[Any]) -> list[tuple[int, Ids]]:
    """Return the rows of each list that has some, ascending."""
    order = np.argsort(cells, kind="stable")
    numbers, starts = np.unique(cells[order], return_index=True)
    return list(zip(numbers.tolist(), np.split(order, starts[1:]), strict=True)) if len(cells) else []


def fill_list(faiss: Any, made: Any, number: int, ids: Ids, content: Bytes) -> None:
    """Put ids, and what FAISS has of each row, into a list."""
    ids, content = np.ascontiguousarray(ids), np.ascontiguousarray(content)
    made.invlists.add_entries(number, len(ids), faiss.swig_ptr(ids), faiss.swig_ptr(content))


def content_of(faiss: Any, theirs: Any) -> tuple[list[int], list[Bytes], Ids]:
    """Return the lists that are not empty, what FAISS has of their rows, in its memory, and the ids, list by list."""
    lists, width = theirs.invlists, theirs.code_size
    sizes = {number: size for number in range(theirs.nlist) if (size := lists.list_size(number))}
    content = [viewed(faiss, lists.get_codes(number), size, width) for number, size in sizes.items()]
    ids = [viewed(faiss, lists.get_ids(number), size, 1)[:, 0] for number, size in sizes.items()]
    return list(sizes), content, np.concatenate([np.empty(0, dtype=np.int64), *ids])


def viewed(faiss: Any, pointer: Any, count: int, width: int) -> npt.NDArray[Any]:
    """Return rows in FAISS's memory as ``(count, width)`` array of bytes, or numbers."""
    if not count:
        return np.empty((0, width), dtype=np.uint8)
    rows: npt.NDArray[Any] = faiss.rev_swig_ptr(pointer, count * width).reshape(count, width)
    return rows


def nearest_lists(faiss: Any, model: RaBitQBinarizer, *, rotated: bool) -> Any:
    """Return an index that finds the lists of queries, as the model finds them.

    Lists are those whose directions have the greatest products with a query as the space of the metric maps it; the
    space may add a component to directions, and a constant one to queries, which a transform does here.

    Parameters
    ----------
    faiss : module
    model : RaBitQBinarizer
    rotated : bool
        Whether queries are ``P (q - m)``, with the operator of the codes and the center of the space, or q.
    """
    d, space = model.dim_, model.space_
    directions = model.directions_[:, :d].astype(np.float32)
    constant = np.zeros(model.lists_, dtype=np.float32)
    if space.metric == "l2" and space.center is not None:
        constant = model.directions_[:, d].astype(np.float32) * np.float32(-0.5 / space.weight)
        constant -= 0 if rotated else np.float32(space.scale) * (directions @ space.center)
    centers = model._rotate(directions) if rotated else directions
    flat = faiss.IndexFlatIP(d + 1)
    flat.add(np.ascontiguousarray(np.column_stack([centers * np.float32(space.scale), constant])))
    longer = faiss.LinearTransform(d, d + 1, True)
    faiss.copy_array_to_vector(np.eye(d + 1, d, dtype=np.float32).ravel(), longer.A)
    faiss.copy_array_to_vector(np.eye(1, d + 1, d, dtype=np.float32).ravel(), longer.b)
    longer.is_trained = True
    made = faiss.IndexPreTransform(longer, flat)
    longer.this.disown()
    return owning(made, flat)
