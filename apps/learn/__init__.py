"""Learning with hypervectors: scikit-learn estimators that train in one or few passes, and predict on bits.

``Features`` turns tables into hypervectors; ``HDClassifier`` learns classes from them or from those of any other
encoder. On the command line: ``hdc learn``. They need the extra ``learn``. ``BitClassifier``, which only predicts,
needs nothing but NumPy.
"""

from typing import TYPE_CHECKING

from hdc.apps import lazy

if TYPE_CHECKING:
    from hdc.apps.learn.bits import BitClassifier
    from hdc.apps.learn.classifier import HDClassifier
    from hdc.apps.learn.cluster import HDCluster
    from hdc.apps.learn.documents.documents import Documents
    from hdc.apps.learn.features.features import Features
    from hdc.apps.learn.multilabel import HDMultiLabel
    from hdc.apps.learn.regressor import HDRegressor
    from hdc.apps.learn.windows import Windows

__all__ = [
    "BitClassifier",
    "Documents",
    "Features",
    "HDClassifier",
    "HDCluster",
    "HDMultiLabel",
    "HDRegressor",
    "Windows",
]

__getattr__ = lazy.attributes(
    __name__,
    {
        "BitClassifier": "hdc.apps.learn.bits",
        "Documents": "hdc.apps.learn.documents.documents",
        "Features": "hdc.apps.learn.features.features",
        "HDClassifier": "hdc.apps.learn.classifier",
        "HDCluster": "hdc.apps.learn.cluster",
        "HDMultiLabel": "hdc.apps.learn.multilabel",
        "HDRegressor": "hdc.apps.learn.regressor",
        "Windows": "hdc.apps.learn.windows",
    },
)
