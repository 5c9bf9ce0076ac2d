"""Distinct numbers of an array."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from hdc.distinct import distinct, firsts


@given(st.lists(st.integers(-3, 3)), st.sampled_from([np.int64, np.float64, np.int8]))
def test_distinct_numbers_are_those_of_a_set_in_order(numbers, dtype):
    found = distinct(np.array(numbers, dtype))
    assert (found.tolist(), found.dtype) == (sorted(set(numbers)), dtype)


def test_layouts_that_are_not_plain():
    table = np.array([[5, 1, 5], [2, 1, 2]], ">u4")
    table.flags.writeable = False
    assert distinct(table[:, ::2]).tolist() == [2, 5]


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2))))
def test_firsts_of_sorted_rows_are_those_of_a_set(rows):
    rows.sort()
    columns = np.array(rows, np.int64).reshape(len(rows), 2).T
    kept = columns[:, firsts(*columns)].T.tolist()
    assert kept == [list(row) for row in sorted(set(rows))]
