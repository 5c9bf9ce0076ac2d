"""Silence warnings of scikit-learn and NumPy that a user of the command cannot act on."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager

MESSAGES = ("Found unknown categories", "The number of unique classes is greater than 50%")


@contextmanager
def quiet() -> Iterator[None]:
    """Keep warnings of unknown categories, many classes, iterations that end early, and great numbers to oneself."""
    from sklearn.exceptions import ConvergenceWarning

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        warnings.filterwarnings("ignore", category=RuntimeWarning, module="sklearn|numpy")
        for message in MESSAGES:
            warnings.filterwarnings("ignore", message=message, category=UserWarning)
        yield
