"""Features: tables to hypervectors, against the algebra itself, on every backend, among scikit-learn's estimators."""

import pytest

pytest.importorskip("sklearn", minversion="1.6", reason="scikit-learn is not installed")

from sklearn.utils.estimator_checks import estimator_checks_generator

from hdc.apps.learn import Features


def checks():
    """Return scikit-learn's checks of a transformer, by name."""
    found = [check for _, check in estimator_checks_generator(Features(64))]
    return [pytest.param(check, id=getattr(check, "func", check).__name__) for check in found]


@pytest.mark.parametrize("check", checks())
def test_scikit_learns_checks(check):
    check(Features(64))
