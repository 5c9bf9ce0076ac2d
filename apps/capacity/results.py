"""Results of experiments, one SQLite file: finished points survive a kill, and a rerun resumes.

Schema (``PRAGMA user_version`` 1, ``application_id`` of this format)::

    CREATE TABLE points (
        experiment TEXT,      -- name of the protocol
        parameters TEXT,      -- JSON, keys sorted: model, dim, backend, items, ...
        seed       INTEGER,
        trials     INTEGER,
        asked      INTEGER,   -- questions, over all trials
        right      INTEGER,   -- right answers
        perfect    INTEGER,   -- trials with only right answers
        value      REAL,      -- mean of the protocol's measured value, or NULL
        version    TEXT,      -- of hdc that measured it
        PRIMARY KEY (experiment, parameters, seed, trials)
    ) WITHOUT ROWID

Each point is one transaction. Nothing in a row depends on time, workers or the order of work, so an interrupted and
resumed run leaves the same rows as an uninterrupted one.
"""

import json
import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import astuple, dataclass, fields
from typing import Any

import hdc
from hdc import checks
from hdc.apps.capacity.intervals import CONFIDENCE, wilson
from hdc.errors import FileFormatError
from hdc.markup import table

APPLICATION = 0x68646363
"""``hdcc`` in ASCII."""
SCHEMA = 1


@dataclass(frozen=True)
class Point:
    """One measured point of an experiment.

    Attributes
    ----------
    experiment : str
    parameters : str
        Canonical JSON; :meth:`__getitem__` reads it.
    seed, trials : int
    asked, right : int
        Questions and right answers, over all trials.
    perfect : int
        Trials with only right answers.
    value : float or None
        Mean of the protocol's measured value.
    version : str
    """

    experiment: str
    parameters: str
    seed: int
    trials: int
    asked: int
    right: int
    perfect: int
    value: float | None = None
    version: str = hdc.__version__

    def __getitem__(self, name: str) -> Any:
        return self.settings[name]

    @property
    def settings(self) -> dict[str, Any]:
        """The parameters as a dict."""
        settings: dict[str, Any] = json.loads(self.parameters)
        return settings

    @property
    def key(self) -> tuple[str, str, int, int]:
        """What identifies the point in a file."""
        return self.experiment, self.parameters, self.seed, self.trials

    @property
    def accuracy(self) -> float:
        """Share of right answers."""
        return self.right / self.asked

    @property
    def failure(self) -> float:
        """Share of trials with a wrong answer, which the theory's error bounds."""
        return 1 - self.perfect / self.trials

    def accuracy_interval(self, confidence: float = CONFIDENCE) -> tuple[float, float]:
        """Return Wilson's interval over trials; conservative where a trial asks several questions."""
        return wilson(self.accuracy, self.trials, confidence)

    def failure_interval(self, confidence: float = CONFIDENCE) -> tuple[float, float]:
        """Return Wilson's interval of the failure rate."""
        return wilson(self.failure, self.trials, confidence)


class Points(list[Point]):
    """Measured points; a notebook shows them as a table with their intervals and the predictions of the bounds."""

    def _repr_html_(self) -> str:
        from hdc.apps.capacity.display import points_table

        return table(*points_table(self))


_COLUMNS = tuple(field.name for field in fields(Point))


class Results:
    """A results file, opened for reading and appending.

    Parameters
    ----------
    path : path
        Created if it does not exist.

    Raises
    ------
    FileFormatError
        If the file is something else, or was written by a later version.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = os.fspath(checks.path(path))
        with self._connection() as connection:
            tables = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
            found = connection.execute("PRAGMA application_id").fetchone()[0]
            version = connection.execute("PRAGMA user_version").fetchone()[0]
            if tables == 0 and found == 0:
                self._create(connection)
            elif found != APPLICATION:
                raise FileFormatError(f"{self.path} is not a file of capacity results")
            elif version != SCHEMA:
                raise FileFormatError(f"{self.path} has schema {version}; this version of hdc reads schema {SCHEMA}")

    def _create(self, connection: sqlite3.Connection) -> None:
        kinds = {"parameters": "TEXT", "experiment": "TEXT", "version": "TEXT", "value": "REAL"}
        columns = ", ".join(f"{name} {kinds.get(name, 'INTEGER')}" for name in _COLUMNS)
        with connection:
            connection.execute("BEGIN IMMEDIATE")
            connection.execute(
                f"CREATE TABLE IF NOT EXISTS points ({columns}, "
                "PRIMARY KEY (experiment, parameters, seed, trials)) WITHOUT ROWID"
            )
            connection.execute(f"PRAGMA application_id = {APPLICATION}")
            connection.execute(f"PRAGMA user_version = {SCHEMA}")

    @contextmanager
    def _connection(self) -> Iterator[sqlite3.Connection]:
        try:
            with closing(sqlite3.connect(self.path, timeout=60)) as connection:
                yield connection
        except sqlite3.OperationalError as error:
            raise OSError(f"{self.path}: {error}") from error
        except sqlite3.DatabaseError as error:
            raise FileFormatError(f"{self.path} is not a readable file of capacity results: {error}") from error

    def add(self, point: Point) -> None:
        """Write one point durably, in one transaction; an existing point stays unchanged."""
        marks = ", ".join("?" * len(_COLUMNS))
        with self._connection() as connection, connection:
            connection.execute(f"INSERT OR IGNORE INTO points VALUES ({marks})", astuple(point))

    def points(self) -> Points:
        """Return all points, in the order of their keys."""
        order = "experiment, parameters, seed, trials"
        with self._connection() as connection:
            rows = connection.execute(f"SELECT {', '.join(_COLUMNS)} FROM points ORDER BY {order}").fetchall()
        return Points(Point(*row) for row in rows)
