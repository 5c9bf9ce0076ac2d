"""Several stores read as one say what one store of all their rows says."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hdc.errors import ConflictError, ParameterError, UnsupportedError
from hdc.store import JoinedSnapshot, JoinedStore, Store

COLUMNS = {"a": ("int16", 2), "b": ("float32", 1)}


def arrays(first, n):
    numbers = np.arange(first, first + n)
    return {"a": np.stack([numbers, -numbers], axis=1).astype(np.int16), "b": numbers[:, None].astype(np.float32)}


def entries(first, n):
    keys = [f"k{i}" if i % 3 else None for i in range(first, first + n)]
    return keys, [f"d{i}".encode() if i % 2 else None for i in range(first, first + n)], [f"s{i}" for i in range(n)]


def stores(sizes, path=None):
    """Return stores of so many rows, one of all of them, and offsets that give both the same ids."""
    whole, parts, offsets = Store.create(None, "x", COLUMNS), [], []
    for at, size in enumerate(sizes):
        part = Store.create(None if path is None else path / str(at), "x", COLUMNS)
        offsets.append(len(whole.ids()))
        for store in (part, whole):
            store.append(arrays(offsets[-1], size), *entries(offsets[-1], size))
        parts.append(part)
    return whole, parts, offsets


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(0, 7), min_size=1, max_size=4), st.data())
def test_a_joined_snapshot_is_that_of_one_store(sizes, data):
    whole, parts, offsets = stores(sizes)
    gone = data.draw(st.lists(st.integers(0, max(0, sum(sizes) - 1)), unique=True)) if sum(sizes) else []
    whole.remove(gone)
    for at, (part, offset) in enumerate(zip(parts, offsets, strict=True)):
        part.remove([i - offset for i in gone if offset <= i < offset + sizes[at]])
    joined, one = JoinedStore(parts, offsets).snapshot, whole.snapshot
    assert (len(joined), joined.count, joined.columns) == (len(one), one.count, one.columns)
    np.testing.assert_array_equal(joined.ids, one.ids)
    assert (joined.alive is None) == (one.alive is None)
    assert one.alive is None or joined.alive.tolist() == one.alive.tolist()
    rows = np.array(data.draw(st.permutations(range(one.count))), np.int64)[: data.draw(st.integers(0, one.count))]
    for name in COLUMNS:
        np.testing.assert_array_equal(joined.rows(name), one.rows(name))
        np.testing.assert_array_equal(joined.take(name, rows), one.take(name, rows))
        assert joined.take(name, rows).dtype == one.take(name, rows).dtype
        joined.check(name)
        joined.check(name, rows)
        assert joined.checked(name)
    for read in ("keys", "documents", "sources", "entries"):
        assert getattr(joined, read)(rows) == getattr(one, read)(rows)
    np.testing.assert_array_equal(joined.text_bytes(rows), one.text_bytes(rows))
    keys = [f"k{i}" for i in range(sum(sizes) + 1)] + [None]
    assert joined.find_all(keys) == one.find_all(keys)
    there = np.setdiff1d(one.ids, gone)
    np.testing.assert_array_equal(joined.positions(there[::-1]), one.positions(there[::-1]))
    for missing in (*gone[:1], -1, sum(sizes)):
        with pytest.raises(ParameterError, match="no row with id"):
            joined.positions([missing])
    with pytest.raises(ParameterError, match="no row at"):
        joined.keys([one.count])


def test_a_change_shows_when_it_is_whole(tmp_path):
    _, parts, offsets = stores([3, 4], tmp_path)
    store = JoinedStore(parts, offsets)
    before = store.snapshot
    with store.changing() as seen:
        assert seen is before
        parts[0].remove([1])
        assert store.snapshot is before
        parts[1].remove([0])
    assert (len(store), len(before)) == (5, 7)
    assert store.generation != (before.edition, before.generation)
    after = store.snapshot
    with store.changing():
        pass
    assert store.snapshot is after
    told = r"begins at 3; give offsets= that keep them apart since rows were added"
    with pytest.raises(ConflictError, match=told), store.changing():
        parts[0].append(arrays(9, 1))
    assert store.snapshot is after
    with pytest.raises(ParameterError, match="shard 0 has ids up to 3, and shard 1 begins at 3"):
        JoinedStore(parts, offsets)
    for change in (
        lambda: store.append(arrays(0, 1)),
        lambda: store.put(arrays(0, 1), ["x"]),
        lambda: store.remove([0]),
        lambda: store.set_meta({}),
        store.compact,
        store.verify,
        lambda: after.table(np.array([0])),
        lambda: after.raw_entries([0]),
    ):
        with pytest.raises(UnsupportedError):
            change()
    assert store.writable
    store.close()
    assert not store.is_open
    assert len(after) == 5
    with pytest.raises(ParameterError, match="closed"):
        len(store)


def test_documents_are_read_as_the_whole_has_them():
    _, parts, offsets = stores([3, 4])

    def read(at, part, documents):
        assert part is parts[at].snapshot
        return [text and b"%d %s" % (at, text) for text in documents]

    joined = JoinedSnapshot.of([part.snapshot for part in parts], offsets, read)
    assert joined.documents([1, 3, 5, 0]) == [b"0 d1", b"1 d3", b"1 d5", None]
    assert [entry[1] for entry in joined.entries([5, 1])] == [b"1 d5", b"0 d1"]


def test_ids_can_be_kept_from_being_given(tmp_path):
    with Store.create(tmp_path / "s", "x", COLUMNS) as store:
        store.append(arrays(0, 2))
        store.reserve(10)
        store.reserve(4)
        assert store.append(arrays(2, 2)).tolist() == [10, 11]
        for wrong in (-1, 1 << 33):
            with pytest.raises(ParameterError):
                store.reserve(wrong)
        store.reserve(20)
    with Store.open(tmp_path / "s", "x", writable=True) as store:
        assert store.ids().tolist() == [0, 1, 10, 11]
        assert store.append(arrays(4, 1)).tolist() == [20]
        store.verify()
    with Store.open(tmp_path / "s", "x") as store, pytest.raises(UnsupportedError):
        store.reserve(30)
