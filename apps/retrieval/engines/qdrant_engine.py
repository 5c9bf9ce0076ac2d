"""Codes in Qdrant: vectors of 0 and 1 as ``uint8``, compared by Manhattan distance, because Qdrant has no bit type.

Here the Manhattan distance is the Hamming distance. A code takes one byte per bit. (qdrant.tech/documentation:
"Vectors", "Datatypes"; "Search", "Metrics".) Do not add binary quantization, which finds other candidates (tested in
Qdrant Edge 0.9.0). Originals are a second vector of each point.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from hdc.apps.retrieval.binarizers import Binarizer
from hdc.apps.retrieval.engines.asking import asked_of, from_hits
from hdc.apps.retrieval.engines.tables import Block, Form, Rows, Source, fields_of, library
from hdc.apps.retrieval.engines.ties import hits_of, settled
from hdc.checks import text
from hdc.errors import FileFormatError, ParameterError, UnsupportedError
from hdc.search.measures import Distances, Ids

CODE, ORIGINAL = "code", "original"
"""Names of the vectors of a point."""

MOST_BITS = 1 << 16
"""Most components of a vector in Qdrant."""

POINTS, QUERIES = 256, 64
"""Points per upsert, and queries per search."""

METRICS = {"Cosine": "cosine", "Dot": "ip", "Euclid": "l2"}


def write(index: Source, client: Any, collection: str) -> int:
    """Write an index to a new collection and return the number of rows. An error deletes the collection.

    A point has the id of its row, a payload of ``key`` and ``document`` (base64) if the row has them, a vector ``code``
    and, if the index keeps originals, a vector ``original`` (float32).

    Parameters
    ----------
    index : BinaryIndex, EmbeddingIndex or ShardedIndex
        Its codes must be compared by Hamming distance.
    client : qdrant_client.QdrantClient
    collection : str

    Raises
    ------
    UnsupportedError
        If the codes are not compared by Hamming distance, or have more than 65,536 bits.
    ParameterError
        If the collection exists.
    BackendUnavailableError
        If qdrant-client is not installed.
    FileFormatError
        If the index is damaged.
    """
    rows, name = Rows(index), text(collection, "collection")
    models = library("qdrant_client.models", "qdrant")
    if rows.form.dim > MOST_BITS:
        raise UnsupportedError(f"Qdrant takes at most {MOST_BITS} components, and codes have {rows.form.dim} bits")
    if client.collection_exists(name):
        raise ParameterError(f"the collection {name} already exists; delete it or pass another name")
    client.create_collection(name, vectors_config=_vectors(models, rows.form))
    try:
        for block in rows:
            for part in _points(models, block, rows.form):
                client.upsert(name, part, wait=True)
    except BaseException:
        client.delete_collection(name)
        raise
    return len(rows)


def _vectors(models: Any, form: Form) -> dict[str, Any]:
    vectors = {
        CODE: models.VectorParams(size=form.dim, distance=models.Distance.MANHATTAN, datatype=models.Datatype.UINT8)
    }
    if form.dtype is not None:
        distance = next(name for name, metric in METRICS.items() if metric == form.metric)
        vectors[ORIGINAL] = models.VectorParams(size=form.width, distance=models.Distance(distance))
    return vectors


def _points(models: Any, block: Block, form: Form) -> Iterator[Any]:
    """Yield the points of a block in batches of :data:`POINTS`."""
    for start in range(0, len(block.ids), POINTS):
        part = slice(start, start + POINTS)
        vectors: dict[str, Any] = {CODE: _bits(block.codes[part], form.dim)}
        if block.originals is not None:
            originals = block.originals[part].astype(np.float32)
            if block.lengths is not None:
                own = np.linalg.norm(originals, axis=1, keepdims=True)
                originals *= block.lengths[part, None] / np.where(own > 0, own, 1)
            vectors[ORIGINAL] = originals.tolist()
        pairs = zip(block.keys[part], block.documents[part], strict=True)
        payloads = [fields_of(key, document) for key, document in pairs]
        yield models.Batch(ids=block.ids[part].tolist(), vectors=vectors, payloads=payloads)


def _bits(codes: npt.NDArray[np.uint8], dim: int) -> list[list[float]]:
    bits: list[list[float]] = np.unpackbits(codes, axis=1, count=dim, bitorder="little").astype(np.float32).tolist()
    return bits


def search(
    client: Any,
    collection: str,
    queries: Any,
    k: int = 10,
    *,
    model: Binarizer | None = None,
    originals: Any = None,
    candidates: int | None = None,
    where: Any = None,
    exact: bool = True,
) -> tuple[Distances, Ids]:
    """Find the k nearest rows to each query in a collection of :func:`write`.

    Parameters
    ----------
    client : qdrant_client.QdrantClient
    collection : str
    queries : (q, words) uint64 array, or (q, d) float array with ``model``
    k : int
        At least 1. You get fewer results if fewer rows exist.
    model : fitted binarizer, optional
        The model of the index. With it, queries are vectors and answers the scores of :meth:`EmbeddingIndex.search`.
        Without it, queries are codes and answers the distances of :meth:`BinaryIndex.search`.
    originals : (q, width) array of floats, optional
        Vectors of the queries, to compare with the originals of the collection. Pass them only with codes as queries.
    candidates : int, optional
        Rows that codes find and originals then rank; ``10 * k`` by default.
    where : qdrant_client.models.Filter, optional
        Find only points that pass this filter.
    exact : bool
        Compare every point. If False, Qdrant walks its graph if it has built one.

    Returns
    -------
    distances : (q, k) int32 or float32 array
        Hamming distances, ascending. With originals: one minus the cosine, or the negated score of another metric.
        With a model: scores, descending.
    ids : (q, k) int64 array
        Ties are in ascending order of ids.

    Raises
    ------
    DTypeError, DimensionError, PaddingError
        If the queries do not fit the collection.
    ParameterError
        If a parameter is out of range, or the collection does not exist.
    MismatchError
        If the model did not make these codes.
    UnsupportedError
        If you pass originals but the collection has none.
    FileFormatError
        If :func:`write` did not make the collection.
    """
    models = library("qdrant_client.models", "qdrant")
    if not client.collection_exists(text(collection, "collection")):
        raise ParameterError(f"the collection {collection} does not exist; write an index to it first")
    form = _form(client.get_collection(collection).config.params.vectors, collection)
    asked = asked_of(form, collection, queries, k, model=model, originals=originals, candidates=candidates)
    count = client.count(collection, count_filter=where, exact=True).count
    parameters = models.SearchParams(exact=exact)

    def ask(requests: list[Any]) -> list[list[tuple[float, int]]]:
        answers = client.query_batch_points(collection, requests) if requests else []
        return [[(point.score, point.id) for point in answer.points] for answer in answers]

    found = []
    for part in asked.parts(QUERIES):
        rows = _bits(part.codes, form.dim)

        def by_codes(limit: int, rows: list[list[float]] = rows) -> Any:
            request = {"using": CODE, "limit": limit, "filter": where, "params": parameters}
            return hits_of(ask([models.QueryRequest(query=row, **request) for row in rows]))

        distances, ids = settled(by_codes, len(part), part.wanted, count)
        if part.originals is None:
            found.append((distances, ids))
            continue
        request = {"using": ORIGINAL, "limit": part.k, "params": models.SearchParams(exact=True)}
        among = [models.Filter(must=[models.HasIdCondition(has_id=row[row >= 0].tolist())]) for row in ids]
        pairs = zip(part.originals.tolist(), among, strict=True)
        hits = ask([models.QueryRequest(query=row, filter=only, **request) for row, only in pairs])
        found.append(from_hits(hits_of(_distances(hits, form)), len(part), floats=True))
    return asked.answer(found)


def _form(vectors: Any, collection: str) -> Form:
    """Return the form of the vectors of a collection; raises FileFormatError if :func:`write` did not make it."""
    try:
        code, original = vectors[CODE], vectors.get(ORIGINAL)
        if (str(code.datatype.value), str(code.distance.value)) != ("uint8", "Manhattan"):
            raise ValueError(f"its codes are {code.datatype} and compared by {code.distance}")
        if original is None:
            return Form(code.size)
        return Form(code.size, METRICS[original.distance.value], "float32", original.size)
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise FileFormatError(f"write did not make the collection {collection}: {error!r}") from None


def _distances(found: list[list[tuple[float, int]]], form: Form) -> list[list[tuple[float, int]]]:
    """Turn Qdrant's scores of originals into distances: one minus the cosine, or the negated score of the metric."""
    if form.metric == "l2":
        return [[(score**2, number) for score, number in row] for row in found]
    one = 1 if form.metric == "cosine" else 0
    return [[(one - score, number) for score, number in row] for row in found]
