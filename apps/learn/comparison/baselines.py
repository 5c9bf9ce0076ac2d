"""Baselines: scikit-learn's own learners, with the preprocessing that each needs."""

import pickle
import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from sklearn.compose import ColumnTransformer, TransformedTargetRegressor
from sklearn.decomposition import TruncatedSVD
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.feature_extraction import DictVectorizer
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, MaxAbsScaler, OneHotEncoder, OrdinalEncoder, StandardScaler
from sklearn.svm import SVC, SVR

from hdc.apps.learn.comparison.cross_validation import Contender
from hdc.apps.learn.tables.schema import Schema

MOST_KERNEL_ROWS = 20_000
"""Most training rows of a support vector machine: about a minute."""

GUESSES = ("most frequent class", "mean")
"""Baselines that predict the same for every row, for classes and for numbers."""

COMPONENTS = 100
"""Components of sparse text and documents for trees, which accept no sparse matrices."""


class Components(TruncatedSVD):  # type: ignore[misc]
    """A few dense columns of many sparse ones: ``COMPONENTS``, or as many as there are."""

    def fit_transform(self, X: Any, y: Any = None) -> Any:
        """Reduce the columns."""
        self.n_components = min(COMPONENTS, *X.shape)
        return super().fit_transform(X, y)


def baselines(schema: Schema) -> list[Contender]:
    """Return the learners beside which a table is evaluated: a guess, a linear one, a kernel, trees."""
    classify = schema.task == "classify"
    linear = LogisticRegression if classify else Ridge
    options: dict[str, Any] = {"max_iter": 1000} if classify else {}
    trees = HistGradientBoostingClassifier if classify else HistGradientBoostingRegressor
    named: dict[str, tuple[Callable[[], Any], int | None]] = {
        (GUESSES[0] if classify else GUESSES[1]): (DummyClassifier if classify else DummyRegressor, None),
        "logistic regression" if classify else "ridge regression": (
            lambda: make_pipeline(_scaled(schema), linear(**options)),
            None,
        ),
        "RBF support vectors": (
            lambda: make_pipeline(_scaled(schema), SVC() if classify else _scaled_target(SVR())),
            MOST_KERNEL_ROWS,
        ),
        "gradient boosting": (lambda: make_pipeline(_dense(schema), trees(random_state=0)), None),
    }
    return [Contender(name, make, pickled_size, most, may_fail=True) for name, (make, most) in named.items()]


def _scaled_target(learner: Any) -> Any:
    """Return a regressor whose targets are scaled to variance 1, which its defaults expect."""
    return TransformedTargetRegressor(learner, transformer=StandardScaler())


def pickled_size(learner: Any) -> int:
    """Return the bytes of a fitted learner as a pickle, which is how scikit-learn keeps it."""
    return len(pickle.dumps(learner))


def _scaled(schema: Schema) -> Any:
    """Return the preprocessing of linear learners and kernels: scaled numbers, indicators of categories, TF-IDF."""
    if schema.documents:
        return make_pipeline(FunctionTransformer(leaves), DictVectorizer(), MaxAbsScaler())
    numbers = make_pipeline(SimpleImputer(keep_empty_features=True), StandardScaler())
    return _columns(schema, numbers, OneHotEncoder(handle_unknown="ignore"), TfidfVectorizer)


def _dense(schema: Schema) -> Any:
    """Return the preprocessing of trees: numbers, categories as numbers, a few components of words and documents."""

    def reduced(sparse: Any) -> Any:
        return make_pipeline(sparse, Components(random_state=0))

    if schema.documents:
        return make_pipeline(FunctionTransformer(leaves), reduced(DictVectorizer()))
    codes = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1, encoded_missing_value=-2)
    return _columns(schema, "passthrough", codes, lambda: reduced(TfidfVectorizer()))


def _columns(schema: Schema, numbers: Any, categories: Any, text: Callable[[], Any]) -> Any:
    numeric = [name for name, kind in schema.columns.items() if kind in ("numeric", "date")]
    words = [name for name, kind in schema.columns.items() if kind == "category"]
    parts: list[tuple[str, Any, Any]] = [("numbers", numbers, numeric)] if numeric else []
    parts += [("categories", categories, words)] if words else []
    parts += [(f"text {name}", text(), name) for name, kind in schema.columns.items() if kind == "text"]
    return ColumnTransformer(parts)


def leaves(documents: Iterable[Any]) -> list[dict[str, Any]]:
    """Return the leaves of each document: numbers under their paths, indicators of other values and of their words."""
    return [dict(_leaves(document, "")) for document in documents]


def _leaves(value: Any, path: str) -> Iterator[tuple[str, float]]:
    if isinstance(value, dict):
        for key, item in value.items():
            yield from _leaves(item, f"{path}.{key}")
    elif isinstance(value, list):
        for item in value:
            yield from _leaves(item, f"{path}[]")
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield path, float(value)
    else:
        yield f"{path}={value}", 1.0
        if isinstance(value, str):
            yield from ((f"{path}~{word}", 1.0) for word in re.findall(r"\w+", value.lower()))
