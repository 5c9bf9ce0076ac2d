"""Encoders of values beside their formulas: similarities of codes, kernels, errors of decoding, and what each costs.

Run ``python benchmarks/bench_values.py`` (some ten seconds; ``--quick`` leaves out half of the trials). Each number
stands beside what the encoder itself promises: ``expected_similarity``, or the error of its ``decode``. In the first
two tables ``worst`` is the greatest difference of all, in standard deviations of a similarity.
"""

import argparse
import math
import time
from collections.abc import Callable
from typing import Any

import numpy as np

import hdc
from hdc.values import KERNELS

LEVELS, DIM, PHASES = 11, 10_000, 20_000

CODES: dict[str, Callable[[hdc.VSA], Any]] = {
    "level": lambda vsa: hdc.Level(vsa, "x", 0, LEVELS - 1),
    "thermometer": lambda vsa: hdc.Thermometer(vsa, "x", 0, LEVELS - 1),
    "scatter": lambda vsa: hdc.Scatter(vsa, "x", 0, LEVELS - 1, bandwidth=3),
    "circular": lambda vsa: hdc.Circular(vsa, "x", LEVELS),
}
MODELS = {
    "MAP-I": {},
    "MAP-B": {},
    "MBAT": {},
    "FHRR": {},
    "HRR": {},
    "MCR": {},
    "CGR": {"levels": 8},
    "Bloom": {},
    "CountingBloom": {"binding": "segment"},
}
ANGLES = {"FHRR": ("FHRR", PHASES, {}), "HRR": ("HRR", 2 * PHASES + 1, {}), "MCR 256": ("MCR", PHASES, {"levels": 256})}
FRACTIONAL = [(256, 4), (256, 16), (1024, 4), (1024, 16)]
STEPS = [(1024, 5), (1024, 16), (4096, 16)]


def numbers(values: Any) -> str:
    return " ".join(f"{value:6.3f}" for value in values)


def codes_of_levels() -> None:
    """Similarity of level 0 with all others (D = 10,000, 11 levels)."""
    print(f"Codes of {LEVELS} levels, D = {DIM:,}: similarity of level 0 with levels 0 to {LEVELS - 1}")
    print(f"{'code':12} {'':9} {' '.join(f'{level:6}' for level in range(LEVELS))}  worst")
    levels = np.arange(LEVELS)
    for name, make in CODES.items():
        print(f"{name:12} {'formula':9} {numbers(make(hdc.create('MAP-I', DIM)).expected_similarity(levels))}")
        for model, parameters in MODELS.items():
            vsa = hdc.create(model, DIM, **parameters)
            try:
                code = make(vsa)
            except hdc.errors.UnsupportedError:
                continue
            measured = np.asarray(vsa.similarity(code.encode(0), code.encode(levels)), np.float64)
            units = getattr(vsa, "ones", getattr(vsa, "blocks", vsa.dim))
            spread = math.sqrt(float(vsa.scores(1).reject_sd) ** 2 + 0.25 / units)
            worst = np.abs(measured - code.expected_similarity(levels)).max() / spread
            print(f"{'':12} {model:9.9} {numbers(measured)}  {worst:5.1f}")


def kernels() -> None:
    """Similarity of codes of angles at distances in bandwidths (20,000 phases)."""
    distances = np.array([0.25, 0.5, 1, 1.5, 2, 3])
    print(f"\nKernels of angles, {PHASES:,} phases: similarity at distances in bandwidths")
    print(f"{'kernel':20} {'':8} {' '.join(f'{distance:6}' for distance in distances)}  worst")
    for periodic in (False, True):
        for kernel in KERNELS:
            name = f"{kernel}, period 7" if periodic else kernel
            for number, (label, (model, dim, parameters)) in enumerate(ANGLES.items()):
                vsa = hdc.create(model, dim, **parameters)
                code = hdc.Scalar(vsa, "x", 0, 7, kernel=kernel, bandwidth=1, periodic=periodic)
                expected = code.expected_similarity(distances)
                if number == 0:
                    print(f"{name:20} {'formula':8} {numbers(expected)}")
                measured = np.asarray(vsa.similarity(code.encode(3.3), code.encode(3.3 + distances)), np.float64)
                worst = np.abs(measured - expected).max() * math.sqrt(2 * vsa.phases)
                print(f"{'':20} {label:8} {numbers(measured)}  {worst:5.1f}")
    point = hdc.Point(hdc.create("FHRR", PHASES), "p", {"x": (0, 4), "y": (0, 4)}, kernel="sinc", bandwidth=1)
    one, other = point.encode([1, 1]), point.encode([1.5, 1.5])
    seen, expected = float(point.vsa.similarity(one, other)), (2 / math.pi) ** 2
    print(f"sinc x sinc at (.5, .5): {seen:.3f}, formula {expected:.3f}")


def rounding() -> None:
    """Similarity of phases with what is left of them after rounding to levels."""
    print("\nPhases rounded to levels: similarity with the exact ones, and sinc(1 / levels)")
    angles = np.random.default_rng(0).uniform(-math.pi, math.pi, 1_000_000)
    for levels in (4, 8, 16, 256):
        step = 2 * math.pi / levels
        print(f"{levels:5} {np.cos(angles - step * np.round(angles / step)).mean():.5f} {np.sinc(1 / levels):.5f}")


def decoded(code: Any, size: int, trials: int) -> tuple[float, float, float]:
    """Return root mean square and median error of values read from sums of ``size``, and the error that decode told."""
    vsa, (low, high) = code.vsa, (code.low, code.high)
    values = np.random.default_rng(size).uniform(low + (high - low) / 4, high - (high - low) / 4, trials)
    others = vsa.random(trials * (size - 1), seed=size).reshape(trials, size - 1, vsa.storage)
    found = code.decode(vsa.bundle(np.concatenate([code.encode(values)[:, None], others], axis=1)))
    off = np.abs(np.asarray(found.value) - values)
    return math.sqrt(np.mean(off**2)), float(np.median(off)), math.sqrt(np.mean(np.asarray(found.error) ** 2))


def decoding(trials: int) -> None:
    """Error of values read from sums of k vectors, beside the formulas."""
    print(f"\nValues read from a sum of k, {trials} trials: rms error, median, what decode told, formula")
    head = f"{'code':24} {'D':>6} {'k':>3} {'rms':>8} {'median':>8} {'told':>8} {'formula':>8}"
    print(head)
    for dim, size in FRACTIONAL:
        code = hdc.Scalar(hdc.create("FHRR", dim), "x", 0, 8, kernel="sinc", bandwidth=1)
        formula = math.sqrt((size - 1) / (2 * dim)) / (math.pi / math.sqrt(3))
        print(
            f"{'FHRR sinc, bandwidth 1':24} {dim:6} {size:3}",
            *(f"{x:8.4f}" for x in (*decoded(code, size, trials), formula)),
        )
    for dim, size in FRACTIONAL:
        code = hdc.Scalar(hdc.create("HRR", 2 * dim + 1), "x", 0, 8, bandwidth=1)
        formula = math.sqrt((size - 1) / (2 * dim))
        shown = (*decoded(code, size, trials), formula)
        print(f"{'HRR gaussian, width 1':24} {2 * dim + 1:6} {size:3}", *(f"{x:8.4f}" for x in shown))
    for model in ("MAP-I", "HRR"):
        for dim, size in STEPS:
            code = hdc.Level(hdc.create(model, dim), "x", 0, 1)
            shown = (*decoded(code, size, trials), math.sqrt(26) / 2 * (size - 1) / dim)
            print(f"{model + ' level':24} {dim:6} {size:3}", *(f"{x:8.4f}" for x in shown))


def costs() -> None:
    """Time per value of encoding 10,000 and decoding 1,000 values at once."""
    print("\nTime per value, 10,000 encoded and 1,000 decoded at once (best of 3)")
    print(f"{'code':24} {'D':>6} {'encode us':>10} {'decode us':>10}")
    values = np.random.default_rng(0).uniform(0, LEVELS - 1, 10_000)
    rows: list[tuple[str, Any]] = [
        (f"{model} {name}", CODES[name](hdc.create(model, DIM))) for model in ("MAP-B", "MAP-I") for name in CODES
    ]
    rows += [
        (f"{model} gaussian", hdc.Scalar(hdc.create(model, 1000), "x", 0, LEVELS)) for model in ("FHRR", "HRR", "MCR")
    ]
    for name, code in rows:
        vectors = code.encode(values[:1000])
        took = (
            best_of_3(lambda c=code: c.encode(values)) / 1e4,
            best_of_3(lambda c=code, v=vectors: c.decode(v)) / 1e3,
        )
        print(f"{name:24} {code.vsa.dim:6}", *(f"{1e6 * seconds:10.2f}" for seconds in took))


def best_of_3(function: Callable[[], Any]) -> float:
    function()
    times = []
    for _ in range(3):
        began = time.perf_counter()
        function()
        times.append(time.perf_counter() - began)
    return min(times)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="100 trials, and no times")
    quick = parser.parse_args().quick
    codes_of_levels()
    kernels()
    rounding()
    decoding(100 if quick else 1000)
    if not quick:
        costs()


if __name__ == "__main__":
    main()
