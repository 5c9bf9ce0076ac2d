"""The store when things go wrong: killed writers, torn writes, full disks, flipped bytes."""

import errno
import os
import resource
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from hdc import errors
from hdc.store import Store

BENCHMARK = Path(__file__).parent.parent / "benchmarks" / "bench_store_crash.py"


def column(*values):
    return {"codes": np.array(values, np.uint64).reshape(-1, 1)}


def content(store):
    return [(int(store.rows("codes")[row, 0]), *store.entry(i)[:2]) for i, row in zip(*store._known(), strict=True)]


@pytest.fixture
def folder(tmp_path):
    with Store.create(tmp_path / "s", "thing", {"codes": ("u8", 1)}) as store:
        store.append(column(1, 2, 3), keys=["a", "b", "c"], documents=[b"A", b"B", b"C"])
    return tmp_path / "s"


@pytest.mark.slow
def test_killed_writers_lose_nothing_and_flipped_bytes_are_told(tmp_path):
    done = subprocess.run(
        [sys.executable, BENCHMARK, "--kills", "8", "--every", "101", "--folder", tmp_path],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Writers killed: 8" in done.stdout
    assert "LOST" not in done.stdout
    assert "told by verify" in done.stdout


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


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="needs /proc to name the files")
def test_columns_are_on_the_disk_before_the_transaction_that_counts_them(folder, monkeypatch):
    events = []

    def traced(name, real):
        def call(descriptor, *arguments):
            result = real(descriptor, *arguments)
            events.append((name, Path(f"/proc/self/fd/{descriptor}").readlink().name))
            return result

        return call

    with Store.open(folder, "thing", writable=True) as store:
        store._edition.catalogue._tables.set_trace_callback(
            lambda statement: events.append(("sql", statement.split()[0]))
        )
        for name in ("pwrite", "fsync"):
            monkeypatch.setattr(os, name, traced(name, getattr(os, name)))
        store.put(column(9), keys=["a"])
        monkeypatch.undo()
    seal = events.index(("fsync", "0"))  # the seal is broken, and that is on the disk, first of all
    commit = events.index(("sql", "COMMIT"))
    for name in ("codes", "id"):
        written, synced = events.index(("pwrite", name)), events.index(("fsync", name))
        assert seal < written < synced < commit
    assert ("fsync", "0") in events[seal + 1 : commit]  # the new file of ids has a name there
    synchronous = store_setting(folder, "synchronous")
    assert synchronous == 2  # FULL: SQLite syncs its journal and file before COMMIT returns


def store_setting(folder, name):
    with Store.open(folder, "thing", writable=True) as store:
        return store._edition.catalogue._tables.execute(f"PRAGMA {name}").fetchone()[0]


def failing(real, after, error):
    """Return a function that works ``after`` times and then fails, writing half of what it is given."""
    calls = iter(range(10**9))

    def call(descriptor, data=b"", *rest):
        if next(calls) < after:
            return real(descriptor, data, *rest) if rest else real(descriptor)
        if rest:
            real(descriptor, data[: len(data) // 2], *rest)
        raise OSError(error, os.strerror(error))

    return call


@pytest.mark.parametrize(
    ("step", "after", "error"), [("pwrite", 0, errno.ENOSPC), ("pwrite", 1, errno.ENOSPC), ("fsync", 1, errno.EIO)]
)
def test_a_disk_that_fills_or_fails_leaves_the_store_as_it_was(folder, monkeypatch, step, after, error):
    with Store.open(folder, "thing", writable=True) as store:
        before = content(store)
        monkeypatch.setattr(os, step, failing(getattr(os, step), after, error))
        with pytest.raises(OSError, match=os.strerror(error)):
            store.put(column(8, 9), keys=["a", "new"])
        monkeypatch.undo()
        assert content(store) == before
        store.verify()
        assert store.put(column(8, 9), keys=["a", "new"]).tolist() == [0, 3]
    with Store.open(folder, "thing") as reader:
        reader.verify()
        assert [value for value, *_ in content(reader)] == [8, 2, 3, 9]


def test_a_catalogue_that_does_not_fit_leaves_the_store_as_it_was(folder):
    with Store.open(folder, "thing", writable=True) as store:
        before = content(store)
        pages = store._edition.catalogue._tables.execute("PRAGMA page_count").fetchone()[0]
        store._edition.catalogue._tables.execute(f"PRAGMA max_page_count = {pages + 1}")
        with pytest.raises(OSError, match="full; nothing was changed"):
            store.append(column(*range(5)), documents=[bytes(10_000)] * 5)
        assert content(store) == before
        assert (folder / "0" / "codes").stat().st_size == 24
        store.append(column(4))
        store.verify()


@pytest.mark.parametrize("documents", [None, [bytes(1000)] * 5000])
def test_a_limit_on_file_sizes_leaves_the_store_as_it_was(folder, documents):
    """The system refuses to let a file grow: in the column, and, with documents, in the catalogue or its journal."""
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


def test_a_full_disk_at_the_end_leaves_a_store_without_a_seal(folder, monkeypatch):
    store = Store.open(folder, "thing", writable=True)
    store.append(column(4))
    monkeypatch.setattr(os, "replace", failing(os.replace, 0, errno.ENOSPC))
    store.close()
    monkeypatch.undo()
    assert not (folder / "0" / "seal").exists()
    with Store.open(folder, "thing") as reader:
        assert len(reader) == 4
        reader.verify()


def test_compaction_that_fails_leaves_the_store_as_it_was(folder, monkeypatch):
    with Store.open(folder, "thing", writable=True) as store:
        store.remove(ids=[1])
        before = content(store)
        monkeypatch.setattr(os, "replace", failing(os.replace, 0, errno.ENOSPC))
        with pytest.raises(OSError, match="No space"):
            store.compact()
        monkeypatch.undo()
        assert content(store) == before
        assert sorted(path.name for path in folder.iterdir()) == ["0", "current", "lock"]
        store.append(column(4))
        store.compact()
        assert [value for value, *_ in content(store)] == [1, 3, 4]
        store.verify()


def test_damage_is_not_copied(folder, tmp_path):
    path = folder / "0" / "codes"
    path.write_bytes(b"\xff" + path.read_bytes()[1:])
    with Store.open(folder, "thing", writable=True) as store:
        for copy in (store.compact, lambda: store.save_copy(tmp_path / "copy"), lambda: store.save_copy(None)):
            with pytest.raises(errors.FileFormatError, match="column 'codes': block 0"):
                copy()
    assert not (tmp_path / "copy").exists()


def test_a_document_is_checked_when_it_is_read(folder):
    path = folder / "0" / "catalogue"
    assert path.read_bytes().count(b"bB") == 1
    path.write_bytes(path.read_bytes().replace(b"bB", b"bX"))
    with Store.open(folder, "thing") as reader:
        assert reader.document(0) == b"A"
        with pytest.raises(errors.FileFormatError, match="row 1 does not match"):
            reader.document(1)
        with pytest.raises(errors.FileFormatError, match="not those it was closed with"):
            reader.verify()
    (folder / "0" / "seal").unlink()  # as if its writer had been killed: the rows still tell
    with Store.open(folder, "thing") as reader, pytest.raises(errors.FileFormatError, match="its rows do not match"):
        reader.verify()
