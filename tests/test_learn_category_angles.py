"""Categories in Fourier codes: similarity is the kernel of numbers times that of categories."""

import numpy as np
import pytest

pytest.importorskip("sklearn", reason="scikit-learn is not installed")
pytest.importorskip("pandas", reason="pandas is not installed")

import pandas

from hdc import RandomFourier
from hdc.apps.learn import Features, HDClassifier
from hdc.apps.learn.features.category_angles import CategoryAngles
from hdc.words import unpack

TABLE = pandas.DataFrame(
    {"town": ["x", "y", "x", "z", "x", None], "kind": ["u", "u", "v", "w", "u", "u"], "size": [1.0, 1, 1, 1, 3, 1]}
)
DIFFERENT = np.array([0, 1, 1, 2, 0, 0.5])
"""Squared distance from the first row, by categories."""


def kernel(squares, signs):
    """Return the Gaussian kernel, or what it is of signs: 8/π² sum over odd j of K(j d) / j²."""
    if not signs:
        return np.exp(-squares / 2)
    odd = np.arange(1, 99, 2)[:, None]
    return (8 / np.pi**2 * np.exp(-(odd**2) * squares / 2) / odd**2).sum(axis=0)


@pytest.mark.parametrize("model", ["MAP-B", "MAP-I", "FHRR", "HRR"])
@pytest.mark.parametrize("columns", [["town", "kind", "size"], ["town", "kind"]])
def test_similarity_is_the_product_of_kernels(model, columns):
    features = Features(10_001, model=model, bandwidth=1.0)
    rows = features.fit_transform(TABLE[columns])
    squares = DIFFERENT.copy()
    if "size" in columns:
        squares[4] += (2 / features.scaling_.unit[0]) ** 2
    found = np.asarray(features.vsa.similarity(rows[0], rows), dtype=float)
    # 6 standard deviations of the mean of 5,000 angles or more
    np.testing.assert_allclose(found, kernel(squares, model.startswith("MAP")), atol=6 / np.sqrt(5000) / np.sqrt(2))


@pytest.mark.parametrize("model", ["MAP-B", "FHRR"])
def test_codes_do_not_depend_on_the_batch_or_on_other_values(model, monkeypatch):
    features = Features(500, model=model).fit(TABLE)
    whole = features.transform(TABLE)
    one_by_one = np.concatenate([features.transform(TABLE[i : i + 1]) for i in (5, 3, 0)])
    np.testing.assert_allclose(one_by_one, whole[[5, 3, 0]], atol=1e-5)
    again = Features(500, model=model).fit(TABLE)
    monkeypatch.setattr("hdc.apps.learn.features.category_angles.KEPT", 0)  # angles are drawn anew in each block
    np.testing.assert_allclose(again.transform(TABLE), whole, atol=1e-5)


def test_bits_are_those_of_whole_angles_on_every_backend():
    features = Features(130, bandwidth=1.0).fit(TABLE)
    code, turn = features._encoding(list(TABLE)).numbers, features._encoding(list(TABLE)).numbers.turn
    size = np.rint(features.scaling_.standardized(TABLE[["size"]].to_numpy()) * 1024)
    frequencies, total = (part.astype(int) for part in code.parts)
    total = total + size.astype(int) @ frequencies
    for column in ("town", "kind"):
        for row, value in enumerate(TABLE[column]):
            if isinstance(value, str):
                own = RandomFourier(features.vsa, ("category", column, ("str", value)), 1)
                turns = own.frequencies[0] / (2 * np.pi) * np.sqrt(0.5)
                total[row] += np.rint((turns - np.rint(turns)) * turn).astype(int)
    expected = (turn // 4 <= total % turn) & (total % turn < 3 * turn // 4)
    np.testing.assert_array_equal(unpack(features.transform(TABLE), 130), expected)
    other = Features(130, bandwidth=1.0, backend="numpy").fit(TABLE)
    np.testing.assert_array_equal(other.transform(TABLE), features.transform(TABLE))


def test_beside_texts_they_are_one_member():
    table = TABLE.assign(notes=["a few words"] * 6)
    rows = Features(2000, columns={"notes": "text"}).fit_transform(table)
    assert rows.shape == (6, 32)


def test_values_that_come_together_are_learned():
    rng = np.random.default_rng(0)
    a, b = rng.integers(0, 2, (2, 400))
    table = pandas.DataFrame({"a": a.astype(str), "b": b.astype(str), "c": rng.integers(0, 3, 400).astype(str)})
    learner = HDClassifier(Features(1024)).fit(table[:200], (a ^ b)[:200])
    assert learner.score(table[200:], (a ^ b)[200:]) == 1
    apart = HDClassifier(Features(1024, numeric="level")).fit(table[:200], (a ^ b)[:200])
    assert apart.score(table[200:], (a ^ b)[200:]) < 0.9  # a bundle says of each value alone


def test_no_rows():
    angles = CategoryAngles(Features(64).vsa, ["a"], "gaussian", 1.0)
    assert angles.of_rows([np.array([], dtype=object)]).shape == (0, 64)
