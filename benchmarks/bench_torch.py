"""Measure the torch backend beside torchhd, and its kernels beside the other ways to compute the same.

Run ``python benchmarks/bench_torch.py``: four minutes on a CPU, two more with a GPU; ``--quick`` takes a tenth of the
rows. Everything that a CUDA device adds is measured where torch finds one and left out, with a line that says so, where
it does not. All parts of a case take their turn in each round; medians count; answers are compared first. A ratio is
the other's time divided by ours; a share of a limit is the device's time for the same bytes or products divided by
ours. Peak memory is what a process of its own needs beyond its inputs.
"""

import argparse
import json
import subprocess
import sys
import time
import zlib
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from measuring import Case, Result, Rival, measure, use_threads, versions

# measuring comes first: it quiets idle OpenMP threads, before anything loads them
# isort: split
import torch
import torchhd

import hdc
from hdc.backends.torch_backend import HOST, PORTABLE
from hdc.backends.torch_kernels import words
from hdc.words import WORD_BITS

DIM = 10_000
PACKED = {"queries": 1000, "items": 100_000, "dim": 8192}
"""The size at which packed similarity is held against torchhd's booleans."""

Run = Callable[[], Any]


def close(ours: Any, theirs: Any) -> bool:
    """Compare floats as tensors that may be of a subclass."""
    return bool(torch.allclose(ours.double(), theirs.as_subclass(torch.Tensor).double(), rtol=1e-4, atol=1e-4))


def synchronized(run: Run, device: str) -> Run:
    """Return a run that ends when the device has finished."""

    def finished() -> Any:
        answer = run()
        torch.cuda.synchronize(device)
        return answer

    return finished if device.startswith("cuda") else run


def on_device(case: Case, device: str) -> Case:
    """Make every run of a case wait for the device."""
    return Case(
        f"{case.title} [{device}]",
        synchronized(case.ours, device),
        {name: Rival(synchronized(r.run, device), r.same, r.naive) for name, r in case.rivals.items()},
        {name: synchronized(run, device) for name, run in case.limits.items()},
    )


# ---------------------------------------------------------------------- dense models


def map_i(device: str, precision: str, scale: int) -> Iterator[tuple[str, Case]]:
    """MAP-I on the tensors that torchhd computes with."""
    vsa = hdc.MAPI(DIM, backend="torch", device=device, precision=precision)
    x, y = (vsa.random(1000 // scale, seed=seed) for seed in (0, 1))
    a, b = torchhd.MAPTensor(x), torchhd.MAPTensor(y)
    queries, asked = x[:100], torchhd.MAPTensor(x[:100])
    n = len(x)
    yield (
        f"map-i-bind-{precision}",
        Case(f"MAP-I bind, {n} pairs", lambda: vsa.bind(x, y), {"torchhd": Rival(lambda: a.bind(b), close)}),
    )
    if precision != "int8":  # torchhd sums int8 in int8, which wraps
        yield (
            f"map-i-bundle-{precision}",
            Case(f"MAP-I bundle of {n}", lambda: vsa.bundle(x), {"torchhd": Rival(a.multibundle, close)}),
        )
    yield (
        f"map-i-similarity-{precision}",
        Case(
            f"MAP-I similarity, 100 x {n}",
            lambda: vsa.similarity(queries, y),
            {"torchhd": Rival(lambda: asked.cosine_similarity(b), close)},
        ),
    )


def hadamard_bind(device: str, scale: int) -> Iterator[tuple[str, Case]]:
    """MBAT's structured operator against a dense matrix of it, and against copying its operand once."""
    vsa = hdc.MBAT(8192, backend="torch", device=device, matrix="hadamard")
    x, role = torch.randn(4096 // scale, 8192, device=device), vsa.role("r")
    matrix = vsa.bind(role, torch.eye(8192, device=device))
    rival = Rival(lambda: x @ matrix, lambda ours, theirs: bool(torch.allclose(ours, theirs, atol=1e-3)))
    case = Case(
        f"MBAT hadamard bind, d=8192, batch {len(x)}",
        lambda: vsa.bind(role, x),
        {"dense matrix product": rival},
        {"copy once": lambda: x.clone()},
    )
    yield "mbat-bind", case


# ---------------------------------------------------------------------- packed kernels: the ways to choose from


def by_word_tricks(queries: torch.Tensor, items: torch.Tensor) -> torch.Tensor:
    """Count differing bits word by word, with sums inside the word, in blocks."""
    out = torch.empty((len(queries), len(items)), dtype=torch.int32, device=items.device)
    for q, query in enumerate(queries):
        for rows in words.blocks(len(items), 32 * items.shape[1]):
            out[q, rows] = words.popcount(items[rows] ^ query).to(torch.int32)
    return out


def by_float_product(queries: torch.Tensor, items: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    """Multiply ±1 signs in a float dtype, in blocks; half precision is exact to 2048 only."""
    out = torch.empty((len(queries), len(items)), dtype=torch.int32, device=items.device)
    q, width = words.signs(queries).to(dtype), WORD_BITS * items.shape[1]
    for rows in words.blocks(len(items), 8 * width):
        out[:, rows] = ((width - q @ words.signs(items[rows]).to(dtype).T) / 2).to(torch.int32)
    return out


def by_unpacked_sums(x: torch.Tensor) -> torch.Tensor:
    """Take the majority of an odd number of rows by int8 sums of their signs, in blocks, without ties."""
    sums = torch.zeros(WORD_BITS * x.shape[1], dtype=torch.int32, device=x.device)
    for rows in words.blocks(len(x), 8 * len(sums)):
        sums += words.signs(x[rows]).sum(dim=0, dtype=torch.int32)
    return words.pack(sums < 0)


def packed_ways(device: str, scale: int) -> Iterator[tuple[str, Case]]:
    """Each way to compare and to bundle packed words on the device; ours is what the backend takes there."""
    vsa = hdc.MAPB(1024, backend="torch", device=device)
    bits, x, y = vsa.kernels.bits, vsa.random(100, seed=0), vsa.random(100_000 // scale, seed=1)
    half = torch.float16 if device.startswith("cuda") else torch.float32
    ways = {
        "int8 matrix product": lambda: PORTABLE.hamming(x, y),
        f"{str(half)[6:]} matrix product": lambda: by_float_product(x, y, half),
        "popcount by word tricks": lambda: by_word_tricks(x, y),
    }
    rivals = {name: Rival(run, torch.equal, naive=True) for name, run in ways.items()}
    yield "hamming", Case(f"Hamming distances, 100 x {len(y):,}, D=1024", lambda: bits.hamming(x, y), rivals)
    members = vsa.random(1001 if scale == 1 else 101, seed=2)
    ways = {
        "carry-save adders": lambda: PORTABLE.majority(members, None, members[0]),
        "int8 sums": lambda: by_unpacked_sums(members),
    }
    rivals = {name: Rival(run, torch.equal, naive=True) for name, run in ways.items()}
    title = f"majority of {len(members)}, D=1024"
    yield "majority", Case(title, lambda: bits.majority(members, None, members[0]), rivals)


# ---------------------------------------------------------------------- packed similarity, in processes of their own


def packed_similarity(who: str, sizes: dict[str, int]) -> dict[str, float]:
    """Compare packed or boolean hypervectors; return seconds, peak bytes beyond the inputs, digest of the distances."""
    dim = sizes["dim"]
    vsa = hdc.MAPB(dim, backend="torch")
    queries, items = vsa.random(sizes["queries"], seed=0), vsa.random(sizes["items"], seed=1)
    vsa.similarity(queries[:2], items[:2])
    if who == "torchhd":
        q, x = (torchhd.BSCTensor(HOST.unpack(rows, dim)) for rows in (queries, items))
        run: Run = lambda: torchhd.cosine_similarity(q, x)  # noqa: E731
    else:
        run = lambda: vsa.similarity(queries, items)  # noqa: E731
    before = _reset_peak()
    began = time.perf_counter()
    answer = run()
    seconds = time.perf_counter() - began
    peak = _memory("VmHWM") - before
    digest = 0
    for row in answer:
        distance = torch.round((1 - row.as_subclass(torch.Tensor)) * dim / 2).to(torch.int32)
        digest = zlib.crc32(distance.numpy().tobytes(), digest)
    return {"seconds": seconds, "peak": peak, "digest": digest}


def _memory(field: str) -> int:
    """Return bytes of a field of ``/proc/self/status``."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return 1024 * next(int(line.split()[1]) for line in lines if line.startswith(field))


def _reset_peak() -> int:
    Path("/proc/self/clear_refs").write_text("5")
    return _memory("VmRSS")


def compare_packed(scale: int, threads: int) -> dict[str, Any]:
    """Run both contenders, each alone."""
    sizes = {**PACKED, "items": PACKED["items"] // scale}
    found = {}
    for who in ("hdc", "torchhd"):
        command = [sys.executable, __file__, "--alone", who, "--sizes", json.dumps(sizes), "--threads", str(threads)]
        found[who] = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    ours, theirs = found["hdc"], found["torchhd"]
    print(
        f"packed MAP-B similarity {sizes['queries']:,} x {sizes['items']:,}, d={sizes['dim']}, {threads} thread(s): "
        f"{ours['seconds']:.2f} s and {ours['peak'] / 2**20:,.0f} MiB beyond the inputs; "
        f"torchhd BSC {theirs['seconds']:.2f} s and {theirs['peak'] / 2**20:,.0f} MiB: "
        f"{theirs['seconds'] / ours['seconds']:.1f}x the time, {theirs['peak'] / ours['peak']:.1f}x the memory; "
        f"equal: {'yes' if ours['digest'] == theirs['digest'] else 'NO'}",
        flush=True,
    )
    return {"sizes": sizes, "threads": threads, **found}


# ---------------------------------------------------------------------- what only a GPU runs


def gpu_search(device: str, scale: int) -> Iterator[tuple[str, Case]]:
    """Exact top-10 of 10^7 codes against half-precision products with topk, and against the card."""
    n, dim, k = 10_000_000 // scale, 1024, 10
    vsa = hdc.MAPB(dim, backend="torch", device=device)
    queries = torch.randint(-(2**63), 2**63 - 1, (1000, dim // 64), device=device)
    items = torch.randint(-(2**63), 2**63 - 1, (n, dim // 64), device=device)

    def half_product() -> Any:
        """Keep the best of each block; ids of equal distances are in whatever order topk has them."""
        q, best = words.signs(queries).half(), []
        for start in range(0, n, 1 << 17):
            dots = q @ words.signs(items[start : start + (1 << 17)]).half().T
            best.append(dots.topk(k, dim=1).values)
        return ((dim - torch.cat(best, dim=1).topk(k, dim=1).values.float()) / 2).to(torch.int32)

    left = torch.ones((8192, 8192), dtype=torch.int8, device=device)
    products = -(-len(queries) * n * dim // 8192**3)

    def rate() -> None:
        for _ in range(products):
            torch._int_mm(left, left.T)

    case = Case(
        f"top-10 of {n:,} codes, 1000 queries, D={dim}",
        lambda: vsa.nearest(queries, items, k),
        {"half product + topk": Rival(half_product, lambda ours, theirs: _same_distances(ours, theirs, dim))},
        {"read once": lambda: items.sum(), "int8 products": rate},
    )
    yield "gpu-search", case


def _same_distances(ours: Any, theirs: Any, dim: int) -> bool:
    return torch.equal(torch.round((1 - ours[0]) * dim / 2).to(torch.int32), theirs)


# ---------------------------------------------------------------------- main


def results(scale: int, threads: list[int]) -> Iterator[Result]:
    """Measure every case on the CPU, at each number of threads, and on a GPU if there is one."""
    builders: list[Callable[[str], Iterator[tuple[str, Case]]]] = [
        *(lambda device, precision=precision: map_i(device, precision, scale) for precision in ("float32", "int8")),
        lambda device: packed_ways(device, scale),
    ]
    for build in (*builders, lambda device: hadamard_bind(device, max(scale, 8))):
        for name, case in build("cpu"):
            for n in threads:
                use_threads(n)
                yield measure(name, case)
    if torch.cuda.is_available():
        for build in (*builders, lambda d: hadamard_bind(d, scale), lambda d: gpu_search(d, scale)):
            for name, case in build("cuda"):
                yield measure(f"cuda-{name}", on_device(case, "cuda"))


def show(result: Result) -> None:
    """Print one case."""
    ratios = ", ".join(f"{name} {result.ratio(name):.3g}x" for name in result.rivals)
    shares = ", ".join(f"{name} {result.share(name):.0%}" for name in result.limits)
    equal = "yes" if result.equal else "NO"
    print(
        f"{result.name:26}{result.title:52}{result.threads:>3}{result.ours * 1e3:11.3f}  {equal:5}  {ratios}  {shares}"
    )
    sys.stdout.flush()


def main() -> None:
    """Measure, print and write what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a tenth of the rows")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write everything to FILE")
    parser.add_argument("--alone", choices=("hdc", "torchhd"), help=argparse.SUPPRESS)
    parser.add_argument("--sizes", type=json.loads, help=argparse.SUPPRESS)
    parser.add_argument("--threads", type=int, help="only so many")
    options = parser.parse_args()
    if options.alone:
        use_threads(options.threads)
        print(json.dumps(packed_similarity(options.alone, options.sizes)))
        return
    scale, threads = 10 if options.quick else 1, [options.threads] if options.threads else sorted({1, hdc.threads()})
    report: dict[str, Any] = {"versions": versions(), "device": _device()}
    print(", ".join(f"{name} {version}" for name, version in report["versions"].items()))
    print(f"device: {report['device']}\n")
    report["packed"] = [compare_packed(scale, n) for n in threads]
    print(f"\n{'':26}{'case':52}{'thr':>3}{'ours, ms':>11}  {'equal':5}  times ours; share of the limit")
    measured = []
    for result in results(scale, threads):
        show(result)
        measured.append(result)
    if options.json:
        report["results"] = [asdict(result) for result in measured]
        options.json.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")


def _device() -> str:
    if not torch.cuda.is_available():
        return "CPU only: torch finds no CUDA device, so its cases are left out"
    card = torch.cuda.get_device_properties(torch.cuda.current_device())
    return f"{card.name}, {card.total_memory / 2**30:.0f} GiB, CUDA {torch.version.cuda}"


if __name__ == "__main__":
    main()
