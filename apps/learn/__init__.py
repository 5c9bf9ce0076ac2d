"""Learning with hypervectors: scikit-learn estimators that train in one pass or few, and predict on bits.

``Features`` turns tables into hypervectors; ``HDClassifier`` learns classes from them, or from those of any other
encoder. On the command line: ``hdc learn``. They need the extra ``learn``.
"""
"""Learning with hypervectors: scikit-learn estimators that predict on bits."""

from typing import TYPE_CHECKING

from hdc.apps import lazy

if TYPE_CHECKING:
    from hdc.apps.learn.classifier import HDClassifier

__all__ = ["HDClassifier"]

__getattr__ = lazy.attributes(
    __name__,
    {
        "HDClassifier": "hdc.apps.learn.classifier",
    },
)
    from hdc.apps.learn.features.features import Features

__all__ = ["Features"]

__getattr__ = lazy.attributes(__name__, {"Features": "hdc.apps.learn.features.features"})
