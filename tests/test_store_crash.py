"""The store when things go wrong: killed writers, torn writes, full disks, flipped bytes."""

import errno
import json
import os
import resource
import shutil
import tempfile
from pathlib import Path

import numpy as np
import pytest
import xxhash

import hdc.files
from hdc import errors
from hdc.store import Store, disk, layout, log

FAST = "/dev/shm" if Path("/dev/shm").is_dir() else None


def column(*values):
    return {"codes": np.array(values, np.uint64).reshape(-1, 1)}


def content(store):
    live = np.flatnonzero(np.ones(store.snapshot.count) if store.alive() is None else store.alive())
    ids, codes = store.ids()[live], store.rows("codes")[live, 0]
    return [(int(codes[i]), *store.entry(ids[i])[:2]) for i in np.argsort(ids)]


@pytest.fixture
def folder(tmp_path):
    with Store.create(tmp_path / "s", "thing", {"codes": ("u8", 1)}) as store:
        store.append(column(1, 2, 3), keys=["a", "b", "c"], documents=[b"A", b"B", b"C"])
    return tmp_path / "s"


def test_files_that_no_state_counts_are_no_damage_later(folder):
    """A writer is killed after it has made files of a change that never came to be."""
    (folder / "0" / "seal").unlink()
    for name in ("row.ids", "row.dead"):
        (folder / "0" / name).write_bytes(bytes(80))
    with Store.open(folder, "thing", writable=True) as store:
        store.remove(keys=["a"])
        store.put(column(9), keys=["b"])
    with Store.open(folder, "thing") as reader:
        reader.verify()
        assert content(reader) == [(9, "b", None), (3, "c", b"C")]


def test_what_a_killed_writer_left_is_made_durable_even_if_that_fails_at_first(folder, monkeypatch):
    (folder / "0" / "seal").unlink()
    made, create = [], log.Log.create

    def fails_once(path, record):
        made.append(path)
        if len(made) == 1:
            raise OSError(28, "No space left on device")
        return create(path, record)

    with Store.open(folder, "thing", writable=True) as store:
        monkeypatch.setattr(log.Log, "create", fails_once)
        with pytest.raises(OSError, match="nothing was changed"):
            store.remove(keys=["a"])
        assert store.remove(keys=["a"]) == 1
        assert len(made) == 2
        assert store.remove(keys=["b"]) == 1
        assert len(made) == 2
    with Store.open(folder, "thing") as reader:
        assert content(reader) == [(3, "c", b"C")]


def synced(monkeypatch):
    """Return a list to which the names of files are added that are synced from now on."""
    names, real = [], disk.sync

    def sync(descriptor):
        real(descriptor)
        names.append(Path(f"/proc/self/fd/{descriptor}").resolve().name)

    monkeypatch.setattr(disk, "sync", sync)
    return names


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="files are named by /proc")
@pytest.mark.parametrize("killed", [False, True])
def test_what_a_killed_writer_wrote_last_is_durable_before_it_is_seen(folder, monkeypatch, killed):
    if killed:
        (folder / "0" / "seal").unlink()
    names = synced(monkeypatch)
    with Store.open(folder, "thing", writable=True):
        assert ("commits" in names) is killed


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="files are named by /proc")
def test_a_file_that_was_cut_is_synced_before_the_seal_says_how_long_it_is(folder, monkeypatch):
    (folder / "0" / "seal").unlink()
    with open(folder / "0" / "codes", "ab") as file:
        file.write(b"torn")
    names = synced(monkeypatch)
    Store.open(folder, "thing", writable=True).close()
    assert "codes" in names
    assert (folder / "0" / "seal").exists()


def test_a_file_that_cannot_be_cut_leaves_a_store_without_a_seal(folder, monkeypatch):
    (folder / "0" / "seal").unlink()
    with open(folder / "0" / "codes", "ab") as file:
        file.write(b"torn")

    def truncate(descriptor, length):
        raise OSError(errno.EIO, "broken")

    monkeypatch.setattr(disk, "truncate", truncate)
    Store.open(folder, "thing", writable=True).close()
    monkeypatch.undo()
    assert not (folder / "0" / "seal").exists()
    with Store.open(folder, "thing") as reader:
        reader.verify()
        assert len(content(reader)) == 3


@pytest.mark.parametrize("torn", [b"x", b"y" * 5000])
def test_a_torn_write_is_cut_off(folder, torn):
    """Bytes behind the committed rows come from a write that no transaction ended."""
    (folder / "0" / "seal").unlink()  # the writer was killed
    with open(folder / "0" / "codes", "ab") as file:
        file.write(torn)
    with Store.open(folder, "thing") as reader:
        assert len(content(reader)) == 3
        reader.verify()
    with Store.open(folder, "thing", writable=True) as writer:
        assert (folder / "0" / "codes").stat().st_size == 24
        writer.append(column(4), keys=["d"])
        writer.verify()
        assert [value for value, *_ in content(writer)] == [1, 2, 3, 4]


def test_a_shortened_column_is_told(folder):
    (folder / "0" / "codes").write_bytes(bytes(23))
    with pytest.raises(errors.FileFormatError, match="23 bytes, and 24 were written"):
        Store.open(folder, "thing")


def test_columns_are_on_the_disk_before_the_record_that_counts_them(folder, monkeypatch):
    events = []

    def traced(name, real):
        def call(target, *arguments):
            result = real(target, *arguments)
            path = Path(f"/proc/self/fd/{target}").readlink() if isinstance(target, int) else target
            events.append((name, path.name))
            return result

        return call

    with Store.open(folder, "thing", writable=True) as store:
        for name in ("write_at", "sync", "sync_folder", "unlink"):
            monkeypatch.setattr(disk, name, traced(name, getattr(disk, name)))
        store.put(column(9), keys=["a"])
        monkeypatch.undo()
    assert events[:2] == [("unlink", "seal"), ("sync_folder", "0")]  # first of all, the seal is broken, durably
    assert events[-2:] == [("write_at", "commits"), ("sync", "commits")]
    files = ["codes", "row.ids", "row.texts", "row.table", "row.dead"]
    written = [name for event, name in events[:-2] if event == "write_at"]
    assert sorted(set(written)) == sorted(files)
    synced = [name for event, name in events[:-2] if event == "sync"]
    assert sorted(synced) == sorted(files)
    assert events.index(("sync", synced[0])) > max(i for i, event in enumerate(events[:-2]) if event[0] == "write_at")
    assert events[-3] == ("sync_folder", "0")  # the new files of ids and dead rows have names there


@pytest.fixture
def memory():
    """A folder in which a sync costs nothing."""
    with tempfile.TemporaryDirectory(dir=FAST) as place:
        yield Path(place)


class Faults:
    """Let the calls of :mod:`hdc.store.disk` fail from the ``after``-th on: ``times`` of them, half done."""

    CALLS = ("open_file", "write_at", "sync", "sync_folder", "truncate", "rename", "unlink", "make_folder")

    def __init__(self, monkeypatch, after, error, times=1):
        self.left, self.times, self.error, self.calls = after, times, error, []
        for name in self.CALLS:
            monkeypatch.setattr(disk, name, self.wrapped(name, getattr(disk, name)))
        monkeypatch.setattr(os, "replace", self.wrapped("replace", os.replace))

    def wrapped(self, name, real):
        def call(*arguments, **options):
            self.calls.append(name)
            if self.left > 0 or self.times == 0:
                self.left -= 1
                return real(*arguments, **options)
            self.times -= 1
            if name == "write_at":
                descriptor, data, start = arguments
                real(descriptor, memoryview(data).cast("B")[: len(data) // 2], start)
            raise OSError(self.error, os.strerror(self.error))

        return call


FOR_EVER = 10**9

CHANGES = {
    "append": lambda store: store.append(column(8), keys=["new"], documents=[b"D"]),
    "put": lambda store: store.put(column(8, 9), keys=["a", "new"]),
    "replace": lambda store: store.replace([1], column(8)),
    "remove": lambda store: store.remove(ids=[1]),
    "set_meta": lambda store: store.set_meta({"x": 1}),
}


@pytest.mark.parametrize("error", [errno.ENOSPC, errno.EIO])
@pytest.mark.parametrize("times", [1, 2, FOR_EVER])
@pytest.mark.parametrize("change", list(CHANGES))
def test_a_disk_that_fails_at_any_call(memory, monkeypatch, change, times, error):
    """Whatever call fails, the store is as it was, or as the change makes it, and the error says which."""
    make = CHANGES[change]
    with Store.create(None, "thing", {"codes": ("u8", 1)}) as model:
        model.append(column(1, 2, 3), keys=["a", "b", "c"], documents=[b"A", b"B", b"C"])
        before = content(model), model.meta
        make(model)
        after = content(model), model.meta
    unknown = 0
    for call in range(100):
        folder = memory / str(call)
        with Store.create(folder, "thing", {"codes": ("u8", 1)}) as store:
            store.append(column(1, 2, 3), keys=["a", "b", "c"], documents=[b"A", b"B", b"C"])
        store = Store.open(folder, "thing", writable=True)
        faults = Faults(monkeypatch, call, error, times)
        try:
            make(store)
            told = "done"
        except OSError as failure:
            told = str(failure)
        monkeypatch.undo()
        found = content(store), store.meta
        if told == "done":
            assert found == after
        elif "nothing was changed" in told:
            assert found == before
            store.verify()
            make(store)
            assert (content(store), store.meta) == after
        else:
            assert "not known whether the change was made" in told
            assert found == before
            unknown += 1
            with pytest.raises(errors.ConflictError, match="open it again"):
                make(store)
        store.close()
        with Store.open(folder, "thing", writable=True) as store:
            store.verify()
            found = content(store), store.meta
            assert found in (before, after) if "not known" in told else found == after
        if told == "done" and len(faults.calls) <= call:
            break
    assert told == "done"
    assert call > 3
    assert unknown == (0 if times == 1 else 2)  # the record is neither written and synced nor cut off again


@pytest.mark.parametrize("times", [1, FOR_EVER])
def test_a_disk_that_fails_while_a_store_is_compacted_or_closed(memory, monkeypatch, times):
    for call in range(100):
        folder = memory / str(call)
        with Store.create(folder, "thing", {"codes": ("u8", 1)}) as store:
            store.append(column(1, 2, 3), keys=["a", "b", "c"])
            store.remove(ids=[1])
        store = Store.open(folder, "thing", writable=True)
        before = content(store)
        faults = Faults(monkeypatch, call, errno.EIO, times)
        told = "done"
        try:
            store.compact()
        except OSError as failure:
            told = str(failure)
            assert "nothing was changed" in told
        monkeypatch.undo()
        assert content(store) == before
        store.append(column(4))  # as a writer goes on
        faults = Faults(monkeypatch, call, errno.EIO, times)
        store.close()
        monkeypatch.undo()
        for writable in (False, True):
            with Store.open(folder, "thing", writable=writable) as store:
                assert content(store) == [*before, (4, None, None)]
                store.verify()
        if told == "done" and len(faults.calls) <= call:
            break
    assert call > 5


@pytest.mark.parametrize("documents", [None, [bytes(1000)] * 5000])
def test_a_limit_on_file_sizes_leaves_the_store_as_it_was(folder, documents):
    """The system refuses to let a file grow: in the column, and, with documents, in the catalog or its journal."""
    count = 5000 if documents else 20_000
    with Store.open(folder, "thing", writable=True) as store:
        before = content(store)
        limits = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, limits[1]))
        try:
            with pytest.raises(OSError):  # noqa: PT011 — the text is the system's or SQLite's
                store.append(column(*range(count)), documents=documents)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        assert content(store) == before
        store.verify()
        store.append(column(*range(count)), documents=documents)
    with Store.open(folder, "thing") as reader:
        reader.verify()
        assert len(reader) == count + 3


def test_damage_is_not_copied(folder, tmp_path):
    path = folder / "0" / "codes"
    path.write_bytes(b"\xff" + path.read_bytes()[1:])
    with Store.open(folder, "thing", writable=True) as store:
        for copy in (store.compact, lambda: store.save_copy(tmp_path / "copy"), lambda: store.save_copy(None)):
            with pytest.raises(errors.FileFormatError, match="codes: block 0"):
                copy()
    assert not (tmp_path / "copy").exists()


def test_damage_is_not_hidden_by_a_change(folder):
    """A block that still grows gets a new checksum: of what was written, not of what the disk makes of it."""
    path = folder / "0" / "codes"
    path.write_bytes(b"\xff" + path.read_bytes()[1:])
    with Store.open(folder, "thing", writable=True) as store:
        with pytest.raises(errors.FileFormatError, match="block 0 does not match"):
            store.append(column(4))
        with pytest.raises(errors.FileFormatError, match="block 0"):
            store.rows("codes")


def test_a_document_is_checked_when_it_is_read(folder):
    path = folder / "0" / "row.texts"
    path.write_bytes(path.read_bytes().replace(b"B", b"X"))
    with Store.open(folder, "thing") as reader:
        for read in (lambda: reader.document(1), lambda: reader.find("b"), lambda: reader.keys([0]), reader.verify):
            with pytest.raises(errors.FileFormatError, match=r"row.texts.* block 0"):
                read()


@pytest.mark.parametrize("killed", [False, True])
def test_a_flipped_bit_is_told_or_does_no_harm(tmp_path, killed):
    """Every 7th byte of every file, one bit of it; benchmarks/fuzz_store.py flips them all."""
    folder = tmp_path / "s"
    with Store.create(folder, "thing", {"codes": ("u8", 1)}) as store:
        store.append(column(1, 2, 3), keys=["a", "b", "c"], documents=[b"A", b"B", b"C"])
        store.put(column(9), keys=["b"], documents=[b"D"])
        store.remove(keys=["a"])
        if killed:
            shutil.copytree(folder, tmp_path / "copy")
            folder = tmp_path / "copy"
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert (folder / "0" / "seal" in files) is not killed
    for path in files:
        whole = path.read_bytes()
        for place in range(0, len(whole), 7):
            damaged = bytearray(whole)
            damaged[place] ^= 1 << (place // 7) % 8
            path.write_bytes(damaged)
            try:
                with Store.open(folder, "thing") as reader:
                    assert content(reader) == [(9, "b", b"D"), (3, "c", b"C")]
                    assert [reader.find(key) for key in "abc"] == [None, 1, 2]
                    assert path.name == "lock"
            except errors.FileFormatError:
                pass
        path.write_bytes(whole)


def test_a_log_that_was_shortened_after_it_was_closed_is_told(folder):
    with Store.open(folder, "thing", writable=True) as store:
        store.append(column(4))
        path = folder / "0" / "commits"
        whole = path.read_bytes()
        first = whole.index(b"\n") + 1
        layout.write_seal(folder / "0", log.read(path)[0][-1])
        path.write_bytes(whole[:first])
        with pytest.raises(errors.FileFormatError, match="does not end as it was closed"):
            Store.open(folder, "thing")
        path.write_bytes(whole)


def test_a_torn_record_does_not_count(folder):
    path = folder / "0" / "commits"
    closed = path.read_bytes()
    with Store.open(folder, "thing", writable=True) as store:
        store.append(column(4))
        whole = path.read_bytes()
        for stop in range(len(closed), len(whole)):
            for torn in (whole[:stop], whole[:stop] + bytes(len(whole) - stop)):
                path.write_bytes(torn)
                with Store.open(folder, "thing") as reader:
                    assert len(reader) == 3
        path.write_bytes(whole)
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(errors.FileFormatError, match="no whole record"):
        Store.open(folder, "thing")


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (lambda body: body.update(rows=4), "bytes for 4 rows"),
        (lambda body: body.update(rows=-1), "rows must be an integer from 0 to 4294967296, not -1"),
        (lambda body: body.update(rows=True), "rows must be"),
        (lambda body: body.update(next_id=2**32 + 1), "next_id must be"),
        (lambda body: body.update(next_id=1), "next id is 1, and 3"),
        (lambda body: body.update(columns={"../x": ["<u8", 1]}), "no name for a column"),
        (lambda body: body.update(columns={"codes": ["|O", 1]}), "column 'codes'"),
        (lambda body: body.update(columns={"codes": ["<u8", 0]}), "width must be"),
        (lambda body: body.update(columns={"codes": ["<u8", 2**61]}), "bytes for 3 rows"),
        (lambda body: body.update(columns={}), "no column"),
        (lambda body: body.update(columns=[]), "columns must be an object"),
        (lambda body: body.update(meta=3), "meta must be an object"),
        (lambda body: body["files"].update({"../../x": [8, "0" * 16]}), "name of no file"),
        (lambda body: body["files"].update(codes=[2**61, "0" * 16]), "digits of checksums"),
        (lambda body: body["files"].update(codes=[24, "zz" * 8]), "non-hexadecimal"),
        (lambda body: body["files"].update(codes=[24, "0 0 0 0 0 0 0 0 "]), "non-hexadecimal|digits"),
        (lambda body: body["files"].update(codes=8), "file 'codes'"),
        (lambda body: body["files"].update({"row.dead": [80, "0" * 16]}), "bytes for 3 rows"),
        (lambda body: body["files"].pop("row.table"), "texts that belong to no row"),
        (lambda body: body.pop("files"), "files must be an object"),
        (lambda body: body.update(generation=None), "generation must be"),
        (lambda body: body.update(generation=2**62), "generation must be"),
    ],
)
def test_a_log_with_right_checksums_is_held_against_its_schema(folder, change, match):
    path = folder / "0" / "commits"
    body = json.loads(path.read_bytes()[log.HEAD :])
    change(body)
    path.write_bytes(log.encoded(log.BEGIN, json.dumps(body).encode()))
    (folder / "0" / "seal").unlink()
    for writable in (False, True):
        with pytest.raises(errors.FileFormatError, match=match):
            Store.open(folder, "thing", writable=writable)


@pytest.mark.parametrize("meta", [{"edition": "../.."}, {"edition": -1}, {"format": "2"}, {"kind": 3}, {"more": 1}])
def test_what_names_the_edition_is_held_against_its_schema(folder, meta):
    hdc.files.save(folder / "current", "store", {"kind": "thing", "format": 2, "edition": 0, **meta}, {}, version=2)
    with pytest.raises(errors.FileFormatError, match="names no edition"):
        Store.open(folder, "thing")


@pytest.mark.parametrize(
    ("name", "values", "read"),
    [
        ("row.ids", [0, 7, 2, 3], lambda store: store.ids()),
        ("row.ids", [0, -1, 2, 3], lambda store: store.positions([0])),
        ("row.dead", [4], lambda store: store.alive()),
        ("row.dead", [-1], lambda store: store.positions([0])),
        ("row.table", [0, 0, 0, 2**40] * 4, lambda store: store.document(0)),
        ("row.table", [2**63, 0, 0, 1] * 4, lambda store: store.keys([0])),
        ("row.table", [0, 0, 2**32 - 1, 1] * 4, lambda store: store.entry(0)),
        ("row.texts", b"\xff" * 8, lambda store: store.key(0)),
    ],
)
def test_rows_with_right_checksums_are_held_against_their_ranges(folder, name, values, read):
    with Store.open(folder, "thing", writable=True) as store:
        store.put(column(4), keys=["a"], documents=[b"D"])
    path, place = folder / "0" / "commits", folder / "0" / name
    content = (
        values if isinstance(values, bytes) else np.array(values, np.uint64 if max(values) > 9 else "<i8").tobytes()
    )
    assert len(content) == place.stat().st_size
    place.write_bytes(content)
    body = json.loads(path.read_bytes()[log.HEAD :])
    body["files"][name][1] = f"{xxhash.xxh3_64_intdigest(content):016x}"
    path.write_bytes(log.encoded(log.BEGIN, json.dumps(body).encode()))
    (folder / "0" / "seal").unlink()
    with Store.open(folder, "thing") as store:
        with pytest.raises(errors.FileFormatError, match="damaged"):
            read(store)
        with pytest.raises(errors.FileFormatError, match="damaged"):
            store.verify()
