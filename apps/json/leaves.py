"""Take documents apart into leaves: a path of steps and a value that is no container, or an empty one.

``{"type": {"label": "Seizure"}, "tags": ["a"]}`` has the leaves ``type.label = "Seizure"`` and
``tags[] = "a"``. A :class:`LeafTable` numbers the distinct leaves of a batch, so that a batch of documents is
a sparse (documents x leaves) matrix. A leaf that occurs again in a document counts once.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Literal, TypeAlias

from hdc.apps.json.paths import Path, Step, show_path
from hdc.apps.json.reading import MAX_DEPTH
from hdc.errors import ParameterError

Arrays: TypeAlias = Literal["auto", "bag", "sequence", "both"]

ARRAYS: tuple[Arrays, ...] = ("auto", "bag", "sequence", "both")
"""How items of an array are bound.

``"bag"``: all alike, the order is lost. ``"sequence"``: by position. ``"both"``: half and half. ``"auto"``: by
position if the items are numbers (coordinates, ranges, measurements), else as a bag.
"""


class Constant(Enum):
    """The value of a leaf that is no string, number or null; a type of its own, as ``True == 1`` in Python."""

    TRUE = "true"
    FALSE = "false"
    EMPTY_OBJECT = "{}"
    EMPTY_ARRAY = "[]"


@dataclass(eq=False, slots=True)
class Node:
    """A path of a :class:`LeafTable`, as a node of a tree."""

    parent: "Node | None"
    step: Step
    depth: int
    in_array: bool
    children: dict[Step, "Node"] = field(default_factory=dict)
    leaves: dict[Any, int] = field(default_factory=dict)

    def child(self, step: Step) -> "Node":
        """Return the node one step further."""
        found = self.children.get(step)
        if found is None:
            in_array = self.in_array or not isinstance(step, str)
            found = self.children[step] = Node(self, step, self.depth + 1, in_array)
        return found

    def ancestors(self) -> Iterator["Node"]:
        """Yield the node and those above it, the root left out."""
        node = self
        while node.parent is not None:
            yield node
            node = node.parent

    def path(self) -> Path:
        """Return the steps from the root."""
        return tuple(node.step for node in self.ancestors())[::-1]


class LeafTable:
    """The distinct leaves of documents, numbered in order of first occurrence.

    Attributes
    ----------
    nodes : list of Node
        Path of each leaf.
    values : list
        Value of each leaf: str, int, float, None or a :class:`Constant`.
    """

    def __init__(self) -> None:
        self.root = Node(None, None, 0, False)
        self.nodes: list[Node] = []
        self.values: list[Any] = []

    def __len__(self) -> int:
        return len(self.values)

    def add(self, document: Any, arrays: Arrays) -> set[int]:
        """Return the numbers of a document's leaves, each once.

        Raises
        ------
        ParameterError
            If the document is no JSON: another type, a key that is no string, NaN, too deep.
        """
        if arrays != "both":
            return set(self._walk(document, arrays))
        placed = (leaf for leaf in self._walk(document, "sequence") if self.nodes[leaf].in_array)
        return {*self._walk(document, "bag"), *placed}

    def _walk(self, document: Any, arrays: Arrays) -> Iterator[int]:
        stack = [(self.root, document)]
        while stack:
            node, value = stack.pop()
            if type(value) is str:
                leaf = node.leaves.get(value)
                yield self._add_leaf(node, value) if leaf is None else leaf
            elif isinstance(value, dict) and value:
                _check_depth(node)
                known = node.children
                for key, item in value.items():
                    if not isinstance(key, str):
                        raise ParameterError(f"{show_path(node.path())}: a key must be a string, not {key!r}")
                    stack.append((known.get(key) or node.child(key), item))
            elif isinstance(value, list | tuple) and value:
                _check_depth(node)
                if by_position(value, arrays):
                    stack += [(node.child(position), item) for position, item in enumerate(value)]
                else:
                    anywhere = node.child(None)
                    stack += [(anywhere, item) for item in value]
            else:
                scalar = leaf_value(value, node)
                leaf = node.leaves.get(scalar)
                yield self._add_leaf(node, scalar) if leaf is None else leaf

    def _add_leaf(self, node: Node, key: Any) -> int:
        leaf = node.leaves[key] = len(self.values)
        self.nodes.append(node)
        self.values.append(key)
        return leaf


def by_position(items: list[Any] | tuple[Any, ...], arrays: Arrays) -> bool:
    """Say whether the items of an array are bound by position; see :data:`ARRAYS`."""
    if arrays != "auto":
        return arrays == "sequence"
    return all(isinstance(item, int | float) and not isinstance(item, bool) for item in items)


def leaf_value(value: Any, node: Node | None = None) -> Any:
    """Return what stands for a scalar or an empty container in a leaf.

    Raises
    ------
    ParameterError
        If ``value`` is of no JSON type, or not finite.
    """
    if isinstance(value, bool):
        return Constant.TRUE if value else Constant.FALSE
    if value is None or isinstance(value, str | int):
        return value
    if isinstance(value, float) and value - value == 0:
        return value
    if isinstance(value, dict):
        return Constant.EMPTY_OBJECT
    if isinstance(value, list | tuple):
        return Constant.EMPTY_ARRAY
    place = show_path(node.path()) if node else "document"
    what = repr(value) if isinstance(value, float) else f"a {type(value).__name__}"
    raise ParameterError(f"{place}: {what} is no JSON value; use str, int, float, bool, None, dict or list")


def _check_depth(node: Node) -> None:
    if node.depth >= MAX_DEPTH:
        raise ParameterError(f"a document is nested deeper than {MAX_DEPTH} levels")
