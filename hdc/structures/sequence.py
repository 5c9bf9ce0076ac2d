"""Sequence: elements in order."""

from collections.abc import Sequence as Seq
from dataclasses import dataclass
from typing import Any, ClassVar

from hdc.checks import integer
from hdc.kernels import Array
from hdc.memory import ItemMemory, Match
from hdc.structures.base import Structure


@dataclass(frozen=True)
class Sequence(Structure):
    """Elements in order: the bundle of the elements, each permuted as often as its position.

    Examples
    --------
    >>> import hdc
    >>> vsa = hdc.create("MAP-I", 1000)
    >>> word = hdc.Sequence(vsa).encode("hdc")
    >>> letters = hdc.ItemMemory(vsa, "abcdefgh")
    >>> "".join(match.name for match in hdc.Sequence(vsa).decode(word, letters, 3))
    'hdc'
    """

    gives: ClassVar[tuple[str, ...]] = ("get", "decode")
    task: ClassVar[str] = "sequence"
    read: ClassVar[str | None] = None

    def encode(self, elements: Seq[Any]) -> Array:
        """Return ``sum of permute(element i, i)`` with i from 0.

        Raises
        ------
        EmptyBundleError
            If there is no element.
        """
        vectors = self.vectors(elements)
        placed = [self.vsa.permute(vectors[..., i, :], i) for i in range(vectors.shape[-2])]
        return self.vsa.bundle(self.vsa.xp.stack(placed, axis=-2))

    def add(self, sequence: Array, position: int, element: Any) -> Array:
        """Return sequences with an element at a position where none was: at the length, to append it.

        Parameters
        ----------
        sequence : (..., storage) array
        position : int
        element : name or (..., storage) array

        Returns
        -------
        (..., storage) array
            What :meth:`encode` returns of all elements, where a bundle of bundles is a bundle.

        Raises
        ------
        ParameterError
            If ``position`` is negative.
        UnsupportedError
            If the model's bundles lose what is needed; the message names models that keep it.
        """
        return self._added(sequence, self._placed(position, [element]))

    def remove(self, sequence: Array, position: int, element: Any) -> Array:
        """Return sequences with nothing at a position, whose element must be given; shapes and errors as :meth:`add`.

        The elements after it stay where they are.
        """
        return self._removed(sequence, self._placed(position, [element]))

    def replace(self, sequence: Array, position: int, old: Any, new: Any) -> Array:
        """Return sequences with another element at a position; shapes and errors as :meth:`add`."""
        return self._changed(sequence, self._placed(position, [old, new]), -1, 1)

    def _placed(self, position: int, elements: Seq[Any]) -> Array:
        return self.vsa.permute(self.vectors(elements), integer(position, "position", least=0))

    def get(self, sequence: Array, position: int, memory: ItemMemory) -> Match:
        """Return the item of ``memory`` most like the element at a position of one sequence ``(storage,)``.

        Raises
        ------
        ParameterError
            If ``position`` is negative: the vector does not say how long the sequence is.
        """
        place = integer(position, "position", least=0)
        return self._cleanup(self.vsa.permute(sequence, -place), memory)

    def decode(self, sequence: Array, memory: ItemMemory, length: int) -> list[Match]:
        """Return the items at positions 0 to ``length - 1``."""
        places, one = range(integer(length, "length", 0)), self._single(sequence)
        return self._cleanups((self.vsa.permute(one, -place) for place in places), memory)
