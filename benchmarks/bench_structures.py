"""Measure records and n-grams by name beside torchhd, which gets its indices ready, in one thread.

Run ``python benchmarks/bench_structures.py``: some minutes, most of them the rival's. Answers are compared first: both
get the same atoms. A record has ten fields, each with one of 1000 names; ours are given as lists of names and as
dictionaries, torchhd's as a tensor of indices into its table, 100 records at a time (its fastest, and what memory
bounds). Texts are read in one stream of a megabyte; torchhd gets a tenth of it, 1000 characters at a time.
"""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import argparse
import io
import platform
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
import torchhd

import hdc
from hdc.words import unpack

DIM, FIELDS, VALUES, CHUNK = 10_000, 10, 1000, 100
ROUNDS = 3
MODELS = {"MAP-B": ("BSC", 1), "MAP-I": ("MAP", 1), "FHRR": ("FHRR", 10), "HRR": ("HRR", 10)}
"""Model, what torchhd calls it, and by how much fewer records are measured: floats take long on both sides."""
LETTERS = "etaoin shrdlu"


def seconds(run: Callable[[], Any], rounds: int = ROUNDS) -> float:
    """Return the least time of a call, of the processor and not of the clock: other programs may run."""
    times = []
    for _ in range(rounds):
        began = time.process_time()
        run()
        times.append(time.process_time() - began)
    return min(times)


def theirs(vsa: hdc.VSA, kind: str, x: Any) -> Any:
    """Return our vectors as torchhd's."""
    if kind == "BSC":
        tensor = torch.from_numpy(unpack(x, vsa.dim).astype(bool))
    elif kind == "FHRR":
        tensor = torch.view_as_complex(torch.from_numpy(x.reshape(*x.shape[:-1], vsa.dim, 2).copy()))
    else:
        tensor = torch.from_numpy(x.astype(np.float32))
    return tensor.as_subclass(getattr(torchhd, f"{kind}Tensor"))


def rival_records(keys: Any, values: Any, codes: Any) -> Any:
    """Encode records as torchhd does, into one result."""
    out = torch.empty((len(codes), keys.shape[-1]), dtype=keys.dtype)
    for start in range(0, len(codes), CHUNK):
        out[start : start + CHUNK] = torchhd.hash_table(keys, values[codes[start : start + CHUNK]])
    return out


def records(name: str, count: int) -> None:
    """Measure one model on records, and print a row."""
    kind, fewer = MODELS[name]
    vsa, n = hdc.create(name, DIM, backend="numba"), count // fewer
    codes = np.random.default_rng(0).integers(0, VALUES, (n, FIELDS))
    columns = {f"field {j}": [f"value {v}" for v in codes[:, j].tolist()] for j in range(FIELDS)}
    rows = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
    record = hdc.Record(vsa)
    keys = theirs(vsa, kind, np.stack([vsa.role(field) for field in columns]))
    values = theirs(vsa, kind, vsa.symbols([f"value {v}" for v in range(VALUES)]))
    indices = torch.from_numpy(codes)
    check(vsa, kind, record.encode({field: column[:20] for field, column in columns.items()}), rival_records(
        keys, values, indices[:20]))  # fmt: skip
    ours = seconds(lambda: record.encode(columns))
    dicts = seconds(lambda: record.encode_many(rows))
    some = rows[:200]
    alone = seconds(lambda: [record.encode(row) for row in some]) / len(some)
    other = seconds(lambda: rival_records(keys, values, indices), 1)
    print(f"{name:6} records {n:7,}: columns {ours:6.2f} s, dicts {dicts:6.2f} s, one by one {alone * n:7.1f} s, "
          f"torchhd {kind} {other:7.1f} s: {other / ours:5.1f} times", flush=True)  # fmt: skip


def check(vsa: hdc.VSA, kind: str, ours: Any, rival: Any) -> None:
    """Raise unless both encode the same: ties of BSC, which torchhd draws, aside."""
    a, b = (x.as_subclass(torch.Tensor) for x in (theirs(vsa, kind, ours), rival))
    share = (a == b).float().mean() if kind == "BSC" else torch.isclose(a, b, atol=1e-3).float().mean()
    if share < (0.85 if kind == "BSC" else 0.999):
        raise AssertionError(f"{kind}: only {share:.3f} of the components are the same")


def text(name: str, length: int) -> None:
    """Measure trigrams of a text, and print a row."""
    kind, fewer = MODELS[name]
    vsa, n = hdc.create(name, DIM, backend="numba"), length // fewer
    letters = np.random.default_rng(0).integers(0, len(LETTERS), n)
    written = "".join(np.array(list(LETTERS))[letters].tolist())
    grams = hdc.NGrams(vsa, 3)
    grams.encode_stream(written[:1000])
    ours = seconds(lambda: grams.encode_stream(io.StringIO(written)))
    table = theirs(vsa, kind, vsa.symbols(list(LETTERS)))
    part = torch.from_numpy(letters[: n // 10])
    if name != "HRR":  # whose permutation is another one
        check(vsa, kind, grams.encode(written[:101]), torchhd.ngrams(table[part[:101]], 3))

    def rival() -> Any:
        total: Any = 0
        for start in range(0, len(part) - 2, 1000):
            runs = torchhd.ngrams(table[part[start : start + 1002]], 3).as_subclass(torch.Tensor)
            total = total + (runs.int() if kind == "BSC" else runs)
        return total

    other = seconds(rival, 1) * 10
    print(f"{name:6} trigrams of {n:9,} characters: {ours:6.2f} s, torchhd {kind} {other:7.1f} s (a tenth, times 10): "
          f"{other / ours:6.0f} times", flush=True)  # fmt: skip


def main() -> None:
    """Print a row for each model and structure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--records", type=int, default=100_000)
    parser.add_argument("--characters", type=int, default=1_000_000)
    parser.add_argument("--models", nargs="+", choices=list(MODELS), default=list(MODELS))
    given = parser.parse_args()
    hdc.threads(1)
    torch.set_num_threads(1)
    print(f"dim {DIM}, one thread, processor seconds; {platform.machine()}, torchhd {torchhd.__version__}")
    for name in given.models:
        records(name, given.records)
        text(name, given.characters)


if __name__ == "__main__":
    main()
