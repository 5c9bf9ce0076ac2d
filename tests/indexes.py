"""Every index of the house as a case for :func:`hdc.testing.check_index`."""

import json

import numpy as np

import hdc
from hdc.apps.json import JSONEncoder, JSONIndex
from hdc.apps.retrieval import BinaryIndex, EmbeddingIndex
from hdc.apps.retrieval.binarisers import RaBitQBinarizer, RecurrentBinarizer, SignBinarizer
from hdc.testing import ROWS, IndexCase

RNG = np.random.default_rng(7)
DIM = 128
CODES = hdc.MAPB(DIM).random(ROWS // 4, seed=3)[np.arange(ROWS) % (ROWS // 4)].copy()
CODES[ROWS // 2 :, 1] ^= np.uint64(1) << np.arange(ROWS // 2, dtype=np.uint64)  # a half are near to the other half
VECTORS = RNG.standard_normal((ROWS // 4, 32)).astype(np.float32)[np.arange(ROWS) % (ROWS // 4)]
VECTORS[ROWS // 2 :] += 0.3 * RNG.standard_normal((ROWS // 2, 32)).astype(np.float32)
SAMPLE = np.concatenate([VECTORS, RNG.standard_normal((300, 32)).astype(np.float32)])


def pairs(scores, ids):
    return [(float(score), int(number)) for score, number in zip(scores[0], ids[0], strict=True) if number >= 0]


class Codes(IndexCase):
    def __init__(self, kind="flat", levels=1, backend="auto"):
        self.kind, self.levels, self.backend = kind, levels, backend
        self.name = f"codes-{kind}-{levels}-{backend}"
        self.recall = 1.0 if kind == "flat" or (kind, levels) == ("ivf", 1) else 0.8  # all lists are looked into
        self.tolerance = 0 if levels == 1 else 1e-5
        self.rows = CODES if levels == 1 else CODES.reshape(ROWS, 2, 1)

    def create(self, path):
        dim = DIM // self.levels
        index = BinaryIndex(dim, levels=self.levels, kind=self.kind, path=path, backend=self.backend)
        if self.kind == "ivf":
            index.train(self.rows, 4)
        return index

    def open(self, path, *, writable=False):
        return BinaryIndex.open(path, writable=writable, backend=self.backend)

    def add(self, index, numbers, keys):
        return index.add(self.rows[list(numbers)], keys=keys)

    def put(self, index, numbers, keys):
        return index.put(self.rows[list(numbers)], keys)

    def update(self, index, ids, numbers, keys):
        index.update(ids, self.rows[list(numbers)])

    def search(self, index, number, k, among):
        options = {"ivf": {"probes": 4}, "hnsw": {"effort": 200}}.get(self.kind, {})
        return pairs(*index.search(self.rows[[number]], k, among=among, **options))

    def score(self, query, row):
        if self.levels == 1:
            return int(np.bitwise_count(CODES[query] ^ CODES[row]).sum())
        planes = np.unpackbits(self.rows[[query, row]].view(np.uint8), axis=2, bitorder="little").astype(float) * 2 - 1
        a, b = (2 * planes[:, 0] + planes[:, 1])[:, : DIM // 2]
        return float(1 - a @ b / np.sqrt((a @ a) * (b @ b)))


class Vectors(IndexCase):
    greatest = True
    tolerance = 2e-2
    """Originals of bytes are rounded."""

    def __init__(self, name, model, kind=None, keep="float32", backend="auto"):
        self.name, self.kind, self.keep, self.backend = f"vectors-{name}-{keep}-{backend}", kind, keep, backend
        self.model = model.set_params(backend=backend).fit(SAMPLE / np.linalg.norm(SAMPLE, axis=1, keepdims=True))

    def create(self, path):
        index = EmbeddingIndex.create(path, self.model, kind=self.kind, keep=self.keep)
        if not index.trained:
            index.train(VECTORS, 4)
        return index

    def open(self, path, *, writable=False):
        return EmbeddingIndex.open(path, writable=writable)

    def add(self, index, numbers, keys):
        return index.add(VECTORS[list(numbers)], keys)

    def put(self, index, numbers, keys):
        return index.put(VECTORS[list(numbers)], keys)

    def update(self, index, ids, numbers, keys):
        index.update(ids, VECTORS[list(numbers)])

    def search(self, index, number, k, among):
        options = {"ivf": {"probes": 4}, "hnsw": {"effort": 200}}.get(index.kind, {})
        return pairs(*index.search(VECTORS[[number]], k, among=among, candidates=ROWS, **options))

    def score(self, query, row):
        a, b = VECTORS[query], VECTORS[row]
        return float(a @ b / np.sqrt((a @ a) * (b @ b)))


class Documents(IndexCase):
    name = "documents"
    greatest = True
    tolerance = 1e-9
    keyless = False

    def __init__(self, backend="auto"):
        self.backend, self.name = backend, f"documents-{backend}"
        self.encoder = JSONEncoder(256, backend=backend)

    def row(self, number, key):
        return {"kind": f"k{number % 12}", "size": number % 12, "half": f"h{number // 24}", "key": key}

    def create(self, path):
        if path is None:
            return JSONIndex(self.encoder, key="key")
        return JSONIndex.create(path, self.encoder, key="key")

    def open(self, path, *, writable=False):
        return JSONIndex.open(path, writable=writable)

    def _changed(self, index, keys):
        return [index.find(key) for key in keys]

    def add(self, index, numbers, keys):
        index.add([self.row(*pair) for pair in zip(numbers, keys, strict=True)])
        return self._changed(index, keys)

    def put(self, index, numbers, keys):
        index.put([self.row(*pair) for pair in zip(numbers, keys, strict=True)])
        return self._changed(index, keys)

    def update(self, index, ids, numbers, keys):
        index.update(ids, [self.row(*pair) for pair in zip(numbers, keys, strict=True)])

    def query(self, number):
        return {"kind": f"k{number % 12}", "half": f"h{number // 24}"}

    def search(self, index, number, k, among):
        return [
            (hit.score, hit.id)
            for hit in index.search(self.query(number), k, **({} if among is None else {"among": among}))
        ]

    def score(self, query, row):
        a, b = self.query(query), self.query(row)
        return ((a["kind"] == b["kind"]) + (a["half"] == b["half"])) / 2

    def document(self, number, key):
        return json.loads(json.dumps(self.row(number, key)))


def cases():
    yield from (Codes(kind, 1, backend) for kind in ("flat", "ivf", "hnsw") for backend in ("numba", "numpy"))
    yield from (Codes(kind, 2) for kind in ("flat", "ivf", "hnsw"))
    yield Vectors("sign", SignBinarizer(256))
    yield Vectors("sign", SignBinarizer(256), keep="int8")
    yield Vectors("sign-ivf", SignBinarizer(256), "ivf", keep="float16")
    yield Vectors("sign-hnsw", SignBinarizer(256), "hnsw")
    yield Vectors("tables", RecurrentBinarizer(64, rounds=1), keep="int8")
    yield Vectors("rabitq", RaBitQBinarizer(), keep="int8")
    yield Vectors("rabitq-lists", RaBitQBinarizer(4), keep="int8")
    yield Vectors("rabitq-lists", RaBitQBinarizer(4), keep="float32", backend="numpy")
    yield Documents()
    yield Documents("numpy")
