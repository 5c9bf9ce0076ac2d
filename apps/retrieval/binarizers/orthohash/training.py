"""Gradient training of a network towards the targets of classes (needs torch).

The single loss of OrthoHash (Hoe et al. 2021, "One Loss for All"): the cross-entropy of

    scale * (cos(f(x), o_c) - margin [c = y])

over the classes c, with fixed targets ``o_c``. Batch normalization gives outputs mean 0 and deviation 1, so each bit
is 1 half of the time. Adam's rate falls along half a cosine.
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from hdc.apps.progress import tracked
from hdc.apps.retrieval.binarizers.base import Floats
from hdc.apps.retrieval.binarizers.gradients import device_of, import_torch
from hdc.apps.retrieval.binarizers.orthohash.network import Network

EPSILON = 1e-5
"""Added to variances before a division."""


@dataclass(frozen=True)
class Settings:
    """Training settings, with the meaning of the parameters of :class:`OrthoHashBinarizer` of the same names."""

    logit_scale: float
    margin: float
    epochs: int
    batch: int
    learning_rate: float
    weight_decay: float
    device: str


def train(
    network: Network,
    rows: npt.NDArray[Any],
    labels: npt.NDArray[np.int64],
    targets: Floats,
    settings: Settings,
    rng: np.random.Generator,
) -> Network:
    """Return the trained network.

    Parameters
    ----------
    network : Network
        Initial network.
    rows : (n, d) array of finite numbers
        Read a batch at a time, so it may be memory-mapped from a file.
    labels : (n,) int64
    targets : (classes, bits) float32
    settings : Settings
    rng : generator
        Draws the order of the rows.

    Raises
    ------
    BackendUnavailableError
        If torch is not installed.
    """
    trainer = Trainer(import_torch("OrthoHashBinarizer.fit needs torch"), network, targets, settings)
    steps = -(-len(rows) // settings.batch)
    for epoch in tracked(range(settings.epochs), settings.epochs, unit="epochs"):
        for i, chosen in enumerate(np.array_split(rng.permutation(len(rows)), steps)):
            done = (epoch * steps + i) / (settings.epochs * steps)
            trainer.step(np.asarray(rows[chosen], dtype=np.float32), labels[chosen], done)
    return trainer.network()


class Trainer:
    """The network's maps on a device, with their optimizer."""

    def __init__(self, torch: Any, network: Network, targets: Floats, settings: Settings) -> None:
        self._torch, self._settings, self._start = torch, settings, network
        self._device = device_of(torch, settings.device)
        units = targets / np.linalg.norm(targets, axis=1, keepdims=True)
        self._targets = torch.from_numpy(units).to(self._device)
        self._weights = [self._parameter(weight) for weight in network.weights]
        self._biases = [self._parameter(bias) for bias in network.biases]
        groups = [
            {"params": self._weights, "weight_decay": settings.weight_decay},
            {"params": self._biases, "weight_decay": 0.0},
        ]
        self._optimizer = torch.optim.AdamW(groups, lr=settings.learning_rate)

    def _parameter(self, values: Floats) -> Any:
        return self._torch.from_numpy(values.copy()).to(self._device).requires_grad_(True)

    def step(self, x: Floats, labels: npt.NDArray[np.int64], done: float) -> None:
        """Learn from one batch; ``done`` is the share of all steps done before it."""
        for group in self._optimizer.param_groups:
            group["lr"] = self._settings.learning_rate * (1 + math.cos(math.pi * done)) / 2
        self._optimizer.zero_grad()
        self.loss(x, labels).backward()
        self._optimizer.step()

    def loss(self, x: Floats, labels: npt.NDArray[np.int64]) -> Any:
        """Return the mean loss of a batch."""
        torch, settings = self._torch, self._settings
        y = torch.from_numpy(labels).to(self._device)
        centered = (x - self._start.mean) / np.float32(self._start.scale)
        cosines = torch.nn.functional.normalize(self._outputs(torch.from_numpy(centered)), dim=1) @ self._targets.T
        own = torch.nn.functional.one_hot(y, len(self._targets))
        return torch.nn.functional.cross_entropy(settings.logit_scale * (cosines - settings.margin * own), y)

    def _outputs(self, x: Any) -> Any:
        """Return the real codes of a batch, normalized over the batch."""
        values = x.to(self._device)
        for weight, bias in zip(self._weights[:-1], self._biases[:-1], strict=True):
            values = (values @ weight + bias).relu()
        values = values @ self._weights[-1] + self._biases[-1]
        variance, mean = self._torch.var_mean(values, dim=0, correction=0)
        return (values - mean) / (variance + EPSILON).sqrt()

    def network(self) -> Network:
        """Return the current maps."""
        weights, biases = (
            tuple(value.detach().cpu().numpy().copy() for value in values) for values in (self._weights, self._biases)
        )
        return Network(self._start.mean, self._start.scale, weights, biases)
