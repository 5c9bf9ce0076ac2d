"""The base of all structures: a model, vectors of values, changes of an encoded vector, and a capacity."""

from abc import ABC
from collections.abc import Iterable
from collections.abc import Sequence as Seq
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from typing import Any, ClassVar

from hdc import bounds
from hdc.atoms import check_names
from hdc.bounds import scored
from hdc.checks import fraction, instance, integer, known
from hdc.dtypes import is_array
from hdc.errors import DimensionError, EmptyBundleError, HDCError, UnsupportedError
from hdc.kernels import Array
from hdc.memory import ItemMemory, Match
from hdc.vsa import VSA

PROBES = 512
"""Fewest components on which :func:`adds` and :func:`subtracts` test a model."""

QUERIES = 256
"""Queries to clean up per block."""


@lru_cache(maxsize=256)
def adds(vsa: VSA) -> bool:
    """Return whether a bundle of a bundle and more members is the bundle of all: true of sums and of ors."""
    members = _probe(vsa)
    nested = _joined(vsa, vsa.bundle(members[:, :3]), members[:, 3:], [1, 1])
    return _equal(vsa, nested, vsa.bundle(members))


@lru_cache(maxsize=256)
def subtracts(vsa: VSA) -> bool:
    """Return whether weight -1 takes a member out of a bundle again: true of sums only."""
    members = _probe(vsa)
    try:
        left = _joined(vsa, vsa.bundle(members), members[:, 3:], [1, -1])
    except HDCError:
        return False
    return _equal(vsa, left, vsa.bundle(members[:, :3]))


def _probe(vsa: VSA) -> Array:
    sets = 1 + PROBES // vsa.dim
    return vsa.random(4 * sets, seed=0).reshape(sets, 4, vsa.storage)


def _joined(vsa: VSA, bundle: Array, members: Array, weights: Any) -> Array:
    """Bundle ``bundle`` ``(..., storage)`` with ``members`` ``(..., n, storage)``, in the wider dtype of the two."""
    xp = vsa.xp
    dtype = xp.result_type(bundle.dtype, members.dtype)
    batch = vsa.check_batches(bundle, members[..., 0, :])
    first, rest = (
        xp.broadcast_to(xp.astype(x, dtype, copy=False), (*batch, *x.shape[-2:]))
        for x in (bundle[..., None, :], members)
    )
    return vsa.bundle(xp.concat([first, rest], axis=-2), weights)


def _equal(vsa: VSA, a: Array, b: Array) -> bool:
    xp, tolerance = vsa.xp, 1e-2 if vsa.xp.isdtype(b.dtype, "real floating") else 0
    scale = xp.max(xp.abs(xp.astype(b, xp.float64))) if tolerance else 1
    if not tolerance:
        return bool(xp.all(a == b))
    return bool(xp.max(xp.abs(xp.astype(a, xp.float64) - xp.astype(b, xp.float64))) <= tolerance * scale)


@dataclass(frozen=True)
class Structure(ABC):
    """An encoder over one model.

    Parameters
    ----------
    vsa : VSA

    Raises
    ------
    UnsupportedError
        If the model does not support the structure.
    """

    vsa: VSA

    gives: ClassVar[tuple[str, ...]]
    """What can be read back from an encoded vector: names of methods."""

    task: ClassVar[str] = "key-value"
    """The task of :data:`hdc.bounds.TASKS` with the capacity of this structure."""

    read: ClassVar[str | None] = "role"
    """How its answers are read; see :meth:`hdc.VSA.scores`."""

    def __post_init__(self) -> None:
        instance(self.vsa, "vsa", VSA)

    def capacity(self, *, universe: int, error: float = 0.01, bound: str = "gaussian", **options: Any) -> int:
        """Return how many parts fit into one vector: parts of :meth:`encode` that can all be read correctly.

        Parameters
        ----------
        universe : int
            Number of symbols to distinguish: the items of the memory that cleans up, or the symbols you ask about.
        error : float
            Admissible probability that any answer is wrong.
        bound : {"rigorous", "gaussian", "paper"}
            ``gaussian`` is the sharp size, by normal scores, and known for every model that states its scores;
            ``rigorous`` is less, for certain.
        **options
            Those of the task, as :meth:`hdc.VSA.capacity` takes them: ``repeats`` of a sequence.

        Returns
        -------
        int
            0 if not even one part is promised.

        Raises
        ------
        UnknownNameError, UnsupportedError, ParameterError
            As :meth:`hdc.VSA.capacity`.
        """
        task, bound = self.task, known(bound, "bound", bounds.KINDS)
        size, rate = integer(universe, "universe", 1), fraction(error, "error")
        if bound == "gaussian" and not options and task == "sequence":
            task = "key-value"  # equally many, however often a symbol is repeated
        if bound != "gaussian" or options or (task, self.vsa.model, bound) in _STATED:
            return self.vsa.capacity(task, universe=size, error=rate, bound=bound, **options)
        return scored.capacity(lambda k: self.vsa.scores(k, read=self.read), task, universe=size, error=rate)

    # ------------------------------------------------------------------ values

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
            If they are a single hypervector: put it in a list.
        DTypeError
            If they are not a sequence.
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

    # ------------------------------------------------------------------ changes

    def _added(self, bundle: Array, members: Array) -> Array:
        """Bundle with more members, ``(..., n, storage)``: what :meth:`encode` returns of all."""
        checked = self.vsa.check(bundle, "bundle")
        if not adds(self.vsa):
            raise UnsupportedError(f"{self._lost()}, so nothing can be added to one; {self._instead()}")
        return _joined(self.vsa, checked, members, None)

    def _removed(self, bundle: Array, members: Array) -> Array:
        """Remove members from a bundle."""
        return self._changed(bundle, members, -1)

    def _changed(self, bundle: Array, members: Array, *weights: int) -> Array:
        checked = self.vsa.check(bundle, "bundle")
        self._check_subtracts()
        given = [*weights] * (members.shape[-2] // len(weights))
        return _joined(self.vsa, checked, members, [1, *given])

    def _check_subtracts(self) -> None:
        if not subtracts(self.vsa):
            raise UnsupportedError(f"{self._lost()}, so nothing can be taken out of one; {self._instead()}")

    def _lost(self) -> str:
        return f"a bundle of {self.vsa.model} does not keep the sums of its members"

    def _instead(self) -> str:
        if self.vsa.model == "Bloom":
            return "use CountingBloom"
        return "keep an hdc.Accumulator of the members, or use a model whose bundle is a sum (MAP-I, MBAT, HRR, FHRR)"

    # ------------------------------------------------------------------ reading

    def _cleanup(self, query: Array, memory: ItemMemory) -> Match:
        return self._checked(memory).cleanup(query)[0]

    def _cleanups(self, queries: Iterable[Array], memory: ItemMemory) -> list[Match]:
        """Return the best item of each query ``(storage,)``, comparing many at a time."""
        items, found, waiting = self._checked(memory), [], iter(queries)
        while block := list(islice(waiting, QUERIES)):
            found += [best for (best,) in items.cleanup_many(self.vsa.xp.stack(block))]
        return found

    def _single(self, vector: Any) -> Array:
        checked = self.vsa.check(vector, "vector")
        if checked.ndim != 1:
            raise DimensionError(
                f"a {type(self).__name__} is read from one vector at a time, not an array of shape "
                f"{tuple(checked.shape)}"
            )
        return checked

    def _checked(self, memory: ItemMemory) -> ItemMemory:
        self.vsa.check_same(instance(memory, "memory", ItemMemory).vsa)
        return memory


_STATED = {(one.task, one.model, one.kind) for one in bounds.table()}
