"""Codes whose units change one after another as the value grows: level, thermometer, scatter and circular codes."""

import math
from abc import abstractmethod
from dataclasses import KW_ONLY, dataclass
from functools import cached_property
from typing import Any, ClassVar, NamedTuple

import numpy as np
import numpy.typing as npt

from hdc import atoms
from hdc.checks import numbers
from hdc.errors import ParameterError
from hdc.kernels import Array
from hdc.similarity import blocks
from hdc.values.components import agreement, check_agreement, choose, effective, opposites, units
from hdc.values.encoder import (
    CHANGE_POINT,
    COMPONENTS,
    Estimate,
    ValueEncoder,
    as_given,
    check_range,
    interval,
    noise_of,
    nothing,
    positive,
)

Real = npt.NDArray[np.float64]
Counts = npt.NDArray[np.int64]

WIDTHS = 8
"""Bandwidths in the range of a scatter code, unless a bandwidth is given."""

MOST_WIDTHS = 1 << 10
"""Bandwidths in the range of a scatter code, at most: about as many atoms are kept."""

SAME = 1e-9
"""Similarities that differ by less are the same."""


class Steps(NamedTuple):
    """Where the units of a code change, as the value goes from one end to the other.

    Attributes
    ----------
    first : (units,) int64 array
        The atom that each unit is taken from at the lower end.
    places : (changes,) float64 array
        Values at which a unit changes, ascending.
    unit, before, after : (changes,) int64 arrays
        Which, and from which atom to which.
    """

    first: Counts
    places: Real
    unit: Counts
    before: Counts
    after: Counts


@dataclass(frozen=True)
class Stepwise(ValueEncoder):
    """A code composed from atoms, unit by unit; a unit is a component, or a segment of sparse block codes.

    Codes are step functions of the value: gradients do not flow through them.
    """

    def __post_init__(self) -> None:
        super().__post_init__()
        units(self.vsa)

    @property
    @abstractmethod
    def span(self) -> tuple[float, float]:
        """Least and greatest value."""

    @property
    @abstractmethod
    def slope(self) -> float:
        """How steeply the kernel falls from 1, per unit of the value."""

    @property
    @abstractmethod
    def steps(self) -> Steps:
        """Where units change."""

    @property
    @abstractmethod
    def _atoms(self) -> Array:
        """Atoms that units are taken from, ``(atoms, storage)``."""

    @abstractmethod
    def _coded(self, values: Array) -> Array:
        """Return the codes of some checked values, ``(n, storage)``."""

    @abstractmethod
    def _kernel(self, distances: Real) -> Real:
        """Return the kernel at distances of at least 0."""

    @property
    def _units(self) -> int:
        return units(self.vsa)

    @cached_property
    def _order(self) -> Real:
        """Numbers between 0 and 1, one a unit, evenly apart and in random order."""
        order = atoms.permutation(self.vsa.kernels.bits, self._keys("order")[0], self._units)
        return (order + 0.5) / self._units

    @cached_property
    def _native_order(self) -> Array:
        return self._lasting(self._order)

    def encode(self, values: Any) -> Array:
        """Return the codes of numbers.

        Parameters
        ----------
        values : number, or (...) array of numbers

        Returns
        -------
        (..., storage) array

        Raises
        ------
        ParameterError
            If one is NaN or infinite, or outside the range.
        """
        given, xp = self.check(values), self.vsa.xp
        flat = given.reshape(-1)
        out = xp.empty((len(flat), self.vsa.storage), dtype=self.vsa.dtype, device=given.device)
        for rows in blocks(len(flat), self._units, COMPONENTS):
            out[rows] = self._coded(flat[rows])
        return out.reshape(*given.shape, self.vsa.storage)

    def check(self, values: Any) -> Array:
        """Return numbers as float64 of the backend, if they can be encoded; raises as :meth:`encode`."""
        return check_range(self.vsa.xp, self._reals(values), *self.span, f"values of {self.name}")

    def decode(self, x: Array) -> Estimate:
        """Find the value whose code is most similar among all values, with its standard error.

        Parameters
        ----------
        x : (..., storage) array
            A code, or a bundle that has one among other vectors.

        Returns
        -------
        Estimate
            Of float64 arrays ``(...)``. The error is that of a change point, ``2.55 (1/s² - 1) / (slope D)``, with s
            the similarity and D the components (two for each phasor), and of the width of the step that was found. For
            a sum of k vectors ``1/s² - 1`` is about ``k - 1``. It is for noise that is nearly normal.

        Raises
        ------
        DTypeError, DimensionError, UnsupportedError
        """
        given, xp = self.vsa.check(x), self.vsa.xp
        if 0 in given.shape[:-1]:
            return nothing(given, xp)
        flat = given.reshape(-1, self.vsa.storage)
        width = (len(self._atoms) + len(self.steps.places) / self._units) * self._units
        found = [self._decoded(flat[rows]) for rows in blocks(len(flat), int(width), COMPONENTS)]
        begin, end, similarity = (xp.concat(list(column), axis=0) for column in zip(*found, strict=True))
        drift = CHANGE_POINT * noise_of(xp, similarity) / (self.slope * effective(self.vsa))
        error = xp.sqrt(drift**2 + (end - begin) ** 2 / 12)
        return Estimate(*(column.reshape(given.shape[:-1]) for column in ((begin + end) / 2, error, similarity)))

    @cached_property
    def _changes(self) -> tuple[Array, Array, Array, Array]:
        """Where tables of agreements, ``(atoms * units)``, are read: first, before, after; and the edges of steps."""
        steps, here = self.steps, np.arange(self._units)
        edges = np.concatenate([[self.span[0]], steps.places, [self.span[1]]])
        indices = (atom * self._units + unit for atom, unit in self._read(steps, here))
        first, before, after = (self._lasting(index) for index in indices)
        return first, before, after, self._lasting(edges)

    @staticmethod
    def _read(steps: Steps, here: Counts) -> list[tuple[Counts, Counts]]:
        return [(steps.first, here), (steps.before, steps.unit), (steps.after, steps.unit)]

    def _decoded(self, x: Array) -> tuple[Array, Array, Array]:
        """Return where the codes that are most similar begin and end, and their similarity, ``(n,)`` each."""
        vsa, xp, edges = self.vsa, self.vsa.xp, self._changes[-1]
        products = self._running(agreement(vsa, x[:, None], self._atoms[None]))
        squares = xp.sum(agreement(vsa, x, x), axis=-1)[:, None] * self._squares
        scores = xp.where(squares > 0, products / xp.sqrt(xp.where(squares > 0, squares, 1.0)), 0.0)
        wide = edges[1:] - edges[:-1] > SAME * (edges[-1] - edges[0])  # not between units that change together
        scores = xp.where(wide, scores, -math.inf)
        best, begin = xp.max(scores, axis=-1), xp.argmax(scores, axis=-1)
        places = xp.arange(scores.shape[-1], dtype=xp.int64, device=x.device)
        worse = wide & (scores < best[:, None] - SAME) & (places > begin[:, None])
        past = xp.where(xp.any(worse, axis=-1), xp.argmax(xp.astype(worse, xp.int8), axis=-1), scores.shape[-1])
        return xp.take(edges, begin), xp.take(edges, past), xp.clip(best, -1.0, 1.0)

    @cached_property
    def _squares(self) -> Array:
        """Squared lengths of all codes, ``(changes + 1,)``; before they are used it is checked what they are of."""
        low, high = self.span
        check_agreement(self.vsa, self.encode((low + high) / 2), self._atoms)
        return self._running(agreement(self.vsa, self._atoms, self._atoms)[None])[0]

    def _running(self, table: Array) -> Array:
        """Return sums over units, for every code there is, of what each unit of each atom has: ``(n, changes + 1)``."""
        xp, flat = self.vsa.xp, table.reshape(len(table), -1)
        first, before, after = (xp.take(flat, index, axis=-1) for index in self._changes[:3])
        start = xp.sum(first, axis=-1)[:, None]
        return xp.concat([start, start + xp.cumulative_sum(after - before, axis=-1)], axis=-1)

    def expected_similarity(self, distance: npt.ArrayLike) -> Any:
        """Return the similarity of two codes at a distance, in expectation: the kernel.

        Parameters
        ----------
        distance : number, or (...) array

        Returns
        -------
        float, or (...) float64 array
            One simulated similarity has a standard deviation of at most one over the root of the components.
        """
        return as_given(np.asarray(self._kernel(np.abs(numbers(distance, "distance")))))


@dataclass(frozen=True)
class _Ranged(Stepwise):
    """A code of a range of values."""

    low: float
    high: float

    def __post_init__(self) -> None:
        super().__post_init__()
        low, high = interval(self.low, self.high)
        object.__setattr__(self, "low", low)
        object.__setattr__(self, "high", high)

    @property
    def span(self) -> tuple[float, float]:
        """The range."""
        return self.low, self.high

    def _shares(self, values: Array) -> Array:
        """Return how far values are on the way, ``(n, 1)``, from 0 to 1."""
        return ((values - self.low) / (self.high - self.low))[:, None]

    def _rising(self, order: Real) -> Steps:
        """Return the steps of units that each change once, from the first atom to the second."""
        unit = np.argsort(order)
        zeros = np.zeros(len(order), np.int64)
        return Steps(zeros, self.low + (self.high - self.low) * order[unit], unit, zeros, zeros + 1)


@dataclass(frozen=True)
class Level(_Ranged):
    """Levels: units of one atom become those of another, one after another; the ends are unrelated.

    Similarity falls linearly, ``1 - d / (high - low)``. No number of levels is chosen: there are as many as units.

    Parameters
    ----------
    vsa : VSA
        Any model.
    name : name
    low, high : float

    Examples
    --------
    >>> import hdc
    >>> vsa = hdc.create("MAP-B", 10_000)
    >>> age = hdc.Level(vsa, "age", 0, 100)
    >>> round(float(vsa.similarity(age.encode(30), age.encode(50))), 1)
    0.8
    >>> people = vsa.bundle(vsa.bind(vsa.symbols(["Ada", "Bob", "Cy"]), age.encode([36, 52, 70])))
    >>> abs(float(age.decode(vsa.unbind(vsa.symbol("Bob"), people)).value) - 52) < 1
    True
    """

    code: ClassVar[str] = "level"

    @property
    def slope(self) -> float:
        """One over the range."""
        return 1 / (self.high - self.low)

    @cached_property
    def steps(self) -> Steps:
        """Each unit changes once, in random order."""
        return self._rising(self._order)

    @cached_property
    def _atoms(self) -> Array:
        return self.vsa.kernels.arrays.lasting(lambda: self.vsa.atoms_of(self._keys("low", "high")))

    def _coded(self, values: Array) -> Array:
        low, high = self._atoms[0], self._atoms[1]
        return choose(self.vsa, self._shares(values) > self._native_order, high, low)

    def _kernel(self, distances: Real) -> Real:
        return np.maximum(0.0, 1 - distances * self.slope)


@dataclass(frozen=True)
class Thermometer(_Ranged):
    """Thermometer: as many of the first components are +1 as the value says, the others -1; the ends are opposite.

    Similarity falls linearly from 1 to -1. There is no randomness in it, so that thermometers of different names are
    the same: bind each with a role.

    Parameters
    ----------
    vsa : VSA
        MAP-I, MAP-B, MAP-C, MAP-T, MBAT, HLB, FHRR, or MCR of an even number of levels.
    name : name
        What errors call it.
    low, high : float

    Examples
    --------
    >>> import hdc
    >>> hdc.Thermometer(hdc.create("MAP-I", 10), "t", 0, 1).encode(0.3).tolist()
    [1, 1, 1, -1, -1, -1, -1, -1, -1, -1]
    """

    code: ClassVar[str] = "thermometer"

    def __post_init__(self) -> None:
        super().__post_init__()
        opposites(self.vsa)

    @property
    def slope(self) -> float:
        """Two over the range."""
        return 2 / (self.high - self.low)

    @cached_property
    def _order(self) -> Real:
        return (np.arange(self._units) + 0.5) / self._units

    @cached_property
    def steps(self) -> Steps:
        """Each component changes once, one after the other."""
        return self._rising(self._order)

    @cached_property
    def _atoms(self) -> Array:
        return self.vsa.kernels.arrays.lasting(lambda: opposites(self.vsa))

    def _coded(self, values: Array) -> Array:
        return choose(self.vsa, self._shares(values) > self._native_order, self._atoms[1], self._atoms[0])

    def _kernel(self, distances: Real) -> Real:
        return np.maximum(-1.0, 1 - distances * self.slope)


@dataclass(frozen=True)
class Scatter(_Ranged):
    """Scatter: each unit is drawn again at random places of its own, on average once per bandwidth.

    Similarity falls as ``exp(-d / bandwidth)``: it distinguishes near values as well as a level code of one bandwidth,
    and far ones are all unrelated. For ±1 components this is the code that flips each with probability p at every step,
    whose similarity is ``(1 - 2p) ** steps``. A greater ``high`` leaves all codes unchanged.

    Parameters
    ----------
    vsa : VSA
        Any model.
    name : name
    low, high : float
    bandwidth : float, optional
        An eighth of the range by default.

    Examples
    --------
    >>> import hdc
    >>> vsa = hdc.create("MAP-B", 10_000)
    >>> height = hdc.Scatter(vsa, "height", 0, 8, bandwidth=1)
    >>> vsa.similarity(height.encode(2), height.encode([2, 3, 7])).astype(float).round(1).tolist()
    [1.0, 0.4, 0.0]
    """

    _: KW_ONLY
    bandwidth: float | None = None

    code: ClassVar[str] = "scatter"

    def __post_init__(self) -> None:
        super().__post_init__()
        extent = self.high - self.low
        width = extent / WIDTHS if self.bandwidth is None else positive(self.bandwidth, "bandwidth")
        if extent / width > MOST_WIDTHS:
            raise ParameterError(
                f"a scatter code has at most {MOST_WIDTHS} bandwidths in its range, not {extent / width:g}"
            )
        object.__setattr__(self, "bandwidth", width)

    @property
    def width(self) -> float:
        """The bandwidth, given or chosen."""
        return float(self.bandwidth or 0)

    @property
    def slope(self) -> float:
        """One over the bandwidth."""
        return 1 / self.width

    @cached_property
    def _draws(self) -> Real:
        """Values at which each unit is drawn again, ``(draws, units)``, ascending; some are beyond the range."""
        extent, parts = (self.high - self.low) / self.width, []
        last, number = np.zeros(self._units), 0
        while last.min() <= extent:
            more = math.ceil(extent - last.min() + 4 * math.sqrt(extent) + 4)
            gaps = -np.log(self._uniform(self._units, *range(number, number + more)))
            parts.append(last + np.cumsum(gaps, axis=0))
            last, number = parts[-1][-1], number + more
        draws = np.concatenate(parts)
        return np.asarray(self.low + self.width * draws[: 1 + int((draws.min(axis=1) <= extent).sum())])

    @cached_property
    def _native_draws(self) -> Array:
        return self._lasting(self._draws)

    @cached_property
    def steps(self) -> Steps:
        """Each unit changes at each of its draws, from one atom to the next."""
        generation, unit = np.nonzero(self._draws <= self.high)
        order = np.argsort(self._draws[generation, unit], kind="stable")
        generation, unit = generation[order], unit[order]
        places = self._draws[generation, unit]
        return Steps(np.zeros(self._units, np.int64), places, unit, generation, generation + 1)

    @cached_property
    def _atoms(self) -> Array:
        keys = self._keys(*(("atom", number) for number in range(len(self._draws) + 1)))
        return self.vsa.kernels.arrays.lasting(lambda: self.vsa.atoms_of(keys))

    def _coded(self, values: Array) -> Array:
        xp, draws, out = self.vsa.xp, self._native_draws, self._atoms[0]
        highest = float(xp.max(values)) if len(values) else self.low
        for number in range(int((self._draws.min(axis=1) <= highest).sum())):
            out = choose(self.vsa, values[:, None] >= draws[number], self._atoms[number + 1], out)
        return out

    def _kernel(self, distances: Real) -> Real:
        return np.exp(-distances / self.width)


@dataclass(frozen=True)
class Circular(Stepwise):
    """Circular levels: each unit is of one atom on half of the circle, of another one on the other half.

    Similarity falls linearly to 0 at the opposite value, half a period away. On models of angles
    ``Scalar(periodic=True)`` has smooth kernels, and binding turns its values.

    Parameters
    ----------
    vsa : VSA
        Any model.
    name : name
    period : float
        Values that differ by it are the same; any number is encoded.

    Examples
    --------
    >>> import hdc
    >>> vsa = hdc.create("MAP-I", 10_000)
    >>> hour = hdc.Circular(vsa, "hour", 24)
    >>> vsa.similarity(hour.encode(23), hour.encode([23, 1, 11])).astype(float).round(1).tolist()
    [1.0, 0.8, 0.0]
    """

    period: float

    code: ClassVar[str] = "circular"

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "period", positive(self.period, "period"))

    @property
    def span(self) -> tuple[float, float]:
        """From 0 to the period."""
        return 0.0, self.period

    @property
    def slope(self) -> float:
        """Two over the period."""
        return 2 / self.period

    def check(self, values: Any) -> Array:
        """Return numbers as float64 of the backend, if they can be encoded; raises as :meth:`encode`."""
        return self._reals(values)

    @cached_property
    def steps(self) -> Steps:
        """Each unit changes twice, half a period apart."""
        turns = np.concatenate([self._order, (self._order + 0.5) % 1])
        atom = np.repeat(np.array([0, 1]), self._units)
        order = np.argsort(turns, kind="stable")
        first = (self._order < 0.5).astype(np.int64)
        return Steps(first, self.period * turns[order], order % self._units, 1 - atom[order], atom[order])

    @cached_property
    def _atoms(self) -> Array:
        return self.vsa.kernels.arrays.lasting(lambda: self.vsa.atoms_of(self._keys("one", "other")))

    def _coded(self, values: Array) -> Array:
        turns = self.vsa.xp.remainder(values / self.period, 1.0)[:, None]
        start, end = self._native_order, self._native_ends
        other = (start < 0.5) ^ (turns >= start) ^ (turns >= end)
        return choose(self.vsa, other, self._atoms[1], self._atoms[0])

    @cached_property
    def _native_ends(self) -> Array:
        return self._lasting((self._order + 0.5) % 1)

    def _kernel(self, distances: Real) -> Real:
        turns = np.remainder(distances / self.period, 1.0)
        return np.asarray(1 - 2 * np.minimum(turns, 1 - turns))
