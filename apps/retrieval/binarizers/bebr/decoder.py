"""TableDecoder: a code decodes to a sum of table entries, one per four bits, learned together with the codes.

A group of four bits selects one of 16 vectors, and a code decodes to the sum of its groups' vectors. BEBR's linear map
of the accumulated code is the special case where a group's vectors are signed sums of four columns. Free tables can
also follow clusters (additive quantization: Babenko & Lempitsky 2014; Martinez et al. 2018).

Codes and tables are fitted in turns. With fixed tables, local search improves each code. With fixed codes, the tables
solve a least-squares problem. Both minimize, over the error e of a vector x,

    (M e).(M e) + parallel * (e.x)**2 / mean(x.x)

M weights an eigenvector of the covariance by ``variance ** (whitening / 2)``: queries are distributed like the vectors,
so they vary little along axes of small variance. The second term is the error of the score of a query near x (the
anisotropic loss of Guo et al. 2020); recall counts such near neighbors.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from hdc.apps.retrieval.binarizers.base import GROUP_BITS, Floats, blocks, sign_tables
from hdc.dispatch import backend as find_backend
from hdc.dispatch import table_kernels
from hdc.kernels import Backend

Groups = npt.NDArray[np.uint8]

LEVELS = 1 << GROUP_BITS
"""Values of a four-bit group."""

RIDGE, MOST_RIDGES = 3.0, 10.0
"""Weight, in vectors, that keeps entries of rare values near their last ones, and its multiple for small samples."""

LEAST_VARIANCE = 1e-6
"""Smallest variance of an axis that counts, as a share of the largest."""

LEAST_WEIGHT = 1e-3
"""Smallest weight of an axis, as a share of the largest; the metric is inverted in float32."""

REST_BLOCK = 128
"""Factor by which blocks of vectors are smaller than usual; larger ones run slower."""

SOLVER_STEPS = 4
"""Conjugate gradient steps per table fit; the next round continues from there."""


@dataclass(frozen=True)
class TableDecoder:
    """Tables, and the metric by which codes are chosen.

    Attributes
    ----------
    mean : (d,) float32
    metric : (d, d) float32
        Symmetric; M in the module's formula.
    parallel : float
        Weight of the score error near the vector itself, divided by the mean squared norm.
    tables : (16 * groups, d) float32
        Row ``v * groups + g`` is what value v of group g adds to the mean.
    backend : str
    """

    mean: Floats
    metric: Floats
    parallel: float
    tables: Floats
    backend: str

    @property
    def groups(self) -> int:
        """Number of four-bit groups per code."""
        return len(self.tables) // LEVELS

    def decode(self, codes: Groups) -> Floats:
        """Decode ``(n, groups)`` uint8 codes to ``(n, d)`` float32 vectors."""
        decoded: Floats = self.mean + _Choices(find_backend(self.backend), codes).times(self.tables)
        return decoded

    def lengths(self, codes: Groups) -> Floats:
        """Return the ``(n,)`` float32 lengths of decoded ``(n, groups)`` uint8 codes, block by block."""
        out = np.empty(len(codes), dtype=np.float32)
        for rows in blocks(len(codes), 16 * self.groups + 8 * len(self.mean)):
            out[rows] = np.linalg.norm(self.decode(codes[rows]), axis=1)
        return out

    def refine(self, x: Floats, codes: Groups, steps: int) -> Groups:
        """Improve ``(n, groups)`` uint8 codes of ``(n, d)`` float32 vectors by local search."""
        kernel, pair = table_kernels(find_backend(self.backend)).refine, self._pair
        out = np.empty_like(codes)
        for rows in blocks(len(x), 12 * len(self.tables)):
            linear, side = self._costs(x[rows])
            out[rows] = kernel(linear, side[:, None], pair, codes[rows], steps)
        return out

    def greedy(self, x: Floats, begun: Groups | None = None) -> Groups:
        """Return ``(n, groups)`` uint8 codes whose groups are chosen one by one, each given the groups before it.

        The first groups of ``begun``, ``(n, g)`` uint8, are fixed; without it, all groups are chosen.
        """
        if not self.parallel:
            return self._greedy_by_rest(x, begun)
        pair = self._pair.reshape(LEVELS, self.groups, LEVELS, self.groups)
        given = 0 if begun is None else begun.shape[1]
        out = np.empty((len(x), self.groups), dtype=np.uint8)
        for rows in blocks(len(x), 16 * len(self.tables)):
            linear, side = (cost.reshape(-1, LEVELS, self.groups) for cost in self._costs(x[rows]))
            chosen_side, every = np.zeros((len(linear), 1), dtype=np.float32), np.arange(len(linear))
            for group in range(self.groups):
                if begun is not None and group < given:
                    values = begun[rows, group]
                else:
                    values = np.argmin(linear[:, :, group] + side[:, :, group] * chosen_side, axis=1)
                out[rows, group] = values
                linear[:, :, group + 1 :] += pair[values, group][:, :, group + 1 :]
                chosen_side += side[every, values, group][:, None]
        return out

    def _greedy_by_rest(self, x: Floats, begun: Groups | None) -> Groups:
        """Run :meth:`greedy` without a parallel term: choose the value nearest to what earlier groups leave."""
        entries = self._seen.reshape(LEVELS, self.groups, -1).swapaxes(0, 1)
        halves = np.einsum("gvd,gvd->gv", entries, entries) / np.float32(2)
        given = 0 if begun is None else begun.shape[1]
        out = np.empty((len(x), self.groups), dtype=np.uint8)
        for rows in blocks(len(x), 4 * REST_BLOCK * x.shape[1]):
            rest = (x[rows] - self.mean) @ self.metric
            for group in range(self.groups):
                if begun is not None and group < given:
                    values = begun[rows, group]
                else:
                    values = np.argmin(halves[group] - rest @ entries[group].T, axis=1)
                out[rows, group] = values
                rest -= entries[group][values]
        return out

    @cached_property
    def _seen(self) -> Floats:
        """Table rows multiplied by the metric."""
        seen: Floats = self.tables @ self.metric
        return seen

    @cached_property
    def _pair(self) -> Floats:
        """Twice the products of all pairs of these rows."""
        pair: Floats = np.float32(2) * (self._seen @ self._seen.T)
        return pair

    def _costs(self, x: Floats) -> tuple[Floats, Floats]:
        """Return each table row's own cost for each vector, and the factors of the cost of two rows together."""
        centered: Floats = x - self.mean
        along: Any = np.float32(np.sqrt(self.parallel))
        side: Floats = along * (centered @ self.tables.T)
        goal = along * np.einsum("nd,nd->n", centered, centered)[:, None]
        own = self._pair.diagonal() / np.float32(2)
        linear: Floats = own - 2 * ((centered @ self.metric) @ self._seen.T) + side * (side - 2 * goal)
        return linear, side * np.float32(np.sqrt(2))


class _Choices:
    """Sparse 0/1 matrix of the table rows that each of ``(n, groups)`` uint8 codes chooses."""

    def __init__(self, kernels: Backend, codes: Groups) -> None:
        self._n, self._groups = codes.shape
        self._chosen = (codes.astype(np.int64) * self._groups + np.arange(self._groups)).ravel()
        self._ones = np.ones(len(self._chosen), dtype=np.float32)
        self._matmul = kernels.dense.csr_matmul

    def times(self, tables: Floats) -> Floats:
        """Return the sum of the table rows that each code chooses."""
        ends = np.arange(0, len(self._chosen) + 1, self._groups)
        product: Floats = self._matmul(self._ones, self._chosen, ends, tables)
        return product

    @cached_property
    def _users(self) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        order = np.argsort(self._chosen, kind="stable") // self._groups
        counts = np.bincount(self._chosen, minlength=LEVELS * self._groups)
        return order, np.concatenate([[0], np.cumsum(counts)])

    def transposed_times(self, rows: Floats) -> Floats:
        """Return, per table row, the sum of the rows whose codes choose it."""
        users, ends = self._users
        product: Floats = self._matmul(self._ones, users, ends, rows)
        return product

    @property
    def fewer_codes(self) -> bool:
        """Whether there are fewer codes than table rows."""
        return bool(self._n < LEVELS * self._groups)

    def shared(self, roots: Floats | None) -> npt.NDArray[np.float32]:
        """Return the number of groups that each pair of codes has in common, times a factor of each code."""
        from scipy.sparse import csr_matrix

        ends, shape = np.arange(0, len(self._chosen) + 1, self._groups), (self._n, LEVELS * self._groups)
        matrix = csr_matrix((self._ones, self._chosen, ends), shape=shape)
        product: npt.NDArray[np.float32] = (matrix @ matrix.T).toarray()
        return product if roots is None else product * roots * roots.T

    def together(self, counts: Floats | None) -> npt.NDArray[np.float32]:
        """Return how many codes, or how much of their weight, choose each pair of table rows: the Gram matrix."""
        from scipy.sparse import csr_matrix

        ends, shape = np.arange(0, len(self._chosen) + 1, self._groups), (self._n, LEVELS * self._groups)
        matrix = csr_matrix((self._ones, self._chosen, ends), shape=shape)
        counted = self._ones if counts is None else np.repeat(counts, self._groups)
        product: npt.NDArray[np.float32] = (matrix.T @ csr_matrix((counted, self._chosen, ends), shape=shape)).toarray()
        return product


def linear_tables(x: Floats, signs: Floats) -> Floats:
    """Return the least-squares linear decoder of ``(n, bits)`` signs to ``(n, d)`` centered rows, as tables."""
    together: npt.NDArray[np.float64] = (signs.T @ signs).astype(np.float64)
    together[np.diag_indices_from(together)] += RIDGE
    columns = np.linalg.solve(together, (signs.T @ x).astype(np.float64)).astype(np.float32)
    tables = sign_tables(np.ascontiguousarray(columns.T))
    return np.ascontiguousarray(tables.reshape(x.shape[1], -1).T)


def metric_of(x: Floats, whitening: float) -> Floats:
    """Return a symmetric power of the covariance of centered rows, with eigenvalues of mean square 1."""
    variances, axes = np.linalg.eigh((x.T @ x).astype(np.float64) / len(x))
    variances = np.maximum(variances, max(variances[-1] * LEAST_VARIANCE, 1e-30))
    weights = (variances / variances[-1]) ** (whitening / 2)
    weights = np.maximum(weights, LEAST_WEIGHT)
    weights /= np.sqrt((weights**2 * variances).sum() / variances.sum())
    metric: Floats = ((axes * weights) @ axes.T).astype(np.float32)
    return metric


def fit_tables(x: Floats, codes: Groups, decoder: TableDecoder, counts: Floats | None = None) -> TableDecoder:
    """Improve tables for fixed codes by some steps of preconditioned conjugate gradients.

    Parameters
    ----------
    x : (n, d) float32
    codes : (n, groups) uint8
    decoder : TableDecoder
        Its tables are the start.
    counts : (n,) float32, optional
        Weight of the error of each vector; all equal by default.
    """
    x, tables, parallel = x - decoder.mean, decoder.tables, decoder.parallel
    choices, weights = _Choices(find_backend(decoder.backend), codes), decoder.metric @ decoder.metric

    def weigh(error: Floats) -> Floats:
        along = np.float32(parallel) * np.einsum("nd,nd->n", error, x)
        weighed: Floats = error @ weights + along[:, None] * x
        return weighed if counts is None else weighed * counts[:, None]

    ridge = ridge_of(len(x), len(tables))
    precondition = _preconditioner(choices, weights, counts, ridge)
    residual = choices.transposed_times(weigh(x - choices.times(tables)))
    step = precondition(residual)
    direction, size = step, float(np.vdot(residual, step))
    for _ in range(SOLVER_STEPS):
        regular = np.float32(ridge) * (direction @ weights)
        image = choices.transposed_times(weigh(choices.times(direction))) + regular
        length = np.float32(size / max(float(np.vdot(direction, image)), 1e-30))
        tables = tables + length * direction
        residual = residual - length * image
        step = precondition(residual)
        size, before = float(np.vdot(residual, step)), size
        direction = step + np.float32(size / max(before, 1e-30)) * direction
    return replace(decoder, tables=tables)


def ridge_of(vectors: int, entries: int) -> float:
    """Return the weight that keeps entries near their previous values: ``RIDGE``, or more below ten vectors per entry.

    Tables with about as many entries as there are vectors overfit them. Encoding the same vectors again then returns
    other codes than those that the tables were fitted to.
    """
    return RIDGE * min(MOST_RIDGES, max(1.0, MOST_RIDGES * entries / vectors))


def _preconditioner(
    choices: _Choices, weights: Floats, counts: Floats | None, ridge: float
) -> Callable[[Floats], Floats]:
    """Return the exact inverse of the problem without the parallel term.

    With fewer vectors than entries, it is computed from the products of codes with each other (Woodbury's identity).
    """
    from scipy.linalg import cho_factor, cho_solve

    undo = np.linalg.inv(weights)
    if choices.fewer_codes:
        roots = None if counts is None else np.sqrt(counts)[:, None]
        shared = choices.shared(roots).astype(np.float64)
        shared[np.diag_indices_from(shared)] += ridge
        factor = cho_factor(shared, overwrite_a=True)

        def inverse(residual: Floats) -> Floats:
            right = residual @ undo
            seen = choices.times(right) if roots is None else roots * choices.times(right)
            solved = np.asarray(cho_solve(factor, seen), dtype=np.float32)
            explained = choices.transposed_times(solved if roots is None else roots * solved)
            return np.asarray((right - explained) / np.float32(ridge), dtype=np.float32)

        return inverse
    together = choices.together(counts)
    together[np.diag_indices_from(together)] += np.float32(ridge)
    of_entries = cho_factor(together)
    return lambda residual: np.asarray(cho_solve(of_entries, residual @ undo), dtype=np.float32)
