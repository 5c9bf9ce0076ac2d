"""BEBR's recurrent binarization, in NumPy (Gan et al. 2023, "Binary Embedding-based Retrieval at Tencent").

With f the unit vector of x, ``b = sign(W f)``; then for each loop i = 0, 1, ...

    f^ = normalized B_i(b);   r = sign(R_i(f - f^));   b = b + 2**-(i+1) r

W, B_i and R_i are affine maps. Without loops, the code is a hash.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from hdc.apps.retrieval.binarizers.base import Floats

RIDGE = 1e-3
"""Regularization of the least-squares maps, as a share of the mean square of their inputs."""


@dataclass(frozen=True)
class Affine:
    """``x @ weight + bias``: ``(n, a)`` to ``(n, b)``."""

    weight: Floats
    bias: Floats

    def __call__(self, x: Floats) -> Floats:
        """Map ``(n, a)`` float32 rows to ``(n, b)``."""
        mapped: Floats = x @ self.weight + self.bias
        return mapped


@dataclass(frozen=True)
class Recurrence:
    """The maps of the recurrence: one ``project``, and a ``decode`` and a ``correct`` per loop."""

    project: Affine
    decode: tuple[Affine, ...]
    correct: tuple[Affine, ...]

    def signs(self, x: Floats) -> Floats:
        """Return the ``(n, loops + 1, dim)`` float32 signs of ``(n, d)`` rows, the heaviest plane first."""
        f = unit(x)
        planes = [sign(self.project(f))]
        value = planes[0]
        for i, (decode, correct) in enumerate(zip(self.decode, self.correct, strict=True)):
            planes.append(sign(correct(f - unit(decode(value)))))
            value = value + np.float32(2.0 ** -(i + 1)) * planes[-1]
        return np.stack(planes, axis=1)

    def first(self, bits: int) -> "Recurrence":
        """Return the maps of the first bits of a hash; codes of several levels keep all maps."""
        if self.decode:
            return self
        return Recurrence(Affine(self.project.weight[:, :bits], self.project.bias[:bits]), (), ())

    def to_arrays(self) -> dict[str, Floats]:
        """Return the maps as named arrays."""
        arrays = {"project.weight": self.project.weight, "project.bias": self.project.bias}
        for i, pair in enumerate(zip(self.decode, self.correct, strict=True)):
            for name, affine in zip(("decode", "correct"), pair, strict=True):
                arrays |= {f"{name}.{i}.weight": affine.weight, f"{name}.{i}.bias": affine.bias}
        return arrays

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, Floats], loops: int) -> "Recurrence":
        """Rebuild from the arrays of :meth:`to_arrays`."""

        def affine(name: str) -> Affine:
            return Affine(arrays[f"{name}.weight"], arrays[f"{name}.bias"])

        decode, correct = ([affine(f"{name}.{i}") for i in range(loops)] for name in ("decode", "correct"))
        return cls(affine("project"), tuple(decode), tuple(correct))


def names_of(loops: int) -> tuple[str, ...]:
    """Return the names of the arrays of a recurrence with this many loops."""
    maps = ["project", *(f"{name}.{i}" for i in range(loops) for name in ("decode", "correct"))]
    return tuple(f"{name}.{part}" for name in maps for part in ("weight", "bias"))


def sign(x: Floats) -> Floats:
    """Return +1 where ``x > 0``, else -1."""
    return np.where(x > 0, np.float32(1), np.float32(-1))


def unit(x: Floats) -> Floats:
    """Divide rows by their norms; zero rows stay zero."""
    norms = np.linalg.norm(x, axis=1, keepdims=True)
    return np.asarray(x / np.where(norms > 0, norms, 1), dtype=np.float32)


def least_squares(x: Floats, y: Floats) -> Affine:
    """Return the least-squares affine map from rows of x to rows of y, slightly regularized."""
    mean, target = np.asarray(x.mean(axis=0)), np.asarray(y.mean(axis=0))
    centered = x - mean
    square: Any = (centered.T @ centered).astype(np.float64)
    square[np.diag_indices_from(square)] += RIDGE * np.trace(square) / len(square) + 1e-12
    weight = np.linalg.solve(square, (centered.T @ (y - target)).astype(np.float64)).astype(np.float32)
    return Affine(weight, (target - mean @ weight).astype(np.float32))


def initial(x: Floats, dim: int, loops: int, seed: int) -> Recurrence:
    """Return maps that project on randomly rotated principal axes, decode by least squares, and correct along that.

    Parameters
    ----------
    x : (n, d) float32
    dim, loops, seed : int
    """
    f = unit(x)
    mean = f.mean(axis=0)
    project = _principal(f - mean, dim, np.random.default_rng(seed))
    maps = Recurrence(Affine(project, -mean @ project), (), ())
    value = sign(maps.project(f))
    for i in range(loops):
        decode = least_squares(value, f)
        weight = np.ascontiguousarray(decode.weight.T)
        correct = Affine(weight, np.zeros(dim, dtype=np.float32))
        value = value + np.float32(2.0 ** -(i + 1)) * sign(correct(f - unit(decode(value))))
        maps = Recurrence(maps.project, (*maps.decode, decode), (*maps.correct, correct))
    return maps


def nested_initial(x: Floats, sizes: Sequence[int], seed: int) -> Recurrence:
    """Project as :func:`initial`, block by block: the bits up to each size use the axes of a code of that size."""
    starts, begin = [], 0
    for size in sizes:
        project = initial(x, size, 0, seed).project
        starts.append(Affine(project.weight[:, begin:], project.bias[begin:]))
        begin = size
    weight, bias = (np.concatenate(parts, axis=-1) for parts in zip(*((s.weight, s.bias) for s in starts), strict=True))
    return Recurrence(Affine(weight, bias), (), ())


def regressed(x: Floats, signs: Floats) -> Recurrence:
    """Fit every map to given ``(n, loops + 1, dim)`` signs by least squares, one loop after another."""
    f = unit(x)
    project, value = least_squares(f, signs[:, 0]), signs[:, 0]
    decodes, corrects = [], []
    for i in range(1, signs.shape[1]):
        decodes.append(least_squares(value, f))
        corrects.append(least_squares(f - unit(decodes[-1](value)), signs[:, i]))
        value = value + np.float32(2.0**-i) * signs[:, i]
    return Recurrence(project, tuple(decodes), tuple(corrects))


def _principal(centered: Floats, dim: int, rng: np.random.Generator) -> npt.NDArray[np.float32]:
    """Return ``(d, dim)`` float32: the first principal axes, randomly rotated, repeated as often as dim requires."""
    _, axes = np.linalg.eigh((centered.T @ centered).astype(np.float64))
    kept = axes[:, ::-1][:, : min(dim, len(axes))]
    k = kept.shape[1]
    turned = [kept @ np.linalg.qr(rng.standard_normal((k, k)))[0] for _ in range(-(-dim // k))]
    return np.concatenate(turned, axis=1)[:, :dim].astype(np.float32)
