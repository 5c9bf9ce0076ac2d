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


def best(kernels, segments, query, rank=NO_RANK, k=10, allowed=NO_MASK):
    """Search, and look at the form of the result."""
    scores, positions = kernels.prepare(segments, rank).best(query, k, allowed)
    assert (scores.dtype, positions.dtype) == (np.float64, np.int64)
    assert scores.shape == positions.shape
    return scores.tolist(), positions.tolist()


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
        segments=data.draw(st.integers(1, 3)),
        items=data.draw(st.integers(0, 4)),
        lists=data.draw(st.integers(1, 3)),
        groups=data.draw(st.integers(0, 2)),
        weight=data.draw(st.sampled_from([1, 9, 2**20])),
        overlap=data.draw(st.booleans()),
        smooth=data.draw(st.booleans()),
        giant=data.draw(st.sampled_from([0, 0, 70])),
    )
    rng = np.random.default_rng(data.draw(st.integers(0, 9999)))
    case = posting_case(rng, form)
    n = form.documents * form.segments
    allowed = data.draw(st.sampled_from([NO_MASK, rng.random(n) < 0.5, np.zeros(n, np.bool_)]))
    rank = data.draw(st.sampled_from([NO_RANK, rng.permutation(n)]))
    for k in {1, data.draw(st.integers(1, n)), n, n + 3}:
        check(case, rank, k, allowed)


@pytest.mark.parametrize("form", [Form(), Form(weight=2**20, overlap=True), Form(smooth=True)])
@pytest.mark.parametrize("mode", range(4))
def test_every_mode(form, mode):
    found = 0
    for seed in range(8):
        segments, query = posting_case(np.random.default_rng(seed), form)
        query.groups["mode"] = mode
        found += len(check((segments, query), NO_RANK, 5, NO_MASK)[0])
    assert found


def test_documents_of_nothing(kernels):
    segments, query = posting_case(np.random.default_rng(0), Form(documents=0))
    assert best(kernels, segments, query) == best(kernels, [], query) == ([], [])


def test_many_more_are_asked_for_than_there_are(kernels):
    segments, query = posting_case(np.random.default_rng(2), Form())
    every = best(kernels, segments, query, k=20)
    assert len(every[0]) > 5
    assert best(kernels, segments, query, k=2**62) == every


def test_equal_scores_are_by_rank():
    case = posting_case(np.random.default_rng(7), Form(documents=30, segments=2, weight=1))
    rank = np.random.default_rng(3).permutation(60)
    for k in (1, 3, 60):
        scores, positions = check(case, rank, k, NO_MASK)
        assert len(set(scores)) < len(scores) or k == 1
        assert list(zip(scores, rank[positions], strict=True)) == sorted(
            zip(scores, rank[positions], strict=True), key=lambda pair: (-pair[0], pair[1])
        )


LARGE = Form(documents=9000, segments=2, items=2, lists=4, groups=2, weight=2**20)


@pytest.mark.skipif(not COMPILED, reason="slow in plain Python")
@pytest.mark.parametrize("change", [{}, {"overlap": True}, {"weight": 3}, {"smooth": True}])
@pytest.mark.parametrize("seed", [0, *(pytest.param(seed, marks=pytest.mark.slow) for seed in (1, 2))])
def test_lists_that_are_not_scanned(seed, change):
    """Lists so long that it is asked whether they could still change anything, against the reference."""
    rng = np.random.default_rng(seed)
    cases = PostingCases(rng, LARGE._replace(**change))
    tried = 0
    for rank in (NO_RANK, rng.permutation(18000)):
        prepared = [KERNELS[name].prepare(cases.segments, rank) for name in ("numba", "numpy")]
        for _ in range(4):
            query = cases.query()
            for k in (1, 10, 300):
                for allowed in (NO_MASK, rng.random(18000) < 0.3):
                    one, other = (kernels.best(query, k, allowed) for kernels in prepared)
                    assert [part.tolist() for part in one] == [part.tolist() for part in other]
                    tried += 1
    assert tried == 48
