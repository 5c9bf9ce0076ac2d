"""Cosine after k binds and unbinds in MBAT: orthogonal families against a Gaussian matrix and 1/sqrt(k + 1).

Run ``python benchmarks/mbat_depth.py``. A Gaussian matrix with entries N(0, 1/d) is unbound by its transpose, as in
systems before Gallant (2022).
"""

import math

import numpy as np

import hdc

DIM, DEPTH, TRIALS = 1024, 5, 10


def orthogonal(matrix: str, depth: int) -> float:
    vsa = hdc.create("MBAT", DIM, matrix=matrix)
    x = vsa.random(TRIALS, seed=depth)
    y = x
    for level in range(depth):
        y = vsa.bind(vsa.role(level), y)
    for level in reversed(range(depth)):
        y = vsa.unbind(vsa.role(level), y)
    return float(np.diagonal(vsa.similarity(y, x)).min())


def gaussian(depth: int) -> float:
    rng = np.random.default_rng(depth)
    cosines = []
    for _ in range(TRIALS):
        x = y = np.sign(rng.standard_normal(DIM)) / math.sqrt(DIM)
        matrices = rng.standard_normal((depth, DIM, DIM)) / math.sqrt(DIM)
        for m in matrices:
            y = m @ y
        for m in matrices[::-1]:
            y = m.T @ y
        cosines.append(x @ y / np.linalg.norm(y))
    return float(np.mean(cosines))


def main() -> None:
    print(
        f"cosine after k binds and k unbinds, d = {DIM}, {TRIALS} vectors (orthogonal: the worst; Gaussian: the mean)"
    )
    print(f"{'k':>2} {'permutation':>12} {'hadamard':>12} {'haar':>12} {'Gaussian':>10} {'1/sqrt(k+1)':>12}")
    for k in range(1, DEPTH + 1):
        families = " ".join(f"{orthogonal(matrix, k):12.7f}" for matrix in ("permutation", "hadamard", "haar"))
        print(f"{k:>2} {families} {gaussian(k):10.3f} {1 / math.sqrt(k + 1):12.3f}")


if __name__ == "__main__":
    main()
