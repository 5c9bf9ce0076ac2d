"""The LangChain stores: LangChain's own published suites, and what these do not ask."""

import asyncio
import inspect

import numpy as np
import pytest

REASON = "LangChain's suites are not installed: pip install -e '.[stores]'"
pytest.importorskip("langchain_tests", reason=REASON)

from langchain_core.documents import Document  # noqa: E402
from langchain_core.embeddings import DeterministicFakeEmbedding  # noqa: E402
from langchain_tests.integration_tests import RetrieversIntegrationTests, VectorStoreIntegrationTests  # noqa: E402
from langchain_tests.integration_tests.indexer import AsyncDocumentIndexTestSuite, DocumentIndexerTestSuite  # noqa: E402

from hdc.apps.json import JSONEncoder, JSONIndex  # noqa: E402
from hdc.apps.retrieval import EmbeddingIndex, RaBitQBinarizer, SignBinarizer  # noqa: E402
from hdc.apps.stores.for_langchain import HDCDocumentIndex, HDCJSONRetriever, HDCVectorStore  # noqa: E402
from hdc.errors import DimensionError, FileFormatError, ParameterError, UnsupportedError  # noqa: E402

EMBEDDING = DeterministicFakeEmbedding(size=24)


def asynchronous(suite):
    """Mark a suite's coroutines, which it leaves to a setting of the whole run; replacing them fails the suite."""
    for name in dir(suite):
        if name.startswith("test_") and inspect.iscoroutinefunction(getattr(suite, name)):
            pytest.mark.asyncio(getattr(suite, name))
    return suite


@asynchronous
class TestVectorStoreSuiteInMemory(VectorStoreIntegrationTests):
    @pytest.fixture
    def vectorstore(self):
        return HDCVectorStore(self.get_embeddings())


@asynchronous
class TestVectorStoreSuiteInFolder(VectorStoreIntegrationTests):
    @pytest.fixture
    def vectorstore(self, tmp_path):
        with HDCVectorStore(self.get_embeddings(), tmp_path / "store") as store:
            yield store


@asynchronous
class TestRetrieverSuite(RetrieversIntegrationTests):
    retriever_constructor = HDCJSONRetriever
    retriever_query_example = "red shoes"

    @property
    def retriever_constructor_params(self):
        shoes = [{"name": f"shoes {i}", "color": "red"} for i in range(5)]
        return {"index": JSONIndex(JSONEncoder(64)).add(shoes)}


class TestDocumentIndexSuite(DocumentIndexerTestSuite):
    @pytest.fixture
    def index(self, tmp_path):
        with_folder = HDCDocumentIndex.at(tmp_path / "index")
        yield with_folder
        with_folder.close()


@asynchronous
class TestAsyncDocumentIndexSuite(AsyncDocumentIndexTestSuite):
    @pytest.fixture
    def index(self):
        return HDCDocumentIndex.at()


TEXTS = [f"text {i}" for i in range(40)]
METADATAS = [{"n": i, "kind": "odd" if i % 2 else "even", "tags": ["a", "b"][: i % 3]} for i in range(40)]


@pytest.fixture
def store():
    return HDCVectorStore.from_texts(TEXTS, EMBEDDING, METADATAS, ids=[str(i) for i in range(40)])


def expected(query, passing, k):
    """Return what comparing every vector finds."""
    vectors, asked = np.array(EMBEDDING.embed_documents(TEXTS)), np.array(EMBEDDING.embed_query(query))
    cosines = vectors @ asked / np.linalg.norm(vectors, axis=1) / np.linalg.norm(asked)
    order = sorted(passing, key=lambda i: -cosines[i])[:k]
    return [str(i) for i in order], [float(cosines[i]) for i in order]


FILTERS = {
    "equal": ({"kind": "odd"}, lambda m: m["kind"] == "odd"),
    "all entries": ({"kind": "odd", "n": 3}, lambda m: m["n"] == 3),
    "list": ({"n": [3, 4, 99]}, lambda m: m["n"] in (3, 4)),
    "range": ({"n": {"$gte": 10, "$lt": 20}}, lambda m: 10 <= m["n"] < 20),
    "in": ({"n": {"$in": [1, 2]}}, lambda m: m["n"] in (1, 2)),
    "nin": ({"n": {"$nin": [1, 2]}, "kind": {"$ne": "odd"}}, lambda m: m["n"] != 2 and m["n"] % 2 == 0),
    "contains": ({"tags": {"$contains": "b"}}, lambda m: "b" in m["tags"]),
    "exists": ({"tags": {"$exists": True}, "other": {"$exists": False}}, lambda m: True),
    "or": ({"$or": [{"n": 1}, {"$and": [{"kind": "even"}, {"n": {"$gt": 36}}]}]}, lambda m: m["n"] in (1, 38)),
    "not": ({"$not": {"kind": "odd"}}, lambda m: m["kind"] != "odd"),
    "empty": ({}, lambda m: True),
    "condition": ("n >= 30", lambda m: m["n"] >= 30),
    "conditions": (["n >= 30", "kind = odd"], lambda m: m["n"] >= 30 and m["kind"] == "odd"),
    "function": (lambda d: d.metadata["n"] > 35 and d.id != "39", lambda m: 35 < m["n"] < 39),
    "none": (None, lambda m: True),
}


@pytest.mark.parametrize(("given", "passes"), FILTERS.values(), ids=FILTERS)
def test_filters(store, given, passes):
    keys, cosines = expected("text 3", [i for i in range(40) if passes(METADATAS[i])], 6)
    found = store.similarity_search_with_score("text 3", k=6, filter=given)
    assert [document.id for document, _ in found] == keys
    assert [score for _, score in found] == pytest.approx(cosines, abs=2e-3)
    assert all(d.metadata == METADATAS[int(d.id)] and d.page_content == TEXTS[int(d.id)] for d, _ in found)


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"n": {"$near": 1}}, "not '\\$near'"),
        ({"$and": {"n": 1}}, "needs a list of dictionaries"),
        ({"$not": [1]}, "needs a dictionary"),
        (7, "filter must be a dictionary"),
        ("n near 3", "cannot be read"),
    ],
)
def test_filters_that_are_none(store, given, says):
    with pytest.raises(ParameterError, match=says):
        store.similarity_search("text 3", filter=given)


def test_relevance_is_from_0_to_1(store):
    found = store.similarity_search_with_relevance_scores("text 3", k=40)
    scores = [score for _, score in store.similarity_search_with_score("text 3", k=40)]
    assert [score for _, score in found] == pytest.approx([(1 + s) / 2 for s in scores])
    assert len(store.similarity_search_with_relevance_scores("text 3", k=40, score_threshold=0.999)) == 1


@pytest.mark.parametrize("metric", ["cosine", "ip", "l2"])
def test_relevance_falls_with_the_score_of_any_metric(metric):
    vectors = np.array(EMBEDDING.embed_documents(TEXTS), np.float32)
    index = EmbeddingIndex.create(None, SignBinarizer(metric=metric).fit(vectors), keep="float32")
    store = HDCVectorStore(EMBEDDING, index=index)
    store.add_texts(TEXTS)
    scores = [score for _, score in store.similarity_search_with_relevance_scores("text 3", k=40)]
    assert scores == sorted(scores, reverse=True)
    assert 0 <= scores[-1] < scores[0] <= 1


def test_mmr_is_that_of_the_memory_store(store):
    from langchain_core.vectorstores import InMemoryVectorStore

    theirs = InMemoryVectorStore.from_texts(TEXTS, EMBEDDING, METADATAS, ids=[str(i) for i in range(40)])
    for mult in (0.0, 0.3, 1.0):
        options = {"k": 5, "fetch_k": 15, "lambda_mult": mult}
        ours = store.max_marginal_relevance_search("text 3", **options)
        assert ours == theirs.max_marginal_relevance_search("text 3", **options)
        assert ours == asyncio.run(store.amax_marginal_relevance_search("text 3", **options))
    assert store.max_marginal_relevance_search("text 3", filter={"n": 99}) == []


def test_retriever_of_a_store(store):
    retriever = store.as_retriever(search_kwargs={"k": 2, "filter": {"kind": "odd"}})
    assert [d.id for d in retriever.invoke("text 3")] == expected("text 3", range(1, 40, 2), 2)[0]
    assert asyncio.run(retriever.ainvoke("text 3")) == retriever.invoke("text 3")
    diverse = store.as_retriever(search_type="mmr", search_kwargs={"k": 2})
    assert diverse.invoke("text 3") == store.max_marginal_relevance_search("text 3", k=2)


def test_texts_from_anywhere(tmp_path):
    made = asyncio.run(HDCVectorStore.afrom_texts(TEXTS[:3], EMBEDDING, METADATAS[:3], path=tmp_path / "store"))
    ids = made.add_texts(text for text in TEXTS[3:6])
    assert len(set(ids)) == len(ids) == 3
    assert asyncio.run(made.aadd_texts((t for t in TEXTS[6:8]), ids=["6", "7"])) == ["6", "7"]
    documents = [Document("x", metadata={"a": 1}), Document("y", id="own")]
    assert made.add_documents(documents)[1] == "own"
    assert len(made.collection) == 10
    with pytest.raises(DimensionError, match="1 metadatas for 2 texts"):
        made.add_texts(TEXTS[:2], METADATAS[:1])
    with pytest.raises(DimensionError, match="1 ids for 2 documents"):
        made.add_documents(documents, ids=["a"])
    made.close()
    with HDCVectorStore(EMBEDDING, tmp_path / "store", writable=False) as again:
        assert again.embeddings is EMBEDDING
        assert again.similarity_search("text 7", k=1)[0].id == "7"
        with pytest.raises(UnsupportedError):
            again.add_texts(["z"])


def test_langchains_indexing_adds_what_is_new_and_removes_what_is_gone(store):
    from langchain_core.indexing import InMemoryRecordManager, index

    records = InMemoryRecordManager("test")
    records.create_schema()
    documents = [Document(text, metadata={"source": f"file {i % 2}"}) for i, text in enumerate(TEXTS[:6])]
    settings = {"cleanup": "incremental", "source_id_key": "source", "key_encoder": "sha256"}
    assert index(documents, records, store, **settings)["num_added"] == 6
    changed = index([*documents[:1], Document("new", metadata={"source": "file 0"})], records, store, **settings)
    assert (changed["num_added"], changed["num_skipped"], changed["num_deleted"]) == (1, 1, 2)
    assert len(store.collection) == 40 + 5


def test_delete_of_nothing_deletes_all(store):
    assert store.delete(["3", "absent"]) is True
    assert len(store.collection) == 39
    assert store.delete()
    assert store.similarity_search("text 3") == []


def test_store_over_lists(store):
    vectors = np.array(EMBEDDING.embed_documents(TEXTS), np.float32)
    index = EmbeddingIndex.create(None, RaBitQBinarizer(lists=4).fit(vectors), keep="int8")
    lists = HDCVectorStore(EMBEDDING, index=index)
    lists.add_texts(TEXTS, METADATAS, ids=[str(i) for i in range(40)])
    assert lists.similarity_search("text 3", k=3, probes=4) == store.similarity_search("text 3", k=3)


PEOPLE = [
    {"id": "a", "author": {"name": "Ada Lovelace"}, "title": "Notes on the engine", "year": 1843},
    {"id": "g", "author": {"name": "Grace Hopper"}, "title": "The education of a computer", "year": 1952},
]


class TestJSONRetriever:
    @pytest.fixture
    def index(self):
        return JSONIndex(JSONEncoder(64), key="id").add(PEOPLE)

    @pytest.mark.parametrize(
        "query", ["The education of a computer", '{"author": {"name": "Grace Hopper"}}', {"year": 1952}]
    )
    def test_texts_and_partial_documents(self, index, query):
        (found, *_) = HDCJSONRetriever(index=index).invoke(query)
        assert found.id == "g"
        assert found.metadata["document"] == PEOPLE[1]
        assert found.metadata["score"] == pytest.approx(1)
        assert sum(r["share"] for r in found.metadata["reasons"]) == pytest.approx(found.metadata["score"])
        assert {r["path"] for r in found.metadata["reasons"]} <= {"author.name", "year", "title", "*"}

    def test_where_text_and_no_explanation(self, index):
        retriever = HDCJSONRetriever(
            index=index, where="year > 1900", text=lambda document: document["title"], explain=False
        )
        (found,) = retriever.invoke("notes on the computer")
        assert found == Document(id="g", page_content=PEOPLE[1]["title"], metadata={"document": PEOPLE[1]})
        (found,) = retriever.invoke("notes on the computer", where="year < 1900")
        assert found.id == "a"
        with pytest.raises(ParameterError, match="begins like a JSON object"):
            retriever.invoke('{"year": 19')

    def test_documents_without_keys_have_numbers(self):
        index = JSONIndex(JSONEncoder(64)).add(PEOPLE)
        assert [d.id for d in HDCJSONRetriever(index=index, k=1).invoke("Ada Lovelace")] == ["0"]


class TestDocumentIndex:
    def test_finds_words_and_metadata(self, tmp_path):
        texts = [Document("red shoes", id="1", metadata={"year": 2020}), Document("blue hat", id="2", metadata={})]
        index = HDCDocumentIndex.at(tmp_path / "texts", k=1)
        index.upsert(texts)
        index.close()
        again = HDCDocumentIndex.at(tmp_path / "texts", writable=False, explain=True)
        (found, *_) = again.invoke("shoes")
        assert (found.id, found.page_content, found.metadata["year"]) == ("1", "red shoes", 2020)
        assert found.metadata["reasons"][0]["path"] == "text"
        assert [d.id for d in again.invoke('{"metadata": {"year": 2020}}', k=1)] == ["1"]
        assert again.invoke("hat", where="metadata.year > 2000") == []
        again.close()

    def test_of_other_keys_is_refused(self, tmp_path):
        JSONIndex.create(tmp_path / "other", JSONEncoder(64), key="name").close()
        with pytest.raises(FileFormatError, match="must have key='id', not 'name'"):
            HDCDocumentIndex.at(tmp_path / "other")
