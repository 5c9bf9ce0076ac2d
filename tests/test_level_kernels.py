"""Kernels of integers below a number of levels, against sums written out one component at a time."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hdc.dispatch import backend as find_backend
from tests.models import BACKENDS, host, place

WAYS = [
    (2, 1), (2, 2), (2, 8), (3, 33), (8, 5), (8, 9), (16, 300), (32, 40), (33, 40), (256, 3), (256, 210), (300, 2),
    (1000, 210),
]  # fmt: skip
"""Levels and members of every way to count, on both sides of where one ends."""


def naive_plurality(rows, weights, tie, levels):
    """Return the level of the greatest weight of each component; the first from a lot on where several have it."""
    dim, chosen = len(tie), []
    for j in range(dim):
        count = [0] * levels
        for row, weight in zip(rows, weights, strict=True):
            count[row[j]] += weight
        lot = (tie[j] + sum(w * row[j - 1] for row, w in zip(rows, weights, strict=True))) % levels
        order = [(lot + ahead) % levels for ahead in range(levels)]
        chosen.append(max(order, key=lambda level, count=count: count[level]))
    return chosen


def naive_phase(rows, weights, tie, levels, j):
    """Return the level of the greatest score of component j: of all levels, added up in whole numbers."""
    angles = [2 * math.pi * level / levels for level in range(levels)]
    pairs = [(weight, row[j]) for row, weight in zip(rows, weights, strict=True)]
    across, up = (sum(w * round(2**31 * part(angles[x])) for w, x in pairs) for part in (math.cos, math.sin))
    lot = (tie[j] + sum(w * row[j - 1] for row, w in zip(rows, weights, strict=True))) % levels
    if across == up == 0:
        return lot
    score = [math.cos(angle) * across + math.sin(angle) * up for angle in angles]
    near = [level for level in range(levels) if score[level] == max(score)]
    if len(near) == 1:
        return near[0]
    low, high = near if near[1] - near[0] == 1 else near[::-1]
    return high if lot % 2 else low


def drawn(rng, levels, *shape):
    return rng.integers(0, levels, shape).astype(np.uint8 if levels <= 256 else np.int16)


@pytest.fixture(params=BACKENDS)
def there(request):
    """Return the level kernels of a backend as functions of NumPy arrays."""
    backend = find_backend(*place(request.param).values())

    def call(name, *arguments):
        given = [backend.arrays.from_numpy(a) if isinstance(a, np.ndarray) else a for a in arguments]
        return host(getattr(backend.levels, name)(*given))

    return call


@pytest.mark.parametrize("weighted", [False, True])
def test_plurality(there, weighted):
    for levels, n in WAYS:
        rng = np.random.default_rng(levels + n)
        x, tie = drawn(rng, levels, n, 9), rng.integers(0, levels, 9)
        weights = rng.integers(-3, 4, n) if weighted else None
        found = there("plurality", x, weights, tie, levels)
        w = [1] * n if weights is None else weights.tolist()
        assert found.dtype == x.dtype
        assert found.tolist() == naive_plurality(x.tolist(), w, tie.tolist(), levels), (levels, n)


def test_weights_of_which_none_is_above_that_of_absent_levels(there):
    x, tie = np.array([[0, 1, 2, 3]] * 2, dtype=np.uint8), np.zeros(4, np.int64)
    for weights in ([-1, -1], [1, -1], [0, 0]):
        found = there("plurality", x, np.array(weights), tie, 5).tolist()
        assert found == naive_plurality(x.tolist(), weights, tie.tolist(), 5)


@pytest.mark.parametrize("weighted", [False, True])
def test_phases(there, weighted):
    for levels, n in WAYS:
        if levels > 256:
            continue
        rng = np.random.default_rng(levels + n)
        x, tie = drawn(rng, levels, n, 40), rng.integers(0, levels, 40)
        x[:, 30:] = x[:, :10] if n % 2 else (x[:, :10] + np.arange(n)[:, None] % 2 * (levels // 2)) % levels
        weights = rng.integers(-3, 4, n) if weighted else None
        angles = 2 * np.pi * np.arange(levels) / levels
        turns = np.stack([np.cos(angles), np.sin(angles)])
        found = there("phases", x, weights, tie, np.rint(2.0**31 * turns).astype(np.int64), turns).tolist()
        w = [1] * n if weights is None else weights.tolist()
        for j, level in enumerate(found):
            assert level == naive_phase(x.tolist(), w, tie.tolist(), levels, j), (levels, n, j)


@settings(max_examples=30)
@given(levels=st.sampled_from([2, 3, 16, 127, 129, 200, 256, 5000]), seed=st.integers(0, 99), size=st.integers(1, 9))
def test_sums_differences_and_equal_components(levels, seed, size):
    rng = np.random.default_rng(seed)
    x, y = drawn(rng, levels, size, 7), drawn(rng, levels, 3, 7)
    weights, table = rng.integers(-9, 9, size), rng.integers(-(2**22), 2**22, levels).astype(np.int32)
    rows, others = x.tolist(), y.tolist()
    for name in ("numpy", "numba"):
        kernels = find_backend(name).levels
        moved = kernels.moved(y[0], x, 1, levels)
        assert moved.tolist() == [[(a + b) % levels for a, b in zip(row, others[0], strict=True)] for row in rows]
        assert kernels.moved(y[0], moved, -1, levels).tolist() == rows
        assert kernels.moved(x[:, None], y, 1, levels).shape == (size, 3, 7)
        sums = kernels.sums(x, weights, table[None].astype(np.int64))
        expected = [sum(int(w) * int(table[row[j]]) for w, row in zip(weights, rows, strict=True)) for j in range(7)]
        assert sums.tolist() == [expected]
        counts = kernels.counts(x, None, levels)
        assert counts.shape == (levels, 7)
        for j in range(7):
            assert {level: count for level, count in enumerate(counts[:, j].tolist()) if count} == {
                level: [row[j] for row in rows].count(level) for level in {row[j] for row in rows}
            }
        same = [[sum(a == b for a, b in zip(row, other, strict=True)) for other in others] for row in rows]
        assert kernels.equal(x, y).tolist() == same
        if levels <= 256:
            apart = [
                [sum(int(table[(a - b) % levels]) for a, b in zip(row, other, strict=True)) for other in others]
                for row in rows
            ]
            assert kernels.differences(x, y, table).tolist() == apart


def test_long_rows_do_not_overflow_what_they_are_counted_in(there):
    x = np.full((2, 70_000), 7, dtype=np.uint8)
    assert there("equal", x, x).tolist() == [[70_000] * 2] * 2
    table = np.full(8, 2**22, dtype=np.int32)
    assert there("differences", x, x, table).tolist() == [[70_000 * 2**22] * 2] * 2
    many = np.full((1000, 3), 5, dtype=np.uint8)
    assert there("plurality", many, None, np.zeros(3, np.int64), 8).tolist() == [5, 5, 5]


@pytest.mark.parametrize("levels", [2, 16, 128, 129, 256])
def test_long_rows_move_as_short_ones_do(there, levels):
    rng = np.random.default_rng(levels)
    a, x = drawn(rng, levels, 70_000), drawn(rng, levels, 2, 70_000)
    for sign in (1, -1):
        expected = ((x.astype(int) + sign * a.astype(int)) % levels).tolist()
        assert there("moved", a, x, sign, levels).tolist() == expected
        assert there("moved", a[:100], x[:, :100], sign, levels).tolist() == [row[:100] for row in expected]
