"""The crash harness and the fuzzer of stores: that they run, and that they find what they are for."""

import os
import random
import shutil
import subprocess
import sys

import pytest

from tests.benchmarks import BENCHMARKS, module

LINUX = pytest.mark.skipif(sys.platform != "linux" or shutil.which("cc") is None, reason="needs Linux and a C compiler")


crash_disk = module("crash_disk")
Call, Disk = crash_disk.Call, crash_disk.Disk


def played(*calls):
    disk = Disk()
    for op, path, *rest in calls:
        other = rest[0] if op == crash_disk.RENAME else ""
        offset, data = rest if op == crash_disk.WRITE else (rest[0] if op == crash_disk.TRUNCATE else 0, b"")
        disk.play(Call(0, op, path, other, offset, data))
    return disk


def states(disk, draws=0):
    """Return what may be left, each once, folders left out."""
    found = [
        {name: content for name, content in tree.items() if content is not None}
        for tree in disk.states(random.Random(0), draws)
    ]
    return [tree for i, tree in enumerate(found) if tree not in found[:i]]


def test_what_was_not_synced_may_be_lost():
    calls = [(crash_disk.CREATE, "a"), (crash_disk.WRITE, "a", 0, b"one")]
    assert states(played(*calls)) == [{}, {"a": b"one"}, {"a": b""}]
    assert states(played(*calls, (crash_disk.SYNC, "a"))) == [{}, {"a": b"one"}], "the name may be lost"
    assert states(played(*calls, (crash_disk.SYNC, ""))) == [{"a": b""}, {"a": b"one"}], "the bytes may be lost"
    assert states(played(*calls, (crash_disk.SYNC, "a"), (crash_disk.SYNC, ""))) == [{"a": b"one"}]
    assert played(*calls).now() == {"a": b"one"}


def test_changes_reach_the_disk_in_any_order():
    disk = played(
        (crash_disk.CREATE, "a"),
        (crash_disk.SYNC, ""),
        (crash_disk.WRITE, "a", 0, b"x"),
        (crash_disk.WRITE, "a", 1, b"y"),
    )
    assert {tree["a"] for tree in states(disk)} == {b"", b"x", b"xy", b"\0y"}
    disk = played(
        (crash_disk.CREATE, "a"), (crash_disk.SYNC, ""), (crash_disk.RENAME, "a", "b"), (crash_disk.CREATE, "c")
    )
    assert {frozenset(tree) for tree in states(disk)} == {
        frozenset("a"), frozenset("b"), frozenset("ac"), frozenset("bc")
    }  # fmt: skip


def test_writes_are_torn_at_sectors():
    disk = played((crash_disk.CREATE, "a"), (crash_disk.SYNC, ""), (crash_disk.WRITE, "a", 500, b"x" * 600))
    found = {tree["a"] for tree in states(disk, 30)}
    assert b"" in found
    whole = bytes(500) + b"x" * 600
    assert whole in found
    assert bytes(1100) in found, "the length without the bytes"
    assert whole[:512] + bytes(588) in found
    assert all(content[start : start + 512] in (whole[start : start + 512], bytes(len(content[start : start + 512])))
               for content in found for start in range(0, len(content), 512))  # fmt: skip


def test_a_sync_that_failed_drops_what_was_pending():
    calls = [(crash_disk.CREATE, "a"), (crash_disk.SYNC, ""), (crash_disk.WRITE, "a", 0, b"one")]
    assert states(played(*calls, (crash_disk.SYNC_FAILED, "a"), (crash_disk.SYNC, "a"))) == [{"a": b""}]


def test_removed_and_cut():
    calls = [
        (crash_disk.MKDIR, "d"),
        (crash_disk.SYNC, ""),
        (crash_disk.CREATE, "d/a"),
        (crash_disk.WRITE, "d/a", 0, b"one"),
    ]
    calls += [(crash_disk.SYNC, "d/a"), (crash_disk.SYNC, "d")]
    assert states(played(*calls, (crash_disk.TRUNCATE, "d/a", 1))) == [{"d/a": b"one"}, {"d/a": b"o"}]
    assert states(played(*calls, (crash_disk.UNLINK, "d/a"))) == [{"d/a": b"one"}, {}]


def run(name, *options):
    environment = {**os.environ, "PYTHONPATH": str(BENCHMARKS.parent)}
    command = [sys.executable, str(BENCHMARKS / name), *options]
    return subprocess.run(command, capture_output=True, text=True, check=False, env=environment)


@LINUX
@pytest.mark.slow
def test_a_store_that_is_broken_at_some_points_loses_nothing():
    scenarios = [f"--scenario={name}" for name in ("kill", "half", "eio-once", "enospc-for-ever", "power")]
    done = run("bench_crash.py", "--workload", "store", "--every", "60", "--draws", "2", "--jobs", "1", *scenarios)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "lost 0, half visible 0, wrong 0" in done.stdout


@LINUX
@pytest.mark.slow
def test_a_disk_that_lies_loses_something():
    options = ["--workload", "store", "--scenario", "power", "--every", "40", "--jobs", "1", "--lying-disk"]
    done = run("bench_crash.py", *options)
    assert done.returncode == 1, done.stdout + done.stderr
    assert ": lost: " in done.stdout


@LINUX
@pytest.mark.slow
def test_flipped_and_crafted_stores_are_told_or_right():
    done = run("fuzz_store.py", "--index", "store", "--flips", "300", "--crafted", "40")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "silent wrong 0, other failures 0" in done.stdout
