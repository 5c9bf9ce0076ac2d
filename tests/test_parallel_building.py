"""Indexes that several processes encode: the same to the last byte, whatever ends early."""

import multiprocessing
import os
import pickle
import signal

import numpy as np
import pytest

from hdc import errors
from hdc.apps.cli import main
from hdc.apps.retrieval import EmbeddingIndex
from hdc.apps.retrieval.files.vectors import VectorFile, open_vectors
from hdc.apps.retrieval.index import building
from hdc.apps.retrieval.index.building import Encoder, build
from hdc.apps.workers import WorkerError
from tests.building_cases import BLOCK, OPTIONS, ROWS, bytes_of, vectors_and_models


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Return a folder with vectors, keys and models."""
    return vectors_and_models(tmp_path_factory.mktemp("parallel"))


def built(made, path, name, workers=1, keys=True):
    vectors = open_vectors(made / "v.npy", keys=made / "keys.txt" if keys else None)
    return build(vectors, made / name, path, block=BLOCK, workers=workers, **OPTIONS[name])


@pytest.mark.parametrize("name", list(OPTIONS))
def test_an_encoder_that_was_sent_away_makes_the_same_rows(made, tmp_path, name):
    built(made, tmp_path / "i", name)
    with EmbeddingIndex.open(tmp_path / "i") as index:
        options = OPTIONS[name]
        encode = Encoder(str(made / name), options.get("kind"), options["keep"], "auto", index.store.meta["coarse"])
        encode = pickle.loads(pickle.dumps(encode))
        start = 0
        for block in open_vectors(made / "v.npy").blocks(0, 300):
            columns, keys = encode(block)
            assert keys is None
            for column, values in columns.items():
                kept = index.store.rows(column)[start : start + len(values)]
                np.testing.assert_array_equal(values, kept)
            start += len(block.vectors)
        assert (start, sorted(columns)) == (ROWS, sorted(index.store.snapshot.columns))


@pytest.mark.slow
@pytest.mark.parametrize("name", list(OPTIONS))
def test_several_processes_make_the_same_index(made, tmp_path, name):
    one, three = built(made, tmp_path / "one", name), built(made, tmp_path / "three", name, workers=3)
    assert one == three
    assert bytes_of(tmp_path / "one") == bytes_of(tmp_path / "three")


def children():
    return {process.pid for process in multiprocessing.active_children()}


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")
def test_a_process_that_is_killed_is_told_and_the_same_call_goes_on(made, tmp_path, monkeypatch):
    own, before = EmbeddingIndex.add_encoded, children()

    def killing(self, columns, keys=None):
        ids = own(self, columns, keys)
        if ids[0] == 2 * BLOCK:
            for pid in children() - before:
                os.kill(pid, signal.SIGKILL)
        return ids

    monkeypatch.setattr(EmbeddingIndex, "add_encoded", killing)
    with pytest.raises(WorkerError, match="a working process ended early"):
        built(made, tmp_path / "i", "lists", workers=2)
    assert not (tmp_path / "i").exists()
    monkeypatch.undo()
    added = []

    def noting(self, columns, keys=None):
        added.append(len(columns["codes"]))
        return own(self, columns, keys)

    monkeypatch.setattr(EmbeddingIndex, "add_encoded", noting)
    built(made, tmp_path / "i", "lists", workers=2)
    assert 0 < sum(added) <= ROWS - 3 * BLOCK
    built(made, tmp_path / "one", "lists")
    assert bytes_of(tmp_path / "i") == bytes_of(tmp_path / "one")


@pytest.mark.parametrize("name", list(OPTIONS))
def test_an_interrupted_build_goes_on_with_other_numbers_of_processes(made, tmp_path, monkeypatch, name):
    own = EmbeddingIndex.add_encoded

    def interrupted(self, columns, keys=None):
        ids = own(self, columns, keys)
        if ids[0] == 4 * BLOCK:
            raise KeyboardInterrupt
        return ids

    monkeypatch.setattr(EmbeddingIndex, "add_encoded", interrupted)
    with pytest.raises(KeyboardInterrupt):
        built(made, tmp_path / "i", name)
    monkeypatch.undo()
    asked = []

    class Here(building.Workers):
        def __init__(self, jobs):
            asked.append(jobs)
            super().__init__(1)

    monkeypatch.setattr(building, "Workers", Here)
    built(made, tmp_path / "i", name, workers=100)
    built(made, tmp_path / "one", name)
    assert asked == [6, 1]  # no more processes than blocks are left
    assert bytes_of(tmp_path / "i") == bytes_of(tmp_path / "one")


def test_what_cannot_be_built_is_told(made, tmp_path, monkeypatch):
    for workers in (0, 257, 1.5):
        with pytest.raises(errors.ParameterError, match="workers must be"):
            built(made, tmp_path / "i", "lists", workers=workers)
    monkeypatch.setattr(building, "MOST_ROWS", ROWS - 1)
    with pytest.raises(errors.ParameterError, match="index parts of the file separately"):
        built(made, tmp_path / "i", "lists")
    assert not (tmp_path / "i").exists()


@pytest.mark.slow
def test_the_command_takes_workers(made, tmp_path, capsys):
    words = ["embed", "index", str(made / "v.npy"), "--model", str(made / "lists"), "--workers", "2", "--block", "200"]
    assert main([*words, "-o", str(tmp_path / "i")]) == 0
    assert capsys.readouterr().out.startswith(f"700 vectors in {tmp_path / 'i'} (")
    built(made, tmp_path / "one", "lists", keys=False)
    with EmbeddingIndex.open(tmp_path / "i") as mine, EmbeddingIndex.open(tmp_path / "one") as other:
        np.testing.assert_array_equal(mine.store.rows("codes"), other.store.rows("codes"))


def test_a_bad_vector_is_told_before_processes_begin(made, tmp_path, monkeypatch):
    x = np.load(made / "v.npy")
    x[650, 3] = np.nan
    np.save(tmp_path / "v.npy", x)
    monkeypatch.setattr(VectorFile, "sample", None)
    with pytest.raises(errors.ParameterError, match="row 650 contains NaN"):
        build(open_vectors(tmp_path / "v.npy"), made / "lists", tmp_path / "i", workers=2)
    assert sorted(os.listdir(tmp_path)) == ["v.npy"]
