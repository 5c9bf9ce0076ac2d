"""Network: the learned map from vectors to real codes, in NumPy: affine maps with rectified layers between them."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from hdc.apps.retrieval.binarizers.base import Floats, blocks


@dataclass(frozen=True)
class Network:
    """Centers and scales rows, then applies affine maps with a rectifier between each two.

    Attributes
    ----------
    mean : (d,) float32
        Subtracted from the rows.
    scale : float
        Divides the rows: one number, so components keep their proportions.
    weights : tuple of (a, b) float32
    biases : tuple of (b,) float32
    """

    mean: Floats
    scale: float
    weights: tuple[Floats, ...]
    biases: tuple[Floats, ...]

    @classmethod
    def initial(cls, mean: Floats, scale: float, widths: tuple[int, ...], rng: np.random.Generator) -> "Network":
        """Draw weights such that each layer's outputs vary as much as its inputs (He et al. 2015)."""
        pairs = list(zip((len(mean), *widths[:-1]), widths, strict=True))
        weights = tuple((rng.standard_normal(pair) * np.sqrt(2 / pair[0])).astype(np.float32) for pair in pairs)
        return cls(mean, scale, weights, tuple(np.zeros(width, dtype=np.float32) for width in widths))

    def __call__(self, x: Floats) -> Floats:
        """Map ``(n, d)`` float32 rows to ``(n, bits)``."""
        values: Floats = (x - self.mean) / np.float32(self.scale)
        for weight, bias in zip(self.weights[:-1], self.biases[:-1], strict=True):
            values = np.maximum(values @ weight + bias, np.float32(0))
        return np.asarray(values @ self.weights[-1] + self.biases[-1], dtype=np.float32)

    @property
    def width(self) -> int:
        """Most numbers in memory per row."""
        return len(self.mean) + 2 * max(len(bias) for bias in self.biases)

    def normalized(self, x: Floats) -> "Network":
        """Return the network whose outputs have mean 0 and deviation 1 over ``(n, d)`` rows, for balanced bits.

        An output that does not vary is only centered.
        """
        bits = len(self.biases[-1])
        total, squares = np.zeros(bits), np.zeros(bits)
        for part in blocks(len(x), 16 * self.width):
            outputs = self(x[part]).astype(np.float64)
            total += outputs.sum(axis=0)
            squares += (outputs**2).sum(axis=0)
        mean = total / len(x)
        variance = np.maximum(squares / len(x) - mean**2, 0)
        deviation = np.where(variance > 1e-12 * (1 + mean**2), np.sqrt(variance), 1)
        weight, bias = self.weights[-1] / deviation, (self.biases[-1] - mean) / deviation
        last = weight.astype(np.float32), bias.astype(np.float32)
        return Network(self.mean, self.scale, (*self.weights[:-1], last[0]), (*self.biases[:-1], last[1]))

    def to_arrays(self) -> dict[str, npt.NDArray[np.float32]]:
        """Return the maps as named arrays."""
        arrays = {"mean": self.mean, "scale": np.array([self.scale], dtype=np.float32)}
        for i, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
            arrays |= {f"weight.{i}": weight, f"bias.{i}": bias}
        return arrays

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, Floats], layers: int) -> "Network":
        """Rebuild from the arrays of :meth:`to_arrays`."""
        weights, biases = (tuple(arrays[f"{name}.{i}"] for i in range(layers)) for name in ("weight", "bias"))
        return cls(arrays["mean"], float(arrays["scale"][0]), weights, biases)
