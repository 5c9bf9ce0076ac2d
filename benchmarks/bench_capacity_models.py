"""What every model states of its scores, beside simulation: recall from bundles, and moments of keys that are read.

Run ``python benchmarks/bench_capacity_models.py`` (no extra needed; 3 minutes on one core). Three tables:

1. Recall of the k most similar of 1000 symbols from a bundle of k, measured over ``--trials`` bundles, and the formula.
2. Values read with their keys from k pairs: mean of the similarity with the right value, D times its variance, and D
   times that of another symbol. Keys are roles, and, where models bind vectors, symbols.
3. Similarity with the original after r bindings and r unbindings, with symbols as keys.

The last line says how many comparisons there were, and the largest difference of a recall.
"""

import argparse
import time

import numpy as np

import hdc
from hdc.apps.capacity import accuracy, schlegel
from hdc.apps.capacity.experiments import Experiment
from hdc.errors import HDCError
from hdc.registry import model_class

SIZES = ((512, 31), (256, 7))
PAIRS = (4, 8, 15)
PAIRS_DIM = 400
DEPTHS = (1, 2, 3, 4)
DEPTHS_DIM = 4096
DRAWS = 20


def made(name: str, dim: int) -> hdc.VSA:
    """Return the model of a name of the table at the next dimension that it takes."""
    model, fixed = schlegel.variant(name)
    kind = model_class(model)
    return kind.from_parameters(dim=kind.next_dim(dim, backend="numpy", **fixed), backend="numpy", **fixed)


def recalls(names: list[str], trials: int) -> list[float]:
    """Print the first table and return all differences."""
    print("Recall of k from a bundle of k, 1000 symbols: simulation (standard error) / formula")
    off = []
    for name in names:
        cells = []
        for dim, k in SIZES:
            model, fixed = schlegel.variant(name)
            d = made(name, dim).dim
            point = Experiment("bundle", {**fixed, "model": model, "dim": d, "items": k, "universe": 1000}).measure(
                trials
            )
            expected = accuracy.accuracy("bundle", model, items=k, universe=1000, dim=d, **fixed)
            error = np.sqrt(max(expected * (1 - expected), 1e-4) / (trials * k))
            off.append(abs(point.accuracy - expected))
            cells.append(f"D={d:<4} k={k:<2} {point.accuracy:.3f} ({error:.3f}) / {expected:.3f}")
        print(f"  {name:<22} {'   '.join(cells)}")
    return off


def read_scores(vsa: hdc.VSA, k: int, read: str, trials: int) -> tuple[np.ndarray, np.ndarray]:
    """Return similarities with the right value, and with strangers, of what is read from bundles of k pairs.

    Times the length of what is read over its mean, for sums, as moments are stated.
    """
    hits, rejects, lengths = [], [], []
    for trial in range(trials):
        x = vsa.random(2 * k + 8, seed=trial)
        values, strangers = x[:k], x[2 * k :]
        keys = [vsa.role((trial, i)) for i in range(k)] if read == "role" else list(x[k : 2 * k])
        bound = np.stack([vsa.bind(key, value) for key, value in zip(keys, values, strict=True)])
        bundle = vsa.bundle(bound)
        found = np.stack([vsa.unbind(key, bundle) for key in keys[:4]])
        hits.append(np.diagonal(vsa.similarity(found, values[:4])))
        rejects.append(vsa.similarity(found, strangers))
        summed = found.dtype.kind in "if" and not isinstance(vsa, hdc.CountingBloom)
        lengths.append(np.linalg.norm(found.astype(np.float64), axis=-1) if summed else np.ones(len(found)))
    scale = np.stack(lengths) / np.sqrt(np.mean(np.square(lengths)))
    return (np.stack(hits) * scale).ravel(), (np.stack(rejects) * scale[..., None]).ravel()


def keys(names: list[str], trials: int) -> None:
    """Print the second table."""
    print(f"\nReading k pairs, D about {PAIRS_DIM}: similarity with the value, D x its variance, and a stranger's")
    for name in names:
        vsa = made(name, PAIRS_DIM)
        for read in ("role", "symbol") if vsa.binds_vectors else ("role",):
            for k in PAIRS:
                try:
                    m = vsa.scores(k, read=read)
                    hits, rejects = read_scores(vsa, k, read, trials)
                except HDCError as error:
                    print(f"  {name:<22} {read:<7} {error}")
                    break
                columns = (
                    (hits.mean(), float(m.hit_mean)),
                    (vsa.dim * hits.var(ddof=1), vsa.dim * float(m.hit_sd) ** 2),
                    (vsa.dim * rejects.var(ddof=1), vsa.dim * float(m.reject_sd) ** 2),
                )
                shown = "   ".join(f"{seen:7.3f} / {expected:6.3f}" for seen, expected in columns)
                print(f"  {name:<22} {read:<7} k={k:<3} {shown}")


def unbound(names: list[str]) -> None:
    """Print the third table."""
    print(f"\nSimilarity after r bindings and unbindings with symbols, D about {DEPTHS_DIM}: simulation / formula")
    for name in names:
        vsa = made(name, DEPTHS_DIM)
        if not vsa.binds_vectors:
            continue
        cells = []
        for r in DEPTHS:
            seen = []
            for seed in range(DRAWS):
                x = vsa.random(r + 8, seed=seed)
                y = x[r:]
                for key in x[:r]:
                    y = vsa.bind(key, y)
                for key in reversed(x[:r]):
                    y = vsa.unbind(key, y)
                seen.append(np.diagonal(vsa.similarity(y, x[r:])).mean())
            expected = float(accuracy.unbinding_similarity(vsa.model, r))
            cells.append(f"{np.mean(seen):.3f} / {expected:.3f}")
        print(f"  {name:<22} {'   '.join(cells)}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--trials", type=int, default=256)
    parser.add_argument("--models", help="comma-separated names (all)")
    given = parser.parse_args()
    names = given.models.split(",") if given.models else [*hdc.list_models(), *schlegel.VARIANTS]
    began = time.perf_counter()
    print(f"hdc {hdc.__version__}, NumPy {np.__version__}, {given.trials} trials")
    off = recalls(names, given.trials)
    keys(names, given.trials)
    unbound(names)
    print(f"\n{len(off)} recalls compared, largest difference {max(off):.3f}; {time.perf_counter() - began:.0f} s")


if __name__ == "__main__":
    main()
