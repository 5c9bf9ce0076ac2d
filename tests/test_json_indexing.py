import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import hdc
from hdc.apps.json import DocumentError, JSONEncoder, JSONIndex
from hdc.apps.json.build import index_build as indexing
from hdc.apps.json.build.index_build import build
from hdc.apps.workers import WorkerError, Workers
from hdc.errors import ParameterError
from hdc.store.locking import WriterLock
from tests.building_cases import DOCUMENTS, documents_in, task

ROOT = Path(hdc.__file__).parent.parent


@pytest.fixture
def folder(tmp_path, monkeypatch):
    return documents_in(tmp_path, monkeypatch)


def everything(path):
    with JSONIndex.open(path) as index:
        store = index.store
        entries = [store.entry(number) for number in index.ids()]
        return (
            json.dumps(index.encoder.to_json()),
            entries,
            {name: store.rows(name).tobytes() for name in store.columns},
        )


@pytest.mark.slow
@pytest.mark.parametrize("fit", [True, False])
def test_any_number_of_processes_makes_the_same_index(folder, fit):
    for jobs in (1, 2):
        report = build(f"index-{jobs}", task(jobs=jobs, fit=fit, key="id", vectors="float16"))
        assert (report.documents, report.rejected) == (299, 1)
        assert json.loads(Path("rejects").read_text())["source"] == "a.jsonl:151"
    assert everything("index-1") == everything("index-2")
    with JSONIndex.open("index-1") as index:
        good = DOCUMENTS[:150] + DOCUMENTS[151:]
        assert [index.document(number) for number in range(299)] == good
        encoder = JSONEncoder(64).fit(good) if fit else JSONEncoder(64)
        assert np.allclose(index.store.rows("vectors"), encoder.transform(good), atol=1e-3)


def test_equal_keys_and_missing_ones(folder):
    Path("b.json").write_text(json.dumps([{"id": 5, "new": True}, {"name": "no key"}, {"id": 5, "new": 2}]))
    report = build("index", task(key="id"))
    assert (report.documents, report.rejected) == (199, 2)
    assert "b.json[1]: a key must be one text or integer" in Path("rejects").read_text()
    with JSONIndex.open("index") as index:
        assert index.document(index.find("5")) == {"id": 5, "new": 2}


class Killed(BaseException):
    """Ends a build as a kill does: nothing is tidied up."""


@pytest.mark.parametrize(("at", "before"), [(0, True), (0, False), (3, True), (7, False)])
def test_an_interrupted_build_goes_on(folder, monkeypatch, capsys, at, before):
    build("whole", task())
    whole = Path("rejects").read_bytes()
    append, calls = JSONIndex.append, []

    def interrupted(self, rows, *, replace=False):
        calls.append(rows)
        if len(calls) == at + 1 and before:
            raise Killed
        ids = append(self, rows, replace=replace)
        if len(calls) == at + 1:
            raise Killed
        return ids

    with monkeypatch.context() as patched:
        patched.setattr(JSONIndex, "append", interrupted)
        with pytest.raises(Killed):
            build("index", task())
    assert not Path("index").exists()
    monkeypatch.setattr(indexing._Count, "__call__", None)
    report = build("index", task(jobs=1))
    assert capsys.readouterr().err == "resuming an interrupted run\n"
    assert (report.documents, report.rejected) == (299, 1)
    assert everything("index") == everything("whole")
    assert Path("rejects").read_bytes() == whole
    assert sorted(os.listdir()) == ["a.jsonl", "b.json", "index", "rejects", "whole"]


@pytest.mark.parametrize("changed", ["inputs", "options"])
def test_a_changed_task_begins_anew(folder, monkeypatch, capsys, changed):
    def fail(self, *arguments):
        raise Killed

    with monkeypatch.context() as patched:
        patched.setattr(indexing._Making, "_encode", fail)
        with pytest.raises(Killed):
            build("index", task())
    other = task()
    if changed == "inputs":
        Path("b.json").write_text('[{"id": 1000}]')
    else:
        other = replace(other, encoder=JSONEncoder(64, seed=1))
    report = build("index", other)
    assert capsys.readouterr().err == f"an interrupted run had other {changed}; starting over\n"
    assert report.documents == (200 if changed == "inputs" else 299)


def test_one_builder_at_a_time_and_no_index_in_use_is_replaced(folder):
    build("index", task())
    with JSONIndex.open("index", writable=True), pytest.raises(BlockingIOError, match="is being written by process"):
        build("index", task())
    assert not Path("index.building").exists()
    Path("index.building").mkdir()
    lock = WriterLock(Path("index.building"))
    with pytest.raises(BlockingIOError, match="index is being built by process"):
        build("index", task())
    lock.release()
    assert build("index", task()).documents == 299


def test_a_bad_record_ends_the_build_and_leaves_nothing(folder):
    for options in ({"fit": True}, {"fit": False}):
        with pytest.raises(DocumentError, match=r"a\.jsonl:151:13"):
            build("index", task(on_error="raise", rejects=None, **options))
        assert sorted(os.listdir()) == ["a.jsonl", "b.json"]


def test_nothing_to_learn_from(folder):
    Path("a.jsonl").write_text("{bad\n")
    Path("b.json").write_text("[1, 2")
    with pytest.raises(DocumentError, match="no document to learn from"):
        build("index", replace(task(rejects=None), paths=("a.jsonl",)))


@pytest.mark.slow
def test_large_files_that_cannot_be_divided_are_encoded_batch_by_batch(folder, monkeypatch):
    build("small", task())
    monkeypatch.setattr(indexing, "PART_BYTES", 100)
    assert build("large", task(jobs=2)).documents == 299
    assert everything("small")[1] == everything("large")[1]


def _fatal(item):
    os._exit(1)


@pytest.mark.slow
def test_a_process_that_ends_early_is_told():
    with (
        Workers(2) as workers,
        pytest.raises(WorkerError, match="a working process ended early"),
    ):
        list(workers.in_order(_fatal, [1, 2]))


@pytest.mark.slow
def test_sigkill_and_the_same_command_again(tmp_path):
    path = tmp_path / "big.jsonl"
    path.write_text("".join(json.dumps({**document, "text": "word " * 50}) + "\n" for document in DOCUMENTS * 20))
    command = [sys.executable, "-m", "hdc.apps.cli", "json", "index", str(path), "-o", str(tmp_path / "index")]
    command += ["--dim", "256", "--jobs", "1"]
    for wait in (1.0, 1.5, 2.0):
        with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
            time.sleep(wait)
            process.send_signal(signal.SIGKILL)
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.startswith("6,000 documents in ")
    with JSONIndex.open(tmp_path / "index") as index:
        index.verify()
        numbers = range(0, 6000, 299)
        assert [index.document(number)["id"] for number in numbers] == [n % 300 for n in range(0, 6000, 299)]
    assert sorted(os.listdir(tmp_path)) == ["big.jsonl", "index"]


def test_bad_places(folder):
    with pytest.raises(ParameterError, match="nowhere/index cannot be an index"):
        build("nowhere/index", task())
