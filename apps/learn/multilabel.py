"""HDMultiLabel: any number of labels per row, each with its own margin."""

from typing import TYPE_CHECKING, Any, Self

import numpy as np
import numpy.typing as npt
from sklearn.base import ClassifierMixin
from sklearn.model_selection import KFold
from sklearn.preprocessing import LabelBinarizer
from sklearn.utils import assert_all_finite, check_array, column_or_1d
from sklearn.utils.multiclass import check_classification_targets, type_of_target

from hdc.apps.learn import files
from hdc.apps.learn.base import FEATURES, Learner, check_lengths
from hdc.apps.learn.calibration import platt, temperature_of
from hdc.apps.learn.rows import Rows
from hdc.apps.learn.rules import learning, ridge
from hdc.apps.learn.rules.learning import STREAMING
from hdc.apps.learn.rules.settings import Counts, Floats, Learned, Settings
from hdc.checks import choice, flag, integer, number
from hdc.errors import ParameterError

if TYPE_CHECKING:
    from sklearn.utils import Tags

Doubles = npt.NDArray[np.float64]


class HDMultiLabel(ClassifierMixin, Learner):  # type: ignore[misc]
    """A classifier of rows with several labels, or none: one vector per label, of rows with it less those without.

    Rows are encoded once for all labels. With one label per row it is a one-against-rest classifier.

    Parameters
    ----------
    encoder : "features", transformer, VSA or None
        As of :class:`HDClassifier`.
    rule : str
        How the two vectors of a label, whose difference is kept, are learned: ``"centroid"``, ``"adapt"``,
        ``"online"``, ``"margin"``, ``"refine"`` or ``"ridge"``, which solves for all labels at once.
    epochs, rate, margin, average, alpha
        As of :class:`HDClassifier`.
    balanced : bool
        Whether rows with a label, usually the minority, weigh as much as those without.
    calibration : int
        Folds, at least 2, on which probabilities of scores are chosen; 0: the training rows.
    random_state : int, RandomState or None
    backend : str

    Attributes
    ----------
    classes_ : (labels,) array
        Numbers of the columns of y; or the classes.
    weights_ : (labels, dim) float32 array
    intercept_ : (labels,) float32 array
        Chosen with the temperature, so that a score above 0 means a probability above a half: the vectors of a rule
        hardly reflect how many rows have a label.
    temperature_ : (labels,) float64 array
        Probabilities are ``1 / (1 + exp(-score / temperature_))``.
    encoder_, n_features_in_, feature_names_in_
        As the encoder has them.

    Examples
    --------
    >>> import numpy as np
    >>> from hdc.apps.learn import HDMultiLabel
    >>> X = np.random.default_rng(0).uniform(-1, 1, (300, 2))
    >>> y = np.stack([X[:, 0] > 0, X[:, 1] > 0, (X**2).sum(axis=1) < 0.5], axis=1).astype(int)
    >>> model = HDMultiLabel().fit(X[:200], y[:200])
    >>> bool((model.predict(X[200:]) == y[200:]).mean() > 0.9)
    True
    """

    weights_: Floats
    intercept_: Floats
    _several: bool

    def __init__(
        self,
        encoder: Any = FEATURES,
        *,
        rule: str = "margin",
        epochs: int = 20,
        rate: float | None = None,
        margin: float = 0.05,
        average: bool = True,
        alpha: float | None = None,
        balanced: bool = False,
        calibration: int = 3,
        random_state: Any = 0,
        backend: str = "auto",
    ) -> None:
        self.encoder = encoder
        self.rule = rule
        self.epochs = epochs
        self.rate = rate
        self.margin = margin
        self.average = average
        self.alpha = alpha
        self.balanced = balanced
        self.calibration = calibration
        self.random_state = random_state
        self.backend = backend

    def __sklearn_tags__(self) -> "Tags":
        """Return tags: y may have several labels per row."""
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        tags.target_tags.two_d_labels = tags.target_tags.multi_output = True
        return tags

    # ------------------------------------------------------------------ learning

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Learn from rows and their labels.

        Parameters
        ----------
        X : (n, features) array or frame, or what the encoder takes
        y : (n, labels) array of 0 and 1, or (n,) array of classes
        sample_weight : (n,) array of numbers of at least 0, optional

        Raises
        ------
        ParameterError
            If a parameter is invalid, or y has neither form.
        """
        settings, folds = self._checked()
        given, binarizer = _targets(y), LabelBinarizer()
        rows = self._fit_encoder(X, None)
        check_lengths(rows, given)
        weights = self._weights(sample_weight, rows)
        kept = np.flatnonzero(weights > 0)
        self.classes_, self._several = binarizer.fit(given[kept]).classes_, given.ndim == 2
        labels = binarizer.transform(given[kept]).astype(np.int64)
        rows, weights = rows.take(kept) if len(kept) < len(rows) else rows, weights[kept]
        self.weights_, self.intercept_ = self._learned(rows, labels, weights, settings)
        self.temperature_, offset = self._calibrated(rows, labels, weights, settings, folds)
        self.intercept_ = (self.intercept_ + offset).astype(np.float32)
        return self

    def _checked(self) -> tuple[Settings, int]:
        folds = integer(self.calibration, "calibration", 0)
        if folds == 1:
            raise ParameterError("calibration is 0, or a number of folds of at least 2")
        flag(self.balanced, "balanced")
        settings = Settings(
            2,
            rule=choice(self.rule, "rule", STREAMING),
            epochs=integer(self.epochs, "epochs", 1),
            rate=None if self.rate is None else number(self.rate, "rate", 0),
            margin=number(self.margin, "margin", 0),
            average=flag(self.average, "average"),
            alpha=None if self.alpha is None else number(self.alpha, "alpha", 0),
            seed=self._seed(),
            backend=self.backend,
        )
        return settings, folds

    def _learned(self, rows: Rows, labels: Counts, weights: Floats, settings: Settings) -> tuple[Floats, Floats]:
        """Return the vector and the intercept of each label: ``(labels, dim)`` and ``(labels,)`` float32."""
        if self.rule == "ridge" and not self.balanced:
            found = ridge.fit(rows, np.where(labels, 1.0, -1.0), weights, settings.alpha)
            return found.weights.T.astype(np.float32, order="C"), found.intercept.astype(np.float32)
        vectors, intercepts = np.zeros((labels.shape[1], rows.dim), np.float32), np.zeros(labels.shape[1], np.float32)
        for place, column in enumerate(labels.T):
            sides = np.bincount(column, weights=weights, minlength=2)
            if not sides.all():  # a label of all rows, or of none
                intercepts[place] = 1 if sides[1] > 0 else -1
                continue
            learned = learning.fitted(rows, column, self._side_weights(column, weights), settings).learned
            vectors[place] = learned.weights[1] - learned.weights[0]
            intercepts[place] = learned.intercept[1] - learned.intercept[0]
        return vectors, intercepts

    def _side_weights(self, column: Counts, weights: Floats) -> Floats:
        """Return weights that balance rows with and without a label, if balancing is on."""
        sides = np.bincount(column, weights=weights, minlength=2)
        if not self.balanced or not sides.all():
            return weights
        return np.asarray(weights * (sides.sum() / (2 * sides))[column], dtype=np.float32)

    def _calibrated(
        self, rows: Rows, labels: Counts, weights: Floats, settings: Settings, folds: int
    ) -> tuple[Doubles, Doubles]:
        """Return the temperature and the offset of each label."""
        if folds == 0 or len(rows) < folds:
            scores = self._scores(rows, self.weights_, self.intercept_)
        else:
            scores = np.empty(labels.shape)
            for known, new in KFold(folds, shuffle=True, random_state=settings.seed).split(labels):
                part = self._learned(rows.take(known), labels[known], weights[known], settings)
                scores[new] = self._scores(rows.take(new), *part)
        pairs, count = np.stack([np.zeros_like(scores), scores], axis=2), labels.shape[1]
        if self._several:
            own = (self._side_weights(column, weights) for column in labels.T)
            found = np.array([platt(scores[:, j], labels[:, j], each) for j, each in enumerate(own)])
            return found[:, 0], found[:, 1]
        # classes share one, so the most probable class has the greatest score
        shared = temperature_of(pairs.reshape(-1, 2), labels.ravel(), np.repeat(weights, count))
        return np.full(count, shared), np.zeros(count)

    # ------------------------------------------------------------------ prediction

    def _scores(self, rows: Rows, vectors: Floats, intercept: Floats) -> Doubles:
        learned = Learned(vectors, np.arange(len(vectors)), intercept)
        return np.asarray(learning.scores(learned, rows, len(vectors), self.backend))

    def _own_scores(self, X: Any) -> Doubles:
        rows = self._encoded(X)
        return self._scores(rows, self.weights_, self.intercept_)

    def decision_function(self, X: Any) -> Doubles:
        """Return the score of each label, ``(n, labels)``: above 0 where a row has it. Of two classes ``(n,)``."""
        scores = self._own_scores(X)
        return scores[:, 0] if self._single else scores

    def predict(self, X: Any) -> npt.NDArray[Any]:
        """Return ``(n, labels)`` of 0 and 1; or the classes ``(n,)``, if y was that."""
        scores = self._own_scores(X)
        if self._several:
            return np.asarray(scores > 0, dtype=np.int64)
        best = scores[:, 0] > 0 if self._single else scores.argmax(axis=1)
        return np.asarray(self.classes_[np.asarray(best, dtype=np.int64)])

    def predict_proba(self, X: Any) -> Doubles:
        """Return the probability of each label, ``(n, labels)``; of classes they add up to 1."""
        scores = self._own_scores(X)
        with np.errstate(over="ignore"):
            found = 1 / (1 + np.exp(-scores / self.temperature_))
        if self._several:
            return np.asarray(found)
        if self._single:
            return np.concatenate([1 - found, found], axis=1)
        sums = found.sum(axis=1, keepdims=True)
        return np.asarray(np.where(sums > 0, found / np.where(sums > 0, sums, 1), 1 / found.shape[1]))

    # ------------------------------------------------------------------ files

    def _state(self) -> files.State:
        arrays: files.Arrays = {
            "weights": self.weights_,
            "intercept": self.intercept_,
            "temperature": self.temperature_,
        }
        return {"classes": files.labels_to_json(np.asarray(self.classes_)), "several": self._several}, arrays

    def _restore(self, facts: dict[str, Any], arrays: files.Arrays) -> None:
        self._checked()
        self.classes_, self._several = files.labels_of_json(facts["classes"]), flag(facts["several"], "several")
        names = ("weights", "intercept", "temperature")
        self.weights_, self.intercept_, self.temperature_ = (arrays[name] for name in names)
        count = 1 if self._single else len(self.classes_)
        shapes = [self.weights_.shape[:1], self.intercept_.shape, self.temperature_.shape]
        if self.weights_.ndim != 2 or shapes != [(count,)] * 3:
            raise ValueError(f"{shapes} for {count} labels")

    @property
    def _single(self) -> bool:
        """Whether there are one or two classes, which a single column of labels distinguishes."""
        return not self._several and len(self.classes_) < 3


def _targets(y: Any) -> npt.NDArray[Any]:
    """Return y as ``(n, labels)`` of 0 and 1, or ``(n,)`` of classes."""
    if y is None:
        raise ParameterError("requires y to be passed, but the target y is None: give the labels of each row")
    assert_all_finite(y, input_name="y")
    check_classification_targets(y)
    kind = type_of_target(y, input_name="y")
    if kind == "multilabel-indicator":
        return np.asarray(check_array(y, accept_sparse=False, dtype=np.int64, input_name="y"))
    if kind.startswith("multiclass-multioutput"):
        raise ParameterError("y must be (n, labels) of 0 and 1, or (n,) of classes; a column has other numbers")
    return np.asarray(column_or_1d(y, warn=True))
