"""Matrix memories: both forms agree with the definition, estimates are unbiased, errors are typed."""

import numpy as np
import pytest

import hdc
from hdc import errors


def naive_matrix(memory, names, dim):
    total = np.zeros((dim, dim), dtype=np.int64)
    for name in names:
        x = memory.vsa.symbol(name).astype(np.int64)
        sign = int(memory._signs_of([name])[0])
        total += sign * np.outer(x, x)
    return total


@pytest.mark.parametrize("signed", [True, False])
def test_both_forms_are_the_definition(signed):
    low, dense = (hdc.Hopfield(40, list("abcde"), signed=signed, form=form) for form in ("low-rank", "dense"))
    expected = naive_matrix(low, "abcde", 40)
    assert np.array_equal(low.matrix, expected)
    assert np.array_equal(dense.matrix, expected)
    assert low.scores(list("abcxyz")) == pytest.approx(dense.scores(list("abcxyz")))
    other = hdc.Hopfield(40, list("defg"), signed=signed)
    mixed = hdc.Hopfield(40, list("defg"), signed=signed, form="dense")
    assert low.intersection_size(other) == pytest.approx(dense.intersection_size(mixed))
    assert low.intersection_size(other) == pytest.approx(low.intersection_size(mixed))


@pytest.mark.parametrize("signed", [True, False])
def test_estimates_are_unbiased(signed):
    """Means over 300 seeds within 6 standard errors: a false alarm in 5e8."""
    found = []
    for seed in range(300):
        memory = hdc.Hopfield(60, range(12), signed=signed, seed=seed)
        other = hdc.Hopfield(60, range(8, 20), signed=signed, seed=seed)
        found.append([*memory.scores([0, 100]), memory.intersection_size(other)])
    errors_of_means = np.std(found, axis=0, ddof=1) / np.sqrt(len(found))
    assert np.all(np.abs(np.mean(found, axis=0) - [1, 0, 4]) < 6 * errors_of_means)


def test_membership_at_the_rigorous_size():
    dim = hdc.bounds.dimension("membership", "Hopfield±", items=20, universe=100, error=1e-6)
    memory = hdc.Hopfield(dim, range(20))
    assert memory.contains(range(100)).tolist() == [i < 20 for i in range(100)]
    assert memory.capacity(universe=100, error=1e-6) >= 20


def test_counts_repetitions():
    memory = hdc.memory.Hopfield(500, ["a", "a"])
    memory.add(["b"])
    assert len(memory) == 3
    assert np.rint(memory.scores(list("abc"))).tolist() == [2, 1, 0]
    assert repr(memory) == "Hopfield(500, signed=True, form='low-rank', 3 members)"


def test_errors():
    with pytest.raises(errors.ParameterError, match="form must be one of low-rank, dense, not 'sparse'"):
        hdc.Hopfield(10, form="sparse")
    with pytest.raises(errors.MismatchError):
        hdc.Hopfield(10, ["a"]).intersection_size(hdc.Hopfield(11, ["a"]))
    with pytest.raises(errors.MismatchError, match="Hopfield± and a Hopfield memory"):
        hdc.Hopfield(10, ["a"]).intersection_size(hdc.Hopfield(10, ["a"], signed=False))
