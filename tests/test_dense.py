"""Comparing all pairs in blocks."""

import numpy as np
import pytest

from hdc import similarity as dense
from tests.models import BACKENDS, FAMILIES, host, make


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("family", FAMILIES)
def test_similarity_in_blocks_is_similarity_at_once(family, backend, monkeypatch):
    vsa = make(family, 130, backend)
    x, y = vsa.random(10, seed=1).reshape(2, 5, -1), vsa.random(7, seed=2)
    whole = host(vsa.similarity(x, y))
    assert whole.shape == (2, 5, 7)
    monkeypatch.setattr(dense, "SIDE", 3)
    np.testing.assert_allclose(host(vsa.similarity(x, y)), whole, atol=1e-6)


def test_no_block_exceeds_the_side(monkeypatch):
    monkeypatch.setattr(dense, "SIDE", 3)
    seen = []

    def compare(q, x):
        seen.append((len(q), len(x)))
        return q @ x.T

    rows = np.arange(20.0).reshape(10, 2)
    np.testing.assert_array_equal(dense.pairwise(np, compare, rows, rows[:4], np.float64), rows @ rows[:4].T)
    assert max(seen) == (3, 3)
    assert len(seen) == 8
