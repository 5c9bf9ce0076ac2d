"""Indexes of vectors that a cluster encodes: the same to the last byte."""

import os

import numpy as np
import pytest

from hdc import errors
from hdc.apps.cli import main
from hdc.apps.retrieval import EmbeddingIndex
from hdc.apps.retrieval.files.vectors import Rows, open_vectors
from hdc.apps.retrieval.index.building import build
from tests.building_cases import BLOCK, OPTIONS, ROWS, bytes_of, vectors_and_models

distributed = pytest.importorskip("distributed", reason="needs Dask")


@pytest.fixture(scope="module")
def client():
    """Return a client of a worker of two threads in this process."""
    with (
        distributed.LocalCluster(
            n_workers=1, threads_per_worker=2, processes=False, dashboard_address="127.0.0.1:0"
        ) as cluster,
        distributed.Client(cluster, set_as_default=False) as client,
    ):
        yield client


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Return a folder with vectors, keys and models."""
    return vectors_and_models(tmp_path_factory.mktemp("cluster"))


@pytest.mark.parametrize("name", ["lists", "sign"])
def test_an_index_is_the_same_to_the_last_byte(made, tmp_path, client, name):
    vectors = open_vectors(made / "v.npy", keys=made / "keys.txt")
    there = build(vectors, made / name, tmp_path / "there", block=BLOCK, cluster=client, **OPTIONS[name])
    here = build(vectors, made / name, tmp_path / "here", block=BLOCK, **OPTIONS[name])
    assert there == here
    assert bytes_of(tmp_path / "there") == bytes_of(tmp_path / "here")
    assert sorted(os.listdir(tmp_path)) == ["here", "there"]


@pytest.mark.parametrize("at", [0, 5])
def test_an_interrupted_build_goes_on(made, tmp_path, client, monkeypatch, at):
    own, vectors = EmbeddingIndex.add_encoded, open_vectors(made / "v.npy")

    def interrupted(self, columns, keys=None):
        if len(self) == at * BLOCK:
            raise KeyboardInterrupt
        return own(self, columns, keys)

    monkeypatch.setattr(EmbeddingIndex, "add_encoded", interrupted)
    with pytest.raises(KeyboardInterrupt):
        build(vectors, made / "sign", tmp_path / "i", block=BLOCK, cluster=client, **OPTIONS["sign"])
    monkeypatch.undo()
    build(vectors, made / "sign", tmp_path / "i", block=BLOCK, cluster=client, **OPTIONS["sign"])
    build(vectors, made / "sign", tmp_path / "one", block=BLOCK, **OPTIONS["sign"])
    assert bytes_of(tmp_path / "i") == bytes_of(tmp_path / "one")


def test_parquet_is_read_from_the_row_group_on(made, tmp_path, client):
    arrow = pytest.importorskip("pyarrow", reason="needs pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet", reason="needs pyarrow")
    x = np.load(made / "v.npy")
    table = arrow.table({"vector": list(x), "name": [f"item {i}" for i in range(ROWS)]})
    parquet.write_table(table, tmp_path / "v.parquet", row_group_size=90)
    vectors = open_vectors(tmp_path / "v.parquet", key_column="name")
    for start, stop in [(0, 1), (89, 91), (90, 180), (64, 400), (699, 700), (0, 700)]:
        block = vectors.span(start, stop)
        np.testing.assert_array_equal(block.vectors, x[start:stop])
        assert (block.start, block.keys) == (start, [f"item {i}" for i in range(start, stop)])
    build(vectors, made / "lists", tmp_path / "there", block=BLOCK, cluster=client, **OPTIONS["lists"])
    build(vectors, made / "lists", tmp_path / "here", block=BLOCK, **OPTIONS["lists"])
    assert bytes_of(tmp_path / "there") == bytes_of(tmp_path / "here")


def test_what_cannot_be_built_is_told(made, tmp_path, client):
    x = np.load(made / "v.npy")
    with pytest.raises(errors.ParameterError, match="is in memory; a cluster needs vectors in a file"):
        build(Rows(x), made / "lists", tmp_path / "i", cluster=client)
    with pytest.raises(errors.ParameterError, match="name a cluster, too"):
        build(open_vectors(made / "v.npy"), made / "lists", tmp_path / "i", shared="there")
    x[650, 3] = np.nan
    np.save(tmp_path / "v.npy", x)
    with pytest.raises(errors.ParameterError, match="row 650 contains NaN"):
        build(open_vectors(tmp_path / "v.npy"), made / "lists", tmp_path / "i", cluster=client, block=BLOCK)
    assert sorted(os.listdir(tmp_path)) == ["v.npy"]


@pytest.mark.slow
def test_the_commands_take_a_cluster(made, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(made)
    for place, more in [("there", ["--cluster", "local:2"]), ("here", [])]:
        monkeypatch.chdir(made)
        model = os.path.relpath(tmp_path / f"model {place}")
        assert main(["embed", "train", "v.npy", "--lists", "3", "-o", model, *more]) == 0
        output = str(tmp_path / place)
        assert main(["embed", "index", "v.npy", "--model", model, "--block", "200", "-o", output, *more]) == 0
    one, two, three, four = capsys.readouterr().out.splitlines()
    assert one.replace("there", "here") == three
    assert two.replace("there", "here") == four
    assert bytes_of(tmp_path / "there") == bytes_of(tmp_path / "here")
