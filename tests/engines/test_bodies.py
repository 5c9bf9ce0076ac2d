"""Requests to Elasticsearch, OpenSearch and Vespa: against the layouts and scores of their documentation.

None of these engines is run here. The examples are those of their own pages, and each is emulated from what its pages
say: which JSON a code is, and which score a hit has.
"""

import json

import numpy as np
import pytest

from hdc import errors
from hdc.apps.retrieval import BinaryIndex, EmbeddingIndex, RaBitQBinarizer
from hdc.apps.retrieval.engines import bodies, elastic, vespa_feed
from hdc.words import pack
from tests.engines.test_answers import codes, embedded, filled

ENGINES = pytest.mark.parametrize("engine", ["elasticsearch", "opensearch"])


def bits_of(code):
    """Return the bits of a code in JSON: hex digits or signed integers, the first component highest."""
    content = bytes.fromhex(code) if isinstance(code, str) else np.array(code, dtype=np.int8).view(np.uint8).tobytes()
    return np.unpackbits(np.frombuffer(content, dtype=np.uint8))


def lines(content):
    return [json.loads(line) for line in content.decode().splitlines()]


class Emulated:
    """An index of documents that are compared as the documentation says."""

    def __init__(self, documents, score):
        self.ids, self.codes, self.score = list(documents), np.array(list(documents.values())), score

    def search(self, query, k):
        """Return ids and scores of the nearest; of equal ones, the higher id first, which nobody rules out."""
        hamming = (self.codes != bits_of(query)).sum(axis=1)
        order = np.lexsort((-np.array(self.ids), hamming))[:k]
        return [(self.ids[row], np.float32(self.score(hamming[row], self.codes.shape[1]))) for row in order]


SCORES = {
    "elasticsearch": lambda hamming, bits: (bits - hamming) / bits,
    "opensearch": lambda hamming, bits: 1 / (1 + hamming),
}


@ENGINES
@pytest.mark.parametrize("dim", [3, 64, 70, 1024])
@pytest.mark.parametrize("exact", [False, True])
def test_answers_of_an_elastic_engine(engine, dim, exact, monkeypatch):
    monkeypatch.setattr(bodies, "BODY", 1000)
    index, asked = filled(dim), codes(7, dim, seed=1)
    parts = list(elastic.write(index, "codes", engine=engine))
    assert len(parts) > 3
    entries = lines(b"".join(parts))
    heads, documents = entries[::2], entries[1::2]
    assert heads[5] == {"index": {"_index": "codes", "_id": "6"}}
    assert [document.get("key") for document in documents] == index.keys(index.ids())
    rows = {int(h["index"]["_id"]): bits_of(d["code"]) for h, d in zip(heads, documents, strict=True)}
    emulated = Emulated(rows, SCORES[engine])

    requests = lines(elastic.search("codes", asked, 10, dim=dim, engine=engine, exact=exact))
    assert requests[::2] == [{"index": "codes"}] * 7
    answers = []
    for body in requests[1::2]:
        if engine == "elasticsearch":
            assert body["knn"]["k"] == body["size"] <= body["knn"]["num_candidates"]
            query = body["knn"]["query_vector"]
        elif exact:
            script = body["query"]["script_score"]["script"]
            assert (script["source"], script["lang"], script["params"]["space_type"]) == ("knn_score", "knn", "hamming")
            query = script["params"]["query_value"]
        else:
            query = body["query"]["knn"]["code"]["vector"]
        hits = [{"_id": str(number), "_score": float(score)} for number, score in emulated.search(query, body["size"])]
        answers.append({"hits": {"hits": hits}})
    distances, ids = elastic.found({"responses": answers}, 10, dim=dim, engine=engine)
    expected = index.search(asked, 10)
    np.testing.assert_array_equal(distances, expected[0])
    if dim > 3:  # of three bits, more than the forty that are asked for are equally near
        np.testing.assert_array_equal(ids, expected[1])


def test_elasticsearch_as_documented():
    """The example of "Dense vector field type": two vectors of 40 bits, 18 of which differ, with the score 0.55."""
    one, other = np.array([127, -127, 0, 1, 42], dtype=np.int8).view(np.uint8), bytes.fromhex("8100012a7f")
    index = BinaryIndex(40)
    index.add(pack(np.unpackbits(np.array([one, np.frombuffer(other, dtype=np.uint8)]), axis=1)))
    documents = lines(b"".join(elastic.write(index, "my-bit-vectors", engine="elasticsearch")))[1::2]
    assert documents == [{"code": "7f8100012a"}, {"code": "8100012a7f"}]
    (_, body) = lines(elastic.search("my-bit-vectors", index.codes([0]), 2, dim=40, engine="elasticsearch"))
    assert body["knn"]["query_vector"] == [127, -127, 0, 1, 42]
    hits = [{"_id": "0", "_score": 1.0}, {"_id": "1", "_score": 0.55}]
    answer = elastic.found({"responses": [{"hits": {"hits": hits}}]}, 2, dim=40, engine="elasticsearch")
    np.testing.assert_array_equal(answer, index.search(index.codes([0]), 2))
    assert elastic.mapping(index, engine="elasticsearch", exact=True)["mappings"]["properties"]["code"] == {
        "type": "dense_vector",
        "element_type": "bit",
        "dims": 40,
        "similarity": "l2_norm",
        "index_options": {"type": "flat"},
    }


def test_opensearch_as_documented():
    """The example of "Binary vectors": 0, 1, 1, 0, 0, 0, 1, 1 is 99; 9 is at distance 1 of 10, and at 3 of 80."""
    index = BinaryIndex(8)
    index.add(pack(np.unpackbits(np.array([[7], [10], [15], [99], [80]], dtype=np.uint8), axis=1)))
    documents = lines(b"".join(elastic.write(index, "test-binary-hnsw", engine="opensearch")))[1::2]
    assert [document["code"] for document in documents] == [[7], [10], [15], [99], [80]]
    asked = pack(np.unpackbits(np.array([[9]], dtype=np.uint8), axis=1))
    (_, body) = lines(elastic.search("test-binary-hnsw", asked, 2, dim=8, engine="opensearch"))
    assert body["query"] == {"knn": {"code": {"vector": [9], "k": body["size"]}}}
    given = {"hits": {"hits": [{"_id": "1", "_score": 0.5}, {"_id": "4", "_score": 0.25}]}}
    assert [part.tolist() for part in elastic.found(given, 2, dim=8, engine="opensearch")] == [[[1, 3]], [[1, 4]]]
    assert elastic.mapping(index, engine="opensearch")["mappings"]["properties"]["code"] == {
        "type": "knn_vector",
        "dimension": 8,
        "data_type": "binary",
        "space_type": "hamming",
        "method": {"name": "hnsw", "engine": "faiss"},
    }


@pytest.mark.parametrize("dim", [64, 70, 1024])
@pytest.mark.parametrize("exact", [False, True])
def test_answers_of_vespa(dim, exact):
    index, asked = filled(dim), codes(7, dim, seed=1)
    puts = lines(b"".join(vespa_feed.write(index, "codes", namespace="mine")))
    assert puts[5]["put"] == "id:mine:codes::6"
    assert [put["fields"].get("key") for put in puts] == index.keys(index.ids())
    rows = {put["fields"]["id"]: bits_of(put["fields"]["code"]["values"]) for put in puts}
    emulated = Emulated(rows, lambda hamming, bits: 1 / (1 + hamming))
    answers = []
    for body in vespa_feed.search("codes", asked, 10, dim=dim, exact=exact):
        assert ("approximate:false" in body["yql"]) == exact
        assert f"targetHits:{body['hits']}" in body["yql"]
        hits = emulated.search(body["input.query(code)"], body["hits"])
        children = [{"relevance": float(score), "fields": {"id": number}} for number, score in hits]
        answers.append({"root": {"children": children}})
    distances, ids = vespa_feed.found(answers, 10)
    expected = index.search(asked, 10)
    np.testing.assert_array_equal(distances, expected[0])
    np.testing.assert_array_equal(ids, expected[1])


def test_vespa_as_documented():
    """The examples of "Binarizing Vectors" and of hex dumps in "Document JSON format"."""
    for floats, byte in [([1.0] * 8, -1), ([0.0] * 8, 0), ([-1.0] + [0.0] * 7, 0), ([1.0] + [0.0] * 7, -128)]:
        (body,) = vespa_feed.search("codes", pack([np.array(floats) > 0]), 1, dim=8)
        assert body["input.query(code)"] == [byte]
    values = np.array([[-1, 0, 17, -128, 34, -2]], dtype=np.int8)
    index = BinaryIndex(48)
    index.add(pack(np.unpackbits(values.view(np.uint8), axis=1)), documents=[b"\xff"])
    (put,) = lines(b"".join(vespa_feed.write(index, "codes")))
    assert put["fields"]["code"] == {"values": "ff00118022fe"}
    assert put["fields"]["document"] == "/w=="
    text = vespa_feed.schema(index, "codes")
    assert "field code type tensor<int8>(x[6]) {\n      indexing: attribute | index\n" in text
    assert "indexing: attribute\n" in vespa_feed.schema(index, "codes", exact=True)
    assert text.count("{") == text.count("}")


@pytest.mark.parametrize(
    "write",
    [
        lambda index: list(elastic.write(index, "x", engine="elasticsearch")),
        lambda index: list(elastic.write(index, "x", engine="opensearch")),
        lambda index: elastic.mapping(index, engine="opensearch"),
        lambda index: list(vespa_feed.write(index, "x")),
        lambda index: vespa_feed.schema(index, "x"),
    ],
)
def test_what_is_not_compared_by_bits_is_refused(write):
    x = np.random.default_rng(0).standard_normal((9, 24)).astype(np.float32)
    with pytest.raises(errors.UnsupportedError, match="by estimates"):
        write(EmbeddingIndex.create(None, RaBitQBinarizer().fit(x)))
    with pytest.raises(errors.UnsupportedError, match="2 bits per component"):
        write(BinaryIndex(64, levels=2))
    with pytest.raises(errors.UnsupportedError, match="metric='l2', and originals are not sent"):
        write(embedded("l2", "int8"))
    assert write(BinaryIndex(64)) is not None


def test_limits_and_wrong_questions_are_told():
    with pytest.raises(errors.UnsupportedError, match="opensearch takes at most 16000 bits"):
        elastic.mapping(BinaryIndex(16001), engine="opensearch")
    with pytest.raises(errors.ParameterError, match="engine"):
        elastic.mapping(BinaryIndex(64), engine="solr")
    with pytest.raises(errors.DimensionError):
        elastic.search("x", codes(1, 128), dim=64, engine="opensearch")
    with pytest.raises(errors.ParameterError, match="letters, digits"):
        vespa_feed.schema(BinaryIndex(64), "no name")
    for given in ({"error": "no such index"}, "text", [{"hits": {"hits": [{"_id": "a", "_score": 1}]}}]):
        with pytest.raises(errors.FileFormatError, match=r"no hits of codes|not a JSON object"):
            elastic.found(given, dim=64, engine="elasticsearch")
    with pytest.raises(errors.FileFormatError, match="bad query"):
        vespa_feed.found({"root": {"errors": ["bad query"]}})
    assert vespa_feed.found({"root": {}})[1].shape == (1, 0)
