"""OrthogonalBasis: what stays, what becomes old, what no rotation could do better, files, scikit-learn's habits."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hdc.apps.retrieval import EmbeddingIndex, OrthogonalBasis, RaBitQBinarizer
from hdc.errors import DimensionError, FileFormatError, MismatchError, ParameterError


def units(x):
    return x / np.linalg.norm(x, axis=1, keepdims=True)


def pair(n, d, d_old, noise=0.0, seed=0):
    """Return unit vectors of a new encoder, and of an old one that saw d_old turned components of them, with noise."""
    rng = np.random.default_rng(seed)
    new = units(rng.standard_normal((n, d)) + 0.4)
    turned = np.linalg.qr(rng.standard_normal((max(d, d_old),) * 2))[0][:d, :d_old]
    return new.astype(np.float32), units(new @ turned + noise * rng.standard_normal((n, d_old))).astype(np.float32)


@given(st.integers(1, 9), st.integers(1, 9), st.integers(1, 40), st.integers(0, 2**32))
@settings(max_examples=40, deadline=None)
def test_angles_among_new_vectors_stay_whatever_the_sizes(d, d_old, n, seed):
    rng = np.random.default_rng(seed)
    new, old = rng.standard_normal((n, d)), rng.standard_normal((n, d_old))
    z = OrthogonalBasis().fit(new, old).transform(new)
    assert z.shape == (n, max(d, d_old))
    assert np.allclose(z @ z.T, units(new) @ units(new).T, atol=1e-5)


@pytest.mark.parametrize(("d", "d_old"), [(16, 16), (9, 16)])
def test_an_old_space_that_is_a_rotation_of_the_new_one_is_found(d, d_old):
    new, old = pair(200, d, d_old)
    basis = OrthogonalBasis().fit(new[:150], old[:150])
    assert np.allclose(basis.old(new[150:]), old[150:], atol=1e-4)
    assert basis.agreement_ == pytest.approx(1, abs=1e-5)
    assert np.allclose(basis.old(new), units(basis.transform(new)[:, :d_old]), atol=1e-6)


@given(st.integers(0, 2**32))
@settings(max_examples=20, deadline=None)
def test_no_other_rotation_agrees_more(seed):
    rng = np.random.default_rng(seed)
    new, old = pair(50, 6, 4, noise=0.3, seed=seed)
    basis = OrthogonalBasis().fit(new, old)
    best = np.sum(new @ basis.matrix_[:, :4] * old)
    near = np.linalg.qr(basis.matrix_ + rng.normal(0, 0.05, (6, 6)))[0]
    near *= np.sign(np.sum(near * basis.matrix_, axis=0))
    assert np.allclose(near.T @ near, np.eye(6), atol=1e-6)
    assert np.sum(new @ near[:, :4] * old) <= best + 1e-4


def test_an_index_of_old_vectors_answers_new_queries():
    new, old = pair(3000, 32, 16, noise=0.03)
    basis = OrthogonalBasis().fit(new[:2000], old[:2000])
    index = EmbeddingIndex.create(None, RaBitQBinarizer().fit(old), keep="int8")
    index.add(old)
    queries = slice(2800, 3000)  # of objects that the basis has not seen
    assert np.mean(index.search(basis.old(new[queries]), k=1)[1][:, 0] == np.arange(2800, 3000)) > 0.95
    assert np.mean(index.search(new[queries, :16].copy(), k=1)[1][:, 0] == np.arange(2800, 3000)) < 0.05


def test_rows_are_read_in_blocks(monkeypatch):
    new, old = pair(300, 8, 5, noise=0.1)
    whole = OrthogonalBasis().fit(new, old)
    monkeypatch.setattr("hdc.apps.retrieval.basis.FIT_NUMBERS", 100)
    monkeypatch.setattr("hdc.apps.retrieval.binarizers.base.BLOCK_BYTES", 1000)
    parts = OrthogonalBasis().fit(new, old)
    assert np.allclose(parts.transform(new), whole.transform(new), atol=1e-5)
    assert parts.agreement_ == pytest.approx(whole.agreement_, abs=1e-6)


def test_what_cannot_be_is_told():
    new, old = pair(20, 6, 4)
    hole = new.copy()
    hole[3, 2] = np.nan
    for x, y, error, words in [
        (new, old[:19], MismatchError, "20 rows but y has 19"),
        (new, None, ParameterError, "requires y"),
        (new[:0], old[:0], ParameterError, "at least one pair"),
        (hole, old, ParameterError, "row 3"),
        (old, hole, ParameterError, "row 3"),
        (new[0], old, DimensionError, "must have shape"),
    ]:
        with pytest.raises(error, match=words):
            OrthogonalBasis().fit(x, y)
    for method in ("transform", "old"):
        with pytest.raises(ParameterError, match="not fitted"):
            getattr(OrthogonalBasis(), method)(new)
        with pytest.raises(DimensionError, match="5 features"):
            getattr(OrthogonalBasis().fit(new, old), method)(new[:, :5])


def test_files(tmp_path):
    new, old = pair(40, 6, 4, noise=0.1)
    basis = OrthogonalBasis().fit(new, old)
    basis.save(tmp_path)
    again = OrthogonalBasis.load(tmp_path)
    assert np.array_equal(again.old(new), basis.old(new))
    assert (again.old_dim_, again.agreement_) == (4, basis.agreement_)
    with pytest.raises(FileFormatError, match="contains a OrthogonalBasis"):
        RaBitQBinarizer.load(tmp_path)
    with pytest.raises(ParameterError, match="not fitted"):
        OrthogonalBasis().save(tmp_path / "none")
    content = (tmp_path / "model.safetensors").read_bytes()
    (tmp_path / "model.safetensors").write_bytes(content[:-1] + bytes([content[-1] ^ 4]))
    with pytest.raises(FileFormatError, match="damaged"):
        OrthogonalBasis.load(tmp_path)


def test_scikit_learns_checks():
    pytest.importorskip("sklearn", minversion="1.6", reason="scikit-learn is not installed")
    from tests.sklearn_checks import failures

    assert failures(OrthogonalBasis()) == []
