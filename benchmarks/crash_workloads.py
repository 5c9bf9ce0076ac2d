"""What :mod:`bench_crash` runs and breaks: a store and the three indexes, created, changed, compacted and reopened."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from hdc.apps.json import JSONEncoder, JSONIndex
from hdc.apps.retrieval import BinaryIndex, EmbeddingIndex, SignBinarizer
from hdc.search.index import Index
from hdc.store import Store

Step = tuple[str, Callable[[Any], object] | None]
"""A name, and a change of what is open; None closes it and opens it again."""


@dataclass(frozen=True)
class Workload:
    """A store or index, and changes of it.

    Attributes
    ----------
    create : function of a path, or of None for memory
    open : function of a path and whether to write
    steps : list of Step
    content : function
        Returns everything that is there, as values that compare.
    ids : function
        Returns the ids in a content.
    add : function
        Adds one row and returns its id.
    """

    create: Callable[[Path | None], Any]
    open: Callable[[Path, bool], Any]
    steps: list[Step]
    content: Callable[[Any], Any]
    ids: Callable[[Any], list[int]]
    add: Callable[[Any], int]

    def states(self) -> list[Any]:
        """Return the content after ``create`` and after each step, from a run in memory."""
        thing = self.create(None)
        states = [self.content(thing)]
        for _, change in self.steps:
            if change is not None:
                change(thing)
            states.append(self.content(thing))
        return states


# ---------------------------------------------------------------------- a store

WIDTH = 40
"""Words of a row: several sectors for a few rows."""


def _columns(*values: int) -> dict[str, Any]:
    """Return rows all of whose parts depend on one number each, so that half a row shows."""
    numbers = np.array(values, np.uint64).reshape(-1, 1)
    return {"codes": numbers * np.uint64(0x9E3779B97F4A7C15) + np.arange(WIDTH, dtype=np.uint64), "norms": numbers / 1}


def _store_content(store: Store) -> Any:
    alive = store.alive()
    live = np.flatnonzero(np.ones(len(store.ids()), bool) if alive is None else alive)
    values = store.rows("norms")[live, 0].astype(int).tolist()
    if not np.array_equal(store.rows("codes")[live], _columns(*values)["codes"]):
        raise AssertionError("the columns of a row do not belong together")
    rows = zip(store.ids()[live].tolist(), values, strict=True)
    held = {number: (value, *store.entry(number)) for number, value in rows}
    return dict(sorted(held.items())), store.meta


def _append(store: Store, *values: int, key: str = "k") -> list[int]:
    keys = [f"{key}{value}" for value in values]
    return store.append(_columns(*values), keys, [b"document %d" % value * 30 for value in values]).tolist()


STORE = Workload(
    create=lambda path: Store.create(path, "crash", {"codes": ("u8", WIDTH), "norms": ("f8", 1)}, {"note": 0}),
    open=lambda path, writable: Store.open(path, "crash", writable=writable),
    steps=[
        ("append", lambda store: _append(store, 1, 2, 3)),
        ("append without entries", lambda store: store.append(_columns(4, 5))),
        ("put", lambda store: store.put(_columns(12, 6), ["k2", "k6"], [b"other", None], [None, "file:1"])),
        ("remove", lambda store: store.remove(ids=[0], keys=["k3"])),
        ("set_meta", lambda store: store.set_meta({"note": "x" * 700})),
        ("reopen", None),
        ("replace", lambda store: store.replace([1, 3], _columns(22, 24))),
        ("append with ids", lambda store: store.append(_columns(7), ids=[40])),
        ("compact", lambda store: store.compact()),
        ("append", lambda store: _append(store, 8, 9)),
        ("remove", lambda store: store.remove(keys=["k8"])),
        ("reopen", None),
        ("put", lambda store: store.put(_columns(10, 11, 13), ["k6", "k9", "new"])),
        ("compact", lambda store: store.compact()),
        ("remove everything", lambda store: store.remove(ids=store.ids())),
        ("compact", lambda store: store.compact()),
        ("append", lambda store: _append(store, 14)),
        ("reopen", None),
    ],
    content=_store_content,
    ids=lambda content: list(content[0]),
    add=lambda store: int(_append(store, 99, key="probe")[0]),
)

# ---------------------------------------------------------------------- indexes


def _index_content(index: Index, rows: Callable[[Any], Any]) -> Any:
    ids = index.ids()
    entries = zip(index.keys(ids), index.documents(ids), rows(ids), strict=True)
    return dict(zip(ids.tolist(), entries, strict=True))


def _codes(*numbers: int) -> Any:
    return np.random.default_rng(0).integers(0, 2**63, (200, 4), dtype=np.uint64)[list(numbers)]


def _binary_content(index: BinaryIndex) -> Any:
    content = _index_content(index, lambda ids: index.codes(ids).tolist())
    if content:  # what is found follows what is there
        number, (_, _, code) = next(iter(content.items()))
        distances, ids = index.search(np.array([code], np.uint64), 1)
        assert distances[0, 0] == 0, "a row that is there is not found"
        assert content[int(ids[0, 0])][2] == content[number][2], "another row is found"
    return content


def _binary(kind: str) -> Workload:
    def create(path: Path | None) -> BinaryIndex:
        return BinaryIndex(256, kind=kind, path=path)

    def add(index: BinaryIndex) -> int:
        if kind == "ivf" and index.coarse is None:  # it was lost before it was trained
            index.train(_codes(*range(100)), lists=3)
        return int(index.add(_codes(99))[0])

    def untrained(change: Callable[[Any], object]) -> Callable[[Any], object]:
        return lambda index: index.train(_codes(*range(100)), lists=3) if kind == "ivf" else change(index)

    return Workload(
        create=create,
        open=lambda path, writable: BinaryIndex.open(path, writable=writable),
        steps=[
            ("train", untrained(lambda index: index.add(_codes()))),
            ("add", lambda index: index.add(_codes(*range(20)), keys=[f"k{i}" for i in range(20)])),
            ("remove", lambda index: index.remove(ids=[3, 4])),
            ("reopen", None),
            ("put", lambda index: index.put(_codes(30, 31), ["k5", "new"])),
            ("update", lambda index: index.update([6], _codes(32))),
            ("compact", lambda index: index.compact()),
            ("add", lambda index: index.add(_codes(40))),
            ("reopen", None),
        ],
        content=_binary_content,
        ids=list,
        add=add,
    )


def _vectors(*numbers: int) -> Any:
    return np.random.default_rng(0).standard_normal((200, 16)).astype(np.float32)[list(numbers)]


def _embedding_content(index: EmbeddingIndex) -> Any:
    return _index_content(index, lambda ids: index.codes.codes(ids).tolist())


EMBEDDING = Workload(
    create=lambda path: EmbeddingIndex.create(path, SignBinarizer(64).fit(_vectors(*range(100))), keep="int8"),
    open=lambda path, writable: EmbeddingIndex.open(path, writable=writable),
    steps=[
        ("add", lambda index: index.add(_vectors(*range(9)), [f"k{i}" for i in range(9)])),
        ("put", lambda index: index.put(_vectors(10, 11), ["k3", "new"])),
        ("remove", lambda index: index.remove([1, 2])),
        ("compact", lambda index: index.compact()),
        ("reopen", None),
    ],
    content=_embedding_content,
    ids=list,
    add=lambda index: int(index.add(_vectors(99))[0]),
)


def _documents(*numbers: int) -> list[Any]:
    return [{"key": number, "name": f"document {number}", "value": number % 7} for number in numbers]


def _json_content(index: JSONIndex) -> Any:
    return _index_content(index, lambda ids: index.vectors(ids).tolist())


def _json_add(index: JSONIndex) -> int:
    index.add(_documents(99))
    number = index.find("99")
    assert number is not None
    return number


JSON = Workload(
    create=lambda path: (
        JSONIndex(JSONEncoder(64), key="key") if path is None else JSONIndex.create(path, JSONEncoder(64), key="key")
    ),
    open=lambda path, writable: JSONIndex.open(path, writable=writable),
    steps=[
        ("add", lambda index: index.add(_documents(1, 2, 3))),
        ("put", lambda index: index.put([{"key": 2, "name": "other"}, *_documents(4)])),
        ("remove", lambda index: index.remove(keys=["1"])),
        ("compact", lambda index: index.compact()),
        ("reopen", None),
    ],
    content=_json_content,
    ids=list,
    add=_json_add,
)

WORKLOADS = {
    "store": STORE,
    "binary-flat": _binary("flat"),
    "binary-ivf": _binary("ivf"),
    "binary-hnsw": _binary("hnsw"),
    "embedding": EMBEDDING,
    "json": JSON,
}
