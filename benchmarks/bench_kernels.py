"""Measure the packed-bit kernels beside their peers and the limits of the machine.

Run ``python benchmarks/bench_kernels.py``: a quarter of an hour, or a minute with ``--quick`` (a tenth of the rows,
three rounds). Every part of a case takes its turn in each round, on the same number of threads, and the median of the
rounds counts; answers are compared first. Ratios are a rival's time divided by ours. Percentages are the machine's
time for the same work divided by ours: reading the input once, moving the same traffic, or counting the same bits.
Ctrl-C stops measuring and sums up what there is.
"""

import argparse
import json
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import kernel_cases
import search_cases
from first_use import first_use
from measuring import ROUNDS, Result, machine_limits, measure, use_threads, versions

import hdc

FEW_ROUNDS = 3

MET = {True: "yes", False: "no", None: "-"}


@dataclass(frozen=True)
class Target:
    """The least ratio to a rival, or share of a limit, that a case has to reach on any number of threads.

    Without ``least`` it is shown for comparison. So are shares of the traffic into memory in use: what returns a
    new array cannot have them, as the system finds and clears its pages within the call.
    """

    title: str
    case: str
    against: str
    least: float | None
    is_share: bool = False

    def value(self, result: Result) -> float:
        """Return the ratio or share measured."""
        return result.share(self.against) if self.is_share else result.ratio(self.against)

    def shown(self, value: float | None) -> str:
        """Format a ratio or share; a dash for none."""
        if value is None:
            return "-"
        return f"{value:.0%}" if self.is_share else f"{value:.3g}x"


TARGETS = (
    Target("top-10, N=10^6, D=1024, 1000 queries", "search-1024-1000000-1000", "FAISS", 8),
    Target("top-10, N=10^6, D=8192, 100 queries", "search-8192-1000000-100", "FAISS", 10),
    Target("one query, N=10^6, D=1024", "search-1024-1000000-1", "FAISS", 1.2),
    Target("one query, N=10^6, D=1024", "search-1024-1000000-1", "read once", 0.85, is_share=True),
    Target("majority of 999, D=10,000, 100 sets", "majority", "torchhd BSC", 30),
    Target("bind, D=10,000, 10^5 pairs", "bind", "traffic, new memory", 0.85, is_share=True),
    Target("bind, D=10,000, 10^5 pairs", "bind", "traffic, memory in use", None, is_share=True),
    Target("rotation by 1", "rotate-1", "traffic, new memory", 0.6, is_share=True),
    Target("rotation by 1", "rotate-1", "traffic, memory in use", None, is_share=True),
    Target("rotation by 777", "rotate-777", "traffic, new memory", 0.6, is_share=True),
    Target("rotation by 777", "rotate-777", "traffic, memory in use", None, is_share=True),
    Target("MBAT hadamard bind, d=4096, batch 1000", "mbat-bind", "float32 GEMM", 10),
    Target("4-level codes, 10^5 x 1024 dims, 100 queries", "code-dots", "FAISS SQ 4 bit", 15),
)


def results(only: list[str], quick: bool, thread_counts: list[int]) -> Iterator[Result]:
    """Measure the cases whose name matches one of the patterns; all, if there are none."""
    for name, build in (kernel_cases.builders(quick) | search_cases.builders(quick)).items():
        if not only or any(fnmatch(name, pattern) for pattern in only):
            case = build()
            for n in thread_counts:
                use_threads(n)
                yield measure(name, case, FEW_ROUNDS if quick or name in search_cases.FEW_ROUNDS else ROUNDS)


def print_result(result: Result) -> None:
    ratios = ", ".join(f"{name} {result.ratio(name):.3g}x" for name in result.rivals)
    shares = ", ".join(f"{name} {result.share(name):.0%}" for name in result.limits)
    equal = "yes" if result.equal else "NO"
    line = f"{result.title:60}{result.threads:>3}{result.ours * 1e3:11.3f}  {equal:5}  {ratios}"
    print(f"{line}; {shares}" if shares else line, flush=True)


def summary(measured: list[Result]) -> list[dict[str, Any]]:
    """Hold the results against the targets; ``met`` when every number of threads reaches it, None without one."""
    rows = []
    for target in TARGETS:
        values = {result.threads: target.value(result) for result in measured if result.name == target.case}
        if values:
            met = None if target.least is None else min(values.values()) >= target.least
            rows.append({**asdict(target), "measured": values, "met": met})
    return rows


def print_summary(rows: list[dict[str, Any]], thread_counts: list[int]) -> None:
    heads = "".join(f"{f'{n} thr.':>9}" for n in thread_counts)
    print(f"\n{'target':46}{'against':24}{'at least':>9}{heads}  met")
    for row in rows:
        target = Target(**{key: row[key] for key in Target.__dataclass_fields__})
        values = "".join(f"{target.shown(value):>9}" for value in row["measured"].values())
        least = target.shown(target.least)
        print(f"{target.title:46}{target.against:24}{least:>9}{values}  {MET[row['met']]}")


def main() -> None:
    """Measure, print and write what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="smaller sizes and fewer rounds: about a minute")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write everything to FILE")
    parser.add_argument("--only", nargs="+", default=[], metavar="NAME", help="cases, by name or pattern (search-*)")
    options = parser.parse_args()
    rounds = FEW_ROUNDS if options.quick else ROUNDS
    thread_counts = sorted({1, hdc.threads()})
    report: dict[str, Any] = {"versions": versions(), "rounds": rounds, "limits": {}}
    print(", ".join(f"{name} {version}" for name, version in report["versions"].items()))
    for n in thread_counts:
        use_threads(n)
        report["limits"][n] = machine_limits(rounds)
        measured_limits = ", ".join(f"{name} {value:.3g}" for name, value in report["limits"][n].items())
        print(f"limits, {n} thread(s): {measured_limits}")
    print(f"medians of {rounds} interleaved rounds; a reference (NumPy) slower than 1 s: one")
    if options.quick:
        print("a tenth of the rows: the summary's titles name the full sizes")
    else:
        print("left out: the search of 10^6 rows of D=8192 for 1000 queries, half a minute a call of FAISS")
        print(f"{', '.join(search_cases.FEW_ROUNDS)}: {FEW_ROUNDS} rounds")
    print(f"\n{'case':60}{'thr':>3}{'ours, ms':>11}  {'equal':5}  times ours; share of the limit")
    measured: list[Result] = []
    with suppress(KeyboardInterrupt):  # what is measured by then is still held against the targets
        for result in results(options.only, options.quick, thread_counts):
            print_result(result)
            measured.append(result)
    report |= {"results": [asdict(result) for result in measured], "summary": summary(measured)}
    print_summary(report["summary"], thread_counts)
    if not options.only:
        report["first use"] = first_use(1 if options.quick else 3)
        print("\nseconds from the start of the process, without and with compiled code on disk")
        for name, seconds in report["first use"].items():
            print(f"{name:28} cold {seconds['cold']:5.1f}   warm {seconds['warm']:5.1f}")
    if options.json:
        options.json.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
