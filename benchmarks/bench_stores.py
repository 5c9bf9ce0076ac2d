"""LangChain vector stores side by side: documents added, found, and found with a filter on their metadata.

``HDCVectorStore`` in a folder, LangChain's ``InMemoryVectorStore`` and, where ``langchain-chroma`` is installed,
``Chroma`` in a folder. The embeddings are there already: MiniLM vectors of the names of Debian packages
(``debian_minilm.npy`` in the folder that ``HDC_BENCH_DATA`` names; random ones without it), so that times are those of
the stores. All answer the same queries in turns, one query at a time, and are compared with every vector that passes.

Metadata are a group of 100, a year of 40, and a list of tags; filters are one group (1 % of the documents) and half of
the years. ``InMemoryVectorStore`` takes functions for them. Times are processor time of all threads: medians per query.

    HDC_BENCH_DATA=... python benchmarks/bench_stores.py [--documents 10000]
"""

import argparse
import importlib.metadata
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from langchain_core.embeddings import Embeddings
from langchain_core.vectorstores import InMemoryVectorStore, VectorStore

import hdc
from hdc.apps.stores.for_langchain import HDCVectorStore

K = 10
BATCH = 1000
"""Documents that are added at a time."""

GROUP, YEAR = {"group": 7}, 2000
FILTERS: dict[str, tuple[Callable[[dict[str, Any]], bool], Any]] = {
    "no filter": (lambda _: True, None),
    "1 % pass": (lambda metadata: bool(metadata["group"] == 7), GROUP),
    "half pass": (lambda metadata: bool(metadata["year"] >= YEAR), {"year": {"$gte": YEAR}}),
}


class Known(Embeddings):
    """Vectors by number."""

    def __init__(self, vectors: np.ndarray[Any, Any]) -> None:
        self.vectors = vectors

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        """Return the vectors of numbers, as text."""
        rows: list[list[float]] = self.vectors[[int(text) for text in texts]].tolist()
        return rows

    def embed_query(self, text: str) -> list[float]:
        """Return one."""
        return self.embed_documents([text])[0]


def vectors_of(count: int) -> np.ndarray[Any, Any]:
    """Return unit vectors."""
    path = Path(os.environ.get("HDC_BENCH_DATA", "")) / "debian_minilm.npy"
    if path.is_file() and count <= 40_000:
        vectors = np.random.default_rng(0).permutation(np.load(path))[:count].astype(np.float32)
    else:
        print("random vectors: set HDC_BENCH_DATA for real ones")
        vectors = np.random.default_rng(0).standard_normal((count, 384), dtype=np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def stores_of(embedding: Embeddings, folder: str) -> dict[str, VectorStore]:
    """Return empty stores."""
    stores: dict[str, VectorStore] = {"HDCVectorStore": HDCVectorStore(embedding, Path(folder) / "hdc")}
    stores["InMemoryVectorStore"] = InMemoryVectorStore(embedding)
    try:
        from chromadb.config import Settings
        from langchain_chroma import Chroma
    except ImportError:
        return stores
    settings, place = Settings(anonymized_telemetry=False), f"{folder}/chroma"
    space = {"hnsw": {"space": "cosine"}}
    stores["Chroma"] = Chroma(
        embedding_function=embedding, persist_directory=place, client_settings=settings, collection_configuration=space
    )
    return stores


def filter_of(store: VectorStore, name: str) -> Any:
    """Return a filter as a store takes it."""
    passes, given = FILTERS[name]
    if given is None or not isinstance(store, InMemoryVectorStore):
        return given
    return lambda document: passes(document.metadata)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--documents", type=int, default=10_000)
    parser.add_argument("--queries", type=int, default=50)
    options = parser.parse_args()
    count, asked = options.documents, options.queries
    vectors = vectors_of(count + asked)
    metadatas = [{"group": i % 100, "year": 1980 + i % 40, "tags": ["a", "b", "c"][: 1 + i % 3]} for i in range(count)]
    names = ["langchain-core", "chromadb", "numpy"]
    known = {d.metadata["Name"].lower(): d.version for d in importlib.metadata.distributions()}
    print(f"hdc {hdc.__version__}, " + ", ".join(f"{name} {known[name]}" for name in names if name in known))
    print(f"{count:,} documents of {vectors.shape[1]} components, {asked} queries, load {os.getloadavg()[0]:.1f}")
    with tempfile.TemporaryDirectory() as folder:
        stores = stores_of(Known(vectors), folder)
        for name, store in stores.items():
            began = time.process_time()
            for start in range(0, count, BATCH):
                part = range(start, min(count, start + BATCH))
                ids = [str(i) for i in part]
                store.add_texts(ids, [metadatas[i] for i in part], ids=ids)
            print(
                f"{name:20} {count / (time.process_time() - began):8,.0f} documents per second of processor time added"
            )
        print(f"{'':20}" + "".join(f"{name:>26}" for name in stores))
        for name, (passes, _) in FILTERS.items():
            seconds: dict[str, list[float]] = {store: [] for store in stores}
            right = dict.fromkeys(stores, 0)
            passing = np.array([i for i in range(count) if passes(metadatas[i])])
            for store in stores.values():  # what the first filter makes
                store.similarity_search("0", k=K, filter=filter_of(store, name))
            for query in range(count, count + asked):
                best = passing[np.argsort(-(vectors[passing] @ vectors[query]))[:K]]
                for title, store in stores.items():
                    given = filter_of(store, name)
                    began = time.process_time()
                    found = store.similarity_search(str(query), k=K, filter=given)
                    seconds[title].append(time.process_time() - began)
                    right[title] += len({int(document.page_content) for document in found} & set(best.tolist()))
            cells = (f"{1e3 * statistics.median(seconds[s]):.2f} ms, {right[s] / asked / K:.3f}" for s in stores)
            print(f"{name:20}" + "".join(f"{cell:>26}" for cell in cells))
        for store in stores.values():
            if isinstance(store, HDCVectorStore):
                store.close()
    print("medians of processor time per query, and recall@10 among the documents that pass")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
