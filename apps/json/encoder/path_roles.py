"""The operators of paths: keys by name, positions as powers; in batches if the family supports it."""

from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import Any, Protocol, TypeAlias

import hdc
from hdc.apps.json.document.leaves import Node
from hdc.apps.json.document.paths import Path, Step
from hdc.models.mbat import MBAT
from hdc.models.signed_rows import DIGIT, SignedRows

ROLE_BYTES = 1 << 25
"""Operators of paths to cache, and as many of single keys and positions: 4096 each at dim 2048. If there is no room,
all operators of a kind are dropped."""

LEAST_ROLES = 1 << 9
"""Operators to cache at any size: the steps of two paths of maximal depth."""

ITEM, POSITION = ("item",), ("position",)
"""Names of the roles of items anywhere in an array, and of positions, which are powers of one role."""


class NoStep:
    """Placeholder for the step of the root, because None is the step to the items of an array."""


Place: TypeAlias = Node | tuple[Node, int]
"""Key of a cached operator: a node, or one more step from a node, to the last position before a multiple of
``DIGIT``. The items after it continue from there by the rest of their positions, so they share few operators."""


class PathRoles(Protocol):
    """Bind vectors by the paths of their leaves."""

    steps: int
    """Most steps of the paths to bind per block; a single path may have more."""

    def bind(self, nodes: Sequence[Node], vectors: Any) -> Any:
        """Return each row of ``(n, dim)`` vectors bound by the path of its node; equal nodes stand together."""


def path_roles(vsa: hdc.VSA) -> PathRoles:
    """Return what binds by paths for a model."""
    return PermutedPaths(vsa) if isinstance(vsa, MBAT) and vsa.matrix == "permutation" else SinglePaths(vsa)


def path_role(vsa: hdc.VSA, path: Path) -> Any:
    """Return the operator of a path, or None at the root: keys by name, positions as powers (from 1)."""
    role = None
    for step in path:
        one = _step_role(vsa, step)
        role = one if role is None else role @ one
    return role


def _step_role(vsa: hdc.VSA, step: Step) -> Any:
    if step is None:
        return vsa.role(ITEM)
    if isinstance(step, int):
        return vsa.role(POSITION) ** (step + 1)
    return vsa.role(_key(step))


def _key(step: str) -> tuple[str, str]:
    return "key", step


class SinglePaths:
    """Bind by one path after another: operators of any family."""

    steps = 1 << 30

    def __init__(self, vsa: hdc.VSA) -> None:
        self._vsa = vsa
        self._roles: dict[Node, Any] = {}

    def bind(self, nodes: Sequence[Node], vectors: Any) -> Any:
        """Bind the vectors of each node in one call."""
        bound, first = [], 0
        for node, group in groupby(nodes):
            stop = first + len(list(group))
            role = self._role(node)
            bound.append(vectors[first:stop] if role is None else self._vsa.bind(role, vectors[first:stop]))
            first = stop
        return self._vsa.xp.concat(bound)

    def _role(self, node: Node) -> Any:
        if node not in self._roles:
            self._roles[node] = path_role(self._vsa, node.path())
        return self._roles[node]


class PermutedPaths:
    """Bind by signed permutations: that of a path is its parent's times that of one more step.

    New steps are drawn, those of new parents multiplied, and vectors bound, each in one compiled call for a batch. The
    operator of a path is held only where others go on from it: the last product is taken while vectors are bound.
    Items of a long array go on from every ``DIGIT``-th of them, so that few powers are needed.
    """

    def __init__(self, vsa: MBAT) -> None:
        self._room = max(LEAST_ROLES, ROLE_BYTES // (4 * vsa.dim))
        self.steps = self._room // 2
        self._rows = SignedRows(vsa, 2 * self._room)
        self._rows.put_identity(0)  # the root
        self._rows.put_identity(self._room)  # no step, if the root itself is a leaf
        self._paths: dict[Place, int] = {}
        self._steps: dict[Step | type, int] = {NoStep: self._room}

    def bind(self, nodes: Sequence[Node], vectors: Any) -> Any:
        """Make the operators that are missing, and bind."""
        outer, inner = zip(*map(_before_last, nodes), strict=True)
        self._make_paths(dict.fromkeys(outer))
        self._make_steps(set(inner))
        return self._rows.bind(vectors, [self._path(place) for place in outer], [self._steps[step] for step in inner])

    def _path(self, place: Place | None) -> int:
        """Return the row of a place's operator in the cache."""
        return 0 if place is None or (isinstance(place, Node) and place.parent is None) else self._paths[place]

    def _make_paths(self, places: Iterable[Place | None]) -> None:
        levels = self._missing(places)
        if sum(map(len, levels)) > self._room - 1 - len(self._paths):
            self._paths.clear()
            levels = self._missing(places)
        self._make_steps({step for level in levels for _, step in level.values()})
        for level in levels:
            if level:
                first = 1 + len(self._paths)
                outer = [self._path(parent) for parent, _ in level.values()]
                self._rows.put_products(first, outer, [self._steps[step] for _, step in level.values()])
                self._paths.update(zip(level, range(first, first + len(level)), strict=True))

    def _missing(self, places: Iterable[Place | None]) -> list[dict[Place, tuple[Node | None, Step]]]:
        """Return the places without an operator, with their ancestors, level by level: from where, by what."""
        levels: list[dict[Place, tuple[Node | None, Step]]] = []
        beyond: dict[Place, tuple[Node | None, Step]] = {}
        for place in places:
            if place is None or place in self._paths:
                continue
            if isinstance(place, tuple):
                beyond[place] = place
                place = place[0]
            node = place
            while node.parent is not None and node not in self._paths:
                while len(levels) < node.depth:
                    levels.append({})
                if node in levels[node.depth - 1]:
                    break
                levels[node.depth - 1][node] = node.parent, node.step
                node = node.parent
        return [*levels, beyond]

    def _make_steps(self, wanted: set[Step]) -> None:
        new = wanted - self._steps.keys()
        if len(self._steps) + len(new) > self._room:
            self._steps = {NoStep: self._room}
            new = wanted
        positions = sorted(step for step in new if isinstance(step, int))
        others = [step for step in new if not isinstance(step, int)]
        first = self._room + len(self._steps)
        if others:
            self._rows.put_roles(first, [ITEM if step is None else _key(step) for step in others])
        if positions:
            exponents = [position + 1 for position in positions]
            self._rows.put_powers(first + len(others), POSITION, exponents)
        self._steps.update(zip([*others, *positions], range(first, first + len(new)), strict=True))


def _before_last(node: Node) -> tuple[Place | None, Step | type]:
    """Return the place one step before a node, and the step."""
    parent, step = node.parent, node.step
    if parent is None:
        return None, NoStep
    if isinstance(step, int) and step >= DIGIT:
        rest = step % DIGIT
        return (parent, step - rest - 1), rest
    return parent, step
