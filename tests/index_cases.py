"""The cases of ``hdc.testing.check_index``: the three indexes, and a slow one that shows what a case needs."""

from dataclasses import dataclass
from functools import cache

import numpy as np

from hdc import words
from hdc.apps.json import JSONEncoder, JSONIndex, ShardedJSONIndex
from hdc.apps.json.index.matcher import Matcher
from hdc.apps.retrieval import BinaryIndex, EmbeddingIndex, MultiVectorIndex, RaBitQBinarizer, SignBinarizer
from hdc.checks import integer
from hdc.search.index import Index
from hdc.search.live import live
from hdc.store import Store
from hdc.testing import ROWS, IndexCase
from tests import naive
from tests.models import NUMPY_BACKENDS

DIM = 70
ALL = 10**6
"""Candidates, probes: all there are."""


def batch(number):
    """Return the rows of one query, or of nine, which take other ways through an index."""
    return [number] if number % 2 else [number, *range(8)]


def first(found):
    """Return what the first query found."""
    return [(score, i) for score, i in zip(found[0][0].tolist(), found[1][0].tolist(), strict=True) if i >= 0]


@cache
def codes(levels=1):
    """Return rows around a dozen centers, of which some are equal."""
    rng = np.random.default_rng(levels)
    centers = rng.random((12, levels, DIM)) < 0.5
    bits = centers[np.arange(ROWS) % 12] ^ (rng.random((ROWS, levels, DIM)) < 0.04)
    bits[30:36] = bits[12:18]
    packed = words.pack(bits)
    return packed[:, 0] if levels == 1 else packed


@cache
def distance(levels, a, b):
    """Return differing bits, or one minus the cosine of codes of several levels."""
    a, b = codes(levels)[a], codes(levels)[b]
    if levels == 1:
        return naive.hamming(a, b)
    a, b = ([naive.bits(plane, DIM) for plane in code] for code in (a, b))
    return 1 - naive.code_dot(a, b) / (naive.code_dot(a, a) * naive.code_dot(b, b)) ** 0.5


@dataclass
class BinaryCase(IndexCase):
    kind: str = "flat"
    backend: str = "auto"
    levels: int = 1

    def __post_init__(self):
        documents = "" if self.updates else " with documents"
        self.name = f"binary {self.kind} {self.backend}, {self.levels} levels{documents}"
        self.recall = 0.9 if self.kind == "hnsw" else 1.0
        self.tolerance = 0.0 if self.levels == 1 else 1e-6
        self.options = {"ivf": {"probes": ALL}, "hnsw": {"effort": 300}}.get(self.kind, {})
        if self.levels > 1:
            self.options["candidates"] = ALL

    def create(self, path):
        index = BinaryIndex(DIM, kind=self.kind, levels=self.levels, backend=self.backend, path=path)
        if self.kind == "ivf":
            index.train(codes(self.levels), lists=5)
        return index

    def open(self, path, *, writable=False):
        return BinaryIndex.open(path, writable=writable, backend=self.backend)

    def document(self, number, key):
        return None if key is None else f"{number} {key}".encode()

    def documents(self, numbers, keys):
        return None if keys is None else [self.document(*pair) for pair in zip(numbers, keys, strict=True)]

    def rows(self, numbers):
        return codes(self.levels)[list(numbers)]

    def add(self, index, numbers, keys):
        return index.add(self.rows(numbers), keys=keys, documents=self.documents(numbers, keys))

    def put(self, index, numbers, keys):
        return index.put(self.rows(numbers), keys, documents=self.documents(numbers, keys))

    updates = False  # update keeps documents, and those of this case name the row; see Updated

    def search(self, index, number, k, among):
        return first(index.search(self.rows(batch(number)), k, among=among, **self.options))

    def score(self, query, row):
        return distance(self.levels, query, row)


class Updated(BinaryCase):
    """Without documents, with updates."""

    updates = True

    def document(self, number, key):
        return None

    def update(self, index, ids, numbers, keys):
        index.update(ids, self.rows(numbers))


@cache
def vectors():
    rng = np.random.default_rng(7)
    centers = rng.standard_normal((12, 24)) + 0.3
    x = centers[np.arange(ROWS) % 12] + 0.5 * rng.standard_normal((ROWS, 24))
    x[30:36] = x[12:18]
    return (x * rng.uniform(0.1, 10, (ROWS, 1))).astype(np.float32)


@cache
def unit():
    x = vectors().astype(np.float64)
    return x / np.linalg.norm(x, axis=1, keepdims=True)


@cache
def kept(dtype):
    """Return unit vectors as the index keeps them."""
    if dtype != "int8":
        return unit()
    rounded = np.rint(127 * unit() / np.abs(unit()).max(axis=1, keepdims=True))
    return rounded / np.linalg.norm(rounded, axis=1, keepdims=True)


MODELS = {
    "sign": lambda backend: SignBinarizer(64, backend=backend),
    "rabitq": lambda backend: RaBitQBinarizer(lists=1, backend=backend),
    "rabitq lists": lambda backend: RaBitQBinarizer(lists=5, backend=backend),
}
model_of = cache(lambda name, backend: MODELS[name](backend).fit(unit()))


@cache
def equal_bits(model, backend, a, b):
    """Return the part of bits that are equal less the part that differ."""
    codes = signs(model, backend)
    return 1 - 2 * naive.hamming(codes[a], codes[b]) / model_of(model, backend).bits


@cache
def signs(model, backend):
    return model_of(model, backend).transform(unit().astype(np.float32))


@dataclass
class EmbeddingCase(IndexCase):
    model: str = "sign"
    keep: str | None = None
    kind: str | None = None
    backend: str = "auto"

    greatest = True

    def __post_init__(self):
        self.name = f"embedding {self.model} {self.kind or ''} keep={self.keep} {self.backend}"
        self.tolerance = {None: 1e-6, "int8": 2e-4, "float16": 1e-3, "float32": 1e-5}[self.keep]
        self.recall = 0.9 if self.kind == "hnsw" else 1.0
        if self.kind == "graph":
            self.options = {"candidates": ALL, "effort": 300}
        else:
            lists, graph = self.kind == "ivf" or self.model == "rabitq lists", self.kind == "hnsw"
            self.options = {"candidates": 300 if graph else ALL, **({"probes": ALL} if lists else {})}

    def create(self, path):
        index = EmbeddingIndex.create(path, model_of(self.model, self.backend), kind=self.kind, keep=self.keep)
        if self.kind == "ivf":
            index.train(vectors(), lists=5)
        return index

    def open(self, path, *, writable=False):
        return EmbeddingIndex.open(path, writable=writable, backend=self.backend)

    def add(self, index, numbers, keys):
        return index.add(vectors()[list(numbers)], keys)

    def put(self, index, numbers, keys):
        return index.put(vectors()[list(numbers)], keys)

    def update(self, index, ids, numbers, keys):
        index.update(ids, vectors()[list(numbers)])

    def search(self, index, number, k, among):
        return first(index.search(vectors()[batch(number)], k, among=among, **self.options))

    def score(self, query, row):
        if self.keep is not None:
            return float(unit()[query] @ kept(self.keep)[row])
        return equal_bits(self.model, self.backend, query, row)


class WalkedCase(EmbeddingCase):
    """A graph of few rows, which else are all looked at."""

    def __post_init__(self):
        super().__post_init__()
        self.name = f"walked {self.name}"

    def create(self, path):
        return self.walked(super().create(path))

    def open(self, path, *, writable=False):
        return self.walked(super().open(path, writable=writable))

    def walked(self, index):
        index.pipeline.engine.searcher.least = 5
        return index


@cache
def tokens(number):
    """Return the vectors of a document: one to three of those around a center."""
    return vectors()[[(number + 12 * i) % ROWS for i in range(1 + number % 3)]]


@cache
def token_codes(number, backend):
    return model_of("sign", backend).encode(tokens(number) / np.linalg.norm(tokens(number), axis=1, keepdims=True))


@dataclass
class MultiVectorCase(IndexCase):
    backend: str = "auto"

    greatest = True
    tolerance = 1e-6
    updates = False

    def __post_init__(self):
        self.name = f"multi-vector {self.backend}"

    def create(self, path):
        return MultiVectorIndex.create(path, model_of("sign", self.backend))

    def open(self, path, *, writable=False):
        return MultiVectorIndex.open(path, writable=writable, backend=self.backend)

    def document(self, number, key):
        return f"{number} {key}".encode()

    def documents(self, numbers, keys):
        return [self.document(*pair) for pair in zip(numbers, keys or [None] * len(numbers), strict=True)]

    def add(self, index, numbers, keys):
        return index.add(list(map(tokens, numbers)), keys=keys, documents=self.documents(numbers, keys))

    def put(self, index, numbers, keys):
        return index.put(list(map(tokens, numbers)), keys, documents=self.documents(numbers, keys))

    def search(self, index, number, k, among):
        return first(index.search(list(map(tokens, batch(number))), k, among=among, asymmetric=False))

    def score(self, query, row):
        asked, held = token_codes(query, self.backend), token_codes(row, self.backend)
        return 1 - 2 * naive.chamfer(asked, held) / (len(asked) * model_of("sign", self.backend).bits)


class JSONCase(IndexCase):
    name = "json"
    greatest = True
    keyless = False
    positive = True
    tolerance = 1e-8

    def __init__(self):
        encoder = JSONEncoder(64)
        values, layout = encoder.values, encoder.layout
        self.scores = cache(lambda a, b: Matcher(self.query(a), values, layout).score(self.document(b, "x")))

    def query(self, number):
        return {"value": number % 5, "name": ["ann", "bob", "eve"][number % 3]}

    def document(self, number, key):
        return {"key": key, **self.query(number), "note": f"row {number}"}

    def create(self, path):
        if path is None:
            return JSONIndex(JSONEncoder(64), key="key")
        return JSONIndex.create(path, JSONEncoder(64), key="key")

    def open(self, path, *, writable=False):
        return JSONIndex.open(path, writable=writable)

    def documents(self, numbers, keys):
        return [self.document(*pair) for pair in zip(numbers, keys, strict=True)]

    def add(self, index, numbers, keys):
        index.add(self.documents(numbers, keys))
        return [index.find(key) for key in keys]

    def put(self, index, numbers, keys):
        index.put(self.documents(numbers, keys))
        return [index.find(key) for key in keys]

    def search(self, index, number, k, among):
        return [(hit.score, hit.id) for hit in index.search(self.query(number), k, among=among)]

    def update(self, index, ids, numbers, keys):
        index.update(ids, self.documents(numbers, keys))

    def score(self, query, row):
        return self.scores(query, row)


class ShardedJSONCase(JSONCase):
    """As many shards as it takes for some rows each."""

    name = "json shards"

    def create(self, path):
        return ShardedJSONIndex.create(path, JSONEncoder(64), key="key", shard_rows=7)


# ---------------------------------------------------------------------- a slow index


class SlowIndex(Index):
    """Numbers, found by their differences; each search looks at every row."""

    KIND = "slow-index"
    ROW = "number"

    def __init__(self, store):
        self._store = store

    @property
    def store(self):
        return self._store

    def add(self, numbers, keys=None):
        return self.store.append(self.columns(numbers), keys)

    def put(self, numbers, keys):
        return self.store.put(self.columns(numbers), keys)

    def update(self, ids, numbers):
        self.store.replace(ids, self.columns(numbers))

    def columns(self, numbers):
        return {"number": np.array(numbers, np.int16).reshape(-1, 1) // 2}

    def search(self, number, k, among=None):
        """Return (difference, id) of the k nearest."""
        integer(k, "k", 1)
        snapshot = self.store.snapshot
        rows = live(snapshot) if among is None else snapshot.positions(among)
        pairs = zip(snapshot.take("number", rows)[:, 0].tolist(), snapshot.ids[rows].tolist(), strict=True)
        return sorted((abs(other - number // 2), i) for other, i in pairs)[:k]


class SlowCase(IndexCase):
    name = "slow"
    index = SlowIndex

    def create(self, path):
        return self.index(Store.create(path, SlowIndex.KIND, {"number": ("int16", 1)}))

    def open(self, path, *, writable=False):
        return self.index(Store.open(path, SlowIndex.KIND, writable=writable))

    def add(self, index, numbers, keys):
        return index.add(numbers, keys)

    def put(self, index, numbers, keys):
        return index.put(numbers, keys)

    def update(self, index, ids, numbers, keys):
        index.update(ids, numbers)

    def search(self, index, number, k, among):
        return index.search(number, k, among)

    def score(self, query, row):
        return abs(query // 2 - row // 2)  # neighbors are equal


CASES = {
    case.name: case
    for case in (
        *(BinaryCase(backend=backend) for backend in NUMPY_BACKENDS),
        *(BinaryCase("ivf", backend=backend) for backend in NUMPY_BACKENDS),
        BinaryCase("hnsw"),
        Updated("flat"),
        Updated("ivf"),
        Updated("hnsw"),
        Updated("flat", levels=3),
        Updated("ivf", levels=3),
        *(EmbeddingCase("sign", None, backend=backend) for backend in NUMPY_BACKENDS),
        EmbeddingCase("sign", "int8"),
        EmbeddingCase("sign", "float32", "ivf"),
        EmbeddingCase("sign", "int8", "hnsw"),
        *(EmbeddingCase("rabitq lists", "int8", backend=backend) for backend in NUMPY_BACKENDS),
        EmbeddingCase("rabitq lists", "int8", "graph"),
        WalkedCase("rabitq lists", "int8", "graph"),
        EmbeddingCase("rabitq", "float16"),
        *(MultiVectorCase(backend=backend) for backend in NUMPY_BACKENDS),
        JSONCase(),
        ShardedJSONCase(),
        SlowCase(),
    )
}
