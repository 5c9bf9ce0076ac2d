"""Indexes of several libraries behind one interface: how each is built, stored, loaded, and searched at many settings.

Every library searches by cosine on one thread. A library that is not installed is left out, with the reason.
"""

import os

os.environ.setdefault("OMP_WAIT_POLICY", "passive")  # else idle threads of one library spin in the turn of the next
os.environ.setdefault("RAYON_NUM_THREADS", "1")  # turbovec has no other way to be told

import json
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

from hdc.apps.retrieval import EmbeddingIndex
from hdc.apps.retrieval.binarizers import RaBitQBinarizer, SignBinarizer

K = 10

TRAINING = 200_000
"""Most vectors that lists and quantizers are trained on, on all sides."""

PROBES = (4, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256)

EFFORTS = (8, 12, 16, 20, 24, 32, 40, 50, 64, 80, 100, 128, 160)

PLAIN = "as it comes"
"""The setting that leaves out all options."""

Find = Callable[[Any], Any]
"""Takes (q, d) queries, returns (q, k) ids."""


@dataclass(frozen=True)
class Search:
    """One setting of an index; ``ready`` sets what belongs to the index, and is not timed."""

    title: str
    find: Find
    ready: Callable[[], None] = lambda: None


@dataclass(frozen=True)
class Contender:
    """An index of a library; ``searches`` yields settings by rising effort."""

    library: str
    name: str
    build: Callable[[Any], Any]
    save: Callable[[Any, Path], None]
    load: Callable[[Path], Any]
    searches: Callable[[Any], Iterator[Search]]

    @property
    def file(self) -> str:
        """Return a name for a file."""
        return "".join(c if c.isalnum() else "-" for c in f"{self.library} {self.name}")


@dataclass(frozen=True)
class Made:
    """An index that was built, now or in an earlier run, with the seconds it took and the bytes of its file."""

    contender: Contender
    index: Any
    seconds: float
    bytes: int


def made(contender: Contender, vectors: Any, folder: Path) -> Made:
    """Build an index and store it in a folder, or load it from there."""
    path, notes = folder / contender.file, folder / f"{contender.file}.json"
    if not notes.exists():
        began = time.process_time()
        index = contender.build(vectors)
        seconds = time.process_time() - began
        if path.is_dir():
            shutil.rmtree(path)  # of a run that was stopped
        contender.save(index, path)
        notes.write_text(json.dumps({"seconds": seconds, "bytes": stored(path)}))
        return Made(contender, index, seconds, stored(path))
    known = json.loads(notes.read_text())
    return Made(contender, contender.load(path), known["seconds"], known["bytes"])


def stored(path: Path) -> int:
    """Return the bytes of a file, or of all files in a folder."""
    return sum(p.stat().st_size for p in (path.rglob("*") if path.is_dir() else [path]) if p.is_file())


def lists_of(size: int) -> int:
    """Return the lists of an inverted file: as FAISS advises, 4 to 16 times the root; here 1024 and 4096."""
    return 1024 if size <= 200_000 else 4096


def sample(vectors: Any) -> Any:
    return vectors[:: -(-len(vectors) // TRAINING)]


# ---------------------------------------------------------------------- ours


def ours(size: int) -> Iterator[Contender]:
    candidates = {"candidates": (15, 20, 30, 40, 50, 70, 100, 150)}
    for times in (1, 0.5, 2):
        lists = int(times * lists_of(size))
        yield _ours(f"RaBitQ, {lists} lists", RaBitQBinarizer(lists), "ivf", {"probes": PROBES, **candidates})
    yield _ours("Sign, 1024 bits, scan", SignBinarizer(1024), "flat", candidates)


def _ours(name: str, model: Any, kind: str, options: dict[str, tuple[int, ...]]) -> Contender:
    def build(vectors: Any) -> EmbeddingIndex:
        index = EmbeddingIndex.create(None, model.fit(sample(vectors)), kind=kind, keep="int8")
        for start in range(0, len(vectors), TRAINING):
            index.add(vectors[start : start + TRAINING])
        return index

    def searches(index: EmbeddingIndex) -> Iterator[Search]:
        yield Search(PLAIN, lambda queries: index.search(queries, K)[1])
        for values in product(*options.values()):
            given = dict(zip(options, values, strict=True))

            def find(queries: Any, given: Any = given) -> Any:
                return index.search(queries, K, **given)[1]

            yield Search(", ".join(f"{number} {option}" for option, number in given.items()), find)

    def save(index: EmbeddingIndex, path: Path) -> None:
        index.save(path)

    return Contender("hdc", name, build, save, EmbeddingIndex.open, searches)


def our_graphs(size: int) -> Iterator[Contender]:
    yield _graph(lists_of(size) // 4)


def _graph(lists: int) -> Contender:
    """Return a graph, which is built in a folder, closed, and opened again: it is searched as it is kept."""

    def build(vectors: Any) -> EmbeddingIndex:
        folder = Path(tempfile.mkdtemp()) / "index"
        model = RaBitQBinarizer(lists).fit(sample(vectors))
        with EmbeddingIndex.create(folder, model, kind="graph", keep="int8") as index:
            for start in range(0, len(vectors), TRAINING):
                index.add(vectors[start : start + TRAINING])
            index.prepare()
        return EmbeddingIndex.open(folder)

    def save(index: EmbeddingIndex, path: Path) -> None:
        assert index.codes.folder is not None
        shutil.copytree(index.codes.folder.parent, path)

    def searches(index: EmbeddingIndex) -> Iterator[Search]:
        index.prepare()
        yield Search(PLAIN, lambda queries: index.search(queries, K)[1])
        for effort, candidates in product(EFFORTS, (15, 20, 30, 40, 60, 80, 120)):
            if effort / 2 <= candidates <= 2 * effort + 40:

                def find(queries: Any, effort: int = effort, candidates: int = candidates) -> Any:
                    return index.search(queries, K, effort=effort, candidates=candidates)[1]

                yield Search(f"effort {effort}, {candidates} candidates", find)

    return Contender("hdc graph", f"RaBitQ, {lists} lists, graph", build, save, EmbeddingIndex.open, searches)


# ---------------------------------------------------------------------- FAISS

REFINED = {"nprobe": PROBES, "k_factor_rf": (2, 3, 4, 6, 10, 15)}
WALKED = {"efSearch": (16, 24, 32, 48, 64, 96, 128, 192, 256)}

FAISS: dict[str, dict[str, tuple[int, ...]]] = {
    "IVF{lists},PQ96x4fs,Refine(SQ8)": REFINED,
    "IVF{lists},PQ192x4fs,Refine(SQ8)": REFINED,
    "IVF{more},PQ96x4fs,Refine(SQ8)": REFINED,
    "IVF{more},PQ192x4fs,Refine(SQ8)": REFINED,
    "IVF{lists},RaBitQfs,Refine(SQ8)": REFINED,
    "HNSW32,SQ8": WALKED,
    "HNSW32,Flat": WALKED,
}
"""Indexes by FAISS's names, {more} being twice as many lists, and what searches are given."""


def of_faiss(size: int) -> Iterator[Contender]:
    import faiss

    faiss.omp_set_num_threads(1)
    centers: dict[int, tuple[Any, float]] = {}
    for spec, options in FAISS.items():
        name = spec.format(lists=lists_of(size), more=2 * lists_of(size))

        def build(vectors: Any, name: str = name) -> Any:
            index = faiss.index_factory(vectors.shape[1], name, faiss.METRIC_INNER_PRODUCT)
            if "IVF" in name:
                # Lists are trained once for all indexes of as many; FAISS keeps a quantizer that is trained.
                inner = faiss.extract_index_ivf(index)
                if inner.nlist not in centers:
                    means = faiss.Kmeans(vectors.shape[1], inner.nlist, spherical=True, niter=10, seed=1)
                    means.train(sample(vectors))
                    centers[inner.nlist] = means.centroids
                inner.quantizer.add(centers[inner.nlist])
            index.train(sample(vectors))
            index.add(vectors)
            return index

        def searches(index: Any, options: dict[str, tuple[int, ...]] = options) -> Iterator[Search]:
            for values in product(*options.values()):
                given = dict(zip(options, values, strict=True))

                def ready(given: dict[str, int] = given) -> None:
                    for option, value in given.items():
                        faiss.ParameterSpace().set_index_parameter(index, option, value)

                title = ", ".join(f"{option} {value}" for option, value in given.items())
                yield Search(title, lambda queries: index.search(queries, K)[1], ready)

        yield Contender(
            "FAISS",
            name,
            build,
            lambda index, path: faiss.write_index(index, str(path)),
            lambda path: faiss.read_index(str(path)),
            searches,
        )


# ---------------------------------------------------------------------- rabitqlib


def of_rabitqlib(size: int) -> Iterator[Contender]:
    import rabitqlib

    lists, efforts = lists_of(size), (16, 24, 32, 48, 64, 96, 128, 192, 256)

    def means_of(vectors: Any) -> Any:
        means = rabitqlib.QGKMeans(vectors.shape[1], lists)
        means.train(vectors)
        return means

    def build_lists(vectors: Any, bits: int) -> Any:
        n, dim = vectors.shape
        means, index = means_of(vectors), rabitqlib.IvfIndex(dim, n, lists, bits, "ip")
        index.build(vectors, means.centroids, means.assignments)
        return index

    def build_graph(vectors: Any, bits: int) -> Any:
        graph = rabitqlib.SymqgIndex(vectors.shape[1], 32, "l2", bits)
        graph.build(vectors, 200)
        return graph

    def save(index: Any, path: Path) -> None:
        index.save(str(path))

    def probed(index: Any) -> Iterator[Search]:
        for probes in PROBES:
            yield Search(f"{probes} probes", lambda queries, p=probes: index.search(queries, K, p)[0])

    def walked(index: Any) -> Iterator[Search]:
        for ef in efforts:
            yield Search(f"ef {ef}", lambda queries, ef=ef: index.search(queries, K, ef)[0])

    def load_lists(path: Path) -> Any:
        return rabitqlib.IvfIndex.load(str(path))

    def load_graph(path: Path) -> Any:
        return rabitqlib.SymqgIndex.load(str(path))

    for bits in (4, 7):
        name = f"IVF {lists} lists, {bits} bits"
        yield Contender("rabitqlib", name, lambda x, b=bits: build_lists(x, b), save, load_lists, probed)
    for bits in (0, 8):
        name = f"SymphonyQG 32 links, {'floats' if bits == 0 else f'{bits} bits'}"
        yield Contender("rabitqlib", name, lambda x, b=bits: build_graph(x, b), save, load_graph, walked)


# ---------------------------------------------------------------------- turbovec


def of_turbovec(size: int) -> Iterator[Contender]:
    from turbovec import TurboQuantIndex

    def build(vectors: Any, bits: int) -> Any:
        index = TurboQuantIndex(vectors.shape[1], bits)
        index.add(vectors)
        index.prepare()
        return index

    def searches(index: Any) -> Iterator[Search]:
        yield Search("scan", lambda queries: index.search(queries, K)[1])

    for bits in (2, 4):
        yield Contender(
            "turbovec",
            f"flat, {bits} bits",
            lambda vectors, bits=bits: build(vectors, bits),
            lambda index, path: index.write(str(path)),
            lambda path: TurboQuantIndex.load(str(path)),
            searches,
        )


# ---------------------------------------------------------------------- graphs of floats and bytes


def of_usearch(size: int) -> Iterator[Contender]:
    from usearch.index import Index

    def build(vectors: Any, dtype: str) -> Any:
        index = Index(ndim=vectors.shape[1], metric="cos", dtype=dtype, connectivity=16, expansion_add=128)
        index.add(np.arange(len(vectors), dtype=np.uint64), vectors, threads=1)
        return index

    def searches(index: Any) -> Iterator[Search]:
        for effort in (16, 24, 32, 48, 64, 96, 128, 192, 256):

            def ready(effort: int = effort) -> None:
                index.expansion_search = effort

            yield Search(f"expansion {effort}", lambda queries: index.search(queries, K, threads=1).keys, ready)

    for dtype in ("i8", "f32"):
        yield Contender(
            "usearch",
            f"HNSW 16 links, {dtype}",
            lambda vectors, dtype=dtype: build(vectors, dtype),
            lambda index, path: index.save(str(path)),
            lambda path: Index.restore(str(path)),
            searches,
        )


def of_hnswlib(size: int) -> Iterator[Contender]:
    import hnswlib

    def build(vectors: Any) -> Any:
        index = hnswlib.Index(space="ip", dim=vectors.shape[1])
        index.init_index(max_elements=len(vectors), ef_construction=200, M=16)
        index.set_num_threads(1)
        index.add_items(vectors, num_threads=1)
        return index

    def load(path: Path) -> Any:
        index = hnswlib.Index(space="ip", dim=DIM)
        index.load_index(str(path))
        index.set_num_threads(1)
        return index

    def searches(index: Any) -> Iterator[Search]:
        for effort in (16, 24, 32, 48, 64, 96, 128, 192, 256):
            yield Search(
                f"ef {effort}", lambda queries: index.knn_query(queries, k=K)[0], lambda ef=effort: index.set_ef(ef)
            )

    yield Contender("hnswlib", "M 16", build, lambda index, path: index.save_index(str(path)), load, searches)


DIM = 384
"""Components of the vectors; hnswlib's files do not say."""

LIBRARIES = {
    "hdc": ours,
    "hdc graph": our_graphs,
    "FAISS": of_faiss,
    "rabitqlib": of_rabitqlib,
    "turbovec": of_turbovec,
    "usearch": of_usearch,
    "hnswlib": of_hnswlib,
}
