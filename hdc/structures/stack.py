"""Stack: last in, first out."""

from collections.abc import Sequence as Seq
from dataclasses import dataclass
from typing import Any, ClassVar

from hdc.checks import integer
from hdc.kernels import Array
from hdc.memory import ItemMemory, Match
from hdc.structures.base import Structure


@dataclass(frozen=True)
class Stack(Structure):
    """A stack of elements: ``push`` permutes the stack and adds the new top.

    Popping subtracts the top exactly, so the model's bundle must be a sum.

    Raises
    ------
    UnsupportedError
        If it is not a sum: a majority forgets the element at depth k as ``2 ** -k``.

    Examples
    --------
    >>> import hdc
    >>> vsa = hdc.create("MAP-I", 2000)
    >>> stack, plates = hdc.Stack(vsa), hdc.ItemMemory(vsa, ["red", "green", "blue"])
    >>> pile = stack.push(stack.encode(["red", "green"]), "blue")
    >>> top, pile = stack.pop(pile, plates)
    >>> top.name, stack.top(pile, plates).name
    ('blue', 'green')
    """

    gives: ClassVar[tuple[str, ...]] = ("top", "pop", "decode")
    task: ClassVar[str] = "sequence"
    read: ClassVar[str | None] = None

    def __post_init__(self) -> None:
        super().__post_init__()
        self._check_subtracts()

    def _instead(self) -> str:
        if self.vsa.model == "Bloom":
            return "use CountingBloom"
        return "use Sequence, or a model whose bundle is a sum (MAP-I, MBAT, HRR, FHRR)"

    def encode(self, elements: Seq[Any]) -> Array:
        """Return a stack onto which the elements were pushed one after another: the last is the top.

        Raises
        ------
        EmptyBundleError
            If there is no element.
        """
        vectors = self.vectors(elements)
        last = vectors.shape[-2] - 1
        placed = [self.vsa.permute(vectors[..., i, :], last - i) for i in range(last + 1)]
        return self.vsa.bundle(self.vsa.xp.stack(placed, axis=-2))

    def push(self, stack: Array, element: Any) -> Array:
        """Return the stack with an element on top.

        Parameters
        ----------
        stack : (..., storage) array
        element : name or (..., storage) array

        Returns
        -------
        (..., storage) array
        """
        return self._added(self.vsa.permute(stack), self.vector(element)[..., None, :])

    def top(self, stack: Array, memory: ItemMemory) -> Match:
        """Return the item of ``memory`` most like the top of one stack ``(storage,)``.

        Of an empty stack, all items have similarity 0 (for floats: what rounding left).
        """
        return self._cleanup(stack, memory)

    def pop(self, stack: Array, memory: ItemMemory) -> tuple[Match, Array]:
        """Return the top of one stack ``(storage,)``, and the stack without it: exact where the top is right."""
        match = self.top(stack, memory)
        return match, self.vsa.permute(self._removed(stack, memory[match.name][None]), -1)

    def decode(self, stack: Array, memory: ItemMemory, depth: int) -> list[Match]:
        """Return the ``depth`` uppermost elements of one stack, the top first; the stack is not changed."""
        places, one = range(integer(depth, "depth", 0)), self._single(stack)
        return self._cleanups((self.vsa.permute(one, -place) for place in places), memory)
