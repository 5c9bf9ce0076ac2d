"""Documents a second of JSONEncoder (d=2048) beside FeatureHasher + TfidfTransformer, parsing included on both sides.

Two streams: the real phenopackets (see ``bench_json_phenopackets.py``), and 50 000 documents of
``json_corpus.py``, in which every document has new values. Both contenders are fitted beforehand; the hasher gets
the tokens path, path=value and path~word of each leaf, as in the accuracy benchmark, into 2^18 features. "cold"
starts with nothing made; "warm" is an encoder that has encoded the same stream before, and kept what it may.

All take turns in each round: on one core; then on all, with a process for each, which parses and encodes a part of
the stream; "threads" is one process of ours, cold, whose kernels use all cores.

Keys: 1 000 documents of ten names of their own, as keys and as values, and one array of 32 000 numbers; fit and
transform together, nothing made before. Schemas: API descriptions (the ``service-2.json`` files of ``botocore``, if
that can be imported or is on ``PYTHONPATH``), parsed beforehand, beside the hasher on the tokens of the same leaves:
fitting and encoding, and encoding alone. Both in processor time of one thread, the least of the rounds.
Run: ``HDC_BENCH_DATA=... python benchmarks/bench_json_throughput.py [--only keys]``.
"""

import os

os.environ.update(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1")

import argparse
import copy
import gzip
import importlib.util
import json
import multiprocessing
import resource
import statistics
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

from bench_json_phenopackets import hashable_tokens, tfidf
from json_corpus import enlarged, phenopackets

import hdc
from hdc.apps.json import JSONEncoder

STREAM = 50_000
SECONDS = 3.0
"""Least time of each contender's rounds together; a run that takes longer is timed once."""

LEARNED = 5_000
"""Documents of a stream that both are fitted on, at most."""


NAMES = 10_000
"""Names, ten to a document, that are keys in one collection and values in the other."""

NUMBERS = 32_000
"""Integers of the long array."""

SCHEMAS = 25
"""API descriptions."""

ROUNDS = 9


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", choices=("streams", "keys"), help="run one half")
    only = parser.parse_args().only
    if only != "streams":
        keys_beside_values()
        schemas_beside_hasher()
    return 0 if only == "keys" else compare_streams()


def keys_beside_values() -> None:
    """Print what new keys cost beside new values."""
    hdc.threads(1)
    names = [[f"w{document}x{i}q" for i in range(10)] for document in range(NAMES // 10)]
    random = Random(0)
    runs = {
        "values": [{f"k{i}": name for i, name in enumerate(own)} for own in names],
        "keys": [dict.fromkeys(own, True) for own in names],
        "keys and values": [{name: f"v{i}" for i, name in enumerate(own)} for own in names],
        "one array": [{"a": [random.randrange(10**6) for _ in range(NUMBERS)]}],
    }
    seconds = least({name: partial(fit_and_encode, documents) for name, documents in runs.items()})
    array = seconds.pop("one array")
    print(f"{NAMES:,} names, fitted and encoded: microseconds a name, and beside names as values")
    for name, taken in seconds.items():
        print(f"  {name:16}  {taken / NAMES * 1e6:6.1f}  {taken / seconds['values']:5.2f}")
    print(f"an array of {NUMBERS:,} integers: {array:.2f} s\n", flush=True)


def schemas_beside_hasher() -> None:
    """Print what API descriptions cost beside TF-IDF."""
    found = importlib.util.find_spec("botocore")
    if found is None or found.origin is None:
        print("schemas skipped: botocore cannot be imported\n")
        return
    texts = [text for folder in sorted((Path(found.origin).parent / "data").iterdir()) if (text := newest(folder))]
    documents = [json.loads(text) for text in texts[:SCHEMAS]]
    tokens = [hashable_tokens(document) for document in documents]
    encoder, pipeline = JSONEncoder().fit(documents), tfidf().fit(tokens)
    runs = {
        "hasher, fitted": lambda: tfidf().fit_transform(map(hashable_tokens, documents)),
        "ours, fitted": lambda: fit_and_encode(documents),
        "hasher": lambda: pipeline.transform(map(hashable_tokens, documents)),
        "ours": lambda: copy.copy(encoder).transform(documents),
    }
    seconds = least(runs)
    size = sum(map(len, texts[:SCHEMAS])) / 1e6
    print(
        f"{len(documents)} API descriptions, {size:.0f} MB, {sum(map(len, tokens)):,} tokens: seconds, hasher and ours"
    )
    for name, mine, theirs in (("fit and encode", "ours, fitted", "hasher, fitted"), ("encode", "ours", "hasher")):
        ratio = seconds[mine] / seconds[theirs]
        print(f"  {name:16}  {seconds[theirs]:6.2f}  {seconds[mine]:6.2f}  {ratio:5.2f} times as long")
    print(flush=True)


def newest(folder: Path) -> bytes | None:
    """Return the newest description of a service, if it has one."""
    files = sorted(folder.glob("*/service-2.json*"))
    if not files:
        return None
    raw = files[-1].read_bytes()
    return gzip.decompress(raw) if files[-1].suffix == ".gz" else raw


def fit_and_encode(documents: list[Any]) -> None:
    """Fit and encode with nothing left from earlier calls."""
    JSONEncoder().fit_transform(documents)


def least(runs: dict[str, Callable[[], Any]]) -> dict[str, float]:
    """Return the least processor seconds of each run, all of which take their turn in each round."""
    seconds: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(ROUNDS):
        for name, run in runs.items():
            began = time.process_time()
            run()
            seconds[name].append(time.process_time() - began)
    return {name: min(times) for name, times in seconds.items()}


def compare_streams() -> int:
    """Print documents a second of both streams."""
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
    print(f"{'stream':16}  {'documents':>9}  {'cores':>5}  {'hasher':>8}  ours, and how many times as many")
    for name, texts in streams.items():
        compare(name, texts, 1)
        if cores > 1:
            compare(name, texts, cores)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"\npeak memory of the first process: {peak:,.0f} MiB, the texts of both streams included")
    return 0


def compare(name: str, texts: list[bytes], cores: int) -> None:
    """Time both on one stream and print a line."""
    encoder = JSONEncoder().fit(map(json.loads, texts[:LEARNED]))
    pipeline = tfidf().fit(hashable_tokens(json.loads(text)) for text in texts[:LEARNED])
    hasher, cold = partial(hash_tokens, pipeline), partial(encode_anew, encoder)
    hdc.threads(1)
    with multiprocessing.get_context("fork").Pool(cores) as pool:
        size = len(texts) // cores + 1
        parts = [texts[start : start + size] for start in range(0, len(texts), size)]
        if cores == 1:
            runs = {
                "hasher": lambda: hasher(texts),
                "cold": lambda: cold(texts),
                "warm": lambda: encode(encoder, texts),
            }
        else:
            runs = {
                "hasher": lambda: pool.map(hasher, parts),
                "cold": lambda: pool.map(cold, parts),
                "threads": lambda: with_threads(cores, lambda: cold(texts)),
            }
        rates = {key: len(texts) / seconds for key, seconds in medians(runs).items()}
    theirs = rates.pop("hasher")
    ours = "  ".join(f"{key} {rate:7,.0f} ({rate / theirs:.2f})" for key, rate in rates.items())
    print(f"{name:16}  {len(texts):9,}  {cores:5}  {theirs:8,.0f}  {ours}", flush=True)


def encode_anew(encoder: JSONEncoder, texts: list[bytes]) -> int:
    """As :func:`encode`, with nothing left from earlier calls."""
    return encode(copy.copy(encoder), texts)


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


def medians(runs: dict[str, Callable[[], Any]]) -> dict[str, float]:
    """Return the median seconds of each run, all of which take their turn in each round."""
    seconds: dict[str, list[float]] = {name: [] for name in runs}
    while min(map(sum, seconds.values())) < SECONDS:
        for name, run in runs.items():
            began = time.perf_counter()
            run()
            seconds[name].append(time.perf_counter() - began)
    return {name: statistics.median(times) for name, times in seconds.items()}


if __name__ == "__main__":
    sys.exit(main())
