"""Rows that learners see: their dot products are the similarities of the model, whatever it is."""

import numpy as np
import pytest

import hdc
from hdc.errors import DimensionError, DTypeError, PaddingError, ParameterError
from tests import models

pytest.importorskip("sklearn", reason="scikit-learn is not installed")

from hdc.apps.learn.rows import Rows, packed_signs, rows_of


@pytest.mark.parametrize("family", models.FAMILIES)
def test_dot_products_are_similarities(family):
    vsa = models.make(family, 400)
    atoms = vsa.symbols(["a", "b", "c", "d"])
    x = np.stack([np.asarray(vsa.bundle(atoms[:3])).astype(atoms.dtype, copy=False), *atoms], axis=0)
    rows = rows_of(x, vsa)
    found = rows.floats(slice(0, 5)) @ rows.floats(slice(0, 5)).T
    np.testing.assert_allclose(found, np.asarray(vsa.similarity(x, x), dtype=float), atol=2e-5)


@pytest.mark.parametrize("dim", [1, 63, 64, 65, 1000])
def test_packed_rows_are_their_signs(dim):
    vsa = hdc.create("MAP-B", dim)
    x = vsa.random(7, seed=1)
    rows = rows_of(x, vsa)
    signs = (1 - 2 * hdc.words.unpack(x, dim).astype(float)) / np.sqrt(dim)
    np.testing.assert_allclose(rows.floats(slice(0, 7)), signs, rtol=1e-6)
    assert np.array_equal(packed_signs(rows.floats(np.array([2, 0]))), x[[2, 0]])


def test_blocks_are_all_rows_once_in_their_order(monkeypatch):
    monkeypatch.setattr("hdc.apps.learn.rows.BLOCK_BYTES", 4 * 3 * 5)
    data = np.random.default_rng(0).standard_normal((11, 5)).astype(np.float32)
    rows = Rows(data, 5)
    unit = data / np.linalg.norm(data, axis=1, keepdims=True)
    order = np.array([4, 4, 0, 10, 3])
    assert [len(block) for _, block in rows.blocks()] == [3, 3, 3, 2]
    np.testing.assert_allclose(np.concatenate([b for _, b in rows.blocks()]), unit, atol=1e-6)
    np.testing.assert_allclose(np.concatenate([b for _, b in rows.blocks(order)]), unit[order], atol=1e-6)


def test_rows_of_zeros_stay():
    assert not rows_of(np.zeros((2, 3))).floats(slice(0, 2)).any()


def test_what_is_no_hypervector_is_refused():
    vsa = hdc.create("MAP-B", 70)
    with pytest.raises(DimensionError, match="shape"):
        rows_of(np.zeros(3))
    with pytest.raises(DTypeError, match="not object"):
        rows_of(np.array([["a"]], dtype=object))
    with pytest.raises(ParameterError, match="finite"):
        rows_of(np.array([[np.nan]]))
    with pytest.raises(DTypeError):
        rows_of(np.zeros((2, 2)), vsa)
    with pytest.raises(PaddingError):
        rows_of(np.full((1, 2), 2**64 - 1, dtype=np.uint64), vsa)
    with pytest.raises(DimensionError, match="shape"):
        rows_of(vsa.symbol("a"), vsa)
