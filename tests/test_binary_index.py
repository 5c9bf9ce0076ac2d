"""BinaryIndex against distances counted bit by bit."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import hdc
from hdc import errors, words
from hdc.apps.retrieval import BinaryIndex
from tests.models import NUMPY_BACKENDS


@pytest.fixture(params=NUMPY_BACKENDS)
def backend(request):
    return request.param


def codes(n, dim, seed=0):
    return words.pack(np.random.default_rng(seed).random((n, dim)) < 0.5)


def nearest(queries, rows, dim, k):
    """Sort all rows by (distance, id)."""
    q, x = words.unpack(queries, dim), words.unpack(rows, dim)
    distances = (q[:, None] != x).sum(axis=-1)
    order = np.lexsort((np.broadcast_to(np.arange(len(x)), distances.shape), distances))[:, :k]
    return np.take_along_axis(distances, order, axis=1), order


@settings(max_examples=40, deadline=None)
@given(
    dim=st.sampled_from([1, 63, 64, 65, 1000]),
    parts=st.lists(st.integers(0, 600), min_size=1, max_size=4),
    queries=st.integers(0, 20),
    k=st.integers(1, 700),
    seed=st.integers(0, 10),
)
def test_adding_in_parts_and_searching_is_exact(dim, parts, queries, k, seed):
    rows, asked = codes(sum(parts) or 1, dim, seed), codes(queries + 1, dim, seed + 1)[:queries]
    for backend in NUMPY_BACKENDS:
        index, start = BinaryIndex(dim, backend=backend), 0
        for part in parts:
            assert index.add(rows[start : start + part]).tolist() == list(range(start, start + part))
            start += part
        distances, ids = index.search(asked, k)
        expected = nearest(asked, rows[:start], dim, k)
        assert (distances.dtype, ids.dtype, len(index)) == (np.int32, np.int64, start)
        np.testing.assert_array_equal(distances, expected[0])
        np.testing.assert_array_equal(ids, expected[1])


def test_many_dimensions(backend):
    rows, index = codes(600, 10_000), BinaryIndex(10_000, backend=backend)
    index.add(rows)
    np.testing.assert_array_equal(index.search(rows[:9], 5)[1], nearest(rows[:9], rows, 10_000, 5)[1])


@pytest.mark.parametrize("dim", [64, 100])
def test_foreign_strided_and_read_only_codes(backend, dim):
    rows = codes(40, dim)
    odd = np.repeat(rows, 2, axis=0).astype(">u8")[::2]
    odd.flags.writeable = False
    index = BinaryIndex(dim, backend=backend)
    index.add(odd)
    np.testing.assert_array_equal(index.search(odd, 3)[1], nearest(rows, rows, dim, 3)[1])


def test_bad_codes_are_told_and_not_added(backend):
    index = BinaryIndex(100, backend=backend)
    for bad, error in (
        (np.zeros((2, 2), np.int64), errors.DTypeError),
        (np.zeros((2, 3), np.uint64), errors.DimensionError),
        (np.zeros(2, np.uint64), errors.DimensionError),
        (np.full((2, 2), 2**64 - 1, np.uint64), errors.PaddingError),
    ):
        for call in (index.add, index.search):
            with pytest.raises(error):
                call(bad)
    assert len(index) == 0
    assert index.search(codes(3, 100), 5)[1].shape == (3, 0)
    with pytest.raises(errors.ParameterError, match="k must be"):
        index.search(codes(3, 100), 0)
    for dim in (0, 1.5, True):
        with pytest.raises(errors.ParameterError, match="dim must be"):
            BinaryIndex(dim)


def test_mapb_vectors_are_codes(backend):
    vsa, index = hdc.MAPB(1000), BinaryIndex(1000, backend=backend)
    index.add(vsa.symbols(range(50)))
    noisy = vsa.bundle(vsa.symbols([7, "x", "y"]))
    assert index.search(noisy[None], 1)[1].item() == 7
    assert repr(index) == "BinaryIndex(dim=1000, 50 codes)"


@pytest.mark.parametrize("kind", ["flat", "ivf", "hnsw"])
@pytest.mark.parametrize("folder", [False, True])
def test_the_greatest_ids_are_found_and_there_are_none_above(kind, folder, backend, tmp_path):
    rows, new = codes(300, 100), codes(3, 100, seed=1)
    index = BinaryIndex(100, kind=kind, path=tmp_path / "index" if folder else None, backend=backend)
    if kind == "ivf":
        index.train(rows, lists=4)
    index.add(rows)
    index.search(rows[:1])  # what comes now is beside what was prepared
    last = 2**32 - 1
    assert index.add(new, ids=range(last - 2, last + 1), keys=["a", "b", "c"]).tolist() == [last - 2, last - 1, last]
    expected = np.concatenate([np.arange(300), range(last - 2, last + 1)])

    def check(k=5):
        held = index.codes(expected)
        asked = np.concatenate([index.codes([last]), rows[:2], new])
        own = {"probes": 4} if kind == "ivf" else {"effort": 400} if kind == "hnsw" else {}
        for among in (None, [3, 7, last - 1, last, 11, 200]):
            rest = expected if among is None else np.sort(among)
            distances, order = nearest(asked, held if among is None else index.codes(rest), 100, k)
            found = index.search(asked, k, among=among, **own)
            np.testing.assert_array_equal(found[0], distances)
            if kind == "hnsw":  # which of equally near ones is found is up to the graph
                unlike = words.unpack(asked, 100)[:, None] != words.unpack(index.codes(found[1].ravel()), 100).reshape(
                    -1, k, 100
                )
                np.testing.assert_array_equal(unlike.sum(axis=-1), distances)
            else:
                np.testing.assert_array_equal(found[1], rest[order])

    check()
    for change in (index.add, lambda one: index.put(one, ["d"])):
        with pytest.raises(errors.ParameterError, match="no new ids left"):
            change(rows[:1])
    assert len(index) == 303
    check()
    assert index.put(rows[:1], ["c"]).tolist() == [last]
    index.update([last - 1], rows[1:2])
    check()
    index.compact()
    check()
    if folder:
        index.close()
        with BinaryIndex.open(tmp_path / "index", backend=backend) as index:
            check()
