"""The packed layout against bitarray."""

import numpy as np
import pytest
from bitarray import bitarray
from hypothesis import given
from hypothesis import strategies as st

from hdc import errors, words


@given(st.lists(st.booleans(), min_size=1, max_size=200))
def test_pack_is_little_endian_and_invertible(bits):
    packed = words.pack(bits)
    expected = bitarray(bits, endian="little").tobytes().ljust(8 * words.word_count(len(bits)), b"\0")
    assert packed.astype("<u8").tobytes() == expected
    assert words.unpack(packed, len(bits)).tolist() == bits
    assert words.to_bitarray(packed, len(bits)) == bitarray(bits)
    assert np.array_equal(words.from_bitarray(bitarray(bits, endian="big")), packed)


@pytest.mark.parametrize("dim", [1, 63, 64, 65, 1000])
def test_pack_batches_strided_and_foreign(dim):
    bits = np.random.default_rng(0).random((3, 4, 2 * dim)) < 0.5
    packed = words.pack(bits[..., ::2])
    assert packed.shape == (3, 4, words.word_count(dim))
    swapped = packed.astype(">u8")
    swapped.flags.writeable = False
    assert np.array_equal(words.unpack(swapped, dim), bits[..., ::2])
    assert np.array_equal(words.unpack(packed.transpose(1, 0, 2), dim), bits[..., ::2].transpose(1, 0, 2))


@pytest.mark.parametrize("bad", [[0, 2], [0.5, 1.0], ["a"]])
def test_pack_refuses_other_values(bad):
    with pytest.raises(errors.DTypeError, match="pack takes booleans"):
        words.pack(bad)


@pytest.mark.parametrize("shape", [(), (3, 0)])
def test_pack_refuses_no_components(shape):
    with pytest.raises(errors.DimensionError, match="dim >= 1"):
        words.pack(np.zeros(shape, dtype=bool))


@pytest.mark.parametrize(
    ("x", "error", "text"),
    [
        (np.zeros(2, np.int64), errors.DTypeError, "dtype int64"),
        ([0, 0], errors.DTypeError, "list"),
        (np.zeros(3, np.uint64), errors.DimensionError, "needs 2 words"),
        (np.zeros((), np.uint64), errors.DimensionError, "needs 2 words"),
        (np.array([0, 1 << 63], np.uint64), errors.PaddingError, "beyond component 99"),
    ],
)
def test_as_words_says_what_is_wrong(x, error, text):
    with pytest.raises(error, match=text):
        words.as_words(x, 100)


def test_mask_tail_makes_padding_zero():
    x = words.mask_tail(np.full((2, 2), 2**64 - 1, np.uint64), 100)
    assert words.unpack(words.as_words(x, 100), 100).all()


def test_bitarray_bridge_takes_one_vector():
    with pytest.raises(errors.DimensionError, match="one packed vector"):
        words.to_bitarray(np.zeros((2, 1), np.uint64), 64)
    with pytest.raises(errors.DimensionError, match="at least one bit"):
        words.from_bitarray(bitarray())


def test_pack_takes_booleans_and_the_integers_0_and_1():
    expected = words.pack(np.array([False, True, True]))
    for dtype in (np.int8, np.uint8, np.int64, np.uint64):
        assert np.array_equal(words.pack(np.array([0, 1, 1], dtype)), expected)
    for wrong in (np.array([0, 2]), np.array([-1, 1]), np.array([0.0, 1.0])):
        with pytest.raises(errors.DTypeError, match="0 and 1"):
            words.pack(wrong)


BIT_ORDERS = pytest.mark.parametrize("order", words.BITORDERS)


@BIT_ORDERS
@given(st.lists(st.booleans(), min_size=1, max_size=200))
def test_bytes_are_those_of_numpy(order, bits):
    packed = words.pack([bits, bits[::-1]])
    rows = np.packbits([bits, bits[::-1]], axis=1, bitorder=order)
    assert np.array_equal(words.to_bytes(packed, len(bits), bitorder=order), rows)
    assert np.array_equal(words.from_bytes(rows, len(bits), bitorder=order), packed)
    wider = np.pad(rows, ((0, 0), (0, 9)))
    assert np.array_equal(words.from_bytes(wider, len(bits), bitorder=order), packed)
    whole = words.from_bytes(rows[0], bitorder=order)
    assert whole.shape == (words.word_count(8 * rows.shape[1]),)


@pytest.mark.parametrize(
    ("rows", "dim", "error", "text"),
    [
        (np.zeros((2, 3), np.int8), 24, errors.DTypeError, r"x.astype\(np.int16\) \+ 128"),
        (np.zeros((2, 3), np.uint64), 24, errors.DTypeError, "must be uint8, not uint64"),
        (np.zeros((2, 3), np.uint8), 25, errors.DimensionError, "needs 4 bytes"),
        (np.zeros((2, 0), np.uint8), None, errors.DimensionError, r"\(\.\.\., bytes\)"),
        (np.full((2, 3), 1, np.uint8), 23, errors.PaddingError, "beyond component 22"),
        (np.full((2, 3), 1, np.uint8), 16, errors.PaddingError, "beyond component 15"),
    ],
)
def test_from_bytes_says_what_is_wrong(rows, dim, error, text):
    with pytest.raises(error, match=text):
        words.from_bytes(rows, dim, bitorder="big")
    with pytest.raises(errors.ParameterError, match="bitorder must be one of little, big"):
        words.from_bytes(rows, dim, bitorder="msb")
    with pytest.raises(TypeError, match="bitorder"):
        words.from_bytes(rows, dim)
