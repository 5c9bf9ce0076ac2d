"""Several prototypes per class, moved by learning vector quantization: LVQ (Kohonen 1990), GLVQ (Sato and Yamada 1996).

On hypervectors: Diao et al. 2021, "Generalized Learning Vector Quantization for Classification in Randomized Neural
Networks and Hyperdimensional Computing". Rows and prototypes have length 1 here, so the squared distance is
``2 - 2 cosine``, and the nearest prototype, which predicts, has the greatest cosine.
"""

from dataclasses import dataclass

import numpy as np

from hdc.apps.learn.kmeans import Directions, kmeans
from hdc.apps.learn.rows import Rows
from hdc.apps.learn.rules.settings import Counts, Floats, Learned
from hdc.dispatch import learn_kernels, numpy_backend

START_STEPS = 10
"""Rounds of k-means that suffice for a start."""


@dataclass(frozen=True)
class LVQSettings:
    """How prototypes learn.

    Attributes
    ----------
    classes : int
    prototypes : int
        Of each class, at most: a class has no more than it has rows.
    epochs : int
        Passes over the rows, in a new order each.
    rate : float
        Step of the first epoch; it falls to 0 along a line.
    steepness : float
        Of GLVQ, β of the loss ``1 / (1 + exp(-β μ))``, with ``μ = (d+ - d-) / (d+ + d-)`` of the distances to the
        nearest prototypes of the own and of another class. 0 is LVQ: only the nearest prototype moves.
    seed : int
    backend : str
    """

    classes: int
    prototypes: int = 5
    epochs: int = 20
    rate: float = 0.05
    steepness: float = 30.0
    seed: int = 0
    backend: str = "auto"


def fit(rows: Rows, labels: Counts, sample_weight: Floats, settings: LVQSettings) -> Learned:
    """Start from k-means within each class, and go over the rows in a new random order each epoch.

    A class without rows of positive weight has a vector of zeros, and the least cosine there is as its score.

    Returns
    -------
    Learned
        Vectors of length 1, by class.
    """
    rng = np.random.default_rng(settings.seed)
    prototypes, owners = start(rows, labels, sample_weight, settings, rng)
    kernels = learn_kernels(numpy_backend(settings.backend, "a learner"))
    for epoch in range(settings.epochs):
        rate = settings.rate * (1 - epoch / settings.epochs)
        for which, block in rows.blocks(rng.permutation(len(rows))):
            prototypes = kernels.attract(
                block, labels[which], sample_weight[which], prototypes, owners, settings.steepness, rate
            )
    empty = np.setdiff1d(np.arange(settings.classes), owners)
    intercept = np.zeros(settings.classes, dtype=np.float32)
    intercept[empty] = -1
    zeros = np.zeros((len(empty), rows.dim), dtype=np.float32)
    return Learned(np.concatenate([prototypes, zeros]), np.concatenate([owners, empty]), intercept)


def start(
    rows: Rows, labels: Counts, sample_weight: Floats, settings: LVQSettings, rng: np.random.Generator
) -> tuple[Floats, Counts]:
    """Return the centers of k-means in each class, ``(vectors, dim)``, and the class of each."""
    centers, owners = [], []
    for label in range(settings.classes):
        members = np.flatnonzero((labels == label) & (sample_weight > 0))
        if k := min(settings.prototypes, len(members)):
            space = Directions(rows.take(members))
            centers.append(kmeans(space, k, sample_weight[members], rng, steps=START_STEPS).centers)
            owners += [label] * k
    return np.concatenate(centers), np.array(owners, dtype=np.int64)
