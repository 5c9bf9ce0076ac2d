"""Probabilities from scores: a softmax whose temperature is chosen on rows that were not learned from."""

import numpy as np
import numpy.typing as npt

Doubles = npt.NDArray[np.float64]


def softmax(scores: Doubles, temperature: float) -> Doubles:
    """Return ``(n, classes)`` probabilities of scores."""
    shifted = (scores - scores.max(axis=1, keepdims=True)) / temperature
    weights = np.exp(shifted)
    return np.asarray(weights / weights.sum(axis=1, keepdims=True), dtype=np.float64)


def temperature_of(scores: Doubles, labels: npt.NDArray[np.int64], sample_weight: npt.NDArray[np.float32]) -> float:
    """Return the temperature of greatest likelihood (Guo et al. 2017, temperature scaling).

    Parameters
    ----------
    scores : (n, classes) float64 array
        Of rows that were not learned from.
    labels : (n,) int64 array
    sample_weight : (n,) float32 array
    """
    from scipy.optimize import minimize_scalar

    gaps = scores - scores[np.arange(len(scores)), labels][:, None]
    unit = float(np.abs(gaps).mean()) or 1.0

    def loss(log_temperature: float) -> float:
        scaled = gaps / (unit * np.exp(log_temperature))
        most = scaled.max(axis=1)
        return float(sample_weight @ (most + np.log(np.exp(scaled - most[:, None]).sum(axis=1))))

    found = minimize_scalar(loss, bounds=(-8.0, 8.0), method="bounded", options={"xatol": 1e-3})
    return unit * float(np.exp(found.x))
