"""Factorizer: find which atom of each codebook a product was made of, by a resonator network."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from hdc.atoms import Name, check_seed
from hdc.checks import choice, instance, integer, mapping, number
from hdc.errors import DimensionError, ParameterError, UnsupportedError
from hdc.kernels import Array
from hdc.memory import ItemMemory
from hdc.resonance import Space, space_of
from hdc.vsa import VSA

RULES = ("threshold", "identity")

LEAST_STEPS, MOST_STEPS = 1000, 20_000
"""Limits of the default number of steps."""

BLOCK, LEAST_BLOCK = 1 << 17, 16
"""Components of the scenes to process per block, which stay in a cache; and the fewest scenes."""

SAME = 1e-5
"""Largest difference of the marks of two equal states: float32 sums may round in any way."""

MARGIN = 4.0
"""Standard deviations by which an answer may be less similar to a noisy scene than expected."""

ROUNDING = 1e-4
"""Rounding error of a similarity of one."""

Ints: TypeAlias = npt.NDArray[np.int64]
Floats: TypeAlias = npt.NDArray[np.float64]
Complexes: TypeAlias = npt.NDArray[np.complex128]
Bools: TypeAlias = npt.NDArray[np.bool_]

RECENT = 8
"""Steps back to compare a state with, to find short cycles soon."""

MOST_STARTS = 256
"""First estimates to store, of every factor; further ones are made again."""

UNITARY = 0.999
"""Least similarity with the identity of a codeword that is unbound from itself."""


@dataclass(frozen=True)
class Factors:
    """What :meth:`Factorizer.solve` found: of one scene, or lists and arrays of as many as there are scenes.

    Attributes
    ----------
    names : dict, or list of dict
        The name that each book gives; of an unsolved scene, the answer most like it.
    steps : int, or (p,) int64 array
        Sweeps over all factors.
    similarity : float, or (p,) float64 array
        Of the product of the named atoms with the scene.
    solved : bool, or (p,) bool array
        Whether that similarity is what the stated noise leaves: no label is needed.
    """

    names: Any
    steps: Any
    similarity: Any
    solved: Any


class _Run:
    """Scenes that are processed together. A finished one makes room for the next that waits, so blocks stay full.

    All state has one row per scene in work: arrays of the backend, and counters on the host.
    """

    def __init__(self, space: Space, starts: "_Starts", scenes: Array) -> None:
        self._space, self._starts, self._waiting = space, starts, scenes
        count = min(len(scenes), max(LEAST_BLOCK, BLOCK // space.vsa.dim))
        self._next = count
        self.ids: Ints = np.arange(count)
        self.steps: Ints = np.zeros(count, np.int64)
        self.restarts: Ints = np.zeros(count, np.int64)
        self._begun: Ints = np.zeros(count, np.int64)
        self._marks: Complexes = np.full((count, RECENT + 1), np.nan, np.complex128)
        xp = space.xp
        self.scenes = xp.asarray(space.entered(scenes[:count]), copy=True)  # rows are replaced, but not the caller's
        self.estimates = [xp.asarray(xp.broadcast_to(x, self.scenes.shape), copy=True) for x in starts[0]]
        self.residue = self._unbound(self.scenes, self.estimates)

    def __len__(self) -> int:
        return len(self.ids)

    def _unbound(self, residue: Array, estimates: list[Array]) -> Array:
        for estimate in estimates:
            residue = self._space.unbind(estimate, residue)
        return residue

    def restart(self, rows: Ints) -> None:
        """Restart scenes from their next mixture."""
        self.restarts[rows] += 1
        self._start(rows)

    def replace(self, rows: Ints) -> None:
        """Put waiting scenes into rows, as far as there are any, and drop the other rows."""
        count = min(len(rows), len(self._waiting) - self._next)
        fresh, gone = rows[:count], rows[count:]
        if count:
            self.ids[fresh] = np.arange(self._next, self._next + count)
            self.steps[fresh], self.restarts[fresh] = 0, 0
            self.scenes[self._native(fresh)] = self._space.entered(self._waiting[self._next : self._next + count])
            self._next += count
            self._start(fresh)
        if len(gone):
            self._keep(np.delete(np.arange(len(self)), gone))

    def _start(self, rows: Ints) -> None:
        xp, into = self._space.xp, self._native(rows)
        starts = [self._starts[number] for number in self.restarts[rows]]
        first = [xp.stack(estimates) for estimates in zip(*starts, strict=True)]
        for estimate, values in zip(self.estimates, first, strict=True):
            estimate[into] = values
        self.residue[into] = self._unbound(xp.take(self.scenes, into, axis=0), first)
        self._begun[rows], self._marks[rows] = self.steps[rows], np.nan

    def _keep(self, rows: Ints) -> None:
        taken = self._native(rows)
        self.scenes, self.residue, *self.estimates = (
            self._space.xp.take(x, taken, axis=0) for x in (self.scenes, self.residue, *self.estimates)
        )
        self.ids, self.steps, self.restarts, self._begun = (
            counter[rows] for counter in (self.ids, self.steps, self.restarts, self._begun)
        )
        self._marks = self._marks[rows]

    def repeats(self, mark: Complexes) -> Bools:
        """Return which scenes are in the same state as a few steps ago, or at the last power of two."""
        step = self.steps - self._begun
        found: Bools = np.any(np.abs(mark[:, None] - self._marks) <= SAME, axis=-1)
        self._marks[np.arange(len(self)), step % RECENT] = mark
        self._marks[:, RECENT] = np.where(step & (step - 1) == 0, mark, self._marks[:, RECENT])
        return found

    def _native(self, rows: Ints) -> Array:
        return self._space.vsa.kernels.arrays.from_numpy(rows)


class _Starts:
    """First estimates: the bundles of all codewords, then random mixtures, the same for every scene."""

    def __init__(self, space: Space, seed: int) -> None:
        self._space, self._seed = space, seed
        self._made: dict[int, list[Array]] = {}

    def __getitem__(self, number: int) -> list[Array]:
        if number not in self._made:
            if len(self._made) >= MOST_STARTS:
                self._made.clear()
            generator = np.random.default_rng([self._seed % 2**64, 0, int(number)])
            self._made[number] = [self._start(f, number, generator) for f in range(len(self._space.codes))]
        return self._made[number]

    def _start(self, factor: int, number: int, generator: np.random.Generator) -> Array:
        n = len(self._space.codes[factor])
        weights = generator.random((1, n)) if number else np.ones((1, n))
        native = self._space.vsa.kernels.arrays.from_numpy(weights.astype(np.float32))
        like = self._space.mixed_codes[factor]
        xp = self._space.xp
        native = xp.astype(native, like.dtype, copy=False) if xp.isdtype(like.dtype, "real floating") else native
        return self._space.mixtures(factor, native)[0]


class Factorizer:
    """A resonator network: finds the atoms, one from each codebook, whose product a scene is.

    Each factor in turn is estimated from the scene and the newest estimates of the others: unbind them, score the
    codebook by similarity, and mix its atoms by their scores (Frady, Kent, Olshausen and Sommer 2020). With
    ``rule="threshold"`` only scores above chance count (Langenegger et al. 2023), and with ``flips`` the atoms that are
    mixed are slightly wrong ones (Karunaratne et al. 2024): both find more factors at the same dimension.

    Parameters
    ----------
    books : mapping of names to ItemMemory
        The codebooks, of one model that binds commutatively and normalizes: MAP-B, MAP-I, FHRR, MCR, CGR or SBC, or
        HRR, MAP-C, HLB or MAP-T with normalized atoms. MAP-B is the fastest.
    rule : {"threshold", "identity"}
    threshold : float, optional
        Scores count if they exceed this many standard deviations of the similarity of unrelated atoms: by default
        ``sqrt(2 ln n) - 1`` for n codewords, so a few wrong ones pass. If no score passes, all count. Signs of
        scores are ignored where binding the negatives of two factors changes nothing: for MAP, HRR, FHRR and MCR.
    flips : float
        Share of the components of each codeword that are negated, once, in the atoms that are mixed.
    noise : float
        Share of the components of scenes that are wrong: ``1 - 2 noise`` is the similarity at which to stop.
    restarts : int, optional
        How often a scene may start again, from a random mixture, when its estimates repeat themselves. By default as
        often as ``max_steps`` allows.
    max_steps : int, optional
        Sweeps over the factors, at most: by default the number of products over F times the largest book, which is as
        many comparisons as trying all products, from 1000 to 20 000.
    seed : int
        Chooses mixtures and flips. A scene's answer does not depend on the others of its batch.

    Raises
    ------
    UnsupportedError
        If the model does not bind two vectors commutatively, or has no identity or normalized vectors.
    MismatchError
        If the books are of different models.
    ParameterError
        If there is no book, a book is empty, or its vectors do not unbind exactly.

    Examples
    --------
    >>> import hdc
    >>> vsa = hdc.create("MAP-B", 1000)
    >>> books = {"shape": hdc.ItemMemory(vsa, ["ball", "cube"]), "color": hdc.ItemMemory(vsa, ["red", "green"])}
    >>> scene = vsa.bind(vsa.symbol("cube"), vsa.symbol("red"))
    >>> hdc.Factorizer(books).solve(scene).names
    {'shape': 'cube', 'color': 'red'}
    """

    def __init__(
        self,
        books: Mapping[Name, ItemMemory],
        *,
        rule: str = "threshold",
        threshold: float | None = None,
        flips: float = 0.0,
        noise: float = 0.0,
        restarts: int | None = None,
        max_steps: int | None = None,
        seed: int = 0,
    ) -> None:
        self.books = _checked_books(books)
        self.vsa: VSA = next(iter(self.books.values())).vsa
        self.rule = choice(rule, "rule", RULES)
        self.threshold = None if threshold is None else number(threshold, "threshold", 0.0)
        self.flips = number(flips, "flips", 0.0, 0.5)
        self.noise = number(noise, "noise", 0.0, 0.5)
        self.restarts = None if restarts is None else integer(restarts, "restarts", 0)
        self.seed = check_seed(seed)
        sizes = [len(book) for book in self.books.values()]
        default = min(max(LEAST_STEPS, math.prod(sizes) // (len(sizes) * max(sizes))), MOST_STEPS)
        self.max_steps = default if max_steps is None else integer(max_steps, "max_steps", 1)
        deviation = float(self.vsa.scores(1).reject_sd)
        limits = [_default_threshold(n) if self.threshold is None else self.threshold for n in sizes]
        self._least = [deviation * limit for limit in limits]
        self._space = space_of(self.vsa, [book.vectors for book in self.books.values()], self.flips, self.seed)
        self._starts = _Starts(self._space, self.seed)

    @cached_property
    def _projections(self) -> list[Array]:
        """Two random columns for the scores of each book, in their dtype."""
        space, generator = self._space, np.random.default_rng([self.seed % 2**64, 2])
        columns = (generator.normal(size=(len(code), 2)) for code in space.codes)
        dtypes = (space.scores(factor, code[:1]).dtype for factor, code in enumerate(space.codes))
        native = map(space.vsa.kernels.arrays.from_numpy, columns)
        return [space.xp.astype(x, dtype) for x, dtype in zip(native, dtypes, strict=True)]

    def __repr__(self) -> str:
        sizes = ", ".join(f"{name!r}: {len(book)}" for name, book in self.books.items())
        return f"Factorizer({self.vsa!r}, {{{sizes}}}, rule={self.rule!r})"

    def solve(self, scenes: Array) -> Factors:
        """Factorize one scene, or many at once.

        Parameters
        ----------
        scenes : (storage,) or (p, storage) array

        Returns
        -------
        Factors

        Raises
        ------
        DimensionError
            If ``scenes`` has other axes.
        DTypeError, DeviceError, PaddingError
            As :meth:`hdc.VSA.check`.
        """
        checked = self.vsa.check(scenes, "scenes")
        if checked.ndim not in (1, 2):
            raise DimensionError(
                f"solve takes one scene ({self.vsa.storage},) or several (p, {self.vsa.storage}), "
                f"not shape {tuple(checked.shape)}"
            )
        rows = checked.reshape(-1, self.vsa.storage)
        found = _Found(len(rows), len(self.books))
        if len(rows):
            self._solve(_Run(self._space, self._starts, rows), found)
        return self._named(found, checked.ndim == 1)

    def _solve(self, run: _Run, found: "_Found") -> None:
        while len(run):
            choices, mark = self._sweep(run)
            run.steps += 1
            similarity = self._host(self._space.agreements(self._space.products(choices), run.scenes))
            found.note(run.ids, run.steps, similarity, np.stack([self._host(chosen) for chosen in choices], axis=-1))
            cycle = run.repeats(mark)
            none_left = run.restarts >= (self.max_steps if self.restarts is None else self.restarts)
            over = (similarity >= self._target) | (run.steps >= self.max_steps) | (cycle & none_left)
            again = np.flatnonzero(cycle & ~over)
            if len(again):
                run.restart(again)
            if over.any():
                run.replace(np.flatnonzero(over))

    def _sweep(self, run: _Run) -> tuple[list[Array], Complexes]:
        """Estimate every factor once; return the best codewords, and a number that marks the state of each scene.

        The mark is a random projection of all scores, which alone determine the next estimates.
        """
        space, xp = self._space, self._space.xp
        choices, mark = [], np.zeros(len(run), np.complex128)
        for factor, estimate in enumerate(run.estimates):
            query = space.bind(estimate, run.residue)
            scores = space.scores(factor, query)
            choices.append(xp.argmax(xp.abs(scores) if space.signed else scores, axis=-1))
            mark += self._host(scores @ self._projections[factor]) @ [1, 1j]
            run.estimates[factor] = space.mixtures(factor, self._weights(factor, scores))
            run.residue = space.unbind(run.estimates[factor], query)
        return choices, mark

    def _weights(self, factor: int, scores: Array) -> Array:
        """Return the scores that count; all of them if none does."""
        if self.rule == "identity":
            return scores
        xp = self._space.xp
        passing = (xp.abs(scores) if self._space.signed else scores) > self._least[factor]
        return xp.where(passing | ~xp.any(passing, axis=-1, keepdims=True), scores, 0)

    @property
    def _target(self) -> float:
        expected = 1 - 2 * self.noise
        return expected - MARGIN * math.sqrt((1 - expected**2) / self.vsa.dim) - ROUNDING

    def _host(self, x: Array) -> Any:
        return self.vsa.kernels.arrays.to_numpy(x)

    def _named(self, found: "_Found", one: bool) -> Factors:
        solved = found.similarity >= self._target
        names = [
            {name: book.names[i] for (name, book), i in zip(self.books.items(), row, strict=True)}
            for row in found.choices.tolist()
        ]
        if one:
            return Factors(names[0], int(found.steps[0]), float(found.similarity[0]), bool(solved[0]))
        return Factors(names, found.steps, found.similarity, solved)


class _Found:
    """The best answer of each scene so far."""

    def __init__(self, scenes: int, factors: int) -> None:
        self.steps = np.zeros(scenes, np.int64)
        self.similarity = np.full(scenes, -np.inf)
        self.choices = np.zeros((scenes, factors), np.int64)

    def note(self, rows: Ints, steps: Ints, similarity: Floats, choices: Ints) -> None:
        """Store the steps of scenes, and their answers if these are more similar than the previous ones."""
        better = similarity > self.similarity[rows]
        self.steps[rows] = steps
        self.similarity[rows[better]] = similarity[better]
        self.choices[rows[better]] = choices[better]


def _default_threshold(n: int) -> float:
    """Return ``L - 1`` for ``L = sqrt(2 ln n)``: which about ``exp(L) / (2 L - 2)`` of n chance scores pass."""
    return max(0.0, math.sqrt(2 * math.log(n)) - 1)


def _checked_books(books: Any) -> dict[Name, ItemMemory]:
    found = {key: instance(book, f"the book of {key!r}", ItemMemory) for key, book in mapping(books, "books").items()}
    if not found:
        raise ParameterError("a Factorizer needs at least one codebook, and none was given")
    vsa = next(iter(found.values())).vsa
    if not (vsa.binds_vectors and vsa.commutative):
        raise UnsupportedError(f"a Factorizer needs a model that binds two vectors in any order, not {vsa.model}")
    for key, book in found.items():
        vsa.check_same(book.vsa)
        if not len(book):
            raise ParameterError(f"the book of {key!r} is empty; add items first")
        _check_unitary(vsa, key, book)
    return found


def _check_unitary(vsa: VSA, key: Name, book: ItemMemory) -> None:
    """Check that codewords unbind exactly: bound with their inverse, they must give the identity."""
    vectors = book.vectors
    left = vsa.similarity(vsa.unbind(vectors, vectors), vsa.identity)
    if not bool(vsa.xp.all(left > UNITARY)):
        raise ParameterError(
            f"the vectors of the book of {key!r} do not unbind exactly; add names with vectors: "
            "vsa.normalize(vsa.symbols(names))"
        )
