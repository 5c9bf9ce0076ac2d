"""What goes to Qdrant; that answers are equal is tested with those of the other engines."""

import numpy as np
import pytest

from hdc import errors
from hdc.apps.retrieval import BinaryIndex
from hdc.apps.retrieval.engines import qdrant_engine
from hdc.apps.retrieval.engines.ties import hits_of, settled
from tests.engines.test_answers import codes, embedded, filled

models = pytest.importorskip("qdrant_client.models", reason="qdrant-client is not installed", exc_type=ImportError)


@pytest.fixture
def client():
    from qdrant_client import QdrantClient

    client = QdrantClient(":memory:")
    yield client
    client.close()


def test_points_have_bits_keys_documents_and_vectors(client):
    index = embedded("ip", "float16", 5)
    qdrant_engine.write(index, client, "vectors")
    described = client.get_collection("vectors").config.params.vectors
    assert (described["code"].size, described["code"].datatype.value) == (100, "uint8")
    assert (described["original"].size, described["original"].distance.value) == (24, "Dot")
    (point,) = client.retrieve("vectors", [3], with_vectors=True)
    bits = np.unpackbits(index.codes.codes([3]).view(np.uint8), count=100, bitorder="little")
    assert (point.payload, point.vector["code"]) == ({"key": "item 3"}, bits.tolist())
    kept = index.codes.originals.decoded(index.store.snapshot, np.array([3]))[0]
    np.testing.assert_allclose(point.vector["original"], kept, rtol=1e-3)
    plain = BinaryIndex(8)
    plain.add(codes(2, 8), documents=[None, b"\xff\x00"])
    qdrant_engine.write(plain, client, "codes")
    assert [point.payload for point in client.retrieve("codes", [0, 1])] == [{}, {"document": "/wA="}]


def test_what_qdrant_does_not_take_is_refused(client):
    with pytest.raises(errors.UnsupportedError, match="at most 65536 components"):
        qdrant_engine.write(BinaryIndex(65537), client, "long")
    cosines = models.VectorParams(size=8, distance=models.Distance.COSINE)
    client.create_collection("other", vectors_config={"code": cosines})
    client.create_collection("unnamed", vectors_config=cosines)
    for name in ("other", "unnamed"):
        with pytest.raises(errors.FileFormatError, match="write did not make the collection"):
            qdrant_engine.search(client, name, codes(1, 8), 3)


def test_the_engine_in_rust_counts_differing_bits(tmp_path):
    """Qdrant Edge runs the server's own storage and search in the process."""
    edge = pytest.importorskip("qdrant_edge", reason="qdrant-edge-py is not installed", exc_type=ImportError)
    index, asked = filled(70), codes(9, 70, seed=1)
    form = qdrant_engine.Form(70)
    code = edge.EdgeVectorParams(size=70, distance=edge.Distance.Manhattan, datatype=edge.VectorStorageDatatype.Uint8)
    shard = edge.EdgeShard.create(str(tmp_path), edge.EdgeConfig(vectors={"code": code}))
    (batch,) = [part for block in qdrant_engine.Rows(index) for part in qdrant_engine._points(models, block, form)]
    points = zip(batch.ids, batch.vectors["code"], batch.payloads, strict=True)
    rows = [edge.Point(number, {"code": bits}, payload) for number, bits, payload in points]
    shard.update(edge.UpdateOperation.upsert_points(rows))

    def ask(limit):
        params = edge.SearchParams(exact=True)
        near = [edge.Query.Nearest(row, using="code") for row in bits]
        requests = [edge.QueryRequest(query=query, limit=limit, params=params) for query in near]
        return hits_of([[(point.score, point.id) for point in shard.query(request)] for request in requests])

    bits = qdrant_engine._bits(asked.view(np.uint8).reshape(9, -1), 70)
    distances, ids = settled(ask, len(bits), 10, len(index))
    expected = index.search(asked, 10)
    np.testing.assert_array_equal(distances, expected[0])
    np.testing.assert_array_equal(ids, expected[1])
    shard.close()
