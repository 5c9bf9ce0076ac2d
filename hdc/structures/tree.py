"""Tree: leaves by their paths."""

from collections.abc import Iterator, Mapping
from collections.abc import Sequence as Seq
from dataclasses import dataclass
from itertools import groupby
from typing import Any, ClassVar

import numpy as np

from hdc.atoms import Name, check_names, encode_name
from hdc.errors import EmptyBundleError, ParameterError
from hdc.kernels import Array
from hdc.memory import ItemMemory, Match
from hdc.structures.base import Structure


@dataclass(frozen=True)
class Tree(Structure):
    """Leaves by their paths: the bundle of all leaves, each bound with the roles of the branches that lead to it.

    A step down is ``bind(role(branch), permute(...))``, so that order along a path counts and :meth:`subtree` is one
    permuted unbinding: what is left is the encoded subtree, and noise. Depth costs nothing where unbinding is exact;
    the number of leaves decides.

    Examples
    --------
    >>> import hdc
    >>> vsa = hdc.create("MAP-B", 4000)
    >>> tree = hdc.Tree(vsa)
    >>> sentence = tree.encode({"subject": {"noun": "dog"}, "predicate": {"verb": "chases", "object": ["the", "cat"]}})
    >>> words = hdc.ItemMemory(vsa, ["dog", "chases", "the", "cat", "mouse"])
    >>> tree.get(sentence, ("predicate", "object", 1), words).name
    'cat'
    """

    gives: ClassVar[tuple[str, ...]] = ("get", "decode", "subtree")

    def encode(self, tree: Any) -> Array:
        """Return the bundle of all leaves.

        Parameters
        ----------
        tree : nested mappings and lists
            A mapping has branches by name, a list branches ``0, 1, …``; anything else is a leaf: a name, or a
            hypervector ``(..., storage)`` (a subtree that is encoded already is one).

        Returns
        -------
        (..., storage) array

        Raises
        ------
        EmptyBundleError
            If there is no leaf.
        """
        leaves = list(_leaves(tree))
        if not leaves:
            raise EmptyBundleError("a Tree needs at least one leaf, and none was given")
        paths, values = zip(*leaves, strict=True)
        return self.vsa.bundle(self._placed(paths, self.vectors(values)))

    def _placed(self, paths: Seq[tuple[Name, ...]], vectors: Array) -> Array:
        """Bind vectors ``(..., n, storage)`` with the roles of their paths: level by level, branch by branch."""
        for level in reversed(range(max(map(len, paths)))):
            vectors = self._step(paths, vectors, level)
        return vectors

    def _step(self, paths: Seq[tuple[Name, ...]], vectors: Array, level: int) -> Array:
        xp, native = self.vsa.xp, self.vsa.kernels.arrays.from_numpy
        keys = [encode_name(path[level]) if level < len(path) else b"" for path in paths]
        order = sorted(range(len(paths)), key=keys.__getitem__)
        parts = []
        for key, group in groupby(order, keys.__getitem__):
            rows = list(group)
            part = xp.take(vectors, native(np.array(rows)), axis=-2)
            role = self.vsa.role(paths[rows[0]][level]) if key else None
            parts.append(self.vsa.bind(role, self.vsa.permute(part)) if key else part)
        return xp.take(xp.concat(parts, axis=-2), native(np.argsort(order)), axis=-2)

    # ------------------------------------------------------------------ changes

    def add(self, tree: Array, path: Seq[Name], leaf: Any) -> Array:
        """Return trees with one more leaf.

        Parameters
        ----------
        tree : (..., storage) array
        path : sequence of names of branches
        leaf : name or (..., storage) array

        Returns
        -------
        (..., storage) array
            What :meth:`encode` returns of all leaves, where a bundle of bundles is a bundle.

        Raises
        ------
        UnsupportedError
            If the model's bundles lose what is needed; the message names models that keep it.
        """
        return self._added(tree, self._leaves_at(path, [leaf]))

    def remove(self, tree: Array, path: Seq[Name], leaf: Any) -> Array:
        """Return trees without a leaf, which must be given; shapes and errors as :meth:`add`."""
        return self._removed(tree, self._leaves_at(path, [leaf]))

    def replace(self, tree: Array, path: Seq[Name], old: Any, new: Any) -> Array:
        """Return trees with another leaf at a path; shapes and errors as :meth:`add`."""
        return self._changed(tree, self._leaves_at(path, [old, new]), -1, 1)

    def _leaves_at(self, path: Seq[Name], leaves: list[Any]) -> Array:
        return self._placed([_path(path)] * len(leaves), self.vectors(leaves))

    # ------------------------------------------------------------------ reading

    def subtree(self, tree: Array, path: Seq[Name]) -> Array:
        """Return the encoded subtree, or the leaf, at a path, with the noise of all other leaves.

        Parameters
        ----------
        tree : (..., storage) array
        path : sequence of names of branches

        Returns
        -------
        (..., storage) array
        """
        for branch in _path(path):
            tree = self.vsa.permute(self.vsa.unbind(self.vsa.role(branch), tree), -1)
        return tree

    def get(self, tree: Array, path: Seq[Name], memory: ItemMemory) -> Match:
        """Return the item of ``memory`` most like the leaf at a path of one tree ``(storage,)``."""
        return self._cleanup(self.subtree(tree, path), memory)

    def decode(self, tree: Array, paths: Seq[Seq[Name]], memory: ItemMemory) -> dict[tuple[Name, ...], Match]:
        """Return :meth:`get` for each path."""
        places, one = [_path(path) for path in check_names(paths)], self._single(tree)
        found = self._cleanups((self.subtree(one, path) for path in places), memory)
        return dict(zip(places, found, strict=True))


def _path(path: Any) -> tuple[Name, ...]:
    if isinstance(path, str | bytes):
        raise ParameterError(
            f"a path is a sequence of names of branches, not {path!r}; for one branch give ({path!r},)"
        )
    return tuple(check_names(path))


def _leaves(tree: Any) -> Iterator[tuple[tuple[Name, ...], Any]]:
    """Yield paths and leaves in order, of trees of any depth."""
    waiting: list[tuple[tuple[Name, ...], Any]] = [((), tree)]
    while waiting:
        path, below = waiting.pop()
        if isinstance(below, Mapping | list):
            branches = below.items() if isinstance(below, Mapping) else enumerate(below)
            waiting += reversed([((*path, branch), one) for branch, one in branches])
        else:
            yield path, below
