"""Codes in Qdrant, which has no type for bits: a component of 0 or 1 each, as ``uint8``, by the Manhattan distance.

That distance is the number of differing bits. A code takes a byte per bit there. (qdrant.tech/documentation: "Vectors",
"Datatypes"; "Search", "Metrics".) Binary quantization does not go with it: tried in Qdrant Edge 0.9.0, candidates were
others. Originals are a second vector of each point.
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
"""Longest vectors that Qdrant takes."""

POINTS, QUERIES = 256, 64
"""Points that are sent, and queries that are asked, at a time."""

METRICS = {"Cosine": "cosine", "Dot": "ip", "Euclid": "l2"}


def write(index: Source, client: Any, collection: str) -> int:
    """Write an index to a new collection; return the number of rows. After an error, the collection is deleted.

    Points have the ids of the index, the payload ``key`` and ``document`` (base64) where there are any, and the vectors
    ``code`` and, of an index that keeps originals, ``original`` (float32).

    Parameters
    ----------
    index : BinaryIndex, EmbeddingIndex or ShardedIndex
        Of codes that are compared by differing bits.
    client : qdrant_client.QdrantClient
    collection : str

    Raises
    ------
    UnsupportedError
        If the codes are not compared by differing bits, or have more than 65,536.
    ParameterError
        If there is such a collection.
    BackendUnavailableError
        If qdrant-client is not installed.
    FileFormatError
        If the index is damaged.
    """
    rows, name = Rows(index), text(collection, "collection")
    models = library("qdrant_client.models", "qdrant")
    if rows.form.dim > MOST_BITS:
        raise UnsupportedError(f"Qdrant's vectors have at most {MOST_BITS} components, and codes {rows.form.dim} bits")
    if client.collection_exists(name):
        raise ParameterError(f"there is a collection {name}; delete it, or give another name")
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
    """Yield the points of a block, some at a time."""
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
    """Find the k rows of a collection of :func:`write` that are nearest to each query.

    Parameters
    ----------
    client : qdrant_client.QdrantClient
    collection : str
    queries : (q, words) uint64 array, or (q, d) float array with ``model``
    k : int
        At least 1; at most as many results come back as there are rows.
    model : fitted binarizer, optional
        That of the index. Queries are vectors then, and answers those of :meth:`EmbeddingIndex.search`: scores, greater
        is nearer. Without it they are codes, and answers those of :meth:`BinaryIndex.search`.
    originals : (q, width) array of floats, optional
        With codes, the queries before they were made codes, of a collection with originals.
    candidates : int, optional
        Rows that codes find and that originals put in order; ``10 * k`` if left out.
    where : qdrant_client.models.Filter, optional
        Find only points that it admits.
    exact : bool
        Compare all points; else Qdrant walks its graph, where it has made one.

    Returns
    -------
    distances : (q, k) int32 or float32 array
        Ascending differing bits; with originals, one minus the cosine, or for the other metrics the score times -1.
        With a model, scores, descending.
    ids : (q, k) int64 array
        Of equal distances the lower id comes first.

    Raises
    ------
    DTypeError, DimensionError, PaddingError
        If the queries are not those of the collection.
    ParameterError
        If a parameter is out of range, or there is no such collection.
    MismatchError
        If the model is another one.
    UnsupportedError
        If originals are given, and the collection has none.
    FileFormatError
        If the collection was not made by :func:`write`.
    """
    models = library("qdrant_client.models", "qdrant")
    if not client.collection_exists(text(collection, "collection")):
        raise ParameterError(f"there is no collection {collection}; write an index to it first")
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
    """Return what the vectors of a collection mean; raises FileFormatError if write has not made it."""
    try:
        code, original = vectors[CODE], vectors.get(ORIGINAL)
        if (str(code.datatype.value), str(code.distance.value)) != ("uint8", "Manhattan"):
            raise ValueError(f"its codes are {code.datatype}, compared by {code.distance}")
        if original is None:
            return Form(code.size)
        return Form(code.size, METRICS[original.distance.value], "float32", original.size)
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise FileFormatError(f"the collection {collection} has no codes that write has put there: {error!r}") from None


def _distances(found: list[list[tuple[float, int]]], form: Form) -> list[list[tuple[float, int]]]:
    """Return Qdrant's scores of originals as distances: one minus the cosine, or scores of ours times -1."""
    if form.metric == "l2":
        return [[(score**2, number) for score, number in row] for row in found]
    one = 1 if form.metric == "cosine" else 0
    return [[(one - score, number) for score, number in row] for row in found]
