"""Work on a Dask cluster: the same bytes as work here, whichever workers die."""

import gzip
import json
import os
import signal
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from hdc.apps import cluster as module
from hdc.apps.capacity import experiments
from hdc.apps.capacity.results import Results
from hdc.apps.cli import main
from hdc.apps.cluster import Cluster
from hdc.apps.json import DocumentError, JSONEncoder, JSONIndex, read
from hdc.apps.json.build import index_build
from hdc.apps.json.build.index_build import Task, build
from hdc.apps.workers import AHEAD, WorkerError
from hdc.errors import BackendUnavailableError, ParameterError
from tests.building_cases import DOCUMENTS, documents_in, task

distributed = pytest.importorskip("distributed", reason="needs Dask")
dask = pytest.importorskip("dask", reason="needs Dask")
fsspec = pytest.importorskip("fsspec", reason="needs fsspec")


ANY = "127.0.0.1:0"
"""A port that is free."""


@pytest.fixture(scope="module")
def client():
    """Return a client of a worker of two threads in this process."""
    with (
        distributed.LocalCluster(n_workers=1, threads_per_worker=2, processes=False, dashboard_address=ANY) as cluster,
        distributed.Client(cluster, set_as_default=False) as client,
    ):
        yield client


@pytest.fixture
def folder(tmp_path, monkeypatch):
    return documents_in(tmp_path, monkeypatch)


@pytest.fixture
def memory():
    """Return the files of memory:// URLs, none to begin with."""
    files = fsspec.filesystem("memory")
    yield files
    for name in files.ls("/", detail=False):
        files.rm(name, recursive=True)


def contents(index):
    """Return every byte of an index, but for what differs between any two builds."""
    with JSONIndex.open(index) as opened:
        opened.verify()
    files = (file for file in Path(index).rglob("*") if file.is_file() and file.name not in ("commits", "seal"))
    return {str(file.relative_to(index)): file.read_bytes() for file in files}


# ---------------------------------------------------------------------- the cluster


def double(number):
    return 2 * number


class Remembering:
    """Says how often an object was asked, and in which thread."""

    def __init__(self):
        self.asked = 0

    def __call__(self, item):
        self.asked += 1
        return self.asked, threading.get_ident()


def test_results_come_in_order_and_not_far_ahead(client):
    taken = []

    def items():
        for number in range(30):
            taken.append(number)
            yield number

    with Cluster(client) as cluster:
        assert cluster.jobs == 2
        results = cluster.in_order(double, items())
        assert next(results) == 0
        assert len(taken) == AHEAD * 2 + 1
        assert list(results) == [2 * number for number in range(1, 30)]
        asked = {}
        for count, thread in cluster.in_order(Remembering(), range(20)):
            asked.setdefault(thread, []).append(count)
    for counts in asked.values():  # each thread has its own object, and keeps it
        assert sorted(counts) == list(range(1, len(counts) + 1))
    assert client.submit(double, 4).result() == 8  # the client is the caller's


def test_errors_of_the_work_are_the_same_ones(client):
    with Cluster(client) as cluster, pytest.raises(ZeroDivisionError):
        list(cluster.in_order((1).__truediv__, [1, 0]))


def test_a_worker_of_another_release_is_told():
    with pytest.raises(WorkerError, match=r"a worker has hdc-toolkit .*, and 0\.0\.1 is here; install one release"):
        module._done_there("number", (os.getpid(), "0.0.1"), b"", None)


@pytest.mark.parametrize("address", ["nowhere", "local:0", "local:x", "local:1000", "", "8786"])
def test_addresses_that_are_none(address):
    with pytest.raises(ParameterError, match="cluster="):
        Cluster(address)


def test_what_is_no_address():
    with pytest.raises(ParameterError, match=r"cluster must be an address such as 'tcp://host:8786'"):
        Cluster(8786)
    with (
        dask.config.set({"distributed.comm.timeouts.connect": "0.2s"}),
        pytest.raises(WorkerError, match=r"no scheduler answers at tcp://127\.0\.0\.1:9; start one"),
    ):
        Cluster("tcp://127.0.0.1:9")


def test_without_dask_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "distributed", None)
    with pytest.raises(BackendUnavailableError, match=r"hdc-toolkit\[dask\]"):
        Cluster("local")


def test_a_scheduler_file_is_an_address(client, tmp_path):
    file = tmp_path / "scheduler.json"
    file.write_text(json.dumps({"address": client.scheduler.address}))
    with Cluster(str(file)) as cluster:
        assert list(cluster.in_order(double, [1, 2])) == [2, 4]


# ---------------------------------------------------------------------- documents


@pytest.mark.parametrize("options", [{}, {"fit": False}, {"key": "id", "vectors": "float16", "shared": "memory://x/y"}])
def test_an_index_is_the_same_to_the_last_byte(folder, client, memory, options):
    report = build("there", task(cluster=client, **options))
    rejects = Path("rejects").read_bytes()
    assert (report.documents, report.rejected) == (299, 1)
    assert build("here", task(**{**options, "shared": None})) == report
    assert contents("there") == contents("here")
    assert rejects == Path("rejects").read_bytes() != b""
    assert sorted(os.listdir()) == ["a.jsonl", "b.json", "here", "rejects", "there"]
    assert memory.find("/") == []


def test_large_files_come_in_pieces(folder, client, monkeypatch):
    monkeypatch.setattr(index_build, "PART_BYTES", 700)
    build("here", task())
    build("there", task(cluster=client))
    assert contents("there") == contents("here")


class Killed(BaseException):
    """Ends a build as a kill does: nothing is tidied up."""


@pytest.mark.parametrize("at", [0, 3])
@pytest.mark.parametrize("first", ["here", "there"])
def test_an_interrupted_build_goes_on_elsewhere(folder, client, monkeypatch, capsys, at, first):
    append, calls = JSONIndex.append, []

    def interrupted(self, rows, *, replace=False):
        calls.append(rows)
        if len(calls) > at:
            raise Killed
        return append(self, rows, replace=replace)

    tasks = {"here": task(), "there": task(cluster=client)}
    with monkeypatch.context() as patched:
        patched.setattr(JSONIndex, "append", interrupted)
        with pytest.raises(Killed):
            build("index", tasks.pop(first))
    build("index", *tasks.values())
    assert not Path("index.building").exists()
    assert capsys.readouterr().err == "resuming an interrupted run\n"
    build("whole", task())
    assert contents("index") == contents("whole")


def test_a_bad_document_ends_the_build_and_leaves_nothing(folder, client, memory):
    with pytest.raises(DocumentError, match=r"a\.jsonl:151:13"):
        build("index", task(cluster=client, on_error="raise", rejects=None, shared="memory://shared"))
    assert sorted(os.listdir()) == ["a.jsonl", "b.json"]
    assert memory.find("/") == []


def test_bad_places_are_told(folder, client, monkeypatch):
    with pytest.raises(ParameterError, match="name a cluster, too"):
        build("index", task(shared="there"))
    with pytest.raises(ParameterError, match="cluster='nowhere' is no address"):
        build("index", task(cluster="nowhere"))
    monkeypatch.setattr("hdc.apps.storage.Folder.create", lambda self: None)
    with pytest.raises(WorkerError, match=r"a worker does not see .*hidden/encoded-.*; have it on storage"):
        build("index", task(cluster=client, shared="hidden"))


def test_documents_at_urls(folder, client, memory):
    lines = Path("a.jsonl").read_bytes()
    memory.pipe_file("/people/a.jsonl", lines)
    memory.pipe_file("/people/b.json", Path("b.json").read_bytes())
    memory.pipe_file("/people/notes.txt", b"none of them")
    build("folder", replace(task(cluster=client), paths=("memory://people",)))
    build("pattern", replace(task(), paths=("memory://people/*.json*",)))
    assert contents("folder") == contents("pattern")
    with JSONIndex.open("folder") as index:
        assert len(index) == 299
        assert index.store.entry(150)[2] == "memory:///people/a.jsonl:152"
    with pytest.raises(DocumentError, match=r"memory://none\.jsonl: cannot be read"):
        build("index", replace(task(), paths=("memory://none.jsonl",)))
    with pytest.raises(ParameterError, match=r"nosuch://x cannot be opened"):
        build("index", replace(task(), paths=("nosuch://x",)))


def test_rows_of_parquet_and_packed_lines_at_urls(memory):
    pyarrow = pytest.importorskip("pyarrow", reason="needs pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet", reason="needs pyarrow")
    with memory.open("/people.parquet", "wb") as file:
        parquet.write_table(pyarrow.table({"id": [7, 8]}), file)
    memory.pipe_file("/people.jsonl.gz", gzip.compress(b'{"id": 9}\n{"id": 10}\n'))
    records = list(read(["memory://people.parquet", "memory://people.jsonl.gz"]))
    assert [record.document["id"] for record in records] == [7, 8, 9, 10]
    sources = ["people.parquet[0]", "people.parquet[1]", "people.jsonl.gz:1", "people.jsonl.gz:2"]
    assert [record.source for record in records] == [f"memory://{source}" for source in sources]


def test_a_file_at_a_url_that_changes_is_told(folder, client, memory, monkeypatch):
    memory.pipe_file("/a.jsonl", Path("a.jsonl").read_bytes())
    counted = index_build._Count.__call__

    def changing(self, part):
        memory.pipe_file("/a.jsonl", Path("a.jsonl").read_bytes()[:-1] + b" ")
        return counted(self, part)

    monkeypatch.setattr(index_build._Count, "__call__", changing)
    with pytest.raises(DocumentError, match=r"memory://a\.jsonl has changed since its parts were planned"):
        build("index", replace(task(cluster=client), paths=("memory://a.jsonl",)))


# ---------------------------------------------------------------------- processes


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")
def test_a_worker_that_is_killed_loses_and_doubles_nothing(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    lines = [json.dumps({**document, "text": f"word {n} " * 200}) for n, document in enumerate(DOCUMENTS * 10)]
    for part in range(6):
        Path(f"{part}.jsonl").write_text("\n".join(lines[500 * part : 500 * (part + 1)]))
    wanted = Task(tuple(f"{part}.jsonl" for part in range(6)), JSONEncoder(256), key="text")
    build("here", wanted)
    counted, merged, taken = [], index_build.ProfileBuilder.merge, index_build.from_bytes
    with (
        distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=ANY) as cluster,
        distributed.Client(cluster, set_as_default=False) as client,
    ):
        client.run(os.chdir, os.sep)  # workers on other machines begin elsewhere

        def kill_one():
            pids = client.run(os.getpid)
            os.kill(min(pids.values()), signal.SIGKILL)

        def merging(self, other):
            counted.append(other)
            if len(counted) == 1:
                kill_one()
            return merged(self, other)

        def taking(data):
            counted.append(data)
            if len(counted) == 7:
                kill_one()
            return taken(data)

        monkeypatch.setattr(index_build.ProfileBuilder, "merge", merging)
        monkeypatch.setattr(index_build, "from_bytes", taking)
        report = build("there", replace(wanted, cluster=client))
    assert len(counted) == 5 + 6
    assert (report.documents, report.rejected) == (3000, 0)
    assert contents("there") == contents("here")


def die(item):
    os._exit(1)


@pytest.mark.slow
def test_work_that_kills_its_workers_is_told():
    with (
        dask.config.set({"distributed.scheduler.allowed-failures": 0}),
        Cluster("local:1") as cluster,
        pytest.raises(WorkerError, match="died of the same work again and again"),
    ):
        list(cluster.in_order(die, [1]))


@pytest.mark.slow
def test_the_command_takes_a_cluster(folder, capsys):
    words = ["json", "index", "a.jsonl", "b.json", "--on-error", "skip", "--dim", "64"]
    assert main([*words, "--cluster", "local:2", "-o", "there"]) == 0
    assert capsys.readouterr().out.startswith("299 documents in there (")
    assert main([*words, "--jobs", "1", "-o", "here"]) == 0
    assert contents("there") == contents("here")


# ---------------------------------------------------------------------- experiments


def test_points_of_an_experiment_are_the_same(client, tmp_path):
    grid = {"model": ["MAP-B", "MAP-I"], "dim": [64, 128], "items": 5, "universe": 20, "backend": "numpy"}
    here = experiments.run("membership", grid, 50)
    there = experiments.run("membership", grid, 50, cluster=client, results=tmp_path / "results")
    assert there == here
    assert sorted(Results(tmp_path / "results").points(), key=str) == sorted(here, key=str)


@pytest.mark.slow
def test_the_command_of_experiments_takes_a_cluster(tmp_path, capsys):
    words = ["capacity", "run", "--experiment", "membership", "--models", "MAP-B", "--dims", "64,128"]
    words += ["--items", "5", "--universe", "20", "--trials", "50", "--backend", "numpy"]
    assert main([*words, "--cluster", "local:2", "-o", str(tmp_path / "there")]) == 0
    there = capsys.readouterr().out
    assert main([*words, "--jobs", "1", "-o", str(tmp_path / "here")]) == 0
    assert capsys.readouterr().out == there
