"""The kernel that learns from row to row, against its definition in plain Python."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hdc import testing
from hdc.dispatch import backend, learn_kernels
from hdc.errors import UnsupportedError
from hdc.kernels import ADAPT, BUNDLE, MARGIN, ONLINE, REFINE, PerceptronState
from tests import models, naive

RULES = {"bundle": BUNDLE, "adapt": ADAPT, "online": ONLINE, "margin": MARGIN, "refine": REFINE}


def unit_rows(rng, n, dim):
    rows = rng.standard_normal((n, dim))
    return (rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-9)).astype(np.float32)


def start(rng, classes, dim, filled):
    prototypes = (rng.standard_normal((classes, dim)) * filled).astype(np.float32)
    squares = np.einsum("cd,cd->c", prototypes, prototypes, dtype=np.float64)
    return PerceptronState(prototypes, (prototypes * 3).astype(np.float32), squares, np.array([0.2, -0.1]), 5)


@pytest.mark.parametrize("name", models.NUMPY_BACKENDS)
@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize(("n", "dim", "classes"), [(0, 64, 3), (1, 1, 1), (30, 63, 2), (40, 65, 5), (12, 1000, 3)])
def test_steps_are_those_of_the_definition(name, rule, n, dim, classes):
    rng = np.random.default_rng(n + dim)
    rows, labels = unit_rows(rng, n, dim), rng.integers(0, classes, n)
    weights = rng.integers(0, 3, n).astype(np.float32)
    state = start(rng, classes, dim, filled=n % 2)
    found, nearest = backend(name).learn.perceptron(rows, labels, weights, state, RULES[rule], 0.5, 0.3)
    prototypes, drift, means, step, expected = naive.perceptron(
        rows.tolist(), labels.tolist(), weights.tolist(), state.prototypes, state.drift, state.means, 5, rule, 0.5, 0.3
    )
    np.testing.assert_allclose(found.prototypes, prototypes, atol=2e-5)
    np.testing.assert_allclose(found.drift, drift, atol=1e-3)
    np.testing.assert_allclose(found.means, means, atol=1e-5)
    np.testing.assert_allclose(found.squares, [np.dot(p, p) for p in np.asarray(prototypes)], rtol=1e-4, atol=1e-5)
    assert found.step == step
    assert nearest.tolist() == expected


@given(st.integers(0, 2**32 - 1), st.sampled_from(sorted(RULES)))
def test_backends_agree(seed, rule):
    rng = np.random.default_rng(seed)
    classes, dim, n = int(rng.integers(1, 6)), int(rng.integers(1, 200)), int(rng.integers(0, 40))
    rows, labels, weights = unit_rows(rng, n, dim), rng.integers(0, classes, n), np.ones(n, np.float32)
    state = start(rng, classes, dim, filled=1)
    (one, near), (other, also) = (
        backend(name).learn.perceptron(rows, labels, weights, state, RULES[rule], 1.0, 0.1)
        for name in ("numpy", "numba")
    )
    if (near == also).all():  # where two classes are equally near to rounding, either may be the rival
        np.testing.assert_allclose(one.prototypes, other.prototypes, atol=1e-4)


@pytest.mark.parametrize("name", models.NUMPY_BACKENDS)
def test_inputs_of_any_form_stay_as_they_are(name):
    rng = np.random.default_rng(3)
    rows, labels, weights = unit_rows(rng, 20, 65), rng.integers(0, 3, 20), np.ones(20, np.float32)
    state = start(rng, 3, 65, filled=1)
    expected, _ = backend(name).learn.perceptron(rows, labels, weights, state, MARGIN, 1.0, 0.1)
    wide = np.repeat(rows, 2, axis=1)[:, ::2]
    for form in (wide, np.asfortranarray(rows), rows.astype(">f4")):
        form.flags.writeable = False
        kept = state.prototypes.copy()
        found, _ = backend(name).learn.perceptron(form, labels, weights, state, MARGIN, 1.0, 0.1)
        np.testing.assert_allclose(found.prototypes, expected.prototypes, atol=1e-6)
        assert np.array_equal(kept, state.prototypes)


def test_a_backend_without_the_kernels_says_so():
    assert "learn.perceptron" in testing.check_backend("numba")
    if not models.NO_TORCH:
        with pytest.raises(UnsupportedError, match="that learn"):
            learn_kernels(backend("torch"))


@pytest.mark.parametrize("name", models.NUMPY_BACKENDS)
@pytest.mark.parametrize(("n", "p", "dim"), [(0, 3, 5), (1, 1, 1), (5, 4, 63), (7, 6, 65), (3, 9, 1000)])
def test_dots_are_dot_products_whatever_other_rows_there_are(name, n, p, dim):
    rng = np.random.default_rng(n)
    rows, vectors = unit_rows(rng, n, dim), unit_rows(rng, p, dim)
    found = backend(name).learn.dots(rows, vectors)
    expected = [[sum(x * y for x, y in zip(r, v, strict=True)) for v in vectors.tolist()] for r in rows.tolist()]
    np.testing.assert_allclose(found, np.reshape(expected, (n, p)), atol=1e-5)
    alone = [backend(name).learn.dots(rows[i : i + 1], vectors) for i in range(n)]
    assert np.array_equal(np.concatenate(alone, axis=0), found) if n else found.shape == (0, p)
