"""Predict how well :meth:`JSONEncoder.decode` finds the values of documents, and which dimension it would take.

A value of weight w in a document's vector is mistaken for another of its path's codebook if that one is more probable.
The two differ by ``d² = a² |u - v|² dim / (1 - w²)`` in units of the noise, a being the value's amplitude, so the
other stays behind the noise h of the right one with probability ``Φ(h + s)``, ``s = sqrt(2) (d/2 + ln(p/q)/d)`` for
priors p and q, and the right one wins with probability ``Int φ(h) Π Φ(h + s) dh``. Source: Frady, Kleyko and Sommer
(2018) for equal priors and unrelated values, where it is their formula P1 with ``s = w sqrt(dim) / sqrt(1 - w²)``;
perceptron theory (Kleyko et al. 2020) for values of different signals. Standing: approximation (normal, independent
noise of the scores).
"""

import math
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field
from random import Random
from typing import Any, NamedTuple

import numpy as np

from hdc.apps.json.document.batches import Batch, Doubles
from hdc.apps.json.document.paths import Path, any_position, scale_path, show_path
from hdc.apps.json.encoder.decoder import LARGEST_COSINE, Codebook
from hdc.apps.json.values.numbers import NUMBER
from hdc.apps.json.values.values import Values
from hdc.checks import fraction
from hdc.errors import ParameterError

LEAVES = 96
"""Values per path to examine: a uniform sample."""

NEAR = 0.1
"""A number counts as found if the decoded one is within this share of its path's distribution."""

LARGEST_DIM = 1 << 20
"""Largest dimension to report."""

TINY = 1e-9
"""Least distance of two values, which keeps its logarithm finite."""

_NOISE = np.arange(-8.0, 8.0, 1 / 8)


@dataclass(frozen=True)
class PathCapacity:
    """The prediction for one path.

    Attributes
    ----------
    path : str
    values : int
        Size of its codebook.
    known : float
        Share of the documents' values that are in the codebook; others cannot be decoded.
    signal : float
        Median of ``w sqrt(dim) / sqrt(1 - w²)``.
    accuracy : float
        Expected share of the known values that are decoded rightly.
    needed : int or None
        Dimension at which the accuracy reaches the target; None where that is beyond 2^20.
    """

    path: str
    values: int
    known: float
    signal: float
    accuracy: float
    needed: int | None


@dataclass(frozen=True)
class Capacity:
    """How well values can be read back out of vectors, path by path; ``print`` shows a table.

    Attributes
    ----------
    dim : int
    target : float
    accuracy : float
        Mean over all known values of the documents, so that a path counts as often as it occurs.
    needed : int or None
        Dimension at which that mean reaches the target.
    paths : tuple of PathCapacity
        Least accurate first.
    """

    dim: int
    target: float
    accuracy: float
    needed: int | None
    paths: tuple[PathCapacity, ...]

    def to_json(self) -> dict[str, Any]:
        """Return all of it as a JSON-able dict."""
        return asdict(self)

    def __str__(self) -> str:
        width = max([len("path"), *(len(row.path) for row in self.paths)])
        lines = [f"{'path':{width}}  {'values':>6}  {'known':>6}  {'signal':>6}  {'decoded':>7}  {'dim':>9}"]
        for row in self.paths:
            figures = (
                f"{row.values:6}  {row.known:6.1%}  {row.signal:6.1f}  {row.accuracy:7.1%}  {_shown(row.needed):>9}"
            )
            lines.append(f"{row.path:{width}}  {figures}")
        lines.append(
            f"dim {self.dim} decodes {self.accuracy:.1%} of all values; "
            f"{self.target:.1%} need dim {_shown(self.needed)}"
        )
        return "\n".join(lines)


def _shown(dim: int | None) -> str:
    return "> 2^20" if dim is None else f"{dim}"


class Rivals(NamedTuple):
    """Values that a value may be mistaken for: ``d / sqrt(dim)``, ``ln(p/q)`` and their number."""

    distance: Doubles
    odds: Doubles
    many: Doubles

    def accuracy(self, dim: int) -> float:
        """Return the probability that the value beats them all."""
        from scipy.special import log_ndtr

        d = self.distance * math.sqrt(dim)
        signal = math.sqrt(2) * (d / 2 + self.odds / d)
        density = np.exp(-(_NOISE**2) / 2) * (_NOISE[1] - _NOISE[0]) / math.sqrt(2 * math.pi)
        return float(density @ np.exp(log_ndtr(_NOISE[:, None] + signal) @ self.many))


class _Found(NamedTuple):
    """A value of a document: its path, the value, and its amplitude in the document's vector."""

    path: Path
    value: Any
    amplitude: float


@dataclass
class _Reservoir:
    """A uniform sample of a path's values (Vitter 1985), the same in every run."""

    kept: list[_Found] = field(default_factory=list)
    seen: int = 0
    random: Random = field(default_factory=lambda: Random(0))

    def add(self, found: _Found) -> None:
        self.seen += 1
        if len(self.kept) < LEAVES:
            self.kept.append(found)
        elif (slot := self.random.randrange(self.seen)) < LEAVES:
            self.kept[slot] = found


@dataclass(frozen=True)
class _Curve:
    """Accuracy of a path as a function of the dimension."""

    path: Path
    values: int
    seen: int
    known: float
    amplitudes: Doubles
    rivals: list[Rivals]

    def __call__(self, dim: int) -> float:
        return float(np.mean([one.accuracy(dim) for one in self.rivals]))

    def row(self, dim: int, target: float) -> PathCapacity:
        own = np.minimum(self.amplitudes**2, LARGEST_COSINE**2)
        signal = float(np.median(np.sqrt(dim * own / (1 - own))))
        return PathCapacity(show_path(self.path), self.values, self.known, signal, self(dim), _needed(self, target))


def predict(
    weighed: Iterable[tuple[Batch, Doubles]], values: Values, dim: int, target: float, gain: float = 1.0
) -> Capacity:
    """Predict how well the values of documents can be decoded.

    Parameters
    ----------
    weighed : iterable of (batch, weights)
        Documents, and the weights of their leaves in vectors of length 1.
    values : Values
    dim : int
    target : float
        Admissible share of right answers, between 0 and 1.
    gain : float
        Part of the amplitudes that is left: below 1 for sign bits.

    Raises
    ------
    ParameterError
        If nothing was fitted, there are no values to decode, or the target is not strictly between 0 and 1.
    """
    target = fraction(target, "target")
    if not values.profile.documents:
        raise ParameterError("capacity needs the values that fit saw; call fit first")
    samples = _samples(weighed, gain)
    curves = [curve for path, sample in samples.items() if (curve := _curve(values, path, sample)).rivals]
    if not curves:
        raise ParameterError("there is no value to decode: no document, or none with a value that fit saw")
    shares = np.array([curve.seen * curve.known for curve in curves])

    def mean(size: int) -> float:
        return float(shares @ [curve(size) for curve in curves] / shares.sum())

    rows = sorted((curve.row(dim, target) for curve in curves), key=lambda row: (row.accuracy, row.path))
    return Capacity(dim, target, mean(dim), _needed(mean, target), tuple(rows))


def _samples(weighed: Iterable[tuple[Batch, Doubles]], gain: float) -> dict[Path, _Reservoir]:
    samples: dict[Path, _Reservoir] = {}
    for batch, weights in weighed:
        table = batch.table
        for leaf, weight in zip(batch.leaves.tolist(), (gain * weights).tolist(), strict=True):
            path = table.nodes[leaf].path()
            samples.setdefault(any_position(path), _Reservoir()).add(_Found(path, table.values[leaf], weight))
    return samples


def _curve(values: Values, path: Path, sample: _Reservoir) -> _Curve:
    """Compare the sampled values of a path with its codebook; values that are not in it are skipped."""
    books: dict[Path, Codebook] = {}
    amplitudes, rivals = [], []
    for found in sample.kept:
        if found.path not in books and values.profile.values(found.path):
            books[found.path] = Codebook.of(values, found.path)
        book = books.get(found.path)
        if book is None or found.value not in book.places:
            continue
        row = book.places[found.value]
        amplitudes.append(found.amplitude * math.sqrt(book.masses[row]))
        rivals.append(_rivals(values, book, row, found))
    size = max((len(book.values) for book in books.values()), default=0)
    return _Curve(path, size, sample.seen, len(rivals) / len(sample.kept), np.array(amplitudes), rivals)


def _rivals(values: Values, book: Codebook, row: int, found: _Found) -> Rivals:
    shared = np.asarray((book.mixture @ book.mixture[row].T).todense()).ravel()
    others = np.ones(len(shared), dtype=np.bool_)
    others[row] = False
    scale = values.profile.scales.get((scale_path(found.path), NUMBER))
    if isinstance(found.value, int | float) and scale is not None:
        place = scale.position(found.value)
        for other, value in enumerate(book.values):
            others[other] &= not isinstance(value, int | float) or abs(scale.position(value) - place) > NEAR
    apart = book.masses[row] + book.masses[others] - 2 * shared[others]
    own = min(found.amplitude**2 * book.masses[row], LARGEST_COSINE**2)
    distance = np.sqrt(own / book.masses[row] * np.maximum(apart, TINY) / (1 - own)) + TINY
    odds = np.log(book.present[row] / book.present[others])
    alike, count = np.unique(np.round([np.log(distance), odds], 2), axis=1, return_counts=True)
    return Rivals(np.exp(alike[0]), alike[1], count.astype(np.float64))


def _needed(curve: Callable[[int], float], target: float) -> int | None:
    """Return the least multiple of 64 at which a curve reaches the target."""
    low, high = 0, 1
    while 64 * high <= LARGEST_DIM and curve(64 * high) < target:
        low, high = high, 2 * high
    if 64 * high > LARGEST_DIM:
        return None
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if curve(64 * middle) >= target else (middle, high)
    return 64 * high
