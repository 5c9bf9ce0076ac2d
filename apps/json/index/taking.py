"""Take documents apart for postings: leaves at spots, each with a few terms or a number."""

import math
from array import array
from collections.abc import Iterable
from typing import Any

import numpy as np

from hdc.apps.garbage import uncollected
from hdc.apps.json.document.batches import TABLE_BYTES, Batch, Ints, distinct, walked
from hdc.apps.json.document.leaves import LeafTable, Node
from hdc.apps.json.document.paths import Path, scale_path
from hdc.apps.json.document.rules import Layout
from hdc.apps.json.values.numbers import Quantities
from hdc.apps.json.values.parts import column_hash, path_hash, term_hash
from hdc.apps.json.values.values import Values
from hdc.search.postings.names import Hashes, runs
from hdc.search.postings.segment import Occurrences
from hdc.search.postings.vectors import NONE, TermVectors

INT53 = 1 << 53


class Taker:
    """Computes the terms and numbers of leaves, and caches those of one table.

    Parameters
    ----------
    values : Values
    layout : Layout
    table : LeafTable, optional
        To begin with.

    Attributes
    ----------
    table : LeafTable
        That of the last documents, which others may be taken apart by.
    """

    def __init__(self, values: Values, layout: Layout, table: LeafTable | None = None) -> None:
        self._values, self._layout = values, layout
        self._begin(LeafTable(layout) if table is None else table)

    def _begin(self, table: LeafTable) -> None:
        self.table = table
        self._slots = np.empty(0, np.int64)  # of each leaf of the table; -1 if unknown
        self._nodes: dict[Node, tuple[Path, int, float]] = {}
        self._starts, self._terms = array("q", [0]), array("Q")
        self._paths, self._columns = array("Q"), array("Q")
        self._places, self._numbers, self._masses = array("d"), array("d"), array("d")
        self._names: dict[int, str] = {}
        self._words: dict[int, str] = {}
        self._embedded: dict[int, str] = {}  # texts for a string encoder, by the hash of their term

    def take(self, documents: Iterable[Any]) -> Occurrences:
        """Take documents apart, and return their postings.

        Raises
        ------
        ParameterError
            If a document is not JSON.
        """
        table = self.table if self.table.held <= TABLE_BYTES else self.table.again()
        return self.taken(walked(documents, table))

    def taken(self, batch: Batch) -> Occurrences:
        """Return the postings of the documents of a batch."""
        if batch.table is not self.table:
            self._begin(batch.table)
        found = batch.found
        spots, every, owners = np.array(found.spots, np.int64), batch.noted, batch.owners
        if (spots < 0).any():
            owners, every, spots = owners[spots >= 0], every[spots >= 0], spots[spots >= 0]
        slots = self._known(every)
        met, leaves = np.unique(slots, return_inverse=True)
        starts, terms = np.frombuffer(self._starts, np.int64), np.frombuffer(self._terms, np.uint64)
        counts = starts[met + 1] - starts[met]
        own = terms[runs(starts[met], counts)]
        paths = np.frombuffer(self._paths, np.uint64)[met]
        return Occurrences(
            len(batch),
            np.array(found.documents, np.uint32),
            np.array(found.parents, np.uint32),
            np.array(found.places, np.uint32),
            spots,
            leaves.astype(np.int64),
            np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
            own,
            paths,
            np.frombuffer(self._columns, np.uint64)[met],
            np.frombuffer(self._places, np.float64)[met],
            np.frombuffer(self._numbers, np.float64)[met],
            np.bincount(owners, np.frombuffer(self._masses, np.float64)[slots], len(batch)).astype(np.float64),
            _among(self._words, own),
            _among(self._names, paths),
            self._vectors(own),
        )

    def _known(self, leaves: Ints) -> Ints:
        """Return the places of leaves in the arrays, adding new ones."""
        more = len(self.table) - len(self._slots)
        if more > 0:
            self._slots = np.concatenate([self._slots, np.full(max(more, len(self._slots)), -1)])
        new, first = distinct(leaves[self._slots[leaves] < 0]), len(self._paths)
        with uncollected():
            for leaf in new.tolist():
                self._add(self.table.nodes[leaf], self.table.values[leaf])
        self._slots[new] = np.arange(first, first + len(new))
        return self._slots[leaves]

    def _add(self, node: Node, value: Any) -> None:
        """Add the terms or the number of a leaf."""
        path, place_hash, factor = self._nodes.get(node) or self._node(node)
        parts = self._values.held(path, value)
        for kind, content in parts.terms:
            term = term_hash(kind, content)
            self._terms.append(term)
            if kind == "~":
                self._words[term] = content
        if self._values.is_embedded(path, value):
            self._embedded[term_hash("=", value)] = value
        column, place, number = 0, 0.0, 0.0
        if parts.number is not None:
            column, place = column_hash(path, parts.number.kind), parts.number.place
            number, exact = exact_number(parts.number.kind, parts.number.value)
            self._terms.extend(exact)
        self._starts.append(len(self._terms))
        self._columns.append(column)
        self._places.append(place)
        self._numbers.append(number)
        self._masses.append(factor * parts.whole)
        self._paths.append(place_hash)

    def _vectors(self, terms: Hashes) -> TermVectors:
        """Return a string encoder's vectors of the texts among terms."""
        texts = _among(self._embedded, terms) if self._embedded else {}
        if not texts:
            return NONE
        return TermVectors(np.array(list(texts), np.uint64), self._values.embedded(list(texts.values())))

    def _node(self, node: Node) -> tuple[Path, int, float]:
        """Return the path that values at a node are compared on, its hash, and its weight."""
        path = scale_path(node.place())
        place_hash, text = path_hash(path)
        self._names[place_hash] = text
        known = self._nodes[node] = path, place_hash, self._layout.weights[path] ** 2
        return known


def _among(texts: dict[int, str], hashes: Hashes) -> dict[int, str]:
    """Return the texts of the hashes that have one."""
    return {number: texts[number] for number in np.unique(hashes).tolist() if number in texts}


def exact_number(kind: Quantities, value: int | float) -> tuple[float, list[int]]:
    """Return a number as a double, or NaN and the hash of a term for it if no double equals it."""
    if isinstance(value, float) or abs(value) <= INT53:
        return float(value), []
    try:
        if int(double := float(value)) == value:
            return double, []
    except OverflowError:
        pass
    return math.nan, [term_hash(kind, f"{value:#x}")]
