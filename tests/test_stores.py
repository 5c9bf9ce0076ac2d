"""Collection and Metadata: what the stores of all frameworks are made of."""

import subprocess
import sys
import threading

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hdc.apps.retrieval import EmbeddingIndex, RaBitQBinarizer, SignBinarizer
from hdc.apps.stores import Collection, Metadata
from hdc.errors import DimensionError, FileFormatError, ParameterError, UnsupportedError
from hdc.store import Store


def vectors(n, d=32, seed=0):
    x = np.random.default_rng(seed).standard_normal((n, d)).astype(np.float32)
    return x / np.linalg.norm(x, axis=1, keepdims=True)


def documents(n):
    return [{"text": f"text {i}", "metadata": {"n": i, "even": i % 2 == 0}} for i in range(n)]


def filled(n=300, path=None):
    collection = Collection(path)
    x = vectors(n)
    collection.put([str(i) for i in range(n)], x, documents(n))
    return collection, x


def exact(x, query, among, k):
    order = sorted(among, key=lambda i: -float(x[i] @ query))
    return [str(i) for i in order[:k]]


class TestSearch:
    def test_finds_what_comparing_every_vector_finds(self):
        collection, x = filled()
        for query in vectors(20, seed=1):
            hits = collection.search(query, 5)
            assert [hit.key for hit in hits] == exact(x, query, range(300), 5)
            assert [hit.score for hit in hits] == pytest.approx([x[int(h.key)] @ query for h in hits], abs=1e-3)
            assert hits[0].document == documents(300)[int(hits[0].key)]

    def test_filters_come_before_the_count(self):
        collection, x = filled()
        query = vectors(1, seed=1)[0]
        for where, passing in [
            (lambda m: m.where("n >= 280"), range(280, 300)),
            (lambda m: m.matching(["even"], "==", True), range(0, 300, 2)),
            (lambda m: m.both([m.where("n < 20"), m.where("even = false")]), range(1, 20, 2)),
            (lambda m: m.where("nothing exists"), []),
        ]:
            found = [hit.key for hit in collection.search(query, 30, where=where)]
            assert found == exact(x, query, passing, 30)

    @pytest.mark.parametrize("least", [0, 250, 299, 300], ids=["most", "some", "one", "none"])
    def test_functions_come_before_the_count(self, least):
        collection, x = filled()
        query = vectors(1, seed=1)[0]
        found = collection.search(query, 7, accept=lambda key, document: document["metadata"]["n"] >= least)
        assert [hit.key for hit in found] == exact(x, query, range(least, 300), 7)

    def test_keys_filter_and_function_together(self):
        collection, x = filled()
        query = vectors(1, seed=1)[0]
        found = collection.search(
            query,
            9,
            keys=[str(i) for i in range(100)] + ["5", "not there"],
            where=lambda m: m.where("n >= 50"),
            accept=lambda key, document: document["metadata"]["even"],
        )
        assert [hit.key for hit in found] == exact(x, query, range(50, 100, 2), 9)

    def test_vectors_come_back(self):
        collection, x = filled()
        (hit,) = collection.search(x[3], 1, vectors=True)
        assert hit.key == "3"
        np.testing.assert_allclose(hit.vector, x[3], atol=1e-3)
        assert collection.search(x[3], 1)[0].vector is None

    def test_an_empty_one_finds_nothing(self):
        collection = Collection()
        assert len(collection) == 0
        assert collection.search([1.0], 3) == collection.get(["a"]) == collection.remove(["a"]) == []
        assert collection.select(lambda m: m.everything()) == []
        collection.put([], [], [])
        assert collection.index is None

    def test_one_of_which_all_was_removed_is_searched(self):
        collection, x = filled(5)
        assert sorted(collection.remove()) == ["0", "1", "2", "3", "4"]
        assert collection.search(x[0], 3) == []
        collection.put(["9"], x[:1], documents(1))
        assert [hit.key for hit in collection.search(x[0], 3)] == ["9"]

    def test_an_index_of_lists_is_asked_with_its_options(self):
        x = vectors(2000)
        model = RaBitQBinarizer(lists=16).fit(x)
        collection = Collection(index=EmbeddingIndex.create(None, model, keep="float16"))
        collection.put([str(i) for i in range(2000)], x, documents(2000))
        assert [hit.key for hit in collection.search(x[7], 1, probes=16, candidates=100)] == ["7"]
        found = collection.search(x[7], 3, probes=1, accept=lambda key, document: document["metadata"]["n"] == 1999)
        assert [hit.key for hit in found] == ["1999"]

    def test_what_cannot_be_asked_is_an_error(self):
        collection, x = filled(5)
        with pytest.raises(ParameterError, match="k must be"):
            collection.search(x[0], 0)
        with pytest.raises(DimensionError, match="one vector"):
            collection.search(x[:2])
        with pytest.raises(DimensionError):
            collection.search(x[0, :3])
        without = Collection(index=EmbeddingIndex.create(None, SignBinarizer().fit(x)))
        without.put(["a"], x[:1], documents(1))
        with pytest.raises(UnsupportedError, match="keep='float16'"):
            without.search(x[0], 1, vectors=True)
        with pytest.raises(ParameterError, match="pass one of them"):
            Collection("folder", index=collection.index)


class TestChanges:
    def test_equal_keys_replace(self):
        collection, x = filled(10)
        collection.put(["3", "3"], x[[4, 5]], [{"metadata": {"n": 1}}, {"metadata": {"n": 2}}])
        assert len(collection) == 10
        (hit,) = collection.get(["3"])
        assert hit.document == {"metadata": {"n": 2}}
        assert {hit.key for hit in collection.search(x[5], 2)} == {"3", "5"}
        assert {hit.key for hit in collection.select(lambda m: m.where("n = 2"))} == {"2", "3"}

    def test_filters_follow_all_changes(self):
        collection, x = filled(50)
        keys = {"n = 3": {"3"}, "n >= 40": {str(i) for i in range(40, 50)}, "new exists": set()}

        def check():
            for condition, expected in keys.items():
                assert {h.key for h in collection.select(lambda m, c=condition: m.where(c))} == expected

        check()
        collection.remove(["3", "41", "absent"])
        keys.update({"n = 3": set(), "n >= 40": keys["n >= 40"] - {"41"}})
        check()
        collection.put(["3", "x"], x[:2], [{"metadata": {"new": 1}}, {"metadata": {"new": 2, "n": 99}}])
        keys.update({"new exists": {"3", "x"}, "n >= 40": keys["n >= 40"] | {"x"}})
        check()
        collection.compact()
        check()
        collection.remove()
        keys = {key: set() for key in keys}
        check()

    @pytest.mark.parametrize(
        ("document", "says"),
        [
            ({"text": "no metadata"}, "must be an object with an object"),
            ({"metadata": [1]}, "must be an object with an object"),
            ({"metadata": {"a": (1, 2)}}, "lists instead of tuples"),
            ({"metadata": {1: "a"}}, "texts as keys"),
            ({"metadata": {"a": float("nan")}}, "not JSON"),
            ({"metadata": {"a": {1, 2}}}, "not JSON"),
        ],
    )
    def test_a_document_that_would_not_come_back_is_refused(self, document, says):
        collection, x = filled(3)
        with pytest.raises(ParameterError, match=says):
            collection.put(["8", "9"], x[:2], [documents(1)[0], document])
        assert len(collection) == 3

    def test_deep_documents_are_refused(self):
        deep = []
        for _ in range(250):
            deep = [deep]
        with pytest.raises(ParameterError, match="nested deeper than 200"):
            Collection().put(["a"], vectors(1), [{"metadata": {"deep": deep}}])
        for _ in range(100_000):
            deep = [deep]
        with pytest.raises(ParameterError, match="not JSON"):
            Collection().put(["a"], vectors(1), [{"metadata": {"deep": deep}}])

    def test_counts_and_lengths_must_agree(self):
        collection, x = filled(3)
        with pytest.raises(DimensionError, match="2 keys, 1 vectors"):
            collection.put(["8", "9"], x[:1], documents(2))
        with pytest.raises(DimensionError):
            collection.put(["8"], [[1.0, 2.0]], documents(1))
        with pytest.raises(ParameterError):
            collection.put([8], x[:1], documents(1))
        assert len(collection) == 3

    @pytest.mark.parametrize("text", ["a\x00b", "\ud800", "ß", ""], ids=["nul", "surrogate", "sharp", "empty"])
    def test_any_text_comes_back(self, text):
        collection = Collection()
        collection.put(["a"], vectors(1), [{"text": text, "metadata": {text: text}}])
        assert collection.get(["a"])[0].document == {"text": text, "metadata": {text: text}}
        assert len(collection.select(lambda m: m.matching([text], "==", text))) == 1


class TestFolders:
    def test_opens_again(self, tmp_path):
        path = tmp_path / "pets"
        collection, x = filled(20, path)
        collection.close()
        with Collection(path) as again:
            assert [hit.key for hit in again.search(x[3], 1, where=lambda m: m.where("n < 10"))] == ["3"]
            again.put(["new"], x[:1], documents(1))
        with Collection(path, writable=False) as reader:
            assert len(reader) == 21
            with pytest.raises(UnsupportedError):
                reader.put(["b"], x[:1], documents(1))

    def test_a_reader_sees_changes_when_it_refreshes(self, tmp_path):
        collection, x = filled(20, tmp_path / "pets")
        reader = Collection(tmp_path / "pets", writable=False)
        new = lambda m: m.where("new exists")  # noqa: E731
        assert reader.select(new) == []
        collection.put(["a"], x[:1], [{"metadata": {"new": 1}}])
        assert reader.select(new) == []
        assert reader.refresh()
        assert [hit.key for hit in reader.select(new)] == ["a"]
        assert not reader.refresh()
        reader.close()
        collection.close()

    def test_an_empty_folder_and_a_new_one_are_made_with_the_first_vectors(self, tmp_path):
        for path in (tmp_path, tmp_path / "new"):
            collection = Collection(path)
            assert collection.index is None
            collection.put(["a"], vectors(1), documents(1))
            collection.close()
            assert len(Collection(path, writable=False)) == 1
            if path == tmp_path:
                for name in ("codes", "model"):
                    subprocess.run(["rm", "-r", str(path / name)], check=True)

    def test_a_reader_needs_an_index_and_no_folder_of_something_else_is_taken(self, tmp_path):
        with pytest.raises(FileFormatError):
            Collection(tmp_path / "nothing", writable=False)
        (tmp_path / "notes.txt").write_text("mine")
        with pytest.raises(FileFormatError):
            Collection(tmp_path)

    def test_save_copies(self, tmp_path):
        with pytest.raises(UnsupportedError, match="then save"):
            Collection().save(tmp_path / "copy")
        collection, x = filled(20)
        collection.save(tmp_path / "copy")
        with Collection(tmp_path / "copy", writable=False) as copy:
            assert copy.search(x[4], 2) == collection.search(x[4], 2)

    def test_rows_of_another_maker_have_empty_documents(self, tmp_path):
        x = vectors(5)
        index = EmbeddingIndex.create(None, SignBinarizer().fit(x), keep="float16")
        index.add(x, keys=list("abcde"))
        collection = Collection(index=index)
        assert collection.search(x[1], 1)[0][::2] == ("b", {})
        assert len(collection.select(lambda m: m.everything())) == 5
        index.store.put(index.encoded(x[:1]), ["a"], [b"no json"])
        with pytest.raises(FileFormatError, match="no collection wrote"):
            collection.get(["a"])


class TestKeptFilters:
    @pytest.fixture
    def path(self, tmp_path, monkeypatch):
        monkeypatch.setattr("hdc.apps.stores.metadata.LEAST", 10)
        path = tmp_path / "pets"
        collection, _ = filled(100, path)
        assert len(collection.select(lambda m: m.where("n >= 90"))) == 10
        collection.close()
        return path

    @staticmethod
    def kept(path):
        return sorted(path.glob("metadata-*"))

    @staticmethod
    def made(monkeypatch):
        """Return a list that grows by the number of documents that are read for filters."""
        read = []
        add = Metadata._add
        monkeypatch.setattr(Metadata, "_add", lambda *args: (read.append(args[2].count - args[3]), add(*args))[1])
        return read

    def test_opening_reads_no_document_again(self, path, monkeypatch):
        (folder,) = self.kept(path)
        read = self.made(monkeypatch)
        with Collection(path) as again:
            assert len(again.select(lambda m: m.where("n >= 90"))) == 10
            assert read == []
            again.remove(["95"])
            again.put(["new", "91"], vectors(2), [{"metadata": {"n": 99}}, {"metadata": {}}])
            assert {h.key for h in again.select(lambda m: m.where("n >= 90"))} == (
                {str(n) for n in range(90, 100)} - {"95", "91"} | {"new"}
            )
            assert len(again.select(lambda m: m.matching(["even"], "!=", True))) == 50 - 1 + 1
            assert {h.key for h in again.select(lambda m: m.matching(["n"], "is_empty", None))} == {"91"}
            assert read == [2]
        assert self.kept(path) == [folder]  # two rows are no eighth

    def test_many_changes_are_kept_too(self, path, monkeypatch):
        (folder,) = self.kept(path)
        with Collection(path) as again:
            again.put([str(i) for i in range(50, 150)], vectors(100), documents(100))
            expected = [hit.key for hit in again.select(lambda m: m.where("n >= 40"))]
            assert len(expected) == 10 + 60
        (newer,) = self.kept(path)
        assert newer != folder
        read = self.made(monkeypatch)
        with Collection(path, writable=False) as again:
            assert [hit.key for hit in again.select(lambda m: m.where("n >= 40"))] == expected
        assert read == []

    def test_what_is_damaged_is_made_anew(self, path, monkeypatch):
        (folder,) = self.kept(path)
        for file in [file for file in folder.rglob("*") if file.is_file()]:
            data = file.read_bytes()
            file.write_bytes(bytes(255 - byte for byte in data))
            with Collection(path, writable=False) as again:
                assert len(again.select(lambda m: m.where("n >= 90"))) == 10
                assert len(again.select(lambda m: m.matching(["even"], "text_match", "a"))) == 0
            file.write_bytes(data)
        assert len(list(folder.rglob("*"))) > 3

    def test_of_other_rows_is_not_taken(self, path, tmp_path):
        (folder,) = self.kept(path)
        other = tmp_path / "other"
        with Collection(other) as collection:
            collection.put([str(i) for i in range(100)], vectors(100), [{"metadata": {"n": 0}}] * 100)
        folder.rename(other / folder.name)
        with Collection(other) as collection:
            assert collection.select(lambda m: m.where("n >= 90")) == []

    def test_compaction_and_leftovers(self, path):
        (path / "metadata.building").mkdir()
        with Collection(path) as again:
            again.remove([str(i) for i in range(60)])
            again.compact()
            assert len(again.select(lambda m: m.where("n >= 0"))) == 40
        assert len(self.kept(path)) == 1
        assert not (path / "metadata.building").exists()
        with Collection(path, writable=False) as again:
            assert len(again.select(lambda m: m.where("n >= 0"))) == 40
            assert again._metadata._parts[0][1].rows() == 40

    def test_a_reader_of_earlier_rows_makes_its_own(self, path):
        reader = Collection(path, writable=False)
        with Collection(path) as writer:
            writer.put([f"x{i}" for i in range(100)], vectors(100), documents(100))
            writer.select(lambda m: m.everything())
        assert len(reader.select(lambda m: m.where("n >= 90"))) == 10
        reader.refresh()
        assert len(reader.select(lambda m: m.where("n >= 90"))) == 20
        reader.close()


def test_threads_see_whole_states():
    """Every hit passes the filter, and its score is that of its own vector, while all is replaced."""
    x = vectors(64, 16)
    collection = Collection()

    def put(round_):
        turn = [(i + round_) % 64 for i in range(64)]
        rows = [{"metadata": {"row": row, "kind": "odd" if row % 2 else "even"}} for row in turn]
        collection.put([str(i) for i in range(64)], x[turn], rows)

    put(0)
    wrong, done = [], threading.Event()

    def search():
        rng = np.random.default_rng()
        while not done.is_set():
            query = x[rng.integers(64)]
            for hit in collection.search(query, 4, where=lambda m: m.where("kind = odd")):
                row = hit.document["metadata"]["row"]
                if not row % 2 or abs(float(x[row] @ query) - hit.score) > 1e-2:
                    wrong.append((hit, row))

    threads = [threading.Thread(target=search) for _ in range(3)]
    for thread in threads:
        thread.start()
    for round_ in range(1, 40):
        put(round_)
        if round_ % 8 == 0:
            collection.remove([str(i) for i in range(0, 64, 3)])
    done.set()
    for thread in threads:
        thread.join()
    assert not wrong


SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-3, 3),
    st.sampled_from([0.5, -1.5, 1e300]),
    st.sampled_from(["", "a", "ab", "B"]),
)
VALUES = st.one_of(
    SCALARS, st.lists(SCALARS, max_size=3), st.dictionaries(st.sampled_from(["x", "y"]), SCALARS, max_size=2)
)
ROWS = st.lists(st.dictionaries(st.sampled_from(["k", "a.b", "it's"]), VALUES, max_size=3), max_size=6)


def kind(value):
    return "number" if isinstance(value, int | float) and not isinstance(value, bool) else type(value).__name__


def equal(held, value):
    return kind(held) == kind(value) and held == value


def holds(row, key, operator, value):
    """Say whether a row passes, from the words of the documentation."""
    there, held = key in row, row.get(key)
    items = held if isinstance(held, list) else []
    match operator:
        case "==" | "in":
            return there and any(equal(held, v) for v in (value if operator == "in" else [value]))
        case "!=" | "nin":
            return not holds(row, key, "==" if operator == "!=" else "in", value)
        case ">":
            return kind(held) == kind(value) and held > value
        case "<=":
            return kind(held) == kind(value) and held <= value
        case "contains":
            return any(equal(item, value) for item in items)
        case "any":
            return any(holds(row, key, "contains", v) for v in value)
        case "all":
            return all(holds(row, key, "contains", v) for v in value)
        case "text_match":
            return isinstance(held, str) and value in held
        case "text_match_insensitive":
            return isinstance(held, str) and value.lower() in held.lower()
        case "is_empty":
            return held is None or held in ("", [], {})


@given(ROWS, st.sampled_from(["k", "a.b", "it's"]), st.data())
def test_operators_are_what_they_say(rows, key, data):
    operator = data.draw(
        st.sampled_from(["==", "!=", "in", "nin", ">", "<=", "contains", "any", "all", "text_match", "is_empty"])
    )
    if operator in ("in", "nin", "any", "all"):
        value = data.draw(st.lists(SCALARS, max_size=3))
    elif operator in (">", "<="):
        value = data.draw(st.sampled_from([0, 1, -1.5, "a", "B"]))
    else:
        value = data.draw(st.sampled_from(["a", "B", ""])) if operator == "text_match" else data.draw(SCALARS)
    metadata = of_rows(rows)
    found = metadata.passing(lambda m: m.matching([key], operator, value))
    assert found.tolist() == [i for i, row in enumerate(rows) if holds(row, key, operator, value)]


def of_rows(rows):
    """Return Metadata of rows."""
    store = Store.create(None, "rows", {"number": ("int8", 1)})
    metadata = Metadata(lambda text: rows[int(text)])
    if rows:
        store.append({"number": np.zeros((len(rows), 1), np.int8)}, documents=[b"%d" % i for i in range(len(rows))])
    metadata.follow(store.snapshot)
    return metadata


class TestMetadata:
    def test_texts_are_matched_by_parts(self):
        metadata = of_rows([{"t": "Straße.*"}, {"t": "strasse"}, {"t": 3}, {}])
        assert metadata.matching(["t"], "text_match", ".*").tolist() == [0]
        assert metadata.matching(["t"], "text_match_insensitive", "STRA").tolist() == [0, 1]

    def test_paths_reach_into_objects(self):
        metadata = of_rows([{"a": {"b": 1}}, {"a": {"b": 2}}, {"a.b": 1}, {"a": 1}])
        assert metadata.matching(["a", "b"], "==", 1).tolist() == [0]
        assert metadata.matching(["a.b"], "==", 1).tolist() == [2]
        assert metadata.matching(["a", "b"], "is_empty", None).tolist() == [2, 3]

    @pytest.mark.parametrize(
        ("operator", "value", "says"),
        [
            ("like", 1, "operator"),
            ("in", 1, "compares with a list"),
            ("==", [1], "compares with one value"),
            (">", float("nan"), "must compare with a text"),
            (">", None, "compares numbers or texts"),
            ("==", object(), "must compare with a text"),
            ("text_match", 1, "text filter must compare with a text"),
        ],
    )
    def test_what_cannot_be_compared_is_an_error(self, operator, value, says):
        with pytest.raises(ParameterError, match=says):
            of_rows([{"a": 1}]).matching(["a"], operator, value)


@pytest.mark.parametrize(("name", "extra"), [("for_langchain", "langchain"), ("for_llama_index", "llama-index")])
def test_a_missing_framework_names_its_extra(name, extra):
    code = (
        "import sys; sys.modules['langchain_core'] = sys.modules['llama_index'] = None\n"
        "import hdc\n"
        f"try:\n    import hdc.apps.stores.{name}\n"
        "except hdc.errors.BackendUnavailableError as error:\n    print(error)"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert f"pip install 'hdc-toolkit[{extra}]'" in out
