"""Anchors: the definition in plain Python, what makes encoders comparable, files, scikit-learn's habits."""

import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hdc.apps.retrieval import Anchors, EmbeddingIndex, SignBinarizer
from hdc.errors import DimensionError, DTypeError, FileFormatError, ParameterError


def vectors(n, d, seed=0, shift=0.5):
    return (np.random.default_rng(seed).standard_normal((n, d)) + shift).astype(np.float32)


def rotation(d, seed=1):
    return np.linalg.qr(np.random.default_rng(seed).standard_normal((d, d)))[0]


def cosine(a, b):
    norms = math.sqrt(sum(x * x for x in a)) * math.sqrt(sum(x * x for x in b))
    return sum(x * y for x, y in zip(a, b, strict=True)) / norms


def described(x, anchors, center):
    """Cosines of one vector to anchors, at length 1, in plain Python."""
    length = math.sqrt(sum(v * v for v in x))
    units = [[v / math.sqrt(sum(w * w for w in a)) for v in a] for a in anchors]
    mean = [sum(column) / len(units) * center for column in zip(*units, strict=True)]
    moved = [v / length - m for v, m in zip(x, mean, strict=True)]
    cosines = [cosine(moved, [v - m for v, m in zip(a, mean, strict=True)]) for a in units]
    return [c / math.sqrt(sum(v * v for v in cosines)) for c in cosines]


@given(st.integers(2, 9), st.integers(2, 12), st.booleans(), st.integers(0, 2**32))
@settings(max_examples=40, deadline=None)
def test_cosines_follow_their_definition(k, d, center, seed):
    x = vectors(k + 5, d, seed)
    model = Anchors(k, whiten=False, center=center).fit(x)
    expected = [described(row.tolist(), x[model.rows_].tolist(), center) for row in x[:4]]
    assert np.allclose(model.transform(x[:4]), expected, atol=1e-4)


@given(st.integers(2, 9), st.integers(10, 12), st.booleans(), st.integers(0, 2**32))
@settings(max_examples=40, deadline=None)
def test_whitened_cosines_are_multiplied_by_the_inverse_root_of_the_anchors_products(k, d, center, seed):
    x = vectors(k + 5, d, seed).astype(np.float64)
    model = Anchors(k, center=center).fit(x)
    units = x / np.linalg.norm(x, axis=1, keepdims=True)
    moved = units - units[model.rows_].mean(axis=0) * center
    moved /= np.linalg.norm(moved, axis=1, keepdims=True)
    anchors = moved[model.rows_]
    values, parts = np.linalg.eigh(anchors @ anchors.T)
    inverse = np.divide(1, np.sqrt(np.abs(values)), where=values > 1e-9, out=np.zeros(k))
    expected = (moved @ anchors.T) @ (parts * inverse) @ parts.T
    expected /= np.linalg.norm(expected, axis=1, keepdims=True)
    assert np.allclose(model.transform(x), expected, atol=1e-3)


@pytest.mark.parametrize("whiten", [False, True])
@pytest.mark.parametrize("k", [3, 16, 50])
@pytest.mark.parametrize("center", [False, True])
def test_a_rotation_and_lengths_change_nothing(whiten, k, center):
    x = vectors(60, 16)
    turned = (x @ rotation(16) * np.arange(1, 61)[:, None]).astype(np.float32)
    one, other = (Anchors(k, whiten=whiten, center=center).fit(rows).transform(rows) for rows in (x, turned))
    assert np.allclose(one, other, atol=1e-4)
    assert np.allclose(np.linalg.norm(one, axis=1), 1, atol=1e-5)


def test_whitened_cosines_to_as_many_anchors_as_components_keep_all_angles():
    x = vectors(80, 16)
    units = x / np.linalg.norm(x, axis=1, keepdims=True)
    for k in (16, 40):
        kept = Anchors(k, center=False).fit_transform(x)
        assert np.allclose(kept @ kept.T, units @ units.T, atol=1e-4)
    plain = Anchors(40, center=False, whiten=False).fit_transform(x)
    assert not np.allclose(plain @ plain.T, units @ units.T, atol=0.1)


def test_another_encoders_index_is_searched_through_anchors():
    x = vectors(2000, 48, shift=0) * 0.93 ** np.arange(48)
    other = (x[:, :40] @ rotation(40) + np.random.default_rng(3).normal(0, 0.02, (2000, 40))).astype(np.float32)
    one, two = Anchors(200).fit(x), Anchors(200).fit(other)
    described = two.transform(other)
    index = EmbeddingIndex.create(None, SignBinarizer(1024).fit(described))
    index.add(described)
    found = index.search(one.transform(x[:200]), k=1)[1][:, 0]
    assert np.mean(found == np.arange(200)) > 0.95
    unrelated = Anchors(200).fit(other[::-1].copy()).transform(other)  # the anchors are other objects
    assert np.mean(index.search(unrelated[:200], k=1)[1][:, 0] == np.arange(200)) < 0.05


def test_equal_numbers_of_rows_give_equal_anchors_and_rows_can_be_given():
    x, y = vectors(100, 8), vectors(100, 5, seed=2)
    one = Anchors(20, seed=4).fit(x)
    assert np.array_equal(one.rows_, Anchors(20, seed=4).fit(y).rows_)
    assert not np.array_equal(one.rows_, Anchors(20, seed=5).fit(y).rows_)
    given = Anchors(one.rows_).fit(x)
    assert np.array_equal(given.transform(x), one.transform(x))
    assert np.allclose(Anchors(one.rows_[::-1].tolist()).fit(x).transform(x)[:, ::-1], one.transform(x), atol=1e-5)


def test_anchors_of_a_mapped_file_are_read_and_rows_are_described_in_blocks(tmp_path, monkeypatch):
    np.save(tmp_path / "x.npy", vectors(300, 8))
    mapped = np.load(tmp_path / "x.npy", mmap_mode="r")
    model = Anchors(10).fit(mapped)
    whole = model.transform(mapped)
    monkeypatch.setattr("hdc.apps.retrieval.binarizers.base.BLOCK_BYTES", 1000)
    assert np.allclose(model.transform(mapped), whole, atol=1e-6)
    assert model.transform(mapped[:0]).shape == (0, 10)


def test_zero_vectors_and_repeated_anchors():
    x = vectors(30, 8)
    x[:15] = x[15:]
    x[0] = 0
    for center in (False, True):
        assert np.isfinite(Anchors(30, center=center).fit_transform(x)).all()
    assert not Anchors(30, center=False).fit_transform(x)[0].any()


def test_what_cannot_be_is_told():
    x = vectors(30, 8)
    hole = x.copy()
    hole[3, 2] = np.nan
    for model, rows, error, words in [
        (Anchors(31), x, ParameterError, "anchors=31 needs at least 31 vectors, but X has n_samples = 30"),
        (Anchors(0), x, ParameterError, "anchors must be an integer of at least 1"),
        (Anchors([]), x, DimensionError, "row numbers"),
        (Anchors([1.5]), x, DimensionError, "row numbers, not float64"),
        (Anchors([1, 30]), x, ParameterError, "row 30, but X has rows 0 to 29"),
        (Anchors([-1]), x, ParameterError, "row -1"),
        (Anchors([4, 4]), x, ParameterError, "twice"),
        (Anchors(30), hole, ParameterError, "row 3 of the anchors contains NaN"),
        (Anchors(3), np.ones((9, 4)), ParameterError, "one direction"),
        (Anchors(3, center=1), x, ParameterError, "center"),
        (Anchors(3, whiten=None), x, ParameterError, "whiten"),
        (Anchors(3, seed=-1), x, ParameterError, "seed"),
        (Anchors(3), x[0], DimensionError, "must have shape"),
        (Anchors(3), np.zeros((9, 4), np.uint64), DTypeError, "packed codes"),
    ]:
        with pytest.raises(error, match=words):
            model.fit(rows)
    with pytest.raises(ParameterError, match="not fitted"):
        Anchors().transform(x)
    fitted = Anchors(5).fit(x)
    with pytest.raises(ParameterError, match="row 3 of X contains NaN"):
        fitted.transform(hole)
    with pytest.raises(DimensionError, match="7 features"):
        fitted.transform(x[:, :7])


def test_files(tmp_path):
    x = vectors(30, 8)
    for i, model in enumerate([Anchors(5, seed=3, whiten=False), Anchors(np.arange(4)), Anchors([3, 1], center=False)]):
        model.fit(x).save(tmp_path / str(i))
        again = Anchors.load(tmp_path / str(i))
        assert np.array_equal(again.transform(x), model.transform(x))
        assert np.array_equal(again.rows_, model.rows_)
        assert np.array_equal(again.fit(x).rows_, model.rows_)
    with pytest.raises(ParameterError, match="not fitted"):
        Anchors().save(tmp_path / "none")
    with pytest.raises(FileFormatError, match="contains a Anchors"):
        SignBinarizer.load(tmp_path / "0")


def test_damage_is_told(tmp_path):
    Anchors(5).fit(vectors(30, 8)).save(tmp_path)
    for name in ("model.safetensors", "model.json"):
        content = (tmp_path / name).read_bytes()
        for place in range(0, len(content), 37):
            (tmp_path / name).write_bytes(content[:place] + bytes([content[place] ^ 4]) + content[place + 1 :])
            with pytest.raises(FileFormatError):
                Anchors.load(tmp_path)
        (tmp_path / name).write_bytes(content)
    assert json.loads((tmp_path / "model.json").read_bytes())["class"] == "Anchors"


def test_scikit_learns_checks_and_pipelines():
    pytest.importorskip("sklearn", minversion="1.6", reason="scikit-learn is not installed")
    from sklearn.pipeline import make_pipeline

    from tests.sklearn_checks import failures

    exceptions = {"check_estimators_nan_inf": "fit reads the rows of the anchors only, and the hole is in another one"}
    assert failures(Anchors(2, center=False), exceptions) == []
    one = {"check_fit2d_1feature": "centered and at length 1, one component has one direction; the error says so"}
    assert failures(Anchors(2), exceptions | one) == []
    x = vectors(60, 8)
    codes = make_pipeline(Anchors(20), SignBinarizer(dim=100)).fit_transform(x)
    assert codes.shape == (60, 2)


def test_column_names_are_kept(tmp_path):
    pandas = pytest.importorskip("pandas", reason="pandas is not installed")
    frame = pandas.DataFrame(vectors(30, 3), columns=["a", "b", "c"])
    Anchors(5).fit(frame).save(tmp_path)
    with pytest.raises(ParameterError, match="same order"):
        Anchors.load(tmp_path).transform(frame[["b", "a", "c"]])
    out = Anchors.load(tmp_path).set_output(transform="pandas").transform(frame)
    assert out.columns.tolist() == [f"anchors{i}" for i in range(5)]
