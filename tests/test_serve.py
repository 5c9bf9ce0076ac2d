"""``hdc serve``: answers over HTTP are those of the index, to the last bit, also while a writer commits."""

import base64
import json
import threading

import numpy as np
import pytest

from hdc import words
from hdc.apps.json import JSONEncoder, JSONIndex, split
from hdc.apps.retrieval import BinaryIndex, EmbeddingIndex, ShardedIndex, SignBinarizer
from tests.serving import serving, wait

from hdc.apps.serve import opening, results  # isort: skip  # behind the skip where there are no libraries

RNG = np.random.default_rng(3)
VECTORS = RNG.standard_normal((200, 24)).astype(np.float32)
COLORS = ("red", "green", "blue", "dark blue")


def document(number):
    return {
        "id": f"p{number}",
        "color": COLORS[number % 4],
        "age": number % 50,
        "tags": ["a", "b"][: number % 3],
        "big": 2**70 + number,
        "text": "naïve <script>alert(1)</script>",
    }


DOCUMENTS = [document(number) for number in range(120)]
QUERIES = [{"color": "blue", "age": 30}, {"tags": ["a"]}, {"*": "dark"}, {"color": "blu"}, "red", {"age": 12}]


def fitted(**options):
    encoder = JSONEncoder(256, seed=1, backend="numpy")
    return JSONIndex(encoder.fit(DOCUMENTS), key="id", **options)


@pytest.fixture(scope="module")
def indexes(tmp_path_factory):
    """Return an index of each kind."""
    folder = tmp_path_factory.mktemp("serve")
    documents = fitted().add(DOCUMENTS)
    model = SignBinarizer(128, backend="numpy").fit(VECTORS)
    keys = [f"v{i}" if i % 2 else None for i in range(len(VECTORS))]
    embeddings = EmbeddingIndex.create(folder / "embeddings", model, keep="float32")
    embeddings.add(VECTORS, keys)
    codes = BinaryIndex(100, backend="numpy")
    codes.add(words.pack(VECTORS[:, :20].repeat(5, axis=1) > 0), keys=keys)
    return {"people": documents, "vectors": embeddings, "codes": codes}


@pytest.fixture(scope="module")
def client(indexes):
    """Ask all three."""
    with serving(indexes, encoders={"vectors": lambda texts: VECTORS[[int(text) for text in texts]]}) as asked:
        yield asked


def as_json(value):
    return json.loads(json.dumps(value))


def said(index, query, hits, explain=False):
    return as_json([hit.to_dict(index.explain(query, hit) if explain else None) for hit in hits])


# ---------------------------------------------------------------------- documents


@pytest.mark.parametrize("query", QUERIES)
def test_a_search_of_documents_is_that_of_the_index(client, indexes, query):
    index = indexes["people"]
    found = client.post("/api/people/search", {"query": query, "k": 7, "explain": True})
    hits = index.search(query, 7)
    assert found["hits"] == said(index, query, hits, explain=True)
    assert found["notes"] == list(hits.notes)
    assert (found["generation"], found["exact"], found["options"]) == (index.store.generation[1], True, {})
    assert found["took_ms"] > 0
    results.Answer.model_validate(found)


def test_options_of_a_search_of_documents_are_those_of_the_index(client, indexes):
    index, query = indexes["people"], {"color": "blue", "age": 30}
    given = {"k": 5, "missing": "count", "weights": {"age": 3}, "among": [2, 3, 6, 30, 42]}
    found = client.post("/api/people/search", {"query": query, **given})
    assert found["hits"] == said(index, query, index.search(query, **given))
    words_of_it = client.post("/api/people/search", {"words": "dark blue", "k": 3, "documents": False})
    for hit, other in zip(words_of_it["hits"], said(index, None, index.search({"*": "dark blue"}, 3)), strict=True):
        assert "document" not in hit
        assert {**hit, "document": other["document"]} == other


@pytest.mark.parametrize(
    ("where", "text"),
    [
        ("age >= 30", "age >= 30"),
        (["age >= 30", "color = blue"], ["age >= 30", "color = blue"]),
        ({"path": "age", "op": ">=", "value": 30}, "age >= 30"),
        ([{"path": "color", "op": "~", "value": "^d"}, "age < 20"], ["color ~ ^d", "age < 20"]),
        ({"path": "tags[]", "op": "exists"}, "tags[] exists"),
        ({"path": "age", "op": "=", "value": None}, "age = null"),
        ([], []),
    ],
)
def test_conditions_are_texts_or_objects(client, indexes, where, text):
    index = indexes["people"]
    found = client.post("/api/people/filter", {"where": where, "limit": 3, "offset": 1})
    ids = index.ids() if text == [] else index.filter(text)
    assert found["total"] == len(ids)
    assert [row["id"] for row in found["rows"]] == ids[1:4].tolist()
    assert [row["document"] for row in found["rows"]] == index.documents(ids[1:4])
    results.Page.model_validate(found)
    hits = client.post("/api/people/search", {"query": {"tags": ["a"]}, "where": where, "k": 4})["hits"]
    assert hits == said(index, None, index.search({"tags": ["a"]}, 4, where=text or None))


def test_like_explain_decode_batch_and_documents_are_those_of_the_index(client, indexes):
    index = indexes["people"]
    found = client.post("/api/people/like", {"key": "p7", "k": 4, "explain": True, "where": "age > 5"})
    assert found["hits"] == said(index, index.document(7), index.like(7, 4, where="age > 5"), explain=True)
    assert not found["exact"]
    query = {"color": "blue", "age": 30}
    explained = client.post("/api/people/explain", {"query": query, "id": 42})
    (hit,) = index.search(query, 1, among=[42])
    assert explained["score"] == hit.score
    assert explained["reasons"] == as_json([reason.to_dict() for reason in index.explain(query, hit)])
    results.Explanation.model_validate(explained)
    decoded = client.post("/api/people/decode", {"key": "p7", "path": "color", "k": 3})["values"]
    assert decoded == as_json([v._asdict() for v in index.encoder.decode(index.vectors([7])[0], "color", 3)])
    made = client.post("/api/people/decode", {"query": DOCUMENTS[7], "path": "color", "k": 3})["values"]
    assert made[0]["value"] == "dark blue"
    batch = client.post("/api/people/batch", {"queries": QUERIES, "k": 3})
    assert [result["hits"] for result in batch["results"]] == [said(index, q, index.search(q, 3)) for q in QUERIES]
    results.BatchAnswer.model_validate(batch)
    assert client.post("/api/people/batch", {"queries": []})["results"] == []
    row = client.get("/api/people/documents/p7")
    assert (row["id"], row["key"], row["document"]) == (7, "p7", DOCUMENTS[7])
    assert row == {**client.get("/api/people/documents/7?by=id"), "took_ms": row["took_ms"]}


def test_a_document_that_nothing_was_asked_of_has_no_score(client):
    found = client.post("/api/people/explain", {"query": {"color": "red"}, "id": 1})
    assert (found["score"], found["reasons"]) == (0.0, [])


@pytest.mark.parametrize(
    ("path", "names"),
    [
        ("people/search", ["words"]),
        ("vectors/search", ["vector", "text"]),
        ("codes/search", ["code"]),
        ("people/batch", ["queries"]),
        ("vectors/batch", ["vectors", "texts"]),
        ("codes/batch", ["codes"]),
    ],
)
def test_null_is_no_query_except_of_documents(client, path, names):
    for name in names:
        kind, message = client.error(f"/api/{path}", {name: None}, 422)
        assert kind == "ValidationError"
        assert message.endswith("not nothing")
    assert client.post("/api/people/search", {"query": None, "words": None, "where": None})["hits"] == []
    like = client.post("/api/codes/like", {"id": 5, "key": None, "where": None, "weights": None, "k": 1})
    assert len(like["hits"]) == 1


# ---------------------------------------------------------------------- vectors and codes


def rows_of(index, values, ids, name, measure):
    keys = index.keys(ids)
    rows = zip(values.tolist(), ids.tolist(), keys, strict=True)
    return [{"id": i, name: v, "measure": measure} | ({} if k is None else {"key": k}) for v, i, k in rows]


def encoded(vector):
    return base64.b64encode(np.asarray(vector, "<f4").tobytes()).decode()


def test_a_search_of_embeddings_is_that_of_the_index(client, indexes):
    index, queries = indexes["vectors"], VECTORS[:3] + np.float32(0.1)
    scores, ids = index.search(queries, 5, candidates=30)
    expected = [rows_of(index, s, i, "score", "cosine") for s, i in zip(scores, ids, strict=True)]
    for vector in (queries[0].astype(float).tolist(), encoded(queries[0])):
        found = client.post("/api/vectors/search", {"vector": vector, "k": 5, "options": {"candidates": 30}})
        assert found["hits"] == expected[0]
        assert (found["exact"], found["options"]) == (True, {"candidates": 30})
        results.Answer.model_validate(found)
    batch = client.post("/api/vectors/batch", {"vectors": list(map(encoded, queries)), "k": 5})
    assert [result["hits"] for result in batch["results"]] == [
        rows_of(index, s, i, "score", "cosine") for s, i in zip(*index.search(queries, 5), strict=True)
    ]
    text = client.post("/api/vectors/search", {"text": "17", "k": 2})["hits"]
    assert text == rows_of(index, *(row[0] for row in index.search(VECTORS[[17]], 2)), "score", "cosine")
    like = client.post("/api/vectors/like", {"id": 17, "k": 3})["hits"]
    assert 17 not in [hit["id"] for hit in like]
    assert [hit["id"] for hit in like] == index.search(VECTORS[[17]], 4)[1][0, 1:].tolist()


def test_a_search_of_codes_is_that_of_the_index(client, indexes):
    index = indexes["codes"]
    codes = index.codes([5, 9])
    for order in ("little", "big"):
        sent = [base64.b64encode(row.tobytes()).decode() for row in words.to_bytes(codes, 100, bitorder=order)]
        found = client.post("/api/codes/search", {"code": sent[0], "bitorder": order, "k": 4})
        distances, ids = index.search(codes, 4)
        assert found["hits"] == rows_of(index, distances[0], ids[0], "distance", "bits")
        batch = client.post("/api/codes/batch", {"codes": sent, "bitorder": order, "k": 4})["results"]
        assert batch[1]["hits"] == rows_of(index, distances[1], ids[1], "distance", "bits")
    like = client.post("/api/codes/like", {"id": 5, "k": 3})["hits"]
    assert like == [hit for hit in rows_of(index, distances[0], ids[0], "distance", "bits") if hit["id"] != 5][:3]
    assert client.get("/api/codes/documents/v9?by=key")["id"] == 9


def test_vectors_without_originals_are_like_others_by_their_codes():
    model = SignBinarizer(128, backend="numpy").fit(VECTORS)
    index = EmbeddingIndex.create(None, model)
    index.add(VECTORS)
    with serving({"v": index}) as client:
        found = client.post("/api/v/like", {"id": 3, "k": 2})["hits"]
        distances, ids = index.codes.search(index.codes.codes([3]), 3)
        assert found == rows_of(index, distances[0, 1:], ids[0, 1:], "distance", "bits")


def test_shards_are_searched_as_one(tmp_path):
    with fitted().add(DOCUMENTS) as documents:
        documents.save(tmp_path / "documents")
    split(tmp_path / "documents", 2, tmp_path / "shards")
    model = SignBinarizer(128, backend="numpy").fit(VECTORS)
    for at in range(2):
        with EmbeddingIndex.create(tmp_path / f"vectors/shard-{at}", model, keep="float32") as shard:
            shard.add(VECTORS[100 * at : 100 * (at + 1)])
    given = [f"people={tmp_path}/shards", f"{tmp_path}/vectors"]
    with serving(opened := opening.opened_indexes(given)) as client:
        assert {name: type(index).__name__ for name, index in opened.items()} == {
            "people": "ShardedJSONIndex",
            "vectors": "ShardedIndex",
        }
        query = QUERIES[0]
        found = client.post("/api/people/search", {"query": query, "k": 7, "explain": True})["hits"]
        assert found == said(opened["people"], query, opened["people"].search(query, 7), explain=True)
        found = client.post("/api/vectors/search", {"vector": encoded(VECTORS[150]), "k": 3})["hits"]
        index = opened["vectors"]
        assert isinstance(index, ShardedIndex)
        assert found == rows_of(index, *(row[0] for row in index.search(VECTORS[[150]], 3)), "score", "cosine")
        like = client.post("/api/vectors/like", {"id": found[0]["id"], "k": 2})["hits"]
        assert [hit["id"] for hit in like] == [hit["id"] for hit in found[1:]]


# ---------------------------------------------------------------------- while a writer commits


def test_answers_are_those_of_their_generation_while_a_writer_commits(tmp_path):
    with fitted() as empty:
        empty.add(DOCUMENTS[:40])
        empty.save(tmp_path / "people")
    writer = JSONIndex.open(tmp_path / "people", writable=True, backend="numpy")
    query, expected, wrong, seen = {"color": "blue", "age": 30}, {}, [], set()

    def note():
        expected[writer.store.generation[1]] = (said(writer, query, writer.search(query, 10)), len(writer))

    note()
    reader = JSONIndex.open(tmp_path / "people", backend="numpy")
    ended = threading.Event()
    with serving({"people": reader}, refresh_seconds=0.02) as client:

        def ask():
            while not ended.is_set():
                found = client.post("/api/people/search", {"query": query, "k": 10})
                page = client.post("/api/people/filter", {"limit": 0})
                seen.add(found["generation"])
                answers.append((found["generation"], found["hits"], page["generation"], page["total"]))

        answers = []
        threads = [threading.Thread(target=ask) for _ in range(3)]
        for thread in threads:
            thread.start()
        for number in range(40, 100):
            writer.add([DOCUMENTS[number]])
            note()
            if number % 7 == 0:
                writer.remove(keys=[f"p{number - 30}"])
                note()
            if number == 70:
                writer.compact()
                note()
        wait(lambda: client.get("/api/people")["generation"] == writer.store.generation[1])
        ended.set()
        for thread in threads:
            thread.join()
    for generation, hits, at, total in answers:
        if (hits, total) != (expected[generation][0], expected[at][1]):
            wrong.append((generation, at))
    assert not wrong
    assert len(seen) > 3
    assert len(answers) > 20
    writer.close()


def test_a_change_is_shown_within_a_second_or_at_once_when_asked(tmp_path):
    with fitted() as empty:
        empty.add(DOCUMENTS[:4])
        empty.save(tmp_path / "people")
    with JSONIndex.open(tmp_path / "people", writable=True, backend="numpy") as writer:
        with serving({"p": JSONIndex.open(tmp_path / "people", backend="numpy")}, refresh_seconds=0) as client:
            writer.add([DOCUMENTS[5]])
            assert client.get("/api/p")["rows"] == 4
            refreshed = client.post("/api/p/refresh", {})
            assert (refreshed["changed"], refreshed["rows"]) == (True, 5)
            assert not client.post("/api/p/refresh", {})["changed"]
        with serving({"p": JSONIndex.open(tmp_path / "people", backend="numpy")}) as client:
            writer.add([DOCUMENTS[6]])
            wait(lambda: client.get("/api/p")["rows"] == 6, seconds=30)


def test_an_index_that_cannot_be_refreshed_is_shown_as_it_was(tmp_path):
    with fitted() as empty:
        empty.add(DOCUMENTS[:4])
        empty.save(tmp_path / "people")
    with serving({"p": JSONIndex.open(tmp_path / "people", backend="numpy")}, refresh_seconds=0.02) as client:
        (tmp_path / "people" / "current").write_bytes(b"nothing of ours")
        wait(lambda: client.get("/health")["status"] == "degraded")
        assert "FileFormatError" in client.get("/api/p")["failure"]
        assert len(client.post("/api/p/search", {"query": {"color": "red"}})["hits"]) == 1


# ---------------------------------------------------------------------- what there is


def test_indexes_health_and_metrics(client, indexes):
    listed = {info["name"]: info for info in client.get("/api/indexes")}
    assert {name: info["kind"] for name, info in listed.items()} == {
        "people": "json",
        "vectors": "embeddings",
        "codes": "codes",
    }
    assert [info["rows"] for info in listed.values()] == [120, 200, 200]
    assert client.get("/api/people") == listed["people"]
    for info in listed.values():
        results.Info.model_validate(info)
    assert client.get("/health")["status"] == "ok"
    client.post("/api/people/search", {"query": {"color": "red"}})
    status, headers, text = client.ask("GET", "/metrics")
    assert (status, headers["content-type"]) == (200, "text/plain; version=0.0.4; charset=utf-8")
    lines = text.decode().splitlines()
    assert 'hdc_index_rows{index="people",kind="json"} 120.0' in lines
    counted = 'hdc_requests_total{method="POST",route="/api/{index}/search",status="200"} '
    (before,) = [float(line.removeprefix(counted)) for line in lines if line.startswith(counted)]
    client.post("/api/people/search", {"query": {"color": "red"}})
    lines = client.ask("GET", "/metrics")[2].decode().splitlines()
    assert f"{counted}{before + 1}" in lines


def test_the_page_is_served_with_a_strict_policy(client):
    status, headers, content = client.ask("GET", "/")
    assert status == 200
    assert b"<!doctype html>" in content.lower()
    assert "default-src 'none'" in headers["content-security-policy"]
    assert "unsafe" not in headers["content-security-policy"]
    assert headers["x-content-type-options"] == "nosniff"
    assert client.ask("GET", "/../app.py")[0] == 404
    assert client.ask("GET", "/%2e%2e/app.py")[0] == 404
    assert client.ask("HEAD", "/")[0] == 200
