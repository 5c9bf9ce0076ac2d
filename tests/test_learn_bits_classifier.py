"""A learned HDClassifier on bits: its encoder's tables, its scores, and what is kept of its accuracy."""

import re

import numpy as np
import pytest

import hdc
from hdc.apps.learn.bits import BitClassifier, Signs, tables_of
from hdc.errors import ParameterError, UnsupportedError
from hdc.words import pack

pytest.importorskip("sklearn", reason="Features and HDClassifier need scikit-learn, the extra learn")

from sklearn.datasets import load_digits, load_wine

from hdc.apps.learn import Features, HDClassifier

NUMERIC = ("fourier", "density", "level")


def wine():
    X, y = load_wine(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(X))
    return X[order], np.array(["barolo", "grignolino", "barbera"])[y[order]]


@pytest.mark.parametrize("numeric", NUMERIC)
@pytest.mark.parametrize("dim", [65, 1000])
def test_tables_make_the_bits_of_features(numeric, dim):
    X, _ = wine()
    X = np.where(np.random.default_rng(1).random(X.shape) < 0.1, np.nan, X)
    encoder = Features(dim, numeric=numeric, seed=5).fit(X[:100])
    beyond = np.concatenate([X, 3 * X, -X])
    assert tables_of(encoder).agreement(beyond, encoder.transform(beyond)) == 1


@pytest.mark.parametrize("numeric", NUMERIC)
def test_tables_make_the_bits_of_features_of_whole_numbers(numeric):
    """Pixels from 0 to 16 lie on thresholds exactly, and some are constant."""
    X, _ = load_digits(return_X_y=True)
    encoder = Features(1000, numeric=numeric).fit(X[:300])
    assert tables_of(encoder).agreement(X[:500], encoder.transform(X[:500])) == 1


def test_columns_of_frames_have_roles_by_name():
    pd = pytest.importorskip("pandas", reason="frames need pandas")
    X = pd.DataFrame({"a": [1.0, 2, 3, 4], "b": [4.0, 1, 0, 3]})
    encoder = Features(500, numeric="density").fit(X)
    assert tables_of(encoder).agreement(X.to_numpy(), encoder.transform(X)) == 1


@pytest.mark.parametrize(("weight_bits", "share"), [(8, 0.93), (16, 0.98)])
def test_shorter_weights_agree_nearly(weight_bits, share):
    X, _ = load_digits(return_X_y=True)
    encoder = Features(1000).fit(X[:500])
    tables = tables_of(encoder, weight_bits)
    assert tables.weights.itemsize * 8 == weight_bits
    assert tables.agreement(X[500:700], encoder.transform(X[500:700])) > share


@pytest.mark.parametrize("numeric", NUMERIC)
@pytest.mark.parametrize("rule", ["margin", "ridge"])
def test_accuracy_is_kept(numeric, rule, tmp_path):
    X, y = wine()
    learned = HDClassifier(Features(2000, numeric=numeric), rule=rule).fit(X[:120], y[:120])
    accuracy = learned.score(X[120:], y[120:])
    for bits, lost in ((1, 0.11), (2, 0.06), (4, 0.03)):
        found = BitClassifier.of_classifier(learned, bits, X[:120])
        assert (found.predict(X[120:]) == y[120:]).mean() >= accuracy - lost
    found.export(tmp_path / "wine.bits")
    assert np.array_equal(BitClassifier.load(tmp_path / "wine.bits").predict(X), found.predict(X))


def test_without_the_mean_one_bit_loses_more():
    X, y = load_digits(return_X_y=True)
    learned = HDClassifier(Features(2000, numeric="level")).fit(X[:1200], y[:1200])
    own, given = BitClassifier.of_classifier(learned, 1), BitClassifier.of_classifier(learned, 1, X[:1200])
    assert np.abs(own.biases - given.biases).max() <= 1e-3 * np.abs(given.biases).max()
    assert np.array_equal(own.planes, given.planes)
    parts = learned.weights_ / np.sqrt(2000), learned.prototype_classes_, learned.classes_
    without = BitClassifier.of(own.encoder, *parts, 1, intercept=learned.intercept_, cosine=False)
    accuracy, less = (np.mean(found.predict(X[1200:]) == y[1200:]) for found in (own, without))
    assert accuracy > less + 0.1


def test_scores_are_those_of_the_classifier():
    X, y = wine()
    learned = HDClassifier(Features(4000), rule="ridge").fit(X, y)
    exact, found = learned.decision_function(X), BitClassifier.of_classifier(learned, 4, X).scores(X)
    assert np.abs(found - exact).max() < 0.1 * np.abs(exact).max()


def test_a_classifier_of_hypervectors():
    vsa = hdc.create("MAP-B", 1000)
    centers, rng = vsa.symbols(["a", "b", "c"]), np.random.default_rng(0)
    y = rng.integers(0, 3, 200)
    rows = centers[y] ^ pack(rng.random((200, 1000)) < 0.4)
    learned = HDClassifier(vsa).fit(rows, y)
    found = BitClassifier.of_classifier(learned, 1, rows)
    assert isinstance(found.encoder, Signs)
    assert np.array_equal(found.predict_rows(rows), y)
    assert np.array_equal(found.predict(1 - 2.0 * hdc.words.unpack(rows, 1000)), y)


def test_other_encoders_are_refused():
    X, y = wine()
    for encoder, error, text in (
        (Features(100, model="MAP-I").fit(X), UnsupportedError, "Features(model='MAP-B')"),
        (Features(100, numeric="projection").fit(X), UnsupportedError, "predict_rows"),
        ("features", UnsupportedError, "not of 'features'"),
        (Features(100), ParameterError, "call fit first"),
        (Features(100, columns={2: "category"}).fit(X), ParameterError, "column 2 is none"),
    ):
        with pytest.raises(error, match=re.escape(text)):
            tables_of(encoder)
    with pytest.raises(UnsupportedError, match="predict_rows"):
        BitClassifier.of_classifier(HDClassifier(Features(64, numeric="projection")).fit(X, y))
