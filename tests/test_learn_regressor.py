"""Regression on hypervectors: steps against their definition, streams, weights, files, scikit-learn's checks."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import hdc
from hdc.errors import FileFormatError, ParameterError

pytest.importorskip("sklearn", minversion="1.6", reason="scikit-learn is not installed")

from sklearn.datasets import load_diabetes, load_linnerud
from sklearn.linear_model import LinearRegression
from sklearn.model_selection import GridSearchCV, cross_val_score

from hdc.apps.learn import Features, HDRegressor
from hdc.apps.learn.kmeans import directions
from hdc.apps.learn.rows import Rows
from hdc.apps.learn.rules import stepwise_regression as steps
from tests.sklearn_checks import failures

EXPECTED = {
    "check_sample_weight_equivalence_on_dense_data": "Features scales columns by rows without their weights; the test "
    "below gives hypervectors",
}
AT_ONCE = {
    "check_fit_score_takes_y": "it calls partial_fit after fit: of ridge, fit keeps no sums, which are dim**2 numbers, "
    "and partial_fit says so",
}


def units(rng, n, dim):
    return directions(rng.standard_normal((n, dim)))


def wave(n=400, seed=0):
    """Return points in a square, and numbers that are no linear function of them, with noise of .1."""
    rng = np.random.default_rng(seed)
    X = rng.uniform(-3, 3, (n, 2))
    return X, np.sin(2 * X[:, 0]) * X[:, 1] + 0.1 * rng.standard_normal(n)


def plain_steps(rows, targets, weights, centers, models, intercept, rate, sharpness):
    """Take implicit steps row by row: the error e solves e = y - prediction after a step by e."""
    models, intercept = models.astype(float).copy(), intercept.astype(float).copy()
    for h, y, weight in zip(rows.astype(float), targets, weights, strict=True):
        powers = [math.exp(sharpness * float(center @ h)) for center in centers.astype(float)]
        c = np.array(powers) / sum(powers)
        before = y - (sum(c[j] * (model @ h) for j, model in enumerate(models)) + intercept)
        error = before / (1 + rate * weight * (sum(c * c) * (h @ h) + 1))
        for j in range(len(models)):
            models[j] += rate * weight * c[j] * np.outer(error, h)
        intercept += rate * weight * error
    return models, intercept


@given(
    seed=st.integers(0, 2**32 - 1),
    shape=st.tuples(st.integers(0, 150), st.integers(1, 12), st.integers(1, 3), st.integers(1, 4)),
    rate=st.sampled_from([0.0, 0.1, 1.0, 50.0]),
)
@settings(max_examples=30, deadline=None)
def test_blocks_take_the_steps_of_the_definition(seed, shape, rate):
    (n, dim, targets, k), rng = shape, np.random.default_rng(seed)
    rows, y = units(rng, n, dim), rng.standard_normal((n, targets))
    weights = rng.choice([0.0, 0.5, 3.0], n).astype(np.float32)
    start = steps.Models(
        units(rng, k, dim), rng.standard_normal((k, targets, dim)).astype(np.float32), y[:1].sum(axis=0)
    )
    found = steps.partial(Rows(rows, dim), y, weights, start, rate, 5.0)
    expected = plain_steps(rows, y, weights, start.centers, start.weights, start.intercept, rate, 5.0)
    np.testing.assert_allclose(found.weights, expected[0], atol=2e-3)
    np.testing.assert_allclose(found.intercept, expected[1], atol=2e-3)


def test_no_weight_diverges():
    rng = np.random.default_rng(0)
    rows, y = Rows(units(rng, 300, 20), 20), rng.standard_normal((300, 1))
    found = steps.fit(rows, y, np.full(300, 1e6, np.float32), steps.StepSettings(), steps.empty(units(rng, 2, 20), 1))
    assert np.abs(found.weights).max() < 1e4


class TestAccuracy:
    @pytest.mark.parametrize(("parameters", "floor"), [({}, 0.95), ({"rule": "online"}, 0.9)])
    def test_what_is_not_linear(self, parameters, floor):
        """A linear model explains nothing here; noise leaves .995."""
        (X, y), (new, truth) = wave(), wave(seed=1)
        assert LinearRegression().fit(X, y).score(new, truth) < 0.1
        assert HDRegressor(Features(1024), **parameters).fit(X, y).score(new, truth) >= floor

    def test_several_models_learn_more_in_one_pass(self):
        (X, y), (new, truth) = wave(), wave(seed=1)
        one, more = (
            HDRegressor(Features(1024), rule="online", models=k, epochs=1, rate=1.0).fit(X, y).score(new, truth)
            for k in (1, 6)
        )
        assert more > one + 0.05

    def test_what_is_linear(self):
        """Diabetes: .48 by ordinary least squares on the same folds; kernels lose a little."""
        X, y = load_diabetes(return_X_y=True)
        assert cross_val_score(HDRegressor(Features(512)), X, y, cv=3).mean() >= 0.42
        assert cross_val_score(HDRegressor(Features(512), rule="online", rate=0.1), X, y, cv=3).mean() >= 0.39


@pytest.mark.parametrize("rule", ["ridge", "online"])
class TestHDRegressor:
    def test_scikit_learns_checks(self, rule):
        assert not failures(HDRegressor(Features(64), rule=rule), EXPECTED | (AT_ONCE if rule == "ridge" else {}))

    def test_targets_side_by_side_are_targets_one_by_one(self, rule):
        X, y = load_linnerud(return_X_y=True)
        both = HDRegressor(Features(128), rule=rule, alpha=0.1).fit(X, y)
        assert both.predict(X).shape == y.shape
        for i in range(3):
            alone = HDRegressor(Features(128), rule=rule, alpha=0.1).fit(X, y[:, i])
            assert alone.predict(X).shape == (20,)
            np.testing.assert_allclose(alone.predict(X), both.predict(X)[:, i], rtol=1e-4)

    def test_streams(self, rule):
        X, y = wave(600)
        new, truth = wave(seed=1)
        encoder = Features(512, ranges=(-3, 3), bandwidth=0.5)
        found = HDRegressor(encoder, rule=rule, alpha=1e-3, rate=1.0)
        for part in range(0, 600, 100):
            found.partial_fit(X[part : part + 100], y[part : part + 100])
        if rule == "ridge":  # the same sums: the same answer
            whole = HDRegressor(encoder, alpha=1e-3).fit(X, y)
            np.testing.assert_allclose(found.predict(new), whole.predict(new), atol=2e-2)
        assert found.score(new, truth) > 0.5
        with pytest.raises(ParameterError, match=r"y has shape \(2, 2\); there were 1 targets before"):
            found.partial_fit(X[:2], np.ones((2, 2)))

    def test_files(self, rule, tmp_path):
        X, y = wave(120)
        vsa = hdc.create("MAP-B", 128)
        X = hdc.RandomFourier(vsa, "x", 2).encode(X)
        found = HDRegressor(vsa, rule=rule, models=2, epochs=2).partial_fit(X[:60], y[:60])
        found.save(tmp_path / "model")
        again = HDRegressor.load(tmp_path / "model")
        np.testing.assert_array_equal(again.predict(X), found.predict(X))
        assert again.get_params()["models"] == 2
        for one in (found, again):
            one.partial_fit(X[60:], y[60:])
        np.testing.assert_array_equal(again.predict(X), found.predict(X))

    def test_weights_of_zero_are_rows_that_are_not_there(self, rule):
        X, y = wave(100)
        vsa = hdc.create("MAP-B", 256)
        data = hdc.RandomFourier(vsa, "x", 2).encode(X)
        weights = np.arange(100) % 2
        found = HDRegressor(vsa, rule=rule).fit(data, y, sample_weight=weights)
        alone = HDRegressor(vsa, rule=rule).fit(data[1::2], y[1::2])
        np.testing.assert_allclose(found.predict(data), alone.predict(data), rtol=1e-6)


def test_weights_are_repetitions():
    X, y = wave(60)
    vsa = hdc.create("MAP-B", 256)
    data, weights = hdc.RandomFourier(vsa, "x", 2).encode(X), np.arange(60) % 3
    one = HDRegressor(vsa, alpha=0.01).fit(data, y, sample_weight=weights)
    other = HDRegressor(vsa, alpha=0.01).fit(np.repeat(data, weights, axis=0), np.repeat(y, weights))
    np.testing.assert_allclose(one.predict(data), other.predict(data), atol=1e-3)


def test_wrong_parameters(tmp_path):
    X, y = wave(10)
    with pytest.raises(ParameterError, match="rule must be one of ridge, online"):
        HDRegressor(rule="margin").fit(X, y)
    with pytest.raises(ParameterError, match="n_samples=10 should be >= models=11"):
        HDRegressor(Features(64), rule="online", models=11).fit(X, y)
    vsa = hdc.create("MAP-B", 64)
    X = vsa.random(10, seed=0)
    fitted = HDRegressor(vsa).fit(X, y)
    with pytest.raises(ParameterError, match="cannot go on; fit anew"):
        fitted.partial_fit(X, y)
    fitted.intercept_ = np.zeros(2)
    fitted.save(tmp_path / "model")
    with pytest.raises(FileFormatError, match="shapes of intercept"):
        HDRegressor.load(tmp_path / "model")


def test_search_of_parameters():
    X, y = wave(150)
    found = GridSearchCV(HDRegressor(Features(128)), {"encoder__bandwidth": [0.3, 30.0]}, cv=2).fit(X, y)
    assert found.best_params_ == {"encoder__bandwidth": 0.3}
