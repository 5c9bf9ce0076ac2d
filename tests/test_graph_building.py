"""How graphs are built: what is shown meanwhile, and what an interruption leaves."""

import functools
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import hdc
from hdc.apps import cli, progress
from hdc.apps.cli import main
from hdc.apps.retrieval import EmbeddingIndex, RaBitQBinarizer
from hdc.backends.numba_kernels import graph_links
from hdc.search import graph
from hdc.search.graph_build import STEPS

ROOT = Path(hdc.__file__).parent.parent
D, N = 32, 1500


@functools.cache
def vectors(n=N, seed=0):
    rng = np.random.default_rng(seed)
    centers = np.random.default_rng(77).standard_normal((60, D))
    return (centers[rng.integers(0, 60, n)] + 0.6 * rng.standard_normal((n, D))).astype(np.float32)


@functools.cache
def model():
    return RaBitQBinarizer(6).fit(vectors())


def new(path=None):
    index = EmbeddingIndex.create(path, model(), kind="graph", keep="int8")
    index.add(vectors())
    return index


def interrupt(monkeypatch, after):
    """Let the graph be interrupted when the links of some nodes are chosen; return the list of who tried to build."""
    build, tries = graph.build_links, []

    def interrupted(*arguments):
        tries.append(0)

        def done(steps):
            tries[-1] += steps
            if tries[-1] > after:
                raise KeyboardInterrupt

        return build(*arguments[:-1], done)

    monkeypatch.setattr(graph, "build_links", interrupted)
    return tries


def add_and_prepare(path):
    with EmbeddingIndex.open(path, writable=True) as index:
        index.add(vectors(N, 1))
        index.prepare()


def test_every_step_is_told(monkeypatch):
    for module in (graph, graph_links):
        monkeypatch.setattr(module, "BLOCK", 400)
    index, told = new(), []

    class Shown:
        def __init__(self, steps):
            told.append(steps)

        def __enter__(self):
            return told.append

        def __exit__(self, *_):
            told.append("left")

    index.pipeline.engine.searcher._progress = Shown
    index.prepare()
    assert (told[0], told[-1]) == (N * (1 + STEPS), "left")
    assert sum(told[1:-1]) == told[0]
    assert len(told) > 2 + 5 * 3


def test_the_size_of_blocks_changes_no_link(monkeypatch):
    whole = new()
    whole.prepare()
    monkeypatch.setattr(graph_links, "BLOCK", 37)
    index = new()
    index.prepare()
    one, other = (i.pipeline.engine.latest.nodes.arrays for i in (whole, index))
    assert all(np.array_equal(one[name], other[name]) for name in one)


def test_a_bar_is_shown_where_somebody_watches(monkeypatch, capsys):
    new().prepare()
    assert capsys.readouterr().err == ""
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    monkeypatch.setattr(progress, "INTERVAL", 0)
    new().prepare()
    shown = capsys.readouterr().err
    assert "graph:   0%" in shown
    assert "graph:  33%" in shown


def test_an_interrupted_graph_is_not_built_by_closing(tmp_path, monkeypatch):
    with new(tmp_path / "index") as index:
        index.prepare()
    files = {path.name for path in (tmp_path / "index" / "codes").iterdir()}
    with monkeypatch.context() as patched:
        tries = interrupt(patched, 2 * N)
        with pytest.raises(KeyboardInterrupt):
            add_and_prepare(tmp_path / "index")
        assert len(tries) == 1
    assert {path.name for path in (tmp_path / "index" / "codes").iterdir()} == files
    with EmbeddingIndex.open(tmp_path / "index", writable=True) as index:
        index.verify()
        assert len(index) == 2 * N
        found = index.search(vectors(N, 1), 1)[1].ravel()
        assert (found == np.arange(N, 2 * N)).mean() > 0.99
    with EmbeddingIndex.open(tmp_path / "index") as index, monkeypatch.context() as patched:
        patched.setattr(graph, "build_links", None)  # it was kept
        assert np.array_equal(index.search(vectors(N, 1), 1)[1].ravel(), found)


def test_closing_that_is_interrupted_closes(tmp_path, monkeypatch):
    with new(tmp_path / "index") as index:
        index.prepare()
    index = EmbeddingIndex.open(tmp_path / "index", writable=True)
    index.add(vectors(N, 1))
    with monkeypatch.context() as patched:
        interrupt(patched, 2 * N)
        with pytest.raises(KeyboardInterrupt):
            index.close()
    with EmbeddingIndex.open(tmp_path / "index", writable=True) as index:  # nobody has it locked
        assert len(index) == 2 * N


def test_a_graph_counts_among_the_bytes_of_a_vector_and_its_effort_is_measured(tmp_path, capsys):
    with new(tmp_path / "index") as index:
        plain = index.bytes_per_vector
        assert plain == model().bytes_per_vector + D
        index.prepare()
        links = index.pipeline.engine.latest.nodes.arrays
        assert index.bytes_per_vector - plain == -(-sum(array.nbytes for array in links.values()) // N)
        counted = index.bytes_per_vector
    np.save(tmp_path / "v.npy", vectors()), np.save(tmp_path / "q.npy", vectors(50, 1))
    words = "v.npy", "q.npy", "index"
    command = ["embed", "eval", *(str(tmp_path / word) for word in words), "--effort", "1,80", "--json"]
    assert main(command) == 0
    _, little, much = (json.loads(line) for line in capsys.readouterr().out.splitlines())
    assert little["recall"] < much["recall"]
    assert (little["name"], much["name"]) == ("index, effort 1", "index, effort 80")
    assert little["bytes_per_vector"] == much["bytes_per_vector"] == counted


def files_for(folder):
    np.save(folder / "v.npy", vectors(20_000))
    model().save(folder / "model")
    return ["embed", "index", "v.npy", "--model", "model", "--kind", "graph", "--keep", "int8", "-o", "index"]


def test_ctrl_c_while_a_graph_is_built(tmp_path, capsys, monkeypatch):
    pty, termios = pytest.importorskip("pty"), pytest.importorskip("termios")
    words = files_for(tmp_path)
    terminal, told = pty.openpty()
    heeding = functools.partial(signal.signal, signal.SIGINT, signal.SIG_DFL)  # in a test run in the background, too
    termios.tcsetwinsize(told, (24, 80))  # a bar is as long as the terminal is wide
    path = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    process = subprocess.Popen(
        [sys.executable, "-m", "hdc.apps.cli", *words],
        cwd=tmp_path, env=os.environ | {"PYTHONPATH": path},
        stderr=told, stdout=subprocess.DEVNULL, preexec_fn=heeding,
    )  # fmt: skip
    os.close(told)
    shown = b""
    while b"graph:" not in shown:
        shown += os.read(terminal, 4096)
    process.send_signal(signal.SIGINT)
    with open(terminal, "rb", buffering=0) as rest:
        shown += b"".join(iter(functools.partial(_read, rest), b""))
    assert process.wait() == cli.INTERRUPTED
    assert b"graph: 100%" not in shown
    assert b"Traceback" not in shown
    assert not (tmp_path / "index").exists()
    monkeypatch.chdir(tmp_path)
    assert main(words) == 0
    assert capsys.readouterr().err == "resuming an interrupted run\n"
    assert sorted(os.listdir(tmp_path)) == ["index", "model", "v.npy"]
    with EmbeddingIndex.open("index") as index:
        index.verify()
        assert (index.kind, len(index)) == ("graph", 20_000)
        assert (index.search(vectors(20_000)[:200], 1, effort=100)[1].ravel() == np.arange(200)).mean() > 0.95


def _read(file):
    """Return what a terminal shows next; nothing once nobody writes to it."""
    try:
        return file.read(4096)
    except OSError:
        return b""
