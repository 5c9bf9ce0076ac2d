"""Capacities of models that state the moments of their similarities: for tasks that are one comparison of scores."""

from collections.abc import Callable

import numpy as np

from hdc.bounds.cleanup import log_cleanup_error
from hdc.bounds.moments import Moments
from hdc.checks import integer
from hdc.errors import UnsupportedError

MOST = 1 << 40
"""Largest capacity to report."""

READ = {"membership": None, "key-value": "role", "sequence": None}
"""Tasks, and how their answers are read from a bundle."""

Scores = Callable[[int], Moments]


def log_failure(task: str, moments: Moments, items: int, universe: int) -> float:
    """Return the logarithm of a bound on the chance that any answer is wrong.

    ``membership``: every symbol of the universe is decided by the threshold midway between the means. ``key-value``,
    ``sequence``: every item is the nearest of the universe to what is read.

    Source: the union bound over answers. Standing: approximation (normal scores).
    """
    from scipy.special import log_ndtr

    hit, hit_sd, other, other_sd = (float(x) for x in moments)
    if task != "membership":
        one = log_cleanup_error((hit - other) / other_sd, hit_sd / other_sd, universe)
        return float(one + np.log(items))
    half = (hit - other) / 2
    missed = log_ndtr(-half / hit_sd) if hit_sd > 0 else -np.inf
    with np.errstate(divide="ignore"):
        shares = np.log(items) + missed, np.log(max(universe - items, 0)) + log_ndtr(-half / other_sd)
    return float(np.logaddexp(*shares))


def capacity(scores: Scores, task: str, *, universe: int, error: float) -> int:
    """Return the most items for which all answers are right with probability ``1 - error``, by the model's moments.

    Parameters
    ----------
    scores : function
        From a number of members to moments.
    task : str
        One of ``READ``.
    universe : int
    error : float
        Strictly between 0 and 1.

    Returns
    -------
    int
        0 where not even one item is promised; at most the universe for membership.

    Raises
    ------
    UnsupportedError
        If the task is no comparison of scores.
    """
    if task not in READ:
        raise UnsupportedError(f"scores give a capacity for {', '.join(READ)}, not for {task}")
    size, limit = integer(universe, "universe", 1), np.log(error)
    most = size if task == "membership" else MOST

    def enough(items: int) -> bool:
        return bool(log_failure(task, scores(items), items, size) <= limit)

    if not enough(1):
        return 0
    low, high = 1, 2
    while high <= most and enough(high):
        low, high = high, 2 * high
    high = min(high, most + 1)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if enough(middle) else (low, middle)
    return low
