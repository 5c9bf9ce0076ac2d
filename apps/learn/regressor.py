"""HDRegressor: numbers predicted from hypervectors."""

from typing import Any, Self

import numpy as np
import numpy.typing as npt
from sklearn.base import MultiOutputMixin, RegressorMixin
from sklearn.utils import check_array

from hdc.apps.learn import files
from hdc.apps.learn.base import FEATURES, Learner, check_lengths
from hdc.apps.learn.kmeans import Directions, kmeans
from hdc.apps.learn.rows import Rows
from hdc.apps.learn.rules import ridge, stepwise_regression
from hdc.apps.learn.rules.settings import Floats
from hdc.apps.learn.rules.stepwise_regression import Models, StepSettings, confidences
from hdc.checks import choice, integer, number
from hdc.dispatch import learn_kernels, numpy_backend
from hdc.errors import ParameterError

RULES = ("ridge", "online")
"""Choices for ``rule``."""

Doubles = npt.NDArray[np.float64]


class HDRegressor(MultiOutputMixin, RegressorMixin, Learner):  # type: ignore[misc]
    """A regressor on hypervectors: a linear function of them, which is a function of the encoder's kernel.

    Parameters
    ----------
    encoder : "features", transformer, VSA or None
        As of :class:`HDClassifier`.
    rule : str
        ``"ridge"``: the least squares of all rows at once (:mod:`hdc.apps.learn.rules.ridge`). ``"online"``: one row
        after another, with one model or several (:mod:`hdc.apps.learn.rules.stepwise_regression`, RegHD).
    alpha : float, optional
        For ``ridge``; by default chosen by the exact leave-one-out error.
    models : int
        For ``online``: the models of nearby clusters predict a row.
    epochs : int
        For ``online``: passes over the rows.
    rate : float
        For ``online``: step size of the first epoch.
    random_state : int, RandomState or None
    backend : str

    Attributes
    ----------
    weights_ : (models, targets, dim) float32 array
    intercept_ : (targets,) float64 array
    centers_ : (models, dim) float32 array
        Of clusters, with length 1; zeros if there is one model.
    alpha_ : float or None
        The ``alpha`` of ``ridge``.
    encoder_, n_features_in_, feature_names_in_
        As the encoder has them.

    Notes
    -----
    ``fit`` keeps all hypervectors in memory, as the model stores them; ``partial_fit`` keeps those of one call. With
    ``ridge`` a stream needs a float64 matrix of ``dim**2``; its default ``alpha`` is a hundredth of the mean
    eigenvalue.

    Examples
    --------
    >>> import numpy as np
    >>> from hdc.apps.learn import HDRegressor
    >>> x = np.linspace(0, 6, 200)[:, None]
    >>> wave = HDRegressor().fit(x[::2], np.sin(3 * x[::2, 0]))
    >>> bool(wave.score(x[1::2], np.sin(3 * x[1::2, 0])) > 0.95)
    True
    """

    weights_: Floats
    intercept_: Doubles
    centers_: Floats
    alpha_: float | None
    _sums: ridge.Sums | None
    _flat: bool

    def __init__(
        self,
        encoder: Any = FEATURES,
        *,
        rule: str = "ridge",
        alpha: float | None = None,
        models: int = 1,
        epochs: int = 20,
        rate: float = 0.3,
        random_state: Any = 0,
        backend: str = "auto",
    ) -> None:
        self.encoder = encoder
        self.rule = rule
        self.alpha = alpha
        self.models = models
        self.epochs = epochs
        self.rate = rate
        self.random_state = random_state
        self.backend = backend

    # ------------------------------------------------------------------ learning

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Learn from rows and their numbers.

        Parameters
        ----------
        X : (n, features) array or frame, or what the encoder takes
        y : (n,) or (n, targets) array
        sample_weight : (n,) array of numbers of at least 0, optional

        Raises
        ------
        ParameterError
            If a parameter is invalid, y is missing, or there are fewer rows than models.
        """
        alpha, settings = self._checked()
        targets, flat = _targets(y)
        rows = self._fit_encoder(X, y)
        check_lengths(rows, targets)
        weights = self._weights(sample_weight, rows)
        kept = np.flatnonzero(weights > 0)
        if len(kept) < len(rows):
            rows, targets, weights = rows.take(kept), targets[kept], weights[kept]
        self._flat, self._sums = flat, None
        if self.rule == "ridge":
            self._take_ridge(ridge.fit(rows, targets, weights, alpha))
            return self
        models = self._start(rows, targets, weights)
        self._take(stepwise_regression.fit(rows, targets, weights, settings, models))
        return self

    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Learn from more rows, going over them once as they come.

        Parameters
        ----------
        X, y, sample_weight
            As :meth:`fit`. An encoder that needs to be fitted is fitted on the first ones; centers of several models
            are chosen among these.

        Raises
        ------
        ParameterError
            If y has another number of targets than before, or ``ridge`` was fitted to all rows at once.
        """
        alpha, settings = self._checked()
        targets, flat = _targets(y)
        first = not hasattr(self, "weights_")
        rows = self._fit_encoder(X, None) if first else self._encoded(X)
        check_lengths(rows, targets)
        weights = self._weights(sample_weight, rows)
        if not first and (targets.shape[1] != len(self.intercept_) or flat != self._flat):
            raise ParameterError(f"y has shape {np.shape(y)}; there were {len(self.intercept_)} targets before")
        self._flat = flat
        if self.rule == "ridge":
            sums = ridge.empty(rows.dim, targets.shape[1]) if first else self._sums
            if sums is None:
                raise ParameterError("this regressor was fitted to all rows at once, and cannot go on; fit anew")
            self._sums = ridge.added(sums, rows, targets, weights)
            self._take_ridge(ridge.solved(self._sums, alpha))
            return self
        models = self._start(rows, targets, weights) if first else self._models()
        self._sums = None
        self._take(stepwise_regression.partial(rows, targets, weights, models, settings.rate, settings.sharpness))
        return self

    def _checked(self) -> tuple[float | None, StepSettings]:
        choice(self.rule, "rule", RULES)
        integer(self.models, "models", 1)
        settings = StepSettings(
            epochs=integer(self.epochs, "epochs", 1), rate=number(self.rate, "rate", 0), seed=self._seed()
        )
        return None if self.alpha is None else number(self.alpha, "alpha", 0), settings

    def _start(self, rows: Rows, targets: Doubles, weights: Floats) -> Models:
        """Return models of zeros, with the targets' mean as intercept, and centers by k-means."""
        if len(rows) < self.models:
            raise ParameterError(f"n_samples={len(rows)} should be >= models={self.models}: fewer rows than models")
        centers = np.zeros((1, rows.dim), dtype=np.float32)
        if self.models > 1:
            rng = np.random.default_rng(self._seed())
            centers = kmeans(Directions(rows), self.models, weights, rng, steps=20).centers
        mean = weights.astype(np.float64) @ targets / weights.sum(dtype=np.float64)
        return stepwise_regression.empty(centers, targets.shape[1])._replace(intercept=mean)

    def _take(self, models: Models) -> None:
        self.centers_, self.weights_, self.intercept_ = models
        self.alpha_ = None

    def _take_ridge(self, fitted: ridge.Fitted) -> None:
        weights = np.ascontiguousarray(fitted.weights.T[None], dtype=np.float32)
        self._take(Models(np.zeros_like(weights[:, 0]), weights, fitted.intercept))
        self.alpha_ = fitted.alpha

    def _models(self) -> Models:
        return Models(self.centers_, self.weights_, self.intercept_)

    # ------------------------------------------------------------------ prediction

    def predict(self, X: Any) -> Doubles:
        """Return ``(n,)`` or ``(n, targets)`` float64, as y was."""
        rows = self._encoded(X)
        dots = learn_kernels(numpy_backend(self.backend, "a learner")).dots  # equal bits, whatever the other rows are
        out = np.empty((len(rows), len(self.intercept_)))
        for which, block in rows.blocks():
            trust = confidences(dots(block, self.centers_), StepSettings().sharpness)
            out[which] = self.intercept_
            for j, model in enumerate(self.weights_):
                out[which] += trust[:, j : j + 1] * dots(block, model)
        return out[:, 0] if self._flat else out

    # ------------------------------------------------------------------ files

    def _state(self) -> files.State:
        arrays: files.Arrays = {"centers": self.centers_, "weights": self.weights_, "intercept": self.intercept_}
        if self._sums is not None:
            arrays |= {"gram": self._sums.gram, "moments": self._sums.moments}
        return {"alpha": self.alpha_, "flat": self._flat}, arrays

    def _restore(self, facts: dict[str, Any], arrays: files.Arrays) -> None:
        self._checked()
        self._take(_stored(arrays))
        self._flat, self.alpha_ = bool(facts["flat"]), facts["alpha"]
        self._sums = ridge.Sums(arrays["gram"], arrays["moments"]) if "gram" in arrays else None


def _stored(arrays: files.Arrays) -> Models:
    """Return the models of a file after checking that their shapes fit."""
    models = Models(arrays["centers"], arrays["weights"], arrays["intercept"])
    count, targets, dim = models.weights.shape
    shapes = {"centers": (count, dim), "intercept": (targets,)}
    if "gram" in arrays:
        shapes |= {"gram": (dim + 1, dim + 1), "moments": (dim + 1, targets)}
    if wrong := {name for name, shape in shapes.items() if arrays[name].shape != shape}:
        raise ValueError(f"shapes of {', '.join(sorted(wrong))} do not go with those of the weights")
    return models


def _targets(y: Any) -> tuple[Doubles, bool]:
    """Return ``(n, targets)`` float64, and whether y has one axis."""
    if y is None:
        raise ParameterError("requires y to be passed, but the target y is None: give the number of each row")
    found = check_array(y, ensure_2d=False, dtype=np.float64, input_name="y")
    return (found[:, None], True) if found.ndim == 1 else (found, False)
