"""Measure how many members per second a running bundle takes, beside a loop in NumPy and beside one bundle of all.

Run ``python benchmarks/bench_accumulator.py``: a minute. ``--members 100_000_000`` adds a stream of so many MAP-B
vectors, block after block, and prints the process's peak memory before and after. Answers are compared first.
"""

import argparse
import resource
import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np

import hdc
from hdc.words import unpack

DIM, ROWS, ALONE, LOOP = 10_000, 10_000, 1000, 1000
"""Components; members of a block; members that are added one by one; members of the loop in NumPy."""

ROUNDS = 5

MODELS: dict[str, dict[str, Any]] = {
    "MAP-B": {}, "MAP-I": {}, "Bloom": {"ones": 100}, "CountingBloom": {"ones": 100}, "MBAT": {},
}  # fmt: skip


def seconds(run: Callable[[], Any]) -> float:
    """Return the median time of a call after a first one."""
    run()
    times = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        run()
        times.append(time.perf_counter() - began)
    return statistics.median(times)


def added(vsa: hdc.VSA, parts: list[Any]) -> Any:
    """Return the vector of an accumulator of some blocks."""
    running = hdc.Accumulator(vsa)
    for part in parts:
        running.add(part)
    return running.vector()


def loop(vsa: hdc.VSA, rows: Any) -> Any:
    """Add row after row in NumPy."""
    if vsa.model == "Bloom":
        total = rows[0].copy()
        for row in rows[1:]:
            total |= row
        return total
    packed = vsa.model == "MAP-B"
    total = np.zeros(DIM, dtype=np.float64 if vsa.model == "MBAT" else np.int64)
    for row in rows:
        total += np.where(unpack(row, DIM), 1, -1) if packed else row
    return total


def peak() -> str:
    """Return the greatest memory of the process so far."""
    return f"{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:,.0f} MiB"


def rates(vsa: hdc.VSA) -> dict[str, float]:
    """Return members per second of each way."""
    rows = vsa.random(ROWS, seed=0)
    assert np.allclose(added(vsa, [rows[:7], rows[7:]]), vsa.bundle(rows), rtol=1e-4, atol=1e-4)
    weights, few = np.arange(ROWS) % 7, rows[:ALONE]
    return {
        "blocks": ROWS / seconds(lambda: hdc.Accumulator(vsa).add(rows)),
        "weighted": ROWS / seconds(lambda: hdc.Accumulator(vsa).add(rows, weights)),
        "one by one": ALONE / seconds(lambda: added(vsa, list(few))),
        "NumPy loop": LOOP / seconds(lambda: loop(vsa, rows[:LOOP])),
        "one bundle": ROWS / seconds(lambda: vsa.bundle(rows)),
    }


def table(backend: str) -> None:
    """Print one line per model."""
    print(f"thousand members per second, D={DIM:,}, backend {backend}, {hdc.threads()} threads")
    for name, options in MODELS.items():
        found = rates(hdc.create(name, DIM, backend=backend, **options))
        if name == next(iter(MODELS)):
            print(f"{'model':13}" + "".join(f"{way:>12}" for way in found))
        print(f"{name:13}" + "".join(f"{rate / 1000:12,.1f}" for rate in found.values()), flush=True)


def stream(members: int, backend: str) -> None:
    """Add a stream of MAP-B vectors; its blocks are one block, rotated, as drawing would take the time."""
    vsa = hdc.create("MAP-B", DIM, backend=backend)
    running, rows = hdc.Accumulator(vsa), vsa.random(ROWS, seed=0)
    running.add(rows)
    before, began = peak(), time.perf_counter()
    while len(running) < members:
        running.add(rows[: members - len(running)])
    took = time.perf_counter() - began
    print(f"{len(running):,} members in {took:.0f} s; peak memory {before} after one block, {peak()} at the end")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--backend", default="numba")
    parser.add_argument("--members", type=int, default=0, help="of a stream that is added")
    arguments = parser.parse_args()
    table(arguments.backend)
    if arguments.members:
        stream(arguments.members, arguments.backend)


if __name__ == "__main__":
    main()
