"""Accuracy under flipped bits, and its figure."""

import numpy as np
import pytest

from hdc.apps.learn.bits import BitClassifier, accuracy_under_flips
from hdc.apps.learn.bits.robustness import Flips, figure, save
from hdc.errors import ParameterError
from tests.test_learn_bits import density as density_tables
from tests.test_learn_bits import model, rows_of


def two_classes(dim=256):
    rng = np.random.default_rng(0)
    centers = rng.choice([-1.0, 1.0], (2, dim))
    y = np.arange(100) % 2
    X = centers[y] * np.where(rng.random((100, dim)) < 0.3, -1, 1)
    return BitClassifier.of(None, centers, [0, 1], ["a", "b"]), X, np.array(["a", "b"])[y]


def test_accuracy_falls_as_bits_are_flipped():
    found, X, y = two_classes()
    kept = accuracy_under_flips(found, X, y, [0, 0.1, 0.5, 1], repeats=4)
    assert kept.accuracy.shape == (4, 4)
    assert kept.accuracy[0].tolist() == [1.0] * 4
    assert kept.accuracy[1].min() > 0.95
    assert kept.accuracy[3].tolist() == [0.0] * 4
    assert np.ptp(kept.accuracy[2]) > 0


def test_it_is_the_flipped_model_that_predicts():
    found, X = model(density_tables()), rows_of(50, 5, 0)
    y = found.predict(X)
    kept = accuracy_under_flips(found, X, y, [0.2], repeats=2, seed=7, parts=["tables"])
    expected = [np.mean(found.flipped(0.2, seed, ["tables"]).predict(X) == y) for seed in (7, 8)]
    assert kept.accuracy.tolist() == [expected]


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"y": ["a"]}, "y must be one class for each of 100 rows"),
        ({"shares": [2]}, "each of shares"),
        ({"repeats": 0}, "repeats"),
        ({"parts": ["weights"]}, "each of parts"),
    ],
)
def test_errors(change, text):
    found, X, y = two_classes()
    with pytest.raises(ParameterError, match=text):
        accuracy_under_flips(**{"model": found, "X": X, "y": y, **change})


def test_figure(tmp_path):
    pytest.importorskip("matplotlib", reason="figures need matplotlib, the extra plot")
    flips = Flips(np.array([0, 0.1]), np.array([[1.0, 1.0], [0.75, 0.85]]))
    drawn = figure({"digits": {"ours": flips, "theirs": flips}, "wine": {"ours": flips}})
    assert [axes.get_title() for axes in drawn.axes] == ["digits", "wine"]
    assert [line.get_label() for line in drawn.axes[0].lines] == ["ours", "theirs"]
    np.testing.assert_allclose(drawn.axes[0].lines[0].get_xydata(), [[0, 1], [10, 0.8]])
    save({"digits": {"ours": flips}}, tmp_path / "flips.svg")
    assert (tmp_path / "flips.svg").read_text(encoding="utf-8").startswith("<?xml")
    with pytest.raises(ParameterError, match="nothing to plot"):
        figure({})
