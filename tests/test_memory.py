"""ItemMemory."""

import numpy as np
import pytest

import hdc
from hdc import errors, files
from tests.models import BACKENDS, FAMILIES, make, place

NAMES = ["a", 1, True, None, 2.5, b"x", ("pair", ("nested", -3)), "é", ""]


@pytest.fixture(params=FAMILIES)
def vsa(request):
    return make(request.param, 512)


def test_noisy_items_are_cleaned_up(vsa):
    memory = hdc.ItemMemory(vsa, range(100))
    noisy = vsa.bundle(np.stack([memory[7], memory[7], vsa.symbol("noise")]))
    assert memory.cleanup(noisy)[0].name == 7
    assert [m[0].name for m in memory.cleanup_many(memory.vectors[40:43])] == [40, 41, 42]
    assert memory.cleanup(memory[7])[0].similarity == pytest.approx(1, abs=1e-5)


def test_search_is_exact_and_batched(vsa):
    memory = hdc.ItemMemory(vsa, range(50))
    queries = vsa.random(6, seed=0).reshape(2, 3, -1)
    scores, indices = memory.search(queries, 60)
    assert indices.shape == scores.shape == (2, 3, 50)
    full = vsa.similarity(queries, memory.vectors)
    assert np.array_equal(np.sort(indices, axis=-1), np.broadcast_to(np.arange(50), indices.shape))
    np.testing.assert_allclose(np.take_along_axis(full, indices, -1), scores, atol=1e-6)


def test_adding_one_by_one_is_adding_at_once(vsa):
    grown, whole = hdc.ItemMemory(vsa), hdc.ItemMemory(vsa, range(100))
    for i in range(100):
        grown.add([i])
    assert grown.names == whole.names
    assert np.array_equal(grown.vectors, whole.vectors)


def test_growth_copies_each_row_a_bounded_number_of_times():
    memory, copied, rows = hdc.ItemMemory(hdc.MAPB(64)), 0, None
    for i in range(3000):
        memory.add([i])
        if memory._rows is not rows:
            copied, rows = copied + len(memory), memory._rows
    assert copied < 3 * 3000


@pytest.mark.parametrize("backend", BACKENDS)
def test_round_trip(vsa, backend, tmp_path):
    memory = hdc.ItemMemory(vsa, NAMES)
    memory.add(["sum"], vsa.bundle(vsa.symbols(["a", "b", "c"]))[None])
    memory.save(tmp_path / "memory.hdc")
    loaded = hdc.ItemMemory.load(tmp_path / "memory.hdc", **place(backend))
    assert loaded.names == memory.names
    assert list(map(type, loaded)) == list(map(type, memory))
    assert np.array_equal(loaded.vsa.to_numpy(loaded.vectors), memory.vectors)
    assert loaded.vsa.to_numpy(loaded.vectors).dtype == memory.vectors.dtype
    assert loaded.vsa.algebra() == vsa.algebra()


def test_names_are_given_once_and_a_bad_add_adds_nothing(vsa):
    memory = hdc.ItemMemory(vsa, ["a"])
    with pytest.raises(errors.ParameterError, match="'a' is already"):
        memory.add(["b", "a"])
    with pytest.raises(errors.ParameterError, match="'c' is already"):
        memory.add(["c", "c"])
    with pytest.raises(errors.DimensionError, match="2 names need vectors"):
        memory.add(["b", "c"], vsa.random(1, seed=0))
    assert memory.names == ("a",)
    assert "b" not in memory


def test_typed_names_are_different_items(vsa):
    memory = hdc.ItemMemory(vsa, [1, "1", True])
    assert len(memory) == 3
    assert 1.0 not in memory
    with pytest.raises(errors.UnknownNameError, match=r"no item named 1\.0"):
        memory[1.0]


def test_vectors_cannot_be_changed(vsa):
    memory = hdc.ItemMemory(vsa, ["a"])
    with pytest.raises(ValueError, match="read-only"):
        memory.vectors[:] = 0


def test_errors(vsa):
    with pytest.raises(errors.ParameterError, match="empty"):
        hdc.ItemMemory(vsa).cleanup(vsa.symbol("a"))
    memory = hdc.ItemMemory(vsa, ["a"])
    with pytest.raises(errors.DimensionError, match="cleanup_many"):
        memory.cleanup(vsa.random(2, seed=0))
    with pytest.raises(errors.ParameterError, match="k must be"):
        memory.cleanup(vsa.symbol("a"), 0)


def test_unusable_contents_are_told(vsa, tmp_path):
    path = tmp_path / "memory.hdc"
    for meta in ({}, {"spec": {"model": "?", "dim": 3}, "names": []}, {"spec": vsa.algebra(), "names": [{"x": 1}]}):
        files.save(path, "item-memory", meta, {"vectors": vsa.random(1, seed=0)})
        with pytest.raises(errors.FileFormatError, match="usable item memory"):
            hdc.ItemMemory.load(path)


def test_vectors_handed_out_are_read_only():
    memory = hdc.ItemMemory(hdc.MAPB(100), ["a", "b"])
    for view in (memory["a"], memory.vectors):
        with pytest.raises(ValueError, match="read-only"):
            view[:] = 0


def test_nan_is_never_the_best_match():
    vsa = hdc.MAPI(100)
    items = np.concatenate([np.full((1, 100), np.nan), vsa.symbols(["a", "b"])])
    scores, indices = vsa.nearest(vsa.symbols(["b"]), items, 3)
    assert indices.tolist() == [[2, 1, 0]]
    assert np.isnan(scores[0, 2])
