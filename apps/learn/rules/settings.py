"""The settings of a rule, and its result."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
Counts = npt.NDArray[np.int64]

RATES = {"lvq": 0.05, "glvq": 0.05, "bnn": 0.01}
"""Length of a step, if it is not 1."""


@dataclass(frozen=True)
class Settings:
    """Parameters of all rules; each reads its own. See :class:`hdc.apps.learn.HDClassifier`.

    Attributes
    ----------
    classes : int
        Number of classes.
    """

    classes: int
    rule: str = "margin"
    epochs: int = 20
    rate: float | None = None
    margin: float = 0.05
    average: bool = True
    alpha: float | None = None
    prototypes: int = 5
    steepness: float = 30.0
    regenerate: str | None = None
    sparsity: float = 0.0
    seed: int = 0
    backend: str = "auto"

    @property
    def step(self) -> float:
        """The rate, or that of the rule."""
        return RATES.get(self.rule, 1.0) if self.rate is None else self.rate


class Learned(NamedTuple):
    """What scores rows of unit length: ``rows @ weights.T``, the best of each class, ``+ intercept``.

    Attributes
    ----------
    weights : (vectors, dim) float32
    classes : (vectors,) int64
        The class of each vector.
    intercept : (classes,) float32
    """

    weights: Floats
    classes: Counts
    intercept: Floats
