"""Golden vectors: what a name becomes may never change within a major version."""

import numpy as np
import pytest

import hdc
from tests.models import BACKENDS, host, place

STREAM_WORDS = {
    ("a", 0): [0xC988C671A82D122F, 0xEDDB141A47B79E41, 0x130249473F64F76A],
    (("ab", "c"), 0): [0xFF5214B624404F85, 0x935F9AC9736CB802, 0xE632DF420BCF6E91],
    (-7, 3): [0xFFBB502C83B1C412, 0xA0CAE8BF8362C435, 0x565D1739E936106C],
}
MAPI_SYMBOL = [-1, -1, -1, -1, 1, -1, 1, 1, 1, -1, 1, 1, -1, 1, 1, 1]
MAPI_ROLE = [1, -1, 1, 1, -1, -1, -1, 1, -1, 1, -1, -1, 1, 1, 1, 1]
MAPI_RANDOM = [1, 1, -1, -1, -1, 1, -1, -1, -1, 1, 1, 1, -1, 1, 1, -1]
MAPB_TIE = [4889698139616371846, 12550872475033951402]
BLOOM = {
    "shift": ([7, 13, 19, 41, 47, 51, 66, 78, 81, 92], [1, 2, 6, 33, 37, 53, 54, 85, 91, 97]),
    "segment": ([7, 19, 20, 38, 45, 56, 64, 74, 84, 91], [0, 14, 29, 32, 41, 59, 67, 76, 80, 92]),
}
MBAT_BOUND = {
    ("permutation", 8): np.array([-1, -1, 1, -1, 1, -1, 1, 1]) / np.sqrt(8),
    ("hadamard", 8): [0, 0.5, -0.5, 0, -0.5, 0, 0, -0.5],
    ("hadamard", 6): [0.40824830532073975, 0, -0.8164966106414795, 0.40824830532073975, 0, 0],
    ("haar", 8): [0.23617142, -0.24567022, -0.5345248, 0.3516817, 0.5579912, 0.33341724, -0.14704826, -0.17414917],
}


@pytest.fixture(params=BACKENDS)
def backend(request):
    return place(request.param)


@pytest.mark.parametrize(("name", "seed"), list(STREAM_WORDS))
def test_mapb_symbols(backend, name, seed):
    vsa = hdc.MAPB(192, seed=seed, **backend)
    assert vsa.to_numpy(vsa.symbol(name)).tolist() == STREAM_WORDS[name, seed]


def test_mapi_atoms(backend):
    vsa = hdc.MAPI(16, **backend)
    assert vsa.symbol("a").tolist() == MAPI_SYMBOL
    assert vsa.role("a").tolist() == MAPI_ROLE
    assert vsa.random(1, seed=1)[0].tolist() == MAPI_RANDOM


def test_mapb_tie_vector(backend):
    vsa = hdc.MAPB(128, **backend)
    assert vsa.to_numpy(vsa.tie).tolist() == MAPB_TIE


@pytest.mark.parametrize("binding", BLOOM)
def test_sparse_atoms_and_permutation(backend, binding):
    atom, permuted = BLOOM[binding]
    bloom = hdc.Bloom(100, ones=10, binding=binding, **backend)
    ones = [bloom.to_numpy(x) for x in (bloom.symbol("a"), bloom.permute(bloom.symbol("a")))]
    assert [np.flatnonzero(hdc.words.unpack(x, 100)).tolist() for x in ones] == [atom, permuted]
    counting = hdc.CountingBloom(100, ones=10, binding=binding, **backend)
    assert np.flatnonzero(host(counting.symbol("a"))).tolist() == atom


@pytest.mark.parametrize(("matrix", "dim"), list(MBAT_BOUND))
def test_mbat_operators(backend, matrix, dim):
    vsa = hdc.MBAT(dim, matrix=matrix, **backend)
    bound = vsa.bind(vsa.role("a"), vsa.symbol("a"))
    np.testing.assert_allclose(host(bound), MBAT_BOUND[matrix, dim], atol=1e-6)


def test_atoms_of_a_smaller_dimension_are_prefixes():
    long, short = hdc.MAPI(1000).symbols(["x", "y"]), hdc.MAPI(130).symbols(["x", "y"])
    assert np.array_equal(long[:, :130], short)


def test_mapi_mapb_and_mbat_share_their_signs():
    signs = hdc.MAPI(100).symbol("x")
    assert np.array_equal(1 - 2 * hdc.words.unpack(hdc.MAPB(100).symbol("x"), 100).astype(int), signs)
    assert np.array_equal(np.sign(hdc.MBAT(100).symbol("x")), signs)
