"""Indexes of codes that go to other libraries, and what is compared of them."""

import numpy as np
import pytest

from hdc import words
from hdc.apps.retrieval import BinaryIndex

DIMS = pytest.mark.parametrize("dim", [64, 70, 256])
BIG = 2**62
"""An id that only 64 bits have."""


def codes(n, dim, seed=0):
    return words.pack(np.random.default_rng(seed).random((n, dim)) < 0.5)


def bytes_of(rows, dim):
    return words.to_bytes(rows, dim, bitorder="little")


def filled(dim, kind="flat", n=300, **options):
    """Return an index with a removed and an updated row, so that ids are no positions."""
    rows, index = codes(n, dim), BinaryIndex(dim, kind=kind, **options)
    if kind == "ivf":
        index.train(rows, lists=20)
    index.add(rows, keys=[f"k{i}" if i % 3 else None for i in range(n)])
    index.remove(ids=[5])
    index.update([9], rows[:1])
    return index


def same_answers(theirs, ours, dim):
    """Compare (distances, ids), which FAISS has in another order where distances are equal."""
    distances, ids = theirs
    np.testing.assert_array_equal(distances, ours[0])
    for row, (found, expected) in enumerate(zip(ids, ours[1], strict=True)):
        inside = distances[row] < distances[row, -1]
        assert set(found[inside]) == set(expected[inside])


def same_rows(one, other):
    np.testing.assert_array_equal(one.ids(), other.ids())
    np.testing.assert_array_equal(one.codes(one.ids()), other.codes(other.ids()))
