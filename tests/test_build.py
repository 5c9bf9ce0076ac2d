"""Builds: resumed, locked, and swapped in so that nobody who reads or writes loses anything."""

import ctypes
import os
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

import hdc
from hdc.errors import ParameterError
from hdc.search import build as build_module
from hdc.search.build import Build
from hdc.store import Store, locking
from hdc.store.locking import WriterLock

KIND = "cities"
TASK = {"options": {"bits": 64}, "inputs": ["a"]}
ROOT = Path(hdc.__file__).parent.parent


def codes(*values):
    return {"codes": np.array(values, np.uint64)[:, None]}


def create(path, *values):
    with Store.create(path, KIND, {"codes": ("uint64", 1)}) as store:
        store.append(codes(*values), keys=[str(value) for value in values])


def held(path):
    with Store.open(path, KIND) as store:
        return store.rows("codes")[:, 0].tolist()


def made(output, *values, task=TASK):
    with Build(output, KIND) as build:
        told = build.begin(task)
        shutil.rmtree(build.index, ignore_errors=True)
        create(build.index, *values)
        build.finish()
    return told


class Killed(BaseException):
    pass


@pytest.fixture
def output(tmp_path):
    return tmp_path / "index"


def test_what_is_built_is_put_in_its_place(output):
    assert made(output, 1, 2) is None
    assert held(output) == [1, 2]
    assert made(output, 3) is None
    assert held(output) == [3]
    assert os.listdir(output.parent) == ["index"]


def interrupted(output, error, work, task=TASK, **options):
    with pytest.raises(error):
        _interrupted(output, error, work, task, options)


def _interrupted(output, error, work, task, options):
    with Build(output, KIND, **options) as build:
        work(build, build.begin(task))
        raise error


@pytest.mark.parametrize("kind", [Killed, KeyboardInterrupt, OSError])
def test_an_interrupted_build_leaves_what_it_has(output, kind):
    def first(build, told):
        assert told is None
        (build.folder / "learned").write_text("much")

    def second(build, told):
        assert told == "resuming an interrupted run"
        assert (build.folder / "learned").read_text() == "much"

    def third(build, told):
        assert told == "an interrupted run had other inputs; starting over"
        assert not (build.folder / "learned").exists()

    interrupted(output, kind, first)
    interrupted(output, kind, second)
    interrupted(output, kind, third, {**TASK, "inputs": ["b"]})
    assert made(output, 1) == "an interrupted run had other inputs; starting over"


@pytest.mark.parametrize(("error", "options"), [(ParameterError, {}), (Killed, {"resumable": False})])
def test_nothing_is_left_where_there_is_nothing_to_go_on_with(output, error, options):
    interrupted(output, error, lambda build, told: None, **options)
    assert os.listdir(output.parent) == []


def test_an_index_in_the_making_is_opened_or_made_again(output):
    with Build(output, KIND) as build:
        build.begin(TASK)
        build.index.mkdir()
        (build.index / "half").touch()
        for expected in (0, 1):
            store = build.opened(
                lambda path: Store.open(path, KIND, writable=True),
                lambda path: Store.create(path, KIND, {"codes": ("uint64", 1)}),
            )
            with store:
                assert len(store) == expected
                store.append(codes(7))


def test_an_index_that_is_replaced_cannot_be_written_meanwhile_but_read(output):
    create(output, 1)
    with Store.open(output, KIND) as reader:
        with Build(output, KIND) as build:
            build.begin(TASK)
            create(build.index, 2)
            with pytest.raises(BlockingIOError, match=f"is being written by process {os.getpid()} on "):
                Store.open(output, KIND, writable=True)
            assert held(output) == [1]
            build.finish()
            with Store.open(output, KIND, writable=True) as writer:
                writer.append(codes(3))
        assert reader.rows("codes")[:, 0].tolist() == [1]
        assert reader.find("1") == 0
        assert held(output) == [2, 3]


def test_an_index_in_use_is_not_replaced(output):
    create(output, 1)
    with Store.open(output, KIND, writable=True) as writer:
        with pytest.raises(BlockingIOError, match="is being written by process"):
            Build(output, KIND)
        writer.append(codes(2))
    assert held(output) == [1, 2]
    assert os.listdir(output.parent) == ["index"]


def test_a_second_build_says_who_builds(output):
    with Build(output, KIND) as build:
        with pytest.raises(
            BlockingIOError, match=rf"index is being built by process {os.getpid()} on .+ since \d{{4}}-"
        ):
            Build(output, KIND)
        assert build.folder.exists()


BUILDER = """
import os, sys
from hdc.search.build import Build
with Build(sys.argv[1], "cities") as build:
    build.begin({"options": {"bits": 64}, "inputs": ["a"]})
    print("begun", flush=True)
    sys.stdin.read()
"""


def test_the_lock_of_a_killed_build_is_free(output):
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen([sys.executable, "-c", BUILDER, str(output)], cwd=ROOT, **pipes) as process:
        assert process.stdout.readline() == "begun\n"
        with pytest.raises(BlockingIOError, match=f"process {process.pid} on"):
            Build(output, KIND)
        process.kill()
        process.wait()
    assert made(output, 5) == "resuming an interrupted run"
    assert held(output) == [5]


@pytest.mark.parametrize("in_one_step", [True, False])
def test_a_crash_after_the_swap_does_not_bring_the_old_index_back(output, monkeypatch, in_one_step):
    create(output, 1)
    if not in_one_step:
        monkeypatch.setattr(build_module, "_exchanged", lambda one, other: False)
    with monkeypatch.context() as patched:
        patched.setattr(Build, "_leave", lambda self, remove: None)
        crashed = Build(output, KIND)
        with crashed as build:
            build.begin(TASK)
            create(build.index, 2)
            build.finish()
    for lock in (crashed._lock, crashed._replaced):
        lock.release()
    assert held(output) == [2]
    with Build(output, KIND) as build:
        assert build.begin(TASK) is None
        assert sorted(os.listdir(build.folder)) == ["lock", "task"]


def test_a_swap_that_fails_can_be_tried_again(output, monkeypatch):
    create(output, 1)

    def fail(one, other):
        raise PermissionError(13, "Permission denied")

    with monkeypatch.context() as patched:
        patched.setattr(build_module, "_exchanged", fail)
        with pytest.raises(PermissionError):
            made(output, 2)
    assert held(output) == [1]
    with Build(output, KIND) as build:
        assert build.begin(TASK) == "resuming an interrupted run"
        build.finish()
    assert held(output) == [2]


def test_places_where_no_index_goes(output, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").touch()
    (tmp_path / "folder").mkdir()
    create(output, 1)
    for place, message in (
        ("", "output must be the name of a file or folder"),
        ("/", "/ cannot be an index"),
        ("nowhere/index", "nowhere/index cannot be an index"),
        ("file", "file exists and is not an index"),
        ("folder", "folder exists and is not an index"),
        ("index", "index is an input"),
    ):
        with pytest.raises(ParameterError, match=message):
            Build(place, KIND, inputs=["index"])
    with pytest.raises(ParameterError, match="exists and is not an index"):
        Build(output, "other kind")
    assert sorted(os.listdir()) == ["file", "folder", "index"]
    assert Build("./index/", KIND).folder == tmp_path / "index.building"


def test_builders_in_threads_take_turns(output):
    finished, refused = [], []

    def work(number):
        for attempt in range(20):
            try:
                made(output, number, 100 + attempt, task={"number": number})
                finished.append((number, 100 + attempt))
            except BlockingIOError as error:
                refused.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(finished) + len(refused) == 80
    assert finished
    assert tuple(held(output)) in finished
    assert os.listdir(output.parent) == ["index"]


def test_a_lock_is_not_that_of_a_folder_that_was_replaced(tmp_path, monkeypatch):
    import fcntl

    folder, flock, calls = tmp_path / "folder", fcntl.flock, []
    folder.mkdir()

    def replaced_first(*arguments):
        if not calls:
            folder.rename(tmp_path / "old")
            folder.mkdir()
        calls.append(arguments)
        return flock(*arguments)

    monkeypatch.setattr(fcntl, "flock", replaced_first)
    lock = WriterLock(folder)
    assert len(calls) == 2
    assert (folder / locking.NAME).read_text().strip().startswith("process ")
    lock.release()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux swaps two names in one step")
def test_two_names_are_swapped_in_one_step(tmp_path):
    (tmp_path / "one").write_text("1")
    (tmp_path / "two").write_text("2")
    exchange = ctypes.CDLL(None).renameat2
    if exchange(-100, bytes(tmp_path / "one"), -100, bytes(tmp_path / "two"), 2) != 0:
        pytest.skip("this file system swaps nothing")
    assert build_module._exchanged(tmp_path / "one", tmp_path / "two")
    assert ((tmp_path / "one").read_text(), (tmp_path / "two").read_text()) == ("1", "2")
