"""Codes in Milvus: a ``BINARY_VECTOR``, compared by ``HAMMING`` in a ``BIN_FLAT`` index.

Milvus packs eight components into a byte, the first one in the highest bit; zeros pad a code to a multiple of eight.
(milvus.io/docs/binary-vector.md: ``dim``, "must be a multiple of 8", and ``convert_bool_list_to_bytes``.) Keys and
documents are dynamic fields. Originals are not written: add the vectors to Milvus as a field of your own. You need a
server, because Milvus Lite (3.2.2) has no binary vectors.
"""

from dataclasses import replace
from typing import Any

from hdc.apps.retrieval.binarizers import Binarizer
from hdc.apps.retrieval.engines.asking import asked_of
from hdc.apps.retrieval.engines.bodies import codes_form
from hdc.apps.retrieval.engines.tables import Block, Form, Rows, Source, fields_of, highest_first, library
from hdc.apps.retrieval.engines.ties import hits_of, settled
from hdc.checks import text
from hdc.errors import ParameterError
from hdc.search.measures import Distances, Ids
from hdc.words import MAX_DIM

ROWS, QUERIES = 1 << 12, 64
"""Rows per insert, and queries per search."""

MOST_HITS = 1 << 14
"""Most rows that Milvus returns per query."""


def write(index: Source, client: Any, collection: str) -> int:
    """Write the codes of an index to a new collection and return the number of rows. An error drops the collection.

    The fields are ``id`` (INT64, the primary key), ``code`` (BINARY_VECTOR), and ``key`` and ``document`` (base64) if
    the row has them. For approximate search, replace the index of ``code`` by one of type ``BIN_IVF_FLAT``.

    Parameters
    ----------
    index : BinaryIndex, EmbeddingIndex or ShardedIndex
        Its codes must be compared by Hamming distance.
    client : pymilvus.MilvusClient
    collection : str

    Raises
    ------
    UnsupportedError
        If the codes are not compared by Hamming distance, or the metric is not cosine and so needs originals.
    ParameterError
        If the collection exists.
    BackendUnavailableError
        If pymilvus is not installed.
    FileFormatError
        If the index is damaged.
    pymilvus.MilvusException
        Errors of Milvus, for example if the name has characters other than letters, digits and ``_``.
    """
    rows, name = Rows(index), text(collection, "collection")
    kinds = library("pymilvus", "milvus").DataType
    form = replace(codes_form(rows, "Milvus", MAX_DIM), dtype=None, width=0)
    if client.has_collection(name):
        raise ParameterError(f"the collection {name} already exists; drop it or pass another name")
    schema = client.create_schema(auto_id=False, enable_dynamic_field=True, description=form.to_json())
    schema.add_field("id", kinds.INT64, is_primary=True)
    schema.add_field("code", kinds.BINARY_VECTOR, dim=8 * form.size)
    indexes = client.prepare_index_params()
    indexes.add_index(field_name="code", index_type="BIN_FLAT", metric_type="HAMMING")
    client.create_collection(name, schema=schema, index_params=indexes, consistency_level="Strong")
    try:
        for block in rows:
            entities = _entities(block)
            for start in range(0, len(entities), ROWS):
                client.insert(name, entities[start : start + ROWS])
    except BaseException:
        client.drop_collection(name)
        raise
    return len(rows)


def _entities(block: Block) -> list[dict[str, Any]]:
    entities: list[dict[str, Any]] = []
    codes = highest_first(block.codes)
    rows = zip(block.ids.tolist(), codes, block.keys, block.documents, strict=True)
    for number, code, key, document in rows:
        entities.append({"id": number, "code": code.tobytes(), **fields_of(key, document)})
    return entities


def search(
    client: Any, collection: str, queries: Any, k: int = 10, *, model: Binarizer | None = None, where: str = ""
) -> tuple[Distances, Ids]:
    """Find the k nearest rows to each query in a collection of :func:`write`.

    Parameters
    ----------
    client : pymilvus.MilvusClient
    collection : str
    queries : (q, words) uint64 array, or (q, d) float array with ``model``
    k : int
        From 1 to 16,384, the most that Milvus returns.
    model : fitted binarizer, optional
        The model of the index. With it, queries are vectors and answers the scores of an :class:`EmbeddingIndex`
        without originals.
    where : str
        Find only rows that meet this Milvus expression, for example ``id in [1, 2] or key == "a"``.

    Returns
    -------
    distances : (q, k) int32 or float32 array
        Hamming distances, ascending. With a model: scores, descending.
    ids : (q, k) int64 array
        Ties are in ascending order of ids.

    Raises
    ------
    DTypeError, DimensionError, PaddingError
        If the queries do not fit the collection.
    ParameterError
        If ``k`` is out of range, or the collection does not exist.
    MismatchError
        If the model did not make these codes.
    FileFormatError
        If :func:`write` did not make the collection.
    """
    library("pymilvus", "milvus")
    if not client.has_collection(text(collection, "collection")):
        raise ParameterError(f"the collection {collection} does not exist; write an index to it first")
    form = Form.of_json(client.describe_collection(collection).get("description"), collection)
    asked = asked_of(form, collection, queries, k, model=model, originals=None, candidates=None)
    if k > MOST_HITS:
        raise ParameterError(f"k must be at most {MOST_HITS} for Milvus, not {k}")
    count = int(client.query(collection, filter=where, output_fields=["count(*)"])[0]["count(*)"])
    found = []
    for part in asked.parts(QUERIES):
        data = [row.tobytes() for row in highest_first(part.codes)]

        def ask(limit: int, data: list[bytes] = data) -> Any:
            request = {"anns_field": "code", "limit": limit, "search_params": {"metric_type": "HAMMING"}}
            request["filter"] = where
            answers = client.search(collection, data, **request) if count else [[] for _ in data]
            return hits_of([[(hit["distance"], hit["id"]) for hit in answer] for answer in answers])

        found.append(settled(ask, len(part), part.wanted, min(count, MOST_HITS)))
    return asked.answer(found)
