"""Documents a second and peak memory of ``hdc json index`` on a large file, beside FeatureHasher reading it.

The file holds changed copies of real phenopackets (``json_corpus.py``) and is written once to the temporary folder.
Memory is the resident set of the command and its processes together, sampled. FeatureHasher gets the tokens path,
path=value and path~word of each document (as in ``bench_json_phenopackets.py``), in one process, parsing included,
and stores nothing; the index command reads twice (to learn rarities and scales) and stores vectors and documents.
Run: ``HDC_BENCH_DATA=... python benchmarks/bench_json_large.py [--gigabytes 1] [--jobs 2]``.
"""

import argparse
import itertools
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

os.environ.update(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1")

from bench_json_phenopackets import hashable_tokens
from json_corpus import enlarged, phenopackets
from sklearn.feature_extraction import FeatureHasher

INTERVAL = 0.2
"""Seconds between two looks at the memory."""

CHUNK = 4096
"""Documents that FeatureHasher gets at a time."""

PAGE = os.sysconf("SC_PAGE_SIZE")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--gigabytes", type=float, default=1.0, help="least size of the file (1)")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes (all cores)")
    parser.add_argument("--hashed", type=int, default=50_000, help="documents for FeatureHasher (50000)")
    arguments = parser.parse_args()
    corpus = written(arguments.gigabytes)
    if corpus is None:
        return 0
    path, documents = corpus
    size = path.stat().st_size / 1e9
    print(f"{documents:,} documents, {size:.2f} GB", flush=True)
    index = path.with_suffix(".hdc")
    shutil.rmtree(index, ignore_errors=True)
    seconds, peak = indexed(path, index, arguments.jobs)
    stored = sum(file.stat().st_size for file in index.rglob("*") if file.is_file()) / 1e9
    shutil.rmtree(index)
    print(f"hdc json index, {arguments.jobs} processes: {documents / seconds:,.0f} documents/s ({seconds:.0f} s)")
    print(f"  peak memory {peak / 1e9:.2f} GB of all processes; index {stored:.2f} GB", flush=True)
    print(f"FeatureHasher, 1 process: {hashed(path, arguments.hashed):,.0f} documents/s")
    return 0


def written(gigabytes: float) -> tuple[Path, int] | None:
    """Return the file and its number of documents, written if it is not there."""
    path = Path(tempfile.gettempdir()) / f"hdc-phenopackets-{gigabytes:g}GB.jsonl"
    if not path.exists():
        cases = phenopackets()
        if cases is None:
            return None
        aside, size = path.with_suffix(".part"), 0
        with open(aside, "wb") as file:
            for document in enlarged([case["document"] for case in cases]):
                size += file.write(json.dumps(document, separators=(",", ":")).encode() + b"\n")
                if size >= gigabytes * 1e9:
                    break
        aside.replace(path)
    with open(path, "rb") as file:
        return path, sum(1 for _ in file)


def indexed(path: Path, index: Path, jobs: int) -> tuple[float, int]:
    """Run the command; return its seconds and the peak of the memory of its process tree in bytes."""
    command = [sys.executable, "-m", "hdc.apps.cli", "json", "index", str(path), "-o", str(index), "--jobs", str(jobs)]
    began, peak = time.perf_counter(), 0
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
        while process.poll() is None:
            peak = max(peak, sum(resident(one) for one in tree(process.pid)))
            time.sleep(INTERVAL)
    if process.returncode:
        raise SystemExit(f"the command ended with {process.returncode}")
    return time.perf_counter() - began, peak


def tree(process: int) -> Iterator[int]:
    """Yield a process and those it began, and so on."""
    yield process
    for children in Path(f"/proc/{process}/task").glob("*/children"):
        try:
            for child in children.read_text().split():
                yield from tree(int(child))
        except OSError:  # it has just ended
            continue


def resident(process: int) -> int:
    """Return the bytes of memory of a process, without the mapped files that it shares."""
    try:
        _, total, shared, *_ = Path(f"/proc/{process}/statm").read_text().split()
    except OSError:
        return 0
    return (int(total) - int(shared)) * PAGE


def hashed(path: Path, documents: int) -> float:
    """Return documents a second of FeatureHasher."""
    hasher = FeatureHasher(2**18, input_type="string", alternate_sign=False)
    began, number = time.perf_counter(), 0
    with open(path, "rb") as lines:
        while chunk := list(itertools.islice(lines, min(CHUNK, documents - number))):
            hasher.transform(tokens(line) for line in chunk)
            number += len(chunk)
    return number / (time.perf_counter() - began)


def tokens(line: bytes) -> Any:
    return hashable_tokens(json.loads(line))


if __name__ == "__main__":
    sys.exit(main())
