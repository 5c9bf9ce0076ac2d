"""``hdc serve --writable``: changes by who has the token, durable when they are answered."""

import base64

import numpy as np
import pytest

from hdc import words
from hdc.apps.json import JSONEncoder, JSONIndex
from hdc.apps.retrieval import BinaryIndex, EmbeddingIndex, SignBinarizer
from tests.serving import serving

from hdc.apps.serve import Limits, Tokens, results  # isort: skip  # behind the skip where there are no libraries
from hdc.apps.serve.guard import Access  # isort: skip

TOKEN, READ = "a-token-for-everything", "a-token-for-reading"
ACCESS = Access(Tokens(TOKEN, READ))
MAY = {"Authorization": f"Bearer {TOKEN}"}
VECTORS = np.random.default_rng(1).standard_normal((20, 16)).astype(np.float32)


def people(path, key="id"):
    encoder = JSONEncoder(128, seed=1, backend="numpy")
    return JSONIndex.create(path, encoder, key=key).add([{"id": "ada", "age": 36}, {"id": "bob", "age": 40}])


def test_documents_are_added_replaced_and_removed_durably(tmp_path):
    with serving({"people": people(tmp_path / "p")}, access=ACCESS) as client:
        added = client.post("/api/people/documents", {"documents": [{"id": "cy", "age": 5}]}, 201, **MAY)
        results.Changed.model_validate(added)
        assert (added["ids"], added["rows"]) == ([2], 3)
        assert client.get("/api/people")["generation"] == added["generation"]
        assert client.post("/api/people/search", {"query": {"age": 5}, "k": 1})["hits"][0]["key"] == "cy"
        replaced = client.post(
            "/api/people/documents", {"documents": [{"id": "cy", "age": 6}, {"id": "di"}], "replace": True}, 201, **MAY
        )
        assert replaced["ids"] == [2, 3]
        assert client.json("PUT", "/api/people/documents/ada", {"id": "ada", "age": 37}, **MAY)["ids"] == [0]
        assert client.json("PUT", "/api/people/documents/ed", {"id": "ed"}, **MAY)["ids"] == [4]
        assert client.json("DELETE", "/api/people/documents/bob", **MAY)["rows"] == 4
        assert client.get("/api/people/documents/bob", 404)["error"]["type"] == "NotFoundError"
    with JSONIndex.open(tmp_path / "p") as index:
        assert [index.document(number) for number in index.ids()] == [
            {"id": "ada", "age": 37},
            {"id": "cy", "age": 6},
            {"id": "di"},
            {"id": "ed"},
        ]
        index.verify()


def test_a_change_that_is_wrong_changes_nothing(tmp_path):
    with serving({"people": people(tmp_path / "p")}, Limits(batch=3), ACCESS) as client:
        before = client.get("/api/people")
        path = "/api/people/documents"
        assert "already" in client.error(path, {"documents": [{"id": "new"}, {"id": "ada"}]}, 400, **MAY)[1]
        assert client.error(path, {"documents": [{"age": 1}]}, 400, **MAY)[0] == "ParameterError"
        assert client.error(path, {"documents": [{"id": str(n)} for n in range(4)]}, 413, **MAY)[0] == "BatchTooLarge"
        assert client.error(path, {"vectors": [[1.0]]}, 422, **MAY)[0] == "ValidationError"
        assert client.error(path, {}, 422, **MAY)[0] == "ValidationError"
        for method, where, body, status in (
            ("PUT", f"{path}/ada", {"id": "bob"}, 422),
            ("PUT", f"{path}/ada", {"age": 3}, 400),
            ("PUT", f"{path}/9?by=id", {"id": "ada"}, 404),
            ("PUT", f"{path}/0?by=id", {"id": "bob"}, 400),
            ("DELETE", f"{path}/nobody", None, 404),
        ):
            assert "error" in client.json(method, where, body, status, **MAY)
        assert client.get("/api/people") == before


def test_who_has_no_token_changes_nothing(tmp_path):
    with serving({"people": people(tmp_path / "p")}, access=ACCESS) as client:
        path, body = "/api/people/documents", {"documents": [{"id": "cy"}]}
        assert client.error(path, body, 401)[0] == "TokenError"
        assert client.error(path, body, 403, Authorization=f"Bearer {READ}")[0] == "TokenError"
        assert client.error(path, body, 401, Authorization="Bearer wrong-wrong-wrong")[0] == "TokenError"
        assert client.json("DELETE", f"{path}/ada", None, 401)["error"]["type"] == "TokenError"
        assert client.json("PUT", f"{path}/ada", {"id": "ada"}, 401)["error"]["type"] == "TokenError"
        assert client.get("/api/people")["rows"] == 2
        assert client.post("/api/people/search", {"query": {"age": 36}})["hits"], "reading needs none here"


def test_what_is_served_for_reading_is_not_changed(tmp_path):
    people(tmp_path / "p").close()
    with serving({"people": JSONIndex.open(tmp_path / "p")}, access=ACCESS) as client:
        found = client.error("/api/people/documents", {"documents": [{"id": "cy"}]}, 403, **MAY)
        assert found == ("ReadOnlyError", "people is served for reading; start the server with --writable")
        assert client.json("DELETE", "/api/people/documents/ada", None, 403, **MAY)["error"]["type"] == "ReadOnlyError"


def test_documents_without_keys_are_changed_by_id(tmp_path):
    with serving({"people": people(tmp_path / "p", key=None)}, access=ACCESS) as client:
        assert client.json("PUT", "/api/people/documents/1", {"name": "new"}, **MAY)["ids"] == [1]
        assert client.get("/api/people/documents/1")["document"] == {"name": "new"}
        assert client.json("DELETE", "/api/people/documents/0", **MAY)["rows"] == 1


def test_vectors_and_codes_are_added_and_removed(tmp_path):
    model = SignBinarizer(64, backend="numpy").fit(VECTORS)
    vectors = EmbeddingIndex.create(tmp_path / "v", model, keep="float32")
    codes = BinaryIndex(16, path=tmp_path / "c", backend="numpy")
    bits = words.to_bytes(words.pack(VECTORS > 0), 16, bitorder="big")
    with serving({"v": vectors, "c": codes}, access=ACCESS) as client:
        sent = {"vectors": VECTORS.astype(float).tolist(), "keys": [f"k{i}" for i in range(20)]}
        assert client.post("/api/v/documents", sent, 201, **MAY)["ids"] == list(range(20))
        again = {"vectors": [VECTORS[4].astype(float).tolist()], "keys": ["k9"], "replace": True}
        assert client.post("/api/v/documents", again, 201, **MAY)["ids"] == [9]
        ids = [hit["id"] for hit in client.post("/api/v/search", {"vector": sent["vectors"][4], "k": 2})["hits"]]
        assert sorted(ids) == [4, 9]
        assert client.json("DELETE", "/api/v/documents/k4?by=key", **MAY)["rows"] == 19
        assert "replace needs keys" in client.error("/api/v/documents", {**again, "keys": None}, 422, **MAY)[1]
        packed = {"codes": [base64.b64encode(row.tobytes()).decode() for row in bits]}
        assert "order of bits" in client.error("/api/c/documents", packed, 422, **MAY)[1]
        assert client.post("/api/c/documents", {**packed, "bitorder": "big"}, 201, **MAY)["rows"] == 20
        found = client.post("/api/c/search", {"code": packed["codes"][3], "bitorder": "big", "k": 1})["hits"]
        assert (found[0]["id"], found[0]["distance"]) == (3, 0)
        wrong = client.error("/api/c/documents", {"codes": ["AA=="], "bitorder": "big"}, 422, **MAY)[1]
        assert wrong == "a code has 1 bytes; those of this index have 2 (16 bits)"
    with BinaryIndex.open(tmp_path / "c") as index:
        assert len(index) == 20


@pytest.mark.parametrize(
    ("vector", "said"),
    [
        ([1.0], "has 1 numbers; the vectors of this index have 16"),
        ([1e39] * 16, "must be finite in float32"),
        ("AAAA", "not a multiple of 4"),
        ("!!!", "not base64"),
        (base64.b64encode(np.full(16, np.nan, "<f4").tobytes()).decode(), "must be finite"),
    ],
)
def test_vectors_that_are_none_are_refused(vector, said):
    index = EmbeddingIndex.create(None, SignBinarizer(64, backend="numpy").fit(VECTORS))
    with serving({"v": index}) as client:
        assert said in client.error("/api/v/search", {"vector": vector}, 422)[1]
        assert "where is not for" in client.error("/api/v/search", {"vector": vector, "where": "a = 1"}, 422)[1]
        assert "no encoder of texts" in client.error("/api/v/search", {"text": "a"}, 422)[1]
        options = {"vector": [0.5] * 16, "options": {"probes": 3}}
        assert "kind 'flat'" in client.error("/api/v/search", options, 400)[1]
        for path in ("explain", "decode"):
            body = {"query": 1, "id": 0, "path": "a"} if path == "decode" else {"query": 1, "id": 0}
            assert "indexes of documents" in client.error(f"/api/v/{path}", body, 422)[1]
