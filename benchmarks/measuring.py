"""Measure a kernel, its rivals and the machine in interleaved rounds of one process.

Importing this module makes idle OpenMP threads sleep, else those of one library spin through the turn of the next;
so a benchmark imports it before any of them.
"""

import os

os.environ.setdefault("OMP_WAIT_POLICY", "passive")

import importlib.metadata
import math
import platform
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import faiss
import numba
import numpy as np
import threadpoolctl
import torch
from llvmlite.binding import get_host_cpu_name

import hdc
from hdc.backends.numba_kernels import simd
from hdc.backends.numba_kernels.parallel import over_rows

ROUNDS = 7
"""Timed calls of each contender; the median counts."""

SLOW_SECONDS = 1.0
"""A naive reference that takes longer than this is timed once."""

PACKAGES = ("numpy", "numba", "faiss-cpu", "usearch", "numkong", "torch", "torch-hd", "scipy")

Run = Callable[[], Any]

Pick = Callable[[list[float]], float]
"""Of the seconds of all rounds, those that count."""


@dataclass(frozen=True)
class Rival:
    """Another way to our answer.

    Attributes
    ----------
    run : function of no arguments
    same : function of our answer and the rival's that says whether they agree
    naive : bool
        Whether it is a reference to show the scale, not a competitor: if it is slow, once is enough.
    """

    run: Run
    same: Callable[[Any, Any], bool] = np.array_equal
    naive: bool = False


@dataclass(frozen=True)
class Case:
    """A kernel at one size, its rivals by name, and what the machine can do at best, as work of the same size."""

    title: str
    ours: Run
    rivals: dict[str, Rival]
    limits: dict[str, Run] = field(default_factory=dict)


@dataclass(frozen=True)
class Result:
    """Median seconds of every part of a case on so many threads, and whether all answers agree."""

    name: str
    title: str
    threads: int
    equal: bool
    ours: float
    rivals: dict[str, float]
    limits: dict[str, float]

    def ratio(self, rival: str) -> float:
        """Return how many times longer a rival takes."""
        return self.rivals[rival] / self.ours

    def share(self, limit: str) -> float:
        """Return which part of the machine's limit is reached."""
        return self.limits[limit] / self.ours


def use_threads(n: int) -> None:
    """Limit this project and all peers to ``n`` threads; peers that take it as an argument ask ``hdc.threads()``."""
    hdc.threads(n)
    torch.set_num_threads(n)
    faiss.omp_set_num_threads(n)
    threadpoolctl.threadpool_limits(n)


def _timed(run: Run, repeats: int = 1) -> tuple[float, Any]:
    began = time.perf_counter()
    for _ in range(repeats):
        answer = run()
    return (time.perf_counter() - began) / repeats, answer


def interleaved_medians(
    parts: dict[str, Run], rounds: dict[str, int], least: float = 0.0, pick: Pick = statistics.median
) -> dict[str, float]:
    """Return the median seconds of each part, or others, all of which take their turn in each round.

    A part that takes less than ``least`` seconds is called as often in a turn as fills them.
    """
    seconds: dict[str, list[float]] = {name: [] for name in parts}
    repeats = {
        name: math.ceil(least / _timed(run)[0]) if least and rounds[name] > 1 else 1 for name, run in parts.items()
    }
    for number in range(max(rounds.values())):
        for name, run in parts.items():
            if number < rounds[name]:
                seconds[name].append(_timed(run, repeats[name])[0])
    return {name: pick(times) for name, times in seconds.items()}


def measure(name: str, case: Case, rounds: int = ROUNDS, least: float = 0.0, pick: Pick = statistics.median) -> Result:
    """Compare the answers, which is the warm-up too, then time all parts of a case; see :func:`interleaved_medians`."""
    answer, theirs = case.ours(), None
    equal, turns = True, {"ours": rounds} | dict.fromkeys(case.limits, rounds)
    for rival_name, rival in case.rivals.items():
        seconds, theirs = _timed(rival.run)
        equal = equal and bool(rival.same(answer, theirs))
        turns[rival_name] = 1 if rival.naive and seconds > SLOW_SECONDS else rounds
    del answer, theirs
    parts = {"ours": case.ours} | {key: rival.run for key, rival in case.rivals.items()} | case.limits
    medians = interleaved_medians(parts, turns, least, pick)
    return Result(
        name,
        case.title,
        hdc.threads(),
        equal,
        medians["ours"],
        {key: medians[key] for key in case.rivals},
        {key: medians[key] for key in case.limits},
    )


@numba.njit(nogil=True)  # type: ignore[untyped-decorator]
def _read(words: Any, out: Any, start: int, stop: int) -> None:
    source, columns = simd.pointer(words), words.shape[1]
    a = b = c = d = simd.splat(0)
    for i in range(start * columns, stop * columns - 31, 32):
        a = a + simd.load(source, i)
        b = b + simd.load(source, i + 8)
        c = c + simd.load(source, i + 16)
        d = d + simd.load(source, i + 24)
    simd.store(simd.pointer(out), start * 8, a + b + c + d)


@numba.njit(nogil=True)  # type: ignore[untyped-decorator]
def _count(words: Any, repeats: int, out: Any, start: int, stop: int) -> None:
    source = simd.pointer(words)
    x, step = simd.load(source, 0), simd.load(source, 8)
    a = b = c = d = simd.splat(0)
    for _ in range((stop - start) * repeats):
        x = x + step
        a = a + simd.ctpop(x ^ simd.load(source, 16))
        b = b + simd.ctpop(x ^ simd.load(source, 24))
        c = c + simd.ctpop(x ^ simd.load(source, 32))
        d = d + simd.ctpop(x ^ simd.load(source, 40))
    simd.store(simd.pointer(out), start * 8, a + b + c + d)


def reading(words: Any) -> Run:
    """Return a run that reads ``(rows, columns)`` uint64 once, adding in four vectors of independent sums."""
    rows, columns = words.shape
    out = np.empty((rows, 8), dtype=np.uint64)
    return lambda: over_rows(_read, rows, columns * 0.8, words, out)


def counting(bits: int) -> Run:
    """Return a run that xors and counts so many bits in registers."""
    tasks = 256
    words = np.random.default_rng(0).integers(0, 2**64, 48, dtype=np.uint64)
    out = np.empty((tasks, 8), dtype=np.uint64)
    repeats = -(-bits // (tasks * 4 * simd.VECTOR_BITS))
    return lambda: over_rows(_count, tasks, repeats * 2.0, words, repeats, out)


def traffic(reads: Any, also_read: Any = None) -> dict[str, Run]:
    """Return runs that read one or two ``(rows, columns)`` arrays and write as much as the first holds.

    The first is copied, the second only read. The copy goes into new memory, as every result that is returned
    does (the system then has to find and clear its pages), or into memory in use.
    """
    used, sums = np.zeros_like(reads), np.empty((len(reads), 8), dtype=np.uint64)

    def copy_rows(out: Any, start: int, stop: int) -> None:
        out[start:stop] = reads[start:stop]
        if also_read is not None:
            _read(also_read, sums, start, stop)

    def into(out: Any) -> None:
        over_rows(copy_rows, len(reads), reads.shape[1] * 2.0, out)

    return {"traffic, new memory": lambda: into(np.empty_like(reads)), "traffic, memory in use": lambda: into(used)}


def machine_limits(rounds: int = ROUNDS, megabytes: int = 256) -> dict[str, float]:
    """Measure, on the threads in use, GB/s read and copied (read + written), and Tbit/s counted in registers."""
    source = np.ones((megabytes * 128, 1024), dtype=np.uint64)
    bits = 1 << 36
    copies = traffic(source)
    parts = {"read": reading(source), "popcount": counting(bits), **copies}
    interleaved_medians(parts, dict.fromkeys(parts, 1))
    medians = interleaved_medians(parts, dict.fromkeys(parts, rounds))
    gigabytes = source.nbytes / 1e9
    return {
        "read GB/s": gigabytes / medians["read"],
        "copy into memory in use GB/s": 2 * gigabytes / medians["traffic, memory in use"],
        "copy into new memory GB/s": 2 * gigabytes / medians["traffic, new memory"],
        "popcount Tbit/s": bits / medians["popcount"] / 1e12,
    }


def versions() -> dict[str, str]:
    """Return the processor, what else ran on it in the last minute, and the versions of everything measured."""
    information = Path("/proc/cpuinfo")
    lines = information.read_text().splitlines() if information.exists() else []
    model = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "")
    packages = {name: importlib.metadata.version(name) for name in PACKAGES}
    return {
        "processor": f"{model or platform.machine()} ({numba.config.CPU_NAME or get_host_cpu_name()})",
        "cores": str(hdc.threads()),
        "load before the start": f"{os.getloadavg()[0]:.1f}",
        "python": platform.python_version(),
        "hdc": hdc.__version__,
        **packages,
    }
