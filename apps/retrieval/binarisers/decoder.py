"""What a code stands for: a sum of table entries, one for each four bits, learned together with the codes.

A group of four bits chooses one of 16 vectors, and a code decodes to the sum of its groups' vectors. BEBR's linear
map of the accumulated code is the special case in which a group's vectors are signed sums of four columns; tables
of their own also follow clusters (additive quantisation: Babenko & Lempitsky 2014; Martinez et al. 2018).

Codes and tables are fitted in turns. Given the tables, each code is improved by local search; given the codes, the
tables solve a least-squares problem. Both minimise, over the error e of a vector x,

    (M e).(M e) + parallel * (e.x)**2 / mean(x.x)

M weighs an eigenvector of the covariance by ``variance ** (whitening / 2)``, because queries are drawn like the
vectors and vary little along axes of little variance. The second term is the error of the score of a query near x
(the anisotropic loss of Guo et al. 2020): near neighbours are what recall counts.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from hdc.backends.numpy_backend import LEVELS
from hdc.registry import backend as find_backend

Floats = npt.NDArray[np.float32]
Groups = npt.NDArray[np.uint8]

GROUP_BITS = 4

BLOCK_BYTES = 1 << 26
"""Temporaries of :meth:`TableDecoder.refine` stay under about this many bytes (64 MiB)."""

SOLVER_STEPS = 4
"""Steps of conjugate gradients each time the tables are fitted; the next round goes on from there."""


@dataclass(frozen=True)
class TableDecoder:
    """Tables and the metric in which codes are chosen.

    Attributes
    ----------
    mean : (d,) float32
    metric : (d, d) float32
        Symmetric; the M of the module's formula.
    parallel : float
        Weight of the score error near the vector itself, divided by the mean squared norm.
    tables : (16 * groups, d) float32
        Row ``v * groups + g`` is what value v of group g adds to the mean.
    """

    mean: Floats
    metric: Floats
    parallel: float
    tables: Floats

    @property
    def groups(self) -> int:
        """Groups of four bits in a code."""
        return len(self.tables) // LEVELS

    def decode(self, codes: Groups) -> Floats:
        """Return the ``(n, d)`` float32 vectors that ``(n, groups)`` uint8 codes stand for."""
        decoded: Floats = self.mean + _product(codes, self.tables)
        return decoded

    def refine(self, x: Floats, codes: Groups, steps: int) -> Groups:
        """Improve ``(n, groups)`` uint8 codes of ``(n, d)`` float32 vectors by local search."""
        kernel = find_backend("auto").tables.refine
        seen = self.tables @ self.metric
        pair = seen @ seen.T
        own = np.ascontiguousarray(pair.diagonal())
        pair *= np.float32(2)
        out = np.empty_like(codes)
        for rows in blocks(len(x), 12 * len(self.tables)):
            centred = x[rows] - self.mean
            side = np.float32(np.sqrt(self.parallel)) * (centred @ self.tables.T)
            goal = np.float32(np.sqrt(self.parallel)) * np.einsum("nd,nd->n", centred, centred)[:, None]
            linear = own - 2 * ((centred @ self.metric) @ seen.T) + side * (side - 2 * goal)
            out[rows] = kernel(linear, side * np.float32(np.sqrt(2)), pair, codes[rows], steps)
        return out


def blocks(rows: int, row_bytes: int) -> Iterator[slice]:
    """Cut rows into slices of at most ``BLOCK_BYTES``."""
    step = max(1, BLOCK_BYTES // row_bytes)
    for start in range(0, rows, step):
        yield slice(start, min(rows, start + step))


def _product(codes: Groups, tables: Floats) -> Floats:
    """Return, for each code, the sum of the table rows it chooses."""
    n, groups = codes.shape
    chosen = codes.astype(np.int64) * groups + np.arange(groups)
    ones, ends = np.ones(n * groups, dtype=np.float32), np.arange(0, n * groups + 1, groups)
    product: Floats = find_backend("auto").dense.csr_matmul(ones, chosen.ravel(), ends, tables)
    return product


def _scatter(codes: Groups, rows: Floats) -> Floats:
    """Return, for each table row, the sum of the rows whose codes choose it: the transposed product."""
    n, groups = codes.shape
    chosen = (codes.astype(np.int64) * groups + np.arange(groups)).ravel()
    order = np.argsort(chosen, kind="stable")
    ends = np.concatenate([[0], np.cumsum(np.bincount(chosen, minlength=LEVELS * groups))])
    ones = np.ones(n * groups, dtype=np.float32)
    sums: Floats = find_backend("auto").dense.csr_matmul(ones, order // groups, ends, rows)
    return sums


def metric_of(x: Floats, whitening: float) -> Floats:
    """Return the symmetric power of the covariance of centred rows, with eigenvalues of mean square 1."""
    variances, axes = np.linalg.eigh((x.T @ x).astype(np.float64) / len(x))
    weights = np.maximum(variances, variances[-1] * 1e-6) ** (whitening / 2)
    weights /= np.sqrt((weights**2 * variances).sum() / variances.sum())
    return ((axes * weights) @ axes.T).astype(np.float32)


def fit_tables(x: Floats, codes: Groups, tables: Floats, metric: Floats, parallel: float, ridge: float) -> Floats:
    """Take some steps of preconditioned conjugate gradients from given tables towards the best for these codes.

    Parameters
    ----------
    x : (n, d) float32, centred
    codes : (n, groups) uint8
    tables : (16 * groups, d) float32
    metric : (d, d) float32
    parallel, ridge : float
    """
    groups = codes.shape[1]
    weights = metric @ metric

    def weigh(error: Floats) -> Floats:
        along = np.float32(parallel) * np.einsum("nd,nd->n", error, x)
        return error @ weights + along[:, None] * x

    precondition = _preconditioner(codes, groups, metric, ridge)
    residual = _scatter(codes, weigh(x - _product(codes, tables)))
    step = precondition(residual)
    direction, size = step, float(np.vdot(residual, step))
    for _ in range(SOLVER_STEPS):
        image = _scatter(codes, weigh(_product(codes, direction))) + np.float32(ridge) * (direction @ weights)
        length = np.float32(size / max(float(np.vdot(direction, image)), 1e-30))
        tables = tables + length * direction
        residual = residual - length * image
        step = precondition(residual)
        size, before = float(np.vdot(residual, step)), size
        direction = step + np.float32(size / max(before, 1e-30)) * direction
    return tables


def _preconditioner(codes: Groups, groups: int, metric: Floats, ridge: float) -> Callable[[Floats], Floats]:
    """Return the exact inverse of the problem without the parallel term."""
    from scipy.linalg import cho_factor, cho_solve
    from scipy.sparse import csr_matrix

    n = len(codes)
    chosen = (codes.astype(np.int64) * groups + np.arange(groups)).ravel()
    ends = np.arange(0, n * groups + 1, groups)
    choices = csr_matrix((np.ones(n * groups, dtype=np.float32), chosen, ends), shape=(n, LEVELS * groups))
    together = (choices.T @ choices).toarray()
    together[np.diag_indices_from(together)] += np.float32(ridge)
    factor = cho_factor(together)
    undo = np.linalg.inv(metric @ metric)
    return lambda residual: np.asarray(cho_solve(factor, residual @ undo), dtype=np.float32)
