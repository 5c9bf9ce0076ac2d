"""LeHDC: binary class vectors trained as the one layer of a binary neural network (Duan et al. 2022, DAC). Needs torch.

Each class has a latent vector of real numbers, and its signs are what predicts. The loss is the cross-entropy of the
dot products of rows and signs; it is minimized by Adam. Gradients pass the sign where the latent number lies within one
(the straight-through estimator), dropout removes components of rows. The rows of each epoch are in a new order.
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from hdc.apps.learn.rows import Rows
from hdc.apps.learn.rules.settings import Counts, Floats, Learned
from hdc.errors import BackendUnavailableError

START = 0.1
"""Spread of the initial latent numbers, which have the signs of the class sums."""


@dataclass(frozen=True)
class BNNSettings:
    """How binary class vectors are trained; defaults are those of LeHDC but for ``patience`` and ``epochs``.

    Attributes
    ----------
    classes : int
    epochs : int
        At most.
    rate : float
        Of Adam; halved after each epoch that did not lower the loss.
    decay : float
        Weight decay: of the latent numbers' squares, added to the loss.
    dropout : float
        Share of each row's components that a step drops.
    patience : int
        Epochs in turn that may fail to lower the loss, before training ends.
    batch : int
        Rows of a step.
    seed : int
    """

    classes: int
    epochs: int = 50
    rate: float = 0.01
    decay: float = 0.003
    dropout: float = 0.3
    patience: int = 5
    batch: int = 64
    seed: int = 0


def import_torch() -> Any:
    """Return the torch module.

    Raises
    ------
    BackendUnavailableError
        If it is not installed.
    """
    try:
        import torch
    except ImportError as error:
        raise BackendUnavailableError(
            "rule 'bnn' needs torch; pip install 'hdc-toolkit[torch]', or take another rule"
        ) from error
    return torch


def fit(rows: Rows, labels: Counts, sample_weight: Floats, settings: BNNSettings) -> Learned:
    """Train the signs of one vector per class; those of the epoch with the least loss count.

    Returns
    -------
    Learned
        Weights are ``±1 / sqrt(dim)``.

    Raises
    ------
    BackendUnavailableError
        If torch is not installed.
    """
    torch = import_torch()
    rng = np.random.default_rng(settings.seed)
    generator = torch.Generator().manual_seed(settings.seed)
    latent = torch.from_numpy(_started(rows, labels, sample_weight, settings)).requires_grad_()
    adam = torch.optim.Adam([latent], lr=settings.rate, weight_decay=settings.decay)
    best, least, failed = latent.detach().clone(), math.inf, 0
    for _ in range(settings.epochs):
        loss = 0.0
        for which, block in rows.blocks(rng.permutation(len(rows))):
            whole = [torch.from_numpy(x).split(settings.batch) for x in (block, labels[which], sample_weight[which])]
            for batch in zip(*whole, strict=True):
                loss += _step(torch, adam, latent, batch, settings.dropout, generator)
        if loss < least * (1 - 1e-4):
            best, least, failed = latent.detach().clone(), loss, 0
            continue
        failed += 1
        if failed > settings.patience:
            break
        for group in adam.param_groups:
            group["lr"] /= 2
    signs = np.where(best.numpy() < 0, -1, 1) / math.sqrt(rows.dim)
    return Learned(signs.astype(np.float32), np.arange(settings.classes), np.zeros(settings.classes, dtype=np.float32))


def _started(rows: Rows, labels: Counts, sample_weight: Floats, settings: BNNSettings) -> Floats:
    """Return the sums of each class, ``(classes, dim)``, scaled to a spread of ``START``."""
    sums = np.zeros((settings.classes, rows.dim))
    for which, block in rows.blocks():
        member = (labels[which, None] == np.arange(settings.classes)) * sample_weight[which, None]
        sums += member.T @ block
    spread = sums.std(axis=1, keepdims=True)
    return (START * sums / np.where(spread > 0, spread, 1)).astype(np.float32)


def _step(torch: Any, adam: Any, latent: Any, batch: Any, dropout: float, generator: Any) -> float:
    """Do one step of Adam on a batch of rows, labels and weights; return its weighted loss."""
    block, targets, weights = batch
    kept = torch.rand(block.shape, generator=generator) >= dropout
    signs = torch.where(latent < 0, -1.0, 1.0)
    through = signs.detach() + latent.clamp(-1, 1) - latent.clamp(-1, 1).detach()
    # Rows have length 1: this is the dot product with components of ±1, over the root of the dimension.
    scores = (block * kept / (1 - dropout)) @ through.T
    each = torch.nn.functional.cross_entropy(scores, targets, reduction="none") * weights
    adam.zero_grad()
    (each.sum() / weights.sum().clamp(min=1e-12)).backward()
    adam.step()
    return float(each.detach().sum())
