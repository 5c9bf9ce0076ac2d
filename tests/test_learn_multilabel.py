"""Several labels a row: each is the problem of its own, in all shapes of y, among scikit-learn's classifiers."""

import numpy as np
import pytest

pytest.importorskip("sklearn", minversion="1.6", reason="scikit-learn is not installed")

from sklearn.datasets import load_iris, make_multilabel_classification
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from sklearn.multiclass import OneVsRestClassifier
from sklearn.utils import get_tags

from hdc.apps.learn import Features, HDClassifier, HDMultiLabel
from hdc.apps.learn.calibration import platt
from hdc.errors import FileFormatError, ParameterError
from tests.sklearn_checks import failures

WEIGHTS = "check_sample_weight_equivalence_on_dense_data"
REASON = "the scale of columns, the order of steps and the folds of the calibration do not know of weights"


@pytest.fixture(scope="module")
def labeled():
    """Return 600 rows of 20 counts with 5 labels each, the last 200 to predict."""
    X, y = make_multilabel_classification(600, n_classes=5, n_labels=2, random_state=1)
    return X[:400], y[:400], X[400:], y[400:]


BALANCED = pytest.param({"rule": "ridge", "balanced": True}, id="balanced ridge", marks=pytest.mark.slow)


@pytest.mark.parametrize("parameters", [pytest.param({"epochs": 2}, id="margin"), BALANCED])
def test_scikit_learns_checks(parameters):
    learner = HDMultiLabel(Features(64), calibration=2, **parameters)
    assert not failures(learner, {WEIGHTS: REASON})


def test_tags():
    tags = get_tags(HDMultiLabel())
    assert tags.classifier_tags.multi_label
    assert tags.target_tags.two_d_labels


@pytest.mark.parametrize("rule", ["centroid", "margin", "ridge"])
def test_each_label_is_a_problem_of_its_own(labeled, rule):
    X, y, new, _ = labeled
    found = HDMultiLabel(Features(256), rule=rule, alpha=1.0, epochs=3).fit(X, y)
    scores = found.decision_function(new)
    assert scores.shape == (200, 5)
    for place in range(5):
        alone = HDClassifier(Features(256), rule=rule, alpha=1.0, epochs=3).fit(X, y[:, place])
        scale = 2 if rule == "ridge" else 1  # 1 for a label and -1 for none, once, and not once a side
        expected = alone.weights_[1] - alone.weights_[0]
        np.testing.assert_allclose(scale * found.weights_[place], expected, atol=1e-4)
    np.testing.assert_array_equal(found.predict(new), scores > 0)


def test_held_out_labels(labeled):
    """Logistic regression, one against rest, gets .809 of these labels right; ridge here .811, margin .794."""
    X, y, new, truth = labeled
    found = HDMultiLabel(Features(1024)).fit(X, y)
    one_by_one = OneVsRestClassifier(LogisticRegression(max_iter=1000)).fit(X, y)
    reached = (one_by_one.predict(new) == truth).mean()
    assert (found.predict(new) == truth).mean() >= reached - 0.03
    assert (HDMultiLabel(Features(1024), rule="ridge").fit(X, y).predict(new) == truth).mean() >= reached - 0.01
    chances = found.predict_proba(new)
    losses = [log_loss(truth[:, j], chances[:, j]) for j in range(5)]
    known = [log_loss(truth[:, j], np.full(200, y[:, j].mean())) for j in range(5)]
    assert np.mean(losses) < 0.85 * np.mean(known)
    assert max(np.array(losses) - known) < 0.005


def test_balanced_labels_are_found_more_often(labeled):
    X, y, new, truth = labeled
    rare = (y[:, [0]] & y[:, [1]] & y[:, [2]], truth[:, [0]] & truth[:, [1]] & truth[:, [2]])
    both = [np.concatenate([part, 1 - part], axis=1) for part in rare]
    assert 0 < both[0][:, 0].mean() < 0.15
    plain, balanced = (
        HDMultiLabel(Features(256), rule="ridge", alpha=10.0, balanced=one).fit(X, both[0]).predict(new)[:, 0]
        for one in (False, True)
    )
    assert balanced.sum() > plain.sum()


def test_labels_of_all_rows_and_of_none():
    X, y = load_iris(return_X_y=True)
    labels = np.stack([np.ones(150), np.zeros(150), y == 0], axis=1).astype(int)
    found = HDMultiLabel(Features(128)).fit(X, labels)
    predicted = found.predict(X)
    np.testing.assert_array_equal(predicted[:, :2], labels[:, :2])
    assert (predicted[:, 2] == labels[:, 2]).mean() > 0.98
    assert np.isfinite(found.predict_proba(X)).all()


def test_classes_in_place_of_labels():
    X, y = load_iris(return_X_y=True)
    names = np.array(["setosa", "versicolor", "virginica"])[y]
    found = HDMultiLabel(Features(256)).fit(X, names)
    assert found.score(X, names) > 0.93
    np.testing.assert_allclose(found.predict_proba(X).sum(axis=1), 1)
    two = HDMultiLabel(Features(256)).fit(X[:100], names[:100])
    assert two.decision_function(X[:100]).shape == (100,)
    assert two.predict_proba(X[:100]).shape == (100, 2)
    assert two.score(X[:100], names[:100]) > 0.98


def test_files(labeled, tmp_path):
    X, y, new, _ = labeled
    names = np.array(["a", "b"])[y[:, 0]]
    for target in (y, names):
        found = HDMultiLabel(Features(128), rule="ridge", calibration=0).fit(X, target)
        found.save(tmp_path / "model")
        again = HDMultiLabel.load(tmp_path / "model")
        np.testing.assert_array_equal(again.predict_proba(new), found.predict_proba(new))
        np.testing.assert_array_equal(again.predict(new), found.predict(new))
        assert again.get_params()["rule"] == "ridge"
    found.intercept_ = np.zeros(7, np.float32)
    found.save(tmp_path / "model")
    with pytest.raises(FileFormatError, match="for 1 labels"):
        HDMultiLabel.load(tmp_path / "model")


def test_wrong_parameters():
    X, y = load_iris(return_X_y=True)
    with pytest.raises(ParameterError, match="rule must be one of centroid"):
        HDMultiLabel(rule="glvq").fit(X, y)
    with pytest.raises(ParameterError, match="a column has other numbers"):
        HDMultiLabel().fit(X, np.stack([y, y], axis=1))
    with pytest.raises(ParameterError, match="150 rows and y 149"):
        HDMultiLabel(Features(64)).fit(X, y[1:])


def test_platts_numbers_are_those_that_made_the_labels():
    """Labels drawn with known chances: 20,000 find the temperature to 5 % and the offset to .05, six deviations."""
    rng = np.random.default_rng(0)
    scores = rng.normal(0, 0.2, 20_000)
    labels = (rng.random(20_000) < 1 / (1 + np.exp(-(scores - 0.3) / 0.1))).astype(np.int64)
    temperature, offset = platt(scores, labels, np.ones(20_000, np.float32))
    assert temperature == pytest.approx(0.1, rel=0.05)
    assert offset == pytest.approx(-0.3, abs=0.05)
    for alone in (0, 1):
        found = platt(scores, np.full(20_000, alone), np.ones(20_000, np.float32))
        assert np.isfinite(found).all()
