"""HDClassifier: class vectors learned from hypervectors, by one of several rules."""

import dataclasses
import os
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from sklearn.base import ClassifierMixin
from sklearn.model_selection import StratifiedKFold
from sklearn.utils import assert_all_finite, compute_class_weight
from sklearn.utils.metaestimators import available_if
from sklearn.utils.multiclass import check_classification_targets, unique_labels
from sklearn.utils.validation import check_is_fitted, column_or_1d

import hdc
from hdc.apps.learn import explaining, files
from hdc.apps.learn.base import FEATURES, Learner, check_lengths
from hdc.apps.learn.bits import BitClassifier
from hdc.apps.learn.calibration import softmax, temperature_of
from hdc.apps.learn.explaining import Explanation
from hdc.apps.learn.rows import Rows, packed_signs
from hdc.apps.learn.rules import learning, ridge
from hdc.apps.learn.rules.dimensions import columns
from hdc.apps.learn.rules.learning import REGENERATIONS, RULES, STREAMING, Outcome
from hdc.apps.learn.rules.settings import Counts, Floats, Learned, Settings
from hdc.checks import choice, flag, integer, number
from hdc.errors import ParameterError, UnsupportedError
from hdc.kernels import PerceptronState

FOLLOWED = 0.1
"""Weight of the latest rows' temperature in the running temperature of a stream."""

LEARNED = ("weights", "prototype_classes", "intercept")
"""Names of the arrays in a file."""

Doubles = npt.NDArray[np.float64]


def _streams(learner: "HDClassifier") -> bool:
    if learner.rule not in STREAMING:
        raise AttributeError(f"rule {learner.rule!r} needs all rows at once; partial_fit takes {', '.join(STREAMING)}")
    return True


class HDClassifier(ClassifierMixin, Learner):  # type: ignore[misc]
    """A classifier of hypervectors: a row belongs to the class whose vector is most similar.

    Parameters
    ----------
    encoder : "features", transformer, VSA or None
        Makes hypervectors of X: ``Features()``; any transformer to hypervectors, such as ``Features(...)`` or a
        ``JSONEncoder``; or none, if X are hypervectors already: of the given model, or (None) of no model.
    rule : str
        How class vectors are learned: ``"centroid"``, ``"adapt"``, ``"online"``, ``"margin"``, ``"refine"`` (see
        :mod:`hdc.apps.learn.rules.stepwise`), ``"ridge"`` (:mod:`hdc.apps.learn.rules.ridge`), ``"lvq"``, ``"glvq"``
        (several vectors per class, :mod:`hdc.apps.learn.rules.lvq`) or ``"bnn"`` (signs, by LeHDC,
        :mod:`hdc.apps.learn.rules.bnn`; extra ``torch``).
    epochs : int
        Most passes over the rows.
    rate : float, optional
        Step size; by default that of the rule: 1, for lvq and glvq .05, for bnn .01. Rules that go row by row start
        from zero and do not depend on it.
    margin : float
        For ``margin``: a row is learned unless its own class is nearer by this much, in cosines. For ``refine``: share
        of the average margin of correct rows.
    average : bool
        Whether class vectors are the mean of those after each row (Freund and Schapire 1999), or the last ones.
    alpha : float, optional
        For ``ridge``; by default chosen by the leave-one-out error.
    prototypes : int
        For ``lvq`` and ``glvq``: most vectors per class.
    steepness : float
        For ``glvq``: steepness of its loss.
    regenerate : "neuralhd", "disthd" or None
        Exchange components that contribute little (see :mod:`hdc.apps.learn.rules.dimensions`): half of the encoder's
        components are in use at a time, and the others are tried one after another. Not for ``partial_fit``.
    sparsity : float
        Share of the components, those with least variance over classes, that are finally set to 0 (SparseHD).
    class_weight : "balanced", mapping of classes to weights, or None
    calibration : int
        Folds, at least 2, on which the temperature of ``predict_proba`` is chosen: each is scored by class vectors
        learned from the others. 0: on the training rows, which is quick but overconfident.
    random_state : int, RandomState or None
        Seeds the order of rows and the encoder "features".
    backend : str

    Attributes
    ----------
    classes_ : (classes,) array
    encoder_ : transformer or None
    weights_ : (vectors, dim) float32 array
        Scores of rows of unit length are ``rows @ weights_.T``, the best per class, plus ``intercept_``.
    prototype_classes_ : (vectors,) int64 array
        The class, as a place in ``classes_``, of each vector.
    intercept_ : (classes,) float32 array
    temperature_ : float
    row_mean_ : (dim,) float32 array
        Mean of the rows of the first ``fit``, as they are scored; class vectors of one bit need it.
    components_ : (dim,) int64 array or None
        The components of the encoder that are in use, with ``regenerate``.
    n_features_in_, feature_names_in_
        As the encoder has them.

    Notes
    -----
    ``fit`` keeps all hypervectors in memory, as the model stores them; ``partial_fit`` keeps those of one call.

    Examples
    --------
    >>> from sklearn.datasets import load_wine
    >>> from sklearn.model_selection import cross_val_score
    >>> from hdc.apps.learn import HDClassifier
    >>> X, y = load_wine(return_X_y=True)
    >>> bool(cross_val_score(HDClassifier(), X, y).mean() > 0.95)
    True
    """

    weights_: Floats
    prototype_classes_: Counts
    intercept_: Floats

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
        prototypes: int = 5,
        steepness: float = 30.0,
        regenerate: str | None = None,
        sparsity: float = 0.0,
        class_weight: Any = None,
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
        self.prototypes = prototypes
        self.steepness = steepness
        self.regenerate = regenerate
        self.sparsity = sparsity
        self.class_weight = class_weight
        self.calibration = calibration
        self.random_state = random_state
        self.backend = backend

    # ------------------------------------------------------------------ learning

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Learn from rows and their classes.

        Parameters
        ----------
        X : (n, features) array or frame, or what the encoder takes
        y : (n,) array
        sample_weight : (n,) array of numbers of at least 0, optional

        Raises
        ------
        ParameterError
            If a parameter or a label is invalid, or there are no rows.
        """
        settings = self._settings(2)
        y = _labels(y)
        rows = self._fit_encoder(X, y)
        check_lengths(rows, y)
        classes, labels = np.unique(y, return_inverse=True)
        weights = self._weights(sample_weight, rows) * self._class_weights(y, labels, classes)
        kept = np.flatnonzero(weights > 0)
        if len(kept) < len(rows):
            rows, labels, weights = rows.take(kept), labels[kept], weights[kept]
        self.classes_, settings = classes, dataclasses.replace(settings, classes=len(classes))
        self.row_mean_ = rows.mean()
        self._take(learning.fitted(rows, labels, weights, settings))
        self.temperature_ = self._temperature(rows, labels, weights, settings)
        return self

    @available_if(_streams)  # type: ignore[untyped-decorator]
    def partial_fit(self, X: Any, y: Any, classes: Any = None, sample_weight: Any = None) -> Self:
        """Learn from more rows, going over them once as they come.

        Parameters
        ----------
        X, y, sample_weight
            As :meth:`fit`. An encoder that needs to be fitted is fitted on the first ones.
        classes : list of labels
            All there will be; needed in the first call only.

        Raises
        ------
        ParameterError
            If the first call has no classes, or a label is not one of them.
        """
        y = _labels(y)
        first = not hasattr(self, "classes_")
        if first:
            if classes is None:
                raise ParameterError("the first call of partial_fit needs classes=[...], all labels that will come")
            known = unique_labels(classes)
            rows = self._fit_encoder(X, None)
        else:
            known = self.classes_
            if classes is not None and not np.array_equal(known, unique_labels(classes)):
                raise ParameterError(f"classes are {known.tolist()} since the first call, not {list(classes)}")
            rows = self._encoded(X)
        check_lengths(rows, y)
        labels = np.minimum(np.searchsorted(known, y), len(known) - 1)
        if (known[labels] != y).any():
            raise ParameterError(f"label {y[known[labels] != y][0]!r} is none of classes {known.tolist()}")
        if self.regenerate is not None or self.sparsity:
            raise ParameterError("regenerate and sparsity need all rows at once: call fit, or leave them out")
        if isinstance(self.class_weight, str):
            raise ParameterError(f"class_weight={self.class_weight!r} needs all rows; give a mapping to partial_fit")
        weights = self._weights(sample_weight, rows) * self._class_weights(y, labels, known)
        settings = self._settings(len(known))
        if not first and not isinstance(getattr(self, "state_", None), type(learning.empty(0, settings))):
            raise ParameterError(
                f"this classifier was not learned by rule {self.rule!r} in a way that can go on; fit anew"
            )
        state = learning.empty(rows.dim, settings) if first else self.state_
        before = None if first else self._learned()
        self.classes_ = known
        if first:
            self.row_mean_ = rows.mean()
        scores = None if before is None else self._scored(before, rows)
        self._take(learning.more(rows, labels, weights, settings, state))
        self._follow_temperature(scores, rows, labels, weights)
        return self

    def _take(self, outcome: Outcome) -> None:
        self.weights_, self.prototype_classes_, self.intercept_ = outcome.learned
        self.state_, self.components_ = outcome.state, outcome.components

    def _learned(self) -> Learned:
        return Learned(self.weights_, self.prototype_classes_, self.intercept_)

    def _settings(self, classes: int) -> Settings:
        return Settings(
            classes,
            rule=choice(self.rule, "rule", RULES),
            epochs=integer(self.epochs, "epochs", 1),
            rate=None if self.rate is None else number(self.rate, "rate", 0),
            margin=number(self.margin, "margin", 0),
            average=flag(self.average, "average"),
            alpha=None if self.alpha is None else number(self.alpha, "alpha", 0),
            prototypes=integer(self.prototypes, "prototypes", 1),
            steepness=number(self.steepness, "steepness", 0),
            regenerate=None if self.regenerate is None else choice(self.regenerate, "regenerate", REGENERATIONS),
            sparsity=number(self.sparsity, "sparsity", 0, 1),
            seed=self._seed(),
            backend=self.backend,
        )

    def _class_weights(self, y: Any, labels: Counts, classes: npt.NDArray[Any]) -> Floats:
        """Return the weight of the class of each row."""
        if self.class_weight is None:
            return np.ones(len(labels), dtype=np.float32)
        each = compute_class_weight(self.class_weight, classes=classes, y=y)
        return np.asarray(each[labels], dtype=np.float32)

    # ------------------------------------------------------------------ probabilities

    def _temperature(self, rows: Rows, labels: Counts, weights: Floats, settings: Settings) -> float:
        folds = integer(self.calibration, "calibration", 0)
        if folds == 1:
            raise ParameterError("calibration is 0, or a number of folds of at least 2")
        if len(self.classes_) == 1:
            return 1.0
        if self.components_ is not None:  # use the chosen components, do not choose again
            rows, settings = columns(rows, self.components_), dataclasses.replace(settings, regenerate=None)
        if folds == 0 or np.bincount(labels).min() < folds:
            return temperature_of(self._scored(self._learned(), rows), labels, weights)
        scores = np.empty((len(rows), settings.classes))
        if isinstance(self.state_, ridge.Fitted):  # nor choose alpha again
            settings = dataclasses.replace(settings, alpha=self.state_.alpha)
        for known, new in StratifiedKFold(folds, shuffle=True, random_state=settings.seed).split(labels, labels):
            part = learning.fitted(rows.take(known), labels[known], weights[known], settings).learned
            scores[new] = self._scored(part, rows.take(new))
        return temperature_of(scores, labels, weights)

    def _follow_temperature(self, scores: Doubles | None, rows: Rows, labels: Counts, weights: Floats) -> None:
        """Update the temperature by rows scored before they were learned, averaged over calls."""
        if len(self.classes_) == 1:
            self.temperature_ = 1.0
        elif scores is None:  # nothing was learned before the first rows
            self.temperature_ = temperature_of(self._scored(self._learned(), rows), labels, weights)
        else:
            self.temperature_ += FOLLOWED * (temperature_of(scores, labels, weights) - self.temperature_)

    def predict_proba(self, X: Any) -> Doubles:
        """Return the probability of each class, ``(n, classes)``: a softmax of scores over ``temperature_``."""
        return softmax(self._class_scores(X), self.temperature_)

    def predict_log_proba(self, X: Any) -> Doubles:
        """Return the logarithms of :meth:`predict_proba`."""
        with np.errstate(divide="ignore"):
            return np.asarray(np.log(self.predict_proba(X)))

    # ------------------------------------------------------------------ prediction

    def _class_scores(self, X: Any) -> Doubles:
        rows = self._encoded(X)
        if self.components_ is not None:
            rows = columns(rows, self.components_)
        return self._scored(self._learned(), rows)

    def _scored(self, learned: Learned, rows: Rows) -> Doubles:
        return np.asarray(learning.scores(learned, rows, len(self.classes_), self.backend))

    def decision_function(self, X: Any) -> Doubles:
        """Return the score of each class, ``(n, classes)``; for two classes ``(n,)``, the second's less the first's.

        Scores are cosines; for ``ridge`` they are about 1 for the class of a row, and -1 for others.
        """
        scores = self._class_scores(X)
        return np.asarray(scores[:, 1] - scores[:, 0]) if scores.shape[1] == 2 else scores

    def predict(self, X: Any) -> npt.NDArray[Any]:
        """Return the class with the greatest score for each row; ties go to the first class."""
        best = self._class_scores(X).argmax(axis=1)
        return np.asarray(self.classes_[best])

    def quantized(self, bits: int = 1, *, weight_bits: int | None = None) -> BitClassifier:
        """Return a classifier of the same classes that predicts from bits, without scikit-learn.

        Parameters
        ----------
        bits : 1, 2 or 4
            Per component of a class vector.
        weight_bits : 8, 16 or None
            Per frequency of ``Features(numeric="fourier")``: tables of a quarter or half the size, whose rows agree in
            nearly all bits.

        Returns
        -------
        BitClassifier
            Predicts from the features of the encoder, if these are numbers, or from packed hypervectors.

        Raises
        ------
        UnsupportedError
            If the rows are not packed signs, the encoder needs more than numbers, or components were exchanged.
        """
        check_is_fitted(self)
        if self.components_ is not None:
            raise UnsupportedError("bits are read in the order of the encoder; learn without regenerate")
        return BitClassifier.of_classifier(self, bits, weight_bits=weight_bits)

    def export(self, path: str | os.PathLike[str], bits: int = 1, *, weight_bits: int | None = None) -> None:
        """Write :meth:`quantized` to a file of plain bits, from which 60 lines of C or JavaScript predict.

        Raises
        ------
        UnsupportedError
            As :meth:`quantized`.
        OSError
            If the file cannot be written.
        """
        self.quantized(bits, weight_bits=weight_bits).export(path)

    def explain(self, X: Any, k: int = 5) -> list[Explanation]:
        """Return, for each row, which features or leaves of a document decided its class; see :class:`Explanation`.

        Parameters
        ----------
        X : as of predict
        k : int
            Most reasons per row.

        Returns
        -------
        list of Explanation
            For documents of a ``JSONEncoder``, the weights of all leaves add up to the lead (nearly, if it makes bits).
            For tables, a weight is the loss of the lead without the feature.

        Raises
        ------
        UnsupportedError
            If X are hypervectors, or come from an encoder for which a feature cannot be left out.
        """
        k = integer(k, "k", 1)
        scores = self._class_scores(X)
        order = np.argsort(-scores, axis=1, kind="stable")
        return [self._explanation(X, row, scores[row], order[row], k) for row in range(len(scores))]

    def _explanation(self, X: Any, row: int, scores: Doubles, order: Counts, k: int) -> Explanation:
        best, rival = int(order[0]), int(order[min(1, len(order) - 1)])
        lead = float(scores[best] - scores[rival])
        if hasattr(self.encoder_, "leaf_vectors"):
            leaves, weights = self._leaf_weights(X[row], best, rival)
            reasons = explaining.ranked([path for path, _ in leaves], [value for _, value in leaves], weights, k)
        elif hasattr(self.encoder_, "n_features_in_"):
            left = self._class_scores(explaining.without_each(X, row))
            names = getattr(self, "feature_names_in_", np.arange(len(left))).tolist()
            weights = lead - (left[:, best] - left[:, rival])
            reasons = explaining.ranked(names, explaining.values_of(X, row), weights, k)
        else:
            raise UnsupportedError("features are explained where an encoder makes hypervectors of them: give encoder=")
        return Explanation(self.classes_[best], self.classes_[rival] if best != rival else None, lead, reasons)

    def _leaf_weights(self, document: Any, best: int, rival: int) -> tuple[Any, Doubles]:
        """Return the leaves of a document, and the share of each in the lead."""
        leaves, vectors = self.encoder_.leaf_vectors(document)
        whole = vectors.sum(axis=0, dtype=np.float64)
        nearest = [self._nearest_vector(whole, place) for place in (best, rival)]
        difference = (self.weights_[nearest[0]] - self.weights_[nearest[1]]).astype(np.float64)
        return leaves, vectors @ difference / max(float(np.linalg.norm(whole)), 1e-12)

    def _nearest_vector(self, whole: Doubles, place: int) -> int:
        owned = np.flatnonzero(self.prototype_classes_ == place)
        return int(owned[(self.weights_[owned] @ whole).argmax()])

    # ------------------------------------------------------------------ files

    def _state(self) -> files.State:
        facts: dict[str, Any] = {
            "classes": files.labels_to_json(self.classes_),
            "temperature": self.temperature_,
            "step": 0,
        }
        arrays: files.Arrays = {
            "weights": self.weights_,
            "prototype_classes": self.prototype_classes_,
            "intercept": self.intercept_,
            "row_mean": self.row_mean_,
        }
        if self.components_ is not None:
            arrays["components"] = self.components_
        if isinstance(self.state_, PerceptronState):
            facts["step"] = self.state_.step
            arrays |= {name: value for name, value in self.state_._asdict().items() if name != "step"}
        elif isinstance(self.state_, ridge.Sums):
            arrays |= {"gram": self.state_.gram, "moments": self.state_.moments}
        return facts, arrays

    def _restore(self, facts: dict[str, Any], arrays: files.Arrays) -> None:
        self.classes_ = files.labels_of_json(facts["classes"])
        self.row_mean_ = arrays["row_mean"]
        self.temperature_ = number(facts["temperature"], "temperature", 0)
        learned = _checked(arrays, len(self.classes_))
        self._take(Outcome(learned, _state_of(arrays, facts["step"]), arrays.get("components")))
        self._settings(len(self.classes_))

    @property
    def prototypes_(self) -> npt.NDArray[Any]:
        """Class vectors as hypervectors of the model ``(vectors, storage)``, to search and to store.

        Signs on MAP-B, floats on models of floats.

        Raises
        ------
        UnsupportedError
            If the model has other components.
        """
        check_is_fitted(self)
        vsa = self.encoder if isinstance(self.encoder, hdc.VSA) else getattr(self.encoder_, "vsa", None)
        if isinstance(vsa, hdc.MAPB):
            return packed_signs(self.weights_)
        if vsa is None or (vsa.storage == self.weights_.shape[1] and vsa.dtype == np.float32):
            return self.weights_
        raise UnsupportedError(f"class vectors are floats, of which {vsa.model} has none; read weights_")


def _checked(arrays: files.Arrays, classes: int) -> Learned:
    """Check what a file says was learned and return it; raises if its parts do not fit each other."""
    weights, owners, intercept = (arrays[name] for name in LEARNED)
    if weights.ndim != 2 or owners.shape != weights.shape[:1] or intercept.shape != (classes,):
        raise ParameterError(f"{weights.shape} weights, {owners.shape} classes of them, {intercept.shape} intercepts")
    if [array.dtype.str for array in (weights, owners, intercept)] != ["<f4", "<i8", "<f4"]:
        raise ParameterError(f"arrays of {weights.dtype}, {owners.dtype} and {intercept.dtype}")
    if not np.array_equal(np.unique(owners), np.arange(classes)):
        raise ParameterError("a class without a vector, or a vector without a class")
    return Learned(weights, owners, intercept)


def _state_of(arrays: files.Arrays, step: int) -> Any:
    """Return the state of a stream for a file; None if there is none."""
    if "gram" in arrays:
        return ridge.Sums(arrays["gram"], arrays["moments"])
    if "drift" not in arrays:
        return None
    return PerceptronState(
        arrays["prototypes"], arrays["drift"], arrays["squares"], arrays["means"], integer(step, "step", 0)
    )


def _labels(y: Any) -> npt.NDArray[Any]:
    if y is None:
        raise ParameterError("requires y to be passed, but the target y is None: give the class of each row")
    known = column_or_1d(y, warn=True)
    assert_all_finite(known)
    check_classification_targets(known)
    return np.asarray(known)
