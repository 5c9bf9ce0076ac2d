"""The common part of all learners: scikit-learn's conventions, the encoder inside, and rows of hypervectors."""

import os
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import numpy.typing as npt

import hdc
from hdc.apps.learn import files
from hdc.apps.learn.rows import Rows, rows_of
from hdc.checks import integer
from hdc.errors import BackendUnavailableError, FileFormatError, ParameterError

try:
    from sklearn.base import BaseEstimator, clone
    from sklearn.utils import get_tags
    from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data
except ImportError as error:
    raise BackendUnavailableError(
        f"hdc.apps.learn needs scikit-learn ({error}); pip install 'hdc-toolkit[learn]'"
    ) from error

if TYPE_CHECKING:
    from sklearn.utils import Tags

FEATURES = "features"
"""The default encoder of numbers and tables."""


HEAVIEST = 1e12
"""Largest weight of a row, so that sums stay within float32."""


class Learner(BaseEstimator):  # type: ignore[misc]
    """An estimator that learns from hypervectors, and has the encoder that makes them inside.

    A pipeline of scikit-learn has no ``partial_fit``: that is why the encoder is a parameter.

    Parameters of every subclass: ``encoder`` is ``"features"``, a transformer with a model ``vsa``, a model whose
    hypervectors X are, or None for hypervectors of no model: packed signs in uint64, or numbers. ``random_state`` is
    an integer, a RandomState or None.
    """

    encoder: Any
    backend: str
    random_state: Any

    def __sklearn_tags__(self) -> "Tags":
        """Tell scikit-learn which X the encoder accepts."""
        tags = super().__sklearn_tags__()
        if self.encoder is not None and not isinstance(self.encoder, str | hdc.VSA):
            tags.input_tags = get_tags(self.encoder).input_tags
        elif self.encoder == FEATURES:
            tags.input_tags = get_tags(self._new_encoder()).input_tags
        return tags

    def _new_encoder(self) -> Any:
        """Return an unfitted encoder, or None if X has hypervectors.

        Raises
        ------
        ParameterError
            If ``encoder`` cannot encode.
        """
        if self.encoder is None or isinstance(self.encoder, hdc.VSA):
            return None
        if isinstance(self.encoder, str):
            if self.encoder != FEATURES:
                raise ParameterError(f"encoder is 'features', a transformer, a model or None, not {self.encoder!r}")
            from hdc.apps.learn.features.features import Features

            return Features(backend=self.backend, seed=self._seed())
        if not hasattr(self.encoder, "transform"):
            raise ParameterError(
                f"encoder is 'features', a transformer, a model or None, not {type(self.encoder).__name__}"
            )
        return clone(self.encoder)

    def _seed(self) -> int:
        """Return the seed of ``random_state``; an integer is its own seed."""
        if isinstance(self.random_state, int | np.integer):
            return integer(self.random_state, "random_state", 0)
        state = self.random_state if isinstance(self.random_state, np.random.RandomState) else np.random.RandomState()
        return int(state.randint(2**31 - 1))

    def _fit_encoder(self, X: Any, y: Any) -> Rows:
        """Fit the encoder, set it as ``encoder_``, and return the rows of X."""
        self.encoder_ = self._new_encoder()
        if self.encoder_ is None:
            return self._given_rows(X, reset=True)
        hypervectors = self.encoder_.fit_transform(X, y)
        for name in ("n_features_in_", "feature_names_in_"):
            if hasattr(self.encoder_, name):
                setattr(self, name, getattr(self.encoder_, name))
            elif hasattr(self, name):
                delattr(self, name)
        return self._rows(hypervectors)

    def _encoded(self, X: Any) -> Rows:
        """Encode X with the fitted encoder and return its rows."""
        check_is_fitted(self)
        return self._given_rows(X, reset=False) if self.encoder_ is None else self._rows(self.encoder_.transform(X))

    def _given_rows(self, X: Any, *, reset: bool) -> Rows:
        if isinstance(self.encoder, hdc.VSA) and self.encoder.xp is not np:  # tensors, which scikit-learn cannot check
            if reset:
                self.n_features_in_ = self.encoder.storage
            return rows_of(X, self.encoder)
        given = validate_data(self, X, dtype=None if _packed(X) else "numeric", reset=reset)
        return rows_of(given, self.encoder)

    def _rows(self, hypervectors: Any) -> Rows:
        given = hypervectors.to_numpy() if hasattr(hypervectors, "to_numpy") else hypervectors
        return rows_of(given, getattr(self.encoder_, "vsa", None))

    def _weights(self, sample_weight: Any, rows: Rows) -> npt.NDArray[np.float32]:
        given = _check_sample_weight(sample_weight, rows.data, dtype=np.float64, ensure_non_negative=True)
        if given.max() > HEAVIEST:
            raise ParameterError(f"sample_weight is at most {HEAVIEST:g}, not {given.max():g}; divide all weights")
        return np.asarray(given, dtype=np.float32)

    # ------------------------------------------------------------------ files

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the learned state to one file (see :mod:`hdc.files`). After an error, an existing file is unchanged.

        The file contains what ``partial_fit`` needs to continue, but not the backend.

        Raises
        ------
        NotFittedError
            If nothing was fitted.
        UnsupportedError
            If a parameter, the encoder or a label cannot be stored in a file.
        OSError
            If the file cannot be written.
        """
        check_is_fitted(self)
        files.write(self, path, *self._state())

    @classmethod
    def load(cls, path: str | os.PathLike[str], *, encoder: Any = None, backend: str = "auto") -> Self:
        """Read what :meth:`save` wrote.

        Parameters
        ----------
        path : path
        encoder : transformer, optional
            Fitted; only needed for an encoder that a file cannot store: your own, or one with functions inside.
        backend : str

        Raises
        ------
        FileFormatError
            If the file is damaged, of another kind of learner, or its parts do not belong together.
        ParameterError
            If the file does not contain the encoder and you pass none.
        OSError
            If it cannot be read.
        """
        found, facts, arrays = files.read(cls, path, encoder, backend)
        try:
            found._restore(facts, arrays)
        except (LookupError, TypeError, ValueError) as error:
            raise FileFormatError(f"{path} does not contain a usable {cls.__name__}: {error}") from error
        return found

    def _state(self) -> files.State:
        """Return what was learned as JSON values and arrays."""
        raise NotImplementedError

    def _restore(self, facts: dict[str, Any], arrays: files.Arrays) -> None:
        """Restore the output of :meth:`_state`; raises if its parts do not fit each other."""
        raise NotImplementedError


def check_lengths(rows: Rows, y: npt.NDArray[Any]) -> None:
    """Raise :class:`ParameterError` unless there is an entry of y for each row."""
    if len(rows) != len(y):
        raise ParameterError(f"X has {len(rows)} rows and y {len(y)}: inconsistent numbers of samples")


def _packed(X: Any) -> bool:
    return isinstance(X, np.ndarray) and X.dtype == np.uint64
