"""Encoders of values: numbers, points, whole numbers and real vectors as hypervectors, and back with an error estimate.

All are stateless: what they draw comes from the stream of (model seed, kind of code, name), so that any value has a
code without a table, and the same one in every process and on every backend.
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
