"""Every law on every model, backend and dimension."""

import numpy as np
import pytest

import hdc
from hdc import testing
from tests import conformance
from tests.models import FAMILIES, NUMPY_BACKENDS, TORCH_BACKENDS, make

DIMS = (1, 2, 63, 64, 65, 1000, 10_000)
SEEN = {}
"""Outcomes by law, by (family, backend), at the dimension of the table in the docs."""
FEW_DIMS = (65, 1000)
"""Of the torch backends, whose packed kernels the kernel tests run over all edges."""


def cases():
    for family in FAMILIES:
        for backend in NUMPY_BACKENDS:
            for dim in DIMS:
                if dim == 1 and "Bloom" in family:
                    continue  # a sparse atom of one component has no zeros; test_sparse checks the error
                if dim == 10_000 and "haar" in family:
                    continue  # one dense operator would take 400 MB; haar is checked up to 1000
                yield pytest.param(family, backend, dim)
        for backend in TORCH_BACKENDS:
            for dim in FEW_DIMS[:1] if "haar" in family else FEW_DIMS:  # drawing a large haar takes the host a second
                yield pytest.param(family, *backend.values, dim, marks=backend.marks)


@pytest.mark.parametrize("law", testing.laws())
@pytest.mark.parametrize(("family", "backend", "dim"), list(cases()))
def test_law(family, backend, dim, law):
    outcome = testing.check_law(make(family, dim, backend), law)
    assert outcome.law == law
    if dim == conformance.dim_of(family):
        SEEN.setdefault((family, backend), {})[law] = outcome.outcome


def test_the_table_in_the_docs_says_what_was_seen():
    """Runs after all laws; ``python -m tests.conformance`` writes the table anew."""
    present = [(f, b) for f in FAMILIES for b in conformance.COLUMNS if not conformance.ABSENT.get(b)]
    if any(len(SEEN.get(key, ())) < len(testing.laws()) for key in present):
        pytest.skip("not all laws were run")
    assert {key: value for key, value in conformance.written().items() if key in SEEN} == {
        key: conformance.cell(outcomes) for key, outcomes in SEEN.items()
    }


def test_every_law_is_checked_on_every_model_at_a_usual_dimension():
    for family in FAMILIES:
        skipped = {o.law for o in testing.check_model(make(family, 1000)) if o.outcome != "held"}
        assert skipped == {"agrees-with-numpy"}


def test_unknown_laws_are_told_apart_from_broken_ones():
    with pytest.raises(hdc.errors.UnknownNameError, match="unknown law 'gravity'; known: spec"):
        testing.check_law(hdc.MAPI(10), "gravity")


class ForgetfulMAPI(hdc.MAPI):
    """A broken model for the suite to find: unbinding rotates."""

    def unbind(self, role, y):
        return np.roll(super().unbind(role, y), 1, axis=-1)


class WrappingMAPI(hdc.MAPI):
    """A broken model for the suite to find: sums stay in int8."""

    def bundle(self, x, weights=None):
        return super().bundle(x, weights).astype(np.int8)


@pytest.mark.parametrize(("broken", "law"), [(ForgetfulMAPI, "inverse"), (WrappingMAPI, "no-wrapping")])
def test_suite_finds_broken_models(broken, law):
    with pytest.raises(testing.LawError, match=law):
        testing.check_model(broken(1000))
