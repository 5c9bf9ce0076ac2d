"""The kernels that encode rows of numbers against their oracles: edges of counts and words, layouts, threads."""

import importlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hdc.words import mask_tail, word_count
from tests import naive
from tests.bridge import backend_of
from tests.models import NUMPY_BACKENDS

KERNELS = {name: backend_of(name).features for name in NUMPY_BACKENDS}
DIMS = (1, 2, 63, 64, 65, 130)
COLUMNS = (1, 2, 7, 8, 9, 64, 65)


@pytest.fixture(params=NUMPY_BACKENDS)
def kernels(request):
    return KERNELS[request.param]


def packed(rng, dim, *shape):
    return mask_tail(rng.integers(0, 2**64, (*shape, word_count(dim)), dtype=np.uint64), dim)


def record(rng, dim, columns, rows=4):
    """Return vectors, and marks at the ends, in between and below 0; the first row has no member."""
    marks = rng.integers(-1, dim + 1, (rows, columns), dtype=np.int32)
    marks[0], marks[1], marks[2] = -1, dim, 0
    return packed(rng, dim, columns), packed(rng, dim, columns), marks


def bits_of(vectors, dim):
    return [naive.bits(vector, dim) for vector in vectors]


@pytest.mark.parametrize("columns", COLUMNS)
@pytest.mark.parametrize("dim", DIMS)
def test_records(kernels, dim, columns):
    rng = np.random.default_rng(dim * columns)
    first, second, marks = record(rng, dim, columns)
    tie = packed(rng, dim)
    found = kernels.record_majority(first, second, marks, tie, dim)
    ends = bits_of(first, dim), bits_of(second, dim)
    for row, mark in zip(found, marks.tolist(), strict=True):
        members = naive.record_members(*ends, mark)
        expected = (
            naive.majority(members, [1] * len(members), naive.bits(tie, dim)) if members else naive.bits(tie, dim)
        )
        assert naive.bits(row, dim) == expected
        assert naive.words(expected).tolist() == row.tolist()
    for most in (1, 3, 127, 128):
        sums = kernels.record_sums(first, second, marks, most, dim)
        assert sums.dtype == (np.int8 if most <= 127 else np.int32)
        assert sums.tolist() == [naive.record_sums(*ends, mark, most) for mark in marks.tolist()]


def test_counts_of_more_than_a_byte(kernels):
    first, second = np.zeros((600, 1), np.uint64), np.full((600, 1), 3, np.uint64)
    marks = np.full((2, 600), 1, np.int32)
    marks[1, 255:] = -1
    assert kernels.record_sums(first, second, marks, 1000, 2).tolist() == [[600, -600], [255, -255]]
    assert kernels.record_sums(first, second, marks, 1, 2).tolist() == [[1, -1], [1, -1]]


@settings(deadline=None, max_examples=50)
@given(st.integers(2, 32), st.lists(st.integers(-(2**52), 2**52), min_size=1, max_size=130))
def test_signs_of_angles(digits, phases):
    turn = 2**digits
    expected = naive.words([naive.phase_sign(phase, turn) for phase in phases])
    for kernels in KERNELS.values():
        assert kernels.phase_signs(np.array([phases], dtype=np.float64), turn)[0].tolist() == expected.tolist()


def spans_of(matrix, width):
    """Return a matrix in spans of columns, what is beyond the last one as anything."""
    d, dim = matrix.shape
    wide = np.pad(matrix, ((0, 0), (0, -dim % width)), constant_values=77)
    return np.ascontiguousarray(wide.reshape(d, -1, width).swapaxes(0, 1))


@pytest.mark.parametrize("columns", [1, 3, 4, 5, 9])
@pytest.mark.parametrize("dim", [1, 64, 65, 300])
@pytest.mark.parametrize("most", [2**31, 1000])
def test_signs_of_products(kernels, columns, dim, most):
    rng = np.random.default_rng(dim * columns)
    rows = rng.integers(-most, most, (9, columns), dtype=np.int32)
    frequencies = rng.integers(-most, most, (columns, dim), dtype=np.int32)
    for n, width in ((1, 64), (9, 128)):
        offsets = rng.integers(-(2**31), 2**31, (n, dim), dtype=np.int32)
        for turn in (4, 2**20, 2**32):
            found = kernels.fourier_signs(rows, spans_of(frequencies, width), offsets, turn)
            for row, added, words in zip(
                rows.tolist(), np.broadcast_to(offsets, (9, dim)).tolist(), found, strict=True
            ):
                angles = [
                    start + sum(a * int(b) for a, b in zip(row, frequencies[:, j], strict=True))
                    for j, start in enumerate(added)
                ]
                assert words.tolist() == naive.words([naive.phase_sign(angle, turn) for angle in angles]).tolist()


def test_a_cosine_of_zero_is_positive_before_and_negative_after_half_a_turn(kernels):
    assert kernels.phase_signs(np.array([[1.0, 3.0, -1.0, -3.0, 2.0, 0.0]]), 4).tolist() == [[0b011001]]


def test_no_rows(kernels):
    none, dim = np.empty((0, 3), np.int32), 70
    vectors = packed(np.random.default_rng(0), dim, 3)
    assert kernels.record_majority(vectors, vectors, none, vectors[0], dim).shape == (0, 2)
    assert kernels.record_sums(vectors, vectors, none, 3, dim).shape == (0, dim)
    assert kernels.phase_signs(np.empty((0, dim)), 4).shape == (0, 2)
    matrix = np.ones((2, 3, 64), np.int32)
    assert kernels.fourier_signs(none, matrix, np.ones((1, dim), np.int32), 4).shape == (0, 2)


@pytest.mark.parametrize(
    "laid_out",
    [
        lambda a: np.repeat(a, 2, axis=0)[::2],
        np.asfortranarray,
        lambda a: a.astype(a.dtype.newbyteorder(">")),
    ],
    ids=["strided", "fortran", "big-endian"],
)
def test_memory_layouts_and_threads(kernels, laid_out, monkeypatch):
    parallel = importlib.import_module("hdc.backends.numba_kernels.parallel")
    rng = np.random.default_rng(0)
    given, tie = record(rng, 130, 9, rows=9), packed(rng, 130)
    phases = np.rint(rng.standard_normal((9, 130)) * 1e8)
    expected = (
        kernels.record_majority(*given, tie, 130),
        kernels.record_sums(*given, 5, 130),
        kernels.phase_signs(phases, 2**20),
        kernels.fourier_signs(given[2], spans_of(phases.astype(np.int32), 64), phases.astype(np.int32), 2**20),
    )
    odd = [laid_out(array) for array in given]
    for array in odd:
        array.flags.writeable = False
    monkeypatch.setattr(parallel, "GRAIN", 1e-9)
    monkeypatch.setattr(parallel, "_limit", 4)
    np.testing.assert_array_equal(kernels.record_majority(*odd, laid_out(tie), 130), expected[0])
    np.testing.assert_array_equal(kernels.record_sums(*odd, 5, 130), expected[1])
    np.testing.assert_array_equal(kernels.phase_signs(laid_out(phases), 2**20), expected[2])
    whole = phases.astype(np.int32)
    found = kernels.fourier_signs(odd[2], laid_out(spans_of(whole, 64)), laid_out(whole), 2**20)
    np.testing.assert_array_equal(found, expected[3])
