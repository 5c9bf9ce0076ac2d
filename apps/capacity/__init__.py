"""Capacity: how many dimensions a task needs for a given error, by formula, by experiment and as a figure.

``theory`` answers by closed forms, ``experiments`` by simulation, ``search`` finds the smallest dimension that
reaches an accuracy, ``plots`` and ``report`` show both together. On the command line: ``hdc capacity``.
"""

from typing import TYPE_CHECKING

from hdc.apps import lazy

if TYPE_CHECKING:
    from hdc.apps.capacity.experiments import Experiment, run
    from hdc.apps.capacity.results import Point, Results
    from hdc.apps.capacity.search import Minimum, minimum_dimension

__all__ = ["Experiment", "Minimum", "Point", "Results", "minimum_dimension", "run"]

__getattr__ = lazy.attributes(
    __name__,
    {
        "Experiment": "hdc.apps.capacity.experiments",
        "run": "hdc.apps.capacity.experiments",
        "Point": "hdc.apps.capacity.results",
        "Results": "hdc.apps.capacity.results",
        "Minimum": "hdc.apps.capacity.search",
        "minimum_dimension": "hdc.apps.capacity.search",
    },
)
