"""Read the value at a path back out of a document's vector.

A document's vector contains the value's vector u, turned by the operator of its path and scaled by an amplitude a, and
everything else in it is noise: turned back, the vector is ``y = a u + noise``, where the noise has the squared
length ``|y|² - a² |u|²`` spread evenly over ``dim`` directions. So the likelihood ratio of a value against none is
``exp(t² / 2)``, ``t = sqrt(-dim ln(1 - r²))``, at best, r being the cosine of y and u, and ``t`` is normal with unit
variance around the signal; for small r the signal is ``s = w sqrt(dim) / sqrt(1 - w²)``, ``w = a |u|``, of the clean-up
formula P1 (Frady, Kleyko and Sommer 2018). The amplitude is one over the document's norm, which its vector does not
tell: signals are taken to be normal around that of a typical document of the collection. A value that is not in the
codebook is taken to share a part of one that is. With the frequencies that ``fit`` counted as priors, Bayes' rule gives
the probability of each value, of another one, and of none.
"""

import math
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cached_property
from typing import Any, NamedTuple, Self

import numpy as np
import numpy.typing as npt

import hdc
from hdc.apps.json.document.constant import plain
from hdc.apps.json.document.paths import Path, show_path
from hdc.apps.json.document.rules import Layout
from hdc.apps.json.encoder.path_roles import path_role
from hdc.apps.json.encoder.sign_bits import signs
from hdc.apps.json.values.statistics import Profile
from hdc.apps.json.values.tokens import Token, Tokens
from hdc.apps.json.values.values import Values
from hdc.errors import ParameterError

Doubles = npt.NDArray[np.float64]

SPREAD = 0.5
"""Standard deviation of a value's signal between documents, as a share of the typical signal."""

UNSEEN = (0.2, 0.4, 0.6)
"""Assumed shares of a codebook value's weight in a value that is not in the codebook."""

BLOCK = 1 << 12
"""Token vectors to hold per block: 32 MiB at dim 2048."""

INTERVAL = 0.95
"""Probability of a number's interval, if the number is there at all."""

SIGN_GAIN = np.sqrt(2 / np.pi)
"""Amplitude that remains of a small part of a vector if only signs are kept (Bussgang 1952)."""

LARGEST_COSINE = 0.9995
"""Largest assumed share of a vector for a value, which keeps its likelihood finite."""


class Decoded(NamedTuple):
    """A value that a vector may represent at a path.

    Attributes
    ----------
    value : JSON value
    similarity : float
        Cosine of the vector, turned back, and the value's own vector.
    confidence : float
        Probability that the document has this value at the path; for a number, one within the interval.
    interval : (float, float), optional
        Of a number: contains it with probability ``INTERVAL``, if there is a number.
    """

    value: Any
    similarity: float
    confidence: float
    interval: tuple[float, float] | None = None


@dataclass(frozen=True)
class Codebook:
    """The values seen at a path, as weighted sums of tokens.

    Attributes
    ----------
    values : list of n leaf values
    present : (n,) float64 array
        Probability that a document has the value there.
    unseen : float
        Probability that it has another: Good and Turing's estimate, the share of values seen once.
    tokens : list of m tokens
    mixture : (n, m) csr_matrix
        Weights; rows are the values.
    masses : (n,) float64 array
        Squared norm of each row.
    """

    values: list[Any]
    present: Doubles
    unseen: float
    tokens: list[Token]
    mixture: Any
    masses: Doubles

    @classmethod
    def of(cls, values: Values, path: Path) -> Self:
        """Take the codebook of a path from what ``fit`` saw.

        Raises
        ------
        ParameterError
            If it saw no value there.
        """
        from scipy.sparse import csr_matrix

        profile = values.profile
        seen = profile.values(path)
        if not seen:
            known = sorted(map(show_path, known_paths(profile)))
            close = get_close_matches(show_path(path), known, 3, 0.4) or known[:3]
            hint = f"; there are {', '.join(close)}" if known else "; call fit first"
            raise ParameterError(f"fit saw no value at {show_path(path)}{hint}")
        contents: list[Tokens] = [values.tokens(path, value) for value, _ in seen]
        names: dict[Token, int] = {}
        columns = [names.setdefault(token, len(names)) for content in contents for token in content]
        weights = [weight for content in contents for weight in content.values()]
        starts = np.cumsum([0, *map(len, contents)])
        mixture = csr_matrix((weights, columns, starts), (len(seen), len(names)))
        counts = np.array([count for _, count in seen], dtype=np.float64)
        once = float(np.count_nonzero(counts == 1)) + 0.5
        masses = np.asarray(mixture.multiply(mixture).sum(axis=1)).ravel()
        present = np.minimum(counts, profile.documents) / (profile.documents + 1)
        return cls([value for value, _ in seen], present, once / (profile.documents + 1), list(names), mixture, masses)

    @cached_property
    def places(self) -> dict[Any, int]:
        """Row of each value."""
        return {value: row for row, value in enumerate(self.values)}

    def dots(self, vsa: hdc.VSA, values: Values, vectors: npt.NDArray[Any]) -> Doubles:
        """Return the dot product of every token with every vector: ``(m, vectors)``."""
        blocks = range(0, len(self.tokens), BLOCK)
        parts = [values.vectors(vsa, self.tokens[start : start + BLOCK]) @ vectors.T for start in blocks]
        return np.concatenate(parts).astype(np.float64)


def known_paths(profile: Profile) -> set[Path]:
    """Return the paths at which values were seen."""
    return {*profile.frequencies, *profile.numbers}


def typical_norm(values: Values, layout: Layout) -> float:
    """Return the root mean square, over the documents that ``fit`` saw, of what their vectors were divided by."""
    squares = 0.0
    for path in known_paths(values.profile):
        for value, count in values.profile.values(path):
            mass = sum(weight * weight for weight in values.tokens(path, value).values())
            squares += count * mass * layout.weights[path] ** 2
    return math.sqrt(squares / values.profile.documents)


class Decoder:
    """Decode one path of the documents of a collection.

    Parameters
    ----------
    vsa : hdc.VSA
    values : Values
    layout : Layout
    path : Path
        ``[]`` for anywhere in an array: then several values may be there, and each that is found is taken out of the
        vector before the next is looked for.

    Raises
    ------
    ParameterError
        If ``fit`` saw no value at the path.
    """

    def __init__(self, vsa: hdc.VSA, values: Values, layout: Layout, path: Path) -> None:
        self._vsa, self._values, self._path = vsa, values, path
        self._codebook = Codebook.of(values, path)
        self._amplitude = layout.weights[path] / typical_norm(values, layout)
        self._several = None in path
        numbers = [row for row, value in enumerate(self._codebook.values) if isinstance(value, int | float)]
        self._numbers = sorted(numbers, key=self._codebook.values.__getitem__)

    def decode(self, vectors: npt.NDArray[Any], k: int) -> list[list[Decoded]]:
        """Return the k most probable values of each document, fewer if the codebook is smaller.

        Parameters
        ----------
        vectors : (n, dim) float array, or (n, words) uint64 array of sign bits
        """
        packed = vectors.dtype == np.uint64
        turned = signs(vectors, self._vsa.dim) if packed else self._vsa.check(vectors, "vectors").astype(np.float32)
        role = path_role(self._vsa, self._path)
        turned = turned if role is None else self._vsa.unbind(role, turned)
        lengths = np.sqrt(np.einsum("nd,nd->n", turned, turned))[:, None]
        dots = self._codebook.dots(self._vsa, self._values, turned / np.where(lengths > 0, lengths, np.float32(1)))
        amplitude = self._amplitude * (SIGN_GAIN if packed else 1)
        found: list[list[Decoded]] = [[] for _ in vectors]
        columns, taken = np.arange(len(vectors)), np.zeros((len(self._codebook.values), len(vectors)), dtype=np.bool_)
        for turn in range(min(k, len(taken))):
            if turn == 0 or self._several:
                scores = self._codebook.mixture @ dots
                beliefs, rest = self._beliefs(scores, amplitude)
            best = np.where(taken, -1.0, beliefs).argmax(axis=0)
            for column, row in enumerate(best.tolist()):
                found[column].append(self._decoded(row, scores[:, column], beliefs[:, column], rest[:, column]))
            taken[best, columns] = True
            if self._several:
                held = scores[best, columns] / self._codebook.masses[best]
                dots -= self._codebook.mixture[best].multiply(held[:, None]).T.toarray()
        return found

    def _beliefs(self, scores: Doubles, amplitude: float) -> tuple[Doubles, Doubles]:
        """Return prior times likelihood of each value, and of all alternatives to it.

        Parameters
        ----------
        scores : (n, vectors) float64 array
            Dot products of values and vectors.
        amplitude : float
            Expected amplitude.

        Returns
        -------
        beliefs, rest : (n, vectors) float64 arrays
            Both have the same scale for each vector. If a path has one value, the rest contains all other values. If
            it may have several, the rest is the absence of the value itself.
        """
        book = self._codebook
        there = np.log(book.present)[:, None] + self._log_likelihood(scores, amplitude, (1.0,))
        similar = self._log_likelihood(scores, amplitude, UNSEEN)
        similar += np.log(book.unseen * book.present / book.present.sum())[:, None]
        absent = np.log1p(-book.present)[:, None] + np.zeros_like(there)
        if not self._several:
            similar = np.logaddexp.reduce(similar, axis=0, keepdims=True)
            missing = max(1 - float(book.present.sum()), 1 / (self._values.profile.documents + 1))
            absent = np.full_like(similar, math.log(missing))
        top = np.maximum(np.maximum(there.max(axis=0), similar.max(axis=0)), absent.max(axis=0))
        beliefs, rest = np.exp(there - top), np.exp(similar - top) + np.exp(absent - top)
        return beliefs, rest if self._several else rest + beliefs.sum(axis=0) - beliefs

    def _log_likelihood(self, scores: Doubles, amplitude: float, parts: tuple[float, ...]) -> Doubles:
        """Return the averaged logarithm of p(vector | a part of the value is there) / p(vector | it is not)."""
        lengths = np.sqrt(self._codebook.masses)[:, None]
        signal = self._signal(scores / lengths)
        total = np.full_like(signal, -np.inf)
        for part in parts:
            expected = self._signal(part * amplitude * lengths)
            variance = 1 + (SPREAD * expected) ** 2
            fit = (signal**2 - (signal - expected) ** 2 / variance - np.log(variance)) / 2
            total = np.logaddexp(total, fit - math.log(len(parts)))
        return total

    def _signal(self, cosines: Doubles) -> Doubles:
        """Return ``sqrt(-dim ln(1 - r²))``: the distance of a cosine r from the noise in standard deviations."""
        bounded = np.clip(cosines, -LARGEST_COSINE, LARGEST_COSINE)
        return np.asarray(np.sign(bounded) * np.sqrt(-self._vsa.dim * np.log1p(-(bounded**2))))

    def _decoded(self, row: int, scores: Doubles, beliefs: Doubles, rest: Doubles) -> Decoded:
        value = self._codebook.values[row]
        similarity = float(scores[row] / np.sqrt(self._codebook.masses[row]))
        if not isinstance(value, int | float):
            return Decoded(plain(value), similarity, float(beliefs[row] / (beliefs[row] + rest[row])))
        inside, interval = self._interval(row, beliefs)
        against = rest[row] if self._several else rest[row] + beliefs[row] - inside
        return Decoded(value, similarity, float(inside / (inside + against)), interval)

    def _interval(self, row: int, beliefs: Doubles) -> tuple[float, tuple[float, float]]:
        """Return the belief in the numbers around one that sum to ``INTERVAL``, and their bounds.

        The bounds are the next numbers of the codebook, because a number between two of them is similar to both.
        """
        order = self._numbers
        mass = beliefs[order]
        low = high = order.index(row)
        while mass[low : high + 1].sum() < INTERVAL * mass.sum():
            left, right = (mass[low - 1] if low else -1.0), (mass[high + 1] if high + 1 < len(mass) else -1.0)
            low, high = (low - 1, high) if left > right else (low, high + 1)
        ends = order[max(0, low - 1)], order[min(len(order) - 1, high + 1)]
        return float(mass[low : high + 1].sum()), (self._codebook.values[ends[0]], self._codebook.values[ends[1]])
