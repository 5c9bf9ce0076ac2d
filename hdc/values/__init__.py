"""Encoders of values: numbers, points, integers and real vectors as hypervectors, decoded with an error estimate.

All are stateless: they draw from the stream of (model seed, kind of code, name). So any value has a code without a
table, the same in every process and on every backend.
"""

from hdc.values.encoder import Estimate, ValueEncoder
from hdc.values.integers import Integer
from hdc.values.projections import RandomFourier, RandomProjection, SparseProjection
from hdc.values.scalar import Point, Scalar
from hdc.values.spectra import KERNELS, Kernel
from hdc.values.stepwise import Circular, Level, Scatter, Thermometer

__all__ = [
    "KERNELS",
    "Circular",
    "Estimate",
    "Integer",
    "Kernel",
    "Level",
    "Point",
    "RandomFourier",
    "RandomProjection",
    "Scalar",
    "Scatter",
    "SparseProjection",
    "Thermometer",
    "ValueEncoder",
]
