"""scikit-learn's own checks of an estimator, those of its contributors included, and which of them may fail."""

import warnings
from unittest import SkipTest

from sklearn.utils import estimator_checks
from sklearn.utils.estimator_checks import estimator_checks_generator

OF_TRANSFORMERS = (
    "check_dataframe_column_names_consistency",
    "check_transformer_get_feature_names_out",
    "check_transformer_get_feature_names_out_pandas",
    "check_set_output_transform",
    "check_set_output_transform_pandas",
    "check_global_output_transform_pandas",
)
"""Checks that scikit-learn runs on its own estimators beside those that it offers to others: names and containers."""

OF_PREDICTORS = OF_TRANSFORMERS[:1]


def checks(estimator):
    """Return the checks that go with an estimator's tags, by name; each takes an estimator.

    scikit-learn gives some names to several checks, such as one for each kind of label.
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", ".*does not inherit from", UserWarning)
        found = [check for _, check in estimator_checks_generator(estimator)]
    named = [(getattr(check, "func", check).__name__, check) for check in found]
    for name in OF_TRANSFORMERS if hasattr(estimator, "transform") else OF_PREDICTORS:
        check = getattr(estimator_checks, name)
        named.append((name, lambda one, check=check: check(type(one).__name__, one)))
    return named


def failures(estimator, expected=None):
    """Run all checks of an estimator; return what is wrong, a line each.

    Parameters
    ----------
    estimator : an instance
        Unfitted.
    expected : dict, optional
        Checks that do not apply, by name, and the reason of each. Such a check must fail: one that passes is an
        exception that is not needed any more, and is wrong too.

    Examples
    --------
    ``assert not failures(Estimator(), {"check_fit1d": "documents have no columns"})``
    """
    expected, failed, wrong = expected or {}, set(), []
    for name, check in checks(estimator):
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error")
                # those of containers mix frames and arrays, and see these warnings
                warnings.filterwarnings("ignore", "X (does not have valid|has) feature names", UserWarning)
                check(estimator)
        except SkipTest:
            continue
        except Exception as error:
            failed.add(name)
            if name not in expected:
                wrong.append(f"{name}: {type(error).__name__}: {error}")
    wrong += [f"{name} is expected to fail ({expected[name]}), and does not" for name in sorted(set(expected) - failed)]
    return wrong
