"""A Milvus server finds what our indexes find."""

import importlib.util
from contextlib import ExitStack

import numpy as np
import pytest

from hdc import errors
from hdc.apps.retrieval import BinaryIndex, RaBitQBinarizer
from hdc.apps.retrieval.engines import milvus_engine
from tests.benchmarks import module
from tests.engines.test_answers import codes, embedded, filled, same, vectors

pymilvus = pytest.importorskip("pymilvus", reason="pymilvus is not installed", exc_type=ImportError)


@pytest.fixture(scope="module")
def client():
    if importlib.util.find_spec("milvus") is None:
        pytest.skip("no Milvus server (pip install milvus)")
    with ExitStack() as running:
        try:
            address = running.enter_context(module("engine_servers").milvus_server())
        except OSError as error:  # it gives itself three minutes
            pytest.skip(str(error))
        client = pymilvus.MilvusClient(address)
        yield client
        client.close()


@pytest.mark.slow
@pytest.mark.parametrize("dim", [3, 70, 256])
def test_differing_bits(client, dim):
    index, asked, name = filled(dim), codes(7, dim, seed=1), f"bits{dim}"
    assert milvus_engine.write(index, client, name) == len(index)
    for k in (1, 10, 300):
        distances, ids = milvus_engine.search(client, name, asked, k)
        expected = index.search(asked, k)
        np.testing.assert_array_equal(ids, expected[1])
        np.testing.assert_array_equal(distances, expected[0])
    (row,) = client.query(name, filter="id == 7", output_fields=["key", "code"])
    bits = np.unpackbits(np.frombuffer(row["code"][0], dtype=np.uint8), count=dim)
    np.testing.assert_array_equal(bits, np.unpackbits(index.codes([7]).view(np.uint8), count=dim, bitorder="little"))
    assert row["key"] == "ké7"
    found = milvus_engine.search(client, name, asked, 10, where='id in [8, 9] or key == "ké7"')
    np.testing.assert_array_equal(found, index.search(asked, 10, among=[7, 8, 9]))
    with pytest.raises(errors.ParameterError, match=r"collection .* already exists"):
        milvus_engine.write(index, client, name)


@pytest.mark.slow
def test_vectors_by_their_codes(client):
    index, asked = embedded("cosine", None), vectors(9, seed=1)
    milvus_engine.write(index, client, "signs")
    same(milvus_engine.search(client, "signs", asked, 10, model=index.model), index.search(asked, 10))


@pytest.mark.slow
def test_wrong_questions_are_told(client, monkeypatch):
    milvus_engine.write(BinaryIndex(64), client, "empty")
    assert milvus_engine.search(client, "empty", codes(2, 64), 3)[1].shape == (2, 0)
    with pytest.raises(errors.ParameterError, match=r"collection .* does not exist"):
        milvus_engine.search(client, "missing", codes(1, 64))
    with pytest.raises(errors.DimensionError):
        milvus_engine.search(client, "empty", codes(1, 128))
    with pytest.raises(errors.ParameterError, match="k must be at most 16384"):
        milvus_engine.search(client, "empty", codes(1, 64), 16385)
    with pytest.raises(errors.UnsupportedError, match="are not sent to Milvus"):
        milvus_engine.write(embedded("l2", "int8"), client, "distances")
    with pytest.raises(errors.UnsupportedError, match="by estimates"):
        milvus_engine.search(client, "empty", vectors(1), model=RaBitQBinarizer().fit(vectors(9)))
    monkeypatch.setattr(milvus_engine, "highest_first", lambda codes: codes[:, :-1])
    with pytest.raises(Exception, match=r"(?i)dim|length"):
        milvus_engine.write(filled(64), client, "broken")
    assert not client.has_collection("broken")
