"""Take documents apart into leaves: a path of steps and a value, which is a scalar or an empty container.

``{"type": {"label": "Seizure"}, "tags": ["a"]}`` has the leaves ``type.label = "Seizure"`` and
``tags[] = "a"``. A :class:`LeafTable` numbers distinct leaves, so that a batch of documents is a sparse
(documents x leaves) matrix. A leaf that occurs again in a document counts once.

The same walk records where each leaf is: in the document, or in which item of an array.
"""

from array import array
from collections.abc import Iterator, Sequence
from typing import Any

from hdc.apps.json.document.constant import Constant
from hdc.apps.json.document.paths import Path, Step, show_path
from hdc.apps.json.document.rules import Layout, Mode, by_position
from hdc.apps.json.document.structure import ANYWHERE, ARRAY, bound, leaf_value
from hdc.apps.json.document.texts import TextWalker, mode_of
from hdc.apps.json.reading import MAX_DEPTH
from hdc.errors import ParameterError
from hdc.kernels import NO_ITEM, TextKernels

NODE_BYTES = 1 << 10
"""Estimated bytes of a node with its dictionaries."""

LEAF_BYTES = 1 << 8
"""Estimated bytes of a leaf besides the characters of its value."""

_SCALARS = frozenset({str, int, float, type(None)})


_TRUE, _FALSE = Constant.TRUE, Constant.FALSE


class Walk:
    """The contents of a batch of documents: their leaves in order, and the items of their arrays.

    Attributes
    ----------
    leaves, spots : array of int
        Number of each leaf, one again where it occurs again, and where it is: its document, or the innermost item
        around it; -1 where an item that is bound in several ways comes again.
    stops : array of int
        Where the leaves of each document end.
    documents, parents, places : array of int
        Of each item its document, the item around it or ``NO_ITEM``, and its position.
    """

    __slots__ = ("documents", "leaves", "parents", "places", "spots", "stops")

    def __init__(self) -> None:
        self.leaves, self.spots, self.stops = array("q"), array("q"), array("q")
        self.documents, self.parents, self.places = array("q"), array("q"), array("q")

    def item(self, parent: int, place: int) -> int:
        """Return the number of one more item of the document that is walked."""
        self.documents.append(len(self.stops))
        self.parents.append(parent)
        self.places.append(place)
        return len(self.places) - 1


class Node:
    """A path of a :class:`LeafTable`, as a node of a tree.

    Attributes
    ----------
    number : int
        In order of first occurrence.
    step : str, int or None
        The last step; None at the root.
    depth : int
        Number of steps.
    mode : str
        How an array at this place is bound.
    share : float
        Weight that the arrays on the path leave to a leaf: its square is the leaf's part of an item.
    factor : float
        The user's weight of the path.
    keys, items : dict
        Nodes one step further, made when they are asked for.
    leaves : dict
        Numbers of the leaves here by value, given when they are asked for.
    """

    __slots__ = (
        *("_path", "_table", "depth", "factor", "items", "keys", "leaves", "mode", "number", "parent", "share", "step"),
    )

    keys: "_Keys"
    items: "_Items"
    leaves: "_Leaves"

    def __init__(self, table: "LeafTable", parent: "Node | None", step: Step, share: float) -> None:
        self._table, self.parent, self.step, self.share = table, parent, step, share
        self.depth: int = 0 if parent is None else parent.depth + 1
        self.number = table.count_node()
        self._path: Path = () if parent is None else (*parent._path, step)
        self.mode: Mode = table.layout.arrays[self._path]
        self.factor = table.layout.weights[self._path]

    def __getattr__(self, name: str) -> Any:
        """Create a dictionary on first access, because most nodes need only one of the three."""
        kind = _TABLES.get(name)
        if kind is None:
            raise AttributeError(name)
        made = kind(self._table, self)
        setattr(self, name, made)
        return made

    def ancestors(self) -> Iterator["Node"]:
        """Yield the node and its ancestors, except the root."""
        node = self
        while node.parent is not None:
            yield node
            node = node.parent

    def path(self) -> Path:
        """Return the steps from the root."""
        return self._path

    def place(self) -> Path:
        """Return the path with ``[]`` for items of arrays that bind each by more than one step."""
        return tuple(
            None if node.parent and node.parent.mode in ("soft", "both") and isinstance(node.step, int) else node.step
            for node in self.ancestors()
        )[::-1]


class _Table(dict[Any, Any]):
    """A node's dictionary that creates missing entries."""

    __slots__ = ("node", "table")

    def __init__(self, table: "LeafTable", node: Node) -> None:
        self.table, self.node = table, node


class _Keys(_Table):
    __slots__ = ()

    def __missing__(self, key: Any) -> Node:
        if not isinstance(key, str):
            raise ParameterError(f"{show_path(self.node.path())}: a key must be a string, not {key!r}")
        child = self[key] = _child(self.table, self.node, key, 1.0)
        return child


class _Items(_Table):
    """Nodes of items by (step, share): the operator of an item, and its weight."""

    __slots__ = ()

    def __missing__(self, bound: tuple[int | None, float]) -> Node:
        child = self[bound] = _child(self.table, self.node, *bound)
        return child


class _Leaves(_Table):
    __slots__ = ()

    def __missing__(self, value: Any) -> int:
        if isinstance(value, float):
            leaf_value(value, self.node.path())  # raises if it is not finite
        number = self[value] = self.table.add_leaf(self.node, value)
        return number


_TABLES: dict[str, type[_Table]] = {"keys": _Keys, "items": _Items, "leaves": _Leaves}


def _child(table: "LeafTable", node: Node, step: Step, share: float) -> Node:
    if node.depth >= MAX_DEPTH:
        raise ParameterError(f"a document is nested deeper than {MAX_DEPTH} levels")
    return Node(table, node, step, node.share * share)


class LeafTable:
    """The distinct leaves of documents, numbered in order of first occurrence.

    Attributes
    ----------
    layout : Layout
    kernels : TextKernels or None
        What takes texts apart, where something does and the layout is the same everywhere.
    nodes : list of Node
        Path of each leaf.
    values : list
        Value of each leaf: str, int, float, None or a :class:`Constant`.
    shares, factors : array of double
        Those of each leaf's node.
    held : int
        Estimate of the bytes held.
    """

    def __init__(self, layout: Layout, kernels: TextKernels | None = None) -> None:
        self.layout, self._mode = layout, mode_of(layout)
        self.kernels = None if self._mode is None else kernels
        self._texts: TextWalker | None = None
        self.nodes: list[Node] = []
        self.values: list[Any] = []
        self.shares, self.factors = array("d"), array("d")
        self.held = 0
        self._nodes = 0
        self._root = Node(self, None, None, 1.0)

    def __len__(self) -> int:
        return len(self.values)

    def walk(self, document: Any, found: Walk) -> None:
        """Add the contents of a document.

        Raises
        ------
        ParameterError
            If the document is not JSON: another type, a key that is not a string, NaN, too deep.
        """
        self._walk(self._root, document, found, len(found.stops), NO_ITEM)
        found.stops.append(len(found.leaves))

    def walk_texts(self, texts: list[bytes], found: Walk) -> None:
        """Add the contents of documents, given as compact texts; needs ``kernels``."""
        if self._texts is None:
            assert self.kernels is not None
            assert self._mode is not None
            self._texts = TextWalker(self.kernels, self._mode, self._root)
        self._texts.walk(texts, found)

    def again(self) -> "LeafTable":
        """Return an empty table of the same kind."""
        return LeafTable(self.layout, self.kernels)

    def _walk(self, node: Node, value: Any, found: Walk, spot: int, item: int) -> None:
        """Walk the value at a node, in an item or outside; scalars, the most frequent, need no call."""
        if isinstance(value, dict) and value:
            keys, visit, note, place = node.keys, self._walk, found.leaves.append, found.spots.append
            for key, held in value.items():
                kind = type(held)
                if kind in _SCALARS:
                    note(keys[key].leaves[held])
                elif kind is bool:
                    note(keys[key].leaves[_TRUE if held else _FALSE])
                else:
                    visit(keys[key], held, found, spot, item)
                    continue
                place(spot)
        elif isinstance(value, ARRAY) and value:
            self._walk_items(node, value, found, spot, item)
        else:
            found.leaves.append(node.leaves[value if type(value) in _SCALARS else leaf_value(value, node.path())])
            found.spots.append(spot)

    def _walk_items(self, node: Node, values: Sequence[Any], found: Walk, spot: int, item: int) -> None:
        again = spot < 0
        if node.mode in ("auto", "sequence") and by_position(values):
            first, count, items = len(found.places), len(values), node.items
            found.leaves.extend([items[place, 1.0].leaves[number] for place, number in enumerate(values)])
            if again:
                found.spots.extend([-1] * count)
                return
            found.documents.extend([len(found.stops)] * count)
            found.parents.extend([item] * count)
            found.places.extend(range(count))
            found.spots.extend(range(first, first + count))
            return
        visit, places = self._walk, bound(values, node.mode)
        if places is None:
            anywhere = node.items[ANYWHERE]
            for place, held in enumerate(values):
                number = -1 if again else found.item(item, place)
                visit(anywhere, held, found, number, number)
            return
        steps = len(places) // len(values)
        for place, (step, held) in enumerate(places):
            number = -1 if again or place % steps else found.item(item, place // steps)
            visit(node.items[step], held, found, number, number)

    def count_node(self) -> int:
        """Return the number of a new node."""
        self._nodes += 1
        self.held += NODE_BYTES
        return self._nodes - 1

    def add_leaf(self, node: Node, value: Any) -> int:
        """Return the number of a new leaf."""
        self.nodes.append(node)
        self.values.append(value)
        self.shares.append(node.share)
        self.factors.append(node.factor)
        self.held += LEAF_BYTES + (4 * len(value) if isinstance(value, str) else 0)
        return len(self.values) - 1
