"""Real numbers and points as phasors whose angles grow with them: fractional power encoding."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import KW_ONLY, dataclass
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from hdc.checks import choice, flag, listed, mapping, numbers, text, wrong
from hdc.errors import DimensionError, ParameterError
from hdc.kernels import Array
from hdc.models.cyclic import MCR
from hdc.values.encoder import Estimate, ValueEncoder, as_given, check_range, interval, nothing, positive
from hdc.values.phasors import Search, check_phases, phasors_of, vectors_of
from hdc.values.spectra import KERNELS, Harmonics, harmonics, rounded

WIDTHS = 8
"""Bandwidths per range, unless a bandwidth is given."""

POINTS = 3
"""Grid points per bandwidth at which a search starts."""

MOST_POINTS = 1 << 24
"""Most grid points of an axis."""


@dataclass(frozen=True)
class Scalar(ValueEncoder):
    """Real numbers on a model of angles: component j of the code of x has the angle ``θ_j x`` (Plate 1995).

    The frequencies θ are drawn from a distribution that makes the similarity of two codes the kernel that is asked for
    (Frady et al. 2021). Adding values binds: ``bind(encode(x), shift(y))`` is the code of ``x + y``, for bundles of
    values, too.

    Parameters
    ----------
    vsa : VSA
        With :attr:`~hdc.VSA.phases`: FHRR, HRR, GHRR, MCR.
    name : name
        Opens the stream of frequencies.
    low, high : float
        The values that are encoded, and among which :meth:`decode` searches.
    kernel : str
        One of ``hdc.values.KERNELS``: gaussian, sinc, sinc2, cauchy, laplace, bessel.
    bandwidth : float, optional
        Unit of the kernel's distance, ``K(d / bandwidth)``; an eighth of the range by default.
    periodic : bool
        Whether ``high`` is ``low`` again, as of hours and angles; any number may then be encoded. The kernel is the sum
        of its shifted copies, scaled to 1 at 0.

    Raises
    ------
    UnsupportedError
        If the model makes no vectors of angles.
    ParameterError

    Examples
    --------
    >>> import hdc
    >>> vsa = hdc.create("FHRR", 1000)
    >>> age = hdc.Scalar(vsa, "age", 0, 100)
    >>> people = vsa.bundle(vsa.bind(vsa.symbols(["Ada", "Bob"]), age.encode([36, 52])))
    >>> estimate = age.decode(vsa.unbind(vsa.symbol("Bob"), people))
    >>> round(float(estimate.value)), bool(estimate.error < 1)
    (52, True)
    """

    low: float
    high: float
    _: KW_ONLY
    kernel: str = "gaussian"
    bandwidth: float | None = None
    periodic: bool = False

    code: ClassVar[str] = "scalar"

    def __post_init__(self) -> None:
        super().__post_init__()
        check_phases(self.vsa, type(self).__name__)
        low, high = interval(self.low, self.high)
        width = (high - low) / WIDTHS if self.bandwidth is None else positive(self.bandwidth, "bandwidth")
        choice(self.kernel, "kernel", KERNELS)
        if (high - low) / width * POINTS > MOST_POINTS:
            raise ParameterError(
                f"a range of {high - low:g} has more than {MOST_POINTS // POINTS} bandwidths of {width:g}; take "
                "a wider one, or Integer for whole numbers"
            )
        for name, value in (("low", low), ("high", high), ("bandwidth", width)):
            object.__setattr__(self, name, value)
        object.__setattr__(self, "periodic", flag(self.periodic, "periodic"))

    @property
    def width(self) -> float:
        """The bandwidth, given or chosen."""
        return float(self.bandwidth or 0)

    @cached_property
    def _harmonics(self) -> Harmonics:
        return harmonics(KERNELS[self.kernel], (self.high - self.low) / self.width)

    @cached_property
    def frequencies(self) -> npt.NDArray[np.float64]:
        """What each angle grows by per unit of the value, ``(phases,)``."""
        u, v = self._uniform(self.vsa.phases, "u", "v")
        if self.periodic:
            return self._harmonics.draw(u) * (2 * math.pi / (self.high - self.low))
        return KERNELS[self.kernel].draw(u, v) / self.width

    @cached_property
    def _native(self) -> Array:
        return self._lasting(self.frequencies)

    def encode(self, values: Any) -> Array:
        """Return the codes of numbers; gradients flow from tensors.

        Parameters
        ----------
        values : number, or (...) array of numbers

        Returns
        -------
        (..., storage) array

        Raises
        ------
        ParameterError
            If one is NaN or infinite, or outside the range of an encoder that is not periodic.
        """
        return self.shift(self.check(values))

    def check(self, values: Any) -> Array:
        """Return numbers as float64 of the backend, if they can be encoded; raises as :meth:`encode`."""
        given = self._reals(values)
        return (
            given if self.periodic else check_range(self.vsa.xp, given, self.low, self.high, f"values of {self.name}")
        )

    def shift(self, distances: Any) -> Array:
        """Return what binds to add to all values of a vector: the codes of distances, which may be of any size."""
        return vectors_of(self.vsa, self._reals(distances, "distances")[..., None], self._native[None])

    def decode(self, x: Array) -> Estimate:
        """Find the value whose code is most similar, with its standard error.

        Parameters
        ----------
        x : (..., storage) array
            A code, or a bundle that has one among other vectors.

        Returns
        -------
        Estimate
            Of float64 arrays ``(...)``. Of a sum of k vectors the error is about ``sqrt((k - 1) / (2 phases)) /
            sd(θ)``, or, with the kernel ``laplace``, ``2.55 (k - 1) / (2 phases)`` bandwidths.

        Raises
        ------
        DTypeError, DimensionError
        """
        found = _decode(self.vsa.check(x), (self,))
        return Estimate(found.value[..., 0], found.error[..., 0], found.similarity)

    def expected_similarity(self, distance: npt.ArrayLike) -> Any:
        """Return the similarity of two codes at a distance, in expectation: the kernel.

        For MCR it is that of rounded angles, on average over where two values lie. Near 0, where the angles of all
        frequencies are rounded alike, and for few harmonics of a period, single pairs may be as far from it as a level.

        Parameters
        ----------
        distance : number, or (...) array

        Returns
        -------
        float, or (...) float64 array
            One simulated similarity has a standard deviation of at most ``1 / sqrt(2 phases)``, and that for each
            distance of an encoder is of one draw.
        """
        given = numbers(distance, "distance")
        if isinstance(self.vsa, MCR):
            return as_given(rounded(self._smooth, given, self.vsa.levels))
        return as_given(np.asarray(self._smooth(given)))

    def _smooth(self, distances: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        if self.periodic:
            return self._harmonics.value(distances / (self.high - self.low))
        return np.asarray(KERNELS[self.kernel].value(distances / self.width))

    @property
    def slope(self) -> float:
        """How steeply the kernel falls from 1, per unit of the value; 0 where it is smooth."""
        steepest = KERNELS[self.kernel].slope / self.width
        return steepest * math.tanh((self.high - self.low) / (2 * self.width)) if self.periodic else steepest

    @cached_property
    def _grid(self) -> Array:
        count = math.ceil((self.high - self.low) / self.width * POINTS) + 1
        return self._lasting(np.linspace(self.low, self.high, max(3, count)))


@dataclass(frozen=True)
class Point(ValueEncoder):
    """Points of named axes: the codes of the coordinates, bound together.

    Similarities are the products of the axes' kernels: with ``gaussian``, they depend on the distance alone.

    Parameters
    ----------
    vsa : VSA
        With :attr:`~hdc.VSA.phases`: FHRR, HRR, GHRR, MCR.
    name : name
    axes : mapping of str to (low, high)
        In the order of the coordinates.
    kernel : str
        As of :class:`Scalar`.
    bandwidth : float, or mapping of axis to float, optional
    periodic : sequence of str
        Axes whose end is their beginning.

    Examples
    --------
    >>> import hdc
    >>> vsa = hdc.create("FHRR", 1024)
    >>> where = hdc.Point(vsa, "room", {"x": (0, 10), "y": (0, 6)}, bandwidth=0.5)
    >>> things = vsa.symbols(["lamp", "desk", "door"])
    >>> room = vsa.bundle(vsa.bind(where.encode([[1, 2], [7, 4], [3, 5]]), things))
    >>> where.decode(vsa.unbind(vsa.symbol("desk"), room)).value.round().tolist()
    [7.0, 4.0]
    >>> moved = vsa.bind(where.shift([2, -1]), room)
    >>> where.decode(vsa.unbind(vsa.symbol("desk"), moved)).value.round().tolist()
    [9.0, 3.0]
    """

    axes: Any
    _: KW_ONLY
    kernel: str = "gaussian"
    bandwidth: Any = None
    periodic: Any = ()

    code: ClassVar[str] = "point"

    def __post_init__(self) -> None:
        super().__post_init__()
        axes = tuple(_axes(self.axes))
        names = [name for name, _, _ in axes]
        periodic = tuple(listed(self.periodic, "periodic"))
        if unknown := [name for name in periodic if name not in names]:
            raise wrong(unknown[0], "each of periodic", f"one of the axes {', '.join(names)}")
        object.__setattr__(self, "axes", axes)
        object.__setattr__(self, "bandwidth", _per_axis(self.bandwidth, names))
        object.__setattr__(self, "periodic", periodic)
        object.__setattr__(self, "bandwidth", tuple(scalar.width for scalar in self.scalars))

    @cached_property
    def scalars(self) -> tuple[Scalar, ...]:
        """The encoders of the axes."""
        return tuple(
            Scalar(
                self.vsa,
                (self.name, axis),
                low,
                high,
                kernel=self.kernel,
                bandwidth=width,
                periodic=axis in self.periodic,
            )
            for (axis, low, high), width in zip(self.axes, self.bandwidth, strict=True)
        )

    @cached_property
    def _native(self) -> Array:
        return self._lasting(np.stack([scalar.frequencies for scalar in self.scalars]))

    def encode(self, values: Any) -> Array:
        """Return the codes of points ``(..., axes)``; see :meth:`Scalar.encode`.

        Raises
        ------
        DimensionError
            If the last axis does not have one coordinate per axis.
        ParameterError
            If a coordinate is NaN, infinite or outside its range.
        """
        points, xp = self._points(values, "points"), self.vsa.xp
        for number, scalar in enumerate(self.scalars):
            if not scalar.periodic:
                check_range(xp, points[..., number], scalar.low, scalar.high, f"coordinates {self.axes[number][0]}")
        return self._coded(points)

    def shift(self, distances: Any) -> Array:
        """Return what binds to move all points of a vector by distances ``(..., axes)`` of any size."""
        return self._coded(self._points(distances, "distances"))

    def _coded(self, points: Array) -> Array:
        return vectors_of(self.vsa, points, self._native)

    def _points(self, values: Any, what: str) -> Array:
        given = self._reals(values, what)
        if given.ndim == 0 or given.shape[-1] != len(self.axes):
            raise DimensionError(
                f"{what} have shape {tuple(given.shape)}; the last axis must have the {len(self.axes)} coordinates "
                f"{', '.join(name for name, _, _ in self.axes)}"
            )
        return given

    def decode(self, x: Array) -> Estimate:
        """Find the points whose codes are most similar; see :meth:`Scalar.decode`.

        The search begins at every point of a grid of a third of a bandwidth.

        Returns
        -------
        Estimate
            ``value`` and ``error`` are ``(..., axes)``, ``similarity`` ``(...)``.
        """
        return _decode(self.vsa.check(x), self.scalars)

    def expected_similarity(self, distance: npt.ArrayLike) -> Any:
        """Return the similarity of points at distances ``(..., axes)``, in expectation; see :class:`Scalar`.

        Phases of MCR are taken to be exact.
        """
        given = numbers(distance, "distance")
        if given.ndim == 0 or given.shape[-1] != len(self.axes):
            raise DimensionError(f"distances have shape {given.shape}; the last axis must have {len(self.axes)}")
        return as_given(np.prod([s._smooth(given[..., i]) for i, s in enumerate(self.scalars)], axis=0))


def _decode(x: Array, scalars: tuple[Scalar, ...]) -> Estimate:
    vsa = scalars[0].vsa
    xp, batch = vsa.xp, x.shape[:-1]
    if 0 in batch:
        return nothing(x, xp, (len(scalars),))
    across, up = (part.reshape(-1, vsa.phases) for part in phasors_of(vsa, x))
    frequencies = xp.stack([scalar._native for scalar in scalars])
    search = Search(xp, frequencies, [scalar._grid for scalar in scalars], [scalar.slope for scalar in scalars])
    value, error, similarity = search.find(across, up)
    columns = [
        scalar.low + xp.remainder(value[:, number] - scalar.low, scalar.high - scalar.low)
        if scalar.periodic
        else value[:, number]
        for number, scalar in enumerate(scalars)
    ]
    shape = (*batch, len(scalars))
    return Estimate(xp.stack(columns, axis=-1).reshape(shape), error.reshape(shape), similarity.reshape(batch))


def _axes(axes: Any) -> Iterable[tuple[str, float, float]]:
    """Yield names and ends, from a mapping or from the previous output of this function."""
    pairs = mapping(axes, "axes").items() if not isinstance(axes, tuple) else [(a[0], a[1:]) for a in axes]
    if not pairs:
        raise ParameterError("a Point needs at least one axis, and none was given")
    for name, ends in pairs:
        limits = listed(ends, f"the range of axis {name!r}")
        if len(limits) != 2:
            raise wrong(ends, f"the range of axis {name!r}", "(low, high)")
        yield text(name, "the name of an axis"), *interval(*limits)


def _per_axis(bandwidth: Any, names: list[str]) -> tuple[float | None, ...]:
    if isinstance(bandwidth, Mapping):
        if unknown := set(bandwidth) - set(names):
            raise wrong(unknown.pop(), "each axis of bandwidth", f"one of {', '.join(names)}")
        return tuple(bandwidth.get(name) for name in names)
    if isinstance(bandwidth, tuple):
        if len(bandwidth) != len(names):
            raise wrong(bandwidth, "bandwidth", f"one number, or one for each of {', '.join(names)}")
        return bandwidth
    return (bandwidth,) * len(names)
