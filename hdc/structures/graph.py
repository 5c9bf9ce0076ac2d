"""Graph: nodes and edges, directed or not, with labels or without."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import numpy as np

from hdc.atoms import check_names, encode_name
from hdc.checks import flag, integer
from hdc.dtypes import is_array
from hdc.errors import EmptyBundleError, ParameterError, UnsupportedError
from hdc.kernels import Array
from hdc.memory import ItemMemory, Match
from hdc.structures.base import Structure
from hdc.structures.numbering import numbered_names
from hdc.structures.rows import Rows, bundle_sets

LABEL = 2
"""Permutations of a label, so that it is not a node."""


class _Edges(NamedTuple):
    """Vectors of the parts of edges, ``(..., n, storage)``."""

    sources: Array
    labels: Array | None
    targets: Array


@dataclass(frozen=True)
class Graph(Structure):
    """Nodes and edges: the bundle of all edges, ``bind(source, permute(target))``, or ``bind(a, b)`` if undirected.

    A label binds an edge once more: any one of source, label and target is found from the other two. All edges are
    noise to each other, so their number decides what is read rightly, not that of a node's neighbors;
    :meth:`memories` has a vector a node instead, whose noise is that of its own neighbors.

    Parameters
    ----------
    vsa : VSA
        A model that binds two hypervectors; for undirected graphs, one in which they commute.
    directed : bool

    Examples
    --------
    >>> import hdc
    >>> vsa = hdc.create("MAP-I", 4096)
    >>> graph = hdc.Graph(vsa, directed=True)
    >>> kin = graph.encode([("ann", "bob"), ("ann", "cat"), ("bob", "dan")])
    >>> people = hdc.ItemMemory(vsa, ["ann", "bob", "cat", "dan"])
    >>> sorted(match.name for match in graph.successors(kin, "ann", people, k=2))
    ['bob', 'cat']
    >>> graph.predecessors(kin, "dan", people)[0].name
    'bob'
    >>> graph.contains(kin, ("bob", "dan"), size=3), graph.contains(kin, ("dan", "bob"), size=3)
    (True, False)
    """

    directed: bool = False

    gives: ClassVar[tuple[str, ...]] = ("contains", "successors", "predecessors", "neighbors", "labels")
    read: ClassVar[str | None] = "symbol"

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "directed", flag(self.directed, "directed"))
        if not self.vsa.binds_vectors:
            raise UnsupportedError(
                f"edges bind hypervectors with each other, which {self.vsa.model} does not define; "
                "use Tree or Automaton, whose keys are roles, or another model"
            )
        if not self.directed and not self.vsa.commutative:
            raise UnsupportedError(
                f"an undirected edge is the same from both ends, and binding of {self.vsa.model} does not commute; "
                "use directed=True, with both directions of each edge, or another model"
            )

    # ------------------------------------------------------------------ encoding

    def encode(self, edges: Iterable[Any], weights: Any = None) -> Array:
        """Return the bundle of the edges.

        Parameters
        ----------
        edges : iterable of n edges
            ``(source, target)`` or ``(source, label, target)``, all of the same form: names, or hypervectors
            ``(..., storage)``.
        weights : n numbers, optional
            As :meth:`hdc.VSA.bundle` takes them.

        Returns
        -------
        (..., storage) array

        Raises
        ------
        EmptyBundleError
            If there is no edge.
        ParameterError
            If an edge has another form, or an undirected one leads from a node to itself where a vector bound with
            itself is the same for all.
        """
        return self.vsa.bundle(self._terms(edges), weights)

    def _terms(self, edges: Iterable[Any]) -> Array:
        """Return the bound edges, ``(..., n, storage)``."""
        return self._bound(self._parts(edges))

    def _parts(self, edges: Iterable[Any]) -> _Edges:
        sources, *labels, targets = (self._distinct(list(part)) for part in zip(*self._listed(edges), strict=True))
        return _Edges(sources, labels[0] if labels else None, targets)

    def _listed(self, edges: Iterable[Any]) -> list[tuple[Any, ...]]:
        given = [self._edge(edge) for edge in check_names(edges)]
        if not given:
            raise EmptyBundleError("a Graph needs at least one edge, and none was given")
        if len(set(map(len, given))) > 1:
            raise ParameterError("edges of one graph all have a label, or none has")
        return given

    def _edge(self, edge: Any) -> tuple[Any, ...]:
        if not isinstance(edge, tuple | list) or len(edge) not in (2, 3):
            raise ParameterError(f"an edge is (source, target) or (source, label, target), not {edge!r}")
        ends = edge[0], edge[-1]
        cancels = not self.directed and self.vsa.self_inverse and not any(map(is_array, ends))
        if cancels and encode_name(ends[0]) == encode_name(ends[1]):
            raise ParameterError(
                f"an edge of {ends[0]!r} with itself is the same vector for every node of an undirected graph of "
                f"{self.vsa.model}; use directed=True"
            )
        return tuple(edge)

    def _distinct(self, values: list[Any]) -> Array:
        """Return vectors of values, drawing each name once."""
        if any(map(is_array, values)):
            return self.vectors(values)
        numbers, names = numbered_names(values)
        return self.vsa.xp.take(self.vsa.symbols(names), self.vsa.kernels.arrays.from_numpy(numbers), axis=0)

    def _bound(self, edges: _Edges) -> Array:
        targets = self.vsa.permute(edges.targets) if self.directed else edges.targets
        bound = self.vsa.bind(edges.sources, targets)
        return bound if edges.labels is None else self.vsa.bind(self.vsa.permute(edges.labels, LABEL), bound)

    def memories(self, edges: Iterable[Any]) -> ItemMemory:
        """Return a memory with a vector for each node: the bundle of its successors, or neighbors.

        A node's vector represents its own neighbors only: clean it up against the nodes, or compare it with another
        node's to find common neighbors. Nodes are names; nodes that no edge leaves are absent. Labels bind their
        targets.
        """
        given = self._listed(edges)
        if not self.directed:
            given += [tuple(reversed(edge)) for edge in given]
        nodes, names = numbered_names(source for source, *_ in given)
        order = np.argsort(nodes, kind="stable")
        ends = [given[place][1:] for place in order.tolist()]
        rows = Rows(self.vsa, len(ends), lambda wanted: self._ends([ends[place] for place in wanted.tolist()]))
        starts = np.concatenate([[0], np.cumsum(np.bincount(nodes))])
        memory = ItemMemory(self.vsa)
        memory.add(names, bundle_sets(self.vsa, rows, np.arange(len(ends)), starts))
        return memory

    def _ends(self, ends: list[tuple[Any, ...]]) -> Array:
        """Return vectors of targets, bound with their labels, ``(n, storage)``."""
        *labels, targets = (self._distinct(list(part)) for part in zip(*ends, strict=True))
        return self.vsa.bind(self.vsa.permute(labels[0], LABEL), targets) if labels else targets

    # ------------------------------------------------------------------ changes

    def add(self, graph: Array, edges: Iterable[Any]) -> Array:
        """Return graphs with more edges.

        Parameters
        ----------
        graph : (..., storage) array
        edges : as :meth:`encode`

        Returns
        -------
        (..., storage) array
            What :meth:`encode` returns of all edges, where a bundle of bundles is a bundle.

        Raises
        ------
        UnsupportedError
            If the model's bundles lose what is needed; the message names models that keep it.
        """
        return self._added(graph, self._terms(edges))

    def remove(self, graph: Array, edges: Iterable[Any]) -> Array:
        """Return graphs without edges; shapes and errors as :meth:`add`."""
        return self._removed(graph, self._terms(edges))

    # ------------------------------------------------------------------ reading

    def contains(self, graph: Array, edge: Any, size: int | None = None) -> Any:
        """Decide whether one edge is among the ``size`` of the graph; see :meth:`hdc.VSA.contains`.

        Returns
        -------
        bool, or nested list of bool for a batch of graphs
        """
        return self.vsa.contains(graph, self._terms([edge])[..., 0, :], size).tolist()

    def successors(self, graph: Array, node: Any, memory: ItemMemory, k: int = 1, *, label: Any = None) -> list[Match]:
        """Return the k items of ``memory`` to which edges lead from a node, most likely first.

        Parameters
        ----------
        graph : (storage,) array
        node : name or (storage,) array
        memory : ItemMemory
            Of nodes.
        k : int
        label : name or (storage,) array, optional
            Of the edges; needed if they have labels. None is no label.
        """
        return self._read(graph, (node, label, _OPEN), memory, k)

    def predecessors(
        self, graph: Array, node: Any, memory: ItemMemory, k: int = 1, *, label: Any = None
    ) -> list[Match]:
        """Return the k items of ``memory`` from which edges lead to a node; see :meth:`successors`."""
        return self._read(graph, (_OPEN, label, node), memory, k)

    def neighbors(self, graph: Array, node: Any, memory: ItemMemory, k: int = 1, *, label: Any = None) -> list[Match]:
        """Return the k items of ``memory`` that share an edge with a node, in either direction."""
        found = self.successors(graph, node, memory, k, label=label)
        if not self.directed:
            return found
        found += self.predecessors(graph, node, memory, k, label=label)
        best: dict[bytes, Match] = {}
        for match in sorted(found, key=lambda match: -match.similarity):
            best.setdefault(encode_name(match.name), match)
        return list(best.values())[: integer(k, "k", 1)]

    def labels(self, graph: Array, source: Any, target: Any, memory: ItemMemory, k: int = 1) -> list[Match]:
        """Return the k items of ``memory`` that label an edge from one node to another, most likely first."""
        return self._read(graph, (source, _OPEN, target), memory, k)

    def _read(self, graph: Array, parts: tuple[Any, Any, Any], memory: ItemMemory, k: int) -> list[Match]:
        """Return the items that fit at ``_OPEN``; None means no label.

        Unbinding removes a first operand. So if operands do not commute, the graph is compared with each item's edge.
        """
        checked, items = self._single(graph), self._checked(memory)
        if self.vsa.commutative:
            return items.cleanup(self._unbound(checked, parts), k)
        vectors = (items.vectors if part is _OPEN else None if part is None else self.vector(part) for part in parts)
        edges = ItemMemory(self.vsa)
        edges.add(items.names, self._bound(_Edges(*vectors)))
        return edges.cleanup(checked, k)

    def _unbound(self, graph: Array, parts: tuple[Any, Any, Any]) -> Array:
        back = 0
        for part, shift in zip(parts, (0, LABEL, int(self.directed)), strict=True):
            if part is _OPEN:
                back = shift
            elif part is not None:
                graph = self.vsa.unbind(self.vsa.permute(self.vector(part), shift), graph)
        return self.vsa.permute(graph, -back)


_OPEN = object()
"""Placeholder for the part of an edge to read."""
