"""What a rule is told, and what it returns."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
Counts = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Settings:
    """Parameters of all rules; each reads its own.

    Attributes
    ----------
    classes : int
        Number of classes.
    """

    classes: int
    rule: str = "margin"
    epochs: int = 20
    rate: float = 1.0
    margin: float = 0.1
    average: bool = True
    alpha: float | None = None
    prototypes: int = 1
    seed: int = 0
    backend: str = "auto"


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
