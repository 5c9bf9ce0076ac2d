"""Run a rule by its name: all rows at once, or part by part."""

from typing import Any, NamedTuple

import numpy as np

from hdc.apps.learn.rows import Rows
from hdc.apps.learn.rules import bnn, lvq, ridge, stepwise
from hdc.apps.learn.rules.dimensions import Regeneration, regenerated, sparsified
from hdc.apps.learn.rules.settings import Counts, Floats, Learned, Settings
from hdc.dispatch import learn_kernels, numpy_backend

STREAMING = ("centroid", "adapt", "online", "margin", "refine", "ridge")
"""Rules that learn part by part."""

RULES = (*STREAMING, "lvq", "glvq", "bnn")
"""All rules."""

REGENERATIONS = {"neuralhd": "variance", "disthd": "errors"}
"""Criteria for exchanging components, by the names of the literature."""

ROUNDS, SHARE = 10, 0.1
"""Rounds, and the share exchanged per round: half of all components stay in use."""


class Outcome(NamedTuple):
    """The result of a rule.

    Attributes
    ----------
    learned : Learned
    state
        What ``more`` goes on from, or a :class:`ridge.Fitted`, which has the alpha; None where there is nothing.
    components : (dim,) int64 array, or None
        Those in use, where some were exchanged.
    """

    learned: Learned
    state: Any
    components: Counts | None = None


def fitted(rows: Rows, labels: Counts, weights: Floats, settings: Settings) -> Outcome:
    """Learn from all rows."""
    if settings.regenerate is None:
        learned, state = _by_rule(rows, labels, weights, settings)
        return Outcome(sparsified(learned, settings.sparsity) if settings.sparsity else learned, state)
    plan = _exchange(rows.dim, REGENERATIONS[settings.regenerate])
    learned, components = regenerated(
        rows, labels, weights, plan, lambda narrow: _by_rule(narrow, labels, weights, settings)[0]
    )
    return Outcome(sparsified(learned, settings.sparsity) if settings.sparsity else learned, None, components)


def empty(dim: int, settings: Settings) -> Any:
    """Return the state before the first row."""
    return ridge.empty(dim, settings.classes) if settings.rule == "ridge" else stepwise.empty(dim, settings.classes)


def more(rows: Rows, labels: Counts, weights: Floats, settings: Settings, state: Any) -> Outcome:
    """Learn from more rows, by a rule that is :data:`STREAMING`."""
    if settings.rule == "ridge":
        sums = ridge.added(state, rows, ridge.signs(labels, settings.classes), weights)
        return Outcome(ridge.learned(ridge.solved(sums, settings.alpha)), sums)
    state = stepwise.partial(rows, labels, weights, settings, state)
    return Outcome(stepwise.learned(state, settings), state)


def scores(learned: Learned, rows: Rows, classes: int, backend: str) -> Any:
    """Return ``(n, classes)`` float64: the best score of the vectors of each class."""
    out = np.empty((len(rows), classes))
    kernels = learn_kernels(numpy_backend(backend, "a learner"))
    order = np.argsort(learned.classes, kind="stable")
    starts = np.searchsorted(learned.classes[order], np.arange(classes))
    alone = len(order) == classes and bool((order == np.arange(classes)).all())
    for which, block in rows.blocks():
        dots = kernels.dots(block, learned.weights)
        out[which] = (dots if alone else np.maximum.reduceat(dots[:, order], starts, axis=1)) + learned.intercept
    return out


def _exchange(wide: int, by: str) -> Regeneration:
    """Return the exchange that uses the most components at a time."""
    dim = max(1, int(wide / (1 + ROUNDS * SHARE)) + 1)
    while dim > 1 and Regeneration(dim, SHARE, ROUNDS, by).wide > wide:
        dim -= 1
    return Regeneration(dim, SHARE, ROUNDS, by)


def _by_rule(rows: Rows, labels: Counts, weights: Floats, settings: Settings) -> tuple[Learned, Any]:
    if settings.rule == "ridge":
        found = ridge.fit(rows, ridge.signs(labels, settings.classes), weights, settings.alpha)
        return ridge.learned(found), found
    if settings.rule == "bnn":
        own = bnn.BNNSettings(settings.classes, epochs=settings.epochs, rate=settings.step, seed=settings.seed)
        return bnn.fit(rows, labels, weights, own), None
    if settings.rule in ("lvq", "glvq"):
        steepness = settings.steepness if settings.rule == "glvq" else 0.0
        given = settings.classes, settings.prototypes, settings.epochs, settings.step, steepness
        return lvq.fit(rows, labels, weights, lvq.LVQSettings(*given, settings.seed, settings.backend)), None
    state = stepwise.fit(rows, labels, weights, settings)
    return stepwise.learned(state, settings), state
