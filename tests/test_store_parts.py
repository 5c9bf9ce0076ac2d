"""The parts of a store against plain oracles: lookups, checksums of blocks, records, texts."""

import os
import subprocess
import sys
import zlib

import numpy as np
import pytest
import xxhash
from hypothesis import given, settings
from hypothesis import strategies as st

from hdc import errors, files
from hdc.store import Store, blocks, edition, entries, growing, locking, log
from hdc.store import store as store_module
from hdc.store.blocks import BLOCK, Checked, Hasher
from hdc.store.lookup import SCANS, Lookup

# ---------------------------------------------------------------------- lookups

VALUES = st.lists(st.integers(0, 5), max_size=60)


@settings(max_examples=200)
@given(VALUES, st.lists(st.tuples(st.integers(0, 60), st.lists(st.integers(0, 6), max_size=2 * SCANS)), max_size=12))
def test_a_lookup_finds_what_looking_finds(values, questions):
    """In any order of questions, of snapshots that are older and newer than what is sorted by then."""
    column, lookup = np.array(values, np.uint64), Lookup()
    for count, wanted in questions:
        seen = column[:count]
        last = lookup.last(np.array(wanted, np.uint64), seen)
        for value, row in zip(wanted, last.tolist(), strict=True):
            found = np.flatnonzero(seen == value).tolist()
            assert row == (found[-1] if found else -1)
            assert lookup.all(np.uint64(value), seen).tolist() == found


def test_a_lookup_sorts_when_looking_has_cost_as_much():
    column, lookup = np.arange(1000, dtype=np.uint64), Lookup()
    for i in range(SCANS - 1):
        assert lookup.last(np.array([i], np.uint64), column).tolist() == [i]
        assert lookup._sorted.stop == 0
    lookup.last(np.array([5], np.uint64), column)
    assert lookup._sorted.stop == 1000
    longer = np.concatenate([column, np.array([5, 7], np.uint64)])
    assert lookup.last(np.array([5, 7, 9], np.uint64), longer).tolist() == [1000, 1001, 9]
    assert lookup._sorted.stop == 1000
    assert lookup.last(np.array([5, 7, 9], np.uint64), column).tolist() == [5, 7, 9]


def test_looking_for_all_rows_of_a_value_costs_one_look():
    column, lookup = np.arange(1000, dtype=np.uint64) % 7, Lookup()
    for _ in range(SCANS - 1):
        assert lookup.all(np.uint64(3), column).tolist() == list(range(3, 1000, 7))
        assert lookup._sorted.stop == 0
    lookup.all(np.uint64(3), column)
    assert lookup._sorted.stop == 1000
    longer = np.concatenate([column, np.uint64([3])])  # one new row: looked through, and its cost is counted
    assert lookup.all(np.uint64(3), longer).tolist() == [*range(3, 1000, 7), 1000]
    assert lookup._cost == 1


def test_keys_that_share_a_hash_are_told_apart(monkeypatch):
    monkeypatch.setattr(entries, "digest", lambda content: len(content) % 2)
    with Store.create(None, "thing", {"codes": ("u1", 1)}) as store:
        rows = np.arange(6, dtype=np.uint8)[:, None]
        store.append({"codes": rows}, keys=["a", "b", None, "c", "dd", ""])
        store.remove(keys=["c"])
        store.put({"codes": rows[:1]}, keys=["a"])
        for _ in range(2 * SCANS):
            assert [store.find(key) for key in ("a", "b", "c", "dd", "", "ee", "f")] == [0, 1, None, 4, 5, None, None]


# ---------------------------------------------------------------------- blocks

LENGTHS = st.lists(st.sampled_from([0, 1, 7, BLOCK - 1, BLOCK, BLOCK + 1, 2 * BLOCK + 3]), max_size=5)


@settings(max_examples=60, deadline=None)
@given(LENGTHS, st.integers(0, 2**32))
def test_checksums_of_a_file_that_grew_are_those_of_the_file(lengths, seed):
    content = np.random.default_rng(seed).integers(0, 256, sum(lengths), dtype=np.uint8)
    sums, tail, place = blocks.NO_SUMS, Hasher(), 0
    for length in lengths:
        part = content[place : place + length]
        before = tail.intdigest()
        sums, grown = blocks.extended(sums, place, tail, [part[: length // 2], part[length // 2 :]])
        assert tail.intdigest() == before  # what is given stays: the change may come to nothing
        tail, place = grown, place + length
        starts = range(0, place, BLOCK)
        assert sums.tolist() == [xxhash.xxh3_64_intdigest(content[a : min(a + BLOCK, place)].tobytes()) for a in starts]
    assert blocks.block_count(place) == len(sums)


@settings(max_examples=100)
@given(st.lists(st.tuples(st.integers(0, 5 * BLOCK), st.integers(0, 3 * BLOCK)), max_size=6))
def test_blocks_of_ranges(ranges):
    expected = {block for start, size in ranges for block in range(start // BLOCK, -(-(start + size) // BLOCK)) if size}
    starts = np.array([start for start, _ in ranges], np.int64)
    found = blocks.blocks_of(starts, starts + np.array([size for _, size in ranges], np.int64))
    assert found.tolist() == sorted(expected)


def test_only_blocks_that_are_touched_are_checked_and_each_once(monkeypatch):
    content = np.arange(3 * BLOCK + 5, dtype=np.uint64).astype(np.uint8)
    sums, _ = blocks.extended(blocks.NO_SUMS, 0, Hasher(), [content])
    read = []
    monkeypatch.setattr(blocks, "digest", lambda part: read.append(len(part)) or xxhash.xxh3_64_intdigest(part))
    checked = Checked()
    checked.check(content, sums, "x", np.array([1]))
    checked.check(content, sums, "x", np.array([1, 3]))
    assert read == [BLOCK, 5]
    checked.check(
        content[: 2 * BLOCK + 1], np.array([*sums[:2], xxhash.xxh3_64_intdigest(content[2 * BLOCK :][:1])]), "x"
    )
    assert read == [BLOCK, 5, BLOCK, 1]  # an older snapshot, of which the last block was shorter
    checked.check(content, sums, "x")
    assert read == [BLOCK, 5, BLOCK, 1, BLOCK]
    assert checked.whole == len(content)
    checked.check(content, sums, "x")
    assert len(read) == 5


@pytest.fixture(scope="module")
def large(tmp_path_factory):
    path = tmp_path_factory.mktemp("large") / "s"
    with Store.create(path, "thing", {"codes": ("u8", 64)}) as store:
        numbers = np.arange(1000, dtype=np.uint64)
        store.append(
            {"codes": np.repeat(numbers[:, None], 64, axis=1)},
            keys=[str(i) for i in range(1000)],
            documents=[b"%d" % i * 300 for i in range(1000)],
        )
    return path


def test_rows_are_taken_from_blocks_that_are_right(large, tmp_path):
    """One bit of a block is flipped: the rows of the others come, its own do not."""
    path = large / "0" / "codes"
    whole = path.read_bytes()
    damaged = bytearray(whole)
    damaged[2 * BLOCK + 77] ^= 4
    path.write_bytes(damaged)
    per_block = BLOCK // 512
    with Store.open(large, "thing") as reader:
        snapshot = reader.snapshot
        good = np.array([0, 999, per_block, 2 * per_block - 1, 3 * per_block])
        assert snapshot.take("codes", good)[:, 0].tolist() == good.tolist()
        assert snapshot.take("codes", []).shape == (0, 64)
        for bad in (2 * per_block, 3 * per_block - 1):
            with pytest.raises(errors.FileFormatError, match="block 2"):
                snapshot.take("codes", [0, bad])
            with pytest.raises(errors.FileFormatError, match="block 2"):
                snapshot.check("codes", np.array([bad]))
        with pytest.raises(errors.FileFormatError, match="block 2"):
            snapshot.rows("codes")
        assert snapshot.raw("codes")[5, 0] == 5
        for wrong in ([-1], [1000]):
            for use in (snapshot.take, lambda name, rows: snapshot.check(name, np.array(rows))):
                with pytest.raises(errors.ParameterError, match=f"no row at {wrong[0]}; there are 1000"):
                    use("codes", wrong)
            with pytest.raises(errors.ParameterError, match="no row at"):
                snapshot.keys(wrong)
        for use in (snapshot.rows, snapshot.raw, snapshot.check):
            with pytest.raises(errors.ParameterError, match=r"no column 'row\.table'"):
                use("row.table")
    path.write_bytes(whole)


def test_a_row_may_be_wider_than_a_block(tmp_path):
    width = 2 * BLOCK + 3
    wide = np.repeat(np.arange(3, dtype=np.uint8)[:, None], width, axis=1)
    with Store.create(tmp_path / "s", "thing", {"codes": ("u1", width)}) as store:
        store.append({"codes": wide})
    path = tmp_path / "s" / "0" / "codes"
    damaged = bytearray(path.read_bytes())
    damaged[width + BLOCK] ^= 1
    path.write_bytes(damaged)
    with Store.open(tmp_path / "s", "thing") as reader:
        assert np.array_equal(reader.snapshot.take("codes", [0, 2]), wide[[0, 2]])
        with pytest.raises(errors.FileFormatError, match="block 3"):
            reader.snapshot.take("codes", [1])


def test_texts_are_read_from_blocks_that_are_right(large):
    path = large / "0" / "row.texts"
    whole = path.read_bytes()
    assert len(whole) > 5 * BLOCK
    damaged = bytearray(whole)
    damaged[3 * BLOCK + 5] ^= 1
    path.write_bytes(damaged)
    with Store.open(large, "thing") as reader:
        assert reader.keys([0, 999, 5]) == ["0", "999", "5"]
        assert reader.documents([999, 1]) == [b"999" * 300, b"1" * 300]
        told = 0
        for number in range(1000):
            try:
                assert reader.entry(number) == (str(number), b"%d" % number * 300, None)
            except errors.FileFormatError:
                told += 1
        assert 100 < told < 250
        with pytest.raises(errors.FileFormatError, match="block 3"):
            reader.keys(range(1000))
    path.write_bytes(whole)


# ---------------------------------------------------------------------- texts

TEXTS = st.none() | st.text(st.characters(codec="utf-8"), max_size=4)


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(TEXTS, st.none() | st.binary(max_size=5), TEXTS), max_size=8), st.data())
def test_texts_come_back_in_any_order(rows, data):
    seen = set()
    rows = [(None if key in seen else seen.add(key) or key, *rest) for key, *rest in rows]
    columns = {"codes": np.zeros((len(rows), 1), np.uint8)}
    with Store.create(None, "thing", {"codes": ("u1", 1)}) as store:
        keys, documents, sources = (list(part) for part in zip(*rows, strict=True)) if rows else ([], [], [])
        store.append({"codes": np.zeros((2, 1), np.uint8)})
        ids = store.append(columns, keys, documents, sources)
        store.append({"codes": np.zeros((1, 1), np.uint8)})
        order = data.draw(st.lists(st.integers(0, len(rows) - 1), max_size=12) if rows else st.just([]))
        asked = ids[order] if rows else []
        assert store.entries(asked) == [tuple(rows[i]) for i in order]
        assert store.keys(asked) == [rows[i][0] for i in order]
        assert store.documents(asked) == [rows[i][1] for i in order]
        assert store.sources(asked) == [rows[i][2] for i in order]
        assert store.entries([0, 1, store.ids()[-1]]) == [(None, None, None)] * 3
        assert [store.find(key) for key in seen if key is not None] == [
            ids[i] for key in seen if key is not None for i, row in enumerate(rows) if row[0] == key
        ]
        copy = store.save_copy(None)
        assert copy.entries(asked) == store.entries(asked)


@pytest.mark.parametrize(
    ("use", "match"),
    [
        (lambda s: s.append({"codes": np.zeros((1, 1), np.uint8)}, keys="a"), "keys must be a list, not 'a'"),
        (lambda s: s.append({"codes": np.zeros((1, 1), np.uint8)}, documents=b"a"), "documents must be a list, not"),
        (lambda s: s.append({"codes": np.zeros((1, 1), np.uint8)}, keys=3), "keys must be a list, not 3"),
        (lambda s: s.put({"codes": np.zeros((1, 1), np.uint8)}, keys=None), "put needs keys"),
        (lambda s: s.remove(keys="ab"), "keys must be a list, not 'ab'"),
        (lambda s: s.remove(keys=[3]), "a key is a text, not 3"),
        (lambda s: s.remove(ids="ab"), "list of integers"),
        (lambda s: s.remove(ids=[[1], [2, 3]]), "list of integers"),
        (lambda s: s.find(3), "a key is a text, not 3"),
        (lambda s: s.keys(None), "list of integers"),
        (lambda s: s.keys([2**70]), "list of integers"),
        (lambda s: s.keys([2**63]), "list of integers"),
        (lambda s: s.keys([True]), "list of integers"),
        (lambda s: s.set_meta(3), "meta must be a mapping"),
        (lambda s: s.set_meta({"x": float("nan")}), "meta must be a mapping"),
        (lambda s: s.set_meta({"x": {1, 2}}), "meta must be a mapping"),
        (lambda s: Store.create("a\0b", "thing", {"codes": ("u1", 1)}), "NUL"),
    ],
)
def test_what_is_no_key_id_or_meta_is_told(use, match):
    with Store.create(None, "thing", {"codes": ("u1", 1)}) as store:
        store.append({"codes": np.zeros((2, 1), np.uint8)}, keys=["a", "b"])
        with pytest.raises(errors.ParameterError, match=match):
            use(store)
        assert store.find("\ud800") is None
        assert (len(store), store.meta) == (2, {})


# ---------------------------------------------------------------------- records

BODIES = st.lists(
    st.binary(min_size=1, max_size=300).map(lambda body: body.replace(b"\n", b"")), min_size=1, max_size=4
)


def joined(bodies):
    content, previous, ends = b"", log.BEGIN, []
    for body in bodies:
        record = log.encoded(previous, body)
        content, previous = content + record, record[:16]
        ends.append(len(content))
    return content, ends


@settings(max_examples=100)
@given(BODIES, st.data())
def test_records_come_back_and_a_torn_one_is_left_out(bodies, data):
    content, ends = joined(bodies)
    assert [record.body for record in log.decoded(content, 0, log.BEGIN)] == bodies
    assert [record.end for record in log.decoded(content, 0, log.BEGIN)] == ends
    stop = data.draw(st.integers(0, len(content)))
    whole = sum(end <= stop for end in ends)
    assert len(log.decoded(content[:stop], 0, log.BEGIN)) == whole
    first = log.decoded(content, 0, log.BEGIN)[0]
    behind = log.decoded(content[first.end :], first.end, first.checksum)
    assert [record.body for record in behind] == bodies[1:]


@settings(max_examples=300)
@given(BODIES, st.data())
def test_a_flipped_bit_of_any_record_is_told(bodies, data):
    content, _ = joined(bodies)
    damaged = bytearray(content)
    place = data.draw(st.integers(0, len(content) - 1))
    damaged[place] ^= 1 << data.draw(st.integers(0, 7))
    with pytest.raises(ValueError, match="does not match its checksum"):
        log.decoded(bytes(damaged), 0, log.BEGIN)


def test_a_flipped_bit_of_a_record_longer_than_the_modulus_is_told():
    body = b'{"meta":"' + bytes(range(32, 127)) * 3000 + b'"}'
    content = log.encoded(log.BEGIN, body)
    for place in np.random.default_rng(0).integers(0, len(content), 30).tolist():
        damaged = bytearray(content)
        damaged[place] ^= 16
        with pytest.raises(ValueError, match="does not match its checksum"):
            log.decoded(bytes(damaged), 0, log.BEGIN)


def test_a_record_that_lacks_sectors_was_never_whole():
    """After a power loss, of a record that was just written, any sectors may be missing."""
    first, last = log.encoded(log.BEGIN, b"{}"), log.encoded(b"0" * 16, b"x" * 3000)
    for start in range(512):
        for sector in range(-start % 512, len(last), 512):
            torn = bytearray(last)
            torn[sector : sector + 512] = bytes(len(torn[sector : sector + 512]))
            assert len(log.decoded(first + bytes(torn), 0, log.BEGIN)) == 1


def test_a_byte_that_no_byte_was_is_no_repair():
    """The two sums say by how much a byte was changed and where; what it was must be a byte."""
    body = b"\xff\x00" * 3
    low, high = zlib.adler32(body) & 0xFFFF, zlib.adler32(body) >> 16
    for place, change, repaired in ((2, 1, False), (3, -1, False), (2, -1, True), (3, 1, True)):
        stored = (low + change) % log.ADLER | (high + change * (len(body) - place)) % log.ADLER << 16
        found = log._repaired(b"%016x %08x %08x %b\n" % (0, stored, len(body), body))
        changed = bytes(byte + change * (i == place) for i, byte in enumerate(body)) if repaired else None
        assert found == ([body, changed] if repaired else [body])


def test_a_log_is_long_by_what_came_after_its_first_record(tmp_path):
    written = log.Log.create(tmp_path / "commits", b"x" * (log.GROWN + 1))
    assert not written.long
    written.append(b"y" * (log.GROWN - log.HEAD - 1))
    assert not written.long
    written.append(b"")
    assert written.long
    written.close()


@given(st.lists(st.integers(0, 12), min_size=1, max_size=12), st.integers(1, 5))
def test_rows_are_copied_in_portions(sizes, most):
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(edition, "COPIED_BYTES", 20)
        patched.setattr(edition, "COPIED_ROWS", most)
        portions = [part.tolist() for part in edition._portions(np.arange(len(sizes)), np.array(sizes, np.int64))]
    assert [row for part in portions for row in part] == list(range(len(sizes)))
    for part, following in zip(portions, [*portions[1:], []], strict=True):
        total = sum(sizes[row] for row in part)
        assert len(part) == 1 or (total <= 20 and len(part) <= most)
        if following:  # there was no room for one more
            assert len(part) == most or total + sizes[following[0]] > 20


def test_columns_and_texts_count_where_rows_are_copied(monkeypatch):
    given = []
    monkeypatch.setattr(edition, "_portions", lambda rows, size: given.append(size.tolist()) or [rows])
    with Store.create(None, "thing", {"codes": ("u8", 2), "norms": ("f4", 1)}) as store:
        store.append(
            {"codes": np.zeros((2, 2), np.uint64), "norms": np.zeros((2, 1), np.float32)},
            keys=["a", "abc"],
            documents=[b"1234", None],
        )
        store.remove(keys=["abc"])
        store.compact()
    assert given == [[2 * 8 + 4 + len("a") + len("1234")]]


AT_EXIT = """
import sys
from hdc.store import Store, disk, growing, locking, log

class Last:
    def __del__(self):  # when modules are taken apart, their names are None
        for module in (disk, growing, locking, log):
            for name in vars(module):
                if not name.startswith("__"):
                    setattr(module, name, None)
        kept.clear()

kept = [Store.create(sys.argv[1], "x", {"a": ("uint64", 1)})]
sys.modules["last"], last = Last(), None
"""


def test_a_store_that_lives_until_the_interpreter_ends_says_nothing(tmp_path):
    done = subprocess.run([sys.executable, "-c", AT_EXIT, str(tmp_path / "s")], capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.parametrize("kind", [growing.DiskBytes, locking.WriterLock])
def test_what_is_forgotten_is_closed(kind, tmp_path):
    opened = kind(tmp_path / "x", True) if kind is growing.DiskBytes else kind(tmp_path)
    descriptor = opened._file
    os.fstat(descriptor)
    del opened
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(descriptor)


def test_a_file_that_is_not_there_is_named_where_the_store_is(tmp_path):
    missing = FileNotFoundError(2, "No such file", "x/codes")
    assert isinstance(store_module._incomplete(tmp_path, missing), errors.FileFormatError)
    for folder, error in ((tmp_path / "gone", missing), (tmp_path, FileNotFoundError("nothing"))):
        assert store_module._incomplete(folder, error) is error


def test_only_a_column_that_is_read_as_a_whole_is_asked_for_in_large_pages(tmp_path, monkeypatch):
    words = np.arange(BLOCK // 2, dtype=np.uint64).reshape(-1, 2)  # four blocks
    with Store.create(tmp_path / "s", "thing", {"codes": ("uint64", 2)}) as store:
        store.append({"codes": words})
    asked = []
    monkeypatch.setattr(files, "in_large_pages", lambda mapped: asked.append(len(mapped)))
    with Store.open(tmp_path / "s", "thing") as store:
        store.snapshot.check("codes", np.array([3, 4]))
        assert asked == []
        store.snapshot.check("codes")
        assert asked == [words.nbytes]
