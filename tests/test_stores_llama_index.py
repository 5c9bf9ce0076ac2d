"""The LlamaIndex stores: the cases of its own tests of a vector store, written anew, and what these do not ask."""

import asyncio

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("llama_index.core", reason="LlamaIndex is not installed: pip install -e '.[stores]'")

from llama_index.core import MockEmbedding, StorageContext, VectorStoreIndex
from llama_index.core.schema import Document, ImageNode, IndexNode, NodeRelationship, RelatedNodeInfo, TextNode
from llama_index.core.vector_stores import SimpleVectorStore
from llama_index.core.vector_stores.types import (
    FilterCondition,
    MetadataFilter,
    MetadataFilters,
    VectorStoreQuery,
    VectorStoreQueryMode,
)
from llama_index.core.vector_stores.utils import build_metadata_filter_fn

from hdc.apps.json import JSONEncoder, JSONIndex
from hdc.apps.retrieval import EmbeddingIndex, SignBinarizer
from hdc.apps.stores.for_llama_index import HDCJSONRetriever, HDCVectorStore
from hdc.errors import FileFormatError, ParameterError, UnsupportedError

METADATA = {
    "one": {"weight": 1.0, "rank": "a", "quality": ["medium", "high"], "code": "6FTR78Yun"},
    "two": {"weight": 2.0, "rank": "c", "quality": ["medium"], "code": "6FTR78Ygl", "note": "x"},
    "three": {"weight": 3.0, "rank": "c", "quality": [], "code": "6ftr78ztl", "note": ""},
}
VECTORS = {"one": [1.0, 0.0], "two": [0.0, 1.0], "three": [1.0, 1.0]}


def nodes():
    return [
        TextNode(
            text=f"text {name}",
            id_=name,
            embedding=VECTORS[name],
            relationships={NodeRelationship.SOURCE: RelatedNodeInfo(node_id=f"document {name}")},
            metadata=METADATA[name],
        )
        for name in METADATA
    ]


@pytest.fixture
def store():
    store = HDCVectorStore()
    assert store.add(nodes()) == ["one", "two", "three"]
    return store


def found(store, filters=None, top=3, **query):
    result = store.query(VectorStoreQuery([0.9, 1.0], similarity_top_k=top, filters=filters, **query))
    assert [node.node_id for node in result.nodes] == result.ids
    return result.ids


def one(key, operator, value):
    return MetadataFilters(filters=[MetadataFilter(key=key, operator=operator, value=value)])


CASES = {
    "==": ("rank", "==", "c", ["three", "two"]),
    "== number": ("weight", "==", 1, ["one"]),
    "!=": ("weight", "!=", 1.0, ["three", "two"]),
    "!= absent": ("note", "!=", "x", ["three", "one"]),
    ">": ("weight", ">", 1.5, ["three", "two"]),
    ">=": ("weight", ">=", 2.0, ["three", "two"]),
    "<": ("weight", "<", 1.1, ["one"]),
    "<=": ("weight", "<=", 1.0, ["one"]),
    "> text": ("rank", ">", "b", ["three", "two"]),
    "in": ("rank", "in", ["a", "b"], ["one"]),
    "nin": ("rank", "nin", ["c"], ["one"]),
    "nin absent": ("note", "nin", ["x"], ["three", "one"]),
    "contains": ("quality", "contains", "high", ["one"]),
    "any": ("quality", "any", ["high", "medium"], ["two", "one"]),
    "all": ("quality", "all", ["high", "medium"], ["one"]),
    "text_match": ("code", "text_match", "6FTR78Y", ["two", "one"]),
    "text_match_insensitive": ("code", "text_match_insensitive", "6FTR78Z", ["three"]),
    "is_empty list": ("quality", "is_empty", None, ["three"]),
    "is_empty absent": ("note", "is_empty", None, ["three", "one"]),
    "unknown": ("unknown", "==", "c", []),
}


@pytest.mark.parametrize(("key", "operator", "value", "expected"), CASES.values(), ids=CASES)
def test_operators(store, key, operator, value, expected):
    filters = one(key, operator, value)
    assert found(store, filters) == expected
    assert {node.node_id for node in store.get_nodes(filters=filters)} == set(expected)
    theirs = build_metadata_filter_fn(METADATA.__getitem__, filters)
    assert {name for name in METADATA if theirs(name)} == set(expected)


def test_conditions_nested_too(store):
    light, c = MetadataFilter(key="weight", value=1), MetadataFilter(key="rank", value="c")
    for condition, expected in [
        (FilterCondition.AND, []),
        (None, []),
        (FilterCondition.OR, ["three", "two", "one"]),
        (FilterCondition.NOT, []),
    ]:
        assert found(store, MetadataFilters(filters=[light, c], condition=condition)) == expected
    assert found(store, MetadataFilters(filters=[light], condition="not")) == ["three", "two"]
    nested = MetadataFilters(
        filters=[MetadataFilters(filters=[light, c], condition="or"), one("note", "is_empty", None)]
    )
    assert found(store, nested) == ["three", "one"]
    assert found(store, MetadataFilters(filters=[])) == ["three", "two", "one"]


VALUES = st.one_of(st.integers(-2, 2), st.sampled_from([0.5, 1.5]), st.sampled_from(["a", "b", "ab", ""]))


@given(
    st.lists(st.dictionaries(st.sampled_from("xy"), VALUES, max_size=2), min_size=1, max_size=5),
    st.lists(
        st.one_of(
            st.tuples(st.sampled_from("xyz"), st.sampled_from(["==", "!="]), VALUES),
            st.tuples(
                st.sampled_from("xyz"), st.sampled_from(["in", "nin"]), st.lists(st.sampled_from("ab"), max_size=2)
            ),
            st.tuples(st.sampled_from("xyz"), st.just("is_empty"), st.none()),
        ),
        max_size=3,
    ),
    st.sampled_from(list(FilterCondition)),
)
def test_filters_are_those_of_llama_index(rows, asked, condition):
    store = HDCVectorStore()
    store.add([TextNode(id_=str(i), embedding=[1.0, float(i)], metadata=row) for i, row in enumerate(rows)])
    parts = [MetadataFilter(key=key, operator=operator, value=value) for key, operator, value in asked]
    filters = MetadataFilters(filters=parts, condition=condition)
    theirs = build_metadata_filter_fn(lambda i: rows[int(i)], filters)
    assert [n.node_id for n in store.get_nodes(filters=filters)] == [str(i) for i in range(len(rows)) if theirs(str(i))]


class TestQuery:
    def test_scores_and_nodes(self, store):
        result = store.query(VectorStoreQuery([1.0, 1.0], similarity_top_k=2))
        assert result.ids[0] == "three"
        assert result.similarities == pytest.approx([1, 0.5**0.5], abs=1e-3)
        first = result.nodes[0]
        assert (first.text, first.metadata, first.ref_doc_id) == ("text three", METADATA["three"], "document three")

    def test_top_k_comes_after_filters(self, store):
        assert found(store, one("rank", "==", "c"), top=1) == ["three"]
        assert found(store, one("rank", "==", "c"), node_ids=["two", "one"]) == ["two"]
        assert found(store, doc_ids=["document one", "document two"]) == ["two", "one"]
        assert found(store, one("rank", "==", "c"), doc_ids=["document one", "document two"]) == ["two"]
        assert found(store, node_ids=[], doc_ids=[]) == ["three", "two", "one"]

    def test_mmr_is_that_of_the_simple_store(self):
        rng = np.random.default_rng(0)
        many = [TextNode(id_=str(i), embedding=row) for i, row in enumerate(rng.standard_normal((12, 8)).tolist())]
        ours, theirs = HDCVectorStore(), SimpleVectorStore()
        ours.add(many), theirs.add(many)
        for threshold in (0.1, 0.5, 1.0):
            asked = VectorStoreQuery(rng.standard_normal(8).tolist(), similarity_top_k=4, mode=VectorStoreQueryMode.MMR)
            options = {"mmr_threshold": threshold}
            mine = ours.query(asked, mmr_prefetch_factor=3, **options)
            assert mine.ids == theirs.query(asked, **options).ids
            asked.mmr_threshold = threshold
            assert ours.query(asked, mmr_prefetch_factor=3) == mine

    def test_what_is_not_answered(self, store):
        with pytest.raises(UnsupportedError, match="not 'hybrid'"):
            found(store, mode=VectorStoreQueryMode.HYBRID)
        with pytest.raises(ParameterError, match="query_embedding"):
            store.query(VectorStoreQuery(query_str="a"))

    def test_async(self, store):
        asked = VectorStoreQuery([1.0, 1.0], similarity_top_k=3)
        assert asyncio.run(store.aquery(asked)) == store.query(asked)
        asyncio.run(store.adelete("document one"))
        asyncio.run(store.async_add(nodes()[:1]))
        asyncio.run(store.adelete_nodes(["two"]))
        assert [n.node_id for n in asyncio.run(store.aget_nodes())] == ["three", "one"]
        asyncio.run(store.aclear())
        assert store.query(asked).ids == []


class TestChanges:
    def test_delete(self, store):
        store.delete("document two")
        store.delete("absent")
        assert found(store) == ["three", "one"]
        store.delete_nodes(filters=one("rank", "==", "a"))
        store.delete_nodes(["three"], one("rank", "==", "a"))
        assert found(store) == ["three"]
        with pytest.raises(ParameterError, match="clear"):
            store.delete_nodes()
        store.clear()
        assert found(store) == []

    def test_adding_again_replaces(self, store):
        store.add([TextNode(text="new", id_="one", embedding=[0.9, 1.0])])
        assert found(store) == ["one", "three", "two"]
        assert store.get_nodes(["one", "absent"])[0].text == "new"

    def test_kinds_of_nodes_come_back(self, store):
        given_ = [
            IndexNode(text="i", id_="i", index_id="other", embedding=[1.0, 0.0]),
            ImageNode(text="p", id_="p", image="aGVsbG8=", embedding=[1.0, 0.0]),
            Document(text="d", id_="d", embedding=[1.0, 0.0]),
        ]
        store.add(given_)
        index_node, image, document = store.get_nodes(["i", "p", "d"])
        assert index_node.index_id == "other"
        assert image.image == "aGVsbG8="
        assert document.text == "d"


class TestFolders:
    def test_index_of_documents_opens_again(self, tmp_path):
        documents = [Document(text=f"text {i}", id_=str(i), metadata={"n": i}) for i in range(5)]
        store, model = HDCVectorStore(tmp_path / "nodes"), MockEmbedding(embed_dim=8)
        context = StorageContext.from_defaults(vector_store=store)
        index = VectorStoreIndex.from_documents(documents, context, embed_model=model)
        assert store.client is store.collection.index
        context.persist(str(tmp_path / "rest"))
        index.delete_ref_doc("1")
        store.close()
        again = HDCVectorStore(tmp_path / "nodes", writable=False)
        assert again.path == str(tmp_path / "nodes")
        index = VectorStoreIndex.from_vector_store(again, embed_model=model)
        hits = index.as_retriever(similarity_top_k=9, filters=one("n", "<", 3)).retrieve("text")
        assert sorted(hit.text for hit in hits) == ["text 0", "text 2"]
        again.close()

    def test_one_in_memory_is_copied_to_a_folder(self, store, tmp_path):
        store.persist(str(tmp_path / "copy"))
        with pytest.raises(ParameterError):
            store.persist(str(tmp_path / "copy"))
        assert found(HDCVectorStore(tmp_path / "copy", writable=False)) == found(store)
        with pytest.raises(UnsupportedError, match="file system"):
            store.persist(str(tmp_path / "other"), fs=object())
        HDCVectorStore().persist(str(tmp_path / "nothing"))

    def test_a_reader_refreshes(self, tmp_path):
        writer = HDCVectorStore(tmp_path / "nodes")
        writer.add(nodes()[:1])
        reader = HDCVectorStore(tmp_path / "nodes", writable=False)
        writer.add(nodes())
        assert found(reader) == ["one"]
        assert reader.refresh()
        assert found(reader) == ["three", "two", "one"]
        writer.close()
        reader.close()

    def test_rows_that_are_no_nodes(self):
        x = np.eye(3, dtype=np.float32)
        index = EmbeddingIndex.create(None, SignBinarizer().fit(x))
        index.add(x, keys=list("abc"))
        with pytest.raises(FileFormatError, match="not a LlamaIndex node"):
            HDCVectorStore(index=index).get_nodes()


def test_json_retriever():
    people = [{"id": "a", "name": "Ada", "year": 1843}, {"id": "g", "name": "Grace", "year": 1952}]
    index = JSONIndex(JSONEncoder(64), key="id").add(people)
    for query in ("Grace", '{"name": "Grace", "year": 1952}'):
        (hit,) = HDCJSONRetriever(index, 1).retrieve(query)
        assert (hit.node.node_id, hit.score) == ("g", pytest.approx(1))
        assert hit.metadata["document"] == people[1]
        assert sum(reason["share"] for reason in hit.metadata["reasons"]) == pytest.approx(1)
    retriever = HDCJSONRetriever(index, where="year < 1900", text=lambda document: document["name"], explain=False)
    (hit,) = asyncio.run(retriever.aretrieve('{"year": 1850}'))
    assert (hit.text, hit.metadata) == ("Ada", {"document": people[0]})
