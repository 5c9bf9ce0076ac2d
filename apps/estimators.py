"""The habits of a scikit-learn transformer, without scikit-learn: it is imported only when it asks."""

import copy
import sys
from abc import ABC, abstractmethod
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from hdc.apps.parameters import Parameters
from hdc.checks import choice

CONTAINERS = ("default", "pandas", "polars")
"""What :meth:`Transformer.set_output` takes."""


class Transformer(Parameters, ABC):
    """Parameters by name, clones and output containers, as ``BaseEstimator`` and ``TransformerMixin`` have them.

    The constructor of a subclass stores each parameter, unchanged, under its name. The subclass describes itself in
    ``__sklearn_tags__``, and returns what :meth:`_contained` makes of its rows from ``transform``.
    """

    _container: str | None = None

    def __sklearn_clone__(self) -> Self:
        """Return an unfitted estimator with the same parameters; functions are not copied, nor models behind them."""
        parameters = self.get_params().items()
        clone = type(self)(**{name: value if callable(value) else copy.deepcopy(value) for name, value in parameters})
        clone._container = self._container
        return clone

    def set_output(self, *, transform: str | None = None) -> Self:
        """Choose what ``transform`` returns: an array (``"default"``), or a data frame of ``"pandas"`` or ``"polars"``.

        Until then, ``sklearn.set_config(transform_output=...)`` chooses.

        Raises
        ------
        ParameterError
            If it is none of these.
        """
        if transform is not None:
            self._container = choice(transform, "transform", CONTAINERS)
        return self

    def get_feature_names_out(self, input_features: Any = None) -> npt.NDArray[np.object_]:
        """Return a name for each column of the output: the class's in lower case, and a number from 0."""
        prefix = type(self).__name__.lower()
        return np.array([f"{prefix}{column}" for column in range(self._columns)], dtype=object)

    @property
    @abstractmethod
    def _columns(self) -> int:
        """Number of columns of the output."""

    def _contained(self, rows: npt.NDArray[Any], source: Any) -> Any:
        """Return rows in the container that was chosen; a pandas frame keeps the index of a pandas ``source``."""
        container = self._container or _configured()
        if container == "pandas":
            import pandas

            index = source.index if isinstance(source, pandas.Series | pandas.DataFrame) else None
            return pandas.DataFrame(rows, columns=self.get_feature_names_out(), index=index)
        if container == "polars":
            import polars

            return polars.DataFrame(rows, schema=self.get_feature_names_out().tolist())
        return rows


def _configured() -> str:
    """Return the container that scikit-learn is configured for, where a program has loaded it."""
    sklearn = sys.modules.get("sklearn")
    return str(sklearn.get_config()["transform_output"]) if sklearn else "default"
