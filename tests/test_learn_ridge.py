"""Ridge regression against scikit-learn's, and its leave-one-out error against leaving rows out one by one."""

import numpy as np
import pytest

pytest.importorskip("sklearn", reason="scikit-learn is not installed")

from sklearn.linear_model import Ridge

from hdc.apps.learn.rows import Rows
from hdc.apps.learn.rules import ridge


def problem(n, dim, targets=2, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((n, dim))
    x /= np.linalg.norm(x, axis=1, keepdims=True)
    y = x @ rng.standard_normal((dim, targets)) + 0.3 * rng.standard_normal((n, targets)) + 5
    return x, y, rng.uniform(0.2, 2, n).astype(np.float32)


@pytest.mark.parametrize(("n", "dim"), [(1, 3), (8, 30), (30, 30), (80, 7)])
def test_both_ways_are_ridge_regression(n, dim):
    x, y, weight = problem(n, dim)
    found = ridge.fit(Rows(x.astype(np.float32), dim), y, weight, alpha=0.1)
    expected = Ridge(alpha=0.1).fit(x, y, sample_weight=weight)
    np.testing.assert_allclose(found.weights.T, expected.coef_, atol=2e-4)
    np.testing.assert_allclose(found.intercept, expected.intercept_, atol=2e-4)


@pytest.mark.parametrize(("n", "dim"), [(12, 40), (60, 9)])
def test_alpha_is_the_one_of_least_error_on_rows_that_are_left_out(n, dim):
    x, y, weight = problem(n, dim, seed=1)
    found = ridge.fit(Rows(x.astype(np.float32), dim), y, weight)
    mean = weight @ x / weight.sum()
    centered = (x - mean) * np.sqrt(weight)[:, None]
    unit = np.trace(centered.T @ centered) / dim

    def left_out(alpha):
        total = 0.0
        for i in range(n):
            rest = np.arange(n) != i
            one = Ridge(alpha=alpha).fit(x[rest], y[rest], sample_weight=weight[rest])
            total += weight[i] * ((one.predict(x[i : i + 1]) - y[i]) ** 2).sum()
        return total

    errors = [left_out(alpha) for alpha in ridge.GRID * unit]
    assert found.alpha == pytest.approx((ridge.GRID * unit)[int(np.argmin(errors))], rel=1e-3)


def test_sums_of_parts_are_those_of_the_whole():
    x, y, weight = problem(50, 6)
    rows = Rows(x.astype(np.float32), 6)
    state = ridge.empty(6, 2)
    for part in (slice(0, 20), slice(20, 50)):
        state = ridge.added(state, rows.take(part), y[part], weight[part])
    found, expected = ridge.solved(state, 0.05), ridge.fit(rows, y, weight, 0.05)
    np.testing.assert_allclose(found.weights, expected.weights, atol=1e-6)
    assert ridge.solved(state, None).alpha > 0
