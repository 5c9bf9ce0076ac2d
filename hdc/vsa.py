"""The abstract interface of a vector symbolic architecture.

A model is a frozen value that contains parameters only; arrays stay plain. Every hypervector array has shape
``(..., storage)``: batch axes lead, the last axis is the storage (components, or packed words).
"""

import inspect
import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass, fields, replace
from functools import cached_property, partial
from typing import Any, ClassVar, Self

import numpy as np
import numpy.typing as npt

from hdc import atoms, bounds
from hdc.atoms import Name
from hdc.bounds import scored
from hdc.bounds.moments import Binomials, Moments
from hdc.bounds.warning import check_load
from hdc.checks import choice, fraction, integer, known
from hdc.dispatch import backend as find_backend
from hdc.dtypes import dtype_name, is_array, kind
from hdc.errors import (
    DimensionError,
    DTypeError,
    EmptyBundleError,
    MismatchError,
    ParameterError,
    UnsupportedError,
)
from hdc.kernels import Array, Backend
from hdc.tally import Tally
from hdc.topk import top_scores
from hdc.words import MAX_DIM

MOST_COMPONENTS = 1 << 48
"""Most components, or words, of the vectors that are asked for at once: more than any memory has."""

MOST_FACTORS = 1 << 16
"""Most factors of a product of roles, and the greatest exponent of a power."""

FARTHEST_DIM = 4096
"""How far above a given dimension, at least, one that the model takes is looked for."""

REPEATED = 64
"""Names from which on :meth:`VSA.symbols` draws the atom of a repeated one once: the letters of a text."""

SIMILARITY_BLOCK = 1 << 22
"""Scores that :meth:`VSA.nearest` keeps in memory at a time, by default (16 MiB of float32)."""


@dataclass(frozen=True, eq=False)
class Role:
    """A product of named orthogonal operators of one model, applied right to left.

    ``a @ b`` applies b, then a; ``a ** 3`` applies a three times; ``a ** -1`` undoes it. Made by
    :meth:`VSA.role`; no matrix is stored. Two roles are equal if their models and factors are, names compared as
    in :func:`hdc.atoms.encode_name`: 1, 1.0 and True name three operators.
    """

    vsa: "VSA"
    factors: tuple[tuple[Name, int], ...]

    def _key(self) -> tuple[Any, ...]:
        return self.vsa, tuple((atoms.encode_name(name), power) for name, power in self.factors)

    def __eq__(self, other: object) -> bool:
        return self._key() == other._key() if isinstance(other, Role) else NotImplemented

    def __hash__(self) -> int:
        return hash(self._key())

    def __matmul__(self, other: "Role") -> "Role":
        if not isinstance(other, Role):
            return NotImplemented
        self.vsa.check_same(other.vsa)
        return Role(self.vsa, _merge_powers(self.factors + other.factors))

    def __pow__(self, power: int) -> "Role":
        power = integer(power, "the power of a role")
        if len(self.factors) == 1:
            ((name, exponent),) = self.factors
            return Role(self.vsa, _merge_powers(((name, exponent * power),)))
        if len(self.factors) * abs(power) > MOST_FACTORS:
            raise ParameterError(
                f"{len(self.factors)} roles to the power {power} have more than {MOST_FACTORS} factors"
            )
        base = self.factors if power >= 0 else tuple((name, -p) for name, p in reversed(self.factors))
        return Role(self.vsa, _merge_powers(base * abs(power)))

    def __repr__(self) -> str:
        product = " @ ".join(f"role({name!r})" + (f"**{p}" if p != 1 else "") for name, p in self.factors)
        return f"<{product or 'identity'} of {self.vsa.model}, dim {self.vsa.dim}>"


def _merge_powers(factors: tuple[tuple[Name, int], ...]) -> tuple[tuple[Name, int], ...]:
    merged: list[tuple[Name, int]] = []
    for name, power in factors:
        if merged and atoms.encode_name(merged[-1][0]) == atoms.encode_name(name):
            power += merged.pop()[1]
        if power:
            merged.append((name, power))
    return tuple(merged)


@dataclass(frozen=True)
class VSA(ABC):
    """What every model has: atoms, bind, bundle, permute, similarity.

    Parameters
    ----------
    dim : int
        Number of components, 1 to 2^31 - 1 (a model may ask for more); need not be a multiple of 64.
    seed : int
        Opens the model's own stream of atoms.
    backend : str
        ``"auto"`` or one of :func:`hdc.backends`.
    device : str
        Where the backend computes and its arrays are: ``"cpu"``, or for torch ``"cuda"`` or ``"cuda:1"`` too.
    """

    dim: int
    _: KW_ONLY
    seed: int = 0
    backend: str = "auto"
    device: str = "cpu"

    model: ClassVar[str]

    def __post_init__(self) -> None:
        object.__setattr__(self, "dim", integer(self.dim, "dim", 1, MAX_DIM))
        object.__setattr__(self, "seed", atoms.check_seed(self.seed))
        object.__setattr__(self, "device", find_backend(self.backend, self.device).device)

    # ------------------------------------------------------------------ identity

    @classmethod
    def from_parameters(cls, **parameters: Any) -> Self:
        """Create the model; the error for an unknown parameter names the allowed ones.

        Raises
        ------
        ParameterError
            If a parameter is not a field of the model.
        """
        allowed = list(inspect.signature(cls).parameters)
        unknown = sorted(set(parameters) - set(allowed))
        if unknown:
            raise ParameterError(f"{cls.model} has no parameter {unknown[0]!r}; it takes {', '.join(allowed)}")
        return cls(**parameters)

    def spec(self) -> dict[str, Any]:
        """Return the model as a small JSON-able dict; :func:`hdc.from_spec` restores the model from it."""
        return {"model": self.model, **{field.name: getattr(self, field.name) for field in fields(self)}}

    def _repr_html_(self) -> str:
        """Return a table of the model's parameters and properties, for notebooks."""
        from hdc.markup import facts

        holds = ("commutative", "associative", "self_inverse", "exact_unbind", "distributes", "isometric")
        said = {name.replace("_", " "): getattr(self, name) for name in holds}
        known = {name: value for name, value in self.spec().items() if name != "model"}
        return facts(self.model, {**known, "storage": f"{self.storage} x {self.dtype}", **said})

    def algebra(self) -> dict[str, Any]:
        """Return the spec without backend and device: two models of one algebra have the same vectors."""
        return {key: value for key, value in self.spec().items() if key not in ("backend", "device")}

    def check_same(self, other: "VSA") -> None:
        """Raise :class:`MismatchError` unless ``other`` has the same algebra."""
        if not isinstance(other, VSA) or self.algebra() != other.algebra():
            raise MismatchError(f"two different models are mixed: {self} and {other}")

    def with_backend(self, backend: str, device: str = "cpu") -> Self:
        """Return the same algebra on another backend."""
        return replace(self, backend=backend, device=device)

    @cached_property
    def kernels(self) -> Backend:
        """The backend that computes; ``kernels.name`` says which one ``"auto"`` picked."""
        return find_backend(self.backend, self.device)

    @property
    def xp(self) -> Any:
        """The Array API namespace of the backend."""
        return self.kernels.xp

    def __getstate__(self) -> dict[str, Any]:
        return {field.name: getattr(self, field.name) for field in fields(self)}

    @classmethod
    def next_dim(cls, least: int, **parameters: Any) -> int:
        """Return the smallest dimension of at least ``least`` that the model accepts with these parameters.

        Raises
        ------
        ParameterError
            If there is none nearby: the model's own error for ``least``.
        """
        least = integer(least, "least", 1, MAX_DIM)
        refused: ParameterError | None = None
        for dim in range(least, min(MAX_DIM, least + max(FARTHEST_DIM, 3 * math.isqrt(least))) + 1):
            try:
                return cls.from_parameters(**{**parameters, "dim": dim}).dim
            except ParameterError as error:
                refused = refused or error
        raise refused or ParameterError(f"{cls.model} takes no dimension near {least}")

    # ------------------------------------------------------------------ traits, which may depend on parameters

    @property
    @abstractmethod
    def commutative(self) -> bool:
        """Whether ``bind(a, b)`` is ``bind(b, a)`` for atoms."""

    @property
    def binds_vectors(self) -> bool:
        """Whether the first operand of bind is a hypervector (else it is a :class:`Role`)."""
        return True

    @property
    def associative(self) -> bool:
        """Whether ``bind(bind(a, b), c)`` is ``bind(a, bind(b, c))`` for atoms, where hypervectors bind."""
        return True

    @property
    def self_inverse(self) -> bool:
        """Whether binding twice with the same vector returns the original."""
        return False

    @property
    def exact_unbind(self) -> bool:
        """Whether ``unbind(r, bind(r, x))`` is ``x`` (to rounding, for floating-point models), for a role r."""
        return True

    @property
    def distributes(self) -> bool:
        """Whether ``bind(r, bundle(x))`` is ``bundle(bind(r, x))`` where no component of the bundle is a tie."""
        return True

    @property
    def isometric(self) -> bool:
        """Whether binding with a role preserves similarities."""
        return True

    @property
    def clips(self) -> bool:
        """Whether components of a bundle are clipped, so that copies of a vector bundle to another direction."""
        return False

    @property
    def keys(self) -> float:
        """Number of roles, or symbols, that bind differently; if it is small, two of them may be the same key."""
        return math.inf

    def unbound_similarity(self, depth: int = 1) -> float:
        """Return the expected similarity of an atom to itself after binding and unbinding.

        Parameters
        ----------
        depth : int
            Number of bindings, each with another role; the last one is undone first.

        Returns
        -------
        float
            For large dimensions; 1 if :attr:`exact_unbind`.

        Raises
        ------
        UnsupportedError
            If the model unbinds approximately and does not say how well.
        """
        integer(depth, "depth", 0)
        if not self.exact_unbind:
            raise UnsupportedError(f"{self.model} does not say how well it unbinds")
        return 1.0

    # ------------------------------------------------------------------ layout

    @property
    @abstractmethod
    def storage(self) -> int:
        """Length of the last axis of every hypervector array."""

    @property
    @abstractmethod
    def dtype(self) -> Any:
        """Dtype of atoms: NumPy's, or that of the backend's library."""

    @abstractmethod
    def check(self, x: Any, what: str = "array") -> Array:
        """Return ``x`` ready to compute with, or raise an error that says what is wrong with it.

        Raises
        ------
        DTypeError, DeviceError, DimensionError, PaddingError
        """

    def from_numpy(self, x: npt.NDArray[Any]) -> Array:
        """Copy NumPy hypervectors of this algebra to the backend and its device.

        Parameters
        ----------
        x : (..., storage) NumPy array

        Returns
        -------
        (..., storage) array
            Shares memory with ``x`` where the device and the library allow it.

        Raises
        ------
        DTypeError, DimensionError, PaddingError
            As :meth:`check`.
        """
        if not isinstance(x, np.ndarray):
            raise DTypeError(f"from_numpy takes a NumPy array, not {type(x).__name__}")
        return self.check(self.kernels.arrays.from_numpy(x))

    def to_numpy(self, x: Array) -> npt.NDArray[Any]:
        """Copy hypervectors back to the host, in the form of the NumPy backend; see :meth:`from_numpy`."""
        host: npt.NDArray[Any] = self.kernels.arrays.to_numpy(self.check(x))
        return host

    # ------------------------------------------------------------------ atoms

    @abstractmethod
    def atoms_of(self, keys: npt.NDArray[np.uint64]) -> Array:
        """Return the atoms of stream keys ``(n, 2)`` as ``(n, storage)``; every model draws here."""

    def symbols(self, names: Sequence[Name]) -> Array:
        """Return the atoms of names: a pure function of (algebra, name), no table and no state.

        Parameters
        ----------
        names : sequence of n names
            ``str``, ``bytes``, ``int``, ``float``, ``bool``, ``None`` or nested tuples of these; ``1``,
            ``1.0``, ``True`` and ``"1"`` are different names.

        Returns
        -------
        (n, storage) array

        Raises
        ------
        DTypeError
            If a name is of another type, or ``names`` is one string.
        """
        if isinstance(names, str | bytes):
            raise DTypeError(f"symbols takes a sequence of names; for one name use symbol({names!r})")
        keys = atoms.stream_keys(self.seed, "symbol", names)
        if len(keys) > REPEATED and 2 * len(np.unique(keys[:, 0])) <= len(keys):  # a look at half of each key
            distinct, places = np.unique(keys, axis=0, return_inverse=True)
            if 2 * len(distinct) <= len(keys):
                found = self.kernels.arrays.from_numpy(places.reshape(-1).astype(np.int64, copy=False))
                return self.xp.take(self.atoms_of(distinct), found, axis=0)
        return self.atoms_of(keys)

    def symbol(self, name: Name) -> Array:
        """Return the atom of one name, ``(storage,)``; see :meth:`symbols`."""
        return self.symbols((name,))[0]

    def random(self, n: int, *, seed: int) -> Array:
        """Return ``n`` anonymous atoms, ``(n, storage)``; the first ones do not depend on ``n``.

        Raises
        ------
        ParameterError
            If ``n`` is negative, or ``n`` or ``seed`` is not an integer.
        """
        count, number = integer(n, "n", 0, MOST_COMPONENTS // self.storage), atoms.check_seed(seed)
        return self.atoms_of(atoms.numbered_keys(self.kernels.bits, self.seed, "random", count, number))

    def role(self, name: Name) -> Any:
        """Return the role of ``name``, to bind with: an atom of its own namespace, or a :class:`Role` of operators.

        A role differs from the symbol of the same name, so ``{"red": "red"}`` does not cancel itself out. For powers of
        an atom use :meth:`power`; ``**`` of its array raises its numbers, or words, instead.
        """
        return self.atoms_of(atoms.stream_keys(self.seed, "role", (name,)))[0]

    # ------------------------------------------------------------------ algebra

    @abstractmethod
    def bind(self, role: Any, x: Array) -> Array:
        """Bind ``x`` with ``role``; the result is dissimilar to both, and :meth:`unbind` undoes it.

        Parameters
        ----------
        role : (..., storage) array, or a Role for models that bind with operators
        x : (..., storage) array

        Returns
        -------
        (..., storage) array, batch axes broadcast

        Raises
        ------
        DTypeError, DimensionError, MismatchError, UnsupportedError
        """

    @abstractmethod
    def unbind(self, role: Any, y: Array) -> Array:
        """Undo :meth:`bind` with the same role; shapes and errors as there."""

    @property
    def identity(self) -> Array:
        """The vector that leaves others unchanged when it binds them, ``(storage,)``.

        Raises
        ------
        UnsupportedError
            If the model has none.
        """
        raise self._lacks("identity", "vsa.role(name) ** 0")

    def inverse(self, x: Array) -> Array:
        """Return the inverse of ``x``: ``bind(inverse(a), b)`` is ``unbind(a, b)``.

        Parameters
        ----------
        x : (..., storage) array

        Returns
        -------
        (..., storage) array

        Raises
        ------
        UnsupportedError
            If the model has no such vector.
        """
        if self.self_inverse:
            return self.xp.asarray(self.check(x), copy=True)
        raise self._lacks("inverse vector", "vsa.role(name) ** -1")

    def power(self, x: Array, exponent: float) -> Array:
        """Bind ``x`` with itself ``exponent`` times: the identity for 0, the inverse for -1.

        Parameters
        ----------
        x : (..., storage) array
        exponent : int or float
            A whole number, or any real one where :attr:`phases` is not 0: then ``power(x, a)`` bound with
            ``power(x, b)`` is ``power(x, a + b)`` (Plate 1995, fractional binding).

        Returns
        -------
        (..., storage) array

        Raises
        ------
        ParameterError
            If the model has no powers with such an exponent.
        UnsupportedError
            If the model has no identity, or no inverse.
        """
        base, times = self.check(x), integer(exponent, f"the exponent of {self.model}", -MOST_FACTORS, MOST_FACTORS)
        if times < 0:
            base, times = self.inverse(base), -times
        result = self.xp.broadcast_to(self.identity, base.shape)
        while times:
            if times & 1:
                result = self.bind(base, result)
            base, times = self.bind(base, base) if times > 1 else base, times >> 1
        return self.xp.asarray(result, copy=True)

    def normalize(self, x: Array) -> Array:
        """Return the vectors nearest to ``x`` that bind exactly; this cleans up a bundle without a memory.

        Parameters
        ----------
        x : (..., storage) array

        Returns
        -------
        (..., storage) array
            Of the dtype of atoms; roles stay what they are, and doing it twice changes nothing.

        Raises
        ------
        UnsupportedError
            If the model has no such vectors.
        """
        raise UnsupportedError(f"{self.model} does not normalize vectors")

    @property
    def phases(self) -> int:
        """Number of angles per vector of :meth:`from_phases`; 0 if the model makes no vectors of angles."""
        return 0

    def from_phases(self, angles: Any) -> Array:
        """Make vectors of angles; bind adds them: ``bind(from_phases(a), from_phases(b))`` is ``from_phases(a + b)``.

        Parameters
        ----------
        angles : (..., phases) array of floats, in radians

        Returns
        -------
        (..., storage) array
            The identity for zeros. The similarity of two is the mean cosine of the differences, or close to it.

        Raises
        ------
        UnsupportedError
            If :attr:`phases` is 0.
        """
        raise UnsupportedError(f"{self.model} makes no vectors of angles; take FHRR, HRR or MCR")

    def check_phases(self, angles: Any) -> Array:
        """Check angles: floats of the backend, or what NumPy makes an array of, ``(..., phases)``."""
        arrays, xp = self.kernels.arrays, self.xp
        given = arrays.check(
            angles if is_array(angles) else arrays.from_numpy(np.asarray(angles, np.float64)), "angles"
        )
        if kind(xp, given) not in "iuf":
            raise DTypeError(f"angles are real numbers, not {given.dtype}")
        if given.ndim == 0 or given.shape[-1] != self.phases:
            raise DimensionError(f"angles have shape {tuple(given.shape)}; {self} needs {self.phases} on the last axis")
        return given if kind(xp, given) == "f" else xp.astype(given, xp.float64)

    def _lacks(self, what: str, instead: str) -> UnsupportedError:
        advice = "" if self.binds_vectors else f"; it binds with operators, take {instead}"
        return UnsupportedError(f"{self.model} has no {what}{advice}")

    @abstractmethod
    def bundle(self, x: Array, weights: Any = None) -> Array:
        """Superpose the hypervectors along axis -2.

        Parameters
        ----------
        x : (..., n, storage) array, n >= 1
        weights : array or list of numbers that broadcasts to (..., n), optional

        Returns
        -------
        (..., storage) array, similar to each of its members

        Raises
        ------
        EmptyBundleError
            If n is 0.
        DTypeError
            If the model does not take weights of that dtype.
        """

    # What a running bundle needs. For a model whose bundle of bundles is the bundle of all members, and whose weight
    # -1 takes one out again, the three are right as they are.

    def tally(self, x: Array, weights: Any = None) -> Tally:
        """Return the contribution of members to a running bundle (:class:`hdc.Accumulator`).

        Parameters
        ----------
        x : (n, storage) array, n >= 1
        weights : (n,) array, optional

        Returns
        -------
        Tally
            Its arrays have the same names, shapes and dtypes whatever the members.

        Raises
        ------
        DTypeError, ParameterError, WideningError
            As :meth:`bundle`.
        """
        return Tally({"bundle": self.bundle(x, weights)})

    def join_tallies(self, a: Tally, b: Tally, sign: int) -> Tally:
        """Return the tally of the members of both, or, for ``sign=-1``, of those of ``a`` without those of ``b``.

        Raises
        ------
        UnsupportedError
            If the model cannot remove members.
        WideningError
            If a sum would leave the widest integer.
        """
        xp, both = self.xp, (a.arrays["bundle"], b.arrays["bundle"])
        dtype = xp.result_type(*both)
        pair = xp.stack([xp.astype(bundle, dtype, copy=False) for bundle in both])
        return Tally({"bundle": self.bundle(pair, None if sign > 0 else [1, -1])})

    def read_tally(self, tally: Tally) -> Array:
        """Return the bundle of the members of a tally, ``(storage,)``, as :meth:`bundle` does."""
        return self.xp.asarray(tally.arrays["bundle"], copy=True)

    @abstractmethod
    def permute(self, x: Array, shift: int = 1) -> Array:
        """Apply the model's fixed permutation ``shift`` times; a negative shift undoes it.

        Parameters
        ----------
        x : (..., storage) array
        shift : int
            Of any size.

        Returns
        -------
        (..., storage) array

        Raises
        ------
        ParameterError
            If ``shift`` is not an integer.
        DTypeError, DimensionError, PaddingError
            As :meth:`check`.
        """

    @abstractmethod
    def similarity(self, queries: Array, items: Array) -> Array:
        """Compare every query with every item.

        Parameters
        ----------
        queries : (*p, storage) array
        items : (*q, storage) array

        Returns
        -------
        (*p, *q) float32 array
            1 for an atom with itself, expectation 0 for unrelated atoms; 0 with a vector that has no
            direction (all zeros). float64 for float64 inputs.
        """

    def scores(self, size: npt.ArrayLike, *, read: str | None = None) -> Moments:
        """Return means and deviations of the similarity of a bundle with a member, and with any other symbol.

        Parameters
        ----------
        size : int or array of int
            Members of the bundle, of equal weight.
        read : {None, "role", "symbol"}
            What the bundle is of, and how it is read: of atoms; of values bound with roles, each read with its role; or
            of values bound with symbols.

        Returns
        -------
        hdc.bounds.Moments
            Normal approximations, of similarities divided by the length of the bundle over its mean.

        Raises
        ------
        UnsupportedError
            If the model does not say.
        """
        raise UnsupportedError(f"{self.model} does not state the moments of its similarities; see VSA.scores")

    def agreements(self, size: int, *, read: str | None = None) -> Binomials | None:
        """Return the exact law of the number of components that agree, where similarities are such numbers.

        Parameters as :meth:`scores`.

        Returns
        -------
        hdc.bounds.moments.Binomials or None
            None where similarities have no such law.
        """
        return None

    def contains(self, bundle: Array, items: Array, size: int | None = None) -> Array:
        """Decide which items are members of an unweighted bundle of atoms.

        Parameters
        ----------
        bundle : (*p, storage) array
        items : (*q, storage) array
            Atoms.
        size : int, optional
            Number of members; models whose threshold depends on it require it.

        Returns
        -------
        (*p, *q) bool array
            Here: whether the similarity is at least midway between what :meth:`scores` expects of members and others.

        Raises
        ------
        ParameterError
            If ``size`` is needed and is not an integer of at least 1.
        """
        return self._near(bundle, items, size)

    def _near(self, bundle: Array, items: Array, size: int | None) -> Array:
        threshold = float(self.scores(integer(size, "size", 1)).threshold)
        return self.similarity(bundle, items) >= threshold

    def intersection_size(self, x: Array, y: Array, sizes: tuple[int, int] | None = None) -> Array:
        """Estimate the number of common members of every pair of unweighted bundles of atoms.

        Parameters
        ----------
        x : (*p, storage) array
        y : (*q, storage) array
        sizes : (int, int), optional
            Numbers of members of the bundles in x and in y; MAP-B needs them.

        Returns
        -------
        (*p, *q) float64 array

        Raises
        ------
        UnsupportedError
            If the model has no such estimate.
        """
        raise UnsupportedError(f"{self.model} has no estimate of the size of an intersection")

    def nearest(self, queries: Array, items: Array, k: int = 1) -> tuple[Array, Array]:
        """Find the k most similar items of each query, in order of (similarity, lowest index first).

        Works through the items in blocks: never more than ``SIMILARITY_BLOCK`` scores at a time for the
        default implementation, whatever the number of items.

        Parameters
        ----------
        queries : (*p, storage) array
        items : (n, storage) array
        k : int
            At least 1; at most n results come back.

        Returns
        -------
        similarities : (*p, min(k, n)) float32 array
        indices : (*p, min(k, n)) int64 array

        Raises
        ------
        ParameterError
            If k is less than 1.
        DimensionError
            If ``items`` is not two-dimensional.
        """
        q, x, k = self.check_search(queries, items, k)
        flat = q.reshape(-1, self.storage)
        rows = max(256, SIMILARITY_BLOCK // max(1, len(x)))
        parts = []
        for start in range(0, max(1, len(flat)), rows):
            part = flat[start : start + rows]
            found = top_scores(self.kernels, partial(self._scores, part, x), len(x), k, SIMILARITY_BLOCK, len(part))
            parts.append(found)
        scores, indices = (self.xp.concat(blocks, axis=0) for blocks in zip(*parts, strict=True))
        return scores.reshape(*q.shape[:-1], k), indices.reshape(*q.shape[:-1], k)

    def _scores(self, queries: Array, items: Array, block: slice) -> Array:
        return self.similarity(queries, items[block])

    # ------------------------------------------------------------------ capacity

    @property
    def bound_options(self) -> dict[str, Any]:
        """Parameters of this model that its capacity bounds depend on beside ``dim``."""
        return {}

    def capacity(
        self,
        task: str = "membership",
        *,
        universe: int | None = None,
        error: float = 0.01,
        bound: str = "rigorous",
        **options: Any,
    ) -> int:
        """Return how many items fit into one vector of this model for a task; see :func:`hdc.bounds.capacity`.

        Parameters
        ----------
        task : str
            One of ``hdc.bounds.TASKS``.
        universe : int
            Number of symbols to distinguish; needed for all tasks but intersection and bindings.
        error : float
            Admissible probability of any wrong answer.
        bound : {"rigorous", "gaussian", "paper"}
        **options
            Those of the task.

        Returns
        -------
        int
            0 if not even one item is promised.

        Raises
        ------
        UnknownNameError, UnsupportedError, ParameterError
            Models without closed forms of their own (:data:`hdc.bounds.MODELS`) have the Gaussian sizes that follow
            from :meth:`scores`, for membership, key-value and sequence.

        Examples
        --------
        >>> import hdc
        >>> hdc.create("MAP-B", 10_000).capacity(universe=1_000_000, error=1e-3)
        37
        """
        takes = bounds.TASKS[known(task, "task", bounds.TASKS)]
        if self.model not in bounds.MODELS:
            return self._scored_capacity(task, universe, error, bound, options)
        own = {name: value for name, value in self.bound_options.items() if name in takes}
        found: int = bounds.capacity(
            task, self.model, dim=self.dim, universe=universe, error=error, bound=bound, **{**own, **options}
        )
        return found

    def _scored_capacity(
        self, task: str, universe: int | None, error: float, bound: str, options: dict[str, Any]
    ) -> int:
        known(bound, "bound", bounds.KINDS)
        if bound != "gaussian" or options:
            raise UnsupportedError(
                f"the capacity of {self.model} follows from its scores only; give bound='gaussian'"
                + (f", without {', '.join(options)}" if options else "")
            )
        read, most, share = scored.READ.get(task), integer(universe, "universe", 1), fraction(error, "error")
        return scored.capacity(lambda size: self.scores(size, read=read), task, universe=most, error=share)

    # ------------------------------------------------------------------ shared checks

    def check_search(self, queries: Any, items: Any, k: int) -> tuple[Array, Array, int]:
        """Check the operands of a search and return them with ``min(k, n)``."""
        q, x = self.check(queries, "queries"), self.check(items, "items")
        if x.ndim != 2:
            raise DimensionError(f"items must have shape (n, {self.storage}), not {tuple(x.shape)}")
        return q, x, min(integer(k, "k", least=1), len(x))

    def check_bundle(self, x: Any) -> Array:
        """Check the operand of a bundle: an array with axis -2 and at least one member on it."""
        members = self.check(x, "bundle members")
        if members.ndim < 2:
            raise DimensionError(
                f"bundle takes an array of shape (..., n, {self.storage}), not {tuple(members.shape)}; "
                "stack the members first"
            )
        if members.shape[-2] == 0:
            raise EmptyBundleError("a bundle needs at least one member, and axis -2 has length 0")
        check_load(self, members.shape[-2])
        return members

    def check_weights(self, weights: Any, members: Array, kinds: str = "bui") -> Array:
        """Check weights against the members and the dtype kinds that the model takes: ``(..., n)``.

        Lists of numbers are handed over to the backend; arrays must be its own, on its device.
        """
        arrays, xp = self.kernels.arrays, self.xp
        w = arrays.check(weights if is_array(weights) else arrays.from_numpy(_plain_weights(weights)), "weights")
        found = kind(xp, w)
        if found not in "buif":
            raise DTypeError(f"weights must be real numbers of at most 64 bits, not {w.dtype}")
        if found not in kinds:
            raise DTypeError(
                f"{self.model} takes integer weights, so that every backend agrees exactly, not {w.dtype}; "
                "scale and round them, for instance np.rint(1000 * weights).astype(int)"
            )
        if found == "f" and not bool(xp.all(xp.isfinite(w))):
            raise ParameterError("a weight is NaN or infinite; give finite numbers")
        if w.dtype == np.uint64 and w.max(initial=0) >= 2**63:
            raise ParameterError(f"a weight of {w.max()} does not fit a signed 64-bit integer; scale the weights down")
        try:
            return xp.broadcast_to(w, members.shape[:-1])
        except (ValueError, RuntimeError):
            raise DimensionError(
                f"weights of shape {tuple(w.shape)} do not broadcast to the members {tuple(members.shape[:-1])}"
            ) from None

    def check_pair(self, role: Any, x: Any) -> tuple[Array, Array]:
        """Check the operands of a bind of hypervectors, whose batch axes must broadcast.

        Raises
        ------
        UnsupportedError
            If the first is an operator.
        DTypeError, DeviceError, DimensionError, PaddingError
            As :meth:`check` and :meth:`check_batches`.
        """
        if isinstance(role, Role):
            raise UnsupportedError(f"{self.model} binds hypervectors, not operators; use its own role(name)")
        first, second = self.check(role, "first operand"), self.check(x, "second operand")
        self.check_batches(first, second)
        return first, second

    def check_batches(self, *operands: Array) -> tuple[int, ...]:
        """Return the shape that the batch axes of checked operands broadcast to.

        Raises
        ------
        DimensionError
            If they do not.
        """
        batches = [tuple(operand.shape[:-1]) for operand in operands]
        if all(batch == batches[0] for batch in batches):  # which costs less than a product of two atoms
            return batches[0]
        try:
            return np.broadcast_shapes(*batches)
        except ValueError:
            raise DimensionError(f"batch axes {' and '.join(map(str, batches))} do not broadcast") from None

    def check_components(self, x: Any, kinds: str, what: str) -> Array:
        """Check an unpacked array: its last axis is ``storage`` and its dtype kind is one of ``kinds``."""
        native, floats = self.kernels.arrays.check(x, what), self.kernels.arrays.floats
        found = kind(self.xp, native)
        if found not in kinds:
            raise DTypeError(f"{what} of {self.model} cannot have dtype {native.dtype}")
        if found == "f" and dtype_name(native) not in floats:
            allowed = f"{', '.join(floats[:-1])} or {floats[-1]}"
            raise DTypeError(f"{what} of {self.model} must be {allowed}, not {native.dtype}; convert with astype")
        if native.ndim == 0 or native.shape[-1] != self.storage:
            raise DimensionError(
                f"{what} has shape {tuple(native.shape)}; {self.model} needs {self.storage} on the last axis"
            )
        return native

    def check_precision(self, name: Any, others: tuple[str, ...] = ()) -> None:
        """Check the name of a dtype of atoms: one of ``others``, or a float that the backend computes with."""
        choice(name, "precision", (*others, *self.kernels.arrays.floats))


def _plain_weights(weights: Any) -> npt.NDArray[Any]:
    try:
        w = np.asarray(weights)
    except ValueError as error:
        raise DTypeError(f"weights must be an array of numbers, not lists of different lengths ({error})") from None
    if w.dtype.kind not in "buif":
        raise DTypeError(f"weights must be real numbers of at most 64 bits, not {w.dtype}")
    return w
