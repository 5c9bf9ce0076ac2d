"""What every index promises, checked against a dict and a comparison with every row."""

import os
import tempfile
from pathlib import Path

from hdc.errors import UnknownNameError
from hdc.testing import index_laws as plain
from hdc.testing import index_threads as threaded
from hdc.testing.index_cases import IndexCase, Place
from hdc.testing.index_machine import check_machine
from hdc.testing.laws import LawError, Outcome


def check_index(case: IndexCase, *, deep: bool = False) -> tuple[Outcome, ...]:
    """Check every law of an index, which may come from any package, in memory and in a folder.

    The laws are about rows and their ids, keys and documents; searches; changes; files; snapshots of readers; threads
    and forks; damage. The last one, a Hypothesis state machine, makes any sequence of changes; it needs the library
    hypothesis.

    Parameters
    ----------
    case : IndexCase
    deep : bool
        Take more time: more examples, more runs of threads.

    Returns
    -------
    tuple of Outcome
        One per law and place.

    Raises
    ------
    LawError
        If a law is broken: all broken ones are named.

    Examples
    --------
    A case of a :class:`~hdc.apps.retrieval.BinaryIndex`; the rows are codes around eight centers.

    >>> import numpy as np
    >>> from hdc.apps.retrieval import BinaryIndex
    >>> from hdc.testing import ROWS, IndexCase, check_index_law
    >>> rng = np.random.default_rng(0)
    >>> CODES = rng.integers(0, 2**64, (8, 2), dtype=np.uint64)[np.arange(ROWS) % 8]
    >>> CODES[8:, 0] ^= np.uint64(1) << np.arange(ROWS - 8, dtype=np.uint64) // np.uint64(2)
    >>> class Codes(IndexCase):
    ...     name = "codes"
    ...
    ...     def create(self, path):
    ...         return BinaryIndex(128, path=path)
    ...
    ...     def open(self, path, *, writable=False):
    ...         return BinaryIndex.open(path, writable=writable)
    ...
    ...     def add(self, index, numbers, keys):
    ...         return index.add(CODES[list(numbers)], keys=keys)
    ...
    ...     def put(self, index, numbers, keys):
    ...         return index.put(CODES[list(numbers)], keys)
    ...
    ...     def update(self, index, ids, numbers, keys):
    ...         index.update(ids, CODES[list(numbers)])
    ...
    ...     def search(self, index, number, k, among):
    ...         distances, ids = index.search(CODES[[number]], k, among=among)
    ...         return list(zip(distances[0].tolist(), ids[0].tolist()))
    ...
    ...     def score(self, query, row):
    ...         return int(np.bitwise_count(CODES[query] ^ CODES[row]).sum())
    >>> [outcome.outcome for outcome in check_index_law(Codes(), "search")]  # check_index(Codes()) checks all laws
    ['held', 'held']
    """
    outcomes, broken = [], []
    for law in index_laws():
        try:
            outcomes += check_index_law(case, law, deep=deep)
        except LawError as error:
            broken.append(str(error))
    if broken:
        raise LawError("\n".join(broken))
    return tuple(outcomes)


def index_laws() -> tuple[str, ...]:
    """Return the names of the laws of an index."""
    return tuple(LAWS)


def check_index_law(case: IndexCase, law: str, *, deep: bool = False) -> list[Outcome]:
    """Check one law, in memory and in a folder, or in a folder only if it is about that.

    Raises
    ------
    LawError
        If the index breaks it.
    UnknownNameError
        If there is no such law.
    """
    if law not in LAWS:
        raise UnknownNameError(f"unknown law {law!r}; known: {', '.join(LAWS)}")
    outcomes = []
    for where in ("folder",) if law in OF_FOLDERS else ("memory", "folder"):
        with tempfile.TemporaryDirectory(dir=FAST, ignore_cleanup_errors=True) as folder:
            place = Place(case, Path(folder) / "index" if where == "folder" else None, 10 if deep else 1)
            try:
                reason = LAWS[law](place)
            except Exception as error:
                what = f"{type(error).__name__}: {error}"
                raise LawError(f"law {law!r} is broken by {case.name} in {where}: {what}") from error
        outcomes.append(Outcome(f"{law} ({where})", f"skipped: {reason}" if reason else "held"))
    return outcomes


OF_FOLDERS = {**plain.LAWS_OF_FOLDERS, **threaded.LAWS_OF_FOLDERS}
LAWS = {**plain.LAWS, **threaded.LAWS, **OF_FOLDERS, "any-sequence": check_machine}

FAST = "/dev/shm" if os.path.isdir("/dev/shm") else None
