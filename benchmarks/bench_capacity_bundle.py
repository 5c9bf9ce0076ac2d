"""The bundle protocol (N=1000, k=15, D=1024, 1000 trials) against the same protocol written plainly with torchhd.

Run ``OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 HDC_THREADS=1 python benchmarks/bench_capacity_bundle.py`` (needs the
extra ``bench``); without the variables each library takes all cores. Both sides draw a new codebook every 128 trials,
which is part of both times; runs are interleaved and medians of 7 are shown.
"""

import statistics
import time
from collections.abc import Callable

import torch
import torchhd

import hdc
from hdc.apps.capacity.draws import BLOCK
from hdc.apps.capacity.experiments import Experiment
from hdc.apps.capacity.intervals import wilson

N, K, D, TRIALS, REPEATS = 1000, 15, 1024, 1000, 7
TARGETS = {"MAP-B": 20, "MAP-I": 5}
PEERS = {"MAP-B": "BSC", "MAP-I": "MAP"}


def with_torchhd(vsa: str) -> float:
    """Share of right answers, one trial after another as a user of torchhd writes it."""
    right = 0
    for trial in range(TRIALS):
        if trial % BLOCK == 0:
            codebook = torchhd.random(N, D, vsa)
        members = torch.randperm(N)[:K]
        bundle = torchhd.multibundle(codebook[members])
        similarity = torchhd.cosine_similarity if vsa == "MAP" else torchhd.hamming_similarity
        found = similarity(bundle, codebook).topk(K).indices
        right += int(torch.isin(found, members).sum())
    return right / (TRIALS * K)


def with_hdc(model: str) -> float:
    return Experiment("bundle", {"model": model, "dim": D, "items": K, "universe": N}).measure(TRIALS).accuracy


def timed(function: Callable[[str], float], argument: str) -> tuple[float, float]:
    began = time.perf_counter()
    accuracy = function(argument)
    return time.perf_counter() - began, accuracy


def main() -> None:
    torch.manual_seed(0)
    print(f"torchhd {torchhd.__version__} on {torch.get_num_threads()} threads, hdc on {hdc.threads()}")
    print(f"{'model':>6} {'hdc s':>8} {'torchhd s':>10} {'ratio':>6} {'target':>6}  accuracies with 95 % intervals")
    for model, peer in PEERS.items():
        with_hdc(model), with_torchhd(peer)
        runs = [(timed(with_hdc, model), timed(with_torchhd, peer)) for _ in range(REPEATS)]
        ours, theirs = (statistics.median(run[side][0] for run in runs) for side in (0, 1))
        measured = runs[0][0][1], runs[0][1][1]
        shown = [f"{a:.4f} ({low:.4f}-{high:.4f})" for a in measured for low, high in [wilson(a, TRIALS)]]
        (low, high), (other_low, other_high) = (wilson(a, TRIALS) for a in measured)
        verdict = "intervals overlap" if low <= other_high and other_low <= high else "DIFFERENT"
        numbers = f"{model:>6} {ours:8.4f} {theirs:10.4f} {theirs / ours:6.1f} {TARGETS[model]:6}"
        print(f"{numbers}  {' and '.join(shown)}: {verdict}")


if __name__ == "__main__":
    main()
