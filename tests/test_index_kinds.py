"""BinaryIndex of every kind against rows kept in a dictionary and compared bit by bit."""

import numpy as np
import pytest

from hdc import errors, files, words
from hdc.apps.retrieval import BinaryIndex
from hdc.search import flat as flat_search
from tests import naive

DIM = 70
LARGE = np.iinfo(np.int32).max


def codes(n, dim=DIM, seed=0, levels=1):
    bits = np.random.default_rng(seed).random((n, levels, dim)) < 0.5
    packed = words.pack(bits)
    return packed[:, 0] if levels == 1 else packed


def clustered(n, dim=DIM, seed=0):
    """Return codes of which many have near neighbors, and some are equal."""
    rng = np.random.default_rng(seed)
    centers = rng.random((12, dim)) < 0.5
    return words.pack(centers[rng.integers(0, 12, n)] ^ (rng.random((n, dim)) < 0.04))


def distance(a, b):
    """Return one minus the cosine of codes of several levels, in exact integers but for the last step."""
    a, b = ([naive.bits(plane, DIM) for plane in code] for code in (a, b))
    return 1 - naive.code_dot(a, b) / (naive.code_dot(a, a) * naive.code_dot(b, b)) ** 0.5


def expected(held, query, k):
    """Return the k nearest of {id: code} in order of (distance, id)."""
    best = sorted((naive.hamming(query, code), number) for number, code in held.items())[:k]
    return [d for d, _ in best], [number for _, number in best]


def check(index, held, queries, k, **options):
    distances, ids = index.search(queries, k, **options)
    for query, found, numbers in zip(queries, distances, ids, strict=True):
        assert (found.tolist(), numbers.tolist()) == expected(held, query, k)


@pytest.mark.parametrize("worn", [0, 10**9])
def test_flat_starts_afresh_or_asks_for_more(monkeypatch, worn):
    """Both ways of leaving out dead rows, and of searching updated ones, give the same."""
    monkeypatch.setattr(flat_search, "WORN", worn)  # 0: never afresh; 10**9: as soon as one row is worn
    rows, index = clustered(600), BinaryIndex(DIM)
    held = dict(enumerate(rows))
    index.add(rows)
    check(index, held, rows[:12], 5)
    index.remove(ids=np.arange(0, 600, 2))
    index.update([1, 301], rows[[500, 502]])
    held = {number: code for number, code in held.items() if number % 2} | {1: rows[500], 301: rows[502]}
    check(index, held, rows[:12], 5)
    check(index, held, rows[:2], 300)


# ---------------------------------------------------------------------- lists


def test_few_lists_find_what_lies_near():
    rows = clustered(2000)
    index = BinaryIndex(DIM, kind="ivf")
    index.train(rows, lists=12)
    index.add(rows)
    exact = BinaryIndex(DIM)
    exact.add(rows)
    near, all_of_them = index.search(rows[:200], 10, probes=2)[1], exact.search(rows[:200], 10)[1]
    shared = [len(set(a) & set(b)) for a, b in zip(near.tolist(), all_of_them.tolist(), strict=True)]
    assert np.mean(shared) > 9


def test_lists_that_hold_too_little_leave_places():
    index = BinaryIndex(DIM, kind="ivf")
    index.train(clustered(200), lists=12)
    rows = clustered(40)
    index.add(rows)
    distances, ids = index.search(rows[:5], 40, probes=1)
    assert (ids[:, -1] == -1).all()
    assert (distances[:, -1] == LARGE).all()
    for found, numbers in zip(distances, ids, strict=True):
        there = numbers >= 0
        assert there[: there.sum()].all()
        assert (found[there] < LARGE).all()


def test_lists_are_the_same_for_the_same_seed_and_in_a_file(tmp_path):
    rows = clustered(500)
    indexes = []
    for path in (None, tmp_path / "i"):
        index = BinaryIndex(DIM, kind="ivf", path=path)
        index.train(rows, lists=9, seed=3)
        index.add(rows)
        indexes.append(index)
    indexes[1].close()
    indexes[1] = BinaryIndex.open(tmp_path / "i")
    a, b = (index.search(rows[:50], 5, probes=2) for index in indexes)
    np.testing.assert_array_equal(a, b)
    np.testing.assert_array_equal(*(index.store.rows("cells") for index in indexes))


def test_training_is_asked_for_and_checked():
    index = BinaryIndex(DIM, kind="ivf")
    with pytest.raises(errors.ParameterError, match="call train"):
        index.add(codes(3))
    with pytest.raises(errors.ParameterError, match="4 lists cannot be trained on 3 vectors"):
        index.train(codes(3), lists=4)
    index.train(codes(3).repeat(4, axis=0), lists=12)  # fewer different codes than lists
    index.add(codes(3))
    check(index, dict(enumerate(codes(3))), codes(2, seed=5), 3, probes=12)
    with pytest.raises(errors.ParameterError, match="already trained"):
        index.train(codes(30))
    with pytest.raises(errors.UnsupportedError, match="'flat' needs no training"):
        BinaryIndex(DIM).train(codes(3))


# ---------------------------------------------------------------------- graphs


def test_graph(tmp_path):
    pytest.importorskip("usearch", exc_type=ImportError)
    rows = clustered(600)
    held = dict(enumerate(rows))

    def good(index):
        distances, ids = index.search(rows[:100], 5, effort=300)
        for query, found, numbers in zip(rows, distances, ids, strict=False):
            assert found.tolist() == [naive.hamming(query, held[number]) for number in numbers.tolist()]
            assert (np.diff(found) >= 0).all()
        right = [expected(held, query, 5)[0] == found.tolist() for query, found in zip(rows, distances, strict=False)]
        return np.mean(right) > 0.9

    index = BinaryIndex(DIM, kind="hnsw", path=tmp_path / "i")
    assert index.search(rows[:2], 3)[1].shape == (2, 0)
    index.add(rows)
    assert good(index)
    assert index.search(rows[:1], 1)[0].item() == 0
    index.remove(ids=range(100, 200))
    index.update([7, 8], rows[300:302])
    held = {n: c for n, c in held.items() if not 100 <= n < 200} | {7: rows[300], 8: rows[301]}
    assert good(index)
    index.compact()
    held.update(zip(index.add(rows[100:150]).tolist(), rows[100:150], strict=True))
    assert good(index)
    index.save(tmp_path / "copy")
    index.close()
    for path in (tmp_path / "i", tmp_path / "copy"):
        with BinaryIndex.open(path) as loaded:
            assert good(loaded)
            assert loaded.engine.prepared().graph is loaded._searcher._kept  # it was read, not built
            loaded.verify()
    graph = tmp_path / "i" / "graph"
    graph.write_bytes(graph.read_bytes()[:-1] + b"x")
    with BinaryIndex.open(tmp_path / "i") as loaded, pytest.raises(errors.FileFormatError):
        loaded.verify()
    with BinaryIndex.open(tmp_path / "i") as loaded, pytest.raises(errors.FileFormatError):
        loaded.search(rows[:1])
    graph.unlink()
    with BinaryIndex.open(tmp_path / "i") as loaded:
        assert good(loaded)


def test_a_graph_follows_what_a_killed_writer_did_after_it_was_saved(tmp_path):
    pytest.importorskip("usearch", exc_type=ImportError)
    rows = clustered(60)
    with BinaryIndex(DIM, kind="hnsw", path=tmp_path / "i") as index:
        index.add(rows[:40])
        index.search(rows[:1])
    index = BinaryIndex.open(tmp_path / "i", writable=True)
    index.remove(ids=[3])
    index.update([4], rows[50:51])
    index.add(rows[40:45])
    index.store.close()  # and the graph is not saved
    held = {n: c for n, c in enumerate(rows[:45]) if n != 3} | {4: rows[50]}
    with BinaryIndex.open(tmp_path / "i") as loaded:
        prepared = loaded.engine.prepared()
        assert sorted(prepared.snapshot.ids[prepared.tail].tolist()) == [4, *range(40, 45)]
        assert prepared.gone.tolist() == [3, 4]
        asked = np.stack([*held.values(), rows[3]])
        distances, ids = loaded.search(asked, 3, effort=100)
        assert (distances[:-1, 0] == 0).mean() > 0.9
        assert set(ids.ravel().tolist()) <= held.keys()
        for query, found, numbers in zip(asked, distances, ids, strict=True):
            assert found.tolist() == [naive.hamming(query, held[number]) for number in numbers.tolist()]


def test_a_graph_of_another_index_is_told(tmp_path):
    pytest.importorskip("usearch", exc_type=ImportError)
    for name, dim in (("i", DIM), ("wide", DIM + 64)):
        with BinaryIndex(dim, kind="hnsw", path=tmp_path / name) as index:
            index.add(codes(20, dim))
            index.search(codes(1, dim))
    graph = tmp_path / "i" / "graph"
    meta, arrays = files.load(graph, "hnsw-graph")
    for ids in (arrays["ids"] + 1, arrays["ids"][:-1]):
        files.save(graph, "hnsw-graph", meta, {**arrays, "ids": ids})
        with BinaryIndex.open(tmp_path / "i") as loaded, pytest.raises(errors.FileFormatError, match="another graph"):
            loaded.search(codes(1))
    graph.write_bytes((tmp_path / "wide" / "graph").read_bytes())
    with BinaryIndex.open(tmp_path / "i") as loaded, pytest.raises(errors.FileFormatError, match="another graph"):
        loaded.search(codes(1))


# ---------------------------------------------------------------------- levels


@pytest.mark.parametrize("kind", ["flat", "ivf", "hnsw"])
@pytest.mark.parametrize("levels", [2, 4])
def test_levels_are_compared_by_the_cosine_of_their_components(kind, levels):
    if kind == "hnsw":
        pytest.importorskip("usearch", exc_type=ImportError)
    rows, queries = codes(60, levels=levels), codes(4, levels=levels, seed=1)
    index = BinaryIndex(DIM, levels=levels, kind=kind)
    if kind == "ivf":
        index.train(rows, lists=4)
    index.add(rows)
    index.remove(ids=[5])
    index.update([9], rows[20:21])
    held = {n: c for n, c in enumerate(rows) if n != 5} | {9: rows[20]}
    own = {"flat": {}, "ivf": {"probes": 4}, "hnsw": {"effort": 200}}[kind]
    distances, ids = index.search(queries, 7, candidates=100, **own)
    assert distances.dtype == np.float32
    for query, found, numbers in zip(queries, distances, ids, strict=True):
        best = sorted((distance(query, code), number) for number, code in held.items())[:7]
        np.testing.assert_allclose(found, [d for d, _ in best], atol=1e-6)
        assert numbers.tolist() == [number for _, number in best]
    assert index.search(queries, 3, among=[1, 2])[1].shape == (4, 2)
    with pytest.raises(errors.DimensionError, match=rf"shape \(n, {levels}, 2\)"):
        index.add(codes(3))


# ---------------------------------------------------------------------- originals


@pytest.mark.parametrize("dtype", ["int8", "float16", "float32"])
@pytest.mark.parametrize("kind", ["flat", "ivf"])
def test_originals_put_the_finds_in_order(dtype, kind):
    rng = np.random.default_rng(0)
    vectors, asked = rng.standard_normal((500, DIM)).astype(np.float32), rng.standard_normal((9, DIM))
    vectors[3] = 0
    index = BinaryIndex(DIM, kind=kind, originals=(dtype, DIM))
    rows = words.pack(vectors > 0)
    if kind == "ivf":
        index.train(rows, lists=5)
    index.add(rows, originals=vectors)
    cosines = asked @ vectors.T
    cosines /= np.maximum(np.linalg.norm(asked, axis=1)[:, None] * np.linalg.norm(vectors, axis=1), 1e-30)
    own = {"probes": 5} if kind == "ivf" else {}
    distances, ids = index.search(words.pack(asked > 0), 5, originals=asked, candidates=500, **own)
    tolerance = {"int8": 0.02, "float16": 1e-3, "float32": 1e-6}[dtype]
    np.testing.assert_allclose(distances, 1 - np.sort(cosines)[:, ::-1][:, :5], atol=tolerance)
    np.testing.assert_allclose(1 - np.take_along_axis(cosines, ids, axis=1), distances, atol=tolerance)
    with pytest.raises(errors.ParameterError, match="keeps originals"):
        index.add(rows)
    with pytest.raises(errors.ParameterError, match="original 1 contains NaN"):
        index.add(rows[:2], originals=np.array([[0.0] * DIM, [np.nan] * DIM]))
    with pytest.raises(errors.DimensionError, match="originals must have shape"):
        index.search(rows[:2], originals=asked)
    with pytest.raises(errors.UnsupportedError, match="keeps no originals"):
        BinaryIndex(DIM).search(rows[:9], originals=asked)
    with pytest.raises(errors.ParameterError, match="the dtype of originals must be one of int8, float16, float32"):
        BinaryIndex(DIM, originals=("float8", DIM))
    assert len(index) == 500


# ---------------------------------------------------------------------- folders


def test_an_index_in_a_folder(tmp_path):
    rows = codes(50)
    with BinaryIndex(DIM, path=tmp_path / "i") as index:
        ids = index.add(rows[:30], keys=[f"k{i}" for i in range(30)], documents=[b"%d" % i for i in range(30)])
        reader = BinaryIndex.open(tmp_path / "i")
        assert reader.keys(reader.search(rows[4:5], 1)[1]) == ["k4"]
        index.put(rows[30:32], ["k4", "new"])
        index.remove(keys=["k5"])
        assert reader.keys(reader.search(rows[5:6], 1)[1]) == ["k5"]
        assert reader.refresh()
        held = {n: c for n, c in enumerate(rows[:30]) if n != 5} | {4: rows[30], 30: rows[31]}
        check(reader, held, rows[:12], 5)
        assert reader.keys([4, 30, -1]) == ["k4", "new", None]
        assert index.store.document(ids[7]) == b"7"
        reader.close()
        with pytest.raises(errors.ParameterError, match="'k9' already exists"):
            index.add(rows[:1], keys=["k9"])
    with BinaryIndex.open(tmp_path / "i") as loaded:
        check(loaded, held, rows[:12], 5)
        loaded.verify()
        with pytest.raises(errors.UnsupportedError, match="writable=True"):
            loaded.add(rows)
        loaded.save(tmp_path / "copy")
    with BinaryIndex.open(tmp_path / "copy", writable=True) as copy:
        check(copy, held, rows[:3], 5)
        assert copy.add(rows[:1]).tolist() == [31]
    with pytest.raises(errors.ParameterError, match="not empty"):
        BinaryIndex(DIM, path=tmp_path / "i")


@pytest.mark.parametrize(
    ("meta", "match"),
    [
        ({"dim": DIM + 64}, "its settings need the columns"),
        ({"dim": "70"}, "dim must be"),
        ({"dim": 10**30}, "dim must be"),
        ({"dim": DIM + 64, "kind": "hnsw"}, "its settings need the columns"),
        ({"kind": "tree"}, "not 'tree'"),
        ({"kind": "ivf"}, "its settings need the columns"),
        ({"levels": 2}, "its settings need the columns"),
        ({"originals": ["int8", 4]}, "its settings need the columns"),
        ({"originals": 7}, "not an index of codes"),
    ],
)
def test_a_folder_that_says_something_else_than_it_holds_is_told(tmp_path, meta, match):
    with BinaryIndex(DIM, path=tmp_path / "i") as index:
        index.add(codes(5))
        index.store.set_meta({**index.store.meta, **meta})
    with pytest.raises(errors.FileFormatError, match=match):
        BinaryIndex.open(tmp_path / "i")


@pytest.mark.parametrize(
    "coarse",
    [{"shape": [4, 70]}, {"shape": [4, 70], "base64": "AAAA"}, {"shape": [1, 3], "base64": "AAAA"}, {"shape": 3}, 7],
)
def test_damaged_centroids_are_told(tmp_path, coarse):
    with BinaryIndex(DIM, kind="ivf", path=tmp_path / "i") as index:
        index.store.set_meta({**index.store.meta, "coarse": coarse})
    with BinaryIndex.open(tmp_path / "i") as loaded, pytest.raises(errors.FileFormatError, match="centroids"):
        loaded.search(codes(1))


def test_lists_without_centroids_are_told(tmp_path):
    with BinaryIndex(DIM, kind="ivf", path=tmp_path / "i") as index:
        index.train(codes(30), lists=4)
        index.add(codes(5))
        index.store.set_meta({name: value for name, value in index.store.meta.items() if name != "coarse"})
    with BinaryIndex.open(tmp_path / "i") as loaded, pytest.raises(errors.FileFormatError, match="but there are 0"):
        loaded.search(codes(1))


def test_a_row_in_a_list_that_is_not_there_is_told(tmp_path):
    with BinaryIndex(DIM, kind="ivf", path=tmp_path / "i") as index:
        index.train(codes(30), lists=4)
        for wrong in (4, -1, 2**31 - 1):
            rows = codes(2)
            index.store.append({"codes": rows, "cells": np.array([[0], [wrong]], np.int32)})
            with pytest.raises(errors.FileFormatError, match=f"is in list {wrong}, but there are 4"):
                index.search(rows)
            index.remove(ids=index.ids())


def test_a_graph_without_its_parts_is_told(tmp_path):
    pytest.importorskip("usearch", exc_type=ImportError)
    with BinaryIndex(DIM, kind="hnsw", path=tmp_path / "i") as index:
        index.add(codes(30))
        index.search(codes(1), 1)
    meta, arrays = files.load(tmp_path / "i" / "graph", "hnsw-graph")
    for name in arrays:
        files.save(tmp_path / "i" / "graph", "hnsw-graph", meta, {name: arrays[name]})
        with BinaryIndex.open(tmp_path / "i") as index, pytest.raises(errors.FileFormatError, match="to build"):
            index.search(codes(1), 1)


def test_wrong_parameters_are_told():
    for wrong, match in (
        ({"kind": "tree"}, "kind must be one of flat, ivf, hnsw, not 'tree'"),
        ({"levels": 0}, "levels must be"),
        ({"levels": 17}, "at most 16"),
    ):
        with pytest.raises(errors.ParameterError, match=match):
            BinaryIndex(DIM, **wrong)
    index = BinaryIndex(DIM)
    index.add(codes(5))
    for wrong in ("candidates", "k"):
        with pytest.raises(errors.ParameterError, match=f"{wrong} must be an integer of at least 1, not 0"):
            index.search(codes(1), **{wrong: 0})
    for option, kind in (("probes", "ivf"), ("effort", "hnsw")):
        with pytest.raises(errors.ParameterError, match=f"{option}= is an option of kind {kind!r}.*kind 'flat'"):
            index.search(codes(1), **{option: 7})
    with pytest.raises(errors.ParameterError, match="no row with id 9"):
        index.search(codes(1), among=[1, 9])
    assert index.search(codes(2), among=[])[1].shape == (2, 0)
