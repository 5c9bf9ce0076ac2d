"""The constructor's parameters by name, as scikit-learn's estimators have them, without scikit-learn."""

import inspect
from typing import Any, Self

from hdc.errors import ParameterError


class Parameters:
    """An estimator whose constructor stores each parameter, unchanged, under its name."""

    @classmethod
    def _parameters(cls) -> list[str]:
        return list(inspect.signature(cls).parameters)

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return the constructor's parameters by name."""
        return {name: getattr(self, name) for name in self._parameters()}

    def set_params(self, **parameters: Any) -> Self:
        """Set parameters by name and return the estimator; what was fitted stays until the next ``fit``.

        Raises
        ------
        ParameterError
            If there is no such parameter.
        """
        for name, value in parameters.items():
            if name not in self._parameters():
                raise ParameterError(f"{type(self).__name__} has no parameter {name!r}; it takes {self._parameters()}")
            setattr(self, name, value)
        return self

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{name}={value!r}' for name, value in self.get_params().items())})"
