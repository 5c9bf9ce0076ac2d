"""Turn scores into probabilities by one or two numbers, chosen on rows that were not learned from."""

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


def platt(
    scores: Doubles, labels: npt.NDArray[np.int64], sample_weight: npt.NDArray[np.float32]
) -> tuple[float, float]:
    """Return the temperature and the offset of greatest likelihood of one label (Platt 1999).

    The likelihood is that of his targets, which are not quite 0 and 1, so that it has a greatest one.

    Parameters
    ----------
    scores : (n,) float64 array
        Of rows that were not learned from.
    labels : (n,) int64 array
        0 or 1.
    sample_weight : (n,) float32 array

    Returns
    -------
    temperature, offset : float
        The probability of the label is ``1 / (1 + exp(-(score + offset) / temperature))``.
    """
    from scipy.optimize import minimize

    unit = float(np.abs(scores).mean()) or 1.0
    sides = np.bincount(labels, weights=sample_weight, minlength=2)
    targets = np.where(labels == 1, (sides[1] + 1) / (sides[1] + 2), 1 / (sides[0] + 2))

    def loss(slope_and_shift: Doubles) -> tuple[float, Doubles]:
        slope = np.exp(slope_and_shift[0])
        z = slope * (scores / unit) + slope_and_shift[1]
        error = sample_weight * (1 / (1 + np.exp(-np.clip(z, -500, 500))) - targets)
        value = float(sample_weight @ (np.logaddexp(0, z) - targets * z))
        return value, np.array([error @ (slope * scores / unit), error.sum()])

    start = np.log((sides[1] + 1) / (sides[0] + 1))
    slope, shift = minimize(loss, [0.0, start], jac=True, method="L-BFGS-B", bounds=[(-8, 8), (-50, 50)]).x
    temperature = unit / float(np.exp(slope))
    return temperature, float(shift) * temperature
