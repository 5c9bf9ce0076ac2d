"""Recall@10 at equal bytes on every distribution of a suite: our binarizers beside FAISS, rabitqlib and turbovec.

Every set is brought to length 1; truth is the exact cosine top-10 of queries that nothing was trained on. Bytes are all
that is stored for a vector, factors included. For each size, a family of codes may use each of its forms that fits,
and the best one counts; a rival may be 7 % larger (turbovec's factors go beyond the sizes asked for). Nothing is
re-ranked. Codes are compared with float queries where the library can.

*Trained*: RecurrentBinarizer, and of FAISS product quantization, OPQ, PCA with scalar codes, ITQ. *Untrained* (at most
a mean, or the axes and variances of a sample): Sign, RaBitQ and ScalarBinarizer, and FAISS's RaBitQ, also after PCA,
and its LSH, rabitqlib's RaBitQ in one list, turbovec. All libraries are in one process, on one thread; the queries are
timed in turns, by the processor's clock in a batch, by the clock on the wall one at a time.

FAISS's product and scalar codes are compared by L2, which for unit vectors is the better order of what they decode.

Run ``HDC_BENCH_DATA=... python benchmarks/bench_retrieval_distributions.py --quick``: a few minutes. Without
``--quick`` it takes hours, most of them for RecurrentBinarizer at 96 bytes and more; ``--sets``, ``--families`` and
``--bytes`` divide the work, and each set is printed as it ends. Libraries that are not installed are left out.
"""

import os

os.environ.setdefault("OMP_WAIT_POLICY", "passive")  # else idle threads of one library spin in the turn of the next
os.environ.setdefault("RAYON_NUM_THREADS", "1")

import argparse
import importlib
import importlib.metadata
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import threadpoolctl
from embedding_distributions import distributions, unit
from retrieval_data import Floats, K, exact, recall

import hdc
from hdc.apps.retrieval import binarizers

BYTES = (16, 32, 48, 64, 96, 128, 192)
QUICK_BYTES = (32, 96)
QUICK_SETS = ("texts", "patches", "clusters 128", "far off")

ROOM = 1.07
"""A rival's code may have so many times the bytes."""

SINGLES, ROUNDS = 30, 3

OPQ_ROUNDS = 50
"""Rounds that OPQ's rotation is trained in, FAISS's number: 12 take a third of the time and lose up to .016."""

Search = Callable[[Floats], Any]


@dataclass(frozen=True)
class Family:
    """Codes of one kind.

    Attributes
    ----------
    name : str
    ours, trained : bool
    forms : function
        Takes bytes and dimension, yields what builds a form that fits: from vectors, a search and its bytes.
    """

    name: str
    ours: bool
    trained: bool
    forms: Callable[[int, int], Iterator[Callable[[Floats], tuple[Search, float]]]]


@dataclass
class Cell:
    """How the best form of a family did."""

    recall: float
    bytes: float
    build: float
    search: Search
    batch: list[float] = field(default_factory=list)
    single: list[float] = field(default_factory=list)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help=f"only {QUICK_BYTES} bytes of {', '.join(QUICK_SETS)}")
    parser.add_argument("--bytes", type=int, nargs="+", choices=BYTES)
    parser.add_argument("--sets", nargs="+", metavar="NAME", help="names of distributions")
    parser.add_argument("--rows", type=int, help="vectors of a distribution: 10,000; 4,000 with --quick")
    parser.add_argument("--families", nargs="+", default=[""], metavar="TEXT", help="families whose name holds one")
    arguments = parser.parse_args()
    sizes = arguments.bytes or (QUICK_BYTES if arguments.quick else BYTES)
    hdc.threads(1)
    threadpoolctl.threadpool_limits(1)
    families = [f for f in available() if any(text in f.name for text in arguments.families)]
    totals = {"trained": [0, 0], "untrained": [0, 0]}
    names = arguments.sets or (QUICK_SETS if arguments.quick else None)
    rows = arguments.rows or (4000 if arguments.quick else 10_000)
    for one in distributions(names, rows, 400):
        base, queries = unit(one.vectors), unit(one.queries)
        show(one.name, base, queries, families, compare(families, base, queries, sizes), sizes, totals)
    print("\n| codes | cells | ours at least as good |\n|---|---|---|")
    for kind, (count, ahead) in totals.items():
        print(f"| {kind} | {count} | {ahead} |")
    return 0


# ---------------------------------------------------------------------- families


def available() -> list[Family]:
    """Return ours, and those of the libraries that are installed."""
    families = list(ours())
    for library, of_library in (("faiss", of_faiss), ("rabitqlib", of_rabitqlib), ("turbovec", of_turbovec)):
        try:
            module = importlib.import_module(library)
        except ImportError as error:
            print(f"{library} is left out: {error}")
        else:
            families += of_library(module)
    versions = ", ".join(f"{name} {number}" for name, number in installed())
    print(f"hdc {hdc.__version__}, {versions}; 1 thread")
    return families


def installed() -> Iterator[tuple[str, str]]:
    for name in ("numpy", "numba", "faiss-cpu", "rabitqlib", "turbovec"):
        try:
            yield name, importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue


def ours() -> Iterator[Family]:
    models: Any = binarizers

    def built(model: Any, base: Floats) -> tuple[Search, float]:
        codes = model.fit_transform(base)
        return lambda queries: model.search(queries, codes, K)[1], model.bytes_per_vector

    def of_bits(size: int, dim: int) -> Iterator[Any]:
        yield partial(built, models.SignBinarizer(8 * size))

    def scalar(size: int, dim: int) -> Iterator[Any]:
        yield partial(built, models.ScalarBinarizer(min(size, (dim + 8) // 8 * 8)))  # the largest has 8 bits each

    def rabitq(size: int, dim: int) -> Iterator[Any]:
        words = -(-dim // 64)
        for bits in range(1, 10):
            stored = 8 * (words * bits + 1 + (bits > 1))
            if stored <= size < stored + 8 * words or (stored <= size and bits == 9):
                more = {"component_bits": bits} if bits > 1 else {}
                yield partial(built, models.RaBitQBinarizer(**more))

    def recurrent(size: int, dim: int) -> Iterator[Any]:
        yield partial(built, models.RecurrentBinarizer(8 * size))

    yield Family("ours: Sign", True, False, of_bits)
    yield Family("ours: RaBitQ", True, False, rabitq)
    yield Family("ours: Scalar", True, False, scalar)
    yield Family("ours: Recurrent", True, True, recurrent)


def of_faiss(faiss: Any) -> Iterator[Family]:
    faiss.omp_set_num_threads(1)

    def built(name: str, base: Floats) -> tuple[Search, float]:
        metric = faiss.METRIC_INNER_PRODUCT if "RaBitQ" in name else faiss.METRIC_L2
        index = faiss.index_factory(base.shape[1], name, metric)
        index.train(base)
        index.add(base)
        return lambda queries: index.search(queries, K)[1], index.sa_code_size()

    def products(size: int, turned: bool, base: Floats) -> tuple[Search, float]:
        def wide(x: Floats) -> Floats:
            return np.pad(x, ((0, 0), (0, -x.shape[1] % size)))

        rows = wide(base)
        codes = faiss.IndexPQ(rows.shape[1], size, 8, faiss.METRIC_L2)
        codes.pq.cp.min_points_per_centroid = 1  # no warnings
        index = codes
        if turned:
            rotation, rounds = faiss.OPQMatrix(rows.shape[1], size), faiss.ProductQuantizer(rows.shape[1], size, 8)
            rounds.cp.min_points_per_centroid = 1
            rotation.niter, rotation.pq = OPQ_ROUNDS, rounds
            rotation.train(rows)
            index = faiss.IndexPreTransform(rotation, codes)
        index.train(rows)
        index.add(rows)
        return lambda queries: index.search(wide(queries), K)[1], size

    def pq(size: int, dim: int) -> Iterator[Any]:
        if size <= dim:
            yield partial(products, size, False)

    def opq(size: int, dim: int) -> Iterator[Any]:
        if size <= dim <= 1024:
            yield partial(products, size, True)

    def scalar(size: int, dim: int) -> Iterator[Any]:
        for bits in (4, 6, 8):
            kept = 8 * size // bits
            if kept <= dim:
                yield partial(built, f"PCA{kept},SQ{bits}")

    def itq(size: int, dim: int) -> Iterator[Any]:
        if 8 * size <= dim <= 1024:
            yield partial(built, f"ITQ{8 * size},LSH")

    def lsh(size: int, dim: int) -> Iterator[Any]:
        yield partial(built, f"LSH{8 * size}r")

    def rabitq(size: int, dim: int) -> Iterator[Any]:
        for bits in (1, 2, 3, 4, 6, 8):
            factors = 8 if bits == 1 else 20
            kept = 8 * (size - factors) // bits if size > factors else 0
            kept = kept // 8 * 8
            if kept >= dim:
                yield partial(built, f"RaBitQ{bits}" if bits > 1 else "RaBitQ")
            elif dim / 8 <= kept < dim:
                yield partial(built, f"PCA{kept},RaBitQ{bits}" if bits > 1 else f"PCA{kept},RaBitQ")

    yield Family("FAISS PQ", False, True, pq)
    yield Family("FAISS OPQ", False, True, opq)
    yield Family("FAISS PCA, SQ", False, True, scalar)
    yield Family("FAISS ITQ", False, True, itq)
    yield Family("FAISS LSH", False, False, lsh)
    yield Family("FAISS RaBitQ", False, False, rabitq)


def of_rabitqlib(rabitqlib: Any) -> Iterator[Family]:
    def built(bits: int, base: Floats) -> tuple[Search, float]:
        n, dim = base.shape
        index = rabitqlib.IvfIndex(dim, n, 1, bits, "ip")
        index.build(base, base.mean(axis=0, keepdims=True), np.zeros(n, dtype=np.uint32))
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "index"
            index.save(str(path))
            stored = path.stat().st_size - 4 * dim  # the center
        return lambda queries: index.search(queries, K, 1)[0], stored / n

    def forms(size: int, dim: int) -> Iterator[Any]:
        # Components are filled up to 64; factors and the id take some 20 bytes, which each form that is built tells.
        plane = 8 * -(-dim // 64)
        for bits in range(1, 10):
            if plane * bits <= size * ROOM < plane * (bits + 2) + 40:
                yield partial(built, bits)

    yield Family("rabitqlib", False, False, forms)


def of_turbovec(turbovec: Any) -> Iterator[Family]:
    def built(bits: int, base: Floats) -> tuple[Search, float]:
        def indexed(rows: Floats) -> Any:
            index = turbovec.TurboQuantIndex(base.shape[1], bits)
            index.add(rows)
            index.prepare()
            return index

        index, half = indexed(base), len(base) // 2  # the rotation, which all vectors share, does not count
        stored = len(index.to_bytes()) - len(indexed(base[:half]).to_bytes())
        return lambda queries: index.search(queries, K)[1], stored / (len(base) - half)

    def forms(size: int, dim: int) -> Iterator[Any]:
        for bits in (2, 4):
            if dim % 8 == 0 and dim * bits / 8 <= size:
                yield partial(built, bits)

    yield Family("turbovec", False, False, forms)


# ---------------------------------------------------------------------- measuring


def compare(
    families: Sequence[Family], base: Floats, queries: Floats, sizes: Sequence[int]
) -> dict[tuple[str, int], Cell]:
    """Build the forms of every family at every size, keep the best of each, and time them in turns."""
    truth = exact(queries, base)
    cells: dict[tuple[str, int], Cell] = {}
    for size in sizes:
        for family in families:
            for form in family.forms(size, base.shape[1]):
                began = time.process_time()
                search, stored = form(base)
                build = time.process_time() - began
                if stored > size * (1 if family.ours else ROOM):
                    continue
                cell = Cell(recall(np.asarray(search(queries)).astype(np.int64), truth), stored, build, search)
                old = cells.get((family.name, size))
                if old is None or cell.recall > old.recall:
                    cells[family.name, size] = cell
        some = [cell for (_, own), cell in cells.items() if own == size]
        for _ in range(ROUNDS):
            for cell in some:
                began = time.process_time()
                cell.search(queries)
                cell.batch.append((time.process_time() - began) / len(queries))
                for at in range(SINGLES // ROUNDS):
                    began = time.perf_counter()
                    cell.search(queries[at : at + 1])
                    cell.single.append(time.perf_counter() - began)
        for cell in some:
            cell.search = lambda queries: None  # the index is not needed any more
    return cells


def show(
    name: str,
    base: Floats,
    queries: Floats,
    families: Sequence[Family],
    cells: dict[tuple[str, int], Cell],
    sizes: Sequence[int],
    totals: dict[str, list[int]],
) -> None:
    """Print the tables of one distribution, and count who is ahead."""
    print(f"\n**{name}**: {len(base):,} vectors of {base.shape[1]} components, {len(queries)} queries\n")
    heads = " | ".join(f"{size} bytes" for size in sizes)
    print(f"| recall@{K} | {heads} | build, s | batch, us | single, us |\n|---|" + "---|" * (len(sizes) + 3))
    for family in families:
        own = [cells.get((family.name, size)) for size in sizes]
        found = [cell for cell in own if cell is not None]
        if found:
            row = " | ".join("" if cell is None else f"{cell.recall:.3f} ({cell.bytes:.0f})" for cell in own)
            build = statistics.mean(cell.build for cell in found)
            batch, single = (
                1e6 * statistics.mean(statistics.median(times) for times in some)
                for some in ([cell.batch for cell in found], [cell.single for cell in found])
            )
            print(f"| {family.name} | {row} | {build:.2f} | {batch:.1f} | {single:.0f} |")
    for kind, trained in (("trained", True), ("untrained", False)):
        ahead = []
        for size in sizes:
            best = {
                side: max(
                    ((cells[f.name, size].recall, f.name) for f in families
                     if f.ours == side and f.trained == trained and (f.name, size) in cells), default=None,
                )
                for side in (True, False)
            }  # fmt: skip
            if best[True] is None or best[False] is None:
                ahead.append("")
                continue
            totals[kind][0] += 1
            totals[kind][1] += best[True][0] >= best[False][0]
            ahead.append(max(best[True], best[False], key=lambda one: one[0])[1])
        print(f"| *ahead, {kind}* | {' | '.join(ahead)} | | | |")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
