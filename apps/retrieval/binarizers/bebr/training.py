"""Gradient training of the recurrence, from embeddings to embeddings, without labels (needs torch).

The loss follows BEBR (Gan et al. 2023): a cross-entropy over a positive and the hardest negatives, by cosine of the
codes over a temperature, in both directions. Signs pass gradients where their input is within one. The positive of a
vector is one of its nearest float neighbors; negatives come from the batch and from a queue of earlier vectors. Without
labels, some negatives are wrong, so the target is not the positive alone but the softmax of the float cosines over the
same temperature. An optional second loss compares new codes with the frozen codes of an old model, so that new codes
can search its index.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from hdc.apps.retrieval.binarizers.base import Floats
from hdc.apps.retrieval.binarizers.bebr.checkpoint import Checkpoint
from hdc.apps.retrieval.binarizers.bebr.recurrence import Recurrence, unit
from hdc.apps.retrieval.binarizers.bebr.validation import Progress, Validation, nearest
from hdc.apps.retrieval.binarizers.gradients import device_of, import_torch
from hdc.errors import ParameterError

POSITIVES = 10
"""A positive is drawn from this many nearest neighbors."""

BATCH = 256

NEIGHBOR_BLOCK = 1024
"""Vectors per block of the neighbor search."""


@dataclass(frozen=True)
class Settings:
    """Training settings, with the meaning of the parameters of :class:`RecurrentBinarizer` of the same names."""

    loops: int
    epochs: int
    patience: int
    temperature: float
    learning_rate: float
    negatives: int
    queue: int
    device: str
    seed: int
    prefixes: Sequence[int] = ()


def train(
    maps: Recurrence,
    x: Floats,
    old: Floats | None,
    settings: Settings,
    validation: Validation,
    state: Checkpoint,
) -> Recurrence:
    """Train from given maps; return those of the epoch with the best validation recall by symmetric comparison.

    Parameters
    ----------
    maps : Recurrence
    x : (n, d) float32
    old : (n, levels, dim) float32 or None
        Signs of the old model's codes of the same objects.
    settings : Settings
    validation : Validation
    state : Checkpoint
    """
    torch = import_torch("gradient training needs torch, and epochs=0 does without")
    trainer = _Trainer(torch, maps, x, old, settings)
    progress = Progress("epoch", settings.epochs, settings.patience)
    indexed = None if old is None else _components(old)
    best, progress.best = maps, _recall(maps, x, indexed, validation, settings.prefixes)
    if saved := state.load("epoch", progress):
        best = Recurrence.from_arrays({n: a for n, a in saved.items() if not n.startswith("now.")}, settings.loops)
        trainer.restore({n.removeprefix("now."): a for n, a in saved.items() if n.startswith("now.")})
    while progress.goes_on():
        trainer.epoch(progress.done)
        now = trainer.maps()
        if progress.step(_recall(now, x, indexed, validation, settings.prefixes)):
            best = now
        arrays = {f"now.{name}": array for name, array in trainer.state().items()}
        state.save("epoch", progress, best.to_arrays() | arrays)
    return best


def _recall(
    maps: Recurrence, x: Floats, old: Floats | None, validation: Validation, prefixes: Sequence[int] = ()
) -> float:
    """Return the recall of symmetric comparison: with the codes of x, or the mean of those and the old codes.

    With prefixes, it is the mean over them and the whole code.
    """
    queries, own = _components(maps.signs(validation.queries)), _components(maps.signs(x))
    indexed, sizes = [own] if old is None else [own, old], (*prefixes, own.shape[1])
    found = [validation.recall_of(queries[:, :size] @ keys[:, :size].T) for size in sizes for keys in indexed]
    return float(np.mean(found))


def _components(signs: Floats) -> Floats:
    """Return ``(n, dim)`` unit vectors of the multi-level components of ``(n, levels, dim)`` signs."""
    weights = np.float32(2.0) ** -np.arange(signs.shape[1], dtype=np.float32)
    return unit(np.einsum("nld,l->nd", signs, weights))


def _neighbors(f: Floats) -> npt.NDArray[np.int64]:
    """Return the ``(n, POSITIVES)`` nearest other rows of each unit row."""
    found = []
    for start in range(0, len(f), NEIGHBOR_BLOCK):
        scores = f[start : start + NEIGHBOR_BLOCK] @ f.T
        scores[np.arange(len(scores)), np.arange(start, start + len(scores))] = -np.inf
        found.append(nearest(scores, min(POSITIVES, len(f) - 1)))
    return np.concatenate(found)


class _Trainer:
    """Parameters on a device, their optimizer, and the queue."""

    def __init__(self, torch: Any, maps: Recurrence, x: Floats, old: Floats | None, settings: Settings) -> None:
        if len(x) < 2:
            raise ParameterError("gradient training needs at least two vectors")
        self._torch, self._settings = torch, settings
        self._device = device_of(torch, settings.device)
        f = unit(x)
        self._positives = _neighbors(f)
        self._f = torch.from_numpy(f).to(self._device)
        self._old = None if old is None else torch.from_numpy(_components(old)).to(self._device)
        spread = max(float(np.std(maps.project(f))), 1e-30)
        scaled = {n: a if n.startswith("decode") else a / np.float32(spread) for n, a in maps.to_arrays().items()}
        self._maps = {n: torch.from_numpy(a.copy()).to(self._device) for n, a in scaled.items()}
        for parameter in self._maps.values():
            parameter.requires_grad_(True)
        self._optimizer = torch.optim.Adam(self._maps.values(), lr=settings.learning_rate)
        self._sign = _straight_through(torch)

    def maps(self) -> Recurrence:
        """Return the current maps."""
        arrays = {name: p.detach().cpu().numpy().copy() for name, p in self._maps.items()}
        return Recurrence.from_arrays(arrays, self._settings.loops)

    def state(self) -> dict[str, npt.NDArray[Any]]:
        """Return the parameters and the optimizer's moments as arrays."""
        arrays = dict(self.maps().to_arrays())
        for name, parameter in self._maps.items():
            for key, value in self._optimizer.state[parameter].items():
                arrays[f"adam.{key}.{name}"] = value.detach().cpu().numpy()
        return arrays

    def restore(self, arrays: dict[str, npt.NDArray[Any]]) -> None:
        """Restore the arrays of :meth:`state`."""
        torch = self._torch
        with torch.no_grad():
            for name, parameter in self._maps.items():
                parameter.copy_(torch.from_numpy(arrays[name]))
                moments = {k: torch.from_numpy(arrays[f"adam.{k}.{name}"]) for k in ("step", "exp_avg", "exp_avg_sq")}
                on_device = {k: v if k == "step" else v.to(self._device) for k, v in moments.items()}
                self._optimizer.state[parameter] = on_device

    def epoch(self, number: int) -> None:
        """Train once on every vector; the order depends only on the seed and the epoch's number."""
        rng = np.random.default_rng([self._settings.seed, number])
        order = rng.permutation(len(self._f))
        rows, codes = order[:0], self._codes(order[:0]).detach()
        for start in range(0, len(order), BATCH):
            anchors = order[start : start + BATCH]
            picked = rng.integers(0, self._positives.shape[1], len(anchors))
            positives = self._positives[anchors, picked]
            loss, seen = self._loss(anchors, positives, rows, codes)
            self._optimizer.zero_grad()
            loss.backward()
            self._optimizer.step()
            rows = np.concatenate([anchors, rows])[: self._settings.queue]
            codes = self._torch.cat([seen, codes])[: self._settings.queue]

    def _codes(self, rows: npt.NDArray[np.int64]) -> Any:
        f = self._f[rows]
        normal = self._torch.nn.functional.normalize
        p = self._maps
        value = self._sign(f @ p["project.weight"] + p["project.bias"])
        for i in range(self._settings.loops):
            decoded = normal(value @ p[f"decode.{i}.weight"] + p[f"decode.{i}.bias"], dim=1)
            corrected = (f - decoded) @ p[f"correct.{i}.weight"] + p[f"correct.{i}.bias"]
            value = value + 2.0 ** -(i + 1) * self._sign(corrected)
        return normal(value, dim=1)

    def _loss(self, anchors: Any, positives: Any, queue: Any, earlier: Any) -> tuple[Any, Any]:
        """Return the loss of a batch, summed over prefixes, and its anchors' codes for the queue."""
        a, p = self._codes(anchors), self._codes(positives)
        sizes = (*self._settings.prefixes, a.shape[1])
        return sum(self._loss_of(anchors, a, positives, p, queue, earlier, size) for size in sizes), a.detach()

    def _loss_of(self, anchors: Any, a: Any, positives: Any, p: Any, queue: Any, earlier: Any, size: int) -> Any:
        """Return the loss of the first ``size`` components."""
        a, p, earlier = (self._cut(codes, size) for codes in (a, p, earlier))
        old = None if self._old is None else self._cut(self._old, size)
        a_rows, p_rows = np.concatenate([anchors, queue]), np.concatenate([positives, queue])
        loss = self._contrast(anchors, a, positives, p, p_rows, self._torch.cat([p, earlier]))
        loss = loss + self._contrast(positives, p, anchors, a, a_rows, self._torch.cat([a, earlier]))
        if old is not None:
            loss = loss + self._contrast(anchors, a, anchors, old[anchors], a_rows, old[a_rows])
            loss = loss + self._contrast(anchors, a, positives, old[positives], p_rows, old[p_rows])
        return loss

    def _cut(self, codes: Any, size: int) -> Any:
        """Return the first components of unit vectors, normalized; whole vectors are returned unchanged."""
        if size == codes.shape[1]:
            return codes
        return self._torch.nn.functional.normalize(codes[:, :size], dim=1)

    def _contrast(self, rows: Any, codes: Any, positive_rows: Any, positives: Any, key_rows: Any, keys: Any) -> Any:
        """Return the cross-entropy of each code against its positive and its hardest keys."""
        torch, settings = self._torch, self._settings
        f = self._f[rows]
        near, wanted = (f * self._f[positive_rows]).sum(dim=1, keepdim=True), f @ self._f[key_rows].T
        right, other = (codes * positives).sum(dim=1, keepdim=True), codes @ keys.T
        itself = torch.from_numpy(rows[:, None] == key_rows).to(self._device)
        hardest = other.masked_fill(itself, -1e9).topk(min(settings.negatives, other.shape[1]), dim=1).indices
        logits = torch.cat([right, other.gather(1, hardest)], dim=1) / settings.temperature
        target = torch.cat([near, wanted.gather(1, hardest)], dim=1) / settings.temperature
        return torch.nn.functional.cross_entropy(logits, torch.softmax(target, dim=1))


def _straight_through(torch: Any) -> Any:
    """Return a sign function whose gradient is one within [-1, 1] and zero outside."""

    class Sign(torch.autograd.Function):  # type: ignore[misc]
        @staticmethod
        def forward(context: Any, x: Any) -> Any:
            context.save_for_backward(x)
            return torch.where(x > 0, 1.0, -1.0)

        @staticmethod
        def backward(context: Any, gradient: Any) -> Any:
            (x,) = context.saved_tensors
            return gradient * (x.abs() <= 1)

    return Sign.apply
