"""Codes go to other libraries and come back; what those find is what we find."""

import numpy as np
import pytest

from hdc import errors, words
from hdc.apps.retrieval import BinaryIndex
from hdc.apps.retrieval.files import interchange

DIMS = pytest.mark.parametrize("dim", [64, 70, 256])


def codes(n, dim, seed=0, levels=None):
    shape = (n, dim) if levels is None else (n, levels, dim)
    return words.pack(np.random.default_rng(seed).random(shape) < 0.5)


def filled(dim, kind="flat", **options):
    """Return an index with a removed and an updated row, and the rows by id."""
    rows, index = codes(120, dim), BinaryIndex(dim, kind=kind, **options)
    if kind == "ivf":
        index.train(rows, lists=6)
    index.add(rows)
    index.remove(ids=[5])
    index.update([9], rows[:1])
    return index, {i: row for i, row in enumerate(rows) if i not in (5, 9)} | {9: rows[0]}


def same(index, held):
    assert index.ids().tolist() == sorted(held)
    np.testing.assert_array_equal(index.codes(sorted(held)), [held[i] for i in sorted(held)])


@DIMS
@pytest.mark.parametrize("kind", ["flat", "ivf"])
def test_faiss(dim, kind):
    pytest.importorskip("faiss", exc_type=ImportError)
    index, held = filled(dim, kind)
    theirs = interchange.to_faiss(index)
    options = {}
    if kind == "ivf":
        theirs.nprobe = options["probes"] = 6
    asked = codes(7, dim, seed=1)
    distances, _ = theirs.search(interchange.to_bytes(asked, dim), 5)
    np.testing.assert_array_equal(distances, index.search(asked, 5, **options)[0])
    back = interchange.from_faiss(theirs, dim, bitorder="little")
    same(back, held)
    np.testing.assert_array_equal(back.search(asked, 5, **options), index.search(asked, 5, **options))


def test_faiss_flat_has_positions_for_ids():
    faiss = pytest.importorskip("faiss", exc_type=ImportError)
    rows = codes(10, 64)
    theirs = faiss.IndexBinaryFlat(64)
    theirs.add(interchange.to_bytes(rows, 64))
    same(interchange.from_faiss(theirs, bitorder="little"), dict(enumerate(rows)))
    theirs = faiss.IndexBinaryFlat(64)
    theirs.add(np.packbits(words.unpack(rows, 64), axis=1))
    same(interchange.from_faiss(theirs, bitorder="big"), dict(enumerate(rows)))
    with pytest.raises(TypeError, match="bitorder"):
        interchange.from_faiss(theirs)
    with pytest.raises(errors.UnsupportedError, match="IndexBinaryHNSW cannot be taken over"):
        interchange.from_faiss(faiss.IndexBinaryHNSW(64, 8), bitorder="little")
    with pytest.raises(errors.UnsupportedError, match="2 levels"):
        interchange.to_faiss(BinaryIndex(64, levels=2))


@DIMS
def test_usearch(dim):
    pytest.importorskip("usearch", exc_type=ImportError)
    from usearch.index import Index

    index, held = filled(dim)
    theirs = interchange.to_usearch(index)
    found = theirs.search(np.ascontiguousarray(held[7]).view(np.uint8), 1)
    assert (found.keys.tolist(), found.distances.tolist()) == ([7], [0])
    same(interchange.from_usearch(theirs, dim, bitorder="little"), held)
    plain = Index(ndim=-(-dim // 8) * 8, metric="hamming", dtype="b1")
    plain.add(np.array(sorted(held)), interchange.to_bytes(index.codes(sorted(held)), dim))
    same(interchange.from_usearch(plain, dim, bitorder="little"), held)
    plain = Index(ndim=-(-dim // 8) * 8, metric="hamming", dtype="b1")
    plain.add(np.array(sorted(held)), np.packbits(words.unpack(index.codes(sorted(held)), dim), axis=1))
    same(interchange.from_usearch(plain, dim, bitorder="big"), held)
    with pytest.raises(errors.UnsupportedError, match="codes are b1"):
        interchange.from_usearch(Index(ndim=8, dtype="f32"), bitorder="big")


def test_arrow_and_parquet(tmp_path):
    arrow = pytest.importorskip("pyarrow", exc_type=ImportError)
    vectors = np.random.default_rng(0).standard_normal((40, 6)).astype(np.float32)
    index = BinaryIndex(70, levels=2, originals=("float16", 6))
    rows = codes(40, 70, levels=2)
    keys, documents = [f"k{i}" if i % 3 else None for i in range(40)], [b"%d" % i for i in range(40)]
    index.add(rows, keys=keys, documents=documents, originals=vectors)
    index.remove(ids=[4])
    assert interchange.to_arrow(index).schema.field("code").metadata == {b"bitorder": b"little"}
    interchange.to_parquet(index, tmp_path / "x.parquet")
    back = interchange.from_parquet(tmp_path / "x.parquet", path=tmp_path / "i")
    same(back, {i: row for i, row in enumerate(rows) if i != 4})
    assert [back.store.entry(i) for i in back.ids()] == [index.store.entry(i) for i in back.ids()]
    asked = {"originals": vectors[:3], "candidates": 40}
    np.testing.assert_allclose(back.search(rows[:3], 4, **asked), index.search(rows[:3], 4, **asked), atol=1e-3)
    back.close()
    with pytest.raises(errors.FileFormatError, match="not one that to_arrow makes"):
        interchange.from_arrow(arrow.table({"id": [1]}))
    empty = interchange.from_arrow(interchange.to_arrow(BinaryIndex(70)))
    assert len(empty) == 0


def test_a_library_that_is_missing_is_named(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "faiss", None)
    with pytest.raises(errors.BackendUnavailableError, match="pip install faiss-cpu"):
        interchange.to_faiss(BinaryIndex(64))
