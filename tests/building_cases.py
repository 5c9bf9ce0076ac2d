"""What indexes are built of in several ways, here, in processes and by clusters, and what must be the same of them."""

import json
from pathlib import Path

import numpy as np

from hdc.apps.json import JSONEncoder
from hdc.apps.json.build import index_build
from hdc.apps.json.build.index_build import Task
from hdc.apps.retrieval import EmbeddingIndex, RaBitQBinarizer, SignBinarizer

ROWS, DIM, BLOCK = 700, 16, 64
OPTIONS = {
    "lists": {"keep": "int8"},
    "sign": {"kind": "ivf", "keep": "float16", "lists": 5},
    "lists ip": {"keep": "int8"},
    "sign l2": {"kind": "ivf", "keep": "float32", "lists": 5},
}
"""How an index of each of the models of :func:`vectors_and_models` is made."""

DOCUMENTS = [{"id": i, "name": f"n{i % 7}", "size": i * 1.5, "tags": [f"t{i % 3}", "all"]} for i in range(300)]


def vectors_and_models(folder):
    """Write vectors, keys and models into a folder; return it."""
    x = np.random.default_rng(4).standard_normal((ROWS, DIM)).astype(np.float32)
    np.save(folder / "v.npy", x)
    (folder / "keys.txt").write_text("\n".join(f"item {i}" for i in range(ROWS)))
    unit = x / np.linalg.norm(x, axis=1, keepdims=True)
    RaBitQBinarizer(7).fit(unit).save(folder / "lists")
    SignBinarizer(64).fit(unit).save(folder / "sign")
    RaBitQBinarizer(7, metric="ip").fit(x).save(folder / "lists ip")
    SignBinarizer(64, metric="l2").fit(x).save(folder / "sign l2")
    return folder


def bytes_of(path):
    """Return every byte of the rows of an index of vectors: columns, keys, ids; and the lists that were found."""
    folder = Path(path) / "codes" / "0"
    names = sorted(file.name for file in folder.iterdir() if file.name not in ("commits", "seal"))
    with EmbeddingIndex.open(path) as index:
        index.verify()
        return {name: (folder / name).read_bytes() for name in names} | {"coarse": index.store.meta["coarse"]}


def documents_in(folder, monkeypatch):
    """Go to a folder with two files of documents, of which one is cut off, that are read in small parts."""
    monkeypatch.chdir(folder)
    lines = [json.dumps(document) for document in DOCUMENTS]
    lines[150] = '{"id": 150, '
    Path("a.jsonl").write_text("\n".join(lines[:200]))
    Path("b.json").write_text(json.dumps(DOCUMENTS[200:]))
    monkeypatch.setattr(index_build, "PART_BYTES", 2000)
    return folder


def task(**options):
    """Return the task of indexing the files of :func:`documents_in`."""
    given = {"encoder": JSONEncoder(64), "on_error": "skip", "rejects": "rejects", **options}
    return Task(("a.jsonl", "b.json"), **given)
