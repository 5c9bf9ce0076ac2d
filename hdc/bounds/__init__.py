"""How many dimensions a task needs for a given error: closed forms for the capacity of a bundle, one record per bound.

``dimension`` returns the size that reaches an error; ``error_rate`` and ``capacity`` are its inverses; ``table`` lists
every (task, model, bound) with its statement, source and standing. The closed forms are in the core, because a model
reports its own capacity (:meth:`hdc.VSA.capacity`); ``hdc.apps.capacity`` adds accuracies, comparisons and experiments.

Notation: n items, d universe, m dimension, δ error, ``l = ln(d/δ)``, ``z = Φ⁻¹(1 - δ/d)``, p(n) the correlation of a
member with a majority of n atoms (:func:`majority_bias`); for intersections a, b set sizes, t the true size, α the
tolerance, ``z₂ = Φ⁻¹(1 - δ/2)``.
"""

from hdc.bounds.formulas import best_ones, majority_bias, phasor_bias, plurality_bias, thinned_density
from hdc.bounds.moments import Moments
from hdc.bounds.question import TASKS, Question
from hdc.bounds.solve import capacity, dimension, error_rate
from hdc.bounds.table import KINDS, MODELS, Bound, find, table
from hdc.bounds.warning import CapacityWarning, warn_beyond_capacity

__all__ = [
    "KINDS",
    "MODELS",
    "TASKS",
    "Bound",
    "CapacityWarning",
    "Moments",
    "Question",
    "best_ones",
    "capacity",
    "dimension",
    "error_rate",
    "find",
    "majority_bias",
    "phasor_bias",
    "plurality_bias",
    "table",
    "thinned_density",
    "warn_beyond_capacity",
]
