"""The best score of each row, found without sorting, is what sorting finds first."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hdc.topk import top_scores
from tests.models import BACKENDS, make

SCORES = st.sampled_from([0.0, -0.0, 1.0, -1.0, 0.5, float("inf"), -float("inf"), float("nan")])


@pytest.mark.parametrize("backend", BACKENDS)
@settings(max_examples=60, deadline=None)
@given(rows=st.lists(st.lists(SCORES, min_size=5, max_size=5), min_size=0, max_size=4), block=st.integers(1, 30))
def test_the_best_is_the_first_of_the_sorted(backend, rows, block):
    kernels = make("MAP-I", 65, backend).kernels
    scores = kernels.arrays.from_numpy(np.array(rows, np.float32).reshape(-1, 5))

    def scores_of(columns):
        return scores[:, columns]

    sorted_ones = top_scores(kernels, scores_of, 5, 1, block)
    found = top_scores(kernels, scores_of, 5, 1, block, len(rows))
    for one, other in zip(found, sorted_ones, strict=True):
        assert one.dtype == other.dtype
        a, b = kernels.arrays.to_numpy(one), kernels.arrays.to_numpy(other)
        np.testing.assert_array_equal(a, b)
        np.testing.assert_array_equal(np.signbit(a), np.signbit(b))
    numbers = [[-np.inf if score != score else score for score in row] for row in rows]
    if not np.isnan(np.array(rows)).any():
        assert [int(place) for (place,) in found[1]] == [row.index(max(row)) for row in numbers]
