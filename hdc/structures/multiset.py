"""Multiset: elements without order."""

from collections.abc import Mapping
from collections.abc import Sequence as Seq
from dataclasses import dataclass
from typing import Any, ClassVar

from hdc.atoms import Name
from hdc.checks import integer
from hdc.kernels import Array
from hdc.memory import ItemMemory, Match
from hdc.structures.base import Structure


@dataclass(frozen=True)
class Multiset(Structure):
    """Elements without order: the bundle of their vectors; each repetition counts unless the model ors.

    Examples
    --------
    >>> import hdc
    >>> vsa = hdc.create("MAP-B", 2000)
    >>> basket = hdc.Multiset(vsa).encode(["apple", "pear", "plum"])
    >>> hdc.Multiset(vsa).contains(basket, ["pear", "fig"], size=3)
    [True, False]
    """

    gives: ClassVar[tuple[str, ...]] = ("contains", "decode")
    task: ClassVar[str] = "membership"
    read: ClassVar[str | None] = None

    def encode(self, elements: Seq[Any] | Mapping[Name, int]) -> Array:
        """Return the bundle of the elements, or of a mapping of elements to how often they occur.

        Raises
        ------
        EmptyBundleError
            If there is no element.
        """
        if isinstance(elements, Mapping):
            return self.vsa.bundle(self.vectors(list(elements)), list(elements.values()))
        return self.vsa.bundle(self.vectors(elements))

    def add(self, bundle: Array, elements: Seq[Any]) -> Array:
        """Return bundles with more elements.

        Parameters
        ----------
        bundle : (..., storage) array
        elements : sequence of names and hypervectors

        Returns
        -------
        (..., storage) array
            What :meth:`encode` returns of all elements, where a bundle of bundles is a bundle.

        Raises
        ------
        UnsupportedError
            If the model's bundles lose what is needed; the message names models that keep it.
        """
        return self._added(bundle, self.vectors(elements))

    def remove(self, bundle: Array, elements: Seq[Any]) -> Array:
        """Return bundles without elements, each taken out once; shapes and errors as :meth:`add`."""
        return self._removed(bundle, self.vectors(elements))

    def replace(self, bundle: Array, old: Any, new: Any) -> Array:
        """Return bundles with one element replaced by another; shapes and errors as :meth:`add`."""
        return self._changed(bundle, self.vectors([old, new]), -1, 1)

    def contains(self, bundle: Array, elements: Seq[Any], size: int | None = None) -> Any:
        """Decide for each element whether it is in the bundle; see :meth:`hdc.VSA.contains`.

        Returns
        -------
        (nested) list of bool, shape ``bundle.shape[:-1] + (len(elements),)``
        """
        return self.vsa.contains(bundle, self.vectors(elements), size).tolist()

    def decode(self, bundle: Array, memory: ItemMemory, size: int) -> list[Match]:
        """Return the ``size`` items of ``memory`` most like one bundle ``(storage,)``."""
        return self._checked(memory).cleanup(bundle, integer(size, "size", 1))
