"""FAISS finds what our indexes find, and what is made of its indexes finds what it finds."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hdc import errors, words
from hdc.apps.retrieval import (
    BinaryIndex,
    EmbeddingIndex,
    RaBitQBinarizer,
    ScalarBinarizer,
    ShardedIndex,
    SignBinarizer,
)
from hdc.apps.retrieval.engines.faiss_index import from_faiss, to_faiss
from tests.engines.rows import BIG, DIMS, bytes_of, codes, filled, same_answers, same_rows

faiss = pytest.importorskip("faiss", reason="FAISS is not installed", exc_type=ImportError)


@DIMS
@pytest.mark.parametrize("kind", ["flat", "hnsw"])
def test_codes_there_and_back(dim, kind):
    if kind == "hnsw":
        pytest.importorskip("usearch", reason="usearch is not installed: no graphs", exc_type=ImportError)
    index, asked = filled(dim, kind), codes(20, dim, seed=1)
    theirs = to_faiss(index)
    assert type(theirs) is faiss.IndexBinaryIDMap2
    if kind == "hnsw":
        faiss.downcast_IndexBinary(theirs.index).hnsw.efSearch = 300
    back = from_faiss(theirs, dim, bitorder="little")
    assert back.kind == kind
    same_rows(back, index)
    found = theirs.search(bytes_of(asked, dim), 10)
    if kind == "flat":
        same_answers(found, index.search(asked, 10), dim)
        np.testing.assert_array_equal(back.search(asked, 10), index.search(asked, 10))
    else:  # graphs, which several threads build, may lack an edge
        for distances, _ in (found, back.search(asked, 10, effort=300)):
            assert np.mean(distances == filled(dim).search(asked, 10)[0]) > 0.95


@DIMS
def test_lists_are_the_same_and_so_are_answers_at_equal_probes(dim, tmp_path):
    index, asked = filled(dim, "ivf", n=2000), codes(200, dim, seed=1)
    theirs = to_faiss(index)
    assert (type(theirs), theirs.nlist, theirs.nprobe) == (faiss.IndexBinaryIVF, 20, 16)
    lists = {}
    for number in range(20):
        size = theirs.invlists.list_size(number)
        lists |= dict.fromkeys(faiss.rev_swig_ptr(theirs.invlists.get_ids(number), size).tolist(), number)
    snapshot = index.store.snapshot
    cells = snapshot.take("cells", snapshot.positions(index.ids()))[:, 0]
    assert [lists[number] for number in index.ids().tolist()] == cells.tolist()

    # the same lists are asked, but for queries to which two centroids are equally near
    products = (2.0 * words.unpack(asked, dim) - 1) @ index.coarse.centroids.T.astype(float)
    distinct = [len(set(row)) == 20 for row in products.tolist()]
    assert sum(distinct) > 50
    for probes in (1, 3, 20):
        theirs.nprobe = probes
        found = theirs.search(bytes_of(asked[distinct], dim), 10)
        same_answers(found, index.search(asked[distinct], 10, probes=probes), dim)

    faiss.write_index_binary(theirs, str(tmp_path / "lists.faiss"))
    back = from_faiss(faiss.read_index_binary(str(tmp_path / "lists.faiss")), dim, bitorder="little")
    same_rows(back, index)
    for probes in (1, 3, 20):
        np.testing.assert_array_equal(back.search(asked, 10, probes=probes), index.search(asked, 10, probes=probes))


def test_lists_that_faiss_found_are_kept():
    rows, asked = codes(1000, 64), codes(50, 64, seed=1)
    quantizer = faiss.IndexBinaryFlat(64)
    theirs = faiss.IndexBinaryIVF(quantizer, 64, 8)
    theirs.train(bytes_of(rows, 64))
    theirs.add(bytes_of(rows, 64))
    ours = from_faiss(theirs, bitorder="little")
    centers = words.from_bytes(faiss.vector_to_array(quantizer.xb).reshape(8, 8), bitorder="little")
    distances = np.bitwise_count(asked ^ centers.T)
    for probes in (1, 8):
        edges = np.sort(distances, axis=1)
        distinct = np.full(50, True) if probes == 8 else edges[:, 0] < edges[:, 1]
        theirs.nprobe = probes
        found = theirs.search(bytes_of(asked[distinct], 64), 10)
        same_answers(found, ours.search(asked[distinct], 10, probes=probes), 64)
    snapshot = ours.store.snapshot
    sizes = np.bincount(snapshot.rows("cells")[:, 0], minlength=8)
    assert sizes.tolist() == [theirs.invlists.list_size(number) for number in range(8)]


@pytest.mark.parametrize("kind", ["flat", "ivf"])
def test_ids_of_64_bits_become_keys_and_go_back(kind):
    index = filled(64, kind)
    theirs = to_faiss(index, ids=[BIG + number for number in index.ids().tolist()])
    theirs.nprobe = 20
    asked = codes(5, 64, seed=1)
    found = theirs.search(bytes_of(asked, 64), 3)[1]
    assert (found >= BIG).all()
    back = from_faiss(theirs, bitorder="little")
    assert sorted(back.keys(back.ids())) == sorted(str(BIG + number) for number in index.ids().tolist())
    again = to_faiss(back, ids=[int(key) for key in back.keys(back.ids())])
    again.nprobe = 20
    same_answers(again.search(bytes_of(asked, 64), 3), theirs.search(bytes_of(asked, 64), 3), 64)


def test_ids_and_keys():
    rows = codes(4, 64)
    flat = faiss.IndexBinaryFlat(64)
    theirs = faiss.IndexBinaryIDMap(flat)
    theirs.add_with_ids(bytes_of(rows, 64), np.array([7, 3, 2**32 - 1, 9]))
    ours = from_faiss(theirs, bitorder="little", keys={3: "three"})
    assert ours.ids().tolist() == [3, 7, 9, 2**32 - 1]
    assert ours.keys([3, 7]) == ["three", None]
    np.testing.assert_array_equal(ours.codes([7, 3, 2**32 - 1, 9]), rows)
    negative = faiss.IndexBinaryIDMap(faiss.IndexBinaryFlat(64))
    negative.add_with_ids(bytes_of(rows, 64), np.array([-1, 3, 5, 9]))
    mixed = from_faiss(negative, bitorder="little", keys={3: "three"})
    assert mixed.keys(mixed.ids()) == ["-1", "three", "5", "9"]
    twice = faiss.IndexBinaryIDMap(faiss.IndexBinaryFlat(64))
    twice.add_with_ids(bytes_of(rows, 64), np.array([1, 2, 2, 3]))
    with pytest.raises(errors.ParameterError, match="twice"):
        from_faiss(twice, bitorder="little")
    index = filled(64)
    with pytest.raises(errors.DimensionError, match=r"\(299,\)"):
        to_faiss(index, ids=[1, 2])
    with pytest.raises(errors.ParameterError, match="different"):
        to_faiss(index, ids=[1] * 299)
    with pytest.raises(errors.DTypeError, match="integers"):
        to_faiss(index, ids=np.linspace(0, 1, 299))
    with pytest.raises(errors.DTypeError, match="int64"):
        to_faiss(index, ids=np.arange(299, dtype=np.uint64) + np.uint64(2**63))


def test_in_a_folder_as_a_whole_or_not_at_all(tmp_path):
    theirs = to_faiss(filled(70, "ivf"))
    with from_faiss(theirs, 70, bitorder="little", path=tmp_path / "index") as made:
        assert made.writable
        expected = made.search(codes(3, 70, seed=1), 4)
    with BinaryIndex.open(tmp_path / "index") as opened:
        np.testing.assert_array_equal(opened.search(codes(3, 70, seed=1), 4), expected)
    with pytest.raises(errors.PaddingError):
        from_faiss(to_faiss(filled(72)), 70, bitorder="little", path=tmp_path / "other")
    assert [path.name for path in tmp_path.iterdir()] == ["index"]


def test_bit_order_is_named():
    bits = np.random.default_rng(0).random((50, 64)) < 0.5
    theirs = faiss.IndexBinaryFlat(64)
    theirs.add(np.packbits(bits, axis=1))
    np.testing.assert_array_equal(from_faiss(theirs, bitorder="big").codes(range(50)), words.pack(bits))
    with pytest.raises(TypeError, match="bitorder"):
        from_faiss(theirs)


@pytest.mark.parametrize("kind", ["flat", "ivf", "hnsw"])
def test_empty(kind):
    if kind == "hnsw":
        pytest.importorskip("usearch", reason="usearch is not installed: no graphs", exc_type=ImportError)
    index = BinaryIndex(70, kind=kind)
    if kind == "ivf":
        with pytest.raises(errors.UnsupportedError, match="not trained"):
            to_faiss(index)
        index.train(codes(30, 70), 3)
    assert len(from_faiss(to_faiss(index), 70, bitorder="little")) == 0


@pytest.mark.parametrize("model", [RaBitQBinarizer(), RaBitQBinarizer(lists=4), ScalarBinarizer(8)])
def test_codes_that_bits_would_rank_wrongly_are_refused(model, tmp_path):
    x = np.random.default_rng(0).standard_normal((100, 32)).astype(np.float32)
    with EmbeddingIndex.create(tmp_path / "index", model.fit(x)) as index:
        index.add(x)
        with pytest.raises(errors.UnsupportedError, match="Hamming distance cannot compare"):
            to_faiss(index.codes)
    alone = BinaryIndex.open(tmp_path / "index" / "codes")
    with alone, pytest.raises(errors.UnsupportedError, match=type(model).__name__):
        to_faiss(alone)
    with pytest.raises(errors.UnsupportedError, match="2 bits per component"):
        to_faiss(BinaryIndex(64, levels=2))


def test_codes_of_a_binarizer_of_signs():
    x = np.random.default_rng(0).standard_normal((200, 32)).astype(np.float32)
    index = EmbeddingIndex.create(None, SignBinarizer(128).fit(x))
    index.add(x)
    distances, ids = to_faiss(index).search(bytes_of(index.codes.codes(range(9)), 128), 1)
    assert (distances.ravel().tolist(), ids.ravel().tolist()) == ([0] * 9, list(range(9)))


def test_other_indexes_are_refused():
    with pytest.raises(errors.UnsupportedError, match="IndexBinaryIVF, not IndexBinaryHash"):
        from_faiss(faiss.IndexBinaryHash(64, 8), bitorder="little")
    theirs = faiss.IndexBinaryIVF(faiss.IndexBinaryHNSW(64, 8), 64, 4)
    with pytest.raises(errors.UnsupportedError, match=r"quantizer of the lists must be .* not IndexBinaryHNSW"):
        from_faiss(theirs, bitorder="little")
    floats = faiss.IndexFlatIP(64)
    floats.add(np.full((4, 64), 0.5, dtype=np.float32))
    theirs = faiss.IndexBinaryIVF(faiss.IndexBinaryFromFloat(floats), 64, 4)
    with pytest.raises(errors.UnsupportedError, match=r"quantizer of the lists must be .* not IndexBinaryFromFloat"):
        from_faiss(theirs, bitorder="little")


def test_shards_are_merged_first():
    with pytest.raises(errors.ParameterError, match="merge makes one index of shards"):
        to_faiss(ShardedIndex([EmbeddingIndex.create(None, SignBinarizer().fit(np.eye(8, dtype=np.float32)))]))


def test_a_library_that_is_missing_is_named(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "faiss", None)
    with pytest.raises(errors.BackendUnavailableError, match="faiss"):
        to_faiss(BinaryIndex(64))


IDS = st.lists(st.integers(-(2**63), 2**63 - 1) | st.integers(0, 2**32 + 1), max_size=20, unique=True)


@given(IDS, st.integers(1, 130), st.sampled_from(["little", "big"]), st.integers(0, 2**32 - 1))
def test_any_ids_come_back(ids, dim, bitorder, seed):
    """Those that are ours stay ids; if one is not, all become keys, which are numbers again on the way back."""
    rows = codes(len(ids), dim, seed)
    theirs = faiss.IndexBinaryIDMap2(faiss.IndexBinaryFlat(8 * -(-dim // 8)))
    if ids:
        theirs.add_with_ids(words.to_bytes(rows, dim, bitorder=bitorder), np.array(ids, dtype=np.int64))
    ours = from_faiss(theirs, dim, bitorder=bitorder)
    named = ours.keys(ours.ids())
    numbers = ours.ids().tolist() if None in named or not ids else [int(key) for key in named]
    assert sorted(numbers) == sorted(ids)
    held = dict(zip(ids, rows.tolist(), strict=True))
    assert ours.codes(ours.ids()).tolist() == [held[number] for number in numbers]
    again = from_faiss(to_faiss(ours, ids=numbers), dim, bitorder="little")

    np.testing.assert_array_equal(again.codes(again.ids()), ours.codes(ours.ids()))
