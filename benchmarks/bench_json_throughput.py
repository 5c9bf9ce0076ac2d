"""Documents a second of JSONEncoder (d=2048) beside FeatureHasher + TfidfTransformer, parsing included on both sides.

Two streams: the real phenopackets (see ``bench_json_phenopackets.py``), and 50 000 documents of
``json_corpus.py``, in which every document has new values. Both contenders are fitted beforehand; the hasher gets
the tokens path, path=value and path~word of each leaf, as in the accuracy benchmark, into 2^18 features. Every
``transform`` of ours starts with nothing made: no leaf or vector is left from the fit or from the round before.

All take turns in each round, on one core, then on all: there both get one process a core, which parse and encode
parts of the stream. A single process of ours with all threads is timed too. Peak memory is that of the process.
Run: ``HDC_BENCH_DATA=... python benchmarks/bench_json_throughput.py``.
"""

import os

os.environ.update(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1")

import json
import multiprocessing
import resource
import statistics
import sys
import time
from collections.abc import Callable
from functools import partial
from typing import Any

from bench_json_phenopackets import hashable_tokens, tfidf
from json_corpus import enlarged, phenopackets

import hdc
from hdc.apps.json import JSONEncoder

STREAM = 50_000
ROUNDS = {"phenopackets": 9, "changed values": 3}
LEARNED = 5_000
"""Documents of a stream that both are fitted on, at most."""


def main() -> int:
    cases = phenopackets()
    if cases is None:
        return 0
    documents = [case["document"] for case in cases]
    streams = {
        "phenopackets": [json.dumps(document).encode() for document in documents],
        "changed values": [json.dumps(document).encode() for document in enlarged(documents, STREAM)],
    }
    cores = len(os.sched_getaffinity(0))
    print(f"{cores} cores, load {os.getloadavg()[0]:.1f}; documents a second, median of the rounds\n")
    print(
        f"{'stream':16}  {'documents':>9}  {'cores':>5}  {'hasher':>8}  {'ours':>8}  {'ratio':>6}  {'one process':>11}"
    )
    for name, texts in streams.items():
        compare(name, texts, 1)
        if cores > 1:
            compare(name, texts, cores)
    print(f"\npeak memory: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:,.0f} MiB, both streams included")
    return 0


def compare(name: str, texts: list[bytes], cores: int) -> None:
    """Time both on one stream and print a line."""
    encoder = JSONEncoder().fit(map(json.loads, texts[:LEARNED]))
    pipeline = tfidf().fit(hashable_tokens(json.loads(text)) for text in texts[:LEARNED])
    ours, theirs = partial(encode, encoder), partial(hash_tokens, pipeline)
    hdc.threads(1)
    with multiprocessing.get_context("fork").Pool(cores) as pool:
        parts = [
            texts[start : start + len(texts) // cores + 1] for start in range(0, len(texts), len(texts) // cores + 1)
        ]
        runs: dict[str, Callable[[], Any]] = {
            "theirs": lambda: theirs(texts) if cores == 1 else pool.map(theirs, parts),
            "ours": lambda: ours(texts) if cores == 1 else pool.map(ours, parts),
        }
        if cores > 1:
            runs["threads"] = lambda: with_threads(cores, lambda: ours(texts))
        rates = {key: len(texts) / seconds for key, seconds in medians(runs, ROUNDS[name]).items()}
    alone = f"{rates['threads']:11,.0f}" if cores > 1 else ""
    ratio = rates["ours"] / rates["theirs"]
    print(
        f"{name:16}  {len(texts):9,}  {cores:5}  {rates['theirs']:8,.0f}  {rates['ours']:8,.0f}  {ratio:6.2f}  {alone}"
    )


def encode(encoder: JSONEncoder, texts: list[bytes]) -> int:
    """Parse and encode, batch by batch; return the number of documents."""
    return sum(len(vectors) for vectors, _ in encoder.encode(map(json.loads, texts)))


def hash_tokens(pipeline: Any, texts: list[bytes]) -> int:
    """Parse, take apart and hash; return the number of documents."""
    return int(pipeline.transform(hashable_tokens(json.loads(text)) for text in texts).shape[0])


def with_threads(threads: int, action: Callable[[], Any]) -> Any:
    """Run with so many threads in the kernels."""
    hdc.threads(threads)
    try:
        return action()
    finally:
        hdc.threads(1)


def medians(runs: dict[str, Callable[[], Any]], rounds: int) -> dict[str, float]:
    """Return the median seconds of each run, all of which take their turn in each round; the first is warm-up."""
    seconds: dict[str, list[float]] = {name: [] for name in runs}
    for turn in range(rounds + 1):
        for name, run in runs.items():
            began = time.perf_counter()
            run()
            if turn:
                seconds[name].append(time.perf_counter() - began)
    return {name: statistics.median(times) for name, times in seconds.items()}


if __name__ == "__main__":
    sys.exit(main())
