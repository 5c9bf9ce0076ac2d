"""VectorTransformer: what transformers of float vectors share, whatever they return: fitted columns and their names."""

from typing import Any

import numpy as np
import numpy.typing as npt

from hdc.apps.estimators import Transformer
from hdc.apps.retrieval.binarizers.files import pack_json, unpack_json
from hdc.apps.retrieval.vectors.tables import Names, as_table, check_input_names, check_names, column_names
from hdc.errors import ParameterError

COLUMNS = "feature_names_in"
"""Array of a saved model that holds the names of its columns, where there are some."""


class VectorTransformer(Transformer):
    """A transformer that is fitted to vectors, and knows their length and the names of their columns."""

    n_features_in_: int
    feature_names_in_: Names
    """Names of the columns that ``fit`` was given; only there if it was given a data frame."""

    def fit_transform(self, X: Any, y: Any = None) -> Any:
        """Fit, then transform the same vectors."""
        return self.fit(X, y).transform(X)  # type: ignore[attr-defined]

    def get_feature_names_out(self, input_features: Any = None) -> npt.NDArray[np.object_]:
        """Return a name for each column that comes out: the class's in lower case, and a number from 0.

        Raises
        ------
        ParameterError
            If nothing was fitted, or ``input_features`` are not the names of the columns of ``fit``.
        """
        check_input_names(input_features, self._check_fitted(), getattr(self, "feature_names_in_", None))
        return super().get_feature_names_out()

    def _check_fitted(self) -> int:
        """Return the number of float components, or raise."""
        if not hasattr(self, "n_features_in_"):
            raise ParameterError(f"this {type(self).__name__} is not fitted; call fit first")
        return self.n_features_in_

    def _table(self, X: Any) -> npt.NDArray[Any]:
        """Return the checked rows that a fit is given, and remember the names of their columns."""
        rows, names = as_table(X, type(self).__name__), column_names(X)
        vars(self).pop("feature_names_in_", None)
        if names is not None:
            self.feature_names_in_ = names
        return rows

    def _given(self, X: Any) -> npt.NDArray[Any]:
        """Return the rows that ``transform`` is given, of as many columns of the same names as in ``fit``."""
        dim, who = self._check_fitted(), type(self).__name__
        check_names(column_names(X), getattr(self, "feature_names_in_", None), who)
        return as_table(X, who, dim)

    def _kept_names(self) -> dict[str, npt.NDArray[Any]]:
        """Return the names of the columns as an array of a saved model, if there are some."""
        names = getattr(self, "feature_names_in_", None)
        return {} if names is None else {COLUMNS: pack_json(names.tolist())}

    def _take_names(self, arrays: dict[str, npt.NDArray[Any]]) -> None:
        """Take what :meth:`_kept_names` returned out of the arrays of a model."""
        if COLUMNS in arrays:
            self.feature_names_in_ = np.array(unpack_json(arrays.pop(COLUMNS)), dtype=object)
