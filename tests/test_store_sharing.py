"""One store, several threads and processes: the concurrency contract of docs/explanation/store.md, point by point."""

import contextlib
import itertools
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

import numpy as np
import pytest

from hdc import errors
from hdc.store import Store, disk, log
from hdc.store.locking import WriterLock

COLUMNS = {"codes": ("uint64", 2), "norms": ("float32", 1)}

needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")


def rows(*values):
    numbers = np.array(values, np.uint64).reshape(-1, 1)
    return {"codes": np.hstack([numbers, numbers + 1]).astype(np.uint64), "norms": numbers.astype(np.float32)}


def content(snapshot):
    """Return {id: (number, key)} of a snapshot, whose columns, ids, keys and documents must belong together."""
    live = np.arange(snapshot.count) if snapshot.alive is None else np.flatnonzero(snapshot.alive)
    codes, norms, entries = snapshot.rows("codes")[live], snapshot.rows("norms")[live, 0], snapshot.entries(live)
    numbers, ids = codes[:, 0].tolist(), snapshot.ids[live].tolist()
    assert (codes[:, 1] - codes[:, 0] == 1).all()
    assert norms.tolist() == numbers
    assert [document for _, document, _ in entries] == [b"%d" % number for number in numbers]
    assert len(set(ids)) == len(ids) == len(snapshot)
    assert snapshot.positions(ids).tolist() == live.tolist()
    keys = [key for key, _, _ in entries]
    assert snapshot.find_all(keys) == [None if key is None else row for key, row in zip(keys, live, strict=True)]
    return dict(zip(ids, zip(numbers, keys, strict=True), strict=True))


def documents(values):
    return [b"%d" % value for value in values]


def run(*functions):
    """Run functions in threads at once and raise what any of them raises."""
    failed = []

    def guarded(function):
        try:
            function()
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=guarded, args=(function,)) for function in functions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failed:
        raise failed[0]


@pytest.fixture(autouse=True)
def quick_switches():
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    yield
    sys.setswitchinterval(before)


@pytest.fixture
def folder():
    with tempfile.TemporaryDirectory(dir="/dev/shm" if os.path.isdir("/dev/shm") else None) as place:
        Path(place).chmod(0o755)
        path = Path(place) / "s"
        with Store.create(path, "thing", COLUMNS) as store:
            store.append(rows(1, 2, 3), keys=["a", "b", "c"], documents=documents([1, 2, 3]))
        yield path


@pytest.fixture(params=["memory", "disk"])
def store(request, folder):
    made = (
        Store.create(None, "thing", COLUMNS)
        if request.param == "memory"
        else Store.open(folder, "thing", writable=True)
    )
    with made:
        yield made


# ---------------------------------------------------------------------- threads


def test_eight_threads_that_append_lose_nothing(store):
    first = len(store)
    acknowledged = []

    def append(thread):
        for i in range(25):
            values = [1000 * thread + 10 * i + j for j in range(1 + i % 3)]
            ids = store.append(rows(*values), keys=[str(v) for v in values], documents=documents(values))
            acknowledged.append(dict(zip(ids.tolist(), ((v, str(v)) for v in values), strict=True)))

    run(*(lambda thread=thread: append(thread) for thread in range(1, 9)))
    expected = {number: row for batch in acknowledged for number, row in batch.items()}
    found = content(store.snapshot)
    assert len(expected) == sum(map(len, acknowledged)) == len(found) - first
    assert found.items() >= expected.items()
    store.verify()
    if store._folder is not None:
        with Store.open(store._folder, "thing") as reader:
            assert content(reader.snapshot) == found
            reader.verify()


def test_readers_see_whole_states_while_others_write(store):
    """Each put replaces all of eight keys at once: a state in which their numbers differ is half made."""
    keys, done = [f"k{i}" for i in range(8)], threading.Event()
    store.put(rows(*[0] * 8), keys=keys, documents=documents([0] * 8))
    seen = []

    def write(thread):
        for i in itertools.count():
            if i >= 40 and len(set(seen)) > 3:
                break
            value = 100_000 * thread + i
            store.put(rows(*[value] * 8), keys=keys, documents=documents([value] * 8))
            if i % 10 == 9:
                store.append(rows(7), documents=[b"7"])
            if i == 20:
                store.compact()

    def read():
        try:
            while not done.is_set():
                snapshot = store.snapshot
                found = content(snapshot)
                numbers = {number for number, key in found.values() if key in keys}
                assert len(numbers) == 1
                assert content(snapshot) == found
                seen.append(snapshot.generation)
        finally:
            seen.extend(range(-9, 0))  # nobody waits for a reader that failed

    def write_all():
        try:
            run(*(lambda thread=thread: write(thread) for thread in (1, 2)))
        finally:
            done.set()

    run(write_all, read, read)
    store.verify()


def test_a_snapshot_stays_as_it_is(store):
    store.put(rows(4, 5), keys=["x", "y"], documents=documents([4, 5]))
    snapshot = store.snapshot
    before = content(snapshot), snapshot.meta, snapshot.generation
    codes, alive = snapshot.rows("codes"), snapshot.alive
    held = codes.copy()
    store.put(rows(6), keys=["x"], documents=documents([6]))
    store.remove(keys=["y"])
    for value in range(200):  # a buffer in memory grows several times
        store.append(rows(value), documents=documents([value]))
    store.set_meta({"new": 1})
    store.compact()
    store.append(rows(*range(9)), documents=documents(range(9)))
    store.close()
    assert (content(snapshot), snapshot.meta, snapshot.generation) == before
    assert np.array_equal(codes, held)
    assert snapshot.alive is alive
    assert snapshot.find("x") is not None
    with pytest.raises(errors.ParameterError, match="closed"):
        store.snapshot  # noqa: B018 - a property that raises


# ---------------------------------------------------------------------- several handles and processes


def test_a_writer_whose_log_was_changed_by_another_one_refuses(folder):
    """Two objects that both think they are the only writer: not every disk has locks that work."""
    with Store.open(folder, "thing", writable=True) as store:
        store.append(rows(4), documents=[b"4"])
        store._lock.release()
        with Store.open(folder, "thing", writable=True) as other:
            other.append(rows(5), documents=[b"5"])
            before = content(other.snapshot)
        for change in (lambda: store.append(rows(6), documents=[b"6"]), lambda: store.remove(ids=[0]), store.compact):
            with pytest.raises(errors.ConflictError, match=r"nothing was changed.*open it again"):
                change()
    with Store.open(folder, "thing") as reader:
        assert content(reader.snapshot) == before
        reader.verify()


def test_a_writer_whose_store_was_compacted_or_replaced_by_another_one_refuses(folder):
    for change in (lambda other: other.compact(), lambda other: shutil.rmtree(other._folder)):
        with Store.open(folder, "thing", writable=True) as store:
            store._lock.release()
            with Store.open(folder, "thing", writable=True) as other:
                change(other)
                with pytest.raises(errors.ConflictError, match="another writer"):
                    store.append(rows(6), documents=[b"6"])


def test_a_reader_of_a_folder_that_was_replaced_goes_over_to_the_new_one(folder):
    with Store.open(folder, "thing") as reader:
        before = content(reader.snapshot)
        aside = folder.with_name("new")
        with Store.create(aside, "thing", COLUMNS) as new:
            new.append(rows(*range(20)), documents=documents(range(20)))
            expected = content(new.snapshot)
        folder.rename(folder.with_name("old"))
        aside.rename(folder)
        snapshot, edition = reader.snapshot, reader.generation[0]
        assert content(reader.snapshot) == before
        assert reader.refresh()
        assert content(reader.snapshot) == expected
        assert reader.generation[0] != edition
        assert content(snapshot) == before
        assert not reader.refresh()
        reader.verify()


def test_a_reader_changes_what_it_sees_in_refresh_only(folder):
    """The issue's example: verify() on a reader brought removed rows back."""
    with Store.open(folder, "thing", writable=True) as writer, Store.open(folder, "thing") as reader:
        before = content(reader.snapshot)
        writer.put(rows(4), keys=["a"], documents=[b"4"])
        writer.append(rows(5), keys=["d"], documents=[b"5"])
        writer.remove(keys=["b"])
        for use in (reader.verify, lambda: reader.find("d"), lambda: reader.rows("codes"), lambda: len(reader)):
            use()
            assert content(reader.snapshot) == before
        assert reader.refresh()
        assert content(reader.snapshot) == content(writer.snapshot)
        writer.compact()
        reader.verify()
        assert reader.find("b") is None
        assert reader.refresh()
        assert content(reader.snapshot) == content(writer.snapshot)


def test_a_reader_that_stopped_blocks_no_writer(folder):
    code = (
        "import os, signal, sys; from hdc.store import Store;"
        f"s = Store.open({str(folder)!r}, 'thing'); s.rows('codes'); print('!', flush=True); sys.stdin.read()"
    )
    child = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        assert child.stdout.read(1) == b"!"
        child.send_signal(signal.SIGSTOP)
        with Store.open(folder, "thing", writable=True) as writer:
            writer.append(rows(4), documents=[b"4"])
            writer.compact()
            writer.append(rows(5), documents=[b"5"])
    finally:
        child.kill()
        child.communicate()


READER = """
import sys
from pathlib import Path
from hdc.store import Store
from tests.test_store_sharing import content

folder, kept, seen = Path(sys.argv[1]), [], 0
reader = Store.open(folder, "thing")
print("!", flush=True)
running = True
while running:
    running = not folder.with_name("stop").exists()
    if reader.refresh():
        seen += 1
        snapshot = reader.snapshot
        found = content(snapshot)
        numbers = {number for number, key in found.values() if key and key[0] == "k"}
        assert len(numbers) == 1, numbers
        kept = [(snapshot, found), *kept[:2]]
        for old, then in kept:
            assert content(old) == then
        reader.verify()
    if seen % 7 == 6:
        reader.close()
        reader = Store.open(folder, "thing")
        seen += 1
print(seen)
"""


def test_a_reader_in_another_process_sees_whole_states(folder, monkeypatch):
    monkeypatch.setattr(log, "GROWN", 2000)
    keys = [f"k{i}" for i in range(8)]
    with Store.open(folder, "thing", writable=True) as writer:
        writer.put(rows(*[0] * 8), keys=keys, documents=documents([0] * 8))
    root = str(Path(__file__).parent.parent)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([root, os.environ.get("PYTHONPATH", "")])}
    command = [sys.executable, "-c", READER, str(folder)]
    child = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment, cwd=root)
    try:
        assert child.stdout.readline() == "!\n"
        for number in range(1, 150):
            if number % 20 == 1:
                writer = Store.open(folder, "thing", writable=True)
            writer.put(rows(*[number] * 8), keys=keys, documents=documents([number] * 8))
            if number % 13 == 0:
                writer.compact()
            if number % 20 == 0:
                writer.close()
        writer.close()
    finally:
        folder.with_name("stop").touch()
        told, _ = child.communicate(timeout=60)
    assert child.returncode == 0
    assert int(told) > 0


def killed_writer(folder):
    """Let a writer add a row and die without closing."""
    code = (
        "import os, signal; import numpy as np; from hdc.store import Store;"
        f"s = Store.open({str(folder)!r}, 'thing', writable=True);"
        "n = np.array([[4, 5]], np.uint64); s.append({'codes': n, 'norms': n[:, :1].astype('f4')}, documents=[b'4']);"
        "os.kill(os.getpid(), signal.SIGKILL)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == -signal.SIGKILL


@contextlib.contextmanager
def forbidden_to_write(folder):
    """Take the permission to write in a folder; the superuser becomes somebody else for a while."""
    for path in [*folder.rglob("*"), folder]:
        path.chmod(0o555 if path.is_dir() else 0o444)
    superuser = os.geteuid() == 0
    if superuser:
        os.seteuid(65534)
    try:
        yield
    finally:
        if superuser:
            os.seteuid(0)
        for path in [folder, *folder.rglob("*")]:
            path.chmod(0o755)


@pytest.mark.skipif(not hasattr(os, "seteuid"), reason="needs users")
@pytest.mark.parametrize("killed", [False, True])
def test_a_store_is_read_without_permission_to_write(folder, killed):
    if killed:
        killed_writer(folder)
    with forbidden_to_write(folder):
        with Store.open(folder, "thing") as reader:
            assert len(content(reader.snapshot)) == (4 if killed else 3)
            reader.verify()
            assert not reader.refresh()
        with pytest.raises(PermissionError):
            Store.open(folder, "thing", writable=True)


# ---------------------------------------------------------------------- fork


def in_child(function):
    """Run a function in a child made by fork; raise if it does there."""
    child = os.fork()
    if child == 0:
        try:
            function()
        except BaseException:
            import traceback

            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0


@needs_fork
def test_a_child_made_by_fork_cannot_write_with_its_parents_handle(folder):
    with Store.open(folder, "thing", writable=True) as store:
        store.append(rows(4), documents=[b"4"])

        def use():
            changes = [lambda: store.append(rows(5), documents=[b"5"]), lambda: store.remove(ids=[0]), store.compact]
            for change in changes:
                with pytest.raises(errors.ConflictError, match=rf"process {os.getppid()}.*child made by fork.*open"):
                    change()
            assert len(content(store.snapshot)) == 4  # reading goes on
            with pytest.raises(BlockingIOError, match=f"process {os.getppid()} on"):
                Store.open(folder, "thing", writable=True)
            store.close()

        in_child(use)
        store.append(rows(5), documents=[b"5"])  # the parent goes on, and its lock holds
        with pytest.raises(BlockingIOError):
            Store.open(folder, "thing", writable=True)
        assert not (folder / "0" / "seal").exists()
    with Store.open(folder, "thing") as reader:
        assert len(content(reader.snapshot)) == 5
        reader.verify()


@needs_fork
def test_a_child_made_while_a_thread_changes_the_store_can_read_and_refresh(folder):
    with Store.open(folder, "thing", writable=True) as store, Store.open(folder, "thing") as reader:
        store._changing.acquire()
        reader._changing.acquire()
        held = threading.Thread(target=lambda: in_child(lambda: (content(store.snapshot), reader.refresh())))
        held.start()
        held.join(30)
        assert not held.is_alive()
        store._changing.release()
        reader._changing.release()


@needs_fork
@pytest.mark.parametrize("way", ["fork", "subprocess"])
def test_the_lock_of_a_dead_parent_does_not_live_on_in_its_child(folder, way):
    """The parent opens the store, starts a child that lives longer, and dies."""
    sleep = "import os, time; print(os.getpid(), flush=True); time.sleep(60)"
    start = {
        "fork": "if os.fork() == 0:\n    print(os.getpid(), flush=True)\n    time.sleep(60)",
        "subprocess": f"subprocess.Popen([sys.executable, '-c', {sleep!r}])",
    }[way]
    code = (
        "import os, signal, subprocess, sys, time\nfrom hdc.store import Store\n"
        f"store = Store.open({str(folder)!r}, 'thing', writable=True)\n{start}\n"
        "time.sleep(60)"
    )
    parent = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    child = int(parent.stdout.readline())
    parent.kill()
    parent.wait()
    try:
        os.kill(child, 0)
        with Store.open(folder, "thing", writable=True) as store:
            store.append(rows(4), documents=[b"4"])
    finally:
        os.kill(child, signal.SIGKILL)
        parent.stdout.close()


@needs_fork
def test_a_store_in_memory_is_the_childs_own(folder):
    with Store.create(None, "thing", COLUMNS) as store:
        in_child(lambda: store.append(rows(1), documents=[b"1"]))
        assert len(store) == 0


# ---------------------------------------------------------------------- the lock


def test_a_lock_that_is_dropped_is_free(folder):
    lock = WriterLock(folder)
    with pytest.raises(BlockingIOError, match=rf"process {os.getpid()} on .* since \d{{4}}-") as caught:
        WriterLock(folder)
    assert caught.value.strerror
    del caught
    del lock
    WriterLock(folder).release()


def test_a_disk_that_cannot_lock_is_told(folder, monkeypatch):
    import filelock

    def no_locks(descriptor, *, blocking):
        raise OSError(38, "Function not implemented")

    monkeypatch.setattr(filelock, "lock_descriptor", no_locks)
    with pytest.raises(errors.UnsupportedError, match="cannot lock files"):
        Store.open(folder, "thing", writable=True)


# ---------------------------------------------------------------------- records that are taken back


def test_a_reader_that_saw_a_record_that_was_taken_back_does_not_build_on_it(folder, monkeypatch):
    """The disk fails after the record is written; a reader has seen it; the writer writes another one in its place."""
    with Store.open(folder, "thing", writable=True) as writer, Store.open(folder, "thing") as reader:
        sync, snapshots = disk.sync, []

        def fail_once(descriptor):
            if Path(f"/proc/self/fd/{descriptor}").resolve().name == "commits" and not snapshots:
                assert reader.refresh()
                snapshots.append(reader.snapshot)
                raise OSError(5, "Input/output error")
            sync(descriptor)

        monkeypatch.setattr(disk, "sync", fail_once)
        with pytest.raises(OSError, match="nothing was changed"):
            writer.append(rows(7, 8), documents=[b"7", b"8"])
        monkeypatch.undo()
        assert len(snapshots[0]) == 5
        writer.append(rows(*range(20, 30)), documents=documents(range(20, 30)))
        edition = reader.generation[0]
        assert reader.refresh()
        assert reader.generation[0] != edition
        assert content(reader.snapshot) == content(writer.snapshot)
        reader.verify()


def interrupt(monkeypatch, left, late):
    """Raise KeyboardInterrupt at a call, before or after it has done its work."""
    count = itertools.count()

    def wrapped(real):
        def call(*arguments):
            now = next(count) == left
            if now and not late:
                raise KeyboardInterrupt
            real(*arguments)
            if now:
                raise KeyboardInterrupt

        return call

    for name in ("write_at", "sync", "sync_folder", "unlink", "truncate", "rename"):
        monkeypatch.setattr(disk, name, wrapped(getattr(disk, name)))


def test_an_interrupt_leaves_the_store_as_the_disk_has_it(folder, monkeypatch):
    """Ctrl-C at any call of a change: the change is there as a whole, or not at all, in memory and on the disk."""
    for call in range(60):
        store = Store.open(folder, "thing", writable=True)
        before, interrupted = content(store.snapshot), False
        interrupt(monkeypatch, call // 2, late=bool(call % 2))
        try:
            store.put(rows(50 + call), keys=["c"], documents=documents([50 + call]))
        except KeyboardInterrupt:
            interrupted = True
        monkeypatch.undo()
        found = content(store.snapshot)
        assert found in (before, {**before, 2: (50 + call, "c")})
        assert interrupted or found != before
        store.append(rows(call), documents=documents([call]))
        found = content(store.snapshot)
        store.verify()
        store.close()
        with Store.open(folder, "thing") as reader:
            assert content(reader.snapshot) == found
        if not interrupted:
            break
    assert 5 < call < 59
