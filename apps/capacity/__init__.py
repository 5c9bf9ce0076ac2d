"""Capacity: how many dimensions, at which error, as a formula, an experiment and a picture.

``theory`` answers by closed forms, ``experiments`` by simulation, ``search`` finds the smallest dimension that
reaches an accuracy, ``plots`` and ``report`` show both together. On the command line: ``hdc capacity``.
"""

from hdc.apps.capacity.experiments import Experiment, run
from hdc.apps.capacity.results import Point, Results
from hdc.apps.capacity.search import Minimum, minimum_dimension

__all__ = ["Experiment", "Minimum", "Point", "Results", "minimum_dimension", "run"]
