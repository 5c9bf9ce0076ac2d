"""Threads, forks and two processes on every index and on the store, many times: what is lost, wrong, or crashes.

Each run is one law of ``hdc.testing.check_index`` about threads or processes, on one index, in a process of its own, so
that a segmentation fault is counted and not suffered. Run from the checkout, with the extra ``test`` installed::

    python benchmarks/bench_concurrency.py                 # 1,000 runs
    python benchmarks/bench_concurrency.py --runs 50 --only 'binary *'
"""

import argparse
import collections
import fnmatch
import multiprocessing
import sys
import time
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from hdc.testing import LawError, check_index_law
from tests.index_cases import CASES

LAWS = ("changes-of-threads", "searches-of-threads", "fork", "one-writer", "snapshots")
SECONDS = 300
"""A run that takes longer hangs."""


def run(name: str, law: str) -> str:
    """Return what came of one run: "" if the law held."""
    try:
        check_index_law(CASES[name], law)
    except LawError as error:
        return str(error)
    return ""


def outcome(future: "Future[str]") -> str:
    """Return the kind of an outcome, and print what is not right."""
    try:
        problem = future.result()
    except BrokenProcessPool:
        return "crashed"
    if problem:
        print(problem, file=sys.stderr)
    return "wrong" if problem else "held"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=1000)
    parser.add_argument("--only", default="*", metavar="PATTERN", help="names of indexes")
    parser.add_argument("--jobs", type=int, default=1, help="processes at a time; each has threads of its own (1)")
    arguments = parser.parse_args()
    names = [name for name in CASES if fnmatch.fnmatch(name, arguments.only)]
    pairs = [(name, law) for law in LAWS for name in names]
    counts: collections.Counter[tuple[str, str]] = collections.Counter()
    began = time.monotonic()
    # A fresh process for each run: the pool forks a parent that has no threads, and a crash breaks one run only.
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tests.index_cases"])
    for done in range(0, arguments.runs, arguments.jobs):
        batch = [pairs[i % len(pairs)] for i in range(done, min(done + arguments.jobs, arguments.runs))]
        with ProcessPoolExecutor(len(batch), mp_context=context) as pool:
            futures = {pool.submit(run, *pair): pair for pair in batch}
            try:
                for future in as_completed(futures, timeout=SECONDS):
                    counts[futures[future][1], outcome(future)] += 1
            except TimeoutError:
                counts["any", "hung"] += 1
                for process in multiprocessing.active_children():
                    process.kill()
        print(f"\r{done + len(batch)} of {arguments.runs} runs", end="", file=sys.stderr)
    print(f"\r{len(names)} indexes, {len(LAWS)} scenarios, {time.monotonic() - began:.0f} s", file=sys.stderr)
    print(f"{'scenario':22} {'runs':>6} {'held':>6} {'wrong':>6} {'crashed':>8}")
    for law in LAWS:
        row = [counts[law, what] for what in ("held", "wrong", "crashed")]
        print(f"{law:22} {sum(row):6} {row[0]:6} {row[1]:6} {row[2]:8}")
    print(f"hung: {counts['any', 'hung']}")
    return int(any(what != "held" for _, what in counts))


if __name__ == "__main__":
    sys.exit(main())
