"""The habits of a scikit-learn transformer, without scikit-learn: it is imported only when it asks."""

import copy
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import numpy.typing as npt

from hdc.apps.parameters import Parameters
from hdc.checks import choice

if TYPE_CHECKING:
    from sklearn.utils import Tags

CONTAINERS = ("default", "pandas", "polars")
"""What :meth:`Transformer.set_output` takes."""


class Transformer(Parameters, ABC):
    """Parameters by name, clones, tags and output containers, as ``BaseEstimator`` and ``TransformerMixin`` have them.

    The constructor of a subclass stores each parameter, unchanged, under its name. There is no ``n_features_in_``:
    documents have no columns.
    """

    _container: str | None = None

    def __sklearn_clone__(self) -> Self:
        """Return an unfitted encoder with the same parameters; functions, such as a language model, are not copied."""
        parameters = self.get_params().items()
        clone = type(self)(**{name: value if callable(value) else copy.deepcopy(value) for name, value in parameters})
        clone._container = self._container
        return clone

    def __sklearn_tags__(self) -> "Tags":
        """Say what it takes and gives: documents in a list, no y, and that it works without ``fit``."""
        from sklearn.utils import InputTags, Tags, TargetTags, TransformerTags

        return Tags(
            estimator_type="transformer",
            target_tags=TargetTags(required=False),
            transformer_tags=TransformerTags(preserves_dtype=[]),
            input_tags=InputTags(one_d_array=True, two_d_array=False, string=True, dict=True),
            requires_fit=False,
        )

    def set_output(self, *, transform: str | None = None) -> Self:
        """Choose what ``transform`` returns: an array (``"default"``), or a data frame of ``"pandas"`` or ``"polars"``.

        Raises
        ------
        ParameterError
            If it is none of these.
        """
        if transform is not None:
            chosen = choice(transform, "transform", CONTAINERS)
            self._container = None if chosen == "default" else chosen
        return self

    def get_feature_names_out(self, input_features: Any = None) -> npt.NDArray[np.object_]:
        """Return a name for each column of the output, ``jsonencoder0`` and so on; ``input_features`` is ignored."""
        prefix = type(self).__name__.lower()
        return np.array([f"{prefix}{column}" for column in range(self._columns)], dtype=object)

    @property
    @abstractmethod
    def _columns(self) -> int:
        """Number of columns of the output."""

    def _contained(self, rows: npt.NDArray[Any], source: Any) -> Any:
        """Return rows in the container that was chosen; a pandas frame keeps the index of a pandas ``source``."""
        if self._container == "pandas":
            import pandas

            index = source.index if isinstance(source, pandas.Series) else None
            return pandas.DataFrame(rows, columns=self.get_feature_names_out(), index=index)
        if self._container == "polars":
            import polars

            return polars.DataFrame(rows, schema=self.get_feature_names_out().tolist())
        return rows
