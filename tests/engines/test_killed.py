"""A process that is killed while it writes leaves no table, and the name is free for the next one."""

import signal
import subprocess
import sys

import numpy as np
import pytest

from hdc.apps.retrieval import BinaryIndex
from hdc.apps.retrieval.engines import duckdb_engine, lancedb_engine

WRITER = """
import os, signal, sys
import numpy as np
from hdc.apps.retrieval import BinaryIndex
from hdc.apps.retrieval.engines import duckdb_engine, lancedb_engine, tables
from hdc.store import Snapshot

index, entries = BinaryIndex(64), Snapshot.entries
index.add(np.arange(100_000, dtype=np.uint64)[:, None])
tables.BLOCK_ROWS = 20_000

def killed(self, positions):
    if 99_999 in positions:
        os.kill(os.getpid(), signal.SIGKILL)
    return entries(self, positions)

Snapshot.entries = killed
engine, place = sys.argv[1:]
{"duckdb": duckdb_engine, "lancedb": lancedb_engine}[engine].write(index, __import__(engine).connect(place), "items")
"""


@pytest.mark.slow
@pytest.mark.parametrize(("name", "engine"), [("duckdb", duckdb_engine), ("lancedb", lancedb_engine)])
def test_nothing_is_left_of_a_killed_writer(name, engine, tmp_path):
    library = pytest.importorskip(name, reason=f"{name} is not installed")
    place = str(tmp_path / "place")
    ended = subprocess.run([sys.executable, "-c", WRITER, name, place], check=False)
    assert ended.returncode == -signal.SIGKILL
    index = BinaryIndex(64)
    index.add(np.arange(100, dtype=np.uint64)[:, None])
    connection = library.connect(place)
    assert engine.write(index, connection, "items") == 100
    assert engine.search(connection, "items", np.zeros((1, 1), np.uint64), 200)[1].shape == (1, 100)
