"""Rules that go from row to row: centroid, adapt, online, margin and refine.

=========  =====================================================================================================
centroid   the sum of each class: the kernel-mean (Parzen) classifier of the encoder's kernel
adapt      AdaptHD (Imani 2019), a multi-class perceptron with normalized weights: a row that is nearest to a wrong
           class is added to its own and taken from that
online     OnlineHD (Hernandez-Cano 2021): steps times one less the cosine; the first pass also adds what was right
margin     adapt, also where the own class is nearer by no more than a margin (Smets 2023): passive-aggressive
refine     online, also where the own class is nearer by less than a part of what right rows have on average: our
           reading of RefineHD (Verges 2023), which gives no formula that we could check
=========  =====================================================================================================

With s the cosine of a row and a prototype, steps are exactly those of :attr:`hdc.kernels.LearnKernels.perceptron`.
"""

import numpy as np
import numpy.typing as npt

from hdc.apps.learn.rows import Rows
from hdc.apps.learn.rules.settings import Counts, Floats, Learned, Settings
from hdc.dispatch import learn_kernels, numpy_backend
from hdc.kernels import ADAPT, BUNDLE, MARGIN, ONLINE, REFINE, PerceptronState

CODES = {"adapt": ADAPT, "online": ONLINE, "margin": MARGIN, "refine": REFINE}


def empty(dim: int, classes: int) -> PerceptronState:
    """Return the state before the first row."""
    zeros = np.zeros((classes, dim), dtype=np.float32)
    return PerceptronState(zeros, zeros, np.zeros(classes), np.zeros(2), 0)


def fit(rows: Rows, labels: Counts, sample_weight: Floats, settings: Settings) -> PerceptronState:
    """Go over the rows in a random order, ``epochs`` times or until a pass changes nothing."""
    state = empty(rows.dim, settings.classes)
    if settings.rule == "centroid":
        return partial(rows, labels, sample_weight, settings, state)
    rng = np.random.default_rng(settings.seed)
    for epoch in range(settings.epochs):
        code = BUNDLE if settings.rule == "online" and epoch == 0 else CODES[settings.rule]
        before = state.prototypes
        state = _pass(rows, labels, sample_weight, settings, state, code, rng.permutation(len(rows)))
        if np.array_equal(before, state.prototypes):
            break
    return state


def partial(
    rows: Rows, labels: Counts, sample_weight: Floats, settings: Settings, state: PerceptronState
) -> PerceptronState:
    """Go over more rows once, as they come."""
    if settings.rule == "centroid":
        return _summed(rows, labels, sample_weight, state)
    code = BUNDLE if settings.rule == "online" else CODES[settings.rule]
    return _pass(rows, labels, sample_weight, settings, state, code, None)


def learned(state: PerceptronState, settings: Settings) -> Learned:
    """Return the prototypes, or with ``average`` their mean over all rows, with unit length."""
    mean = settings.average and settings.rule != "centroid" and state.step > 0
    weights = state.prototypes - state.drift / np.float32(state.step) if mean else state.prototypes
    lengths = np.linalg.norm(weights, axis=1, keepdims=True)
    unit = (weights / np.where(lengths > 0, lengths, 1)).astype(np.float32)
    return Learned(unit, np.arange(len(unit)), np.zeros(len(unit), dtype=np.float32))


def _pass(
    rows: Rows,
    labels: Counts,
    sample_weight: Floats,
    settings: Settings,
    state: PerceptronState,
    code: int,
    order: npt.NDArray[np.int64] | None,
) -> PerceptronState:
    kernels = learn_kernels(numpy_backend(settings.backend, "a learner"))
    # Lengths are kept up to date by each step, and made anew before rounding adds up.
    state = state._replace(squares=np.einsum("cd,cd->c", state.prototypes, state.prototypes, dtype=np.float64))
    for which, block in rows.blocks(order):
        state, _ = kernels.perceptron(
            block, labels[which], sample_weight[which], state, code, settings.step, settings.margin
        )
    return state


def _summed(rows: Rows, labels: Counts, sample_weight: Floats, state: PerceptronState) -> PerceptronState:
    sums = state.prototypes.astype(np.float64)
    for which, block in rows.blocks():
        member = (labels[which, None] == np.arange(len(sums))) * sample_weight[which, None]
        sums += member.T @ block
    return state._replace(prototypes=sums.astype(np.float32), step=state.step + len(rows))
