"""Kernels on bytes: what is no sign, long rows, and the operations they are written in."""

import importlib

import numba
import numpy as np
import pytest

from hdc.backends.numba_kernels import int8, simd
from tests import models, naive
from tests.bridge import backend_of

NAMES = [*models.NUMPY_BACKENDS, *([] if models.NO_TORCH else ["torch", "torch-portable"])]


@pytest.fixture(params=NAMES)
def dense(request):
    return backend_of(request.param).dense


@pytest.mark.parametrize("dim", [1, 63, 64, 65, 200])
def test_every_byte_that_is_no_sign_is_seen_at_any_place(dense, dim):
    atom = np.random.default_rng(dim).choice(np.int8([-1, 1]), dim)
    others = {np.int8: None, np.int32: -(2**31)}
    for place in {0, dim // 2, dim - 1}:
        for byte in range(-128, 128):
            odd = atom.copy()
            odd[place] = byte
            for dtype, least in others.items():
                _, fine = dense.sign_product(odd, atom.astype(dtype))
                assert bool(fine) == naive.is_sign_product(odd, atom, least) == (abs(byte) == 1)
            assert bool(dense.sign_product(atom, odd)[1]) == (abs(byte) == 1)


@pytest.mark.parametrize("dtype", [np.int16, np.int32, np.int64])
def test_the_least_integer_is_seen(dense, dtype):
    least = int(np.iinfo(dtype).min)
    atom, other = np.int8([[1, -1, 1]]), np.array([[5, least + 1, 0], [1, 1, least]], dtype)
    for rows in (other, other[:1], other[1:]):
        expected = all(naive.is_sign_product(atom[0], row, least) for row in rows)
        assert bool(dense.sign_product(atom, rows)[1]) == expected


def test_sums_and_products_at_their_limits(dense):
    """Rows that are longer than 32 bits hold the products of, and more rows than 16 bits hold the sums of."""
    dim = int8.LONGEST + 65
    least, greatest = np.full((1, dim), -128, np.int8), np.full((2, dim), 127, np.int8)
    dots, squares = dense.byte_dots(np.repeat(least, 6, axis=0), greatest)
    assert dots.tolist() == [[-128 * 127 * dim] * 2] * 6
    assert squares.tolist() == [127 * 127 * dim] * 2
    assert dense.byte_dots(least, least)[0].tolist() == [[128 * 128 * dim]]
    assert dense.byte_sums(np.full((1000, 3), -128, np.int8)).tolist() == [-128000] * 3


def test_no_queries_and_no_items(dense):
    some, none = np.ones((3, 65), np.int8), np.ones((0, 65), np.int8)
    dots, squares = dense.byte_dots(none, some)
    assert dots.shape == (0, 3)
    assert squares.tolist() == [65] * 3
    dots, squares = dense.byte_dots(some, none)
    assert (dots.shape, squares.shape) == ((3, 0), (0,))


def test_the_other_batch_axes_broadcast(dense):
    rng = np.random.default_rng(0)
    one, other = rng.choice(np.int8([-1, 1]), (4, 1, 3, 70)), rng.choice(np.int8([-1, 1]), (2, 1, 70))
    for a, b in ((one, other), (other, one), (one[0], other), (one, other.astype(np.int16))):
        product, fine = dense.sign_product(a, b)
        assert bool(fine)
        np.testing.assert_array_equal(product, a * b)


def test_blocks_change_nothing(monkeypatch):
    rng = np.random.default_rng(0)
    queries, items = (rng.integers(-128, 128, (n, 200)).astype(np.int8) for n in (9, 23))
    expected = int8.byte_dots(queries, items)
    numpy_int8 = importlib.import_module("hdc.backends.numpy_int8")
    monkeypatch.setattr("hdc.backends.numpy_blocks.BLOCK_BYTES", 1)
    monkeypatch.setattr(int8, "LONGEST", 64)
    for found in (int8.byte_dots(queries, items), numpy_int8.byte_dots(queries, items)):
        for one, other in zip(found, expected, strict=True):
            np.testing.assert_array_equal(one, other)


def test_operations_on_bytes_mean_what_their_plain_twins_say():
    @numba.njit
    def all_operations(given, out, sums):
        memory = simd.pointer(given)
        a, b = simd.load_bytes(memory, 1), simd.load_bytes(memory, 64)
        dots = simd.dot_bytes(simd.splat(5), a, b)
        simd.store_bytes(simd.pointer(out), 3, dots)
        sums[0] = simd.sum32(dots)

    given = np.random.default_rng(0).integers(0, 256, 128, dtype=np.uint8)
    out, sums = np.zeros(70, np.uint8), np.zeros(1, np.int64)
    all_operations(given, out, sums)
    a, b = simd._plain_load_bytes(given, 1), simd._plain_load_bytes(given, 64)
    dots, expected = simd._plain_dot_bytes(simd._plain_splat(5), a, b), np.zeros(70, np.uint8)
    simd._plain_store_bytes(expected, 3, dots)
    np.testing.assert_array_equal(out, expected)
    assert sums[0] == simd._plain_sum32(dots)


@pytest.mark.parametrize("dim", [1, 2, 63, 64, 65, 200])
@pytest.mark.parametrize("shapes", [((), ()), ((3,), ()), ((), (3,)), ((2, 1), (3,)), ((40,), (40,)), ((1, 3), (5, 3))])
def test_convolutions_are_sums_of_shifted_products(dense, dim, shapes):
    rng = np.random.default_rng(dim)
    a, b = (rng.standard_normal((*shape, dim)).astype(np.float32) for shape in shapes)
    for back in (False, True):
        found = dense.convolve(a, b, back)
        one, other = np.broadcast_arrays(a, b)
        assert (found.shape, found.dtype) == (one.shape, np.float32)
        for place in {(0,) * (one.ndim - 1), tuple(size - 1 for size in one.shape[:-1])}:
            np.testing.assert_allclose(
                found[place], naive.convolve(one[place], other[place], back), atol=2e-4 * max(1, dim**0.5)
            )


@pytest.mark.parametrize("layout", ["strided", "big-endian", "read-only", "reversed"])
def test_convolutions_of_odd_memory(dense, layout):
    x = np.random.default_rng(0).standard_normal((2, 9, 130))
    odd = {
        "strided": lambda a: np.repeat(a, 2, axis=-1)[..., ::2],
        "big-endian": lambda a: a.astype(">f8"),
        "read-only": lambda a: a.copy(),
        "reversed": lambda a: np.flip(np.flip(a).copy()),
    }[layout](x)
    odd.flags.writeable = layout != "read-only"
    expected = [naive.convolve(*pair, False) for pair in zip(x[0], x[1], strict=True)]
    np.testing.assert_allclose(dense.convolve(odd[0], odd[1], False), expected, atol=1e-10)
    np.testing.assert_allclose(dense.row_sums(odd), x.sum(axis=1), atol=1e-12)
