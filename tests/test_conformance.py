"""The shipped backend suite: it passes on our backends, covers every kernel, and finds broken ones."""

from dataclasses import fields, replace

import numpy as np
import pytest

from hdc import testing
from hdc.dispatch import backend
from hdc.kernels import BitKernels, DenseKernels, ListKernels, TableKernels
from hdc.testing import backends as suite
from tests.models import BACKENDS, place


@pytest.mark.parametrize("name", BACKENDS)
def test_backends_conform(name):
    cases = {*suite.BIT_CASES, *suite.DENSE_CASES, *suite.TABLE_CASES, "search_index", "centroids", "code_lists"}
    records = BitKernels, DenseKernels, TableKernels, ListKernels
    names = {field.name for record in records for field in fields(record)}
    assert cases == names - {"exact_integers"}
    where = place(name).values()
    missing = set() if backend(*where).tables is not None else {"refine"}
    missing |= set() if backend(*where).lists is not None else {"centroids", "code_lists"}
    assert set(testing.check_backend(*where)) == cases - missing


def reversed_ties(queries, items, k):
    distances, ids = backend("numpy").bits.top_k(queries, items, k)
    return distances, ids[:, ::-1]


def writing_xor(a, b):
    a ^= b
    return a


class Forgetful:
    """An index that loses what is appended."""

    def __init__(self, words):
        self.words = words

    def __len__(self):
        return 0

    def append(self, items):
        pass


@pytest.mark.parametrize(
    ("kernel", "broken"),
    [
        ("top_k", reversed_ties),
        ("xor", writing_xor),
        ("popcount", lambda x: np.bitwise_count(x).sum(axis=-1).astype(np.int32)),
        ("search_index", Forgetful),
    ],
)
def test_broken_kernels_are_found(kernel, broken, monkeypatch):
    reference = backend("numpy")
    faulty = replace(reference, name="faulty", bits=replace(reference.bits, **{kernel: broken}))
    monkeypatch.setattr(suite, "find_backend", lambda name, device="cpu": {"faulty": faulty, "numpy": reference}[name])
    with pytest.raises(testing.KernelError, match=kernel):
        testing.check_backend("faulty")
