"""Data structures as hypervectors, written once for any model: record, multiset, sequence, n-grams.

A structure is a frozen encoder: :meth:`encode` makes a plain hypervector, and the other methods read one. Values
are names, which become the model's symbols, or hypervectors, taken as they are.
"""

from abc import ABC
from collections.abc import Iterable, Mapping
from collections.abc import Sequence as Seq
from dataclasses import dataclass
from typing import Any, ClassVar

from hdc.atoms import Name, check_names
from hdc.checks import instance, integer, mapping
from hdc.dtypes import is_array
from hdc.errors import DimensionError, EmptyBundleError, ParameterError, UnsupportedError
from hdc.kernels import Array
from hdc.memory import ItemMemory, Match
from hdc.vsa import VSA


@dataclass(frozen=True)
class Structure(ABC):
    """An encoder over one model.

    Parameters
    ----------
    vsa : VSA

    Raises
    ------
    UnsupportedError
        If the model lacks what the structure needs.
    """

    vsa: VSA

    gives: ClassVar[tuple[str, ...]]
    """What can be read back from an encoded vector: the names of methods."""

    def __post_init__(self) -> None:
        instance(self.vsa, "vsa", VSA)

    def vector(self, value: Any) -> Array:
        """Return a value's hypervector: an array is checked and kept, anything else is a symbol's name."""
        return self.vsa.check(value, "value") if is_array(value) else self.vsa.symbol(value)

    def vectors(self, values: Seq[Any] | Array) -> Array:
        """Return the hypervectors of values, stacked along a new axis -2; an array is already stacked.

        Raises
        ------
        EmptyBundleError
            If there is no value.
        DimensionError
            If they are one hypervector: put it in a list.
        DTypeError
            If they are no sequence.
        """
        if is_array(values):
            stacked = self.vsa.check(values, "values")
            if stacked.ndim < 2:
                raise DimensionError(
                    f"a {type(self).__name__} takes several elements, (..., n, {self.vsa.storage}), and one vector was "
                    "given; put it in a list"
                )
            return stacked
        elements = list(check_names(values))
        if not elements:
            raise EmptyBundleError(f"a {type(self).__name__} needs at least one element, and none was given")
        if any(map(is_array, elements)):
            return self._stacked(map(self.vector, elements))
        return self.vsa.symbols(elements)

    def _stacked(self, vectors: Iterable[Array]) -> Array:
        members = list(vectors)
        self.vsa.check_batches(*members)
        return self.vsa.xp.stack(self.vsa.xp.broadcast_arrays(*members), axis=-2)

    def _cleanup(self, query: Array, memory: ItemMemory) -> Match:
        return self._checked(memory).cleanup(query)[0]

    def _checked(self, memory: ItemMemory) -> ItemMemory:
        self.vsa.check_same(instance(memory, "memory", ItemMemory).vsa)
        return memory


@dataclass(frozen=True)
class Record(Structure):
    """Fields with values: the bundle of role-value pairs.

    Examples
    --------
    >>> import hdc
    >>> vsa = hdc.create("MBAT", 1024)
    >>> record = hdc.Record(vsa)
    >>> red_ball = record.encode({"shape": "ball", "colour": "red"})
    >>> record.get(red_ball, "colour", hdc.ItemMemory(vsa, ["red", "green", "ball"])).name
    'red'
    """

    gives: ClassVar[tuple[str, ...]] = ("get", "decode")

    def encode(self, fields: Mapping[Name, Any]) -> Array:
        """Return ``sum of bind(role(field), value)``, ``(..., storage)``.

        Raises
        ------
        EmptyBundleError
            If there is no field.
        ParameterError
            If ``fields`` is no mapping.
        """
        if not mapping(fields, "fields"):
            raise EmptyBundleError("a Record needs at least one field, and none was given")
        pairs = [self.vsa.bind(self.vsa.role(name), self.vector(value)) for name, value in fields.items()]
        return self.vsa.bundle(self._stacked(pairs))

    def get(self, record: Array, field: Name, memory: ItemMemory) -> Match:
        """Return the item of ``memory`` most like the value of a field of one record ``(storage,)``."""
        return self._cleanup(self.vsa.unbind(self.vsa.role(field), record), memory)

    def decode(self, record: Array, fields: Seq[Name], memory: ItemMemory) -> dict[Name, Match]:
        """Return :meth:`get` for each field."""
        return {field: self.get(record, field, memory) for field in check_names(fields)}


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
        return [self.get(sequence, position, memory) for position in range(integer(length, "length", 0))]


@dataclass(frozen=True)
class NGrams(Structure):
    """The bundle of all runs of n elements, each run bound into one vector in which order counts.

    Parameters
    ----------
    vsa : VSA
        A model that binds two hypervectors.
    n : int
        Length of a run, at least 1.

    Examples
    --------
    >>> import hdc
    >>> trigrams = hdc.NGrams(hdc.create("MAP-B", 10_000), n=3)
    >>> text = trigrams.encode("abracadabra")
    >>> trigrams.contains(text, "bra", size=9), trigrams.contains(text, "rab", size=9)
    (True, False)
    """

    n: int = 3

    gives: ClassVar[tuple[str, ...]] = ("contains",)

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "n", integer(self.n, "n", 1))
        if not self.vsa.binds_vectors:
            raise UnsupportedError(
                f"n-grams bind hypervectors with each other, which {self.vsa.model} does not define; "
                "use Sequence, or another model"
            )

    def encode(self, elements: Seq[Any]) -> Array:
        """Return the bundle of all n-grams of the elements.

        Raises
        ------
        EmptyBundleError
            If there are fewer than n elements.
        """
        return self.vsa.bundle(self._runs(self.vectors(elements)))

    def contains(self, bundle: Array, gram: Seq[Any], size: int | None = None) -> Any:
        """Decide whether one n-gram is among the ``size`` of the bundle; see :meth:`hdc.VSA.contains`.

        Returns
        -------
        bool, or nested list of bool for a batch of bundles
        """
        elements = self.vectors(gram)
        if tuple(elements.shape[:-1]) != (self.n,):
            raise ParameterError(f"an n-gram has n={self.n} elements, and {elements.shape[-2]} were given")
        (run,) = self._runs(elements)
        return self.vsa.contains(bundle, run, size).tolist()

    def _runs(self, vectors: Array) -> Array:
        """Return the bound runs, ``(..., len - n + 1, storage)``: bind(permute(x0, n-1), … x(n-1))."""
        count = vectors.shape[-2] - self.n + 1
        if count < 1:
            raise EmptyBundleError(f"{self.n}-grams need at least {self.n} elements, not {vectors.shape[-2]}")
        run = vectors[..., self.n - 1 :, :]
        for place in reversed(range(self.n - 1)):
            shifted = self.vsa.permute(vectors[..., place : place + count, :], self.n - 1 - place)
            run = self.vsa.bind(shifted, run)
        return run


__all__ = ["Multiset", "NGrams", "Record", "Sequence", "Structure"]
