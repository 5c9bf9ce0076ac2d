"""Windows: against the definition, what does and does not count, and among scikit-learn's transformers."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("sklearn", minversion="1.6", reason="scikit-learn is not installed")

from sklearn.exceptions import NotFittedError
from sklearn.utils.estimator_checks import estimator_checks_generator

import hdc
from hdc.apps.learn import HDClassifier, Windows, windows
from hdc.errors import ParameterError


def checks():
    """Return scikit-learn's checks of a transformer, by name."""
    found = [check for _, check in estimator_checks_generator(Windows(64))]
    return [pytest.param(check, id=getattr(check, "func", check).__name__) for check in found]


@pytest.mark.parametrize("check", checks())
def test_scikit_learns_checks(check):
    check(Windows(64))


def series(seed, n, channels, length):
    return np.random.default_rng(seed).normal(size=(n, channels, length))


@settings(max_examples=8, deadline=None)
@given(
    st.integers(0, 2**32 - 1),
    st.sampled_from(["MAP-I", "MAP-B"]),
    st.integers(1, 3),
    st.integers(2, 20),
    st.integers(1, 6),
    st.sampled_from(["mean", "kept"]),
    st.sampled_from([1, windows.BLOCK]),
)
def test_a_series_is_the_bundle_of_its_windows(seed, model, channels, length, window, level, block):
    X = series(seed, 4, channels, length) * 3 + 1
    encoder = Windows(128, model=model, window=window, level=level).fit(X)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(windows, "BLOCK", block)
        found = encoder.transform(X)
    vsa, span = encoder.vsa, min(window, length)
    code = hdc.RandomFourier(vsa, "windows", channels * span, bandwidth=np.sqrt(channels * span) / 3)
    unit = (X - X.mean(axis=(0, 2), keepdims=True)) / X.std(axis=(0, 2), keepdims=True)
    for row, one in zip(found, unit, strict=True):
        scales = []
        for dilation in encoder.dilations_:
            held = [one[:, at : at + (span - 1) * dilation + 1 : dilation] for at in range(length)]
            held = [part for part in held if part.shape[1] == span]
            if level == "mean" and span > 1:
                held = [part - part.mean(axis=1, keepdims=True) for part in held]
            codes = vsa.bundle(code.encode(np.array([part.ravel() for part in held])))
            scales.append(vsa.bind(vsa.role(("dilation", dilation)), codes))
        expected = vsa.bundle(np.stack(scales)) if len(scales) > 1 else scales[0]
        assert vsa.similarity(row, expected) > 0.95  # a window at a cosine's zero may round to either sign


@settings(max_examples=25)
@given(st.integers(1, 10), st.integers(1, 300))
def test_dilations_double_while_a_window_fits(window, length):
    found = Windows(64, window=window).fit(np.zeros((2, length))).dilations_
    span = min(window, length)
    assert found[0] == 1
    assert all(2 * one == other for one, other in pairwise(found))
    assert (span - 1) * found[-1] < length or found == [1]
    assert max(1, span - 1) * 2 * found[-1] >= length


def test_where_a_shape_stands_does_not_count_and_its_height_does():
    """Similarities of 8192 components have a standard deviation of .011; six of them are .07."""
    X = np.zeros((4, 16))
    shape = np.array([1.0, 3, -2, 4, 1])
    for place, (at, factor) in enumerate(((4, 1), (7, 1), (7, -1), (7, 0))):
        X[place, at : at + 5] = factor * shape
    encoder = Windows(8192, window=5, dilations=[1]).fit(X)
    rows = encoder.transform(X)
    moved, turned, flat = encoder.vsa.similarity(rows[0], rows[1:])
    assert moved == pytest.approx(1)
    assert turned < moved - 0.07
    assert flat < moved - 0.07
    lifted = Windows(512, window=5, dilations=[1]).fit(X)
    assert np.array_equal(lifted.transform(X), lifted.transform(X + 7))
    kept = Windows(512, window=5, dilations=[1], level="kept").fit(X)
    assert not np.array_equal(kept.transform(X), kept.transform(X + 7))


@pytest.mark.parametrize(("model", "deviations"), [("MAP-I", 9), ("MAP-B", 6)])
def test_motifs_at_random_places_are_learned(model, deviations):
    """Pixel by pixel the classes have the same mean: a coin has 100 of 200 right, with a deviation of 7."""
    rng = np.random.default_rng(0)
    X, y = rng.normal(0, 0.3, (300, 60)), np.arange(300) % 2
    for row, label in zip(X, y, strict=True):
        at = rng.integers(0, 50)
        row[at : at + 8] += np.array([[1, 2, 1, 0, -1, -2, -1, 0], [2, 0, -2, 0, 2, 0, -2, 0]])[label]
    learner = HDClassifier(Windows(2048, model=model), rule="ridge", calibration=0).fit(X[:100], y[:100])
    assert int((learner.predict(X[100:]) == y[100:]).sum()) > 100 + deviations * 7


@pytest.mark.parametrize(
    ("parameters", "said"),
    [
        ({"window": 0}, "window"),
        ({"level": "low"}, "level"),
        ({"bandwidth": 0}, "bandwidth"),
        ({"dilations": "all"}, "dilations"),
        ({"dilations": []}, "at least one"),
        ({"dilations": [1, 4]}, "series of 20"),
        ({"model": 3}, "model"),
    ],
)
def test_wrong_parameters_are_refused(parameters, said):
    with pytest.raises((ParameterError, TypeError), match=said):
        Windows(64, **parameters).fit_transform(series(0, 3, 1, 20))


def test_series_of_other_shapes_are_refused():
    encoder = Windows(64).fit(series(0, 3, 2, 20))
    with pytest.raises(ParameterError, match="2 channels of 19 numbers"):
        encoder.transform(series(0, 3, 2, 19))
    with pytest.raises(ParameterError, match="shape"):
        Windows(64).fit(np.zeros((2, 2, 2, 2)))
    with pytest.raises(NotFittedError):
        Windows(64).transform(series(0, 3, 1, 20))
