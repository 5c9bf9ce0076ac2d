"""VectorTransformer, the base of transformers of float vectors: it checks fitted columns and their names."""

from typing import Any

import numpy as np
import numpy.typing as npt

from hdc.apps.estimators import Transformer
from hdc.apps.retrieval.binarizers.files import pack_json, unpack_json
from hdc.apps.retrieval.vectors.tables import Names, as_table, check_input_names, check_names, column_names
from hdc.errors import ParameterError

COLUMNS = "feature_names_in"
"""Array of a saved model with the names of its columns, if any."""


class VectorTransformer(Transformer):
    """A transformer fitted to vectors, which remembers their length and the names of their columns."""

    n_features_in_: int
    feature_names_in_: Names
    """Column names that ``fit`` saw; set only if it was given a data frame."""

    def fit_transform(self, X: Any, y: Any = None) -> Any:
        """Fit to vectors, then transform them."""
        return self.fit(X, y).transform(X)  # type: ignore[attr-defined]

    def get_feature_names_out(self, input_features: Any = None) -> npt.NDArray[np.object_]:
        """Return the names of the output columns: the class name in lower case, and a number from 0.

        Raises
        ------
        ParameterError
            If the model is not fitted, or ``input_features`` differ from the column names of ``fit``.
        """
        check_input_names(input_features, self._check_fitted(), getattr(self, "feature_names_in_", None))
        return super().get_feature_names_out()

    def _check_fitted(self) -> int:
        """Return the number of input components, or raise ParameterError if the model is not fitted."""
        if not hasattr(self, "n_features_in_"):
            raise ParameterError(f"this {type(self).__name__} is not fitted; call fit first")
        return self.n_features_in_

    def _table(self, X: Any) -> npt.NDArray[Any]:
        """Return the checked rows passed to ``fit``, and remember the names of their columns."""
        rows, names = as_table(X, type(self).__name__), column_names(X)
        vars(self).pop("feature_names_in_", None)
        if names is not None:
            self.feature_names_in_ = names
        return rows

    def _given(self, X: Any) -> npt.NDArray[Any]:
        """Return the rows passed to ``transform``, after checking number and names of columns against ``fit``."""
        dim, who = self._check_fitted(), type(self).__name__
        check_names(column_names(X), getattr(self, "feature_names_in_", None), who)
        return as_table(X, who, dim)

    def _kept_names(self) -> dict[str, npt.NDArray[Any]]:
        """Return the column names as an array of a saved model, if there are any."""
        names = getattr(self, "feature_names_in_", None)
        return {} if names is None else {COLUMNS: pack_json(names.tolist())}

    def _take_names(self, arrays: dict[str, npt.NDArray[Any]]) -> None:
        """Move the column names of :meth:`_kept_names`, if any, from the arrays of a model to the instance."""
        if COLUMNS in arrays:
            self.feature_names_in_ = np.array(unpack_json(arrays.pop(COLUMNS)), dtype=object)
