"""The kernels of search by postings against their oracle: groups of items, numbers, floors, ranks, ties."""

import numba
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hdc.testing.posting_cases import Form, PostingCases, posting_case
from tests import naive
from tests.bridge import backend_of
from tests.models import NUMPY_BACKENDS

KERNELS = {name: backend_of(name).postings for name in NUMPY_BACKENDS}
COMPILED = not numba.config.DISABLE_JIT
NO_MASK, NO_RANK = np.empty(0, np.bool_), np.empty(0, np.int64)


@pytest.fixture(params=NUMPY_BACKENDS)
def kernels(request):
    return KERNELS[request.param]


def best(kernels, segment, query, k=10, floor=0.0, allowed=NO_MASK, rank=NO_RANK):
    """Search, and look at the form of the result."""
    scores, documents = kernels.best(segment, query, k, floor, allowed, rank)
    assert (scores.dtype, documents.dtype) == (np.float64, np.int64)
    assert scores.shape == documents.shape
    return scores.tolist(), documents.tolist()


def check(case, *asked):
    expected = naive.posting_best(*case, *asked)
    for kernels in KERNELS.values():
        assert best(kernels, *case, *asked) == expected
    return expected


@settings(max_examples=150 if COMPILED else 40, deadline=None, derandomize=True)
@given(st.data())
def test_best_documents_of_anything(data):
    form = Form(
        documents=data.draw(st.integers(1, 25)),
        items=data.draw(st.integers(0, 4)),
        lists=data.draw(st.integers(1, 3)),
        groups=data.draw(st.integers(0, 2)),
        weight=data.draw(st.sampled_from([1, 9, 2**20])),
        overlap=data.draw(st.booleans()),
        smooth=data.draw(st.booleans()),
        scales=data.draw(st.sampled_from([1, 3])),
        giant=data.draw(st.sampled_from([0, 0, 70])),
    )
    rng = np.random.default_rng(data.draw(st.integers(0, 9999)))
    case = posting_case(rng, form)
    n = form.documents
    allowed = data.draw(st.sampled_from([NO_MASK, rng.random(n) < 0.5, np.zeros(n, np.bool_)]))
    rank = data.draw(st.sampled_from([NO_RANK, rng.permutation(n)]))
    whole = naive.posting_best(*case, n, 0.0, NO_MASK, NO_RANK)[0]
    floor = data.draw(st.sampled_from([0.0, *whole[:1], *whole[len(whole) // 2 :][:1]]))
    for k in {1, data.draw(st.integers(1, n)), n, n + 3}:
        check(case, k, floor, allowed, rank)


@pytest.mark.parametrize("form", [Form(), Form(weight=2**20, overlap=True), Form(smooth=True, scales=1)])
@pytest.mark.parametrize("mode", range(4))
def test_every_mode(form, mode):
    found = 0
    for seed in range(8):
        segment, query = posting_case(np.random.default_rng(seed), form)
        query = query._replace(mode=np.full_like(query.mode, mode))
        found += len(check((segment, query), 5, 0.0, NO_MASK, NO_RANK)[0])
    assert found


def test_documents_of_nothing(kernels):
    segment, query = posting_case(np.random.default_rng(0), Form(documents=0))
    assert best(kernels, segment, query) == ([], [])


def test_many_more_are_asked_for_than_there_are(kernels):
    segment, query = posting_case(np.random.default_rng(2), Form())
    every = best(kernels, segment, query, 20)
    assert len(every[0]) > 5
    assert best(kernels, segment, query, 2**62) == every


def test_equal_scores_are_by_rank():
    segment, query = posting_case(np.random.default_rng(5), Form(documents=60, weight=1, groups=0))
    rank = np.random.default_rng(3).permutation(60)
    for k in (1, 3, 60):
        scores, documents = check((segment, query), k, 0.0, NO_MASK, rank)
        assert len(set(scores)) < len(scores) or k == 1
        assert list(zip(scores, rank[documents], strict=True)) == sorted(
            zip(scores, rank[documents], strict=True), key=lambda pair: (-pair[0], pair[1])
        )


LARGE = Form(documents=9000, items=2, lists=4, groups=2, weight=2**20)


@pytest.mark.skipif(not COMPILED, reason="slow in plain Python")
@pytest.mark.parametrize("overlap", [False, True])
@pytest.mark.parametrize("seed", range(3))
def test_lists_that_are_not_scanned(seed, overlap):
    """Lists so long that it is asked whether they could still change anything, against the reference."""
    rng = np.random.default_rng(seed)
    cases = PostingCases(rng, LARGE._replace(overlap=overlap))
    segment, tried = cases.segment, 0
    for _ in range(8):
        query = cases.query()
        for k, floor in ((1, 0.0), (10, 0.0), (10, 2.0**21), (300, 0.0)):
            for allowed in (NO_MASK, rng.random(9000) < 0.3):
                for rank in (NO_RANK, rng.permutation(9000)):
                    asked = k, floor, allowed, rank
                    assert best(KERNELS["numba"], segment, query, *asked) == best(
                        KERNELS["numpy"], segment, query, *asked
                    )
                    tried += 1
    assert tried == 128
