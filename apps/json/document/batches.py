"""Batches of documents as sparse matrices: the leaves of each document and their weights."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from hdc.apps.garbage import uncollected
from hdc.apps.json.document.leaves import LeafTable, Walk
from hdc.apps.json.reading.records import Record, Untouched
from hdc.checks import wrong
from hdc.errors import ParameterError

Ints = npt.NDArray[np.int64]
Doubles = npt.NDArray[np.float64]

BATCH_DOCUMENTS = 1 << 9
"""Documents to encode per batch: their vectors fit the processor's cache (4 MiB at dim 2048)."""

BATCH_LEAVES = 1 << 15
"""Leaves after which a batch ends, even with few documents."""

TEXT_BYTES = 1 << 18
"""Bytes of texts to walk per block."""

LONGEST_TEXT = 1 << 20
"""Most bytes of a text to walk in compiled code, which allocates for the worst case."""

TABLE_BYTES = 1 << 26
"""Estimated size at which a leaf table is dropped and a new one started."""


@dataclass(frozen=True, eq=False)
class Batch:
    """Which leaves of a table each of some documents has.

    Attributes
    ----------
    table : LeafTable
        Shared with other batches, and growing.
    found : Walk
        Leaves and items that were found.
    """

    table: LeafTable
    found: Walk

    def __len__(self) -> int:
        return len(self.found.stops)

    @cached_property
    def noted(self) -> Ints:
        """Every leaf as it came."""
        return np.array(self.found.leaves, np.int64)

    @cached_property
    def owners(self) -> Ints:
        """The document of each of ``noted``."""
        return np.repeat(np.arange(len(self)), np.diff(self.found.stops, prepend=0).astype(np.int64))

    @property
    def starts(self) -> Ints:
        """Where the leaves of each document begin in ``leaves``, and where the last end."""
        return self._distinct[0]

    @property
    def leaves(self) -> Ints:
        """Numbers of the leaves that weigh anything, document by document, ascending in each."""
        return self._distinct[1]

    @cached_property
    def _distinct(self) -> tuple[Ints, Ints]:
        """Sort the leaves of each document and drop repeats."""
        table, size = self.table, int(self.noted.max(initial=0)) + 1
        keys = self.owners * size + self.noted
        if table.layout.leaves_out:
            keys = keys[np.array(table.factors)[self.noted] > 0]
        rows, leaves = np.divmod(distinct(keys), size)
        return np.searchsorted(rows, np.arange(len(self) + 1)), leaves

    def documents(self) -> list[list[int]]:
        """Return the numbers of each document's leaves."""
        bounds, leaves = self.starts.tolist(), self.leaves.tolist()
        return [leaves[start:stop] for start, stop in pairwise(bounds)]


def batches(documents: Iterable[Any], table: LeafTable) -> Iterator[Batch]:
    """Walk documents, each once, in batches.

    Parameters
    ----------
    documents : iterable of JSON values or of :class:`Record`
        One that has its text may be walked in compiled code.
    table : LeafTable
        Numbers the leaves, until it has grown to ``TABLE_BYTES``; then a new one does.

    Raises
    ------
    ParameterError
        If a document is not JSON, or ``documents`` is one document.
    """
    check_several(documents)
    walker = _Walker(table)
    for document in documents:
        walker.add(document)
        if walker.is_full():
            yield Batch(table, walker.done())
            if table.held > TABLE_BYTES:
                table = table.again()
            walker = _Walker(table)
    if walker.documents:
        yield Batch(table, walker.done())


def walked(documents: Iterable[Any], table: LeafTable) -> Batch:
    """Walk documents, however many they are, as one batch; raises as :func:`batches`."""
    walker = _Walker(table)
    for document in documents:
        walker.add(document)
    return Batch(table, walker.done())


class _Walker:
    """Walks documents in order: values at once, texts in blocks."""

    def __init__(self, table: LeafTable) -> None:
        self._table, self._found = table, Walk()
        self._texts, self._bytes = list[bytes](), 0
        self.documents = 0

    def add(self, document: Any) -> None:
        self.documents += 1
        if isinstance(document, Untouched) and self._table.kernels is not None:
            text = document.compact
            if len(text) <= LONGEST_TEXT:
                self._texts.append(text)
                self._bytes += len(text)
                if self._bytes >= TEXT_BYTES:
                    self._walk_texts()
                return
        if isinstance(document, Record):
            document = document.document
        self._walk_texts()
        with uncollected():
            self._table.walk(document, self._found)

    def is_full(self) -> bool:
        return self.documents == BATCH_DOCUMENTS or len(self._found.leaves) >= BATCH_LEAVES

    def done(self) -> Walk:
        self._walk_texts()
        return self._found

    def _walk_texts(self) -> None:
        if self._texts:
            with uncollected():
                self._table.walk_texts(self._texts, self._found)
            self._texts, self._bytes = [], 0


def check_several(documents: Any) -> None:
    """Raise ParameterError if ``documents`` are one document, a table, or cannot be iterated over."""
    if isinstance(documents, dict | str | bytes):
        given = type(documents).__name__
        raise ParameterError(f"documents must come in a list or iterator, and a {given} was given")
    try:
        iter(documents)
    except TypeError:
        raise wrong(documents, "documents", "a list or iterator of documents") from None
    if getattr(documents, "ndim", 1) != 1:
        raise ParameterError(
            "documents must come in one column, and a table was given; take a column of it by its name"
        )


def distinct(numbers: Ints) -> Ints:
    """Return the distinct numbers, none of them negative, in order."""
    ordered = np.sort(numbers)
    return ordered[np.diff(ordered, prepend=-1) > 0]


def weigh(batch: Batch, masses: Doubles, balance: float) -> tuple[Doubles, Doubles]:
    """Return the weights of documents' leaves, and the norms that they were divided by.

    Parameters
    ----------
    batch : Batch
    masses : float64 array
        Expected squared norm of each leaf of the table.
    balance : float
        As :class:`JSONEncoder`'s.

    Returns
    -------
    weights : float64 array
        One for each of ``batch.leaves``; those of a document give its vector an expected norm of 1.
    norms : (documents,) float64 array
        0 where a document has no leaf that weighs anything.
    """
    table, leaves = batch.table, batch.leaves
    rows = np.repeat(np.arange(len(batch)), np.diff(batch.starts))
    weights = np.array(table.shares)[leaves]
    if balance:
        _balance(weights, rows, batch, masses[leaves], balance)
    weights *= np.array(table.factors)[leaves]
    norms = np.sqrt(np.bincount(rows, weights * weights * masses[leaves], len(batch)))
    return weights / np.where(norms > 0, norms, 1)[rows], norms


def _balance(weights: Doubles, rows: Ints, batch: Batch, masses: Doubles, balance: float) -> None:
    """Damp, in place and from the leaves up, the weights under each path of a document."""
    leaves, places = np.unique(batch.leaves, return_inverse=True)
    chains = [[above.number for above in batch.table.nodes[leaf].ancestors()][::-1] for leaf in leaves]
    for level in range(max(map(len, chains), default=0), 0, -1):
        at_level = np.array([chain[level - 1] if len(chain) >= level else -1 for chain in chains])[places]
        inside = np.flatnonzero(at_level >= 0)
        _, group = np.unique(rows[inside] * (at_level.max() + 1) + at_level[inside], return_inverse=True)
        mass = np.bincount(group, weights[inside] ** 2 * masses[inside])
        weights[inside] *= np.where(mass > 0, mass, 1)[group] ** (-balance / 2)
