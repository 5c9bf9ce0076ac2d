"""The shipped backend suite: it passes on our backends, covers every kernel, and finds broken ones."""

from dataclasses import fields, replace

import numpy as np
import pytest

from hdc import testing
from hdc.dispatch import backend
from hdc.kernels import (
    BitKernels,
    ClassKernels,
    DenseKernels,
    FeatureKernels,
    GraphKernels,
    LearnKernels,
    LevelKernels,
    ListKernels,
    PostingKernels,
    SearchKernels,
    TableKernels,
    TokenKernels,
)
from hdc.testing import backends as suite
from tests.models import BACKENDS, place

NO_KERNELS = {"dense.exact_integers", "search.hamming_pointer", "lists.layout", "graphs.layout"}


@pytest.mark.parametrize("name", BACKENDS)
def test_backends_conform(name):
    there = backend(*place(name).values())
    records = {record: getattr(there, record) for record in suite.RECORDS}
    names = {f"{record}.{field.name}" for record, kernels in records.items() if kernels for field in fields(kernels)}
    compared = testing.check_backend(*place(name).values())
    assert set(compared) == names - NO_KERNELS
    assert len(compared) == len(set(compared))


def test_every_kernel_of_the_contract_has_cases():
    cases = {
        "bits": suite.BIT_CASES,
        "dense": suite.DENSE_CASES,
        "levels": suite.LEVEL_CASES,
        "search": suite.SEARCH_CASES,
        "tables": suite.TABLE_CASES,
        "classes": suite.CLASS_CASES,
        "features": suite.FEATURE_CASES,
        "tokens": suite.TOKEN_CASES,
    }
    cases = {f"{record}.{name}" for record, names in cases.items() for name in names}
    of_their_own = {"search.search_index", "lists.centroids", "lists.code_lists", "lists.estimate_search"}
    of_their_own |= {
        "lists.restored",
        "graphs.linked",
        "graphs.connected",
        "graphs.nodes",
        "graphs.graph_search",
        "graphs.restored",
        "tables.level_rows",
        "postings.prepare",
        "postings.near",
        "learn.attract",
        "learn.dots",
        "learn.perceptron",
    }
    contracts = (
        BitKernels,
        DenseKernels,
        LevelKernels,
        SearchKernels,
        TableKernels,
        ListKernels,
        GraphKernels,
        PostingKernels,
        LearnKernels,
        ClassKernels,
        FeatureKernels,
        TokenKernels,
    )
    records = zip(suite.RECORDS, contracts, strict=True)
    names = {f"{name}.{field.name}" for name, record in records for field in fields(record)}
    assert cases | of_their_own == names - NO_KERNELS


def reversed_ties(queries, items, k):
    distances, ids = backend("numpy").search.top_k(queries, items, k)
    return distances, ids[:, ::-1]


def writing_xor(a, b):
    a ^= b
    return a


class Forgetful:
    """An index that loses what it is extended by."""

    def __init__(self, words):
        self.words = words

    def __len__(self):
        return 0

    def extended(self, items):
        return self


@pytest.mark.parametrize(
    ("kernel", "broken"),
    [
        ("top_k", reversed_ties),
        ("xor", writing_xor),
        ("popcount", lambda x: np.bitwise_count(x).sum(axis=-1).astype(np.int32)),
        pytest.param("search_index", Forgetful, marks=pytest.mark.slow),
    ],
)
def test_broken_kernels_are_found(kernel, broken, monkeypatch):
    reference = backend("numpy")
    record = "bits" if hasattr(reference.bits, kernel) else "search"
    faulty = replace(reference, name="faulty", **{record: replace(getattr(reference, record), **{kernel: broken})})
    monkeypatch.setattr(suite, "find_backend", lambda name, device="cpu": {"faulty": faulty, "numpy": reference}[name])
    with pytest.raises(testing.KernelError, match=kernel):
        testing.check_backend("faulty")


@pytest.mark.slow
def test_broken_postings_are_found(monkeypatch):
    def lenient(segments, rank):
        return reference.postings.prepare(segments, rank[:0])

    reference = backend("numpy")
    faulty = replace(reference, name="faulty", postings=PostingKernels(lenient, reference.postings.near))
    monkeypatch.setattr(suite, "find_backend", lambda name, device="cpu": {"faulty": faulty, "numpy": reference}[name])
    with pytest.raises(testing.KernelError, match="'best' of postings of backend 'faulty'"):
        testing.check_backend("faulty")
