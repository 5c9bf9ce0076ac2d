"""A third party's package: a model and a backend, found through entry points only."""

from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from hdc.backends.numpy_backend import BACKEND as NUMPY
from hdc.models.map import MAPI


@dataclass(frozen=True)
class Doubled(MAPI):
    """MAP-I that draws its symbols under names of its own."""

    model: ClassVar[str] = "Doubled"

    def symbols(self, names):
        """Return the atoms of the doubled names."""
        return super().symbols(names if isinstance(names, str) else [(name, name) for name in names])


SWAPPED = replace(
    NUMPY,
    name="swapped",
    bits=replace(NUMPY.bits, xor=lambda a, b: np.bitwise_xor(b, a, dtype=np.uint64)),
    search=None,
    learn=None,
    classes=None,
    tokens=None,
    features=None,
    tables=None,
    lists=None,
    postings=None,
)
