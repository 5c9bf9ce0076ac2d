"""Measure every model beside torchhd, HoloVec and nengo_spa, in one thread.

Run ``python benchmarks/bench_models.py``: ten minutes, or five with ``--quick`` (three rounds). Every registered model
of ours binds, bundles, compares, cleans up, encodes records of ten named fields and the trigrams of a text. Each side
takes its turn in each round, and its fastest round counts, which other work on the machine disturbs least. Both work on
the same vectors; where the algebra is the same, answers are compared first. Ratios are the other side's time divided
by ours. A model of packed bits or integers has to be ten times as fast as torchhd, one of floats as fast.

Records are encoded 500 at a time by both sides, so that time is linear in their number: ``--records 100000`` encodes
as many, and takes an hour of torchhd.

HoloVec and nengo_spa are left out where they are not installed; their vectors are their own, and are not compared.
"""

import argparse
import json
import warnings
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict
from fnmatch import fnmatch
from pathlib import Path
from statistics import geometric_mean
from typing import Any

from measuring import Result, measure, use_threads, versions
from model_cases import Sizes, Workload
from model_peers import ABSENT, TORCHHD, VERSIONS

import hdc

ROUNDS, FEW_ROUNDS = 5, 3

TURN = 0.02
"""Seconds that a turn takes at least: what is faster is called repeatedly."""


def least(name: str) -> float:
    """Return the least ratio to torchhd that a model has to reach."""
    vsa = hdc.create(name, hdc.registry.model_class(name).next_dim(64))
    return 1.0 if vsa.kernels.xp.isdtype(vsa.dtype, "real floating") else 10.0


def results(models: list[str], operations: list[str], sizes: Sizes, rounds: int) -> Iterator[tuple[str, str, Result]]:
    """Measure the models and operations that match one of the patterns; all, if there are none."""

    def chosen(name: str, patterns: list[str]) -> bool:
        return not patterns or any(fnmatch(name, pattern) for pattern in patterns)

    for model in hdc.list_models():
        if chosen(model, models):
            for operation, make in Workload(model, sizes).cases():
                if chosen(operation, operations):
                    yield model, operation, measure(f"{model} {operation}", make(), rounds, TURN, min)


def row(model: str, result: Result) -> dict[str, Any]:
    """Return what is known of a result: times in milliseconds, ratios, and whether the target is met."""
    ratios = {rival: result.ratio(rival) for rival in result.rivals}
    target = least(model) if model in TORCHHD else None
    met = None if target is None or "torchhd" not in ratios else ratios["torchhd"] >= target
    return {"model": model, **asdict(result), "ratios": ratios, "target": target, "met": met}


def shown(row: dict[str, Any]) -> str:
    """Format a row."""
    ratios = {rival: f"{ratio:.3g}x" for rival, ratio in row["ratios"].items()}
    met = {True: "yes", False: "no", None: "-"}[row["met"]]
    columns = "".join(f"{ratios.get(rival, '-'):>10}" for rival in ("torchhd", "HoloVec", "nengo_spa"))
    same = "yes" if row["equal"] else "NO"
    return f"{row['model']:15}{row['title']:34}{row['ours'] * 1e3:11.3f}{columns}  {same:5}{met}"


def main() -> None:
    """Measure, print and write what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="three rounds")
    parser.add_argument("--records", type=int, default=Sizes.records, help=f"records of a call ({Sizes.records})")
    parser.add_argument("--models", nargs="+", default=[], metavar="NAME", help="models, by name or pattern (MAP-*)")
    parser.add_argument("--operations", nargs="+", default=[], metavar="NAME", help="operations, likewise (bind*)")
    parser.add_argument("--threads", type=int, default=1, help="threads of both sides (1)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write everything to FILE")
    options = parser.parse_args()
    sizes, rounds = Sizes(records=options.records), FEW_ROUNDS if options.quick else ROUNDS
    use_threads(options.threads)
    known = versions() | VERSIONS
    print(", ".join(f"{name} {version}" for name, version in known.items()))
    for name, reason in ABSENT.items():
        print(f"left out: {name} ({reason})")
    print(
        f"dim {sizes.dim:,} or the next one that a model has, {hdc.threads()} thread(s), the fastest of {rounds} rounds"
    )
    print("torchhd's CGR, MCR and SBC compare queries one by one; what takes a second or more there is timed once")
    print(f"\n{'model':15}{'operation':34}{'ours, ms':>11}{'torchhd':>10}{'HoloVec':>10}{'nengo_spa':>10}  same target")
    rows = []
    warnings.simplefilter("ignore", hdc.CapacityWarning)  # a text has more trigrams than can be told apart
    with suppress(KeyboardInterrupt):
        for model, operation, result in results(options.models, options.operations, sizes, rounds):
            rows.append(row(model, result) | {"operation": operation})
            print(shown(rows[-1]), flush=True)
    print(f"\n{'model':15}{'target':>8}{'least':>8}{'mean':>8}   missed (ratios to torchhd; the mean is geometric)")
    for model in dict.fromkeys(row["model"] for row in rows if row["target"]):
        own = [row for row in rows if row["model"] == model and "torchhd" in row["ratios"]]
        ratios = [row["ratios"]["torchhd"] for row in own]
        missed = ", ".join(row["operation"] for row in own if not row["met"])
        print(f"{model:15}{own[0]['target']:8.3g}{min(ratios):8.3g}{geometric_mean(ratios):8.3g}   {missed or '-'}")
    if options.json:
        report = {"versions": known, "sizes": asdict(sizes), "rounds": rounds, "threads": hdc.threads(), "rows": rows}
        options.json.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
